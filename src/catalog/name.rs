//! The names of resources: patterns, what matches them, and the URLs that are made of them.
//!
//! A name is written by a runbook or printed by Google; it ends in the path of a request that carries a token. Every variable part
//! is percent-encoded in a URL, so that no name chooses another path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the names of a type look like: `projects/*/locations/*/instances/*`. `*` is one segment, `**` at the end is one or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern(pub(super) &'static str);

/// What a segment of a pattern is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(&'static str),
    Variable,
    /// One or more segments.
    Tail,
}

impl Pattern {
    pub(super) fn parts(self) -> impl Iterator<Item = Part> {
        self.0.split('/').map(|segment| match segment {
            "*" => Part::Variable,
            "**" => Part::Tail,
            literal => Part::Literal(literal),
        })
    }

    /// How it is written.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// How many segments are fixed: of two patterns that match, the one with more says more.
    pub(super) fn literals(self) -> usize {
        self.parts().filter(|part| matches!(part, Part::Literal(_))).count()
    }

    /// What each variable is called: the collection before it, such as `projects`.
    pub fn variables(self) -> Vec<&'static str> {
        let mut found = Vec::new();
        let mut before = "";
        for part in self.parts() {
            match part {
                Part::Literal(literal) => before = literal,
                Part::Variable | Part::Tail => {
                    found.push(before);
                    before = "";
                }
            }
        }
        found
    }

    pub(super) fn ends_with_tail(self) -> bool {
        self.0.ends_with("**")
    }

    /// The values of the variables in a name, if the name is of this pattern. No value is empty.
    pub(super) fn values(self, name: &str) -> Option<Vec<String>> {
        let mut rest = Some(name);
        let mut values = Vec::new();
        for part in self.parts() {
            let here = rest?;
            if part == Part::Tail {
                values.push(here.to_owned());
                rest = None;
                continue;
            }
            let (segment, after) = match here.split_once('/') {
                Some((segment, after)) => (segment, Some(after)),
                None => (here, None),
            };
            match part {
                Part::Literal(literal) if literal != segment => return None,
                Part::Literal(_) | Part::Tail => {}
                Part::Variable => values.push(segment.to_owned()),
            }
            rest = after;
        }
        (rest.is_none() && values.iter().all(|value| !value.is_empty())).then_some(values)
    }

    /// The name that has these values, as people write it.
    pub(super) fn fill(self, values: &[String]) -> String {
        self.write(values, |value, _| value.to_owned()).join("/")
    }

    /// The segments of a URL. A tail keeps its slashes, one variable does not.
    pub(super) fn segments(self, values: &[String]) -> Vec<String> {
        self.write(values, |value, part| match part {
            Part::Tail => value.split('/').map(segment).collect::<Vec<_>>().join("/"),
            Part::Variable | Part::Literal(_) => segment(value),
        })
    }

    fn write(self, values: &[String], encode: impl Fn(&str, Part) -> String) -> Vec<String> {
        let mut values = values.iter();
        let write = |part| match part {
            Part::Literal(literal) => literal.to_owned(),
            Part::Variable | Part::Tail => values.next().map(|value| encode(value, part)).unwrap_or_default(),
        };
        self.parts().map(write).collect()
    }
}

/// A name of a resource as its path: Compute Engine answers with URLs, and takes both.
pub(super) fn as_name(text: &str) -> &str {
    let hosts = ["https://www.googleapis.com/compute/", "https://compute.googleapis.com/compute/"];
    let path = hosts.iter().find_map(|host| text.strip_prefix(host)).and_then(|rest| rest.split_once('/'));
    match path {
        Some((_version, name)) if name.starts_with("projects/") => name,
        _ => text,
    }
}

/// A name as one segment of a path, whatever it is: no name chooses another path, another method or a query.
pub(crate) fn segment(name: &str) -> String {
    // A segment of dots means the folder above, also when its dots are encoded (URL Standard, "double-dot URL path segment"). No
    // resource is called so: what is asked for then does not exist.
    if name == "." || name == ".." {
        return name.replace('.', "%252E");
    }
    utf8_percent_encode(name, RESERVED).to_string()
}

/// Where short names are: a runbook's `[target]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'t> {
    /// What stands behind `projects/`.
    pub project: &'t str,
    /// What stands behind `locations/` or `regions/`.
    pub region: Option<&'t str>,
    /// What stands behind `zones/`.
    pub zone: Option<&'t str>,
}

impl Scope<'_> {
    /// The value of a variable that a short name leaves out, by the collection before it.
    pub(super) fn value(&self, collection: &str) -> Option<&str> {
        match collection {
            "projects" => Some(self.project),
            "locations" | "regions" => self.region,
            "zones" => self.zone,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_matched_segment_by_segment() {
        let pattern = Pattern("projects/*/locations/*/instances/*");
        assert_eq!(pattern.values("projects/p/locations/l/instances/i").unwrap(), ["p", "l", "i"]);
        assert_eq!(pattern.variables(), ["projects", "locations", "instances"]);
        for other in [
            "projects/p/locations/l/instances",
            "projects/p/locations/l/instances/i/x",
            "projects//locations/l/instances/i",
            "",
        ] {
            assert_eq!(pattern.values(other), None, "{other}");
        }
        assert_eq!(Pattern("projects/*/repos/**").values("projects/p/repos/a/b").unwrap(), ["p", "a/b"]);
        assert_eq!(Pattern("projects/*/repos/**").values("projects/p/repos/"), None);
    }

    proptest! {
        #[test]
        fn a_value_is_one_segment_whatever_it_is(project in ".{1,12}", sign in "[./?#:%@\\\\]{1,4}") {
            let values = [project, sign];
            let path = Pattern("projects/*/instances/*").segments(&values).join("/");
            prop_assert_eq!(path.split('/').count(), 4);
            prop_assert!(!path.contains(['?', '#', '@', '\\', ':']), "{}", path);
            prop_assert!(!path.split('/').any(|part| part == ".." || part == "."));
        }

        #[test]
        fn a_name_is_filled_as_it_was_matched(a in "[^/]{1,8}", b in "[^/]{1,8}(/[^/]{1,4})?") {
            let pattern = Pattern("projects/*/repos/**");
            let name = pattern.fill(&[a, b]);
            prop_assert_eq!(pattern.fill(&pattern.values(&name).unwrap()), name);
        }
    }
}
