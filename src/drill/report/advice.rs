//! What the author of a runbook can do about an ending.

use crate::drill::result::{EndState, PathResult};
use crate::run::Way;
use crate::runbook::model::FaultClass;

/// What the author can do so that a path ends better; `None` if there is nothing that a runbook can say about it.
pub(super) fn advice(path: &PathResult) -> Option<&'static str> {
    match (path.outcome, path.class, path.way) {
        (EndState::Recovered | EndState::RolledBack | EndState::Paused, _, _) => None,
        (EndState::Wrong, _, _) => {
            Some("this is a defect of rectify: report it with the runbook, the scenario and `--format json`")
        }
        (EndState::Stuck, FaultClass::Operation, _) => Some(
            "say in the step's `confirm` or description who watches the operation; `operation_timeout` is how long the run \
             awaits it",
        ),
        (EndState::Stuck, FaultClass::Changed | FaultClass::Deleted, _) => Some(
            "agree on who else may change this resource while the run goes on; a `[[guard]]` notices trouble earlier",
        ),
        (EndState::Stuck, FaultClass::Probes, Way::Undo) => Some(
            "the undo worked and its gate fails: the gate's probes ask for more than the state before the incident gave",
        ),
        (EndState::Stopped, FaultClass::Probes, Way::Apply) => {
            Some("its change stays applied while its gate fails; `on_failure = \"rollback\"` on the step would undo it")
        }
        (EndState::Stopped, FaultClass::Operator, _) => {
            Some("the operator chose so; `[r]oll back` at the same question undoes what is applied")
        }
        (EndState::Stopped, _, Way::Apply) => {
            Some("`on_failure = \"rollback\"` on the step or its phase would undo what is applied by then")
        }
        (EndState::Stuck, _, _) => Some("`rectify rollback RUN` observes again what is not rolled back, and goes on"),
        (EndState::Stopped, _, Way::Undo) => Some("`rectify rollback RUN` goes on with what is left"),
    }
}
