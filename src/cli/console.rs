//! The only door to stdout and stderr: width, colour, prompts.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::exit::Trouble;
use crate::driver::{Answer, Asker};
use crate::inert::inert;
use crate::report::{Live, Plain, Quiet, Reporter, Sheet};
use crate::run::{Choice, Question, View};

/// What this terminal, pipe or log can show.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the terminal")]
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
    /// Whether stdout belongs to a program that reads events, so that people are told on stderr.
    aside: bool,
    /// Whether only what cannot wait is told.
    pub(super) quiet: bool,
}

impl Console {
    /// Looks at what stdin and stdout are. `NO_COLOR` and `CLICOLOR` are honoured.
    pub(super) fn detect() -> Console {
        let (from, to) = (io::stdin().is_terminal(), io::stdout().is_terminal());
        let width = Term::stdout().size_checked().map_or(100, |(_, columns)| usize::from(columns));
        let capable = Term::stdout().features().is_attended() && Term::stdout().features().colors_supported();
        Console {
            interactive: from && to,
            colour: console::colors_enabled() && capable,
            live: to && capable,
            width,
            aside: false,
            quiet: false,
        }
    }

    /// Whether what is written to stdout is looked at on a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.live
    }

    /// The same console, of which stdout is left to a program.
    pub(super) fn beside_events(self) -> Console {
        Console { aside: true, live: false, ..self }
    }

    /// The same console, on which only what cannot wait is told, if that is wanted.
    pub(super) fn quietly(self, quiet: bool) -> Console {
        Console { quiet, ..self }
    }

    /// The same console, on which somebody else writes too: no line is drawn again.
    pub(super) fn beside_a_log(self) -> Console {
        Console { live: false, ..self }
    }

    /// Writes text to stdout. A reader that went away is not an error.
    pub(super) fn out(&self, text: &str) {
        if self.aside {
            return self.err(text);
        }
        let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    }

    /// Writes a document to the file that was asked for and says so, or to stdout if none was.
    pub(super) fn deliver(&self, text: &str, out: Option<&Path>, what: &str) -> Result<(), Trouble> {
        let Some(path) = out else {
            self.out(text);
            return Ok(());
        };
        super::plan::write(path, text.as_bytes())?;
        self.out(&format!("{what} is in {}\n", path.display()));
        Ok(())
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
        // What is no terminal keeps a line a line.
        let width = io::stdout().is_terminal().then_some(self.width);
        match self {
            Console { quiet: true, aside: true, .. } => {
                Box::new(Quiet::new(Sheet::new(io::stderr(), self.colour, None)))
            }
            Console { quiet: true, .. } => Box::new(Quiet::new(Sheet::new(io::stdout(), self.colour, width))),
            Console { live: true, .. } => Box::new(Live::new(Term::stdout(), self.colour)),
            Console { aside: true, .. } => Box::new(Plain::new(Sheet::new(io::stderr(), self.colour, None))),
            Console { .. } => Box::new(Plain::new(Sheet::new(io::stdout(), self.colour, width))),
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

    fn chosen(&self, question: &str, choices: &[(&str, Choice)]) -> Put {
        let words: Vec<_> = choices.iter().map(|(words, _)| *words).collect();
        let chosen = self.choose(question, &words)?;
        Ok(chosen.and_then(|chosen| choices.get(chosen)).map(|(_, choice)| (*choice, None)))
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
    fn ask<'a>(&'a mut self, view: &'a View, question: &'a Question) -> BoxFuture<'a, Result<Answer, String>> {
        let (console, question, name) = (self.console, question.clone(), self.name.clone());
        let details = details(view, &question);
        // The simulated cloud and the signals must go on while somebody thinks.
        let asked = tokio::task::spawn_blocking(move || put(console, &question, &details));
        asked
            .map(move |choice| {
                let choice = choice.map_err(|error| error.to_string())??;
                let given = |(choice, reason)| Answer::Given { choice, by: name, reason };
                Ok(choice.map_or(Answer::Interrupted("Ctrl-C".to_owned()), given))
            })
            .boxed()
    }
}

/// An answer, and why it was given if it wants a reason; `None`: interrupted.
type Put = Result<Option<(Choice, Option<String>)>, String>;

fn put(console: Console, question: &Question, details: &str) -> Put {
    if !console.interactive {
        return Err("this is not a terminal".to_owned());
    }
    let yes_or_no = |yes| (if yes { Choice::Yes } else { Choice::No }, None);
    match question {
        Question::Apply { .. } => ask_about_change(console, "Apply this change?", true, details),
        Question::Confirm { .. } => ask_about_change(console, "Apply this change?", false, details),
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
            console.chosen("What now?", &choices)
        }
        Question::Interrupted { .. } => {
            let choices = [
                ("Stop here and leave everything as it is", Choice::Stop),
                ("Roll back what was applied", Choice::Rollback),
                ("Go on all the same", Choice::Continue),
            ];
            console.chosen("What now?", &choices)
        }
        Question::Doubt { op } => {
            let prompt = format!("Did {} happen? Look for yourself", inert(&op.to_string()));
            Ok(console.confirm(&prompt)?.map(yes_or_no))
        }
    }
}

/// Asks until there is an answer. Enter alone is none: nothing is changed, or left out, by a slip.
fn ask_about_change(console: Console, question: &str, can_be_one_of_many: bool, details: &str) -> Put {
    let all = if can_be_one_of_many { " [a]ll in this phase" } else { "" };
    let prompt = format!("{question} [y]es [n]o [s]kip{all} [d]etails [r]oll back");
    loop {
        let Some(typed) = console.typed(&prompt)? else { return Ok(None) };
        match typed.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(Some((Choice::Yes, None))),
            "n" | "no" => return Ok(Some((Choice::No, None))),
            "a" | "all" if can_be_one_of_many => return Ok(Some((Choice::AllInPhase, None))),
            "r" | "roll back" | "rollback" => return Ok(Some((Choice::Rollback, None))),
            "d" | "details" => console.out(details),
            "s" | "skip" => {
                let Some(reason) = console.typed("Why is it left out?")? else { return Ok(None) };
                if !reason.trim().is_empty() {
                    return Ok(Some((Choice::Skip, Some(reason.trim().to_owned()))));
                }
                console.out("Leaving a step out wants a reason: it is written down.\n");
            }
            _ => {}
        }
    }
}

/// Everything that is known of a change before it is made.
fn details(view: &View, question: &Question) -> String {
    let (Question::Apply { task } | Question::Confirm { task, .. } | Question::OneWay { task, .. }) = question else {
        return String::new();
    };
    let Some(task) = view.task(task).map(|view| &view.task) else { return String::new() };
    let Some(change) = &task.change else { return String::new() };
    let json = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let mut lines = vec![format!("resource    {}", change.resource)];
    lines.push(format!("from        {}", json(&change.from)));
    lines.push(format!("to          {}", json(&change.to)));
    lines.push("it is sent only if the resource still is `from`, and looked at again afterwards".to_owned());
    lines.extend(task.gate.as_ref().map(|rule| format!("then        {}", crate::plan::gate(rule))));
    let policy = serde_json::to_value(task.on_failure).ok();
    lines.extend(policy.and_then(|policy| Some(format!("on failure  {}", policy.as_str()?))));
    let since = view.started.map(|started| crate::clock::words(crate::clock::between(started, view.now)));
    lines.extend(since.map(|since| format!("the plan looked at the cloud when this run began, {since} ago")));
    for done in view.tasks.iter().filter_map(|task| Some((&task.task.id, task.seen.as_ref()?))) {
        lines.push(format!("before it   {}: {}", done.0, crate::run::words(done.1)));
    }
    let lines = lines.iter().flat_map(|line| line.lines()).map(|line| format!("      {}", inert(line)));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
