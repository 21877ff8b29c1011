//! Google's support: whether a run's case is open already, and opening one.
//!
//! The same request twice is two cases (facts, section 5), so a case has a marker in its title: it is looked for before one is
//! opened, and again when the answer to that was lost. Opening is sent once.

use serde::Deserialize;
use serde_json::json;

use super::endpoint::Endpoint;
use super::error::{BuildError, ReadError, WriteError};
use super::path::ApiPath;
use super::rest::{Api, Request, Rest};
use crate::run::ResourceId;

/// The version of the API that is spoken.
const VERSION: &str = "/v2";

/// What a case says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its title, with the marker in it.
    pub display_name: String,
    /// Everything else.
    pub description: String,
    /// `P0` to `P4`.
    pub priority: String,
    /// Words of the classification that it goes under, such as `Cloud Run`.
    pub classification: String,
}

/// The way to Google's support.
pub struct SupportDesk {
    rest: Rest,
}

/// A case, as the API has it (source: `google/cloud/support/v2/case.proto`).
#[derive(Deserialize)]
struct Case {
    name: String,
}

/// What a case can be about.
#[derive(Deserialize)]
struct Classification {
    id: String,
}

impl SupportDesk {
    /// Makes the client. No call is made yet.
    ///
    /// # Errors
    /// If there are no credentials.
    pub async fn at(endpoint: &Endpoint) -> Result<SupportDesk, BuildError> {
        Ok(SupportDesk { rest: endpoint.client().await? })
    }

    /// The case that says this in its title or its text, the newest if there are several.
    ///
    /// # Errors
    /// If cases cannot be searched: no tier, no permission, no answer.
    pub async fn find(&self, project: &str, marker: &str) -> Result<Option<String>, ReadError> {
        let path = ApiPath::version(VERSION).name(&ApiPath::project(project)).at("cases").method("search");
        let request = Request::get(Api::Support, path).with("query", format!("\"{marker}\""));
        let found: Result<Vec<Case>, _> = self.rest.list(request, "cases", 1).await;
        let found = found.map_err(|error| ReadError::of(&case(project), &error))?;
        Ok(found.into_iter().next().map(|case| case.name))
    }

    /// Opens a case; its name.
    ///
    /// # Errors
    /// `InDoubt`: it may be open; look for its marker. Everything else: it is not.
    pub async fn open(&self, project: &str, letter: &Letter) -> Result<String, WriteError> {
        let id = case(project);
        let refused = |why: String| WriteError::Refused { resource: id.clone(), why };
        let path = ApiPath::version(VERSION).at("caseClassifications").method("search");
        let request = Request::get(Api::Support, path).with("query", format!("\"{}\"", letter.classification));
        let known: Result<Vec<Classification>, _> = self.rest.list(request, "caseClassifications", 1).await;
        let known = known.map_err(|error| refused(ReadError::of(&id, &error).to_string()))?;
        let Some(classification) = known.into_iter().next() else {
            return Err(refused(format!("Google knows no classification that says {:?}", letter.classification)));
        };
        let wanted = json!({
            "displayName": letter.display_name,
            "description": letter.description,
            "classification": { "id": classification.id },
            "priority": letter.priority,
            "timeZone": "-00:00",
        });
        let path = ApiPath::version(VERSION).name(&ApiPath::project(project)).at("cases");
        let opened: Result<Case, _> = self.rest.write(Request::post(Api::Support, path, wanted)).await;
        opened.map(|case| case.name).map_err(|error| WriteError::of(&id, &error))
    }
}

/// A case, where an error wants to name a resource.
fn case(project: &str) -> ResourceId {
    let (kind, name) = ("support.case".to_owned(), "new".to_owned());
    ResourceId { kind, project: project.to_owned(), region: "global".to_owned(), name }
}
