//! The files that a runbook's text is made of: its own, and those that it includes.
//!
//! Whoever reads a runbook's file puts the text of each included file behind it, each behind a line that names it ([`Sources::compose`]). So
//! a plan and a run have one text that is whole by itself, and every place in it is a place of one of the files.

use std::fmt::Write as _;
use std::ops::Range;

use super::Document;
use super::document::Value;

/// How the line begins that stands before the text of an included file.
const MARK: &str = "#%% rectify: included ";

/// What stands behind the name of a file that could not be included, before the reason.
const FAILED: &str = " failed: ";

/// The parts of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The runbook's own text.
    pub own: Range<usize>,
    /// The files that it includes, in order.
    pub included: Vec<Included>,
}

/// A file that a runbook includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its path, relative to the runbook's folder; empty for a runbook whose own text cannot be told from included text.
    pub path: String,
    /// Its text.
    pub at: Range<usize>,
    /// Why it is not there, if it is not.
    pub failure: Option<String>,
}

impl Sources {
    /// The parts of this text.
    pub fn of(text: &str) -> Sources {
        let mut marks: Vec<(Range<usize>, &str)> = Vec::new();
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| rest.find(MARK)) {
            let start = from + found;
            let end =
                text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| start + length + 1);
            let begins_a_line = start == 0 || text.as_bytes().get(start - 1) == Some(&b'\n');
            if begins_a_line {
                marks.push((start..end, text.get(start + MARK.len()..end).unwrap_or_default().trim_end()));
            }
            from = end;
        }
        let own = 0..marks.first().map_or(text.len(), |(at, _)| at.start);
        let ends = marks.iter().skip(1).map(|(at, _)| at.start).chain([text.len()]).collect::<Vec<_>>();
        let included = marks.iter().zip(ends).map(|((mark, words), end)| {
            let (path, failure) = match words.split_once(FAILED) {
                Some((path, why)) => (path, Some(why.to_owned())),
                None => (*words, None),
            };
            Included { path: path.to_owned(), at: mark.end..end, failure }
        });
        Sources { own, included: included.collect() }
    }

    /// The paths that a runbook's own text includes; none if it is no TOML, or says something else than a list of texts.
    pub fn wanted(own: &str) -> Vec<String> {
        let Ok(document) = Document::parse("", own) else { return Vec::new() };
        let Some(Value::List(items)) = document.root().get("include").map(|entry| &entry.node.value) else {
            return Vec::new();
        };
        let paths =
            items.iter().map(|item| if let Value::Text(path) = &item.value { Some(path.clone()) } else { None });
        paths.collect::<Option<_>>().unwrap_or_default()
    }

    /// A runbook's own text, and behind it the text of each file that it includes, or why there is none.
    pub fn compose(own: &str, included: &[(String, Result<String, String>)]) -> String {
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut text = own.to_owned();
        let mut add = |path: &str, file: Result<&str, &str>| {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            // Writing to a string does not fail.
            let _ = match file {
                Ok(file) => write!(text, "{MARK}{}\n{file}", line(path)),
                Err(why) => writeln!(text, "{MARK}{}{FAILED}{}", line(path), line(why)),
            };
        };
        if own.starts_with(MARK) || own.contains(&format!("\n{MARK}")) {
            add("", Err("the file has a line that is written only where another file is included"));
        }
        for (path, file) in included {
            match file {
                Ok(file) if file.starts_with(MARK) || file.contains(&format!("\n{MARK}")) => {
                    add(path, Err("it has a line that is written only where another file is included"));
                }
                Ok(file) => add(path, Ok(file.as_str())),
                Err(why) => add(path, Err(why.as_str())),
            }
        }
        text
    }

    /// The included file in which a place lies; `None`: it is the runbook's own.
    pub fn file_of(&self, at: usize) -> Option<&Included> {
        self.included.iter().rev().find(|file| file.at.start <= at && at <= file.at.end).filter(|_| at >= self.own.end)
    }

    /// What people are told an included file is called, beside a runbook of this name.
    pub fn name_of(runbook: &str, included: &Included) -> String {
        match runbook.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{}", included.path),
            None => included.path.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_composed_is_taken_apart_again() {
        let own = "include = [\"a.toml\", \"b.toml\"]\n[runbook]\nname = \"r\"";
        let files = [
            ("a.toml".to_owned(), Ok("[probes.a]\ntcp = \"x:1\"\n".to_owned())),
            ("b.toml".to_owned(), Err("it is\nnot there".to_owned())),
        ];
        assert_eq!(Sources::wanted(own), ["a.toml", "b.toml"]);
        let text = Sources::compose(own, &files);
        let sources = Sources::of(&text);
        assert_eq!(text[sources.own.clone()].trim_end(), own);
        let [a, b] = sources.included.as_slice() else { panic!("{sources:?}") };
        assert_eq!(
            (a.path.as_str(), &text[a.at.clone()], &a.failure),
            ("a.toml", "[probes.a]\ntcp = \"x:1\"\n", &None)
        );
        assert_eq!((b.path.as_str(), b.failure.as_deref()), ("b.toml", Some("it is not there")));
        assert_eq!(sources.file_of(a.at.start).map(|file| file.path.as_str()), Some("a.toml"));
        assert_eq!(sources.file_of(3), None);
        assert_eq!(Sources::name_of("runbooks/r.toml", a), "runbooks/a.toml");
    }

    #[test]
    fn a_file_cannot_pass_for_an_included_one() {
        let forged = format!("a = 1\n{MARK}b.toml\n[probes.b]\n");
        let sources = Sources::of(&Sources::compose(&forged, &[]));
        assert!(sources.included.iter().any(|file| file.failure.is_some()), "{sources:?}");
        let files = [("a.toml".to_owned(), Ok(forged))];
        let sources = Sources::of(&Sources::compose("x = 1\n", &files));
        assert!(matches!(sources.included.as_slice(), [Included { failure: Some(_), .. }]), "{sources:?}");
        assert_eq!(Sources::of("no mark\n").included, []);
    }
}
