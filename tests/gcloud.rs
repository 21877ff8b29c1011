//! The unmodified `gcloud` of an engineer works against the simulated cloud: each command that an incident needs runs,
//! ends as it should, and prints what is so.

use serde_json::{Value, json};

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

/// A variable, two sizes and a bound go back as they were, with flags of `gcloud`, and what the run did not set stays.
#[test]
fn the_script_that_rolls_a_configuration_back() {
    let desk = Desk::new();
    let text = std::fs::read_to_string("runbooks/bad-revision.sim.toml").unwrap();
    let (well, _) = text.split_once("[[services.checkout.revisions]]\nname = \"checkout-00042-bad\"").unwrap();
    let scenario = desk.write("well.sim.toml", well);
    let Some(gcloud) = Gcloud::open_for(&desk, &scenario, "shop-staging") else { return };
    let set =
        "run services update checkout --region=us-central1 --update-env-vars=THEIRS=1,LEVEL=info --concurrency=20";
    assert_eq!(gcloud.run(set).code, 0);
    let file = desk.write(
        "configure.toml",
        "[runbook]\nname = \"configure\"\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n\
         [[phase]]\nname = \"p\"\n[[phase.step]]\nname = \"configure\"\nuses = \"gcp.run.configure\"\n\
         with = { service = \"checkout\", env = { LEVEL = \"debug\", NEW = 5 }, memory = \"1Gi\", timeout = \"10m\", max_instances = 3, network = \"default\", subnet = \"apps\" }\n",
    );
    let template = || {
        let service = gcloud.json("run services describe checkout --region=us-central1");
        let spec = service["spec"]["template"].clone();
        (spec["spec"]["containers"][0].clone(), spec["metadata"]["annotations"].clone(), spec["spec"].clone())
    };
    let before = template();
    let without_network =
        std::fs::read_to_string(&file).unwrap().replace(", network = \"default\", subnet = \"apps\"", "");
    let run = |text: &str| {
        let file = desk.write("now.toml", text);
        desk.rectify(&["run", &file, "--sim", gcloud.url(), "--yes"]).code(0).says("✓ done");
    };
    run(&without_network);
    let (container, annotations, spec) = template();
    assert_eq!(container["resources"]["limits"]["memory"], "1Gi");
    assert_eq!((&spec["timeoutSeconds"], &spec["containerConcurrency"]), (&json!(600), &json!(20)));
    assert_eq!(annotations["autoscaling.knative.dev/maxScale"], "3");
    let script = desk.rectify(&["export", "--undo"]).code(0).stdout;
    let done = gcloud.script(&script);
    assert_eq!(done.code, 0, "{done:?}\n{script}");
    let after = template();
    let sorted = |container: &Value| {
        let mut env = container["env"].as_array().unwrap().clone();
        env.sort_by_key(|entry| entry["name"].to_string());
        env
    };
    assert_eq!(sorted(&after.0), sorted(&before.0));
    assert_eq!(after.0["resources"], before.0["resources"]);
    assert_eq!(after.1.get("autoscaling.knative.dev/maxScale"), None);
    assert_eq!(after.2["timeoutSeconds"], before.2["timeoutSeconds"]);
    // What leads into the network directly is in gcloud's words, too.
    run(&std::fs::read_to_string(&file).unwrap());
    let interfaces = template().1["run.googleapis.com/network-interfaces"].as_str().map(str::to_owned);
    let interfaces: Value = serde_json::from_str(&interfaces.unwrap()).unwrap();
    assert_eq!(interfaces, json!([{ "network": "default", "subnetwork": "apps" }]));
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

/// A type of each API that incidents are mended by, as `[[resources]]` of a scenario.
const ANY: &str = r#"
[cloud]
project = "shop"
project_number = "123"
region = "us-central1"
[[resources]]
name = "redis.instances/cache"
state = { memorySizeGb = 4, tier = "BASIC", state = "READY" }
update_takes = "20s"
[[resources]]
name = "pubsub.subscriptions/orders"
state = { topic = "projects/shop/topics/orders", ackDeadlineSeconds = 10 }
[[resources]]
name = "pubsub.topics/orders"
[[resources]]
name = "cloudscheduler.jobs/nightly"
state = { schedule = "0 3 * * *", state = "ENABLED", timeZone = "UTC", httpTarget = { uri = "https://x.example/", httpMethod = "POST" } }
[resources.methods.pause]
sets = { state = "PAUSED" }
[resources.methods.resume]
sets = { state = "ENABLED" }
[[resources]]
name = "secretmanager.secrets/db"
state = { replication = { automatic = {} } }
[[resources]]
name = "secretmanager.secrets.versions/db/3"
state = { state = "ENABLED" }
[resources.methods.disable]
sets = { state = "DISABLED" }
[resources.methods.enable]
sets = { state = "ENABLED" }
[[resources]]
name = "dns.managedZones/shop"
state = { dnsName = "shop.example.", visibility = "public", description = "x" }
[[resources]]
name = "dns.googleapis.com/projects/shop/managedZones/shop/rrsets/www.shop.example./A"
state = { name = "www.shop.example.", type = "A", ttl = 300, rrdatas = ["10.0.0.1"] }
[[resources]]
name = "cloudkms.keyRings/ring"
[[resources]]
name = "cloudkms.cryptoKeys/ring/key"
state = { purpose = "ENCRYPT_DECRYPT" }
[[resources]]
name = "artifactregistry.repositories/apps"
state = { format = "DOCKER", description = "a" }
[[resources]]
name = "cloudtasks.queues/mail"
state = { state = "RUNNING" }
[resources.methods.pause]
sets = { state = "PAUSED" }
[[resources]]
name = "compute.disks/us-central1-a/data"
state = { sizeGb = 100, type = "https://www.googleapis.com/compute/v1/projects/shop/zones/us-central1-a/diskTypes/pd-ssd", status = "READY" }
[[resources]]
name = "compute.urlMaps/shop"
state = { defaultService = "https://www.googleapis.com/compute/v1/projects/shop/global/backendServices/a" }
[[resources]]
name = "compute.sslPolicies/modern"
state = { profile = "MODERN", minTlsVersion = "TLS_1_2" }
[[resources]]
name = "compute.healthChecks/web"
state = { type = "HTTP", checkIntervalSec = 10, timeoutSec = 5, httpHealthCheck = { port = 80 }, healthyThreshold = 2, unhealthyThreshold = 2 }
[[resources]]
name = "compute.firewalls/allow-web"
state = { network = "https://www.googleapis.com/compute/v1/projects/shop/global/networks/default", direction = "INGRESS", allowed = [{ IPProtocol = "tcp", ports = ["80"] }], sourceRanges = ["0.0.0.0/0"], priority = 1000 }
[[resources]]
name = "compute.instanceGroupManagers/us-central1-a/web"
state = { targetSize = 2, baseInstanceName = "web", instanceTemplate = "https://www.googleapis.com/compute/v1/projects/shop/global/instanceTemplates/t", status = { isStable = true } }
[[resources]]
name = "logging.sinks/audit"
state = { destination = "storage.googleapis.com/x", filter = "a" }
[[resources]]
name = "storage.buckets/shop-media"
state = { location = "US", storageClass = "STANDARD" }
[[resources]]
name = "file.instances/share"
state = { tier = "BASIC_HDD", fileShares = [{ name = "vol1", capacityGb = 1024 }], networks = [{ network = "default" }], state = "READY" }
"#;

/// What describes the cache.
const REDIS: &str = "redis instances describe cache --region=us-central1";

/// A change, what describes the resource, and where the end of which value is then.
const CHANGES: [(&str, &str, &str, &str); 16] = [
    ("redis instances update cache --size=10 --region=us-central1", REDIS, "/memorySizeGb", "10"),
    (
        "pubsub subscriptions update orders --ack-deadline=30",
        "pubsub subscriptions describe orders",
        "/ackDeadlineSeconds",
        "30",
    ),
    (
        "scheduler jobs pause nightly --location=us-central1",
        "scheduler jobs describe nightly --location=us-central1",
        "/state",
        "\"PAUSED\"",
    ),
    ("secrets versions disable 3 --secret=db", "secrets versions describe 3 --secret=db", "/state", "\"DISABLED\""),
    (
        "dns record-sets update www.shop.example. --type=A --zone=shop --rrdatas=10.0.0.2 --ttl=60",
        "dns record-sets describe www.shop.example. --type=A --zone=shop",
        "/rrdatas",
        "[\"10.0.0.2\"]",
    ),
    ("dns managed-zones update shop --description=all", "dns managed-zones describe shop", "/description", "\"all\""),
    (
        "kms keys update key --keyring=ring --location=us-central1 --update-labels=team=a",
        "kms keys describe key --keyring=ring --location=us-central1",
        "/labels/team",
        "\"a\"",
    ),
    (
        "artifacts repositories update apps --location=us-central1 --description=b",
        "artifacts repositories describe apps --location=us-central1",
        "/description",
        "\"b\"",
    ),
    (
        "tasks queues pause mail --location=us-central1",
        "tasks queues describe mail --location=us-central1",
        "/state",
        "\"PAUSED\"",
    ),
    (
        "compute disks resize data --zone=us-central1-a --size=200GB",
        "compute disks describe data --zone=us-central1-a",
        "/sizeGb",
        "\"200\"",
    ),
    (
        "compute url-maps set-default-service shop --default-service=b --global",
        "compute url-maps describe shop --global",
        "/defaultService",
        "/projects/shop/global/backendServices/b\"",
    ),
    (
        "compute ssl-policies update modern --profile=RESTRICTED",
        "compute ssl-policies describe modern",
        "/profile",
        "\"RESTRICTED\"",
    ),
    (
        "compute health-checks update http web --check-interval=20s --global",
        "compute health-checks describe web --global",
        "/checkIntervalSec",
        "20",
    ),
    (
        "compute firewall-rules update allow-web --disabled",
        "compute firewall-rules describe allow-web",
        "/disabled",
        "true",
    ),
    (
        "compute instance-groups managed resize web --size=5 --zone=us-central1-a",
        "compute instance-groups managed describe web --zone=us-central1-a",
        "/targetSize",
        "5",
    ),
    (
        "filestore instances update share --location=us-central1 --description=x",
        "filestore instances describe share --location=us-central1",
        "/description",
        "\"x\"",
    ),
];

/// What an engineer types against resources that have no simulation of their own, type by type.
#[test]
fn any_resource() {
    let desk = Desk::new();
    let scenario = desk.write("any.sim.toml", ANY);
    let Some(gcloud) = Gcloud::open_for(&desk, &scenario, "shop") else { return };
    assert_eq!(gcloud.json(REDIS)["memorySizeGb"], 4);
    for (change, describe, pointer, expected) in CHANGES {
        let ended = gcloud.run(change);
        assert_eq!(ended.code, 0, "gcloud {change}\n{ended:?}");
        let shown = gcloud.json(describe);
        // Some commands print a list of one.
        let shown = shown.get(0).unwrap_or(&shown);
        let value = shown.pointer(pointer).unwrap_or_else(|| panic!("gcloud {describe}: {shown}"));
        // The beginning of a link is the address that gcloud was told.
        assert!(value.to_string().ends_with(expected), "gcloud {change}: {value}");
    }
    let bucket = gcloud.run("storage buckets update gs://shop-media --versioning");
    assert_eq!(bucket.code, 0, "{bucket:?}");
    let made = gcloud.run("secrets create new --replication-policy=automatic");
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(gcloud.json("secrets list").as_array().unwrap().len(), 2);
}
