//! One process at work on one run: put together, driven, told how to go on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use super::check::runbook;
use super::cloud::{CloudTarget, Connection, Purpose, Realm, Speed, WHERE};
use super::console::Console;
use super::environment::{EnvFlags, github};
use super::escalation::EscalationAdvisor;
use super::exit::{CliError, Exit};
use super::next::{follow_ups, next, parked, recovered};
use super::plan::Given;
use super::question::Person;
use super::{Approvals, Meant};
use super::{log, telemetry};
use jiff::Timestamp;

use crate::check::Checked;
use crate::clock::{Clock as _, SystemClock};
use crate::driver::{
    Advised, Departure, DriveOutcome, DriverError, Flush, Local, ProbesInFlight, Rules, Signals, drive, leave,
};
use crate::engine::{MACHINE, Run};
use crate::external::Messages;
use crate::gate::Observation;
use crate::inert::{inert, shell_word};
use crate::journal::{Claim, Directory, Found, Journal, LockError, Locks as _, OpenError, Read, State, Taken as Held};
use crate::plan::Plan;
use crate::report::Stream;
use crate::resource::Writer;
use crate::resource::catalogued::SealedValues;
use crate::run::{Ending, Entry, Event, Operator, View, digest};

/// The files beside a run's journal.
pub(super) const PLAN: &str = "plan.json";
pub(super) const RUNBOOK: &str = "runbook.toml";

/// A run as it is kept.
pub(super) struct Kept {
    pub(super) directory: Directory,
    pub(super) plan: Plan,
}

impl Kept {
    /// The run that is meant.
    pub(super) fn find(state: &State, meant: Meant<'_>, console: Console) -> Result<Kept, CliError> {
        let directory = match meant {
            Meant::Id(beginning) => begins_with(state, beginning)?,
            Meant::Newest => newest(state, console)?,
            Meant::NewestSimulated => {
                let simulated = |run: &Directory| Realm::of(run) < Realm::Google;
                let newest = state.list().into_iter().rfind(simulated);
                newest.ok_or_else(|| CliError::new(Exit::Usage, "there are no runs on a simulated cloud"))?
            }
        };
        Kept::open(directory)
    }

    /// The run of a directory.
    pub(super) fn open(directory: Directory) -> Result<Kept, CliError> {
        let plan = directory.kept(PLAN).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        let plan = serde_json::from_slice(&plan).map_err(|error| {
            CliError::new(Exit::Failed, format!("the plan of run {} cannot be read: {error}", directory.id()))
        })?;
        Ok(Kept { directory, plan })
    }

    /// Takes the journal up, so that nobody else can.
    pub(super) fn reopen(&self) -> Result<(Journal, Read), CliError> {
        self.directory.reopen().map_err(|error| match error {
            OpenError::Held => {
                let holder = self.directory.read().ok().and_then(|read| holder(&read.entries));
                let by = holder.map(|holder| format!(" by {holder}")).unwrap_or_default();
                CliError::new(Exit::Refused, format!("run {} is being worked right now{by}", self.directory.id()))
                    .help(format!("follow it with `rectify show {}`", self.directory.id()))
            }
            error => self.unusable(&error),
        })
    }

    /// The entries of the journal, if all of it can be trusted.
    pub(super) fn read(&self) -> Result<Read, CliError> {
        self.directory.read().map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &OpenError) -> CliError {
        let trouble = CliError::from_error(Exit::Failed, error);
        match error {
            OpenError::Broken { .. } => trouble.help(format!(
                "do not go on from this record; check the cloud itself; `rectify report {0}` shows what is left of it, and \
                 `rectify unlock {0}` gives up what the run holds",
                self.directory.id()
            )),
            OpenError::Io { .. } | OpenError::Held => trouble,
        }
    }

    /// Refuses a record that is not as it was when the run began, or that this version would read differently.
    pub(super) fn must_be_unchanged(&self, entries: &[Entry]) -> Result<(), CliError> {
        let id = self.directory.id();
        let advice = "do not go on from this record; check the cloud itself";
        let Some(Event::Started { plan, text, place, machine, .. }) = entries.first().map(|entry| &entry.event) else {
            return Err(CliError::new(Exit::Failed, format!("the journal of run {id} has no beginning")));
        };
        if *machine != MACHINE {
            let message =
                format!("run {id} was made by another version of rectify (machine {machine}, this is {MACHINE})");
            return Err(CliError::new(Exit::Failed, message).help("use that version to go on with it"));
        }
        let kept = [(PLAN, Some(plan)), (RUNBOOK, Some(text)), (WHERE, place.as_ref())];
        for (file, expected) in kept.into_iter().filter_map(|(file, expected)| Some((file, expected?))) {
            let bytes = self.directory.kept(file).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
            if digest(&bytes) != *expected {
                let path = self.directory.file(file);
                let message = format!("{} was changed after the run began", path.display());
                return Err(CliError::new(Exit::Failed, message).help(advice));
            }
        }
        Ok(())
    }

    /// The run, and the view of it, as the entries leave them.
    pub(super) fn fold(&self, entries: &[Entry]) -> Result<(Run, View), CliError> {
        self.must_be_unchanged(entries)?;
        let (mut run, mut view) = (Run::new(self.plan.work()), View::new(&self.plan.work()));
        for entry in entries {
            run.apply(entry).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
            view.apply(entry);
        }
        Ok((run, view))
    }
}

/// The run whose id begins so.
pub(super) fn begins_with(state: &State, beginning: &str) -> Result<Directory, CliError> {
    let trouble = |message: String, help: String| CliError::new(Exit::Usage, message).help(help);
    match state.find(beginning) {
        Found::One(directory) => Ok(directory),
        Found::None(ids) if ids.is_empty() => Err(CliError::new(Exit::Usage, "there are no runs yet")),
        Found::None(ids) => {
            let message = match beginning {
                "" => "the id of the run is empty".to_owned(),
                beginning => format!("no run's id begins with {beginning}"),
            };
            Err(trouble(message, format!("there are {}", ids.join(", "))))
        }
        Found::Several(ids) => Err(trouble(
            "ambiguous run id: several begin like this".to_owned(),
            format!("which of {}?", ids.join(", ")),
        )),
    }
}

/// The newest run on Google; without one, on a cloud that is served; without one, the newest rehearsal. A rehearsal never
/// stands in for another run without a word.
pub(super) fn newest(state: &State, console: Console) -> Result<Directory, CliError> {
    let mut runs: Vec<(Realm, Directory)> = state.list().into_iter().map(|run| (Realm::of(&run), run)).collect();
    let Some(greatest) = runs.iter().map(|(realm, _)| *realm).max() else {
        return Err(CliError::new(Exit::Usage, "there are no runs yet"));
    };
    let newer = runs.last().filter(|(realm, _)| *realm < greatest).map(|(_, run)| run.id());
    runs.retain(|(realm, _)| *realm == greatest);
    let Some((_, run)) = runs.pop() else { return Err(CliError::new(Exit::Usage, "there are no runs yet")) };
    let id = run.id();
    match greatest {
        Realm::Google => {}
        Realm::Served => console.err(&format!("Run {id} is on a simulated cloud; there is no run on Google Cloud.\n")),
        Realm::Rehearsal => console.err(&format!("Run {id} is a rehearsal; there is no run on Google Cloud.\n")),
    }
    if let Some(newer) = newer {
        console.err(&format!("Run {id} is meant, not the newer rehearsal {newer}: name that one, or give --sim.\n"));
    }
    Ok(run)
}

/// A run that this process has taken up: nobody else can work it meanwhile.
pub(super) struct Taken {
    kept: Kept,
    journal: Journal,
    newest: Timestamp,
    pub(super) run: Run,
    view: View,
}

impl Taken {
    /// Takes up the run that is meant, as its journal leaves it.
    pub(super) fn find(state: &State, meant: Meant<'_>, console: Console) -> Result<Taken, CliError> {
        let kept = Kept::find(state, meant, console)?;
        let (journal, read) = kept.reopen()?;
        let (run, view) = kept.fold(&read.entries)?;
        torn(&read, console);
        let newest = read.entries.last().map(|entry| entry.at).unwrap_or_default();
        Ok(Taken { kept, journal, newest, run, view })
    }

    /// Its plan.
    pub(super) fn plan(&self) -> &Plan {
        &self.kept.plan
    }

    /// The time of its newest entry.
    pub(super) fn newest(&self) -> Timestamp {
        self.newest
    }

    /// Lets the simulated cloud inside this run go at another speed.
    pub(super) fn set_speed(&self, speed: Speed) -> Result<(), CliError> {
        CloudTarget::set_speed(&self.kept.directory, speed)
    }

    /// The run's id.
    pub(super) fn id(&self) -> String {
        self.kept.directory.id()
    }

    /// Works the run on: with its runbook exactly as it was used, on the cloud that it works on.
    pub(super) async fn work(
        self,
        state: &State,
        approvals: &Approvals,
        env: &EnvFlags,
        console: Console,
        first: Event,
    ) -> Result<Exit, CliError> {
        let Taken { kept: Kept { directory, plan }, mut journal, newest, mut run, view } = self;
        let text = directory.kept(RUNBOOK).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        let name = directory.file(RUNBOOK).display().to_string();
        let claim = claim(&CloudTarget::of(&directory)?, &directory.id(), &plan);
        let mode = CloudTarget::of(&directory)?.mode(Purpose::CarryOut);
        let checked = runbook(&name, &text, &Given::to_run_of(&plan).with(env).inputs(), mode, console)?;
        let connection = Connection::reopen(&directory, newest).await?;
        let equipment = Equipment::of(&connection).await?;
        // Judged before it is written: an entry that the engine rejects is never in a journal.
        let first = Entry { at: connection.clock.now(), event: first };
        run.apply(&first).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        let held = claim.map_or_else(|| Ok(Held::default()), |claim| state.hold(&claim));
        let held = held.map_err(|error| refused(state, &error))?;
        if let Err(error) = journal.append(&first) {
            // What cannot be given back now, `unlock` takes; the first error is the one to tell.
            let _ = state.give_back(held);
            return Err(CliError::from_error(Exit::Failed, &DriverError::from(error)));
        }
        let (checked, directory) = (&checked, &directory);
        let baseline = plan.baseline;
        let session =
            Session { checked, connection, directory, journal, run, view, baseline, approvals, console, events: None };
        Box::pin(session.work(state, equipment, first)).await
    }
}

/// What a run must hold, so that no other run changes it; `None` if no other run can be on its cloud.
pub(super) fn claim(place: &CloudTarget, run: &str, plan: &Plan) -> Option<Claim> {
    let changes = plan.tasks.iter().filter_map(|task| task.change.as_ref());
    let resources = changes.map(|change| change.resource.clone()).collect();
    let (run, operator, since) = (run.to_owned(), operator(), SystemClock.now());
    Some(Claim { cloud: place.lock_name()?, run, operator, since, resources })
}

/// Why a run may not work on its resources, and what to do about it.
pub(super) fn refused(state: &State, error: &LockError) -> CliError {
    let trouble = |exit| CliError::from_error(exit, error);
    match error {
        LockError::Held(holder) => {
            let run = &holder.run;
            let unlock = format!("`rectify unlock {run}` takes it from that run");
            let ended = |directory: &Directory| {
                let read = directory.read().ok();
                read.is_some_and(|read| {
                    matches!(read.entries.last().map(|entry| &entry.event), Some(Event::Ended { .. }))
                })
            };
            trouble(Exit::Refused).help(match state.run(run) {
                None => format!("there is no record of run {run} in {}; {unlock}", state.root().display()),
                Some(directory) if !directory.is_held() && ended(&directory) => {
                    format!("run {run} has ended and left its lock; {unlock}")
                }
                Some(_) => format!(
                    "let it end, or `rectify resume {run}` or `rectify rollback {run}`; if it is gone for good, `rectify unlock \
                     {run}`"
                ),
            })
        }
        LockError::Unreadable { path, .. } => trouble(Exit::Refused).help(format!(
            "see with `rectify runs` whether a run works on it; if none does, `rectify unlock {}`",
            shell_word(&path.display().to_string())
        )),
        LockError::Io { .. } => trouble(Exit::Failed).help("nothing was changed"),
    }
}

/// What it takes to carry out effects. It is got before a run holds anything: getting it may fail.
pub(super) struct Equipment {
    writer: Writer,
    signals: Signals,
}

impl Equipment {
    /// For a cloud.
    pub(super) async fn of(connection: &Connection) -> Result<Equipment, CliError> {
        let signals = Signals::listen().map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        Ok(Equipment { writer: connection.writer().await?, signals })
    }
}

/// Says that the last line of the journal does not count.
pub(super) fn torn(read: &Read, console: Console) {
    if let Some(torn) = read.torn {
        console.err(&format!(
            "The last line of the journal was never finished ({} bytes); it does not count, and nothing relied on it.\n",
            torn.bytes
        ));
    }
}

/// Who worked the run last.
pub(super) fn holder(entries: &[Entry]) -> Option<Operator> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Started { operator, .. } | Event::Resumed { operator } | Event::RollbackRequested { operator, .. } => {
            Some(operator.clone())
        }
        _ => None,
    })
}

/// Who works it now.
#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
pub(super) fn operator() -> Operator {
    let named = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let numbered = || std::fs::metadata("/proc/self").map(|process| format!("uid {}", process.uid()));
    let user = named.ok().or_else(|| numbered().ok()).unwrap_or_else(|| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    Operator { user, host: host.unwrap_or_else(|_| "unknown".to_owned()), pid: std::process::id() }
}

/// What it takes to work a run.
pub(super) struct Session<'a> {
    pub(super) checked: &'a Checked,
    pub(super) connection: Connection,
    pub(super) directory: &'a Directory,
    pub(super) journal: Journal,
    pub(super) run: Run,
    pub(super) view: View,
    /// What probes were like before the first change.
    pub(super) baseline: BTreeMap<String, Observation>,
    pub(super) approvals: &'a Approvals,
    pub(super) console: Console,
    /// Where events are written besides.
    pub(super) events: Option<Box<dyn Write>>,
}

impl Session<'_> {
    /// Works the run and says how to go on. `first` is how this process comes to the run; it is written down and applied.
    pub(super) async fn work(self, state: &State, equipment: Equipment, first: Entry) -> Result<Exit, CliError> {
        let Session { checked, connection, directory, journal, mut run, view, baseline, approvals, console, events } =
            self;
        log::keep_in(directory);
        let probes = Arc::new(connection.probes(checked.runbook()));
        let mut local = Local {
            directory: directory.clone(),
            journal,
            flush: Flush::new(),
            view,
            kinds: connection.kinds_of(checked.runbook(), directory)?,
            writer: equipment.writer,
            probes: probes.clone(),
            looks: ProbesInFlight::default(),
            clock: connection.clock.clone(),
            rules: Rules {
                yes: approvals.yes,
                acknowledged: approvals.acknowledge.iter().cloned().collect::<BTreeSet<_>>(),
                interactive: console.interactive,
            },
            advisor: Box::new(EscalationAdvisor {
                runbook: checked.runbook().clone(),
                probes: probes.clone(),
                cloud: connection.cloud.clone(),
                clock: connection.clock.clone(),
                baseline: baseline.clone(),
                since: None,
            }),
            advised: Advised::default(),
            surveyed: false,
            messages: Messages::of(checked.runbook(), github(), !connection.reaches_others()),
            asker: Box::new(Person { console, name: operator().user }),
            reporter: match events {
                Some(out) => Box::new(Stream::new(out, console.reporter())),
                None => console.reporter(),
            },
            signals: equipment.signals,
        };
        local.report(&first);
        let came = drive(&mut run, &mut local).await;
        let view = local.view.clone();
        if run.ending().is_some_and(Ending::is_whole_rollback) {
            let sealed = SealedValues::in_file(directory.file(SealedValues::FILE));
            if let Err(error) = sealed.and_then(|sealed| sealed.forget_secrets()) {
                console.err(&format!("What the run overwrote could not be removed from its directory: {error}\n"));
            }
        }
        let Departure { untold, anchored, released } = leave(local, state, &came).await;
        for problem in untold {
            console.err(&format!("The run's outcome could not be posted: {}\n", inert(&problem)));
        }
        if let Err(error) = anchored {
            console.err(&format!("The end of the journal could not be noted: {error}\n"));
        }
        connection.close().await?;
        let exit = Exit::of(&came);
        let id = directory.id();
        telemetry::export(state, &id, console).await;
        released.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        match came {
            Ok(DriveOutcome::Ended(_)) => {
                if matches!(run.ending(), Some(Ending::Done { .. })) && !console.quiet {
                    let plan = Kept::open(directory.clone())?.plan;
                    console.say(&recovered(&baseline, &view));
                    console.say(&follow_ups(&plan, &view));
                }
                console.say(&next(exit, &id, &run, Realm::of(directory), console.edge()));
            }
            Ok(DriveOutcome::Parked | DriveOutcome::Paused(_)) => {
                console.say(&parked(&id, &run, &view, console.edge()));
            }
            Err(error) => {
                let trouble = CliError::from_error(exit, &error);
                return Err(trouble.help(format!("`rectify resume {id}` observes the cloud and goes on from here")));
            }
        }
        Ok(exit)
    }
}
