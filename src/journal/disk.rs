//! Every change that this room makes to the file system, one call each, so that a test can stop the program after each; and
//! what it reads, which is regular files only: a pipe would be waited for without end, and a device may have none.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Fails for whatever is no regular file.
///
/// # Errors
/// Also if nothing is there.
pub(super) fn must_be_file(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    Err(io::Error::other("it is a link, a device or a directory, and not a regular file"))
}

/// Opens a regular file for reading.
pub(super) fn open(path: &Path) -> io::Result<File> {
    must_be_file(path)?;
    File::open(path)
}

/// The bytes of a regular file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    must_be_file(path)?;
    fs::read(path)
}

/// Makes a directory and what is missing above it. One that is there already is not an error.
pub(super) fn make_directories(path: &Path) -> io::Result<()> {
    step()?;
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory that must not be there yet.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    step()?;
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes a file that must not be there yet.
pub(super) fn create(path: &Path) -> io::Result<File> {
    step()?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a file that must not be there yet and that only grows.
pub(super) fn create_log(path: &Path) -> io::Result<File> {
    step()?;
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file for writing, empty, whether or not it is there.
pub(super) fn empty(path: &Path) -> io::Result<File> {
    step()?;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes at the end.
pub(super) fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if let Err(error) = step() {
        // A write that fails or is cut short may have written part of it.
        let _ = file.write_all(&bytes[..bytes.len() / 2]);
        return Err(error);
    }
    file.write_all(bytes)
}

/// Overwrites the beginning, in one call.
pub(super) fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    step()?;
    file.write_all_at(bytes, 0)
}

pub(super) fn truncate(file: &File, length: u64) -> io::Result<()> {
    step()?;
    file.set_len(length)
}

pub(super) fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_all()
}

/// Like [`sync`], without the times of the file.
pub(super) fn sync_data(file: &File) -> io::Result<()> {
    step()?;
    file.sync_data()
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    step()?;
    File::open(path)?.sync_all()
}

pub(super) fn link(from: &Path, to: &Path) -> io::Result<()> {
    step()?;
    fs::hard_link(from, to)
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step()?;
    fs::rename(from, to)
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    step()?;
    fs::remove_file(path)
}

pub(super) fn remove_directory(path: &Path) -> io::Result<()> {
    step()?;
    fs::remove_dir_all(path)
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it fails on request")]
const fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use fault::step;

/// Faults for tests, per thread.
#[cfg(test)]
pub(super) mod fault {
    use std::cell::Cell;
    use std::io;

    /// What happens at a step.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) enum Fault {
        /// It fails, and everything after it works: a full disk that something was given back to.
        Fails,
        /// It fails, and so does everything after it: the program is dead.
        Dies,
    }

    thread_local! {
        static NEXT: Cell<Option<(usize, Fault)>> = const { Cell::new(None) };
        static HIT: Cell<bool> = const { Cell::new(false) };
    }

    /// Works with a fault at the step of this number, counted from 0; whether the fault was reached.
    pub(in super::super) fn inject<T>(at: usize, fault: Fault, work: impl FnOnce() -> T) -> (T, bool) {
        NEXT.set(Some((at, fault)));
        HIT.set(false);
        let out = work();
        NEXT.set(None);
        (out, HIT.get())
    }

    pub(super) fn step() -> io::Result<()> {
        match NEXT.get() {
            None => Ok(()),
            Some((0, fault)) => {
                HIT.set(true);
                NEXT.set((fault == Fault::Dies).then_some((0, fault)));
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            Some((left, fault)) => {
                NEXT.set(Some((left - 1, fault)));
                Ok(())
            }
        }
    }
}
