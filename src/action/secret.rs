//! `gcp.secret.add`, `gcp.secret.enable`, `gcp.secret.disable` and `gcp.secret.destroy`: the versions of a secret of Secret Manager.
//!
//! Enabling and disabling undo each other. A version that was added stays, and one that was destroyed is gone. Sources: the reference of
//! `projects.secrets.versions`; <https://cloud.google.com/secret-manager/docs/destroy-secret-version>.

use serde_json::Value;

use super::ActionFormat;
use super::gcp_call::CallPermissions;
use super::named_call::{CallSpec, KnownCall, KnownUndo, NamedCall, Sends, ToldBy, always};
use crate::resource::Permission;
use crate::resource::catalogued::CallLog;
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::mistake::{SECRET_SHOWN, UNKNOWN_RESOURCE};
use crate::syntax::value::SecretText;

/// `gcp.secret.add`.
pub type SecretAdd = NamedCall<Add>;

/// `gcp.secret.enable`.
pub type SecretEnable = NamedCall<Enable>;

/// `gcp.secret.disable`.
pub type SecretDisable = NamedCall<Disable>;

/// `gcp.secret.destroy`.
pub type SecretDestroy = NamedCall<Destroy>;

/// Stands for [`SecretAdd`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add;

/// Stands for [`SecretEnable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enable;

/// Stands for [`SecretDisable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disable;

/// Stands for [`SecretDestroy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destroy;

const SECRET: Key =
    Key::new("secret", ValueType::Text, "The short name of the secret.").required().example("\"api-key\"");
const VERSION: Key = Key::new("version", ValueType::Text, "The number of the version.").required().example("\"3\"");

const VERSIONS: &str = "secretmanager.secrets.versions";
const ENABLE: &str = "secrets versions enable {version} --secret={secret}";
const DISABLE: &str = "secrets versions disable {version} --secret={secret}";

/// What a call on a version takes besides looking at it (source: <https://cloud.google.com/secret-manager/docs/access-control>).
const fn of_version(call: &'static [Permission]) -> CallPermissions {
    CallPermissions { observe: &["secretmanager.versions.get"], call }
}

impl KnownCall for Add {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.secret.add",
            outputs: &[],
            with: Table {
                about: "Adds a version to a secret. Whoever reads `latest` gets it from then on.",
                keys: &[
                    SECRET,
                    Key::new("value", ValueType::SecretText, "What the version holds: an input that is secret.")
                        .required()
                        .example("\"${inputs.new-key}\""),
                ],
            },
        },
        resource_type: "secretmanager.secrets",
        named_by: &[("secret", None)],
        sends: Sends::Method("addVersion"),
        arguments: payload,
        undo: KnownUndo::Impossible(
            "the version stays, and `latest` means it even while it is disabled; add another one to go back",
        ),
        told_by: ToldBy::Entry(CallLog::SecretVersions),
        judge: always,
        permissions: CallPermissions {
            observe: &["secretmanager.secrets.get", "secretmanager.versions.list"],
            call: &["secretmanager.versions.add"],
        },
        gcloud: "secrets versions add {secret} --data-file=-",
    };
}

impl KnownCall for Enable {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.secret.enable",
            outputs: &[],
            with: Table {
                about: "Enables a version of a secret that is disabled. Undone by disabling it.",
                keys: &[SECRET, VERSION],
            },
        },
        resource_type: VERSIONS,
        named_by: &[("secret", None), ("version", None)],
        sends: Sends::Method("enable"),
        arguments: of_a_version,
        undo: KnownUndo::Method("disable", DISABLE),
        told_by: ToldBy::Field("state", "ENABLED"),
        judge: is_not_destroyed,
        permissions: of_version(&["secretmanager.versions.enable", "secretmanager.versions.disable"]),
        gcloud: ENABLE,
    };
}

impl KnownCall for Disable {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.secret.disable",
            outputs: &[],
            with: Table {
                about: "Disables a version of a secret, which nobody can read then. Undone by enabling it.",
                keys: &[SECRET, VERSION],
            },
        },
        resource_type: VERSIONS,
        named_by: &[("secret", None), ("version", None)],
        sends: Sends::Method("disable"),
        arguments: of_a_version,
        undo: KnownUndo::Method("enable", ENABLE),
        told_by: ToldBy::Field("state", "DISABLED"),
        judge: may_disable,
        permissions: of_version(&["secretmanager.versions.enable", "secretmanager.versions.disable"]),
        gcloud: DISABLE,
    };
}

impl KnownCall for Destroy {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.secret.destroy",
            outputs: &[],
            with: Table {
                about: "Destroys a version of a secret, for good. Disable it first, and see who misses it.",
                keys: &[SECRET, VERSION],
            },
        },
        resource_type: VERSIONS,
        named_by: &[("secret", None), ("version", None)],
        sends: Sends::Method("destroy"),
        arguments: of_a_version,
        undo: KnownUndo::Impossible("what the version holds is destroyed for good"),
        // With `versionDestroyTtl` the version is disabled at once, and destroyed at that time.
        told_by: ToldBy::Condition("resource.state == 'DESTROYED' || has(resource.scheduledDestroyTime)"),
        judge: may_destroy,
        permissions: of_version(&["secretmanager.versions.destroy"]),
        gcloud: "secrets versions destroy {version} --secret={secret}",
    };
}

/// What a version is to hold. A value that stands in the file is no secret any more.
fn payload(with: &Block<'_, '_>) -> Option<SecretText> {
    let value = with.secret_text("value")?;
    if value.secrets().next().is_none() {
        let message = "the value of a secret stands in the runbook";
        with.note_value("value", SECRET_SHOWN, message, "declare an input with `secret = true`, and refer to it");
        return None;
    }
    let literal = SecretText::literal;
    Some(SecretText::concat([literal(r#"{"payload":{"data":""#), value.base64(), literal(r#""}}"#)]))
}

/// Nothing is sent along; but the version must be one that stays the same.
fn of_a_version(with: &Block<'_, '_>) -> Option<SecretText> {
    if with.text("version").is_some_and(|version| version == "latest") {
        let message = "`latest` is another version as soon as one is added";
        with.note_value("version", UNKNOWN_RESOURCE, message, "write the number of the version that is meant");
        return None;
    }
    Some(SecretText::literal("{}"))
}

fn state(version: &Value) -> &str {
    version.get("state").and_then(Value::as_str).unwrap_or_default()
}

fn is_not_destroyed(version: &Value) -> Result<Vec<String>, String> {
    if state(version) == "DESTROYED" {
        return Err("it is destroyed, and nothing brings it back".to_owned());
    }
    let scheduled = version.get("scheduledDestroyTime").and_then(Value::as_str);
    Ok(scheduled.map(|at| format!("it is to be destroyed at {at}: enabling it takes that back")).into_iter().collect())
}

fn may_disable(version: &Value) -> Result<Vec<String>, String> {
    is_not_destroyed(version)?;
    Ok(vec![
        "whoever reads this version gets errors, some only after a while: the change takes time to spread".to_owned(),
    ])
}

fn may_destroy(version: &Value) -> Result<Vec<String>, String> {
    is_not_destroyed(version)?;
    let is_enabled = state(version) == "ENABLED";
    let untried = "it is enabled: that nobody needs it has not been tried by disabling it first".to_owned();
    Ok(is_enabled.then_some(untried).into_iter().collect())
}
