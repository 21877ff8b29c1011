//! Everything that can be said about a run: the journal's vocabulary.
//!
//! Events are owned, plain and small. They are a promise: a journal that was written once must stay
//! readable, so a variant or a field is never renamed, and a new one gets a default.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::serde::unsigned_duration::friendly::compact::optional as optional_duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{OpId, ResourceId, RunId, TaskId};
use super::task::OnFailure;
use super::verdict::{CriterionResult, EscalationVerdict};
use crate::gate::{Breaks, GateFault, Observation, Proof};
use crate::redact;

/// An event and when it happened, in the run's time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When. Against a simulated cloud this is the simulated time.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// Who works a run, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Login name.
    pub user: String,
    /// Host name.
    pub host: String,
    /// Process id of the program.
    pub pid: u32,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} (pid {})", self.user, self.host, self.pid)
    }
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Event {
    /// The run begins.
    Started {
        /// Its id.
        run: RunId,
        /// The runbook's name.
        runbook: String,
        /// Where its calls go, in words.
        cloud: String,
        /// Version of the program.
        rectify: String,
        /// Version of the engine that interprets these events.
        machine: u32,
        /// SHA-256 of the plan, in hex, as it lies beside the journal.
        plan: String,
        /// SHA-256 of the runbook's text, in hex, as it lies beside the journal.
        text: String,
        /// SHA-256 of `where.json`, in hex, which says where the calls go. Runs of 0.1.0 have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<String>,
        /// When it began by this machine's clock. In a rehearsal the entry's own time is the simulated one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wall_clock: Option<Timestamp>,
        /// Who.
        operator: Operator,
    },
    /// Another process takes the run over. Whatever was in flight is in doubt.
    Resumed {
        /// Who.
        operator: Operator,
    },
    /// From here on the run goes back: what was applied is undone, newest first.
    RollbackRequested {
        /// Who.
        operator: Operator,
        /// The step after which everything is undone; `None`: everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// The run pauses by itself: nothing failed and nothing is undone; `resume` goes forward from here.
    Paused {
        /// What is in the way.
        why: PauseReason,
    },
    /// The machine was suspended, or its clock set forth: nobody worked on the run or watched anything meanwhile.
    Suspended {
        /// For how long.
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
        gap: Duration,
    },
    /// Somebody wants the run to pause: Ctrl-C, SIGTERM, a closed terminal.
    StopRequested {
        /// What asked, in words.
        by: String,
    },
    /// A question was answered; by a person, a flag or a policy.
    Answered {
        /// The question, with everything it rested on.
        question: Question,
        /// The answer.
        choice: Choice,
        /// Who or what answered.
        by: String,
        /// Why, where the answer wants a reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How long the question was on the screen before the answer came, in real time; `None` if a flag or a policy
        /// answered.
        #[serde(default, with = "optional_duration", skip_serializing_if = "Option::is_none")]
        visible: Option<Duration>,
    },
    /// Whether what a task rests on is so.
    PreconditionsChecked {
        /// The task.
        task: TaskId,
        /// What was found.
        found: PreconditionResult,
    },
    /// Whether a service is healthy now, before an undo that would bring it back to a state in which it was not.
    Assessed {
        /// The task whose change is to be undone.
        task: TaskId,
        /// Met: it is healthy now.
        found: PreconditionResult,
    },
    /// A pause has passed.
    Waited {
        /// The task.
        task: TaskId,
    },
    /// Somebody was told something, or could not be told. Neither decides anything.
    Notified {
        /// The task.
        task: TaskId,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// One sample of a guard's probe.
    GuardSampled {
        /// The guard's probe.
        probe: String,
        /// What was seen.
        observation: Observation,
    },
    /// What was applied was looked at again, while something else was awaited.
    DriftChecked {
        /// What somebody else has changed meanwhile: what it is now.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        moved: BTreeMap<ResourceId, Value>,
    },
    /// Whether to go on was asked of the runbook's criteria. It decides nothing by itself: it is for people.
    EscalationDecided {
        /// The decision, with its grounds.
        verdict: EscalationVerdict,
    },
    /// The work is done, and this is how what must hold for the end of the incident stands.
    ClosureEvaluated {
        /// Each criterion, in the order of the runbook.
        criteria: Vec<CriterionResult>,
    },
    /// What serves now, of each service that the run touched: observed right before the run ends.
    ServicesObserved {
        /// By the service's name.
        services: BTreeMap<String, ServiceStatus>,
    },
    /// The task has nothing to change: the resource already is as wanted, or the task only proves health.
    Unchanged {
        /// The task.
        task: TaskId,
    },
    /// On disk before the write it announces.
    Intended {
        /// The write.
        op: OpId,
    },
    /// The API took the write and gave a name to ask by.
    OperationStarted {
        /// The write.
        op: OpId,
        /// The long-running operation's name.
        operation: String,
    },
    /// The operation is still running.
    Polled {
        /// The write.
        op: OpId,
        /// Whether the answer was held while it ran: then it is asked for again at once.
        #[serde(default, skip_serializing_if = "is_false")]
        held: bool,
    },
    /// What is there now. The engine compares; who looked does not judge.
    StateObserved {
        /// The write.
        op: OpId,
        /// The resource's state.
        seen: Value,
    },
    /// The write did not happen.
    Refused {
        /// The write.
        op: OpId,
        /// Why.
        refusal: Refusal,
    },
    /// The API carried the write out, at least in part, and reports that it failed.
    Failed {
        /// The write.
        op: OpId,
        /// The API's words.
        why: String,
    },
    /// The resource does not exist. That is a definite answer: what was to be changed is gone.
    Missing {
        /// The write.
        op: OpId,
    },
    /// The operation has not ended within its limit. Whether it ever will is not known, and it is not awaited any longer.
    OperationTimedOut {
        /// The write.
        op: OpId,
        /// The long-running operation's name.
        operation: String,
        /// How long it was awaited at most.
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
        limit: Duration,
    },
    /// No answer: the write may have happened.
    InDoubt {
        /// The write.
        op: OpId,
        /// What went wrong.
        why: String,
    },
    /// The gate of a task begins to count.
    GateOpened {
        /// The task.
        task: TaskId,
        /// How many counts of samples each probe used up while this gate was open before, since the last write of the task:
        /// what is claimed of a failure rate holds over all of these openings together.
        #[serde(default, skip_serializing_if = "Breaks::is_empty")]
        breaks: Breaks,
    },
    /// One sample of one probe of an open gate.
    Sampled {
        /// The task whose gate it is.
        task: TaskId,
        /// The probe.
        probe: String,
        /// What was seen.
        observation: Observation,
    },
    /// The gate has its verdict.
    GateClosed {
        /// The task.
        task: TaskId,
        /// The verdict.
        outcome: GateOutcome,
    },
    /// The run has ended. It can still be rolled back, and resumed if it did not end well.
    Ended {
        /// How.
        ending: Ending,
    },
}

/// The fields in which events carry words of others: of peers, programs, APIs. Names, ids, states and digests are not
/// among them; what is compared must stay as it is.
const WORDS: [&str; 6] = ["why", "problem", "reason", "remedy", "unknown", "facts"];

fn redact_words(value: &mut Value, redactor: &redact::Redactor) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if WORDS.contains(&name.as_str()) && !field.is_object() || name == "facts" {
                    redactor.json(field);
                } else {
                    redact_words(field, redactor);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact_words(item, redactor)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl Event {
    /// The event without secrets in the words of others.
    #[must_use]
    pub fn redacted(self) -> Event {
        let redactor = redact::redactor();
        if redactor.is_empty() {
            return self;
        }
        let Ok(mut value) = serde_json::to_value(&self) else { return self };
        let before = value.clone();
        redact_words(&mut value, &redactor);
        if value == before {
            return self;
        }
        // Only texts were changed, and to texts: it reads as the same kind of event.
        serde_json::from_value(value).unwrap_or(self)
    }

    /// Whether it tells what became of a write, or of all of them.
    pub fn is_of_write(&self) -> bool {
        use Event::{
            Ended, Failed, InDoubt, Intended, Missing, OperationStarted, OperationTimedOut, Refused, StateObserved,
        };
        matches!(
            self,
            OperationStarted { .. }
                | Ended { .. }
                | Failed { .. }
                | InDoubt { .. }
                | Intended { .. }
                | Missing { .. }
                | OperationTimedOut { .. }
                | Refused { .. }
                | StateObserved { .. }
        )
    }

    /// The task whose write or gate it is about, if it is about one.
    pub fn task(&self) -> Option<&TaskId> {
        use Event::{
            Assessed, Failed, GateClosed, GateOpened, InDoubt, Intended, Missing, OperationStarted, OperationTimedOut,
            Polled, Refused, Sampled, StateObserved,
        };
        match self {
            OperationStarted { op, .. }
            | Failed { op, .. }
            | InDoubt { op, .. }
            | Intended { op }
            | Missing { op }
            | OperationTimedOut { op, .. }
            | Polled { op, .. }
            | Refused { op, .. }
            | StateObserved { op, .. } => Some(&op.task),
            Assessed { task, .. } | GateClosed { task, .. } | GateOpened { task, .. } | Sampled { task, .. } => {
                Some(task)
            }
            _ => None,
        }
    }

    /// Whether it begins a run, takes it up, turns it, or ends it: then it must outlive a power failure that nothing is missing
    /// before it.
    pub fn is_milestone(&self) -> bool {
        use Event::{Ended, Resumed, RollbackRequested, Started};
        matches!(self, Ended { .. } | Resumed { .. } | RollbackRequested { .. } | Started { .. })
    }
}

/// What serves a service's requests, and how well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Each revision with its share, in percent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub serving: BTreeMap<String, i64>,
    /// Why it is not known what serves, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// What the probes of its gates saw.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: Observations,
}

/// Why a run pauses by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum PauseReason {
    /// The cloud cannot be reached, or does not accept the credentials. That says nothing of the work.
    AccessLost {
        /// Which resource could not be read or written.
        resource: ResourceId,
        /// What happened.
        why: String,
        /// The command that gives access again, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
    },
    /// An operation has not ended within its limit; whether it will is not known.
    OperationHangs {
        /// The write.
        op: OpId,
        /// The long-running operation's name.
        operation: String,
    },
    /// A question wants an operator, and none can be asked.
    NoOperator {
        /// The question.
        question: Box<Question>,
    },
}

/// Why a write did not happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Refusal {
    /// The resource is no longer what the plan saw.
    Drifted {
        /// What it is now.
        now: Value,
    },
    /// The API said no.
    Api {
        /// Its words.
        why: String,
    },
    /// Not now: too many requests, a read that failed, another operation. It may be different in a moment.
    Busy {
        /// What is in the way.
        why: String,
        /// The shortest time after which the API wants to be asked again, if it named one.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional"
        )]
        retry_after: Option<Duration>,
    },
    /// Nothing was sent, because the cloud cannot be reached or does not accept the credentials. It is no answer to the
    /// write.
    Unreachable {
        /// What happened.
        why: String,
        /// The command that gives access again, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
    },
}

/// Whether what a task rests on is so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum PreconditionResult {
    /// It is.
    Met {
        /// What shows it.
        evidence: Observations,
    },
    /// It is not, or cannot be told.
    Unmet {
        /// Why.
        why: String,
        /// What was seen.
        evidence: Observations,
    },
}

/// What was seen, by probe.
pub type Observations = BTreeMap<String, Observation>;

/// How a gate ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum GateOutcome {
    /// Every probe was healthy long enough.
    Passed {
        /// What that proves of the probe with the fewest samples.
        proof: Proof,
    },
    /// It was not, or no longer could be before the time-out.
    Failed {
        /// Why, probe by probe.
        why: String,
        /// In what way.
        #[serde(default)]
        fault: GateFault,
    },
}

/// Why a task failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "failure", rename_all = "snake_case")]
pub enum Failure {
    /// The write was refused.
    Refused {
        /// Which resource.
        resource: ResourceId,
        /// What the plan saw there.
        from: Value,
        /// What was wanted.
        to: Value,
        /// Why.
        refusal: Refusal,
    },
    /// The API reports that the write failed.
    Operation {
        /// Which resource.
        resource: ResourceId,
        /// The API's words.
        why: String,
        /// What is there now.
        seen: Value,
        /// Whether something of the write took effect.
        took_effect: bool,
    },
    /// After a lost answer the resource is neither as before nor as wanted: somebody else changed it.
    ConcurrentChange {
        /// Which resource.
        resource: ResourceId,
        /// What is there now.
        seen: Value,
    },
    /// The resource does not exist any more.
    Missing {
        /// Which resource.
        resource: ResourceId,
    },
    /// Its operation has not ended within its limit.
    OperationTimedOut {
        /// Which resource.
        resource: ResourceId,
        /// The long-running operation's name.
        operation: String,
        /// How long it was awaited at most.
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
        limit: Duration,
    },
    /// It failed, and whether something of it took effect is not known: it cannot be observed, and no operator could say.
    Unknown {
        /// Which resource.
        resource: ResourceId,
        /// How it failed.
        why: String,
    },
    /// The write was sent several times and never took effect.
    Lost {
        /// Which resource.
        resource: ResourceId,
    },
    /// Health was not proven.
    Gate {
        /// Why.
        why: String,
        /// In what way.
        #[serde(default)]
        fault: GateFault,
    },
    /// What came after it on the same thing could not be undone, so that undoing this would build on that.
    Blocked {
        /// The later task.
        by: TaskId,
    },
    /// What the task rests on is not so.
    PreconditionsUnmet {
        /// Why.
        why: String,
    },
    /// A guard tripped.
    Guard {
        /// Its probe.
        probe: String,
        /// What was seen.
        why: String,
        /// The task that changed something just before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<TaskId>,
    },
    /// A phase has taken longer than it may.
    Budget {
        /// The phase.
        phase: String,
        /// How long it may take.
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
        budget: Duration,
    },
}

/// Something only a person, a flag or a policy can decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// Shall this change be applied?
    Apply {
        /// The task.
        task: TaskId,
    },
    /// Shall this change be applied although it cannot be undone?
    Irreversible {
        /// The task.
        task: TaskId,
        /// Why it cannot be undone.
        why: String,
    },
    /// The task failed: what now?
    Failed {
        /// The task.
        task: TaskId,
        /// How.
        failure: Box<Failure>,
        /// What the runbook says to do.
        policy: OnFailure,
        /// Whether trying again makes sense.
        retry: bool,
    },
    /// Shall this change be applied, which the runbook wants to be asked about in its own words?
    Confirm {
        /// The task.
        task: TaskId,
        /// The words.
        text: String,
    },
    /// Something happened beside the work: go on all the same?
    Interrupted {
        /// The task whose turn it is, if there is one.
        task: Option<TaskId>,
        /// What.
        failure: Box<Failure>,
        /// What the runbook says to do.
        policy: OnFailure,
    },
    /// Shall this change be undone although that brings back a state in which the service was unhealthy, and it is healthy
    /// now?
    Restore {
        /// The task whose change is to be undone.
        task: TaskId,
        /// What was unhealthy before the run, by probe.
        before: BTreeMap<String, String>,
    },
    /// A write may have happened, and what it changes cannot be observed: has it?
    Doubt {
        /// The write.
        op: OpId,
    },
    /// A write failed, and what it changes cannot be observed: has something of it taken effect?
    TookEffect {
        /// The write.
        op: OpId,
        /// How it failed.
        why: String,
    },
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Apply it.
    Yes,
    /// Do not, and stop here.
    No,
    /// Try the failed task again.
    Retry,
    /// Go on with the next task although this one failed.
    Continue,
    /// Stop here and leave everything as it is.
    Stop,
    /// Undo what was applied.
    Rollback,
    /// Leave this step out, and go on with the next.
    Skip,
    /// Apply it, and every ordinary change of this phase after it.
    AllInPhase,
    /// It is not known whether something took effect.
    Unknown,
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// Every task was worked through.
    Done {
        /// Tasks that failed and were passed over.
        failed: Vec<TaskId>,
        /// Tasks that the operator left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skipped: Vec<TaskId>,
    },
    /// What could be undone was undone.
    RolledBack {
        /// Applied changes that the API cannot take back, still in force.
        kept: Vec<TaskId>,
        /// Applied changes that were kept because rolling them back would restore an unhealthy state.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        not_restored: Vec<TaskId>,
        /// Undos that failed after the service's traffic was back: nobody is served by what they left.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        follow_ups: Vec<NotRolledBack>,
        /// What made the run turn back; `None` if an operator asked for it.
        why: Option<Failure>,
    },
    /// A task failed; what was applied before it stays.
    Stopped {
        /// The task.
        task: TaskId,
        /// How.
        why: Failure,
    },
    /// The operator said no; what was applied before stays.
    Declined {
        /// The task.
        task: TaskId,
    },
    /// Something that should have been undone could not be. A person must act.
    Stuck {
        /// Changes that could not be undone, and why.
        left: Vec<NotRolledBack>,
        /// Applied changes that the API cannot take back, still in force.
        kept: Vec<TaskId>,
        /// Applied changes that were kept because rolling them back would restore an unhealthy state.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        not_restored: Vec<TaskId>,
    },
}

impl Ending {
    /// Whether everything was rolled back that can be: nothing was left as it was for another reason, and nothing is left to do.
    pub fn is_whole_rollback(&self) -> bool {
        matches!(
            self,
            Ending::RolledBack { not_restored, follow_ups, .. } if not_restored.is_empty() && follow_ups.is_empty()
        )
    }
}

/// A change that could not be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotRolledBack {
    /// Whose change.
    pub task: TaskId,
    /// Why.
    pub why: Failure,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(is: &bool) -> bool {
    !is
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Health;

    #[test]
    fn words_of_others_are_redacted_and_what_is_compared_is_not() {
        let secret = "secret-of-the-event-test";
        redact::secret("inputs.event", secret.to_owned()).unwrap();
        let (op, task): (OpId, TaskId) = ("a/apply".to_owned().try_into().unwrap(), TaskId::of_step("a"));
        let why = format!("it says {secret}");
        // As a journal of another version could have it: past the constructor that redacts.
        let observation: Observation = serde_json::from_value(serde_json::json!({
            "health": { "is": "broken", "why": why }, "facts": { "why": why, "deep": { "er": [why] } },
        }))
        .unwrap();
        let resource: ResourceId = "shell/p/r/a".parse().unwrap();
        for event in [
            Event::Failed { op: op.clone(), why: why.clone() },
            Event::Refused { op: op.clone(), refusal: Refusal::Api { why: why.clone() } },
            Event::Notified { task: task.clone(), problem: Some(why.clone()) },
            Event::Sampled { task: task.clone(), probe: "p".to_owned(), observation: observation.clone() },
            Event::Paused {
                why: PauseReason::AccessLost {
                    resource: resource.clone(),
                    why: why.clone(),
                    remedy: Some(why.clone()),
                },
            },
            Event::PreconditionsChecked {
                task: task.clone(),
                found: PreconditionResult::Unmet { why: why.clone(), evidence: [("p".to_owned(), observation)].into() },
            },
            Event::Ended {
                ending: Ending::Stopped {
                    task: task.clone(),
                    why: Failure::Unknown { resource: resource.clone(), why: why.clone() },
                },
            },
        ] {
            let shown = serde_json::to_string(&event.redacted()).unwrap();
            assert!(!shown.contains(secret) && shown.contains("it says ${inputs.event}"), "{shown}");
        }
        let seen = Event::StateObserved { op, seen: Value::String(secret.to_owned()) };
        assert_eq!(seen.clone().redacted(), seen);
        let made =
            Observation::of(Health::Unknown { why }).with_facts([("why".to_owned(), Value::String(secret.to_owned()))]);
        assert!(!serde_json::to_string(&made).unwrap().contains(secret));
    }
}
