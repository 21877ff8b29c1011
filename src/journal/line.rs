//! One event a line, chained by hash.
//!
//! A line is `{"seq":3,"at":"…","event":{…},"hash":"…"}`. The hash is SHA-256, in hex, over the hash of
//! the line before and this line's own text without its hash. So a changed, missing or inserted line shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::run::{Entry, Event, Hash, digest};

/// What the first line's hash is chained to.
pub const GENESIS: &str = "rectify journal 1";

/// Why a journal cannot be trusted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The hash does not fit the text and what stands before it.
    #[error("line {line} does not fit the lines before it: it was changed, or lines are missing before it")]
    Chain {
        /// Counted from 1.
        line: usize,
    },
    /// Not a line of a journal at all.
    #[error("line {line} is not an event of a journal: {why}")]
    Unreadable {
        /// Counted from 1.
        line: usize,
        /// The parser's words.
        why: String,
    },
    /// It had more lines than there are.
    #[error("the last {} of its {noted} lines are missing", noted - found)]
    Missing {
        /// So many lines it had at least.
        noted: u64,
        /// So many there are.
        found: u64,
    },
    /// Its lines are chained to each other, but they are not the ones whose end was noted.
    #[error("line {line} is not the one that was written: the lines up to it were replaced")]
    Replaced {
        /// Counted from 1.
        line: u64,
    },
    /// What says where it ends is gone.
    #[error("journal.end, which says how many lines it has, is missing; so lines may be missing as well")]
    EndMissing,
    /// What says where it ends is damaged.
    #[error("journal.end, which says how many lines it has, cannot be read: {why}")]
    EndUnreadable {
        /// The reader's words.
        why: String,
    },
}

#[derive(Serialize)]
struct Body<'a> {
    seq: u64,
    at: Timestamp,
    event: &'a Event,
}

#[derive(Deserialize)]
struct Parsed {
    seq: u64,
    at: Timestamp,
    event: Event,
}

/// Writes a line (with its line break) and the hash that the next one is chained to.
pub(super) fn write(seq: u64, entry: &Entry, before: &str) -> serde_json::Result<(String, Hash)> {
    let body = serde_json::to_string(&Body { seq, at: entry.at, event: &entry.event })?;
    let hash = chain(before, &body);
    let open = body.strip_suffix('}').unwrap_or(&body);
    Ok((format!("{open},\"hash\":\"{hash}\"}}\n"), hash))
}

/// Reads a line (without its line break).
pub(super) fn read(text: &str, number: usize, before: &str) -> Result<(Entry, Hash), Broken> {
    // The text is hashed as it stands, never as this version would write it.
    let broken = Broken::Chain { line: number };
    let Some((open, hash)) = text.strip_suffix("\"}").and_then(|text| text.rsplit_once(",\"hash\":\"")) else {
        return Err(broken);
    };
    if chain(before, &format!("{open}}}")) != hash {
        return Err(broken);
    }
    let parsed: Parsed = serde_json::from_str(text).map_err(|error| Broken::Unreadable {
        line: number,
        why: format!("{error}. It may have been made by a newer rectify"),
    })?;
    if parsed.seq != number as u64 {
        return Err(broken);
    }
    Ok((Entry { at: parsed.at, event: parsed.event }, hash.to_owned()))
}

fn chain(before: &str, body: &str) -> Hash {
    digest(format!("{before}\n{body}").as_bytes())
}
