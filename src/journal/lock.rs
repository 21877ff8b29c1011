//! One run at a time on the same resources.
//!
//! A run holds what it changes from its beginning to its end; one that was interrupted still holds it, because half of
//! something may be in force. Only its own resumption, its rollback or `rectify unlock` takes that away.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::directory::State;
use crate::run::{Operator, ResourceId, digest};

/// Who holds a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What.
    pub resource: ResourceId,
    /// The run.
    pub run: String,
    /// Who began it.
    pub operator: Operator,
    /// Since when.
    pub since: Timestamp,
}

/// Why resources are not held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds one.
    #[error("{} is held by run {}, of {}, since {}", .0.resource, .0.run, .0.operator, .0.since)]
    Held(Box<Holder>),
    /// The locks cannot be written.
    #[error("locks cannot be kept in {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Keeps runs from each other's resources. On one machine files do; a team's would be a service.
pub trait Locks {
    /// Holds all of them for a run, or none. What the run holds already it goes on holding.
    fn hold(&self, run: &str, operator: &Operator, now: Timestamp, all: &[ResourceId]) -> Result<(), LockError>;

    /// Gives up everything that a run holds; how much that was.
    fn release(&self, run: &str) -> Result<usize, LockError>;
}

impl Locks for State {
    fn hold(&self, run: &str, operator: &Operator, now: Timestamp, all: &[ResourceId]) -> Result<(), LockError> {
        let folder = self.root().join("locks");
        let trouble = |source| LockError::Io { path: folder.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(trouble)?;
        let mut taken: Vec<PathBuf> = Vec::new();
        for resource in all {
            let path = folder.join(digest(resource.to_string().as_bytes()));
            let (resource, run) = (resource.clone(), run.to_owned());
            let holder = Holder { resource, run, operator: operator.clone(), since: now };
            let outcome = match take(&path, &holder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match holder_in(&path) {
                    Some(other) if other.run != holder.run => Err(LockError::Held(Box::new(other))),
                    _ => Ok(()),
                },
                Err(source) => Err(trouble(source)),
                Ok(()) => {
                    taken.push(path);
                    Ok(())
                }
            };
            if let Err(error) = outcome {
                for path in taken {
                    let _ = fs::remove_file(path);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn release(&self, run: &str) -> Result<usize, LockError> {
        let folder = self.root().join("locks");
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(0) };
        let mut released = 0;
        for path in entries.flatten().map(|entry| entry.path()) {
            if holder_in(&path).is_some_and(|holder| holder.run == run) {
                fs::remove_file(&path).map_err(|source| LockError::Io { path, source })?;
                released += 1;
            }
        }
        Ok(released)
    }
}

/// Written whole beside its place and linked there, so that nobody reads half of it and nobody takes it twice.
fn take(path: &std::path::Path, holder: &Holder) -> io::Result<()> {
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec(holder)?)?;
    file.sync_all()?;
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    linked
}

fn holder_in(path: &std::path::Path) -> Option<Holder> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator() -> Operator {
        Operator { user: "ops".to_owned(), host: "here".to_owned(), pid: 7 }
    }

    #[test]
    fn a_resource_is_held_by_one_run_and_all_or_none_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path());
        let id = |name: &str| format!("k/p/r/{name}").parse::<ResourceId>().unwrap();
        let hold = |run: &str, names: &[&str]| {
            let all: Vec<ResourceId> = names.iter().map(|name| id(name)).collect();
            state.hold(run, &operator(), Timestamp::UNIX_EPOCH, &all)
        };
        hold("one", &["a", "b"]).unwrap();
        hold("one", &["a", "b"]).unwrap();
        let refused = hold("two", &["c", "b"]).unwrap_err();
        assert!(matches!(&refused, LockError::Held(holder) if holder.run == "one"), "{refused}");
        assert!(refused.to_string().starts_with("k/p/r/b is held by run one, of ops@here (pid 7), since 1970"));
        hold("three", &["c"]).unwrap();
        assert_eq!(state.release("one").unwrap(), 2);
        hold("two", &["a", "b"]).unwrap();
    }
}
