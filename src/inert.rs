//! Strings from outside, made harmless before they reach a terminal or a page.
//!
//! An API's error message, a service's answer or a runbook's title can carry escape sequences that move a
//! cursor, hide text or reverse its direction. Nothing of that kind is ever shown as it is.

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

/// Whether a character would steer a terminal or turn the direction of a line instead of showing something.
pub fn is_active(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            // Direction marks, embeddings, overrides and isolates; invisible separators; the tag block.
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_a_line_survives() {
        assert_eq!(inert("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(inert("ok\u{202e}ko"), "ok\\u{202e}ko");
        assert_eq!(inert("two\nlines"), "two\\u{a}lines");
        assert_eq!(inert("ordinary → text, in any script: Ω"), "ordinary → text, in any script: Ω");
    }
}
