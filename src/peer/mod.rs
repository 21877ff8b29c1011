//! What is sent to *peers*, the hosts that a runbook names: what a plan lists, what `[limits] hosts` bounds, and what
//! planning leaves out. Google's APIs are asked by clients of their own and are no peers.
//!
//! How a request is written in a runbook is here too ([`HttpRequest`], [`DatabaseServer`]), and the connections by which one is sent:
//! what probes ask and what steps send goes through the same dialer, and is bounded by it.

pub(crate) mod address;
mod connection;
mod database;
mod hosts;
mod http;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use reqwest::Url;
use serde::{Deserialize, Serialize};

pub(crate) use self::address::{HTTP, check_url};
pub(crate) use self::connection::http_client::{self, IdleConnections, Request, add};
pub(crate) use self::connection::postgres;
pub(crate) use self::connection::{
    Bounded, Dialer, NoAnswer, Shown, Stream, Unreached, Witness, anybody, handshake, host_and_port, origin, url,
    witnessed,
};
pub use self::connection::{Route, ThisMachine};
pub use self::database::{DatabaseParts, DatabaseServer, DatabaseTls};
pub(crate) use self::database::{HOST, PASSWORD, POSTGRES, POSTGRES_SCHEMES, TLS};
pub use self::hosts::{HostPattern, Hosts, NotHost};
pub(crate) use self::http::{BODY, FORM, HEADERS, JSON, QUERY};
pub use self::http::{Body, HttpRequest};
use crate::syntax::value::{SecretText, friendly};

/// A request to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRequest {
    /// The host, in lower case; `None`: a secret or an earlier answer says it, so that only a run knows it.
    pub host: Option<String>,
    /// An HTTP method, or the protocol: `GET`, `TLS`, `PostgreSQL`.
    pub method: String,
    /// The secret inputs that are sent with it, by name.
    pub secrets: BTreeSet<String>,
    /// Those of them that have no value.
    pub absent: BTreeSet<String>,
    /// Whether it sends what an earlier request of its flow captured.
    pub captured: bool,
    /// What it does to the peer.
    pub effect: Effect,
}

/// What a request does to its peer, as far as the protocol says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Effect {
    /// It asks: sent twice, it does what it does when sent once.
    Reads,
    /// It may change something, by its method or its body.
    Writes,
    /// It is sent again and again by many clients.
    Loads {
        /// How many there are.
        clients: u32,
        /// For how long.
        #[serde(with = "duration")]
        hold: Duration,
    },
    /// It is a conversation over a WebSocket.
    Converses,
    /// It logs in to a database.
    LogsIn,
}

impl PeerRequest {
    /// A request without secrets in it.
    pub(crate) fn to(host: Option<String>, method: impl Into<String>, effect: Effect) -> PeerRequest {
        let (secrets, absent) = (BTreeSet::new(), BTreeSet::new());
        PeerRequest { host, method: method.into(), secrets, absent, captured: false, effect }
    }

    /// With these texts in it.
    pub(crate) fn sends<'p>(mut self, url: &str, texts: impl IntoIterator<Item = &'p SecretText>) -> PeerRequest {
        self.captured |= is_captured(url);
        for text in texts {
            self.secrets.extend(text.secrets().map(str::to_owned));
            self.absent.extend(text.absent().map(str::to_owned));
            self.captured |= is_captured(&text.to_string());
        }
        self
    }

    /// Why it is not sent while planning; `None` if it may be.
    pub fn objection(&self) -> Option<String> {
        let effect = match &self.effect {
            Effect::Reads => None,
            Effect::Writes if is_idempotent(&self.method) => Some("it sends a body".to_owned()),
            Effect::Writes => Some(format!("it sends a {}", self.method)),
            Effect::Loads { clients, hold } => {
                Some(format!("it is a load of {clients} clients for {}", friendly(*hold)))
            }
            Effect::Converses => Some("it converses over a WebSocket".to_owned()),
            Effect::LogsIn => Some(format!("it logs in to {}", self.method)),
        };
        let secret = || Some(format!("it sends the secret `{}`", self.secrets.first()?));
        let captured = || self.captured.then(|| "it sends what an earlier answer gave".to_owned());
        effect.or_else(secret).or_else(captured)
    }
}

/// To whom, as people write it.
impl fmt::Display for PeerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("a host that only the run knows");
        write!(f, "{} {host}", self.method)
    }
}

/// Whether a method only asks (RFC 9110, section 9.2.1). Methods are spelt with capitals; `get` is another one.
pub(crate) fn is_idempotent(method: &str) -> bool {
    ["GET", "HEAD"].contains(&method)
}

/// Whether a captured value is put into a text before it is sent.
fn is_captured(text: &str) -> bool {
    text.contains("${flow.")
}

/// The host of a URL; `None` if only a run knows it.
pub(crate) fn host_of_url(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    if authority.contains("${") {
        return None;
    }
    Some(plain(Url::parse(url).ok()?.host_str()?))
}

/// The host of a `host:port`.
pub(crate) fn host_of_address(address: &str) -> Option<String> {
    Some(plain(address.rsplit_once(':')?.0))
}

/// The host of a database's URL, in which a reference stands for the password, or for all of it.
pub(crate) fn host_of_database(shown: &str) -> Option<String> {
    let (_, rest) = shown.split_once("://")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let authority = place.split(['/', '?']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty() && !host.contains(['$', '%', ','])).then(|| plain(host))
}

/// A host as others spell it too: without brackets, a final point or capitals.
pub fn plain(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_from_every_sort_of_address() {
        for (host, expected) in [
            (host_of_url("https://API.example.com:8443/x?y"), Some("api.example.com")),
            (host_of_url("https://api.example.com./"), Some("api.example.com")),
            (host_of_url("http://[::1]:80/"), Some("::1")),
            (host_of_url("http://2852039166/"), Some("169.254.169.254")),
            (host_of_url("http://good.example\\@evil.example/"), Some("good.example")),
            (host_of_url("http://${flow.t}/x"), None),
            (host_of_url("http://a.example/${flow.t}"), Some("a.example")),
            (host_of_address("db.example:5432"), Some("db.example")),
            (host_of_address("[::1]:5432"), Some("::1")),
            (host_of_database("postgres://u:${inputs.password}@10.20.0.3/app"), Some("10.20.0.3")),
            (host_of_database("postgres://u:${inputs.password}@10.20.0.3:5432/app?a=b"), Some("10.20.0.3")),
            (host_of_database("rediss://:${inputs.p}@[::1]:6379"), Some("::1")),
            (host_of_database("postgres://${inputs.host}/app"), None),
            (host_of_database("postgres:///app?host=evil.example"), None),
            (host_of_database("${inputs.url}"), None),
        ] {
            assert_eq!(host.as_deref(), expected);
        }
    }
}
