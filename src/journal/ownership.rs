//! Whose state directory is it? What lies in it decides what `resume` and `rollback` do, programs included, so it must be
//! nobody else's to write.
//!
//! The directory itself, its folders, every run's directory and every lock belong to this user or to root and are no links;
//! a run's directory and a lock are writable by nobody else. A run's files lie in such a directory, so nobody else can have
//! put them there. In a folder that others can write, they can hide or remove a run or a lock and cannot change one: that
//! is warned about.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Write permission for the group and for others.
const OTHERS_WRITE: u32 = 0o022;
const ROOT: u32 = 0;

/// Whose state directory is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// This user's, or root's.
    Own,
    /// Anybody's, because the operator says so: in a container files may belong to a user of the host.
    Anybody,
}

/// A file or directory that somebody else could have written.
#[derive(Debug, thiserror::Error)]
pub enum Foreign {
    /// Another user owns it.
    #[error("{} belongs to user {owner}, and this is user {user}", path.display())]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
        /// This user's id.
        user: u32,
    },
    /// Others may write it.
    #[error("{} can be written by other users (mode {mode:03o})", path.display())]
    Writable {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is a symbolic link: who can replace it decides where it leads.
    #[error("{} is a symbolic link, and not {expected}", path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// What was expected, in words.
        expected: &'static str,
    },
    /// It is a device or something else.
    #[error("{} is not {expected}", path.display())]
    Kind {
        /// What is there.
        path: PathBuf,
        /// What was expected, in words.
        expected: &'static str,
    },
    /// It cannot be examined.
    #[error("{} cannot be examined: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Clone, Copy)]
enum Expected {
    Directory,
    File,
}

/// Examines a state directory with its runs and locks. One that is not there yet is nobody's. Returns the folders that
/// others can write.
///
/// # Errors
/// The first thing that somebody else could have written.
pub(super) fn examine(root: &Path) -> Result<Vec<PathBuf>, Foreign> {
    let mut open = Vec::new();
    // A link in its place may be led elsewhere between this look and the next. Without what its name ends with, such as a slash, so
    // that the link is looked at and not what it leads to.
    let root: PathBuf = root.components().collect();
    if !is_there(&root, fs::symlink_metadata(&root), &mut open)? {
        return Ok(open);
    }
    let folders = [("runs", Expected::Directory), ("locks", Expected::File), ("plans", Expected::File)];
    for (folder, expected) in folders {
        let folder = root.join(folder);
        if is_there(&folder, fs::symlink_metadata(&folder), &mut open)? {
            examine_all(&folder, expected)?;
        }
    }
    Ok(open)
}

/// Whether a folder is there. One that others can write is noted.
fn is_there(folder: &Path, found: io::Result<Metadata>, open: &mut Vec<PathBuf>) -> Result<bool, Foreign> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => match judge(folder, found, Expected::Directory) {
            Err(Foreign::Writable { path, .. }) => open.push(path),
            judged => judged?,
        },
    }
    Ok(true)
}

/// A file that was given by name: it belongs to this user or to root, and nobody else can write it.
///
/// # Errors
/// If somebody else could have written it.
pub fn examine_file(path: &Path) -> Result<(), Foreign> {
    judge(path, fs::symlink_metadata(path), Expected::File)
}

fn examine_all(folder: &Path, expected: Expected) -> Result<(), Foreign> {
    let io = |source| Foreign::Io { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        match fs::symlink_metadata(&path) {
            // A lock that was given up meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => judge(&path, found, expected)?,
        }
    }
    Ok(())
}

fn judge(path: &Path, found: io::Result<Metadata>, expected: Expected) -> Result<(), Foreign> {
    let path = path.to_owned();
    let found = match found {
        Ok(found) => found,
        Err(source) => return Err(Foreign::Io { path, source }),
    };
    let (is_expected, words) = match expected {
        Expected::Directory => (found.is_dir(), "a directory"),
        Expected::File => (found.is_file(), "a regular file"),
    };
    if found.is_symlink() {
        return Err(Foreign::Link { path, expected: words });
    }
    if !is_expected {
        return Err(Foreign::Kind { path, expected: words });
    }
    let user = rustix::process::geteuid().as_raw();
    if ![user, ROOT].contains(&found.uid()) {
        return Err(Foreign::Owner { path, owner: found.uid(), user });
    }
    let mode = found.mode() & 0o777;
    if mode & OTHERS_WRITE != 0 { Err(Foreign::Writable { path, mode }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn state() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("runs/one")).unwrap();
        fs::create_dir(folder.path().join("locks")).unwrap();
        fs::write(folder.path().join("locks/l"), "{}").unwrap();
        folder
    }

    #[test]
    fn a_directory_of_ones_own_is_used_and_one_that_is_not_there_is_nobodys() {
        let folder = state();
        assert_eq!(examine(folder.path()).unwrap(), Vec::<PathBuf>::new());
        examine(&folder.path().join("missing")).unwrap();
        let link = folder.path().join("link");
        symlink(folder.path(), &link).unwrap();
        for name in [link.clone(), link.join(""), link.join(".")] {
            let refused = examine(&name).unwrap_err();
            assert!(matches!(refused, Foreign::Link { .. }), "{}: {refused}", name.display());
        }
        // Where a folder above it leads is the operator's own affair.
        symlink(folder.path().parent().unwrap(), folder.path().join("above")).unwrap();
        let name = folder.path().file_name().unwrap();
        examine(&folder.path().join("above").join(name)).unwrap();
    }

    #[test]
    fn a_run_or_lock_that_others_can_write_is_refused_and_a_folder_is_named() {
        for (place, is_refused) in
            [("", false), ("runs", false), ("locks", false), ("runs/one", true), ("locks/l", true)]
        {
            for mode in [0o720, 0o702, 0o777] {
                let folder = state();
                let path = folder.path().join(place);
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                match examine(folder.path()) {
                    Err(Foreign::Writable { mode: is, .. }) => assert!(is_refused && is == mode, "{place}"),
                    Ok(open) => {
                        assert!(!is_refused && open.len() == 1 && path.starts_with(&open[0]), "{place}: {open:?}");
                    }
                    Err(error) => panic!("{place}: {error}"),
                }
            }
        }
    }

    #[test]
    fn links_are_refused_below_the_directory() {
        let elsewhere = state();
        for (place, target) in [("runs/two", "runs/one"), ("locks/m", "locks/l")] {
            let folder = state();
            symlink(elsewhere.path().join(target), folder.path().join(place)).unwrap();
            let refused = examine(folder.path()).unwrap_err();
            assert!(matches!(refused, Foreign::Link { .. }), "{place}: {refused}");
        }
    }
}
