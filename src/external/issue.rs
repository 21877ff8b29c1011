//! An incident's issue on GitHub: labels, one status comment of the run, and its closing.
//!
//! A run has one comment and keeps it up to date. It is the one that this process posted; after a crash, the one that begins
//! with the run's marker and whose author is the token's own user: anybody who can comment can write the marker too. The token
//! goes to GitHub's own API, or to the one that the environment names, and to no host that a runbook names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http;
use crate::action::{GithubIssue, IssueRef};
use crate::present::markdown::paragraphs;
use crate::redact;
use crate::resource::{BodyError, body_within};

/// GitHub's own host, and its API.
const GITHUB: (&str, &str) = ("github.com", "https://api.github.com");
/// Comments of an issue that are looked through for ours, a hundred a page.
const PAGES: u32 = 30;
/// How much of a comment a runbook's own words may be; the rest is for how the run stands.
const WORDS: usize = 4_000;

/// How GitHub is reached. What it needs comes from the environment.
#[derive(Clone, Debug, Default)]
pub struct Github {
    /// The address of the API, if it is not GitHub's own: `GITHUB_API_URL`.
    pub api: Option<String>,
    /// The token: `GITHUB_TOKEN`, or `GH_TOKEN`.
    pub token: Option<SecretString>,
    /// The comments that this process posted, by issue and marker.
    posted: Arc<Mutex<BTreeMap<String, u64>>>,
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
    /// Reached with this token, at this API if it is not GitHub's own.
    pub fn new(api: Option<String>, token: Option<SecretString>) -> Github {
        Github { api, token, posted: Arc::default() }
    }

    /// Brings an issue up to date. What is so already stays so: it can be done again.
    ///
    /// # Errors
    /// In words, without the token: which of it could not be done.
    pub(super) async fn update(&self, update: &GithubIssue, status: &Status) -> Result<(), String> {
        let GithubIssue { issue, add_labels, remove_labels, comment, close } = update;
        let issue = issue.as_ref().ok_or("which issue is meant is not known")?;
        let client = self.client(issue)?;
        let at = |rest: &[&str]| path(issue, &[&["issues", &issue.number.to_string()], rest].concat());
        let failed = |what: &str| {
            let what = format!("{what} {issue}");
            move |error: CallError| format!("cannot {what}: {}", redact::text(error.to_string()))
        };
        if !add_labels.is_empty() {
            let labels = json!({ "labels": add_labels });
            client.send(Method::POST, &at(&["labels"]), &labels).await.map_err(failed("label"))?;
        }
        for label in remove_labels {
            match client.send(Method::DELETE, &at(&["labels", label]), &Value::Null).await {
                Err(error) if !error.is_missing() => return Err(failed("take a label from")(error)),
                // It was not there: nothing is left to do.
                Ok(_) | Err(_) => {}
            }
        }
        if let Some(comment) = comment {
            let body = format!("{}\n{}{}", first_line(&status.marker), paragraphs(comment, WORDS), status.text);
            let body = redact::text(body);
            self.comment(&client, issue, &status.marker, &body).await.map_err(failed("comment on"))?;
        }
        if *close && status.is_closed {
            let closed = json!({ "state": "closed", "state_reason": "completed" });
            client.send(Method::PATCH, &at(&[]), &closed).await.map_err(failed("close"))?;
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

    fn client(&self, issue: &IssueRef) -> Result<Client, String> {
        let api = match &self.api {
            Some(api) => api.as_str(),
            None if issue.host == GITHUB.0 => GITHUB.1,
            None => return Err(format!("set GITHUB_API_URL to the API of {}: a token goes nowhere else", issue.host)),
        };
        let token = self.token.clone().ok_or("neither GITHUB_TOKEN nor GH_TOKEN is set")?;
        let unusable = |why: &dyn std::fmt::Display| format!("GITHUB_API_URL cannot be used: {why}");
        let http = http().map_err(|error| unusable(&error.without_url()))?;
        let api = Url::parse(api).map_err(|error| unusable(&error))?;
        if api.cannot_be_a_base() {
            return Err(unusable(&"it is not the address of an API"));
        }
        Ok(Client { http, api, token })
    }

    /// Posts the run's comment, or changes the one that it has.
    async fn comment(&self, client: &Client, issue: &IssueRef, marker: &str, body: &str) -> Result<(), CallError> {
        let key = format!("{issue} {marker}");
        let posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        let known = match posted {
            Some(id) => Some(id),
            None => ours(client, issue, marker).await?,
        };
        let body = json!({ "body": body });
        if let Some(id) = known {
            let comment = path(issue, &["issues", "comments", &id.to_string()]);
            match client.send(Method::PATCH, &comment, &body).await {
                Ok(_) => {
                    self.posted.lock().unwrap_or_else(PoisonError::into_inner).insert(key, id);
                    return Ok(());
                }
                // Somebody deleted it.
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        let comments = path(issue, &["issues", &issue.number.to_string(), "comments"]);
        let made: Comment = parsed(client.send(Method::POST, &comments, &body).await?)?;
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).insert(key, made.id);
        Ok(())
    }
}

/// The parts of a path below an issue's repository.
fn path(issue: &IssueRef, rest: &[&str]) -> Vec<String> {
    let repository = ["repos", &issue.owner, &issue.repository];
    repository.into_iter().chain(rest.iter().copied()).map(str::to_owned).collect()
}

/// GitHub's API, with a token. Source of the paths and fields: GitHub's REST reference, version 2022-11-28.
struct Client {
    http: reqwest::Client,
    api: Url,
    token: SecretString,
}

/// What an answer of GitHub may be long: a hundred comments of 65,536 characters.
const MOST_BYTES: usize = 32 * 1024 * 1024;

impl Client {
    /// Sends a request once; `Null` is no body. The answer's JSON, `Null` if it has none.
    async fn send(&self, method: Method, path: &[String], body: &Value) -> Result<Value, CallError> {
        self.exchange(method, self.url(path), body).await
    }

    /// A page of a list, of a hundred entries.
    async fn page(&self, path: &[String], page: u32) -> Result<Value, CallError> {
        let mut url = self.url(path);
        url.query_pairs_mut().append_pair("per_page", "100").append_pair("page", &page.to_string());
        self.exchange(Method::GET, url, &Value::Null).await
    }

    fn url(&self, path: &[String]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn exchange(&self, method: Method, url: Url, body: &Value) -> Result<Value, CallError> {
        let request = self.http.request(method, url).bearer_auth(self.token.expose_secret());
        let request = request.header("accept", "application/vnd.github+json").header("user-agent", "rectify");
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await.map_err(unreached)?;
        let status = answer.status();
        let bytes = body_within(answer, MOST_BYTES).await.map_err(|error| match error {
            BodyError::Broken(error) => unreached(error),
            BodyError::TooLarge(_) => CallError::Malformed("the answer is too long".to_owned()),
        })?;
        if !status.is_success() {
            let told: Option<Refusal> = serde_json::from_slice(&bytes).ok();
            let why = told.map(|told| told.message).unwrap_or_default();
            return Err(CallError::Refused { status, why });
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| CallError::Malformed(error.to_string()))
    }
}

/// Why a call to GitHub failed.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("GitHub answers {status}: {why}")]
    Refused { status: StatusCode, why: String },
    #[error("{0}")]
    Unreachable(String),
    #[error("malformed response of GitHub: {0}")]
    Malformed(String),
}

impl CallError {
    fn is_missing(&self) -> bool {
        matches!(self, CallError::Refused { status: StatusCode::NOT_FOUND, .. })
    }
}

/// The innermost cause, without the address.
fn unreached(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    CallError::Unreachable(cause.to_string())
}

/// What GitHub says of a failure.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// A comment of an issue, as far as it is read.
#[derive(Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

fn parsed<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, CallError> {
    serde_json::from_value(answer).map_err(|error| CallError::Malformed(error.to_string()))
}

/// The comment of this token's own user that begins with the marker. If GitHub does not say who that is, none is ours.
async fn ours(client: &Client, issue: &IssueRef, marker: &str) -> Result<Option<u64>, CallError> {
    let Some(own) = own_login(client).await else { return Ok(None) };
    let listed = path(issue, &["issues", &issue.number.to_string(), "comments"]);
    let first_line = first_line(marker);
    for page in 1..=PAGES {
        let comments: Vec<Comment> = parsed(client.page(&listed, page).await?)?;
        let is_ours = |comment: &&Comment| {
            comment.user.as_ref().is_some_and(|user| user.login == own)
                && comment.body.as_ref().is_some_and(|body| body.starts_with(&first_line))
        };
        if let Some(found) = comments.iter().find(is_ours) {
            return Ok(Some(found.id));
        }
        if comments.len() < 100 {
            break;
        }
    }
    Ok(None)
}

/// Whose token it is. REST says so of people only; GraphQL also of apps, such as the one of GitHub Actions, but an
/// Enterprise Server may have it elsewhere.
async fn own_login(client: &Client) -> Option<String> {
    let asked = json!({ "query": "{ viewer { login } }" });
    let text = |answer: &Value, pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let viewer = client.send(Method::POST, &["graphql".to_owned()], &asked).await;
    if let Some(login) = viewer.ok().and_then(|answer| text(&answer, "/data/viewer/login")) {
        return Some(login);
    }
    let user = client.send(Method::GET, &["user".to_owned()], &Value::Null).await;
    user.ok().and_then(|answer| text(&answer, "/login"))
}

/// What a run's comment begins with; it is not shown.
fn first_line(marker: &str) -> String {
    format!("<!-- {marker} -->")
}
