//! What a run is: the vocabulary that every room shares.
//!
//! A run works through [`Task`]s. Whatever happens to it is an [`Event`]; an [`Entry`] is an event with
//! its time. The journal is a list of entries, and everything else that is known about a run — where it
//! stands ([`View`]), what it should do next (the engine) — is a fold over that list.

mod by_hand;
mod change;
mod change_status;
mod diff;
mod digest;
mod event;
mod figure;
mod id;
mod least_time;
mod name;
mod program;
mod target;
mod task;
mod verdict;
mod view;

pub use by_hand::{SecretVariables, quoted};
pub use change::{Change, Reversibility, covers, set_fields};
pub use change_status::{ChangeStatus, KeptBecause};
pub use diff::{Difference, words};
pub use digest::{Hash, digest};
pub use event::{
    Choice, Ending, Entry, Event, Failure, GateOutcome, NotRolledBack, Observations, Operator, PauseReason,
    PreconditionResult, Question, Refusal, ServiceStatus,
};
pub use figure::Figure;
pub use id::{CALL, CATALOGUED, EXISTENCE, OpId, ResourceId, RunId, Subject, TaskId, Way};
pub use least_time::least_time;
pub use name::{NameOwner, NameShape};
pub use program::{Command, HandCommands, NOT_RUN, NOT_SENT, PeerCall, Program, ROWS};
pub use target::{Elsewhere, Target};
pub use task::{
    CandidateTarget, FailurePolicy, Guard, GuardAction, MAX_AGE, Occasion, OnFailure, Preconditions, RollbackScope,
    Task, Work,
};
pub use verdict::{CriterionResult, CriterionStatus, Decision, EscalationVerdict};
pub use view::{TaskStatus, TaskView, View};
