//! `gcp.connector.scale`: grow a Serverless VPC Access connector.

use serde_json::Value;

use super::forecast::to_json;
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
    require_one_of,
};
use crate::peer::PeerRequest;
use crate::resource::Observable as _;
use crate::resource::connector::{Connector, Owned};
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

/// `gcp.connector.scale`. `None` leaves a field as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorScale {
    /// Short name of the connector.
    pub connector: String,
    /// Fewest instances.
    pub min_instances: Option<i64>,
    /// Most instances.
    pub max_instances: Option<i64>,
    /// Machine type of the instances.
    pub machine_type: Option<String>,
}

impl ConnectorScale {
    fn id(&self, target: &Target) -> ResourceId {
        target.resource(Connector::NAME, &self.connector)
    }

    /// Whether an update would be taken in the state that the connector is in, or soon.
    ///
    /// Source: the states of `Connector.State` in `google/cloud/vpcaccess/v1/vpc_access.proto`. Google's troubleshooting of Serverless
    /// VPC Access has no repair of a connector in ERROR but to delete and create it anew.
    fn must_be_changeable(&self, state: &Value) -> Result<(), Obstacle> {
        let name = &self.connector;
        match state.get("state").and_then(Value::as_str) {
            // An operation under way ends; the run waits for it.
            Some("READY" | "UPDATING" | "CREATING") => Ok(()),
            Some("ERROR") => {
                Err(Obstacle::impossible(format!("connector {name} is in state ERROR: it takes no update any more"))
                    .help(
                        "create another connector and move the services to it, or delete this one and create it anew: \
                         `gcloud compute networks vpc-access connectors describe` says what it looks like",
                    ))
            }
            Some("DELETING") => Err(Obstacle::impossible(format!("connector {name} is being deleted"))
                .help("wait until it is gone, and create another")),
            other => {
                let state = other.unwrap_or("none at all");
                Err(Obstacle::impossible(format!(
                    "the state of connector {name} is {state}, which rectify does not know: whether it takes an update is \
                     unknown"
                ))
                .help("read it with `gcloud compute networks vpc-access connectors describe`, and plan again once it is READY"))
            }
        }
    }

    /// Which of the bounds that this changes the API does not tell.
    fn bounds_unknown(&self, now: &Owned) -> Option<String> {
        let bounds = [
            ("min_instances", self.min_instances, now.min_instances),
            ("max_instances", self.max_instances, now.max_instances),
        ];
        let unknown = bounds.into_iter().filter(|(_, wanted, now)| wanted.is_some() && now.is_none());
        let unknown: Vec<&str> = unknown.map(|(name, ..)| name).collect();
        let names = unknown.join(" and ");
        (!unknown.is_empty()).then(|| {
            format!("what {names} is now is unknown: the API does not say, and refuses the change if it is more than is wanted")
        })
    }

    fn wanted(&self) -> Owned {
        Owned {
            min_instances: self.min_instances,
            max_instances: self.max_instances,
            machine_type: self.machine_type.clone(),
        }
    }
}

impl Declared for ConnectorScale {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.connector.scale",
        outputs: &[],
        with: Table {
            about: "Grows a Serverless VPC Access connector. It cannot be undone: a connector never shrinks.",
            keys: &[
                Key::new("connector", ValueType::Text, "The connector's short name.")
                    .required()
                    .example("\"staging-connector\""),
                Key::new("min_instances", ValueType::Integer, "Fewest instances.").example("3"),
                Key::new("max_instances", ValueType::Integer, "Most instances.").example("10"),
                Key::new("machine_type", ValueType::Text, "Machine type of its instances.")
                    .example("\"e2-standard-4\""),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<ConnectorScale> {
        let connector = with.text("connector");
        let min_instances = with.integer("min_instances");
        let max_instances = with.integer("max_instances");
        let machine_type = with.text("machine_type");
        require_one_of(with, "connector", &["min_instances", "max_instances", "machine_type"]);
        Some(ConnectorScale { connector: connector?, min_instances, max_instances, machine_type })
    }
}

impl StepAction for ConnectorScale {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        vec![self.id(target)]
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        Some((self.id(target), to_json(&self.wanted()).ok()?))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let id = self.id(forecast.target());
        self.must_be_changeable(forecast.state(&id)?)?;
        let now: Owned = forecast.typed_state(&id)?;
        let added = self.max_instances.zip(now.max_instances).map_or(0, |(wanted, now)| wanted.saturating_sub(now));
        forecast.within_instances(&self.connector, added)?;
        let mut task = step.whole();
        let unknown = self.bounds_unknown(&now);
        forecast.change::<Connector>(id, to_json(&self.wanted())?, &mut task)?;
        if task.change.is_some() {
            task.warnings.extend(unknown);
        }
        Ok(vec![task])
    }

    /// Whether a machine type can be changed back Google does not say.
    fn rollback(&self) -> Rollback {
        Rollback::Impossible("a connector grows and never shrinks")
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        vec![Name::value("connector", &self.connector, Connector::NAME_SHAPE)]
    }
}
