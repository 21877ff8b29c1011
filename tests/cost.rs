//! What growth costs more, by the prices that a runbook gives.

use crate::support::{Desk, SCENARIO};

const COST: &str = "[cost]\nper_hour = { e2-micro = \"0.0084\", e2-standard-4 = \"${inputs.price}\" }\n\n[inputs]\nprice = { default = \"0.134\" }\n";

/// A runbook that enlarges the connector.
fn runbook(desk: &Desk, cost: &str) -> String {
    let text = format!(
        "[runbook]\nname = \"grow\"\non_failure = \"stop\"\n[target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n{cost}\
         [[phase]]\nname = \"all\"\n[[phase.step]]\nname = \"grow\"\nuses = \"gcp.connector.scale\"\nirreversible = true\n\
         with = {{ connector = \"staging-connector\", min_instances = 3, max_instances = 10, machine_type = \"e2-standard-4\" }}\n"
    );
    desk.write("grow.toml", &text)
}

#[test]
fn a_plan_says_in_every_form_what_growth_costs_more() {
    let desk = Desk::new();
    let file = runbook(&desk, COST);
    let words = "costs 281.20 to 959.80 USD more per month";
    desk.rectify(&["plan", &file, "--sim", SCENARIO]).code(0).says(words).says("3 to 10 × e2-standard-4");
    let markdown = desk.rectify(&["plan", &file, "--sim", SCENARIO, "--format", "markdown"]).code(0).stdout;
    assert!(markdown.contains(words), "{markdown}");
    let json = desk.rectify(&["plan", &file, "--sim", SCENARIO, "--format", "json"]).code(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["costs"],
        serde_json::json!([{ "task": "grow", "least": 281.2, "most": 959.8, "currency": "USD" }])
    );
}

#[test]
fn a_price_that_is_not_there_is_said_and_none_is_made_up() {
    let desk = Desk::new();
    let plan = desk.rectify(&["plan", &runbook(&desk, ""), "--sim", SCENARIO]).code(0).stdout;
    assert!(!plan.contains("per month"), "{plan}");
    let part = "[cost]\ncurrency = \"EUR\"\nper_hour = { e2-micro = \"0.0084\" }\n";
    desk.rectify(&["plan", &runbook(&desk, part), "--sim", SCENARIO])
        .code(0)
        .says("what it costs more is not known: [cost] per_hour has no price of e2-standard-4");
    for wrong in ["\"cheap\"", "\"-1\"", "\"inf\""] {
        let cost = format!("[cost]\nper_hour = {{ e2-micro = {wrong} }}\n");
        desk.rectify(&["check", &runbook(&desk, &cost)]).code(2).says("is no price");
    }
}

#[test]
fn a_saved_plan_with_a_cost_is_carried_out_and_one_whose_cost_was_changed_is_not() {
    let desk = Desk::new();
    let file = runbook(&desk, COST);
    let out = desk.path("plan.json").display().to_string();
    desk.rectify(&["plan", &file, "--sim", SCENARIO, "--speed", "max", "--out", &out]).code(0);
    let text = std::fs::read_to_string(&out).unwrap();
    let cheap = desk.write("cheap.json", &text.replace("959.8", "9.8"));
    let refused = desk.rectify(&["run", &cheap, "--yes", "--acknowledge", "grow"]);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    desk.rectify(&["run", &out, "--yes", "--acknowledge", "grow"]).code(0).says("✓ done");
}
