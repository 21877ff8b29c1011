//! `[connections_per_instance]` and `[connectors.NAME]`.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use toml::Spanned;

use super::reading::{Complaint, Complaints, Named, complain, positive};
use crate::sim::world::connector::{self, Connector, State};
use crate::sim::world::{SetUp, World};

/// What connector instances carry, by machine type.
pub(super) fn carried(figures: Named<u64>, complaints: &mut Complaints) -> BTreeMap<String, u64> {
    let mut carried = BTreeMap::new();
    for (machine_type, connections) in figures {
        if !connector::MACHINE_TYPES.contains(&machine_type.as_ref().as_str()) {
            let known = connector::MACHINE_TYPES.join(", ");
            complaints.add(machine_type.span(), format!("there is no such machine type; there are {known}"));
        }
        carried.insert(machine_type.into_inner(), connections);
    }
    carried
}

/// Puts the connectors into the world.
pub(super) fn build(tables: Named<ConnectorTable>, world: &mut World, complaints: &mut Complaints) {
    for (name, table) in tables {
        if let Some(connector) = complaints.keep(table.build(name.span(), world.now, &world.connections_per_instance)) {
            world.connectors.insert(name.into_inner(), connector);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectorTable {
    machine_type: String,
    min_instances: i64,
    max_instances: i64,
    created: Option<Timestamp>,
    #[serde(default)]
    network: String,
    #[serde(default)]
    ip_cidr_range: String,
    /// The name of the subnet that it has in the place of a network and a range.
    subnet: Option<String>,
    update_takes: Spanned<SignedDuration>,
    #[serde(default = "ready")]
    state: State,
}

fn ready() -> State {
    State::Ready
}

impl ConnectorTable {
    fn build(
        self,
        at: Range<usize>,
        start: Timestamp,
        figures: &BTreeMap<String, u64>,
    ) -> Result<Connector, Complaint> {
        if let Some(refusal) = connector::out_of_bounds(self.min_instances, self.max_instances, &self.machine_type) {
            return complain(at, refusal.message);
        }
        if !figures.contains_key(&self.machine_type) {
            let reason = format!("[connections_per_instance] says nothing about {}", self.machine_type);
            return complain(at, reason);
        }
        if self.subnet.is_none() && (self.network.is_empty() || self.ip_cidr_range.is_empty()) {
            return complain(at, "a connector has a `network` and an `ip_cidr_range`, or a `subnet`");
        }
        Ok(Connector {
            created: self.created.unwrap_or(start),
            subnet: self.subnet.map(|name| json!({ "name": name })),
            network: self.network,
            ip_cidr_range: self.ip_cidr_range,
            state: self.state,
            machine_type: self.machine_type,
            min_instances: self.min_instances,
            max_instances: self.max_instances,
            update_takes: positive(self.update_takes)?,
        })
    }
}

/// The curve along which connectors slow down: more load never makes a connection faster.
pub(super) fn curve(points: Vec<Spanned<SetUp>>, complaints: &mut Complaints) -> Vec<SetUp> {
    let mut curve: Vec<SetUp> = Vec::new();
    for point in points {
        let SetUp { load, takes } = *point.as_ref();
        if !load.is_finite() || load < 0.0 || takes.is_negative() {
            complaints.add(point.span(), "a load and a duration cannot be negative");
        } else if curve.last().is_some_and(|last| last.load >= load || last.takes > takes) {
            complaints.add(point.span(), "the points of the curve rise, in load and in what a connection takes");
        }
        curve.push(point.into_inner());
    }
    curve
}
