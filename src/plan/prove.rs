//! The second look: what the API says to the changes, and whether there is something to go back to.
//!
//! Only the first change of a service can be asked about: a later one rests on what the first will have brought about.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream;
use serde_json::Value;

use super::observe::AT_ONCE;
use super::{Known, Plan, Problem, Sort};
use crate::resource::traffic::{LATEST, Split, Traffic};
use crate::resource::{Kinds, Observable, ReadError, Seen, Validity, revision};
use crate::run::{ResourceId, Task, TaskId};

/// Asks the API about the changes, as far as it can be asked, and looks at what they would be undone to.
pub async fn prove(plan: &mut Plan, kinds: &Kinds) {
    let asked = first_changes(&plan.tasks);
    let answers = stream::iter(asked).map(|task| async move {
        let answer = match &task.change {
            Some(change) => match kinds.of(&change.resource) {
                Ok(kind) => kind.validate(change).await,
                Err(error) => Err(error),
            },
            None => Ok(Validity::NotAsked),
        };
        (task.id.clone(), answer)
    });
    let targets = stream::iter(undo_targets(&plan.tasks)).map(|id| async move {
        let seen = kinds.observe(&id).await;
        (id, seen)
    });
    let (answers, targets) = futures::join!(
        answers.buffer_unordered(AT_ONCE).collect::<BTreeMap<_, _>>(),
        targets.buffer_unordered(AT_ONCE).collect::<BTreeMap<_, _>>()
    );
    for (task, answer) in answers {
        take(plan, &task, answer);
    }
    for task in &mut plan.tasks {
        let gone: Vec<String> = revisions_before(task).filter_map(|id| no_way_back(&id, targets.get(&id)?)).collect();
        task.warnings.extend(gone);
    }
}

/// The first change of each service, connector or instance.
fn first_changes(tasks: &[Task]) -> Vec<&Task> {
    let mut begun = BTreeSet::new();
    let is_first = |task: &&Task| {
        task.change.as_ref().is_some_and(|change| {
            let of_run = change.resource.kind.starts_with("gcp.run.");
            let family = if of_run { "gcp.run" } else { change.resource.kind.as_str() };
            begun.insert((family.to_owned(), change.resource.name.clone()))
        })
    };
    tasks.iter().filter(is_first).collect()
}

fn take(plan: &mut Plan, task: &TaskId, answer: Result<Validity, ReadError>) {
    let known = match answer {
        Ok(Validity::Accepted) => Known::Validated,
        Ok(Validity::NotAsked) => Known::Computed { why: "this API has no way to ask".to_owned() },
        Ok(Validity::Refused { why }) => {
            plan.problems.push(Problem {
                step: task.step().to_owned(),
                sort: Sort::Impossible,
                why: format!("the API would refuse {task}: {why}"),
                help: None,
                wanted: None,
            });
            return;
        }
        Err(error) => Known::Computed { why: format!("the API could not be asked: {error}") },
    };
    if let Some(review) = plan.reviews.get_mut(task) {
        review.known = Some(known);
    }
}

/// The revisions that undoing these tasks would give traffic to.
fn undo_targets(tasks: &[Task]) -> BTreeSet<ResourceId> {
    let new: BTreeSet<&str> =
        tasks.iter().filter_map(|task| task.change.as_ref()?.to.get("revision").and_then(Value::as_str)).collect();
    tasks.iter().flat_map(revisions_before).filter(|id| !new.iter().any(|new| id.name.ends_with(new))).collect()
}

fn revisions_before(task: &Task) -> impl Iterator<Item = ResourceId> + use<> {
    let change = task.change.as_ref().filter(|change| change.resource.kind == Traffic::NAME);
    let before = change.and_then(|change| {
        let split: Split = serde_json::from_value(change.from.clone()).ok()?;
        let named = split.shares().filter(|(name, _)| *name != LATEST);
        Some(named.map(|(name, _)| revision::of(&change.resource, name)).collect::<Vec<_>>())
    });
    before.unwrap_or_default().into_iter()
}

fn no_way_back(id: &ResourceId, seen: &Result<Seen<Value>, ReadError>) -> Option<String> {
    let name = id.name.rsplit('/').next().unwrap_or_default();
    match seen {
        Ok(seen) if seen.state.get("ready").and_then(Value::as_bool) == Some(true) => None,
        Ok(_) => Some(format!("undoing it gives traffic to {name}, which is not ready")),
        Err(ReadError::NotFound { .. }) => {
            Some(format!("undoing it gives traffic to {name}, which does not exist any more"))
        }
        Err(_) => Some(format!("whether {name} is there to go back to could not be looked at")),
    }
}
