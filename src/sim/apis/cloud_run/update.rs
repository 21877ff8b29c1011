//! Changing a Cloud Run service: `PATCH …/services/S`, and what its operation does when its time has come.
//!
//! Known of Google, and held here (sources: `google/cloud/run/v2/service.proto`, AIP-134, AIP-154, AIP-161): the
//! etag is compared if the request has one, `allow_missing` is what creates, a mask says what is replaced, a revision
//! is made only if the template changed, the name of a revision in the template must be new or mean the same.
//!
//! Not known of Google, and ours: what happens to a second update while one runs (it is accepted, and the first one's
//! operation ends there and then); that naming an existing revision of the same configuration makes that one the latest
//! again; that clearing `template.revision` alone makes no new revision; that an update
//! which changes nothing is done at once; that a service whose latest revision failed stays not `Ready` when its
//! traffic is moved elsewhere, although the operation of that move succeeds; every wording, except where noted.

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::service::{Condition, ConditionState, Revision, Service};
use super::traffic::{self, Target};
use super::{Change, CloudRun, Effect, Images, template};
use crate::sim::world::caller::SOMEBODY;
use crate::sim::world::operation::{Asked, Operation, Outcome};
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{World, digest, is_label, text, uuid_like};

/// What the query string of an update says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// `updateMask`.
    pub mask: Option<&'a str>,
    /// `validateOnly`: check everything, change nothing.
    pub validate_only: bool,
    /// `allowMissing`: create what is not there.
    pub allow_missing: bool,
}

impl World {
    /// `PATCH …/services/S`: accepts a change of a service, or refuses it.
    ///
    /// With `validate_only` the returned operation is done, shows the service as it would be, and is not kept.
    pub fn update_service(
        &mut self,
        short: &str,
        body: &Map<String, Value>,
        options: Options<'_>,
    ) -> Result<Operation, Refusal> {
        if options.validate_only {
            let mut would_be = self.clone();
            let mut operation = would_be.update_service(short, body, Options { validate_only: false, ..options })?;
            operation.outcome = Some(Outcome::Response(operation.shown.clone().unwrap_or_default()));
            return Ok(operation);
        }
        let name = self.service_name(short);
        let none = Map::new();
        template::check_fields(body, self.parts.cloud_run.services.get(short).map_or(&none, |service| &service.spec))?;
        let Some(service) = self.parts.cloud_run.services.get(short) else {
            if options.allow_missing {
                return self.create_service(short, body, false);
            }
            return Err(self.no_such_service(short));
        };
        if service.deleted.is_some() {
            // The words and the code are ours.
            let message = format!("Conflict for resource '{short}': it is being deleted");
            return Err(Refusal::new(Code::Aborted, message));
        }
        if text(body, "name")?.is_some_and(|given| given != name) {
            return Err(Refusal::invalid("service.name", "service.name must match the name in the URL"));
        }
        let etag = service.wire(self, short).get("etag").cloned().unwrap_or_default();
        if text(body, "etag")?.is_some_and(|given| etag.as_str() != Some(given)) {
            let message = format!("Conflict for resource '{name}': the etag in the request is not the current one");
            return Err(Refusal::new(Code::Aborted, message));
        }

        let mut next = service.clone();
        let mut all = next.spec.clone();
        all.insert("template".into(), Value::Object(next.template.clone()));
        all.insert("traffic".into(), next.traffic.iter().map(Target::wire).collect());
        template::merge(&mut all, body, options.mask)?;
        next.traffic = traffic::parse(all.shift_remove("traffic").as_ref())?;
        if next.traffic.is_empty() {
            next.traffic = vec![Target::latest()];
        }
        next.template = match all.shift_remove("template") {
            Some(Value::Object(template)) => template,
            None => Map::new(),
            Some(_) => {
                return Err(Refusal::invalid("template", "Invalid value at 'service.template': it must be a message"));
            }
        };
        template::normalise(&mut next.template, &service.template)?;
        template::fill_defaults(&mut next.template, &self.project_number);
        template::normalise_spec(&mut all)?;
        next.spec = all;
        let changed = next.spec != service.spec || next.template != service.template || next.traffic != service.traffic;
        if !changed {
            // Equal, but perhaps in another order of its fields, which must not show in the etag.
            next.spec.clone_from(&service.spec);
            next.template.clone_from(&service.template);
        }
        let revision = new_revision_name(short, &service.template, &next)?;
        if next.traffic != service.traffic {
            traffic::check(&next.traffic)?;
        }
        let takes = match (&revision, changed) {
            (Some(_), _) => service.figures.deploy_takes,
            (None, true) => service.figures.traffic_takes,
            (None, false) => SignedDuration::ZERO,
        };

        self.end_operations_on(&name);
        // The operation that just ended may have changed the status, which `next` was copied from.
        if let Some(service) = self.parts.cloud_run.services.get(short) {
            next.observed_generation = service.observed_generation;
            next.traffic_statuses.clone_from(&service.traffic_statuses);
            next.latest_ready.clone_from(&service.latest_ready);
            next.revisions.clone_from(&service.revisions);
            next.ready = service.ready.clone();
            next.turns.clone_from(&service.turns);
        }
        if changed {
            SOMEBODY.clone_into(&mut next.last_modifier);
            next.accept(self.now, takes, revision.clone());
        }
        if let Some(named) = text(&next.template, "revision")?.filter(|named| next.revisions.contains_key(*named)) {
            // The template names a revision that exists and means the same: that one is the latest again.
            named.clone_into(&mut next.latest_created);
        }
        if let Some(name) = &revision {
            next.revisions.insert(name.clone(), self.make_revision(short, name, &next.template));
            next.latest_created.clone_from(name);
        }
        self.parts.cloud_run.services.insert(short.to_owned(), next);
        let shown = self.show_service(short);
        let operation = self.begin_with_service(short, Change::Reconcile { revision }, takes, shown);
        // What takes no time is done already, also for whoever looks at the answer of this very request.
        Ok(self.settled(operation))
    }

    /// Begins an operation on a service, or on a revision of it.
    pub(super) fn begin_with_service(
        &mut self,
        short: &str,
        change: Change,
        takes: SignedDuration,
        shown: Option<Value>,
    ) -> Operation {
        let service = self.service_name(short);
        let target = match &change {
            Change::DeleteRevision { revision } => format!("{service}/revisions/{revision}"),
            Change::Reconcile { .. } | Change::Delete => service,
        };
        let asked = Asked { target, user: SOMEBODY, takes, shown };
        self.begin::<CloudRun>(Effect { service: short.to_owned(), change }, asked)
    }

    pub(in crate::sim) fn make_revision(&self, service: &str, name: &str, template: &Map<String, Value>) -> Revision {
        let mut template = template.clone();
        template.shift_remove("revision");
        Revision {
            uid: uuid_like(&format!("{}/{service}/{name}", self.project)),
            created: self.now,
            digests: template::images(&template).map(|image| self.parts.cloud_run.images.resolve(image)).collect(),
            template,
            ready: Condition::new(ConditionState::ConditionReconciling, self.now),
            ill: false,
            recovered: None,
        }
    }

    /// Lets a service's status catch up with its spec, if the new revision (if there is one) starts.
    pub(super) fn reconcile(&mut self, short: &str, revision: Option<&str>) -> Result<Value, Refusal> {
        let failure = revision.and_then(|revision| self.root_cause(short, revision));
        let (missing, project, now) = (self.no_such_service(short), self.project.clone(), self.now);
        let Some(service) = self.parts.cloud_run.services.get_mut(short) else {
            return Err(missing);
        };
        if !service.reconciling {
            // The update had changed nothing, so nothing is to be caught up with: not even after an earlier failure.
            return Ok(self.show_service(short).unwrap_or_default());
        }
        service.reconciling = false;
        service.accepted = None;
        if let Some(created) = revision.and_then(|revision| service.revisions.get_mut(revision)) {
            let created_name = revision.unwrap_or_default();
            created.ready = match &failure {
                None => Condition::new(ConditionState::ConditionSucceeded, now),
                Some(_) => failed_to_start(&project, short, created_name, now),
            };
        }
        if let (Some(_), Some(revision)) = (&failure, revision) {
            let condition = failed_to_start(&project, short, revision, now);
            // Code 9 and all words are Google's (quoted in tesseract-ai issue 413).
            let message = format!("Revision '{revision}' is not ready and cannot serve traffic. {}", condition.message);
            service.ready = Condition { message: message.clone(), ..condition };
            return Err(Refusal::new(Code::FailedPrecondition, message));
        }
        if service.revisions.get(&service.latest_created).is_some_and(Revision::is_ready) {
            service.latest_ready.clone_from(&service.latest_created);
        }
        if let Some(refusal) = traffic::unavailable(&service.traffic, service) {
            let failed =
                Condition { message: refusal.message.clone(), ..Condition::new(ConditionState::ConditionFailed, now) };
            service.unrouted = Some(failed.clone());
            service.ready = failed;
            return Err(refusal);
        }
        service.traffic_statuses.clone_from(&service.traffic);
        service.observed_generation = service.generation;
        let latest = service.revisions.get(&service.latest_created);
        service.ready = match latest {
            Some(latest) if latest.ready.state == ConditionState::ConditionFailed => {
                Condition { since: now, ..latest.ready.clone() }
            }
            _ => Condition::new(ConditionState::ConditionSucceeded, now),
        };
        Ok(self.show_service(short).unwrap_or_default())
    }
}

/// Why a revision did not become ready. The words are Google's, which are the same whatever the container died of: the logs
/// say that (quoted in tesseract-ai issue 413).
fn failed_to_start(project: &str, service: &str, revision: &str, since: jiff::Timestamp) -> Condition {
    let message = format!(
        "The user-provided container failed to start and listen on the port defined provided by the PORT=8080 \
         environment variable within the allocated timeout. This can happen when the container port is misconfigured or \
         if the timeout is too short. The health check timeout can be extended. Logs for this revision might contain more \
         information.\n\nLogs URL: https://console.cloud.google.com/logs/viewer?project={project}&resource=\
         cloud_run_revision/service_name/{service}/revision_name/{revision}&advancedFilter=resource.type%3D%22\
         cloud_run_revision%22%0Aresource.labels.service_name%3D%22{service}%22%0A\
         resource.labels.revision_name%3D%22{revision}%22 \nFor more troubleshooting guidance, see \
         https://cloud.google.com/run/docs/troubleshooting#container-failed-to-start"
    );
    Condition {
        state: ConditionState::ConditionFailed,
        message,
        reason: Some("HEALTH_CHECK_CONTAINER_ERROR".to_owned()),
        since,
    }
}

/// The name of the revision that the changed template makes; `None` if it makes none.
fn new_revision_name(short: &str, before: &Map<String, Value>, next: &Service) -> Result<Option<String>, Refusal> {
    let mut config = next.template.clone();
    let asked = config.shift_remove("revision");
    let mut config_before = before.clone();
    config_before.shift_remove("revision");
    let Some(asked) = asked else {
        let same = config == config_before;
        return Ok((!same).then(|| generated_name(short, next)));
    };
    let Some(asked) = asked.as_str() else {
        return Err(Refusal::invalid(
            "template.revision",
            "Invalid value at 'service.template.revision' (TYPE_STRING)",
        ));
    };
    let suffix = asked.strip_prefix(short).and_then(|rest| rest.strip_prefix('-'));
    if suffix.is_none_or(str::is_empty) || !is_label(asked) {
        let message = format!(
            "template.revision must begin with '{short}-', be at most 63 characters long and consist of a-z, 0-9 and '-'"
        );
        return Err(Refusal::invalid("template.revision", message));
    }
    match next.revisions.get(asked) {
        None => Ok(Some(asked.to_owned())),
        Some(existing) if existing.template == config => Ok(None),
        Some(_) => {
            // The wording is Google's (seen in googleapis/google-cloud-python#14259).
            let message = format!("Revision named '{asked}' with different configuration already exists.");
            Err(Refusal::new(Code::AlreadyExists, message))
        }
    }
}

/// `{service}-{number:05}-{three characters}`, as Cloud Run names revisions: numbered after the highest.
fn generated_name(short: &str, next: &Service) -> String {
    let number = |name: &str| {
        let rest = name.strip_prefix(short)?.strip_prefix('-')?;
        rest.split('-').next().filter(|digits| digits.len() == 5)?.parse::<i64>().ok()
    };
    let highest = next.revisions.keys().filter_map(|name| number(name)).max().unwrap_or_default();
    let number = highest.max(next.generation).saturating_add(1);
    let ending = digest(&format!("{}/{number}", next.uid), 3);
    format!("{short}-{number:05}-{ending}")
}

impl Images {
    /// What an image's reference stands for at this moment, as a reference by digest.
    ///
    /// A tag that the scenario does not name has a digest of its own making: every image exists.
    pub fn resolve(&self, image: &str) -> String {
        if image.contains('@') {
            return image.to_owned();
        }
        let digest = self.tags.get(image).cloned().unwrap_or_else(|| format!("sha256:{}", digest(image, 64)));
        let repository = match image.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => before,
            _ => image,
        };
        format!("{repository}@{digest}")
    }
}
