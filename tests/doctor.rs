//! `rectify doctor` says what would be missing in the night.

use crate::support::{Desk, FLAGSHIP, SCENARIO, Served};

#[test]
fn a_healthy_desk_is_told_so() {
    let desk = Desk::new();
    let done = desk.rectify(&["doctor", FLAGSHIP, "--sim", "--speed", "max"]).code(0);
    insta::with_settings!({filters => vec![(r"kept in /\S+", "kept in [state]")]}, {
        insta::assert_snapshot!(done.stdout);
    });
}

#[test]
fn what_is_missing_is_named() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(SCENARIO).unwrap();
    let caller = "\n[callers.anonymous]\ntoken = \"-\"\n\
        denied = [\"run.services.update\", \"cloudsupport.techCases.create\"]\n";
    let disabled = "region = \"us-central1\"\ndisabled_apis = [\"run.googleapis.com\"]\n";
    let changed = text.replace("region = \"us-central1\"\n", disabled) + caller;
    let scenario = desk.write("poor.sim.toml", &changed);
    let done = desk.rectify(&["doctor", FLAGSHIP, "--sim", &scenario, "--speed", "max"]).code(1);
    let done = done.says("× the permission run.services.update is missing; one-revision, deploy-auth");
    let done = done.says("× run.googleapis.com is not enabled: `gcloud services enable run.googleapis.com");
    // A runbook that may escalate needs a way to do it.
    done.says("× no support case can be opened");
}

#[test]
fn an_incident_at_google_is_worth_knowing_before_anything_is_done() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(SCENARIO).unwrap() + crate::service_health::EVENTS;
    let text = text.replace("published = \"2025-09-16T03:20:00Z\"", "published = \"2025-09-16T02:55:00Z\"");
    let scenario = desk.write("incident.sim.toml", &text);
    let done = desk.rectify(&["doctor", FLAGSHIP, "--sim", &scenario, "--speed", "max"]).code(0);
    done.says("! Google reports an incident of Cloud Run in us-central1");
}

#[test]
fn a_state_directory_that_cannot_be_written_is_found_now_and_not_then() {
    let desk = Desk::new();
    let file = desk.write("file", "");
    let cloud = Served::start(&desk, SCENARIO, "max");
    desk.rectify(&["doctor", FLAGSHIP, "--sim", &cloud.url, "--state", &file]).code(7).complains("is not a directory");
    assert_eq!(cloud.writes(), Vec::<String>::new());
}

/// A runbook with whatever can be missing: two mistakes, a secret, an input, programs, and a step that is in order.
const POOR: &str = r#"
[runbook]
name = "poor"
[target]
project = "netra-staging"
region = "us-central1"
[inputs]
token = { secret = true, env = "TOKEN", description = "For the pager" }
image = { required = true, description = "What to deploy" }
[probes.connector]
resource = "gcp.connector/staging-connector"
expect = 'state == "READY"'
[[phase]]
name = "p"
[[phase.step]]
name = "page"
uses = "shell"
irreversible = true
with = { run = ["no-such-program-here", "--now"], env = { TOKEN = "${inputs.token}", KUBECONFIG = "/etc/kube" } }
[[phase.step]]
name = "pages"
uses = "shell"
irreversible = true
with = { shell = "bash", run = "gcloud run jobs execute page --project=netra-staging --region=us-central1", env = { IMAGE = "${inputs.image}" } }
[[phase.step]]
name = "wait"
uses = "probe"
gate = { healthy = ["connector"], for = "1m" }
"#;

#[test]
fn a_runbook_with_mistakes_is_listed_with_all_else_that_is_missing() {
    let desk = Desk::new();
    let broken =
        POOR.replace("healthy = [\"connector\"]", "healthy = [\"conector\"]").replace("--now", "${inputs.now}");
    let broken = broken.replace("shell = \"bash\", run", "shel = \"bash\", run");
    let file = desk.write("poor.toml", &broken);
    let known = [("CLOUDSDK_CORE_PROJECT", "other"), ("KUBECONFIG", "/mine")];
    let done = desk.rectify_in(&known, &["doctor", &file, "--sim", SCENARIO]).code(1);
    let done = done.says("poor.toml:28: unknown-probe: there is no probe `conector`").says("poor.toml:19: ");
    let done = done.says("× the input `image` has no value");
    // The programs of steps that cannot be read are needed too.
    let done = done.says("× no-such-program-here is not on PATH: a shell step runs it").says("✓ bash can be started");
    // What is in order is looked at all the same; the cloud is not asked.
    let done =
        done.says("! the cloud was not asked: a runbook with mistakes reaches nobody").says("✓ runs can be kept");
    assert!(!done.stdout.contains("enabled"), "{}", done.stdout);
    assert_eq!(done.stderr, "");

    let file = desk.write("poor.toml", POOR);
    let done = desk.rectify_in(&known, &["doctor", &file, "--sim", SCENARIO, "--input", "image=i"]).code(1);
    let done = done.says("poor.toml has no mistakes");
    let done = done.says("× no-such-program-here is not on PATH: a shell step runs it").says("✓ bash can be started");
    // Only one of the two steps names KUBECONFIG in its `env`.
    let done = done.says("! shell steps do not get CLOUDSDK_CORE_PROJECT, KUBECONFIG of this environment");
    done.says("! 2 shell steps were not examined: which permissions their programs need is not known");
}

#[test]
fn without_credentials_doctor_names_the_command_and_looks_at_the_rest() {
    let desk = Desk::new();
    let file = desk.write("poor.toml", POOR);
    let line = "`gcloud auth application-default login`; the cloud was not asked";
    // Nothing listens there.
    let done = desk.rectify_in(&[("GCE_METADATA_HOST", "127.0.0.1:9")], &["doctor", &file]).code(1);
    let done = done.says("× there are no application-default credentials, and no metadata server answers: ").says(line);
    done.says("× the input `token` has no value")
        .says("× no-such-program-here is not on PATH")
        .says("✓ runs can be kept");
    // What accepts and never answers is not waited for, and what is no metadata server is none.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = mute.local_addr().unwrap().to_string();
    desk.rectify_in(&[("GCE_METADATA_HOST", &host)], &["doctor", &file]).code(1).says(line);
    let other = crate::support::servers::Receiver::start(|_| (200, "hello".to_owned()));
    let host = other.url.trim_start_matches("http://").to_owned();
    desk.rectify_in(&[("GCE_METADATA_HOST", &host)], &["doctor", &file]).code(1).says(line);
    let gone = desk.path("gone.json").display().to_string();
    let done = desk.rectify_in(&[("GOOGLE_APPLICATION_CREDENTIALS", &gone)], &["doctor", &file]).code(1);
    done.says("× GOOGLE_APPLICATION_CREDENTIALS names ").says(line);
}
