//! `tls`: a TLS handshake: whether the chain is trusted, whether the name is in the certificate, and for how long it is
//! valid. The handshake goes on whatever the certificate is, so that all of it can be told; nothing is sent over it.

use std::time::Duration;

use super::connection::certificate;
use super::history::Past;
use super::keys::{EXPECT, TIMEOUT, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::gate::{FactType, Facts, Polling, Sampling};
use crate::peer::address::check_host_and_port;
use crate::peer::{Effect, PeerRequest, host_and_port, host_of_address};
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

/// A TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProbe {
    /// Host and port.
    pub address: String,
    /// How long to wait for it.
    pub timeout: Duration,
}

impl Declared for TlsProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "tls",
        table: Table {
            about: "A TLS handshake. Sees `trusted`, `name_matches`, `days_left` and `latency`.",
            keys: &[
                Key::new("tls", ValueType::Text, "Host and port.").required().example("\"api.example.com:443\""),
                TIMEOUT,
                EXPECT.required(),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = None;

    fn read(block: &Block<'_, '_>) -> Option<TlsProbe> {
        let (address, timeout) = (block.text("tls"), read_timeout(block));
        Some(TlsProbe { address: address?, timeout })
    }
}

impl ProbeKind for TlsProbe {
    fn facts(&self) -> Option<Facts> {
        Some(&[
            ("trusted", FactType::Bool),
            ("name_matches", FactType::Bool),
            ("days_left", FactType::Int),
            ("expires", FactType::Text),
            ("latency", FactType::Span),
        ])
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
        vec![PeerRequest::to(host_of_address(&self.address), "TLS", Effect::Reads)]
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
        let examine = certificate::examine(&observer.dialer, host, port, &observer.clock);
        observer.within_deadline(host, self.timeout, examine).await
    }
}
