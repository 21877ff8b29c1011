//! `gcp.run.scale`: set how many instances a Cloud Run service may have.

use serde_json::Value;

use super::forecast::to_json;
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, SERVICE_ARGUMENT, StepAction,
    StepContext, TaskDraft, require_one_of,
};
use crate::peer::PeerRequest;
use crate::resource::Observable as _;
use crate::resource::scaling::{Owned, Scaling};
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

/// `gcp.run.scale`. `None` leaves a field as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunScale {
    /// Short name of the service.
    pub service: String,
    /// Fewest instances.
    pub min_instances: Option<i64>,
    /// Most instances.
    pub max_instances: Option<i64>,
}

impl RunScale {
    fn id(&self, target: &Target) -> ResourceId {
        target.resource(Scaling::NAME, &self.service)
    }

    fn wanted(&self) -> Owned {
        Owned { min_instances: self.min_instances, max_instances: self.max_instances }
    }
}

impl Declared for RunScale {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.run.scale",
        outputs: &[],
        with: Table {
            about: "Sets how many instances a Cloud Run service may have, at the level of the service: no new revision.",
            keys: &[
                super::rollout::SERVICE.required(),
                Key::new(
                    "min_instances",
                    ValueType::Integer,
                    "Fewest instances, shared by the revisions as their traffic is.",
                )
                .example("1"),
                Key::new("max_instances", ValueType::Integer, "Most instances, shared likewise.").example("10"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<RunScale> {
        let service = with.text(SERVICE_ARGUMENT);
        let (min_instances, max_instances) = (with.integer("min_instances"), with.integer("max_instances"));
        require_one_of(with, "service", &["min_instances", "max_instances"]);
        Some(RunScale { service: service?, min_instances, max_instances })
    }
}

/// What the service's scaling is, besides its bounds.
struct Surroundings {
    /// The count, if it is scaled by hand.
    manual: Option<i64>,
    /// The most instances that the template allows of a revision.
    template_max: Option<i64>,
    /// Whether all traffic goes to the revision of the template.
    template_serves_all: bool,
}

impl RunScale {
    /// Whether the bounds have an effect, and what is to be said if it is less than they say.
    ///
    /// # Errors
    /// If they have none: nothing would be changed but a number that nobody uses.
    fn effect(&self, now: &Owned, around: &Surroundings) -> Result<Option<String>, Obstacle> {
        if let Some(count) = around.manual {
            let why = format!(
                "{} is scaled by hand, to {count} instances: bounds have no effect until its scaling is automatic",
                self.service
            );
            return Err(
                Obstacle::impossible(why).help("change the count, or set its scaling to automatic, in the console")
            );
        }
        let Some((cap, wanted)) = around.template_max.zip(self.max_instances).filter(|(cap, wanted)| cap < wanted)
        else {
            return Ok(None);
        };
        let why = format!("each revision has at most {cap} instances by its template");
        // 0 is no limit of the service's own.
        let is_capped = now.max_instances.is_none_or(|now| now == 0 || now >= cap);
        if is_capped && around.template_serves_all && self.min_instances.is_none() {
            return Err(Obstacle::impossible(format!("max_instances = {wanted} would have no effect: {why}")).help(
                &format!(
                    "raise the template's bound, in a new revision: gcp.run.configure with max_instances = {wanted}"
                ),
            ));
        }
        Ok(Some(format!(
            "{why}: more than that max_instances = {wanted} does not give; gcp.run.configure with max_instances = {wanted} \
             raises it, in a new revision"
        )))
    }
}

impl StepAction for RunScale {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        vec![self.id(target)]
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        Some((self.id(target), to_json(&self.wanted()).ok()?))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let id = self.id(forecast.target());
        let now: Owned = forecast.typed_state(&id)?;
        let state = forecast.state(&id)?;
        let observed = |field: &str| state.get(field).and_then(Value::as_i64);
        let around = Surroundings {
            manual: observed("manual_instances"),
            template_max: observed("revision_max_instances"),
            template_serves_all: state.get("template_serves_all").and_then(Value::as_bool).unwrap_or_default(),
        };
        let caution = self.effect(&now, &around)?;
        let added = |wanted: Option<i64>, now: Option<i64>| {
            wanted.zip(now).map_or(0, |(wanted, now)| wanted.saturating_sub(now))
        };
        // 0 is no bound, so that nothing is added to it.
        let more = added(self.max_instances, now.max_instances.filter(|now| *now > 0));
        forecast.within_instances(&self.service, more.max(added(self.min_instances, now.min_instances)))?;
        let mut task = step.whole();
        forecast.change::<Scaling>(id, to_json(&self.wanted())?, &mut task)?;
        if task.change.is_some() {
            task.warnings.extend(caution);
            if let (Some(most), Some(0)) = (self.max_instances, now.max_instances) {
                task.warnings.push(format!("max_instances 0 is no limit: {most} is fewer than may run now"));
            }
        }
        Ok(vec![task])
    }

    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        vec![Name::value(SERVICE_ARGUMENT, &self.service, Scaling::NAME_SHAPE)]
    }
}
