//! Cloud Logging: the newest entries that match a filter. Source: `google/logging/v2/logging.proto`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cloud::{Cloud, whole};
use super::error::ReadError;
use super::path::ApiPath;
use super::proto_json::integer;
use super::rest::{Api, Request};

/// More entries than this are not asked for at once; it is the most that the API gives.
const LARGEST_PAGE: usize = 1000;

/// An entry of the logs, as much of it as is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub text: String,
    /// The status of the request that it is about.
    pub status: Option<i32>,
    /// The id of the request's trace, by which Google finds it again; empty if it has none.
    pub trace: String,
}

/// As the API has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// The API sets it where the writer did not.
    timestamp: Timestamp,
    text_payload: Option<String>,
    json_payload: Option<Payload>,
    http_request: Option<HttpRequest>,
    trace: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    message: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HttpRequest {
    #[serde(deserialize_with = "integer")]
    status: i64,
}

impl From<Entry> for LogLine {
    fn from(entry: Entry) -> LogLine {
        let message = || entry.json_payload?.message?.as_str().map(str::to_owned);
        let trace = entry.trace.unwrap_or_default();
        LogLine {
            at: entry.timestamp,
            text: entry.text_payload.or_else(message).unwrap_or_default(),
            status: entry.http_request.and_then(|request| i32::try_from(request.status).ok()),
            // It is `projects/P/traces/ID` (source: `google/logging/v2/log_entry.proto`).
            trace: trace.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }
}

impl Cloud {
    /// The newest entries of the logs that match a filter, written since a moment and until another, if one is given; at
    /// most so many.
    pub async fn log(
        &self,
        project: &str,
        filter: &str,
        since: Timestamp,
        until: Option<Timestamp>,
        most: usize,
    ) -> Result<Vec<LogLine>, ReadError> {
        let until = until.map(|until| format!(" AND timestamp<=\"{until}\"")).unwrap_or_default();
        let filter = format!("({filter}) AND timestamp>=\"{since}\"{until}");
        let body = json!({
            "resourceNames": [ApiPath::project(project).as_str()],
            "filter": filter,
            "orderBy": "timestamp desc",
            "pageSize": most.clamp(1, LARGEST_PAGE),
        });
        let path = ApiPath::version("/v2").at("entries").method("list");
        let entries: Result<Vec<Entry>, _> =
            self.rest.list(Request::post(Api::Logging, path, body), "entries", most).await;
        let entries = entries.map_err(|error| ReadError::of(&whole(project), &error))?;
        Ok(entries.into_iter().map(LogLine::from).collect())
    }
}
