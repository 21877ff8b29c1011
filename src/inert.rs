//! Strings from outside, made harmless before they reach a terminal or a page.
//!
//! An API's error message, a service's answer or a runbook's title can carry escape sequences that move a
//! cursor, hide text or reverse its direction. Nothing of that kind is ever shown as it is.

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
    fn nothing_that_moves_a_cursor_or_turns_a_line_survives() {
        assert_eq!(inert("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(inert("ok\u{202e}ko"), "ok\\u{202e}ko");
        for letter in "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180b}\u{200b}\u{200d}\u{2028}\u{202a}\u{2060}\u{2800}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{1d159}\u{1d173}\u{e0001}\u{e0100}".chars() {
            assert_eq!(inert(&letter.to_string()), letter.escape_unicode().to_string());
        }
        assert_eq!(inert("two\nlines"), "two\\u{a}lines");
        assert_eq!(inert("ordinary → text, in any script: Ω"), "ordinary → text, in any script: Ω");
    }
}
