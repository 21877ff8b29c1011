//! What a drill found, for people and programs.
//!
//! [`Report`] is made of the results of all paths: a table of steps and classes of faults with the worst ending of each, the
//! worst paths in words, what no path has shown, and what is not accepted. [`text()`] is for a terminal, [`markdown()`] for a pull
//! request; serialized it is for programs.

mod advice;
mod markdown;
mod text;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::markdown::markdown;
pub use self::text::text;
use super::prepared::Prepared;
use super::result::{EndState, PathResult};
use crate::run::{TaskId, Way};
use crate::runbook::model::{DrillPolicy, FaultClass, Unacceptable};

/// How many paths are told of in words.
const WORST: usize = 5;

/// What a drill found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The runbook's name.
    pub runbook: String,
    /// How many paths there are at the steps and with the faults that were asked for; fewer may have been worked.
    pub possible: usize,
    /// Each path, in the order of the run.
    pub paths: Vec<PathResult>,
    /// The steps, in the order of the run, each forwards and back.
    #[serde(skip)]
    rows: Vec<Row>,
    /// Gates that failed on no path: whether they can is not known.
    pub gates_never_failing: Vec<TaskId>,
    /// Changes that were undone on no path.
    pub never_undone: Vec<TaskId>,
    /// How many paths end in a way that is not accepted, by its name, and at which faults.
    pub not_accepted: BTreeMap<&'static str, NotAccepted>,
    /// Steps and classes whose endings are accepted whatever they are, with the reason; also those that no path needed.
    pub excepted: Vec<Excepted>,
}

/// Paths that end in a way that is not accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotAccepted {
    /// How many.
    pub paths: usize,
    /// At which faults, each once.
    pub faults: BTreeSet<String>,
}

/// An exception of the runbook, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excepted {
    /// The step.
    pub step: String,
    /// The class of faults.
    pub fault: &'static str,
    /// Why, in the words of the runbook.
    pub reason: String,
    /// Of how many paths an ending was accepted for it.
    pub paths: usize,
}

impl Excepted {
    /// What it accepted, in a sentence.
    fn words(&self) -> String {
        let Excepted { step, fault, reason, paths } = self;
        match paths {
            0 => format!("nothing needed the exception for {fault} faults at {step} ({reason})"),
            1 => format!("1 path with {fault} faults at {step}: {reason}"),
            paths => format!("{paths} paths with {fault} faults at {step}: {reason}"),
        }
    }
}

/// A row of the table.
#[derive(Clone, Debug)]
struct Row {
    step: Option<String>,
    way: Way,
    cells: BTreeMap<FaultClass, Cell>,
}

/// All paths with one class of faults at one step.
#[derive(Clone, Debug)]
struct Cell {
    worst: EndState,
    /// Whether a probe is unhealthy at the end of one of them that was healthy before the run.
    is_unhealthy: bool,
}

/// Whether a run that got stuck comes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WayOut {
    /// `resume` or `rollback` led to an ending where nobody need act.
    Found,
    /// Neither did.
    None,
    /// Neither was tried: only some paths were worked.
    NotTried,
}

impl Report {
    /// What a drill of `prepared` found. `possible` is how many paths it could have worked.
    pub fn new(prepared: &Prepared, paths: Vec<PathResult>, possible: usize, never: &[Unacceptable]) -> Report {
        let runbook = prepared.runbook();
        let policy = DrillPolicy {
            never: runbook.drill.never.iter().chain(never).copied().collect(),
            except: runbook.drill.except.clone(),
        };
        let (gates_never_failing, never_undone) = unseen(prepared, &paths);
        let (not_accepted, excepted) = judged(&paths, &policy);
        Report {
            runbook: runbook.about.name.clone(),
            possible,
            rows: rows(prepared, &paths),
            paths,
            gates_never_failing,
            never_undone,
            not_accepted,
            excepted,
        }
    }

    /// Whether every ending is accepted.
    pub fn is_accepted(&self) -> bool {
        self.not_accepted.is_empty()
    }

    /// The classes of faults that occur, in the order of the columns.
    fn classes(&self) -> Vec<FaultClass> {
        let occurs = |class: &FaultClass| self.rows.iter().any(|row| row.cells.contains_key(class));
        FaultClass::WORDS.iter().map(|(_, class)| *class).filter(occurs).collect()
    }

    /// Whether not all paths that were asked about were worked.
    fn is_sample(&self) -> bool {
        self.paths.len() < self.possible
    }

    /// That every ending is accepted, and of how much that is said.
    fn acceptance(&self) -> &'static str {
        if self.is_sample() {
            "Every ending of this sample is accepted; the paths that were left out may end otherwise."
        } else {
            "Every ending is accepted."
        }
    }

    /// How many paths end like this.
    fn count(&self, state: EndState) -> usize {
        self.paths.iter().filter(|path| path.outcome == state).count()
    }

    /// The worst paths, one for each fault at a step: those that nobody went on with tell most.
    fn worst(&self) -> Vec<&PathResult> {
        let mut candidates: Vec<&PathResult> =
            self.paths.iter().filter(|path| path.outcome >= EndState::Stopped || !path.unhealthy.is_empty()).collect();
        candidates.sort_by_key(|path| {
            let badness = Reverse((path.outcome, !path.unhealthy.is_empty(), path.is_left_alone()));
            (badness, Reverse((path.at_last, path.took)))
        });
        let mut told = BTreeSet::new();
        candidates.retain(|path| told.insert((path.step.clone(), path.way, path.class)));
        candidates.truncate(WORST);
        candidates
    }

    /// Whether a run that met this fault here and got stuck came out of it by `resume` or `rollback`.
    fn way_out(&self, stuck: &PathResult) -> WayOut {
        let same = |path: &&PathResult| (&path.step, path.way, path.fault) == (&stuck.step, stuck.way, stuck.fault);
        let tried: Vec<_> = self.paths.iter().filter(same).filter(|path| !path.is_left_alone()).collect();
        if tried.is_empty() {
            WayOut::NotTried
        } else if tried.iter().any(|path| path.at_last < EndState::Stopped) {
            WayOut::Found
        } else {
            WayOut::None
        }
    }
}

/// What a path's ending is called where it is not accepted, and whether the policy forbids it.
fn offence(path: &PathResult, never: &[Unacceptable]) -> Option<&'static str> {
    if path.outcome == EndState::Wrong {
        return Some("wrong");
    }
    let meets = |ending: &&Unacceptable| match ending {
        // One that somebody asked for is what was wanted.
        Unacceptable::RolledBack => path.outcome == EndState::RolledBack && !path.path.asks_for_rollback(),
        Unacceptable::Paused => path.outcome == EndState::Paused,
        Unacceptable::Stopped => path.outcome == EndState::Stopped,
        Unacceptable::Stuck => path.outcome == EndState::Stuck,
        Unacceptable::Unhealthy => !path.unhealthy.is_empty(),
    };
    never.iter().find(meets).map(|ending| ending.name())
}

fn judged(paths: &[PathResult], policy: &DrillPolicy) -> (BTreeMap<&'static str, NotAccepted>, Vec<Excepted>) {
    let mut not_accepted: BTreeMap<&'static str, NotAccepted> = BTreeMap::new();
    let unused = policy.except.iter().map(|exception| Excepted {
        step: exception.step.clone(),
        fault: exception.fault.name(),
        reason: exception.reason.clone(),
        paths: 0,
    });
    let mut excepted: Vec<Excepted> = unused.collect();
    for path in paths {
        let Some(name) = offence(path, &policy.never) else { continue };
        let is_excepted = |one: &&mut Excepted| path.step.as_ref() == Some(&one.step) && path.class.name() == one.fault;
        // What rectify does wrong is no author's to accept.
        match excepted.iter_mut().find(is_excepted).filter(|_| path.outcome != EndState::Wrong) {
            Some(exception) => exception.paths += 1,
            None => {
                let of = not_accepted.entry(name).or_default();
                of.paths += 1;
                of.faults.insert(format!("{}: {}", heading(path.step.as_deref(), path.way), path.fault));
            }
        }
    }
    (not_accepted, excepted)
}

fn unseen(prepared: &Prepared, paths: &[PathResult]) -> (Vec<TaskId>, Vec<TaskId>) {
    let failed: BTreeSet<&TaskId> = paths.iter().flat_map(|path| &path.gates_failed).collect();
    let undone: BTreeSet<&TaskId> = paths.iter().flat_map(|path| &path.undone).collect();
    // Where nothing happens to gates, that none fails says nothing; the same for rollbacks.
    let has_probes = paths.iter().any(|path| path.class == FaultClass::Probes);
    let has_rollback = paths.iter().any(|path| path.path.asks_for_rollback());
    let tasks = prepared.tasks();
    let with_gate = tasks.iter().filter(|task| task.gate.is_some()).map(|task| &task.id);
    let changing = tasks.iter().filter(|task| task.change.is_some() && task.is_undone_by_rollback());
    (
        with_gate.filter(|id| has_probes && !failed.contains(id)).cloned().collect(),
        changing.map(|task| &task.id).filter(|id| has_rollback && !undone.contains(id)).cloned().collect(),
    )
}

/// A row for each step that has paths, forwards and back, in the order of the plan.
fn rows(prepared: &Prepared, paths: &[PathResult]) -> Vec<Row> {
    let mut order: Vec<Option<String>> = vec![None];
    for task in prepared.tasks() {
        let step = Some(task.id.step().to_owned());
        if !order.contains(&step) {
            order.push(step);
        }
    }
    let mut rows = Vec::new();
    for way in [Way::Apply, Way::Undo] {
        for step in &order {
            let is_of_row = |path: &&PathResult| path.way == way && path.step == *step && !path.path.is_control();
            let of_row: Vec<&PathResult> = paths.iter().filter(is_of_row).collect();
            if !of_row.is_empty() {
                rows.push(Row { step: step.clone(), way, cells: cells(&of_row) });
            }
        }
    }
    rows
}

fn cells(paths: &[&PathResult]) -> BTreeMap<FaultClass, Cell> {
    let mut cells = BTreeMap::new();
    for path in paths {
        let empty = Cell { worst: EndState::Recovered, is_unhealthy: false };
        let cell = cells.entry(path.class).or_insert(empty);
        cell.worst = cell.worst.max(path.outcome);
        cell.is_unhealthy |= !path.unhealthy.is_empty();
    }
    cells
}

/// Steps and what they do, for people: `deploy-auth`, `undo of deploy-auth`.
fn heading(step: Option<&str>, way: Way) -> String {
    match (step, way) {
        (Some(step), Way::Apply) => step.to_owned(),
        (Some(step), Way::Undo) => format!("undo of {step}"),
        (None, Way::Apply) => "between steps".to_owned(),
        (None, Way::Undo) => "between undos".to_owned(),
    }
}
