//! A query to Cloud Monitoring, in PromQL.
//!
//! A point is there only once it has been sampled and ingested, so the query is asked as of then: a rate over a window that
//! ends now would lack its newest part and read low. No data is no answer, and so are several series: which of them is
//! meant nobody can tell (facts, section 4).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Looked;
use crate::clock::{Clock, earlier};
use crate::resource::Cloud;
use crate::run::Target;
use crate::syntax::condition::Fact;

/// How late points are that nothing is known of: Google says up to 240 s beyond the sample period.
const LATE: Duration = Duration::from_mins(5);

pub(super) async fn look(cloud: &Cloud, target: &Target, query: &str, clock: &dyn Clock) -> Looked {
    let unseen = |why: &dyn std::fmt::Display| Looked::Unseen(format!("the metric cannot be read: {why}"));
    let mut late = Duration::ZERO;
    for name in names(query) {
        match cloud.metric_delay(&target.project, &name).await {
            Ok(delay) => late = late.max(delay.unwrap_or(LATE)),
            Err(error) => return unseen(&error),
        }
    }
    let at = earlier(clock.now(), late);
    match cloud.promql(&target.project, query, at).await {
        Err(error) => unseen(&error),
        Ok(values) => match values.as_slice() {
            [] => Looked::Unseen("there is no data, which is not the same as 0".to_owned()),
            [value] if value.is_finite() => Looked::Facts(BTreeMap::from([("value".to_owned(), Fact::Number(*value))])),
            [_] => Looked::Unseen("the answer is no number: something was divided by nothing".to_owned()),
            several => Looked::Unseen(format!("the answer has {} series; sum them, or choose one", several.len())),
        },
    }
}

/// The values of a query at moments of the past. Those too new to be known are left out.
pub(super) async fn past(
    cloud: &Cloud,
    target: &Target,
    query: &str,
    from: Timestamp,
    to: Timestamp,
    every: Duration,
) -> Result<BTreeMap<Timestamp, f64>, String> {
    let values = cloud.promql_range(&target.project, query, from, to, every).await;
    values.map_err(|error| format!("the metric cannot be read: {error}"))
}

/// The metrics that a query names: whatever has the colon of a Google metric in it.
fn names(query: &str) -> Vec<String> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = query.split(|other: char| !letter(other)).filter(|word| word.contains("_com:"));
    let mut names: Vec<String> = words.map(str::to_owned).collect();
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
        assert_eq!(names(query), ["run_googleapis_com:request_count"]);
    }
}
