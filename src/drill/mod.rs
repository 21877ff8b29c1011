//! Drills: every way in which a run can go wrong, tried on a simulated cloud, and judged.
//!
//! A drill takes a runbook and a scenario. It carries the run out once without trouble, forwards and back, and keeps after
//! each entry of its journal what the cloud was like. From each write, each entry and each question of these two it then
//! forks the paths of the [fault model](fault): something goes wrong there, and after that the run is left alone, resumed,
//! rolled back, or both. The engine, the driver, the journal and the clients are the real ones, in this process; only the
//! cloud is simulated, and it is reached over a socket as Google would be.
//!
//! At the end of each path the [oracle] compares the cloud, and what it was asked, with everything that the run claims. See
//! `docs/fault-model.md`.

mod bench;
mod course;
mod elsewhere;
pub mod fault;
pub mod oracle;
mod prepared;
mod process;
mod report;
mod result;
mod scene;
mod skew;
mod stand_in;
mod sweep;

pub use bench::Bench;
pub use course::{Outcome, PathOutcome, Rest};
pub use fault::{Path, Place, ProbeFault, ProcessFault, Then, WriteFault};
pub use prepared::{Coverage, DrillError, ExitCode, Prepared, Setting};
pub use report::{Report, markdown, text};
pub use result::{EndState, PathResult};
pub use sweep::sweep;
