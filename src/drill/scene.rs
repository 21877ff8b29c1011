//! A run, its simulated cloud and its record, as one process after another finds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::bench::{Bench, Stage};
use super::course::{After, PathOutcome, Rest, Serving};
use super::elsewhere::Others;
use super::fault::Request;
use super::oracle::{Facts, Foreign, judge};
use super::prepared::{DrillError, Left, Prepared, Recording};
use super::process::{Blinded, MOST_ENTRIES, Machine, Process, Strike};
use super::skew::Behind;
use super::stand_in::{self, Nobody};
use crate::clock::Clock;
use crate::driver::{Advised, DriverError, Flush, Local, ProbesInFlight, Rules, Signals, drive, leave, shares};
use crate::engine::{MACHINE, Run};
use crate::external::{self, Conduct, Github, Messages, Peers, Programs};
use crate::journal::{Claim, Directory, Journal, Locks as _, OpenError, Start, State};
use crate::resource::Observable as _;
use crate::resource::catalogued::SealedValues;
use crate::resource::traffic::Traffic;
use crate::run::{Choice, Ending, Entry, Event, Operator, ResourceId, RunId, View, digest};
use crate::sim::World;

/// How long a process works at most, by this machine's clock.
const PATIENCE: Duration = Duration::from_mins(2);
/// The cloud's name in locks.
const CLOUD: &str = "drill";
/// How far a clock is behind that was set back.
pub(super) const BEHIND: Duration = Duration::from_mins(10);
/// How much later tomorrow morning is.
const NIGHT: SignedDuration = SignedDuration::from_hours(15);

/// Where a path begins.
pub(super) enum Fork<'a> {
    Beginning(Box<World>),
    At { recording: &'a Recording, entries: usize },
}

/// How a process comes to the run.
#[derive(Clone, Copy)]
pub(super) enum Comes {
    /// It has begun it just now.
    Begins,
    /// It is at work on it.
    GoesOn,
    /// It takes it up.
    Asks(Request),
}

/// Whether somebody can be asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operators {
    /// Nobody: everything was approved beforehand.
    Absent,
    /// Somebody says yes at once.
    Present,
    /// Somebody says yes, and takes longer for the first answer than the phase may.
    Late,
    /// Somebody answers the first question like this, and says yes after that.
    Saying(Choice),
}

/// A run, its cloud and its record.
pub(super) struct Scene<'a> {
    of: &'a Prepared,
    pub(super) bench: Stage,
    /// Removed with all that is in it once the path is worked.
    _folder: tempfile::TempDir,
    state: State,
    directory: Directory,
    /// Held by the process at work; `None` between two.
    pub(super) journal: Option<Journal>,
    run: Run,
    view: View,
    pub(super) recording: Option<Recording>,
    pub(super) strike: Option<Strike>,
    pub(super) blinded: Option<Blinded>,
    pub(super) machine: Machine,
    /// Whether the process is asked to stop as soon as it is at work.
    pub(super) stops: bool,
    /// How far the machine's clock is behind the cloud's.
    pub(super) behind: Duration,
    foreign: Option<Foreign>,
    others: Option<Others>,
}

fn operator() -> Operator {
    Operator { user: "drill".to_owned(), host: "localhost".to_owned(), pid: std::process::id() }
}

impl<'a> Scene<'a> {
    pub(super) fn begin(of: &'a Prepared, bench: &Bench, fork: Fork<'_>) -> Result<Scene<'a>, DrillError> {
        let (Left { world, sealed }, entries) = match fork {
            Fork::Beginning(world) => {
                let started = of.started(world.now())?;
                (Left { world: *world, sealed: None }, vec![started])
            }
            Fork::At { recording, entries } => {
                let place = entries.saturating_sub(1);
                let left = recording.left.get(place).cloned().flatten().map(Arc::unwrap_or_clone);
                let left = left.ok_or_else(|| DrillError::Trouble(format!("no entry {entries}")))?;
                (left, recording.entries.iter().take(entries).cloned().collect())
            }
        };
        let not_before = entries.last().map(|entry| entry.at).unwrap_or_default();
        let bench = bench.stage(of.checked.runbook(), world, not_before);
        let folder =
            tempfile::tempdir_in(&of.folder).map_err(|source| OpenError::Io { path: of.folder.clone(), source })?;
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
        // What the run kept by then is there for whoever goes on with it.
        if let Some(sealed) = sealed {
            let path = directory.file(SealedValues::FILE);
            std::fs::write(&path, sealed).map_err(|source| OpenError::Io { path, source })?;
        }
        let (run, view) = of.fold(&entries).map_err(DrillError::Trouble)?;
        Ok(Scene {
            of,
            bench,
            _folder: folder,
            state,
            directory,
            journal: Some(journal),
            run,
            view,
            recording: None,
            strike: None,
            blinded: None,
            machine: Machine::Works,
            stops: false,
            behind: Duration::ZERO,
            foreign: None,
            others: None,
        })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.run.ending().is_some()
    }

    /// Whether there is nothing to go on with.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.run.ending(), Some(Ending::Done { .. } | Ending::RolledBack { .. }))
    }

    pub(super) fn may_ask(&self, request: Request) -> bool {
        let entry = Entry { at: self.clock().now(), event: event(request) };
        self.run.clone().apply(&entry).is_ok()
    }

    /// The machine's clock.
    fn clock(&self) -> Arc<dyn Clock> {
        if self.behind.is_zero() {
            return self.bench.clock.clone();
        }
        Arc::new(Behind::new(self.bench.clock.clone(), self.behind))
    }

    /// What is written down.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, String> {
        self.directory.read().map(|read| read.entries).map_err(|error| error.to_string())
    }

    /// One process, from its beginning to its end.
    pub(super) async fn work(&mut self, comes: Comes, operators: Operators) -> Rest {
        if matches!(comes, Comes::Asks(Request::ResumeTomorrow)) {
            self.bench.simulator.advance(NIGHT);
        }
        let came = Box::pin(self.process(comes, operators)).await;
        let entries = self.entries().map(|entries| entries.len()).unwrap_or_default();
        let rest = |came, exit| Rest { came, exit, entries, after: None };
        let came = match came {
            Ok(came) => came,
            Err(why) => return rest(PathOutcome::Lost(why), None),
        };
        let exit = (self.of.exit)(&came);
        match came {
            Ok(came) => rest(PathOutcome::Driven(came), Some(exit)),
            Err(DriverError::StoppedAtOnce(_)) => rest(PathOutcome::Killed, None),
            Err(DriverError::Journal(OpenError::Io { .. })) if self.machine == Machine::IsFull => {
                rest(PathOutcome::OutOfSpace, None)
            }
            Err(error) => rest(PathOutcome::Lost(chain(&error)), Some(exit)),
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
                let entry = Entry { at: self.clock().now(), event: event(request) };
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
            blinded: &mut self.blinded,
            foreign: &mut self.foreign,
            others: &mut self.others,
            machine: self.machine,
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
        let (runbook, bench, clock) = (self.of.checked.runbook(), &self.bench, self.clock());
        let programs = Programs::of(runbook, clock.clone(), None, Conduct::LeaveOut);
        // One that cannot be read has nothing to tell: what needs it fails, and the drill says so.
        let sealed = SealedValues::in_file(self.directory.file(SealedValues::FILE)).unwrap_or_default();
        let peers = Peers { route: bench.route.clone(), clock: clock.clone(), run: self.directory.id() };
        let kinds = external::kinds(runbook, &bench.cloud, programs, sealed, peers);
        let budget = self.of.plan.phases.iter().filter_map(|phase| phase.budget).max().unwrap_or_default();
        Local {
            directory: self.directory.clone(),
            journal,
            flush: Flush::new(),
            view: self.view.clone(),
            kinds: Arc::new(kinds),
            writer: bench.writer.clone(),
            probes: bench.probes.clone(),
            looks: ProbesInFlight::default(),
            clock: clock.clone(),
            rules: match operators {
                Operators::Absent => Rules { yes: true, acknowledged: self.of.steps(), interactive: false },
                Operators::Present | Operators::Late | Operators::Saying(_) => {
                    Rules { yes: false, acknowledged: BTreeSet::new(), interactive: true }
                }
            },
            messages: Messages::of(runbook, Github::default(), true),
            advisor: Box::new(Nobody),
            advised: Advised::default(),
            surveyed: false,
            asker: Box::new(stand_in::Operator {
                clock,
                denied: BTreeSet::new(),
                first_after: (operators == Operators::Late).then(|| later_than(budget)),
                first: match operators {
                    Operators::Saying(choice) => Some(choice),
                    Operators::Absent | Operators::Present | Operators::Late => None,
                },
            }),
            reporter: Box::new(Nobody),
            signals,
        }
    }

    /// Compares what the run claims with what is so.
    pub(super) async fn judge(&self, rest: &Rest) -> (Vec<String>, Option<After>) {
        let (entries, mut wrong) = match self.entries() {
            Ok(entries) => (entries, Vec::new()),
            Err(why) => (Vec::new(), vec![format!("its journal cannot be read: {why}")]),
        };
        let (run, view) = match self.of.fold(&entries) {
            Ok(folded) => folded,
            Err(why) => {
                wrong.push(format!("its journal cannot be folded: {why}"));
                return (wrong, None);
            }
        };
        let mut facts = Facts {
            tasks: &self.of.plan.work().tasks,
            run: &run,
            view: &view,
            entries: &entries,
            rest,
            seen: std::collections::BTreeMap::new(),
            busy: BTreeSet::new(),
            requests: self.bench.simulator.requests(),
            foreign: self.foreign.as_ref(),
            fault: self.strike.as_ref().map(|strike| strike.fault),
            blinded: self.blinded.as_ref().and_then(Blinded::sees_nothing_healthy_of),
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
        if let Some(others) = &self.others {
            wrong.extend(others.overwritten(&self.bench).await);
        }
        let serving = serving(&facts.seen);
        (wrong, Some(After { view, serving }))
    }
}

/// What the traffic of each Cloud Run service is led to.
fn serving(seen: &BTreeMap<ResourceId, Option<serde_json::Value>>) -> Serving {
    let services = seen.iter().filter(|(id, _)| id.kind == Traffic::NAME);
    services.map(|(id, state)| (id.name.clone(), state.as_ref().map(shares))).collect()
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
        Request::Resume | Request::ResumeTomorrow => Event::Resumed { operator: operator() },
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
