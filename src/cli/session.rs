//! One process at work on one run: put together, driven, told how to go on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use super::Approvals;
use super::check::runbook;
use super::cloud::{Connection, Speed, Where};
use super::console::{Console, Person};
use super::environment::github;
use super::escalation::Grounds;
use super::exit::{Exit, Trouble};
use super::{log, telemetry};
use jiff::Timestamp;

use crate::action::Messages;
use crate::check::Checked;
use crate::driver::{Advised, Came, Local, Looks, Rules, Signals, drive};
use crate::engine::{MACHINE, Run};
use crate::gate::Observation;
use crate::inert::inert;
use crate::journal::{Directory, Found, Journal, LockError, Locks as _, OpenError, Read, State};
use crate::plan::Plan;
use crate::report::Stream;
use crate::run::{Ending, Entry, Event, OpId, Operator, ResourceId, View, digest};

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
    pub(super) fn find(state: &State, which: Option<&str>) -> Result<Kept, Trouble> {
        let directory = match state.find(which) {
            Found::One(directory) => directory,
            Found::None(ids) if ids.is_empty() => {
                return Err(Trouble::new(Exit::Usage, "there are no runs yet"));
            }
            Found::None(ids) => {
                let which = which.unwrap_or_default();
                return Err(Trouble::new(Exit::Usage, format!("no run's id begins with {which}"))
                    .help(format!("there are {}", ids.join(", "))));
            }
            Found::Several(ids) => {
                return Err(Trouble::new(Exit::Usage, "several runs' ids begin so")
                    .help(format!("which of {}?", ids.join(", "))));
            }
        };
        let plan = directory.kept(PLAN).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
        let plan = serde_json::from_slice(&plan).map_err(|error| {
            Trouble::new(Exit::Failed, format!("the plan of run {} cannot be read: {error}", directory.id()))
        })?;
        Ok(Kept { directory, plan })
    }

    /// Takes the journal up, so that nobody else can.
    pub(super) fn reopen(&self) -> Result<(Journal, Read), Trouble> {
        self.directory.reopen().map_err(|error| match error {
            OpenError::Held => {
                let holder = self.directory.read().ok().and_then(|read| holder(&read.entries));
                let by = holder.map(|holder| format!(" by {holder}")).unwrap_or_default();
                Trouble::new(Exit::Refused, format!("run {} is being worked right now{by}", self.directory.id()))
                    .help(format!("follow it with `rectify show {}`", self.directory.id()))
            }
            error => Trouble::from_error(Exit::Failed, &error),
        })
    }

    /// Refuses a record that is not as it was when the run began, or that this version would read differently.
    pub(super) fn must_be_unchanged(&self, entries: &[Entry]) -> Result<(), Trouble> {
        let id = self.directory.id();
        let advice = "do not go on from this record; look at the cloud itself";
        let Some(Event::Started { plan, text, machine, .. }) = entries.first().map(|entry| &entry.event) else {
            return Err(Trouble::new(Exit::Failed, format!("the journal of run {id} has no beginning")));
        };
        if *machine != MACHINE {
            let message =
                format!("run {id} was made by another version of rectify (machine {machine}, this is {MACHINE})");
            return Err(Trouble::new(Exit::Failed, message).help("use that version to go on with it"));
        }
        for (file, expected) in [(PLAN, plan), (RUNBOOK, text)] {
            let bytes = self.directory.kept(file).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
            if digest(&bytes) != *expected {
                let path = self.directory.file(file);
                let message = format!("{} was changed after the run began", path.display());
                return Err(Trouble::new(Exit::Failed, message).help(advice));
            }
        }
        Ok(())
    }

    /// The run, and the view of it, as the entries leave them.
    pub(super) fn fold(&self, entries: &[Entry]) -> Result<(Run, View), Trouble> {
        self.must_be_unchanged(entries)?;
        let (mut run, mut view) = (Run::new(self.plan.work()), View::new(&self.plan.work()));
        for entry in entries {
            run.apply(entry).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
            view.apply(entry);
        }
        Ok((run, view))
    }
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
    pub(super) fn find(state: &State, which: Option<&str>, console: Console) -> Result<Taken, Trouble> {
        let kept = Kept::find(state, which)?;
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
    pub(super) fn set_speed(&self, speed: Speed) -> Result<(), Trouble> {
        Where::set_speed(&self.kept.directory, speed)
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
        console: Console,
        first: Event,
    ) -> Result<Exit, Trouble> {
        let Taken { kept: Kept { directory, plan }, journal, newest, run, view } = self;
        let text = directory.kept(RUNBOOK).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
        let name = directory.file(RUNBOOK).display().to_string();
        hold(state, &directory.id(), &plan, newest)?;
        let checked = runbook(&name, &text, plan.inputs, Where::of(&directory)?.mode(), console)?;
        let connection = Connection::reopen(&directory, newest).await?;
        let (checked, directory) = (&checked, &directory);
        let baseline = plan.baseline;
        let session =
            Session { checked, connection, directory, journal, run, view, baseline, approvals, console, events: None };
        Box::pin(session.work(state, first)).await
    }
}

/// Holds what a plan changes, so that no other run does.
pub(super) fn hold(state: &State, run: &str, plan: &Plan, now: Timestamp) -> Result<(), Trouble> {
    let changes = plan.tasks.iter().filter_map(|task| task.change.as_ref());
    let all: BTreeSet<ResourceId> = changes.map(|change| change.resource.clone()).collect();
    let all: Vec<ResourceId> = all.into_iter().collect();
    state.hold(run, &operator(), now, &all).map_err(|error| match error {
        LockError::Held(holder) => Trouble::new(Exit::Refused, LockError::Held(holder.clone()).to_string()).help(format!(
            "let it end, or `rectify resume {0}` or `rectify rollback {0}`; if it is gone for good, `rectify unlock {0}`",
            holder.run
        )),
        error @ LockError::Io { .. } => Trouble::from_error(Exit::Failed, &error),
    })
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
        Event::Started { operator, .. } | Event::Resumed { operator } | Event::RollbackAsked { operator, .. } => {
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
    /// Writes down how this process comes to the run, works it, and says how to go on.
    pub(super) async fn work(self, state: &State, first: Event) -> Result<Exit, Trouble> {
        let Session { checked, connection, directory, journal, mut run, view, baseline, approvals, console, events } =
            self;
        let failed = |error: &dyn std::error::Error| Trouble::from_error(Exit::Failed, error);
        log::keep_in(directory);
        let probes = Arc::new(connection.probes(checked.runbook()));
        let mut local = Local {
            directory: directory.clone(),
            journal,
            view,
            kinds: connection.kinds_of(checked.runbook(), directory),
            writer: connection.writer().await?,
            probes: probes.clone(),
            looks: Looks::default(),
            clock: connection.clock.clone(),
            rules: Rules {
                yes: approvals.yes,
                acknowledged: approvals.acknowledge.iter().cloned().collect::<BTreeSet<_>>(),
                interactive: console.interactive,
                phases: BTreeMap::new(),
            },
            advisor: Box::new(Grounds {
                runbook: checked.runbook().clone(),
                probes: probes.clone(),
                cloud: connection.cloud.clone(),
                clock: connection.clock.clone(),
                baseline,
                since: None,
            }),
            advised: Advised::default(),
            messages: Messages::of(checked.runbook(), github(), !connection.reaches_others()),
            asker: Box::new(Person { console, name: operator().user }),
            reporter: match events {
                Some(out) => Box::new(Stream::new(out, console.reporter())),
                None => console.reporter(),
            },
            signals: Signals::listen().map_err(|error| failed(&error))?,
        };
        let entry = local.record(first).map_err(|error| failed(&error))?;
        run.apply(&entry).map_err(|error| failed(&error))?;
        let came = drive(&mut run, &mut local).await;
        if let Ok(Came::Ended(_)) = &came {
            for problem in local.conclude().await {
                console.err(&format!("What has come of this run was not told elsewhere: {}\n", inert(&problem)));
            }
        }
        drop(local);
        connection.close().await?;
        let exit = Exit::of(&came);
        let id = directory.id();
        telemetry::export(state, &id, console).await;
        // A run that has ended holds nothing any more; one that is parked or was killed does.
        if let Ok(Came::Ended(_)) = &came {
            state.release(&id).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
        }
        match came {
            Ok(Came::Ended(_)) => console.out(&next(exit, &id, &run)),
            Ok(Came::Parked) => console.out(&parked(&id, &run)),
            Err(error) => {
                let trouble = Trouble::from_error(exit, &error);
                return Err(trouble.help(format!("`rectify resume {id}` looks at the cloud and goes on from here")));
            }
        }
        Ok(exit)
    }
}

/// What can be done with a run that ended so.
fn next(exit: Exit, id: &str, run: &Run) -> String {
    let undo = run.undo().iter().filter(|(task, _)| task.back_for.is_none()).count();
    let mut lines = match exit {
        Exit::Stuck => vec![format!("rectify rollback {id}   tries again what could not be undone")],
        Exit::Refused => vec![
            "rectify run FILE          plans anew from what is there now".to_owned(),
            format!("rectify resume {id}     goes on once it is again as the plan saw it"),
        ],
        Exit::Failed if matches!(run.ending(), Some(Ending::Stopped { .. })) => {
            vec![format!("rectify resume {id}     tries again and goes on from here")]
        }
        Exit::Declined => vec![format!("rectify resume {id}     asks again and goes on from here")],
        _ => Vec::new(),
    };
    if undo > 0 && exit != Exit::Stuck {
        let changes =
            if undo == 1 { "the 1 change that is".to_owned() } else { format!("the {undo} changes that are") };
        lines.push(format!("rectify rollback {id}   undoes {changes} in force"));
    }
    lines.push(format!("rectify show {id}       tells this run again"));
    format!("\n{}\n", lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))
}

fn parked(id: &str, run: &Run) -> String {
    let told = |op: &OpId| format!("\n{op} goes on in the cloud meanwhile.");
    let flight = run.in_flight().iter().map(told).collect::<Vec<_>>().concat();
    format!(
        "\nStopped where it was; everything is written down.{flight}\n\n  rectify resume {id}     goes on from here\n  rectify rollback {id}   undoes what was applied\n"
    )
}
