//! An HTTP probe needs an absolute URL without a password in it.

use super::{Rule, Subject, is_open};
use crate::runbook::model::Look;
use crate::runbook::{Mistake, Part};

pub(super) const RULE: Rule = Rule { code: "bad-url", title: "a probe's URL that cannot be asked for", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for (name, probe) in &subject.runbook.probes {
        let Look::Http { url, .. } = &probe.look else { continue };
        if is_open(url) {
            continue;
        }
        let why = match reqwest::Url::parse(url) {
            Err(error) => format!("`{url}` is not a URL: {error}"),
            Ok(url) if !["http", "https"].contains(&url.scheme()) => {
                format!("an `http` probe cannot ask for {}:", url.scheme())
            }
            Ok(url) if url.password().is_some() || !url.username().is_empty() => {
                "a URL must not carry a user or a password: it is shown and journaled".to_owned()
            }
            Ok(_) => continue,
        };
        let at = subject.document.span(&["probes".into(), Part::Key(name), "http".into()]);
        mistakes.push(Mistake::error(RULE.code, at, why).help("write https://HOST/PATH"));
    }
}
