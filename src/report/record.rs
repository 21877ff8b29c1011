//! A run as a document: what was done, when, by whom, what it showed. The fold that every format of a report is made of.
//!
//! It is as large as the plan, not as the journal: of a gate's samples a bounded number is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::narrate::{Line, Narrator, Tone, ending, refusal_words};
use crate::clock::{between, format_duration};
use crate::gate::Observation;
use crate::plan::{self, BreakGlass, Plan};
use crate::run::{
    Change, ChangeStatus, Command, CriterionResult, Difference, Entry, Event, GateOutcome, KeptBecause, NOT_RUN,
    Occasion, PreconditionResult, Question, TaskId, TaskView, View, Way,
};

/// The version of the JSON form.
const FORMAT: u32 = 1;

/// What a stretch of time is of.
pub(super) const WRITE: &str = "write";
pub(super) const UNDO: &str = "undo";
pub(super) const GATE: &str = "gate";
pub(super) const PAUSE: &str = "pause";

/// How many samples of a probe a gate's picture shows.
const SHOWN: usize = 240;

/// How many things that logs said are shown.
const EXCERPTS: usize = 50;

/// How many lines of the story are told from its beginning, and how many from its end, if there are more.
const TOLD: (usize, usize) = (4_000, 8_000);

/// A report.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The version of this form.
    pub format: u32,
    /// The run's id.
    pub run: String,
    /// The runbook's name.
    pub runbook: String,
    /// The runbook's title.
    pub title: String,
    /// Project id.
    pub project: String,
    /// Region.
    pub region: String,
    /// Where the calls went, in words.
    pub cloud: String,
    /// When it began.
    pub began: Option<Timestamp>,
    /// The time of the last entry.
    pub ended: Timestamp,
    /// How it ended: `done`, `rolled_back`, `stopped`, `declined`, `stuck`; `open`: it has not.
    pub outcome: String,
    /// The same in sentences, with what is in force and what can be done next.
    pub outcome_lines: Vec<String>,
    /// Why the journal cannot be trusted to its end, if it cannot.
    pub damage: Option<String>,
    /// Who worked it, and since when.
    pub operators: Vec<Said>,
    /// What was asked and answered.
    pub answers: Vec<Said>,
    /// Whether to go on, as it was decided while the run went on.
    pub decisions: Vec<Said>,
    /// Why it began when no run may begin, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
    /// How what must hold for the end of the incident stood when the work was done.
    pub closure: Vec<CriterionResult>,
    /// What logs said, a line for each thing that they said.
    pub logs: Vec<Said>,
    /// The phases, in order.
    pub phases: Vec<Phase>,
    /// The tasks, in order.
    pub tasks: Vec<TaskRecord>,
    /// What it leaves behind.
    pub debts: Vec<String>,
    /// The run told, a line each; of a long one its beginning and its end.
    pub story: Vec<Told>,
    /// SHA-256 of the plan, of the runbook, and of the whole journal.
    pub digests: BTreeMap<String, String>,
}

/// A phase.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
}

/// Something that was said at a moment.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// A line of the story.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// `plain`, `head`, `good`, `warn`, `bad` or `dim`.
    pub tone: &'static str,
    /// What it says.
    pub text: String,
}

/// What became of a task.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TaskRecord {
    /// Its id.
    pub id: String,
    /// The step that it belongs to.
    pub step: String,
    /// Its phase.
    pub phase: String,
    /// What the step uses.
    pub uses: String,
    /// What it changes: kind and name.
    pub resource: Option<String>,
    /// What a program that makes the change is called as; secrets stand in it by reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// When its turn comes, if not after the task before it: `finally`.
    #[serde(skip_serializing_if = "Occasion::is_in_order")]
    pub occasion: Occasion,
    /// Whether it cannot be undone.
    pub irreversible: bool,
    /// The fields it changes, before and after.
    pub change: Vec<Field>,
    /// Stretches of time: a write, a gate, an undo, a pause.
    pub spans: Vec<Span>,
    /// The names of its long-running operations.
    pub operations: Vec<String>,
    /// What it rested on: what each probe saw.
    pub evidence: Vec<String>,
    /// What each gate of it showed.
    pub gates: Vec<GateRecord>,
    /// What became of its change: `not_begun`, `in_flight`, `in_doubt`, `unclear`, `applied`, `failed` (it is known not to
    /// have taken effect), `rolled_back`, `not_rolled_back`, `kept`, `skipped`, `not_run`, `unchanged`.
    pub change_status: ChangeStatus,
    /// The same under the name that it had in 0.1.0.
    pub stands: ChangeStatus,
}

/// A field of a change.
#[derive(Clone, Debug, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Before; none: not known.
    pub before: Option<String>,
    /// After.
    pub after: String,
}

/// A stretch of time.
#[derive(Clone, Debug, Serialize)]
pub struct Span {
    /// `write`, `gate`, `undo` or `pause`.
    pub what: &'static str,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// The long-running operation that it was, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What a gate showed.
#[derive(Clone, Debug, Serialize)]
pub struct GateRecord {
    /// What it asked, in words.
    pub asked: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// Whether it passed; none: it was not closed.
    pub passed: Option<bool>,
    /// What it proved, or why it did not pass.
    pub verdict: String,
    /// What each probe saw: some of its samples.
    pub probes: BTreeMap<String, Vec<Sample>>,
    /// How many samples there were of all probes.
    pub samples: usize,
}

/// A sample of a gate, for a picture.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Seconds since the gate was opened.
    pub second: f64,
    /// How long the answer took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// `healthy`, `unhealthy`, `unknown` or `broken`.
    pub health: &'static str,
}

/// Folds a run into its record.
pub fn record(plan: &Plan, entries: &[Entry], digests: BTreeMap<String, String>, damage: Option<String>) -> Record {
    let work = plan.work();
    let mut view = View::new(&work);
    let mut narrator = Narrator::default();
    let tasks = work.tasks.iter().map(|task| TaskRecord {
        id: task.id.to_string(),
        step: task.id.step().to_owned(),
        phase: task.phase.clone(),
        uses: task.uses.clone(),
        resource: task.change.as_ref().map(plan::resource),
        command: task.program.as_ref().map(|program| program.run.to_string()),
        occasion: task.occasion,
        irreversible: task.change.is_some() && task.reversibility.is_irreversible(),
        change: match &task.program {
            Some(program) => vec![Field::of_command(&program.run)],
            None => task.change.iter().flat_map(Change::differences).map(field).collect(),
        },
        ..TaskRecord::default()
    });
    let places = work.tasks.iter().enumerate().map(|(place, task)| (task.id.clone(), place));
    let mut all = Fold { tasks: tasks.collect(), places: places.collect(), open: BTreeMap::new() };
    let (mut operators, mut answers, mut story) = (Vec::new(), Vec::new(), Vec::new());
    let (mut decisions, mut closure, mut logs) = (Vec::new(), Vec::new(), Vec::new());
    excerpts(&mut logs, plan.observed_at.unwrap_or_default(), &plan.baseline);
    for entry in entries {
        view.apply(entry);
        story.extend(narrator.entry(&view, entry).into_iter().map(told));
        let at = entry.at;
        excerpts(&mut logs, at, samples(&entry.event));
        match &entry.event {
            Event::EscalationDecided { verdict } => {
                decisions.push(Said { at, text: format!("{}: {}", verdict.decision.words(), verdict.because) });
            }
            Event::ClosureEvaluated { criteria } => closure.clone_from(criteria),
            Event::Started { operator, rectify, .. } => {
                operators.push(Said { at, text: format!("begun by {operator}, with rectify {rectify}") });
            }
            Event::Resumed { operator } => operators.push(Said { at, text: format!("resumed by {operator}") }),
            Event::RollbackRequested { operator, .. } => {
                operators.push(Said { at, text: format!("rolled back by {operator}") });
            }
            Event::StopRequested { by } => operators.push(Said { at, text: format!("asked to stop by {by}") }),
            Event::Answered { question, choice, by, reason, visible } => {
                let reason = reason.as_ref().map(|reason| format!(", because {reason}")).unwrap_or_default();
                let choice = serde_json::to_value(choice).ok();
                let choice = choice.as_ref().and_then(|choice| choice.as_str()).unwrap_or("answered").to_owned();
                let visible =
                    visible.map(|visible| format!(", after {}", format_duration(visible))).unwrap_or_default();
                answers.push(Said { at, text: format!("{}: {choice} by {by}{visible}{reason}", asked(question)) });
            }
            _ => all.take(&view, entry),
        }
    }
    for (task, view) in all.tasks.iter_mut().zip(&view.tasks) {
        (task.change_status, task.stands) = (view.change_status(), view.change_status());
    }
    let outcome = view.ending.as_ref().and_then(|ending| serde_json::to_value(ending).ok());
    let outcome = outcome.as_ref().and_then(|ending| ending.get("ending")?.as_str());
    let outcome_lines = view.ending.as_ref().map(|known| ending(&view, known)).unwrap_or_default();
    Record {
        format: FORMAT,
        run: view.run.as_ref().map(ToString::to_string).unwrap_or_default(),
        runbook: plan.runbook.clone(),
        title: plan.title.clone(),
        project: plan.project.clone(),
        region: plan.region.clone(),
        cloud: plan.cloud.clone(),
        began: view.started,
        ended: view.now,
        outcome: outcome.unwrap_or("open").to_owned(),
        outcome_lines: outcome_lines.into_iter().map(|line| line.text.trim().to_owned()).collect(),
        damage,
        operators,
        answers,
        phases: plan
            .phases
            .iter()
            .map(|phase| Phase { name: phase.name.clone(), title: phase.title.clone() })
            .collect(),
        decisions,
        break_glass: plan.break_glass.clone(),
        closure,
        logs,
        debts: all.debts(plan),
        tasks: all.tasks,
        story: shortened(story),
        digests,
    }
}

/// A long story's beginning and end: what lies between can be told from the journal.
fn shortened(mut story: Vec<Told>) -> Vec<Told> {
    let (first, last) = TOLD;
    if story.len() > first + last {
        let end = story.len() - last;
        let text = format!("… {} lines are left out; `rectify show` tells them", end - first);
        story.splice(first..end, [Told { tone: "warn", text }]);
    }
    story
}

/// What logs said in these samples: each thing once, when it was first seen.
fn excerpts<'s>(logs: &mut Vec<Said>, at: Timestamp, samples: impl IntoIterator<Item = (&'s String, &'s Observation)>) {
    for (probe, sample) in samples {
        let Some(latest) = sample.facts.get("latest").and_then(|latest| latest.as_str()) else { continue };
        let text = format!("{probe}: {latest}");
        if !latest.is_empty() && logs.len() < EXCERPTS && !logs.iter().any(|said| said.text == text) {
            logs.push(Said { at, text });
        }
    }
}

/// The samples that an event brings.
fn samples(event: &Event) -> Vec<(&String, &Observation)> {
    match event {
        Event::Sampled { probe, observation, .. } | Event::GuardSampled { probe, observation } => {
            vec![(probe, observation)]
        }
        Event::PreconditionsChecked {
            found: PreconditionResult::Met { evidence } | PreconditionResult::Unmet { evidence, .. },
            ..
        } => evidence.iter().collect(),
        _ => Vec::new(),
    }
}

impl Record {
    /// How long it took.
    pub fn took(&self) -> Duration {
        self.began.map(|began| between(began, self.ended)).unwrap_or_default()
    }

    /// What people did and said, in the order of time.
    pub fn said(&self) -> Vec<&Said> {
        let mut said: Vec<&Said> = self.operators.iter().chain(&self.answers).collect();
        said.sort_by_key(|said| said.at);
        said
    }

    /// The outcome in a few words.
    pub fn headline(&self) -> String {
        let word = match self.outcome.as_str() {
            "done" => "Done",
            "rolled_back" => "Rolled back",
            "stopped" => "Stopped after a failure",
            "declined" => "Declined",
            "stuck" => "Stuck: an operator must act",
            _ => "Not ended",
        };
        format!("{word}, after {}", format_duration(self.took()))
    }
}

impl TaskRecord {
    /// Whether something was written for it, be it to undo it.
    pub fn is_written(&self) -> bool {
        self.spans.iter().any(|span| span.what == WRITE || span.what == UNDO)
    }

    /// Whether it belongs among the changes: something was written for it, or a rehearsal left it out.
    pub fn is_told(&self) -> bool {
        self.is_written() || self.change_status == ChangeStatus::NotRun
    }

    /// What became of its change in words, and of a program that failed why.
    pub fn outcome(&self) -> String {
        let failed = self.spans.iter().rev().find_map(|span| span.failed.as_ref()).filter(|_| self.command.is_some());
        let words = words_of(&self.change_status, self.irreversible);
        match (failed, &self.change_status) {
            (Some(why), ChangeStatus::Failed { .. }) => why.clone(),
            (None, _) | (Some(_), ChangeStatus::RolledBack) => words.to_owned(),
            (Some(why), _) => format!("{words}; {why}"),
        }
    }

    /// The fields that its change does not leave as they are.
    pub fn changed(&self) -> impl Iterator<Item = &Field> {
        self.change.iter().filter(|field| field.before.as_ref() != Some(&field.after))
    }
}

/// What is being put together.
struct Fold {
    tasks: Vec<TaskRecord>,
    places: BTreeMap<TaskId, usize>,
    /// What has begun and not ended.
    open: BTreeMap<(TaskId, &'static str), Span>,
}

impl Fold {
    fn task(&mut self, id: &TaskId) -> Option<&mut TaskRecord> {
        let place = *self.places.get(id)?;
        self.tasks.get_mut(place)
    }

    /// What was left behind by what was done and not undone.
    fn debts(&self, plan: &Plan) -> Vec<String> {
        let may_be_applied = |id: &TaskId| {
            let task = self.places.get(id).and_then(|place| self.tasks.get(*place));
            task.is_some_and(|task| task.change_status.may_be_applied())
        };
        let debts = plan.debts_of(may_be_applied).into_iter();
        debts
            .map(|debt| {
                format!(
                    "{} {}: {}, due within {}",
                    debt.resource.kind,
                    debt.resource.name,
                    debt.what,
                    format_duration(debt.within)
                )
            })
            .collect()
    }

    fn open(&mut self, id: &TaskId, what: &'static str, at: Timestamp) {
        let span = Span { what, from: at, to: at, operation: None, failed: None };
        self.open.insert((id.clone(), what), span);
    }

    fn close(&mut self, id: &TaskId, what: &'static str, to: Timestamp, why: Option<String>) {
        let Some(span) = self.open.remove(&(id.clone(), what)) else { return };
        if let Some(task) = self.task(id) {
            task.spans.push(Span { to, failed: span.failed.clone().or(why), ..span });
        }
    }

    fn take(&mut self, view: &View, entry: &Entry) {
        let at = entry.at;
        let way = |way: Way| if way == Way::Undo { UNDO } else { WRITE };
        match &entry.event {
            Event::Unchanged { task } if view.task(task).is_some_and(|view| view.task.pause.is_some()) => {
                self.open(task, PAUSE, at);
            }
            Event::Waited { task } => self.close(task, PAUSE, at, None),
            Event::Intended { op } => self.open(&op.task, way(op.way), at),
            // Nothing need come after it: what a program that failed has changed may never be known.
            Event::Failed { op, why } if view.task(&op.task).is_some_and(|view| view.task.program.is_some()) => {
                self.close(&op.task, way(op.way), at, Some(why.clone()));
            }
            Event::Failed { op, why } => {
                if let Some(span) = self.open.get_mut(&(op.task.clone(), way(op.way))) {
                    span.failed = Some(why.clone());
                }
            }
            Event::OperationStarted { op, operation } => {
                if let Some(span) = self.open.get_mut(&(op.task.clone(), way(op.way))) {
                    span.operation = Some(operation.clone());
                }
                if let Some(task) = self.task(&op.task)
                    && !task.operations.contains(operation)
                {
                    task.operations.push(operation.clone());
                }
            }
            Event::StateObserved { op, .. } => self.close(&op.task, way(op.way), at, None),
            Event::Refused { op, refusal } => {
                self.close(&op.task, way(op.way), at, Some(refusal_words(refusal)));
            }
            Event::PreconditionsChecked { task, found } => {
                let (PreconditionResult::Met { evidence } | PreconditionResult::Unmet { evidence, .. }) = found;
                let lines: Vec<String> =
                    evidence.iter().map(|(probe, seen)| format!("{probe} was {}", seen.health)).collect();
                if let Some(task) = self.task(task) {
                    task.evidence.extend(lines);
                }
            }
            Event::GateOpened { task: id, .. } => {
                self.open(id, GATE, at);
                let asked = view.task(id).and_then(TaskView::rule).map(plan::gate).unwrap_or_default();
                let (verdict, probes) = (String::new(), BTreeMap::new());
                let gate = GateRecord { asked, opened: at, passed: None, verdict, probes, samples: 0 };
                if let Some(task) = self.task(id) {
                    task.gates.push(gate);
                }
            }
            Event::Sampled { task, probe, observation } => {
                let Some(gate) = self.task(task).and_then(|task| task.gates.last_mut()) else { return };
                gate.samples += 1;
                let sample = Sample {
                    second: between(gate.opened, at).as_secs_f64(),
                    latency_ms: observation.latency().map(|latency| latency.as_secs_f64() * 1000.0),
                    health: observation.health.word(),
                };
                let samples = gate.probes.entry(probe.clone()).or_default();
                samples.push(sample);
                thin(samples);
            }
            Event::GateClosed { task: id, outcome } => {
                let why = match outcome {
                    GateOutcome::Passed { .. } => None,
                    GateOutcome::Failed { why, .. } => Some(why.clone()),
                };
                self.close(id, GATE, at, why);
                let Some(gate) = self.task(id).and_then(|task| task.gates.last_mut()) else { return };
                (gate.passed, gate.verdict) = match outcome {
                    GateOutcome::Passed { proof } => (Some(true), proof.to_string()),
                    GateOutcome::Failed { why, .. } => (Some(false), why.clone()),
                };
            }
            _ => {}
        }
    }
}

/// What became of a change, in words.
fn words_of(status: &ChangeStatus, irreversible: bool) -> &'static str {
    match status {
        ChangeStatus::NotBegun => "not begun",
        ChangeStatus::InFlight { way: Way::Apply, .. } => "in flight",
        ChangeStatus::InFlight { way: Way::Undo, .. } => "being rolled back",
        ChangeStatus::InDoubt { way: Way::Apply, .. } | ChangeStatus::Unclear { .. } => "not known",
        ChangeStatus::InDoubt { way: Way::Undo, .. } => "not known whether rolled back",
        ChangeStatus::Applied { .. } | ChangeStatus::Kept(KeptBecause::Irreversible) if irreversible => {
            "applied, irreversible"
        }
        ChangeStatus::Applied { trouble: None } => "applied",
        ChangeStatus::Applied { trouble: Some(_) } => "applied at least in part, although it failed",
        ChangeStatus::Failed { .. } => "failed, and changed nothing",
        ChangeStatus::RolledBack => "rolled back",
        ChangeStatus::NotRolledBack { .. } => "not rolled back",
        ChangeStatus::Kept(KeptBecause::Irreversible) => "applied; a rollback leaves it as it is",
        ChangeStatus::Kept(KeptBecause::Unhealthy) => "kept: rolling it back would restore an unhealthy state",
        ChangeStatus::Skipped => "skipped",
        ChangeStatus::NotRun => NOT_RUN,
        ChangeStatus::Unchanged => "nothing to change",
    }
}

/// Keeps every second sample once there are too many; what was not healthy stays.
fn thin(samples: &mut Vec<Sample>) {
    if samples.len() < 2 * SHOWN {
        return;
    }
    let mut place = 0_usize;
    samples.retain(|sample| {
        place += 1;
        sample.health != "healthy" || place.is_multiple_of(2)
    });
    // If all of it is trouble, some of that has to go as well.
    if samples.len() >= 2 * SHOWN {
        let mut place = 0_usize;
        samples.retain(|_| {
            place += 1;
            place.is_multiple_of(2)
        });
    }
}

impl Field {
    /// What a program is called as, in the place of its state.
    fn of_command(command: &Command) -> Field {
        Field { name: "runs".to_owned(), before: Some(String::new()), after: command.to_string() }
    }
}

fn field(difference: Difference) -> Field {
    let Difference { field, before, after } = difference;
    Field { name: field, before, after }
}

fn told(line: Line) -> Told {
    let tone = match line.tone {
        Tone::Plain => "plain",
        Tone::Head => "head",
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
        Tone::Dim => "dim",
    };
    Told { tone, text: line.text }
}

fn asked(question: &Question) -> String {
    match question {
        Question::Apply { task } => format!("apply {task}"),
        Question::Irreversible { task, why } => format!("apply {task}, which cannot be undone: {why}"),
        Question::Confirm { task, text } => format!("{task}: {text}"),
        Question::Failed { task, .. } => format!("{task} failed"),
        Question::Interrupted { .. } => "interrupted".to_owned(),
        Question::Restore { task, .. } => format!("undo {task}, which restores an unhealthy state"),
        Question::Doubt { op } => format!("whether {op} happened"),
        Question::TookEffect { op, .. } => format!("{op} failed; whether something of it took effect"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_story_the_beginning_and_the_end_are_told() {
        let line = |number: usize| Told { tone: "plain", text: number.to_string() };
        let whole = |count: usize| shortened((0..count).map(line).collect());
        assert_eq!(whole(12_000).len(), 12_000);
        let short = whole(82_000);
        assert_eq!((short.len(), short[3_999].text.as_str(), short[4_001].text.as_str()), (12_001, "3999", "74000"));
        assert_eq!(short[4_000].text, "… 70000 lines are left out; `rectify show` tells them");
    }
}
