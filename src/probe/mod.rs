//! What can be observed of health, one file a kind of probe.
//!
//! A kind of probe is a struct of its own: its keys ([`ProbeFormat`]), how they are read, which facts an observation gives,
//! what is sent to whom, and the observation itself. It is added by its file and one line in `probes!` below; everybody
//! else asks the [`ProbeSpec`]. An observation gives facts by name, which the runbook's condition judges, or a
//! [`ProbeFailure`]. The [`Observer`] makes observations; all of them open their connections through `connection`.

mod connection;
mod database;
mod evidence;
mod flow;
mod history;
mod http;
mod keys;
mod load;
mod logs;
mod metric;
mod observer;
mod postgres;
mod redis;
mod resource;
mod tcp;
mod tls;
mod websocket;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use self::flow::{FLOW_REQUESTS, FlowProbe, FlowRequest, FlowStep};
use self::history::Past;
pub use self::http::HttpProbe;
pub use self::load::LoadProbe;
pub use self::logs::LogsProbe;
pub use self::metric::MetricProbe;
use self::observer::Connections;
pub use self::observer::{Observer, ProbeSet};
pub use self::postgres::PostgresProbe;
pub use self::redis::RedisProbe;
pub use self::resource::ResourceProbe;
pub(crate) use self::resource::sample_of;
pub use self::tcp::TcpProbe;
pub use self::tls::TlsProbe;
pub use self::websocket::WebsocketProbe;
use crate::gate::{Facts, Polling, ProbeTraits, Sampling};
use crate::peer::{NoAnswer, PeerRequest, Unreached, address};
use crate::resource::Permission;
use crate::syntax::condition::{Condition, Fact};
use crate::syntax::format::Table;
use crate::syntax::mistake::{BAD_VALUE, MISSING_KEY, Mistake};
use crate::syntax::spelling::list;
use crate::syntax::{Block, Node, Path, Reader};

/// An observation may take at least so long before the gate takes its probe for unobserved: an answer can be slow, and a
/// laptop busy.
const SHORTEST_TIME_LIMIT: Duration = Duration::from_secs(15);

/// A probe of a runbook.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What is observed.
    pub spec: ProbeSpec,
    /// What must hold for the sample to be healthy, as CEL over the facts.
    pub expect: Condition,
}

/// How a kind of probe is written.
#[derive(Debug)]
pub struct ProbeFormat {
    /// The key that makes a probe one of this kind.
    pub key: &'static str,
    /// Its keys.
    pub table: Table,
}

/// Why an observation gave no facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProbeFailure {
    /// The peer was reached, or refused to be, and is not healthy.
    Unhealthy(String),
    /// Nothing is known of the peer.
    Unknown(String),
    /// The probe cannot observe anything, however healthy the peer is.
    Broken(String),
}

impl From<Unreached> for ProbeFailure {
    fn from(unreached: Unreached) -> ProbeFailure {
        match unreached {
            Unreached::NoName(why) | Unreached::NoWay(why) => ProbeFailure::Unknown(why),
            Unreached::Refused(why) => ProbeFailure::Unhealthy(why),
            Unreached::Impossible(why) => ProbeFailure::Broken(why),
        }
    }
}

impl From<NoAnswer> for ProbeFailure {
    fn from(none: NoAnswer) -> ProbeFailure {
        match none {
            NoAnswer::Unreached(unreached) => unreached.into(),
            NoAnswer::Failed(why) => ProbeFailure::Unhealthy(why),
        }
    }
}

/// The facts of an observation by name.
pub(crate) type FactsByName = BTreeMap<String, Fact>;

/// How a kind of probe is written and read.
trait Declared: Sized {
    /// Its key and its table.
    const FORMAT: ProbeFormat;
    /// What must hold if a probe of it has no `expect`, as CEL; `None`: `expect` is required.
    const EXPECTATION: Option<&'static str>;

    /// Reads it from its table. What is wrong with it is noted there; `None` if nothing can be made of it.
    fn read(block: &Block<'_, '_>) -> Option<Self>;
}

/// What a probe of a kind does.
trait ProbeKind {
    /// The facts of an observation, with their types; `None` for a kind of resource that does not exist.
    fn facts(&self) -> Option<Facts>;

    /// The longest that one observation takes by what the runbook says; zero if it says nothing.
    fn time_limit(&self) -> Duration;

    /// Whether it may be polled fast: whoever is being healed is asked itself, and no API that has a quota.
    fn polling(&self) -> Polling;

    /// What one sample of it is worth. Many reads of one value are one sample.
    fn sampling(&self) -> Sampling;

    /// The URLs that it asks.
    fn urls(&self) -> Vec<&str>;

    /// The same, to ask others in place of them.
    fn urls_mut(&mut self) -> Vec<&mut String>;

    /// What observing takes of IAM, as far as that is known.
    fn permissions(&self) -> &'static [Permission];

    /// The requests that it makes to peers, in order.
    fn peer_requests(&self) -> Vec<PeerRequest>;

    /// An address that it could have, as a runbook writes it; `None` if it has none.
    fn address_example(&self) -> Option<&'static str>;

    /// Whether its address can be asked.
    ///
    /// # Errors
    /// Why not, in words.
    fn check_address(&self) -> Result<(), String>;

    /// What is kept of what it observes; `None` if nobody keeps it.
    fn past(&self) -> Option<Past<'_>>;

    /// Observes once.
    async fn observe(&self, observer: &Observer, connections: Connections<'_>) -> Result<FactsByName, ProbeFailure>;
}

/// Declares the enum of probes, the list of their formats, and how each is read.
macro_rules! probes {
    ($($variant:ident($probe:ident),)*) => {
        /// What a probe observes.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum ProbeSpec {
            $(#[doc = concat!("See [`", stringify!($probe), "`].")] $variant($probe),)*
        }

        /// The format of every kind of probe.
        pub const PROBES: &[ProbeFormat] = &[$(<$probe as Declared>::FORMAT),*];

        impl ProbeSpec {
            /// The key that makes a probe one of its kind.
            pub fn key(&self) -> &'static str {
                match self { $(ProbeSpec::$variant(_) => <$probe as Declared>::FORMAT.key,)* }
            }

            /// Reads the probe whose key this is, and what must hold of it if it does not say so.
            fn read(key: &str, block: &Block<'_, '_>) -> (Option<ProbeSpec>, Option<&'static str>) {
                $(if key == <$probe as Declared>::FORMAT.key {
                    return ($probe::read(block).map(ProbeSpec::$variant), <$probe as Declared>::EXPECTATION);
                })*
                (None, None)
            }

            /// The facts of an observation, with their types; `None` for a kind of resource that does not exist.
            pub fn facts(&self) -> Option<Facts> {
                match self { $(ProbeSpec::$variant(probe) => probe.facts(),)* }
            }

            /// What is known of its observations before the first one.
            pub fn traits(&self) -> ProbeTraits {
                let (limit, polling, sampling) = match self {
                    $(ProbeSpec::$variant(probe) => (probe.time_limit(), probe.polling(), probe.sampling()),)*
                };
                ProbeTraits { time_limit: limit.max(SHORTEST_TIME_LIMIT), polling, sampling }
            }

            /// The URLs that it asks.
            pub fn urls(&self) -> Vec<&str> {
                match self { $(ProbeSpec::$variant(probe) => probe.urls(),)* }
            }

            fn urls_mut(&mut self) -> Vec<&mut String> {
                match self { $(ProbeSpec::$variant(probe) => probe.urls_mut(),)* }
            }

            /// What observing takes of IAM, as far as that is known.
            pub fn permissions(&self) -> &'static [Permission] {
                match self { $(ProbeSpec::$variant(probe) => probe.permissions(),)* }
            }

            /// The requests that it makes to peers, in order.
            pub fn peer_requests(&self) -> Vec<PeerRequest> {
                match self { $(ProbeSpec::$variant(probe) => probe.peer_requests(),)* }
            }

            /// An address that it could have, as a runbook writes it; `None` if it has none.
            pub fn address_example(&self) -> Option<&'static str> {
                match self { $(ProbeSpec::$variant(probe) => probe.address_example(),)* }
            }

            /// Whether its address can be asked.
            ///
            /// # Errors
            /// Why not, in words.
            pub fn check_address(&self) -> Result<(), String> {
                match self { $(ProbeSpec::$variant(probe) => probe.check_address(),)* }
            }

            fn past(&self) -> Option<Past<'_>> {
                match self { $(ProbeSpec::$variant(probe) => probe.past(),)* }
            }

            async fn observe(
                &self,
                observer: &Observer,
                connections: Connections<'_>,
            ) -> Result<FactsByName, ProbeFailure> {
                match self { $(ProbeSpec::$variant(probe) => Box::pin(probe.observe(observer, connections)).await,)* }
            }
        }
    };
}

probes! {
    Http(HttpProbe),
    Websocket(WebsocketProbe),
    Flow(FlowProbe),
    Load(LoadProbe),
    Logs(LogsProbe),
    Metric(MetricProbe),
    Resource(ResourceProbe),
    Tls(TlsProbe),
    Tcp(TcpProbe),
    Postgres(PostgresProbe),
    Redis(RedisProbe),
}

impl ProbeSpec {
    /// The hosts that it asks by HTTP or over a WebSocket, in lower case.
    pub fn hosts(&self) -> BTreeSet<String> {
        self.urls().into_iter().filter_map(address::host).collect()
    }

    /// The same probe that asks another host in place of these, over TLS and at its usual port.
    #[must_use]
    pub fn with_host_replaced(&self, hosts: &[String], other: &str) -> ProbeSpec {
        let mut spec = self.clone();
        for url in spec.urls_mut() {
            if let Some(replaced) = address::replace_host(url, hosts, other) {
                *url = replaced;
            }
        }
        spec
    }
}

impl Probe {
    /// Reads a probe from its table; `None` if nothing can be made of it, and why is noted.
    pub(crate) fn read<'d>(reader: &Reader<'d>, path: Path, node: &'d Node) -> Option<Probe> {
        let (block, key) = block_of_its_kind(reader, path, node, PROBES)?;
        let (spec, expectation) = ProbeSpec::read(key, &block);
        let expect = read_expectation(&block, expectation);
        block.finish();
        Some(Probe { spec: spec?, expect: expect? })
    }
}

/// A probe of which nothing is known yet: whatever it observes, it is a table.
const ANY_PROBE: Table = Table { about: "Something to observe, and what must hold of it.", keys: &[] };

/// The table as one of the kind whose key it has, and that key.
fn block_of_its_kind<'r, 'd>(
    reader: &'r Reader<'d>,
    path: Path,
    node: &'d Node,
    known: &'static [ProbeFormat],
) -> Option<(Block<'r, 'd>, &'static str)> {
    let block = reader.block(path.clone(), node, &ANY_PROBE)?;
    let kinds: Vec<&ProbeFormat> = known.iter().filter(|kind| block.has(kind.key)).collect();
    match kinds.as_slice() {
        [kind] => Some((reader.block(path, node, &kind.table)?, kind.key)),
        [] => {
            let mistake = Mistake::new(MISSING_KEY, block.at.clone(), "the probe observes nothing");
            let known = list(known.iter().map(|kind| kind.key), "or");
            reader.note(mistake.help(format!("say what it observes: {known}")));
            None
        }
        [first, second, ..] => {
            let message = format!("a probe observes one thing: `{}` or `{}`, not both", first.key, second.key);
            reader.note(Mistake::new(BAD_VALUE, block.place(second.key), message).help("make it two probes"));
            None
        }
    }
}

fn read_expectation(block: &Block<'_, '_>, default: Option<&str>) -> Option<Condition> {
    if block.has("expect") {
        return block.condition("expect");
    }
    // A constant that compiles; a test reads a probe of each kind without an `expect`.
    Condition::compile(default?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::HttpRequest;

    fn http(url: &str) -> ProbeSpec {
        ProbeSpec::Http(HttpProbe {
            request: HttpRequest { url: url.to_owned(), ..HttpRequest::default() },
            ..HttpProbe::default()
        })
    }

    #[test]
    fn only_the_hosts_that_are_named_are_asked_elsewhere() {
        let hosts = ["api.example.com".to_owned()];
        for (url, replaced) in [
            ("https://api.example.com/health?x=1", "https://cand---api.run.app/health?x=1"),
            ("http://API.example.com:8080/", "https://cand---api.run.app/"),
            ("https://auth.example.com/health", "https://auth.example.com/health"),
            ("not a url", "not a url"),
        ] {
            assert_eq!(http(url).with_host_replaced(&hosts, "cand---api.run.app"), http(replaced), "{url}");
        }
        assert_eq!(http("https://API.example.com/").hosts(), BTreeSet::from(hosts));
    }

    #[test]
    fn what_must_hold_without_being_said_compiles() {
        let expectations = [
            WebsocketProbe::EXPECTATION,
            FlowProbe::EXPECTATION,
            TcpProbe::EXPECTATION,
            PostgresProbe::EXPECTATION,
            RedisProbe::EXPECTATION,
        ];
        for expectation in expectations {
            assert!(Condition::compile(expectation.unwrap()).is_ok(), "{expectation:?}");
        }
    }
}
