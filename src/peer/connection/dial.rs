//! The way to what is looked at: a name is looked up, a connection opened, and TLS spoken if it is wanted.
//!
//! Each part is timed, for they fail and slow down for different reasons. In a rehearsal the hosts that the simulated
//! cloud serves lead to it, and its own authority is trusted, there and then only; programs on this machine can be
//! reached as well, and nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use futures::StreamExt as _;
use futures::future::{self, BoxFuture, select};
use futures::stream::FuturesUnordered;
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

use super::reach::{forbidden, is_forbidden_name};
use crate::clock::{Clock, between};
use crate::peer::{Hosts, plain};

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
        /// Whether programs on this machine can be reached as well.
        this_machine: ThisMachine,
    },
}

impl Route {
    /// Whether it leads to a simulated cloud that serves this host.
    pub fn serves(&self, host: &str) -> bool {
        self.served(host).is_some()
    }

    /// Where the simulated cloud listens, if it serves this host. The address of a tag is its service's.
    fn served(&self, host: &str) -> Option<SocketAddr> {
        let Route::Simulated { address, hosts, .. } = self else { return None };
        let service = host.split_once("---").map_or(host, |(_, service)| service);
        hosts.iter().any(|known| known.eq_ignore_ascii_case(service)).then_some(*address)
    }
}

/// Whether probes reach programs on this machine beside a simulated cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThisMachine {
    /// As in a rehearsal by an operator, who may have put something there.
    Reachable,
    /// As in a drill, which may be a stranger's: it sends thousands of requests that nobody approved.
    Unreachable,
}

/// Opens connections.
pub(crate) struct Dialer {
    route: Route,
    /// The hosts that the runbook's limits allow; `None`: all.
    limit: Option<Hosts>,
    /// Hosts beside those that the cloud itself named.
    named: Mutex<BTreeSet<String>>,
    /// How many looks wait for the address of a host.
    resolving: Mutex<BTreeMap<String, usize>>,
    clock: Arc<dyn Clock>,
    roots: OnceLock<Result<Arc<RootCertStore>, String>>,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

/// A connection, plain or in TLS.
pub(crate) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// How long each part of opening a connection took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Took {
    pub(crate) dns: Duration,
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
}

/// Where something is to be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
}

/// Why no connection was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreached {
    /// The name does not lead anywhere, which says nothing of what it should lead to.
    NoName(String),
    /// There is no way to it from this machine, which says nothing of what is there.
    NoWay(String),
    /// Nobody is there, or not the one that was meant.
    Refused(String),
    /// It cannot be tried from here.
    Impossible(String),
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Unreached::NoName(why) | Unreached::NoWay(why) | Unreached::Refused(why) | Unreached::Impossible(why)) =
            self;
        f.write_str(why)
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// There was no connection: nothing was sent.
    Unreached(Unreached),
    /// It was sent, or may have been, and what came of it is no answer.
    Failed(String),
}

impl From<Unreached> for NoAnswer {
    fn from(unreached: Unreached) -> NoAnswer {
        NoAnswer::Unreached(unreached)
    }
}

impl Dialer {
    pub(crate) fn new(route: Route, limit: Option<Hosts>, clock: Arc<dyn Clock>) -> Dialer {
        Dialer {
            route,
            limit,
            named: Mutex::default(),
            resolving: Mutex::default(),
            clock,
            roots: OnceLock::new(),
            config: OnceLock::new(),
        }
    }

    /// Lets this host be asked, whatever the runbook's limits are.
    pub(crate) fn allow(&self, host: &str) {
        self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(plain(host));
    }

    fn is_allowed(&self, host: &str) -> bool {
        let is_named = || self.named.lock().unwrap_or_else(PoisonError::into_inner).contains(&plain(host));
        self.limit.as_ref().is_none_or(|limit| limit.cover(host) || is_named())
    }

    /// Opens a connection, in TLS if the origin says so.
    pub(crate) async fn dial(&self, origin: &Origin) -> Result<(Stream, Took), Unreached> {
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
    pub(crate) async fn connect(&self, host: &str, port: u16) -> Result<(TcpStream, Took), Unreached> {
        let began = self.clock.now();
        let addresses = self.resolve(host, port).await?;
        let found = self.clock.now();
        let stream = connect_first(&addresses, &*self.clock).await.map_err(|error| {
            let why = format!("{host}:{port} cannot be reached: {error}");
            if is_of_this_side(&error) { Unreached::NoWay(why) } else { Unreached::Refused(why) }
        })?;
        // A request that waits for an acknowledgement of the one before it would be measured slower than it is.
        let _ = stream.set_nodelay(true);
        Ok((
            stream,
            Took { dns: between(began, found), connect: between(found, self.clock.now()), tls: Duration::ZERO },
        ))
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreached> {
        let never = |why: String| Unreached::Impossible(format!("{why}; probes never ask there"));
        if !self.is_allowed(host) {
            return Err(Unreached::Impossible(format!("{host} is not one of the hosts of [limits]")));
        }
        if is_forbidden_name(host) {
            return Err(never(format!("{host} is a metadata server")));
        }
        if let Some(address) = self.route.served(host) {
            return Ok(vec![address]);
        }
        let beyond = match &self.route {
            Route::Direct => false,
            Route::Simulated { this_machine: ThisMachine::Reachable, .. } => !is_here(host),
            Route::Simulated { this_machine: ThisMachine::Unreachable, .. } => true,
        };
        if beyond {
            return Err(Unreached::Impossible(format!("the simulated cloud does not serve {host}")));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let waiting = self.wait_for_name(host);
        let found = lookup_host((bare, port)).await;
        drop(waiting);
        let found = found.map_err(|error| Unreached::NoName(format!("the name {host} does not resolve: {error}")))?;
        let addresses: Vec<SocketAddr> = found.collect();
        if let Some((address, what)) = addresses.iter().find_map(|address| Some((address, forbidden(address.ip())?))) {
            return Err(never(format!("{host} is {}, {what}", address.ip())));
        }
        if addresses.is_empty() {
            Err(Unreached::NoName(format!("the name {host} has no address")))
        } else {
            Ok(addresses)
        }
    }

    /// While the guard lives, the name of this host is being resolved.
    fn wait_for_name<'d>(&'d self, host: &str) -> Resolving<'d> {
        let host = plain(host);
        *self.resolving.lock().unwrap_or_else(PoisonError::into_inner).entry(host.clone()).or_default() += 1;
        Resolving { dialer: self, host }
    }

    /// What it says of a service that a look at this host has taken too long: nothing, if its name has not even been resolved.
    pub(crate) fn out_of_time(&self, host: &str, why: String) -> NoAnswer {
        if self.resolving.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&plain(host)) {
            Unreached::NoName(format!("{why}: the name {host} was not resolved")).into()
        } else {
            NoAnswer::Failed(why)
        }
    }

    /// Whether the simulated cloud serves this host.
    pub(crate) fn serves(&self, host: &str) -> bool {
        self.route.serves(host)
    }

    /// Returns when a look at this host has taken too long. A real server may be silent for ever; a simulated one always
    /// has an answer, in its own time.
    pub(crate) fn deadline(&self, host: &str, until: Timestamp) -> BoxFuture<'_, ()> {
        if self.route.served(host).is_some() { self.clock.timer(until) } else { self.clock.deadline(until) }
    }

    /// Whom to trust.
    pub(crate) fn roots(&self) -> Result<Arc<RootCertStore>, String> {
        self.roots.get_or_init(|| roots(&self.route).map(Arc::new)).clone()
    }

    fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let make = || Ok(Arc::new(builder(&self.clock)?.with_root_certificates(self.roots()?).with_no_client_auth()));
        self.config.get_or_init(make).clone()
    }
}

/// A look that waits for the address of a host.
struct Resolving<'d> {
    dialer: &'d Dialer,
    host: String,
}

impl Drop for Resolving<'_> {
    fn drop(&mut self) {
        let mut resolving = self.dialer.resolving.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = resolving.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                resolving.remove(&self.host);
            }
        }
    }
}

/// How long an address is given before the next one is tried beside it
/// (source: RFC 8305, section 8, "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the first address that takes the connection, as browsers do (RFC 8305): IPv6 and IPv4 take turns, and one that
/// leads nowhere holds up the others for a moment only. If none does, what one of them said says more than that there is no
/// way to another.
async fn connect_first(addresses: &[SocketAddr], clock: &dyn Clock) -> io::Result<TcpStream> {
    let mut next = by_turns(addresses).into_iter().peekable();
    let (mut attempts, mut said) = (FuturesUnordered::new(), None);
    loop {
        attempts.extend(next.next().map(TcpStream::connect));
        let attempt = if next.peek().is_some() {
            let delay = clock.machine_timer(ATTEMPT_DELAY);
            match select(attempts.next(), delay).await {
                future::Either::Left((attempt, _)) => attempt,
                future::Either::Right(_) => continue,
            }
        } else {
            attempts.next().await
        };
        match attempt {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) if said.as_ref().is_none_or(is_of_this_side) => said = Some(error),
            Some(Err(_)) => {}
            None => return Err(said.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())),
        }
    }
}

/// The addresses of the two families by turns, in the resolver's order, beginning with the family of its first
/// (RFC 8305, section 4).
fn by_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let of_the_first =
        |address: &&SocketAddr| addresses.first().is_some_and(|first| first.is_ipv6() == address.is_ipv6());
    let mut ones = addresses.iter().filter(of_the_first);
    let mut others = addresses.iter().filter(|address| !of_the_first(address));
    let mut turns = Vec::with_capacity(addresses.len());
    loop {
        let (one, other) = (ones.next(), others.next());
        if one.is_none() && other.is_none() {
            return turns;
        }
        turns.extend(one.into_iter().chain(other));
    }
}

/// Whether a connection failed before anything was asked of the other side: there is no network here, or no route. That
/// says nothing of the service.
fn is_of_this_side(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkDown, NetworkUnreachable, PermissionDenied};
    // A firewall of this machine says that it is not permitted.
    matches!(error.kind(), AddrNotAvailable | HostUnreachable | NetworkDown | NetworkUnreachable | PermissionDenied)
}

/// TLS over a connection.
pub(crate) async fn handshake(
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
pub(crate) fn builder(clock: &Arc<dyn Clock>) -> Result<Builder, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(ProbeTime(clock.clone())));
    builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())
}

struct ProbeTime(Arc<dyn Clock>);

impl fmt::Debug for ProbeTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hands")
    }
}

impl TimeProvider for ProbeTime {
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
pub(crate) fn host_and_port(address: &str) -> Result<(&str, u16), String> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.ok_or_else(|| format!("{address} is not a host and a port"))
}

/// A text as a URL.
pub(crate) fn url(text: &str) -> Result<Url, Unreached> {
    Url::parse(text).map_err(|error| Unreached::Impossible(format!("the URL cannot be used: {error}")))
}

/// The origin of a URL whose scheme is one of these: that without TLS, and that with it.
pub(crate) fn origin(url: &Url, [plain, tls]: [&str; 2]) -> Result<Origin, Unreached> {
    let impossible = |why: String| Unreached::Impossible(why);
    let (tls, usual) = match url.scheme() {
        scheme if scheme == plain => (false, 80),
        scheme if scheme == tls => (true, 443),
        other => return Err(impossible(format!("{other} is neither {plain} nor {tls}"))),
    };
    let host = url.host_str().ok_or_else(|| impossible("the URL has no host".to_owned()))?.to_owned();
    Ok(Origin { host, port: url.port().unwrap_or(usual), tls })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn a_name_that_leads_nowhere_says_nothing_of_what_it_should_lead_to() {
        let dialer = Dialer::new(Route::Direct, None, Arc::new(SystemClock));
        let origin = Origin { host: "nowhere.invalid".to_owned(), port: 443, tls: true };
        let Err(Unreached::NoName(why)) = dialer.dial(&origin).await else { panic!("it leads somewhere") };
        assert!(why.starts_with("the name nowhere.invalid does not resolve"), "{why}");
    }

    #[test]
    fn a_look_that_still_waits_for_a_name_says_nothing_of_what_it_should_lead_to() {
        let dialer = Dialer::new(Route::Direct, None, Arc::new(SystemClock));
        let late = |host: &str| dialer.out_of_time(host, "no answer within 1s".to_owned());
        let (one, other) = (dialer.wait_for_name("api.example.com"), dialer.wait_for_name("API.example.com"));
        drop(one);
        let NoAnswer::Unreached(Unreached::NoName(why)) = late("api.example.com") else { panic!("it is resolved") };
        assert_eq!(why, "no answer within 1s: the name api.example.com was not resolved");
        assert!(matches!(late("auth.example.com"), NoAnswer::Failed(_)));
        drop(other);
        assert!(matches!(late("api.example.com"), NoAnswer::Failed(_)));
    }

    #[test]
    fn no_network_here_says_nothing_of_the_other_side() {
        for (number, of_this_side) in
            [(101, true), (113, true), (100, true), (99, true), (1, true), (111, false), (104, false)]
        {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(is_of_this_side(&error), of_this_side, "{error}");
        }
    }

    #[tokio::test]
    async fn of_several_addresses_one_that_says_no_says_more_than_one_without_a_way() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // An address of the documentation's network, from a socket of loopback's: there is no way.
        let addresses = [closed, "[2001:db8::1]:9".parse().unwrap()];
        let error = connect_first(&addresses, &SystemClock).await.unwrap_err();
        assert!(!is_of_this_side(&error), "{error}");
        let error = connect_first(&[], &SystemClock).await.unwrap_err();
        assert!(is_of_this_side(&error), "{error}");
    }

    #[test]
    fn the_families_take_turns_and_the_resolver_says_which_is_first() {
        let parse = |all: &[&str]| all.iter().map(|address| address.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = parse(&["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "192.0.2.1:1"]);
        let turns = parse(&["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "[2001:db8::3]:1"]);
        assert_eq!(by_turns(&found), turns);
        assert_eq!(by_turns(&parse(&["192.0.2.1:1", "[::1]:1"])), parse(&["192.0.2.1:1", "[::1]:1"]));
        assert!(by_turns(&[]).is_empty());
    }

    /// An address that swallows what is sent to it: its queue of connections is full, and nobody takes one.
    fn black_hole() -> (socket2::Socket, SocketAddr, Vec<socket2::Socket>) {
        let socket = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let filling = (0..8).map(|_| {
            let one = socket();
            one.set_nonblocking(true).unwrap();
            let _ = one.connect(&address);
            one
        });
        let filling = filling.collect();
        (listener, address.as_socket().unwrap(), filling)
    }

    #[tokio::test]
    async fn an_address_that_leads_nowhere_holds_up_the_others_for_a_moment_only() {
        let (_hole, nowhere, _filling) = black_hole();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let began = SystemClock.now();
        let stream = connect_first(&[nowhere, nowhere, there], &SystemClock).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        // The system's own time-out for one of them is more than two minutes.
        assert!(between(began, SystemClock.now()) < Duration::from_mins(1));
        // One that says no makes place for the next at once.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(connect_first(&[closed, there], &SystemClock).await.is_ok());
    }

    #[tokio::test]
    async fn a_rehearsal_reaches_what_is_served_and_this_machine_and_nobody_else() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = vec!["api.example.com".to_owned()];
        let route =
            |this_machine| Route::Simulated { address, hosts: hosts.clone(), authority: String::new(), this_machine };
        let drill = Dialer::new(route(ThisMachine::Unreachable), None, Arc::new(SystemClock));
        assert_eq!(drill.resolve("api.example.com", 443).await, Ok(vec![address]));
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            assert!(matches!(drill.resolve(host, 5432).await, Err(Unreached::Impossible(_))), "{host}");
        }
        let dialer = Dialer::new(route(ThisMachine::Reachable), None, Arc::new(SystemClock));
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

    #[tokio::test]
    async fn neither_a_limit_nor_a_metadata_server_is_got_around() {
        let limit = Hosts::new(vec!["127.0.0.1".parse().unwrap(), "169.254.169.254".parse().unwrap()]);
        let dialer = Dialer::new(Route::Direct, Some(limit), Arc::new(SystemClock));
        assert!(dialer.resolve("127.0.0.1", 80).await.is_ok());
        for host in ["127.0.0.2", "localhost", "169.254.169.254", "metadata.google.internal"] {
            assert!(matches!(dialer.resolve(host, 80).await, Err(Unreached::Impossible(_))), "{host}");
        }
        dialer.allow("LOCALHOST.");
        assert!(dialer.resolve("localhost", 80).await.is_ok());
        // Without a limit too, and by every spelling that leads there.
        let dialer = Dialer::new(Route::Direct, None, Arc::new(SystemClock));
        for host in ["169.254.169.254", "0xa9fea9fe", "[::ffff:169.254.169.254]", "metadata.google.internal."] {
            let Err(Unreached::Impossible(why)) = dialer.resolve(host, 80).await else { panic!("{host} is reached") };
            assert!(why.ends_with("probes never ask there"), "{why}");
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
