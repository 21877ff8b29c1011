//! Telling others: webhooks, and the incident's issue. Whether that works decides nothing: a chat that is down must not
//! stop a remediation.
//!
//! A message is sent at least once: a run that is killed between sending and writing that down sends it again.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::issue::{Github, Status};
use super::{actions, http};
use crate::action::{Action, GithubIssue, Notify};
use crate::redact;
use crate::runbook::model::Runbook;
use crate::syntax::value::SecretText;

/// The messages of a runbook, by task.
pub struct Messages {
    tasks: BTreeMap<String, Message>,
    github: Github,
    rehearsal: bool,
}

enum Message {
    Webhook { to: SecretText, text: String },
    Issue(GithubIssue),
}

impl Messages {
    /// Those of this runbook; in a rehearsal none is sent.
    pub fn of(runbook: &Runbook, github: Github, rehearsal: bool) -> Messages {
        let message = |action: &Action| {
            if let Action::Notify(Notify { webhook, text }) = action {
                return Some(Message::Webhook { to: webhook.clone(), text: text.clone() });
            }
            if let Action::GithubIssue(update) = action { Some(Message::Issue(update.clone())) } else { None }
        };
        let tasks = actions(runbook).filter_map(|(task, _, action)| Some((task, message(action)?))).collect();
        Messages { tasks, github, rehearsal }
    }

    /// Whether the message of a task says how the run stands.
    pub fn tells_status(&self, task: &str) -> bool {
        matches!(self.tasks.get(task), Some(Message::Issue(_))) && !self.rehearsal
    }

    /// Brings what these tasks have told up to date, of each issue what was told last: only its comment, for labels and the
    /// issue's end are each step's own. Why that could not be done, for each that it could not.
    pub async fn conclude<'a>(&self, told: impl Iterator<Item = &'a str>, status: &Status) -> Vec<String> {
        let mut last = BTreeMap::new();
        for task in told.filter(|_| !self.rehearsal) {
            if let Some(Message::Issue(update @ GithubIssue { comment: Some(_), .. })) = self.tasks.get(task) {
                let (add_labels, remove_labels) = (Vec::new(), Vec::new());
                let only = GithubIssue { add_labels, remove_labels, close: false, ..update.clone() };
                last.insert(update.issue.as_ref().map(ToString::to_string), only);
            }
        }
        let mut problems = Vec::new();
        for update in last.values() {
            problems.extend(self.github.update(update, status).await.err());
        }
        problems
    }

    /// Sends the message of a task: to a webhook as `{"text": …}`, which chats understand; to an issue with how the run
    /// stands.
    ///
    /// # Errors
    /// Why nobody was told, in words without the webhook's address and the token: those are secrets.
    pub async fn send(&self, task: &str, status: &Status) -> Result<(), String> {
        let message = self.tasks.get(task).ok_or_else(|| format!("{task} has no message"))?;
        if self.rehearsal {
            return Err("this is a rehearsal".to_owned());
        }
        match message {
            Message::Webhook { to, text } => post(to, text).await,
            Message::Issue(update) => self.github.update(update, status).await,
        }
    }
}

async fn post(webhook: &SecretText, text: &str) -> Result<(), String> {
    let told = |error: reqwest::Error| redact::text(error.without_url().to_string());
    let request = http().map_err(told)?.post(webhook.value().expose_secret()).json(&json!({ "text": text }));
    let answer = request.send().await.map_err(told)?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("the webhook answers {}", answer.status())) }
}
