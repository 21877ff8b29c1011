//! `[limits] deny`: no run begins in such a window, unless somebody says why, and then the record has it.

use crate::support::{self, Desk};

/// The flagship's scenario begins on a Tuesday at 02:53 UTC.
fn denied(desk: &Desk) -> String {
    desk.flagship(&[("[limits] ", "[limits]\ndeny = [\"22:00..06:00 UTC\"]\n#")])
}

#[test]
fn a_run_is_not_begun_at_a_time_that_is_denied() {
    let desk = Desk::new();
    let runbook = denied(&desk);
    let plan = desk.rectify(&["plan", &runbook, "--sim", support::SCENARIO]).code(0);
    plan.says("! no run may begin now: [limits] deny has 22:00..06:00 UTC");
    let run = ["run", &runbook, "--sim", support::SCENARIO, "--speed", "max", "--yes", "--only", "capacity"];
    let refused = desk.rectify(&run).code(7);
    refused.complains("no run may begin now").complains("--break-glass REASON");
    desk.rectify(&[&run[..], &["--break-glass", "  "]].concat()).code(7);
    desk.rectify(&["runs"]).code(0).says("no runs");
}

#[test]
fn a_reason_overrides_it_and_stays_in_the_record() {
    let desk = Desk::new();
    let runbook = denied(&desk);
    let reason = "the database is down, Ada agreed";
    let run = ["run", &runbook, "--sim", support::SCENARIO, "--speed", "max", "--yes", "--only", "capacity"];
    let run = [&run[..], &["--acknowledge", "scale-connector", "--break-glass", reason]].concat();
    desk.rectify(&run).says("! 22:00..06:00 UTC is overridden: the database is down, Ada agreed");
    desk.rectify(&["report"]).code(0).says("Begun although no run may begin in").says(reason);
    let json = desk.rectify(&["report", "--format", "json"]).code(0);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["break_glass"]["reason"], reason);
}
