//! Secrets live in this process's memory while it works, so nobody else looks into it.
//!
//! Another process of the same user cannot attach a debugger, and a crash writes no core file. See `prctl(2)`,
//! `PR_SET_DUMPABLE`, and `getrlimit(2)`, `RLIMIT_CORE`.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// From now on no other process of this user reads this one's memory.
///
/// A kernel that does not know these calls refuses them; the program works all the same.
pub(super) fn seal() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_process_is_not_dumped() {
        seal();
        assert_eq!(rustix::process::dumpable_behavior().ok(), Some(DumpableBehavior::NotDumpable));
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }
}
