//! `postgres`: connections to PostgreSQL, and `select 1` on each.

use std::str::FromStr as _;
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use secrecy::ExposeSecret as _;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::Bounded;
use super::connection::certificate::anybody;
use super::connection::http_client::explain;
use super::database::{DatabaseServer, DatabaseTls, FACTS, HOST, PASSWORD, TLS, observe_clients};
use super::history::Past;
use super::keys::{CLIENTS, EXPECT, TIMEOUT, read_clients, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::gate::{Facts, Polling, Sampling};
use crate::peer::PeerRequest;
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

const DEFAULT_PORT: u16 = 5432;

const SERVER: Table = Table {
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

/// A connection to PostgreSQL and `select 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresProbe {
    /// How it is reached.
    pub server: DatabaseServer,
    /// How many connections are opened at once.
    pub clients: u32,
    /// How long to wait for the answers.
    pub timeout: Duration,
}

impl Declared for PostgresProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "postgres",
        table: Table {
            about: "Connections to PostgreSQL, and `select 1` on each. Sees `latency` (of the slowest), `p95` and `success` (0 to 1).",
            keys: &[
                Key::new(
                    "postgres",
                    ValueType::Server(&SERVER),
                    "The parts of the connection, or its URL. TLS is required unless `tls` or `sslmode=disable` says otherwise.",
                )
                .required()
                .example("{ host = \"10.20.0.3\", user = \"probe\", password = \"${inputs.password}\", database = \"app\" }"),
                CLIENTS,
                TIMEOUT,
                EXPECT.default("'success == 1.0'"),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = Some("success == 1.0");

    fn read(block: &Block<'_, '_>) -> Option<PostgresProbe> {
        let server = DatabaseServer::read(block, "postgres", |parts| parts.text("database"));
        let (clients, timeout) = (read_clients(block, 1), read_timeout(block));
        Some(PostgresProbe { server: server?, clients, timeout })
    }
}

impl ProbeKind for PostgresProbe {
    fn facts(&self) -> Option<Facts> {
        Some(FACTS)
    }

    fn time_limit(&self) -> Duration {
        self.timeout
    }

    fn polling(&self) -> Polling {
        Polling::Fast
    }

    fn sampling(&self) -> Sampling {
        Sampling::Trials
    }

    fn urls(&self) -> Vec<&str> {
        Vec::new()
    }

    fn urls_mut(&mut self) -> Vec<&mut String> {
        Vec::new()
    }

    fn permissions(&self) -> &'static [Permission] {
        &[]
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        vec![self.server.log_in("PostgreSQL")]
    }

    fn address_example(&self) -> Option<&'static str> {
        Some("{ host = \"10.20.0.3\", user = \"probe\", password = \"${inputs.password}\" }")
    }

    fn check_address(&self) -> Result<(), String> {
        self.server.check(&["postgres", "postgresql"])
    }

    fn past(&self) -> Option<Past<'_>> {
        None
    }

    async fn observe(&self, observer: &Observer, _: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let server = Server::of(&self.server)?;
        let observe = observe_clients(observer, self.clients, async || server.ask(observer).await);
        observer.within_deadline(&server.host, self.timeout, observe).await
    }
}

/// A server that can be asked for a connection.
struct Server {
    config: tokio_postgres::Config,
    host: String,
    port: u16,
}

impl Server {
    fn of(server: &DatabaseServer) -> Result<Server, ProbeFailure> {
        let mut config = match server {
            DatabaseServer::Url(url) => tokio_postgres::Config::from_str(url.value().expose_secret())
                .map_err(|error| ProbeFailure::Broken(format!("{url} is not a connection to PostgreSQL: {error}")))?,
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
            _ => return Err(ProbeFailure::Broken("a connection to PostgreSQL needs one host".to_owned())),
        };
        let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
        Ok(Server { config, host, port })
    }

    async fn ask(&self, observer: &Observer) -> Result<(), ProbeFailure> {
        let (stream, _) = observer.dialer.connect(&self.host, self.port).await?;
        let mut tls = MakeRustlsConnect::new(anybody(&observer.clock).map_err(ProbeFailure::Broken)?);
        let Ok(tls) = tokio_postgres::tls::MakeTlsConnect::<Bounded<tokio::net::TcpStream>>::make_tls_connect(
            &mut tls, &self.host,
        );
        let connect = self.config.connect_raw(Bounded::over(stream), tls).await;
        let (client, connection) = connect.map_err(|error| failure(&error))?;
        let answer = client.simple_query("select 1");
        pin_mut!(answer, connection);
        match select(answer, connection).await {
            Either::Left((answer, _)) => answer.map(drop).map_err(|error| failure(&error)),
            Either::Right((Err(error), _)) => Err(failure(&error)),
            Either::Right((Ok(()), _)) => Err(ProbeFailure::Unhealthy("PostgreSQL closed the connection".to_owned())),
        }
    }
}

/// Whether the server declined the TLS that is required. The library has no code for it.
fn is_without_tls(error: &tokio_postgres::Error) -> bool {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    cause.contains("server does not support TLS")
}

fn failure(error: &tokio_postgres::Error) -> ProbeFailure {
    // The classes of "invalid authorization" and "invalid catalog name": which user, password or database is wrong.
    let denied = error.code().is_some_and(|code| code.code().starts_with("28") || code.code().starts_with("3D"));
    let why = match error.as_db_error() {
        Some(answer) => format!("PostgreSQL says: {}", answer.message()),
        None if is_without_tls(error) => {
            let why = "the server does not offer TLS, and nothing was sent to it without";
            return ProbeFailure::Broken(format!("{why}; say tls = \"off\" or sslmode=disable if that is meant"));
        }
        None => format!("PostgreSQL says: {}", explain(error)),
    };
    if denied { ProbeFailure::Broken(why) } else { ProbeFailure::Unhealthy(why) }
}
