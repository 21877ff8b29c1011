//! What is wrong with the files that a runbook includes, before the whole is read: they have probes and nothing else, and no name twice.
//!
//! An included file is as untrusted as the runbook. Its text stands behind the runbook's own, so it must not go on with what stands there:
//! before its first header it has no key.

use std::collections::BTreeMap;
use std::ops::Range;

use super::diagnostic::{Diagnostic, line_and_column};
use crate::syntax::{Document, Included, Path, Sources};

/// A file that cannot be included, or that has what cannot.
pub(super) const BAD_INCLUDE: &str = "bad-include";

/// The most files that a runbook includes.
pub const MOST_INCLUDED: usize = 16;

/// What is wrong with them; nothing if a runbook includes none.
pub(super) fn mistakes(name: &str, text: &str, sources: &Sources) -> Vec<Diagnostic> {
    let own = text.get(sources.own.clone()).unwrap_or_default();
    let wanted = Sources::wanted(own);
    if wanted.is_empty() && sources.included.is_empty() {
        return Vec::new();
    }
    let document = match Document::parse(name, own) {
        Ok(document) => document,
        Err(mistakes) => return mistakes.into_iter().map(Diagnostic::from).collect(),
    };
    let mut found = Vec::new();
    for (index, path) in wanted.iter().enumerate() {
        let place = document.place(&Path::root().key("include").index(index));
        let wrong =
            |why: &str| Diagnostic::error(BAD_INCLUDE, place.clone(), format!("{path} cannot be included: {why}"));
        match sources.included.iter().find(|file| file.path == *path) {
            _ if index >= MOST_INCLUDED => {
                found.push(wrong(&format!("a runbook includes at most {MOST_INCLUDED} files")));
            }
            None => found.push(wrong("only a runbook that is read from a file includes others")),
            Some(Included { failure: Some(why), .. }) => found.push(wrong(why)),
            Some(_) if wanted.iter().take(index).any(|before| before == path) => {
                found.push(wrong("it is included twice"));
            }
            Some(_) => {}
        }
    }
    for file in sources.included.iter().filter(|file| !wanted.contains(&file.path)) {
        let why = file.failure.as_deref().unwrap_or("nothing includes it");
        found.push(Diagnostic::error(BAD_INCLUDE, file.at.start..file.at.start, format!("this cannot be read: {why}")));
    }
    let mut probes: BTreeMap<String, Vec<(String, Range<usize>)>> = BTreeMap::new();
    let mut declare = |file: &str, document: &Document, start: usize| {
        for probe in document.keys_of(&Path::root().key("probes")) {
            let at = document.key_span(&Path::probe(&probe)).unwrap_or_default();
            let (line, _) = line_and_column(document.text(), at.start);
            probes.entry(probe).or_default().push((format!("{file}:{line}"), start + at.start..start + at.end));
        }
    };
    declare(name, &document, 0);
    for file in sources.included.iter().filter(|file| file.failure.is_none() && wanted.contains(&file.path)) {
        let part = text.get(file.at.clone()).unwrap_or_default();
        let called = Sources::name_of(name, file);
        let moved = |at: Range<usize>| file.at.start + at.start..file.at.start + at.end;
        match Document::parse(&*called, part) {
            Err(mistakes) => found.extend(mistakes.into_iter().map(|mistake| {
                let at = moved(mistake.at.clone());
                let diagnostic = Diagnostic::from(mistake);
                Diagnostic { labels: Diagnostic::error("", at, "").labels, edits: Vec::new(), ..diagnostic }
            })),
            Ok(document) => {
                for key in document.keys_of(&Path::root()).into_iter().filter(|key| key != "probes") {
                    let at = document.key_span(&Path::root().key(&key)).unwrap_or_default();
                    let message = format!("`{key}` in an included file: only probes can be shared");
                    found.push(
                        Diagnostic::error(BAD_INCLUDE, moved(at), message)
                            .help("an included file has [probes.NAME] tables and nothing else"),
                    );
                }
                if let Some(at) = key_before_a_header(part) {
                    let message = "an included file has no key before its first [probes.NAME]";
                    found.push(
                        Diagnostic::error(BAD_INCLUDE, moved(at), message)
                            .help("write each probe as a [probes.NAME] table"),
                    );
                }
                declare(&called, &document, file.at.start);
            }
        }
    }
    for (probe, places) in probes.iter().filter(|(_, places)| places.len() > 1) {
        for (here, at) in places {
            let others: Vec<&str> =
                places.iter().map(|(place, _)| place.as_str()).filter(|place| place != here).collect();
            let message = format!("the probe `{probe}` is declared here and at {}", others.join(" and "));
            found.push(Diagnostic::error(BAD_INCLUDE, at.clone(), message).help("give one of them another name"));
        }
    }
    found
}

/// The first line that has something else than a comment, if that is not a header of one table.
fn key_before_a_header(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim().trim_start_matches('\u{feff}');
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            return (!trimmed.starts_with('[')).then_some(start..start + line.trim_end().len());
        }
        start += line.len();
    }
    None
}
