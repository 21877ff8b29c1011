//! What a plan says of the cloud that it meets: what restarts a database, what would have no effect, what cannot work, and what
//! there is instead.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Desk, Done, SCENARIO, Served};

const SHOP: &str = "runbooks/bad-revision.sim.toml";
const SERVICE: &str = "/v2/projects/shop-staging/locations/us-central1/services/checkout";

/// A runbook of one step about the shop, or about what else the cloud has.
fn runbook(desk: &Desk, project: &str, step: &str) -> String {
    let text = format!(
        "[runbook]\nname = \"one\"\non_failure = \"rollback\"\n[target]\nproject = \"{project}\"\nregion = \"us-central1\"\n\
         [inputs]\nnote = {{ default = \"-\", description = \"Why\" }}\n\
         [probes.checkout]\nhttp = \"https://checkout.shop.example/health\"\nexpect = \"status == 200\"\n\
         [[phase]]\nname = \"p\"\n[[phase.step]]\nname = \"one\"\n{step}\n"
    );
    desk.write("one.toml", &text)
}

fn shop(desk: &Desk, step: &str) -> String {
    runbook(desk, "shop-staging", step)
}

/// The shop with a database of this version.
fn with_database(desk: &Desk, version: &str) -> String {
    let text = std::fs::read_to_string(SHOP).unwrap();
    let sql = format!(
        "\n[sql.orders]\ndatabase_version = \"{version}\"\ntier = \"db-n1-standard-2\"\nupdate_takes = \"1m\"\nrestart_takes = \"1m\"\n"
    );
    desk.write("shop.sim.toml", &(text + &sql))
}

fn patched(cloud: &Served, mask: &str, body: Value) {
    let (status, answer) = cloud.call(Method::PATCH, &format!("{SERVICE}?updateMask={mask}"), Some(body));
    assert_eq!(status, 200, "{answer}");
    cloud.hurry();
}

#[test]
fn whether_a_flag_restarts_the_database_depends_on_its_engine_and_is_asked() {
    let desk = Desk::new();
    let step = "uses = \"gcp.sql.patch\"\nwith = { instance = \"orders\", flags = { max_connections = 300 } }";
    let file = shop(&desk, step);
    let plan = |version: &str| -> Done {
        let scenario = with_database(&desk, version);
        desk.rectify(&["plan", &file, "--sim", &scenario]).code(0).says("max_connections")
    };
    plan("POSTGRES_15").says("! restarts it: max_connections is read when the database starts");
    let mysql = plan("MYSQL_8_0");
    assert!(!mysql.stdout.contains("restart"), "{}", mysql.stdout);
    plan("SQLSERVER_2019_STANDARD").says("! may restart the database: whether SQLSERVER_2019_STANDARD is restarted");
    // What one engine reads at its start only, the API says, also of a flag that no table here has.
    let file = shop(&desk, &step.replace("max_connections = 300", "default_time_zone = \"+00:00\""));
    let scenario = with_database(&desk, "MYSQL_8_0");
    desk.rectify(&["plan", &file, "--sim", &scenario]).code(0).says("! restarts it: default_time_zone is read");
}

#[test]
fn offline_it_is_not_known_whether_a_flag_restarts_the_database() {
    let desk = Desk::new();
    let step = "uses = \"gcp.sql.patch\"\nwith = { instance = \"orders\", flags = { max_connections = 300, work_mem = 65536 } }";
    let file = shop(&desk, step);
    let plan = desk.rectify(&["plan", &file, "--offline"]).code(0);
    plan.says("changing max_connections may restart the database (not known offline)");
}

#[test]
fn a_connector_that_takes_no_update_is_not_planned_for_one() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(SCENARIO).unwrap();
    let line = "max_instances = 3\n";
    let step = "uses = \"gcp.connector.scale\"\nirreversible = true\nwith = { connector = \"staging-connector\", min_instances = 3, max_instances = 10 }";
    let file = runbook(&desk, "netra-staging", step);
    let plan = |state: &str| {
        let scenario = desk.write("state.sim.toml", &text.replacen(line, &format!("{line}state = \"{state}\"\n"), 1));
        desk.rectify(&["plan", &file, "--sim", &scenario])
    };
    let error =
        plan("ERROR").code(1).says("× connector staging-connector is in state ERROR: it takes no update any more");
    error.says("help: create another connector").says("incomplete plan: 1 step cannot be planned");
    plan("DELETING").code(1).says("× connector staging-connector is being deleted");
    plan("READY").code(0).says("1 change, which cannot be undone");
}

#[test]
fn bounds_that_would_have_no_effect_are_not_planned_and_so_never_reported_as_applied() {
    let desk = Desk::new();
    let step = "uses = \"gcp.run.scale\"\nwith = { service = \"checkout\", max_instances = 50 }";
    let file = shop(&desk, step);
    let cloud = Served::start(&desk, SHOP, "max");
    patched(&cloud, "scaling", json!({ "scaling": { "scalingMode": "MANUAL", "manualInstanceCount": 4 } }));
    let plan = desk.rectify(&["plan", &file, "--sim", &cloud.url]).code(1);
    plan.says("× checkout is scaled by hand, to 4 instances: bounds have no effect").says("help: change the count");
    let run = desk.rectify(&["run", &file, "--sim", &cloud.url, "--yes"]);
    assert!(run.code != 0 && !run.stdout.contains("applied"), "{}{}", run.stdout, run.stderr);

    let text = std::fs::read_to_string(SHOP).unwrap();
    let capped = text.replace("created = ", "template = { scaling = { maxInstanceCount = 4 } }\ncreated = ");
    let scenario = desk.write("capped.sim.toml", &capped);
    let plan = desk.rectify(&["plan", &file, "--sim", &scenario]).code(1);
    let plan =
        plan.says("× max_instances = 50 would have no effect: each revision has at most 4 instances by its template");
    plan.says("help: raise the template's bound, in a new revision: gcp.run.configure with max_instances = 50");
    // A bound below the template's has one.
    let file = shop(&desk, &step.replace("50", "3"));
    desk.rectify(&["plan", &file, "--sim", &scenario]).code(0).says("max_instances  0 → 3");
    // Where another revision serves, its bound is not known here: the plan warns.
    let split = "[[services.checkout.traffic]]\nrevision = \"checkout-00041-kez\"\npercent = 100\n[[services.checkout.revisions]]";
    let scenario = desk.write("split.sim.toml", &capped.replacen("[[services.checkout.revisions]]", split, 1));
    let file = shop(&desk, step);
    let plan = desk.rectify(&["plan", &file, "--sim", &scenario]).code(0).says("max_instances  0 → 50");
    plan.says(
        "! each revision has at most 4 instances by its template: more than that max_instances = 50 does not give",
    );
}

const CANARY: &str = "uses = \"gcp.run.deploy\"\n\
    with = { service = \"checkout\", image = \"r/p/checkout@sha256:0430000000000000000000000000000000000000000000000000000000000043\", candidate = \"cand\", shift = [10, 100] }\n\
    gate = { healthy = [\"checkout\"], for = \"1m\", timeout = \"20m\" }";

#[test]
fn a_candidate_needs_an_address_of_its_own() {
    let desk = Desk::new();
    let file = shop(&desk, CANARY);
    let cloud = Served::start(&desk, SHOP, "max");
    desk.rectify(&["plan", &file, "--sim", &cloud.url]).code(0).says("its gate asks the revision at its tag cand");
    patched(&cloud, "defaultUriDisabled", json!({ "defaultUriDisabled": true }));
    let plan = desk.rectify(&["plan", &file, "--sim", &cloud.url]).code(1);
    plan.says("× the default URL of checkout is disabled").says("help: enable it with");
}

#[test]
fn a_canarys_gate_that_the_unhealthy_revision_answers_is_warned_about() {
    let desk = Desk::new();
    let file = shop(&desk, CANARY);
    let plan = desk.rectify(&["plan", &file, "--sim", SHOP]).code(0);
    let told = plan.stdout.matches("90 % of the traffic stays on revisions that serve now").count();
    assert_eq!(told, 1, "{}", plan.stdout);
}

#[test]
fn whoever_names_a_revision_that_is_not_there_is_told_which_are() {
    let desk = Desk::new();
    let step = "uses = \"gcp.run.traffic\"\nwith = { service = \"checkout\", to = { checkout-00040-abc = 100 } }";
    let plan = desk.rectify(&["plan", &shop(&desk, step), "--sim", SHOP]).code(1);
    let plan = plan.says("× checkout has no revision checkout-00040-abc");
    plan.says("help: it has checkout-00042-bad, checkout-00041-kez; those that serve nobody");
}

#[test]
fn every_form_of_a_plan_has_its_inputs_and_what_a_failure_leads_to_also_of_what_is_not_planned() {
    let desk = Desk::new();
    let step = "uses = \"gcp.run.traffic\"\non_failure = \"stop\"\nwith = { service = \"checkout\", to = { checkout-00041-kez = 100 } }\n\
        gate = { healthy = [\"checkout\"], for = \"1m\", timeout = \"20m\" }\n\
        [[phase.step]]\nname = \"more\"\nuses = \"gcp.run.scale\"\nwith = { service = \"checkout\", max_instances = 9 }\n\
        [[phase.step]]\nname = \"least\"\nuses = \"gcp.run.scale\"\nwith = { service = \"checkout\", min_instances = 1 }";
    let file = shop(&desk, step);
    let input = ["--input", "note=INC-7"];
    for place in [&["--offline"][..], &["--sim", SHOP]] {
        let of = |format| desk.rectify(&[&["plan", &file, "--format", format], &input[..], place].concat()).code(0);
        let text = of("text").says("inputs: note = INC-7").says("if a step fails, the run is rolled back");
        text.says("if it fails, the run stops, and nothing is rolled back").says("then: checkout healthy for 1m");
        let page = of("markdown").says("| `note` | `INC-7` |").says("If a step fails, the run is rolled back.");
        page.says("if it fails, the run stops, and nothing is rolled back").says("checkout healthy for 1m");
        let json: Value = serde_json::from_str(&of("json").stdout).unwrap();
        assert_eq!(json["inputs"]["note"], "INC-7");
        let steps = if place == ["--offline"] { &json["problems"] } else { &json["tasks"] };
        assert_eq!(steps[0]["on_failure"], "stop", "{steps}");
        assert_eq!(steps[0]["gate"]["healthy"][0], "checkout", "{steps}");
    }
}

#[test]
fn an_incomplete_plan_is_not_said_to_change_nothing() {
    let desk = Desk::new();
    let step = "uses = \"gcp.run.scale\"\nwith = { service = \"checkout\", max_instances = 9 }";
    let file = shop(&desk, step);
    let plan = desk.rectify(&["plan", &file, "--offline", "--detailed-exitcode"]).code(3);
    assert!(!plan.stdout.contains("othing to change"), "{}", plan.stdout);
}
