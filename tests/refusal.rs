//! What must not happen does not, and says so at once.

use crate::support::{Desk, FLAGSHIP, Process, SCENARIO, Served};

#[test]
fn without_a_terminal_and_without_yes_nothing_is_begun() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let sim = ["--sim", cloud.url.as_str()];
    let refused = desk.rectify(&[&["run", FLAGSHIP], &sim[..]].concat()).code(7);
    let refused = refused.complains("nobody can be asked; nothing was changed");
    refused.complains("--yes");
    assert_eq!(cloud.writes(), Vec::<String>::new());
    desk.rectify(&["runs"]).code(0).says("There are no runs yet.");
}

#[test]
fn yes_does_not_cover_what_cannot_be_undone() {
    let desk = Desk::new();
    let sim = ["--sim", SCENARIO, "--yes"];
    let refused = desk.rectify(&[&["run", FLAGSHIP], &sim[..]].concat()).code(7);
    refused.complains("these steps need --acknowledge: scale-connector").complains("--acknowledge scale-connector");
}

#[test]
fn a_misspelt_acknowledgement_is_told_before_anything_happens() {
    let desk = Desk::new();
    let arguments = ["run", FLAGSHIP, "--sim", SCENARIO, "--yes", "--acknowledge", "scale-conector"];
    desk.rectify(&arguments).code(2).complains("there is no such step");
}

#[test]
fn a_protected_target_wants_its_name_typed_and_yes_does_not_type_it() {
    let desk = Desk::new();
    let runbook = desk.flagship(&[("protected = false", "protected = true")]);
    let flags = ["--sim", SCENARIO, "--yes", "--acknowledge", "scale-connector"];
    desk.rectify(&[&["run", &runbook], &flags[..]].concat()).code(7).complains("netra-staging is protected");
}

#[test]
fn a_connector_is_not_asked_to_shrink() {
    let desk = Desk::new();
    let scenario = std::fs::read_to_string(SCENARIO).unwrap();
    let scenario = desk.write(
        "large.sim.toml",
        &scenario.replace("min_instances = 2\nmax_instances = 3", "min_instances = 4\nmax_instances = 10"),
    );
    let refused = desk.rectify(&["plan", FLAGSHIP, "--sim", &scenario]).code(1);
    refused.says("min_instances is 4 and cannot become 3").says("never shrinks");
}

#[test]
fn a_revision_that_does_not_exist_is_no_target() {
    let desk = Desk::new();
    let input = "stable=netra-backend-staging-00748-zzz";
    let refused = desk.rectify(&["plan", FLAGSHIP, "--sim", SCENARIO, "--input", input]).code(1);
    refused.says("netra-backend-staging has no revision netra-backend-staging-00748-zzz");
}

#[test]
fn a_cloud_that_is_not_there_is_told_with_what_to_do() {
    let desk = Desk::new();
    let refused = desk.rectify(&["plan", FLAGSHIP, "--sim", "http://127.0.0.1:9"]).code(1);
    refused.complains("no simulated cloud answers at http://127.0.0.1:9").complains("rectify simulate");
    desk.rectify(&["plan", FLAGSHIP, "--sim", "http://203.0.113.7:80"]).code(2).complains("not the address");
}

#[test]
fn a_companys_proxy_does_not_stand_before_a_simulated_cloud() {
    let desk = Desk::new();
    let mut command = desk.command(&["plan", FLAGSHIP, "--sim", SCENARIO]);
    command
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("http_proxy", "http://127.0.0.1:9")
        .env("NO_PROXY", "example.com");
    Process(command.spawn().unwrap()).end().code(0).says("8 changes");
}
