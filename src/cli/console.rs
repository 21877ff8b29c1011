//! The only door to stdout and stderr: width, colour, prompts.

use std::io::{self, IsTerminal as _, Write as _};

use console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::exit::Trouble;
use crate::driver::{Answer, Asker};
use crate::inert::inert;
use crate::report::{Live, Plain, Reporter};
use crate::run::{Choice, Question, View};

/// What this terminal, pipe or log can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Console {
    /// Whether a person can be asked: both ends are a terminal.
    pub(super) interactive: bool,
    /// Whether colours are shown.
    pub(super) colour: bool,
    /// Whether stdout is a terminal that can redraw a line.
    live: bool,
    /// Columns.
    pub(super) width: usize,
}

impl Console {
    /// Looks at what stdin and stdout are. `NO_COLOR` and `CLICOLOR` are honoured.
    pub(super) fn detect() -> Console {
        let (from, to) = (io::stdin().is_terminal(), io::stdout().is_terminal());
        let width = Term::stdout().size_checked().map_or(100, |(_, columns)| usize::from(columns));
        let capable = Term::stdout().features().is_attended() && Term::stdout().features().colors_supported();
        Console { interactive: from && to, colour: console::colors_enabled() && capable, live: to && capable, width }
    }

    /// Whether what is written to stdout is looked at on a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.live
    }

    #[expect(clippy::unused_self, reason = "who has no console writes nothing")]
    /// Writes text to stdout. A reader that went away is not an error.
    pub(super) fn out(&self, text: &str) {
        let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    }

    #[expect(clippy::unused_self, reason = "who has no console writes nothing")]
    /// Writes text to stderr.
    pub(super) fn err(&self, text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Tells why a command could not do its work.
    pub(super) fn trouble(&self, trouble: &Trouble) {
        let colour = self.colour && io::stderr().is_terminal();
        let style = |text: &str, style: console::Style| style.force_styling(colour).apply_to(text).to_string();
        self.err(&format!("{} {}\n", style("×", console::Style::new().red()), inert_lines(&trouble.message)));
        if let Some(help) = &trouble.help {
            self.err(&format!("  {} {}\n", style("help:", console::Style::new().cyan()), inert_lines(help)));
        }
    }

    /// A reporter that suits this console.
    pub(super) fn reporter(&self) -> Box<dyn Reporter> {
        if self.live {
            Box::new(Live::new(Term::stdout(), self.colour))
        } else {
            Box::new(Plain::new(io::stdout(), self.colour))
        }
    }

    /// Asks for a plain yes or no. `None`: interrupted.
    pub(super) fn confirm(&self, question: &str) -> Result<Option<bool>, String> {
        answered(Confirm::with_theme(&*self.theme()).with_prompt(question).default(false).interact_opt())
    }

    /// Asks for a text to be typed. `None`: interrupted.
    pub(super) fn typed(&self, question: &str) -> Result<Option<String>, String> {
        let theme = self.theme();
        let input = Input::<String>::with_theme(&*theme).with_prompt(question).allow_empty(true);
        answered(input.interact_text().map(Some))
    }

    fn choose(&self, question: &str, choices: &[&str]) -> Result<Option<usize>, String> {
        answered(Select::with_theme(&*self.theme()).with_prompt(question).items(choices).default(0).interact_opt())
    }

    fn theme(&self) -> Box<dyn Theme> {
        if self.colour { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) }
    }
}

/// Several lines stay several lines; nothing else that is active survives.
fn inert_lines(text: &str) -> String {
    text.lines().map(inert).collect::<Vec<_>>().join("\n")
}

/// Ctrl-C and Escape in a prompt are no answer.
fn answered<T>(answer: dialoguer::Result<Option<T>>) -> Result<Option<T>, String> {
    // A prompt hides the cursor and, interrupted, does not give it back.
    let _ = Term::stderr().show_cursor();
    match answer {
        Ok(answer) => Ok(answer),
        Err(dialoguer::Error::IO(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// A person at this console.
pub(super) struct Person {
    /// Where to ask.
    pub(super) console: Console,
    /// Who it is, for the journal.
    pub(super) name: String,
}

impl Asker for Person {
    fn ask<'a>(&'a mut self, _: &'a View, question: &'a Question) -> BoxFuture<'a, Result<Answer, String>> {
        let (console, question, name) = (self.console, question.clone(), self.name.clone());
        // The simulated cloud and the signals must go on while somebody thinks.
        let asked = tokio::task::spawn_blocking(move || put(console, &question));
        asked
            .map(move |choice| {
                let choice = choice.map_err(|error| error.to_string())??;
                Ok(choice.map_or(Answer::Interrupted("Ctrl-C".to_owned()), |choice| Answer::Given(choice, name)))
            })
            .boxed()
    }
}

fn put(console: Console, question: &Question) -> Result<Option<Choice>, String> {
    if !console.interactive {
        return Err("this is not a terminal".to_owned());
    }
    let yes_or_no = |yes| if yes { Choice::Yes } else { Choice::No };
    match question {
        Question::Apply { .. } => Ok(console.confirm("Apply this change?")?.map(yes_or_no)),
        Question::OneWay { task, .. } => {
            let prompt =
                format!("Type {} to apply what cannot be undone, or press Enter to stop", inert(task.as_str()));
            Ok(console.typed(&prompt)?.map(|typed| yes_or_no(typed.trim() == task.as_str())))
        }
        Question::Failed { retry, .. } => {
            let mut choices = vec![
                ("Roll back what was applied", Choice::Rollback),
                ("Stop here and leave everything as it is", Choice::Stop),
                ("Go on with the next step", Choice::Continue),
            ];
            if *retry {
                choices.insert(1, ("Try again", Choice::Retry));
            }
            let words: Vec<_> = choices.iter().map(|(words, _)| *words).collect();
            let chosen = console.choose("What now?", &words)?;
            Ok(chosen.and_then(|chosen| choices.get(chosen)).map(|(_, choice)| *choice))
        }
    }
}
