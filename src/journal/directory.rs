//! Runs as directories: private to their owner, synced to the disk, one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::line::{self, Broken, GENESIS};
use crate::run::{Entry, Event, Hash, RunId};

const JOURNAL: &str = "journal.jsonl";

/// Where all runs of one person live, newest last.
#[derive(Clone, Debug)]
pub struct State {
    root: PathBuf,
}

/// One run's directory.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
}

/// A run's journal, held by this process alone.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    next: u64,
    last: Hash,
}

/// What a journal says.
#[derive(Debug)]
pub struct Read {
    /// Every entry, oldest first.
    pub entries: Vec<Entry>,
    /// Set if the last line was cut off in the middle.
    pub torn: Option<Torn>,
    /// The hash of the last whole line: it stands for the journal as a whole.
    pub hash: Hash,
}

/// A last line that was never finished: the program or the machine died while writing it. Nothing relied
/// on it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Bytes of whole lines before it.
    pub whole: u64,
    /// Bytes of the unfinished line.
    pub bytes: u64,
}

/// A run that somebody asked for by the beginning of its id.
#[derive(Debug)]
pub enum Found {
    /// This one.
    One(Directory),
    /// None, and these are the ids there are.
    None(Vec<String>),
    /// Several.
    Several(Vec<String>),
}

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// Somebody or something changed it.
    #[error("{path}: {broken}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        broken: Broken,
    },
    /// Another process works the run.
    #[error("another process is working this run")]
    Held,
}

impl State {
    /// The state directory at this path. It is made when the first run begins.
    pub fn at(root: impl Into<PathBuf>) -> State {
        State { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Tries whether a run could be kept: makes a file and removes it.
    pub fn probe(&self) -> Result<(), OpenError> {
        let try_it = || {
            DirBuilder::new().recursive(true).mode(0o700).create(self.runs())?;
            let path = self.runs().join(format!(".probe-{}", std::process::id()));
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.sync_all()?;
            fs::remove_file(&path)
        };
        try_it().map_err(|source| OpenError::Io { path: self.runs(), source })
    }

    /// Makes the directory of a new run.
    pub fn create(&self, id: &RunId) -> Result<Directory, OpenError> {
        let path = self.runs().join(id.as_str());
        let io = |source| OpenError::Io { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(self.runs()).map_err(io)?;
        // Not recursive: an id that is taken must not be shared.
        DirBuilder::new().mode(0o700).create(&path).map_err(io)?;
        sync_directory(&self.runs()).map_err(io)?;
        Ok(Directory { path })
    }

    /// Every run, by when it was made, oldest first.
    pub fn list(&self) -> Vec<Directory> {
        let Ok(entries) = fs::read_dir(self.runs()) else { return Vec::new() };
        let made = |path: &Path| fs::metadata(path.join("plan.json")).and_then(|data| data.modified()).ok();
        let mut runs: Vec<_> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.join(JOURNAL).is_file())
            .map(|path| (made(&path), Directory { path }))
            .collect();
        runs.sort_by(|(a, one), (b, two)| a.cmp(b).then_with(|| one.path.cmp(&two.path)));
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// The run whose id begins so; without a beginning, the newest.
    pub fn find(&self, beginning: Option<&str>) -> Found {
        let mut runs = self.list();
        let ids = |runs: &[Directory]| runs.iter().map(Directory::id).collect::<Vec<_>>();
        let Some(beginning) = beginning else { return runs.pop().map_or(Found::None(Vec::new()), Found::One) };
        let all = ids(&runs);
        runs.retain(|run| run.id().starts_with(beginning));
        match (runs.pop(), runs.is_empty()) {
            (Some(run), true) => Found::One(run),
            (Some(run), false) => {
                runs.push(run);
                Found::Several(ids(&runs))
            }
            (None, _) => Found::None(all),
        }
    }

    fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }
}

impl Directory {
    /// The run's id, which is the directory's name.
    pub fn id(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Keeps a file beside the journal, readable by nobody else, on the disk when this returns.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), OpenError> {
        let path = self.file(name);
        let keep = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            sync_directory(&self.path)
        };
        keep().map_err(|source| OpenError::Io { path: path.clone(), source })
    }

    /// Keeps a file beside the journal in the place of an older one; a reader sees either, whole. Not synced: it can be
    /// made anew from the journal.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), OpenError> {
        let (path, fresh) = (self.file(name), self.file(&format!(".{name}.new")));
        let replace = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(bytes)?;
            fs::rename(&fresh, &path)
        };
        replace().map_err(|source| OpenError::Io { path: path.clone(), source })
    }

    /// A file kept beside the journal.
    pub fn kept(&self, name: &str) -> Result<Vec<u8>, OpenError> {
        let path = self.file(name);
        fs::read(&path).map_err(|source| OpenError::Io { path, source })
    }

    /// Begins the journal, and holds it.
    pub fn begin(&self) -> Result<Journal, OpenError> {
        let path = self.file(JOURNAL);
        let begin = || {
            let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
            sync_directory(&self.path)?;
            Ok(file)
        };
        let file = begin().map_err(|source| OpenError::Io { path: path.clone(), source })?;
        hold(&file, &path)?;
        Ok(Journal { file, path, next: 1, last: GENESIS.to_owned() })
    }

    /// Takes the journal up again, and holds it. A torn last line is cut off.
    pub fn reopen(&self) -> Result<(Journal, Read), OpenError> {
        let path = self.file(JOURNAL);
        let io = |source| OpenError::Io { path: path.clone(), source };
        let file = OpenOptions::new().append(true).read(true).open(&path).map_err(io)?;
        hold(&file, &path)?;
        let read = self.read()?;
        if let Some(torn) = read.torn {
            file.set_len(torn.whole).and_then(|()| file.sync_all()).map_err(io)?;
        }
        let next = read.entries.len() as u64 + 1;
        Ok((Journal { file, path: path.clone(), next, last: read.hash.clone() }, read))
    }

    /// Reads the journal, also while another process works the run.
    pub fn read(&self) -> Result<Read, OpenError> {
        read(&self.bytes()?).map_err(|broken| OpenError::Broken { path: self.file(JOURNAL), broken })
    }

    /// Reads the journal as far as it can be trusted, and says what is wrong after that; an error only if there is none.
    pub fn salvage(&self) -> Result<(Read, Option<String>), OpenError> {
        let (read, broken) = as_far_as_it_goes(&self.bytes()?);
        let torn = read.torn.map(|torn| format!("its last line was never finished ({} bytes)", torn.bytes));
        Ok((read, broken.map(|broken| broken.to_string()).or(torn)))
    }

    fn bytes(&self) -> Result<Vec<u8>, OpenError> {
        let path = self.file(JOURNAL);
        std::fs::read(&path).map_err(|source| OpenError::Io { path, source })
    }

    /// Whether another process works the run right now.
    pub fn is_held(&self) -> bool {
        File::open(self.file(JOURNAL)).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

impl Journal {
    /// Appends an entry. When this returns, an entry that must last is on the disk.
    pub fn append(&mut self, entry: &Entry) -> Result<(), OpenError> {
        let io = |source| OpenError::Io { path: self.path.clone(), source };
        let (line, hash) = line::write(self.next, entry, &self.last).map_err(|error| io(error.into()))?;
        self.file.write_all(line.as_bytes()).map_err(io)?;
        if Event::must_last(&entry.event) {
            self.file.sync_data().map_err(io)?;
        }
        tracing::debug!(target: "rectify::journal", line = self.next);
        self.next += 1;
        self.last = hash;
        Ok(())
    }
}

fn hold(file: &File, path: &Path) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

fn read(bytes: &[u8]) -> Result<Read, Broken> {
    match as_far_as_it_goes(bytes) {
        (read, None) => Ok(read),
        (_, Some(broken)) => Err(broken),
    }
}

/// The entries up to the first that does not fit the ones before it, and why that one does not.
fn as_far_as_it_goes(bytes: &[u8]) -> (Read, Option<Broken>) {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let torn = (whole < bytes.len()).then(|| Torn { whole: whole as u64, bytes: (bytes.len() - whole) as u64 });
    let mut read = Read { entries: Vec::new(), torn, hash: GENESIS.to_owned() };
    for (index, text) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let text = std::str::from_utf8(text).map_err(|_| Broken::Chain { line: number });
        match text.and_then(|text| line::read(text.trim_end_matches('\n'), number, &read.hash)) {
            Ok((entry, next)) => {
                read.entries.push(entry);
                read.hash = next;
            }
            Err(broken) => return (read, Some(broken)),
        }
    }
    (read, None)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn events(count: usize) -> Vec<Entry> {
        let event = |n: usize| Event::StopAsked { by: format!("signal {n}") };
        (0..count).map(|n| Entry { at: Timestamp::UNIX_EPOCH, event: event(n) }).collect()
    }

    fn run() -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().unwrap();
        let directory = State::at(folder.path()).create(&RunId::from_bits(42)).unwrap();
        let mut journal = directory.begin().unwrap();
        for entry in events(3) {
            journal.append(&entry).unwrap();
        }
        (folder, directory)
    }

    #[test]
    fn what_was_appended_is_read_back() {
        let (_folder, directory) = run();
        let read = directory.read().unwrap();
        assert_eq!(read.entries, events(3));
        assert_eq!(read.torn, None);
    }

    #[test]
    fn every_cut_is_a_torn_line_and_never_a_lie() {
        let (_folder, directory) = run();
        let whole = fs::read(directory.file(JOURNAL)).unwrap();
        for cut in 0..whole.len() {
            let read = read(&whole[..cut]).unwrap();
            assert_eq!(read.entries, events(3)[..read.entries.len()], "cut at {cut}");
            let kept = read.torn.map_or(cut, |torn| usize::try_from(torn.whole).unwrap());
            assert!(kept == 0 || whole[kept - 1] == b'\n');
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (_folder, directory) = run();
        let whole = fs::read(directory.file(JOURNAL)).unwrap();
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[place] ^= 1 << bit;
                // A flip can only be taken for a torn end if it took the last line break away.
                let trusted = read(&changed).is_ok_and(|read| read.torn.is_none());
                assert!(!trusted, "bit {bit} of byte {place}");
            }
        }
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_chain_goes_on() {
        let (_folder, directory) = run();
        let path = directory.file(JOURNAL);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let (mut journal, read) = directory.reopen().unwrap();
        assert_eq!(read.entries.len(), 2);
        assert!(read.torn.is_some());
        journal.append(&events(1)[0]).unwrap();
        let after = directory.read().unwrap();
        assert_eq!((after.entries.len(), after.torn), (3, None));
    }

    #[test]
    fn a_run_has_one_holder() {
        let (_folder, directory) = run();
        let held = directory.reopen().unwrap();
        assert!(directory.is_held());
        assert!(matches!(directory.reopen(), Err(OpenError::Held)));
        drop(held);
        assert!(!directory.is_held());
    }

    #[test]
    fn nobody_else_can_read_a_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, directory) = run();
        directory.keep("plan.json", b"{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory.path), 0o700);
        assert_eq!(mode(&directory.file(JOURNAL)), 0o600);
        assert_eq!(mode(&directory.file("plan.json")), 0o600);
    }

    #[test]
    fn a_run_is_found_by_the_beginning_of_its_id() {
        let (folder, directory) = run();
        let state = State::at(folder.path());
        let id = directory.id();
        assert!(matches!(state.find(Some(&id[..2])), Found::One(found) if found.id() == id));
        assert!(matches!(state.find(None), Found::One(found) if found.id() == id));
        assert!(matches!(state.find(Some("zzzz")), Found::None(ids) if ids == [id]));
    }
}
