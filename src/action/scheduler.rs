//! `gcp.scheduler.pause` and `gcp.scheduler.resume`: stop a job of Cloud Scheduler from starting, and let it start again.
//!
//! They undo each other. A job can be paused only while it is enabled, and resumed only while it is paused (reference of `jobs.pause`
//! and `jobs.resume`); runs that were due meanwhile are not made up for.

use serde_json::Value;

use super::ActionFormat;
use super::gcp_call::CallPermissions;
use super::named_call::{CallSpec, KnownCall, KnownUndo, NamedCall, Sends, ToldBy, no_arguments};
use crate::syntax::format::{Key, Table, ValueType};

/// `gcp.scheduler.pause`.
pub type SchedulerPause = NamedCall<Pause>;

/// `gcp.scheduler.resume`.
pub type SchedulerResume = NamedCall<Resume>;

/// Stands for [`SchedulerPause`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause;

/// Stands for [`SchedulerResume`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume;

const JOB: Key = Key::new("job", ValueType::Text, "The short name of a Cloud Scheduler job in the target's region.")
    .required()
    .example("\"nightly-export\"");

const TYPE: &str = "cloudscheduler.jobs";
const PAUSE: &str = "scheduler jobs pause {job} --location={region}";
const RESUME: &str = "scheduler jobs resume {job} --location={region}";

/// Resuming is called enabling there (source: <https://cloud.google.com/iam/docs/roles-permissions/cloudscheduler>).
const PERMISSIONS: CallPermissions = CallPermissions {
    observe: &["cloudscheduler.jobs.get"],
    call: &["cloudscheduler.jobs.pause", "cloudscheduler.jobs.enable"],
};

impl KnownCall for Pause {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.scheduler.pause",
            outputs: &[],
            with: Table { about: "Pauses a job of Cloud Scheduler. Undone by resuming it.", keys: &[JOB] },
        },
        resource_type: TYPE,
        named_by: &[("job", None)],
        sends: Sends::Method("pause"),
        arguments: no_arguments,
        undo: KnownUndo::Method("resume", RESUME),
        told_by: ToldBy::Field("state", "PAUSED"),
        judge: may_pause,
        permissions: PERMISSIONS,
        gcloud: PAUSE,
    };
}

impl KnownCall for Resume {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.scheduler.resume",
            outputs: &[],
            with: Table {
                about: "Resumes a job of Cloud Scheduler that is paused. Undone by pausing it.",
                keys: &[JOB],
            },
        },
        resource_type: TYPE,
        named_by: &[("job", None)],
        sends: Sends::Method("resume"),
        arguments: no_arguments,
        undo: KnownUndo::Method("pause", PAUSE),
        told_by: ToldBy::Field("state", "ENABLED"),
        judge: may_resume,
        permissions: PERMISSIONS,
        gcloud: RESUME,
    };
}

fn state(job: &Value) -> &str {
    job.get("state").and_then(Value::as_str).unwrap_or_default()
}

fn may_pause(job: &Value) -> Result<Vec<String>, String> {
    match state(job) {
        "ENABLED" | "" => Ok(vec!["runs that are due while it is paused are not made up for".to_owned()]),
        other => Err(format!("it is {other}, and only an ENABLED job can be paused")),
    }
}

fn may_resume(job: &Value) -> Result<Vec<String>, String> {
    match state(job) {
        "PAUSED" => Ok(Vec::new()),
        other => Err(format!("it is {other}, and only a PAUSED job can be resumed")),
    }
}
