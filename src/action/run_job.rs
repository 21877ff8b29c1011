//! `gcp.run.job.execute`: execute a Cloud Run job once, and wait until it has ended.
//!
//! The step is done when all tasks of the execution succeeded, and failed when one did not. A call whose answer was lost is found among
//! the job's executions.

use serde_json::Value;

use super::ActionFormat;
use super::gcp_call::CallPermissions;
use super::named_call::{CallSpec, KnownCall, KnownUndo, NamedCall, Sends, ToldBy, no_arguments};
use crate::resource::catalogued::CallLog;
use crate::run::{NameOwner, NameShape};
use crate::syntax::format::{Key, Table, ValueType};

/// `gcp.run.job.execute`.
pub type RunJobExecute = NamedCall<Execute>;

/// Stands for [`RunJobExecute`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execute;

/// What a job's name looks like (reference of `jobs.create`).
const NAME_SHAPE: NameShape = NameShape {
    what: "a Cloud Run job",
    min_length: 1,
    max_length: 63,
    owner: NameOwner::Google,
    description: "its short name: lower-case letters, digits and hyphens, beginning with a letter",
};

impl KnownCall for Execute {
    const SPEC: CallSpec = CallSpec {
        format: ActionFormat {
            name: "gcp.run.job.execute",
            outputs: &[],
            with: Table {
                about: "Executes a Cloud Run job once and waits for its end; it must succeed.",
                keys: &[Key::new("job", ValueType::Text, "The job's short name.").required().example("\"migrate\"")],
            },
        },
        resource_type: "run.jobs",
        named_by: &[("job", Some(NAME_SHAPE))],
        sends: Sends::Method("run"),
        arguments: no_arguments,
        undo: KnownUndo::Impossible("what an execution has done stays"),
        told_by: ToldBy::Entry(CallLog::Executions),
        judge: last_execution,
        permissions: CallPermissions {
            // Source: <https://cloud.google.com/run/docs/reference/iam/permissions>.
            observe: &["run.jobs.get", "run.executions.get", "run.executions.list"],
            call: &["run.jobs.run", "run.operations.get"],
        },
        gcloud: "run jobs execute {job} --region={region} --wait",
    };
}

/// What the job says of its last execution (`latestCreatedExecution` of `google/cloud/run/v2/job.proto`).
#[expect(clippy::unnecessary_wraps, reason = "other calls refuse")]
fn last_execution(job: &Value) -> Result<Vec<String>, String> {
    let Some(last) = job.get("latestCreatedExecution") else { return Ok(Vec::new()) };
    let text = |field: &str| last.get(field).and_then(Value::as_str).unwrap_or_default();
    let name = text("name").rsplit('/').next().unwrap_or_default();
    Ok(match text("completionStatus") {
        "EXECUTION_RUNNING" | "EXECUTION_PENDING" => vec![format!("execution {name} has not ended yet: both will run")],
        "EXECUTION_FAILED" => vec![format!("its last execution, {name}, failed")],
        _ => Vec::new(),
    })
}
