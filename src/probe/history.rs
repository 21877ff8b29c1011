//! What a probe would have seen at other times: logs and metrics are kept, and nothing else is.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{Probes, judge, logs, metric};
use crate::clock::{earlier, later};
use crate::gate::{History, Observation};
use crate::runbook::model::{Look, Probe};
use crate::syntax::condition::Fact;

impl Probes {
    /// What this probe would have seen, every so often between two moments.
    ///
    /// # Errors
    /// In words: the past cannot be looked at through it, or the cloud does not say.
    pub async fn history(
        &self,
        name: &str,
        from: Timestamp,
        to: Timestamp,
        every: Duration,
    ) -> Result<History, String> {
        let probe = self.named.get(name).ok_or_else(|| format!("there is no probe `{name}`"))?;
        let times = std::iter::successors(Some(from), |at| Some(later(*at, every))).take_while(|at| *at <= to);
        match &probe.look {
            Look::Logs { filter, window, .. } => {
                let past = logs::past(&self.cloud, &self.target, filter, earlier(from, *window), to).await?;
                Ok(times.map(|at| (at, seen(probe, past.at(at, *window)))).collect())
            }
            Look::Metric { query, .. } => {
                let past = metric::past(&self.cloud, &self.target, query, from, to, every).await?;
                let value = |at: Timestamp| {
                    let value = past.get(&at).ok_or("there is no data, which is not the same as 0")?;
                    Ok(BTreeMap::from([("value".to_owned(), Fact::Number(*value))]))
                };
                Ok(times.map(|at| (at, seen(probe, value(at)))).collect())
            }
            other => Err(format!("the past cannot be looked at by `{}`", other.key())),
        }
    }
}

fn seen(probe: &Probe, facts: Result<BTreeMap<String, Fact>, &str>) -> Observation {
    match facts {
        Ok(facts) => judge(probe, &facts),
        Err(why) => Observation::unknown(why),
    }
}
