//! The addresses of peers, as a runbook writes them: which can be asked, and the same address at another host.
//!
//! A name and password in an address are refused, but where they are a secret's: the address is shown in plans and written
//! into journals.

use reqwest::Url;

use crate::syntax::spelling::list;

/// The schemes of an HTTP request.
pub(crate) const HTTP: &[&str] = &["http", "https"];
/// The schemes of a WebSocket.
pub(crate) const WEBSOCKET: &[&str] = &["ws", "wss"];

/// The host of a URL, in lower case.
pub(crate) fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// The URL at another host, over TLS and at its usual port; `None` if its host is none of these.
pub(crate) fn replace_host(url: &str, hosts: &[String], other: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    if !hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
        return None;
    }
    let scheme = if url.scheme().starts_with("ws") { "wss" } else { "https" };
    url.set_host(Some(other)).ok()?;
    url.set_port(None).ok()?;
    url.set_scheme(scheme).ok()?;
    Some(url.into())
}

/// Whether this is a URL of one of these schemes that can be asked.
pub(crate) fn check_url(text: &str, schemes: &[&str]) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("`{}` is not {}", url.scheme(), list(schemes.iter().copied(), "or")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a name or password in a URL would be shown in plans and journals".to_owned());
    }
    // The parser forgives what people do not mean: it strips spaces and adds slashes.
    check_spaces(text)
}

/// Whether this is `host:port`.
pub(crate) fn check_host_and_port(text: &str) -> Result<(), String> {
    let port =
        text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none_or(|port| port == 0) || text.contains('/') {
        return Err(format!("`{text}` is not a host and a port"));
    }
    check_spaces(text)
}

/// A URL that may hold a password, if that is a secret: then it stands as its reference, and is no URL to parse.
pub(crate) fn check_url_with_secret(shown: &str, schemes: &[&str]) -> Result<(), String> {
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
    check_spaces(shown)
}

fn check_spaces(text: &str) -> Result<(), String> {
    if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(format!("`{text}` has a space or control character in it"));
    }
    Ok(())
}
