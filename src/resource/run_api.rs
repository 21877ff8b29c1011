//! Cloud Run's API, version 2: its messages, as much of them as is read or written, and its calls.
//!
//! What is read and written back keeps every field, known or not (`other`): a template that somebody set with a newer tool is not cut down
//! to what this version knows. Source: `google/cloud/run/v2/*.proto`.

use std::sync::PoisonError;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api_error::ApiError;
use super::cloud::Cloud;
use super::operation::{self, Operation};
use super::path::ApiPath;
use super::proto_json::{integer, is_default, optional_integer, proto_enum};
use super::rest::{Api, Request};

/// The version that is spoken.
const VERSION: &str = "/v2";

proto_enum! {
    /// How a condition stands.
    ConditionState {
        Pending = 1 "CONDITION_PENDING",
        Reconciling = 2 "CONDITION_RECONCILING",
        Failed = 3 "CONDITION_FAILED",
        Succeeded = 4 "CONDITION_SUCCEEDED",
    }
}

proto_enum! {
    /// What an entry of a traffic split leads to.
    Allocation {
        Latest = 1 "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST",
        Revision = 2 "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
    }
}

proto_enum! {
    /// Who chooses the number of instances.
    ScalingMode {
        Automatic = 1 "AUTOMATIC",
        Manual = 2 "MANUAL",
    }
}

proto_enum! {
    /// Which requests of an instance go through the network.
    VpcEgress {
        AllTraffic = 1 "ALL_TRAFFIC",
        PrivateRangesOnly = 2 "PRIVATE_RANGES_ONLY",
    }
}

impl VpcEgress {
    /// As `gcloud` calls it.
    pub(super) fn word(&self) -> &str {
        match self {
            VpcEgress::AllTraffic => "all-traffic",
            VpcEgress::PrivateRangesOnly => "private-ranges-only",
            VpcEgress::Unspecified | VpcEgress::Other(_) => self.name(),
        }
    }

    /// The one that `gcloud` calls so.
    pub(super) fn of_word(word: &str) -> Option<VpcEgress> {
        [VpcEgress::AllTraffic, VpcEgress::PrivateRangesOnly].into_iter().find(|egress| egress.word() == word)
    }
}

/// A service.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Service {
    pub name: String,
    pub etag: Option<String>,
    #[serde(deserialize_with = "integer")]
    pub generation: i64,
    #[serde(deserialize_with = "integer")]
    pub observed_generation: i64,
    pub reconciling: bool,
    pub terminal_condition: Option<Condition>,
    /// By its full name.
    pub latest_ready_revision: String,
    /// By its full name.
    pub latest_created_revision: String,
    pub template: Option<RevisionTemplate>,
    pub traffic: Vec<TrafficTarget>,
    pub traffic_statuses: Vec<TrafficTargetStatus>,
    pub scaling: Option<ServiceScaling>,
    pub default_uri_disabled: bool,
}

/// Something that a service or a revision says of itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub state: ConditionState,
    pub message: String,
}

/// What new revisions are made of.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RevisionTemplate {
    /// The short name of the next revision; empty: the API chooses it.
    #[serde(skip_serializing_if = "is_default")]
    pub revision: String,
    #[serde(skip_serializing_if = "is_default")]
    pub containers: Vec<Container>,
    #[serde(skip_serializing_if = "is_default")]
    pub scaling: Option<RevisionScaling>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A container of a template or a revision.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct Container {
    #[serde(skip_serializing_if = "is_default")]
    pub image: String,
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<Value>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Which container serves requests: the only one, or among sidecars the only one with a port.
pub(super) fn serving(containers: &[Container]) -> Option<usize> {
    if containers.len() == 1 {
        return Some(0);
    }
    let mut listening = containers.iter().enumerate().filter(|(_, container)| !container.ports.is_empty());
    let (place, _) = listening.next()?;
    listening.next().is_none().then_some(place)
}

/// The bounds of each revision.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RevisionScaling {
    #[serde(deserialize_with = "optional_integer", skip_serializing_if = "is_default")]
    pub min_instance_count: Option<i64>,
    #[serde(deserialize_with = "optional_integer", skip_serializing_if = "is_default")]
    pub max_instance_count: Option<i64>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The bounds of a service as a whole.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServiceScaling {
    #[serde(deserialize_with = "optional_integer", skip_serializing_if = "is_default")]
    pub min_instance_count: Option<i64>,
    #[serde(deserialize_with = "optional_integer", skip_serializing_if = "is_default")]
    pub max_instance_count: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    pub scaling_mode: ScalingMode,
    #[serde(deserialize_with = "optional_integer", skip_serializing_if = "is_default")]
    pub manual_instance_count: Option<i64>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An entry of a traffic split, as it is wanted.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct TrafficTarget {
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub allocation: Allocation,
    /// The short name of the revision.
    #[serde(skip_serializing_if = "is_default")]
    pub revision: String,
    #[serde(deserialize_with = "integer", skip_serializing_if = "is_default")]
    pub percent: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub tag: String,
}

/// An entry of a traffic split, as it is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct TrafficTargetStatus {
    #[serde(rename = "type")]
    pub allocation: Allocation,
    pub revision: String,
    #[serde(deserialize_with = "integer")]
    pub percent: i64,
    pub tag: String,
    pub uri: String,
}

/// A revision.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Revision {
    pub name: String,
    pub etag: Option<String>,
    pub create_time: String,
    pub conditions: Vec<Condition>,
    pub containers: Vec<Container>,
}

/// A write of one part of a service, which the API refuses if the service does not have this etag any more.
#[derive(Clone, Debug)]
pub(super) struct ServiceUpdate {
    /// The service's full name.
    pub name: ApiPath,
    pub etag: String,
    pub part: ServicePart,
}

/// What is written of a service, whole.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ServicePart {
    Template(RevisionTemplate),
    Traffic(Vec<TrafficTarget>),
    Scaling(ServiceScaling),
}

impl ServiceUpdate {
    /// Its PATCH.
    pub(super) fn request(&self) -> Result<Request, ApiError> {
        let part = serde_json::to_value(&self.part).map_err(|error| ApiError::Request(error.to_string()))?;
        let mut body = json!({ "name": self.name.as_str(), "etag": self.etag });
        let mask = match &self.part {
            ServicePart::Template(_) => "template",
            ServicePart::Traffic(_) => "traffic",
            ServicePart::Scaling(_) => "scaling",
        };
        body[mask] = part[mask].clone();
        let path = ApiPath::version(VERSION).name(&self.name);
        // A mistyped service must not come to life.
        Ok(Request::patch(Api::Run, path, body).with("updateMask", mask).with("allowMissing", "false"))
    }
}

impl Cloud {
    /// A service, remembered for [`service_with`](Cloud::service_with).
    pub(super) async fn service(&self, name: &ApiPath) -> Result<Service, ApiError> {
        let service: Service = self.rest.read(Request::get(Api::Run, ApiPath::version(VERSION).name(name))).await?;
        name.check_answer(&service.name)?;
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_string(), service.clone());
        Ok(service)
    }

    /// A service as it was last read, if it had this etag then.
    pub(super) fn service_with(&self, name: &ApiPath, etag: &str) -> Option<Service> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(name.as_str()).filter(|service| service.etag.as_deref() == Some(etag)).cloned()
    }

    pub(super) async fn revision(&self, name: &ApiPath) -> Result<Revision, ApiError> {
        let revision: Revision = self.rest.read(Request::get(Api::Run, ApiPath::version(VERSION).name(name))).await?;
        name.check_answer(&revision.name)?;
        Ok(revision)
    }

    /// The newest revisions of a service, at most so many. Newest first (source: the comment of `ListRevisions` in
    /// `google/cloud/run/v2/revision.proto`).
    pub(super) async fn revisions_of(&self, service: &ApiPath, most: usize) -> Result<Vec<Revision>, ApiError> {
        let path = ApiPath::version(VERSION).name(service).at("revisions");
        self.rest.list(Request::get(Api::Run, path).with("pageSize", most.to_string()), "revisions", most).await
    }

    /// Asks Cloud Run whether it would take a write, without its taking place.
    pub(super) async fn validate_service(&self, update: &ServiceUpdate) -> Result<(), ApiError> {
        let request = update.request()?.with("validateOnly", "true");
        self.rest.read::<Value>(request).await.map(drop)
    }

    pub(super) async fn run_operation(&self, name: &str) -> Result<Operation, ApiError> {
        self.rest.operation(Request::get(Api::Run, operation::path(VERSION, name)?)).await
    }

    /// The same, answered once it has ended or the time is up. The API may answer earlier (source: the comment of
    /// `google.longrunning.Operations.WaitOperation`: best effort).
    pub(super) async fn run_operation_held(&self, name: &str, patience: Duration) -> Result<Operation, ApiError> {
        let path = operation::path(VERSION, name)?.method("wait");
        let body = json!({ "timeout": format!("{}.{:03}s", patience.as_secs(), patience.subsec_millis()) });
        self.rest.operation(Request::post(Api::Run, path, body)).await
    }

    /// The operations of Cloud Run in a location that have not ended.
    pub(super) async fn run_operations(&self, location: &ApiPath) -> Result<Vec<Operation>, ApiError> {
        self.rest.unfinished(Api::Run, VERSION, location).await
    }

    /// Which of these permissions the caller has on a service (source: `services.testIamPermissions`).
    pub(super) async fn permitted_on_service(&self, service: &ApiPath, of: &[&str]) -> Result<Vec<String>, ApiError> {
        self.rest.permitted(Api::Run, ApiPath::version(VERSION).name(service), of).await
    }
}

#[cfg(test)]
mod tests {
    use google_cloud_run_v2::model::{self as google, condition::State, service_scaling::ScalingMode as GoogleMode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn enums_are_googles() {
        for (number, state) in ConditionState::KNOWN {
            assert_eq!(State::from(*number).name(), Some(state.name()));
        }
        for (number, allocation) in Allocation::KNOWN {
            assert_eq!(google::TrafficTargetAllocationType::from(*number).name(), Some(allocation.name()));
        }
        for (number, egress) in VpcEgress::KNOWN {
            assert_eq!(google::vpc_access::VpcEgress::from(*number).name(), Some(egress.name()));
        }
        for (number, mode) in ScalingMode::KNOWN {
            assert_eq!(GoogleMode::from(*number).name(), Some(mode.name()));
        }
    }

    /// Google's own library reads what is written here as what is meant.
    #[test]
    fn a_write_says_what_it_means_to_googles_own_library() {
        let name = ApiPath::location("p", "r").of("services", "s");
        let traffic = vec![
            TrafficTarget {
                allocation: Allocation::Revision,
                revision: "s-1".to_owned(),
                percent: 100,
                ..Default::default()
            },
            TrafficTarget { allocation: Allocation::Latest, tag: "next".to_owned(), ..Default::default() },
        ];
        let update = ServiceUpdate { name: name.clone(), etag: "e".to_owned(), part: ServicePart::Traffic(traffic) };
        let request = format!("{:?}", update.request().unwrap());
        assert!(request.contains("(\"updateMask\", \"traffic\"), (\"allowMissing\", \"false\")"), "{request}");
        let read: google::Service = serde_json::from_value(update.request().unwrap().body().unwrap().clone()).unwrap();
        let one = google::TrafficTarget::new().set_type(google::TrafficTargetAllocationType::Revision);
        let two = google::TrafficTarget::new().set_type(google::TrafficTargetAllocationType::Latest).set_tag("next");
        let wanted = google::Service::new().set_name(name.as_str()).set_etag("e");
        assert_eq!(read, wanted.set_traffic([one.set_revision("s-1").set_percent(100), two]));
    }

    /// Any JSON that a message can have somewhere below it.
    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,8}", inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    /// Fields that no message of this version has.
    fn unknown_fields() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::btree_map("x[a-zA-Z]{1,8}", anything(), 0..4).prop_map(|fields| fields.into_iter().collect())
    }

    fn with(unknown: Map<String, Value>, known: Value) -> Value {
        let Value::Object(mut fields) = known else { unreachable!("it is written as an object") };
        fields.extend(unknown);
        Value::Object(fields)
    }

    proptest! {
        #[test]
        fn what_is_read_and_written_back_loses_nothing(
            (of_template, of_container, of_scaling, of_service) in (unknown_fields(), unknown_fields(), unknown_fields(), unknown_fields()),
            image in "[a-z]{1,9}", port in anything(), most in 0_i64..=1000,
        ) {
            let template = with(of_template, json!({
                "revision": "s-1",
                "containers": [with(of_container, json!({ "image": image, "ports": [port] }))],
                "scaling": with(of_scaling, json!({ "maxInstanceCount": most })),
            }));
            let read: RevisionTemplate = serde_json::from_value(template.clone()).unwrap();
            prop_assert_eq!(serde_json::to_value(&read).unwrap(), template);
            let scaling = with(of_service, json!({ "minInstanceCount": most, "scalingMode": "SCALING_MODE_OF_TOMORROW" }));
            let read: ServiceScaling = serde_json::from_value(scaling.clone()).unwrap();
            prop_assert_eq!(serde_json::to_value(&read).unwrap(), scaling);
        }
    }
}
