//! Text for screen readers and logs: words in the place of symbols, no line that is drawn, and one fact a line.

/// Marks that stand before a line's words, behind its time if it has one, and the words for them.
const MARKS: [(&str, &str); 7] = [
    ("✓ ", "ok: "),
    ("✗ ", "failed: "),
    ("× ", "error: "),
    ("‖ ", ""),
    ("! ", "warning: "),
    ("? ", "question: "),
    ("○ ", "no: "),
];
/// How long a time is that stands before a mark: `03:00:12`.
const CLOCK: usize = 8;

/// The text in words. A line that begins with an arrow is a part of the one before it.
pub fn page(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match (line.trim_start().strip_prefix("→ "), lines.last_mut()) {
            (Some(after), Some(before)) if before.trim() != "" => {
                before.push_str(" to ");
                before.push_str(&words(after));
            }
            _ => lines.push(words(line)),
        }
    }
    let end = if text.ends_with('\n') { "\n" } else { "" };
    lines.join("\n") + end
}

/// One line in words.
fn words(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let (blank, rest) = line.split_at(indent);
    let (time, rest) = split_time(rest);
    let marked = MARKS.iter().find_map(|(mark, word)| Some(format!("{word}{}", rest.strip_prefix(mark)?)));
    let rest = marked.unwrap_or_else(|| rest.to_owned());
    let rest = rest.strip_prefix("→ ").map_or(rest.clone(), |after| format!("to {after}"));
    let rest = rest.replace("… ", " ").replace(" → ", " to ").replace(" · ", ", ").replace(" ›", ":").replace('─', "");
    format!("{blank}{time}{}", rest.trim())
}

/// A time with the blanks behind it, and what comes after; nothing and everything if there is no time.
fn split_time(text: &str) -> (&str, &str) {
    let is_time = text.len() > CLOCK
        && text.bytes().take(CLOCK).enumerate().all(|(place, byte)| match place {
            2 | 5 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    if !is_time {
        return ("", text);
    }
    let blanks = text.bytes().skip(CLOCK).take_while(|byte| *byte == b' ').count();
    text.split_at(CLOCK + blanks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_words_and_a_change_is_one_line() {
        for (line, said) in [
            ("      03:04:14  ✓ applied in 4m 3s", "      03:04:14  ok: applied in 4m 3s"),
            ("      ! cannot be undone: it stays", "      warning: cannot be undone: it stays"),
            ("03:00:00 ‖ paused: why", "03:00:00 paused: why"),
            ("  ──── point of no return: what ────", "  point of no return: what"),
            ("  image  a/b@sha256:… 117 → 118", "  image  a/b@sha256: 117 to 118"),
            ("  revision  → r2", "  revision  to r2"),
            ("? Begin? Type yes or no ›", "question: Begin? Type yes or no:"),
            ("targets    a 50 %\n         → b 100 %\nnext\n", "targets    a 50 % to b 100 %\nnext\n"),
            ("what! is this? a", "what! is this? a"),
            ("12345678ü", "12345678ü"),
            ("12:34:56", "12:34:56"),
        ] {
            assert_eq!(page(line), said);
        }
    }
}
