//! A terminal: the same lines, and below them what is going on right now.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Reporter;
use super::narrate::{Line, Narrator};
use super::status::StatusLine;
use crate::redact;
use crate::run::{Entry, Question, View};

const FRAMES_PER_SECOND: u8 = 15;
/// What the spinner, the blank behind it and the edge, where a terminal would begin another line, take.
const BESIDE_STATUS: usize = 3;
/// How wide a terminal is taken to be that does not say.
const USUAL_WIDTH: usize = 80;

/// Shows a run on a terminal. The bottom line is drawn from the view, so a dropped frame loses nothing.
pub struct Live {
    term: Term,
    screen: MultiProgress,
    bar: Option<ProgressBar>,
    status: Arc<Mutex<Option<StatusLine>>>,
    colour: bool,
    narrator: Narrator,
}

impl Live {
    /// A reporter that draws here.
    pub fn new(term: Term, colour: bool) -> Live {
        let target = ProgressDrawTarget::term(term.clone(), FRAMES_PER_SECOND);
        let screen = MultiProgress::with_draw_target(target);
        Live { term, screen, bar: None, status: Arc::default(), colour, narrator: Narrator::default() }
    }

    fn print(&mut self, lines: &[Line]) {
        // Its width may be another one than before.
        let width = self.term.size_checked().map(|(_, columns)| usize::from(columns));
        for line in lines {
            let text = redact::text(line.painted(self.colour, width));
            // Only above a moving line does a line need the help of who moves it. A terminal that went away
            // must not stop a run.
            let _ = if self.bar.is_some() { self.screen.println(text) } else { self.term.write_line(&text) };
        }
    }

    fn show(&mut self, status: Option<StatusLine>) {
        let is_going_on = status.is_some();
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        if !is_going_on {
            if let Some(bar) = self.bar.take() {
                bar.finish_and_clear();
            }
            return;
        }
        let (screen, term, status) = (&self.screen, &self.term, &self.status);
        let bar = self.bar.get_or_insert_with(|| {
            let bar = screen.add(ProgressBar::new_spinner());
            bar.set_style(style(term.clone(), status.clone()).tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.tick();
    }
}

/// The bottom line: as many of its fields as the terminal has room for whenever it is drawn.
fn style(term: Term, status: Arc<Mutex<Option<StatusLine>>>) -> ProgressStyle {
    let style = ProgressStyle::with_template("{spinner} {status}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.with_key("status", move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
        let columns = term.size_checked().map_or(USUAL_WIDTH, |(_, columns)| usize::from(columns));
        let status = status.lock().unwrap_or_else(PoisonError::into_inner);
        let text = status.as_ref().map(|status| status.fit(columns.saturating_sub(BESIDE_STATUS)));
        let _ = write!(out, "{}", text.unwrap_or_default());
    })
}

impl Reporter for Live {
    fn asking(&mut self, view: &View, question: &Question) {
        // A prompt and a moving line cannot share the bottom of a terminal.
        self.show(None);
        let lines = self.narrator.question(view, question);
        self.print(&lines);
    }

    fn entry(&mut self, view: &View, entry: &Entry) {
        let lines = self.narrator.entry(view, entry);
        let status = StatusLine::of(view);
        if status.is_none() {
            self.show(None);
        }
        self.print(&lines);
        self.show(status);
    }
}
