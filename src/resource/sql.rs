//! The settings of a Cloud SQL instance: its flags, its machine, its storage, and whether it runs.
//!
//! An update replaces the list of flags as a whole, so it is written with everything that was seen in it. It is
//! conditional on `settingsVersion`. `RUNNABLE` is also what an instance says that its owner stopped; its activation
//! policy tells them apart (source: `google/cloud/sql/v1/cloud_sql_instances.proto`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cloud::Cloud;
use super::error::{ReadError, WriteError};
use super::follow_up::FollowUp;
use super::gcloud::{GcloudCommands, quoted, text, unknown};
use super::path::ApiPath;
use super::permission::Permission;
use super::spec::{ApiObject, Billed, LabelValue, Metrics, Product};
use super::{Kind, Observable, OperationProgress, Seen, Writer, ended_with_all, typed};
use crate::gate::{FactType, Facts};
use crate::run::{Change, NameOwner, NameShape, ResourceId, Reversibility};

/// What an instance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// `RUNNABLE`, `MAINTENANCE`, `FAILED`, …
    pub state: String,
    /// `ALWAYS` unless its owner stopped it.
    pub activation_policy: String,
    /// Its machine, such as `db-g1-small`.
    pub tier: String,
    /// The size of its disk. It may grow by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_gb: Option<i64>,
    /// Such as `POSTGRES_15`.
    pub database_version: String,
    /// The flag of this name, if it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// Every flag that is set.
    pub flags: BTreeMap<String, String>,
}

/// The fields a change may own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owned {
    /// Flags by name; `None` is one that is not set. Those that are not named stay as they are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, Option<String>>,
    /// Its machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// `ALWAYS`, or `NEVER` to stop it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation_policy: Option<String>,
    /// The size of its disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_gb: Option<i64>,
}

/// What one GB of a disk is called in a price list of a runbook.
const STORAGE: &str = "sql-storage-gb";

/// The settings besides flags: the field of a state, the API's, and the flag of `gcloud sql instances patch`.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("tier", "tier", "tier"),
    ("activation_policy", "activationPolicy", "activation-policy"),
    ("storage_gb", "dataDiskSizeGb", "storage-size"),
];

/// `gcp.sql`.
pub struct Sql {
    cloud: Arc<Cloud>,
}

impl Sql {
    /// The instances of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Sql {
        Sql { cloud: Arc::clone(cloud) }
    }

    async fn read(&self, id: &ResourceId) -> Result<(State, Option<String>), ReadError> {
        let path = ApiPath::project(&id.project).of("instances", &id.name);
        let found: Instance = self.get(id, &path, &[]).await?;
        if found.name != id.name {
            let why = format!("it is about {:?}, not about {:?}", found.name, id.name);
            return Err(ReadError::Malformed { resource: id.clone(), why });
        }
        if found.settings.database_flags.iter().any(|flag| flag.name.is_empty()) {
            return Err(ReadError::Malformed { resource: id.clone(), why: "one of its flags has no name".to_owned() });
        }
        let version = found.settings.version.as_ref().map(version);
        Ok((state(found), version))
    }

    /// The newest operations of an instance.
    async fn operations(&self, id: &ResourceId) -> Result<Vec<Operation>, ReadError> {
        let path = ApiPath::project(&id.project).at("operations");
        let listed: Operations = self.get(id, &path, &[("instance", &id.name), ("maxResults", "10")]).await?;
        Ok(listed.items)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        id: &ResourceId,
        path: &ApiPath,
        query: &[(&'static str, &str)],
    ) -> Result<T, ReadError> {
        let answer = self.cloud.sql(path, query).await.map_err(|error| ReadError::of(id, &error))?;
        typed(&answer).map_err(|why| ReadError::Malformed { resource: id.clone(), why })
    }
}

/// An instance as the API has it (source: `instances.get` of Cloud SQL Admin v1). What is not set is left out of an answer.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Instance {
    name: String,
    state: Option<String>,
    database_version: Option<String>,
    settings: Settings,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    /// An int64, which JSON has as text.
    #[serde(rename = "settingsVersion")]
    version: Option<Value>,
    tier: String,
    activation_policy: Option<String>,
    /// An int64, too.
    data_disk_size_gb: Option<Value>,
    database_flags: Vec<Flag>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Flag {
    name: String,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Operations {
    items: Vec<Operation>,
}

/// An operation as the API has it (source: `operations.get` of Cloud SQL Admin v1).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Operation {
    name: String,
    status: String,
    error: Option<Failures>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Failures {
    errors: Vec<Value>,
}

impl Operation {
    fn is_done(&self) -> bool {
        self.status == "DONE"
    }
}

fn version(version: &Value) -> String {
    version.as_str().map_or_else(|| version.to_string(), str::to_owned)
}

impl Observable for Sql {
    type State = State;

    const NAME: &'static str = "gcp.sql";
    const FACTS: Facts = &[
        // RUNNABLE is also what an instance is that its owner stopped: `activation_policy` tells them apart.
        ("state", FactType::Text),
        ("activation_policy", FactType::Text),
        ("tier", FactType::Text),
        ("storage_gb", FactType::Int),
        ("database_version", FactType::Text),
        ("max_connections", FactType::Int),
    ];
    const NAME_SHAPE: NameShape = NameShape {
        what: "a Cloud SQL instance",
        min_length: 1,
        max_length: 98,
        owner: NameOwner::Google,
        description: "its short name: lower-case letters, digits and hyphens, beginning with a letter",
    };
    const PART_OF: ApiObject = ApiObject::Itself;
    const READ_PERMISSIONS: &'static [Permission] = &["cloudsql.instances.get", "cloudsql.instances.list"];
    const PRODUCT: Option<Product> = Some(Product { api: "sqladmin.googleapis.com", name: "Google Cloud SQL" });
    const METRICS: Option<Metrics> = Some(Metrics {
        label: "database_id",
        label_value: LabelValue::ProjectAndName,
        types: &[
            "cloudsql.googleapis.com/database/up",
            "cloudsql.googleapis.com/database/cpu/utilization",
            "cloudsql.googleapis.com/database/postgresql/num_backends",
        ],
    });

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        let (seen, operations) = futures::join!(self.read(id), self.operations(id));
        let (state, version) = seen?;
        let running = operations?.into_iter().find(|operation| !operation.is_done());
        // One that its owner stopped is RUNNABLE, and as it is meant to be.
        let is_down = state.state != "RUNNABLE";
        let trouble = is_down.then(|| format!("it is {}, and its policy is {}", state.state, state.activation_policy));
        Ok(Seen { state, etag: version, operation: running.map(|operation| operation.name), trouble })
    }
}

impl Kind for Sql {
    type Owned = Owned;

    const WRITE_PERMISSIONS: &'static [Permission] = &["cloudsql.instances.update"];
    const SHELL_FUNCTIONS: &'static str = r#"# The flags of database instance $1 in project $2: those of the names $3, or with "others" as $4 all but those.
flags_of() {
  gcloud sql instances describe "$1" --project="$2" --flatten='settings.databaseFlags[]' \
    --format='value[separator="="](settings.databaseFlags.name,settings.databaseFlags.value)' |
    awk -F= -v names=" $3 " -v which="${4:-these}" \
      '$1 != "" && (index(names, " " $1 " ") > 0) == (which == "these")' |
    LC_ALL=C sort
}
"#;

    /// Source: durations are not published; Terraform awaits an update for 90 minutes, which is longer than a remediation may wait unasked.
    const OPERATION_TIMEOUT: Duration = Duration::from_hours(1);

    /// Which flags restart the instance depends on its engine and its version: see [`super::sql_flag`]. A change of the machine and of the
    /// activation policy restart it, or stop it (help of `gcloud sql instances patch`). Storage only grows: a smaller size is refused
    /// (documentation of Cloud SQL, "About storage shrink"; `performDiskShrink` is another method, with downtime).
    fn allowed(from: &Owned, to: &Owned) -> Result<Reversibility, String> {
        if let (Some(before), Some(after)) = (from.storage_gb, to.storage_gb) {
            if after < before {
                return Err(format!("its storage has {before} GB, and storage only grows: {after} GB is less"));
            }
            if after > before {
                let why = format!("storage only grows: it cannot become {before} GB again");
                return Ok(Reversibility::Irreversible { why });
            }
        }
        let why = match (&to.activation_policy, &to.tier) {
            (Some(policy), _) if *policy == "NEVER" && to.activation_policy != from.activation_policy => {
                "it stops: nobody can connect until it is started again"
            }
            (Some(_), _) if to.activation_policy != from.activation_policy => "it is started, or started anew",
            (_, Some(_)) if to.tier != from.tier => "it moves to another machine: every connection breaks",
            _ => return Ok(Reversibility::Reversible),
        };
        Ok(Reversibility::Restarts { why: why.to_owned() })
    }

    fn contradiction(state: &Value) -> Option<&'static str> {
        (state.get("state").and_then(Value::as_str) == Some("FAILED")).then_some("state")
    }

    /// Its machine and its disk (source: <https://cloud.google.com/sql/pricing>). That a regional instance has both twice is not in its state.
    fn billed(state: &Value) -> Vec<Billed> {
        let tier = state.get("tier").and_then(Value::as_str);
        let machine = tier.map(|tier| Billed { unit: tier.to_owned(), least: 1, most: 1 });
        let disk = state.get("storage_gb").and_then(Value::as_u64).and_then(|size| u32::try_from(size).ok());
        let disk = disk.map(|size| Billed { unit: STORAGE.to_owned(), least: size, most: size });
        machine.into_iter().chain(disk).collect()
    }

    fn gcloud(change: &Change) -> Result<GcloudCommands, String> {
        let (name, project) = (quoted(&change.resource.name), quoted(&change.resource.project));
        let patch = format!("gcloud sql instances patch {name} --project={project}");
        let printed = |end: &Value| -> Vec<(&str, String)> {
            let set = SETTINGS.iter().filter_map(|(field, _, flag)| Some((*flag, text(end.get(field)?)?)));
            set.collect()
        };
        let (before, after) = (printed(&change.from), printed(&change.to));
        if before.len() != after.len() {
            return Err(unknown(change));
        }
        let flags: Vec<String> = after.iter().map(|(flag, value)| format!(" --{flag}={}", quoted(value))).collect();
        let read: Vec<String> = SETTINGS
            .iter()
            .filter(|(_, _, flag)| after.iter().any(|(set, _)| set == flag))
            .map(|(_, field, _)| format!("settings.{field}"))
            .collect();
        let values = |set: &[(&str, String)]| set.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>().join("\t");
        let settings = (!after.is_empty()).then(|| SettingCommands {
            read: format!(
                "gcloud sql instances describe {name} --project={project} --format='value({})'",
                read.join(",")
            ),
            before: values(&before),
            after: values(&after),
            flags: flags.concat(),
        });
        match (change.to.get("flags").and_then(Value::as_object), settings) {
            (Some(owned), settings) => Ok(with_flags(change, owned, settings.as_ref())),
            (None, Some(SettingCommands { read, before, after, flags })) => Ok(GcloudCommands {
                read,
                before: quoted(&before),
                after: quoted(&after),
                write: vec![format!("{patch}{flags} --quiet")],
                alone: vec![format!("{patch}{flags}")],
            }),
            (None, None) => Err(unknown(change)),
        }
    }

    fn follow_up(_: &ResourceId, _: &Value, _: &Value) -> Option<FollowUp> {
        None
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<State>,
        to: &Owned,
    ) -> Result<OperationProgress<State>, WriteError> {
        let mut settings = Map::from_iter([("settingsVersion".to_owned(), json!(seen.etag))]);
        if !to.flags.is_empty() {
            let mut flags = seen.state.flags.clone();
            for (name, value) in &to.flags {
                match value {
                    Some(value) => flags.insert(name.clone(), value.clone()),
                    None => flags.remove(name),
                };
            }
            let list: Vec<_> = flags.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            settings.insert("databaseFlags".to_owned(), json!(list));
        }
        let size = to.storage_gb.map(|size| size.to_string());
        for ((_, field, _), value) in SETTINGS.iter().zip([&to.tier, &to.activation_policy, &size]) {
            if let Some(value) = value {
                settings.insert((*field).to_owned(), json!(value));
            }
        }
        let body = json!({ "settings": settings });
        Ok(OperationProgress::Running { operation: writer.patch_sql(id, body).await? })
    }

    async fn poll(&self, id: &ResourceId, operation: &str, _: Duration) -> Result<OperationProgress<State>, ReadError> {
        let path = ApiPath::project(&id.project).of("operations", operation);
        let answer = self.cloud.sql(&path, &[]).await;
        let answer: Operation = match answer.map_err(|error| ReadError::of_operation(id, operation, &error)) {
            Ok(answer) => typed(&answer).map_err(|why| ReadError::Malformed { resource: id.clone(), why })?,
            // The instance's own list says whether it is being changed.
            Err(error @ ReadError::OperationNotFound { .. }) => {
                return match Observable::observe(self, id).await?.operation {
                    Some(_) => Ok(OperationProgress::Running { operation: operation.to_owned() }),
                    None => Err(error),
                };
            }
            Err(error) => return Err(error),
        };
        if !answer.is_done() {
            return Ok(OperationProgress::Running { operation: answer.name });
        }
        match answer.error.map(|failures| ended_with_all(&failures.errors)) {
            Some((why, certainty)) => Ok(OperationProgress::Failed { why, certainty }),
            None => Ok(OperationProgress::Done(self.read(id).await?.0)),
        }
    }
}

/// The settings of a change besides flags, as commands.
struct SettingCommands {
    read: String,
    before: String,
    after: String,
    flags: String,
}

/// The commands of a change of flags, and of these settings with them: one patch restarts once.
fn with_flags(change: &Change, owned: &Map<String, Value>, settings: Option<&SettingCommands>) -> GcloudCommands {
    let set = |state: &Value| {
        let flags = state.get("flags").and_then(Value::as_object).into_iter().flatten();
        let flags = flags.filter(|(name, _)| owned.contains_key(*name));
        let mut set: Vec<String> =
            flags.filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
        set.sort_unstable();
        set
    };
    let (mut before, mut after) = (set(&change.from), set(&change.to));
    let names = quoted(&owned.keys().cloned().collect::<Vec<_>>().join(" "));
    let (name, project) = (quoted(&change.resource.name), quoted(&change.resource.project));
    let patch = format!("gcloud sql instances patch {name} --project={project}");
    let more = settings.map(|settings| settings.flags.clone()).unwrap_or_default();
    let own: Vec<String> = after.iter().map(|flag| format!("; echo {}", quoted(flag))).collect();
    let write = vec![
        format!("all=$({{ flags_of {name} {project} {names} others{}; }} | paste -sd'|' -)", own.concat()),
        format!(
            "if [ -n \"$all\" ]; then {patch}{more} --database-flags=\"^|^$all\"; else {patch}{more} --clear-database-flags; fi"
        ),
    ];
    let alone = vec![
        "# --database-flags replaces the whole list: add those that are set besides".to_owned(),
        format!("{patch}{more} --database-flags={}", quoted(&after.join(","))),
    ];
    let mut read = format!("flags_of {name} {project} {names}");
    if let Some(settings) = settings {
        read = format!("{read}; {}", settings.read);
        before.push(settings.before.clone());
        after.push(settings.after.clone());
    }
    GcloudCommands { read, before: quoted(&before.join("\n")), after: quoted(&after.join("\n")), write, alone }
}

/// A whole number of 64 bits, which JSON has as text.
fn int64(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn state(Instance { state, database_version, settings, .. }: Instance) -> State {
    let unknown = || "UNKNOWN".to_owned();
    let flags: BTreeMap<String, String> =
        settings.database_flags.into_iter().map(|flag| (flag.name, flag.value)).collect();
    State {
        state: state.unwrap_or_else(unknown),
        activation_policy: settings.activation_policy.unwrap_or_else(unknown),
        tier: settings.tier,
        storage_gb: settings.data_disk_size_gb.as_ref().and_then(int64),
        database_version: database_version.unwrap_or_else(unknown),
        max_connections: flags.get("max_connections").and_then(|value| value.parse().ok()),
        flags,
    }
}
