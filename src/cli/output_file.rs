//! Files that were asked for: readable by nobody else, and never written through a link or into a device.
//!
//! A plan, a report or the events of a run may name what nobody else should read. And who can plant a link where this
//! program is about to write decides what it overwrites, so what is already there must be a regular file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use super::exit::{CliError, Exit};

/// Readable and writable by its owner only.
const PRIVATE: u32 = 0o600;

/// Writes a file whole or not at all. A file that is there already is replaced.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        is_replaceable(path)?;
        // Made with mode 0600; the rename replaces a name and follows no link.
        let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
        fresh.write_all(bytes)?;
        fresh.persist(path).map_err(|error| error.error)
    };
    write().map(drop).map_err(|error| cannot_be_written(path, &error))
}

/// Writes anew what is in a file that is there already. It stays the same file: whoever owned it owns it, its other names lead to it,
/// and who could read it still can. What does not fit on the disk leaves it as it was.
pub(super) fn rewrite(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let write = || {
        is_replaceable(path)?;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(not_a_file());
        }
        let mut before = Vec::new();
        file.read_to_end(&mut before)?;
        let outcome = overwrite(&mut file, bytes);
        if outcome.is_err() {
            overwrite(&mut file, &before)?;
        }
        outcome
    };
    write().map_err(|error| cannot_be_written(path, &error))
}

/// Writes over what is in a file. The end is cut off only once all is written.
fn overwrite(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

/// Opens a file that grows. What is there already stays in it, and from now on nobody else reads it.
pub(super) fn append(path: &Path) -> Result<File, CliError> {
    let open = || {
        is_replaceable(path)?;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().append(true).create(true).mode(PRIVATE).custom_flags(flags).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(not_a_file());
        }
        // Its owner, or whoever reads it by another name, would read what is added.
        if found.uid() != rustix::process::geteuid().as_raw() || found.nlink() != 1 {
            return Err(io::Error::other(
                "it belongs to another user, or has another name besides; write a file of your own",
            ));
        }
        file.set_permissions(fs::Permissions::from_mode(PRIVATE))?;
        Ok(file)
    };
    open().map_err(|error| cannot_be_written(path, &error))
}

/// Refuses what is no regular file. What is not there can be made.
fn is_replaceable(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(not_a_file()),
        Err(error) => Err(error),
    }
}

fn not_a_file() -> io::Error {
    io::Error::other("it is a link, a device or a directory, and not a regular file")
}

fn cannot_be_written(path: &Path, error: &io::Error) -> CliError {
    CliError::new(Exit::Usage, format!("{} cannot be written: {error}", path.display()))
        .help("name a regular file, or one that is not there yet")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_is_private_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for is_there in [false, true] {
            if is_there {
                fs::write(&path, "old\n").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            }
            append(&path).unwrap().write_all(b"new\n").unwrap();
            assert_eq!(mode(&path), PRIVATE);
            assert!(fs::read_to_string(&path).unwrap().ends_with("new\n"));
            write(&path, b"whole").unwrap();
            assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (PRIVATE, "whole"));
        }
    }

    #[test]
    fn a_file_that_is_rewritten_stays_the_same_file() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("f"), folder.path().join("other"));
        fs::write(&path, "old and long\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        fs::hard_link(&path, &other).unwrap();
        let before = fs::metadata(&path).unwrap();
        rewrite(&path, b"new\n").unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "new\n", "its other name leads to it");
        assert_eq!((before.ino(), before.uid(), mode(&path)), (after.ino(), after.uid(), 0o664));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn links_pipes_and_devices_are_refused_and_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, link, pipe) =
            (folder.path().join("victim"), folder.path().join("link"), folder.path().join("pipe"));
        fs::write(&victim, "theirs").unwrap();
        symlink(&victim, &link).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        for path in [&link, &pipe, Path::new("/dev/null"), folder.path()] {
            assert!(write(path, b"ours").is_err(), "{}", path.display());
            assert!(append(path).is_err(), "{}", path.display());
            assert!(rewrite(path, b"ours").is_err(), "{}", path.display());
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
