//! `redis`: connections to Redis, and a `PING` on each.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use redis::{ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo};
use secrecy::{ExposeSecret as _, SecretString};

use super::database::{FACTS, observe_clients};
use super::history::Past;
use super::keys::{CLIENTS, EXPECT, TIMEOUT, read_clients, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::gate::{Facts, Polling, Sampling};
use crate::peer::{
    Bounded, DatabaseParts, DatabaseServer, DatabaseTls, HOST, PASSWORD, PeerRequest, TLS, anybody, handshake,
};
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

const DEFAULT_PORT: u16 = 6379;

const SERVER: Table = Table {
    about: "How Redis is reached.",
    keys: &[
        HOST,
        Key::new("port", ValueType::Integer, "The port.").default("6379"),
        Key::new("user", ValueType::SecretText, "Who logs in, if the server has an access list.").default("default"),
        PASSWORD,
        Key::new("database", ValueType::Integer, "The database's number.").default("0"),
        TLS,
    ],
};

/// A `PING` to Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisProbe {
    /// How it is reached.
    pub server: DatabaseServer,
    /// How many connections are opened at once.
    pub clients: u32,
    /// How long to wait for the answers.
    pub timeout: Duration,
}

impl Declared for RedisProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "redis",
        table: Table {
            about: "Connections to Redis, and a `PING` on each. Sees `latency` (of the slowest), `p95` and `success` (0 to 1).",
            keys: &[
                Key::new(
                    "redis",
                    ValueType::Server(&SERVER),
                    "The parts of the connection, or its URL: `rediss://` with TLS, `redis://` without.",
                )
                .required()
                .example("{ host = \"10.20.0.4\", password = \"${inputs.password}\" }"),
                CLIENTS,
                TIMEOUT,
                EXPECT.default("'success == 1.0'"),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = Some("success == 1.0");

    fn read(block: &Block<'_, '_>) -> Option<RedisProbe> {
        let read_database = |parts: &Block<'_, '_>| parts.count("database", 0).map(|number| number.to_string());
        let server = DatabaseServer::read(block, "redis", read_database);
        let (clients, timeout) = (read_clients(block, 1), read_timeout(block));
        Some(RedisProbe { server: server?, clients, timeout })
    }
}

impl ProbeKind for RedisProbe {
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
        vec![self.server.log_in("Redis")]
    }

    fn address_example(&self) -> Option<&'static str> {
        Some("{ host = \"10.20.0.4\", password = \"${inputs.password}\" }")
    }

    fn check_address(&self) -> Result<(), String> {
        self.server.check(&["redis", "rediss"])
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
    info: RedisConnectionInfo,
    host: String,
    port: u16,
    tls: DatabaseTls,
}

impl Server {
    fn of(server: &DatabaseServer) -> Result<Server, ProbeFailure> {
        let url = match server {
            DatabaseServer::Url(url) => url,
            DatabaseServer::Parts(parts) => {
                let DatabaseParts { host, port, user, password, database, tls } = &**parts;
                let mut info = RedisConnectionInfo::default();
                if let Some(user) = user {
                    info = info.set_username(user.value().expose_secret());
                }
                if let Some(password) = password {
                    info = info.set_password(password.value().expose_secret());
                }
                if let Some(database) = database.as_ref().and_then(|number| number.parse().ok()) {
                    info = info.set_db(database);
                }
                return Ok(Server { info, host: host.clone(), port: port.unwrap_or(DEFAULT_PORT), tls: *tls });
            }
        };
        let unreadable = || ProbeFailure::Broken(format!("{url} is not a connection to Redis"));
        let shown = url.value().expose_secret();
        let (tls, without_tls) = match shown.strip_prefix("rediss://") {
            Some(rest) => (DatabaseTls::Require, SecretString::from(format!("redis://{rest}"))),
            None => (DatabaseTls::Off, SecretString::from(shown)),
        };
        let info = without_tls.expose_secret().into_connection_info().map_err(|_| unreadable())?;
        let redis::ConnectionAddr::Tcp(host, port) = info.addr() else { return Err(unreadable()) };
        Ok(Server { info: info.redis_settings().clone(), host: host.clone(), port: *port, tls })
    }

    async fn ask(&self, observer: &Observer) -> Result<(), ProbeFailure> {
        let (stream, _) = observer.dialer.connect(&self.host, self.port).await?;
        match self.tls {
            DatabaseTls::Require => {
                let config = anybody(&observer.clock).map_err(ProbeFailure::Broken)?;
                ping(&self.info, handshake(Arc::new(config), &self.host, stream).await?).await
            }
            DatabaseTls::Off => ping(&self.info, stream).await,
        }
    }
}

async fn ping<S>(info: &RedisConnectionInfo, stream: S) -> Result<(), ProbeFailure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let connect = redis::aio::MultiplexedConnection::new(info, Bounded::over(stream)).await;
    let (mut connection, talk) = connect.map_err(|error| failure(&error))?;
    let ping = redis::cmd("PING");
    let answer = ping.query_async::<String>(&mut connection);
    pin_mut!(talk, answer);
    let answer = match select(answer, talk).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => return Err(ProbeFailure::Unhealthy("Redis closed the connection".to_owned())),
    };
    match answer {
        Ok(answer) if answer == "PONG" => Ok(()),
        Ok(answer) => Err(ProbeFailure::Unhealthy(format!("PING is answered with {answer}"))),
        Err(error) => Err(failure(&error)),
    }
}

/// Who does not let the probe in is alive, and tells no more.
fn failure(error: &redis::RedisError) -> ProbeFailure {
    let denied = ["NOAUTH", "WRONGPASS", "NOPERM"].iter().any(|code| error.code() == Some(code));
    let why = format!("Redis says: {error}");
    let is_refused = denied || error.kind() == ErrorKind::AuthenticationFailed;
    if is_refused { ProbeFailure::Broken(why) } else { ProbeFailure::Unhealthy(why) }
}
