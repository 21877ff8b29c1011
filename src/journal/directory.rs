//! Runs as directories: private to their owner, synced to the disk, one process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::anchor::{Anchor, AnchorFile};
use super::disk;
use super::line::{self, Broken, GENESIS};
use super::ownership::{self, Foreign, Owners};
use crate::run::{Entry, Event, Hash, RunId};

const JOURNAL: &str = "journal.jsonl";
/// No first line is longer.
const FIRST_LINE: u64 = 1 << 20;

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
    end: AnchorFile,
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
    /// So many of the entries are covered by the note of the journal's end: they cannot go missing unnoticed. `None`: runs
    /// of 0.1.0 have no such note.
    pub anchored: Option<u64>,
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

    /// The state directory at this path, if it is theirs to whom it may belong, and its folders that others can write.
    ///
    /// # Errors
    /// What in it somebody else could have written.
    pub fn of(root: impl Into<PathBuf>, owners: Owners) -> Result<(State, Vec<PathBuf>), Foreign> {
        let state = State::at(root);
        let open = match owners {
            Owners::Own => ownership::examine(&state.root)?,
            Owners::Anybody => Vec::new(),
        };
        Ok((state, open))
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Tries whether a run could be kept: makes a file and removes it.
    pub fn probe(&self) -> Result<(), OpenError> {
        let try_it = || {
            disk::make_directories(&self.runs())?;
            let path = self.runs().join(format!(".probe-{}", std::process::id()));
            disk::sync(&disk::create(&path)?)?;
            disk::remove(&path)
        };
        try_it().map_err(|source| OpenError::Io { path: self.runs(), source })
    }

    /// Makes the directory of a new run.
    pub fn create(&self, id: &RunId) -> Result<Directory, OpenError> {
        let path = self.runs().join(id.as_str());
        let io = |source| OpenError::Io { path: path.clone(), source };
        disk::make_directories(&self.runs()).map_err(io)?;
        // An id that is taken must not be shared.
        disk::make_directory(&path).map_err(io)?;
        let directory = Directory { path: path.clone() };
        disk::sync_directory(&self.runs()).map_err(|source| {
            let _ = directory.discard();
            io(source)
        })?;
        Ok(directory)
    }

    /// Every run that has begun, by the wall's clock, oldest first.
    pub fn list(&self) -> Vec<Directory> {
        let Ok(entries) = fs::read_dir(self.runs()) else { return Vec::new() };
        let runs = entries.flatten().map(|entry| Directory { path: entry.path() });
        let mut runs: Vec<_> = runs.filter(Directory::has_begun).map(|run| (run.began(), run)).collect();
        runs.sort_by(|(a, one), (b, two)| a.cmp(b).then_with(|| one.path.cmp(&two.path)));
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// The run whose id begins so. No run is meant by an empty text, such as an unset variable of a script.
    pub fn find(&self, beginning: &str) -> Found {
        let mut runs = self.list();
        let ids = |runs: &[Directory]| runs.iter().map(Directory::id).collect::<Vec<_>>();
        let all = ids(&runs);
        runs.retain(|run| !beginning.is_empty() && run.id().starts_with(beginning));
        match (runs.pop(), runs.is_empty()) {
            (Some(run), true) => Found::One(run),
            (Some(run), false) => {
                runs.push(run);
                Found::Several(ids(&runs))
            }
            (None, _) => Found::None(all),
        }
    }

    /// The run of exactly this id.
    pub fn run(&self, id: &str) -> Option<Directory> {
        self.list().into_iter().find(|run| run.id() == id)
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory of a run that has not begun.
    pub(super) fn discard(&self) -> Result<(), OpenError> {
        let io = |source| OpenError::Io { path: self.path.clone(), source };
        // Without its journal nobody takes what is left for a run.
        let _ = disk::remove(&self.file(JOURNAL));
        let _ = disk::remove(&self.file(super::anchor::FILE));
        disk::remove_directory(&self.path).map_err(io)
    }

    /// Whether the run has begun: its journal has an entry, or had one.
    fn has_begun(&self) -> bool {
        self.first_line().is_some()
            || matches!(Anchor::read(&self.path), Ok(Some(Anchor { entries: 1.., .. })) | Err(_))
    }

    /// The first entry, if it can be read.
    pub fn first(&self) -> Option<Entry> {
        let line = self.first_line()?;
        line::read(line.trim_end_matches('\n'), 1, GENESIS).ok().map(|(entry, _)| entry)
    }

    fn first_line(&self) -> Option<String> {
        let mut line = String::new();
        let file = disk::open(&self.file(JOURNAL)).ok()?;
        BufReader::new(file.take(FIRST_LINE)).read_line(&mut line).ok()?;
        line.ends_with('\n').then_some(line)
    }

    /// When the run began by the wall's clock. Runs of 0.1.0 did not write that down; their plan was made then.
    fn began(&self) -> Option<Timestamp> {
        if let Some(Entry { event: Event::Started { wall_clock: Some(began), .. }, .. }) = self.first() {
            return Some(began);
        }
        let made = fs::metadata(self.file("plan.json")).and_then(|data| data.modified()).ok();
        made.and_then(|made| Timestamp::try_from(made).ok())
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Keeps a file beside the journal, readable by nobody else, on the disk when this returns.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), OpenError> {
        let path = self.file(name);
        let keep = || {
            let mut file = disk::create(&path)?;
            disk::write(&mut file, bytes)?;
            disk::sync(&file)?;
            disk::sync_directory(&self.path)
        };
        keep().map_err(|source| OpenError::Io { path: path.clone(), source })
    }

    /// Keeps a file beside the journal in the place of an older one; a reader sees either, whole. Not synced: it can be
    /// made anew from the journal.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), OpenError> {
        let (path, fresh) = (self.file(name), self.file(&format!(".{name}.new")));
        let replace = || {
            let mut file = disk::empty(&fresh)?;
            disk::write(&mut file, bytes)?;
            disk::rename(&fresh, &path)
        };
        replace().map_err(|source| OpenError::Io { path: path.clone(), source })
    }

    /// A file kept beside the journal.
    pub fn kept(&self, name: &str) -> Result<Vec<u8>, OpenError> {
        let path = self.file(name);
        disk::read(&path).map_err(|source| OpenError::Io { path, source })
    }

    /// Begins the journal, and holds it.
    pub fn begin(&self) -> Result<Journal, OpenError> {
        let path = self.file(JOURNAL);
        let begin = || {
            // First, so that no journal is without.
            let end = AnchorFile::create(&self.path)?;
            let file = disk::create_log(&path)?;
            disk::sync_directory(&self.path)?;
            Ok((file, end))
        };
        let (file, end) = begin().map_err(|source| OpenError::Io { path: path.clone(), source })?;
        hold(&file, &path)?;
        Ok(Journal { file, path, next: 1, last: GENESIS.to_owned(), end })
    }

    /// Takes the journal up again, and holds it. A torn last line is cut off.
    pub fn reopen(&self) -> Result<(Journal, Read), OpenError> {
        let path = self.file(JOURNAL);
        let io = |source| OpenError::Io { path: path.clone(), source };
        disk::must_be_file(&path).map_err(io)?;
        let file = OpenOptions::new().append(true).read(true).open(&path).map_err(io)?;
        hold(&file, &path)?;
        let read = self.read()?;
        if let Some(torn) = read.torn {
            disk::truncate(&file, torn.whole).map_err(io)?;
        }
        disk::sync(&file).map_err(io)?;
        let entries = read.entries.len() as u64;
        let end = AnchorFile::reopen(&self.path, Anchor { entries, hash: read.hash.clone() }).map_err(io)?;
        Ok((Journal { file, path: path.clone(), next: entries + 1, last: read.hash.clone(), end }, read))
    }

    /// Reads the journal, also while another process works the run.
    pub fn read(&self) -> Result<Read, OpenError> {
        match self.examine()? {
            (read, None) => Ok(read),
            (_, Some(broken)) => Err(OpenError::Broken { path: self.file(JOURNAL), broken }),
        }
    }

    /// Reads the journal as far as it can be trusted, and says what is wrong after that; an error only if there is none.
    pub fn salvage(&self) -> Result<(Read, Option<String>), OpenError> {
        let (read, broken) = self.examine()?;
        let torn = read.torn.map(|torn| format!("its last line was never finished ({} bytes)", torn.bytes));
        Ok((read, broken.map(|broken| broken.to_string()).or(torn)))
    }

    fn examine(&self) -> Result<(Read, Option<Broken>), OpenError> {
        // The end first: while somebody works the run, both only grow.
        let end = Anchor::read(&self.path);
        let path = self.file(JOURNAL);
        let bytes = match disk::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !matches!(end, Ok(None)) => Vec::new(),
            read => read.map_err(|source| OpenError::Io { path, source })?,
        };
        Ok(as_far_as_it_goes(&bytes, end))
    }

    /// Whether another process works the run right now.
    pub fn is_held(&self) -> bool {
        disk::open(&self.file(JOURNAL))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

impl Journal {
    /// Appends an entry. It outlives this process when this returns. A power failure is outlived by what begins a run, takes it
    /// up, turns it or ends it; the other entries by what is called before anything relies on them, [`anchor`](Self::anchor).
    pub fn append(&mut self, entry: &Entry) -> Result<(), OpenError> {
        let path = self.path.clone();
        let io = |source| OpenError::Io { path: path.clone(), source };
        let (line, hash) = line::write(self.next, entry, &self.last).map_err(|error| io(error.into()))?;
        disk::write(&mut self.file, line.as_bytes()).map_err(io)?;
        tracing::debug!(target: "rectify::journal", line = self.next);
        self.next += 1;
        self.last = hash;
        if entry.event.is_milestone() {
            self.anchor()?;
        }
        Ok(())
    }

    /// When this returns, every entry so far is on the disk, and none can go missing unnoticed, even after a power failure.
    /// To be called before an external effect, when the run is left, and every now and then.
    pub fn anchor(&mut self) -> Result<(), OpenError> {
        let mut anchor = || {
            if self.end.entries() < self.next - 1 {
                disk::sync_data(&self.file)?;
                self.note_end()?;
            }
            self.end.sync()
        };
        anchor().map_err(|source| OpenError::Io { path: self.path.clone(), source })
    }

    fn note_end(&mut self) -> io::Result<()> {
        self.end.note(Anchor { entries: self.next - 1, hash: self.last.clone() })
    }
}

fn hold(file: &File, path: &Path) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

/// The entries up to the first that does not fit the ones before it, and what is wrong with the journal.
fn as_far_as_it_goes(bytes: &[u8], end: Result<Option<Anchor>, Broken>) -> (Read, Option<Broken>) {
    let noted = end.as_ref().ok().and_then(Option::as_ref).map(|end| end.entries);
    let chained = chained(bytes, noted);
    // A line that does not fit says more than a note that then does not fit either.
    let Chained { entries, torn, hash, at_end, broken } = chained;
    let found = entries.len() as u64;
    let broken = broken.or_else(|| match end {
        Err(unreadable) => Some(unreadable),
        Ok(Some(end)) if end.entries > found => Some(Broken::Missing { noted: end.entries, found }),
        Ok(Some(end)) => (at_end != end.hash).then_some(Broken::Replaced { line: end.entries }),
        Ok(None) => entries.first().is_some_and(notes_its_end).then_some(Broken::EndMissing),
    });
    (Read { entries, torn, hash, anchored: noted }, broken)
}

/// Whether the version that began this journal notes where it ends. 0.1.0 did not, and wrote no digest of `where.json` either.
fn notes_its_end(first: &Entry) -> bool {
    matches!(first.event, Event::Started { place: Some(_), .. })
}

/// Lines that fit each other.
struct Chained {
    entries: Vec<Entry>,
    torn: Option<Torn>,
    /// The hash of the last of them.
    hash: Hash,
    /// The hash of the one where the journal was noted to end, if it has so many.
    at_end: Hash,
    broken: Option<Broken>,
}

fn chained(bytes: &[u8], end: Option<u64>) -> Chained {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let torn = (whole < bytes.len()).then(|| Torn { whole: whole as u64, bytes: (bytes.len() - whole) as u64 });
    let genesis = || GENESIS.to_owned();
    let mut chained = Chained { entries: Vec::new(), torn, hash: genesis(), at_end: genesis(), broken: None };
    for (index, text) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let text = std::str::from_utf8(text).map_err(|_| Broken::Chain { line: number });
        match text.and_then(|text| line::read(text.trim_end_matches('\n'), number, &chained.hash)) {
            Ok((entry, next)) => {
                chained.entries.push(entry);
                chained.hash = next;
                if end == Some(number as u64) {
                    chained.at_end.clone_from(&chained.hash);
                }
            }
            Err(broken) => {
                chained.broken = Some(broken);
                break;
            }
        }
    }
    chained
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Operator;

    fn events(count: usize) -> Vec<Entry> {
        let event = |n: usize| Event::StopRequested { by: format!("signal {n}") };
        (0..count).map(|n| Entry { at: Timestamp::UNIX_EPOCH, event: event(n) }).collect()
    }

    fn run() -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().unwrap();
        let directory = State::at(folder.path()).create(&RunId::from_bits(42)).unwrap();
        let mut journal = directory.begin().unwrap();
        for entry in events(3) {
            journal.append(&entry).unwrap();
        }
        journal.anchor().unwrap();
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
            let (read, broken) = as_far_as_it_goes(&whole[..cut], Ok(None));
            assert_eq!(broken, None);
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
                let (read, broken) = as_far_as_it_goes(&changed, Ok(None));
                assert!(broken.is_some() || read.torn.is_some(), "bit {bit} of byte {place}");
            }
        }
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_chain_goes_on() {
        let (_folder, directory) = run();
        let path = directory.file(JOURNAL);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"{\"seq\":4,\"at\""].concat()).unwrap();
        let (mut journal, read) = directory.reopen().unwrap();
        assert_eq!(read.entries.len(), 3);
        assert!(read.torn.is_some());
        journal.append(&events(1)[0]).unwrap();
        let after = directory.read().unwrap();
        assert_eq!((after.entries.len(), after.torn), (4, None));
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
        assert!(matches!(state.find(&id[..2]), Found::One(found) if found.id() == id));
        assert!(matches!(state.find("zzzz"), Found::None(ids) if ids == [id]));
    }

    fn at(event: Event) -> Entry {
        Entry { at: Timestamp::UNIX_EPOCH, event }
    }

    /// An entry of its own in these stories.
    fn event(n: usize) -> Entry {
        at(Event::StopRequested { by: format!("signal {n}") })
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// However a process came to its end: what it relied on cannot be taken away unnoticed, line by line.
        #[test]
        fn every_missing_line_that_something_relied_on_is_noticed(
            kinds in proptest::collection::vec(proptest::prelude::any::<bool>(), 1..12),
            is_left_in_order in proptest::prelude::any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let directory = State::at(folder.path()).create(&RunId::from_bits(42)).unwrap();
            let mut journal = directory.begin().unwrap();
            for (n, is_relied_on) in kinds.iter().enumerate() {
                journal.append(&event(n)).unwrap();
                if *is_relied_on {
                    journal.anchor().unwrap();
                }
            }
            if is_left_in_order {
                journal.anchor().unwrap();
            }
            drop(journal);
            let covered = if is_left_in_order { kinds.len() } else { kinds.iter().rposition(|is| *is).map_or(0, |last| last + 1) };
            let whole = fs::read(directory.file(JOURNAL)).unwrap();
            let ends = std::iter::once(0).chain(whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
            for (lines, end) in ends.enumerate() {
                fs::write(directory.file(JOURNAL), &whole[..end]).unwrap();
                let read = directory.read();
                if lines < covered {
                    let broken = Broken::Missing { noted: covered as u64, found: lines as u64 };
                    let is_it = |error: &OpenError| matches!(error, OpenError::Broken { broken: is, .. } if *is == broken);
                    proptest::prop_assert!(read.as_ref().is_err_and(is_it), "{lines} of {covered}: {read:?}");
                    proptest::prop_assert!(directory.reopen().is_err());
                    proptest::prop_assert_eq!(directory.salvage().unwrap().0.entries.len(), lines);
                } else {
                    proptest::prop_assert_eq!(read.unwrap().entries.len(), lines);
                }
            }
        }
    }

    /// Every moment between the beginning of an entry and the note of it: a death there is an interruption, never taken for
    /// missing lines, and the run goes on.
    #[test]
    fn a_death_anywhere_between_an_entry_and_its_anchor_is_an_interruption() {
        use crate::journal::disk::fault::{Fault, inject};
        let story = |directory: &Directory| -> Result<(), OpenError> {
            let mut journal = directory.begin()?;
            for (n, is_relied_on) in [true, false, true, true, false].into_iter().enumerate() {
                journal.append(&event(n))?;
                if is_relied_on {
                    journal.anchor()?;
                }
            }
            journal.anchor()?;
            journal.append(&at(Event::Resumed {
                operator: Operator { user: "u".to_owned(), host: "h".to_owned(), pid: 1 },
            }))
        };
        let (mut lagged, mut torn) = (0, 0);
        for step in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let state = State::at(folder.path());
            let directory = state.create(&RunId::from_bits(42)).unwrap();
            let (outcome, was_reached) = inject(step, Fault::Dies, || story(&directory));
            assert_eq!(outcome.is_err(), was_reached);
            if !was_reached {
                assert_eq!(directory.read().unwrap().anchored, Some(6));
                break;
            }
            if state.list().is_empty() {
                continue;
            }
            let read = directory.read().unwrap_or_else(|error| panic!("step {step}: {error}"));
            lagged += usize::from(read.anchored < Some(read.entries.len() as u64));
            torn += usize::from(read.torn.is_some());
            let (mut journal, read) = directory.reopen().unwrap();
            journal.append(&event(9)).unwrap();
            journal.anchor().unwrap();
            drop(journal);
            let after = directory.read().unwrap();
            assert_eq!(after.entries.len(), read.entries.len() + 1, "step {step}");
            assert_eq!(after.anchored, Some(after.entries.len() as u64), "step {step}");
        }
        assert!(lagged > 5 && torn > 4, "{lagged} {torn}");
    }

    /// Lines of the same number, made anew with a chain of their own, are not the ones that were written.
    #[test]
    fn a_journal_that_was_replaced_or_has_lost_its_end_is_noticed() {
        let (_folder, directory) = run();
        let whole = fs::read(directory.file(JOURNAL)).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let other = State::at(elsewhere.path()).create(&RunId::from_bits(43)).unwrap();
        let mut journal = other.begin().unwrap();
        for n in 7..11 {
            journal.append(&event(n)).unwrap();
        }
        fs::copy(other.file(JOURNAL), directory.file(JOURNAL)).unwrap();
        let broken = |directory: &Directory| match directory.read() {
            Err(OpenError::Broken { broken, .. }) => broken,
            read => panic!("{read:?}"),
        };
        assert_eq!(broken(&directory), Broken::Replaced { line: 3 });
        fs::write(directory.file(JOURNAL), &whole).unwrap();
        fs::write(directory.file(crate::journal::anchor::FILE), "{}").unwrap();
        assert!(matches!(broken(&directory), Broken::EndUnreadable { .. }));
        fs::remove_file(directory.file(JOURNAL)).unwrap();
        assert!(matches!(broken(&directory), Broken::EndUnreadable { .. }));
    }
}
