//! What an instance is if nobody says otherwise, and what is shown of it besides what somebody said.
//!
//! Every field and value here is recorded: instances of PostgreSQL 9.6, 15 and 16, of MySQL 5.7 and 8.0 and of SQL Server, made by
//! a request that named a few of them and then read (2024 to 2026; where the years differ, the latest). Addresses, the text of
//! the server's certificate and the account's six letters are made up.

use serde_json::{Map, Value, json};

use super::instance::Engine;
use crate::sim::world::digest;

/// The settings that are no message, with what they are by default.
fn plain_defaults() -> [(&'static str, Value); 13] {
    [
        ("activationPolicy", json!("ALWAYS")),
        ("authorizedGaeApplications", json!([])),
        ("availabilityType", json!("ZONAL")),
        ("connectorEnforcement", json!("NOT_REQUIRED")),
        ("dataDiskSizeGb", json!("10")),
        ("dataDiskType", json!("PD_SSD")),
        ("deletionProtectionEnabled", json!(false)),
        ("edition", json!("ENTERPRISE")),
        ("pricingPlan", json!("PER_USE")),
        ("replicationLagMaxSeconds", json!(31_536_000)),
        ("replicationType", json!("SYNCHRONOUS")),
        ("storageAutoResize", json!(true)),
        ("storageAutoResizeLimit", json!("0")),
    ]
}

/// Fills in what nobody said, and leaves out what is not shown of this engine.
pub fn fill_defaults(settings: &mut Map<String, Value>, engine: Engine, region: &str) {
    for (field, value) in plain_defaults() {
        settings.entry(field).or_insert(value);
    }
    if settings.get("databaseFlags").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        settings.shift_remove("databaseFlags");
    }
    let is_regional = settings.get("availabilityType").is_some_and(|kind| kind == "REGIONAL");
    fill(settings, "backupConfiguration", |backup| backup_defaults(backup, engine));
    fill(settings, "ipConfiguration", |access| {
        access.entry("ipv4Enabled").or_insert(json!(true));
        access.entry("authorizedNetworks").or_insert(json!([]));
        access.entry("serverCertificateRotationMode").or_insert(json!("SERVER_CERTIFICATE_ROTATION_MODE_UNSPECIFIED"));
        access.entry("sslMode").or_insert(json!("ALLOW_UNENCRYPTED_AND_ENCRYPTED"));
        let strict = access.get("sslMode").is_some_and(|mode| mode == "TRUSTED_CLIENT_CERTIFICATE_REQUIRED");
        access.entry("requireSsl").or_insert(json!(strict));
    });
    // What is false is not shown of these.
    if let Some(insights) = settings.get_mut("insightsConfig").and_then(Value::as_object_mut) {
        insights.retain(|_, value| *value != json!(false));
    }
    if let Some(window) = settings.get_mut("maintenanceWindow").and_then(Value::as_object_mut) {
        window.insert("kind".to_owned(), json!("sql#maintenanceWindow"));
    }
    fill(settings, "locationPreference", |place| {
        place.insert("kind".to_owned(), json!("sql#locationPreference"));
        place.entry("zone").or_insert(json!(format!("{region}-b")));
        if !is_regional {
            place.shift_remove("secondaryZone");
        }
    });
}

fn fill(settings: &mut Map<String, Value>, field: &str, make: impl FnOnce(&mut Map<String, Value>)) {
    let inner = settings.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if let Some(inner) = inner.as_object_mut() {
        make(inner);
    }
}

fn backup_defaults(backup: &mut Map<String, Value>, engine: Engine) {
    backup.insert("kind".to_owned(), json!("sql#backupConfiguration"));
    backup.entry("backupTier").or_insert(json!("STANDARD"));
    backup.entry("enabled").or_insert(json!(false));
    backup.entry("startTime").or_insert(json!("12:00"));
    backup.entry("transactionLogRetentionDays").or_insert(json!(7));
    fill(backup, "backupRetentionSettings", |kept| {
        kept.entry("retainedBackups").or_insert(json!(7));
        kept.entry("retentionUnit").or_insert(json!("COUNT"));
    });
    let logs = backup.get("pointInTimeRecoveryEnabled").and_then(Value::as_bool);
    let kept = if logs == Some(true) { "CLOUD_STORAGE" } else { "TRANSACTIONAL_LOG_STORAGE_STATE_UNSPECIFIED" };
    backup.insert("transactionalLogStorageState".to_owned(), json!(kept));
    // PostgreSQL archives its log for it; the log of MySQL is the binary one, and says so.
    match (engine, logs) {
        (Engine::Postgres, Some(logs)) => drop(backup.insert("replicationLogArchivingEnabled".to_owned(), json!(logs))),
        (Engine::MySql, _) => drop(backup.shift_remove("pointInTimeRecoveryEnabled")),
        (Engine::Postgres, None) | (Engine::SqlServer, _) => {}
    }
    if engine != Engine::MySql {
        backup.shift_remove("binaryLogEnabled");
    }
}

/// The version that is really installed, with its least number.
pub fn installed(version: &str) -> String {
    let least = match version {
        "POSTGRES_9_6" => "24",
        "POSTGRES_15" => "15",
        "POSTGRES_16" => "9",
        "MYSQL_5_7" => "44",
        "MYSQL_8_0" => "31",
        "SQLSERVER_2017_EXPRESS" => "CU31_GDR",
        "SQLSERVER_2019_EXPRESS" => "CU26",
        "SQLSERVER_2022_EXPRESS" => "CU12_GDR",
        // Not recorded. One recorded answer has none, too.
        _ => return version.to_owned(),
    };
    format!("{version}_{least}")
}

/// The versions that an instance of this one can become.
pub fn upgrades(version: &str) -> Vec<Value> {
    const POSTGRES: [&str; 10] = ["9_6", "10", "11", "12", "13", "14", "15", "16", "17", "18"];
    const MYSQL_8_0: [u8; 17] = [18, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 39, 40, 41, 42];
    const SQL_SERVER: [&str; 3] = ["2017", "2019", "2022"];
    let offer =
        |shown: String, name: String, major: &str| json!({ "displayName": shown, "name": name, "majorVersion": major });
    let major = |shown: String, name: String| offer(shown, name.clone(), &name);
    let mysql = |least: u8| {
        let later = MYSQL_8_0.into_iter().filter(move |minor| *minor > least);
        later.map(|minor| offer(format!("MySQL 8.0.{minor}"), format!("MYSQL_8_0_{minor}"), "MYSQL_8_0"))
    };
    if let Some(number) = version.strip_prefix("POSTGRES_") {
        let newer = POSTGRES.iter().skip_while(|known| **known != number).skip(1);
        return newer.map(|number| major(format!("PostgreSQL {number}"), format!("POSTGRES_{number}"))).collect();
    }
    if let Some((year, _)) = version.strip_prefix("SQLSERVER_").and_then(|rest| rest.split_once('_')) {
        let years = SQL_SERVER.iter().skip_while(|known| **known != year);
        let all = years.flat_map(|year| ["Standard", "Enterprise", "Express", "Web"].map(|edition| (year, edition)));
        let named = all.map(|(year, edition)| {
            (format!("SQL Server {year} {edition}"), format!("SQLSERVER_{year}_{}", edition.to_ascii_uppercase()))
        });
        return named.filter(|(_, name)| name != version).map(|(shown, name)| major(shown, name)).collect();
    }
    match version {
        "MYSQL_5_7" => std::iter::once(major("MySQL 8.0".to_owned(), "MYSQL_8_0".to_owned())).chain(mysql(0)).collect(),
        "MYSQL_8_0" => mysql(31).collect(),
        _ => Vec::new(),
    }
}

/// What Gemini does for an instance: it is asked for nothing here. SQL Server has none.
pub fn gemini(engine: Engine) -> Option<Value> {
    let (own, on): (&[&str], &[&str]) = match engine {
        Engine::Postgres => (&["googleVacuumMgmtEnabled"], &["oomSessionCancelEnabled"]),
        Engine::MySql => (&["flagRecommenderEnabled"], &[]),
        Engine::SqlServer => return None,
    };
    let off = ["activeQueryEnabled", "entitled", "indexAdvisorEnabled"];
    let off = off.iter().chain(own).map(|name| ((*name).to_owned(), json!(false)));
    Some(off.chain(on.iter().map(|name| ((*name).to_owned(), json!(true)))).collect())
}

/// The addresses of an instance, as its settings ask for them.
pub fn addresses(settings: &Map<String, Value>, engine: Engine, name: &str) -> Vec<Value> {
    let last = u8::from_str_radix(&digest(name, 2), 16).unwrap_or_default();
    let address = |kind: &str, network: &str| json!({ "type": kind, "ipAddress": format!("{network}.{last}") });
    let access = settings.get("ipConfiguration");
    let mut found = Vec::new();
    if access.and_then(|access| access.get("ipv4Enabled")).is_some_and(|enabled| *enabled == json!(true)) {
        // From the networks that are set aside for documentation (RFC 5737).
        found.push(address("PRIMARY", "203.0.113"));
        if engine == Engine::Postgres {
            found.push(address("OUTGOING", "198.51.100"));
        }
    }
    if access.is_some_and(|access| access.get("privateNetwork").is_some()) {
        found.push(address("PRIVATE", "10.1.2"));
    }
    found
}
