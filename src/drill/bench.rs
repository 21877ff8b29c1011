//! One simulated cloud in this process, and the real clients that talk to it.
//!
//! To make a client takes longer than most paths do, so a bench is made once and used for one path after another: each finds
//! a cloud that has just been started, and clients that remember nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::peer::{Route, ThisMachine};
use crate::probe::Observer;
use crate::resource::{Cloud, Endpoint, Kinds, Writer};
use crate::runbook::model::Runbook;
use crate::sim::{self, Reach, Simulator, World};
use crate::simulated::Embedded;

use super::prepared::DrillError;

/// A simulated cloud and its clients. It belongs to the tokio runtime that it was opened on.
pub struct Bench {
    simulator: Arc<Simulator>,
    clock: Arc<dyn Clock>,
    route: Route,
    cloud: Cloud,
    writer: Writer,
    elsewhere: reqwest::Client,
}

/// A cloud as one path finds it.
pub(super) struct Stage {
    pub(super) simulator: Arc<Simulator>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cloud: Arc<Cloud>,
    pub(super) kinds: Arc<Kinds>,
    pub(super) probes: Arc<Observer>,
    pub(super) writer: Writer,
    /// How its peers are reached.
    pub(super) route: Route,
    /// Somebody else's client.
    pub(super) elsewhere: reqwest::Client,
}

impl Bench {
    /// A cloud that is like this.
    pub(super) async fn open(world: World) -> Result<Bench, DrillError> {
        let clock = sim::Clock::stepped(world.now());
        let hosts = world.hosts();
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::start_within(Reach::Itself, world, clock.clone(), here, None)?;
        let address = simulator.addr();
        let endpoint = Endpoint::Own { address, pass: simulator.pass() };
        Ok(Bench {
            route: Route::Simulated {
                address,
                hosts,
                authority: simulator.authority().to_owned(),
                this_machine: ThisMachine::Unreachable,
            },
            elsewhere: reqwest::Client::builder().no_proxy().default_headers(simulator.pass()).build()?,
            simulator: Arc::new(simulator),
            clock: Arc::new(Embedded::of(clock)),
            cloud: Cloud::at(&endpoint).await?,
            writer: Writer::at(&endpoint).await?,
        })
    }

    /// The cloud, made like this, at this time or later.
    pub(super) fn stage(&self, runbook: &Runbook, world: World, not_before: Timestamp) -> Stage {
        self.simulator.restart(world, not_before);
        let cloud = Arc::new(self.cloud.anew());
        let kinds = Arc::new(Kinds::on(&cloud));
        let (clock, route) = (self.clock.clone(), self.route.clone());
        let probes = Observer::new(runbook.probe_set(), kinds.clone(), cloud.clone(), clock, route);
        Stage {
            simulator: self.simulator.clone(),
            clock: self.clock.clone(),
            cloud,
            kinds,
            probes: Arc::new(probes),
            writer: self.writer.clone(),
            route: self.route.clone(),
            elsewhere: self.elsewhere.clone(),
        }
    }
}
