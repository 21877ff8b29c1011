//! Whether preconditions are met: several probes observed at once, and a condition over their facts.
//!
//! What is not known is no evidence.

use std::collections::{BTreeMap, BTreeSet};

use super::Observer;
use super::observer::Sample;
use crate::gate::Health;
use crate::run::{Observations, Preconditions};
use crate::syntax::condition::{Condition, Fact};

impl Observer {
    /// Observes once everything that some evidence names; what was seen, and whether it is so.
    ///
    /// # Errors
    /// Beside what was seen: why it is not so, in words.
    pub async fn evidence(&self, wanted: &Preconditions) -> (Observations, Result<(), String>) {
        let condition = wanted.condition.as_ref().map(|text| Condition::compile(text)).transpose();
        let condition = match condition {
            Ok(condition) => condition,
            Err(error) => return (Observations::new(), Err(error.to_string())),
        };
        let asked = condition.iter().flat_map(Condition::paths).filter_map(|path| match path {
            [first, probe, ..] if first == "probes" => Some(probe.clone()),
            _ => None,
        });
        let names: BTreeSet<String> = wanted.healthy.iter().chain(&wanted.unhealthy).cloned().chain(asked).collect();
        let seen: BTreeMap<String, Sample> = self.sample_all(names.into_iter().collect()).await.into_iter().collect();
        let verdict = is_so(wanted, condition.as_ref(), &seen);
        (seen.into_iter().map(|(name, (observation, _))| (name, observation)).collect(), verdict)
    }
}

fn is_so(wanted: &Preconditions, condition: Option<&Condition>, seen: &BTreeMap<String, Sample>) -> Result<(), String> {
    if wanted.is_empty() {
        return Err("nothing is required, so nothing shows that it is met".to_owned());
    }
    let health = |name: &String| seen.get(name).map(|(observation, _)| &observation.health);
    for (names, word, is_meant) in [
        (&wanted.healthy, "healthy", (|health| matches!(health, Health::Healthy)) as fn(&Health) -> bool),
        (&wanted.unhealthy, "unhealthy", |health| matches!(health, Health::Unhealthy { .. })),
    ] {
        if let Some(other) = names.iter().find(|name| !health(name).is_some_and(is_meant)) {
            let is = match health(other) {
                Some(Health::Healthy) => {
                    let figures = seen.get(other).and_then(|(observation, _)| observation.figures());
                    format!("it is healthy{}", figures.map(|figures| format!(" ({figures})")).unwrap_or_default())
                }
                Some(Health::Unhealthy { why }) => format!("it is not: {why}"),
                Some(Health::Unknown { why } | Health::Broken { why }) => format!("its health is unknown: {why}"),
                None => "it was not observed".to_owned(),
            };
            return Err(format!("{other} must be {word}, but {is}"));
        }
    }
    let Some(condition) = condition else { return Ok(()) };
    let facts = seen
        .iter()
        .map(|(name, (observation, facts))| (name.clone(), Fact::of_sample(&observation.health, facts.clone())));
    let facts = BTreeMap::from([("probes".to_owned(), Fact::Table(facts.collect()))]);
    match condition.holds(&facts) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("{condition} does not hold")),
        Err(why) => Err(format!("{condition} cannot be judged: {why}")),
    }
}
