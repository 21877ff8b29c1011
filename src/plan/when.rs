//! Which steps a plan leaves out: those whose `when` does not hold of what was observed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, listing};
use crate::action::Obstacle;
use crate::probe::{Probe, ProbeSpec, ResourceProbe, sample_of};
use crate::resource::{Observed, ReadError};
use crate::run::{ResourceId, Target};
use crate::runbook::model::{Runbook, Step};
use crate::syntax::condition::{Condition, Fact};

/// Why a step is left out, if it is.
///
/// # Errors
/// Why that cannot be decided.
pub(super) fn left_out(step: &Step, runbook: &Runbook, observed: &Observed) -> Result<Option<String>, Obstacle> {
    let Some(when) = &step.when else { return Ok(None) };
    let facts = facts(when, runbook, observed)?;
    match when.holds(&facts) {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(format!("left out: `when` does not hold: {when}{}", in_words(when, &facts)))),
        Err(why) => Err(Obstacle::impossible(format!("`when` cannot be decided: {why}"))),
    }
}

impl Plan {
    /// What a plan made of this observation would have otherwise: the steps that it leaves out, or that it no longer would, and what steps
    /// over a list are done for; a line each.
    pub fn decided_otherwise(&self, runbook: &Runbook, now: &Observed) -> Vec<String> {
        let steps = runbook.steps();
        let is_listed = |name: &String| self.lists.get(name).is_some_and(Vec::is_empty);
        let decided = steps.filter_map(|step| {
            let name = &step.name;
            match (left_out(step, runbook, now), self.left_out.contains_key(name) && !is_listed(name)) {
                (Ok(Some(why)), false) => Some(format!("{name} would be {why}")),
                (Ok(None), true) => Some(format!("{name} was left out, and its `when` holds now")),
                (Ok(Some(_)), true) => None,
                (Ok(None), false) => {
                    let obstacle = listing::obstacle(step, &runbook.target_of(step), now)?;
                    Some(format!("{name}: {}", obstacle.why))
                }
                (Err(obstacle), _) => Some(format!("{name}: {}", obstacle.why)),
            }
        });
        decided.collect()
    }
}

/// The resources that decide which steps are in a plan.
pub(super) fn deciding(runbook: &Runbook) -> BTreeSet<ResourceId> {
    let steps = runbook.steps().filter_map(|step| step.when.as_ref());
    let probes = steps.flat_map(|when| probes_in(when, runbook));
    probes.filter_map(|(_, _, resource)| resource.id(&runbook.target).ok()).collect()
}

/// The probes of resources that a condition refers to.
fn probes_in<'r>(
    when: &Condition,
    runbook: &'r Runbook,
) -> impl Iterator<Item = (&'r String, &'r Probe, &'r ResourceProbe)> {
    let named: BTreeSet<&String> =
        when.paths().filter(|path| path[0] == "probes").filter_map(|path| path.get(1)).collect();
    let known = named.into_iter().filter_map(|name| runbook.probes.get_key_value(name)).collect::<Vec<_>>();
    known.into_iter().filter_map(|(name, probe)| match &probe.spec {
        ProbeSpec::Resource(resource) => Some((name, probe, resource)),
        _ => None,
    })
}

fn facts(when: &Condition, runbook: &Runbook, observed: &Observed) -> Result<BTreeMap<String, Fact>, Obstacle> {
    let Target { project, region, .. } = &runbook.target;
    let target = [("project", project), ("region", region)];
    let target = target.map(|(name, value)| (name.to_owned(), Fact::Text(value.clone())));
    let mut probes = BTreeMap::new();
    for (name, probe, resource) in probes_in(when, runbook) {
        let id = resource.id(&runbook.target).map_err(Obstacle::impossible)?;
        let seen = observed.resources.get(&id).ok_or_else(|| Obstacle::not_observed(&id, observed))?;
        let seen = match seen {
            // That it is not there is an answer.
            Ok(seen) => Ok(seen),
            Err(error @ ReadError::NotFound { .. }) => Err(error),
            Err(error) => return Err(Obstacle::unseen(error)),
        };
        probes.insert(name.clone(), sample_of(probe, resource, seen));
    }
    Ok(BTreeMap::from([
        ("target".to_owned(), Fact::Table(BTreeMap::from(target))),
        ("probes".to_owned(), Fact::Table(probes)),
    ]))
}

/// What the condition's names stand for, for whoever wonders.
fn in_words(when: &Condition, facts: &BTreeMap<String, Fact>) -> String {
    let root = Fact::Table(facts.clone());
    let value = |path: &[String]| {
        let value = path.iter().try_fold(&root, |fact, name| match fact {
            Fact::Table(fields) => fields.get(name),
            _ => None,
        })?;
        let is_plain = !matches!(value, Fact::Table(_) | Fact::Json(_));
        is_plain.then(|| format!("{} is {}", path.join("."), crate::run::words(&value.to_json())))
    };
    let words: BTreeSet<String> = when.paths().filter_map(value).collect();
    if words.is_empty() {
        return String::new();
    }
    format!(" ({})", words.into_iter().collect::<Vec<_>>().join(", "))
}
