//! What a runbook says of its own drill: which endings its author does not accept.

/// Faults that a reader thinks of as one: the columns of a drill's table, and what an exception of `[drill]` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultClass {
    /// The API refuses the write for good.
    Refused,
    /// The API is busy, or somebody else was there first: later it may take the write.
    Busy,
    /// The request or its answer does not arrive, or makes no sense.
    Lost,
    /// The long-running operation fails, hangs, is gone, or ends without a word about its effect.
    Operation,
    /// The credentials have run out, or nothing can be reached.
    Access,
    /// Somebody deletes what the run changes.
    Deleted,
    /// Another principal changes what the run changes.
    Changed,
    /// Probes of gates and guards see trouble, see nothing, or cannot be asked.
    Probes,
    /// The operator says no, leaves out, stops, goes back, or answers late.
    Operator,
    /// The process dies or is stopped, the disk is full, or the clock is wrong.
    Process,
}

impl FaultClass {
    /// All of them with their names, in the order of the table's columns.
    pub const WORDS: [(&str, FaultClass); 10] = [
        (FaultClass::Refused.name(), FaultClass::Refused),
        (FaultClass::Busy.name(), FaultClass::Busy),
        (FaultClass::Lost.name(), FaultClass::Lost),
        (FaultClass::Operation.name(), FaultClass::Operation),
        (FaultClass::Access.name(), FaultClass::Access),
        (FaultClass::Deleted.name(), FaultClass::Deleted),
        (FaultClass::Changed.name(), FaultClass::Changed),
        (FaultClass::Probes.name(), FaultClass::Probes),
        (FaultClass::Operator.name(), FaultClass::Operator),
        (FaultClass::Process.name(), FaultClass::Process),
    ];

    /// Its name in runbooks, flags and reports.
    pub const fn name(self) -> &'static str {
        match self {
            FaultClass::Refused => "refused",
            FaultClass::Busy => "busy",
            FaultClass::Lost => "lost",
            FaultClass::Operation => "operation",
            FaultClass::Access => "access",
            FaultClass::Deleted => "deleted",
            FaultClass::Changed => "changed",
            FaultClass::Probes => "probes",
            FaultClass::Operator => "operator",
            FaultClass::Process => "process",
        }
    }
}

/// An ending that the author of a runbook, or whoever drills it, does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unacceptable {
    /// The run rolled everything back.
    RolledBack,
    /// The run waits for somebody to take it up.
    Paused,
    /// The run ended with a part applied.
    Stopped,
    /// Only a person can go on.
    Stuck,
    /// A probe that was healthy before the run is unhealthy.
    Unhealthy,
}

impl Unacceptable {
    /// All of them with their names.
    pub const WORDS: [(&str, Unacceptable); 5] = [
        (Unacceptable::RolledBack.name(), Unacceptable::RolledBack),
        (Unacceptable::Paused.name(), Unacceptable::Paused),
        (Unacceptable::Stopped.name(), Unacceptable::Stopped),
        (Unacceptable::Stuck.name(), Unacceptable::Stuck),
        (Unacceptable::Unhealthy.name(), Unacceptable::Unhealthy),
    ];

    /// Its name in runbooks and flags.
    pub const fn name(self) -> &'static str {
        match self {
            Unacceptable::RolledBack => "rolled_back",
            Unacceptable::Paused => "paused",
            Unacceptable::Stopped => "stopped",
            Unacceptable::Stuck => "stuck",
            Unacceptable::Unhealthy => "unhealthy",
        }
    }
}

/// `[drill]`: what no path of a drill may end in. What rectify itself must never do is not up to the runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrillPolicy {
    /// Endings that are not accepted.
    pub never: Vec<Unacceptable>,
    /// Where they are accepted all the same.
    pub except: Vec<Exception>,
}

/// Faults of one class at one step, for which any ending is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The step.
    pub step: String,
    /// The class of faults.
    pub fault: FaultClass,
    /// Why, for whoever reads the drill.
    pub reason: String,
}
