//! One run at a time on the same thing at Google.
//!
//! A run holds what it changes from its beginning to its end; one that was interrupted still holds it, because half of
//! something may be applied. Only its own resumption, its rollback or `rectify unlock` takes that away. A lock that cannot
//! be read is held: nobody can say by whom, and two runs on one service are worse than one that is refused.
//!
//! Locks are of one cloud: a run on a simulated cloud is not in the way of one on Google.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::directory::State;
use super::disk;
use crate::clock::second;
use crate::run::{Operator, ResourceId, digest};

/// How the file ends in which a lock is written before it is taken.
const FRESH: &str = "new";
/// A lock that is given up while it is looked at is tried again so often.
const TRIES: usize = 100;

/// Who holds a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The cloud that the resource is in, as in [`Claim`].
    pub cloud: String,
    /// The resource. Its subject is held, and with it every other part of the same thing.
    pub resource: ResourceId,
    /// The run's id.
    pub run: String,
    /// Who began it.
    pub operator: Operator,
    /// Since when, by the wall's clock.
    pub since: Timestamp,
}

/// What a run wants to hold.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The cloud that the resources are in. The same name in another cloud is another resource.
    pub cloud: String,
    /// The run's id.
    pub run: String,
    /// Who begins it.
    pub operator: Operator,
    /// Now, by the wall's clock.
    pub since: Timestamp,
    /// The resources.
    pub resources: Vec<ResourceId>,
}

/// A lock as it lies on the disk.
#[derive(Debug)]
pub struct Lock {
    /// Its file.
    pub path: PathBuf,
    /// Who holds it, or why that cannot be read.
    pub holder: Result<Holder, String>,
}

/// The locks that one call of [`Locks::hold`] took, as opposed to those that the run had before.
#[derive(Debug, Default)]
#[must_use = "they are given back if the run does not begin"]
pub struct Taken(Vec<PathBuf>);

/// Why resources are not held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds one.
    #[error("{} is held by run {}, of {}, since {}", .0.resource, .0.run, .0.operator, second(.0.since))]
    Held(Box<Holder>),
    /// Somebody holds one, and who cannot be read.
    #[error("{resource} counts as held: its lock {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The resource.
        resource: Box<ResourceId>,
        /// The lock's file.
        path: PathBuf,
        /// Why.
        why: String,
    },
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
    fn hold(&self, claim: &Claim) -> Result<Taken, LockError>;

    /// Gives back what was just taken, and nothing that the run had before.
    fn give_back(&self, taken: Taken) -> Result<(), LockError>;

    /// Gives up everything that a run holds; how much that was.
    fn release(&self, run: &str) -> Result<usize, LockError>;

    /// Every lock there is.
    fn locks(&self) -> Result<Vec<Lock>, LockError>;

    /// Takes this lock from whoever holds it.
    fn remove(&self, lock: &Lock) -> Result<(), LockError>;
}

impl Locks for State {
    fn hold(&self, claim: &Claim) -> Result<Taken, LockError> {
        if claim.resources.is_empty() {
            return Ok(Taken::default());
        }
        let folder = folder(self);
        disk::make_directories(&folder).map_err(|source| LockError::Io { path: folder.clone(), source })?;
        let wanted: BTreeSet<&ResourceId> = claim.resources.iter().collect();
        let mut taken = Taken::default();
        let all = wanted.into_iter().try_for_each(|resource| {
            let path = folder.join(key(&claim.cloud, resource));
            if take(claim, resource, &path)? {
                taken.0.push(path);
            }
            Ok(())
        });
        // A lock that a power failure takes away would let another run onto a half-applied change.
        let synced = || disk::sync_directory(&folder).map_err(|source| LockError::Io { path: folder.clone(), source });
        match all.and_then(|()| synced()) {
            Ok(()) => Ok(taken),
            Err(error) => {
                // What cannot be given back now, `unlock` takes; the first error is the one to tell.
                let _ = self.give_back(taken);
                Err(error)
            }
        }
    }

    fn give_back(&self, taken: Taken) -> Result<(), LockError> {
        let gone = taken.0.into_iter().map(|path| removed(&path)).collect::<Vec<_>>();
        gone.into_iter().collect()
    }

    fn release(&self, run: &str) -> Result<usize, LockError> {
        let mut released = 0;
        for path in files(&folder(self))? {
            if !matches!(read(&path), Found::Holder(holder) if holder.run == run) {
                continue;
            }
            removed(&path)?;
            released += usize::from(!is_fresh(&path));
        }
        Ok(released)
    }

    fn locks(&self) -> Result<Vec<Lock>, LockError> {
        let paths = files(&folder(self))?.into_iter().filter(|path| !is_fresh(path));
        let lock = |path: PathBuf| {
            let holder = match read(&path) {
                Found::Holder(holder) => Ok(holder),
                Found::Nothing => return None,
                Found::Unreadable(why) => Err(why),
            };
            Some(Lock { path, holder })
        };
        Ok(paths.filter_map(lock).collect())
    }

    fn remove(&self, lock: &Lock) -> Result<(), LockError> {
        removed(&lock.path)
    }
}

fn folder(state: &State) -> PathBuf {
    state.root().join("locks")
}

/// The name of a lock's file: the digest of the thing's full name in its cloud.
fn key(cloud: &str, resource: &ResourceId) -> String {
    digest(format!("{cloud}\n{}", resource.subject()).as_bytes())
}

/// Takes a lock; whether it was not the run's own already.
fn take(claim: &Claim, resource: &ResourceId, path: &Path) -> Result<bool, LockError> {
    let Claim { cloud, run, operator, since, .. } = claim;
    let (cloud, run, operator) = (cloud.clone(), run.clone(), operator.clone());
    let holder = Holder { cloud, resource: resource.clone(), run, operator, since: *since };
    let unreadable = |why| LockError::Unreadable { resource: Box::new(resource.clone()), path: path.to_owned(), why };
    for _ in 0..TRIES {
        match write(path, &holder) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match read(path) {
                Found::Holder(other) if other.run == holder.run => return Ok(false),
                Found::Holder(other) => return Err(LockError::Held(Box::new(other))),
                Found::Unreadable(why) => return Err(unreadable(why)),
                // It was given up in between.
                Found::Nothing => {}
            },
            Err(source) => return Err(LockError::Io { path: path.to_owned(), source }),
        }
    }
    Err(unreadable("it is taken and given up again and again".to_owned()))
}

/// Written whole beside its place and linked there, so that nobody reads half of it and nobody takes it twice.
fn write(path: &Path, holder: &Holder) -> io::Result<()> {
    // Nobody else works this run. What a process that died left under this name may be another name of a lock: it is
    // removed, never written to.
    let fresh = path.with_extension(format!("{}.{FRESH}", holder.run));
    let linked = fill(&fresh, holder).and_then(|()| disk::link(&fresh, path));
    // It is nobody's lock, whatever becomes of it.
    let _ = disk::remove(&fresh);
    linked
}

fn fill(fresh: &Path, holder: &Holder) -> io::Result<()> {
    match disk::remove(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk::create(fresh)?;
    disk::write(&mut file, &serde_json::to_vec(holder)?)?;
    disk::sync(&file)
}

fn is_fresh(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == FRESH)
}

/// What lies where a lock would be.
enum Found {
    Holder(Holder),
    Nothing,
    Unreadable(String),
}

fn read(path: &Path) -> Found {
    match disk::read(path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(holder) => Found::Holder(holder),
            Err(error) => Found::Unreadable(error.to_string()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
        Err(error) => Found::Unreadable(error.to_string()),
    }
}

/// Everything in the folder; nothing if there is none.
fn files(folder: &Path) -> Result<Vec<PathBuf>, LockError> {
    let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|source| LockError::Io { path: folder.to_owned(), source }),
    }
}

fn removed(path: &Path) -> Result<(), LockError> {
    match disk::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LockError::Io { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(cloud: &str, run: &str, resources: &[&str]) -> Claim {
        Claim {
            cloud: cloud.to_owned(),
            run: run.to_owned(),
            operator: Operator { user: "ops".to_owned(), host: "here".to_owned(), pid: 7 },
            since: Timestamp::UNIX_EPOCH,
            resources: resources.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn state() -> (tempfile::TempDir, State) {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path());
        (folder, state)
    }

    #[test]
    fn a_resource_is_held_by_one_run_and_all_or_none_are_taken() {
        let (_folder, state) = state();
        let hold = |run: &str, names: &[&str]| state.hold(&claim("google", run, names)).map(drop);
        hold("one", &["k/p/r/a", "k/p/r/b"]).unwrap();
        hold("one", &["k/p/r/a", "k/p/r/b"]).unwrap();
        let refused = hold("two", &["k/p/r/c", "k/p/r/b"]).unwrap_err();
        assert!(matches!(&refused, LockError::Held(holder) if holder.run == "one"), "{refused}");
        let words = "k/p/r/b is held by run one, of ops@here (pid 7), since 1970-01-01 00:00:00Z";
        assert_eq!(refused.to_string(), words);
        hold("three", &["k/p/r/c"]).unwrap();
        assert_eq!(state.release("one").unwrap(), 2);
        hold("two", &["k/p/r/a", "k/p/r/b"]).unwrap();
    }

    #[test]
    fn one_thing_has_one_lock_and_its_namesakes_have_their_own() {
        let (_folder, state) = state();
        let traffic = "gcp.run.traffic/shop/us-central1/checkout";
        state.hold(&claim("google", "one", &[traffic])).map(drop).unwrap();
        // Another part of the same service.
        let deploy = claim("google", "two", &["gcp.run.service/shop/us-central1/checkout"]);
        assert!(matches!(state.hold(&deploy), Err(LockError::Held(_))));
        for other in ["gcp.run.traffic/shop/europe-west1/checkout", "gcp.run.traffic/shop-staging/us-central1/checkout"]
        {
            state.hold(&claim("google", "two", &[other])).map(drop).unwrap();
        }
        state.hold(&claim("sim 127.0.0.1:8080", "three", &[traffic])).map(drop).unwrap();
    }

    #[test]
    fn what_is_given_back_is_only_what_was_taken() {
        let (_folder, state) = state();
        state.hold(&claim("google", "one", &["k/p/r/a"])).map(drop).unwrap();
        let taken = state.hold(&claim("google", "one", &["k/p/r/a", "k/p/r/b"])).unwrap();
        state.give_back(taken).unwrap();
        assert!(matches!(state.hold(&claim("google", "two", &["k/p/r/a"])), Err(LockError::Held(_))));
        state.hold(&claim("google", "two", &["k/p/r/b"])).map(drop).unwrap();
    }

    #[test]
    fn a_lock_that_cannot_be_read_is_held_until_somebody_takes_it_away() {
        let (_folder, state) = state();
        let (one, two) = (claim("google", "one", &["k/p/r/a"]), claim("google", "two", &["k/p/r/a"]));
        for damage in ["", "{", "null", "{\"run\":\"one\"}", "\u{0}\u{0}\u{0}"] {
            state.hold(&one).map(drop).unwrap();
            let path = state.locks().unwrap().pop().unwrap().path;
            fs::write(&path, damage).unwrap();
            for claim in [&one, &two] {
                let refused = state.hold(claim).unwrap_err();
                assert!(matches!(&refused, LockError::Unreadable { path: at, .. } if *at == path), "{refused}");
                assert!(refused.to_string().contains(&path.display().to_string()), "{refused}");
            }
            assert_eq!(state.release("one").unwrap(), 0, "nobody can say that it is this run's");
            let lock = state.locks().unwrap().pop().unwrap();
            assert!(lock.holder.is_err());
            state.remove(&lock).unwrap();
            state.hold(&two).map(drop).unwrap();
            assert_eq!(state.release("two").unwrap(), 1);
        }
    }
}
