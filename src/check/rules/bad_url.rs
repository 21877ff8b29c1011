//! A probe has an address that can be asked.
//!
//! A name and password in it are refused, but where they are a secret's: the address is shown in plans and written
//! into journals.

use reqwest::Url;

use super::{Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Path;
use crate::runbook::model::{FlowStep, Look};

pub(super) const RULE: Rule = Rule { code: "bad-url", title: "a probe has an address that can be asked", find };

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, probe) in &subject.draft.probes {
        let Some(look) = probe.read().map(|probe| &probe.look) else { continue };
        let path = Path::probe(name).key(look.key());
        if !subject.is_resolved(&path) {
            continue;
        }
        let (judged, such_as) = match look {
            Look::Websocket { url, .. } => (url_of(url, &["ws", "wss"]), "wss://api.example.com/ws"),
            Look::Tls { address, .. } | Look::Tcp { address, .. } => (address_of(address), "api.example.com:443"),
            Look::Postgres { url, .. } => {
                let shown = url.to_string();
                (scheme_of(&shown, &["postgres", "postgresql"]), "postgres://probe:${inputs.password}@10.20.0.3/app")
            }
            Look::Redis { url, .. } => {
                (scheme_of(&url.to_string(), &["redis", "rediss"]), "redis://:${inputs.password}@10.20.0.4:6379")
            }
            Look::Http { url, .. } | Look::Load { url, .. } => {
                (url_of(url, &["http", "https"]), "https://api.example.com/health")
            }
            Look::Flow { steps } => (steps.iter().try_for_each(request), "https://api.example.com/login"),
            Look::Logs { .. } | Look::Metric { .. } | Look::Resource { .. } => continue,
        };
        let Err(fault) = judged else { continue };
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&path), fault);
        found.push(diagnostic.help(format!("write it such as {} = \"{such_as}\"", look.key())));
    }
    found
}

/// What a flow captured may stand in its URLs: then they are none yet.
fn request(step: &FlowStep) -> Result<(), String> {
    let captured = |url: &String| url.contains("${flow.");
    let judged = match &step.look {
        Look::Http { url, .. } if !captured(url) => url_of(url.as_str(), &["http", "https"]),
        Look::Websocket { url, .. } if !captured(url) => url_of(url.as_str(), &["ws", "wss"]),
        _ => Ok(()),
    };
    judged.map_err(|fault| format!("`{}`: {fault}", step.name))
}

fn url_of(text: &str, schemes: &[&str]) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!(
            "`{}` is not {}",
            url.scheme(),
            crate::runbook::spelling::list(schemes.iter().copied(), "or")
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a name or password in a URL would be shown in plans and journals".to_owned());
    }
    // The parser forgives what people do not mean: it strips spaces and adds slashes.
    no_spaces(text)
}

/// A URL that may hold a password, if that is a secret: then it stands as its reference, and is no URL to parse.
fn scheme_of(shown: &str, schemes: &[&str]) -> Result<(), String> {
    // The whole may be one secret.
    if shown.starts_with("${") {
        return Ok(());
    }
    let scheme = shown.split("://").next().filter(|scheme| scheme.len() < shown.len());
    if !scheme.is_some_and(|scheme| schemes.contains(&scheme)) {
        return Err(format!("`{shown}` does not begin with `{}://`", schemes.first().unwrap_or(&"")));
    }
    let userinfo = shown.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(userinfo, _)| userinfo);
    if let Some((_, password)) = userinfo.and_then(|userinfo| userinfo.split_once(':'))
        && !password.is_empty()
        && !password.starts_with("${")
    {
        return Err("a password in the file would be shown in plans and journals; make it a secret input".to_owned());
    }
    no_spaces(shown)
}

fn address_of(text: &str) -> Result<(), String> {
    let port =
        text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none_or(|port| port == 0) || text.contains('/') {
        return Err(format!("`{text}` is not a host and a port"));
    }
    no_spaces(text)
}

fn no_spaces(text: &str) -> Result<(), String> {
    if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(format!("`{text}` has a space or control character in it"));
    }
    Ok(())
}
