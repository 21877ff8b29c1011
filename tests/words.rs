//! What people read is in the words of the field. A phrase of this project's own cannot be searched for, and nobody says it aloud at
//! three in the morning.

use std::fs;
use std::path::Path;

use crate::architecture::sources;

/// What is said no more, and what is said in its place.
const REPLACED: &[(&str, &str)] = &[
    ("a person must", "an operator must"),
    ("as it should be", "as expected"),
    ("by way of", "through"),
    ("garbled", "malformed"),
    ("given up", "abandoned"),
    ("in force", "applied"),
    ("is not well", "is unhealthy"),
    ("looked at", "observed"),
    ("looks at", "observes"),
    ("makes no sense", "is malformed"),
    ("no way to ask", "has no validateOnly"),
    ("nobody was told", "notification failed"),
    ("one-way", "irreversible"),
    ("passed over", "continued past the failure"),
    ("patient", "service"),
    ("proven", "passed"),
    ("proving", "gate"),
    ("says little", "cannot show that the step worked"),
    ("untold", "unknown"),
    ("way back", "rollback path"),
    ("worked out", "computed"),
    ("would take this", "validated by the API"),
];

/// Files in which a phrase means something else, and what.
const MEANT: &[(&str, &str, &str)] = &[("src/journal/lock.rs", "given up", "a lock is given up by its holder")];

#[test]
fn people_are_told_in_the_fields_words() {
    let mut wrong = Vec::new();
    for file in sources(Path::new("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let shown = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in shown.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for literal in literals(line) {
                for (phrase, instead) in REPLACED.iter().filter(|(phrase, _)| has_words(literal, phrase)) {
                    let name = file.display().to_string();
                    if !MEANT.iter().any(|(place, meant, _)| name.starts_with(place) && meant == phrase) {
                        wrong.push(format!("{name}:{}: \"{phrase}\" → \"{instead}\" in {literal:?}", number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The texts between quotes on a line, without escapes.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

/// Whether a text has these words, whole.
fn has_words(text: &str, words: &str) -> bool {
    let lower = text.to_lowercase();
    lower.match_indices(words).any(|(at, _)| {
        let before = lower[..at].chars().next_back();
        let after = lower[at + words.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

#[test]
fn whole_words_are_found_and_parts_of_them_are_not() {
    assert!(has_words("It makes no sense.", "makes no sense") && !has_words("patiently", "patient"));
    assert_eq!(literals(r#"say("a", "b c")"#).collect::<Vec<_>>(), ["a", "b c"]);
}
