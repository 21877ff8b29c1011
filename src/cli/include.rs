//! The files that a runbook includes, read from below its folder.
//!
//! Which files those are a runbook says that a stranger may have written. So a path stays within the folder, also by way of links; only
//! regular files are read, none is waited for, and no more of them than a runbook may have.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use crate::check::{LARGEST, MOST_INCLUDED};
use crate::syntax::Sources;

/// A runbook's bytes with what it includes. Why a file is not included stands in its place, for `check` to say.
pub(super) fn with_included(runbook: &Path, bytes: Vec<u8>) -> Vec<u8> {
    let Ok(own) = std::str::from_utf8(&bytes) else { return bytes };
    let wanted = Sources::wanted(own);
    let folder = match (runbook.parent(), runbook == Path::new("-")) {
        (_, true) | (None, _) => None,
        (Some(folder), false) if folder.as_os_str().is_empty() => Some(Path::new(".")),
        (Some(folder), false) => Some(folder),
    };
    let mut left = LARGEST.saturating_sub(bytes.len());
    let mut included: Vec<(String, Result<String, String>)> = Vec::new();
    for path in wanted.into_iter().take(MOST_INCLUDED) {
        if included.iter().any(|(known, _)| *known == path) {
            continue;
        }
        let text = match folder {
            Some(folder) => text(folder, &path, left),
            None => Err("only a runbook that is read from a file includes others".to_owned()),
        };
        left = left.saturating_sub(text.as_ref().map_or(0, String::len));
        included.push((path, text));
    }
    Sources::compose(own, &included).into_bytes()
}

/// The text of a file below a folder.
fn text(folder: &Path, path: &str, most: usize) -> Result<String, String> {
    let is_within = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if path.is_empty() || !is_within || path.contains(char::is_control) {
        return Err("its path must lead down from the runbook's folder, without `..`".to_owned());
    }
    let (root, file) = (folder.canonicalize(), folder.join(path).canonicalize());
    let (root, file) = (root.map_err(|error| error.to_string())?, file.map_err(|error| error.to_string())?);
    if !file.starts_with(&root) {
        return Err("a link leads out of the runbook's folder".to_owned());
    }
    // What is put in its place meanwhile is not followed, and not waited for.
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
    let open = OpenOptions::new().read(true).custom_flags(flags).open(&file).map_err(|error| error.to_string())?;
    if !open.metadata().map_err(|error| error.to_string())?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    open.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > most {
        return Err(format!("a runbook and what it includes have at most {LARGEST} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())
}
