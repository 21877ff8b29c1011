//! A terminal: the same lines, and below them what is going on right now.

use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Reporter;
use super::narrate::{Line, Narrator, status};
use crate::redact;
use crate::run::{Entry, Question, View};

const FRAMES_PER_SECOND: u8 = 15;

/// Shows a run on a terminal. The bottom line is drawn from the view, so a dropped frame loses nothing.
pub struct Live {
    term: Term,
    screen: MultiProgress,
    bar: Option<ProgressBar>,
    colour: bool,
    narrator: Narrator,
}

impl Live {
    /// A reporter that draws here.
    pub fn new(term: Term, colour: bool) -> Live {
        let target = ProgressDrawTarget::term(term.clone(), FRAMES_PER_SECOND);
        let screen = MultiProgress::with_draw_target(target);
        Live { term, screen, bar: None, colour, narrator: Narrator::default() }
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

    fn show(&mut self, status: Option<String>) {
        let Some(status) = status else {
            if let Some(bar) = self.bar.take() {
                bar.finish_and_clear();
            }
            return;
        };
        let screen = &self.screen;
        let bar = self.bar.get_or_insert_with(|| {
            let bar = screen.add(ProgressBar::new_spinner());
            bar.set_style(style().tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(redact::text(status));
    }
}

/// The bottom line, cut at the terminal's edge.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
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
        let status = status(view);
        if status.is_none() {
            self.show(None);
        }
        self.print(&lines);
        self.show(status);
    }
}
