//! What steps do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::issue::IssueUpdate;
use super::probe::Probe;
use crate::runbook::value::{Image, Percent, Private};

/// A new revision under an address of its own, without traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The tag that gives it the address.
    pub tag: String,
    /// Host names that lead to the service: probes of the gate that ask one of them ask the candidate. Empty: the only
    /// one that they ask.
    pub hosts: Vec<String>,
}

/// Why nothing would look at a candidate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// No probe of the gate asks the service.
    #[error("no probe of the gate asks {} by HTTP or a WebSocket: nothing would look at the candidate", .0.join(" or "))]
    Nobody(Vec<String>),
    /// Which host is the service's is not clear.
    #[error("the gate's probes ask {}: which of them lead to this service?", .0.join(" and "))]
    Several(Vec<String>),
}

impl Candidate {
    /// The hosts in whose place the candidate is asked, if these are the probes of its gate.
    ///
    /// # Errors
    /// If nothing would look at it, or it is not clear what would.
    pub fn asked_by<'p>(&self, probes: impl IntoIterator<Item = &'p Probe>) -> Result<Vec<String>, Unasked> {
        let asked: BTreeSet<String> = probes.into_iter().flat_map(|probe| probe.look.hosts()).collect();
        match (self.hosts.as_slice(), asked.len()) {
            ([], 1) => Ok(asked.into_iter().collect()),
            ([], 0) => Err(Unasked::Nobody(vec!["anything".to_owned()])),
            ([], _) => Err(Unasked::Several(asked.into_iter().collect())),
            (hosts, _) if hosts.iter().any(|host| asked.contains(&host.to_lowercase())) => Ok(self.hosts.clone()),
            (hosts, _) => Err(Unasked::Nobody(hosts.to_vec())),
        }
    }
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
        /// How the revision is gated at 0 % before any traffic moves to it.
        candidate: Option<Candidate>,
        /// Shares of traffic to move to the new revision, one after another, the gate holding at each.
        /// Empty: traffic is left to the service's own split.
        shift: Vec<Percent>,
        /// How long the gate must hold at each share but the last.
        hold: Option<Duration>,
    },
    /// `gcp.run.scale`: set how many instances a service may have. `None` leaves a field as it is.
    RunScale {
        /// Short name of the service.
        service: String,
        /// Fewest instances.
        min_instances: Option<i64>,
        /// Most instances.
        max_instances: Option<i64>,
    },
    /// `gcp.sql.patch`: set flags of a Cloud SQL instance; those that are not named stay as they are.
    SqlPatch {
        /// Short name of the instance.
        instance: String,
        /// Flags by name.
        flags: BTreeMap<String, String>,
    },
    /// `shell`: run a program.
    Shell {
        /// What to run.
        run: Command,
        /// Tells whether it is done already.
        check: Option<Command>,
        /// Undoes it.
        undo: Option<Command>,
        /// Its environment.
        env: BTreeMap<String, Private>,
        /// How long it may take.
        timeout: Duration,
    },
    /// `manual`: a person does it.
    Manual {
        /// What to do.
        instructions: String,
        /// What to do to undo it.
        undo: Option<String>,
        /// The probe that must be healthy before the answer counts.
        verify: Option<String>,
    },
    /// `notify`: post a message to a webhook.
    Notify {
        /// The URL.
        webhook: Private,
        /// What to say.
        text: String,
    },
    /// `github.issue`: bring the incident's issue up to date.
    Issue(IssueUpdate),
    /// `wait`: let time pass.
    Wait {
        /// How long.
        pause: Duration,
    },
    /// `probe`: change nothing; the gate is the step.
    Probe,
}

/// What a `shell` step runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A program and its arguments. At least the program is there.
    Program(Vec<String>),
    /// A script for `bash`, as it stands in the file: no value was ever put into it.
    Bash(String),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Program(words) => {
                let quoted = shlex::try_join(words.iter().map(String::as_str));
                f.write_str(&quoted.unwrap_or_else(|_| words.join(" ")))
            }
            Command::Bash(script) => write!(f, "bash: {}", script.trim()),
        }
    }
}

impl Action {
    /// The word that stands behind `uses`.
    pub fn uses(&self) -> &'static str {
        match self {
            Action::ConnectorScale { .. } => "gcp.connector.scale",
            Action::RunTraffic { .. } => "gcp.run.traffic",
            Action::RunDeploy { .. } => "gcp.run.deploy",
            Action::RunScale { .. } => "gcp.run.scale",
            Action::SqlPatch { .. } => "gcp.sql.patch",
            Action::Shell { .. } => "shell",
            Action::Manual { .. } => "manual",
            Action::Notify { .. } => "notify",
            Action::Issue(_) => "github.issue",
            Action::Wait { .. } => "wait",
            Action::Probe => "probe",
        }
    }

    /// The Cloud Run service that it changes.
    pub fn service(&self) -> Option<&str> {
        match self {
            Action::RunTraffic { service, .. }
            | Action::RunDeploy { service, .. }
            | Action::RunScale { service, .. } => Some(service),
            _ => None,
        }
    }
}
