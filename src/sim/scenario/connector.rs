//! `[connections_per_instance]` and `[connectors.NAME]`.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::captured::Captured;
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
    machine_type: Option<String>,
    min_instances: Option<i64>,
    max_instances: Option<i64>,
    created: Option<Timestamp>,
    #[serde(default)]
    network: String,
    #[serde(default)]
    ip_cidr_range: String,
    /// The name of the subnet that it has in the place of a network and a range.
    subnet: Option<String>,
    update_takes: Spanned<SignedDuration>,
    #[serde(default)]
    state: StateOrBody,
}

/// `state = "READY"`, or what `gcloud compute networks vpc-access connectors describe --format=json` printed.
#[derive(Deserialize)]
#[serde(try_from = "String")]
enum StateOrBody {
    State(State),
    Body(Captured),
}

impl Default for StateOrBody {
    fn default() -> Self {
        Self::State(State::Ready)
    }
}

impl TryFrom<String> for StateOrBody {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.trim_start().starts_with('{') {
            return Captured::try_from(text).map(Self::Body);
        }
        let named = serde_json::from_value(text.into());
        named.map(Self::State).map_err(|error: serde_json::Error| error.to_string())
    }
}

impl ConnectorTable {
    fn build(
        self,
        at: Range<usize>,
        start: Timestamp,
        figures: &BTreeMap<String, u64>,
    ) -> Result<Connector, Complaint> {
        let (state, body) = match self.state {
            StateOrBody::State(state) => (state, Captured(Map::new())),
            StateOrBody::Body(body) => {
                let named = body.0.get("state").cloned().and_then(|state| serde_json::from_value(state).ok());
                (named.unwrap_or(State::Ready), body)
            }
        };
        let text = |field: &str| body.0.get(field).and_then(Value::as_str).map(str::to_owned);
        let number = |field: &str| body.0.get(field).and_then(Value::as_i64);
        let Some(machine_type) = self.machine_type.or_else(|| text("machineType")) else {
            return complain(at, "missing field `machine_type`");
        };
        let min_instances = self.min_instances.or_else(|| number("minInstances"));
        let max_instances = self.max_instances.or_else(|| number("maxInstances"));
        let (Some(min_instances), Some(max_instances)) = (min_instances, max_instances) else {
            return complain(at, "missing field `min_instances` or `max_instances`");
        };
        if let Some(refusal) = connector::out_of_bounds(min_instances, max_instances, &machine_type) {
            return complain(at, refusal.message);
        }
        if !figures.contains_key(&machine_type) {
            let reason = format!("[connections_per_instance] says nothing about {machine_type}");
            return complain(at, reason);
        }
        let network = if self.network.is_empty() { text("network").unwrap_or_default() } else { self.network };
        let range = if self.ip_cidr_range.is_empty() { text("ipCidrRange") } else { Some(self.ip_cidr_range) };
        let range = range.unwrap_or_default();
        let subnet = self.subnet.map(|name| json!({ "name": name })).or_else(|| body.0.get("subnet").cloned());
        if subnet.is_none() && (network.is_empty() || range.is_empty()) {
            return complain(at, "a connector has a `network` and an `ip_cidr_range`, or a `subnet`");
        }
        Ok(Connector {
            created: self.created.unwrap_or_else(|| body.time("createTime", start)),
            subnet,
            network,
            ip_cidr_range: range,
            state,
            kept: body.besides(&connector::FIELDS),
            machine_type,
            min_instances,
            max_instances,
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
