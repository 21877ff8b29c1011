//! Works one path: one process after another, each as `run`, `resume` and `rollback` work a run, until it has ended.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, LocalBoxFuture};
use jiff::Timestamp;

use crate::action::{Manual, Shell};
use crate::clock::{Clock, later};
use crate::driver::{
    Advised, Advisor, Answer, Asker, Asking, DriverError, Durable, Flush, Local, ProbesInFlight, Rules, Signals, drive,
    leave,
};
use crate::engine::{Effect, MACHINE, Run};
use crate::external::{ByHand, Conduct, Github, Messages, Programs};
use crate::journal::{Claim, Directory, Journal, Locks as _, Start, State};
use crate::report::Reporter;
use crate::resource::Kinds;
use crate::run::{
    Choice, CriterionResult, Ending, Entry, EscalationVerdict, Event, OpId, Operator, Question, ResourceId, RunId,
    View, digest,
};
use crate::sim::World;

use super::bench::{Bench, Stage};
use super::elsewhere;
use super::fault::{Fault, Hand, Moment, Path, Place, Request};
use super::oracle::{Facts, Foreign, judge};
use super::prepared::{DrillError, Prepared, Recording};

/// How many entries one process writes at most: one that writes more does not come to an end.
const MOST_ENTRIES: usize = 4_000;
/// How many times a run that has not ended is taken up at most before it counts as one that never does.
const MOST_RESUMED: usize = 3;
/// How long a process works at most, by this machine's clock.
const PATIENCE: Duration = Duration::from_mins(2);
/// The cloud's name in locks.
const CLOUD: &str = "drill";

/// What a process came to.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once in the life of a process")]
pub enum PathOutcome {
    /// The driver's own word.
    Driven(crate::driver::DriveOutcome),
    /// It died.
    Killed,
    /// It does not come to an end, or cannot go on with the run: a defect.
    Lost(String),
}

/// Where a run was left by a process.
#[derive(Clone, Debug)]
pub struct Rest {
    /// What that came to.
    pub came: PathOutcome,
    /// The exit code; `None` if it died.
    pub exit: Option<u8>,
}

/// What became of a path.
#[derive(Debug)]
pub struct Outcome {
    /// Where each process left the run. There is at least one.
    pub rests: Vec<Rest>,
    /// What is not as it must be.
    pub wrong: Vec<String>,
    /// The run's entries, for whoever looks for the reason.
    pub entries: Vec<Entry>,
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::driver::DriveOutcome as Driven;
        f.write_str(match &self.came {
            PathOutcome::Driven(Driven::Ended(ending)) => match ending {
                Ending::Done { failed, .. } if failed.is_empty() => "done",
                Ending::Done { .. } => "done with failures",
                Ending::RolledBack { not_restored, follow_ups, .. }
                    if not_restored.is_empty() && follow_ups.is_empty() =>
                {
                    "rolled back"
                }
                Ending::RolledBack { .. } => "rolled back in part",
                Ending::Stopped { .. } => "stopped",
                Ending::Declined { .. } => "declined",
                Ending::Stuck { .. } => "stuck",
            },
            PathOutcome::Driven(Driven::Parked) => "interrupted",
            PathOutcome::Driven(Driven::Paused(_)) => "paused",
            PathOutcome::Killed => "killed",
            PathOutcome::Lost(_) => "LOST",
        })
    }
}

/// The run without trouble, forwards and back.
pub(super) async fn without_trouble(
    of: &Prepared,
    bench: &Bench,
    world: World,
) -> Result<(Recording, Recording), DrillError> {
    let mut scene = Scene::begin(of, bench, Fork::Beginning(Box::new(world)))?;
    scene.recording = Some(Recording::default());
    let forwards = scene.work(Comes::Begins, Operators::Present).await;
    let forwards_end = scene.recording.take().unwrap_or_default();
    if !matches!(forwards.came, PathOutcome::Driven(crate::driver::DriveOutcome::Ended(Ending::Done { .. }))) {
        return Err(DrillError::Trouble(format!("{:?}", forwards.came)));
    }
    scene.recording = Some(Recording { entries: forwards_end.entries.clone(), worlds: forwards_end.worlds.clone() });
    let back = scene.work(Comes::Asks(Request::Rollback), Operators::Present).await;
    let back_end = scene.recording.take().unwrap_or_default();
    if !matches!(back.came, PathOutcome::Driven(crate::driver::DriveOutcome::Ended(_))) {
        return Err(DrillError::Trouble(format!("{:?}", back.came)));
    }
    Ok((forwards_end, back_end))
}

impl Prepared {
    /// Works a path to its end, and judges each place where the run came to rest.
    ///
    /// # Errors
    /// If it cannot be worked at all.
    pub async fn work(&self, bench: &Bench, path: &Path) -> Result<Outcome, DrillError> {
        let recording = self.recording(path.way);
        let entries = match &path.place {
            Place::Write { op, .. } => recording.announced(op).unwrap_or_default(),
            Place::Dies { entries, .. } | Place::Stopped { entries } | Place::Late { entries } => *entries,
        };
        let mut scene = Scene::begin(self, bench, Fork::At { recording, entries })?;
        let (first, operators) = match &path.place {
            Place::Write { op, fault } => {
                scene.strike = Strike::of(op, *fault, self);
                (Some(Comes::GoesOn), Operators::Absent)
            }
            Place::Dies { is_done: false, .. } => (None, Operators::Absent),
            Place::Dies { is_done: true, .. } => {
                scene.dies = true;
                (Some(Comes::GoesOn), Operators::Absent)
            }
            Place::Stopped { .. } => {
                scene.stops = true;
                (Some(Comes::GoesOn), Operators::Absent)
            }
            Place::Late { .. } => (Some(Comes::GoesOn), Operators::Late),
        };
        let mut outcome = Outcome { rests: Vec::new(), wrong: Vec::new(), entries: Vec::new() };
        match first {
            Some(first) => outcome.rests.push(scene.work(first, operators).await),
            None => {
                scene.journal = None;
                outcome.rests.push(Rest { came: PathOutcome::Killed, exit: None });
            }
        }
        // A fault lasts as long as the process that met it.
        scene.bench.simulator.clear_faults();
        (scene.dies, scene.stops) = (false, false);
        outcome.judge(&scene).await;
        for request in path.then.requests() {
            outcome.ask(&mut scene, *request).await;
        }
        for _ in 0..MOST_RESUMED {
            if !scene.has_ended() {
                outcome.ask(&mut scene, Request::Resume).await;
            }
        }
        if !scene.has_ended() {
            outcome.ask(&mut scene, Request::Rollback).await;
        }
        if !scene.has_ended() {
            outcome.wrong.push("it does not come to an ending, resumed and rolled back".to_owned());
        }
        outcome.entries = scene.entries().unwrap_or_default();
        Ok(outcome)
    }
}

impl Outcome {
    /// Takes the run up, if the engine takes such a request now.
    async fn ask(&mut self, scene: &mut Scene<'_>, request: Request) {
        if request == Request::Resume && scene.is_settled() || !scene.may_ask(request) {
            return;
        }
        self.rests.push(scene.work(Comes::Asks(request), Operators::Absent).await);
        self.judge(scene).await;
    }

    async fn judge(&mut self, scene: &Scene<'_>) {
        let Some(rest) = self.rests.last() else { return };
        let at = self.rests.len();
        let how = rest.to_string();
        let wrong = scene.judge(rest).await;
        self.wrong.extend(wrong.into_iter().map(|wrong| format!("at rest {at} ({how}): {wrong}")));
    }
}

/// Where a path begins.
enum Fork<'a> {
    Beginning(Box<World>),
    At { recording: &'a Recording, entries: usize },
}

/// How a process comes to the run.
#[derive(Clone, Copy)]
enum Comes {
    /// It has begun it just now.
    Begins,
    /// It is at work on it.
    GoesOn,
    /// It takes it up.
    Asks(Request),
}

/// Whether somebody can be asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operators {
    /// Nobody: everything was approved beforehand.
    Absent,
    /// Somebody says yes at once.
    Present,
    /// Somebody says yes, and takes longer for the first answer than the phase may.
    Late,
}

/// A run, its cloud and its record.
struct Scene<'a> {
    of: &'a Prepared,
    bench: Stage,
    /// Removed with all that is in it once the path is worked.
    _folder: tempfile::TempDir,
    state: State,
    directory: Directory,
    /// Held by the process at work; `None` between two.
    journal: Option<Journal>,
    run: Run,
    view: View,
    recording: Option<Recording>,
    strike: Option<Strike>,
    foreign: Option<Foreign>,
    dies: bool,
    stops: bool,
}

/// What goes wrong with a write, and whether it has.
struct Strike {
    op: OpId,
    resource: ResourceId,
    fault: Fault,
    /// When; `None` once it has happened.
    moment: Option<Moment>,
    is_due: bool,
}

impl Strike {
    fn of(op: &OpId, fault: Fault, drill: &Prepared) -> Option<Strike> {
        let moment = Some(fault.moment()?);
        let task = drill.plan.work().tasks.into_iter().find(|task| task.id == op.task)?;
        Some(Strike { op: op.clone(), resource: task.change?.resource, fault, moment, is_due: false })
    }

    fn see(&mut self, event: &Event) {
        self.is_due |= match (self.moment, event) {
            (Some(Moment::During), Event::OperationStarted { op, .. })
            | (Some(Moment::After), Event::StateObserved { op, .. }) => *op == self.op,
            _ => false,
        };
    }

    fn looks_at(&mut self, batch: &[Effect]) {
        let writes = |effect: &Effect| matches!(effect, Effect::Write { op, .. } if *op == self.op);
        self.is_due |= self.moment == Some(Moment::Before) && batch.iter().any(writes);
    }
}

fn operator() -> Operator {
    Operator { user: "drill".to_owned(), host: "localhost".to_owned(), pid: std::process::id() }
}

impl<'a> Scene<'a> {
    fn begin(of: &'a Prepared, bench: &Bench, fork: Fork<'_>) -> Result<Scene<'a>, DrillError> {
        let (world, entries) = match fork {
            Fork::Beginning(world) => {
                let started = of.started(world.now())?;
                (*world, vec![started])
            }
            Fork::At { recording, entries } => {
                let place = entries.saturating_sub(1);
                let world = recording.worlds.get(place).cloned();
                let world = world.ok_or_else(|| DrillError::Trouble(format!("no entry {entries}")))?;
                (world, recording.entries.iter().take(entries).cloned().collect())
            }
        };
        let not_before = entries.last().map(|entry| entry.at).unwrap_or_default();
        let bench = bench.stage(of.checked.runbook(), world, not_before);
        let folder = tempfile::tempdir_in(&of.folder)
            .map_err(|source| crate::journal::OpenError::Io { path: of.folder.clone(), source })?;
        let state = State::at(folder.path());
        let id = RunId::from_bits(1);
        let plan = serde_json::to_vec(&of.plan)?;
        let files: [(&str, &[u8]); 2] = [("runbook.toml", of.text.as_bytes()), ("plan.json", &plan)];
        let claim = of.claim(&id);
        let [started, rest @ ..] = entries.as_slice() else {
            return Err(DrillError::Trouble("a run without a beginning".to_owned()));
        };
        let start = Start { id: &id, files: &files, started, claim: Some(&claim) };
        let (directory, mut journal) = state.start(&start, |_| Ok(()))?;
        for entry in rest {
            journal.append(entry)?;
        }
        let (run, view) = of.fold(&entries).map_err(DrillError::Trouble)?;
        let (recording, strike, foreign) = (None, None, None);
        let journal = Some(journal);
        let (dies, stops) = (false, false);
        Ok(Scene {
            of,
            bench,
            _folder: folder,
            state,
            directory,
            journal,
            run,
            view,
            recording,
            strike,
            foreign,
            dies,
            stops,
        })
    }

    fn has_ended(&self) -> bool {
        self.run.ending().is_some()
    }

    /// Whether there is nothing to go on with.
    fn is_settled(&self) -> bool {
        matches!(self.run.ending(), Some(Ending::Done { .. } | Ending::RolledBack { .. }))
    }

    fn may_ask(&self, request: Request) -> bool {
        let entry = Entry { at: self.bench.clock.now(), event: event(request) };
        self.run.clone().apply(&entry).is_ok()
    }

    /// What is written down.
    fn entries(&self) -> Result<Vec<Entry>, String> {
        self.directory.read().map(|read| read.entries).map_err(|error| error.to_string())
    }

    /// One process, from its beginning to its end.
    async fn work(&mut self, comes: Comes, operators: Operators) -> Rest {
        let came = match Box::pin(self.process(comes, operators)).await {
            Ok(result) => result,
            Err(why) => return Rest { came: PathOutcome::Lost(why), exit: None },
        };
        let exit = (self.of.exit)(&came);
        match came {
            Ok(came) => Rest { came: PathOutcome::Driven(came), exit: Some(exit) },
            Err(DriverError::StoppedAtOnce(_)) => Rest { came: PathOutcome::Killed, exit: None },
            Err(error) => Rest { came: PathOutcome::Lost(chain(&error)), exit: Some(exit) },
        }
    }

    async fn process(
        &mut self,
        comes: Comes,
        operators: Operators,
    ) -> Result<Result<crate::driver::DriveOutcome, DriverError>, String> {
        let mut first = self.entries()?.into_iter().next().filter(|_| matches!(comes, Comes::Begins));
        let journal = match (comes, self.journal.take()) {
            (Comes::Begins | Comes::GoesOn, Some(journal)) => journal,
            (Comes::Begins | Comes::GoesOn, None) => return Err("nobody holds the journal".to_owned()),
            (Comes::Asks(request), before) => {
                drop(before);
                // Everything that a new process knows, it knows from the disk.
                let (mut journal, read) = self.directory.reopen().map_err(|error| chain(&error))?;
                (self.run, self.view) = self.of.fold(&read.entries)?;
                let entry = Entry { at: self.bench.clock.now(), event: event(request) };
                self.run.apply(&entry).map_err(|error| error.to_string())?;
                let claim = self.of.claim(&RunId::from_bits(1));
                let _held = self.state.hold(&claim).map_err(|error| chain(&error))?;
                journal.append(&entry).map_err(|error| chain(&error))?;
                first = Some(entry);
                journal
            }
        };
        let (stop, signals) = Signals::by_hand();
        if self.stops {
            // Nobody listens only if the run is over.
            let _ = stop.send("Ctrl-C".to_owned());
        }
        let local = self.local(journal, signals, operators);
        let mut process = Process {
            local,
            bench: &self.bench,
            recording: self.recording.as_mut(),
            strike: &mut self.strike,
            foreign: &mut self.foreign,
            dies: self.dies,
            entries: 0,
            is_endless: false,
        };
        match (comes, first) {
            (Comes::Asks(_), Some(entry)) => process.report(&entry),
            (Comes::Begins, Some(entry)) => process.record(&entry),
            (_, None) | (Comes::GoesOn, Some(_)) => {}
        }
        let came = patiently(drive(&mut self.run, &mut process)).await;
        let came = came.ok_or_else(|| format!("it is at work for more than {} s", PATIENCE.as_secs()))?;
        let Process { local, is_endless, .. } = process;
        self.view = local.view.clone();
        if is_endless {
            return Err(format!("it has written {MOST_ENTRIES} entries and goes on"));
        }
        if matches!(came, Err(DriverError::StoppedAtOnce(_))) {
            // It is dead, and leaves nothing in order.
            drop(local);
        } else {
            leave(local, &self.state, &came).await.released.map_err(|error| chain(&error))?;
        }
        Ok(came)
    }

    fn local(&self, journal: Journal, signals: Signals, operators: Operators) -> Local {
        let (runbook, bench) = (self.of.checked.runbook(), &self.bench);
        let programs = Programs::of(runbook, bench.clock.clone(), None, Conduct::LeaveOut);
        let kinds = Kinds::on(&bench.cloud).with(Shell::KIND, Arc::new(programs));
        let budget = self.of.plan.phases.iter().filter_map(|phase| phase.budget).max().unwrap_or_default();
        Local {
            directory: self.directory.clone(),
            journal,
            flush: Flush::new(),
            view: self.view.clone(),
            kinds: Arc::new(kinds.with(Manual::KIND, Arc::new(ByHand))),
            writer: bench.writer.clone(),
            probes: bench.probes.clone(),
            looks: ProbesInFlight::default(),
            clock: bench.clock.clone(),
            rules: match operators {
                Operators::Absent => Rules { yes: true, acknowledged: self.of.steps(), interactive: false },
                Operators::Present | Operators::Late => {
                    Rules { yes: false, acknowledged: BTreeSet::new(), interactive: true }
                }
            },
            messages: Messages::of(runbook, Github::default(), true),
            advisor: Box::new(Nobody),
            advised: Advised::default(),
            surveyed: false,
            asker: Box::new(Yes {
                clock: bench.clock.clone(),
                after: (operators == Operators::Late).then(|| later_than(budget)),
            }),
            reporter: Box::new(Nobody),
            signals,
        }
    }

    /// Compares what the run claims with what is so.
    async fn judge(&self, rest: &Rest) -> Vec<String> {
        let (entries, mut wrong) = match self.entries() {
            Ok(entries) => (entries, Vec::new()),
            Err(why) => (Vec::new(), vec![format!("its journal cannot be read: {why}")]),
        };
        let folded = self.of.fold(&entries);
        let (run, view) = match &folded {
            Ok((run, view)) => (run, view),
            Err(why) => {
                wrong.push(format!("its journal cannot be folded: {why}"));
                return wrong;
            }
        };
        let mut facts = Facts {
            tasks: &self.of.plan.work().tasks,
            run,
            view,
            entries: &entries,
            rest,
            seen: std::collections::BTreeMap::new(),
            busy: BTreeSet::new(),
            requests: self.bench.simulator.requests(),
            foreign: self.foreign.as_ref(),
            fault: self.strike.as_ref().map(|strike| strike.fault),
            locks: self.state.locks().map(|locks| locks.len()).unwrap_or_default(),
        };
        for id in facts.resources() {
            match self.bench.kinds.observe(&id).await {
                Ok(seen) => {
                    if seen.operation.is_some() {
                        facts.busy.insert(id.clone());
                    }
                    facts.seen.insert(id, Some(seen.state));
                }
                Err(crate::resource::ReadError::NotFound { .. }) => drop(facts.seen.insert(id, None)),
                Err(error) => wrong.push(format!("{id} cannot be observed: {}", chain(&error))),
            }
        }
        wrong.extend(judge(&facts));
        wrong
    }
}

impl Prepared {
    fn started(&self, at: Timestamp) -> Result<Entry, DrillError> {
        let event = Event::Started {
            run: RunId::from_bits(1),
            runbook: self.plan.runbook.clone(),
            cloud: self.plan.cloud.clone(),
            rectify: env!("CARGO_PKG_VERSION").to_owned(),
            machine: MACHINE,
            plan: digest(&serde_json::to_vec(&self.plan)?),
            text: digest(self.text.as_bytes()),
            place: None,
            wall_clock: None,
            operator: operator(),
        };
        Ok(Entry { at, event })
    }

    fn claim(&self, id: &RunId) -> Claim {
        let changes = self.plan.tasks.iter().filter_map(|task| task.change.as_ref());
        let resources: Vec<ResourceId> = changes.map(|change| change.resource.clone()).collect();
        let (cloud, since) = (CLOUD.to_owned(), Timestamp::UNIX_EPOCH);
        Claim { cloud, run: id.to_string(), operator: operator(), since, resources }
    }

    fn fold(&self, entries: &[Entry]) -> Result<(Run, View), String> {
        let work = self.plan.work();
        let (mut run, mut view) = (Run::new(work.clone()), View::new(&work));
        for entry in entries {
            run.apply(entry).map_err(|error| error.to_string())?;
            view.apply(entry);
        }
        Ok((run, view))
    }
}

fn event(request: Request) -> Event {
    match request {
        Request::Resume => Event::Resumed { operator: operator() },
        Request::Rollback => Event::RollbackRequested { operator: operator(), to: None },
    }
}

/// Waits for something for as long as this machine may take, whatever time it is in the cloud: the process may hang.
#[expect(clippy::disallowed_methods, reason = "how long the machine takes, not the cloud")]
async fn patiently<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, work).await.ok()
}

fn later_than(budget: Duration) -> Duration {
    budget.saturating_add(Duration::from_mins(1))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        words = format!("{words}: {deeper}");
        source = deeper.source();
    }
    words
}

/// A process at work: the real driver, and what befalls it.
struct Process<'a> {
    local: Local,
    bench: &'a Stage,
    recording: Option<&'a mut Recording>,
    strike: &'a mut Option<Strike>,
    foreign: &'a mut Option<Foreign>,
    /// Whether it dies before it writes anything more.
    dies: bool,
    entries: usize,
    is_endless: bool,
}

impl Process<'_> {
    fn report(&mut self, entry: &Entry) {
        self.local.report(entry);
        self.record(entry);
    }

    fn record(&mut self, entry: &Entry) {
        if let Some(recording) = &mut self.recording {
            recording.entries.push(entry.clone());
            recording.worlds.push(self.bench.simulator.world());
        }
    }

    /// Lets happen what is due now.
    async fn strike(&mut self) {
        let Some(strike) = self.strike.as_mut().filter(|strike| strike.is_due) else { return };
        strike.is_due = false;
        if let Some(fault) = strike.fault.of_requests(self.bench.clock.now()) {
            self.bench.simulator.inject(fault);
        }
        match strike.fault.hand() {
            Some(Hand::Deletes) => drop(elsewhere::delete(self.bench, &strike.resource)),
            Some(Hand::Changes) => *self.foreign = elsewhere::change(self.bench, &strike.resource).await,
            None => {}
        }
        strike.moment = None;
    }
}

impl Durable for Process<'_> {
    fn now(&self) -> Timestamp {
        self.local.now()
    }

    fn suspended(&mut self) -> Option<Duration> {
        self.local.suspended()
    }

    async fn perform(&mut self, run: &Run, batch: Vec<Effect>) -> Result<Vec<Event>, DriverError> {
        if let Some(strike) = self.strike.as_mut() {
            strike.looks_at(&batch);
        }
        self.strike().await;
        self.local.perform(run, batch).await
    }

    fn append(&mut self, entry: &Entry) -> Result<(), DriverError> {
        if self.dies {
            return Err(DriverError::StoppedAtOnce("a drill".to_owned()));
        }
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            self.is_endless = true;
            return Err(DriverError::StoppedAtOnce("a drill: it goes on and on".to_owned()));
        }
        self.local.append(entry)?;
        self.record(entry);
        if let Some(strike) = self.strike.as_mut() {
            strike.see(&entry.event);
        }
        Ok(())
    }
}

/// Nobody is told, and nobody advises.
struct Nobody;

impl Reporter for Nobody {
    fn asking(&mut self, _: &View, _: &Question) {}

    fn entry(&mut self, _: &View, _: &Entry) {}
}

impl Advisor for Nobody {
    fn decide<'a>(&'a self, _: &'a View) -> LocalBoxFuture<'a, Option<EscalationVerdict>> {
        std::future::ready(None).boxed_local()
    }

    fn close<'a>(&'a self, _: &'a View) -> LocalBoxFuture<'a, Vec<CriterionResult>> {
        std::future::ready(Vec::new()).boxed_local()
    }
}

/// Somebody who approves everything, and stops where something went wrong.
struct Yes {
    clock: Arc<dyn Clock>,
    /// How long the first answer takes.
    after: Option<Duration>,
}

impl Asker for Yes {
    fn ask<'a>(&'a mut self, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, String>> {
        let choice = match asking.question {
            Question::Apply { .. }
            | Question::Irreversible { .. }
            | Question::Confirm { .. }
            | Question::Restore { .. } => Choice::Yes,
            Question::Failed { .. } | Question::Interrupted { .. } => Choice::Stop,
            Question::Doubt { .. } => Choice::No,
            Question::TookEffect { .. } => Choice::Unknown,
        };
        let visible = self.after.take().unwrap_or_default();
        async move {
            self.clock.sleep_until(later(self.clock.now(), visible)).await;
            Ok(Answer::Given { choice, by: "drill".to_owned(), reason: None, visible })
        }
        .boxed()
    }
}
