//! What an API fills in by itself: names, kinds, links, ids, times. What a scenario says of these stays.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::catalog::{FieldType, Resource};
use crate::sim::api::Refusals;
use crate::sim::world::refusal::Code;
use crate::sim::world::{StaleEtag, digest};

use super::token::Stale;

/// APIs that are older than `google.rpc.Status`, and say no in the shape that came before it. (source: recorded answers of
/// k8s-config-connector; Discovery's `errors[].reason`)
const OLDER: [&str; 6] = ["bigquery", "compute", "deploymentmanager", "dns", "sqladmin", "storage"];

/// APIs whose resources' `name` is the last part of it, besides those. (source: recorded answers of k8s-config-connector)
const SHORT_NAMES: [&str; 2] = ["container", "logging"];

/// How an API says no.
pub(super) fn refusals(service: &str) -> Refusals {
    if !OLDER.contains(&service) {
        return Refusals::Status;
    }
    Refusals::Errors(|code| match code {
        Code::FailedPrecondition => Some("conditionNotMet"),
        Code::AlreadyExists => Some("alreadyExists"),
        _ => None,
    })
}

/// How an API refuses an old token.
pub(super) fn stale(service: &str, etag: StaleEtag) -> Stale {
    match etag {
        _ if OLDER.contains(&service) => Stale::ConditionNotMet,
        StaleEtag::Aborted => Stale::Aborted,
        StaleEtag::FailedPrecondition => Stale::FailedPrecondition,
    }
}

/// Where a resource is, as links in answers say it.
pub(super) fn link(resource: &Resource) -> String {
    let url = resource.url();
    let root = format!("https://{}/{}", resource.host(), resource.resource_type.api().prefix);
    link_to(resource, url.strip_prefix(&root).unwrap_or_default())
}

/// Where something else of a resource's API is: the older ones say it by the host that they had first (recorded).
pub(super) fn link_to(resource: &Resource, path: &str) -> String {
    let api = resource.resource_type.api();
    let host = resource.host();
    let host = if matches!(api.service, "compute" | "storage") { "www.googleapis.com" } else { host.as_str() };
    format!("https://{host}/{}{path}", api.prefix)
}

/// A number of up to 18 digits, as Compute Engine gives to everything: always the same for the same text.
pub(super) fn number(text: &str) -> String {
    u64::from_str_radix(&digest(text, 14), 16).unwrap_or_default().to_string()
}

/// Whether the field `name` of a resource is the last part of its name.
fn has_short_name(resource: &Resource) -> bool {
    let resource_type = resource.resource_type;
    let service = resource_type.api().service;
    OLDER.contains(&service) || (SHORT_NAMES.contains(&service) && resource_type.id_parameter().is_none())
}

/// Fills in what is missing of a resource that was made at this time.
pub(super) fn complete(resource: &Resource, state: &mut Map<String, Value>, created: Timestamp) {
    let resource_type = resource.resource_type;
    let schema = resource_type.schema();
    let name = if has_short_name(resource) { resource.id().to_owned() } else { resource.name() };
    let asset = resource_type.asset_type();
    let schema_name = asset.rsplit('/').next().unwrap_or_default();
    let mut letters = schema_name.chars();
    let singular: String = letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect();
    let mut fill = |field: &str, value: Value| {
        if let Some(known) = schema.field(field) {
            let value = if matches!(known.field_type, FieldType::Uint64 | FieldType::String | FieldType::Timestamp) {
                value
            } else {
                return;
            };
            state.entry(field).or_insert(value);
        }
    };
    fill("name", json!(name));
    fill("kind", json!(format!("{}#{singular}", resource_type.api().service)));
    fill("selfLink", json!(link(resource)));
    if resource_type.api().service == "compute" {
        fill("id", json!(number(&resource.url())));
    }
    for field in ["createTime", "creationTimestamp", "timeCreated"] {
        fill(field, json!(created.to_string()));
    }
    if !["updateTime", "updated"].iter().any(|field| state.contains_key(*field)) {
        touch(resource, state, created);
    }
}

/// Says when a resource was written last.
pub(super) fn touch(resource: &Resource, state: &mut Map<String, Value>, at: Timestamp) {
    for field in ["updateTime", "updated"] {
        let known = resource.resource_type.schema().field(field);
        if known.is_some_and(|known| known.field_type == FieldType::Timestamp && known.behavior.is_output_only()) {
            state.insert(field.to_owned(), json!(at.to_string()));
        }
    }
}
