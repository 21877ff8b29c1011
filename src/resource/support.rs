//! Google's support: whether a run's case is open already, and opening one.
//!
//! The same request twice is two cases (facts, section 5), so a case has a marker in its title: it is looked for before one is
//! opened, and again when the answer to that was lost. Opening is sent once.

use google_cloud_gax::options::RequestOptionsBuilder as _;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_support_v2::client::CaseService;
use google_cloud_support_v2::model::case::Priority;
use google_cloud_support_v2::model::{Case, CaseClassification};

use super::cloud::{ATTEMPT, Access, Endpoint, client};
use super::error::{BuildError, ReadError, WriteError};
use super::path::ApiPath;
use crate::run::ResourceId;

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
    cases: CaseService,
}

impl SupportDesk {
    /// Makes the client. No call is made yet.
    ///
    /// # Errors
    /// If there are no credentials.
    pub async fn at(endpoint: &Endpoint) -> Result<SupportDesk, BuildError> {
        let access = Access::to(endpoint)?;
        Ok(SupportDesk { cases: client!(CaseService, &access)? })
    }

    /// The case that says this in its title or its text, the newest if there are several.
    ///
    /// # Errors
    /// If cases cannot be searched: no tier, no permission, no answer.
    pub async fn find(&self, project: &str, marker: &str) -> Result<Option<String>, ReadError> {
        let query = format!("\"{marker}\"");
        let found =
            self.cases.search_cases().set_parent(ApiPath::project(project).to_string()).set_query(query).send().await;
        let found = found.map_err(|error| ReadError::of(&case(project), &error))?;
        Ok(found.cases.into_iter().next().map(|case| case.name))
    }

    /// Opens a case; its name.
    ///
    /// # Errors
    /// `InDoubt`: it may be open; look for its marker. Everything else: it is not.
    pub async fn open(&self, project: &str, letter: &Letter) -> Result<String, WriteError> {
        let id = case(project);
        let refused = |why: String| WriteError::Refused { resource: id.clone(), why };
        let words = format!("\"{}\"", letter.classification);
        let known = self.cases.search_case_classifications().set_query(words).send().await;
        let known = known.map_err(|error| refused(ReadError::of(&id, &error).to_string()))?;
        let Some(classification) = known.case_classifications.into_iter().next() else {
            return Err(refused(format!("Google knows no classification that says {:?}", letter.classification)));
        };
        let wanted = Case::new()
            .set_display_name(&letter.display_name)
            .set_description(&letter.description)
            .set_classification(CaseClassification::new().set_id(classification.id))
            .set_priority(Priority::from(letter.priority.as_str()))
            .set_time_zone("-00:00");
        let request = self.cases.create_case().set_parent(ApiPath::project(project).to_string()).set_case(wanted);
        let opened = request.with_retry_policy(NeverRetry).with_attempt_timeout(ATTEMPT).send().await;
        opened.map(|case| case.name).map_err(|error| WriteError::of(&id, &error))
    }
}

/// A case, where an error wants to name a resource.
fn case(project: &str) -> ResourceId {
    let (kind, name) = ("support.case".to_owned(), "new".to_owned());
    ResourceId { kind, project: project.to_owned(), region: "global".to_owned(), name }
}
