//! A process on this machine that outlives whoever started it: which one it is, and whether it still runs.

use serde::{Deserialize, Serialize};

/// A process. Its number may be given to another one later; that one began at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// When it began, in the kernel's ticks since the machine did (source: proc(5), field 22 of `stat`).
    began: u64,
}

impl Process {
    /// The process of this number, if it runs.
    pub(super) fn of(pid: u32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may have anything in it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let began = fields.nth(18)?.parse().ok()?;
        // What has ended, and nobody has asked for how, runs no more.
        (!["Z", "X", "x"].contains(&state)).then_some(Process { pid, began })
    }

    /// Whether it still runs.
    pub(super) fn runs(self) -> bool {
        Process::of(self.pid) == Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_beginning() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.runs());
        assert!(!Process { began: own.began + 1, ..own }.runs(), "another one of the same number");
        assert_eq!(Process::of(0), None);
    }
}
