//! What a run is: the vocabulary that every room shares.
//!
//! A run works through [`Task`]s. Whatever happens to it is an [`Event`]; an [`Entry`] is an event with
//! its time. The journal is a list of entries, and everything else that is known about a run — where it
//! stands ([`View`]), what it should do next (the engine) — is a fold over that list.

mod change;
mod diff;
mod digest;
mod event;
mod figure;
mod id;
mod task;
mod verdict;
mod view;

pub use change::{Change, Reversibility, covers};
pub use diff::{Difference, words};
pub use digest::{Hash, digest};
pub use event::{
    Choice, Ending, Entry, Event, Failure, Findings, GateOutcome, Left, Operator, Question, Refusal, Requirement,
};
pub use figure::Figure;
pub use id::{OpId, ResourceId, RunId, TaskId, Way};
pub use task::{Aside, Evidence, Guard, OnFailure, Scope, Task, Trip, Work};
pub use verdict::{Decision, Judged, Stands, Verdict};
pub use view::{Standing, TaskView, View};
