//! A probe has an address that can be asked.
//!
//! A name and password in it are refused, but where they are a secret's: the address is shown in plans and written
//! into journals.

use reqwest::Url;

use super::{Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::runbook::model::{DatabaseServer, FlowStep, Look};

pub(super) const RULE: Rule = Rule {
    code: "bad-url",
    title: "a probe has an address that can be asked",
    page: include_str!("../../../docs/checks/bad-url.md"),
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (path, look) in subject.looks() {
        let (judged, such_as) = match look {
            Look::Websocket { url, .. } => (url_of(url, &["ws", "wss"]), "wss://api.example.com/ws"),
            Look::Tls { address, .. } | Look::Tcp { address, .. } => (address_of(address), "api.example.com:443"),
            Look::Postgres { server, .. } => (
                server_of(server, &["postgres", "postgresql"]),
                "{ host = \"10.20.0.3\", user = \"probe\", password = \"${inputs.password}\" }",
            ),
            Look::Redis { server, .. } => {
                (server_of(server, &["redis", "rediss"]), "{ host = \"10.20.0.4\", password = \"${inputs.password}\" }")
            }
            Look::Http { url, .. } | Look::Load { url, .. } => {
                (url_of(url, &["http", "https"]), "https://api.example.com/health")
            }
            Look::Flow { steps } => (steps.iter().try_for_each(request), "https://api.example.com/login"),
            Look::Logs { .. } | Look::Metric { .. } | Look::Resource { .. } => continue,
        };
        let Err(fault) = judged else { continue };
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&path), fault);
        let such_as = if such_as.starts_with('{') { such_as.to_owned() } else { format!("\"{such_as}\"") };
        found.push(diagnostic.help(format!("write it such as {} = {such_as}", look.key())));
    }
    found
}

/// What a flow captured may stand in the path or query of its URLs, where it is percent-encoded. Which host is asked an
/// answer does not decide.
fn request(step: &FlowStep) -> Result<(), String> {
    let judged = match &step.look {
        Look::Http { url, .. } => captured_behind_the_host(url).and_then(|()| url_of(url, &["http", "https"])),
        Look::Websocket { url, .. } => captured_behind_the_host(url).and_then(|()| url_of(url, &["ws", "wss"])),
        _ => Ok(()),
    };
    judged.map_err(|fault| format!("`{}`: {fault}", step.name))
}

fn captured_behind_the_host(url: &str) -> Result<(), String> {
    let authority = url.find("://").map_or(url.len(), |scheme| scheme + 3);
    let rest = url.get(authority..).unwrap_or_default();
    let path = authority + rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match url.find("${flow.") {
        Some(at) if at < path => Err("a captured value cannot say which host is asked".to_owned()),
        _ => Ok(()),
    }
}

fn url_of(text: &str, schemes: &[&str]) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!(
            "`{}` is not {}",
            url.scheme(),
            crate::syntax::spelling::list(schemes.iter().copied(), "or")
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a name or password in a URL would be shown in plans and journals".to_owned());
    }
    // The parser forgives what people do not mean: it strips spaces and adds slashes.
    no_spaces(text)
}

fn server_of(server: &DatabaseServer, schemes: &[&str]) -> Result<(), String> {
    match server {
        DatabaseServer::Url(url) => scheme_of(&url.to_string(), schemes),
        DatabaseServer::Parts(parts) => {
            let is_wrong = |letter: char| letter.is_whitespace() || letter.is_control() || "/@?#".contains(letter);
            if parts.host.is_empty() || parts.host.contains(is_wrong) {
                return Err(format!("`{}` is not a host", parts.host));
            }
            let written = parts.password.as_ref().map(ToString::to_string);
            if written.is_some_and(|password| !password.is_empty() && !password.contains("${")) {
                return Err(
                    "a password in the file would be shown to all who read it; make it a secret input".to_owned()
                );
            }
            Ok(())
        }
    }
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
