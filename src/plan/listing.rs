//! What a step with a `list` is done for. Pure but for the look itself.
//!
//! The list is fixed when a plan is made: a plan has it, and one that is carried out later is stale once the list is another.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::observe::observe_all;
use crate::action::{ItemList, JUDGED, Obstacle, ObstacleKind};
use crate::resource::catalogued::ListingState;
use crate::resource::{Kinds, Observed};
use crate::run::{ResourceId, Target};
use crate::runbook::model::{Items, Runbook, Step};
use crate::syntax::condition::{Condition, Fact};

/// Each step over a list, with its list.
fn listing(runbook: &Runbook) -> impl Iterator<Item = (&Step, &ItemList)> {
    let steps = runbook.steps();
    steps.filter_map(|step| match &step.fan_out.as_ref()?.items {
        Items::Listed { list, .. } => Some((step, list)),
        Items::Named(_) => None,
    })
}

/// The lists that say what steps are done for.
pub(super) fn listed(runbook: &Runbook) -> impl Iterator<Item = ResourceId> {
    listing(runbook).filter_map(|(step, list)| list.collection.id(&runbook.target_of(step)).ok())
}

/// Looks at the lists that say what steps are done for, and at nothing else.
pub async fn observe_lists(runbook: &Runbook, kinds: &Kinds, at: Timestamp) -> Observed {
    observe_all(listed(runbook).collect(), kinds, at).await
}

/// What each step over a list is done for, by step, as far as that was observed: a plan says what could not be.
pub fn lists(runbook: &Runbook, observed: &Observed) -> BTreeMap<String, Vec<String>> {
    let found = listing(runbook)
        .filter_map(|(step, list)| Some((step.name.clone(), items(list, &runbook.target_of(step), observed).ok()?)));
    found.collect()
}

/// What a list lists, in the order of the names.
///
/// # Errors
/// It was not observed, or it cannot be told of one of the resources whether it is meant.
pub(super) fn items(list: &ItemList, target: &Target, observed: &Observed) -> Result<Vec<String>, Obstacle> {
    let id = list.collection.id(target).map_err(|error| Obstacle::impossible(error.to_string()))?;
    let seen = observed.resources.get(&id).ok_or_else(|| Obstacle::not_observed(&id, observed))?;
    let seen = seen.as_ref().map_err(|error| Obstacle { kind: ObstacleKind::Unseen, ..Obstacle::unseen(error) })?;
    let state: ListingState = serde_json::from_value(seen.state.clone())
        .map_err(|error| Obstacle::impossible(format!("{id} has another shape: {error}")))?;
    let condition = list.condition.as_ref().map(|text| Condition::compile(text)).transpose();
    let condition = condition.map_err(|error| Obstacle::impossible(error.message))?;
    let mut found = Vec::new();
    for (name, resource) in state.resources {
        let facts = BTreeMap::from([(JUDGED.to_owned(), Fact::Json(resource))]);
        let is_meant = condition.as_ref().map_or(Ok(true), |condition| condition.holds(&facts));
        match is_meant {
            Ok(true) => found.push(name),
            Ok(false) => {}
            Err(why) => {
                let why = format!("whether {name} is meant cannot be told: {why}");
                return Err(Obstacle::impossible(why).help("has(resource.FIELD) tells whether a field is there"));
            }
        }
    }
    Ok(found)
}

/// What keeps a step over a list from being planned, if anything does: it must be done for what is there.
pub(super) fn obstacle(step: &Step, target: &Target, observed: &Observed) -> Option<Obstacle> {
    let Items::Listed { list, found } = &step.fan_out.as_ref()?.items else { return None };
    let unseen = |why: String| Obstacle { kind: ObstacleKind::Unseen, ..Obstacle::impossible(why) };
    match (items(list, target, observed), found) {
        (Err(obstacle), _) => Some(obstacle),
        (Ok(now), Some(found)) if now == *found => None,
        (Ok(now), Some(_)) => Some(unseen(format!("the list is another one now: {}", in_words(&now)))),
        (Ok(_), None) => Some(unseen(format!("which {} there are was not asked", list.collection.text))),
    }
}

/// Items in a line.
pub(super) fn in_words(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}
