//! What a runbook says, as plain data: values are parsed, `${…}` is resolved, nothing is judged yet.
//!
//! Places in the text are not kept here. Whoever needs one asks the document for the span of a path,
//! such as `phase[1].step[0].with.image`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::condition::Condition;
use super::value::{Image, Percent};
use crate::gate::Rule;
pub use crate::run::OnFailure;

/// A whole runbook.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// `[runbook]`: what it is and who answers for it.
    pub about: About,
    /// `[target]`: where every call goes.
    pub target: Target,
    /// `[probes]`, by name.
    pub probes: BTreeMap<String, Probe>,
    /// `[[phase]]`, in order.
    pub phases: Vec<Phase>,
}

/// The `[runbook]` table.
#[derive(Clone, Debug)]
pub struct About {
    /// Short name, used in run ids and messages.
    pub name: String,
    /// One line for people.
    pub title: Option<String>,
    /// What is wrong when this runbook is the right one.
    pub description: Option<String>,
    /// Who answers for it.
    pub owners: Vec<String>,
    /// Link to the incident.
    pub incident: Option<String>,
    /// What to do when a step fails and does not say so itself.
    pub on_failure: OnFailure,
}

/// The `[target]` table. Nothing is ever taken from ambient configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Project id.
    pub project: String,
    /// Region, such as `us-central1`.
    pub region: String,
    /// Whether the operator must type the project's name before the first change.
    pub protected: bool,
}

/// Something that can be looked at to judge health.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What is looked at.
    pub look: Look,
    /// What must hold for the sample to be healthy, as CEL over what was seen.
    pub expect: Condition,
}

/// What a probe looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// A GET of this URL. Facts: `status` (int), `latency` (duration), `body` (string).
    Http {
        /// Absolute URL, `http` or `https`.
        url: String,
        /// How long to wait for the whole answer.
        timeout: Duration,
    },
    /// The state of a resource. Facts: whatever its kind shows, such as `state`.
    Resource {
        /// Kind and name, such as `gcp.connector/staging-connector`.
        kind: String,
        /// The resource's short name.
        name: String,
    },
}

/// A group of steps with a budget.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Unique name.
    pub name: String,
    /// One line for people.
    pub title: Option<String>,
    /// How long the phase should take at most.
    pub budget: Option<Duration>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub struct Step {
    /// Unique in the whole runbook.
    pub name: String,
    /// `uses` and `with`.
    pub action: Action,
    /// What proves that it worked.
    pub gate: Option<Rule>,
    /// What to do when it fails; `None`: as the runbook says.
    pub on_failure: Option<OnFailure>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `gcp.connector.scale`: grow a Serverless VPC Access connector. `None` leaves a field as it is.
    ConnectorScale {
        /// Short name of the connector.
        connector: String,
        /// Fewest instances.
        min_instances: Option<i64>,
        /// Most instances.
        max_instances: Option<i64>,
        /// Machine type of the instances.
        machine_type: Option<String>,
    },
    /// `gcp.run.traffic`: set a Cloud Run service's whole traffic split.
    RunTraffic {
        /// Short name of the service.
        service: String,
        /// Share per revision (short name, or `LATEST`), in the order of the file.
        to: Vec<(String, Percent)>,
    },
    /// `gcp.run.deploy`: deploy an image as a new revision.
    RunDeploy {
        /// Short name of the service.
        service: String,
        /// The image, by digest.
        image: Image,
        /// Shares of traffic to move to the new revision, one after another, the gate holding at each.
        /// Empty: traffic is left to the service's own split.
        shift: Vec<Percent>,
        /// How long the gate must hold at each share but the last.
        hold: Option<Duration>,
    },
    /// `probe`: change nothing; the gate is the step.
    Probe,
}

impl Action {
    /// The word that stands behind `uses`.
    pub fn uses(&self) -> &'static str {
        match self {
            Action::ConnectorScale { .. } => "gcp.connector.scale",
            Action::RunTraffic { .. } => "gcp.run.traffic",
            Action::RunDeploy { .. } => "gcp.run.deploy",
            Action::Probe => "probe",
        }
    }
}
