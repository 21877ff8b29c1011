//! A probe that comes and goes: each change is a line until there are many, and then a minute is.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{between, format_duration};
use crate::gate::Health;

/// So many changes within the window are told one by one.
const TOLD: usize = 3;
/// Over how long changes are counted.
const WINDOW: Duration = Duration::from_mins(5);
/// How far two lines about a probe that comes and goes lie apart; and how long it must keep its health to be calm again.
const EVERY: Duration = Duration::from_mins(1);

/// What one probe was seen to be of late.
#[derive(Debug, Default)]
pub(super) struct Flapping {
    samples: VecDeque<(Timestamp, &'static str)>,
    changes: VecDeque<Timestamp>,
    /// When it was last said that it comes and goes; `None` if it does not.
    said: Option<Timestamp>,
}

/// What a sample is worth saying.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// Nothing.
    Nothing,
    /// That the probe is so now.
    Health,
    /// How often it changed, in place of that: `14 changes in 5m, 55 % healthy`.
    Summary(String),
}

impl Flapping {
    /// Takes a sample.
    pub(super) fn see(&mut self, at: Timestamp, health: &Health) -> Worth {
        let before = self.samples.back().map(|(_, word)| *word);
        let is_changed = before != Some(health.word());
        self.samples.push_back((at, health.word()));
        self.samples.retain(|(seen, _)| between(*seen, at) <= WINDOW);
        self.changes.retain(|changed| between(*changed, at) <= WINDOW);
        let calm_for = self.changes.back().map_or(EVERY, |changed| between(*changed, at));
        if is_changed && before.is_some() {
            self.changes.push_back(at);
        }
        match (is_changed, self.said) {
            (false, Some(_)) if calm_for >= EVERY => {
                self.said = None;
                self.changes.clear();
                Worth::Health
            }
            (false, _) => Worth::Nothing,
            (true, Some(said)) if between(said, at) < EVERY => Worth::Nothing,
            (true, None) if self.changes.len() <= TOLD => Worth::Health,
            (true, _) => {
                self.said = Some(at);
                Worth::Summary(self.summary(at))
            }
        }
    }

    fn summary(&self, at: Timestamp) -> String {
        let healthy = self.samples.iter().filter(|(_, word)| *word == Health::Healthy.word()).count();
        let share = healthy.saturating_mul(100).checked_div(self.samples.len()).unwrap_or_default();
        let since = self.samples.front().map_or(at, |(seen, _)| *seen);
        format!("{} changes in {}, {share} % healthy", self.changes.len(), format_duration(between(since, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::later;

    fn told(samples: impl IntoIterator<Item = bool>, every: u64) -> Vec<Worth> {
        let mut flapping = Flapping::default();
        let mut all = Vec::new();
        for (place, is_healthy) in samples.into_iter().enumerate() {
            let at = later(Timestamp::UNIX_EPOCH, Duration::from_secs(every * place as u64));
            let health = if is_healthy { Health::Healthy } else { Health::Unhealthy { why: "503".to_owned() } };
            let worth = flapping.see(at, &health);
            if worth != Worth::Nothing {
                all.push(worth);
            }
        }
        all
    }

    #[test]
    fn a_few_changes_are_told_one_by_one() {
        assert_eq!(
            told([false, false, true, true, false, true], 5),
            [Worth::Health, Worth::Health, Worth::Health, Worth::Health]
        );
    }

    #[test]
    fn many_changes_are_a_line_a_minute_and_calm_is_told() {
        let flaps = (0..120).map(|place| place % 2 == 0);
        let all = told(flaps.chain([true; 20]), 5);
        let summaries = all.iter().filter(|worth| matches!(worth, Worth::Summary(_))).count();
        assert!((9..=11).contains(&summaries), "ten minutes: {all:?}");
        assert_eq!(all.len(), summaries + 5, "the first, three changes, and that it is calm: {all:?}");
        assert_eq!(all.last(), Some(&Worth::Health));
        let Some(Worth::Summary(last)) = all.iter().rev().find(|worth| matches!(worth, Worth::Summary(_))) else {
            panic!("{all:?}")
        };
        assert!(
            last.ends_with("changes in 5m, 50 % healthy") || last.ends_with("changes in 5m, 49 % healthy"),
            "{last}"
        );
    }
}
