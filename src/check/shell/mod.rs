//! The commands that the `shell` steps of a runbook run, taken apart.
//!
//! The incident documents prescribe some that Google refuses, or that do something else than they say. They can be told from
//! their words alone. [`commands()`] finds them in programs and in scripts: behind `sudo` and `timeout`, in loops and substitutions,
//! in `bash -c`. [`CommandLine`] tells words and flags apart, and [`Effect`] says what a command changes.

mod command_line;
mod commands;
mod effect;
mod parse;
mod surroundings;
mod unwrap;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub(crate) use command_line::{CommandLine, Flag, Tool};
pub(crate) use commands::{Effect, Scope};
pub(crate) use effect::Named;
pub(crate) use parse::NotParsed;
pub(crate) use surroundings::{Setting, Surroundings};
pub(crate) use unwrap::{base_name, code_argument};

use crate::action::{Action, Shell};
use crate::run::Command;
use crate::runbook::{Draft, Part};
use crate::syntax::{Document, Path};
use parse::{Left, Origin, Script, SimpleCommand, Word};
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
    /// Whether bash may make several words of it, or none.
    pub(crate) is_split: bool,
    /// Whether all that is not known in it are variables that the script is given: it sets them nowhere.
    pub(crate) is_given: bool,
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
    /// The branches, functions and traps that hold it, the outermost first: it is carried out if those are.
    pub(crate) branches: Vec<Branch>,
    /// Whether it is a command for each word of some input, as behind `xargs`, or for each turn of a loop.
    pub(crate) is_repeated: bool,
}

/// A part of a script that may not be carried out: how deep in scripts in scripts it stands, and where it begins.
pub(crate) type Branch = (usize, usize);

/// What was found in the `shell` steps.
#[derive(Debug, Default)]
pub(crate) struct ShellFindings {
    /// The commands of programs that are understood.
    pub(crate) commands: Vec<StepCommand>,
    /// References of the runbook in scripts, where nothing is put in their place.
    pub(crate) references: Vec<(Path, Place)>,
    /// Names in angle brackets that were to be filled in.
    pub(crate) placeholders: Vec<(Path, Place)>,
    /// Scripts that were not parsed, and why.
    pub(crate) unparsed: Vec<(Path, NotParsed)>,
}

/// Every command of the runbook's `shell` steps.
pub(crate) fn commands(document: &Document, draft: &Draft) -> ShellFindings {
    let mut search =
        Search { document, found: ShellFindings::default(), bytes_left: MOST, left: Left::default(), has_items: false };
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
                        let parsed = parse::parse(&script, &BTreeMap::new(), &mut Left::default());
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
    left: Left,
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
    /// As of [`StepCommand::branches`].
    branches: Vec<Branch>,
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
            let anchor = Anchor::Text { argument: None, offset: 0 };
            let within = Within { step, key, anchor, depth: 0, environment: &known, branches: Vec::new() };
            match command {
                Some(Command::Program(arguments)) => {
                    let path = step.key("with").key(key);
                    let word = |(index, text): (usize, &String)| Word {
                        at: index..index,
                        text: text.clone(),
                        is_literal: draft.is_resolved(&path.index(index)),
                        is_split: false,
                        origin: Origin::Given,
                        offset: Some(0),
                    };
                    let words: Vec<Word> = arguments.iter().enumerate().map(word).collect();
                    self.program(&within, &words, &surroundings);
                }
                Some(Command::Bash(script)) => {
                    // The text as it stands in the file, so that places in it are true whatever its line ends.
                    let written = self.document.text_at(&step.key("with").key(key)).unwrap_or(script);
                    self.script(&within, &written.replace("\r\n", " \n"), &surroundings);
                }
                None => {}
            }
        }
    }

    /// A program with its arguments, whose words have their indices as places.
    fn program(&mut self, within: &Within<'_>, words: &[Word], surroundings: &Surroundings) {
        match unwrap(words, &BTreeMap::new()) {
            Unwrapped::Script(script) => {
                let anchor = Anchor::Text { argument: Some(script.at.start), offset: 0 };
                self.script(&within.inside(anchor), &script.text, surroundings);
            }
            Unwrapped::Program { words, is_repeated } => {
                let place = |word: &Word| Place::Argument(word.at.start);
                let Some(line) = CommandLine::read(&placed(words, place)) else { return };
                self.found.commands.push(StepCommand {
                    step: within.step.clone(),
                    key: within.key,
                    place: Place::Whole,
                    line,
                    stderr_discarded: None,
                    failure_ignored: None,
                    surroundings: surroundings.clone(),
                    branches: within.branches.clone(),
                    is_repeated,
                });
            }
        }
    }

    /// Takes a script apart, and says what it sets for whatever is run after it.
    fn script(&mut self, within: &Within<'_>, script: &str, outer: &Surroundings) -> Surroundings {
        let path = within.step.key("with").key(within.key);
        let parsed = match self.bytes_left.checked_sub(script.len()) {
            _ if within.depth > DEEPEST => return Surroundings::default(),
            Some(left) => {
                self.bytes_left = left;
                parse::parse(script, within.environment, &mut self.left)
            }
            None => Err(NotParsed::TooLong),
        };
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(why) => {
                self.found.unparsed.push((path, why));
                return Surroundings::default();
            }
        };
        let place = |at: &Range<usize>| (path.clone(), within.anchor.place(at));
        let items = parsed.items.iter().filter(|_| self.has_items);
        self.found.references.extend(parsed.dotted.iter().chain(items).map(place));
        self.found.placeholders.extend(parsed.placeholders.iter().map(place));
        // What a variable is set to holds for the whole script, and what is set in a function wherever that is called.
        let mut anywhere = Surroundings::default();
        for (name, values) in &parsed.assigned {
            let value = match values.as_slice() {
                [Some(value)] if value.is_literal => Some(value.text.clone()),
                _ => None,
            };
            anywhere.note_variable(name, value);
        }
        let first = self.found.commands.len();
        let mut in_functions = Vec::new();
        let mut here = anywhere.clone();
        for command in &parsed.commands {
            let before = self.found.commands.len();
            let mut around = here.clone();
            around.inherit(outer);
            let set = self.simple(within, command, &parsed, &around);
            if command.in_function {
                in_functions.extend(before..self.found.commands.len());
                anywhere.merge(&set);
            } else if command.branches.is_empty() {
                here.replace(&set);
            } else {
                here.merge(&set);
            }
        }
        here.inherit(&anywhere);
        for (index, found) in self.found.commands.iter_mut().enumerate().skip(first) {
            found.surroundings.inherit(if in_functions.contains(&index) { &here } else { &anywhere });
        }
        here
    }

    fn simple(
        &mut self,
        within: &Within<'_>,
        command: &SimpleCommand,
        script: &Script,
        around: &Surroundings,
    ) -> Surroundings {
        let place = |at: &Range<usize>| within.anchor.place(at);
        let mut branches = within.branches.clone();
        branches.extend(command.branches.iter().map(|start| (within.depth, *start)));
        let mut around = around.clone();
        for (name, value) in &command.environment {
            around.note_variable(name, value.clone());
        }
        let unwrapped = unwrap(&command.words, &script.functions);
        let nested = match &unwrapped {
            Unwrapped::Script(script) => Some(*script),
            // `bash <<END`.
            Unwrapped::Program { words, .. } => command.stdin.as_ref().filter(|_| unwrap::reads_script(words)),
        };
        if let Some(nested) = nested {
            let anchor = match (nested.offset, &within.anchor) {
                (Some(inside), Anchor::Text { argument, offset }) => {
                    Anchor::Text { argument: *argument, offset: offset + nested.at.start + inside }
                }
                _ => Anchor::Opaque(place(&command.at)),
            };
            if unwrap::runs_later(&command.words) {
                branches.push((within.depth, command.at.start));
            }
            return self.script(&Within { branches, ..within.inside(anchor) }, &nested.text, &around);
        }
        let Unwrapped::Program { words, is_repeated } = unwrapped else { return Surroundings::default() };
        let is_repeated = is_repeated || words.iter().any(|word| word.origin == Origin::Loop);
        let set = surroundings::set_by(words);
        let words = placed(words, |word| place(&word.at));
        let Some(mut line) = CommandLine::read(&words) else { return set };
        // A function of the name adds what it likes; so does what is still to be filled in.
        let name = command.words.first().map_or("", |word| &word.text);
        let is_wrapped = script.functions.contains_key(name);
        line.has_unknown_words |= is_wrapped || command.has_placeholder;
        self.found.commands.push(StepCommand {
            step: within.step.clone(),
            key: within.key,
            place: place(&command.at),
            line,
            stderr_discarded: command.stderr_discarded.as_ref().map(place),
            failure_ignored: command.failure_ignored.as_ref().map(place),
            surroundings: around,
            branches,
            is_repeated,
        });
        set
    }
}

impl<'s> Within<'s> {
    /// Where a script stands that a command of this one runs.
    fn inside(&self, anchor: Anchor) -> Within<'s> {
        Within { anchor, depth: self.depth + 1, branches: self.branches.clone(), ..*self }
    }
}

fn placed(words: &[Word], place: impl Fn(&Word) -> Place) -> Vec<PlacedWord> {
    let word = |word: &Word| PlacedWord {
        text: word.text.clone(),
        is_literal: word.is_literal,
        is_split: word.is_split,
        is_given: word.origin != Origin::Script,
        place: place(word),
    };
    words.iter().map(word).collect()
}
