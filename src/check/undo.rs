//! Whether what a step does can be undone, as far as that can be told from the runbook alone.

use crate::runbook::model::Action;

/// Whether something can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// It can, or there is nothing to undo.
    Possible,
    /// Only the runbook's author could say how, and did not.
    Unsaid,
    /// It cannot, and why.
    Refused(&'static str),
}

/// Whether an action can be undone.
pub(super) fn undo_of(action: &Action) -> Undo {
    match action {
        // A machine type may be given back or not: that is not known of Google (facts, section 12).
        Action::ConnectorScale { .. } => Undo::Refused("a connector grows and never shrinks"),
        Action::Shell { undo: None, .. } | Action::Manual { undo: None, .. } => Undo::Unsaid,
        // That somebody was told is not taken back, and need not be.
        Action::Shell { .. }
        | Action::Manual { .. }
        | Action::Notify { .. }
        | Action::Issue(_)
        | Action::Wait { .. }
        | Action::RunTraffic { .. }
        | Action::RunDeploy { .. }
        | Action::RunScale { .. }
        | Action::SqlPatch { .. }
        | Action::Probe => Undo::Possible,
    }
}
