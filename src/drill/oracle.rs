//! The oracle: whether what a run claims is so, and whether it did only what it may.
//!
//! It knows the plan, what the run says of itself (its ending, its exit code, what it lists, its journal), the cloud as it
//! is, and every request that the cloud was sent. It is a function of these and does nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::course::{PathOutcome, Rest};
use super::fault::WriteFault;
use crate::action::is_outside_the_apis;
use crate::engine::Run;
use crate::run::{
    Ending, Entry, Event, GateOutcome, OpId, Question, ResourceId, Task, TaskId, TaskStatus, View, Way, covers,
    set_fields,
};
use crate::sim::Seen;

/// What another principal made of a resource.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The resource.
    pub resource: ResourceId,
    /// What its fields were made.
    pub to: Value,
    /// How many requests the cloud had answered by then.
    pub after: usize,
    /// The path at which it is changed.
    pub path: String,
    /// The `updateMask` with which it is, if the path is shared with other fields.
    pub mask: Option<String>,
}

/// Everything there is to judge by.
pub struct Facts<'a> {
    /// The tasks of the run, with those that are made on the way back only.
    pub tasks: &'a [Task],
    /// The run, folded from its journal.
    pub run: &'a Run,
    /// The run as people look at it.
    pub view: &'a View,
    /// The journal.
    pub entries: &'a [Entry],
    /// What the last process came to.
    pub rest: &'a Rest,
    /// What each resource is now; `None`: it does not exist.
    pub seen: BTreeMap<ResourceId, Option<Value>>,
    /// Resources on which an operation runs.
    pub busy: BTreeSet<ResourceId>,
    /// Everything that the cloud was sent.
    pub requests: Vec<Seen>,
    /// What another principal did, if anything.
    pub foreign: Option<&'a Foreign>,
    /// What went wrong with a write, if anything.
    pub fault: Option<WriteFault>,
    /// How many locks are held.
    pub locks: usize,
    /// The gate whose probes saw nothing healthy, and how many entries there were when that began.
    pub blinded: Option<(&'a TaskId, usize)>,
}

impl Facts<'_> {
    /// The resources that the run changes. What programs and people do is left out of a drill.
    pub fn resources(&self) -> BTreeSet<ResourceId> {
        let changed = self.tasks.iter().filter_map(|task| Some(task.change.as_ref()?.resource.clone()));
        changed.filter(is_of_the_cloud).collect()
    }

    fn is_written_and_gone(&self, resource: &ResourceId) -> bool {
        let took_effect = |request: &&Seen| is_own_write(request) && matches!(request.status, 0 | 200..=299);
        let end = format!("/{}", resource.name);
        matches!(self.seen.get(resource), Some(None))
            && self.requests.iter().filter(took_effect).any(|request| path(request).ends_with(&end))
    }

    fn ending(&self) -> Option<&Ending> {
        self.run.ending()
    }

    /// Whether what is there of a resource is somebody else's affair: it was changed or deleted.
    fn is_foreign(&self, resource: &ResourceId) -> bool {
        let deleted = matches!(self.fault, Some(WriteFault::DeletedBefore | WriteFault::DeletedDuring));
        let is_gone = matches!(self.seen.get(resource), Some(None));
        self.foreign.is_some_and(|foreign| foreign.resource == *resource) || (deleted && is_gone)
    }
}

/// What the run says is applied.
struct Claims {
    applied: BTreeSet<TaskId>,
    /// What it says it does not know of.
    unsure: BTreeSet<TaskId>,
}

/// What is not as it must be, in words.
pub fn judge(facts: &Facts<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    wrong.extend(lost(facts));
    let claims = claims(facts);
    wrong.extend(resources(facts, &claims));
    wrong.extend(success(facts));
    wrong.extend(view(facts, &claims));
    wrong.extend(overwritten(facts));
    wrong.extend(sent_blindly(facts));
    wrong.extend(undone_unapplied(facts));
    wrong.extend(locks(facts));
    wrong.extend(exit(facts));
    wrong.extend(passed_blindly(facts.entries, facts.blinded));
    wrong
}

/// A process that could not go on although nothing of this machine's was in its way.
fn lost(facts: &Facts<'_>) -> Option<String> {
    match &facts.rest.came {
        PathOutcome::Lost(why) => Some(format!("the run cannot be worked: {why}")),
        PathOutcome::Driven(_) | PathOutcome::Killed | PathOutcome::OutOfSpace => None,
    }
}

fn claims(facts: &Facts<'_>) -> Claims {
    let run = facts.run;
    let mut unsure: BTreeSet<TaskId> = run.unclear_changes().into_iter().map(|(task, _)| task.id.clone()).collect();
    unsure.extend(run.in_flight().into_iter().map(|op| op.task));
    let kept = run.kept();
    let applied: BTreeSet<TaskId> = match facts.ending() {
        Some(Ending::RolledBack { kept, not_restored, follow_ups, .. }) => {
            unsure.extend(follow_ups.iter().map(|left| left.task.clone()));
            kept.iter().chain(not_restored).cloned().collect()
        }
        Some(Ending::Stuck { left, kept, not_restored }) => {
            unsure.extend(left.iter().map(|left| left.task.clone()));
            kept.iter().chain(not_restored).cloned().collect()
        }
        Some(Ending::Done { .. } | Ending::Stopped { .. } | Ending::Declined { .. }) | None => {
            run.undo().into_iter().map(|(task, _)| task.id.clone()).chain(kept).collect()
        }
    };
    // What a failed task left behind is known by what it says of it.
    let mut claims = Claims { applied, unsure };
    for task in facts.view.tasks.iter().filter(|task| task.task.is_finally()) {
        let status = task.change_status();
        if status.is_applied() && facts.ending().is_some() {
            claims.applied.insert(task.task.id.clone());
        } else if status.may_be_applied() {
            claims.unsure.insert(task.task.id.clone());
        }
    }
    claims
}

/// Each resource is what the claims say: as before, with what is applied on top.
fn resources(facts: &Facts<'_>, claims: &Claims) -> Vec<String> {
    let mut wrong = Vec::new();
    for resource in facts.resources() {
        if facts.is_foreign(&resource) || facts.busy.contains(&resource) {
            continue;
        }
        let Some(seen) = facts.seen.get(&resource) else { continue };
        let Some(seen) = seen else {
            wrong.push(format!("{resource} is gone"));
            continue;
        };
        let expected = expected(facts, claims, &resource);
        if !covers(seen, &expected) {
            let claimed = claims.applied.iter().map(TaskId::as_str).collect::<Vec<_>>().join(", ");
            wrong.push(format!("{resource} is {seen}, and by the claims (applied: {claimed}) it is {expected}"));
        }
    }
    wrong
}

/// What a resource must be by the claims, in the fields of which they say something.
fn expected(facts: &Facts<'_>, claims: &Claims, resource: &ResourceId) -> Value {
    let changes = || {
        facts.tasks.iter().filter_map(|task| {
            let change = task.change.as_ref().filter(|change| change.resource == *resource)?;
            Some((task, change))
        })
    };
    let mut expected = Value::Object(Map::new());
    // The first change of a field knows what it was before.
    for (_, change) in changes().filter(|(task, _)| task.back_for.is_none()).collect::<Vec<_>>().into_iter().rev() {
        set_fields(&mut expected, &change.undo().to);
    }
    for (_, change) in changes().filter(|(task, _)| task.back_for.is_none() && claims.applied.contains(&task.id)) {
        set_fields(&mut expected, &change.to);
    }
    // Of what it is not sure, and of what is led elsewhere while that is undone, it claims nothing.
    let is_unsure = |task: &Task| {
        let main = task.back_for.as_ref().unwrap_or(&task.id);
        claims.unsure.contains(&task.id) || claims.unsure.contains(main)
    };
    for (_, change) in changes().filter(|(task, _)| is_unsure(task) || is_on_the_way_back(facts, task)) {
        let fields = change.to.as_object().into_iter().flat_map(Map::keys);
        for field in fields {
            if let Value::Object(expected) = &mut expected {
                expected.remove(field);
            }
        }
    }
    expected
}

/// Whether it leads traffic elsewhere for an undo, and a run that has not ended well stands in the middle of that.
fn is_on_the_way_back(facts: &Facts<'_>, task: &Task) -> bool {
    let is_clean = matches!(
        facts.ending(),
        Some(Ending::RolledBack { not_restored, follow_ups, .. }) if not_restored.is_empty() && follow_ups.is_empty()
    );
    let sent = |entry: &Entry| matches!(&entry.event, Event::Intended { op } if op.task == task.id);
    task.back_for.is_some() && !is_clean && facts.entries.iter().any(sent)
}

/// "Done" only if the cloud is as wanted; a clean rollback only if it is as before.
fn success(facts: &Facts<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    match facts.ending() {
        Some(Ending::Done { failed, skipped }) if failed.is_empty() && facts.rest.exit == Some(0) => {
            let mut wanted: BTreeMap<&ResourceId, Value> = BTreeMap::new();
            // What is carried out at the end may fail without changing the outcome; it says so itself.
            let is_wanted = |task: &&Task| {
                let applied = || facts.view.task(&task.id).is_some_and(|view| view.change_status().is_applied());
                task.back_for.is_none() && !skipped.contains(&task.id) && (!task.is_finally() || applied())
            };
            for task in facts.tasks.iter().filter(is_wanted) {
                if let Some(change) = task.change.as_ref().filter(|change| is_of_the_cloud(&change.resource)) {
                    set_fields(wanted.entry(&change.resource).or_insert_with(|| Value::Object(Map::new())), &change.to);
                }
            }
            for (resource, wanted) in wanted {
                let seen = facts.seen.get(resource).and_then(Option::as_ref);
                if !seen.is_some_and(|seen| covers(seen, &wanted) && seen.get("routed").is_none()) {
                    wrong.push(format!("it says done, and {resource} is {seen:?}, not {wanted}"));
                }
            }
        }
        // Whoever is served by nothing at all is not served as before.
        Some(Ending::RolledBack { .. })
            if facts.resources().iter().any(|resource| facts.is_written_and_gone(resource)) =>
        {
            wrong.push("it says rolled back, and a resource that it wrote to does not exist".to_owned());
        }
        Some(Ending::RolledBack { .. }) if facts.rest.exit == Some(0) => {
            for resource in facts.resources() {
                let seen = facts.seen.get(&resource).and_then(Option::as_ref);
                if seen.is_some_and(|seen| seen.get("routed").is_some()) {
                    wrong.push(format!("it says rolled back, and {resource} does not route as written: {seen:?}"));
                }
            }
        }
        _ => {}
    }
    wrong
}

/// What people are shown of each task agrees with what the run claims.
fn view(facts: &Facts<'_>, claims: &Claims) -> Vec<String> {
    let mut wrong = Vec::new();
    for view in facts.view.tasks.iter().filter(|view| view.task.change.is_some() && view.task.back_for.is_none()) {
        let id = &view.task.id;
        if view.status == TaskStatus::Undone && claims.applied.contains(id) && !claims.unsure.contains(id) {
            wrong.push(format!("{id} is shown as undone, and listed as applied"));
        }
    }
    wrong
}

/// What another principal has made is still so, or the run has not written there since.
fn overwritten(facts: &Facts<'_>) -> Option<String> {
    let foreign = facts.foreign?;
    let seen = facts.seen.get(&foreign.resource)?.as_ref()?;
    if covers(seen, &foreign.to) || facts.busy.contains(&foreign.resource) {
        return None;
    }
    let later = facts.requests.iter().skip(foreign.after).filter(|request| is_own_write(request));
    let same = |request: &&Seen| {
        let masks = foreign.mask.as_deref().is_none_or(|wanted| mask(request) == Some(wanted));
        path(request) == foreign.path && masks
    };
    let took_effect = |request: &&Seen| matches!(request.status, 0 | 200..=299);
    later.filter(same).find(took_effect).map(|request| {
        format!(
            "another principal made {} {}, and {} at {} overwrote that",
            foreign.resource, foreign.to, request.path, request.at
        )
    })
}

/// No write is sent twice without an observation between.
fn sent_blindly(facts: &Facts<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut unseen: BTreeSet<&str> = BTreeSet::new();
    for request in facts.requests.iter().filter(|request| request.caller == OWN) {
        if is_own_write(request) {
            if !unseen.insert(path(request)) {
                wrong.push(format!("{} at {} is sent without an observation since the last", request.path, request.at));
            }
        } else if request.method == "GET" {
            unseen.remove(path(request));
        }
    }
    let mut announced: BTreeSet<&OpId> = BTreeSet::new();
    for entry in facts.entries {
        match &entry.event {
            Event::Intended { op } if !announced.insert(op) => {
                wrong.push(format!("{op} is announced again, and nothing is known of it since"));
            }
            Event::StateObserved { op, .. }
            | Event::Refused { op, .. }
            | Event::Failed { op, .. }
            | Event::Missing { op }
            | Event::OperationTimedOut { op, .. }
            | Event::Answered { question: Question::Doubt { op } | Question::TookEffect { op, .. }, .. } => {
                announced.remove(op);
            }
            _ => {}
        }
    }
    wrong
}

/// Nothing is undone that was not applied.
fn undone_unapplied(facts: &Facts<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut applied: BTreeSet<&TaskId> = BTreeSet::new();
    for entry in facts.entries {
        let Event::Intended { op } = &entry.event else { continue };
        match op.way {
            Way::Apply => drop(applied.insert(&op.task)),
            Way::Undo => {
                let task = facts.tasks.iter().find(|task| task.id == op.task);
                let main = task.and_then(|task| task.back_for.as_ref()).unwrap_or(&op.task);
                if !applied.contains(main) {
                    wrong.push(format!("{op} is sent, and {main} was never applied"));
                }
            }
        }
    }
    wrong
}

/// Locks are released at an ending, and held until then.
fn locks(facts: &Facts<'_>) -> Option<String> {
    let subjects: BTreeSet<String> = facts
        .tasks
        .iter()
        .filter(|task| task.back_for.is_none())
        .filter_map(|task| Some(task.subject()?.to_string()))
        .collect();
    let wanted = match facts.rest.came {
        PathOutcome::Driven(crate::driver::DriveOutcome::Ended(_)) => 0,
        PathOutcome::Driven(_) | PathOutcome::Killed | PathOutcome::OutOfSpace | PathOutcome::Lost(_)
            if facts.ending().is_none() =>
        {
            subjects.len()
        }
        // It died between its ending and the release: `unlock` is for that.
        PathOutcome::Driven(_) | PathOutcome::Killed | PathOutcome::OutOfSpace | PathOutcome::Lost(_) => return None,
    };
    (facts.locks != wanted).then(|| format!("{} locks are held, not {wanted}", facts.locks))
}

/// The exit code says no more than is so.
fn exit(facts: &Facts<'_>) -> Option<String> {
    let exit = facts.rest.exit?;
    let wrong = match (exit, facts.ending()) {
        (0, Some(Ending::Done { failed, .. })) => !failed.is_empty(),
        (0, Some(Ending::RolledBack { not_restored, follow_ups, .. })) => {
            !not_restored.is_empty() || !follow_ups.is_empty()
        }
        (9 | 130, ending) => ending.is_some(),
        (6, Some(Ending::Stuck { .. } | Ending::Stopped { .. })) => false,
        (0 | 6, _) => true,
        (_, ending) => ending.is_none(),
    };
    wrong.then(|| format!("exit code {exit}, and its ending is {:?}", facts.ending()))
}

/// A gate does not pass of which nothing healthy was seen.
fn passed_blindly(entries: &[Entry], blinded: Option<(&TaskId, usize)>) -> Option<String> {
    let (gate, began) = blinded?;
    let verdict = entries.iter().skip(began).find_map(|entry| match &entry.event {
        Event::GateClosed { task, outcome } if task == gate => Some(outcome),
        _ => None,
    })?;
    matches!(verdict, GateOutcome::Passed { .. })
        .then(|| format!("the gate of {gate} passed, and no healthy sample was seen"))
}

fn is_of_the_cloud(resource: &ResourceId) -> bool {
    !is_outside_the_apis(resource)
}

/// Who sends no token, which in a drill is the run.
const OWN: &str = "anonymous";

fn path(request: &Seen) -> &str {
    request.path.split('?').next().unwrap_or_default()
}

fn mask(request: &Seen) -> Option<&str> {
    let (_, query) = request.path.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("updateMask="))
}

/// Fields are written by these; other methods are of calls, of which the journal tells whether they are sent twice.
fn is_own_write(request: &Seen) -> bool {
    let writes = matches!(request.method.as_str(), "PATCH" | "PUT");
    request.caller == OWN && writes && !request.path.contains("validateOnly=true")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::run::{Change, Choice, OnFailure, Work};

    /// A run of one change, and what there is to judge it by.
    struct Told {
        work: Work,
        entries: Vec<Entry>,
        rest: Rest,
        seen: Value,
        requests: Vec<Seen>,
        foreign: Option<Foreign>,
        locks: usize,
    }

    fn id() -> ResourceId {
        "gcp.connector/p/r/c".parse().unwrap()
    }

    fn op(way: Way) -> OpId {
        OpId { task: TaskId::of_step("grow"), way }
    }

    fn entry(event: Event) -> Entry {
        Entry { at: Timestamp::UNIX_EPOCH, event }
    }

    fn request(method: &str, path: &str) -> Seen {
        let (method, path) = (method.to_owned(), path.to_owned());
        let (host, caller) = (String::new(), OWN.to_owned());
        Seen { at: Timestamp::UNIX_EPOCH, method, path, host, caller, status: 200, fault: None }
    }

    impl Told {
        /// One that is done, and of which everything is as it must be.
        fn done() -> Told {
            let change = Change { resource: id(), from: json!({ "size": 0 }), to: json!({ "size": 1 }) };
            let task = Task { change: Some(change), ..Task::idle(TaskId::of_step("grow"), "p", "u", OnFailure::Ask) };
            let question = Question::Apply { task: TaskId::of_step("grow") };
            let answered =
                Event::Answered { question, choice: Choice::Yes, by: "ops".to_owned(), reason: None, visible: None };
            let (seen, ending) = (json!({ "size": 1 }), Ending::Done { failed: vec![], skipped: vec![] });
            let events = [
                answered,
                Event::Intended { op: op(Way::Apply) },
                Event::StateObserved { op: op(Way::Apply), seen: seen.clone() },
                Event::Ended { ending: ending.clone() },
            ];
            Told {
                work: Work::from(vec![task]),
                entries: events.into_iter().map(entry).collect(),
                rest: Rest {
                    came: PathOutcome::Driven(crate::driver::DriveOutcome::Ended(ending)),
                    exit: Some(0),
                    entries: 0,
                    after: None,
                },
                seen,
                requests: vec![request("GET", "/c"), request("PATCH", "/c?updateMask=size")],
                foreign: None,
                locks: 0,
            }
        }

        fn wrong(&self) -> String {
            let (mut run, mut view) = (Run::new(self.work.clone()), View::new(&self.work));
            for entry in &self.entries {
                run.apply(entry).unwrap();
                view.apply(entry);
            }
            let facts = Facts {
                tasks: &self.work.tasks,
                run: &run,
                view: &view,
                entries: &self.entries,
                rest: &self.rest,
                seen: BTreeMap::from([(id(), Some(self.seen.clone()))]),
                busy: BTreeSet::new(),
                requests: self.requests.clone(),
                foreign: self.foreign.as_ref(),
                fault: None,
                locks: self.locks,
                blinded: None,
            };
            judge(&facts).join("\n")
        }
    }

    #[test]
    fn a_run_that_is_as_it_says_is_not_complained_of() {
        assert_eq!(Told::done().wrong(), "");
    }

    #[test]
    fn done_although_the_cloud_is_not_as_wanted_is_noticed() {
        let wrong = Told { seen: json!({ "size": 0 }), ..Told::done() }.wrong();
        assert!(wrong.contains("it says done") && wrong.contains("by the claims"), "{wrong}");
        let wrong = Told { seen: json!({ "size": 1, "routed": [] }), ..Told::done() }.wrong();
        assert!(wrong.contains("it says done"), "{wrong}");
    }

    #[test]
    fn something_applied_that_is_not_claimed_is_noticed() {
        let mut told = Told::done();
        let ending = Ending::RolledBack { kept: vec![], not_restored: vec![], follow_ups: vec![], why: None };
        told.entries.truncate(0);
        told.entries.push(entry(Event::RollbackRequested {
            operator: crate::run::Operator { user: "ops".to_owned(), host: "here".to_owned(), pid: 7 },
            to: None,
        }));
        told.entries.push(entry(Event::Ended { ending: ending.clone() }));
        told.rest.came = PathOutcome::Driven(crate::driver::DriveOutcome::Ended(ending));
        assert!(told.wrong().contains("by the claims"), "{}", told.wrong());
    }

    #[test]
    fn a_write_without_an_observation_since_the_last_is_noticed() {
        let mut told = Told::done();
        told.requests.push(request("PATCH", "/c?updateMask=size"));
        assert!(told.wrong().contains("without an observation"), "{}", told.wrong());
        told.requests.insert(2, request("GET", "/c"));
        assert_eq!(told.wrong(), "");
    }

    #[test]
    fn what_an_operator_said_did_not_happen_may_be_sent_again() {
        let mut told = Told::done();
        let apply = || op(Way::Apply);
        told.entries.insert(1, entry(Event::Intended { op: apply() }));
        let facts = |told: &Told| {
            let (run, view) = (Run::new(told.work.clone()), View::new(&told.work));
            let facts = Facts {
                tasks: &told.work.tasks,
                run: &run,
                view: &view,
                entries: &told.entries,
                rest: &told.rest,
                seen: BTreeMap::new(),
                busy: BTreeSet::new(),
                requests: Vec::new(),
                foreign: None,
                fault: None,
                locks: 0,
                blinded: None,
            };
            sent_blindly(&facts)
        };
        assert_eq!(facts(&told).len(), 1);
        let question = Question::Doubt { op: apply() };
        let answered =
            Event::Answered { question, choice: Choice::No, by: "ops".to_owned(), reason: None, visible: None };
        told.entries.insert(2, entry(answered));
        assert_eq!(facts(&told), Vec::<String>::new());
    }

    #[test]
    fn what_another_principal_made_and_is_overwritten_is_noticed() {
        let mut told = Told::done();
        let (to, path) = (json!({ "size": 7 }), "/c".to_owned());
        told.foreign = Some(Foreign { resource: id(), to, after: 1, path, mask: Some("size".to_owned()) });
        assert!(told.wrong().contains("overwrote"), "{}", told.wrong());
    }

    #[test]
    fn a_gate_that_passes_without_a_healthy_sample_is_noticed() {
        let (gate, other) = (TaskId::of_step("grow"), TaskId::of_step("shrink"));
        let outcome = GateOutcome::Passed { proof: crate::gate::Proof::default() };
        let entries = [entry(Event::GateClosed { task: gate.clone(), outcome })];
        assert_eq!(passed_blindly(&entries, None), None);
        assert_eq!(passed_blindly(&entries, Some((&other, 0))), None);
        // What passed before is not meant.
        assert_eq!(passed_blindly(&entries, Some((&gate, 1))), None);
        assert!(passed_blindly(&entries, Some((&gate, 0))).is_some());
    }

    #[test]
    fn locks_of_a_run_that_has_ended_and_its_exit_code_are_noticed() {
        let mut told = Told { locks: 1, ..Told::done() };
        assert!(told.wrong().contains("1 locks are held"), "{}", told.wrong());
        told.rest.exit = Some(9);
        assert!(told.wrong().contains("exit code 9"), "{}", told.wrong());
    }
}
