//! What a command runs in turn: `sudo gcloud …`, `timeout 5m gcloud …`, `retry 3 gcloud …`, `bash -c '…'`.

use std::collections::BTreeMap;

use super::command_line::is_tool;
use super::commands::lists;
use super::parse::Word;

/// What a command comes down to.
pub(super) enum Unwrapped<'w> {
    /// This program with its arguments; once for each piece of some input, if it is repeated.
    Program { words: &'w [Word], is_repeated: bool },
    /// A script.
    Script(&'w Word),
}

/// Programs that run the program behind them, and those of their options that take a value.
const PREFIXES: [(&str, &[&str]); 12] = [
    ("builtin", &[]),
    ("command", &[]),
    ("doas", &["-u"]),
    ("env", &["-u", "--unset", "-C", "--chdir"]),
    ("exec", &["-a"]),
    ("ionice", &["-c", "-n"]),
    ("nice", &["-n", "--adjustment"]),
    ("nohup", &[]),
    ("sudo", &["-u", "--user", "-g", "--group", "-h", "-p", "-C", "-D"]),
    ("time", &["-f", "-o"]),
    ("timeout", &["-k", "--kill-after", "-s", "--signal"]),
    (
        "xargs",
        &["-I", "-n", "-P", "-d", "-L", "-a", "-E", "-s", "--max-args", "--max-procs", "--delimiter", "--replace"],
    ),
];
/// Programs and usual names of functions that run what stands behind some words of their own.
const RUNNERS: &str = "chronic coproc dbus-run-session dotenv execute flock gosu log_and_run logexec maybe_run parallel quiet quietly \
     retry run run-one run_cmd run_command run_with_retry runuser setsid silent stdbuf try unbuffer with_retry";
/// How many words of its own such a program has at most.
const MOST_OF_ITS_OWN: usize = 6;
/// Shells that run the text behind `-c`.
const SHELLS: [&str; 6] = ["ash", "bash", "dash", "ksh", "sh", "zsh"];

/// The name of a program without its folder.
pub(crate) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// Takes off what only runs the rest. `functions` are those of the script, and whether each runs the words that it is called with.
pub(super) fn unwrap<'w>(mut words: &'w [Word], functions: &BTreeMap<String, bool>) -> Unwrapped<'w> {
    let mut is_repeated = false;
    loop {
        let Some((program, arguments)) = words.split_first() else { return Unwrapped::Program { words, is_repeated } };
        let name = base_name(&program.text);
        if SHELLS.contains(&name) {
            let script = shell_script(arguments);
            return script.map_or(Unwrapped::Program { words, is_repeated }, Unwrapped::Script);
        }
        let runs_text = match name {
            "eval" if arguments.len() == 1 => arguments.first(),
            "trap" => arguments.first().filter(|_| arguments.len() > 1),
            _ => None,
        };
        if let Some(script) = runs_text {
            return Unwrapped::Script(script);
        }
        is_repeated |= ["find", "parallel", "xargs"].contains(&name);
        let runs_rest = functions.get(name).copied().unwrap_or_else(|| lists(RUNNERS, name) || name == "eval");
        if runs_rest {
            let own = arguments.iter().take(MOST_OF_ITS_OWN).position(|word| is_tool(&word.text) || is_shell(word));
            match own.and_then(|own| arguments.get(own..)) {
                Some(rest) => words = rest,
                None => return Unwrapped::Program { words, is_repeated },
            }
            continue;
        }
        if name == "find" {
            let run = arguments.iter().position(|word| ["-exec", "-execdir", "-ok"].contains(&word.text.as_str()));
            match run.and_then(|run| arguments.get(run + 1..)) {
                Some(rest) => words = rest,
                None => return Unwrapped::Program { words, is_repeated },
            }
            continue;
        }
        let Some((_, with_value)) = PREFIXES.iter().find(|(prefix, _)| *prefix == name) else {
            return Unwrapped::Program { words, is_repeated };
        };
        let mut rest = arguments;
        while let Some((option, behind)) = rest.split_first() {
            let is_option = option.text.starts_with('-');
            let is_variable = ["doas", "env", "sudo"].contains(&name) && option.text.contains('=');
            if !is_option && !is_variable {
                break;
            }
            rest =
                if with_value.contains(&option.text.as_str()) { behind.get(1..).unwrap_or_default() } else { behind };
        }
        // `timeout 5m program`.
        words = if name == "timeout" { rest.get(1..).unwrap_or_default() } else { rest };
    }
}

fn is_shell(word: &Word) -> bool {
    SHELLS.contains(&base_name(&word.text))
}

/// Whether these words are a shell that reads its script from its input.
pub(super) fn reads_script(words: &[Word]) -> bool {
    words.split_first().is_some_and(|(program, arguments)| {
        is_shell(program) && arguments.iter().all(|word| word.text.starts_with('-') || word.text == "pipefail")
    })
}

/// Whether these words say what is to be run another time: in a trap.
pub(super) fn runs_later(words: &[Word]) -> bool {
    words.first().is_some_and(|word| word.text == "trap")
}

/// The text behind `-c`, among the options of a shell.
fn shell_script(arguments: &[Word]) -> Option<&Word> {
    let mut rest = arguments.iter();
    while let Some(option) = rest.next().filter(|word| word.text.starts_with(['-', '+'])) {
        if option.text.starts_with('-') && !option.text.starts_with("--") && option.text.ends_with('c') {
            return rest.find(|word| !word.text.starts_with('-'));
        }
        // `-euo pipefail`: the last of several takes a value.
        if option.text.ends_with(['o', 'O']) && !option.text.starts_with("--") {
            rest.next();
        }
    }
    None
}

/// Whether what stands in a program's arguments is code that it runs: behind the `-c` of a shell or of Python, the `-e` of Perl.
pub(crate) fn code_argument(arguments: &[String]) -> Option<usize> {
    /// Interpreters, and the options behind which code stands.
    const INTERPRETERS: [(&[&str], &[&str]); 4] = [
        (&["ash", "bash", "dash", "fish", "ksh", "sh", "zsh"], &["c"]),
        (&["python", "python2", "python3"], &["c"]),
        (&["perl", "ruby"], &["e", "E"]),
        (&["node"], &["e", "p", "-eval", "-print"]),
    ];
    let is_prefix = |word: &str| PREFIXES.iter().any(|(prefix, _)| *prefix == base_name(word));
    let is_option = |word: &str| {
        word.starts_with('-') || word.contains('=') || word.starts_with(|letter: char| letter.is_ascii_digit())
    };
    let program = arguments.iter().position(|word| !is_prefix(word) && !is_option(word))?;
    let name = base_name(&arguments[program]);
    let (_, codes) = INTERPRETERS.iter().find(|(names, _)| names.contains(&name))?;
    for (index, option) in arguments.iter().enumerate().skip(program + 1) {
        // The first word that is no option is the script's file; what follows is the script's own.
        let option = option.strip_prefix('-')?;
        let is_short = !option.starts_with('-');
        if codes.iter().any(|code| option == *code || is_short && code.len() == 1 && option.ends_with(code)) {
            return Some(index + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::parse::Origin;
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        let word = |text: &str| Word {
            at: 0..0,
            text: text.replace('_', " "),
            is_literal: true,
            is_split: false,
            origin: Origin::Given,
            offset: None,
        };
        text.split(' ').map(word).collect()
    }

    #[test]
    fn what_only_runs_the_rest_is_taken_off() {
        let functions = BTreeMap::from([("loudly".to_owned(), true), ("run".to_owned(), false)]);
        for text in [
            "gcloud a",
            "sudo -u root gcloud a",
            "env -i A=1 gcloud a",
            "timeout -k 5 5m nice -n 5 gcloud a",
            "xargs -I {} gcloud a",
            "sudo A=b gcloud a",
            "retry 3 gcloud a",
            "loudly gcloud a",
            "flock -n /tmp/lock gcloud a",
            "eval gcloud a",
            "find . -name x -exec gcloud a",
        ] {
            let words = words(text);
            let Unwrapped::Program { words: rest, .. } = unwrap(&words, &functions) else { panic!("{text}") };
            assert_eq!(rest.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["gcloud", "a"], "{text}");
        }
        for text in ["bash -c gcloud_a", "sudo sh -euo pipefail -c gcloud_a x", "eval gcloud_a", "trap gcloud_a EXIT"] {
            let words = words(text);
            let Unwrapped::Script(script) = unwrap(&words, &functions) else { panic!("{text}") };
            assert_eq!(script.text, "gcloud a", "{text}");
        }
        for text in ["echo gcloud a", "run gcloud a", "which gcloud", "ssh host gcloud a"] {
            let words = words(text);
            assert!(
                matches!(unwrap(&words, &functions), Unwrapped::Program { words: rest, .. } if rest.len() == words.len()),
                "{text}"
            );
        }
        let words = words("bash run.sh -c x");
        assert!(matches!(unwrap(&words, &functions), Unwrapped::Program { .. }));
    }

    #[test]
    fn code_is_only_what_stands_behind_the_option_of_the_interpreter() {
        let code = |text: &str| code_argument(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(code("bash -c x"), Some(2));
        assert_eq!(code("sudo -E bash -euc x"), Some(4));
        assert_eq!(code("python3 -c x"), Some(2));
        assert_eq!(code("perl -ne x"), Some(2));
        assert_eq!(code("python3 x.py -e V"), None);
        assert_eq!(code("bash x.sh -service V"), None);
        assert_eq!(code("gcloud run -c V"), None);
    }
}
