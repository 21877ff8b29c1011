//! The paths and resource names of Google's APIs, built segment by segment.
//!
//! A project, a service or an instance is named by a runbook, an operator or an API, and its name stands in the path of a
//! request that carries a token. Here it is percent-encoded, so that it is always one segment: no name chooses another path,
//! another method or a query. For names that Google accepts nothing changes.

use std::fmt;

use super::api_error::ApiError;
use crate::catalog::segment;

/// A path, or a resource name, which is a path without the API's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiPath(String);

impl ApiPath {
    /// The path of an API's version, such as `/v1`.
    pub(super) fn version(version: &'static str) -> ApiPath {
        ApiPath(version.to_owned())
    }

    /// The name of a project's resources, such as `projects/p`.
    pub(super) fn project(project: &str) -> ApiPath {
        ApiPath(format!("projects/{}", segment(project)))
    }

    /// The name of what a project has in a location.
    pub(super) fn location(project: &str, location: &str) -> ApiPath {
        ApiPath::project(project).of("locations", location)
    }

    /// The name of an operation, as an answer or a journal has it: `projects/P/locations/L/operations/O`. `None` if it is none.
    pub(super) fn operation(name: &str) -> Option<ApiPath> {
        let mut parts = name.split('/');
        let mut next = |collection: &str| parts.next().filter(|part| *part == collection).and_then(|_| parts.next());
        let (project, location, operation) = (next("projects")?, next("locations")?, next("operations")?);
        let is_whole = parts.next().is_none() && ![project, location, operation].contains(&"");
        is_whole.then(|| ApiPath::location(project, location).of("operations", operation))
    }

    /// The same name below a path.
    pub(super) fn name(self, name: &ApiPath) -> ApiPath {
        ApiPath(format!("{}/{}", self.0, name.0))
    }

    /// One of a collection.
    pub(super) fn of(self, collection: &'static str, name: &str) -> ApiPath {
        ApiPath(format!("{}/{collection}/{}", self.0, segment(name)))
    }

    /// A part of it that has no name of its own.
    pub(super) fn at(self, part: &'static str) -> ApiPath {
        ApiPath(format!("{}/{part}", self.0))
    }

    /// A method of its own, such as `testIamPermissions`.
    pub(super) fn method(self, method: &'static str) -> ApiPath {
        ApiPath(format!("{}:{method}", self.0))
    }

    /// Whether an answer that names itself so is about what has this name. Its project may be named by its number.
    pub(super) fn check_answer(&self, named: &str) -> Result<(), ApiError> {
        let below = |name: &str| name.split_once("/locations/").map(|(_, below)| below.to_owned());
        match (below(named), below(&self.0)) {
            (Some(named), Some(asked)) if named == asked => Ok(()),
            _ => Err(ApiError::Malformed(format!("it is about {named:?}, not about {self}"))),
        }
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(project: &str, name: &str) -> String {
        ApiPath::version("/v1").name(&ApiPath::project(project)).of("instances", name).method("restart").to_string()
    }

    #[test]
    fn names_that_google_accepts_stay_as_they_are() {
        assert_eq!(path("netra-staging", "db_1.x"), "/v1/projects/netra-staging/instances/db_1.x:restart");
        assert_eq!(ApiPath::location("p", "us-central1").as_str(), "projects/p/locations/us-central1");
    }

    #[test]
    fn an_answer_about_something_else_is_none() {
        let asked = ApiPath::location("p", "r").of("services", "s");
        for named in ["projects/p/locations/r/services/s", "projects/123/locations/r/services/s"] {
            assert!(asked.check_answer(named).is_ok(), "{named}");
        }
        for named in ["", "s", "projects/p/locations/r/services/t", "projects/p/locations/r/services/s/revisions/1"] {
            assert!(matches!(asked.check_answer(named), Err(ApiError::Malformed(_))), "{named}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_segment_whatever_it_is(project in any::<String>(), name in any::<String>(), sign in "[./?#:%@\\\\]{0,4}") {
            for (project, name) in [(project.clone(), format!("{sign}{name}")), (format!("{sign}{project}"), sign.clone())] {
                let url = reqwest::Url::parse("https://monitoring.googleapis.com").unwrap().join(&path(&project, &name)).unwrap();
                let segments: Vec<&str> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 5, "{}", url);
                prop_assert_eq!([segments[0], segments[1], segments[3]], ["v1", "projects", "instances"]);
                prop_assert!(segments[4].ends_with(":restart") && segments[4].matches(':').count() == 1);
                prop_assert!(url.query().is_none() && url.fragment().is_none());
                prop_assert_eq!(url.host_str(), Some("monitoring.googleapis.com"));
            }
        }
    }
}
