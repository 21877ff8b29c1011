//! The commands that the `shell` steps of a runbook run, taken apart.
//!
//! The incident documents prescribe some that Google refuses, or that do something else than they say. They can be told from
//! their words alone. [`commands`] finds them in programs and in scripts: behind `sudo` and `timeout`, in loops and substitutions,
//! in `bash -c`. [`CommandLine`] tells words and flags apart, and [`Effect`] says what a command changes.

mod command_line;
mod effect;
mod parse;
mod unwrap;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub(crate) use command_line::{CommandLine, Flag, Tool};
pub(crate) use effect::{Effect, Scope};
pub(crate) use parse::NotParsed;
pub(crate) use unwrap::{base_name, code_argument};

use crate::action::{Action, Shell};
use crate::run::Command;
use crate::runbook::{Draft, Part};
use crate::syntax::{Document, Path};
use parse::{SimpleCommand, TimeLeft, Word};
use unwrap::{Unwrapped, unwrap};

/// Scripts in scripts are followed this deep.
const DEEPEST: usize = 3;
/// The most bytes of scripts that are parsed of one runbook.
const MOST: usize = 1024 * 1024;

/// Where a command or a word of it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// All of the value.
    Whole,
    /// One of a program's arguments.
    Argument(usize),
    /// Bytes of the script; `argument` is the program's argument that the script is, if a program runs it.
    Script { argument: Option<usize>, at: Range<usize> },
}

/// A word of a command.
#[derive(Clone, Debug)]
pub(crate) struct PlacedWord {
    pub(crate) text: String,
    /// Whether that is exactly what the program gets.
    pub(crate) is_literal: bool,
    pub(crate) place: Place,
}

/// A command that a step runs.
#[derive(Clone, Debug)]
pub(crate) struct StepCommand {
    /// The step.
    pub(crate) step: Path,
    /// The key of `with` that it stands behind: `run`, `check` or `undo`.
    pub(crate) key: &'static str,
    pub(crate) place: Place,
    pub(crate) line: CommandLine,
    /// Where what it prints on stderr is thrown away.
    pub(crate) stderr_discarded: Option<Place>,
    /// Where its exit status is thrown away.
    pub(crate) failure_ignored: Option<Place>,
    /// What is set around it, so that it need not name it.
    pub(crate) surroundings: Surroundings,
}

/// What the step's environment, or the script before, sets for every command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) project: Setting,
    pub(crate) region: Setting,
    /// Whether the cluster is chosen.
    pub(crate) cluster: bool,
}

/// What the programs take if a command does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Whatever the machine was last set to.
    #[default]
    Ambient,
    /// It is set, and it is not known to what.
    Unknown,
    /// It is set to this.
    Is(String),
}

impl From<Option<String>> for Setting {
    fn from(value: Option<String>) -> Setting {
        value.map_or(Setting::Unknown, Setting::Is)
    }
}

/// What was found in the `shell` steps.
#[derive(Debug, Default)]
pub(crate) struct ShellFindings {
    /// The commands of programs that are understood.
    pub(crate) commands: Vec<StepCommand>,
    /// References of the runbook in scripts, where nothing is put in their place.
    pub(crate) references: Vec<(Path, Place)>,
    /// Scripts that were not parsed, and why.
    pub(crate) unparsed: Vec<(Path, NotParsed)>,
}

/// Every command of the runbook's `shell` steps.
pub(crate) fn commands(document: &Document, draft: &Draft) -> ShellFindings {
    let mut search = Search {
        document,
        found: ShellFindings::default(),
        bytes_left: MOST,
        time_left: TimeLeft::default(),
        has_items: false,
    };
    for (step, draft_of_step) in draft.steps() {
        for iteration in &draft_of_step.iterations {
            let Some(Action::Shell(shell)) = iteration.action.read() else { continue };
            search.has_items = draft_of_step.fan_out.read().is_some();
            search.step(draft, &step, shell);
            // A script is the same for each item, because no value is put into it.
            if matches!(shell.run, Command::Bash(_)) {
                break;
            }
        }
    }
    search.found
}

/// The programs that the `shell` steps need on the machine: those that are called by name, `bash` for scripts, and of the programs in
/// scripts those whose commands are understood. Of a step that could not be read it is what its commands say as they are written.
pub(crate) fn programs(document: &Document, draft: &Draft) -> BTreeSet<String> {
    let mut programs = BTreeSet::new();
    for (step, draft_of_step) in draft.steps() {
        for iteration in &draft_of_step.iterations {
            let commands = match &iteration.action {
                Part::Read(Action::Shell(Shell { run, check, undo, .. })) => {
                    std::iter::once(run).chain(check).chain(undo).cloned().collect()
                }
                Part::Read(_) | Part::Absent => Vec::new(),
                Part::Faulty => written_commands(document, &step),
            };
            for command in commands {
                match command {
                    Command::Program(words) => programs.extend(words.first().cloned()),
                    Command::Bash(script) => {
                        programs.insert("bash".to_owned());
                        let parsed = parse::parse(&script, &BTreeMap::new(), &mut TimeLeft::default());
                        let commands = parsed.unwrap_or_default().commands;
                        let words = commands.iter().flat_map(|command| &command.words).map(|word| word.text.as_str());
                        programs.extend(words.filter(|word| command_line::is_tool(word)).map(str::to_owned));
                    }
                }
            }
        }
    }
    // What only an input or an earlier step says cannot be looked for.
    programs.retain(|program| !program.contains("${"));
    programs
}

/// The commands of a `shell` step whose action could not be read, as they are written.
fn written_commands(document: &Document, step: &Path) -> Vec<Command> {
    if document.text_at(&step.key("uses")) != Some("shell") {
        return Vec::new();
    }
    let command = |key: &str| {
        let path = step.key("with").key(key);
        let script = document.text_at(&path).map(|script| Command::Bash(script.to_owned()));
        script.or_else(|| Some(Command::Program(vec![document.text_at(&path.index(0))?.to_owned()])))
    };
    ["run", "check", "undo"].into_iter().filter_map(command).collect()
}

struct Search<'d> {
    document: &'d Document,
    found: ShellFindings,
    bytes_left: usize,
    time_left: TimeLeft,
    /// Whether the step has a `for_each`, so that `${item}` is meant as its item.
    has_items: bool,
}

/// Where a script stands.
struct Within<'s> {
    step: &'s Path,
    key: &'static str,
    /// Where the text of the script begins.
    anchor: Anchor,
    depth: usize,
    environment: &'s BTreeMap<String, String>,
}

#[derive(Clone)]
enum Anchor {
    /// The script stands as it is, this many bytes behind the beginning of the value or of the argument.
    Text { argument: Option<usize>, offset: usize },
    /// The script was quoted in a way that has no places of its own.
    Opaque(Place),
}

impl Anchor {
    fn place(&self, at: &Range<usize>) -> Place {
        match self {
            Anchor::Text { argument, offset } => {
                Place::Script { argument: *argument, at: at.start + offset..at.end + offset }
            }
            Anchor::Opaque(place) => place.clone(),
        }
    }
}

impl Search<'_> {
    fn step(&mut self, draft: &Draft, step: &Path, shell: &Shell) {
        let Shell { run, check, undo, env, .. } = shell;
        let known = env
            .iter()
            .map(|(name, value)| (name.clone(), value.to_string()))
            .filter(|(name, value)| !value.contains("${") && draft.is_resolved(&step.key("with").key("env").key(name)));
        let known: BTreeMap<String, String> = known.collect();
        let mut surroundings = Surroundings::default();
        for name in env.keys() {
            surroundings.note_variable(name, known.get(name).cloned());
        }
        for (key, command) in [("run", Some(run)), ("check", check.as_ref()), ("undo", undo.as_ref())] {
            let before = self.found.commands.len();
            let anchor = Anchor::Text { argument: None, offset: 0 };
            let within = Within { step, key, anchor, depth: 0, environment: &known };
            match command {
                Some(Command::Program(arguments)) => {
                    let path = step.key("with").key(key);
                    let word = |(index, text): (usize, &String)| Word {
                        at: index..index,
                        text: text.clone(),
                        is_literal: draft.is_resolved(&path.index(index)),
                        offset: Some(0),
                    };
                    let words: Vec<Word> = arguments.iter().enumerate().map(word).collect();
                    self.program(&within, &words);
                }
                Some(Command::Bash(script)) => {
                    // The text as it stands in the file, so that places in it are true whatever its line ends.
                    let written = self.document.text_at(&step.key("with").key(key)).unwrap_or(script);
                    self.script(&within, &written.replace("\r\n", " \n"), &mut surroundings.clone());
                }
                None => {}
            }
            for command in &mut self.found.commands[before..] {
                command.surroundings.inherit(&surroundings);
            }
        }
    }

    /// A program with its arguments, whose words have their indices as places.
    fn program(&mut self, within: &Within<'_>, words: &[Word]) {
        match unwrap(words) {
            Unwrapped::Script(script) => {
                let anchor = Anchor::Text { argument: Some(script.at.start), offset: 0 };
                self.script(
                    &Within { anchor, depth: within.depth + 1, ..*within },
                    &script.text,
                    &mut Surroundings::default(),
                );
            }
            Unwrapped::Program(words) => {
                let place = |word: &Word| Place::Argument(word.at.start);
                self.command(within, Place::Whole, &placed(words, place), (None, None));
            }
        }
    }

    fn script(&mut self, within: &Within<'_>, script: &str, surroundings: &mut Surroundings) {
        if within.depth > DEEPEST {
            return;
        }
        let parsed = match self.bytes_left.checked_sub(script.len()) {
            Some(left) => {
                self.bytes_left = left;
                parse::parse(script, within.environment, &mut self.time_left)
            }
            None => Err(NotParsed::TooLong),
        };
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(why) => {
                self.found.unparsed.push((within.step.key("with").key(within.key), why));
                return;
            }
        };
        let path = within.step.key("with").key(within.key);
        let items = parsed.items.iter().filter(|_| self.has_items);
        let references = parsed.dotted.iter().chain(items).map(|at| (path.clone(), within.anchor.place(at)));
        self.found.references.extend(references);
        for (name, values) in &parsed.assigned {
            let value = match values.as_slice() {
                [Some(value)] => Some(value.clone()),
                _ => None,
            };
            surroundings.note_variable(name, value);
        }
        let before = self.found.commands.len();
        for command in &parsed.commands {
            self.simple(within, command, surroundings);
        }
        for command in &mut self.found.commands[before..] {
            command.surroundings.inherit(surroundings);
        }
    }

    fn simple(&mut self, within: &Within<'_>, command: &SimpleCommand, surroundings: &mut Surroundings) {
        let place = |at: &Range<usize>| within.anchor.place(at);
        match unwrap(&command.words) {
            Unwrapped::Script(script) => {
                let anchor = match (script.offset, &within.anchor) {
                    (Some(inside), Anchor::Text { argument, offset }) => {
                        Anchor::Text { argument: *argument, offset: offset + script.at.start + inside }
                    }
                    _ => Anchor::Opaque(place(&command.at)),
                };
                self.script(&Within { anchor, depth: within.depth + 1, ..*within }, &script.text, surroundings);
            }
            Unwrapped::Program(words) => {
                let words = placed(words, |word| place(&word.at));
                let hidden =
                    (command.stderr_discarded.as_ref().map(place), command.failure_ignored.as_ref().map(place));
                let before = self.found.commands.len();
                self.command(within, place(&command.at), &words, hidden);
                for found in &mut self.found.commands[before..] {
                    for (name, value) in &command.environment {
                        found.surroundings.note_variable(name, value.clone());
                    }
                    surroundings.note_command(&found.line);
                }
            }
        }
    }

    fn command(
        &mut self,
        within: &Within<'_>,
        place: Place,
        words: &[PlacedWord],
        (stderr_discarded, failure_ignored): (Option<Place>, Option<Place>),
    ) {
        let Some(line) = CommandLine::read(words) else { return };
        let (step, key, surroundings) = (within.step.clone(), within.key, Surroundings::default());
        self.found.commands.push(StepCommand {
            step,
            key,
            place,
            line,
            stderr_discarded,
            failure_ignored,
            surroundings,
        });
    }
}

fn placed(words: &[Word], place: impl Fn(&Word) -> Place) -> Vec<PlacedWord> {
    let word = |word: &Word| PlacedWord { text: word.text.clone(), is_literal: word.is_literal, place: place(word) };
    words.iter().map(word).collect()
}

impl Surroundings {
    /// A variable is set.
    fn note_variable(&mut self, name: &str, value: Option<String>) {
        match name {
            "CLOUDSDK_CORE_PROJECT" => self.project = value.into(),
            "CLOUDSDK_RUN_REGION" | "CLOUDSDK_COMPUTE_REGION" => self.region = value.into(),
            "CLOUDSDK_ACTIVE_CONFIG_NAME" => {
                self.project = Setting::Unknown;
                self.region = Setting::Unknown;
            }
            "KUBECONFIG" => self.cluster = true,
            _ => {}
        }
    }

    /// A command of the script sets something for those after it.
    fn note_command(&mut self, line: &CommandLine) {
        let sets = line.names("config set").filter(|_| line.tool == Tool::Gcloud);
        if let Some([property, value, ..]) = sets {
            let value = Some(value.text.clone()).filter(|_| value.is_literal);
            match property.text.as_str() {
                "project" | "core/project" => self.project = value.into(),
                "run/region" | "compute/region" => self.region = value.into(),
                _ => {}
            }
        }
        let chooses = match line.tool {
            Tool::Gcloud => line.names("container clusters get-credentials"),
            Tool::Kubectl => line.names("config use-context"),
            Tool::Gsutil | Tool::Bq | Tool::Terraform => None,
        };
        self.cluster |= chooses.is_some();
    }

    /// What is set further out holds too, where nothing is set further in.
    fn inherit(&mut self, outer: &Surroundings) {
        for (inner, outer) in [(&mut self.project, &outer.project), (&mut self.region, &outer.region)] {
            if *inner == Setting::Ambient {
                inner.clone_from(outer);
            }
        }
        self.cluster |= outer.cluster;
    }
}
