//! The words of a command of `gcloud`, `kubectl` and the like, told apart: what it does, to what, and with which flags.

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

    /// Its flags that have no value. A flag of which it is not known takes the next word, unless that is a flag too.
    fn switches(self) -> &'static [&'static str] {
        match self {
            Tool::Gcloud => &[
                "all",
                "allow-unauthenticated",
                "async",
                "clear-base-image",
                "clear-binary-authorization",
                "clear-cloudsql-instances",
                "clear-database-flags",
                "clear-env-vars",
                "clear-labels",
                "clear-network",
                "clear-secrets",
                "clear-tags",
                "clear-vpc-connector",
                "cpu-boost",
                "cpu-throttling",
                "default-url",
                "force",
                "global",
                "help",
                "http-proxy",
                "log-http",
                "no-user-output-enabled",
                "quiet",
                "recursive",
                "r",
                "R",
                "q",
                "stable",
                "to-latest",
                "use-http2",
                "user-output-enabled",
                "validate",
                "delete-all-versions",
                "only-show-errors",
                "execute-now",
                "wait",
                "h",
            ],
            Tool::Kubectl => &[
                "all",
                "all-namespaces",
                "A",
                "force",
                "help",
                "recursive",
                "R",
                "w",
                "watch",
                "overwrite",
                "prune",
                "server-side",
                "now",
                "i",
                "t",
                "it",
            ],
            Tool::Gsutil => &["m", "r", "R", "f", "n", "q", "a", "d", "c", "p", "u", "P", "z", "Z", "D", "h"],
            Tool::Bq => &[
                "quiet",
                "headless",
                "q",
                "f",
                "force",
                "r",
                "recursive",
                "nouse_legacy_sql",
                "sync",
                "nosync",
                "autodetect",
                "replace",
            ],
            Tool::Terraform => {
                &["auto-approve", "force", "upgrade", "reconfigure", "json", "no-color", "destroy", "compact-warnings"]
            }
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
}

impl CommandLine {
    /// Takes the words of a command apart, the program being the first; `None` if it is another program.
    pub(super) fn read(words: &[PlacedWord]) -> Option<CommandLine> {
        let (program, rest) = words.split_first()?;
        let tool = Tool::named(&program.text)?;
        let stands_for_words = |word: &PlacedWord| {
            !word.is_literal && ["[@]", "[*]", "$@", "$*"].iter().any(|all| word.text.contains(all))
        };
        let has_unknown_words = rest.iter().any(stands_for_words);
        let mut line = CommandLine { tool, words: Vec::new(), flags: Vec::new(), has_unknown_words };
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
            let (name, value, is_literal) = match flag.split_once('=') {
                Some((name, value)) => (name, value.to_owned(), word.is_literal),
                None if tool.switches().contains(&flag) || flag.starts_with("no-") => (flag, String::new(), true),
                None => match rest.next_if(|next| !next.text.starts_with('-') || next.text == "-") {
                    Some(next) => (flag, next.text.clone(), next.is_literal),
                    None => (flag, String::new(), true),
                },
            };
            line.flags.push(Flag { name: name.to_owned(), value, is_literal, place: word.place.clone() });
        }
        // The release track changes nothing about what a command means.
        let is_track =
            |word: &PlacedWord| tool == Tool::Gcloud && ["alpha", "beta", "preview"].contains(&word.text.as_str());
        while line.words.first().is_some_and(is_track) {
            line.words.remove(0);
        }
        Some(line)
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

    /// The value of a flag as a number, if it is given and one.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.value(name)?.parse().ok()
    }
}
