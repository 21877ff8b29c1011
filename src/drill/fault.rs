//! The fault model: what goes wrong, where, and what is asked for after that.
//!
//! It is a product of three lists. The places come from a run that met no trouble; what can go wrong depends on the kind of
//! place; and whatever the run comes to then, somebody may resume it, roll it back, or do the one and then the other.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::run::{OpId, Way};
use crate::sim::fault as sim;

/// What goes wrong with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing, as a check of the drill itself.
    None,
    /// 400: the API refuses it.
    Refused,
    /// 403: the caller may not.
    Denied,
    /// 409, once: somebody else was there in the same moment.
    Conflict,
    /// 429 with `Retry-After`, twice.
    TooManyRequests,
    /// 503 with `Retry-After`, once: no answer to the write itself.
    Unavailable,
    /// The connection breaks before the API has the request.
    LostThere,
    /// The connection breaks before the answer.
    LostBack,
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
    /// Another principal changes the same fields before the write.
    ChangedBefore,
    /// Another principal changes the same fields while the operation runs.
    ChangedDuring,
    /// Another principal changes the same fields after the write.
    ChangedAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 22] = [
        Fault::None,
        Fault::Refused,
        Fault::Denied,
        Fault::Conflict,
        Fault::TooManyRequests,
        Fault::Unavailable,
        Fault::LostThere,
        Fault::LostBack,
        Fault::OperationFails,
        Fault::OperationUnclear,
        Fault::OperationUnclearDone,
        Fault::OperationHangs,
        Fault::OperationGone,
        Fault::Unauthenticated,
        Fault::UnauthenticatedMeanwhile,
        Fault::Unreachable,
        Fault::Offline,
        Fault::DeletedBefore,
        Fault::DeletedDuring,
        Fault::ChangedBefore,
        Fault::ChangedDuring,
        Fault::ChangedAfter,
    ];

    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Fault::None => "nothing",
            Fault::Refused => "refused (400)",
            Fault::Denied => "denied (403)",
            Fault::Conflict => "conflict (409)",
            Fault::TooManyRequests => "too many requests (429)",
            Fault::Unavailable => "unavailable (503)",
            Fault::LostThere => "lost on the way there",
            Fault::LostBack => "lost on the way back",
            Fault::OperationFails => "operation fails",
            Fault::OperationUnclear => "operation unclear, no effect",
            Fault::OperationUnclearDone => "operation unclear, effect",
            Fault::OperationHangs => "operation hangs",
            Fault::OperationGone => "operation not found (404)",
            Fault::Unauthenticated => "access lost (401)",
            Fault::UnauthenticatedMeanwhile => "access lost meanwhile (401)",
            Fault::Unreachable => "unreachable for a minute",
            Fault::Offline => "unreachable",
            Fault::DeletedBefore => "deleted before",
            Fault::DeletedDuring => "deleted during",
            Fault::ChangedBefore => "changed by another before",
            Fault::ChangedDuring => "changed by another during",
            Fault::ChangedAfter => "changed by another after",
        }
    }

    /// When it strikes; `None`: it strikes nothing.
    pub(super) fn moment(self) -> Option<Moment> {
        match self {
            Fault::None => None,
            Fault::UnauthenticatedMeanwhile | Fault::DeletedDuring | Fault::ChangedDuring => Some(Moment::During),
            Fault::ChangedAfter => Some(Moment::After),
            Fault::Refused
            | Fault::Denied
            | Fault::Conflict
            | Fault::TooManyRequests
            | Fault::Unavailable
            | Fault::LostThere
            | Fault::LostBack
            | Fault::OperationFails
            | Fault::OperationUnclear
            | Fault::OperationUnclearDone
            | Fault::OperationHangs
            | Fault::OperationGone
            | Fault::Unauthenticated
            | Fault::Unreachable
            | Fault::Offline
            | Fault::DeletedBefore
            | Fault::ChangedBefore => Some(Moment::Before),
        }
    }

    /// Whether somebody else changes or deletes something.
    pub(super) fn hand(self) -> Option<Hand> {
        match self {
            Fault::DeletedBefore | Fault::DeletedDuring => Some(Hand::Deletes),
            Fault::ChangedBefore | Fault::ChangedDuring | Fault::ChangedAfter => Some(Hand::Changes),
            _ => None,
        }
    }

    /// What befalls requests at this time, if that is what it is.
    pub(super) fn of_requests(self, now: Timestamp) -> Option<sim::Fault> {
        let status = |status, retry_after| sim::Kind::Status(sim::Status { status, retry_after });
        let seconds = |seconds| Some(SignedDuration::from_secs(seconds));
        let error = |code, message: &str, took_effect| {
            let operation_error = sim::ErrorBody { code, message: message.to_owned(), took_effect };
            sim::Kind::OperationError(sim::OperationError { operation_error })
        };
        let refuse = || sim::Kind::Refuse(sim::Refuse { refuse: true });
        let write = |fault, times| Some((Some("PATCH"), "*", fault, times, None));
        let any = |fault, until| Some((None, "/v*", fault, None, until));
        let minute = now.checked_add(SignedDuration::from_mins(1)).ok();
        let (method, path, fault, times, until) = match self {
            Fault::None
            | Fault::DeletedBefore
            | Fault::DeletedDuring
            | Fault::ChangedBefore
            | Fault::ChangedDuring
            | Fault::ChangedAfter => None,
            Fault::Refused => write(status(400, None), None),
            Fault::Denied => write(status(403, None), None),
            Fault::Conflict => write(status(409, None), Some(1)),
            Fault::TooManyRequests => write(status(429, seconds(7)), Some(2)),
            Fault::Unavailable => write(status(503, seconds(7)), Some(1)),
            Fault::LostThere => write(refuse(), Some(1)),
            Fault::LostBack => write(sim::Kind::Reset(sim::Reset { reset: true }), Some(1)),
            Fault::OperationFails => write(error(13, "internal error", false), Some(1)),
            Fault::OperationUnclear => write(error(4, "deadline exceeded", false), Some(1)),
            Fault::OperationUnclearDone => write(error(4, "deadline exceeded", true), Some(1)),
            Fault::OperationHangs => {
                write(sim::Kind::OperationHangs(sim::OperationHangs { operation_hangs: true }), Some(1))
            }
            Fault::OperationGone => Some((None, "*/operations/*", status(404, None), None, None)),
            Fault::Unauthenticated | Fault::UnauthenticatedMeanwhile => any(status(401, None), None),
            Fault::Unreachable => any(refuse(), minute),
            Fault::Offline => any(refuse(), None),
        }?;
        let matching = sim::Matching {
            method: method.map(str::to_owned),
            path: Some(path.to_owned()),
            host: Some(HOST.to_owned()),
        };
        Some(sim::Fault { matching, fault, times, from: None, until })
    }
}

/// The host of the APIs, as opposed to those of services.
const HOST: &str = "127.0.0.1";

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

/// What somebody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    Deletes,
    Changes,
}

/// Where something goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At a write.
    Write {
        /// The write.
        op: OpId,
        /// What goes wrong with it.
        fault: Fault,
    },
    /// The process dies once the journal has so many entries.
    Dies {
        /// How many entries it has.
        entries: usize,
        /// Whether what they lead to was done, and never written down.
        is_done: bool,
    },
    /// The process is asked to stop once the journal has so many entries.
    Stopped {
        /// How many entries it has.
        entries: usize,
    },
    /// The question that is asked after so many entries is answered only when its phase has taken longer than it may.
    Late {
        /// How many entries the journal has.
        entries: usize,
    },
}

/// What is asked for once the process of the fault has come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// `resume`.
    Resume,
    /// `rollback`.
    Rollback,
    /// `resume`, and `rollback` after that.
    Both,
}

impl Then {
    /// All of them.
    pub const ALL: [Then; 4] = [Then::Nothing, Then::Resume, Then::Rollback, Then::Both];

    /// What is asked for, one after another.
    pub(super) fn requests(self) -> &'static [Request] {
        match self {
            Then::Nothing => &[],
            Then::Resume => &[Request::Resume],
            Then::Rollback => &[Request::Rollback],
            Then::Both => &[Request::Resume, Request::Rollback],
        }
    }
}

/// How somebody takes a run up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Resume,
    Rollback,
}

/// One way through a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Which way the run goes when it meets the fault.
    pub way: Way,
    /// Where it does.
    pub place: Place,
    /// What is asked for after that.
    pub then: Then,
}

impl Path {
    /// What kind of trouble it is, in a few words.
    pub fn trouble(&self) -> &'static str {
        match &self.place {
            Place::Write { fault, .. } => fault.words(),
            Place::Dies { is_done: false, .. } => "killed after an entry",
            Place::Dies { is_done: true, .. } => "killed before an entry",
            Place::Stopped { .. } => "asked to stop",
            Place::Late { .. } => "answered late",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.way == Way::Apply { "forwards" } else { "back" };
        match &self.place {
            Place::Write { op, .. } => write!(f, "{op}: {}", self.trouble())?,
            Place::Dies { entries, .. } | Place::Stopped { entries } | Place::Late { entries } => {
                write!(f, "{way}, entry {entries}: {}", self.trouble())?;
            }
        }
        match self.then {
            Then::Nothing => Ok(()),
            Then::Resume => f.write_str(", then resumed"),
            Then::Rollback => f.write_str(", then rolled back"),
            Then::Both => f.write_str(", then resumed and rolled back"),
        }
    }
}
