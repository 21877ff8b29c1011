//! Cloud SQL, driven by Google's own client and by hand: a flag that needs a restart takes the database down, the list of
//! flags is replaced whole, and nobody overwrites what another has changed meanwhile.

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_sql_v1::client::{SqlFlagsService, SqlInstancesService, SqlOperationsService};
use google_cloud_sql_v1::model::database_instance::SqlInstanceState;
use google_cloud_sql_v1::model::operation::{SqlOperationStatus, SqlOperationType};
use google_cloud_sql_v1::model::settings::SqlActivationPolicy;
use google_cloud_sql_v1::model::{DatabaseFlags, DatabaseInstance, Operation, Settings};
use google_cloud_wkt::Int64Value;
use jiff::SignedDuration;
use rectify::sim::{World, scenario};
use serde_json::{Value, json};

use crate::support::SCENARIO;
use crate::support::cloud::Cloud;

const P: &str = "netra-staging";
const I: &str = "staging-shared-postgres";
const INSTANCE: &str = "/sql/v1beta4/projects/netra-staging/instances/staging-shared-postgres";

/// The incident's database.
pub const DATABASE: &str = r#"
[sql.staging-shared-postgres]
database_version = "POSTGRES_15"
tier = "db-g1-small"
flags = { log_min_duration_statement = "500" }
update_takes = "1m"
restart_takes = "40s"
"#;

struct Sql {
    cloud: Cloud,
    instances: SqlInstancesService,
    operations: SqlOperationsService,
}

impl Sql {
    async fn open() -> Sql {
        let cloud = Cloud::of(SCENARIO, DATABASE);
        let (instances, operations) = (
            SqlInstancesService::builder()
                .with_endpoint(cloud.url(""))
                .with_credentials(anonymous::Builder::new().build()),
            SqlOperationsService::builder()
                .with_endpoint(cloud.url(""))
                .with_credentials(anonymous::Builder::new().build()),
        );
        let instances = instances.with_retry_policy(NeverRetry).build().await.unwrap();
        let operations = operations.with_retry_policy(NeverRetry).build().await.unwrap();
        Sql { cloud, instances, operations }
    }

    async fn get(&self) -> DatabaseInstance {
        self.instances.get().set_project(P).set_instance(I).send().await.unwrap()
    }

    async fn patch(&self, settings: Settings) -> Result<Operation, google_cloud_gax::error::Error> {
        let body = DatabaseInstance::new().set_settings(settings);
        self.instances.patch().set_project(P).set_instance(I).set_body(body).send().await
    }

    async fn operation(&self, name: &str) -> Operation {
        self.operations.get().set_project(P).set_operation(name).send().await.unwrap()
    }

    /// Polls as a tool does, and says in which states the instance was seen meanwhile.
    async fn done(&self, name: &str) -> Vec<SqlInstanceState> {
        let mut seen = Vec::new();
        while self.operation(name).await.status != SqlOperationStatus::Done {
            seen.push(self.get().await.state);
            self.cloud.sleep(SignedDuration::from_secs(10)).await;
        }
        seen.dedup();
        seen
    }
}

fn flags(flags: &[(&str, &str)]) -> Settings {
    Settings::new()
        .set_database_flags(flags.iter().map(|(name, value)| DatabaseFlags::new().set_name(*name).set_value(*value)))
}

fn names(settings: &Settings) -> Vec<&str> {
    settings.database_flags.iter().map(|flag| flag.name.as_str()).collect()
}

#[tokio::test]
async fn a_flag_that_postgresql_reads_at_its_start_takes_the_database_down() {
    let sql = Sql::open().await;
    let before = sql.cloud.clock.now();
    let begun = sql.patch(flags(&[("max_connections", "200")])).await.unwrap();
    assert_eq!((&begun.operation_type, begun.target_id.as_str()), (&SqlOperationType::Update, I));
    assert_eq!(begun.status, SqlOperationStatus::Pending);
    let states = sql.done(&begun.name).await;
    assert_eq!(states, [SqlInstanceState::Runnable, SqlInstanceState::Maintenance]);
    assert_eq!(sql.cloud.clock.now().duration_since(before), SignedDuration::from_secs(100), "an update and a restart");
    let now = sql.get().await;
    assert_eq!(now.state, SqlInstanceState::Runnable);
    assert_eq!(names(now.settings.as_ref().unwrap()), ["max_connections"], "the list is replaced, not merged");
    assert_eq!(now.settings.unwrap().settings_version, Some(2));
}

#[tokio::test]
async fn other_flags_take_no_restart() {
    let sql = Sql::open().await;
    let before = sql.cloud.clock.now();
    let begun = sql.patch(flags(&[("statement_timeout", "30000")])).await.unwrap();
    assert_eq!(sql.done(&begun.name).await, [SqlInstanceState::Runnable]);
    assert_eq!(sql.cloud.clock.now().duration_since(before), SignedDuration::from_mins(1));
}

#[tokio::test]
async fn a_database_that_its_owner_stopped_is_runnable_all_the_same() {
    let sql = Sql::open().await;
    let begun = sql.patch(Settings::new().set_activation_policy(SqlActivationPolicy::Never)).await.unwrap();
    sql.done(&begun.name).await;
    let now = sql.get().await;
    assert_eq!(now.state, SqlInstanceState::Runnable);
    let settings = now.settings.unwrap();
    assert_eq!(settings.activation_policy, SqlActivationPolicy::Never);
    assert_eq!(names(&settings), ["log_min_duration_statement"], "what a PATCH does not mention stays");
}

#[tokio::test]
async fn one_operation_at_a_time_and_no_lost_update() {
    let sql = Sql::open().await;
    let stale = sql.get().await.settings.unwrap().settings_version;
    let begun = sql.patch(flags(&[("max_connections", "200")])).await.unwrap();
    let second = sql.patch(flags(&[("max_connections", "300")])).await.unwrap_err();
    assert_eq!(second.http_status_code(), Some(409));
    assert!(format!("{second:?}").contains("operationInProgress"), "{second:?}");
    sql.done(&begun.name).await;
    let late = sql.patch(flags(&[("max_connections", "300")]).set_settings_version(stale.unwrap())).await.unwrap_err();
    assert_eq!(late.http_status_code(), Some(412));
    assert!(format!("{late:?}").contains("staleData"), "{late:?}");
    let fresh: Int64Value = sql.get().await.settings.unwrap().settings_version.unwrap();
    sql.patch(flags(&[("max_connections", "300")]).set_settings_version(fresh)).await.unwrap();
    let listed = sql.operations.list().set_project(P).set_instance(I).send().await.unwrap().items;
    assert_eq!(listed.len(), 2, "what was refused left no operation");
    assert!(listed[0].insert_time > listed[1].insert_time, "the newest first");
    let none = sql.operations.list().set_project(P).set_instance("another").send().await.unwrap().items;
    assert!(none.is_empty());
}

#[tokio::test]
async fn an_instance_read_whole_can_be_put_back_whole() {
    let sql = Sql::open().await;
    let mut whole = sql.get().await;
    let settings = whole.settings.as_mut().unwrap();
    settings.tier = "db-custom-1-3840".to_owned();
    let put = sql.instances.update().set_project(P).set_instance(I).set_body(whole.clone()).send().await.unwrap();
    assert_eq!(
        sql.done(&put.name).await,
        [SqlInstanceState::Runnable, SqlInstanceState::Maintenance],
        "another machine"
    );
    let now = sql.get().await.settings.unwrap();
    assert_eq!(now.tier, "db-custom-1-3840");
    assert_eq!(names(&now), ["log_min_duration_statement"]);
    whole.settings.as_mut().unwrap().settings_version = None;
    let unguarded = sql.instances.update().set_project(P).set_instance(I).set_body(whole).send().await.unwrap_err();
    assert_eq!(unguarded.http_status_code(), Some(400), "a PUT must say which version it replaces");
}

/// A trap of the client: it leaves an empty list out, so its PATCH cannot take the last flag away. A PUT can.
#[tokio::test]
async fn the_last_flag_goes_with_a_put_only() {
    let sql = Sql::open().await;
    let patch = sql.patch(flags(&[])).await.unwrap();
    sql.done(&patch.name).await;
    let mut whole = sql.get().await;
    assert_eq!(names(whole.settings.as_ref().unwrap()), ["log_min_duration_statement"], "it is still there");
    whole.settings.as_mut().unwrap().database_flags.clear();
    let put = sql.instances.update().set_project(P).set_instance(I).set_body(whole).send().await.unwrap();
    sql.done(&put.name).await;
    assert!(names(&sql.get().await.settings.unwrap()).is_empty());
}

#[tokio::test]
async fn the_flags_say_what_needs_a_restart() {
    let cloud = Cloud::of(SCENARIO, DATABASE);
    let client =
        SqlFlagsService::builder().with_endpoint(cloud.url("")).with_credentials(anonymous::Builder::new().build());
    let client = client.build().await.unwrap();
    let flags = client.list().set_database_version("POSTGRES_15").send().await.unwrap().items;
    let restart = |name: &str| flags.iter().find(|flag| flag.name == name).unwrap().requires_restart;
    assert_eq!((restart("max_connections"), restart("statement_timeout")), (Some(true), Some(false)));
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_the_shape_of_the_older_apis() {
    let cloud = Cloud::of(SCENARIO, DATABASE);
    let settings = |settings: Value| json!({ "settings": settings });
    let flag = |name: &str, value: &str| settings(json!({ "databaseFlags": [{ "name": name, "value": value }] }));
    for (body, status, reason) in [
        (flag("max_connections", "5"), 400, "invalid"),
        (flag("max_connections", "many"), 400, "invalid"),
        (flag("max connections=", "200"), 400, "invalid"),
        (
            settings(
                json!({ "databaseFlags": [{ "name": "log_connections", "value": "on" }, { "name": "log_connections", "value": "off" }] }),
            ),
            400,
            "invalid",
        ),
        (settings(json!({ "databaseFlags": "max_connections=200" })), 400, "invalid"),
        (settings(json!({ "tier": "db-huge" })), 400, "invalid"),
        (settings(json!({ "activationPolicy": "SOMETIMES" })), 400, "invalid"),
        (json!({ "settings": [] }), 400, "invalid"),
        (json!({ "setings": {} }), 400, "invalid"),
        (json!({ "name": "another" }), 400, "invalid"),
        (json!({ "databaseVersion": "POSTGRES_14" }), 400, "invalid"),
        (json!({ "gceZone": "us-central1-f" }), 501, "notImplemented"),
        (settings(json!({ "settingsVersion": "7" })), 412, "staleData"),
    ] {
        let answer = cloud.send("PATCH", INSTANCE, Some(body.clone())).await.unwrap();
        let error = &answer.json["error"]["errors"][0];
        assert_eq!((answer.status, error["reason"].as_str()), (status, Some(reason)), "{body}: {}", answer.json);
        assert_eq!(answer.json["error"].get("status"), None);
    }
    let missing = cloud.send("GET", &INSTANCE.replace("shared", "nobodys"), None).await.unwrap();
    assert_eq!((missing.status, &missing.json["error"]["errors"][0]["reason"]), (404, &json!("instanceDoesNotExist")));
    let foreign = cloud.send("GET", &INSTANCE.replace("netra-staging", "other"), None).await.unwrap();
    assert_eq!((foreign.status, &foreign.json["error"]["errors"][0]["reason"]), (403, &json!("notAuthorized")));
    assert_eq!(
        cloud.get("/sql/v1beta4/projects/netra-staging/operations").await["items"],
        json!([]),
        "nothing was begun"
    );
}

/// What was recorded of instances that were made, changed, copied and deleted: see the sources in `src/sim/world/sql`.
#[tokio::test]
async fn an_instance_is_made_filled_in_upgraded_copied_and_deleted() {
    let cloud = Cloud::of(SCENARIO, DATABASE);
    let all = "/sql/v1beta4/projects/netra-staging/instances";
    let send = async |method: &str, path: &str, body: Value| {
        let answer = cloud.send(method, &format!("{all}{path}"), Some(body)).await.unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.json);
        assert_eq!(answer.json["status"], "PENDING");
        answer.json
    };
    let body = json!({ "name": "new", "databaseVersion": "POSTGRES_15", "region": "us-central1", "settings": {
        "tier": "db-custom-1-3840", "availabilityType": "REGIONAL", "backupConfiguration": { "pointInTimeRecoveryEnabled": true },
        "databaseFlags": [{ "name": "cloudsql.iam_authentication", "value": "on" }, { "name": "a_flag_of_tomorrow", "value": "x" }],
    } });
    assert_eq!(send("POST", "", body).await["operationType"], "CREATE");
    let coming = cloud.get(&format!("{all}/new")).await;
    assert_eq!((&coming["state"], coming.get("ipAddresses")), (&json!("PENDING_CREATE"), None));
    cloud.sleep(SignedDuration::from_mins(2)).await;
    let made = cloud.get(&format!("{all}/new")).await;
    assert_eq!((&made["state"], &made["secondaryGceZone"]), (&json!("RUNNABLE"), &json!("us-central1-c")));
    assert_eq!(made["ipAddresses"].as_array().unwrap().len(), 2, "a primary one, and where PostgreSQL calls from");
    let settings = &made["settings"];
    assert_eq!(settings["backupConfiguration"]["replicationLogArchivingEnabled"], true);
    assert_eq!(settings["ipConfiguration"]["sslMode"], "ALLOW_UNENCRYPTED_AND_ENCRYPTED");
    assert_eq!((&settings["edition"], &settings["pricingPlan"]), (&json!("ENTERPRISE"), &json!("PER_USE")));

    send("PATCH", "/new", json!({ "databaseVersion": "POSTGRES_16" })).await;
    cloud.sleep(SignedDuration::from_mins(3)).await;
    assert_eq!(cloud.get(&format!("{all}/new")).await["databaseInstalledVersion"], "POSTGRES_16_9");

    assert_eq!(send("POST", "/new/failover", json!({})).await["operationType"], "FAILOVER");
    assert_eq!(cloud.get(&format!("{all}/new")).await["state"], "MAINTENANCE");
    cloud.sleep(SignedDuration::from_mins(2)).await;
    assert_eq!(cloud.get(&format!("{all}/new")).await["gceZone"], "us-central1-c");
    assert_eq!(send("POST", "/new/restart", json!({})).await["operationType"], "RESTART");
    cloud.sleep(SignedDuration::from_mins(2)).await;

    let cloned = send("POST", "/new/clone", json!({ "cloneContext": { "destinationInstanceName": "copy" } })).await;
    assert_eq!((&cloned["operationType"], &cloned["targetId"]), (&json!("CLONE"), &json!("copy")));
    cloud.sleep(SignedDuration::from_mins(2)).await;
    assert_eq!(send("DELETE", "/copy", json!({})).await["operationType"], "DELETE");
    assert_eq!(cloud.get(&format!("{all}/copy")).await["state"], "PENDING_DELETE");
    cloud.sleep(SignedDuration::from_mins(2)).await;
    assert_eq!(cloud.send("GET", &format!("{all}/copy"), None).await.unwrap().status, 404);
    let refused = cloud.send("POST", &format!("{all}/new/promoteReplica"), Some(json!({}))).await.unwrap();
    assert_eq!(refused.status, 400, "it is no replica");
    let replica = json!({ "name": "replica", "masterInstanceName": "new", "databaseVersion": "POSTGRES_16",
        "settings": { "tier": "db-custom-1-3840" } });
    send("POST", "", replica).await;
    cloud.sleep(SignedDuration::from_mins(2)).await;
    assert_eq!(cloud.get(&format!("{all}/new")).await["replicaNames"], json!(["replica"]));
    send("POST", "/replica/promoteReplica", json!({})).await;
    cloud.sleep(SignedDuration::from_mins(2)).await;
    assert_eq!(cloud.get(&format!("{all}/replica")).await["instanceType"], "CLOUD_SQL_INSTANCE");
}

/// Google has refused a second change with 409 and, in 2018, with 403; and `max_connections` of MySQL takes no restart.
#[tokio::test]
async fn a_scenario_says_how_a_second_change_is_refused() {
    let mysql = DATABASE.replace("POSTGRES_15", "MYSQL_8_0").replace("log_min_duration_statement", "slow_query_log");
    let text =
        std::fs::read_to_string(SCENARIO).unwrap().replacen("[behaviour]", "[behaviour]\nsql_busy = \"forbidden\"", 1);
    let text = text + &mysql.replace("\"500\"", "\"on\"");
    let cloud = Cloud::open(scenario::parse("s", &text).unwrap_or_else(|error| panic!("{error}")));
    let flag = json!({ "settings": { "databaseFlags": [{ "name": "max_connections", "value": "300" }] } });
    assert_eq!(cloud.send("PATCH", INSTANCE, Some(flag.clone())).await.unwrap().status, 200);
    let second = cloud.send("PATCH", INSTANCE, Some(flag)).await.unwrap();
    assert_eq!((second.status, &second.json["error"]["errors"][0]["reason"]), (403, &json!("operationInProgress")));
    cloud.sleep(SignedDuration::from_secs(61)).await;
    assert_eq!(cloud.get(INSTANCE).await["state"], "RUNNABLE");
    let flags = cloud.get("/sql/v1beta4/flags?databaseVersion=MYSQL_8_0").await;
    let names: Vec<&str> =
        flags["items"].as_array().unwrap().iter().map(|flag| flag["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"performance_schema") && !names.contains(&"work_mem"), "{names:?}");
}

#[tokio::test]
async fn an_operation_that_fails_on_request_leaves_the_database_up_and_as_it_was() {
    let cloud = Cloud::of(SCENARIO, DATABASE);
    let fault = json!({ "match": { "method": "PATCH" }, "fault": { "operation_error": { "code": 13, "message": "An internal error occurred" } }, "times": 1 });
    cloud.send("POST", "/_sim/faults", Some(fault)).await.unwrap();
    let flag = json!({ "settings": { "databaseFlags": [{ "name": "max_connections", "value": "200" }] } });
    let begun = cloud.send("PATCH", INSTANCE, Some(flag)).await.unwrap().json;
    cloud.sleep(SignedDuration::from_secs(70)).await;
    assert_eq!(cloud.get(INSTANCE).await["state"], "RUNNABLE");
    cloud.sleep(SignedDuration::from_secs(40)).await;
    let ended =
        cloud.get(&format!("/sql/v1beta4/projects/netra-staging/operations/{}", begun["name"].as_str().unwrap())).await;
    assert_eq!(
        (&ended["status"], &ended["error"]["errors"][0]["message"]),
        (&json!("DONE"), &json!("An internal error occurred"))
    );
    assert_eq!(cloud.get(INSTANCE).await["settings"]["settingsVersion"], "1");
}

/// The third shipped scenario, with so few instances that all is well.
fn quiet_shop() -> World {
    let shop = "runbooks/sql-connections.sim.toml";
    let text = std::fs::read_to_string(shop).unwrap().replace("instances = 20", "instances = 2");
    scenario::parse(shop, &text).unwrap()
}

async fn health(cloud: &Cloud, service: &str) -> u16 {
    let request = cloud.http.get(cloud.url("/health")).header("host", format!("{service}.shop.example"));
    request.send().await.unwrap().status().as_u16()
}

const SHOP: &str = "/sql/v1beta4/projects/shop-staging/instances/shop-postgres";

fn more_connections() -> Value {
    json!({ "settings": { "databaseFlags": [{ "name": "max_connections", "value": "200" }] } })
}

#[tokio::test]
async fn while_the_database_restarts_nobody_is_served() {
    let cloud = Cloud::open(quiet_shop());
    assert_eq!(health(&cloud, "orders").await, 200);
    cloud.send("PATCH", SHOP, Some(more_connections())).await.unwrap();
    cloud.sleep(SignedDuration::from_secs(29)).await;
    assert_eq!(health(&cloud, "orders").await, 200, "it is not down yet");
    cloud.sleep(SignedDuration::from_secs(10)).await;
    for service in ["orders", "payments", "catalog"] {
        assert_eq!(health(&cloud, service).await, 503, "every connection is broken: {service}");
    }
    let state = cloud.get("/_sim/state").await["databases"]["shop-postgres"]["connections"].clone();
    assert_eq!(state, json!({ "accepted": false, "wanted": 60, "allowed": 77 }));
    // It is up again a minute and a half after the request, and the services some seconds later.
    cloud.sleep(SignedDuration::from_mins(2)).await;
    for service in ["orders", "payments", "catalog"] {
        assert_eq!(health(&cloud, service).await, 200, "{service}");
    }
    let state = cloud.get("/_sim/state").await["databases"]["shop-postgres"]["connections"].clone();
    assert_eq!(state, json!({ "accepted": true, "wanted": 60, "allowed": 177 }));
}

#[tokio::test]
async fn a_cloud_that_was_saved_amid_a_restart_goes_on_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cloud.json");
    let cloud = Cloud::open(quiet_shop());
    let begun = cloud.send("PATCH", SHOP, Some(more_connections())).await.unwrap().json;
    cloud.sleep(SignedDuration::from_secs(40)).await;
    assert_eq!(cloud.get(SHOP).await["state"], "MAINTENANCE");
    cloud.simulator.save_to(path.clone()).unwrap();
    drop(cloud);
    let cloud = Cloud::open(World::reopen(&path).unwrap());
    let operation = format!("/sql/v1/projects/shop-staging/operations/{}", begun["name"].as_str().unwrap());
    assert_eq!(cloud.get(&operation).await["status"], "RUNNING");
    assert_eq!(cloud.get(SHOP).await["state"], "MAINTENANCE");
    cloud.sleep(SignedDuration::from_secs(50)).await;
    assert_eq!(cloud.get(&operation).await["status"], "DONE");
    assert_eq!(cloud.get(SHOP).await["settings"]["databaseFlags"][0]["value"], "200");
}

#[test]
fn a_scenario_with_a_database_that_cannot_be_is_refused() {
    let text = std::fs::read_to_string(SCENARIO).unwrap();
    for (from, to, reason) in [
        ("db-g1-small", "db-huge", "Invalid tier"),
        ("POSTGRES_15", "ORACLE_23", "database_version begins with"),
        ("\"500\"", "\"soon\"", "Invalid value for flag"),
        ("restart_takes", "restart_take", "did you mean `restart_takes`?"),
    ] {
        let error = scenario::parse("s", &(text.clone() + &DATABASE.replace(from, to))).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
