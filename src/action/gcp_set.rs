//! `gcp.set`: set fields of any resource that the catalog describes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::catalogued::{self, RESOURCE};
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
};
use crate::catalog::{self, Assignments, Exception, ResourceType, validate};
use crate::peer::PeerRequest;
use crate::resource::catalogued::{Catalogued, CataloguedName};
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

/// `gcp.set`. Fields that are not named stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpSet {
    /// The resource.
    pub resource: CataloguedName,
    /// What is set and cleared, checked against the catalog.
    pub assignments: Assignments,
    /// The inputs whose secrets are set and have no value.
    pub absent: Vec<String>,
    /// What it sets where plans show digests, in words.
    pub(super) literals: Vec<String>,
}

impl GcpSet {
    /// The secrets that it sets: each with the digest that stands for it.
    pub fn secrets(&self) -> Vec<(String, Value)> {
        self.assignments.secrets(self.resource.resource_type)
    }
}

impl Declared for GcpSet {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.set",
        outputs: &[],
        with: Table {
            about: "Sets fields of any resource of Google Cloud that `rectify resources` lists.",
            keys: &[
                RESOURCE.required(),
                Key::new(
                    "set",
                    ValueType::Json,
                    "Fields and their values, nested as in the API's JSON; a key may be a path.",
                )
                .example("{ memorySizeGb = 10 }")
                .default("nothing is set"),
                Key::new("unset", ValueType::Texts, "Paths of fields to clear, and of elements to remove.")
                    .example("[\"labels.team\"]")
                    .default("nothing is cleared"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<GcpSet> {
        let resource = catalogued::read_name(with);
        let (fields, text) = catalogued::table(with, "set")?;
        let unset = with.texts("unset").unwrap_or_default();
        let resource = resource?;
        match validate(resource.resource_type, &fields, &unset) {
            Ok(assignments) => {
                catalogued::refuse_shown_secrets(with, resource.resource_type, &text);
                let absent = text.absent().map(str::to_owned).collect();
                let literals = catalogued::literals(resource.resource_type, &text);
                Some(GcpSet { resource, assignments, absent, literals })
            }
            Err(problems) => {
                catalogued::note(with, &problems);
                None
            }
        }
    }
}

impl StepAction for GcpSet {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        self.resource.id(target).into_iter().collect()
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        Some((self.resource.id(target)?, Value::Object(self.assignments.shown(self.resource.resource_type))))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let (resource, id) = catalogued::planned(&self.resource, forecast)?;
        catalogued::lacking(self.absent.iter().map(String::as_str), "sets")?;
        let of = resource.resource_type;
        let mut tasks = Vec::new();
        let all = writes_of(of, &self.assignments);
        for (name, assignments) in &all {
            let mut task = if all.len() == 1 { step.whole() } else { step.part(name) };
            let state = forecast.state(&id)?.clone();
            let ends =
                catalog::ends(of, &state, assignments).map_err(|error| Obstacle::impossible(error.to_string()))?;
            if !ends.to.as_object().is_some_and(Map::is_empty) {
                catalog::writes(&resource, &catalog::json_of(of, &state), assignments)
                    .map_err(|error| Obstacle::impossible(error.to_string()))?;
                forecast.change_from::<Catalogued>(id.clone(), ends.from, ends.to, &mut task)?;
                catalogued::judge(of, &mut task);
            }
            tasks.push(task);
        }
        if let Some(first) = tasks.iter_mut().find(|task| task.change.is_some()) {
            first.notes.extend(self.literals.iter().cloned());
        }
        // One request after another: the gate is about what all of them bring about.
        let changes = |task: &TaskDraft| task.change.is_some();
        if all.len() > 1 {
            if tasks.iter().any(changes) {
                tasks.retain(changes);
            } else {
                tasks.truncate(1);
            }
            if let Some(last) = tasks.last_mut() {
                last.gate = step.gate.cloned();
            }
        }
        Ok(tasks)
    }

    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        Some(CatalogRequest::Set(self))
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }
}

/// The assignments, one request after another, each with a name: some types take one field a write, and some fields have a method of
/// their own.
fn writes_of(resource_type: ResourceType, all: &Assignments) -> Vec<(String, Assignments)> {
    let is_one_by_one = resource_type.rules().iter().any(|rule| rule.what == Exception::OneFieldAWrite);
    let mut groups: BTreeMap<(usize, String), Vec<_>> = BTreeMap::new();
    for one in all.iter() {
        let setter = resource_type.setter(&one.mask_path);
        let own = setter.and_then(|setter| resource_type.rules().iter().position(|rule| rule == setter));
        let key = match own {
            // Setters come after the update.
            Some(place) => (place + 1, String::new()),
            None if is_one_by_one => (0, one.mask_path.clone()),
            None => (0, String::new()),
        };
        groups.entry(key).or_default().push(one.clone());
    }
    let named = groups.into_values().map(|group| {
        let name = group.first().map(|one| one.mask_path.clone()).unwrap_or_default();
        (name, Assignments::of(group))
    });
    named.collect()
}
