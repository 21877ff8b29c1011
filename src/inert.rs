//! Strings from outside, made harmless before they reach a terminal or a page.
//!
//! An API's error message, a service's answer or a runbook's title can carry escape sequences that move a
//! cursor, hide text or reverse its direction. Nothing of that kind is ever shown as it is.

use std::borrow::Cow;
use std::fmt::Write as _;

use icu_properties::props::DefaultIgnorableCodePoint;
use icu_properties::{CodePointSetData, CodePointSetDataBorrowed};

/// The text with every control and direction character replaced by a visible escape.
pub fn inert(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, letter| {
        if is_active(letter) {
            safe.extend(letter.escape_unicode());
        } else {
            safe.push(letter);
        }
        safe
    })
}

/// The lines of a text that may have several, each of them inert; blank ones are left out.
pub fn lines(text: &str) -> Vec<String> {
    let lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    lines.map(inert).collect()
}

/// The same text on as many lines, each of them inert and none of them a command to the runner of a CI job. GitHub's takes a line for
/// one that begins with `::` behind blanks, and an older form, `##[`, wherever it stands.
pub fn block(text: &str) -> String {
    text.lines().map(inert).map(|line| uncommanding(&line)).collect::<Vec<_>>().join("\n")
}

/// A line that may have escape sequences of this program, with what would make it a command replaced by a visible escape.
pub fn uncommanding(line: &str) -> String {
    let line = line.replace("##[", "#\\u{23}[");
    let blanks = line.len() - line.trim_start().len();
    match line[blanks..].strip_prefix("::") {
        Some(rest) => format!("{}\\u{{3a}}:{rest}", &line[..blanks]),
        None => line,
    }
}

/// What a text of several lines says first, for where the whole has been shown: its first sentence. A text of one line is itself.
pub fn headline(text: &str) -> String {
    let mut all = lines(text).into_iter();
    let first = all.next().unwrap_or_default();
    match (all.next(), first.split_once(". ")) {
        (Some(_), Some((sentence, _))) => format!("{sentence}."),
        _ => first,
    }
}

/// A word of a command line that is printed for somebody to copy, such as the name of a file: quoted for bash where it must be, and
/// inert. What would steer a terminal is written as `$'…'`, so that the word is still the same one for bash.
pub fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "+-./:@_,%=".contains(letter);
    // An equals sign at the beginning means something to zsh, and one in the program's name would set a variable.
    if !word.is_empty() && !word.starts_with('=') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.chars().any(is_active) {
        return shlex::try_quote(word).map_or_else(|_| "''".to_owned(), Cow::into_owned);
    }
    let escaped = word.chars().fold(String::new(), |mut escaped, letter| {
        match letter {
            '\\' | '\'' => escaped.extend(['\\', letter]),
            _ if is_active(letter) => {
                for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(escaped, "\\x{byte:02x}");
                }
            }
            _ => escaped.push(letter),
        }
        escaped
    });
    format!("$'{escaped}'")
}

/// What is not shown where nothing is done about it: direction marks, joiners, soft hyphens, fillers, variation selectors,
/// tags. Two texts that differ in these only look alike.
const INVISIBLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();

/// Whether a character would steer a terminal, turn the direction of a line or not be seen, instead of showing something.
pub fn is_active(letter: char) -> bool {
    letter.is_control()
        || INVISIBLE.contains(letter)
        // Line and paragraph separators, annotations, and letters whose picture is empty.
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' | '\u{2800}' | '\u{1d159}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_lines_has_lines_and_a_headline() {
        let text = "It is not ready. It did not start.\n\nLogs: https://example.com/\u{1b}[2J \r\nSee also";
        assert_eq!(
            lines(text),
            ["It is not ready. It did not start.", "Logs: https://example.com/\\u{1b}[2J", "See also"]
        );
        assert_eq!(headline(text), "It is not ready.");
        assert_eq!(headline("One. Two."), "One. Two.");
        assert_eq!((lines(""), headline("")), (Vec::new(), String::new()));
    }

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_a_line_survives() {
        assert_eq!(inert("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(inert("ok\u{202e}ko"), "ok\\u{202e}ko");
        for letter in "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180b}\u{200b}\u{200d}\u{2028}\u{202a}\u{2060}\u{2800}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{1d159}\u{1d173}\u{e0001}\u{e0100}".chars() {
            assert_eq!(inert(&letter.to_string()), letter.escape_unicode().to_string());
        }
        assert_eq!(inert("two\nlines"), "two\\u{a}lines");
        assert_eq!(inert("ordinary → text, in any script: Ω"), "ordinary → text, in any script: Ω");
    }

    #[test]
    fn no_line_of_a_block_is_a_command_to_a_runner() {
        assert_eq!(block("a::b\n  ::error::x\r\n\n##[group]y"), "a::b\n  \\u{3a}:error::x\n\n#\\u{23}[group]y");
        assert_eq!(block("\t::stop\u{85}"), "\\u{9}::stop\\u{85}");
    }

    #[expect(clippy::disallowed_types, reason = "bash itself says what it makes of a word")]
    fn as_bash_reads(word: &str) -> String {
        let bash = std::process::Command::new("bash").args(["-c", &format!("printf %s {word}")]).output().unwrap();
        String::from_utf8(bash.stdout).unwrap()
    }

    #[test]
    fn a_word_is_the_same_for_bash_and_steers_no_terminal() {
        for plain in ["runbooks/x.toml", "--project=acme", "a,b", "50%"] {
            assert_eq!(shell_word(plain), plain);
        }
        for (word, quoted) in [
            ("", "''"),
            ("two words.toml", "'two words.toml'"),
            ("$(reboot).toml", "'$(reboot).toml'"),
            ("it's", "\"it's\""),
            ("=cmd", "'=cmd'"),
            ("~/x", "'~/x'"),
            ("a\nb", r"$'a\x0ab'"),
            ("\u{1b}[2J'\\", r"$'\x1b[2J\'\\'"),
            ("\u{202e}x", r"$'\xe2\x80\xaex'"),
        ] {
            assert_eq!(shell_word(word), quoted);
            assert!(!shell_word(word).chars().any(is_active));
            assert_eq!(as_bash_reads(quoted), word);
        }
    }
}
