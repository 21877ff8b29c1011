//! New revisions of a Cloud Run service: that one is always made, how traffic reaches it, how it is undone, and revisions that are
//! named by what they are.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Desk, Served};

const SHOP: &str = "runbooks/bad-revision.sim.toml";
const SERVICE: &str = "/v2/projects/shop-staging/locations/us-central1/services/checkout";
const IMAGE: &str = "us-central1-docker.pkg.dev/shop-staging/apps/checkout@sha256:0410000000000000000000000000000000000000000000000000000000000041";

/// The shop before the deployment that went wrong: the revisions 40 and 41, of which 41 serves as the newest.
fn healthy_shop(desk: &Desk) -> String {
    let text = std::fs::read_to_string(SHOP).unwrap();
    let (well, _) = text.split_once("[[services.checkout.revisions]]\nname = \"checkout-00042-bad\"").unwrap();
    let older = "[[services.checkout.revisions]]\nname = \"checkout-00040-abc\"\nimage = \"r/p/checkout@sha256:0400000000000000000000000000000000000000000000000000000000000040\"\n\
        created = \"2026-02-20T14:02:00Z\"\n[[services.checkout.revisions]]";
    desk.write("well.sim.toml", &well.replacen("[[services.checkout.revisions]]", older, 1))
}

/// A runbook of one phase with these steps.
fn runbook(desk: &Desk, steps: &str) -> String {
    let text = format!(
        "[runbook]\nname = \"rollout\"\non_failure = \"rollback\"\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n\
         [probes.checkout]\nhttp = \"https://checkout.shop.example/health\"\nexpect = \"status == 200\"\n\
         [probes.teapot]\nhttp = \"https://checkout.shop.example/health\"\nexpect = \"status == 418\"\n\
         [[phase]]\nname = \"p\"\n{steps}"
    );
    desk.write("rollout.toml", &text)
}

fn step(name: &str, uses: &str, with: &str, gate: &str) -> String {
    let gate = if gate.is_empty() {
        String::new()
    } else {
        format!("gate = {{ healthy = [{gate}], for = \"30s\", timeout = \"2m\" }}\n")
    };
    format!("[[phase.step]]\nname = \"{name}\"\nuses = \"{uses}\"\nwith = {{ service = \"checkout\", {with} }}\n{gate}")
}

/// Deploys the image that runs already.
fn again(with: &str, gate: &str) -> String {
    step("again", "gcp.run.deploy", &format!("image = \"{IMAGE}\"{with}"), gate)
}

fn revisions(cloud: &Value) -> Vec<String> {
    cloud["services"]["checkout"]["revisions"].as_object().unwrap().keys().cloned().collect()
}

/// Who serves, by the traffic's own entries: `None` is whichever is newest.
fn serving(cloud: &Value) -> Vec<(Option<String>, i64)> {
    let entries = cloud["services"]["checkout"]["traffic"].as_array().unwrap().iter();
    let entries = entries
        .map(|entry| (entry["revision"].as_str().map(str::to_owned), entry["percent"].as_i64().unwrap_or_default()));
    entries.filter(|(_, percent)| *percent > 0).collect()
}

#[test]
fn the_image_that_runs_already_makes_a_new_revision_that_is_gated_as_any_other() {
    let desk = Desk::new();
    let file = runbook(&desk, &again(", candidate = \"cand\", shift = [10, 100]", "\"checkout\""));
    let shop = healthy_shop(&desk);
    let plan = desk.rectify(&["plan", &file, "--sim", &shop]).code(0);
    assert!(!plan.stdout.contains("nothing to change"), "{}", plan.stdout);
    plan.says("(as it is)").says("revision  → checkout-00003-").says("cand (not set) → cand checkout-00003-");
    let run = desk.rectify(&["run", &file, "--sim", &shop, "--speed", "max", "--yes"]).code(0);
    run.says("✓ done");
    let cloud = desk.cloud();
    assert_eq!(revisions(&cloud).len(), 3, "{:?}", revisions(&cloud));
    let [(Some(serving), 100)] = &serving(&cloud)[..] else { panic!("{:?}", serving(&cloud)) };
    assert!(serving.starts_with("checkout-00003-"), "the new one serves, and not the one that was there: {serving}");
}

#[test]
fn a_revision_that_differs_in_nothing_is_undone_by_the_traffic_alone() {
    for with in ["", ", shift = [100]", ", candidate = \"cand\", hosts = [\"checkout.shop.example\"]"] {
        let desk = Desk::new();
        let (file, shop) = (runbook(&desk, &again(with, "\"checkout\", \"teapot\"")), healthy_shop(&desk));
        let run = desk.rectify(&["run", &file, "--sim", &shop, "--speed", "max", "--yes"]).code(1);
        let run = run
            .says("✗ failed and rolled back")
            .says("! stays if the step is undone: it changes nothing of the template");
        run.says("it changes nothing of the template, so only the traffic is given back");
        let cloud = desk.cloud();
        assert_eq!(serving(&cloud), [(Some("checkout-00041-kez".to_owned()), 100)], "{with}: not the one that failed");
        assert_eq!(revisions(&cloud).len(), 3, "{with}: no other revision of the same template is made");
        let debts = desk.rectify(&["debts", "--sim"]).code(0);
        debts.says("traffic is pinned to checkout-00041-kez");
    }
}

/// What an ordinary deploy leaves when it is undone is as it was: the service follows its newest revision.
#[test]
fn another_image_is_undone_as_ever() {
    let desk = Desk::new();
    let steps = again("", "\"checkout\", \"teapot\"").replace(IMAGE, &IMAGE.replace("041", "043"));
    let (file, shop) = (runbook(&desk, &steps), healthy_shop(&desk));
    let run = desk.rectify(&["run", &file, "--sim", &shop, "--speed", "max", "--yes"]).code(1);
    run.says("undo again/traffic").says("undo again   gcp.run.service").says("undo again/follow");
    assert_eq!(serving(&desk.cloud()), [(None, 100)]);
    assert_eq!(desk.cloud()["services"]["checkout"]["template"]["containers"][0]["image"], IMAGE);
}

const BACK: &str = "to = { PREVIOUS = 100 }";

fn back(with: &str) -> String {
    step("back", "gcp.run.traffic", with, "")
}

#[test]
fn previous_is_resolved_in_the_plan_and_going_back_twice_changes_nothing_more() {
    let desk = Desk::new();
    let file = runbook(&desk, &back(BACK));
    let cloud = Served::start(&desk, SHOP, "max");
    let plan = desk.rectify(&["plan", &file, "--sim", &cloud.url]).code(0);
    let plan = plan.says("targets  LATEST 100 % → checkout-00041-kez 100 %");
    plan.says("PREVIOUS is checkout-00041-kez, created 2026-02-27T14:02:00Z").says("before checkout-00042-bad");
    desk.rectify(&["run", &file, "--sim", &cloud.url, "--yes"]).code(0).says("✓ done");
    assert_eq!(serving(&cloud.get("/_sim/state")), [(Some("checkout-00041-kez".to_owned()), 100)]);
    let again = desk.rectify(&["plan", &file, "--sim", &cloud.url]).code(0);
    again
        .says("nothing to change")
        .says("PREVIOUS is checkout-00041-kez")
        .says("checkout-00042-bad, the newest, has none");
}

#[test]
fn a_saved_plan_that_names_previous_is_computed_again() {
    let desk = Desk::new();
    let file = runbook(&desk, &back(BACK));
    let cloud = Served::start(&desk, SHOP, "max");
    let plan = desk.path("plan").display().to_string();
    desk.rectify(&["plan", &file, "--sim", &cloud.url, "--out", &plan]).code(0);
    desk.rectify(&["run", &plan, "--yes"]).code(0).says("✓ done");
}

#[test]
fn latest_ready_is_a_name_that_does_not_move() {
    let desk = Desk::new();
    let file = runbook(&desk, &back("to = { LATEST_READY = 90, PREVIOUS = 10 }"));
    let plan = desk.rectify(&["plan", &file, "--sim", &healthy_shop(&desk)]).code(0);
    plan.says("→ checkout-00041-kez 90 %, checkout-00040-abc 10 %").says("LATEST_READY is checkout-00041-kez");
}

#[test]
fn a_rollout_in_between_makes_the_change_drift() {
    let desk = Desk::new();
    let pause = "[[phase.step]]\nname = \"breathe\"\nuses = \"wait\"\nwith = { for = \"10m\" }\n";
    let file = runbook(&desk, &(pause.to_owned() + &back(BACK)));
    let text = std::fs::read_to_string(&file).unwrap().replace("on_failure = \"rollback\"\n", "");
    let file = desk.write("asked.toml", &text);
    let cloud = Served::start(&desk, &healthy_shop(&desk), "1");
    let run = desk.spawn(&["run", &file, "--sim", &cloud.url, "--yes"]);
    crate::support::until("the pause", || desk.journal_has("unchanged"));
    let mut template = cloud.get(SERVICE)["template"].clone();
    template["labels"] = json!({ "who": "somebody-else" });
    let (status, answer) =
        cloud.call(Method::PATCH, &format!("{SERVICE}?updateMask=template"), Some(json!({ "template": template })));
    assert_eq!(status, 200, "{answer}");
    cloud.hurry();
    let done = run.end().code(7).says("is no longer what the plan saw: another principal changed it");
    done.says("latest:").says("the plan saw  checkout-00041-kez");
}

#[test]
fn what_previous_means_is_never_guessed() {
    let desk = Desk::new();
    let file = runbook(&desk, &back(BACK));
    let text = std::fs::read_to_string(healthy_shop(&desk)).unwrap();
    let unclear = |what: &str, entries: &str, why: &str| {
        let with = format!("{entries}[[services.checkout.revisions]]");
        let scenario = desk.write("unclear.sim.toml", &text.replacen("[[services.checkout.revisions]]", &with, 1));
        let plan = desk.rectify(&["plan", &file, "--sim", &scenario]).code(1);
        let plan = plan
            .says("× which revision of checkout is PREVIOUS is not clear:")
            .says("help: name it, such as { checkout-");
        assert!(plan.stdout.contains(why), "{what}: {}", plan.stdout);
    };
    let target =
        |revision: &str, rest: &str| format!("[[services.checkout.traffic]]\nrevision = \"{revision}\"\n{rest}\n");
    unclear(
        "a preview",
        &(target("checkout-00041-kez", "percent = 100")
            + &target("checkout-00040-abc", "percent = 0\ntag = \"pr-12\"")),
        "to which a tag leads",
    );
    let third = "[[services.checkout.revisions]]\nname = \"checkout-00039-xyz\"\nimage = \"r/p/checkout@sha256:0390000000000000000000000000000000000000000000000000000000000039\"\ncreated = \"2026-02-19T14:02:00Z\"\n";
    unclear("pinned further back", &(target("checkout-00039-xyz", "percent = 100") + third), "are newer");

    // A rollout of the plan's own is another one.
    let steps = again("", "").replace(IMAGE, &IMAGE.replace("041", "043")) + &back(BACK);
    let file = runbook(&desk, &steps);
    let plan = desk.rectify(&["plan", &file, "--sim", &healthy_shop(&desk)]).code(1);
    plan.says("an earlier step makes the revision checkout-00003-").says("help: put this step before that one");
}

/// Configures the shop's service.
fn configure(with: &str, gate: &str) -> String {
    step("configure", "gcp.run.configure", with, gate)
}

/// The shop with variables, one of which is a password.
fn configured_shop(desk: &Desk) -> String {
    let text = std::fs::read_to_string(healthy_shop(desk)).unwrap();
    let aside = Desk::new();
    let cloud = Served::start(&aside, &aside.write("plain.sim.toml", &text), "max");
    let mut template = cloud.get(SERVICE)["template"].clone();
    template["containers"][0]["env"] = json!([
        { "name": "LOG_LEVEL", "value": "info" },
        { "name": "PASSWORD", "value": "hunter2-of-old" },
        { "name": "API", "value": "https://api.example.com" },
    ]);
    let state = json!({ "template": template, "latestCreatedRevision": "checkout-00041-kez", "latestReadyRevision": "checkout-00041-kez" });
    let (head, _) = text.split_once("[[services.checkout.revisions]]").unwrap();
    desk.write("configured.sim.toml", &format!("{head}state = \'\'\'{state}\'\'\'\n"))
}

fn variables(cloud: &Value) -> Value {
    cloud["services"]["checkout"]["template"]["containers"][0]["env"].clone()
}

const SETTINGS: &str = "env = { LOG_LEVEL = \"debug\", PASSWORD = \"correct-horse-battery\" }, unset_env = [\"API\"], secrets = { TOKEN = \"token:3\" }, memory = \"1Gi\", max_instances = 3";

#[test]
fn a_configuration_is_planned_field_by_field_and_shows_no_value_that_may_be_secret() {
    let desk = Desk::new();
    let (file, shop) = (runbook(&desk, &configure(SETTINGS, "\"checkout\"")), configured_shop(&desk));
    let plan = desk.rectify(&["plan", &file, "--sim", &shop]).code(0);
    assert!(!plan.stdout.contains("hunter2"), "what others put into a variable is not shown: {}", plan.stdout);
    let plan = plan.says("configure   gcp.run.template checkout").says("env.LOG_LEVEL  info → debug");
    let plan = plan.says("→ not set").says("env.TOKEN      not set → secret token:3");
    let plan = plan
        .says("memory         512Mi → 1Gi")
        .says("max_instances  not set → 3")
        .says("PASSWORD is set to \"correct-horse-battery\"");
    plan.says("rollback: traffic back to checkout-00041-kez 100 % first (seconds), then the change itself");
}

#[test]
fn a_configuration_is_applied_in_a_new_revision_and_leaves_the_rest() {
    let desk = Desk::new();
    let (file, shop) = (runbook(&desk, &configure(SETTINGS, "\"checkout\"")), configured_shop(&desk));
    desk.rectify(&["run", &file, "--sim", &shop, "--speed", "max", "--yes"]).code(0).says("✓ done");
    let cloud = desk.cloud();
    let secret = json!({ "secretKeyRef": { "secret": "token", "version": "3" } });
    let wanted = json!([
        { "name": "LOG_LEVEL", "value": "debug" },
        { "name": "PASSWORD", "value": "correct-horse-battery" },
        { "name": "TOKEN", "valueSource": secret },
    ]);
    assert_eq!(variables(&cloud), wanted);
    let service = &cloud["services"]["checkout"];
    assert_eq!(service["template"]["containers"][0]["resources"]["limits"]["memory"], "1Gi");
    assert_eq!(service["template"]["containers"][0]["image"], IMAGE, "the image stays");
    assert_eq!(serving(&cloud), [(None, 100)]);
    assert_eq!(revisions(&cloud).len(), 2);
    // Once more it is so already, and no revision is made.
    let journal = std::fs::read_to_string(desk.run_directory().join("journal.jsonl")).unwrap();
    assert!(!journal.contains("hunter2") && !journal.contains("battery"), "no value is in the journal");
}

#[test]
fn a_configuration_that_fails_is_undone_with_the_values_of_before() {
    let desk = Desk::new();
    let (file, shop) = (runbook(&desk, &configure(SETTINGS, "\"checkout\", \"teapot\"")), configured_shop(&desk));
    let run = desk.rectify(&["run", &file, "--sim", &shop, "--speed", "max", "--yes"]).code(1);
    let run =
        run.says("✗ failed and rolled back").says("undo configure/traffic").says("undo configure   gcp.run.template");
    assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);
    let cloud = desk.cloud();
    let variables = variables(&cloud);
    let of = |name: &str| {
        variables.as_array().unwrap().iter().find(|one| one["name"] == name).map(|one| one["value"].clone())
    };
    assert_eq!(of("PASSWORD"), Some(json!("hunter2-of-old")));
    assert_eq!(
        (of("LOG_LEVEL"), of("API"), of("TOKEN")),
        (Some(json!("info")), Some(json!("https://api.example.com")), None)
    );
    assert_eq!(cloud["services"]["checkout"]["template"]["containers"][0]["resources"]["limits"]["memory"], "512Mi");
    assert_eq!(serving(&cloud), [(None, 100)]);
}

#[test]
fn another_principals_variable_is_no_conflict_and_is_not_lost() {
    let desk = Desk::new();
    let steps = configure("env = { LOG_LEVEL = \"debug\" }", "");
    let pause = "[[phase.step]]\nname = \"breathe\"\nuses = \"wait\"\nwith = { for = \"10m\" }\n";
    let file = runbook(&desk, &(pause.to_owned() + &steps));
    let cloud = Served::start(&desk, &configured_shop(&desk), "1");
    let run = desk.spawn(&["run", &file, "--sim", &cloud.url, "--yes"]);
    crate::support::until("the pause", || desk.journal_has("unchanged"));
    let mut template = cloud.get(SERVICE)["template"].clone();
    template["containers"][0]["env"].as_array_mut().unwrap().push(json!({ "name": "THEIRS", "value": "1" }));
    let (status, answer) =
        cloud.call(Method::PATCH, &format!("{SERVICE}?updateMask=template"), Some(json!({ "template": template })));
    assert_eq!(status, 200, "{answer}");
    cloud.hurry();
    run.end().code(0).says("✓ done");
    let variables = cloud.get(SERVICE)["template"]["containers"][0]["env"].to_string();
    assert!(variables.contains("THEIRS") && variables.contains("debug"), "{variables}");
}

#[test]
fn a_configuration_that_is_so_makes_no_revision_and_a_restart_always_does() {
    let desk = Desk::new();
    let shop = configured_shop(&desk);
    let file = runbook(&desk, &configure("env = { LOG_LEVEL = \"info\" }, memory = \"512Mi\"", ""));
    desk.rectify(&["plan", &file, "--sim", &shop]).code(0).says("nothing to change: the cloud already is");
    let file = runbook(&desk, &configure("restart = true, candidate = \"cand\", shift = [100]", "\"checkout\""));
    let plan = desk.rectify(&["plan", &file, "--sim", &shop]).code(0).says("configure/hold-traffic");
    plan.says("configure/revision   gcp.run.template checkout")
        .says("revision  → checkout-0000")
        .says("read secrets anew");
    desk.rectify(&["run", &file, "--sim", &shop, "--speed", "max", "--yes"]).code(0).says("✓ done");
    assert_eq!(revisions(&desk.cloud()).len(), 2);
}

#[test]
fn a_service_is_led_from_a_connector_into_the_network_and_back() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(healthy_shop(&desk)).unwrap();
    let connected = text.replace("[services.checkout]", "[connectors.shop]\nnetwork = \"default\"\nip_cidr_range = \"10.8.0.0/28\"\nmachine_type = \"e2-micro\"\nmin_instances = 2\nmax_instances = 3\n[services.checkout]");
    let connected = connected.replace("created = ", "connector = \"shop\"\ncreated = ");
    let scenario = desk.write("connected.sim.toml", &connected);
    let file = runbook(&desk, &configure("network = \"default\", subnet = \"apps\"", "\"checkout\", \"teapot\""));
    let plan = desk.rectify(&["plan", &file, "--sim", &scenario]).code(0);
    let plan = plan.says("connector  shop → not set").says("network    not set → default");
    plan.says("direct egress takes addresses of the subnet");
    desk.rectify(&["run", &file, "--sim", &scenario, "--speed", "max", "--yes"])
        .code(1)
        .says("✗ failed and rolled back");
    let access = desk.cloud()["services"]["checkout"]["template"]["vpcAccess"].clone();
    assert_eq!(access["connector"], "projects/shop-staging/locations/us-central1/connectors/shop", "{access}");
    assert_eq!(access.get("networkInterfaces"), None);
}

#[test]
fn two_rollouts_of_one_service_are_both_undone() {
    let desk = Desk::new();
    let steps = step("first", "gcp.run.configure", "env = { LOG_LEVEL = \"debug\" }", "")
        + &step("second", "gcp.run.configure", "memory = \"1Gi\"", "\"checkout\", \"teapot\"");
    let file = runbook(&desk, &steps);
    let run = desk.rectify(&["run", &file, "--sim", &configured_shop(&desk), "--speed", "max", "--yes"]).code(1);
    run.says("✗ failed and rolled back").says("undo second   gcp.run.template").says("undo first/follow");
    let cloud = desk.cloud();
    assert!(variables(&cloud).to_string().contains("\"info\""), "{}", variables(&cloud));
    assert_eq!(cloud["services"]["checkout"]["template"]["containers"][0]["resources"]["limits"]["memory"], "512Mi");
    assert_eq!(serving(&cloud), [(None, 100)]);
}

#[test]
fn what_an_undo_could_not_get_behind_is_not_planned() {
    let desk = Desk::new();
    let shop = configured_shop(&desk);
    let restart = step("restart", "gcp.run.configure", "restart = true, shift = [100]", "\"teapot\"");
    let pin = step("pin", "gcp.run.traffic", "to = { checkout-00041-kez = 100 }", "");
    for first in [configure("env = { LOG_LEVEL = \"debug\" }", ""), pin.clone()] {
        let plan = desk.rectify(&["plan", &runbook(&desk, &(first + &restart)), "--sim", &shop]).code(1);
        plan.says("× an earlier step makes another revision of checkout or moves its")
            .says("help: take the earlier step out");
    }
    // Traffic that does not follow the newest revision is given back to where it was.
    let text = std::fs::read_to_string(&shop).unwrap().replace(
        "\"latestCreatedRevision\"",
        "\"traffic\":[{\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION\",\"revision\":\"checkout-00041-kez\",\"percent\":100}],\"latestCreatedRevision\"",
    );
    let file = runbook(&desk, &(pin + &restart));
    let pinned = desk.write("pinned.sim.toml", &text);
    let run = desk.rectify(&["run", &file, "--sim", &pinned, "--speed", "max", "--yes"]).code(1);
    run.says("✗ failed and rolled back").says("undo restart/shift-100");
    assert_eq!(serving(&desk.cloud()), [(Some("checkout-00041-kez".to_owned()), 100)]);
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_asked() {
    let desk = Desk::new();
    for (with, says) in [
        ("restart = true, memory = \"1Gi\"", "`restart` is a new revision and nothing else"),
        ("connector = \"c\", network = \"default\"", "by a connector or directly, not both"),
        ("secrets = { TOKEN = \"token\" }", "names no version of a secret"),
        ("secrets = { \"/etc/token\" = \"token:3\" }", "mounted as files are not changed by this action"),
        ("env = { A = 1 }, unset_env = [\"A\"]", "`A` is set and removed, or set twice"),
        ("timeout = \"2h\"", "a request may take an hour at most"),
        ("concurrency = 0", "`concurrency` cannot be 0"),
        ("min_instances = 5, max_instances = 2", "min_instances is 5, more than the 2 of max_instances"),
        ("egress = \"everything\"", "`egress` is `all-traffic` or `private-ranges-only`"),
        ("hold = \"1m\"", "this changes nothing about the service"),
        ("env = { TOKEN = \"${inputs.token}\" }", "`${inputs.token}` is a secret"),
    ] {
        let file = runbook(&desk, &configure(with, "\"checkout\", \"teapot\""));
        let text = std::fs::read_to_string(&file).unwrap();
        let secret = "[inputs]\ntoken = { secret = true, description = \"A token\" }\n[probes.checkout]";
        let file = desk.write("wrong.toml", &text.replace("[probes.checkout]", secret));
        let done = desk.rectify(&["check", &file]);
        let said = format!("{}{}", done.stdout, done.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(done.code != 0 && said.contains(says), "{with}: {said}");
    }
}
