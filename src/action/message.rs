//! Messages to webhooks. Whether one arrives decides nothing: a chat that is down must not stop a remediation.
//!
//! A message is sent at least once: a run that is killed between sending and writing that down sends it again.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::runbook::model::{Action, Runbook};
use crate::runbook::value::Private;

/// How long a webhook may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The messages of a runbook, by step.
pub struct Messages {
    steps: BTreeMap<String, (Private, String)>,
    rehearsal: bool,
}

impl Messages {
    /// Those of this runbook; in a rehearsal none is sent.
    pub fn of(runbook: &Runbook, rehearsal: bool) -> Messages {
        let steps = runbook.phases.iter().flat_map(|phase| &phase.steps);
        let message = |step: &crate::runbook::model::Step| match step.turns.first().map(|turn| &turn.action) {
            Some(Action::Notify { webhook, text }) => Some((step.name.clone(), (webhook.clone(), text.clone()))),
            _ => None,
        };
        Messages { steps: steps.filter_map(message).collect(), rehearsal }
    }

    /// Sends the message of a step, as `{"text": …}`, which chats understand.
    ///
    /// # Errors
    /// Why nobody was told, in words without the webhook's address: that is a secret.
    pub async fn send(&self, step: &str) -> Result<(), String> {
        let Some((webhook, text)) = self.steps.get(step) else { return Err(format!("{step} has no message")) };
        if self.rehearsal {
            return Err("this is a rehearsal".to_owned());
        }
        let told = |error: reqwest::Error| error.without_url().to_string();
        let http = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
        let request = http.map_err(told)?.post(webhook.value().expose_secret()).json(&json!({ "text": text }));
        let answer = request.send().await.map_err(told)?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("the webhook answers {}", answer.status())) }
    }
}
