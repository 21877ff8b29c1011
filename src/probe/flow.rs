//! Several requests in sequence, as a visitor makes them: log in, open the chat with what the log-in gave, ask, be answered.
//!
//! What one request captures of its answer, by a JSON pointer, the next ones say as `${flow.NAME}`. Captured values are
//! treated as secrets: they are sent, and never shown.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::Value;

use super::{Connections, Looked, Probes, http, in_words};
use crate::clock::between;
use crate::redact;
use crate::runbook::model::{FlowStep, Look};
use crate::syntax::condition::Fact;
use crate::syntax::value::{self, NotScalar, Private};

impl Probes {
    pub(super) async fn flow(&self, steps: &[FlowStep]) -> Result<BTreeMap<String, Fact>, Looked> {
        let (began, lines) = (self.clock.now(), http::Lines::default());
        let mut captured: BTreeMap<String, SecretString> = BTreeMap::new();
        for (done, step) in steps.iter().enumerate() {
            let at = |why: String| format!("`{}`, step {} of {}: {why}", step.name, done + 1, steps.len());
            let look = filled(&step.look, &captured);
            let look = look.map_err(|why| Looked::Sick(at(format!("a captured value cannot be sent: {why}"))))?;
            let facts = match self.look_at(Connections::Shared(&lines), &look).await {
                Looked::Facts(facts) => facts,
                Looked::Sick(why) => return Err(Looked::Sick(at(why))),
                Looked::Unseen(why) => return Err(Looked::Unseen(at(why))),
                Looked::Broken(why) => return Err(Looked::Broken(at(why))),
            };
            match step.expect.holds(&facts) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(Looked::Sick(at(format!(
                        "{}, expected {}",
                        in_words(&facts, &step.expect),
                        step.expect
                    ))));
                }
                Err(why) => return Err(Looked::Sick(at(format!("{} cannot be judged: {why}", step.expect)))),
            }
            for (name, pointer) in &step.capture {
                let found = capture(&facts, name, pointer);
                let missing = || Looked::Sick(at(format!("its answer has nothing at {pointer}")));
                captured.insert(name.clone(), found.ok_or_else(missing)?);
            }
        }
        Ok(BTreeMap::from([
            ("latency".to_owned(), Fact::Span(between(began, self.clock.now()))),
            ("steps".to_owned(), Fact::Int(i64::try_from(steps.len()).unwrap_or(i64::MAX))),
        ]))
    }
}

/// What stands at this place of an HTTP answer's body, or of a conversation's last message.
fn capture(facts: &BTreeMap<String, Fact>, name: &str, pointer: &str) -> Option<SecretString> {
    let Some(Fact::Json(answer)) = facts.get("json").or(facts.get("last")) else { return None };
    match answer.pointer(pointer)? {
        Value::Null => None,
        Value::String(text) => Some(redact::captured(&format!("flow.{name}"), text.clone())),
        other => Some(redact::captured(&format!("flow.{name}"), other.to_string())),
    }
}

/// A look with the captured values in their places.
fn filled(look: &Look, captured: &BTreeMap<String, SecretString>) -> Result<Look, NotScalar> {
    let mut look = look.clone();
    let fill = |private: &mut Private| private.filled(captured).map(|filled| *private = filled);
    match &mut look {
        Look::Http { url, headers, query, body, .. } => {
            *url = value::filled(url, captured);
            let body = body.as_mut().map(|body| &mut body.text);
            headers.values_mut().chain(query).chain(body).try_for_each(fill)?;
        }
        Look::Websocket { url, headers, query, send, .. } => {
            *url = value::filled(url, captured);
            headers.values_mut().chain(query).chain(send).try_for_each(fill)?;
        }
        Look::Flow { .. }
        | Look::Load { .. }
        | Look::Logs { .. }
        | Look::Metric { .. }
        | Look::Resource { .. }
        | Look::Tls { .. }
        | Look::Tcp { .. }
        | Look::Postgres { .. }
        | Look::Redis { .. } => {}
    }
    Ok(look)
}
