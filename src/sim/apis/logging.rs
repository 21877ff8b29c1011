//! Cloud Logging v2: `entries:list`.
//!
//! Half-documented and held here (source: `google/logging/v2/logging.proto`): 50 entries a page unless told, 1000 at
//! most; the oldest first unless `orderBy` says otherwise; a page that is full has a token, even if the next one turns
//! out to be empty, as Google's may. Without a timestamp in the filter everything that the world remembers is looked at.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Part;
use crate::sim::api::{Answered, Api, Call, Collection, Shared};
use crate::sim::enums::Table;
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Reader};
use crate::sim::world::filter::Filter;
use crate::sim::world::operation::Never;
use crate::sim::world::refusal::Refusal;
use crate::sim::world::{World, int32, text};

/// Longer filters are refused (source: the quotas of Cloud Logging).
const LONGEST_FILTER: usize = 20_000;

/// Its enums.
const ENUMS: Table = &[(
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

/// Cloud Logging. What is logged follows from the rest of the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging;

impl Part for Logging {
    type Tables = ();
    type Effect = Never;

    fn read(_: &mut Reader<'_>) {}

    fn build((): (), _: &mut World, _: &DeclaredNames, _: &mut Complaints) {}
}

impl Api for Logging {
    const SERVICE: &'static str = "logging";
    const TYPES: &'static [(&'static str, &'static str)] = &[];
    const COLLECTIONS: &'static [Collection] = &[];
    const ENUMS: Table = ENUMS;

    fn routes() -> Router<Arc<Shared>> {
        Router::new().route("/v2/entries:list", post(list))
    }

    fn permission(_: &Method, _: &str) -> Option<String> {
        Some("logging.logEntries.list".to_owned())
    }
}

async fn list(mut call: Call) -> Answered {
    let body = call.body()?;
    let (world, _) = call.read(&[])?;
    let names = body.get("resourceNames").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if names.is_empty() {
        return Err(Refusal::invalid("resource_names", "resource_names must name a project").into());
    }
    for name in names {
        let project = name.as_str().and_then(|name| name.strip_prefix("projects/"));
        let project =
            project.ok_or_else(|| Refusal::invalid("resource_names", "The simulated cloud has projects only"))?;
        world.check_project(project)?;
    }
    let filter = text(&body, "filter")?.unwrap_or_default();
    if filter.len() > LONGEST_FILTER {
        return Err(Refusal::invalid("filter", format!("The filter is longer than {LONGEST_FILTER} characters")).into());
    }
    let filter = Filter::parse(filter)?;
    let newest_first = match text(&body, "orderBy")?.unwrap_or("timestamp asc") {
        "timestamp" | "timestamp asc" => false,
        "timestamp desc" => true,
        other => return Err(Refusal::invalid("order_by", format!("order_by cannot be {other:?}")).into()),
    };
    let size = match int32(&body, "pageSize")? {
        0 => 50,
        size if size < 0 => return Err(Refusal::invalid("page_size", "page_size cannot be negative").into()),
        size => usize::try_from(size.min(1000)).unwrap_or(1000),
    };
    let (from, to) = filter.window();
    let from = from.unwrap_or(Timestamp::MIN);
    // A bound may include its own moment.
    let to = to.map_or(Timestamp::MAX, |to| crate::sim::clock::later(to, jiff::SignedDuration::from_nanos(1)));
    let status = filter.demands(&["httpRequest", "status"]).and_then(|status| status.parse().ok());
    let mut entries: Vec<Value> = world.log(from, to, status).into_iter().filter(|entry| filter.fits(entry)).collect();
    if newest_first {
        entries.reverse();
    }
    let start: usize = match text(&body, "pageToken")? {
        None => 0,
        Some(token) => token.parse().map_err(|_| Refusal::invalid("page_token", "page_token is not one of ours"))?,
    };
    let end = start.saturating_add(size).min(entries.len());
    let page = entries.get(start.min(end)..end).unwrap_or_default();
    let mut answer = json!({});
    if !page.is_empty() {
        answer["entries"] = json!(page);
    }
    if page.len() == size {
        answer["nextPageToken"] = json!(end.to_string());
    }
    Ok(Json(answer))
}
