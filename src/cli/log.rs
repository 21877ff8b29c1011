//! The log: every call to Google with its answer, and every entry of the journal as it is written.
//!
//! The journal is what counts; the log is for whoever wonders why it says what it says. It lies in the run's directory, one
//! JSON object a line, and goes to stderr with `-v`. What is said before a run has a directory waits for it. Times are the
//! run's, which are simulated in a rehearsal.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt as lines};

use super::output_file;
use crate::clock::{Clock, SystemClock};
use crate::journal::Directory;
use crate::redact::Lines;
use crate::report::Called;
use crate::resource::CALLS;

/// The file in a run's directory.
const FILE: &str = "log.jsonl";
/// So much is kept for a run that has no directory yet, in bytes.
const WAITING: usize = 1 << 20;
/// Where lines go.
enum Sink {
    /// There is no run yet, and may never be one.
    Waiting(Vec<u8>),
    /// The log of a run.
    Kept(File),
}

static SINK: Mutex<Sink> = Mutex::new(Sink::Waiting(Vec::new()));
static CLOCK: Mutex<Option<Arc<dyn Clock>>> = Mutex::new(None);

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to log. Once, or calls on stderr from `-v` on, and everything that any library says from `-vv` on.
pub(super) fn begin(verbosity: u8) {
    let ours = |level| Targets::new().with_target("rectify", level);
    let stderr = match verbosity {
        0 => None,
        1 => Some(ours(LevelFilter::INFO)),
        2 => Some(ours(LevelFilter::DEBUG).with_default(LevelFilter::INFO)),
        _ => Some(ours(LevelFilter::TRACE).with_default(LevelFilter::DEBUG)),
    };
    let told = stderr.map(|filter| {
        lines::layer()
            .with_ansi(false)
            .with_timer(OfTheRun)
            .with_writer(|| Lines::new(io::stderr()))
            .with_filter(filter)
    });
    let kept = lines::layer().json().with_timer(OfTheRun).with_writer(|| Lines::new(Kept));
    let kept = kept.with_filter(ours(LevelFilter::DEBUG).with_default(LevelFilter::WARN));
    // Only a second beginning could fail, and then there is a log.
    let _ = tracing_subscriber::registry().with(kept).with(told).try_init();
}

/// From now on times are this clock's.
pub(super) fn tell_time_by(clock: Arc<dyn Clock>) {
    *held(&CLOCK) = Some(clock);
}

/// From now on lines go into this run's directory, those that waited first. The log stops nothing: one that cannot be
/// written is lost.
pub(super) fn keep_in(directory: &Directory) {
    let Ok(mut file) = output_file::append(&directory.file(FILE)) else { return };
    let mut sink = held(&SINK);
    if let Sink::Waiting(waiting) = &*sink {
        let _ = file.write_all(waiting);
    }
    *sink = Sink::Kept(file);
}

/// The calls that the log of a run tells of, the oldest first. A line that is none is passed over.
pub(super) fn calls(directory: &Directory) -> Vec<Called> {
    #[derive(Deserialize)]
    struct Told {
        timestamp: Timestamp,
        target: String,
        fields: Fields,
    }
    #[derive(Deserialize)]
    struct Fields {
        method: String,
        url: String,
        status: Option<u16>,
        error: Option<String>,
    }
    let text = directory.kept(FILE).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let told = text.lines().filter_map(|line| serde_json::from_str::<Told>(line).ok());
    let called = told.filter(|told| told.target == CALLS).map(|Told { timestamp: at, fields, .. }| {
        let Fields { method, url, status, error } = fields;
        let answer = status.map(|status| status.to_string()).or(error).unwrap_or_default();
        Called { at, method, url: shown(&url), answer }
    });
    called.collect()
}

/// Parameters that say what a call does. The others say what was asked for, which is long and stands in the runbook.
const TELLING: [&str; 2] = ["updateMask", "validateOnly"];

fn shown(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let tells =
        |pair: &&str| pair.split_once('=').is_some_and(|(name, value)| TELLING.contains(&name) && value != "false");
    let kept: Vec<&str> = query.split('&').filter(tells).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// Writes to wherever lines go now.
struct Kept;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *held(&SINK) {
            Sink::Waiting(waiting) if waiting.len() + bytes.len() <= WAITING => waiting.extend_from_slice(bytes),
            Sink::Waiting(_) => {}
            Sink::Kept(file) => file.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The time of the run.
struct OfTheRun;

impl FormatTime for OfTheRun {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        let clock = held(&CLOCK).clone();
        write!(to, "{}", clock.map_or_else(|| SystemClock.now(), |clock| clock.now()))
    }
}
