//! Where a journal ends, noted beside it in `journal.end`: without it, a journal whose last lines were taken away looks whole.
//!
//! It is written after the lines that it covers are on the disk. So a program that dies between the two leaves a journal
//! that is longer than its anchor, which is an ordinary interruption. A journal that is shorter than its anchor, or whose
//! line there is another one, has lost lines: no crash leaves that behind.
//!
//! The file has a fixed size below that of a disk's sector and is overwritten in place, so that this needs no space and one
//! call, and the old or the new text is there after a power failure.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk;
use super::line::{Broken, GENESIS};
use crate::run::{Hash, digest};

/// The file beside the journal.
pub(super) const FILE: &str = "journal.end";
/// Bytes of the file.
const SIZE: usize = 192;
/// A reader that meets the writer may see parts of two texts. So often it reads again.
const READS: usize = 100;

/// So many lines a journal had at least, and the hash of the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) entries: u64,
    pub(super) hash: Hash,
}

#[derive(Serialize, Deserialize)]
struct Text {
    entries: u64,
    hash: Hash,
    /// Shows that the other two belong together.
    check: Hash,
}

impl Anchor {
    /// Of a journal without a line.
    pub(super) fn genesis() -> Anchor {
        Anchor { entries: 0, hash: GENESIS.to_owned() }
    }

    fn check(&self) -> Hash {
        let mut check = digest(format!("{} {}", self.entries, self.hash).as_bytes());
        check.truncate(16);
        check
    }

    fn written(&self) -> io::Result<Vec<u8>> {
        let text = Text { entries: self.entries, hash: self.hash.clone(), check: self.check() };
        let mut bytes = serde_json::to_vec(&text)?;
        bytes.resize(SIZE - 1, b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Anchor, String> {
        let text: Text = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let anchor = Anchor { entries: text.entries, hash: text.hash };
        if anchor.check() == text.check { Ok(anchor) } else { Err("its parts do not belong together".to_owned()) }
    }

    /// The anchor in a run's directory; `None` if there is none.
    pub(super) fn read(directory: &Path) -> Result<Option<Anchor>, Broken> {
        let mut why = String::new();
        for _ in 0..READS {
            match disk::read(&directory.join(FILE)).map(|bytes| Anchor::parse(&bytes)) {
                Ok(Ok(anchor)) => return Ok(Some(anchor)),
                Ok(Err(malformed)) => why = malformed,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => why = error.to_string(),
            }
        }
        Err(Broken::EndUnreadable { why })
    }
}

/// The anchor of a journal that this process works.
#[derive(Debug)]
pub(super) struct AnchorFile {
    file: File,
    /// What it says.
    noted: Anchor,
    /// Whether that outlives a power failure.
    is_synced: bool,
}

impl AnchorFile {
    /// Of a new journal, on the disk when this returns; its name is not yet.
    pub(super) fn create(directory: &Path) -> io::Result<AnchorFile> {
        let noted = Anchor::genesis();
        let mut file = disk::create(&directory.join(FILE))?;
        disk::write(&mut file, &noted.written()?)?;
        disk::sync(&file)?;
        Ok(AnchorFile { file, noted, is_synced: true })
    }

    /// Of a journal that is taken up again and ends here.
    pub(super) fn reopen(directory: &Path, end: Anchor) -> io::Result<AnchorFile> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(directory.join(FILE))?;
        let mut anchor = AnchorFile { file, noted: Anchor::genesis(), is_synced: false };
        anchor.note(end)?;
        anchor.sync()?;
        Ok(anchor)
    }

    /// Notes that the journal, which is on the disk up to here, ends here. This outlives the process.
    pub(super) fn note(&mut self, end: Anchor) -> io::Result<()> {
        disk::overwrite(&self.file, &end.written()?)?;
        (self.noted, self.is_synced) = (end, false);
        Ok(())
    }

    /// What is noted outlives a power failure from here on.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.is_synced {
            disk::sync_data(&self.file)?;
            self.is_synced = true;
        }
        Ok(())
    }

    /// So many entries are covered.
    pub(super) fn entries(&self) -> u64 {
        self.noted.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_one_size_and_every_flipped_bit_is_noticed() {
        let anchor = Anchor { entries: u64::MAX, hash: digest(b"x") };
        let whole = anchor.written().unwrap();
        assert_eq!((whole.len(), Anchor::genesis().written().unwrap().len()), (SIZE, SIZE));
        assert_eq!(Anchor::parse(&whole), Ok(anchor.clone()));
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[place] ^= 1 << bit;
                let read = Anchor::parse(&changed);
                assert!(read.is_err() || read == Ok(anchor.clone()), "bit {bit} of byte {place}");
            }
        }
    }
}
