//! Entries of Cloud Logging: how many match, and of what class the 503s among them are.
//!
//! The window ends now; what has not been ingested yet is not in it, so no entries are never proof of no errors. Source
//! of the classes: Cloud Run's troubleshooting page, as in the facts, section 2.9.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::Looked;
use crate::clock::Clock;
use crate::resource::{Cloud, LogLine};
use crate::runbook::condition::Fact;
use crate::runbook::model::Target;

/// More entries than this are not counted.
pub(super) const MOST: usize = 1000;

/// The classes of a request that failed, by the words of its entry.
const CLASSES: [(&str, &[&str]); 4] = [
    ("crashed", &["Container called exit", "connection to the instance had an error", "Memory limit"]),
    ("not_ready", &["failed the readiness check", "could not start successfully"]),
    ("no_instance", &["no available instance"]),
    ("timed_out", &["upstream request timeout", "request has been terminated"]),
];

pub(super) async fn look(cloud: &Cloud, target: &Target, filter: &str, window: Duration, clock: &dyn Clock) -> Looked {
    let since = clock.now().saturating_sub(SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX));
    let Ok(since) = since else { return Looked::Unseen("the window is longer than time".to_owned()) };
    match cloud.log(&target.project, filter, since, MOST).await {
        Ok(lines) => Looked::Facts(facts(&lines)),
        Err(error) => Looked::Unseen(format!("the logs cannot be read: {error}")),
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
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_503_is_told_apart_by_the_words_of_its_entry() {
        let line = |text: &str| LogLine { text: text.to_owned(), status: Some(503) };
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
