//! Values with their units in their types, parsed once.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::fmt::friendly::{SpanParser, SpanPrinter};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// A share of a whole, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Percent(u8);

impl Percent {
    /// Everything.
    pub const ALL: Percent = Percent(100);

    /// The number of hundredths, 0 to 100.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// A number that is not a percentage.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a percentage; it goes from 0 to 100")]
pub struct NotPercent(i64);

impl TryFrom<i64> for Percent {
    type Error = NotPercent;

    fn try_from(value: i64) -> Result<Percent, NotPercent> {
        u8::try_from(value).ok().filter(|value| *value <= 100).map(Percent).ok_or(NotPercent(value))
    }
}

impl From<Percent> for i64 {
    fn from(percent: Percent) -> i64 {
        i64::from(percent.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// A container image reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Image(String);

impl Image {
    /// Takes any reference; whether it is a good one is for `check` to say.
    pub fn new(reference: impl Into<String>) -> Image {
        Image(reference.into())
    }

    /// The reference as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest (`sha256:…`), if the image is pinned by one. A tag names different code on different days.
    pub fn digest(&self) -> Option<&str> {
        let (_, digest) = self.0.split_once('@')?;
        let hex = digest.strip_prefix("sha256:")?;
        (hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))).then_some(digest)
    }
}

/// A text that may have secrets in it: it can be used, and what is shown of it has none.
#[derive(Clone)]
pub struct Private {
    shown: String,
    value: SecretString,
}

impl Private {
    /// `shown` is `value` with `${…}` in the place of every secret.
    pub(super) fn new(shown: String, value: SecretString) -> Private {
        Private { shown, value }
    }

    /// The same with these values in the place of `${flow.NAME}`. What is shown of it stays as it was.
    #[must_use]
    pub fn filled(&self, captured: &BTreeMap<String, SecretString>) -> Private {
        let value = filled(self.value.expose_secret(), captured);
        Private { shown: self.shown.clone(), value: SecretString::from(value) }
    }

    /// The text itself, for whom it is meant.
    pub fn value(&self) -> &SecretString {
        &self.value
    }
}

/// A text with these values in the place of `${flow.NAME}`.
pub fn filled(text: &str, captured: &BTreeMap<String, SecretString>) -> String {
    captured
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{flow.{name}}}"), value.expose_secret()))
}

impl fmt::Display for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Private({:?})", self.shown)
    }
}

impl PartialEq for Private {
    fn eq(&self, other: &Private) -> bool {
        self.shown == other.shown && self.value.expose_secret() == other.value.expose_secret()
    }
}

impl Eq for Private {}

/// A year: longer than any gate, and short enough that no sum of durations overflows.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// A text that is not a duration.
#[derive(Debug, thiserror::Error)]
pub enum NotDuration {
    /// Not a number with a unit.
    #[error("`{0}` is not a duration")]
    Unreadable(String),
    /// More than anybody waits.
    #[error("`{0}` is longer than a year")]
    TooLong(String),
}

/// Reads a duration such as `90s`, `5m` or `1h 30m`.
pub fn duration(text: &str) -> Result<Duration, NotDuration> {
    let duration =
        SpanParser::new().parse_unsigned_duration(text).map_err(|_| NotDuration::Unreadable(text.to_owned()))?;
    if duration > LONGEST { Err(NotDuration::TooLong(text.to_owned())) } else { Ok(duration) }
}

/// A duration as people write it: `1h 30m`.
pub fn friendly(duration: Duration) -> String {
    SpanPrinter::new().unsigned_duration_to_string(&duration)
}

/// A text that is not a rate.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a rate between 0 % and 100 %")]
pub struct NotRate(String);

/// Reads a rate such as `2%` or `0.5 %` as a number between 0 and 1, both exclusive: neither "never" nor
/// "always" is something that samples can show.
pub fn rate(text: &str) -> Result<f64, NotRate> {
    text.strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok())
        .map(|percent| percent / 100.0)
        .filter(|rate| *rate > 0.0 && *rate < 1.0)
        .ok_or_else(|| NotRate(text.to_owned()))
}

/// A rate as people write it: `2 %`.
pub fn percent(rate: f64) -> String {
    // Four places hide what the division by 100 left behind.
    let number = format!("{:.4}", rate * 100.0);
    format!("{} %", number.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_what_people_write() {
        assert_eq!(duration("5m").unwrap(), Duration::from_mins(5));
        assert_eq!(duration("1h 30m").unwrap(), Duration::from_mins(90));
        assert_eq!(friendly(Duration::from_mins(90)), "1h 30m");
        for wrong in ["", "5", "m", "-5m", "5 parsecs", "9999999999999999999h", "400d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_are_percentages_that_samples_can_show() {
        assert!((rate("2%").unwrap() - 0.02).abs() < 1e-12);
        assert!((rate("0.5 %").unwrap() - 0.005).abs() < 1e-12);
        assert_eq!([percent(0.07), percent(0.02), percent(0.005)], ["7 %", "2 %", "0.5 %"]);
        for wrong in ["2", "0%", "100%", "-1%", "NaN%", "inf%", "%", ""] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
