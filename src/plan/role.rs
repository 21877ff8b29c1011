//! What a role of IAM must allow for a runbook to be planned, and to be carried out. Pure, and asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{Use, of_call, of_probe, permissions};
use super::observe::touched;
use crate::action::{Action, CatalogRequest};
use crate::probe::{ProbeSpec, ResourceProbe};
use crate::resource::{KindSpec, Permission, api_of_permission};
use crate::run::{ResourceId, Target};
use crate::runbook::model::Runbook;

/// What a caller is to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// To plan the runbook, and to take its probes.
    Plan,
    /// To carry it out and to roll it back, too.
    Run,
}

impl Duty {
    /// The command that it is for.
    pub fn verb(self) -> &'static str {
        match self {
            Duty::Plan => "plan",
            Duty::Run => "run",
        }
    }
}

/// What a role must allow in one project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleNeeds {
    /// The permissions.
    pub permissions: BTreeSet<Permission>,
    /// Types whose permissions Google does not publish in machine-readable form, by what they are called; and what their permissions are
    /// called by convention.
    pub conventional: BTreeMap<String, BTreeSet<String>>,
    /// Cloud Run services that get a revision. Whoever makes one acts as the service's account, which is granted on that account.
    pub acts_for: BTreeSet<ResourceId>,
}

/// The permission to make something run as a service account. It belongs on that account and not on the project.
const ACT_AS: Permission = "iam.serviceAccounts.actAs";
/// What `doctor` reads of a project.
const DOCTOR: [Permission; 2] = ["serviceusage.services.get", "servicehealth.events.list"];

/// What a runbook needs, by project.
pub fn role_needs(runbook: &Runbook, duty: Duty) -> BTreeMap<String, RoleNeeds> {
    let mut all = Collected { by_project: BTreeMap::new(), duty };
    for id in touched(runbook) {
        all.at(&id.project).permissions.extend(permissions(&id.kind, Use::Observe));
        if KindSpec::find(&id.kind).is_some_and(|kind| kind.product.is_some()) {
            all.at(&id.project).permissions.extend(DOCTOR);
        }
    }
    for probe in runbook.probes.values() {
        let (project, permissions) = of_probe(&probe.spec, &runbook.target);
        let needs = all.at(&project);
        needs.permissions.extend(permissions);
        if let ProbeSpec::Resource(ResourceProbe::Catalogued(name)) = &probe.spec {
            let of = name.resource_type;
            needs.guess(of.name(), &["get"], |method| of.conventional_permission(method));
        }
    }
    for step in runbook.steps() {
        let target = runbook.target_of(step);
        if let Some(list) = step.unlisted() {
            let of = list.collection.resource_type();
            let needs = all.at(&target.project);
            needs.guess(of.name(), &["list"], |method| of.conventional_permission(method));
        }
        for iteration in &step.iterations {
            all.action(&iteration.action, &target);
        }
    }
    for needs in all.by_project.values_mut() {
        let RoleNeeds { permissions, conventional, .. } = needs;
        for guesses in conventional.values_mut() {
            guesses.retain(|guess| !permissions.contains(guess.as_str()));
        }
        conventional.retain(|_, guesses| !guesses.is_empty());
    }
    all.by_project.retain(|_, needs| *needs != RoleNeeds::default());
    all.by_project
}

struct Collected {
    by_project: BTreeMap<String, RoleNeeds>,
    duty: Duty,
}

impl Collected {
    fn at(&mut self, project: &str) -> &mut RoleNeeds {
        self.by_project.entry(project.to_owned()).or_default()
    }

    fn action(&mut self, action: &Action, target: &Target) {
        let step = action.step();
        let desired = step.desired_state(target);
        let project = desired.as_ref().map_or(&target.project, |(id, _)| &id.project).clone();
        let (observe, change) = match (of_call(action), &desired) {
            (Some(call), _) => (call.observe, call.call),
            (None, Some((id, _))) => (permissions(&id.kind, Use::Observe), permissions(&id.kind, Use::Change)),
            (None, None) => (&[][..], &[][..]),
        };
        let duty = self.duty;
        let needs = self.at(&project);
        needs.permissions.extend(observe);
        if duty == Duty::Run {
            let (act_as, change): (Vec<Permission>, Vec<Permission>) =
                change.iter().partition(|permission| **permission == ACT_AS);
            needs.permissions.extend(change);
            needs.acts_for.extend(desired.map(|(id, _)| id).filter(|_| !act_as.is_empty()));
        }
        if let Some(request) = step.catalog_request().filter(|_| of_call(action).is_none()) {
            let methods = match (duty, request) {
                (Duty::Plan, _) => vec!["get"],
                (Duty::Run, CatalogRequest::Set(_)) => vec!["get", "update"],
                (Duty::Run, CatalogRequest::Create(_)) => vec!["get", "create", "delete"],
                (Duty::Run, CatalogRequest::Delete(_)) => vec!["get", "delete"],
                (Duty::Run, CatalogRequest::Call(call)) => {
                    let all = [Some("get"), Some(call.call.method.as_str()), call.undo.method()];
                    all.into_iter().flatten().collect()
                }
            };
            let of = request.resource().resource_type;
            needs.guess(of.name(), &methods, |method| of.conventional_permission(method));
        }
    }
}

impl RoleNeeds {
    /// The APIs that must be enabled.
    pub fn apis(&self) -> BTreeSet<String> {
        let guesses = self.conventional.values().flatten().map(String::as_str);
        let own = self.permissions.iter().copied().filter(|permission| !DOCTOR.contains(permission));
        own.chain(guesses).map(api_of_permission).collect()
    }

    fn guess(&mut self, of: String, methods: &[&str], permission: impl Fn(&str) -> String) {
        self.conventional.entry(of).or_default().extend(methods.iter().map(|method| permission(method)));
    }
}
