//! A probe's URL can be asked for.
//!
//! A name and password in it are refused: the URL is shown in plans and written into journals.

use reqwest::Url;

use super::{Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Path;
use crate::runbook::model::Look;

pub(super) const RULE: Rule = Rule { code: "bad-url", title: "a probe has a URL that can be asked for", find };

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, probe) in &subject.draft.probes {
        let Some(Look::Http { url, .. }) = probe.read().map(|probe| &probe.look) else { continue };
        let path = Path::probe(name).key("http");
        if !subject.is_resolved(&path) {
            continue;
        }
        let Err(fault) = asked_for(url) else { continue };
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&path), fault);
        found.push(diagnostic.help("write it such as http = \"https://api.example.com/health\""));
    }
    found
}

fn asked_for(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` is not `http` or `https`", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a name or password in a URL would be shown in plans and journals".to_owned());
    }
    // The parser forgives what people do not mean: it strips spaces and adds slashes.
    if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(format!("`{text}` has a space or control character in it"));
    }
    Ok(())
}
