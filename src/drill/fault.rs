//! The fault model: what goes wrong, where, and what is asked for after that.
//!
//! A path is a place, a fault, and what somebody asks for afterwards. The places come from a run that met no trouble. What can
//! go wrong depends on the kind of place: a write has faults of the API, a gate faults of its probes, a question has answers,
//! and any entry of the journal is a place at which the process can die. Each fault belongs to a [`FaultClass`], the columns of
//! the table that people read.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::run::{Choice, OpId, TaskId, Way};
use crate::runbook::model::FaultClass;
use crate::sim::fault as sim;

/// What goes wrong with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteFault {
    /// Nothing, as a check of the drill itself.
    None,
    /// 400: the API refuses it.
    Refused,
    /// 403: the caller may not.
    Denied,
    /// 404: the API does not know what is to be changed, though reads find it.
    NotFound,
    /// 409, once: somebody else was there in the same moment.
    Conflict,
    /// 412, once: the resource is not the one that was read.
    PreconditionFailed,
    /// 429 with `Retry-After`, twice.
    TooManyRequests,
    /// 503 with `Retry-After`, once: no answer to the write itself.
    Unavailable,
    /// 503 to every write from then on.
    UnavailableForGood,
    /// 500, once.
    ServerError,
    /// The connection breaks before the API has the request.
    LostThere,
    /// The connection breaks before the answer.
    LostBack,
    /// The write is carried out, and a proxy answers 200 with a page that is not of the API.
    Malformed,
    /// The write is carried out, and its answer comes 45 s later.
    Slow,
    /// The operation ends with INTERNAL and has no effect.
    OperationFails,
    /// The operation ends with DEADLINE_EXCEEDED, which says nothing of its effect; it has none.
    OperationUnclear,
    /// The same, and it took effect.
    OperationUnclearDone,
    /// The operation never ends.
    OperationHangs,
    /// The API does not know the operation any more.
    OperationGone,
    /// 401 from now on: the credentials have run out.
    Unauthenticated,
    /// 401 once the operation runs.
    UnauthenticatedMeanwhile,
    /// Nothing can be reached for a minute.
    Unreachable,
    /// Nothing can be reached any more.
    Offline,
    /// Somebody deletes the resource before the write.
    DeletedBefore,
    /// Somebody deletes the resource while the operation runs.
    DeletedDuring,
    /// Somebody deletes a revision that the write sends traffic to.
    RevisionDeleted,
    /// Another principal changes the same fields before the write.
    ChangedBefore,
    /// Another principal changes the same fields while the operation runs.
    ChangedDuring,
    /// Another principal changes the same fields after the write.
    ChangedAfter,
    /// Another principal changes other fields before the write.
    OthersChangedBefore,
    /// Another principal changes other fields while the operation runs.
    OthersChangedDuring,
}

impl WriteFault {
    /// All of them.
    pub const ALL: [WriteFault; 31] = [
        WriteFault::None,
        WriteFault::Refused,
        WriteFault::Denied,
        WriteFault::NotFound,
        WriteFault::Conflict,
        WriteFault::PreconditionFailed,
        WriteFault::TooManyRequests,
        WriteFault::Unavailable,
        WriteFault::UnavailableForGood,
        WriteFault::ServerError,
        WriteFault::LostThere,
        WriteFault::LostBack,
        WriteFault::Malformed,
        WriteFault::Slow,
        WriteFault::OperationFails,
        WriteFault::OperationUnclear,
        WriteFault::OperationUnclearDone,
        WriteFault::OperationHangs,
        WriteFault::OperationGone,
        WriteFault::Unauthenticated,
        WriteFault::UnauthenticatedMeanwhile,
        WriteFault::Unreachable,
        WriteFault::Offline,
        WriteFault::DeletedBefore,
        WriteFault::DeletedDuring,
        WriteFault::RevisionDeleted,
        WriteFault::ChangedBefore,
        WriteFault::ChangedDuring,
        WriteFault::ChangedAfter,
        WriteFault::OthersChangedBefore,
        WriteFault::OthersChangedDuring,
    ];

    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            WriteFault::None => "nothing",
            WriteFault::Refused => "refused (400)",
            WriteFault::Denied => "denied (403)",
            WriteFault::NotFound => "not found (404)",
            WriteFault::Conflict => "conflict (409)",
            WriteFault::PreconditionFailed => "precondition failed (412)",
            WriteFault::TooManyRequests => "too many requests (429)",
            WriteFault::Unavailable => "unavailable once (503)",
            WriteFault::UnavailableForGood => "unavailable (503)",
            WriteFault::ServerError => "server error (500)",
            WriteFault::LostThere => "request lost",
            WriteFault::LostBack => "answer lost",
            WriteFault::Malformed => "malformed answer",
            WriteFault::Slow => "answer takes 45 s",
            WriteFault::OperationFails => "operation fails",
            WriteFault::OperationUnclear => "operation unclear, no effect",
            WriteFault::OperationUnclearDone => "operation unclear, effect",
            WriteFault::OperationHangs => "operation hangs",
            WriteFault::OperationGone => "operation not found (404)",
            WriteFault::Unauthenticated => "access lost (401)",
            WriteFault::UnauthenticatedMeanwhile => "access lost meanwhile (401)",
            WriteFault::Unreachable => "unreachable for a minute",
            WriteFault::Offline => "unreachable",
            WriteFault::DeletedBefore => "deleted before",
            WriteFault::DeletedDuring => "deleted during",
            WriteFault::RevisionDeleted => "revision deleted before",
            WriteFault::ChangedBefore => "changed by another before",
            WriteFault::ChangedDuring => "changed by another during",
            WriteFault::ChangedAfter => "changed by another after",
            WriteFault::OthersChangedBefore => "other field changed before",
            WriteFault::OthersChangedDuring => "other field changed during",
        }
    }

    fn class(self) -> FaultClass {
        match self {
            WriteFault::None | WriteFault::Refused | WriteFault::Denied | WriteFault::NotFound => FaultClass::Refused,
            WriteFault::Conflict
            | WriteFault::PreconditionFailed
            | WriteFault::TooManyRequests
            | WriteFault::Unavailable
            | WriteFault::UnavailableForGood => FaultClass::Busy,
            WriteFault::ServerError
            | WriteFault::LostThere
            | WriteFault::LostBack
            | WriteFault::Malformed
            | WriteFault::Slow => FaultClass::Lost,
            WriteFault::OperationFails
            | WriteFault::OperationUnclear
            | WriteFault::OperationUnclearDone
            | WriteFault::OperationHangs
            | WriteFault::OperationGone => FaultClass::Operation,
            WriteFault::Unauthenticated
            | WriteFault::UnauthenticatedMeanwhile
            | WriteFault::Unreachable
            | WriteFault::Offline => FaultClass::Access,
            WriteFault::DeletedBefore | WriteFault::DeletedDuring | WriteFault::RevisionDeleted => FaultClass::Deleted,
            WriteFault::ChangedBefore
            | WriteFault::ChangedDuring
            | WriteFault::ChangedAfter
            | WriteFault::OthersChangedBefore
            | WriteFault::OthersChangedDuring => FaultClass::Changed,
        }
    }

    /// When it strikes, and what another principal does then, if it is a fault of that kind; `None`: it strikes nothing.
    pub(super) fn strikes(self) -> Option<(Moment, Option<Hand>)> {
        match self {
            WriteFault::None => None,
            WriteFault::DeletedBefore => Some((Moment::Before, Some(Hand::Deletes))),
            WriteFault::DeletedDuring => Some((Moment::During, Some(Hand::Deletes))),
            WriteFault::RevisionDeleted => Some((Moment::Before, Some(Hand::DeletesRevision))),
            WriteFault::ChangedBefore => Some((Moment::Before, Some(Hand::Changes))),
            WriteFault::ChangedDuring => Some((Moment::During, Some(Hand::Changes))),
            WriteFault::ChangedAfter => Some((Moment::After, Some(Hand::Changes))),
            WriteFault::OthersChangedBefore => Some((Moment::Before, Some(Hand::ChangesOthers))),
            WriteFault::OthersChangedDuring => Some((Moment::During, Some(Hand::ChangesOthers))),
            WriteFault::UnauthenticatedMeanwhile => Some((Moment::During, None)),
            WriteFault::Refused
            | WriteFault::Denied
            | WriteFault::NotFound
            | WriteFault::Conflict
            | WriteFault::PreconditionFailed
            | WriteFault::TooManyRequests
            | WriteFault::Unavailable
            | WriteFault::UnavailableForGood
            | WriteFault::ServerError
            | WriteFault::LostThere
            | WriteFault::LostBack
            | WriteFault::Malformed
            | WriteFault::Slow
            | WriteFault::OperationFails
            | WriteFault::OperationUnclear
            | WriteFault::OperationUnclearDone
            | WriteFault::OperationHangs
            | WriteFault::OperationGone
            | WriteFault::Unauthenticated
            | WriteFault::Unreachable
            | WriteFault::Offline => Some((Moment::Before, None)),
        }
    }

    /// What befalls requests from this time on, if that is what it is. `sent_as` is what the write is sent as.
    pub(super) fn of_requests(self, now: Timestamp, sent_as: SentAs) -> Vec<sim::Fault> {
        let status = |status, retry_after| sim::Kind::Status(sim::Status { status, retry_after });
        let seconds = |seconds| Some(SignedDuration::from_secs(seconds));
        let error = |code, message: &str, took_effect| {
            let operation_error = sim::ErrorBody { code, message: message.to_owned(), took_effect };
            sim::Kind::OperationError(sim::OperationError { operation_error })
        };
        let refuse = || sim::Kind::Refuse(sim::Refuse { refuse: true });
        let own = [sent_as.host];
        let write = |fault, times| Some((Some(sent_as.method), "*", &own[..], fault, times, None));
        let any = |fault, until| Some((None, "*", &HOSTS[..], fault, None, until));
        let minute = now.checked_add(SignedDuration::from_mins(1)).ok();
        let slow = SignedDuration::from_secs(45);
        let befallen = match self {
            WriteFault::None
            | WriteFault::DeletedBefore
            | WriteFault::DeletedDuring
            | WriteFault::RevisionDeleted
            | WriteFault::ChangedBefore
            | WriteFault::ChangedDuring
            | WriteFault::ChangedAfter
            | WriteFault::OthersChangedBefore
            | WriteFault::OthersChangedDuring => None,
            WriteFault::Refused => write(status(400, None), None),
            WriteFault::Denied => write(status(403, None), None),
            WriteFault::NotFound => write(status(404, None), None),
            WriteFault::Conflict => write(status(409, None), Some(1)),
            WriteFault::PreconditionFailed => write(status(412, None), Some(1)),
            WriteFault::TooManyRequests => write(status(429, seconds(7)), Some(2)),
            WriteFault::Unavailable => write(status(503, seconds(7)), Some(1)),
            WriteFault::UnavailableForGood => write(status(503, None), None),
            WriteFault::ServerError => write(status(500, None), Some(1)),
            WriteFault::LostThere => write(refuse(), Some(1)),
            WriteFault::LostBack => write(sim::Kind::Reset(sim::Reset { reset: true }), Some(1)),
            WriteFault::Malformed => write(sim::Kind::Garble(sim::Garble { garble: true }), Some(1)),
            WriteFault::Slow => write(sim::Kind::Latency(sim::Latency { latency: slow }), Some(1)),
            WriteFault::OperationFails => write(error(13, "internal error", false), Some(1)),
            WriteFault::OperationUnclear => write(error(4, "deadline exceeded", false), Some(1)),
            WriteFault::OperationUnclearDone => write(error(4, "deadline exceeded", true), Some(1)),
            WriteFault::OperationHangs => {
                write(sim::Kind::OperationHangs(sim::OperationHangs { operation_hangs: true }), Some(1))
            }
            WriteFault::OperationGone => Some((None, "*/operations/*", &HOSTS[..], status(404, None), None, None)),
            WriteFault::Unauthenticated | WriteFault::UnauthenticatedMeanwhile => any(status(401, None), None),
            WriteFault::Unreachable => any(refuse(), minute),
            WriteFault::Offline => any(refuse(), None),
        };
        let Some((method, path, hosts, fault, times, until)) = befallen else { return Vec::new() };
        let at = |host: &&str| {
            let (method, path, host) = (method.map(str::to_owned), Some(path.to_owned()), Some((*host).to_owned()));
            let matching = sim::Matching { method, path, host };
            sim::Fault { matching, fault: fault.clone(), times, from: None, until }
        };
        hosts.iter().map(at).collect()
    }
}

/// What a write is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SentAs {
    /// Its HTTP method.
    pub(super) method: &'static str,
    /// The host that it is sent to, in which `*` stands for anything.
    pub(super) host: &'static str,
}

impl SentAs {
    /// Kinds of resource that are not named as the catalog does are all patched.
    pub(super) const PATCH: SentAs = SentAs { method: "PATCH", host: HOSTS[0] };

    /// A request about a resource that is named as the catalog does. What only asks is a GET.
    pub(super) fn catalogued(method: &'static str) -> SentAs {
        SentAs { method, host: HOSTS[1] }
    }
}

/// The hosts of the APIs, as opposed to those of services: the simulated cloud's own, and Google's, by which requests of the catalog go
/// to it.
const HOSTS: [&str; 2] = ["127.0.0.1", "*.googleapis.com"];

/// When a fault strikes a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It is announced, and not sent.
    Before,
    /// Its operation runs.
    During,
    /// It took effect.
    After,
}

/// What another principal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    Deletes,
    DeletesRevision,
    Changes,
    ChangesOthers,
}

/// What the probes of an open gate, or the probe of a guard, see instead of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeFault {
    /// Trouble, each time.
    Unhealthy,
    /// Trouble each second time, and otherwise what is there.
    Flapping,
    /// Nothing: the peer cannot be asked.
    Unknown,
    /// The probe itself does not work.
    Broken,
}

impl ProbeFault {
    /// All of them.
    pub const ALL: [ProbeFault; 4] =
        [ProbeFault::Unhealthy, ProbeFault::Flapping, ProbeFault::Unknown, ProbeFault::Broken];

    fn words(self, watcher: Watcher) -> &'static str {
        match (watcher, self) {
            (Watcher::Gate, ProbeFault::Unhealthy) => "gate stays unhealthy",
            (Watcher::Gate, ProbeFault::Flapping) => "gate flaps",
            (Watcher::Gate, ProbeFault::Unknown) => "gate sees nothing",
            (Watcher::Gate, ProbeFault::Broken) => "gate's probe is broken",
            (Watcher::Guard, ProbeFault::Unhealthy) => "guard sees trouble",
            (Watcher::Guard, ProbeFault::Flapping) => "guard flaps",
            (Watcher::Guard, ProbeFault::Unknown) => "guard sees nothing",
            (Watcher::Guard, ProbeFault::Broken) => "guard's probe is broken",
        }
    }
}

/// Whose probes see something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watcher {
    Gate,
    Guard,
}

/// What happens to the process or to the machine that it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcessFault {
    /// It dies right after the entry.
    KilledAfter,
    /// It dies before it writes the next entry; what leads to that is done.
    KilledBefore,
    /// It is asked to stop.
    Stopped,
    /// Nothing more can be written to the disk.
    DiskFull,
    /// The machine's clock is set back by ten minutes.
    ClockSetBack,
}

impl ProcessFault {
    /// All of them.
    pub const ALL: [ProcessFault; 5] = [
        ProcessFault::KilledAfter,
        ProcessFault::KilledBefore,
        ProcessFault::Stopped,
        ProcessFault::DiskFull,
        ProcessFault::ClockSetBack,
    ];

    fn words(self) -> &'static str {
        match self {
            ProcessFault::KilledAfter => "killed after an entry",
            ProcessFault::KilledBefore => "killed before an entry",
            ProcessFault::Stopped => "asked to stop",
            ProcessFault::DiskFull => "disk full",
            ProcessFault::ClockSetBack => "clock set back 10 min",
        }
    }
}

/// Where something goes wrong, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At a write.
    Write {
        /// The write.
        op: OpId,
        /// What goes wrong with it.
        fault: WriteFault,
    },
    /// From the opening of a gate until it has its verdict.
    Gate {
        /// The task whose gate it is.
        task: TaskId,
        /// How many entries the journal has once the gate is open.
        entries: usize,
        /// What its probes see.
        fault: ProbeFault,
    },
    /// From a guard's first sample on.
    Guard {
        /// The guard's probe.
        probe: String,
        /// How many entries the journal has right before that.
        entries: usize,
        /// What it sees.
        fault: ProbeFault,
    },
    /// The question that is asked after so many entries is answered like this.
    Answer {
        /// How many entries the journal has.
        entries: usize,
        /// What the operator says.
        choice: Choice,
    },
    /// The question that is asked after so many entries is answered only when its phase has taken longer than it may.
    Late {
        /// How many entries the journal has.
        entries: usize,
    },
    /// At the process, once the journal has so many entries.
    Process {
        /// How many entries it has.
        entries: usize,
        /// What happens.
        fault: ProcessFault,
    },
}

/// What is asked for once the process of the fault has come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// `resume`.
    Resume,
    /// `resume`, fifteen hours later.
    ResumeTomorrow,
    /// `rollback`.
    Rollback,
    /// `rollback`, and once more.
    RollbackTwice,
    /// `resume`, and `rollback` after that.
    Both,
}

impl Then {
    /// All of them.
    pub const ALL: [Then; 6] =
        [Then::Nothing, Then::Resume, Then::ResumeTomorrow, Then::Rollback, Then::RollbackTwice, Then::Both];

    /// What may be asked of a run that met a fault and came to rest by itself.
    pub(super) const AFTER_A_FAULT: &[Then] = &[Then::Nothing, Then::Resume, Then::Rollback, Then::Both];

    /// What may be asked of a run whose process is gone: nothing else follows by itself.
    pub(super) const TAKEN_UP: &[Then] = &[Then::Resume, Then::ResumeTomorrow, Then::Rollback, Then::RollbackTwice];

    /// What is asked for, one after another.
    pub(super) fn requests(self) -> &'static [Request] {
        match self {
            Then::Nothing => &[],
            Then::Resume => &[Request::Resume],
            Then::ResumeTomorrow => &[Request::ResumeTomorrow],
            Then::Rollback => &[Request::Rollback],
            Then::RollbackTwice => &[Request::Rollback, Request::Rollback],
            Then::Both => &[Request::Resume, Request::Rollback],
        }
    }

    /// In a few words, after what went wrong; nothing for nothing.
    pub fn words(self) -> &'static str {
        match self {
            Then::Nothing => "",
            Then::Resume => "then resumed",
            Then::ResumeTomorrow => "then resumed 15 h later",
            Then::Rollback => "then rolled back",
            Then::RollbackTwice => "then rolled back twice",
            Then::Both => "then resumed and rolled back",
        }
    }
}

/// How somebody takes a run up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Resume,
    ResumeTomorrow,
    Rollback,
}

/// One way through a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The step at which the fault strikes; `None`: before the first or after the last.
    pub step: Option<String>,
    /// Which way the run goes when it meets the fault.
    pub way: Way,
    /// Where it does.
    pub place: Place,
    /// What is asked for after that.
    pub then: Then,
}

impl Path {
    /// What goes wrong, in a few words.
    pub fn fault(&self) -> &'static str {
        match &self.place {
            Place::Write { fault, .. } => fault.words(),
            Place::Gate { fault, .. } => fault.words(Watcher::Gate),
            Place::Guard { fault, .. } => fault.words(Watcher::Guard),
            Place::Answer { choice, .. } => match choice {
                Choice::Yes => "operator says yes",
                Choice::No => "operator says no",
                Choice::Retry => "operator tries again",
                Choice::Continue => "operator goes on",
                Choice::Stop => "operator stops",
                Choice::Rollback => "operator rolls back",
                Choice::Skip => "operator skips",
                Choice::AllInPhase => "operator approves the phase",
                Choice::Unknown => "operator does not know",
            },
            Place::Late { .. } => "answered late",
            Place::Process { fault, .. } => fault.words(),
        }
    }

    /// Whether nothing goes wrong: it is worked to see that the drill itself does no harm.
    pub fn is_control(&self) -> bool {
        matches!(self.place, Place::Write { fault: WriteFault::None, .. })
    }

    /// Whether somebody asks for a rollback on this path, so that one is what was wanted.
    pub fn asks_for_rollback(&self) -> bool {
        let is_answered = matches!(self.place, Place::Answer { choice: Choice::Rollback, .. });
        self.way == Way::Undo || is_answered || self.then.requests().contains(&Request::Rollback)
    }

    /// Whether the same goes wrong at the same place on another path.
    pub fn is_alternative_of(&self, other: &Path) -> bool {
        (self.way, &self.place) == (other.way, &other.place)
    }

    /// The class of what goes wrong.
    pub fn class(&self) -> FaultClass {
        match &self.place {
            Place::Write { fault, .. } => fault.class(),
            Place::Gate { .. } | Place::Guard { .. } => FaultClass::Probes,
            Place::Answer { .. } | Place::Late { .. } => FaultClass::Operator,
            Place::Process { .. } => FaultClass::Process,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.way == Way::Apply { "forwards" } else { "back" };
        match &self.place {
            Place::Write { op, .. } => write!(f, "{op}: {}", self.fault())?,
            Place::Gate { task, .. } => write!(f, "{way}, gate of {task}: {}", self.fault())?,
            Place::Guard { probe, .. } => write!(f, "{way}, guard {probe}: {}", self.fault())?,
            Place::Answer { entries, .. } | Place::Late { entries } | Place::Process { entries, .. } => {
                write!(f, "{way}, entry {entries}: {}", self.fault())?;
            }
        }
        match self.then.words() {
            "" => Ok(()),
            then => write!(f, ", {then}"),
        }
    }
}
