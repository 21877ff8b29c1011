//! A Cloud Run service's template: how its next revision is configured, besides its image.
//!
//! A change owns exactly the fields that it names: one variable of the list, one bound, one way into the network. The template is
//! written whole, so that what others set in it stays; the etag guards it. Sources of the fields: `revision_template.proto`,
//! `k8s.min.proto` and `vendor_settings.proto` in `google/cloud/run/v2`.
//!
//! People put passwords into variables, so that values are not shown: a digest stands for them in states, plans and journals, unless
//! the value is a number or a word of which nobody makes a secret ([`shown`]). What a step sets comes from its runbook whenever it is
//! carried out, and what it overwrites is kept with the secrets of the run ([`SealedValues`]), for the undo.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::catalogued::SealedValues;
use super::cloud::Cloud;
use super::cloud_run::{self, short};
use super::error::{ReadError, WriteError};
use super::follow_up::FollowUp;
use super::gcloud::{GcloudCommands, place, quoted, text, unknown};
use super::path::ApiPath;
use super::permission::Permission;
use super::run_api::{
    RevisionScaling, RevisionTemplate, Service as ApiService, ServicePart, ServiceUpdate, VpcEgress, serving,
};
use super::spec::{ApiObject, Metrics, Product};
use super::{Kind, Observable, OperationProgress, Seen, Validity, Writer};
use crate::catalog::{digest, is_digest};
use crate::gate::{FactType, Facts};
use crate::run::{Change, NameShape, ResourceId, Reversibility};

/// How the next revision is configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Short name of the newest revision, ready or not.
    pub revision: String,
    /// The variables of the container that serves requests: a value as it is [`shown`], or `{"secret": "NAME:VERSION"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Value>,
    /// The memory of that container's instances, such as `512Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Their processors, such as `1` or `1000m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// How many requests an instance takes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i64>,
    /// How long a request may take, such as `300s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Fewest instances of each revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_instances: Option<i64>,
    /// Most instances of each revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<i64>,
    /// The connector that leads into the VPC network: its short name, if it is in the same project and region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// The network that is reached without a connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The subnet in which instances have addresses then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The network tags that they have then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_tags: Option<Vec<String>>,
    /// Which requests go through the network: `all-traffic` or `private-ranges-only`, as `gcloud` calls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<String>,
    /// The account as which instances run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
}

/// A field that a change may own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// It belongs to somebody else.
    #[default]
    AsItIs,
    /// It must not be there.
    Cleared,
    /// It has this value.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field<T>, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Field::Cleared, Field::Set))
    }
}

/// The fields a change may own, in the form of [`State`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Owned {
    /// The short name for the new revision; without one the API chooses.
    pub revision: Option<String>,
    /// Variables by name; `None` is one that is not there. Those that are not named stay as they are.
    pub env: BTreeMap<String, Option<Value>>,
    /// See [`State::memory`].
    pub memory: Field<String>,
    /// See [`State::cpu`].
    pub cpu: Field<String>,
    /// See [`State::concurrency`].
    pub concurrency: Field<i64>,
    /// See [`State::timeout`].
    pub timeout: Field<String>,
    /// See [`State::min_instances`].
    pub min_instances: Field<i64>,
    /// See [`State::max_instances`].
    pub max_instances: Field<i64>,
    /// See [`State::connector`].
    pub connector: Field<String>,
    /// See [`State::network`].
    pub network: Field<String>,
    /// See [`State::subnet`].
    pub subnet: Field<String>,
    /// See [`State::network_tags`].
    pub network_tags: Field<Vec<String>>,
    /// See [`State::egress`].
    pub egress: Field<String>,
    /// See [`State::service_account`].
    pub service_account: Field<String>,
}

/// Words that are the values of switches and levels.
const PLAIN: [&str; 14] =
    ["", "true", "false", "on", "off", "yes", "no", "trace", "debug", "info", "warn", "warning", "error", "none"];

/// The value of a variable as it is shown: itself, if it is a number of a few digits or the word of a switch; otherwise the
/// beginning of its digest.
pub fn shown(value: &str) -> Value {
    let is_number = value.len() <= 5 && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number || PLAIN.contains(&value.to_ascii_lowercase().as_str());
    if is_plain { Value::from(value) } else { Value::from(digest(&Value::from(value))) }
}

/// A variable that is read from Secret Manager, in the form of [`State::env`].
pub fn secret(reference: &str) -> Value {
    json!({ "secret": reference })
}

/// `gcp.run.template`.
pub struct Template {
    cloud: Arc<Cloud>,
    sealed: Arc<SealedValues>,
}

impl Template {
    /// The templates of this cloud, of which only what is shown can be written.
    pub fn on(cloud: &Arc<Cloud>) -> Template {
        Template::with(cloud, Arc::default())
    }

    /// The same, with the values of variables to be written.
    pub fn with(cloud: &Arc<Cloud>, sealed: Arc<SealedValues>) -> Template {
        Template { cloud: Arc::clone(cloud), sealed }
    }

    /// What is sent so that the template is so, and the values of variables that this overwrites, by their digests.
    async fn wanted(
        &self,
        id: &ResourceId,
        etag: Option<&str>,
        to: &Owned,
    ) -> Result<(ServiceUpdate, Vec<(String, Value)>), WriteError> {
        let mut overwritten = Vec::new();
        let refused = |why: String| WriteError::Refused { resource: id.clone(), why };
        let part = |service: ApiService| {
            let mut template = service.template.unwrap_or_default();
            overwritten = hidden(&template, to);
            let reveal = |digest: &str| self.sealed.reveal(id, digest);
            apply(&mut template, to, id, &reveal).map_err(refused)?;
            Ok(ServicePart::Template(template))
        };
        let update = cloud_run::update(&self.cloud, id, etag, part).await?;
        Ok((update, overwritten))
    }
}

impl Observable for Template {
    type State = State;

    const NAME: &'static str = "gcp.run.template";
    const FACTS: Facts = &[
        ("revision", FactType::Text),
        ("memory", FactType::Text),
        ("cpu", FactType::Text),
        ("concurrency", FactType::Int),
        ("timeout", FactType::Text),
        ("service_account", FactType::Text),
    ];
    const NAME_SHAPE: NameShape = cloud_run::SERVICE_NAME;
    const PART_OF: ApiObject = ApiObject::CloudRunService;
    const READ_PERMISSIONS: &'static [Permission] = cloud_run::READ_PERMISSIONS;
    const PRODUCT: Option<Product> = Some(cloud_run::PRODUCT);
    const METRICS: Option<Metrics> = Some(cloud_run::METRICS);

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        cloud_run::observe(&self.cloud, id, cloud_run::trouble, |service| state(service, id)).await
    }
}

impl Kind for Template {
    type Owned = Owned;

    const WRITE_PERMISSIONS: &'static [Permission] = cloud_run::REVISION_PERMISSIONS;
    const SHELL_FUNCTIONS: &'static str = r#"# The variable $4 of Cloud Run service $1 in region $2 of project $3.
variable() {
  gcloud run services describe "$1" --region="$2" --project="$3" --flatten='spec.template.spec.containers[0].env[]' \
    --format='csv[no-heading](spec.template.spec.containers[0].env.name,spec.template.spec.containers[0].env.value,spec.template.spec.containers[0].env.valueFrom.secretKeyRef.name,spec.template.spec.containers[0].env.valueFrom.secretKeyRef.key)' |
    awk -F, -v name="$4" '$1 == name { print $3 == "" ? $2 : $3 ":" $4 }'
}
"#;

    /// Source: Terraform awaits a Cloud Run service for 20 minutes (`google_cloud_run_v2_service`, timeouts).
    const OPERATION_TIMEOUT: Duration = Duration::from_mins(20);

    fn allowed(_: &Owned, to: &Owned) -> Result<Reversibility, String> {
        match (&to.min_instances, &to.max_instances) {
            (Field::Set(min), Field::Set(max)) if min > max => {
                Err(format!("at least {min} instances and at most {max} contradict each other"))
            }
            _ => Ok(Reversibility::Reversible),
        }
    }

    fn gcloud(change: &Change) -> Result<GcloudCommands, String> {
        commands(change)
    }

    fn follow_up(id: &ResourceId, _: &Value, last: &Value) -> Option<FollowUp> {
        let name = text(last.get("revision")?)?;
        let action = format!(
            "any deploy with gcloud: it names the next revision of {} anew (nothing is to be done before that)",
            id.name
        );
        Some(cloud_run::named_revision(&name, action))
    }

    async fn validate(&self, id: &ResourceId, etag: Option<&str>, to: &Owned) -> Result<Validity, ReadError> {
        let is_known = |value: &Option<Value>| match value {
            Some(Value::String(text)) => !is_digest(text) || self.sealed.reveal(id, text).is_some(),
            Some(_) | None => true,
        };
        if !to.env.values().all(is_known) {
            return Ok(Validity::Withheld);
        }
        let update = self.wanted(id, etag, to).await.map(|(update, _)| update);
        cloud_run::validate(&self.cloud, id, update).await
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<State>,
        to: &Owned,
    ) -> Result<OperationProgress<State>, WriteError> {
        let (update, overwritten) = self.wanted(id, seen.etag.as_deref(), to).await?;
        self.sealed.keep(id, overwritten).map_err(|error| {
            let why = format!("the values that it overwrites cannot be kept for an undo: {error}");
            WriteError::Refused { resource: id.clone(), why }
        })?;
        cloud_run::patch(writer, id, &update).await.map_err(|error| self.sealed.cleaned(id, error))
    }

    async fn poll(
        &self,
        id: &ResourceId,
        operation: &str,
        patience: Duration,
    ) -> Result<OperationProgress<State>, ReadError> {
        let state = |service: &ApiService| state(service, id);
        cloud_run::poll(&self.cloud, id, operation, patience, cloud_run::trouble, state).await
    }
}

/// Where the connectors of a service's own project and region are.
fn connectors(id: &ResourceId) -> String {
    format!("{}/", ApiPath::location(&id.project, &id.region).at("connectors").as_str())
}

fn state(service: &ApiService, id: &ResourceId) -> Result<State, String> {
    if service.latest_created_revision.is_empty() {
        return Err("it names no revision".to_owned());
    }
    let none = RevisionTemplate::default();
    let template = service.template.as_ref().unwrap_or(&none);
    let field = |name: &str| template.other.get(name);
    let container = serving(&template.containers).and_then(|place| template.containers.get(place));
    let limit = |name: &str| text(container?.other.get("resources")?.get("limits")?.get(name)?);
    let access = |name: &str| text(field("vpcAccess")?.get(name)?).filter(|value| !value.is_empty());
    let interface = field("vpcAccess").and_then(|access| access.get("networkInterfaces")?.get(0));
    let of_interface = |name: &str| text(interface?.get(name)?).filter(|value| !value.is_empty());
    let tags = interface.and_then(|interface| interface.get("tags")?.as_array());
    let tags = tags.map(|tags| tags.iter().filter_map(text).collect::<Vec<_>>()).filter(|tags| !tags.is_empty());
    let connector = access("connector")
        .map(|name| name.strip_prefix(connectors(id).as_str()).map_or_else(|| name.clone(), str::to_owned));
    let egress = field("vpcAccess").and_then(|access| access.get("egress"));
    let egress = egress.map(|egress| VpcEgress::deserialize(egress).unwrap_or_default());
    let scaling = template.scaling.as_ref();
    let variables = container.and_then(|container| container.other.get("env")?.as_array());
    let variables =
        variables.into_iter().flatten().filter_map(|entry| Some((text(entry.get("name")?)?, of_variable(entry))));
    Ok(State {
        revision: short(&service.latest_created_revision),
        env: variables.collect(),
        memory: limit("memory"),
        cpu: limit("cpu"),
        concurrency: field("maxInstanceRequestConcurrency").and_then(Value::as_i64),
        timeout: field("timeout").and_then(text),
        min_instances: scaling.and_then(|scaling| scaling.min_instance_count).filter(|least| *least > 0),
        max_instances: scaling.and_then(|scaling| scaling.max_instance_count).filter(|most| *most > 0),
        connector,
        network: of_interface("network"),
        subnet: of_interface("subnetwork"),
        network_tags: tags,
        egress: egress.filter(|egress| *egress != VpcEgress::Unspecified).map(|egress| egress.word().to_owned()),
        service_account: field("serviceAccount").and_then(text),
    })
}

/// What a variable is, in the form of [`State::env`].
fn of_variable(entry: &Value) -> Value {
    let reference = entry.get("valueSource").and_then(|source| source.get("secretKeyRef"));
    match reference {
        Some(reference) => {
            let part = |name: &str| reference.get(name).and_then(text).unwrap_or_default();
            secret(&format!("{}:{}", part("secret"), part("version")))
        }
        None => shown(&entry.get("value").and_then(text).unwrap_or_default()),
    }
}

/// The values that are not shown of the variables that a change owns, by their digests.
fn hidden(template: &RevisionTemplate, to: &Owned) -> Vec<(String, Value)> {
    let container = serving(&template.containers).and_then(|place| template.containers.get(place));
    let entries = container.and_then(|container| container.other.get("env")?.as_array()).into_iter().flatten();
    let owned =
        entries.filter(|entry| entry.get("name").and_then(Value::as_str).is_some_and(|name| to.env.contains_key(name)));
    let hidden = owned.filter_map(|entry| {
        let value = entry.get("value")?;
        let digest = shown(value.as_str()?);
        (digest != *value).then(|| Some((text(&digest)?, value.clone())))?
    });
    hidden.collect()
}

/// Sets the fields that a change owns.
///
/// # Errors
/// Why they cannot be set.
fn apply(
    template: &mut RevisionTemplate,
    to: &Owned,
    id: &ResourceId,
    reveal: &impl Fn(&str) -> Option<Value>,
) -> Result<(), String> {
    let container = serving(&template.containers).and_then(|place| template.containers.get_mut(place));
    let container = container.ok_or("which of its containers serves requests is not clear")?;
    let entries = container.other.entry("env").or_insert_with(|| json!([])).as_array_mut();
    let entries = entries.ok_or("its variables are no list")?;
    for (name, value) in &to.env {
        let entry = value.as_ref().map(|value| variable(name, value, reveal)).transpose()?;
        let place = entries.iter().position(|entry| entry.get("name").and_then(Value::as_str) == Some(name));
        match (place, entry) {
            (Some(place), Some(entry)) => entries[place] = entry,
            (Some(place), None) => drop(entries.remove(place)),
            (None, Some(entry)) => entries.push(entry),
            (None, None) => {}
        }
    }
    if entries.is_empty() {
        container.other.remove("env");
    }
    for (name, field) in [("memory", &to.memory), ("cpu", &to.cpu)] {
        if *field != Field::AsItIs {
            let limits = object_in(&mut container.other, "resources")
                .and_then(|resources| object_in(resources, "limits"))
                .ok_or("the limits of its resources are no table")?;
            set(limits, name, field);
        }
    }
    set(&mut template.other, "maxInstanceRequestConcurrency", &to.concurrency);
    set(&mut template.other, "timeout", &to.timeout);
    set(&mut template.other, "serviceAccount", &to.service_account);
    let scaling = template.scaling.get_or_insert_default();
    set_count(&mut scaling.min_instance_count, &to.min_instances);
    set_count(&mut scaling.max_instance_count, &to.max_instances);
    if *scaling == RevisionScaling::default() {
        template.scaling = None;
    }
    apply_access(template, to, id)?;
    template.revision = to.revision.clone().unwrap_or_default();
    Ok(())
}

/// Sets the way into the VPC network. One that is left with neither a connector nor an interface is none.
fn apply_access(template: &mut RevisionTemplate, to: &Owned, id: &ResourceId) -> Result<(), String> {
    let no_table = "its access to a network is no table";
    let was = template.other.get("vpcAccess").cloned();
    let access = object_in(&mut template.other, "vpcAccess").ok_or(no_table)?;
    let full = |name: &String| if name.contains('/') { name.clone() } else { connectors(id) + name };
    let connector = match &to.connector {
        Field::Set(name) => Field::Set(full(name)),
        Field::Cleared => Field::Cleared,
        Field::AsItIs => Field::AsItIs,
    };
    set(access, "connector", &connector);
    let egress = match &to.egress {
        Field::Set(word) => {
            let known = VpcEgress::of_word(word).ok_or_else(|| format!("`{word}` is no egress"))?;
            Field::Set(known.name().to_owned())
        }
        Field::Cleared => Field::Cleared,
        Field::AsItIs => Field::AsItIs,
    };
    set(access, "egress", &egress);
    let interfaces = access.entry("networkInterfaces").or_insert_with(|| json!([{}])).as_array_mut();
    let interface = interfaces.and_then(|interfaces| interfaces.first_mut()).and_then(Value::as_object_mut);
    let interface = interface.ok_or(no_table)?;
    set(interface, "network", &to.network);
    set(interface, "subnetwork", &to.subnet);
    set(interface, "tags", &to.network_tags);
    if !interface.contains_key("network") && !interface.contains_key("subnetwork") {
        access.remove("networkInterfaces");
    }
    let is_idle = !access.contains_key("connector") && !access.contains_key("networkInterfaces");
    // What says nothing and said nothing before stays as it was written.
    if is_idle {
        template.other.remove("vpcAccess");
        if let Some(was) = was.filter(|was| was.get("connector").is_none() && was.get("networkInterfaces").is_none()) {
            template.other.insert("vpcAccess".to_owned(), was);
        }
    }
    Ok(())
}

/// A variable as the API has it.
fn variable(name: &str, value: &Value, reveal: &impl Fn(&str) -> Option<Value>) -> Result<Value, String> {
    if let Some(reference) = value.get("secret").and_then(Value::as_str) {
        let (secret, version) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let reference = json!({ "secret": secret, "version": version });
        return Ok(json!({ "name": name, "valueSource": { "secretKeyRef": reference } }));
    }
    let written = value.as_str().unwrap_or_default();
    let value = if is_digest(written) {
        reveal(written).ok_or_else(|| {
            format!("the value of {name} is not known here: plans and journals have its digest only, and sealed.json of the run has it")
        })?
    } else {
        value.clone()
    };
    Ok(json!({ "name": name, "value": value }))
}

fn object_in<'m>(object: &'m mut Map<String, Value>, name: &str) -> Option<&'m mut Map<String, Value>> {
    object.entry(name).or_insert_with(|| json!({})).as_object_mut()
}

fn set<T: Serialize>(object: &mut Map<String, Value>, name: &str, field: &Field<T>) {
    match field {
        Field::AsItIs => {}
        Field::Cleared => drop(object.remove(name)),
        Field::Set(value) => drop(object.insert(name.to_owned(), json!(value))),
    }
}

fn set_count(count: &mut Option<i64>, field: &Field<i64>) {
    match field {
        Field::AsItIs => {}
        Field::Cleared => *count = None,
        Field::Set(value) => *count = Some(*value),
    }
}

/// The fields that one flag of `gcloud` sets, and where v1 has them.
const FLAGS: [(&str, &str, &str); 9] = [
    ("memory", "memory", "spec.template.spec.containers[0].resources.limits.memory"),
    ("cpu", "cpu", "spec.template.spec.containers[0].resources.limits.cpu"),
    ("concurrency", "concurrency", "spec.template.spec.containerConcurrency"),
    ("timeout", "timeout", "spec.template.spec.timeoutSeconds"),
    ("min_instances", "min-instances", "spec.template.metadata.annotations.\"autoscaling.knative.dev/minScale\""),
    ("max_instances", "max-instances", "spec.template.metadata.annotations.\"autoscaling.knative.dev/maxScale\""),
    ("connector", "vpc-connector", "spec.template.metadata.annotations.\"run.googleapis.com/vpc-access-connector\""),
    ("egress", "vpc-egress", "spec.template.metadata.annotations.\"run.googleapis.com/vpc-access-egress\""),
    ("service_account", "service-account", "spec.template.spec.serviceAccountName"),
];

/// The flags that take a field away. Others are set to the default by hand.
const CLEARING: [(&str, &str); 4] = [
    ("min_instances", "--min-instances=default"),
    ("max_instances", "--max-instances=default"),
    ("connector", "--clear-vpc-connector"),
    ("concurrency", "--concurrency=default"),
];

/// The commands of a change, if each of its fields has a flag and its values are known.
fn commands(change: &Change) -> Result<GcloudCommands, String> {
    let (name, at) = (quoted(&change.resource.name), place(change));
    let prefix = format!("{}-", change.resource.name);
    let revision = change.to.get("revision").and_then(text);
    let suffix = revision.as_deref().and_then(|revision| revision.strip_prefix(&prefix));
    let suffix = suffix.map(|suffix| format!("--revision-suffix={}", quoted(suffix)));
    let mut wanted = Wanted { reads: Vec::new(), before: Vec::new(), after: Vec::new(), flags: Vec::new() };
    let fields = change.to.as_object().into_iter().flatten().filter(|(field, _)| *field != "revision");
    for (field, to) in fields {
        let from = change.from.get(field).ok_or_else(|| unknown(change))?;
        if field == "env" {
            wanted.variables(change, from, to)?;
            continue;
        }
        let (_, flag, path) = FLAGS.iter().find(|(known, ..)| known == field).ok_or_else(|| {
            format!("no command is printed: {field} is one of several flags of `gcloud run services update {name}`; set it by hand")
        })?;
        let cleared = || CLEARING.iter().find(|(known, _)| known == field).map(|(_, flag)| (*flag).to_owned());
        let set = text(to).map(|to| format!("--{flag}={}", quoted(to.trim_end_matches(in_seconds(field)))));
        let no_flag =
            || format!("no command is printed: no flag of gcloud takes {field} away; set it to its default by hand");
        wanted.flags.push(set.or_else(cleared).ok_or_else(no_flag)?);
        wanted.reads.push(format!("gcloud run services describe {name} {at} --format='value({path})'"));
        let printed = |value: &Value| text(value).unwrap_or_default().trim_end_matches(in_seconds(field)).to_owned();
        wanted.before.push(printed(from));
        wanted.after.push(printed(to));
    }
    if let (true, Some(revision)) = (wanted.reads.is_empty(), &revision) {
        // Nothing but the revision is new.
        let filter = quoted(&format!("metadata.name={revision}"));
        wanted.reads.push(format!(
            "gcloud run revisions list --service={name} {at} --filter={filter} --format='value(metadata.name)'"
        ));
        wanted.before.push(String::new());
        wanted.after.push(revision.clone());
    }
    let flags = wanted.flags.into_iter().chain(suffix).collect::<Vec<_>>();
    if wanted.reads.is_empty() || flags.is_empty() {
        return Err(unknown(change));
    }
    let write = vec![format!("gcloud run services update {name} {} {at}", flags.join(" "))];
    let joined = |parts: Vec<String>| quoted(parts.join("\n").trim_end_matches('\n'));
    Ok(GcloudCommands {
        read: wanted.reads.join(" && "),
        before: joined(wanted.before),
        after: joined(wanted.after),
        alone: write.clone(),
        write,
    })
}

/// What a value of the API has behind its number, and gcloud does not.
fn in_seconds(field: &str) -> &'static str {
    if field == "timeout" { "s" } else { "" }
}

/// The parts of the commands.
struct Wanted {
    reads: Vec<String>,
    before: Vec<String>,
    after: Vec<String>,
    flags: Vec<String>,
}

impl Wanted {
    fn variables(&mut self, change: &Change, from: &Value, to: &Value) -> Result<(), String> {
        let ResourceId { project, region, name, .. } = &change.resource;
        let service = format!("{} {} {}", quoted(name), quoted(region), quoted(project));
        for (variable, to) in to.as_object().into_iter().flatten() {
            let printed = |value: Option<&Value>| match value {
                None | Some(Value::Null) => Ok(String::new()),
                Some(Value::String(text)) if is_digest(text) => Err(format!(
                    "no command is printed: the value of {variable} is in the runbook, or in sealed.json of the run, only"
                )),
                Some(Value::String(text)) => Ok(text.clone()),
                Some(value) => value.get("secret").and_then(text).ok_or_else(|| unknown(change)),
            };
            self.before.push(printed(from.get(variable))?);
            let after = printed(Some(to))?;
            self.flags.push(match to {
                Value::Null => format!("--remove-env-vars={}", quoted(variable)),
                Value::Object(_) => format!("--update-secrets={}", quoted(&format!("{variable}={after}"))),
                _ => format!("--update-env-vars={}", quoted(&format!("{variable}={after}"))),
            });
            self.after.push(after);
            self.reads.push(format!("variable {service} {}", quoted(variable)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::covers;

    fn id() -> ResourceId {
        "gcp.run.template/p/r/s".parse().unwrap()
    }

    /// A service of two containers, with a variable of each sort and a way into the network.
    fn service() -> ApiService {
        let service = json!({
            "latestCreatedRevision": "projects/p/locations/r/services/s/revisions/s-1",
            "template": {
                "containers": [
                    { "image": "proxy", "env": [{ "name": "A", "value": "proxy's" }] },
                    {
                        "image": "app", "ports": [{ "containerPort": 8080 }],
                        "resources": { "limits": { "cpu": "1000m", "memory": "512Mi" }, "cpuIdle": true },
                        "env": [
                            { "name": "A", "value": "5" },
                            { "name": "PASSWORD", "value": "hunter2" },
                            { "name": "TOKEN", "valueSource": { "secretKeyRef": { "secret": "token", "version": "3" } } },
                        ],
                    },
                ],
                "timeout": "300s", "maxInstanceRequestConcurrency": 80, "serviceAccount": "a@b",
                "vpcAccess": { "connector": "projects/p/locations/r/connectors/c", "egress": "ALL_TRAFFIC" },
                "labels": { "team": "shop" },
            },
        });
        serde_json::from_value(service).unwrap()
    }

    fn seen(service: &ApiService) -> Value {
        serde_json::to_value(state(service, &id()).unwrap()).unwrap()
    }

    fn written(service: &ApiService, to: &Value, known: &[(String, Value)]) -> ApiService {
        let mut template = service.template.clone().unwrap();
        let reveal = |digest: &str| known.iter().find(|(known, _)| known == digest).map(|(_, value)| value.clone());
        apply(&mut template, &serde_json::from_value(to.clone()).unwrap(), &id(), &reveal).unwrap();
        ApiService { template: Some(template), ..service.clone() }
    }

    #[test]
    fn a_state_shows_no_values_but_of_switches_and_small_numbers() {
        let state = seen(&service());
        assert!(!state.to_string().contains("hunter2"), "{state}");
        assert_eq!(state["env"]["A"], "5", "of the container that serves requests");
        assert_eq!(state["env"]["TOKEN"], json!({ "secret": "token:3" }));
        assert!(state["env"]["PASSWORD"].as_str().is_some_and(is_digest));
        assert_eq!((&state["connector"], &state["egress"]), (&json!("c"), &json!("all-traffic")));
        assert_eq!((shown("TRUE"), shown("12345")), (json!("TRUE"), json!("12345")));
        assert_ne!(shown("123456"), json!("123456"), "it may be a one-time password");
    }

    #[test]
    fn what_a_change_does_not_own_stays_and_what_it_owns_goes_back() {
        let before = service();
        let password = before.template.as_ref().map(|template| {
            hidden(template, &Owned { env: BTreeMap::from([("PASSWORD".to_owned(), None)]), ..Owned::default() })
        });
        let known = password.unwrap();
        assert_eq!(known.iter().map(|(_, value)| value).collect::<Vec<_>>(), ["hunter2"]);
        let to = json!({
            "env": { "A": "7", "PASSWORD": { "secret": "password:latest" }, "NEW": "true" },
            "memory": "1Gi", "timeout": "600s", "max_instances": 3, "concurrency": 10,
            "connector": null, "network": "default", "subnet": "apps", "egress": "private-ranges-only",
        });
        let now = seen(&before);
        let from = json!({
            "env": { "A": "5", "PASSWORD": now["env"]["PASSWORD"], "NEW": null },
            "memory": "512Mi", "timeout": "300s", "max_instances": null, "concurrency": 80,
            "connector": "c", "network": null, "subnet": null, "egress": "all-traffic",
        });
        assert!(covers(&now, &from), "{now}");
        let after = written(&before, &to, &known);
        assert!(covers(&seen(&after), &to), "{}", seen(&after));
        let template = after.template.as_ref().unwrap();
        assert_eq!(template.other["labels"], json!({ "team": "shop" }));
        assert_eq!(
            template.containers[0],
            before.template.as_ref().unwrap().containers[0],
            "another container's is its own"
        );
        assert_eq!(template.containers[1].other["resources"]["cpuIdle"], true);
        let vpc = json!({ "egress": "PRIVATE_RANGES_ONLY", "networkInterfaces": [{ "network": "default", "subnetwork": "apps" }] });
        assert_eq!(template.other["vpcAccess"], vpc);

        let back = written(&after, &from, &known);
        assert_eq!(back.template, before.template, "all of it is as it was");
    }

    #[test]
    fn a_value_that_is_not_known_is_not_written() {
        let mut template = service().template.unwrap();
        let to: Owned = serde_json::from_value(json!({ "env": { "A": shown("a long value") } })).unwrap();
        let error = apply(&mut template, &to, &id(), &|_| None).unwrap_err();
        assert!(error.contains("the value of A is not known here"), "{error}");
    }

    #[test]
    fn a_template_without_a_network_gets_none() {
        let mut bare = service();
        bare.template.as_mut().unwrap().other.remove("vpcAccess");
        let after = written(&bare, &json!({ "memory": "1Gi" }), &[]);
        assert!(!after.template.unwrap().other.contains_key("vpcAccess"));
    }

    #[test]
    fn its_commands_set_what_it_owns_and_print_no_digest() {
        let change = |from: Value, to: Value| Change { resource: id(), from, to };
        let flags = commands(&change(
            json!({ "memory": "512Mi", "timeout": "300s", "env": { "A": "5", "B": null } }),
            json!({ "memory": "1Gi", "timeout": "600s", "env": { "A": null, "B": { "secret": "b:1" } }, "revision": "s-00002-abc" }),
        ));
        let flags = flags.unwrap();
        assert_eq!(
            flags.write,
            [
                "gcloud run services update s --memory=1Gi --timeout=600 --remove-env-vars=A --update-secrets='B=b:1' --revision-suffix=00002-abc --region=r --project=p"
            ]
        );
        assert!(flags.read.contains("variable s r p A"), "{}", flags.read);
        let restart = commands(&change(json!({}), json!({ "revision": "s-00002-abc" }))).unwrap();
        assert_eq!(restart.write, ["gcloud run services update s --revision-suffix=00002-abc --region=r --project=p"]);
        assert!(
            commands(&change(json!({ "env": { "A": "5" } }), json!({ "env": { "A": shown("long enough") } }))).is_err()
        );
    }
}
