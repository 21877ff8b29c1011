//! Connections to PostgreSQL: how they are opened, and what it says when something is refused.

use std::str::FromStr as _;
use std::sync::Arc;

use futures::future::{BoxFuture, Either, FutureExt as _, select};
use futures::pin_mut;
use secrecy::ExposeSecret as _;
use tokio_postgres::Client;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::anybody::anybody;
use super::bounded::Bounded;
use super::dial::{Dialer, Unreached};
use super::http_client::explain;
use crate::clock::Clock;
use crate::peer::{DatabaseServer, DatabaseTls};

const DEFAULT_PORT: u16 = 5432;

/// A server that can be connected to.
pub(crate) struct Server {
    config: tokio_postgres::Config,
    /// Its host.
    pub(crate) host: String,
    port: u16,
}

/// A connection that is logged in.
pub(crate) struct Connection {
    /// What asks on it.
    pub(crate) client: Client,
    /// What moves the bytes.
    pub(crate) driver: Driver,
}

/// What moves the bytes of a connection. It is at work while an answer is waited for, and only then.
pub(crate) struct Driver(BoxFuture<'static, Result<(), tokio_postgres::Error>>);

/// Why PostgreSQL did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There was no connection.
    Unreached(Unreached),
    /// It cannot be asked like this: the user, the password, the database or the TLS is wrong.
    Denied(String),
    /// It answered with an error.
    Refused {
        /// The five letters of its `SQLSTATE`.
        code: String,
        /// In words.
        why: String,
    },
    /// The connection was lost.
    Lost(String),
}

impl From<Unreached> for Failure {
    fn from(unreached: Unreached) -> Failure {
        Failure::Unreached(unreached)
    }
}

impl Server {
    /// The server that a runbook means.
    ///
    /// # Errors
    /// Its URL is none, or names several hosts.
    pub(crate) fn of(server: &DatabaseServer) -> Result<Server, String> {
        let mut config = match server {
            DatabaseServer::Url(url) => tokio_postgres::Config::from_str(url.value().expose_secret())
                .map_err(|error| format!("{url} is not a connection to PostgreSQL: {error}"))?,
            DatabaseServer::Parts(parts) => {
                let mut config = tokio_postgres::Config::new();
                config.host(&parts.host).port(parts.port.unwrap_or(DEFAULT_PORT));
                if let Some(user) = &parts.user {
                    config.user(user.value().expose_secret());
                }
                if let Some(password) = &parts.password {
                    config.password(password.value().expose_secret());
                }
                if let Some(database) = &parts.database {
                    config.dbname(database);
                }
                if parts.tls == DatabaseTls::Off {
                    config.ssl_mode(SslMode::Disable);
                }
                config
            }
        };
        // What the library prefers is to go on in clear text with whoever declines.
        if config.get_ssl_mode() != SslMode::Disable {
            config.ssl_mode(SslMode::Require);
        }
        let host = match config.get_hosts() {
            [Host::Tcp(host)] => host.clone(),
            _ => return Err("a connection to PostgreSQL needs one host".to_owned()),
        };
        let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
        Ok(Server { config, host, port })
    }

    /// Opens a connection and logs in.
    ///
    /// # Errors
    /// It cannot be reached, or does not let us in.
    pub(crate) async fn connect(&self, dialer: &Dialer, clock: &Arc<dyn Clock>) -> Result<Connection, Failure> {
        let (stream, _) = dialer.connect(&self.host, self.port).await?;
        let mut tls = MakeRustlsConnect::new(anybody(clock).map_err(Unreached::Impossible)?);
        let Ok(tls) = tokio_postgres::tls::MakeTlsConnect::<Bounded<tokio::net::TcpStream>>::make_tls_connect(
            &mut tls, &self.host,
        );
        let connect = self.config.connect_raw(Bounded::over(stream), tls).await;
        let (client, driver) = connect.map_err(|error| Failure::of(&error))?;
        Ok(Connection { client, driver: Driver(driver.boxed()) })
    }
}

impl Driver {
    /// Does this, which asks on the connection.
    ///
    /// # Errors
    /// PostgreSQL says so, or the connection is lost.
    pub(crate) async fn during<T>(
        &mut self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        pin_mut!(work);
        match select(work, &mut self.0).await {
            Either::Left((answer, _)) => answer.map_err(|error| Failure::of(&error)),
            Either::Right((Err(error), _)) => Err(Failure::of(&error)),
            Either::Right((Ok(()), _)) => Err(Failure::Lost("PostgreSQL closed the connection".to_owned())),
        }
    }
}

impl Failure {
    fn of(error: &tokio_postgres::Error) -> Failure {
        match error.as_db_error() {
            Some(answer) => {
                let (code, why) = (answer.code().code(), format!("PostgreSQL says: {}", answer.message()));
                // The classes of "invalid authorization" and "invalid catalog name": which user, password or database is wrong.
                if code.starts_with("28") || code.starts_with("3D") {
                    Failure::Denied(why)
                } else {
                    Failure::Refused { code: code.to_owned(), why }
                }
            }
            None if is_without_tls(error) => {
                let why = "the server does not offer TLS, and nothing was sent to it without";
                Failure::Denied(format!("{why}; say tls = \"off\" or sslmode=disable if that is meant"))
            }
            None => Failure::Lost(format!("PostgreSQL says: {}", explain(error))),
        }
    }
}

/// Whether the server declined the TLS that is required. The library has no code for it.
fn is_without_tls(error: &tokio_postgres::Error) -> bool {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    cause.contains("server does not support TLS")
}
