//! What is known of each kind of resource without asking the cloud.
//!
//! Every kind declares it in its own file, as constants and functions of [`Observable`] and [`Kind`]: what is forgotten does
//! not compile. Here it is gathered to a table, so that those who have only a kind's name can look it up.

use serde_json::Value;

use super::follow_up::FollowUp;
use super::gcloud::GcloudCommands;
use super::permission::Permission;
use super::{Kind, Observable};
use crate::gate::Facts;
use crate::run::{Change, NameOwner, NameShape, ResourceId};

/// What is known of a kind of resource.
#[derive(Clone, Copy, Debug)]
pub struct KindSpec {
    /// Its name in resource ids, such as `gcp.connector`.
    pub name: &'static str,
    /// What conditions can refer to of its state.
    pub facts: Facts,
    /// What the short name of such a resource looks like.
    pub name_shape: NameShape,
    /// The object of an API that it is a part of.
    pub part_of: ApiObject,
    /// What it takes to observe it.
    pub read_permissions: &'static [Permission],
    /// Its API and product; `None` if nobody asks for its quotas and incidents.
    pub product: Option<Product>,
    /// Its metrics in Cloud Monitoring, if support engineers ask for any.
    pub metrics: Option<Metrics>,
    /// What is known of changing it; `None` if it can only be observed.
    pub change: Option<ChangeSpec>,
}

/// What is known of changing a kind of resource.
#[derive(Clone, Copy, Debug)]
pub struct ChangeSpec {
    /// What it takes to change it. Undoing takes the same: it is the same write.
    pub write_permissions: &'static [Permission],
    /// See [`Kind::gcloud`].
    pub gcloud: fn(&Change) -> Result<GcloudCommands, String>,
    /// See [`Kind::SHELL_FUNCTIONS`].
    pub shell_functions: &'static str,
    /// See [`Kind::follow_up`].
    pub follow_up: fn(&ResourceId, &Value, &Value) -> Option<FollowUp>,
    /// See [`Kind::billed`].
    pub billed: fn(&Value) -> Vec<Billed>,
}

/// What of a resource is paid for by the hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billed {
    /// What one of it is called, such as a machine type.
    pub unit: String,
    /// How many there are at least.
    pub least: u32,
    /// How many there may be.
    pub most: u32,
}

/// The object of an API that a resource is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiObject {
    /// It is one by itself.
    Itself,
    /// The Cloud Run service of the same name. Permissions are tested on it.
    CloudRunService,
}

/// What a short name looks like of which nothing more is known.
pub(super) const SHORT_NAME: NameShape = NameShape {
    what: "a resource",
    min_length: 1,
    max_length: 63,
    owner: NameOwner::Google,
    description: "its short name",
};

/// An API, and the product behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// The API's host, as quotas name it: `run.googleapis.com`.
    pub api: &'static str,
    /// What Google calls it in its incidents.
    pub name: &'static str,
}

/// What Cloud Monitoring has of a kind. Source: <https://docs.cloud.google.com/monitoring/api/metrics_gcp>.
#[derive(Clone, Copy, Debug)]
pub struct Metrics {
    /// The label of the monitored resource that names it.
    pub label: &'static str,
    /// How the label's value is written.
    pub label_value: LabelValue,
    /// The types of the metrics.
    pub types: &'static [&'static str],
}

/// How a label names a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelValue {
    /// By its short name.
    Name,
    /// `PROJECT:NAME`.
    ProjectAndName,
}

impl KindSpec {
    /// Of a kind that can only be observed.
    pub(super) const fn observable<O: Observable>() -> KindSpec {
        KindSpec {
            name: O::NAME,
            facts: O::FACTS,
            name_shape: O::NAME_SHAPE,
            part_of: O::PART_OF,
            read_permissions: O::READ_PERMISSIONS,
            product: O::PRODUCT,
            metrics: O::METRICS,
            change: None,
        }
    }

    /// Of a kind that can be changed.
    pub(super) const fn changeable<K: Kind>() -> KindSpec {
        let change = ChangeSpec {
            write_permissions: K::WRITE_PERMISSIONS,
            gcloud: K::gcloud,
            shell_functions: K::SHELL_FUNCTIONS,
            follow_up: K::follow_up,
            billed: K::billed,
        };
        KindSpec { change: Some(change), ..KindSpec::observable::<K>() }
    }

    /// The kind of this name; `None` for what is no resource of Google's, such as a program.
    pub fn find(name: &str) -> Option<&'static KindSpec> {
        super::KINDS.iter().find(|kind| kind.name == name)
    }
}
