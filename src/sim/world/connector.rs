//! Serverless VPC Access connectors: they have a size and a machine type, and they only grow.
//!
//! Known of Google, and held here: at least 2 to 9 and at most 3 to 10 instances, the least below the most, neither
//! ever below its present value, three machine types, no etag, one long-running operation per update that cannot be
//! cancelled (sources: gcloud's reference of `compute networks vpc-access connectors update`; the Terraform
//! provider's `mmv1/products/vpcaccess/Connector.yaml`; `google/cloud/vpcaccess/v1/vpc_access.proto`).
//!
//! Not known of Google, and therefore a scenario's figure or ours: how long an update takes (`update_takes`), whether
//! a size out of bounds is refused at once or by the operation (`connector_bounds`), whether a smaller machine type is
//! accepted (`machine_type_downgrade`), every wording, and the code of a second update while one runs (ours: ABORTED).
//! That an update does not disturb the traffic is an assumption too.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::operation::{Effect, Operation};
use super::refusal::{Code, Refusal};
use super::{ConnectorBounds, MachineTypeDowngrade, World};

/// The machine types that there are, from the smallest to the largest.
pub const MACHINE_TYPES: [&str; 3] = ["f1-micro", "e2-micro", "e2-standard-4"];

/// How long it takes to make the first connector (ours).
const CREATE_TAKES: SignedDuration = SignedDuration::from_mins(3);

/// Every field of the message `Connector` in `vpc_access.proto`.
const FIELDS: [&str; 11] = [
    "name",
    "network",
    "ipCidrRange",
    "state",
    "minThroughput",
    "maxThroughput",
    "connectedProjects",
    "subnet",
    "machineType",
    "minInstances",
    "maxInstances",
];

/// A connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connector {
    /// The network that it leads into.
    pub network: String,
    /// Its /28.
    pub ip_cidr_range: String,
    /// Whether it can be changed now.
    pub state: State,
    /// What its instances are.
    pub machine_type: String,
    /// Instances at least.
    pub min_instances: i64,
    /// Instances at most.
    pub max_instances: i64,
    /// How long an update takes: a scenario's figure, Google publishes none.
    pub update_takes: SignedDuration,
}

/// The states of `Connector.State` that the simulated cloud knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Deployed and ready.
    Ready,
    /// It is being made.
    Creating,
    /// It is being deleted.
    Deleting,
    /// An update is running.
    Updating,
    /// In a bad state; Google recommends to delete it by hand.
    Error,
}

impl Connector {
    /// The connector as the API shows it.
    pub fn wire(&self, name: &str, project: &str) -> Value {
        json!({
            "name": name,
            "network": self.network,
            "ipCidrRange": self.ip_cidr_range,
            "state": self.state,
            "connectedProjects": [project],
            "machineType": self.machine_type,
            "minInstances": self.min_instances,
            "maxInstances": self.max_instances,
        })
    }
}

/// Says what is wrong with a size whatever the connector's present one.
pub fn out_of_bounds(min: i64, max: i64, machine_type: &str) -> Option<Refusal> {
    if !(2..=9).contains(&min) {
        return Some(Refusal::invalid("min_instances", format!("min_instances must be between 2 and 9, got {min}")));
    }
    if !(3..=10).contains(&max) {
        return Some(Refusal::invalid("max_instances", format!("max_instances must be between 3 and 10, got {max}")));
    }
    if min >= max {
        return Some(Refusal::invalid("max_instances", "max needs to be greater than min"));
    }
    if !MACHINE_TYPES.contains(&machine_type) {
        let known = MACHINE_TYPES.join(", ");
        let message = format!("machine_type must be one of {known}, got {machine_type:?}");
        return Some(Refusal::invalid("machine_type", message));
    }
    None
}

impl World {
    /// `PATCH …/connectors/C`: starts an update, or refuses it.
    ///
    /// `mask` is the query parameter `updateMask`; fields outside it are ignored, fields in it that the body lacks
    /// count as zero, as the protocol has it.
    pub fn update_connector(
        &mut self,
        short: &str,
        body: &Map<String, Value>,
        mask: Option<&str>,
    ) -> Result<Operation, Refusal> {
        let name = self.connector_name(short);
        let connector = self.connectors.get(short).ok_or_else(|| Refusal::missing(&name))?;
        if let Some(unknown) = body.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(super::unknown_field(unknown, "connector"));
        }
        if body.get("name").is_some_and(|given| given.as_str().is_none_or(|given| !given.is_empty() && given != name)) {
            return Err(Refusal::invalid("connector.name", "connector.name must match the name in the URL"));
        }
        let paths: Vec<&str> = mask.unwrap_or_default().split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
        if paths.is_empty() {
            return Err(Refusal::invalid("update_mask", "update_mask must name at least one field"));
        }
        let (mut min, mut max) = (connector.min_instances, connector.max_instances);
        let mut machine_type = connector.machine_type.clone();
        for path in paths {
            match path {
                "minInstances" | "min_instances" => min = super::int32(body, "minInstances")?,
                "maxInstances" | "max_instances" => max = super::int32(body, "maxInstances")?,
                "machineType" | "machine_type" => {
                    super::text(body, "machineType")?.unwrap_or_default().clone_into(&mut machine_type);
                }
                other => {
                    let message = format!(
                        "update_mask: {other:?} is not a field that can be updated; those are minInstances, maxInstances, machineType"
                    );
                    return Err(Refusal::invalid("update_mask", message));
                }
            }
        }
        let refusal = out_of_bounds(min, max, &machine_type);
        if let (Some(refusal), ConnectorBounds::Sync) = (&refusal, self.behaviour.connector_bounds) {
            return Err(refusal.clone());
        }
        if refusal.is_none() {
            self.refuse_shrinkage(connector, min, max, &machine_type)?;
        }
        if connector.state != State::Ready {
            let message = format!("Connector {name} is not READY: another operation on it has not ended");
            return Err(Refusal::new(Code::Aborted, message));
        }
        let takes = connector.update_takes;
        let effect = Effect::Resize {
            connector: short.to_owned(),
            min_instances: min,
            max_instances: max,
            machine_type,
            refusal,
        };
        if let Some(connector) = self.connectors.get_mut(short) {
            connector.state = State::Updating;
        }
        Ok(self.begin(name, effect, takes, None))
    }

    /// `POST …/connectors?connectorId=C`: begins to make a connector, or refuses to.
    ///
    /// The API has no defaults for the size (source: cloud-foundation-fabric issue 2706); that it takes as long as an
    /// update of another connector does, and that a machine type that is not named is `e2-micro`, are ours.
    pub fn create_connector(&mut self, short: &str, body: &Map<String, Value>) -> Result<Operation, Refusal> {
        let name = self.connector_name(short);
        if !super::traffic::is_label(short) || short.len() > 25 {
            let message = "connector_id must be up to 25 characters of a-z, 0-9 and '-', beginning with a letter";
            return Err(Refusal::invalid("connector_id", message));
        }
        if let Some(unknown) = body.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(super::unknown_field(unknown, "connector"));
        }
        if self.connectors.contains_key(short) {
            return Err(Refusal::new(Code::AlreadyExists, format!("Requested entity already exists: {name}")));
        }
        let (min, max) = (super::int32(body, "minInstances")?, super::int32(body, "maxInstances")?);
        if max == 0 && super::int32(body, "maxThroughput")? == 0 {
            let message = "A Connector must specify either max_throughput or max_instances.";
            return Err(Refusal::invalid("max_instances", message));
        }
        let machine_type = super::text(body, "machineType")?.unwrap_or("e2-micro").to_owned();
        if let Some(refusal) = out_of_bounds(min, max, &machine_type) {
            return Err(refusal);
        }
        let word = |field| Ok::<_, Refusal>(super::text(body, field)?.unwrap_or_default().to_owned());
        let takes = self.connectors.values().next().map_or(CREATE_TAKES, |other| other.update_takes);
        let connector = Connector {
            network: word("network")?,
            ip_cidr_range: word("ipCidrRange")?,
            state: State::Creating,
            machine_type,
            min_instances: min,
            max_instances: max,
            update_takes: takes,
        };
        self.connectors.insert(short.to_owned(), connector);
        Ok(self.begin(name, Effect::CreateConnector { connector: short.to_owned() }, takes, None))
    }

    pub(super) fn connector_is_there(&mut self, short: &str) -> super::operation::Outcome {
        let name = self.connector_name(short);
        match self.connectors.get_mut(short) {
            None => super::operation::Outcome::Error(Refusal::missing(&name)),
            Some(found) => {
                found.state = State::Ready;
                super::operation::Outcome::Response(found.wire(&name, &self.project))
            }
        }
    }

    /// `DELETE …/connectors/C`: begins to delete a connector. That one in use may be deleted is known from those who
    /// did (source: terraform-provider-google issue 27715); what needs it starves.
    pub fn delete_connector(&mut self, short: &str) -> Result<Operation, Refusal> {
        let name = self.connector_name(short);
        let connector = self.connectors.get_mut(short).ok_or_else(|| Refusal::missing(&name))?;
        if !matches!(connector.state, State::Ready | State::Error) {
            let message = format!("Connector {name} is not READY: another operation on it has not ended");
            return Err(Refusal::new(Code::Aborted, message));
        }
        connector.state = State::Deleting;
        let takes = connector.update_takes;
        Ok(self.begin(name, Effect::DeleteConnector { connector: short.to_owned() }, takes, None))
    }

    fn refuse_shrinkage(&self, now: &Connector, min: i64, max: i64, machine_type: &str) -> Result<(), Refusal> {
        let shrinks = |what: &str, from: i64, to: i64| {
            let message = format!("{what} cannot be decreased from {from} to {to}: a connector can only be enlarged");
            Refusal { code: Code::FailedPrecondition, message, field: None }
        };
        if min < now.min_instances {
            return Err(shrinks("min_instances", now.min_instances, min));
        }
        if max < now.max_instances {
            return Err(shrinks("max_instances", now.max_instances, max));
        }
        let rank = |name: &str| MACHINE_TYPES.iter().position(|known| *known == name);
        if rank(machine_type) < rank(&now.machine_type)
            && self.behaviour.machine_type_downgrade == MachineTypeDowngrade::Refused
        {
            let message = format!("machine_type cannot be changed from {} to {machine_type}", now.machine_type);
            return Err(Refusal::new(Code::FailedPrecondition, message));
        }
        Ok(())
    }
}
