//! Creating a Cloud Run service, and deleting a revision.
//!
//! Known of Google, and held here: a service that exists is ALREADY_EXISTS, its first revision must start before it
//! serves anybody, and a revision is deleted only when no traffic and no tag refers to it and it is not the latest
//! (source: `google/cloud/run/v2/{service,revision}.proto`, and the documentation of managing revisions). What a new
//! service does to its surroundings no scenario has said: it holds no connections and is healthy once it has started.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::service::{Condition, ConditionState, Figures, Service};
use super::traffic::{self, Target};
use super::{Change, template};
use crate::sim::world::caller::SOMEBODY;
use crate::sim::world::operation::{Operation, Outcome};
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{World, digest, is_label, uuid_like};

/// The longest name of a service (source: the reference of Cloud Run).
const LONGEST_NAME: usize = 49;

/// The figures of a service that no scenario describes (ours).
fn unremarkable() -> Figures {
    Figures {
        hosts: Vec::new(),
        paths: vec!["/".to_owned()],
        health_path: "/health".to_owned(),
        needs: Vec::new(),
        instances: 1,
        connections_per_instance: 0,
        connect_timeout: None,
        database: None,
        latency: SignedDuration::from_millis(50),
        starved_latency: SignedDuration::from_secs(10),
        crash_latency: SignedDuration::from_secs(2),
        start_up: SignedDuration::from_secs(5),
        deploy_takes: SignedDuration::from_secs(20),
        traffic_takes: SignedDuration::from_secs(5),
        requests_per_minute: 0,
        unhealthy_while: None,
        login: None,
        pages: BTreeMap::new(),
        commands: Vec::new(),
        chat: None,
    }
}

impl World {
    /// `POST …/services?serviceId=S`: begins to make a service, or refuses to.
    ///
    /// With `validate_only` the returned operation is done, shows the service as it would be, and is not kept.
    pub fn create_service(
        &mut self,
        short: &str,
        body: &Map<String, Value>,
        validate_only: bool,
    ) -> Result<Operation, Refusal> {
        if validate_only {
            let mut operation = self.clone().create_service(short, body, false)?;
            operation.outcome = Some(Outcome::Response(operation.shown.clone().unwrap_or_default()));
            return Ok(operation);
        }
        if !is_label(short) || short.len() > LONGEST_NAME {
            let message = format!("service_id must be up to {LONGEST_NAME} characters of a-z, 0-9 and '-'");
            return Err(Refusal::invalid("service_id", message));
        }
        let name = self.service_name(short);
        if self.parts.cloud_run.services.contains_key(short) {
            return Err(Refusal::new(Code::AlreadyExists, format!("Resource '{name}' already exists.")));
        }
        template::check_fields(body, &Map::new())?;
        let mut all = Map::new();
        template::merge(&mut all, body, None)?;
        let mut targets = traffic::parse(all.shift_remove("traffic").as_ref())?;
        if targets.is_empty() {
            targets.push(Target::latest());
        }
        let Some(Value::Object(mut made)) = all.shift_remove("template") else {
            return Err(Refusal::invalid("template", "service.template must be set"));
        };
        template::normalise(&mut made, &Map::new())?;
        template::fill_defaults(&mut made, &self.project_number);
        template::normalise_spec(&mut all)?;
        if template::images(&made).next().is_none() {
            return Err(Refusal::invalid("template.containers", "service.template.containers must have a container"));
        }
        let uid = uuid_like(&format!("{}/{short}/{}", self.project, self.now));
        let named = made.get("revision").and_then(Value::as_str).map(str::to_owned);
        let revision = named.unwrap_or_else(|| format!("{short}-00001-{}", digest(&format!("{uid}/1"), 3)));
        let mut service = Service {
            uid,
            generation: 0,
            observed_generation: 0,
            created: self.now,
            updated: self.now,
            creator: SOMEBODY.to_owned(),
            last_modifier: SOMEBODY.to_owned(),
            spec: all,
            traffic: targets,
            traffic_statuses: Vec::new(),
            latest_created: revision.clone(),
            latest_ready: String::new(),
            reconciling: false,
            ready: Condition::new(ConditionState::ConditionReconciling, self.now),
            revisions: [(revision.clone(), self.make_revision(short, &revision, &made))].into_iter().collect(),
            template: made,
            figures: unremarkable(),
            turns: std::collections::BTreeMap::new(),
            accepted: None,
            unrouted: None,
            deleted: None,
        };
        traffic::check(&service.traffic)?;
        let takes = service.figures.deploy_takes;
        service.accept(self.now, takes, Some(revision.clone()));
        service.updated = self.now;
        self.parts.cloud_run.services.insert(short.to_owned(), service);
        let shown = self.show_service(short);
        Ok(self.begin_with_service(short, Change::Reconcile { revision: Some(revision) }, takes, shown))
    }

    /// `DELETE …/services/S/revisions/R`: deletes a revision that nothing refers to, or refuses to.
    pub fn delete_revision(&mut self, short: &str, revision: &str) -> Result<Operation, Refusal> {
        let service = self.parts.cloud_run.services.get(short).ok_or_else(|| self.no_such_service(short))?;
        let found = service.revisions.get(revision).ok_or_else(|| self.no_such_revision(revision))?;
        let referred = |targets: &[Target]| targets.iter().any(|target| target.revision.as_deref() == Some(revision));
        let why = if service.latest_created == revision || service.latest_ready == revision {
            Some("it is the latest revision")
        } else if referred(&service.traffic) || referred(&service.traffic_statuses) {
            Some("it receives traffic or has a tag")
        } else {
            None
        };
        if let Some(why) = why {
            let message = format!("Revision '{revision}' cannot be deleted: {why}");
            return Err(Refusal::new(Code::FailedPrecondition, message));
        }
        let shown = found.wire(self, short, revision);
        let change = Change::DeleteRevision { revision: revision.to_owned() };
        let operation = self.begin_with_service(short, change, SignedDuration::ZERO, Some(shown));
        Ok(self.settled(operation))
    }

    /// `DELETE …/services/S`: begins to delete a service. Recorded: a new generation, and the operation's answer is the service
    /// as it was, with the times at which it was deleted and can no longer be had back.
    pub fn delete_service(&mut self, short: &str, validate_only: bool) -> Result<Operation, Refusal> {
        if validate_only {
            let mut operation = self.clone().delete_service(short, false)?;
            operation.outcome = Some(Outcome::Response(operation.shown.clone().unwrap_or_default()));
            return Ok(operation);
        }
        let (now, missing) = (self.now, self.no_such_service(short));
        let service =
            self.parts.cloud_run.services.get_mut(short).filter(|service| service.deleted.is_none()).ok_or(missing)?;
        let takes = service.figures.traffic_takes;
        service.accept(now, takes, None);
        SOMEBODY.clone_into(&mut service.last_modifier);
        service.deleted = Some(service.updated);
        let shown = self.show_service(short);
        Ok(self.begin_with_service(short, Change::Delete, takes, shown))
    }

    pub(super) fn service_is_gone(&mut self, short: &str) -> Value {
        let now = self.now;
        let shown = self.parts.cloud_run.services.get(short).map(|service| {
            let mut gone = service.clone();
            gone.updated = now;
            gone.reconciling = false;
            gone.accepted = None;
            gone.observed_generation = gone.generation;
            gone.ready = Condition::new(ConditionState::ConditionSucceeded, now);
            gone.wire(self, short)
        });
        self.parts.cloud_run.services.remove(short);
        shown.unwrap_or_default()
    }

    pub(super) fn revision_is_gone(&mut self, short: &str, revision: &str) -> Value {
        let shown = self.parts.cloud_run.services.get(short).and_then(|service| {
            let found = service.revisions.get(revision)?;
            Some(found.wire(self, short, revision))
        });
        if let Some(service) = self.parts.cloud_run.services.get_mut(short) {
            service.revisions.remove(revision);
        }
        shown.unwrap_or_default()
    }
}
