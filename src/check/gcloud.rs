//! The `gcloud` commands in a runbook's `shell` steps, taken apart.
//!
//! The incident documents prescribe some that Google refuses, or that do something else than they say. They can be
//! told from their words alone.

use std::ops::Range;

use crate::action::{Action, Shell};
use crate::run::Command;

/// A `gcloud` command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gcloud {
    /// Where its line stands in the script, if it stands in one.
    pub(super) line: Option<Range<usize>>,
    /// The words before the flags and between them: group, command, names.
    words: Vec<String>,
    flags: Vec<(String, String)>,
}

/// The `gcloud` commands of a step, with the key of `with` that each stands behind.
pub(super) fn commands(action: &Action) -> Vec<(&'static str, Gcloud)> {
    let Action::Shell(Shell { run, check, undo, .. }) = action else { return Vec::new() };
    let commands = [("run", Some(run)), ("check", check.as_ref()), ("undo", undo.as_ref())];
    let commands = commands.into_iter().filter_map(|(key, command)| Some((key, command?)));
    commands.flat_map(|(key, command)| of(command).into_iter().map(move |command| (key, command))).collect()
}

fn of(command: &Command) -> Vec<Gcloud> {
    match command {
        Command::Program(arguments) => Gcloud::parse(arguments).into_iter().collect(),
        Command::Bash(script) => {
            // As long as it was, so that places in it stay true.
            let joined = script.replace("\\\n", "  ");
            let mut commands = Vec::new();
            let mut start = 0;
            for line in joined.split_inclusive('\n') {
                let indent = line.len() - line.trim_start().len();
                let place = start + indent..start + line.trim_end().len().max(indent);
                start += line.len();
                let Some(words) = shlex::split(line) else { continue };
                let parts = words.split(|word| ["&&", "||", "|", ";"].contains(&word.as_str()));
                let found = parts.filter_map(Gcloud::parse);
                commands.extend(found.map(|command| Gcloud { line: Some(place.clone()), ..command }));
            }
            commands
        }
    }
}

impl Gcloud {
    fn parse(arguments: &[String]) -> Option<Gcloud> {
        let (program, rest) = arguments.split_first()?;
        if program.rsplit('/').next() != Some("gcloud") {
            return None;
        }
        let mut command = Gcloud { line: None, words: Vec::new(), flags: Vec::new() };
        let mut rest = rest.iter().peekable();
        while let Some(word) = rest.next() {
            let Some(flag) = word.strip_prefix("--") else {
                command.words.push(word.clone());
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                // A flag without `=` may stand alone; what comes next is its value unless it is a flag too.
                None => (flag, rest.next_if(|next| !next.starts_with("--")).cloned().unwrap_or_default()),
            };
            command.flags.push((name.to_owned(), value));
        }
        // The release track changes nothing about what a command means.
        command.words.retain(|word| !["alpha", "beta"].contains(&word.as_str()));
        Some(command)
    }

    /// The names behind the command, if it is this one: of `["run", "revisions", "delete"]` the revisions.
    pub(super) fn names(&self, command: &[&str]) -> Option<&[String]> {
        let is =
            self.words.len() >= command.len() && self.words.iter().zip(command).all(|(word, wanted)| word == wanted);
        is.then(|| &self.words[command.len()..])
    }

    /// The value of a flag, if it is given.
    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }

    /// Whether it only looks, or speaks of nothing that lies in a project.
    pub(super) fn only_looks(&self) -> bool {
        let verbs = ["describe", "list", "read", "version", "info", "help", "print-access-token"];
        self.words.is_empty() || self.words.iter().any(|word| verbs.contains(&word.as_str()) || word == "config")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(text: &str) -> Command {
        Command::Program(text.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn words_and_flags_are_told_apart() {
        let [command] =
            of(&program("/usr/bin/gcloud beta run revisions delete r-1 --region us-central1 --quiet --x=1"))
                .try_into()
                .unwrap();
        assert_eq!(command.names(&["run", "revisions", "delete"]), Some(&["r-1".to_owned()][..]));
        assert_eq!(command.names(&["run", "services", "delete"]), None);
        assert_eq!(
            [command.flag("region"), command.flag("quiet"), command.flag("x")],
            [Some("us-central1"), Some(""), Some("1")]
        );
        assert!(of(&program("rm -rf gcloud")).is_empty());
    }

    #[test]
    fn scripts_are_read_line_by_line() {
        let script = "set -e\ngcloud run services \\\n  update a --timeout=5 && gcloud version | cat\necho 'gcloud x\n";
        let commands = of(&Command::Bash(script.to_owned()));
        assert_eq!(commands.len(), 2);
        assert_eq!(commands[0].flag("timeout"), Some("5"));
        assert!(script[commands[0].line.clone().unwrap()].starts_with("gcloud run services"));
    }
}
