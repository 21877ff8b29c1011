//! Connections to PostgreSQL and Redis, as the services open them: name, TCP, TLS if it is asked for, log-in, one question.
//!
//! Several can be opened at once (`clients`), as an instance's start-up does: a connector that carries one may not carry
//! twelve. A server that answers and does not let the probe in says nothing of its health: the probe is broken.
//! TLS is required unless the runbook says that there is none: a server that declines is sent nothing. Who answers is not
//! verified, because Cloud SQL's certificates are signed by an authority of the instance's own. A connection is built from
//! its parts, so that no character of a password can make another host of it.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use redis::{ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Looked;
use super::bounded::Bounded;
use super::dial::{Dialer, handshake};
use super::http::explain;
use super::tls::anybody;
use crate::clock::{Clock, between, together};
use crate::runbook::model::{DatabaseParts, DatabaseServer, DatabaseTls};
use crate::syntax::condition::Fact;

/// A server that can be asked for a connection.
pub(super) enum Server {
    Postgres { config: Box<tokio_postgres::Config>, host: String, port: u16 },
    Redis { info: RedisConnectionInfo, host: String, port: u16, tls: bool },
}

impl Server {
    pub(super) fn postgres(server: &DatabaseServer) -> Result<Server, Looked> {
        let mut config = match server {
            DatabaseServer::Url(url) => tokio_postgres::Config::from_str(url.value().expose_secret())
                .map_err(|error| Looked::Broken(format!("{url} is not a connection to PostgreSQL: {error}")))?,
            DatabaseServer::Parts(parts) => {
                let mut config = tokio_postgres::Config::new();
                config.host(&parts.host).port(parts.port.unwrap_or(5432));
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
            _ => return Err(Looked::Broken("a connection to PostgreSQL needs one host".to_owned())),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        Ok(Server::Postgres { config: Box::new(config), host, port })
    }

    pub(super) fn redis(server: &DatabaseServer) -> Result<Server, Looked> {
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
                let (host, port, tls) = (host.clone(), port.unwrap_or(6379), *tls == DatabaseTls::Require);
                return Ok(Server::Redis { info, host, port, tls });
            }
        };
        let secret = url.value();
        let unreadable = || Looked::Broken(format!("{url} is not a connection to Redis"));
        let tls = secret.expose_secret().starts_with("rediss://");
        let plain = secret.expose_secret();
        let plain = SecretString::from(if tls { plain.replacen("rediss://", "redis://", 1) } else { plain.to_owned() });
        let info = plain.expose_secret().into_connection_info().map_err(|_| unreadable())?;
        let redis::ConnectionAddr::Tcp(host, port) = info.addr() else { return Err(unreadable()) };
        Ok(Server::Redis { info: info.redis_settings().clone(), host: host.clone(), port: *port, tls })
    }

    pub(super) fn host(&self) -> &str {
        match self {
            Server::Postgres { host, .. } | Server::Redis { host, .. } => host,
        }
    }

    /// Opens so many connections at once, asks on each, and says how that went.
    pub(super) async fn look(
        &self,
        dialer: &Dialer,
        clients: u32,
        clock: &Arc<dyn Clock>,
    ) -> Result<BTreeMap<String, Fact>, Looked> {
        let began = clock.now();
        let attempts = (0..clients).map(async |_| self.open(dialer, clock).await.map(|()| between(began, clock.now())));
        let opened = together(&**clock, attempts).await;
        let all = opened.len();
        let (mut times, mut first) = (Vec::new(), None);
        for one in opened {
            match one {
                Ok(time) => times.push(time),
                // A probe that cannot log in will not learn more by others that can.
                Err(broken @ Looked::Broken(_)) => return Err(broken),
                Err(other) => first = first.or(Some(other)),
            }
        }
        match first {
            Some(why) if times.is_empty() => Err(why),
            first => Ok(facts(times, all, first)),
        }
    }

    async fn open(&self, dialer: &Dialer, clock: &Arc<dyn Clock>) -> Result<(), Looked> {
        match self {
            Server::Postgres { config, host, port } => {
                let (stream, _) = dialer.connect(host, *port).await?;
                let mut tls = MakeRustlsConnect::new(anybody(clock).map_err(Looked::Broken)?);
                let Ok(tls) = tokio_postgres::tls::MakeTlsConnect::<Bounded<tokio::net::TcpStream>>::make_tls_connect(
                    &mut tls, host,
                );
                let (client, connection) =
                    config.connect_raw(Bounded::over(stream), tls).await.map_err(|error| of_postgres(&error))?;
                let answer = client.simple_query("select 1");
                pin_mut!(answer, connection);
                match select(answer, connection).await {
                    Either::Left((answer, _)) => answer.map(drop).map_err(|error| of_postgres(&error)),
                    Either::Right((Err(error), _)) => Err(of_postgres(&error)),
                    Either::Right((Ok(()), _)) => Err(Looked::Sick("PostgreSQL closed the connection".to_owned())),
                }
            }
            Server::Redis { info, host, port, tls } => {
                let (stream, _) = dialer.connect(host, *port).await?;
                if *tls {
                    let stream = handshake(Arc::new(anybody(clock).map_err(Looked::Broken)?), host, stream).await?;
                    ping(info, stream).await
                } else {
                    ping(info, stream).await
                }
            }
        }
    }
}

async fn ping<S>(info: &RedisConnectionInfo, stream: S) -> Result<(), Looked>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut connection, talk) =
        redis::aio::MultiplexedConnection::new(info, Bounded::over(stream)).await.map_err(|error| of_redis(&error))?;
    let ping = redis::cmd("PING");
    let answer = ping.query_async::<String>(&mut connection);
    pin_mut!(talk, answer);
    let answer = match select(answer, talk).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => return Err(Looked::Sick("Redis closed the connection".to_owned())),
    };
    match answer {
        Ok(answer) if answer == "PONG" => Ok(()),
        Ok(answer) => Err(Looked::Sick(format!("PING is answered with {answer}"))),
        Err(error) => Err(of_redis(&error)),
    }
}

/// Who does not let the probe in is alive, and tells no more.
fn of_redis(error: &redis::RedisError) -> Looked {
    let denied = ["NOAUTH", "WRONGPASS", "NOPERM"].iter().any(|code| error.code() == Some(code));
    let why = format!("Redis says: {error}");
    if denied || error.kind() == ErrorKind::AuthenticationFailed { Looked::Broken(why) } else { Looked::Sick(why) }
}

/// Whether the server declined the TLS that is required. The library has no code for it.
fn is_without_tls(error: &tokio_postgres::Error) -> bool {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    cause.contains("server does not support TLS")
}

fn of_postgres(error: &tokio_postgres::Error) -> Looked {
    // The classes of "invalid authorization" and "invalid catalog name": which user, password or database is wrong.
    let denied = error.code().is_some_and(|code| code.code().starts_with("28") || code.code().starts_with("3D"));
    let why = match error.as_db_error() {
        Some(told) => format!("PostgreSQL says: {}", told.message()),
        None if is_without_tls(error) => {
            let why = "the server does not offer TLS, and nothing was sent to it without";
            return Looked::Broken(format!("{why}; say tls = \"off\" or sslmode=disable if that is meant"));
        }
        None => format!("PostgreSQL says: {}", explain(error)),
    };
    if denied { Looked::Broken(why) } else { Looked::Sick(why) }
}

fn facts(mut times: Vec<Duration>, all: usize, first: Option<Looked>) -> BTreeMap<String, Fact> {
    times.sort_unstable();
    // The nearest rank: of 12, the 12th.
    let p95 = times.get((times.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut facts = BTreeMap::from([
        ("latency".to_owned(), Fact::Span(times.last().copied().unwrap_or_default())),
        ("p95".to_owned(), Fact::Span(p95)),
        ("success".to_owned(), Fact::Number(f64::from(count(times.len())) / f64::from(count(all).max(1)))),
    ]);
    let why = match first {
        Some(Looked::Sick(why) | Looked::Unseen(why) | Looked::Broken(why)) => Some(why),
        _ => None,
    };
    facts.extend(why.map(|why| ("why".to_owned(), Fact::Text(why))));
    facts
}
