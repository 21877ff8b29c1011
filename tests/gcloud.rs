//! The unmodified `gcloud` of an engineer works against the simulated cloud: each command that an incident needs runs,
//! ends as it should, and prints what is so.

use crate::support::gcloud::Gcloud;
use crate::support::{Desk, SCENARIO};

const CONNECTORS: &str = "compute networks vpc-access connectors";

#[test]
fn connectors() {
    let desk = Desk::new();
    let Some(gcloud) = Gcloud::open(&desk, SCENARIO) else { return };
    let shown = gcloud.json(&format!("{CONNECTORS} describe staging-connector --region=us-central1"));
    assert_eq!((&shown["state"], &shown["maxInstances"]), (&"READY".into(), &3.into()));
    let listed = gcloud.json(&format!("{CONNECTORS} list --region=us-central1"));
    assert_eq!(listed.as_array().unwrap().len(), 1);

    let update = format!("{CONNECTORS} update staging-connector --region=us-central1");
    let refused = gcloud.run(&format!("{update} --min-instances=3 --max-instances=15"));
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("Operation failed: ") && refused.stderr.contains("between 3 and 10"),
        "{refused:?}"
    );
    let grown = gcloud.json(&format!("{update} --min-instances=3 --max-instances=10"));
    assert_eq!(
        (&grown["state"], &grown["minInstances"], &grown["maxInstances"]),
        (&"READY".into(), &3.into(), &10.into())
    );
    let larger = gcloud.json(&format!("{update} --machine-type=e2-standard-4"));
    assert_eq!(larger["machineType"], "e2-standard-4");
    let shrunk = gcloud.run(&format!("{update} --min-instances=2 --max-instances=9"));
    assert_eq!(shrunk.code, 1, "{shrunk:?}");

    let made = gcloud.json(&format!(
        "{CONNECTORS} create second --region=us-central1 --network=default --range=10.9.0.0/28 --min-instances=2 --max-instances=3"
    ));
    assert_eq!(made["state"], "READY", "{made}");
    assert_eq!(gcloud.run(&format!("{CONNECTORS} delete second --region=us-central1 --quiet")).code, 0);
    let missing = gcloud.run(&format!("{CONNECTORS} describe second --region=us-central1"));
    assert!(missing.code == 1 && missing.stderr.contains("NOT_FOUND"), "{missing:?}");
}

#[test]
fn cloud_run() {
    let desk = Desk::new();
    let Some(gcloud) = Gcloud::open(&desk, SCENARIO) else { return };
    let services = "run services";
    let shown = gcloud.json(&format!("{services} describe netra-backend-staging --region=us-central1"));
    assert_eq!(shown["metadata"]["name"], "netra-backend-staging");
    assert_eq!(shown["spec"]["traffic"].as_array().unwrap().len(), 2);
    for list in [format!("{services} list --region=us-central1"), format!("{services} list")] {
        assert_eq!(gcloud.json(&list).as_array().unwrap().len(), 2, "{list}");
    }
    let revisions = gcloud.json("run revisions list --service=netra-backend-staging --region=us-central1");
    assert_eq!(revisions.as_array().unwrap().len(), 2);

    // The documents' own remedy: all traffic to one revision.
    let moved = gcloud.run(
        "run services update-traffic netra-backend-staging --to-revisions=netra-backend-staging-00750-69k=100 --region=us-central1",
    );
    assert_eq!(moved.code, 0, "{moved:?}");
    let shown = gcloud.json(&format!("{services} describe netra-backend-staging --region=us-central1"));
    assert_eq!(shown["status"]["traffic"][0]["revisionName"], "netra-backend-staging-00750-69k");
    assert_eq!(shown["status"]["conditions"][0]["status"], "True", "{}", shown["status"]);

    // A pinned service gives a new revision nothing, as gcloud itself says.
    let image =
        "us-docker.pkg.dev/p/apps/backend@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    let grow = "compute networks vpc-access connectors update staging-connector --region=us-central1 --machine-type=e2-standard-4";
    assert_eq!(gcloud.run(grow).code, 0);
    let deployed = gcloud.run(&format!("run deploy netra-backend-staging --image={image} --region=us-central1"));
    assert_eq!(deployed.code, 0, "{deployed:?}");
    assert!(deployed.stderr.contains("is serving 0 percent of traffic"), "{deployed:?}");
    let scaled = gcloud.run("run services update netra-auth-staging --min-instances=2 --region=us-central1");
    // The auth service's image crashes: its new revision cannot start, and gcloud says so.
    assert!(scaled.code == 1 && scaled.stderr.contains("failed to start"), "{scaled:?}");

    let image = "us-docker.pkg.dev/p/apps/new@sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
    let made =
        gcloud.run(&format!("run deploy brand-new --image={image} --region=us-central1 --no-allow-unauthenticated"));
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stderr.contains("is serving 100 percent of traffic"), "{made:?}");
    let missing = gcloud.run("run services describe nobody --region=us-central1");
    assert!(missing.code == 1 && missing.stderr.contains("Cannot find service [nobody]"), "{missing:?}");
}

/// What lies ready for an operator does what it says, may be run again, and stops at what somebody else changed.
#[test]
fn the_script_that_rolls_a_run_back() {
    let desk = Desk::new();
    let Some(gcloud) = Gcloud::open(&desk, SCENARIO) else { return };
    let file = desk.flagship_before("services");
    desk.rectify(&["run", &file, "--sim", gcloud.url(), "--yes", "--acknowledge", "scale-connector"]).code(0);
    let service = "netra-backend-staging";
    let shares = || {
        let shown = gcloud.json(&format!("run services describe {service} --region=us-central1"));
        shown["spec"]["traffic"].as_array().unwrap().len()
    };
    assert_eq!(shares(), 1);
    let script = desk.rectify(&["export", "--undo"]).code(0).stdout;
    let preview = desk.rectify(&["rollback", "--dry-run"]).code(0);
    preview.says("as this run left it; it is undone").says("A rollback would go through.");
    let done = gcloud.script(&script);
    assert_eq!((done.code, shares()), (0, 2), "{done:?}\n{script}");
    let again = gcloud.script(&script);
    assert!(again.code == 0 && again.stderr.contains("is already as wanted"), "{again:?}");
    desk.rectify(&["rollback", "--dry-run"]).code(0).says("already as it was before this run");
    let moved =
        format!("run services update-traffic {service} --to-revisions={service}-00749-6tr=100 --region=us-central1");
    assert_eq!(gcloud.run(&moved).code, 0);
    let stopped = gcloud.script(&script);
    assert!(stopped.code == 1 && stopped.stderr.contains("somebody else changed it"), "{stopped:?}");
    let preview = desk.rectify(&["rollback", "--dry-run"]).code(7);
    preview.says("another principal changed it").says("A rollback would not go through");
    assert_eq!(shares(), 1, "nothing was written");
}

/// The flags of a database that the run did not set stay.
#[test]
fn the_script_that_rolls_flags_of_a_database_back() {
    let desk = Desk::new();
    let Some(gcloud) = Gcloud::open_for(&desk, SHOP, "shop-staging") else { return };
    let text = std::fs::read_to_string("runbooks/sql-connections.toml").unwrap();
    let file = desk.write("sql.toml", &text.replace("protected = true ", "protected = false"));
    // Whether its gate passes depends on how busy this machine is; the change is applied all the same.
    let only = ["--only", "raise-max-connections", "--on-failure", "stop"];
    let run = ["run", &file, "--sim", gcloud.url(), "--yes", "--acknowledge", "raise-max-connections"];
    desk.rectify(&[&run[..], &only].concat()).says("✓ applied");
    let script = desk.rectify(&["export", "--undo"]).code(0).stdout;
    let done = gcloud.script(&script);
    assert_eq!(done.code, 0, "{done:?}\n{script}");
    let again = gcloud.script(&script);
    assert!(again.code == 0 && again.stderr.contains("is already as wanted"), "{again:?}\n{script}");
}

/// The incident's cloud with a database and a load balancer, as a file of its own.
fn with_more(desk: &Desk) -> String {
    let text = std::fs::read_to_string(SCENARIO).unwrap();
    desk.write("more.sim.toml", &(text + super::sql::DATABASE + super::compute::LOAD_BALANCER))
}

#[test]
fn cloud_sql() {
    let desk = Desk::new();
    let Some(gcloud) = Gcloud::open(&desk, &with_more(&desk)) else { return };
    let instance = "staging-shared-postgres";
    let shown = gcloud.json(&format!("sql instances describe {instance}"));
    assert_eq!((&shown["state"], &shown["settings"]["tier"]), (&"RUNNABLE".into(), &"db-g1-small".into()));
    // The documents' own remedy. It replaces the flag that was there, and restarts the database.
    let patch = format!("sql instances patch {instance} --quiet --database-flags");
    let patched = gcloud.run(&format!("{patch}=max_connections=400"));
    assert_eq!(patched.code, 0, "{patched:?}");
    let flags = gcloud.json(&format!("sql instances describe {instance}"))["settings"]["databaseFlags"].clone();
    assert_eq!(flags, serde_json::json!([{ "name": "max_connections", "value": "400" }]));
    let operations = gcloud.json(&format!("sql operations list --instance={instance}"));
    assert_eq!((&operations[0]["operationType"], &operations[0]["status"]), (&"UPDATE".into(), &"DONE".into()));
    let refused = gcloud.run(&format!("{patch}=max_connections=many"));
    assert!(refused.code == 1 && refused.stderr.contains("Invalid value for flag"), "{refused:?}");
    let restarted = gcloud.run(&format!("sql instances restart {instance} --quiet"));
    assert_eq!(restarted.code, 0, "{restarted:?}");
    let missing = gcloud.run("sql instances describe nobodys");
    assert!(missing.code == 1 && missing.stderr.contains("does not exist"), "{missing:?}");
    let listed = gcloud.json("sql instances list");
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(gcloud.json("sql flags list --database-version=POSTGRES_15").as_array().unwrap().len() > 5);
}

#[test]
fn load_balancing() {
    let desk = Desk::new();
    let Some(gcloud) = Gcloud::open(&desk, &with_more(&desk)) else { return };
    let shown = gcloud.json("compute backend-services describe legacy --global");
    assert_eq!(shown["timeoutSec"], 30);
    let updated = gcloud.run("compute backend-services update legacy --global --timeout=600");
    assert_eq!(updated.code, 0, "{updated:?}");
    assert_eq!(gcloud.json("compute backend-services describe legacy --global")["timeoutSec"], 600);
    assert_eq!(gcloud.json("compute backend-services list --global").as_array().unwrap().len(), 2);
    // The documents' own remedy, which Google refuses.
    let refused = gcloud.run("compute backend-services update api --global --timeout=600");
    assert!(refused.code == 1 && refused.stderr.contains("Timeout sec is not supported"), "{refused:?}");

    let listed = gcloud.json("compute ssl-certificates list");
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(gcloud.json("compute ssl-certificates list --global").as_array().unwrap().len(), 2);
    let create = "compute ssl-certificates create";
    let wildcard = gcloud.run(&format!("{create} star --global --domains=*.netrasystems.ai"));
    assert!(wildcard.code == 1 && wildcard.stderr.contains("Wildcard domains not supported"), "{wildcard:?}");
    let made = gcloud.run(&format!("{create} made --global --domains=api.staging.netrasystems.ai"));
    assert_eq!(made.code, 0, "{made:?}");
    let described = gcloud.json("compute ssl-certificates describe made --global");
    assert_eq!(described["managed"]["status"], "PROVISIONING");
    assert_eq!(gcloud.run("compute ssl-certificates delete made --global --quiet").code, 0);
}

const SHOP: &str = "runbooks/sql-connections.sim.toml";

#[test]
fn logging() {
    let desk = Desk::new();
    let Some(gcloud) = Gcloud::open_for(&desk, SHOP, "shop-staging") else { return };
    // gcloud looks at the last day by the wall's clock, unless it is told; the scenario has a day of its own.
    let read = "logging read httpRequest.status=503 --limit=5 --freshness=3650d";
    let entries = gcloud.json(read);
    assert_eq!(entries.as_array().unwrap().len(), 5, "{entries}");
    assert_eq!(entries[0]["resource"]["type"], "cloud_run_revision");
}
