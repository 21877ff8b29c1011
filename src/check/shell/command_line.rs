//! The words of a command of `gcloud`, `kubectl` and the like, told apart: what it does, to what, and with which flags.

use super::commands::{self, Effect, Scope};
use super::{Place, PlacedWord, base_name};

/// The programs whose commands are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Gcloud,
    Kubectl,
    Gsutil,
    Bq,
    Terraform,
}

impl Tool {
    fn named(program: &str) -> Option<Tool> {
        Some(match base_name(program) {
            "gcloud" => Tool::Gcloud,
            "kubectl" => Tool::Kubectl,
            "gsutil" => Tool::Gsutil,
            "bq" => Tool::Bq,
            "terraform" | "tofu" | "terragrunt" => Tool::Terraform,
            _ => return None,
        })
    }

    /// Whether a flag of it has no value. One of which that is not known takes the next word, unless that is a flag too.
    fn is_switch(self, flag: &str, is_before_command: bool) -> bool {
        match self {
            // Source: the tree of commands that `gcloud` 528 completes by.
            Tool::Gcloud => {
                commands::lists(commands::GCLOUD_SWITCHES, flag)
                    || ["clear-", "disable-", "enable-", "force", "ignore-", "no-", "show-", "skip-"]
                        .iter()
                        .any(|start| flag.starts_with(start))
            }
            Tool::Kubectl => commands::lists(commands::KUBECTL_SWITCHES, flag),
            // `-u` of `gsutil` itself names a project; that of `gsutil rsync` stands alone.
            Tool::Gsutil => commands::lists(commands::GSUTIL_SWITCHES, flag) || flag == "u" && !is_before_command,
            Tool::Bq => commands::lists(commands::BQ_SWITCHES, flag) || flag.starts_with("no"),
            Tool::Terraform => commands::lists(commands::TERRAFORM_SWITCHES, flag),
        }
    }
}

/// Whether a word is the name of a program whose commands are understood.
pub(super) fn is_tool(word: &str) -> bool {
    Tool::named(word).is_some()
}

/// A flag of a command.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    /// Without its dashes.
    pub(crate) name: String,
    /// Empty for a flag that stands alone.
    pub(crate) value: String,
    /// Whether the value is exactly what the program gets.
    pub(crate) is_literal: bool,
    /// As of [`PlacedWord::is_given`].
    pub(crate) is_given: bool,
    pub(crate) place: Place,
}

/// A command taken apart.
#[derive(Clone, Debug)]
pub(crate) struct CommandLine {
    pub(crate) tool: Tool,
    /// The words before the flags and between them: group, command, names.
    words: Vec<PlacedWord>,
    pub(crate) flags: Vec<Flag>,
    /// Whether something in it, such as `"${flags[@]}"`, stands for words that are not known.
    pub(crate) has_unknown_words: bool,
    /// What [`super::effect`] makes of it: worked out once, because every rule asks for it.
    pub(super) effect: Option<(Effect, Scope)>,
    pub(super) verb: Option<usize>,
}

impl CommandLine {
    /// Takes the words of a command apart, the program being the first; `None` if it is another program.
    pub(super) fn read(words: &[PlacedWord]) -> Option<CommandLine> {
        let (program, rest) = words.split_first()?;
        let tool = Tool::named(&program.text)?;
        let has_unknown_words = rest.iter().any(stands_for_words);
        let mut line =
            CommandLine { tool, words: Vec::new(), flags: Vec::new(), has_unknown_words, effect: None, verb: None };
        let mut rest = rest.iter().peekable();
        while let Some(word) = rest.next() {
            // What stands behind `--` is for another program.
            if word.text == "--" {
                break;
            }
            let Some(flag) =
                word.text.strip_prefix("--").or_else(|| word.text.strip_prefix('-')).filter(|flag| !flag.is_empty())
            else {
                line.words.push(word.clone());
                continue;
            };
            let (name, value, of) = match flag.split_once('=') {
                Some((name, value)) => (name, value.to_owned(), word),
                None if tool.is_switch(flag, line.words.is_empty()) => (flag, String::new(), word),
                None => match rest.next_if(|next| !next.text.starts_with('-') || next.text == "-") {
                    Some(next) => (flag, next.text.clone(), next),
                    None => (flag, String::new(), word),
                },
            };
            let (is_literal, is_given) = (of.is_literal, of.is_given);
            line.flags.push(Flag { name: name.to_owned(), value, is_literal, is_given, place: word.place.clone() });
        }
        // The release track changes nothing about what a command means.
        let is_track =
            |word: &PlacedWord| tool == Tool::Gcloud && ["alpha", "beta", "preview"].contains(&word.text.as_str());
        while line.words.first().is_some_and(is_track) {
            line.words.remove(0);
        }
        line.verb = line.find_verb();
        line.has_unknown_words |= line.has_flags_in_a_variable();
        line.effect = line.find_effect();
        Some(line)
    }

    /// Whether an expansion without quotes may stand for flags: before the verb, or behind the one name that most commands have.
    fn has_flags_in_a_variable(&self) -> bool {
        let verb = self.verb.unwrap_or(self.words.len());
        let split = |word: &PlacedWord| word.is_split && word.text.starts_with('$');
        let (before, behind) = self.words.split_at(verb.min(self.words.len()));
        before.iter().any(split) || behind.iter().skip(1).filter(|word| !word.text.is_empty()).skip(1).any(split)
    }

    /// The words behind the command, if it is this one: of `run revisions delete` the revisions.
    pub(crate) fn names(&self, command: &str) -> Option<&[PlacedWord]> {
        let wanted = command.split(' ');
        let count = wanted.clone().count();
        let is = self.words.len() >= count && self.words.iter().zip(wanted).all(|(word, wanted)| word.text == wanted);
        is.then(|| &self.words[count..])
    }

    /// The first word.
    pub(crate) fn group(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// All words.
    pub(crate) fn words(&self) -> &[PlacedWord] {
        &self.words
    }

    /// A flag, if it is given.
    pub(crate) fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    /// The value of a flag, if it is given and known.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.flag(name).filter(|flag| flag.is_literal).map(|flag| flag.value.as_str())
    }

    /// The value of a flag as a number, if it is given and one, if only as what it is when nobody sets a variable.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.flag(name)?.value.parse().ok()
    }
}

/// Whether a word stands for words that are not known: all arguments, an array, or a variable that by its name has flags in it.
fn stands_for_words(word: &PlacedWord) -> bool {
    let says_flags = |name: &str| {
        let name = name.to_lowercase();
        ["arg", "flag", "opt", "param"].iter().any(|part| name.contains(part))
    };
    let is_variable = word.text.strip_prefix('$').is_some_and(|name| !name.starts_with('('));
    // `"$flag"="$value"`, and `"--$name=value"`.
    let names_flag = word
        .text
        .split_once('=')
        .is_some_and(|(flag, _)| flag.contains('$') && (is_variable || flag.starts_with("--")));
    !word.is_literal
        && (["[@]", "[*]", "$@", "$*", "${@"].iter().any(|all| word.text.contains(all))
            || is_variable && says_flags(&word.text)
            || names_flag)
}
