//! The way to what is looked at: a name is looked up, a connection opened, and TLS spoken if it is wanted.
//!
//! Each part is timed, for they fail and slow down for different reasons. In a rehearsal the hosts that the simulated
//! cloud serves lead to it, and its own authority is trusted, there and then only; programs on this machine can be
//! reached as well, and nobody else.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use reqwest::Url;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::either::Either;

use super::Looked;
use crate::clock::{Clock, between};

/// How probes find their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// By the machine's resolver.
    Direct,
    /// To a simulated cloud, for the hosts it serves.
    Simulated {
        /// Where the simulated cloud listens.
        address: SocketAddr,
        /// The hosts it serves.
        hosts: Vec<String>,
        /// The certificate of its authority, in PEM.
        authority: String,
    },
}

/// Opens connections.
pub(super) struct Dialer {
    route: Route,
    clock: Arc<dyn Clock>,
    roots: OnceLock<Result<Arc<RootCertStore>, String>>,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

/// A connection, plain or in TLS.
pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// How long each part of opening a connection took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Took {
    pub(super) dns: Duration,
    pub(super) connect: Duration,
    pub(super) tls: Duration,
}

/// Where something is to be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

/// Why no connection was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreached {
    /// The name does not lead anywhere, which says nothing of what it should lead to.
    NoName(String),
    /// Nobody is there, or not the one that was meant.
    Refused(String),
    /// It cannot be tried from here.
    Impossible(String),
}

impl From<Unreached> for Looked {
    fn from(unreached: Unreached) -> Looked {
        match unreached {
            Unreached::NoName(why) => Looked::Unseen(why),
            Unreached::Refused(why) => Looked::Sick(why),
            Unreached::Impossible(why) => Looked::Broken(why),
        }
    }
}

impl Dialer {
    pub(super) fn new(route: Route, clock: Arc<dyn Clock>) -> Dialer {
        Dialer { route, clock, roots: OnceLock::new(), config: OnceLock::new() }
    }

    /// Opens a connection, in TLS if the origin says so.
    pub(super) async fn dial(&self, origin: &Origin) -> Result<(Stream, Took), Unreached> {
        let (stream, mut took) = self.connect(&origin.host, origin.port).await?;
        if !origin.tls {
            return Ok((Either::Left(stream), took));
        }
        let began = self.clock.now();
        let config = self.config().map_err(Unreached::Impossible)?;
        let stream = handshake(config, &origin.host, stream).await?;
        took.tls = between(began, self.clock.now());
        Ok((Either::Right(stream), took))
    }

    /// Opens a connection, and speaks nothing.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<(TcpStream, Took), Unreached> {
        let began = self.clock.now();
        let addresses = self.resolve(host, port).await?;
        let found = self.clock.now();
        let stream = TcpStream::connect(addresses.as_slice()).await;
        let stream = stream.map_err(|error| Unreached::Refused(format!("{host}:{port} cannot be reached: {error}")))?;
        // A request that waits for an acknowledgement of the one before it would be measured slower than it is.
        let _ = stream.set_nodelay(true);
        Ok((
            stream,
            Took { dns: between(began, found), connect: between(found, self.clock.now()), tls: Duration::ZERO },
        ))
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreached> {
        if let Some(address) = self.served(host) {
            return Ok(vec![address]);
        }
        if self.route != Route::Direct && !is_here(host) {
            return Err(Unreached::Impossible(format!("the simulated cloud does not serve {host}")));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = lookup_host((bare, port)).await;
        let found = found.map_err(|error| Unreached::NoName(format!("the name {host} does not resolve: {error}")))?;
        let addresses: Vec<SocketAddr> = found.collect();
        if addresses.is_empty() {
            Err(Unreached::NoName(format!("the name {host} has no address")))
        } else {
            Ok(addresses)
        }
    }

    /// Where the simulated cloud listens, if it serves this host. The address of a tag is its service's.
    fn served(&self, host: &str) -> Option<SocketAddr> {
        let Route::Simulated { address, hosts, .. } = &self.route else { return None };
        let service = host.split_once("---").map_or(host, |(_, service)| service);
        hosts.iter().any(|known| known.eq_ignore_ascii_case(service)).then_some(*address)
    }

    /// Returns when a look at this host has taken too long. A real server may be silent for ever; a simulated one always
    /// has an answer, in its own time.
    pub(super) fn deadline(&self, host: &str, until: Timestamp) -> BoxFuture<'_, ()> {
        if self.served(host).is_some() { self.clock.timer(until) } else { self.clock.deadline(until) }
    }

    /// Whom to trust.
    pub(super) fn roots(&self) -> Result<Arc<RootCertStore>, String> {
        self.roots.get_or_init(|| roots(&self.route).map(Arc::new)).clone()
    }

    fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let make = || Ok(Arc::new(builder(&self.clock)?.with_root_certificates(self.roots()?).with_no_client_auth()));
        self.config.get_or_init(make).clone()
    }
}

/// TLS over a connection.
pub(super) async fn handshake(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Unreached> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|_| Unreached::Impossible(format!("{host} is no name for TLS")))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    stream.map_err(|error| Unreached::Refused(format!("no TLS with {host}: {error}")))
}

type Builder = tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::WantsVerifier>;

/// A TLS configuration that takes the time from this clock: a certificate of a simulated cloud expires in its time.
pub(super) fn builder(clock: &Arc<dyn Clock>) -> Result<Builder, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Hands(clock.clone())));
    builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())
}

struct Hands(Arc<dyn Clock>);

impl fmt::Debug for Hands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hands")
    }
}

impl TimeProvider for Hands {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(between(Timestamp::UNIX_EPOCH, self.0.now())))
    }
}

fn roots(route: &Route) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match route {
        Route::Direct => {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                let why = found.errors.first().map(ToString::to_string).unwrap_or_default();
                return Err(format!("this machine has no certificates to trust {why}"));
            }
        }
        Route::Simulated { authority, .. } => {
            let authority = CertificateDer::from_pem_slice(authority.as_bytes());
            let authority = authority.map_err(|error| format!("the simulated cloud's authority: {error}"))?;
            roots.add(authority).map_err(|error| error.to_string())?;
        }
    }
    Ok(roots)
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Splits `host:port`.
pub(super) fn host_and_port(address: &str) -> Result<(&str, u16), String> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.ok_or_else(|| format!("{address} is not a host and a port"))
}

/// A text as a URL.
pub(super) fn url(text: &str) -> Result<Url, Unreached> {
    Url::parse(text).map_err(|error| Unreached::Impossible(format!("{text} is not a URL: {error}")))
}

/// The origin of a URL whose scheme is one of these: that without TLS, and that with it.
pub(super) fn origin(url: &Url, [plain, tls]: [&str; 2]) -> Result<Origin, Unreached> {
    let impossible = |why: String| Unreached::Impossible(why);
    let (tls, usual) = match url.scheme() {
        scheme if scheme == plain => (false, 80),
        scheme if scheme == tls => (true, 443),
        other => return Err(impossible(format!("{other} is neither {plain} nor {tls}"))),
    };
    let host = url.host_str().ok_or_else(|| impossible(format!("{url} has no host")))?.to_owned();
    Ok(Origin { host, port: url.port().unwrap_or(usual), tls })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn a_name_that_leads_nowhere_says_nothing_of_what_it_should_lead_to() {
        let dialer = Dialer::new(Route::Direct, Arc::new(SystemClock));
        let origin = Origin { host: "nowhere.invalid".to_owned(), port: 443, tls: true };
        let Err(Unreached::NoName(why)) = dialer.dial(&origin).await else { panic!("it leads somewhere") };
        assert!(why.starts_with("the name nowhere.invalid does not resolve"), "{why}");
        assert!(matches!(Looked::from(Unreached::NoName(why)), Looked::Unseen(_)));
    }

    #[tokio::test]
    async fn a_rehearsal_reaches_what_is_served_and_this_machine_and_nobody_else() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = vec!["api.example.com".to_owned()];
        let route = Route::Simulated { address, hosts, authority: String::new() };
        let dialer = Dialer::new(route, Arc::new(SystemClock));
        for host in ["api.example.com", "API.example.com", "candidate---api.example.com"] {
            assert_eq!(dialer.resolve(host, 443).await, Ok(vec![address]), "{host}");
        }
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            assert!(dialer.resolve(host, 5432).await.is_ok(), "{host}");
        }
        for host in ["example.com", "10.0.0.1", "localhost.example.com"] {
            assert!(matches!(dialer.resolve(host, 443).await, Err(Unreached::Impossible(_))), "{host}");
        }
    }

    #[test]
    fn addresses_are_hosts_and_ports() {
        assert_eq!(host_and_port("a.example:443"), Ok(("a.example", 443)));
        assert_eq!(host_and_port("[::1]:5432"), Ok(("[::1]", 5432)));
        for wrong in ["a.example", "a.example:https", "a.example:99999"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }
}
