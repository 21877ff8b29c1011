//! What the author of a runbook can do about an ending.

use crate::drill::fault::{Place, ProbeFault};
use crate::drill::result::{EndState, PathResult};
use crate::run::Way;
use crate::runbook::model::FaultClass;

/// What the author can do so that a path ends better; `None` if there is nothing that a runbook can say about it.
pub(super) fn advice(path: &PathResult) -> Option<&'static str> {
    match (path.outcome, path.class, path.way) {
        (EndState::Wrong, _, _) => {
            Some("this is a defect of rectify: report it with the runbook, the scenario and `--format json`")
        }
        (EndState::Stuck, FaultClass::Operation, _) => Some(
            "say in the step's `confirm` who watches the operation; `operation_timeout` is how long the run waits for it",
        ),
        (EndState::Stuck, FaultClass::Changed | FaultClass::Deleted, _) => {
            Some("nothing in the runbook prevents it: agree on who else may change this resource while the run goes on")
        }
        (EndState::Stuck | EndState::Stopped, FaultClass::Probes, _) if is_blind(path) => Some(
            "no policy changes this: a gate that sees nothing is no reason to undo a change; repair the probe, then resume",
        ),
        (EndState::Stuck, FaultClass::Probes, Way::Undo) => Some(
            "the undo took effect, and its gate does not pass: the gate must be able to pass in the state before the run",
        ),
        (EndState::Stopped, FaultClass::Probes, Way::Apply) => {
            Some("the change stays applied while its gate fails; `on_failure = \"rollback\"` on the step would undo it")
        }
        (EndState::Stopped, class, Way::Apply) if class != FaultClass::Operator => {
            Some("`on_failure = \"rollback\"` on the step or its phase would undo what is applied by then")
        }
        // What an operator chose, and what ended well enough, wants no advice.
        (EndState::Recovered | EndState::RolledBack | EndState::Paused | EndState::Stopped | EndState::Stuck, _, _) => {
            None
        }
    }
}

/// Whether the gate's probes see nothing, as opposed to trouble.
fn is_blind(path: &PathResult) -> bool {
    match &path.path.place {
        Place::Gate { fault, .. } | Place::Guard { fault, .. } => match fault {
            ProbeFault::Unknown | ProbeFault::Broken => true,
            ProbeFault::Unhealthy | ProbeFault::Flapping => false,
        },
        Place::Write { .. } | Place::Answer { .. } | Place::Late { .. } | Place::Process { .. } => false,
    }
}
