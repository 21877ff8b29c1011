//! A probe of a Cloud Run service asks for a path that reaches the container.
//!
//! Google's front end keeps `/eventlog`, everything under `/_ah/` and some paths that end in `z` for itself, and answers them
//! with 404 whatever the container does (source: <https://cloud.google.com/run/docs/known-issues>, reserved URL paths;
//! `/healthz` in datacommonsorg/website issue 4749). Which others of the paths in `z` is not documented.

use reqwest::Url;

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "reserved-path",
    title: "a path of Cloud Run reaches the container",
    page: include_str!("../../../docs/checks/reserved-path.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (at, spec) in subject.probes() {
        for url in spec.urls() {
            let Ok(url) = Url::parse(url) else { continue };
            if !url.host_str().is_some_and(|host| host.ends_with(".run.app")) {
                continue;
            }
            let (path, place) = (url.path(), subject.place(&at));
            let diagnostic = if path == "/healthz" || path == "/eventlog" || path.starts_with("/_ah/") {
                let message = format!("Cloud Run answers `{path}` itself, with 404: the container never sees it");
                Diagnostic::error(RULE.code, place, message)
            } else if path.ends_with('z') {
                let message =
                    format!("Cloud Run may answer `{path}` itself, with 404: it keeps some paths that end in z");
                Diagnostic::warning(RULE.code, place, message)
            } else {
                continue;
            };
            found.push(diagnostic.help("serve and ask for another path, such as /health"));
        }
    }
    found
}
