//! The one place that reads answers from a terminal: every question of the program is a line, typed while it was on the
//! screen.
//!
//! A key that was typed before a question was shown answers nothing. So what has been typed is discarded, and the question
//! is not shown before nothing was typed for [`PAUSE`]; and because an answer is a whole line, a single key is none. What a
//! paste has beyond its first line is discarded before the next question.

use std::io::{self, Stdin};
use std::os::fd::AsFd;
use std::time::Duration;

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::console::Console;
use crate::clock::{Clock as _, SystemClock, between, later};
use crate::inert::inert;
use crate::report::Sheet;

/// How long nothing must have been typed before a question is shown.
const PAUSE: Duration = Duration::from_millis(300);
/// How often a name may be mistyped before it counts as a no.
const ATTEMPTS: u8 = 3;
/// How often it is looked whether something was typed.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// How many columns behind a question are left for its answer.
const ANSWER: usize = 12;
/// The longest line that the kernel edits.
const LINE: usize = 4096;
const CTRL_C: u8 = 3;
const CTRL_Z: u8 = 26;
const NEWLINE: u8 = b'\n';

/// Why a question cannot be put.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Stdin or what is shown is no terminal.
    #[error("this is not a terminal, so nobody can be asked")]
    NotATerminal,
    /// The terminal does not do what a terminal does.
    #[error("the terminal cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// What came of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked<T> {
    /// An answer.
    Answer {
        /// What was answered.
        answer: T,
        /// When the question came on the screen.
        shown: Timestamp,
    },
    /// No answer: Ctrl-C or the end of the input, in words.
    Interrupted(String),
}

impl<T> Asked<T> {
    /// The answer, if there is one.
    pub(super) fn answer(self) -> Option<T> {
        match self {
            Asked::Answer { answer, .. } => Some(answer),
            Asked::Interrupted(_) => None,
        }
    }
}

/// What a typed line is to a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<T> {
    /// It answers.
    Answer(T),
    /// It does not, for this reason: the question is put again.
    Again(String),
}

impl Console {
    /// Asks until a line is an answer, or somebody interrupts.
    pub(super) async fn ask<T>(
        self,
        question: &str,
        mut judge: impl FnMut(&str) -> Reply<T>,
    ) -> Result<Asked<T>, AskError> {
        if !self.interactive {
            return Err(AskError::NotATerminal);
        }
        let terminal = Terminal::take()?;
        let mut first = None;
        loop {
            let line = match terminal.settle().await? {
                StateObserved::Quiet(typed) => {
                    if typed == TypedAhead::Something {
                        self.say("What was typed before this question is discarded.");
                    }
                    terminal.edit_lines()?;
                    let mut open = OpenLine { console: self, is_ended: false };
                    self.out(&format!("{} ", self.question(question)));
                    first.get_or_insert_with(|| SystemClock.now());
                    let line = terminal.line().await?;
                    open.is_ended = matches!(line, Line::Typed(_));
                    line
                }
                StateObserved::Broken(line) => line,
            };
            match line {
                Line::Typed(text) => match judge(&text) {
                    Reply::Answer(answer) => {
                        let shown = first.unwrap_or_else(|| SystemClock.now());
                        return Ok(Asked::Answer { answer, shown });
                    }
                    Reply::Again(why) => self.say(&why),
                },
                Line::Interrupted => return Ok(Asked::Interrupted("Ctrl-C".to_owned())),
                Line::Ended => return Ok(Asked::Interrupted("the end of the input".to_owned())),
                Line::Suspended => terminal.suspend()?,
            }
        }
    }

    /// Asks for a yes or a no.
    pub(super) async fn confirm(self, question: &str) -> Result<Asked<bool>, AskError> {
        self.ask(&format!("{question} Type yes or no"), yes_or_no).await
    }

    /// Asks for this name to be typed; false if something else was, three times, or Enter alone.
    pub(super) async fn ask_for_name(self, question: &str, name: &str) -> Result<Asked<bool>, AskError> {
        let mut typed = Name { name, left: ATTEMPTS };
        self.ask(question, |line| typed.judge(line)).await
    }

    /// A question, with room for a short answer behind it.
    fn question(self, question: &str) -> String {
        let question = self.look().worded(&format!("? {question} ›"));
        let Some(width) = self.edge() else { return question };
        crate::plan::folded(&question, 0, width.saturating_sub(ANSWER)).join("\n")
    }

    /// Several lines, folded at the terminal's edge.
    pub(super) fn say(self, text: &str) {
        let mut out = Vec::new();
        Sheet::new(&mut out, self.look()).write_text(text);
        self.out(&String::from_utf8_lossy(&out));
    }
}

/// How long ago a question was shown.
pub(super) fn visible(shown: Timestamp) -> Duration {
    let visible = between(shown, SystemClock.now());
    Duration::from_millis(u64::try_from(visible.as_millis()).unwrap_or(u64::MAX))
}

/// A whole word says yes or no.
fn yes_or_no(line: &str) -> Reply<bool> {
    match line.trim().to_lowercase().as_str() {
        "yes" => Reply::Answer(true),
        "no" => Reply::Answer(false),
        "" => Reply::Again("Enter alone is no answer.".to_owned()),
        other => Reply::Again(format!("`{}` is no answer: the whole word is wanted.", inert(other))),
    }
}

/// A name that must be typed, and how often it still may be mistyped.
struct Name<'a> {
    name: &'a str,
    left: u8,
}

impl Name<'_> {
    fn judge(&mut self, line: &str) -> Reply<bool> {
        let typed = line.trim();
        self.left = self.left.saturating_sub(1);
        match self.left {
            _ if typed == self.name => Reply::Answer(true),
            _ if typed.is_empty() => Reply::Answer(false),
            0 => Reply::Answer(false),
            left => {
                let times = if left == 1 { "once more".to_owned() } else { format!("{left} more times") };
                let (typed, name) = (inert(typed), inert(self.name));
                Reply::Again(format!("`{typed}` is not `{name}`; it can be typed {times}. Enter alone stops."))
            }
        }
    }
}

/// A question that waits for its line. Whatever ends the waiting, what is written next begins a line of its own.
struct OpenLine {
    console: Console,
    /// Whether the line was ended by who typed it.
    is_ended: bool,
}

impl Drop for OpenLine {
    fn drop(&mut self) {
        if !self.is_ended {
            self.console.out("\n");
        }
    }
}

/// Whether something was typed before a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TypedAhead {
    Nothing,
    Something,
}

enum StateObserved {
    /// Nothing was typed for [`PAUSE`].
    Quiet(TypedAhead),
    /// It did not come to that.
    Broken(Line),
}

enum Line {
    Typed(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-Z.
    Suspended,
    /// Ctrl-D on an empty line, or the terminal is gone.
    Ended,
}

/// The terminal while a question is put. Its modes are given back when this is dropped.
struct Terminal {
    keys: Stdin,
    modes: Termios,
}

impl Terminal {
    fn take() -> io::Result<Terminal> {
        let keys = io::stdin();
        let modes = tcgetattr(&keys)?;
        Ok(Terminal { keys, modes })
    }

    /// Discards what is typed until there is a pause. Nothing of it is echoed.
    async fn settle(&self) -> io::Result<StateObserved> {
        let mut modes = self.modes.clone();
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What has been typed so far is not thrown away here, but read like the rest: so it can be told.
        tcsetattr(&self.keys, OptionalActions::Now, &modes)?;
        let mut typed = TypedAhead::Nothing;
        loop {
            let pause = SystemClock.timer(later(SystemClock.now(), PAUSE));
            let keys = tokio::select! {
                keys = self.read() => keys?,
                () = pause => return Ok(StateObserved::Quiet(typed)),
            };
            match keys.as_slice() {
                [] => return Ok(StateObserved::Broken(Line::Ended)),
                keys if keys.contains(&CTRL_C) => return Ok(StateObserved::Broken(Line::Interrupted)),
                keys if keys.contains(&CTRL_Z) => return Ok(StateObserved::Broken(Line::Suspended)),
                _ => typed = TypedAhead::Something,
            }
        }
    }

    /// From here on lines are read, edited by the kernel. Ctrl-C and Ctrl-Z end one, so that no signal is needed to notice
    /// them; whatever was typed until now is discarded.
    fn edit_lines(&self) -> io::Result<()> {
        let mut modes = self.modes.clone();
        modes.input_modes.insert(InputModes::ICRNL);
        modes.local_modes.insert(LocalModes::ICANON | LocalModes::ECHO);
        modes.local_modes.remove(LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        modes.special_codes[SpecialCodeIndex::VEOL2] = CTRL_Z;
        Ok(tcsetattr(&self.keys, OptionalActions::Flush, &modes)?)
    }

    async fn line(&self) -> io::Result<Line> {
        let mut line = Vec::new();
        loop {
            let typed = self.read().await?;
            line.extend_from_slice(&typed);
            match line.last() {
                _ if typed.is_empty() => return Ok(Line::Ended),
                Some(&NEWLINE) => return Ok(Line::Typed(String::from_utf8_lossy(&line).trim_end().to_owned())),
                Some(&CTRL_C) => return Ok(Line::Interrupted),
                Some(&CTRL_Z) => return Ok(Line::Suspended),
                // Ctrl-D after a part of a line.
                Some(_) | None => {}
            }
        }
    }

    /// What can be read, once something can. Nothing: the input has ended.
    async fn read(&self) -> io::Result<Vec<u8>> {
        loop {
            match read_now(&self.keys) {
                Ok(None) => SystemClock.timer(later(SystemClock.now(), BETWEEN_LOOKS)).await,
                Ok(Some(typed)) => return Ok(typed),
                // What a terminal says that is gone.
                Err(error) if error == rustix::io::Errno::IO => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Does what Ctrl-Z does; returns when the shell brings the program back.
    fn suspend(&self) -> io::Result<()> {
        self.give_back();
        Ok(kill_current_process_group(Signal::TSTP)?)
    }

    fn give_back(&self) {
        // A terminal that went away has no modes.
        let _ = tcsetattr(&self.keys, OptionalActions::Now, &self.modes);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Reads what is there, without waiting for it. A descriptor that others share must not be made non-blocking.
fn read_now(keys: &Stdin) -> rustix::io::Result<Option<Vec<u8>>> {
    let mut fds = [PollFd::from_borrowed_fd(keys.as_fd(), PollFlags::IN)];
    if poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0 {
        return Ok(None);
    }
    let mut bytes = vec![0; LINE];
    let read = rustix::io::read(keys, bytes.as_mut_slice())?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again<T>(reply: &Reply<T>) -> bool {
        matches!(reply, Reply::Again(_))
    }

    #[test]
    fn only_the_whole_word_is_a_yes_or_a_no() {
        for yes in ["yes", " YES "] {
            assert_eq!(yes_or_no(yes), Reply::Answer(true));
        }
        assert_eq!(yes_or_no("no"), Reply::Answer(false));
        for other in ["", "y", "n", "ye", "yess", "rectify", "\u{1b}[A"] {
            assert!(again(&yes_or_no(other)), "{other:?}");
        }
    }

    #[test]
    fn a_name_may_be_mistyped_twice_and_enter_alone_stops() {
        let mut name = Name { name: "scale-connector", left: ATTEMPTS };
        assert!(again(&name.judge("scale-conector")));
        assert!(again(&name.judge("yes")));
        assert_eq!(name.judge("scale-connector"), Reply::Answer(true));

        let mut name = Name { name: "scale-connector", left: ATTEMPTS };
        assert!(again(&name.judge("a")));
        assert!(again(&name.judge("b")));
        assert_eq!(name.judge("c"), Reply::Answer(false));

        assert_eq!(Name { name: "p", left: ATTEMPTS }.judge(""), Reply::Answer(false));
    }
}
