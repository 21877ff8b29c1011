//! Enums as numbers.
//!
//! Google's own client libraries ask for `$alt=json;enum-encoding=int`, and Google then answers enums as numbers
//! (recorded: a Cloud Run job with `"launchStage": 4, "state": 1, "executionEnvironment": 2`). What is stored and compared
//! here are the names, so an answer is translated on its way out, by the tables below, and a request's body on its way in
//! by the code that reads it. The numbers are those of the published protos.

use serde_json::Value;

/// The names of an enum and their numbers.
type Numbers = &'static [(&'static str, i32)];

/// The enums of an API by the fields that hold them. Two messages may have a field of one name: the value decides.
pub(super) type Table = &'static [(&'static [&'static str], Numbers)];

const LAUNCH_STAGE: Numbers = &[
    ("EARLY_ACCESS", 1),
    ("ALPHA", 2),
    ("BETA", 3),
    ("GA", 4),
    ("DEPRECATED", 5),
    ("UNIMPLEMENTED", 6),
    ("PRELAUNCH", 7),
];

pub(super) const RUN: Table = &[
    (
        &["state"],
        &[("CONDITION_PENDING", 1), ("CONDITION_RECONCILING", 2), ("CONDITION_FAILED", 3), ("CONDITION_SUCCEEDED", 4)],
    ),
    (&["severity"], &[("ERROR", 1), ("WARNING", 2), ("INFO", 3)]),
    (&["reason"], &[("REVISION_FAILED", 3), ("PROGRESS_DEADLINE_EXCEEDED", 4), ("CONTAINER_MISSING", 6)]),
    (
        &["revisionReason"],
        &[("PENDING", 1), ("RETIRED", 3), ("HEALTH_CHECK_CONTAINER_ERROR", 6), ("NO_DEPLOYMENT", 10)],
    ),
    (&["launchStage"], LAUNCH_STAGE),
    (
        &["ingress"],
        &[
            ("INGRESS_TRAFFIC_ALL", 1),
            ("INGRESS_TRAFFIC_INTERNAL_ONLY", 2),
            ("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", 3),
            ("INGRESS_TRAFFIC_NONE", 4),
        ],
    ),
    (&["type"], &[("TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", 1), ("TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", 2)]),
    (&["scalingMode"], &[("AUTOMATIC", 1), ("MANUAL", 2)]),
    (&["egress"], &[("ALL_TRAFFIC", 1), ("PRIVATE_RANGES_ONLY", 2)]),
    (&["executionEnvironment"], &[("EXECUTION_ENVIRONMENT_GEN1", 1), ("EXECUTION_ENVIRONMENT_GEN2", 2)]),
    (&["encryptionKeyRevocationAction"], &[("PREVENT_NEW", 1), ("SHUTDOWN", 2)]),
    (&["medium"], &[("MEMORY", 1)]),
];

pub(super) const CONNECTOR: Table =
    &[(&["state"], &[("READY", 1), ("CREATING", 2), ("DELETING", 3), ("ERROR", 4), ("UPDATING", 5)])];

pub(super) const SQL: Table = &[
    (
        &["state"],
        &[
            ("RUNNABLE", 1),
            ("SUSPENDED", 2),
            ("PENDING_DELETE", 3),
            ("PENDING_CREATE", 4),
            ("MAINTENANCE", 5),
            ("FAILED", 6),
        ],
    ),
    (&["status"], &[("PENDING", 1), ("RUNNING", 2), ("DONE", 3)]),
    (
        &["operationType"],
        &[
            ("CREATE", 3),
            ("UPDATE", 4),
            ("DELETE", 5),
            ("RESTART", 6),
            ("PROMOTE_REPLICA", 17),
            ("CREATE_REPLICA", 18),
            ("FAILOVER", 25),
        ],
    ),
    (&["activationPolicy"], &[("ALWAYS", 1), ("NEVER", 2), ("ON_DEMAND", 3)]),
    (&["availabilityType"], &[("ZONAL", 1), ("REGIONAL", 2)]),
    (&["backendType"], &[("FIRST_GEN", 1), ("SECOND_GEN", 2), ("EXTERNAL", 3)]),
    (&["instanceType"], &[("CLOUD_SQL_INSTANCE", 1), ("ON_PREMISES_INSTANCE", 2), ("READ_REPLICA_INSTANCE", 3)]),
    (&["pricingPlan"], &[("PACKAGE", 1), ("PER_USE", 2)]),
    (&["replicationType"], &[("SYNCHRONOUS", 1), ("ASYNCHRONOUS", 2)]),
    (&["dataDiskType"], &[("PD_SSD", 1), ("PD_HDD", 2), ("OBSOLETE_LOCAL_SSD", 3), ("HYPERDISK_BALANCED", 4)]),
    (&["edition"], &[("ENTERPRISE", 2), ("ENTERPRISE_PLUS", 3), ("DEVELOPER", 5)]),
    (&["connectorEnforcement"], &[("NOT_REQUIRED", 1), ("REQUIRED", 2)]),
    (&["sqlNetworkArchitecture"], &[("NEW_NETWORK_ARCHITECTURE", 1), ("OLD_NETWORK_ARCHITECTURE", 2)]),
    (
        &["sslMode"],
        &[("ALLOW_UNENCRYPTED_AND_ENCRYPTED", 1), ("ENCRYPTED_ONLY", 2), ("TRUSTED_CLIENT_CERTIFICATE_REQUIRED", 3)],
    ),
    (
        &["transactionalLogStorageState"],
        &[("DISK", 1), ("SWITCHING_TO_CLOUD_STORAGE", 2), ("SWITCHED_TO_CLOUD_STORAGE", 3), ("CLOUD_STORAGE", 4)],
    ),
    (&["retentionUnit"], &[("COUNT", 1)]),
    (&["type"], &[("PRIMARY", 1), ("OUTGOING", 2), ("PRIVATE", 3), ("BOOLEAN", 1), ("STRING", 2), ("INTEGER", 3)]),
    (&["flagScope"], &[("SQL_FLAG_SCOPE_DATABASE", 1)]),
    (
        &["databaseVersion"],
        &[
            ("MYSQL_5_6", 5),
            ("MYSQL_5_7", 6),
            ("MYSQL_8_0", 20),
            ("MYSQL_8_4", 398),
            ("POSTGRES_9_6", 9),
            ("POSTGRES_10", 18),
            ("POSTGRES_11", 10),
            ("POSTGRES_12", 19),
            ("POSTGRES_13", 23),
            ("POSTGRES_14", 110),
            ("POSTGRES_15", 172),
            ("POSTGRES_16", 272),
            ("POSTGRES_17", 408),
            ("POSTGRES_18", 557),
            ("SQLSERVER_2017_STANDARD", 11),
            ("SQLSERVER_2017_ENTERPRISE", 14),
            ("SQLSERVER_2017_EXPRESS", 15),
            ("SQLSERVER_2017_WEB", 16),
            ("SQLSERVER_2019_STANDARD", 26),
            ("SQLSERVER_2019_ENTERPRISE", 27),
            ("SQLSERVER_2019_EXPRESS", 28),
            ("SQLSERVER_2019_WEB", 29),
            ("SQLSERVER_2022_STANDARD", 199),
            ("SQLSERVER_2022_ENTERPRISE", 200),
            ("SQLSERVER_2022_EXPRESS", 201),
            ("SQLSERVER_2022_WEB", 202),
        ],
    ),
];

pub(super) const LOGGING: Table = &[(
    &["severity"],
    &[
        ("DEFAULT", 0),
        ("DEBUG", 100),
        ("INFO", 200),
        ("NOTICE", 300),
        ("WARNING", 400),
        ("ERROR", 500),
        ("CRITICAL", 600),
        ("ALERT", 700),
        ("EMERGENCY", 800),
    ],
)];

pub(super) const MONITORING: Table = &[
    (&["metricKind"], &[("GAUGE", 1), ("DELTA", 2), ("CUMULATIVE", 3)]),
    (&["valueType"], &[("BOOL", 1), ("INT64", 2), ("DOUBLE", 3), ("STRING", 4), ("DISTRIBUTION", 5), ("MONEY", 6)]),
    (&["launchStage"], LAUNCH_STAGE),
];

pub(super) const SUPPORT: Table = &[
    (
        &["state"],
        &[
            ("NEW", 1),
            ("IN_PROGRESS_GOOGLE_SUPPORT", 2),
            ("ACTION_REQUIRED", 3),
            ("SOLUTION_PROVIDED", 4),
            ("CLOSED", 5),
        ],
    ),
    (&["priority"], &[("P0", 1), ("P1", 2), ("P2", 3), ("P3", 4), ("P4", 5)]),
];

/// Whether a query asks for enums as numbers.
pub(super) fn are_wanted_as_numbers(query: Option<&str>) -> bool {
    let value = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let decoded = value.replace("%3B", ";").replace("%3b", ";").replace("%3D", "=").replace("%3d", "=");
        (matches!(name, "$alt" | "%24alt" | "alt") && decoded.contains("enum-encoding=int")).then_some(())
    };
    query.is_some_and(|query| query.split('&').any(|pair| value(pair).is_some()))
}

/// The name of a value of one of Cloud SQL's enums.
pub(super) fn sql_name(field: &str, number: i64) -> Option<&'static str> {
    let enums = SQL.iter().filter(|(fields, _)| fields.contains(&field));
    enums.flat_map(|(_, numbers)| *numbers).find(|(_, known)| i64::from(*known) == number).map(|(name, _)| *name)
}

/// Writes the numbers of enums in the place of their names, in an answer of the API that has these enums.
pub(super) fn number(value: &mut Value, table: Table) {
    match value {
        Value::Object(fields) => {
            for (field, inner) in fields {
                if let Value::String(name) = inner {
                    let enums = table.iter().filter(|(fields, _)| fields.contains(&field.as_str()));
                    let mut numbers = enums.flat_map(|(_, numbers)| numbers.iter());
                    if let Some((_, number)) = numbers.find(|(known, _)| known == name) {
                        *inner = Value::from(*number);
                    }
                } else if !matches!(field.as_str(), "labels" | "annotations") {
                    number(inner, table);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| number(item, table)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_those_who_ask_get_numbers() {
        for query in
            ["$alt=json;enum-encoding=int", "%24alt=json%3Benum-encoding%3Dint", "a=b&alt=json;enum-encoding=int"]
        {
            assert!(are_wanted_as_numbers(Some(query)), "{query}");
        }
        for query in ["alt=json", "filter=enum-encoding=int", ""] {
            assert!(!are_wanted_as_numbers(Some(query)), "{query}");
        }
        assert!(!are_wanted_as_numbers(None));
    }

    #[test]
    fn an_enum_is_told_from_text_by_its_field_and_its_api() {
        let mut service = json!({
            "launchStage": "GA", "labels": { "state": "CONDITION_FAILED" }, "description": "GA",
            "conditions": [{ "type": "Ready", "state": "CONDITION_SUCCEEDED" }],
        });
        number(&mut service, RUN);
        let wanted = json!({
            "launchStage": 4, "labels": { "state": "CONDITION_FAILED" }, "description": "GA",
            "conditions": [{ "type": "Ready", "state": 4 }],
        });
        assert_eq!(service, wanted);
        let mut operation = json!({ "metadata": { "@type": "x/google.cloud.vpcaccess.v1.OperationMetadata" },
            "response": { "state": "READY" } });
        number(&mut operation, CONNECTOR);
        assert_eq!(operation["response"]["state"], 1);
    }
}
