//! `doctor --role` prints the least role: with it a runbook can be planned or carried out, and without any part of it that cannot be done.

use std::collections::BTreeSet;

use crate::support::{Desk, FLAGSHIP};

/// A shipped runbook, and what its run wants besides `--yes`.
const RUNBOOKS: [(&str, &[&str]); 5] = [
    ("connector-exhaustion", &["scale-connector"]),
    ("bad-revision", &[]),
    ("sql-connections", &["raise-max-connections"]),
    ("cache-capacity", &[]),
    ("secret-rotation", &["add-version", "disable-old-version"]),
];

/// What is granted on a service account and not in a role.
const ACT_AS: &str = "iam.serviceAccounts.actAs";

/// A runbook as it is shipped, but for the name that an operator would have to type.
fn file(desk: &Desk, runbook: &str) -> String {
    let text = std::fs::read_to_string(format!("runbooks/{runbook}.toml")).unwrap();
    desk.write(&format!("{runbook}.toml"), &text.replace("protected = true", ""))
}

fn role(desk: &Desk, runbook: &str, duty: &str) -> BTreeSet<String> {
    let yaml = desk.rectify(&["doctor", &file(desk, runbook), "--role", duty]).code(0).stdout;
    let act_as = yaml.contains("--role=roles/iam.serviceAccountUser").then_some(ACT_AS);
    yaml.lines().filter_map(|line| line.strip_prefix("- ")).chain(act_as).map(str::to_owned).collect()
}

/// The scenario of a runbook in which the caller has these permissions and no others.
fn scenario(desk: &Desk, runbook: &str, granted: &BTreeSet<String>) -> String {
    let text = std::fs::read_to_string(format!("runbooks/{runbook}.sim.toml")).unwrap();
    let granted = serde_json::to_string(granted).unwrap();
    desk.write(
        &format!("{runbook}.sim.toml"),
        &format!("{text}\n[callers.anonymous]\ntoken = \"-\"\ngranted = {granted}\n"),
    )
}

fn run(desk: &Desk, runbook: &str, scenario: &str) -> crate::support::Done {
    let file = file(desk, runbook);
    let mut arguments = vec!["run", &file, "--sim", scenario, "--speed", "max", "--yes"];
    let (_, acknowledge) = RUNBOOKS.iter().find(|(name, _)| *name == runbook).unwrap();
    arguments.extend(acknowledge.iter().flat_map(|step| ["--acknowledge", step]));
    desk.rectify(&arguments)
}

#[test]
fn a_runbook_is_carried_out_with_its_role_and_nothing_else() {
    for (runbook, _) in RUNBOOKS {
        let desk = Desk::new();
        let granted = role(&desk, runbook, "run");
        run(&desk, runbook, &scenario(&desk, runbook, &granted)).code(0).says("✓ done");
    }
}

#[test]
fn a_runbook_is_planned_with_the_smaller_role() {
    for (runbook, _) in RUNBOOKS {
        let desk = Desk::new();
        let planning = role(&desk, runbook, "plan");
        assert!(!planning.contains(ACT_AS), "{runbook}");
        assert!(planning.is_subset(&role(&desk, runbook, "run")), "{runbook}");
        let scenario = scenario(&desk, runbook, &planning);
        desk.rectify(&["plan", &file(&desk, runbook), "--sim", &scenario, "--speed", "max"]).code(0);
    }
}

#[test]
fn nothing_in_a_role_is_needless() {
    for (runbook, _) in RUNBOOKS {
        let desk = Desk::new();
        let all = role(&desk, runbook, "run");
        let planning = role(&desk, runbook, "plan");
        for lacking in all.difference(&planning).filter(|permission| *permission != "redis.instances.update") {
            let granted = all.iter().filter(|permission| *permission != lacking).cloned().collect();
            let scenario = scenario(&desk, runbook, &granted);
            let plan = desk.rectify(&["plan", &file(&desk, runbook), "--sim", &scenario, "--speed", "max"]).code(0);
            plan.says(&format!("you lack what it needs: {lacking}"));
        }
        for lacking in all.iter().filter(|permission| permission.ends_with(".update")) {
            let granted = all.iter().filter(|permission| *permission != lacking).cloned().collect();
            let done = run(&desk, runbook, &scenario(&desk, runbook, &granted));
            assert_ne!(done.code, 0, "{runbook} is done without {lacking}");
        }
    }
}

#[test]
fn a_role_is_a_file_for_gcloud() {
    let desk = Desk::new();
    insta::assert_snapshot!(desk.rectify(&["doctor", FLAGSHIP, "--role", "run"]).code(0).stdout);
}

#[test]
fn a_runbook_with_mistakes_has_no_role() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(FLAGSHIP).unwrap().replace("max_instances = 10", "max_instances = 99");
    let file = desk.write("wrong.toml", &text);
    desk.rectify(&["doctor", &file, "--role", "run"])
        .code(2)
        .complains("a role for a part of it would lack permissions");
}
