//! Serverless VPC Access connectors: they have a size and a machine type, and they only grow.
//!
//! Known of Google, and held here: at least 2 to 9 and at most 3 to 10 instances, the least below the most, neither
//! ever below its present value, three machine types, no etag, one long-running operation per update that cannot be
//! cancelled (sources: gcloud's reference of `compute networks vpc-access connectors update`; the Terraform
//! provider's `mmv1/products/vpcaccess/Connector.yaml`; `google/cloud/vpcaccess/v1/vpc_access.proto`).
//!
//! Also known: a connector is made by its instances or by its throughput, of which each instance gives 100 Mbps (source:
//! 200/1000 shown for 2/10 instances, steampipe-plugin-gcp issue 647); without a maximum the *operation* of its creation
//! fails (source: cloud-foundation-fabric issue 2706), and so do other sizes unless the scenario says that the request is
//! refused (`connector_bounds`); a throughput that is no multiple of 100 is refused at once (source:
//! terraform-provider-google issue 15286); a name has less than 21 characters, a hyphen counting as two (Google's
//! documentation).
//!
//! Not known of Google, and therefore a scenario's figure or ours: how long an update takes (`update_takes`), whether a
//! smaller machine type is accepted (`machine_type_downgrade`), every wording that no comment gives a source for, and the
//! code of a second update while one runs (ours: ABORTED).
//! That an update does not disturb the traffic is an assumption too.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Change, VpcAccess};
use crate::sim::world::caller::SOMEBODY;
use crate::sim::world::operation::{Asked, Operation};
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{self, ConnectorBounds, MachineTypeDowngrade, World};

/// The machine types that there are, from the smallest to the largest.
pub const MACHINE_TYPES: [&str; 3] = ["f1-micro", "e2-micro", "e2-standard-4"];

/// How long it takes to make the first connector (ours).
const CREATE_TAKES: SignedDuration = SignedDuration::from_mins(3);

/// What one instance adds to the throughput that is shown, in Mbps.
const THROUGHPUT_PER_INSTANCE: i64 = 100;

/// Every field of the message `Connector` in `vpc_access.proto`, and the two that answers have besides (captured in 2024).
pub const FIELDS: [&str; 13] = [
    "createTime",
    "lastRestartTime",
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
    /// When it was created.
    #[serde(default)]
    pub created: Timestamp,
    /// The network that it leads into; empty if a subnet says that.
    pub network: String,
    /// Its /28; empty if it has a subnet.
    pub ip_cidr_range: String,
    /// The subnet that it has in the place of a range, in the API's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Value>,
    /// Whether it can be changed now.
    pub state: State,
    /// Fields that were captured and that nobody here knows: they are shown.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub kept: Map<String, Value>,
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
        let mut wire = json!({
            "name": name,
            "state": self.state,
            "minThroughput": self.min_instances * THROUGHPUT_PER_INSTANCE,
            "maxThroughput": self.max_instances * THROUGHPUT_PER_INSTANCE,
            "connectedProjects": [project],
            "machineType": self.machine_type,
            "minInstances": self.min_instances,
            "maxInstances": self.max_instances,
            "createTime": self.created.to_string(),
        });
        for (field, text) in [("network", &self.network), ("ipCidrRange", &self.ip_cidr_range)] {
            if !text.is_empty() {
                wire[field] = json!(text);
            }
        }
        if let Some(subnet) = &self.subnet {
            wire["subnet"] = subnet.clone();
        }
        if let Some(wire) = wire.as_object_mut() {
            wire.extend(self.kept.clone());
        }
        wire
    }
}

/// The instances that a throughput stands for; none if it is not given.
fn instances_for(body: &Map<String, Value>, field: &str, words: &str, least: i64) -> Result<i64, Refusal> {
    let throughput = world::int32(body, field)?;
    if throughput != 0 && (throughput % THROUGHPUT_PER_INSTANCE != 0 || !(least..=1000).contains(&throughput)) {
        let message =
            format!("Connector {words} throughput must be a multiple of 100 between {least} and 1000 in Mbps.");
        return Err(Refusal::new(Code::InvalidArgument, message));
    }
    Ok(throughput / THROUGHPUT_PER_INSTANCE)
}

/// The same refusal as the operation gives it (source: cloud-foundation-fabric issue 2706).
fn late(refusal: Refusal) -> Refusal {
    Refusal { message: format!("Operation failed: {}", refusal.message), field: None, ..refusal }
}

/// Says what is wrong with a size whatever the connector's present one.
pub fn out_of_bounds(min: i64, max: i64, machine_type: &str) -> Option<Refusal> {
    if min < 2 {
        // Google's words, as those of a maximum that is too small (quoted in magic-modules issue 13989).
        return Some(Refusal::invalid("min_instances", "min must be greater than or equal to 2"));
    }
    if min > 9 {
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
        let connector = self.parts.vpc_access.connectors.get(short).ok_or_else(|| Refusal::missing(&name))?;
        if let Some(unknown) = body.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(world::unknown_field(unknown, "connector"));
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
                "minInstances" | "min_instances" => min = world::int32(body, "minInstances")?,
                "maxInstances" | "max_instances" => max = world::int32(body, "maxInstances")?,
                "machineType" | "machine_type" => {
                    world::text(body, "machineType")?.unwrap_or_default().clone_into(&mut machine_type);
                }
                other => {
                    let message = format!(
                        "update_mask: {other:?} is not a field that can be updated; those are minInstances, maxInstances, machineType"
                    );
                    return Err(Refusal::invalid("update_mask", message));
                }
            }
        }
        let refusal = self.late_or_now(out_of_bounds(min, max, &machine_type))?;
        if refusal.is_none() {
            self.refuse_shrinkage(connector, min, max, &machine_type)?;
        }
        if connector.state != State::Ready {
            let message = format!("Connector {name} is not READY: another operation on it has not ended");
            return Err(Refusal::new(Code::Aborted, message));
        }
        let takes = connector.update_takes;
        let change = Change::Resize { min_instances: min, max_instances: max, machine_type, refusal };
        if let Some(connector) = self.parts.vpc_access.connectors.get_mut(short) {
            connector.state = State::Updating;
        }
        Ok(self.begin_with_connector(short, change, takes))
    }

    /// What the operation will end with, if this is for the operation to say.
    fn late_or_now(&self, refusal: Option<Refusal>) -> Result<Option<Refusal>, Refusal> {
        match (refusal, self.behaviour.connector_bounds) {
            (Some(refusal), ConnectorBounds::Sync) => Err(refusal),
            (refusal, _) => Ok(refusal.map(late)),
        }
    }

    /// `POST …/connectors?connectorId=C`: begins to make a connector, or refuses to.
    ///
    /// The API has no default for the maximum (source: cloud-foundation-fabric issue 2706). Ours: that the minimum is 2 if
    /// nothing is said of it, that it takes as long as an update of another connector does, and that a machine type that is
    /// not named is `e2-micro`.
    pub fn create_connector(&mut self, short: &str, body: &Map<String, Value>) -> Result<Operation, Refusal> {
        let name = self.connector_name(short);
        if !world::is_label(short) || short.len() + short.matches('-').count() > 20 {
            let message = "connector_id must have less than 21 characters of a-z, 0-9 and '-', which counts as two, and begin with a letter";
            return Err(Refusal::invalid("connector_id", message));
        }
        if let Some(unknown) = body.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(world::unknown_field(unknown, "connector"));
        }
        if self.parts.vpc_access.connectors.contains_key(short) {
            return Err(Refusal::new(Code::AlreadyExists, format!("Requested entity already exists: {name}")));
        }
        let by_throughput = [
            instances_for(body, "minThroughput", "minimum", 200)?,
            instances_for(body, "maxThroughput", "maximum", 300)?,
        ];
        let given = [world::int32(body, "minInstances")?, world::int32(body, "maxInstances")?];
        // Instances take precedence (source: the fields' comments).
        let [min, max] = [0, 1].map(|which: usize| {
            let said = |of: &[i64; 2]| of.get(which).copied().filter(|count| *count != 0);
            said(&given).or_else(|| said(&by_throughput)).unwrap_or_default()
        });
        let min = if min == 0 { 2 } else { min };
        let machine_type = world::text(body, "machineType")?.unwrap_or("e2-micro").to_owned();
        let missing = (max == 0).then(|| {
            let message = "A Connector must specify either max_throughput or max_instances.";
            Refusal::invalid("max_instances", message)
        });
        let refusal = self.late_or_now(missing.or_else(|| out_of_bounds(min, max, &machine_type)))?;
        let word = |field| Ok::<_, Refusal>(world::text(body, field)?.unwrap_or_default().to_owned());
        let takes = self.parts.vpc_access.connectors.values().next().map_or(CREATE_TAKES, |other| other.update_takes);
        let connector = Connector {
            created: self.now,
            network: word("network")?,
            ip_cidr_range: word("ipCidrRange")?,
            subnet: world::object(body, "subnet")?.map(|subnet| Value::Object(subnet.clone())),
            state: State::Creating,
            kept: Map::new(),
            // One whose creation will fail is there until then, with a size that can be.
            machine_type: if MACHINE_TYPES.contains(&machine_type.as_str()) {
                machine_type
            } else {
                "e2-micro".to_owned()
            },
            min_instances: min.clamp(2, 9),
            max_instances: max.clamp(3, 10),
            update_takes: takes,
        };
        self.parts.vpc_access.connectors.insert(short.to_owned(), connector);
        Ok(self.begin_with_connector(short, Change::Create { refusal }, takes))
    }

    fn begin_with_connector(&mut self, short: &str, change: Change, takes: SignedDuration) -> Operation {
        let asked = Asked { target: self.connector_name(short), user: SOMEBODY, takes, shown: None };
        self.begin::<VpcAccess>(super::Effect { connector: short.to_owned(), change }, asked)
    }

    /// The full name of a connector.
    pub fn connector_name(&self, short: &str) -> String {
        format!("{}/connectors/{short}", self.location())
    }

    /// `DELETE …/connectors/C`: begins to delete a connector. That one in use may be deleted is known from those who
    /// did (source: terraform-provider-google issue 27715); what needs it starves.
    pub fn delete_connector(&mut self, short: &str) -> Result<Operation, Refusal> {
        let name = self.connector_name(short);
        let connector = self.parts.vpc_access.connectors.get_mut(short).ok_or_else(|| Refusal::missing(&name))?;
        if !matches!(connector.state, State::Ready | State::Error) {
            let message = format!("Connector {name} is not READY: another operation on it has not ended");
            return Err(Refusal::new(Code::Aborted, message));
        }
        connector.state = State::Deleting;
        let takes = connector.update_takes;
        Ok(self.begin_with_connector(short, Change::Delete, takes))
    }

    fn refuse_shrinkage(&self, now: &Connector, min: i64, max: i64, machine_type: &str) -> Result<(), Refusal> {
        let shrinks = |what: &str, from: i64, to: i64| {
            let message = format!("{what} cannot be decreased from {from} to {to}: a connector can only be enlarged");
            Refusal::new(Code::FailedPrecondition, message)
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
