//! `logs`: entries of Cloud Logging: how many match, and of what class the 503s among them are.
//!
//! The window ends now; what has not been ingested yet is not in it, so no entries are never proof of no errors. Source
//! of the classes: Cloud Run's troubleshooting page, as in the facts, section 2.9.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::history::Past;
use super::keys::{EXPECT, TIMEOUT, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::clock::earlier;
use crate::gate::{FactType, Facts, Polling, Sampling};
use crate::peer::PeerRequest;
use crate::resource::LogLine;
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::condition::Fact;
use crate::syntax::format::{Key, Table, ValueType};

/// More entries than this are not counted.
const MOST: usize = 1000;

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

/// Entries of Cloud Logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsProbe {
    /// The filter, without timestamps.
    pub filter: String,
    /// How far back.
    pub window: Duration,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

impl Declared for LogsProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "logs",
        table: Table {
            about: "Entries of Cloud Logging that match a filter. Sees `count`, `truncated`, and of them `crashed`, `not_ready`, `no_instance` and `timed_out`.",
            keys: &[
                Key::new("logs", ValueType::Text, "The filter, in Cloud Logging's language, without timestamps.")
                    .required()
                    .example("'resource.type=\"cloud_run_revision\" AND httpRequest.status=503'"),
                Key::new("window", ValueType::Duration, "How far back.").required().example("\"10m\""),
                TIMEOUT,
                EXPECT.required(),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = None;

    fn read(block: &Block<'_, '_>) -> Option<LogsProbe> {
        let (filter, window) = (block.text("logs"), block.positive_duration("window"));
        let timeout = read_timeout(block);
        Some(LogsProbe { filter: filter?, window: window?, timeout })
    }
}

impl ProbeKind for LogsProbe {
    fn facts(&self) -> Option<Facts> {
        Some(&[
            ("count", FactType::Int),
            ("truncated", FactType::Bool),
            ("crashed", FactType::Int),
            ("not_ready", FactType::Int),
            ("no_instance", FactType::Int),
            ("timed_out", FactType::Int),
            ("latest", FactType::Text),
            ("trace", FactType::Text),
        ])
    }

    fn time_limit(&self) -> Duration {
        self.timeout
    }

    fn polling(&self) -> Polling {
        Polling::Steady
    }

    fn sampling(&self) -> Sampling {
        Sampling::Windows { apart: self.window }
    }

    fn urls(&self) -> Vec<&str> {
        Vec::new()
    }

    fn urls_mut(&mut self) -> Vec<&mut String> {
        Vec::new()
    }

    fn permissions(&self) -> &'static [Permission] {
        // Source: <https://cloud.google.com/logging/docs/access-control>.
        &["logging.logEntries.list"]
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
        Some(Past::Logs(self))
    }

    async fn observe(&self, observer: &Observer, _: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let since = earlier(observer.clock.now(), self.window);
        let read = async {
            let lines = observer.cloud.log(&observer.target.project, &self.filter, since, None, MOST).await;
            let lines = lines.map_err(|error| ProbeFailure::Unknown(format!("the logs cannot be read: {error}")))?;
            Ok(facts(&lines))
        };
        observer.within_time_limit(self.timeout, read).await
    }
}

/// Entries of the past.
pub(super) struct PastEntries {
    /// The newest first.
    lines: Vec<LogLine>,
    /// Before this moment there were more than were read.
    whole_since: Timestamp,
}

impl LogsProbe {
    /// The entries that the observations between two moments would have seen.
    pub(super) async fn past_entries(
        &self,
        observer: &Observer,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<PastEntries, String> {
        let from = earlier(from, self.window);
        let project = &observer.target.project;
        let lines = observer.cloud.log(project, &self.filter, from, Some(to), MOST_OF_THE_PAST).await;
        let lines = lines.map_err(|error| format!("the logs cannot be read: {error}"))?;
        let cut = lines.last().filter(|_| lines.len() >= MOST_OF_THE_PAST);
        let whole_since = cut.map_or(Timestamp::MIN, |oldest| oldest.at);
        Ok(PastEntries { lines, whole_since })
    }
}

impl PastEntries {
    /// What was to be seen at a moment over a window.
    pub(super) fn at(&self, at: Timestamp, window: Duration) -> Result<FactsByName, &'static str> {
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

fn facts(lines: &[LogLine]) -> FactsByName {
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
