//! How a runbook says which database is reached: by the URL of a connection, or by its parts.
//!
//! TLS is required unless the runbook says that there is none: a server that declines is sent nothing. Who answers is not
//! verified, because Cloud SQL's certificates are signed by an authority of the instance's own. A connection is built from
//! its parts, so that no character of a password can make another host of it.

use super::address::check_url_with_secret;
use super::{Effect, PeerRequest, host_of_database, plain};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType, words};
use crate::syntax::value::SecretText;

/// How a database is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseServer {
    /// By a URL, whose values are percent-encoded.
    Url(SecretText),
    /// By its parts, of which none can end another.
    Parts(Box<DatabaseParts>),
}

/// The parts of a connection to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseParts {
    /// Its host's name or address.
    pub host: String,
    /// `None`: the usual one.
    pub port: Option<u16>,
    /// Who logs in.
    pub user: Option<SecretText>,
    /// The password.
    pub password: Option<SecretText>,
    /// PostgreSQL: its name; Redis: its number.
    pub database: Option<String>,
    /// Whether it must be encrypted.
    pub tls: DatabaseTls,
}

/// Whether a connection to a database must be encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseTls {
    /// It must: to a server that declines, nothing is sent.
    #[default]
    Require,
    /// It is not.
    Off,
}

const TLS_WORDS: [(&str, DatabaseTls); 2] = [("require", DatabaseTls::Require), ("off", DatabaseTls::Off)];

/// The host.
pub(crate) const HOST: Key =
    Key::new("host", ValueType::Text, "The host's name or address.").required().example("\"10.20.0.3\"");
/// The password.
pub(crate) const PASSWORD: Key =
    Key::new("password", ValueType::SecretText, "The password, which is a secret; any characters may be in it.")
        .example("\"${inputs.password}\"");
/// Whether the connection is encrypted.
pub(crate) const TLS: Key = Key::new(
    "tls",
    ValueType::Choice(&words(&TLS_WORDS)),
    "Whether the connection must be encrypted. Who answers is not verified.",
)
.default("require: without TLS nothing is sent");

/// The parts of a connection to PostgreSQL.
pub(crate) const POSTGRES: Table = Table {
    about: "How PostgreSQL is reached.",
    keys: &[
        HOST,
        Key::new("port", ValueType::Integer, "The port.").default("5432"),
        Key::new("user", ValueType::SecretText, "Who logs in; may be a secret.").required().example("\"probe\""),
        PASSWORD,
        Key::new("database", ValueType::Text, "The database.").example("\"app\"").default("as the user is called"),
        TLS,
    ],
};

/// The schemes of its URLs.
pub(crate) const POSTGRES_SCHEMES: &[&str] = &["postgres", "postgresql"];

impl DatabaseServer {
    /// Reads a PostgreSQL server from the URL or the table at `key`.
    pub(crate) fn postgres(block: &Block<'_, '_>, key: &'static str) -> Option<DatabaseServer> {
        DatabaseServer::read(block, key, |parts| parts.text("database"))
    }

    /// Reads a server from the URL or the table at `key`; of a table, its database by `read_database`.
    pub(crate) fn read(
        block: &Block<'_, '_>,
        key: &'static str,
        read_database: impl FnOnce(&Block<'_, '_>) -> Option<String>,
    ) -> Option<DatabaseServer> {
        if !block.is_table(key) {
            return block.database_url(key).map(DatabaseServer::Url);
        }
        let parts = block.block(key)?;
        let (host, user, password) = (parts.text("host"), parts.secret_text("user"), parts.secret_text("password"));
        let port = parts.count("port", 1).map(|port| {
            let message = |_| parts.wrong("port", format!("{port} is no port"), "a port is at most 65535");
            u16::try_from(port).map_err(message)
        });
        let database = read_database(&parts);
        let tls = parts.choice("tls", &TLS_WORDS).unwrap_or_default();
        parts.finish();
        let port = port.and_then(Result::ok);
        Some(DatabaseServer::Parts(Box::new(DatabaseParts { host: host?, port, user, password, database, tls })))
    }

    /// Whether it can be asked by a URL of one of these schemes, or by its parts.
    pub(crate) fn check(&self, schemes: &[&str]) -> Result<(), String> {
        let parts = match self {
            DatabaseServer::Url(url) => return check_url_with_secret(&url.to_string(), schemes),
            DatabaseServer::Parts(parts) => parts,
        };
        let is_wrong = |letter: char| letter.is_whitespace() || letter.is_control() || "/@?#".contains(letter);
        if parts.host.is_empty() || parts.host.contains(is_wrong) {
            return Err(format!("`{}` is not a host", parts.host));
        }
        let written = parts.password.as_ref().map(ToString::to_string);
        if written.is_some_and(|password| !password.is_empty() && !password.contains("${")) {
            return Err("a password in the file would be shown to all who read it; make it a secret input".to_owned());
        }
        Ok(())
    }

    /// The log-in that it is sent.
    pub(crate) fn log_in(&self, protocol: &str) -> PeerRequest {
        match self {
            DatabaseServer::Url(url) => {
                let shown = url.to_string();
                PeerRequest::to(host_of_database(&shown), protocol, Effect::LogsIn).sends(&shown, [url])
            }
            DatabaseServer::Parts(parts) => {
                let texts = parts.user.iter().chain(&parts.password);
                PeerRequest::to(Some(plain(&parts.host)), protocol, Effect::LogsIn).sends("", texts)
            }
        }
    }
}
