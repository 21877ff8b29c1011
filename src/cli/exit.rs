//! Every way to end: its code and its words.

use std::process::ExitCode;

use crate::driver::{DriveOutcome, DriverError};
use crate::run::{Ending, Failure, Refusal};

/// How a command ends. The codes are a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done,
    /// Something ran and did not succeed; what was changed was rolled back or is stated.
    Failed,
    /// Wrong usage, or the runbook does not check.
    Usage,
    /// `plan --detailed-exitcode`: there are changes.
    Changes,
    /// `escalation`: it cannot be told yet.
    Undecided,
    /// `escalation`: call Google.
    Escalate,
    /// A rollback could not be finished; a person must act.
    Stuck,
    /// Refused: drift, a target held by another run, an approval that is missing.
    Refused,
    /// The operator said no; what was changed is stated.
    Declined,
    /// Paused, resumable: no access to the cloud, an operation that hangs, a question that nobody could be asked.
    Paused,
    /// Interrupted, resumable.
    Interrupted,
}

impl Exit {
    /// The code that a shell sees.
    pub(super) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Changes => 3,
            Exit::Undecided => 4,
            Exit::Escalate => 5,
            Exit::Stuck => 6,
            Exit::Refused => 7,
            Exit::Declined => 8,
            Exit::Paused => 9,
            Exit::Interrupted => 130,
        }
    }

    /// How a run that came here ends the command.
    pub(super) fn of(came: &Result<DriveOutcome, DriverError>) -> Exit {
        match came {
            Ok(DriveOutcome::Paused(_)) => Exit::Paused,
            Ok(DriveOutcome::Parked) | Err(DriverError::StoppedAtOnce(_)) => Exit::Interrupted,
            Ok(DriveOutcome::Ended(ending)) => match ending {
                Ending::Done { failed, .. } if failed.is_empty() => Exit::Done,
                Ending::RolledBack { why: None, .. } if ending.is_whole_rollback() => Exit::Done,
                Ending::Stopped {
                    why:
                        Failure::Refused { refusal: Refusal::Drifted { .. }, .. }
                        | Failure::ConcurrentChange { .. }
                        | Failure::PreconditionsUnmet { .. },
                    ..
                } => Exit::Refused,
                Ending::Stuck { .. } | Ending::Stopped { why: Failure::Unknown { .. }, .. } => Exit::Stuck,
                Ending::Done { .. } | Ending::RolledBack { .. } | Ending::Stopped { .. } => Exit::Failed,
                Ending::Declined { .. } => Exit::Declined,
            },
            Err(_) => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a command could not do its work at all: told on stderr, with what to do next.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
pub(super) struct CliError {
    /// How the command ends.
    pub(super) exit: Exit,
    /// What is wrong, on what.
    pub(super) message: String,
    /// What to do next.
    #[help]
    pub(super) help: Option<String>,
}

impl CliError {
    /// Trouble without advice.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> CliError {
        CliError { exit, message: message.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> CliError {
        self.help = Some(help.into());
        self
    }

    /// Trouble from an error and everything behind it.
    pub(super) fn from_error(exit: Exit, error: &dyn std::error::Error) -> CliError {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(deeper) = source {
            let words = deeper.to_string();
            if !message.contains(&words) {
                message = format!("{message}: {words}");
            }
            source = deeper.source();
        }
        CliError::new(exit, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_the_promised_ones() {
        let codes = [
            (Exit::Done, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::Changes, 3),
            (Exit::Undecided, 4),
            (Exit::Escalate, 5),
            (Exit::Stuck, 6),
            (Exit::Refused, 7),
            (Exit::Declined, 8),
            (Exit::Paused, 9),
            (Exit::Interrupted, 130),
        ];
        for (exit, code) in codes {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }
}
