//! `metric`: a query to Cloud Monitoring, in PromQL.
//!
//! A point is there only once it has been sampled and ingested, so the query is asked as of then: a rate over a window that
//! ends now would lack its newest part and read low. No data is no answer, and so are several series: which of them is
//! meant nobody can tell (facts, section 4).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::history::Past;
use super::keys::{EXPECT, TIMEOUT, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::clock::earlier;
use crate::gate::{FactType, Facts, Polling, Sampling};
use crate::peer::PeerRequest;
use crate::resource::Permission;
use crate::resource::ReadError;
use crate::syntax::Block;
use crate::syntax::condition::Fact;
use crate::syntax::format::{Key, Table, ValueType};

/// Why a query that no series answers says nothing.
pub(super) const NO_DATA: &str = "there is no data, which is not the same as 0";

/// How late points are that nothing is known of: Google says up to 240 s beyond the sample period.
const LONGEST_DELAY: Duration = Duration::from_mins(5);

/// How often Cloud Monitoring samples most metrics
/// (source: <https://docs.cloud.google.com/monitoring/api/v3/latency-n-retention>).
const SAMPLE_PERIOD: Duration = Duration::from_mins(1);

/// A query to Cloud Monitoring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricProbe {
    /// In PromQL.
    pub query: String,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

impl Declared for MetricProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "metric",
        table: Table {
            about: "A query to Cloud Monitoring. Sees `value`; without data there is none, and that is not healthy.",
            keys: &[
                Key::new("metric", ValueType::Text, "The query, in PromQL, with one number as its answer.")
                    .required()
                    .example("'sum(rate(run_googleapis_com:request_count{service_name=\"backend\"}[5m]))'"),
                TIMEOUT,
                EXPECT.required(),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = None;

    fn read(block: &Block<'_, '_>) -> Option<MetricProbe> {
        let (query, timeout) = (block.text("metric"), read_timeout(block));
        Some(MetricProbe { query: query?, timeout })
    }
}

impl ProbeKind for MetricProbe {
    fn facts(&self) -> Option<Facts> {
        Some(&[("value", FactType::Number)])
    }

    fn time_limit(&self) -> Duration {
        self.timeout
    }

    fn polling(&self) -> Polling {
        Polling::Steady
    }

    fn sampling(&self) -> Sampling {
        Sampling::Points { apart: longest_range(&self.query).max(SAMPLE_PERIOD) }
    }

    fn urls(&self) -> Vec<&str> {
        Vec::new()
    }

    fn urls_mut(&mut self) -> Vec<&mut String> {
        Vec::new()
    }

    fn permissions(&self) -> &'static [Permission] {
        // Source: <https://cloud.google.com/monitoring/access-control>. Queries in PromQL take the same.
        &["monitoring.metricDescriptors.list", "monitoring.timeSeries.list"]
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn address_example(&self) -> Option<&'static str> {
        None
    }

    fn check_address(&self) -> Result<(), String> {
        Ok(())
    }

    fn past(&self) -> Option<Past<'_>> {
        Some(Past::Metric(self))
    }

    async fn observe(&self, observer: &Observer, _: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        observer.within_time_limit(self.timeout, self.ask(observer)).await
    }
}

impl MetricProbe {
    async fn ask(&self, observer: &Observer) -> Result<FactsByName, ProbeFailure> {
        let unreadable = |why: &dyn fmt::Display| ProbeFailure::Unknown(format!("the metric cannot be read: {why}"));
        let (cloud, project) = (&observer.cloud, &observer.target.project);
        let mut delay = Duration::ZERO;
        for name in metric_names(&self.query) {
            let known = cloud.metric_delay(project, &name).await.map_err(|error| unreadable(&error))?;
            delay = delay.max(known.unwrap_or(LONGEST_DELAY));
        }
        let at = earlier(observer.clock.now(), delay);
        let values = cloud.promql(project, &self.query, at).await.map_err(|error| match &error {
            // What is refused for what it is will be refused again, however long the gate waits.
            ReadError::Refused { denied: false, why, .. } => {
                ProbeFailure::Broken(format!("the query is refused: {why}"))
            }
            _ => unreadable(&error),
        })?;
        match values.as_slice() {
            [] => Err(ProbeFailure::Unknown(NO_DATA.to_owned())),
            [value] if value.is_finite() => Ok(BTreeMap::from([("value".to_owned(), Fact::Number(*value))])),
            [_] => Err(ProbeFailure::Unknown("the answer is no number: something was divided by nothing".to_owned())),
            several => {
                let why = format!("the answer has {} series; sum them, or choose one", several.len());
                Err(ProbeFailure::Unknown(why))
            }
        }
    }

    /// Its values at moments of the past. Those too new to be known are left out.
    pub(super) async fn past_values(
        &self,
        observer: &Observer,
        from: Timestamp,
        to: Timestamp,
        every: Duration,
    ) -> Result<BTreeMap<Timestamp, f64>, String> {
        let values = observer.cloud.promql_range(&observer.target.project, &self.query, from, to, every).await;
        values.map_err(|error| format!("the metric cannot be read: {error}"))
    }
}

/// The longest range that a query looks over, such as that of `rate(x[5m])`: points that are nearer to each other share a
/// part of it.
fn longest_range(query: &str) -> Duration {
    let ranges = query.split('[').skip(1).filter_map(|rest| rest.split([']', ':']).next()?.trim().parse().ok());
    let ranges = ranges.filter_map(|range: jiff::SignedDuration| Duration::try_from(range).ok());
    ranges.max().unwrap_or_default()
}

/// The metrics that a query names, as PromQL spells them: whatever has the colon of a Google metric in it, and between quotation
/// marks Google's own names (source: the documentation of PromQL in Cloud Monitoring).
fn metric_names(query: &str) -> Vec<String> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = query.split(|other: char| !letter(other)).filter(|word| word.contains("_com:"));
    let quoted = query.split(['"', '\'', '`']).filter_map(|text| {
        let (service, rest) = text.split_once('/').filter(|(service, _)| service.ends_with(".googleapis.com"))?;
        let plain = |text: &str| text.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
        Some(format!("{}:{}", plain(service), plain(rest)))
    });
    let mut names: Vec<String> = words.map(str::to_owned).chain(quoted).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_of_a_query_are_found() {
        let query = r#"sum(rate(run_googleapis_com:request_count{service_name="a:b"}[5m])) / sum(x) "#;
        assert_eq!(metric_names(query), ["run_googleapis_com:request_count"]);
        let query = r#"sum(rate({"run.googleapis.com/request_count", service_name="a/b"}[5m]))"#;
        assert_eq!(metric_names(query), ["run_googleapis_com:request_count"]);
    }
}
