//! A `shell` step's commands as lines for an operator's own shell.

use std::fmt::Write as _;

use crate::run::{Command, Program, SecretVariables, Way, quoted};

/// The lines that do the work of a program, or undo it; `None`: nothing says how. A secret stands in them as `"${NAME:?set NAME}"`, after
/// the input that it is, and a comment says so.
pub(super) fn shell_lines(program: &Program, way: Way) -> Option<Vec<String>> {
    let command = match way {
        Way::Apply => &program.run,
        Way::Undo => program.undo.as_ref()?,
    };
    let mut secrets = SecretVariables::default();
    let text = line(program, command, &mut secrets)?;
    Some(secrets.comments().chain(text.lines().map(str::to_owned)).collect())
}

/// The line that tells by its exit status 0 whether the work of a program is done; `None`: nothing tells.
pub(super) fn shell_check(program: &Program) -> Option<String> {
    line(program, program.check.as_ref()?, &mut SecretVariables::default())
}

/// A call with its environment. The secrets that it needs are noted.
fn line(program: &Program, command: &Command, secrets: &mut SecretVariables) -> Option<String> {
    let mut text = String::new();
    for (name, value) in &program.env {
        let _ = write!(text, "{name}={} ", secrets.word(value)?);
    }
    text.push_str(&called(command)?);
    Some(text)
}

/// The call, quoted for a POSIX shell.
fn called(command: &Command) -> Option<String> {
    match command {
        Command::Program(words) => {
            let words: Option<Vec<String>> = words.iter().map(|word| quoted(word)).collect();
            Some(words?.join(" "))
        }
        Command::Bash(script) => Some(format!("bash -euo pipefail -c {}", quoted(script.trim_end())?)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn program(run: Command, env: &[(&str, &str)]) -> Program {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Program { run, check: None, undo: None, env, undo_partial: false, not_run: false }
    }

    fn words(words: &[&str]) -> Command {
        Command::Program(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn arguments_are_quoted_and_secrets_are_named() {
        let program = program(words(&["say", "a b", "it's"]), &[("AUTH", "Bearer \"${inputs.api-token}\" $x")]);
        let lines = shell_lines(&program, Way::Apply).unwrap();
        assert_eq!(
            lines,
            [
                "# set API_TOKEN to the secret inputs.api-token first",
                r#"AUTH="Bearer \"${API_TOKEN:?set API_TOKEN}\" \$x" say 'a b' "it's""#,
            ]
        );
        assert_eq!(shell_lines(&program, Way::Undo), None);
    }

    /// What bash makes of the lines is what the program would have been given.
    #[test]
    fn a_shell_reads_what_was_meant() {
        let script = "printf '%s|' \"$A\" \"$1x\" 'two\n\tlines'\n";
        let run = Command::Bash(format!("set -- one\n{script}"));
        let program = program(run, &[("A", "${inputs.key}/`$(no)`\\ \"end\"")]);
        let text = shell_lines(&program, Way::Apply).unwrap().join("\n");
        #[expect(clippy::disallowed_types, reason = "it is what an operator does with the lines")]
        let output = std::process::Command::new("bash").args(["-uc", &text]).env("KEY", "k\"$ey").output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "k\"$ey/`$(no)`\\ \"end\"|onex|two\n\tlines|");
    }

    #[test]
    fn what_would_steer_a_terminal_is_not_printed() {
        assert_eq!(shell_lines(&program(words(&["say", "\u{1b}[2J"]), &[]), Way::Apply), None);
        let env: BTreeMap<String, String> = BTreeMap::from([("A".to_owned(), "\u{202e}${inputs.x}".to_owned())]);
        assert_eq!(shell_lines(&Program { env, ..program(words(&["say"]), &[]) }, Way::Apply), None);
    }
}
