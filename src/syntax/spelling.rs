//! "Did you mean …?": the known words that somebody may have wanted to write.

/// How many known words are looked at: a file of nothing but names could ask for them any number of times.
const MOST: usize = 200;

/// The words of `known` that are near enough to `word` to be worth offering, nearest first, at most three.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    // Distance is quadratic in the length, and nobody mistypes a key by hundreds of letters.
    if word.len() > 100 {
        return Vec::new();
    }
    let folded = word.to_lowercase().replace('-', "_");
    let allowed = 1 + folded.chars().count() / 4;
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .take(MOST)
        .filter(|candidate| *candidate != word)
        .filter_map(|candidate| {
            let other = candidate.to_lowercase().replace('-', "_");
            let distance = strsim::damerau_levenshtein(&folded, &other);
            // `connector` for `staging-connector`: far by letters, near by sense.
            let contained = folded.len() >= 4 && other.contains(&folded) || other.len() >= 4 && folded.contains(&other);
            (distance <= allowed || contained).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.truncate(3);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The one known word that differs from this one by a single slip of the fingers, if there is exactly one. Only of words that
/// this program chose itself: of two names that somebody else chose, both may be meant.
pub fn slip_of<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if !(4..=100).contains(&word.len()) {
        return None;
    }
    let mut near = known.into_iter().filter(|candidate| strsim::damerau_levenshtein(word, candidate) == 1);
    near.next().filter(|_| near.next().is_none())
}

/// The sentence for a help text: what was perhaps meant, or else what there is.
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Option<String> {
    let near = nearest(word, known.clone());
    if !near.is_empty() {
        return Some(format!("did you mean {}?", list(near.into_iter(), "or")));
    }
    let count = known.clone().into_iter().count();
    let mut known: Vec<&str> = known.into_iter().take(MOST).collect();
    known.sort_unstable();
    known.dedup();
    match count {
        0 => None,
        1..=12 => Some(format!("there is {}", list(known.into_iter(), "and"))),
        more => Some(format!("there are {more} to choose from, such as {}", list(known.into_iter().take(5), "and"))),
    }
}

/// `a`, `b` or `c`.
pub fn list<'k>(words: impl Iterator<Item = &'k str>, last: &str) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_forgiven() {
        assert_eq!(nearest("evry", ["healthy", "for", "every"]), ["every"]);
        assert_eq!(nearest("max-instances", ["min_instances", "max_instances"]), ["max_instances", "min_instances"]);
        assert_eq!(nearest("frontend", ["backend", "auth", "connector"]), Vec::<&str>::new());
        assert_eq!(nearest("conector", ["backend", "auth", "connector"]), ["connector"]);
    }

    #[test]
    fn without_anything_near_the_choice_is_shown() {
        assert_eq!(did_you_mean("zzzz", ["b", "a"]).as_deref(), Some("there is `a` and `b`"));
        assert_eq!(did_you_mean("zzzz", []), None);
    }
}
