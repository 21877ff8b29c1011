//! `postgres`: connections to PostgreSQL, and `select 1` on each.

use std::time::Duration;

use super::database::{FACTS, observe_clients};
use super::history::Past;
use super::keys::{CLIENTS, EXPECT, TIMEOUT, read_clients, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::gate::{Facts, Polling, Sampling};
use crate::peer::postgres::{Failure, Server};
use crate::peer::{DatabaseServer, POSTGRES, POSTGRES_SCHEMES, PeerRequest};
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

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
                    ValueType::Server(&POSTGRES),
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
        let server = DatabaseServer::postgres(block, "postgres");
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
        self.server.check(POSTGRES_SCHEMES)
    }

    fn past(&self) -> Option<Past<'_>> {
        None
    }

    async fn observe(&self, observer: &Observer, _: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let server = Server::of(&self.server).map_err(ProbeFailure::Broken)?;
        let observe = observe_clients(observer, self.clients, async || {
            let mut connection = server.connect(&observer.dialer, &observer.clock).await?;
            connection.driver.during(connection.client.simple_query("select 1")).await?;
            Ok(())
        });
        observer.within_deadline(&server.host, self.timeout, observe).await
    }
}

impl From<Failure> for ProbeFailure {
    fn from(failure: Failure) -> ProbeFailure {
        match failure {
            Failure::Unreached(unreached) => unreached.into(),
            Failure::Denied(why) => ProbeFailure::Broken(why),
            Failure::Refused { why, .. } | Failure::Lost(why) => ProbeFailure::Unhealthy(why),
        }
    }
}
