//! Only what somebody must know: what is asked, what went wrong, and how it ended.

use std::io::Write;

use super::Reporter;
use super::narrate::{Line, Narrator, Tone};
use super::plain::Sheet;
use crate::inert::inert;
use crate::run::{Entry, Event, Question, View};

/// Tells the little that cannot wait.
pub struct Quiet<W> {
    sheet: Sheet<W>,
    narrator: Narrator,
}

impl<W: Write> Quiet<W> {
    /// A reporter that writes here.
    pub fn new(sheet: Sheet<W>) -> Quiet<W> {
        Quiet { sheet, narrator: Narrator::default() }
    }
}

impl<W: Write> Reporter for Quiet<W> {
    fn asking(&mut self, view: &View, question: &Question) {
        // What was said of the task so far was not shown; who is asked must see what it is.
        self.narrator.forget_heading();
        let lines = self.narrator.question(view, question);
        self.sheet.write(&lines);
    }

    fn entry(&mut self, view: &View, entry: &Entry) {
        let lines = self.narrator.entry(view, entry);
        // Without the headings a line must say itself what it is about.
        let of = entry.event.task().map(|task| format!("{}: ", inert(task.as_str()))).unwrap_or_default();
        let told = lines.into_iter().filter(|line| matters(&entry.event, line)).map(|line| match line.tone {
            Tone::Bad if !of.is_empty() => Line { text: format!("{of}{}", line.text.trim_start()), ..line },
            _ => line,
        });
        self.sheet.write(&told.collect::<Vec<_>>());
    }
}

fn matters(event: &Event, line: &Line) -> bool {
    let says = !line.text.trim().is_empty();
    says && match event {
        Event::Ended { .. } | Event::StopRequested { .. } => true,
        Event::InDoubt { .. } | Event::Refused { .. } | Event::ClosureEvaluated { .. } => line.tone != Tone::Good,
        _ => line.tone == Tone::Bad,
    }
}
