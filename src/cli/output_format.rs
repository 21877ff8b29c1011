//! How a command says what it found.

use clap::ValueEnum;

/// For people or for programs. What has more formats than these (plans and reports) lists its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// For people
    Text,
    /// For programs
    Json,
}
