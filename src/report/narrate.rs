//! A run in words, entry by entry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::export::commands_by_hand;
use super::flapping::{Flapping, Worth};
use crate::clock::{between, format_duration};
use crate::gate::{GateFault, Health};
use crate::inert::{self, inert};
use crate::plan;
use crate::run::{
    ChangeStatus, Choice, CriterionStatus, Decision, Ending, Entry, Event, Failure, GateOutcome, Occasion, OpId,
    PauseReason, PreconditionResult, Question, ROWS, Refusal, ResourceId, Reversibility, ServiceStatus, TaskId,
    TaskStatus, TaskView, View, Way, covers,
};

/// What a command for a person begins with.
pub const BY_HAND: &str = "by hand: ";
/// What a command begins with that undoes something by hand.
pub const UNDO_BY_HAND: &str = "undo by hand: ";

/// How often it is said that an operation still runs.
const SAY_EVERY: Duration = Duration::from_mins(5);
/// An answer that came sooner than this may be one to a question that was not read: how long it took is shown.
const READ: Duration = Duration::from_secs(1);

/// How a line is meant; a colour may say it too, but never alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// A heading.
    Head,
    /// Something went well.
    Good,
    /// Something to be aware of.
    Warn,
    /// Something went wrong.
    Bad,
    /// Detail.
    Dim,
}

/// One line for people. Its text is inert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How it is meant.
    pub tone: Tone,
    /// What it says.
    pub text: String,
}

/// Tells a run. It remembers only what it has already said.
#[derive(Debug, Default)]
pub struct Narrator {
    phase: Option<String>,
    task: Option<(TaskId, Way)>,
    asked: bool,
    /// What each probe of each gate was last seen to be.
    health: BTreeMap<(TaskId, String), Flapping>,
    guards: BTreeMap<String, Flapping>,
    began: BTreeMap<TaskId, Timestamp>,
    /// When it was last said that an operation still runs.
    waiting: BTreeMap<TaskId, Timestamp>,
    /// The writes whose failure was told; what is there afterwards is no success.
    failed: BTreeSet<OpId>,
}

impl Narrator {
    /// The next line about a task says its phase and its resource again.
    pub(super) fn forget_heading(&mut self) {
        (self.phase, self.task) = (None, None);
    }

    /// What to say before a question is put.
    pub fn question(&mut self, view: &View, question: &Question) -> Vec<Line> {
        self.asked = true;
        let mut lines = Vec::new();
        match question {
            Question::Apply { task } => self.change(view, task, Way::Apply, &mut lines),
            Question::Irreversible { task, why } => {
                self.change(view, task, Way::Apply, &mut lines);
                lines.push(line(Tone::Warn, format!("      ! this cannot be undone: {}", inert(why))));
                if let Some(text) = view.task(task).and_then(|view| view.task.confirm.as_ref()) {
                    lines.push(line(Tone::Warn, format!("      ? {}", inert(text))));
                }
            }
            Question::Confirm { task, text } => {
                self.change(view, task, Way::Apply, &mut lines);
                lines.push(line(Tone::Warn, format!("      ? {}", inert(text))));
            }
            Question::Failed { task, failure: why, .. } => {
                self.head(view, task, Way::Apply, &mut lines);
                let is_begun = !matches!(**why, Failure::PreconditionsUnmet { .. });
                let what = if is_begun { "failed" } else { "was not begun, and changed nothing" };
                lines.push(line(Tone::Bad, format!("  ✗ {} {what}", inert(task.as_str()))));
                if view.task(task).is_some_and(|view| view.task.is_finally()) {
                    let text =
                        "      it is carried out at the end: what is there may be what this run, or its rollback, left";
                    lines.push(line(Tone::Warn, text.to_owned()));
                }
                lines.extend(failure(why).into_iter().map(|text| line(Tone::Bad, format!("      {text}"))));
            }
            Question::Interrupted { failure: why, .. } => {
                lines.push(line(Tone::Bad, "  ‖ paused".to_owned()));
                lines.extend(failure(why).into_iter().map(|text| line(Tone::Bad, format!("      {text}"))));
            }
            Question::Restore { task, before } => {
                lines.extend(restores(task, before).into_iter().map(|text| line(Tone::Warn, format!("      {text}"))));
            }
            Question::Doubt { op } => {
                let text = format!("  ? whether {} happened is unknown and cannot be observed", inert(&op.to_string()));
                lines.push(line(Tone::Warn, text));
            }
            Question::TookEffect { op, .. } => {
                let text = match op.way {
                    Way::Apply => "it failed, and it has no `check`: whether it changed something is not known",
                    Way::Undo => "its undo failed, and it has no `check`: whether it is undone is not known",
                };
                lines.push(line(Tone::Warn, format!("  ? {}: {text}", inert(op.task.as_str()))));
            }
        }
        lines
    }

    /// What to say of an entry. The view already knows of it.
    #[expect(clippy::too_many_lines, reason = "one line or two for each word of the vocabulary")]
    pub fn entry(&mut self, view: &View, entry: &Entry) -> Vec<Line> {
        let mut lines = Vec::new();
        match &entry.event {
            Event::Started { run, cloud, operator, .. } => {
                let when = entry.at.strftime("%Y-%m-%d %H:%M:%S UTC");
                let text = format!("run {run} began {when} on {}, by {}", inert(cloud), inert(&operator.to_string()));
                lines.push(line(Tone::Dim, text));
            }
            Event::Resumed { operator } => {
                let text = format!("{} resumed by {}", clock(entry.at), inert(&operator.to_string()));
                lines.push(line(Tone::Head, text));
            }
            Event::RollbackRequested { operator, to } => {
                let to = to.as_ref().map(|to| format!(" to {}", inert(to))).unwrap_or_default();
                let text = format!("{} rolling back{to}, asked by {}", clock(entry.at), inert(&operator.to_string()));
                lines.push(line(Tone::Head, text));
            }
            Event::EscalationDecided { verdict } => {
                let tone = match verdict.decision {
                    Decision::Continue => Tone::Good,
                    Decision::Undecided => Tone::Warn,
                    Decision::Escalate => Tone::Bad,
                };
                let text = format!("escalation: {}: {}", verdict.decision.words(), inert(&verdict.because));
                lines.push(self.say(entry, tone, &text));
                if verdict.decision == Decision::Escalate
                    && let Some(run) = &view.run
                {
                    let text = format!("`rectify case {run}` drafts what to tell Google");
                    lines.push(self.say(entry, Tone::Plain, &text));
                }
            }
            Event::ClosureEvaluated { criteria } => {
                lines.push(line(Tone::Head, String::new()));
                lines.push(line(Tone::Head, "before the incident is closed".to_owned()));
                lines.extend(criteria.iter().map(|judged| {
                    let (mark, word) = judged.words();
                    let tone = if judged.stands == CriterionStatus::Holds { Tone::Good } else { Tone::Warn };
                    line(tone, format!("  {mark} {}: {word}", inert(&judged.name)))
                }));
            }
            Event::Suspended { gap } => {
                let text = format!(
                    "{} this machine was suspended for {}; gates begin anew",
                    clock(entry.at),
                    format_duration(*gap)
                );
                lines.push(line(Tone::Warn, text));
            }
            Event::Paused { why } => lines.extend(paused(entry, why)),
            Event::Assessed { task, found } => {
                self.head(view, task, Way::Undo, &mut lines);
                let (PreconditionResult::Met { evidence } | PreconditionResult::Unmet { evidence, .. }) = found;
                lines.extend(evidence.iter().map(|(probe, observation)| {
                    let health = inert(&observation.health.to_string());
                    self.say(entry, Tone::Dim, &format!("before the undo: {} is {health}", inert(probe)))
                }));
            }
            Event::ServicesObserved { services } => {
                lines.push(line(Tone::Head, String::new()));
                lines.push(line(Tone::Head, "what serves now".to_owned()));
                lines.extend(services.iter().map(|(name, status)| served(name, status)));
            }
            Event::StopRequested { by } => {
                lines.push(line(Tone::Warn, format!("{} asked to stop by {}", clock(entry.at), inert(by))));
            }
            Event::Answered { question, choice, by, reason, visible } => {
                if !self.asked {
                    lines.extend(self.question(view, question));
                }
                self.asked = false;
                let reason = reason.as_ref().map(|reason| format!(": {}", inert(reason))).unwrap_or_default();
                let fast = visible
                    .filter(|visible| *visible < READ)
                    .map(|visible| format!(", after {}", format_duration(visible)));
                let fast = fast.unwrap_or_default();
                lines.push(self.say(entry, Tone::Dim, &format!("{} by {}{fast}{reason}", answer(*choice), inert(by))));
            }
            Event::PreconditionsChecked { task, found } => {
                self.head(view, task, Way::Apply, &mut lines);
                lines.extend(self.required(entry, found));
            }
            Event::Waited { .. } => lines.push(self.say(entry, Tone::Plain, "the pause is over")),
            Event::Notified { task, problem } => {
                self.head(view, task, Way::Apply, &mut lines);
                lines.push(match problem {
                    None => self.say(entry, Tone::Good, "✓ notified"),
                    Some(why) => self.say(entry, Tone::Warn, &format!("! notification failed: {}", inert(why))),
                });
            }
            Event::GuardSampled { probe, observation } => {
                lines.extend(self.watched(entry, probe, &observation.health));
            }
            Event::DriftChecked { moved } => lines.extend(moved.iter().map(|(id, seen)| {
                let text = format!(
                    "! drift: {} {} was changed by another principal: it is now {}",
                    inert(&id.kind),
                    inert(&id.name),
                    state(seen)
                );
                self.say(entry, Tone::Bad, &text)
            })),
            Event::Unchanged { task } => {
                self.head(view, task, Way::Apply, &mut lines);
                let Some(task) = view.task(task).map(|view| &view.task) else { return lines };
                if let Some(pause) = task.pause {
                    lines.push(self.say(entry, Tone::Dim, &format!("waiting for {}", format_duration(pause))));
                } else if let Some((word, what)) = task.left_out() {
                    lines.push(self.say(entry, Tone::Warn, &format!("{word}: {}", inert(&what))));
                    let gate = task.gate.as_ref().map(|_| "its gate is not waited for");
                    lines.extend(gate.map(|text| self.say(entry, Tone::Dim, text)));
                } else if task.uses != "probe" {
                    lines.push(self.say(entry, Tone::Dim, "nothing to change: it already is so"));
                }
            }
            Event::Intended { op } => {
                self.failed.remove(op);
                self.began.insert(op.task.clone(), entry.at);
                if op.way == Way::Undo {
                    self.change(view, &op.task, Way::Undo, &mut lines);
                }
            }
            Event::OperationStarted { operation, .. } => {
                lines.push(self.say(entry, Tone::Dim, &format!("accepted, operation {}", inert(short(operation)))));
            }
            Event::Polled { op, .. } => lines.extend(self.still_running(view, entry, op)),
            Event::StateObserved { op, seen } => lines.push(self.settled(view, entry, op, seen)),
            Event::Refused { refusal: Refusal::Busy { why, .. }, .. } => {
                lines.extend(self.say_all(entry, Tone::Warn, "! not now, trying again: ", why));
            }
            Event::Refused { refusal: Refusal::Unreachable { why, .. }, .. } => {
                lines.push(self.say(
                    entry,
                    Tone::Warn,
                    &format!("! not sent, the cloud cannot be reached: {}", inert(why)),
                ));
            }
            Event::Refused { op, refusal } if op.way == Way::Undo => {
                lines.extend(self.say_all(entry, Tone::Bad, "✗ could not be undone: ", refusal_text(refusal)));
            }
            Event::Refused { op, refusal: Refusal::Drifted { now } } if is_done_already(view, op, now) => {
                lines.push(self.say(entry, Tone::Plain, "it is so already"));
            }
            Event::Refused { refusal, .. } => {
                lines.extend(self.say_all(entry, Tone::Bad, "✗ refused: ", refusal_text(refusal)));
            }
            // Told once, although the operation and the resource may both say so.
            Event::Failed { op, .. } if self.failed.contains(op) => {}
            Event::Failed { op, why } if view.task(&op.task).is_some_and(|view| view.task.program.is_some()) => {
                self.failed.insert(op.clone());
                lines.push(self.say(entry, Tone::Bad, &format!("✗ {}", inert(why))));
            }
            // The state that is gone back to may never have been well; what is there afterwards decides.
            Event::Failed { op, why } if op.way == Way::Undo => {
                self.failed.insert(op.clone());
                lines.extend(self.say_all(entry, Tone::Warn, "! the operation reports a failure: ", why));
            }
            Event::Failed { op, why } => {
                self.failed.insert(op.clone());
                lines.extend(self.say_all(entry, Tone::Bad, "✗ the operation failed: ", why));
            }
            Event::Missing { .. } => lines.push(self.say(entry, Tone::Bad, "✗ the resource does not exist")),
            Event::OperationTimedOut { operation, limit, .. } => {
                let (operation, limit) = (inert(short(operation)), format_duration(*limit));
                let text =
                    format!("✗ operation {operation} has not ended within {limit}; it is not awaited any longer");
                lines.push(self.say(entry, Tone::Bad, &text));
            }
            Event::InDoubt { why, .. } => {
                let text = format!("? whether it happened is unknown ({}): observing", inert(why));
                lines.push(self.say(entry, Tone::Warn, &text));
            }
            Event::GateOpened { task, .. } => {
                self.health.retain(|(of, _), _| of != task);
                let undo = view.task(task).is_some_and(|view| matches!(view.status, TaskStatus::UndoGateOpen(_)));
                self.head(view, task, if undo { Way::Undo } else { Way::Apply }, &mut lines);
                let rule = view.task(task).and_then(TaskView::rule);
                if let Some(rule) = rule {
                    lines.push(self.say(entry, Tone::Plain, &format!("gate: {}", plan::gate(rule))));
                }
            }
            Event::Sampled { task, probe, observation } => {
                lines.extend(self.observed(entry, task, probe, &observation.health));
            }
            Event::GateClosed { outcome, .. } => lines.push(match outcome {
                GateOutcome::Passed { proof } => self.say(entry, Tone::Good, &format!("✓ {proof}")),
                GateOutcome::Failed { why, .. } => self.say(entry, Tone::Bad, &format!("✗ {}", inert(why))),
            }),
            Event::Ended { ending } => {
                lines.push(line(Tone::Plain, String::new()));
                lines.extend(self::ending(view, ending));
            }
        }
        lines
    }

    fn head(&mut self, view: &View, task: &TaskId, way: Way, lines: &mut Vec<Line>) {
        if self.task.as_ref() == Some(&(task.clone(), way)) {
            return;
        }
        self.task = Some((task.clone(), way));
        let Some(view_of_task) = view.task(task) else { return };
        let phase = &view_of_task.task.phase;
        if way == Way::Apply && self.phase.as_ref() != Some(phase) {
            self.phase = Some(phase.clone());
            lines.push(line(Tone::Plain, String::new()));
            lines.push(line(Tone::Head, phase_heading(view, phase, view_of_task.task.occasion)));
        }
        let lead = match (way, view.number(task)) {
            (Way::Undo, _) => "undo ".to_owned(),
            (Way::Apply, Some((number, all))) => format!("[{number}/{all}] "),
            (Way::Apply, None) => String::new(),
        };
        let what = view_of_task.task.change.as_ref().map(|change| format!("   {}", plan::resource(change)));
        lines.push(line(Tone::Plain, String::new()));
        lines.push(line(Tone::Head, format!("  {lead}{}{}", inert(task.as_str()), what.unwrap_or_default())));
    }

    fn change(&mut self, view: &View, task: &TaskId, way: Way, lines: &mut Vec<Line>) {
        self.head(view, task, way, lines);
        let Some(task) = view.task(task).map(|view| &view.task) else { return };
        let Some(change) = &task.change else { return };
        let change = if way == Way::Undo { change.undo() } else { change.clone() };
        lines.extend(plan::lines(&change).into_iter().map(|text| line(Tone::Plain, format!("      {text}"))));
        if way == Way::Apply {
            if let Some(caution) = task.caution().filter(|_| !task.reversibility.is_irreversible()) {
                lines.push(line(Tone::Warn, format!("      ! {}", inert(&caution))));
            }
            lines.extend(task.notes.iter().map(|text| line(Tone::Dim, format!("      {}", inert(text)))));
            let warnings = task.warnings.iter().map(|text| line(Tone::Warn, format!("      ! {}", inert(text))));
            lines.extend(warnings);
        }
    }

    fn settled(&self, view: &View, entry: &Entry, op: &OpId, seen: &serde_json::Value) -> Line {
        let began = self.began.get(&op.task);
        let took =
            began.map_or_else(String::new, |began| format!(" in {}", format_duration(between(*began, entry.at))));
        let change = view.task(&op.task).and_then(|view| view.task.change.as_ref());
        let change = change.map(|change| if op.way == Way::Undo { change.undo() } else { change.clone() });
        let reached = change.as_ref().is_some_and(|change| covers(seen, &change.to));
        match (op.way, reached) {
            (Way::Apply, true) if !self.failed.contains(op) => {
                self.say(entry, Tone::Good, &format!("✓ applied{took}{}", rows(seen)))
            }
            (Way::Undo, true) if !self.failed.contains(op) => {
                self.say(entry, Tone::Good, &format!("✓ undone{took}{}", rows(seen)))
            }
            _ => {
                let owned = change.map_or_else(|| seen.clone(), |change| change.owned(seen));
                self.say(entry, Tone::Warn, &format!("it is now {}", state(&owned)))
            }
        }
    }

    /// A long operation is spoken of now and then, so that a log that stands still is not taken for a program that hangs.
    fn still_running(&mut self, view: &View, entry: &Entry, op: &OpId) -> Option<Line> {
        let began = *self.began.get(&op.task)?;
        let said = self.waiting.get(&op.task).copied().filter(|said| *said > began).unwrap_or(began);
        if between(said, entry.at) < SAY_EVERY {
            return None;
        }
        self.waiting.insert(op.task.clone(), entry.at);
        let limit = view.task(&op.task).and_then(|view| view.task.operation_timeout);
        let limit = limit.map(|limit| format!(" of at most {}", format_duration(limit))).unwrap_or_default();
        let text = format!("still running, {}{limit}", format_duration(between(began, entry.at)));
        Some(self.say(entry, Tone::Dim, &text))
    }

    /// Only a change of health is worth a line.
    fn observed(&mut self, entry: &Entry, task: &TaskId, probe: &str, health: &Health) -> Option<Line> {
        let tone = if *health == Health::Healthy { Tone::Plain } else { Tone::Warn };
        let worth = self.health.entry((task.clone(), probe.to_owned())).or_default().see(entry.at, health);
        let text = seen(probe, health, worth)?;
        Some(self.say(entry, tone, &text))
    }

    /// A guard speaks up when it trips; before that, only a change of its health is worth a line.
    fn watched(&mut self, entry: &Entry, probe: &str, health: &Health) -> Option<Line> {
        let tone = if matches!(health, Health::Unhealthy { .. }) { Tone::Warn } else { Tone::Dim };
        let worth = self.guards.entry(probe.to_owned()).or_default().see(entry.at, health);
        let text = seen(probe, health, worth)?;
        Some(self.say(entry, tone, &format!("guard: {text}")))
    }

    fn required(&self, entry: &Entry, found: &PreconditionResult) -> Vec<Line> {
        let evidence = match found {
            PreconditionResult::Met { evidence } | PreconditionResult::Unmet { evidence, .. } => evidence,
        };
        let seen = evidence.iter().map(|(probe, observation)| {
            let health = inert(&observation.health.to_string());
            self.say(entry, Tone::Dim, &format!("evidence: {} is {health}", inert(probe)))
        });
        let verdict = match found {
            PreconditionResult::Met { .. } => self.say(entry, Tone::Good, "✓ preconditions met"),
            PreconditionResult::Unmet { why, .. } => {
                self.say(entry, Tone::Bad, &format!("✗ precondition failed: {}", inert(why)))
            }
        };
        seen.chain([verdict]).collect()
    }

    /// An entry whose text an API wrote: the lines that it wrote.
    fn say_all(&self, entry: &Entry, tone: Tone, lead: &str, text: &str) -> Vec<Line> {
        let mut all = inert::lines(text).into_iter();
        let first = self.say(entry, tone, &format!("{lead}{}", all.next().unwrap_or_default()));
        // Under the first line's words, behind the time and the mark.
        std::iter::once(first).chain(all.map(|rest| line(tone, format!("                  {rest}")))).collect()
    }

    /// A line of an entry. One that is not about the task of the last heading says which it is about: several go on at
    /// once, or it was begun before this was told.
    fn say(&self, entry: &Entry, tone: Tone, text: &str) -> Line {
        let headed = self.task.as_ref().map(|(task, _)| task);
        let other = entry.event.task().filter(|task| headed != Some(*task));
        let of = other.map(|task| format!("{}: ", inert(task.as_str()))).unwrap_or_default();
        line(tone, format!("      {}  {of}{text}", clock(entry.at)))
    }
}

/// What is said of a sample; `None` if nothing is.
fn seen(probe: &str, health: &Health, worth: Worth) -> Option<String> {
    let probe = inert(probe);
    match worth {
        Worth::Nothing => None,
        Worth::Health => Some(format!("{probe} is {}", inert(&health.to_string()))),
        Worth::Summary(summary) => Some(format!("{probe}: {summary}")),
    }
}

/// The phase that begins, and how much of the work it is.
fn phase_heading(view: &View, phase: &str, occasion: Occasion) -> String {
    let place = view.titles.iter().position(|(name, _)| name == phase);
    let title = inert(place.and_then(|place| view.titles.get(place)).map_or(phase, |(_, title)| title));
    let is_finally =
        |name: &str| view.tasks.iter().any(|task| task.task.phase == name && task.task.occasion == Occasion::Finally);
    match (occasion, place) {
        (Occasion::Finally, _) => format!("finally: {title}"),
        (Occasion::InOrder, Some(place)) => {
            let all = view.titles.iter().filter(|(name, _)| !is_finally(name)).count();
            format!("phase {} of {all}: {title}", place + 1)
        }
        (Occasion::InOrder, None) => format!("phase {title}"),
    }
}

/// Who can say what became of an operation.
fn who_knows(resource: &ResourceId) -> &'static str {
    if resource.kind.starts_with("gcp.") { "Google" } else { "whoever runs the application" }
}

/// How many rows a statement changed, if it is one.
fn rows(seen: &serde_json::Value) -> String {
    match seen.get(ROWS).and_then(serde_json::Value::as_u64) {
        None => String::new(),
        Some(1) => ", 1 row".to_owned(),
        Some(count) => format!(", {count} rows"),
    }
}

/// Whether a step at the end found what it wants: a rollback may have brought it back.
fn is_done_already(view: &View, op: &OpId, now: &serde_json::Value) -> bool {
    let task = view.task(&op.task).map(|view| &view.task).filter(|task| task.is_finally());
    task.and_then(|task| task.change.as_ref()).is_some_and(|change| covers(now, &change.to))
}

/// What was carried out at the end, and what of it did not work; that does not change the outcome.
fn finally(view: &View) -> Vec<Line> {
    let tasks = || view.tasks.iter().filter(|task| task.task.is_finally());
    let done: Vec<TaskId> = tasks()
        .filter(|task| task.task.change.is_some() && task.change_status().is_as_wanted())
        .filter(|task| task.status != TaskStatus::Failed)
        .map(|task| task.task.id.clone())
        .collect();
    let mut lines = Vec::new();
    if !done.is_empty() {
        lines.push(line(Tone::Plain, format!("  carried out at the end: {}", list(&done))));
    }
    let left_out: Vec<TaskId> =
        tasks().filter(|task| task.status == TaskStatus::Skipped).map(|task| task.task.id.clone()).collect();
    if !left_out.is_empty() {
        lines.push(line(Tone::Warn, format!("  left out at the end by the operator: {}", list(&left_out))));
    }
    for task in tasks().filter(|task| task.task.back_for.is_none()) {
        let id = inert(task.task.id.as_str());
        let status = task.change_status();
        let (what, is_to_do) = match (&status, &task.status) {
            (ChangeStatus::Applied { .. } | ChangeStatus::Kept(_), TaskStatus::Failed) => {
                ("was carried out at the end, and its gate failed", false)
            }
            (ChangeStatus::Failed { why: Failure::Refused { refusal: Refusal::Drifted { .. }, .. } }, _) => (
                "was to be carried out at the end, and found something else than the plan expected: look, and do it by hand",
                false,
            ),
            (status, _) if status.is_unknown() => (
                "is carried out at the end, and whether it took effect is not known: look, and do it by hand if not",
                true,
            ),
            (_, TaskStatus::Failed) => ("is carried out at the end, and failed; do it by hand", true),
            _ => continue,
        };
        lines.push(line(Tone::Bad, format!("  ✗ {id} {what}")));
        if is_to_do {
            let commands = commands_by_hand(&task.task, Way::Apply).into_iter();
            lines.extend(commands.map(|text| line(Tone::Plain, format!("    {BY_HAND}{text}"))));
        }
    }
    lines
}

/// How a run ended, what is in force now, and what can be done next.
pub fn ending(view: &View, ending: &Ending) -> Vec<Line> {
    let mut lines = ending_of_work(view, ending);
    lines.extend(finally(view));
    lines
}

fn ending_of_work(view: &View, ending: &Ending) -> Vec<Line> {
    let mut lines = Vec::new();
    let took = view.started.map(|started| format_duration(between(started, view.now))).unwrap_or_default();
    match ending {
        Ending::Done { failed, skipped } => {
            lines.push(if failed.is_empty() {
                line(Tone::Good, format!("✓ done in {took}"))
            } else {
                line(Tone::Bad, format!("✗ finished in {took}, but continued past what failed: {}", list(failed)))
            });
            if !failed.is_empty() {
                lines.extend(all_applied(view));
            }
            if !skipped.is_empty() {
                lines.push(line(Tone::Warn, format!("  left out by the operator: {}", list(skipped))));
            }
        }
        Ending::RolledBack { kept, not_restored, follow_ups, why } => {
            let head = if why.is_some() { "✗ failed and rolled back" } else { "✓ rolled back" };
            lines.push(line(if why.is_some() { Tone::Bad } else { Tone::Good }, format!("{head} after {took}")));
            if let Some(why) = why {
                lines.extend(failure(why).into_iter().map(|text| line(Tone::Bad, format!("  {text}"))));
            }
            lines.extend(self::kept(view, kept));
            lines.extend(self::not_restored(not_restored));
            for left in follow_ups {
                let text = format!("  to do: {} was not undone, and serves nobody:", inert(left.task.as_str()));
                lines.push(line(Tone::Warn, text));
                lines.extend(failure(&left.why).into_iter().map(|text| line(Tone::Warn, format!("    {text}"))));
            }
            // A part of it may have been all that was to be undone.
            let is_other = |task: &TaskView| !follow_ups.iter().any(|left| left.task == task.task.id);
            let is_kept = |task: &TaskView| matches!(task.change_status(), ChangeStatus::Kept(_));
            if !applied(view, |task| is_other(task) && !is_kept(task)).is_empty() {
                lines.extend(applied(view, is_other));
            }
        }
        Ending::Stopped { task, .. } => {
            // Why was said when it was asked what to do about it.
            let text = format!("✗ stopped after {took}: {} failed", inert(task.as_str()));
            lines.push(line(Tone::Bad, text));
            lines.extend(all_applied(view));
        }
        Ending::Declined { task } => {
            let text = format!("stopped after {took}: {} was declined", inert(task.as_str()));
            lines.push(line(Tone::Warn, text));
            lines.extend(all_applied(view));
        }
        Ending::Stuck { left, kept, not_restored } => {
            lines.push(line(Tone::Bad, format!("✗ stuck after {took}: an operator must act")));
            for left in left {
                let gated = matches!(left.why, Failure::Gate { .. });
                let what = match &left.why {
                    Failure::Gate { .. } => "was undone, and its gate failed:",
                    Failure::Unknown { .. } => "is in an unknown state:",
                    _ => "could not be undone:",
                };
                lines.push(line(Tone::Bad, format!("  {} {what}", inert(left.task.as_str()))));
                lines.extend(failure(&left.why).into_iter().map(|text| line(Tone::Bad, format!("    {text}"))));
                if gated {
                    continue;
                }
                for text in
                    view.task(&left.task).map(|view| commands_by_hand(&view.task, Way::Undo)).unwrap_or_default()
                {
                    lines.push(line(Tone::Plain, format!("    {BY_HAND}{text}")));
                }
            }
            lines.extend(self::kept(view, kept));
            lines.extend(self::not_restored(not_restored));
            lines.extend(applied(view, |task| {
                let is_told = left.iter().any(|left| left.task == task.task.id);
                !is_told && !matches!(task.change_status(), ChangeStatus::Kept(_))
            }));
        }
    }
    lines
}

fn kept(view: &View, kept: &[TaskId]) -> Vec<Line> {
    let mut lines = Vec::new();
    for id in kept {
        let Some(task) = view.task(id).map(|view| &view.task) else { continue };
        let id = inert(id.as_str());
        let kept = match &task.reversibility {
            Reversibility::Irreversible { why } => {
                format!("  kept, because it cannot be undone: {id} ({})", inert(why))
            }
            Reversibility::Stays { why } => format!("  kept: {id} ({})", inert(why)),
            Reversibility::Reversible | Reversibility::WithLoss { .. } | Reversibility::Restarts { .. } => {
                format!("  kept, because it cannot be undone: {id}")
            }
        };
        lines.push(line(Tone::Warn, kept));
        if let Some(change) = &task.change {
            lines.extend(plan::lines(change).into_iter().map(|text| line(Tone::Plain, format!("      {text}"))));
        }
    }
    lines
}

/// That a service is healthy now and an undo would end that. Inert.
fn restores(task: &TaskId, before: &BTreeMap<String, String>) -> Vec<String> {
    let probes = before.keys().map(|probe| inert(probe)).collect::<Vec<_>>().join(", ");
    let (is, was) = if before.len() == 1 { ("is", "was") } else { ("are", "were") };
    let task = inert(task.as_str());
    let head = format!("! {probes} {is} healthy now and {was} not before this run; undoing {task} restores that:");
    let whys = before.iter().map(|(probe, why)| format!("    {}: {}", inert(probe), inert(why)));
    std::iter::once(head).chain(whys).collect()
}

fn not_restored(tasks: &[TaskId]) -> Option<Line> {
    let text = || format!("  kept: {}; rolling back would restore an unhealthy state", list(tasks));
    (!tasks.is_empty()).then(|| line(Tone::Warn, text()))
}

/// What serves a service now, and whether its probes are healthy.
fn served(name: &str, status: &ServiceStatus) -> Line {
    let shares = status.serving.iter().map(|(revision, percent)| format!("{} {percent} %", inert(revision)));
    let shares = match &status.unknown {
        Some(why) => format!("not known: {}", inert(why)),
        None => shares.collect::<Vec<_>>().join(", "),
    };
    let probes =
        status.probes.iter().map(|(probe, seen)| format!("{} {}", inert(probe), inert(&seen.health.to_string())));
    let all: Vec<String> = std::iter::once(shares).chain(probes).collect();
    let healthy = status.unknown.is_none() && status.probes.values().all(|seen| seen.health == Health::Healthy);
    line(if healthy { Tone::Plain } else { Tone::Warn }, format!("  {}: {}", inert(name), all.join("; ")))
}

/// Why a run pauses, and what to do about it.
fn paused(entry: &Entry, why: &PauseReason) -> Vec<Line> {
    let head = |text: &str| line(Tone::Warn, format!("{} ‖ paused: {text}", clock(entry.at)));
    match why {
        PauseReason::AccessLost { resource, why, remedy } => {
            let lost = format!("no access to {} {}: {}", inert(&resource.kind), inert(&resource.name), inert(why));
            let remedy = remedy.as_ref().map(|remedy| line(Tone::Plain, format!("      first: {}", inert(remedy))));
            let undone = line(Tone::Plain, "      nothing was undone; what is applied stays applied".to_owned());
            [head(&lost), undone].into_iter().chain(remedy).collect()
        }
        PauseReason::OperationHangs { op, operation } => {
            vec![head(&format!("{op}: operation {} has not ended", inert(operation)))]
        }
        PauseReason::NoOperator { question } => {
            let asked = match &**question {
                Question::Apply { task } | Question::Irreversible { task, .. } | Question::Confirm { task, .. } => {
                    format!("whether to apply {}", inert(task.as_str()))
                }
                Question::Failed { task, .. } => format!("what to do about {}, which failed", inert(task.as_str())),
                Question::Restore { task, .. } => format!("whether to undo {}", inert(task.as_str())),
                Question::Interrupted { .. } => "whether to go on".to_owned(),
                Question::Doubt { op } => format!("whether {} happened", inert(&op.to_string())),
                Question::TookEffect { op, .. } => format!("whether {} took effect", inert(&op.to_string())),
            };
            vec![head(&format!("no terminal to ask on {asked}"))]
        }
    }
}

/// What is applied now and what is not known, of the tasks that are told of; nothing if there is nothing to tell.
fn applied(view: &View, is_told: impl Fn(&TaskView) -> bool) -> Vec<Line> {
    // How a run has ended says apart what was carried out at the end.
    let is_apart = |task: &TaskView| task.task.is_finally() && view.ending.is_some();
    let is_told = |task: &TaskView| is_told(task) && task.task.back_for.is_none() && !is_apart(task);
    let of_run = view.tasks.iter().filter(|task| task.task.change.is_some());
    let (mut applied, mut unknown, mut in_flight) = (Vec::new(), Vec::new(), Vec::new());
    for task in of_run.filter(|task| is_told(task)) {
        let id = inert(task.task.id.as_str());
        match task.change_status() {
            ChangeStatus::Applied { .. } | ChangeStatus::Kept(_) if task.task.reversibility.is_irreversible() => {
                applied.push(format!("{id} (irreversible)"));
            }
            ChangeStatus::Applied { trouble: None } | ChangeStatus::Kept(_) if !task.task.reversibility.is_undone() => {
                applied.push(format!("{id} (stays)"));
            }
            ChangeStatus::Applied { trouble: Some(_) } => {
                applied.push(format!("{id} (at least in part, although it failed)"));
            }
            ChangeStatus::Applied { trouble: None } | ChangeStatus::Kept(_) => applied.push(id),
            ChangeStatus::NotRolledBack { .. } => applied.push(format!("{id} (not rolled back)")),
            ChangeStatus::InFlight { way, .. } => {
                let op = OpId { task: task.task.id.clone(), way };
                in_flight.push(format!("{}; it goes on in the cloud meanwhile", inert(&op.to_string())));
            }
            ChangeStatus::InDoubt { .. } | ChangeStatus::Unclear { .. } => unknown.push(id),
            ChangeStatus::NotBegun
            | ChangeStatus::Failed { .. }
            | ChangeStatus::RolledBack
            | ChangeStatus::Skipped
            | ChangeStatus::NotRun
            | ChangeStatus::Unchanged => {}
        }
    }
    let lists = [("applied", applied), ("not known whether applied", unknown), ("in flight", in_flight)];
    let lists = lists.into_iter().filter(|(_, tasks)| !tasks.is_empty());
    lists.map(|(what, tasks)| line(Tone::Warn, format!("  {what}: {}", tasks.join(", ")))).collect()
}

/// What is applied now and what is not known, or that nothing is.
fn all_applied(view: &View) -> Vec<Line> {
    let lines = applied(view, |_| true);
    if lines.is_empty() { vec![line(Tone::Plain, "  nothing was changed".to_owned())] } else { lines }
}

/// What is applied of a run that has not ended, a line each.
pub fn applied_now(view: &View) -> Vec<String> {
    let lines = applied(view, |_| true);
    if lines.is_empty() {
        return vec!["  applied: nothing".to_owned()];
    }
    lines.into_iter().map(|line| line.text).collect()
}

/// A failure in words: what failed, on which resource, what the state is now. Inert.
pub fn failure(failure: &Failure) -> Vec<String> {
    match failure {
        Failure::Refused { resource, from, to, refusal: Refusal::Drifted { now } } => {
            let resource = format!("{} {}", inert(&resource.kind), inert(&resource.name));
            let mut lines = vec![format!("{resource} is no longer what the plan saw: another principal changed it")];
            let show = |value: Option<&serde_json::Value>| inert(&value.map(crate::run::words).unwrap_or_default());
            let fields = |of: &'_ serde_json::Value| of.as_object().cloned().unwrap_or_default();
            // What stands before it only is a condition.
            let conditions = fields(from).into_iter().filter(|(field, _)| to.get(field).is_none());
            let owned = fields(to).into_iter().map(|(field, wanted)| (field, Some(wanted)));
            for (field, wanted) in owned.chain(conditions.map(|(field, _)| (field, None))) {
                lines.push(format!("{}:", inert(&field)));
                lines.push(format!("  the plan saw  {}", show(from.get(&field))));
                lines.push(format!("  it is now     {}", show(now.get(&field))));
                lines.extend(wanted.map(|wanted| format!("  wanted        {}", show(Some(&wanted)))));
            }
            lines
        }
        Failure::Missing { resource } => {
            vec![format!("{} {} does not exist any more", inert(&resource.kind), inert(&resource.name))]
        }
        Failure::OperationTimedOut { resource, operation, limit } => vec![
            format!(
                "{} {}: operation {} has not ended within {}",
                inert(&resource.kind),
                inert(&resource.name),
                inert(operation),
                format_duration(*limit)
            ),
            format!("whether it will is not known; ask {} what became of it", who_knows(resource)),
        ],
        Failure::Refused {
            resource,
            refusal: Refusal::Api { why } | Refusal::Busy { why, .. } | Refusal::Unreachable { why, .. },
            ..
        } => {
            vec![format!("{} {}: {}", inert(&resource.kind), inert(&resource.name), inert::headline(why))]
        }
        Failure::Operation { resource, why, seen, took_effect } => {
            let effect = if *took_effect { "it took effect at least in part" } else { "it changed nothing" };
            // How much of it took effect may not be known.
            let now = if seen.is_null() { String::new() } else { format!("; it is now {}", state(seen)) };
            vec![
                format!("{} {}: {}", inert(&resource.kind), inert(&resource.name), inert::headline(why)),
                format!("{effect}{now}"),
            ]
        }
        Failure::ConcurrentChange { resource, seen } => vec![
            format!("{} {}: another principal changed it meanwhile", inert(&resource.kind), inert(&resource.name)),
            format!("it is now {}", state(seen)),
        ],
        Failure::Unknown { resource, why } => vec![
            format!("{} {}: {}", inert(&resource.kind), inert(&resource.name), inert(why)),
            "whether it changed something is not known".to_owned(),
        ],
        Failure::Lost { resource } => vec![format!(
            "{} {}: the change was sent several times and never took effect",
            inert(&resource.kind),
            inert(&resource.name)
        )],
        Failure::Gate { why, fault } => {
            let unknown = "so how it is is not known; nothing is undone for that alone".to_owned();
            let known = *fault == GateFault::Unhealthy;
            [inert(why)].into_iter().chain((!known).then_some(unknown)).collect()
        }
        Failure::Blocked { by } => {
            vec![format!("{by}, which changed the same resource later, was not rolled back", by = inert(by.as_str()))]
        }
        Failure::PreconditionsUnmet { why } => vec![format!("precondition failed: {}", inert(why))],
        Failure::Guard { probe, why, after } => {
            let after = after.as_ref().map(|after| format!("the last change before it was {}", inert(after.as_str())));
            let head = format!("the guard {} tripped: {}", inert(probe), inert(why));
            std::iter::once(head).chain(after).collect()
        }
        Failure::Budget { phase, budget } => {
            vec![format!("phase {} has taken longer than its {}", inert(phase), format_duration(*budget))]
        }
    }
}

/// A state in words, field by field. Inert.
pub(super) fn state(seen: &serde_json::Value) -> String {
    let fields = seen.as_object().into_iter().flatten();
    let fields = fields.map(|(name, value)| format!("{} {}", inert(name), inert(&crate::run::words(value))));
    fields.collect::<Vec<_>>().join(", ")
}

pub(super) fn refusal_words(refusal: &Refusal) -> String {
    inert(refusal_text(refusal))
}

/// The same as the API wrote it.
fn refusal_text(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Drifted { .. } => "it is no longer what the plan saw",
        Refusal::Api { why } | Refusal::Busy { why, .. } | Refusal::Unreachable { why, .. } => why,
    }
}

fn answer(choice: Choice) -> &'static str {
    match choice {
        Choice::Yes => "approved",
        Choice::No => "declined",
        Choice::Retry => "retry chosen",
        Choice::Continue => "continue chosen",
        Choice::Stop => "stop chosen",
        Choice::Rollback => "rollback chosen",
        Choice::Skip => "skip chosen",
        Choice::AllInPhase => "approved, with the rest of this phase,",
        Choice::Unknown => "stated as unknown",
    }
}

fn list(tasks: &[TaskId]) -> String {
    tasks.iter().map(|task| inert(task.as_str())).collect::<Vec<_>>().join(", ")
}

/// The part of an operation's name that differs.
fn short(operation: &str) -> &str {
    operation.rsplit('/').next().unwrap_or(operation)
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

fn line(tone: Tone, text: String) -> Line {
    Line { tone, text }
}
