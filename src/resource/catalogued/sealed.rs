//! What a run keeps of its changes of catalogued resources beside its journal: secrets by their digests, and what it sent and has not
//! heard the end of.
//!
//! These APIs have no list of a resource's operations that could be asked for every type. Whoever comes after a process that stopped
//! waiting, or died, learns here that something of the run's own may still be under way.
//!
//! A plan, a journal and a report have a digest in the place of a secret. Whoever writes the secret, or brings it back, needs the value:
//! those that a step sets come from the runbook and its inputs each time, and those that are overwritten are kept here, in a file of the
//! run that only its owner can read, before they are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::error::WriteError;
use crate::run::ResourceId;

/// A shorter value would be replaced in words that have nothing to do with it.
const SHORTEST: usize = 4;

/// Secrets, each with the digest that stands for it.
pub(super) type Secrets = Vec<(String, Value)>;

/// Values by resource and digest.
type Values = BTreeMap<ResourceId, BTreeMap<String, Value>>;

/// What is known.
#[derive(Default)]
struct Known {
    /// What the runbook sets and what was read, in memory only.
    learned: Values,
    /// What is in the file.
    kept: Kept,
    /// Whether there is a file: only then what is not in it did not happen.
    is_kept: bool,
}

/// What is kept.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// What was overwritten.
    secrets: Values,
    /// What was sent and has not ended, as far as is known: the operation, or none if no answer named one.
    sent: BTreeMap<ResourceId, Option<String>>,
    /// The calls that were made, the newest of each task.
    calls: BTreeMap<ResourceId, MadeCall>,
}

/// A call that was made, or may have been: from right before it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeCall {
    /// What its list had before it was sent, by name; see [`CallLog`](super::CallLog).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub before: BTreeSet<String>,
    /// What it came to, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<CallOutcome>,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// What the step calls was called, and ended well.
    Done,
    /// What undoes it was called, and ended well.
    Undone,
    /// It was called, and ended with an error.
    Failed,
}

/// What a run's directory tells of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedCall {
    /// It was not made.
    NotMade,
    /// It was made, or may have been.
    Made(MadeCall),
    /// Nothing: there is no file that would tell it.
    Unknown,
}

impl Kept {
    /// Adds secrets of a resource. False if there are none.
    fn keep(&mut self, id: &ResourceId, secrets: impl IntoIterator<Item = (String, Value)>) -> bool {
        let mut secrets = secrets.into_iter().peekable();
        let is_more = secrets.peek().is_some();
        if is_more {
            self.secrets.entry(id.clone()).or_default().extend(secrets);
        }
        is_more
    }
}

/// Secrets by the digests that stand for them.
#[derive(Default)]
pub struct SealedValues {
    known: Mutex<Known>,
    /// Where they are kept; nowhere before there is a run.
    file: Option<PathBuf>,
}

/// The file of a run's secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what was written.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl SealedValues {
    /// The file in a run's directory that has them.
    pub const FILE: &'static str = "sealed.json";

    /// Those of a run, kept in this file, which need not be there yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn in_file(path: PathBuf) -> Result<SealedValues, SealError> {
        let kept = match std::fs::read(&path) {
            Ok(text) => Some(
                serde_json::from_slice(&text)
                    .map_err(|error| SealError::Unreadable { path: path.clone(), why: error.to_string() })?,
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(SealError::Io { path, error }),
        };
        let is_kept = kept.is_some();
        let known = Known { kept: kept.unwrap_or_default(), is_kept, ..Known::default() };
        Ok(SealedValues { known: Mutex::new(known), file: Some(path) })
    }

    /// Learns secrets that a runbook sets, or that a resource has. They are not kept: whoever goes on has the runbook, and reads anew.
    pub fn learn(&self, id: &ResourceId, secrets: impl IntoIterator<Item = (String, Value)>) {
        self.known().learned.entry(id.clone()).or_default().extend(secrets);
    }

    /// Notes that something is sent to change a resource, and keeps the secrets that it is about to overwrite. When this returns, both are
    /// on the disk.
    ///
    /// # Errors
    /// They could not be written.
    pub fn sends(
        &self,
        id: &ResourceId,
        overwritten: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<(), SealError> {
        let mut known = self.known();
        known.kept.keep(id, overwritten);
        known.kept.sent.insert(id.clone(), None);
        self.write(&known.kept)?;
        known.is_kept = true;
        Ok(())
    }

    /// Notes that a call is about to be made, and what its list has before that. It is written down with [`sends`](SealedValues::sends).
    pub fn calls(&self, id: &ResourceId, before: BTreeSet<String>) {
        self.known().kept.calls.insert(id.clone(), MadeCall { before, outcome: None });
    }

    /// Notes what a call came to; as with [`began`](SealedValues::began), if it cannot be written.
    pub fn called(&self, id: &ResourceId, outcome: CallOutcome) {
        let mut known = self.known();
        known.kept.calls.entry(id.clone()).or_default().outcome = Some(outcome);
        known.kept.sent.remove(id);
        drop(self.write(&known.kept));
    }

    /// Notes that a call was refused, so that it is as before it was made; as with [`began`](SealedValues::began).
    pub fn not_called(&self, id: &ResourceId, before: RecordedCall) {
        let mut known = self.known();
        match before {
            RecordedCall::Made(call) => drop(known.kept.calls.insert(id.clone(), call)),
            RecordedCall::NotMade | RecordedCall::Unknown => drop(known.kept.calls.remove(id)),
        }
        drop(self.write(&known.kept));
    }

    /// What is known of a call.
    pub fn call(&self, id: &ResourceId) -> RecordedCall {
        let known = self.known();
        match known.kept.calls.get(id) {
            Some(call) => RecordedCall::Made(call.clone()),
            None if known.is_kept => RecordedCall::NotMade,
            None => RecordedCall::Unknown,
        }
    }

    /// Keeps secrets of a resource that are about to be overwritten. When this returns, they are on the disk.
    ///
    /// # Errors
    /// They could not be written.
    pub fn keep(
        &self,
        id: &ResourceId,
        overwritten: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<(), SealError> {
        let mut known = self.known();
        if known.kept.keep(id, overwritten) { self.write(&known.kept) } else { Ok(()) }
    }

    /// Removes the secrets from the file: once all of a run is rolled back, nothing of it is brought back any more.
    ///
    /// # Errors
    /// It could not be written.
    pub fn forget_secrets(&self) -> Result<(), SealError> {
        let mut known = self.known();
        if known.kept.secrets.is_empty() {
            return Ok(());
        }
        known.kept.secrets.clear();
        self.write(&known.kept)
    }

    /// Notes which operation was begun by what was sent. That this could not be written only costs a question more.
    pub fn began(&self, id: &ResourceId, operation: &str) {
        let mut known = self.known();
        known.kept.sent.insert(id.clone(), Some(operation.to_owned()));
        drop(self.write(&known.kept));
    }

    /// Notes that what was sent has ended, or was refused; as with [`began`](SealedValues::began), if it cannot be written.
    pub fn ended(&self, id: &ResourceId) {
        let mut known = self.known();
        if known.kept.sent.remove(id).is_some() {
            drop(self.write(&known.kept));
        }
    }

    /// What was sent to change a resource and has not ended, as far as is known; the operation, if one is.
    pub fn under_way(&self, id: &ResourceId) -> Option<Option<String>> {
        self.known().kept.sent.get(id).cloned()
    }

    /// A text of an API's without the secrets of a resource that it repeats.
    pub fn without_secrets(&self, id: &ResourceId, text: &str) -> String {
        let known = self.known();
        let secrets = [&known.kept.secrets, &known.learned].into_iter().filter_map(|values| values.get(id));
        let secrets = secrets.flat_map(BTreeMap::values);
        let mut secrets: Vec<&str> =
            secrets.filter_map(Value::as_str).filter(|secret| secret.len() >= SHORTEST).collect();
        // The longest first: a part of one may be another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, "(secret)"))
    }

    /// What became of a write, without the secrets that the API's words repeat.
    pub fn cleaned(&self, id: &ResourceId, error: WriteError) -> WriteError {
        let clean = |why: &str| self.without_secrets(id, why);
        match error {
            WriteError::Refused { resource, why } => WriteError::Refused { why: clean(&why), resource },
            WriteError::Conflict { resource, why } => WriteError::Conflict { why: clean(&why), resource },
            WriteError::InDoubt { resource, why } => WriteError::InDoubt { why: clean(&why), resource },
            WriteError::Busy { resource, why, retry_after } => {
                WriteError::Busy { why: clean(&why), resource, retry_after }
            }
            WriteError::Unreachable { resource, why, remedy } => {
                WriteError::Unreachable { why: clean(&why), resource, remedy }
            }
            WriteError::Missing { resource } => WriteError::Missing { resource },
        }
    }

    fn write(&self, kept: &Kept) -> Result<(), SealError> {
        match &self.file {
            Some(path) => write(path, kept).map_err(|error| SealError::Io { path: path.clone(), error }),
            None => Ok(()),
        }
    }

    /// The value behind a digest.
    pub fn reveal(&self, id: &ResourceId, digest: &str) -> Option<Value> {
        let known = self.known();
        let mut values = [&known.kept.secrets, &known.learned].into_iter().filter_map(|values| values.get(id));
        values.find_map(|values| values.get(digest)).cloned()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Never says what it knows.
impl std::fmt::Debug for SealedValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedValues").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The new file is whole before it takes the place of the old one.
fn write(path: &Path, values: &Kept) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).custom_flags(NO_FOLLOW).open(&beside)?;
    file.write_all(&serde_json::to_vec(values)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// A link in the place of the file is not written through.
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_overwritten_is_there_for_the_next_process_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealed.json");
        let id: ResourceId = "gcp.resource/p/r/run.googleapis.com/x".parse().unwrap();
        let sealed = SealedValues::in_file(path.clone()).unwrap();
        sealed.learn(&id, [("(sha256 00000000…)".to_owned(), json!("of the runbook"))]);
        assert!(!path.exists(), "what a runbook sets is not kept");
        sealed.sends(&id, [("(sha256 11111111…)".to_owned(), json!("before"))]).unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains("of the runbook"), "nor beside what is overwritten");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let next = SealedValues::in_file(path).unwrap();
        assert_eq!(next.reveal(&id, "(sha256 11111111…)"), Some(json!("before")));
        assert_eq!(next.reveal(&id, "(sha256 22222222…)"), None);
        assert!(!format!("{next:?}").contains("before"));
    }

    #[test]
    fn what_was_sent_and_has_not_ended_is_known_to_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealed.json");
        let id: ResourceId = "gcp.resource/p/r/redis.googleapis.com/x".parse().unwrap();
        let kept = SealedValues::in_file(path.clone()).unwrap();
        kept.sends(&id, []).unwrap();
        assert_eq!(
            SealedValues::in_file(path.clone()).unwrap().under_way(&id),
            Some(None),
            "no answer named an operation"
        );
        kept.began(&id, "operations/o");
        let next = SealedValues::in_file(path.clone()).unwrap();
        assert_eq!(next.under_way(&id), Some(Some("operations/o".to_owned())));
        next.ended(&id);
        assert_eq!(SealedValues::in_file(path).unwrap().under_way(&id), None);
    }

    #[test]
    fn a_call_is_not_made_if_the_file_does_not_have_it_and_unknown_without_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealed.json");
        let call: ResourceId = "gcp.call/p/r/run.googleapis.com/j#run".parse().unwrap();
        let kept = SealedValues::in_file(path.clone()).unwrap();
        assert_eq!(kept.call(&call), RecordedCall::Unknown);
        kept.sends(&"gcp.resource/p/r/x".parse().unwrap(), []).unwrap();
        assert_eq!(kept.call(&call), RecordedCall::NotMade);
        kept.calls(&call, BTreeSet::from(["executions/a".to_owned()]));
        kept.sends(&call, []).unwrap();
        let next = SealedValues::in_file(path.clone()).unwrap();
        let RecordedCall::Made(made) = next.call(&call) else { panic!("{:?}", next.call(&call)) };
        assert_eq!((made.before.len(), made.outcome), (1, None));
        next.called(&call, CallOutcome::Done);
        let RecordedCall::Made(made) = SealedValues::in_file(path).unwrap().call(&call) else { panic!() };
        assert_eq!(made.outcome, Some(CallOutcome::Done));
    }

    #[test]
    fn the_words_of_an_api_lose_the_secrets_that_they_repeat() {
        let id: ResourceId = "gcp.resource/p/r/x".parse().unwrap();
        let sealed = SealedValues::default();
        let secret = |value: &str| (format!("(sha256 {value})"), json!(value));
        sealed.learn(&id, [secret("hunter2"), secret("hunter2-and-more"), secret("on")]);
        let said = sealed.without_secrets(&id, "HUNTER is hunter2-and-more, was hunter2; it is on");
        assert_eq!(said, "HUNTER is (secret), was (secret); it is on");
    }
}
