//! Telling others: webhooks, and the incident's issue. Whether that works decides nothing: a chat that is down must not
//! stop a remediation.
//!
//! A message is sent at least once: a run that is killed between sending and writing that down sends it again.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::actions;
use super::issue::{Github, Status};
use crate::runbook::model::{Action, IssueUpdate, Runbook};
use crate::runbook::value::Private;

/// How long a webhook may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The messages of a runbook, by task.
pub struct Messages {
    tasks: BTreeMap<String, Message>,
    github: Github,
    rehearsal: bool,
}

enum Message {
    Webhook { to: Private, text: String },
    Issue(IssueUpdate),
}

impl Messages {
    /// Those of this runbook; in a rehearsal none is sent.
    pub fn of(runbook: &Runbook, github: Github, rehearsal: bool) -> Messages {
        let message = |action: &Action| match action {
            Action::Notify { webhook, text } => Some(Message::Webhook { to: webhook.clone(), text: text.clone() }),
            Action::Issue(update) => Some(Message::Issue(update.clone())),
            _ => None,
        };
        let tasks = actions(runbook).filter_map(|(task, action)| Some((task, message(action)?))).collect();
        Messages { tasks, github, rehearsal }
    }

    /// Whether the message of a task says how the run stands.
    pub fn tells_status(&self, task: &str) -> bool {
        matches!(self.tasks.get(task), Some(Message::Issue(_))) && !self.rehearsal
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

async fn post(webhook: &Private, text: &str) -> Result<(), String> {
    let told = |error: reqwest::Error| error.without_url().to_string();
    let http = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
    let request = http.map_err(told)?.post(webhook.value().expose_secret()).json(&json!({ "text": text }));
    let answer = request.send().await.map_err(told)?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("the webhook answers {}", answer.status())) }
}
