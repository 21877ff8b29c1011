//! `[connections_per_instance]` and `[connectors.NAME]`.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::SetUp;
use super::connector::{self, Connector, State};
use crate::sim::scenario::captured::Captured;
use crate::sim::scenario::reading::{Complaint, Complaints, Named, Reader, complain, positive_or};
use crate::sim::world::World;

/// The tables of connectors.
pub(in crate::sim) struct Tables {
    figures: Named<u64>,
    connectors: Named<ConnectorTable>,
    curve: Vec<Spanned<SetUp>>,
}

impl Tables {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            figures: reader.named("connections_per_instance"),
            connectors: reader.named("connectors"),
            curve: reader.list("connection_set_up"),
        }
    }

    /// Puts the connectors into the world.
    pub(super) fn build(self, world: &mut World, complaints: &mut Complaints) {
        let part = &mut world.parts.vpc_access;
        part.connections_per_instance = carried(self.figures, complaints);
        part.connection_set_up = curve(self.curve, complaints);
        for (name, table) in self.connectors {
            if let Some(connector) = complaints.keep(table.build(name.span(), world.now)) {
                part.connectors.insert(name.into_inner(), connector);
            }
        }
    }
}

/// How many connections an instance carries of which the scenario says nothing (ours).
const CARRIED: [(&str, u64); 3] = [("f1-micro", 20), ("e2-micro", 40), ("e2-standard-4", 640)];

/// How long an update takes of which the scenario says nothing (ours).
const UPDATE_TAKES: SignedDuration = SignedDuration::from_mins(4);

/// What a connector is that the scenario says nothing more of: two or three of the smallest that there are by default (source:
/// gcloud's reference), in a network of the usual name, with a range of ours.
const MACHINE_TYPE: &str = "e2-micro";
const INSTANCES: (i64, i64) = (2, 3);
const NETWORK: &str = "default";
const RANGE: &str = "10.8.0.0/28";

/// What connector instances carry, by machine type.
fn carried(figures: Named<u64>, complaints: &mut Complaints) -> BTreeMap<String, u64> {
    let mut carried: BTreeMap<String, u64> =
        CARRIED.into_iter().map(|(machine_type, connections)| (machine_type.to_owned(), connections)).collect();
    for (machine_type, connections) in figures {
        if !connector::MACHINE_TYPES.contains(&machine_type.as_ref().as_str()) {
            let known = connector::MACHINE_TYPES.join(", ");
            complaints.add(machine_type.span(), format!("there is no such machine type; there are {known}"));
        }
        carried.insert(machine_type.into_inner(), connections);
    }
    carried
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectorTable {
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
    update_takes: Option<Spanned<SignedDuration>>,
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
    fn build(self, at: Range<usize>, start: Timestamp) -> Result<Connector, Complaint> {
        let (state, body) = match self.state {
            StateOrBody::State(state) => (state, Captured(Map::new())),
            StateOrBody::Body(body) => {
                let named = body.0.get("state").cloned().and_then(|state| serde_json::from_value(state).ok());
                (named.unwrap_or(State::Ready), body)
            }
        };
        let text = |field: &str| body.0.get(field).and_then(Value::as_str).map(str::to_owned);
        let number = |field: &str| body.0.get(field).and_then(Value::as_i64);
        let machine_type = self.machine_type.or_else(|| text("machineType")).unwrap_or_else(|| MACHINE_TYPE.to_owned());
        let min_instances = self.min_instances.or_else(|| number("minInstances")).unwrap_or(INSTANCES.0);
        let max_instances = self.max_instances.or_else(|| number("maxInstances"));
        let max_instances = max_instances.unwrap_or_else(|| INSTANCES.1.max(min_instances.saturating_add(1)));
        if let Some(refusal) = connector::out_of_bounds(min_instances, max_instances, &machine_type) {
            return complain(at, refusal.message);
        }
        let subnet = self.subnet.map(|name| json!({ "name": name })).or_else(|| body.0.get("subnet").cloned());
        let said = |own: String, captured: Option<String>, usual: &str| {
            let own = Some(own).filter(|own| !own.is_empty()).or(captured);
            own.unwrap_or_else(|| if subnet.is_some() { String::new() } else { usual.to_owned() })
        };
        let network = said(self.network, text("network"), NETWORK);
        let range = said(self.ip_cidr_range, text("ipCidrRange"), RANGE);
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
            update_takes: positive_or(self.update_takes, UPDATE_TAKES)?,
        })
    }
}

/// The curve along which connectors slow down: more load never makes a connection faster.
fn curve(points: Vec<Spanned<SetUp>>, complaints: &mut Complaints) -> Vec<SetUp> {
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
