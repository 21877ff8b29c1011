//! What a probe would have observed at other times: logs and metrics are kept, and nothing else is.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::metric::NO_DATA;
use super::observer::judge;
use super::{FactsByName, LogsProbe, MetricProbe, Observer, Probe};
use crate::clock::later;
use crate::gate::{History, Observation};
use crate::syntax::condition::Fact;

/// What is kept of what a probe observes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Past<'p> {
    /// Entries of Cloud Logging.
    Logs(&'p LogsProbe),
    /// Points of Cloud Monitoring.
    Metric(&'p MetricProbe),
}

impl Observer {
    /// What this probe would have observed, every so often between two moments.
    ///
    /// # Errors
    /// In words: nothing is kept of what it observes, or the cloud does not say.
    pub async fn history(
        &self,
        name: &str,
        from: Timestamp,
        to: Timestamp,
        every: Duration,
    ) -> Result<History, String> {
        let probe = self.probe(name).ok_or_else(|| format!("there is no probe `{name}`"))?;
        let times = std::iter::successors(Some(from), |at| Some(later(*at, every))).take_while(|at| *at <= to);
        match probe.spec.past() {
            Some(Past::Logs(logs)) => {
                let past = logs.past_entries(self, from, to).await?;
                Ok(times.map(|at| (at, judge_past(probe, past.at(at, logs.window)))).collect())
            }
            Some(Past::Metric(metric)) => {
                let past = metric.past_values(self, from, to, every).await?;
                let value = |at: Timestamp| {
                    let value = past.get(&at).ok_or(NO_DATA)?;
                    Ok(BTreeMap::from([("value".to_owned(), Fact::Number(*value))]))
                };
                Ok(times.map(|at| (at, judge_past(probe, value(at)))).collect())
            }
            None => Err(format!("the past cannot be observed by `{}`", probe.spec.key())),
        }
    }
}

fn judge_past(probe: &Probe, facts: Result<FactsByName, &str>) -> Observation {
    match facts {
        Ok(facts) => judge(probe, &facts),
        Err(why) => Observation::unknown(why),
    }
}
