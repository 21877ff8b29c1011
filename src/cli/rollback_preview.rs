//! `rectify rollback --dry-run`: what a rollback would do, observed in the cloud as it is now.
//!
//! It writes nothing and takes no lock, so it may be asked while the run is worked on. Every change that is applied, or may
//! be, is observed; of changes of one resource the older ones are judged by what undoing the newer ones would leave.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::cloud::Connection;
use super::console::Console;
use super::exit::{CliError, Exit};
use super::session::Kept;
use crate::engine::Run;
use crate::inert::inert;
use crate::plan::{lines, resource};
use crate::resource::traffic::{LATEST, Split, Traffic};
use crate::resource::{Kinds, Observable as _, ReadError, revision};
use crate::run::{Change, Entry, ResourceId, View, covers, set_fields};

/// What was observed of a change that a rollback would undo.
#[derive(Debug, PartialEq)]
enum Observed {
    /// It is as the run left it.
    Undoable,
    /// It already is as it was before the run.
    AsBefore,
    /// An operation of this name changes it now; its end is awaited first.
    Changing(String),
    /// It is neither as the run left it nor as it was before. A rollback stops there.
    Drifted(Value),
    /// What would be restored is gone. A rollback fails there.
    Gone(String),
    /// No API tells: a program or an operator does when its turn comes.
    Untold,
    /// It could not be observed.
    Unknown(String),
}

/// Observes everything that the rollback of this run would undo, and says what would come of it. The run has turned back.
pub(super) async fn observe(
    kept: &Kept,
    entries: &[Entry],
    (run, view): (&Run, &View),
    console: Console,
) -> Result<Exit, CliError> {
    if !run.has_to_undo() {
        return Ok(Exit::Done);
    }
    let since = entries.last().map(|entry| entry.at).unwrap_or_default();
    let connection = Connection::look_back(&kept.directory, since).await?;
    let mut text = "Observed now:\n".to_owned();
    let (mut blocked, mut unknown) = (0_u32, 0_u32);
    let mut states = BTreeMap::new();
    for (id, change) in to_undo(run, view) {
        let observed = observed(&connection.kinds, &mut states, &change).await;
        match observed {
            Observed::Drifted(_) | Observed::Gone(_) => blocked += 1,
            Observed::Unknown(_) => unknown += 1,
            Observed::Undoable | Observed::AsBefore | Observed::Changing(_) | Observed::Untold => {}
        }
        text += &words(&id, &change, &observed);
    }
    connection.close().await?;
    let (exit, verdict) = match (blocked, unknown) {
        (0, 0) => (Exit::Done, "A rollback would go through.".to_owned()),
        (0, unknown) => (
            Exit::Failed,
            format!("Whether a rollback would go through is not known: {unknown} could not be observed."),
        ),
        (blocked, _) => (Exit::Refused, format!("A rollback would not go through: {blocked} of these would stop it.")),
    };
    console.say(&format!("{text}\n{verdict} Nothing was written.\n"));
    Ok(exit)
}

/// The undos of a rollback, the newest change first, also of what is unclear or in flight.
fn to_undo(run: &Run, view: &View) -> Vec<(String, Change)> {
    let known: BTreeMap<_, _> = run.undo().into_iter().map(|(task, change)| (task.id.clone(), change)).collect();
    let unclear: Vec<_> = run.unclear_changes().into_iter().map(|(task, _)| task.id.clone()).collect();
    let in_flight: Vec<_> = run.in_flight().into_iter().map(|op| op.task).collect();
    let undo = view.tasks.iter().rev().filter_map(|task| {
        let id = &task.task.id;
        let change = known.get(id).cloned().or_else(|| {
            let is_open = unclear.contains(id) || in_flight.contains(id);
            task.undo().filter(|_| is_open && task.task.reversibility.is_undone())
        });
        Some((id.to_string(), change?))
    });
    undo.collect()
}

/// Observes one change. The states are those that the undos so far would leave.
async fn observed(kinds: &Kinds, states: &mut BTreeMap<ResourceId, Value>, change: &Change) -> Observed {
    let state = match states.get(&change.resource) {
        Some(state) => state.clone(),
        None => match kinds.observe(&change.resource).await {
            Ok(seen) if seen.operation.is_some() => return Observed::Changing(seen.operation.unwrap_or_default()),
            Ok(seen) => seen.state,
            Err(ReadError::Untold { .. } | ReadError::NoSuchKind { .. }) => return Observed::Untold,
            Err(error @ ReadError::NotFound { .. }) => return Observed::Gone(error.to_string()),
            Err(error) => return Observed::Unknown(error.to_string()),
        },
    };
    let judged = judge(change, &state);
    if matches!(judged, Observed::Undoable | Observed::AsBefore) {
        let mut left = state.clone();
        set_fields(&mut left, &change.to);
        states.insert(change.resource.clone(), left);
    }
    match judged {
        Observed::Undoable => gone(kinds, change).await.map_or(Observed::Undoable, Observed::Gone),
        judged => judged,
    }
}

fn judge(undo: &Change, state: &Value) -> Observed {
    if covers(state, &undo.to) {
        Observed::AsBefore
    } else if covers(state, &undo.from) {
        Observed::Undoable
    } else {
        Observed::Drifted(undo.owned(state))
    }
}

/// The revision that would be given traffic and is not there any more, if there is one.
async fn gone(kinds: &Kinds, undo: &Change) -> Option<String> {
    if undo.resource.kind != Traffic::NAME {
        return None;
    }
    let split: Split = serde_json::from_value(undo.to.clone()).ok()?;
    for (name, _) in split.shares().filter(|(name, _)| *name != LATEST) {
        if let Err(ReadError::NotFound { .. }) = kinds.observe(&revision::of(&undo.resource, name)).await {
            return Some(format!("revision {name}, which would be given traffic, does not exist any more"));
        }
    }
    None
}

fn words(id: &str, undo: &Change, observed: &Observed) -> String {
    let mut text = format!("  {}   {}: ", inert(id), resource(undo));
    let _ = match observed {
        Observed::Undoable => writeln!(text, "as this run left it; it is undone"),
        Observed::AsBefore => writeln!(text, "already as it was before this run; nothing is written"),
        Observed::Changing(operation) => {
            writeln!(text, "operation {} is running; its end is awaited first", inert(operation))
        }
        Observed::Drifted(_) => writeln!(text, "another principal changed it; a rollback stops here"),
        Observed::Gone(why) => writeln!(text, "{}; a rollback stops here", inert(why)),
        Observed::Untold => writeln!(text, "no API tells how it is; its `check`, or an operator, is asked in its turn"),
        Observed::Unknown(why) => writeln!(text, "it cannot be observed: {}", inert(why)),
    };
    if let Observed::Drifted(now) = observed {
        let drift = Change { from: undo.from.clone(), to: now.clone(), ..undo.clone() };
        for line in lines(&drift) {
            let _ = writeln!(text, "      {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn older_changes_of_a_resource_are_judged_by_what_the_newer_ones_leave() {
        let size = |size: i64| json!({ "size": size });
        let undo = |from, to| Change { resource: "k/p/r/n".parse().unwrap(), from: size(from), to: size(to) };
        let state = json!({ "size": 3, "other": true });
        assert_eq!(judge(&undo(3, 2), &state), Observed::Undoable);
        let mut left = state.clone();
        set_fields(&mut left, &undo(3, 2).to);
        assert_eq!(left, json!({ "size": 2, "other": true }));
        assert_eq!(judge(&undo(2, 1), &left), Observed::Undoable);
        assert_eq!(judge(&undo(2, 3), &state), Observed::AsBefore);
        assert_eq!(judge(&undo(5, 4), &state), Observed::Drifted(size(3)));
    }
}
