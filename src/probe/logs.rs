//! Entries of Cloud Logging: how many match, and of what class the 503s among them are.
//!
//! The window ends now; what has not been ingested yet is not in it, so no entries are never proof of no errors. Source
//! of the classes: Cloud Run's troubleshooting page, as in the facts, section 2.9.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Looked;
use crate::clock::{Clock, earlier};
use crate::resource::{Cloud, LogLine};
use crate::run::Target;
use crate::syntax::condition::Fact;

/// More entries than this are not counted.
pub(super) const MOST: usize = 1000;

/// More entries than this are not read of the past.
const MOST_OF_THE_PAST: usize = 20_000;

/// The classes of a request that failed, by the words of its entry.
const CLASSES: [(&str, &[&str]); 4] = [
    ("crashed", &["Container called exit", "connection to the instance had an error", "Memory limit"]),
    ("not_ready", &["failed the readiness check", "could not start successfully"]),
    ("no_instance", &["no available instance"]),
    ("timed_out", &["upstream request timeout", "request has been terminated"]),
];

/// So much of the newest entry's text is kept.
const EXCERPT: usize = 200;

pub(super) async fn look(cloud: &Cloud, target: &Target, filter: &str, window: Duration, clock: &dyn Clock) -> Looked {
    let since = earlier(clock.now(), window);
    match cloud.log(&target.project, filter, since, None, MOST).await {
        Ok(lines) => Looked::Facts(facts(&lines)),
        Err(error) => Looked::Unseen(format!("the logs cannot be read: {error}")),
    }
}

/// Entries of the past.
pub(super) struct Past {
    /// The newest first.
    lines: Vec<LogLine>,
    /// Before this moment there were more than were read.
    whole_since: Timestamp,
}

pub(super) async fn past(
    cloud: &Cloud,
    target: &Target,
    filter: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<Past, String> {
    let lines = cloud.log(&target.project, filter, from, Some(to), MOST_OF_THE_PAST).await;
    let lines = lines.map_err(|error| format!("the logs cannot be read: {error}"))?;
    let cut = lines.last().filter(|_| lines.len() >= MOST_OF_THE_PAST);
    let whole_since = cut.map_or(Timestamp::MIN, |oldest| oldest.at);
    Ok(Past { lines, whole_since })
}

impl Past {
    /// What was to be seen at a moment over a window.
    pub(super) fn at(&self, at: Timestamp, window: Duration) -> Result<BTreeMap<String, Fact>, &'static str> {
        let since = earlier(at, window);
        if since < self.whole_since {
            return Err("there were more entries than are read");
        }
        let first = self.lines.partition_point(|line| line.at > at);
        let last = self.lines.partition_point(|line| line.at > since);
        let lines = self.lines.get(first..last).unwrap_or_default();
        Ok(facts(lines.get(..MOST).unwrap_or(lines)))
    }
}

fn facts(lines: &[LogLine]) -> BTreeMap<String, Fact> {
    let count = |count: usize| Fact::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let mut facts = BTreeMap::from([
        ("count".to_owned(), count(lines.len())),
        ("truncated".to_owned(), Fact::Bool(lines.len() >= MOST)),
    ]);
    for (class, words) in CLASSES {
        let is_it = |line: &&LogLine| words.iter().any(|words| line.text.contains(words));
        facts.insert(class.to_owned(), count(lines.iter().filter(is_it).count()));
    }
    let latest = lines.iter().filter(|line| !line.text.is_empty()).max_by_key(|line| line.at);
    let latest = latest.map(|line| line.text.chars().take(EXCERPT).collect::<String>());
    facts.insert("latest".to_owned(), Fact::Text(latest.unwrap_or_default()));
    let traced = lines.iter().filter(|line| !line.trace.is_empty()).max_by_key(|line| line.at);
    facts.insert("trace".to_owned(), Fact::Text(traced.map(|line| line.trace.clone()).unwrap_or_default()));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_503_is_told_apart_by_the_words_of_its_entry() {
        let line = |text: &str| LogLine {
            at: Timestamp::UNIX_EPOCH,
            text: text.to_owned(),
            status: Some(503),
            trace: String::new(),
        };
        let facts = facts(&[
            line(
                "The request failed because either the HTTP response was malformed or connection to the instance had an error.",
            ),
            line("Container called exit(3)."),
            line("The request was aborted because there was no available instance."),
            line(""),
        ]);
        let count = |class: &str| facts[class].clone();
        assert_eq!(
            (count("count"), count("crashed"), count("no_instance")),
            (Fact::Int(4), Fact::Int(2), Fact::Int(1))
        );
        assert_eq!((count("not_ready"), count("truncated")), (Fact::Int(0), Fact::Bool(false)));
    }
}
