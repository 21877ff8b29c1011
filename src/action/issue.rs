//! An incident's issue on GitHub: labels, one status comment of the run, and its closing.
//!
//! The comment is found again by a marker in it, so that a run has one and keeps it up to date. The token goes to GitHub's
//! own API, or to the one that the environment names, and to no host that a runbook names.

use octocrab::Octocrab;
use octocrab::models::IssueState;
use octocrab::models::issues::IssueStateReason;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::http;
use crate::runbook::model::{IssueRef, IssueUpdate};

/// GitHub's own host, and its API.
const GITHUB: (&str, &str) = ("github.com", "https://api.github.com");
/// Comments of an issue that are looked through for ours, a hundred a page.
const PAGES: u32 = 30;

/// How GitHub is reached. What it needs comes from the environment.
#[derive(Clone, Debug, Default)]
pub struct Github {
    /// The address of the API, if it is not GitHub's own: `GITHUB_API_URL`.
    pub api: Option<String>,
    /// The token: `GITHUB_TOKEN`, or `GH_TOKEN`.
    pub token: Option<SecretString>,
}

/// How a run stands, for the issue's readers.
#[derive(Clone, Debug)]
pub struct Status {
    /// What marks a comment as this run's; it is not shown.
    pub marker: String,
    /// The comment below what the runbook says, in Markdown.
    pub text: String,
    /// Whether everything holds that must before the incident is closed.
    pub is_closed: bool,
}

impl Github {
    /// Brings an issue up to date. What is so already stays so: it can be done again.
    ///
    /// # Errors
    /// In words, without the token: which of it could not be done.
    pub(super) async fn update(&self, update: &IssueUpdate, status: &Status) -> Result<(), String> {
        let IssueUpdate { issue, add_labels, remove_labels, comment, close } = update;
        let issue = issue.as_ref().ok_or("which issue is meant is not known")?;
        let client = self.client(issue)?;
        let issues = client.issues(&issue.owner, &issue.repository);
        let failed = |what: &str| {
            let what = format!("{what} {issue}");
            move |error: octocrab::Error| format!("cannot {what}: {}", words(&error))
        };
        if !add_labels.is_empty() {
            issues.add_labels(issue.number, add_labels).await.map_err(failed("label"))?;
        }
        for label in remove_labels {
            match issues.remove_label(issue.number, label).await {
                Err(error) if !is_missing(&error) => return Err(failed("take a label from")(error)),
                // It was not there: nothing is left to do.
                Ok(_) | Err(_) => {}
            }
        }
        if let Some(comment) = comment {
            let body = format!("<!-- {} -->\n{comment}\n\n{}", status.marker, status.text);
            match self.ours(&client, issue, &status.marker).await.map_err(failed("read the comments of"))? {
                Some(id) => {
                    // The library sends a POST; GitHub documents a PATCH.
                    let comment = format!("/repos/{}/{}/issues/comments/{id}", issue.owner, issue.repository);
                    let changed = client.patch::<Value, _, _>(comment, Some(&json!({ "body": body }))).await;
                    changed.map_err(failed("comment on"))?;
                }
                None => drop(issues.create_comment(issue.number, body).await.map_err(failed("comment on"))?),
            }
        }
        if *close && status.is_closed {
            let update = issues.update(issue.number);
            let closed = update.state(IssueState::Closed).state_reason(IssueStateReason::Completed).send().await;
            closed.map_err(failed("close"))?;
        }
        Ok(())
    }

    /// Whether an issue could be reached, as far as that can be told without asking anybody.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn reaches(&self, issue: &IssueRef) -> Result<(), String> {
        self.client(issue).map(drop)
    }

    fn client(&self, issue: &IssueRef) -> Result<Octocrab, String> {
        let api = match &self.api {
            Some(api) => api.as_str(),
            None if issue.host == GITHUB.0 => GITHUB.1,
            None => return Err(format!("set GITHUB_API_URL to the API of {}: a token goes nowhere else", issue.host)),
        };
        let token = self.token.clone().ok_or("neither GITHUB_TOKEN nor GH_TOKEN is set")?;
        let unusable = |why: &dyn std::fmt::Display| format!("GITHUB_API_URL cannot be used: {why}");
        let http = http().map_err(|error| unusable(&error.without_url()))?;
        let builder = Octocrab::builder().base_uri(api).map_err(|error| unusable(&error))?;
        builder.personal_token(token).build_with_reqwest(http).map_err(|error| unusable(&error))
    }

    /// The comment with this marker.
    async fn ours(
        &self,
        client: &Octocrab,
        issue: &IssueRef,
        marker: &str,
    ) -> octocrab::Result<Option<octocrab::models::CommentId>> {
        let issues = client.issues(&issue.owner, &issue.repository);
        for page in 1..=PAGES {
            let comments = issues.list_comments(issue.number).per_page(100).page(page).send().await?;
            let has = |comment: &&octocrab::models::issues::Comment| {
                comment.body.as_ref().is_some_and(|body| body.contains(marker))
            };
            if let Some(found) = comments.items.iter().find(has) {
                return Ok(Some(found.id));
            }
            if comments.next.is_none() {
                break;
            }
        }
        Ok(None)
    }
}

fn is_missing(error: &octocrab::Error) -> bool {
    matches!(error, octocrab::Error::GitHub { source, .. } if source.status_code.as_u16() == 404)
}

/// What GitHub says of a failure, or what stood in the way of asking it.
fn words(error: &octocrab::Error) -> String {
    if let octocrab::Error::GitHub { source, .. } = error {
        return format!("GitHub answers {}: {}", source.status_code, source.message);
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
