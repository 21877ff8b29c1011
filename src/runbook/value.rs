//! Values with their units in their types, parsed once.

use std::fmt;

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
