//! Files that are read: regular ones, and no larger than anything of their kind is.
//!
//! A pipe would be waited for without end, and a device such as `/dev/zero` has none.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::exit::{CliError, Exit};
use super::include::with_included;
use crate::check::LARGEST;

/// The most bytes of a file of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// A runbook, a scenario, the values of inputs. One byte more is read, so that `check` can say that it is too large.
    Text,
    /// A saved plan or a snapshot: a runbook of the largest size, planned, is about eight times as large.
    Plan,
}

impl Limit {
    fn bytes(self) -> usize {
        match self {
            Limit::Text => LARGEST,
            Limit::Plan => 16 * LARGEST,
        }
    }
}

/// The bytes of a file, or why there are none. `-` is stdin.
pub(super) fn read(path: &Path, limit: Limit) -> Result<Vec<u8>, String> {
    let why = |error: io::Error| error.to_string();
    if path == Path::new("-") {
        return bytes(io::stdin().lock(), limit).map_err(why);
    }
    let metadata = std::fs::metadata(path).map_err(why)?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    File::open(path).and_then(|file| bytes(file, limit)).map_err(why)
}

/// The bytes of a runbook with the files that it includes, or why there are none.
pub(super) fn runbook(path: &Path) -> Result<Vec<u8>, String> {
    read(path, Limit::Text).map(|bytes| with_included(path, bytes))
}

/// A file that a command cannot do without.
pub(super) fn required(path: &Path, limit: Limit) -> Result<Vec<u8>, CliError> {
    let trouble = |why: String| CliError::new(Exit::Usage, format!("{} cannot be read: {why}", path.display()));
    let bytes = read(path, limit).map_err(trouble)?;
    if bytes.len() > limit.bytes() {
        return Err(trouble(format!("it has more than {} bytes", limit.bytes())));
    }
    Ok(bytes)
}

/// A text file that a command cannot do without.
pub(super) fn required_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(required(path, Limit::Text)?)
        .map_err(|_| CliError::new(Exit::Usage, format!("{} cannot be read: it is not text in UTF-8", path.display())))
}

fn bytes(from: impl Read, limit: Limit) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than there may be, so that what is too large is known to be.
    from.take(limit.bytes() as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
