//! `gcp.sql.restart`, `gcp.sql.failover`, `gcp.sql.backup` and `gcp.sql.promote`: what is done to a Cloud SQL instance besides its settings.
//!
//! Each begins an operation that stays in the instance's list, by its type: so a call whose answer was lost is found there. Sources:
//! Discovery of `sqladmin.instances` and `sqladmin.backupRuns`; `SqlOperationType` of `google/cloud/sql/v1`.

use serde_json::Value;

use super::ActionFormat;
use super::gcp_call::CallPermissions;
use super::named_call::{CallSpec, KnownCall, KnownUndo, NamedCall, Sends, ToldBy, no_arguments};
use crate::resource::catalogued::CallLog;
use crate::resource::sql::Sql;
use crate::resource::{Observable as _, Permission};
use crate::run::NameShape;
use crate::syntax::format::{Key, Table, ValueType};

/// `gcp.sql.restart`.
pub type SqlRestart = NamedCall<Restart>;

/// `gcp.sql.failover`.
pub type SqlFailover = NamedCall<Failover>;

/// `gcp.sql.backup`.
pub type SqlBackup = NamedCall<Backup>;

/// `gcp.sql.promote`.
pub type SqlPromote = NamedCall<Promote>;

/// Stands for [`SqlRestart`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart;

/// Stands for [`SqlFailover`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover;

/// Stands for [`SqlBackup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup;

/// Stands for [`SqlPromote`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promote;

const INSTANCE: Key =
    Key::new("instance", ValueType::Text, "The instance's short name.").required().example("\"shop-postgres\"");

const TYPE: &str = "sqladmin.instances";
const NAMED_BY: &[(&str, Option<NameShape>)] = &[("instance", Some(Sql::NAME_SHAPE))];

/// What a call takes besides looking at the instance and its operations
/// (source: <https://cloud.google.com/sql/docs/postgres/iam-permissions>).
const fn to(call: &'static [Permission]) -> CallPermissions {
    CallPermissions { observe: &["cloudsql.instances.get"], call }
}

impl KnownCall for Restart {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.sql.restart",
            outputs: &[],
            with: Table { about: "Restarts a Cloud SQL instance. Every connection breaks.", keys: &[INSTANCE] },
        },
        resource_type: TYPE,
        named_by: NAMED_BY,
        sends: Sends::Method("restart"),
        arguments: no_arguments,
        undo: KnownUndo::NotNeeded(Some("every connection breaks; there is nothing to undo afterwards")),
        told_by: ToldBy::Entry(CallLog::SqlOperations("RESTART")),
        judge: runs,
        permissions: to(&["cloudsql.instances.restart"]),
        gcloud: "sql instances restart {instance}",
    };
}

impl KnownCall for Failover {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.sql.failover",
            outputs: &[],
            with: Table {
                about: "Moves a Cloud SQL instance to its standby in another zone. Every connection breaks.",
                keys: &[INSTANCE],
            },
        },
        resource_type: TYPE,
        named_by: NAMED_BY,
        sends: Sends::Method("failover"),
        arguments: no_arguments,
        undo: KnownUndo::Impossible("it serves from the other zone from then on; only another failover leads back"),
        told_by: ToldBy::Entry(CallLog::SqlOperations("FAILOVER")),
        judge: has_standby,
        permissions: to(&["cloudsql.instances.failover"]),
        gcloud: "sql instances failover {instance}",
    };
}

impl KnownCall for Backup {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.sql.backup",
            outputs: &[],
            with: Table {
                about: "Makes a backup of a Cloud SQL instance, and waits for it. A rollback keeps it.",
                keys: &[INSTANCE],
            },
        },
        resource_type: TYPE,
        named_by: NAMED_BY,
        sends: Sends::Within("backupRuns"),
        arguments: no_arguments,
        undo: KnownUndo::NotNeeded(None),
        told_by: ToldBy::Entry(CallLog::SqlOperations("BACKUP_VOLUME")),
        judge: can_be_backed_up,
        permissions: to(&["cloudsql.backupRuns.create"]),
        gcloud: "sql backups create --instance={instance}",
    };
}

impl KnownCall for Promote {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.sql.promote",
            outputs: &[],
            with: Table {
                about: "Makes a read replica of Cloud SQL an instance of its own, which takes writes.",
                keys: &[INSTANCE],
            },
        },
        resource_type: TYPE,
        named_by: NAMED_BY,
        sends: Sends::Method("promoteReplica"),
        arguments: no_arguments,
        undo: KnownUndo::Impossible("an instance that was promoted does not become a replica again"),
        told_by: ToldBy::Entry(CallLog::SqlOperations("PROMOTE_REPLICA")),
        judge: is_replica,
        permissions: to(&["cloudsql.instances.promoteReplica"]),
        gcloud: "sql instances promote-replica {instance}",
    };
}

fn text<'v>(instance: &'v Value, path: &str) -> &'v str {
    instance.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// An instance that its owner stopped is RUNNABLE, too; its policy tells them apart (`cloud_sql_instances.proto`).
fn runs(instance: &Value) -> Result<Vec<String>, String> {
    match (text(instance, "/settings/activationPolicy"), text(instance, "/state")) {
        ("NEVER", _) => {
            Err("it is stopped, because its activation policy is NEVER; start it with gcp.sql.patch".to_owned())
        }
        (_, "RUNNABLE" | "") => Ok(Vec::new()),
        (_, state) => Ok(vec![format!("it is {state} right now")]),
    }
}

fn has_standby(instance: &Value) -> Result<Vec<String>, String> {
    match text(instance, "/settings/availabilityType") {
        "REGIONAL" => {}
        other => return Err(format!("its availability type is {other}, and only a REGIONAL instance has a standby")),
    }
    let mut known = runs(instance)?;
    known.push("every connection breaks".to_owned());
    let (here, there) = (text(instance, "/gceZone"), text(instance, "/secondaryGceZone"));
    if !here.is_empty() && !there.is_empty() {
        known.push(format!("it moves from {here} to {there}"));
    }
    Ok(known)
}

fn can_be_backed_up(instance: &Value) -> Result<Vec<String>, String> {
    // Source: Cloud SQL's documentation of backups: none can be made of a read replica.
    if text(instance, "/instanceType") == "READ_REPLICA_INSTANCE" {
        return Err("it is a read replica, of which there are no backups; back up its primary".to_owned());
    }
    Ok(Vec::new())
}

fn is_replica(instance: &Value) -> Result<Vec<String>, String> {
    let primary = text(instance, "/masterInstanceName");
    if primary.is_empty() {
        return Err("it is no read replica".to_owned());
    }
    let primary = primary.rsplit(':').next().unwrap_or(primary);
    Ok(vec![
        format!(
            "what is written to {primary} from then on does not reach it; what {primary} has not sent yet is lost to it"
        ),
        "it may restart".to_owned(),
    ])
}
