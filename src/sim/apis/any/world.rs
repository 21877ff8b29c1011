//! The resources of a world: what they have, and what a change makes of them.

use serde_json::{Map, Value, json};

use super::change::Change;
use super::kept::{Figures, Kept};
use super::operation::KUBERNETES;
use super::{AnyResources, message, resource_at, token, wire};
use crate::catalog::{Answer, Exception, Method, Resource};
use crate::sim::apis::Parts;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{AbsentResource, World};
impl World {
    /// What a resource of any type has, whichever API serves it, with numbers of 64 bits as numbers.
    pub(in crate::sim) fn resource_state(&self, resource: &Resource) -> Option<Value> {
        let state = Parts::state_of(self, resource)?;
        Some(message::with_numbers(resource, &state))
    }

    /// Refuses a resource in a project that this world does not have.
    pub(super) fn check_project_of(&self, resource: &Resource) -> Result<(), Refusal> {
        resource.project().map_or(Ok(()), |project| self.check_project(project))
    }

    /// A resource that there is.
    pub(super) fn any_resource(&self, resource: &Resource) -> Result<&Kept, Refusal> {
        self.check_project_of(resource)?;
        let found = self.parts.any.resources.get(&resource.url());
        let name = resource.name();
        found.ok_or_else(|| match resource.resource_type.api().service {
            _ if self.behaviour.absent_resource == AbsentResource::Forbidden => {
                let message = format!("Permission denied on resource {name} (or it may not exist).");
                Refusal::new(Code::PermissionDenied, message)
            }
            // Its words. (recorded)
            "compute" => Refusal::new(Code::NotFound, format!("The resource '{name}' was not found")),
            _ => Refusal::missing(&name),
        })
    }

    /// Makes a change, and gives what the resource is then.
    pub(super) fn change_any(&mut self, url: &str, change: &Change) -> Result<Value, Refusal> {
        let resource = resource_at(url).ok_or_else(|| Refusal::missing(url))?;
        let before = self.parts.any.resources.get(url).cloned();
        if let (
            None,
            Change::Delete
            | Change::Masked { .. }
            | Change::Merged { .. }
            | Change::Replaced { .. }
            | Change::Set { .. }
            | Change::Executed { .. }
            | Change::Left { .. },
        ) = (&before, change)
        {
            return Err(Refusal::missing(&resource.name()));
        }
        let nothing = Map::new();
        let live = before.as_ref().map_or(&nothing, |kept| &kept.state);
        let Some(mut state) = change.applied(&resource, live) else {
            self.parts.any.resources.remove(url);
            self.settle();
            return Ok(json!({}));
        };
        let now = self.now;
        let mut kept =
            before.clone().unwrap_or(Kept { state: Map::new(), created: now, writes: 0, figures: Figures::default() });
        kept.writes = kept.writes.saturating_add(1);
        match &before {
            Some(before) => {
                token::renew(&resource, Some(&before.state), &mut state, kept.writes);
                wire::touch(&resource, &mut state, now);
            }
            None => {
                wire::complete(&resource, &mut state, now);
                token::renew(&resource, None, &mut state, 0);
            }
        }
        kept.state = state;
        let shown = Value::Object(kept.state.clone());
        self.parts.any.resources.insert(url.to_owned(), kept);
        self.settle();
        Ok(shown)
    }

    /// What an operation of Cloud DNS shows of a zone. (source: Discovery, OperationManagedZoneContext)
    pub(super) fn before_and_after(&self, resource: &Resource, change: &Change) -> Option<Value> {
        let is_shown = resource.resource_type.name() == "dns.managedZones";
        let kept = self.parts.any.resources.get(&resource.url()).filter(|_| is_shown)?;
        let after = change.applied(resource, &kept.state);
        Some(json!({ "oldValue": kept.state, "newValue": after }))
    }

    /// What a change would make of a resource, as a method with `validateOnly` answers (AIP-163): as if it had been made. An operation
    /// is done already, and there is none to ask for (ours).
    pub(super) fn validated(&self, resource: &Resource, method: &Method, change: &Change) -> Value {
        let nothing = Map::new();
        let live = self.parts.any.resources.get(&resource.url()).map_or(&nothing, |kept| &kept.state);
        let after = Value::Object(change.applied(resource, live).unwrap_or_default());
        match method.answer {
            Answer::Operation(_) => json!({ "done": true, "response": after }),
            Answer::Nothing | Answer::Resource | Answer::Other => after,
        }
    }

    /// Refuses a second change while an operation runs. GKE's is documented by those who met it (k8s-config-connector#3650: 400,
    /// failedPrecondition, also for another node pool of the cluster), and so is Cloud SQL's; the others' is ours.
    pub(super) fn refuse_while_busy(&self, resource: &Resource) -> Result<(), Refusal> {
        let is_by_cluster = resource.resource_type.rules().iter().any(|rule| rule.what == Exception::Serial("cluster"));
        let scope = |url: &str| {
            let end = url.find("/nodePools/").filter(|_| is_by_cluster).unwrap_or(url.len());
            url.get(..end).unwrap_or(url).to_owned()
        };
        let own = scope(&resource.url());
        let running = self
            .operations
            .of::<AnyResources>()
            .find(|(operation, effect)| operation.outcome.is_none() && scope(&effect.url) == own);
        let Some((operation, _)) = running else { return Ok(()) };
        let name = resource.name();
        Err(match resource.resource_type.api().service {
            "container" => {
                let message = format!("Cluster is running incompatible operation {KUBERNETES}{}.", operation.id);
                Refusal::new(Code::FailedPrecondition, message)
            }
            "compute" => Refusal::new(Code::InvalidArgument, format!("The resource '{name}' is not ready"))
                .because("resourceNotReady"),
            "sqladmin" => {
                let message = "Operation failed because another operation was already in progress.";
                Refusal::new(Code::Aborted, message).because("operationInProgress")
            }
            _ => Refusal::new(Code::Aborted, format!("unable to queue the operation: another one runs on {name}")),
        })
    }
}
