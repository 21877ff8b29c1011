//! Values with their units in their types, parsed once.

use std::collections::{BTreeMap, BTreeSet};
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
pub struct SecretText {
    shown: String,
    value: SecretString,
    pieces: Vec<Piece>,
    sources: Sources,
}

/// The secrets in a text, by the names that references have: `inputs.password`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// All of them.
    pub(crate) secrets: BTreeSet<String>,
    /// Those that have no value.
    pub(crate) absent: BTreeSet<String>,
}

/// A piece of such a text.
#[derive(Clone)]
pub(crate) enum Piece {
    /// What is known, as it is sent.
    Known(SecretString),
    /// What an earlier request of the same flow captures under this name, and how it is written here.
    Captured {
        /// Its name.
        name: String,
        /// What it becomes when it is filled in.
        encoding: Encoding,
    },
}

/// How a value is written in the language of the text that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is: no language is known.
    Plain,
    /// As the inside of a JSON text.
    JsonText,
    /// As a JSON number or flag; another value cannot be written.
    JsonScalar,
    /// As a part of a URL: everything but letters, digits and `-._~` is percent-encoded.
    Url,
}

/// A value that cannot be written where it is to stand. It is not named, for it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it stands outside of quotation marks in JSON, and is neither a number nor true, false or null")]
pub struct NotScalar;

/// What a URL's parser takes as it is wherever it stands.
const UNRESERVED: percent_encoding::AsciiSet =
    percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Encoding {
    /// A value as it is written.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn encode(self, value: &str) -> Result<String, NotScalar> {
        match self {
            Encoding::Plain => Ok(value.to_owned()),
            Encoding::JsonText => {
                let quoted = serde_json::Value::from(value).to_string();
                Ok(quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned())
            }
            Encoding::JsonScalar => match serde_json::from_str(value) {
                Ok(serde_json::Value::Number(_) | serde_json::Value::Bool(_) | serde_json::Value::Null) => {
                    Ok(value.to_owned())
                }
                _ => Err(NotScalar),
            },
            Encoding::Url => Ok(percent_encoding::utf8_percent_encode(value, &UNRESERVED).to_string()),
        }
    }
}

impl SecretText {
    /// `shown` is what the pieces say, with `${…}` in the place of every secret and every captured value.
    pub(crate) fn new(shown: String, pieces: Vec<Piece>, sources: Sources) -> SecretText {
        SecretText { shown, value: joined(&pieces), pieces, sources }
    }

    /// The inputs that are secrets and stand in it, by name.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.sources.secrets.iter().map(|name| name.strip_prefix("inputs.").unwrap_or(name))
    }

    /// Those of its secrets that have no value: it cannot be sent.
    pub fn absent(&self) -> impl Iterator<Item = &str> {
        self.sources.absent.iter().map(|name| name.strip_prefix("inputs.").unwrap_or(name))
    }

    /// A text without secrets.
    pub(crate) fn literal(text: impl Into<String>) -> SecretText {
        let text = text.into();
        SecretText::new(text.clone(), vec![Piece::Known(text.into())], Sources::default())
    }

    /// All of these, one after the other.
    pub(crate) fn concat(all: impl IntoIterator<Item = SecretText>) -> SecretText {
        let (mut shown, mut pieces, mut sources) = (String::new(), Vec::new(), Sources::default());
        for part in all {
            shown.push_str(&part.shown);
            pieces.extend(part.pieces);
            sources.secrets.extend(part.sources.secrets);
            sources.absent.extend(part.sources.absent);
        }
        SecretText::new(shown, pieces, sources)
    }

    /// The same in base64. What is shown of it stays as it was.
    pub(crate) fn base64(&self) -> SecretText {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(self.value.expose_secret());
        SecretText::new(self.shown.clone(), vec![Piece::Known(encoded.into())], self.sources.clone())
    }

    /// The same with these values in the places of what was to be captured. What is shown of it stays as it was.
    ///
    /// # Errors
    /// If a value cannot be written where it is to stand.
    pub fn filled(&self, captured: &BTreeMap<String, SecretString>) -> Result<SecretText, NotScalar> {
        let fill = |piece: &Piece| match piece {
            Piece::Captured { name, encoding } => match captured.get(name) {
                Some(value) => Ok(Piece::Known(encoding.encode(value.expose_secret())?.into())),
                None => Ok(piece.clone()),
            },
            Piece::Known(_) => Ok(piece.clone()),
        };
        let pieces = self.pieces.iter().map(fill).collect::<Result<_, NotScalar>>()?;
        Ok(SecretText::new(self.shown.clone(), pieces, self.sources.clone()))
    }

    /// The text itself, for whom it is meant.
    pub fn value(&self) -> &SecretString {
        &self.value
    }
}

/// What the pieces say. What is still to be captured stands as its reference.
fn joined(pieces: &[Piece]) -> SecretString {
    let pieces = pieces.iter().map(|piece| match piece {
        Piece::Known(text) => text.expose_secret().to_owned(),
        Piece::Captured { name, .. } => format!("${{flow.{name}}}"),
    });
    pieces.collect::<String>().into()
}

/// A URL with these values in the places of `${flow.NAME}`, which stand in its path or query.
pub fn filled(url: &str, captured: &BTreeMap<String, SecretString>) -> String {
    captured.iter().fold(url.to_owned(), |url, (name, value)| {
        let value = percent_encoding::utf8_percent_encode(value.expose_secret(), &UNRESERVED).to_string();
        url.replace(&format!("${{flow.{name}}}"), &value)
    })
}

impl fmt::Display for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Private({:?})", self.shown)
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &SecretText) -> bool {
        self.shown == other.shown && self.value().expose_secret() == other.value().expose_secret()
    }
}

impl Eq for SecretText {}

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

/// A duration as a runbook or a journal has it, exact: `1h 30m`, `2s 589ms`. What people are shown is rounded by
/// [`format_duration`](crate::clock::format_duration).
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
