//! What a `shell` step runs, as far as it may be written down.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::Way;
use crate::inert::shell_word;

/// A program and what belongs to it. Secrets stand in it by reference only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// What does the work.
    pub run: Command,
    /// What tells whether it is done: exit status 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Command>,
    /// What undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Command>,
    /// Its environment, beside `PATH`, `HOME` and `LANG`. `${inputs.NAME}` stands for a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Whether `undo` copes with work that failed in the middle, and is to be run then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub undo_partial: bool,
    /// Whether it is left out because this is a rehearsal.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_run: bool,
}

/// What a program is called as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A program and its arguments. At least the program is there.
    Program(Vec<String>),
    /// A script for `bash`, as it stands in the file: no value was ever put into it.
    Bash(String),
}

/// What somebody types who makes a call without this program. It is quoted for a POSIX shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandCommands {
    /// Makes it.
    pub apply: String,
    /// Undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

impl HandCommands {
    /// The one for this way; `None`: there is nothing to be done.
    pub fn way(&self, way: Way) -> Option<&str> {
        match way {
            Way::Apply => Some(&self.apply),
            Way::Undo => self.undo.as_deref(),
        }
    }
}

/// What a task sends to a peer, as far as it may be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerCall {
    /// Such as `POST https://…`. `${inputs.NAME}` stands for a secret.
    pub what: String,
    /// The hosts that are asked for it or for its state; `None` stands for one that only the run knows.
    pub hosts: Vec<Option<String>>,
    /// Whether it is left out because this is a rehearsal, in which nobody answers for one of the hosts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_sent: bool,
}

/// The field of a state that says how many rows a statement changed.
pub const ROWS: &str = "rows";

/// What is said of a request that a rehearsal leaves out.
pub const NOT_SENT: &str = "not sent (rehearsal)";

/// What is said of a program that a rehearsal leaves out.
pub const NOT_RUN: &str = "not run (rehearsal)";

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Program(words) => {
                let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
                f.write_str(&words.join(" "))
            }
            Command::Bash(script) => write!(f, "bash: {}", script.trim()),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(is: &bool) -> bool {
    !is
}
