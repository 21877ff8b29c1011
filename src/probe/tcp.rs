//! `tcp`: a TCP connection: that it is opened, and how long that takes. A refused one is unhealthy; a name that does not
//! resolve says nothing of what stands behind it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::Past;
use super::keys::{EXPECT, TIMEOUT, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::gate::{FactType, Facts, Polling, Sampling};
use crate::peer::address::check_host_and_port;
use crate::peer::{Effect, PeerRequest, host_and_port, host_of_address};
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::condition::Fact;
use crate::syntax::format::{Key, Table, ValueType};

/// A TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpProbe {
    /// Host and port.
    pub address: String,
    /// How long to wait for it.
    pub timeout: Duration,
}

impl Declared for TcpProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "tcp",
        table: Table {
            about: "A TCP connection. Sees `latency`; a connection that is refused is unhealthy.",
            keys: &[
                Key::new("tcp", ValueType::Text, "Host and port.").required().example("\"10.20.0.3:5432\""),
                TIMEOUT,
                EXPECT.default("that it is opened at all"),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = Some("latency >= duration(\"0s\")");

    fn read(block: &Block<'_, '_>) -> Option<TcpProbe> {
        let (address, timeout) = (block.text("tcp"), read_timeout(block));
        Some(TcpProbe { address: address?, timeout })
    }
}

impl ProbeKind for TcpProbe {
    fn facts(&self) -> Option<Facts> {
        Some(&[("latency", FactType::Span)])
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
        vec![PeerRequest::to(host_of_address(&self.address), "TCP", Effect::Reads)]
    }

    fn address_example(&self) -> Option<&'static str> {
        Some("\"api.example.com:443\"")
    }

    fn check_address(&self) -> Result<(), String> {
        check_host_and_port(&self.address)
    }

    fn past(&self) -> Option<Past<'_>> {
        None
    }

    async fn observe(&self, observer: &Observer, _: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let (host, port) = host_and_port(&self.address).map_err(ProbeFailure::Broken)?;
        let connect = async {
            let (_, took) = observer.dialer.connect(host, port).await?;
            Ok(BTreeMap::from([("latency".to_owned(), Fact::Span(took.dns + took.connect))]))
        };
        observer.within_deadline(host, self.timeout, connect).await
    }
}
