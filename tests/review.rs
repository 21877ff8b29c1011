//! What a reviewer's machinery does with a plan: the script of the GitHub Action, and a policy.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Desk, FLAGSHIP, SCENARIO};

/// Stands in for GitHub's `gh`: keeps each call's arguments and the body it was given, and knows the comments so far.
const GH: &str = r#"#!/usr/bin/env bash
printf '%s\n' "$*" >>"$DESK/calls"
for argument; do
    case $argument in body=@*) cp "${argument#body=@}" "$DESK/body" ;; esac
done
case "$*" in *--paginate*) cat "$DESK/comments" 2>/dev/null || true ;; esac
"#;

struct Action {
    desk: Desk,
}

impl Action {
    fn new() -> Action {
        let desk = Desk::new();
        let gh = desk.write("gh", GH);
        fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
        Action { desk }
    }

    /// Runs the script as the action does; its exit code.
    fn review(&self, mode: &str, runbooks: &str) -> i32 {
        let folder = self.desk.path("");
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.arg("action/review.sh").env_clear().env("PATH", path).env("HOME", &folder).env("DESK", &folder);
        command.env("RECTIFY", env!("CARGO_BIN_EXE_rectify")).env("MODE", mode).env("RUNBOOKS", runbooks);
        command.env("REPOSITORY", "example/netra").env("PULL_REQUEST", "7");
        command.output().unwrap().status.code().unwrap()
    }

    fn kept(&self, name: &str) -> String {
        fs::read_to_string(self.desk.path(name)).unwrap_or_default()
    }
}

#[test]
fn the_action_posts_a_plan_and_updates_it_later() {
    let action = Action::new();
    assert_eq!(action.review("sim", FLAGSHIP), 0);
    let body = action.kept("body");
    assert!(body.starts_with("<!-- rectify runbooks/connector-exhaustion.toml -->\n"), "{body}");
    assert!(body.contains("8 changes, 1 of which cannot be undone") && body.contains("One-way doors"), "{body}");
    assert!(action.kept("calls").contains("--method POST repos/example/netra/issues/7/comments"));
    fs::write(action.desk.path("comments"), "4711\n").unwrap();
    assert_eq!(action.review("sim", FLAGSHIP), 0);
    assert!(action.kept("calls").contains("--method PATCH repos/example/netra/issues/comments/4711"));
    assert_eq!(action.kept("body"), body, "the same plan is the same comment");
}

#[test]
fn the_action_needs_no_credentials_and_fails_on_a_mistake() {
    let action = Action::new();
    assert_eq!(action.review("offline", FLAGSHIP), 0);
    assert!(action.kept("body").contains("nothing was looked at"));
    let hostile = action.desk.write("x$(touch owned).toml", "[runbook]\nnam = 1\n");
    assert_eq!(action.review("offline", &hostile), 1);
    assert!(action.kept("body").contains("ended with 2"));
    assert!(!action.desk.path("owned").exists() && !std::path::Path::new("owned").exists());
}

/// The example policy, evaluated by an interpreter of its language on real plans.
fn verdict(plan: &Value) -> (Vec<String>, Vec<String>) {
    let mut engine = regorus::Engine::new();
    engine.add_policy_from_file("docs/policy/plan.rego").unwrap();
    engine.set_input(regorus::Value::from_json_str(&plan.to_string()).unwrap());
    let mut all = |rule: &str| {
        let value = engine.eval_rule(format!("data.main.{rule}")).unwrap();
        let found: Vec<String> = serde_json::from_str(&value.to_json_str().unwrap()).unwrap();
        found
    };
    (all("deny"), all("warn"))
}

#[test]
fn the_example_policy_judges_real_plans() {
    let desk = Desk::new();
    let plan = |flags: &[&str], code: i32| -> Value {
        let done = desk.rectify(&[&["plan", FLAGSHIP, "--format", "json"], flags].concat()).code(code);
        serde_json::from_str(&done.stdout).unwrap()
    };
    let whole = plan(&["--sim", SCENARIO, "--speed", "max"], 0);
    let (denied, warned) = verdict(&whole);
    assert_eq!(denied, [""; 0]);
    assert!(warned.iter().any(|warning| warning.contains("the gate of scale-connector passes")), "{warned:?}");
    assert!(warned.iter().any(|warning| warning.contains("the next deploy serves 0 %")), "{warned:?}");
    let mut other = whole.clone();
    other["tasks"][0]["id"] = json!("grow-something-else");
    assert!(verdict(&other).0.iter().any(|denied| denied.contains("cannot be undone")));
    let mut unproven = whole;
    unproven["tasks"][2].as_object_mut().unwrap().remove("gate");
    assert!(verdict(&unproven).0.iter().any(|denied| denied.contains("no gate proves that it worked")));
    assert_eq!(verdict(&plan(&["--offline"], 0)).0.len(), 4, "what was not looked at is not approved");
}
