//! Requests that steps send to applications' own endpoints.
//!
//! What a request did is told by its answer's status, as far as that can tell. An answer that is not expected and says that the request was
//! wrong has done nothing; with any other, and without one, it is not known. A conflict is such another: it may be with this very request,
//! sent before.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Map;

use super::once::{Direction, Sent, Work};
use crate::action::{DoneWhen, HttpSend};
use crate::peer::{NoAnswer, http_client};
use crate::syntax::value::SecretText;

/// The header by which a peer knows that it was sent a request before
/// (source: draft-ietf-httpapi-idempotency-key-header; sent without quotes, as the peers that exist take it).
const KEY: &str = "Idempotency-Key";

/// A step's request.
pub(super) struct Request {
    pub(super) step: HttpSend,
    pub(super) client: Arc<http_client::Client>,
}

impl Request {
    async fn send(&self, direction: Direction, key: &str) -> Sent {
        let sending = match direction {
            Direction::Forward => Some(&self.step.send),
            Direction::Back => self.step.undo.as_deref(),
        };
        let Some(sending) = sending else { return Sent::Refused("nothing says how to undo it".to_owned()) };
        let mut request = sending.request.clone();
        // What the author says of it holds.
        if !request.headers.keys().any(|name| name.eq_ignore_ascii_case(KEY)) {
            request.headers.insert(KEY.to_owned(), SecretText::literal(key));
        }
        match self.client.send_once(&request.wanted(), self.step.timeout).await {
            Ok(answer) if sending.expects(answer.status) => Sent::Accepted(Map::new()),
            Ok(answer) => unexpected(answer.status),
            Err(NoAnswer::Unreached(unreached)) => Sent::Refused(format!("nothing was sent: {unreached}")),
            Err(NoAnswer::Failed(why)) => Sent::InDoubt(why),
        }
    }

    async fn ask(&self, done: &DoneWhen) -> Result<bool, String> {
        let answer = self.client.send(&done.request.wanted(), self.step.timeout, None).await;
        let answer = answer.map_err(|none| match none {
            NoAnswer::Unreached(unreached) => unreached.to_string(),
            NoAnswer::Failed(why) => why,
        })?;
        if matches!(answer.status, 401 | 403 | 408 | 429 | 500..) {
            return Err(format!("{} answers {}", done.request.url, answer.status));
        }
        done.condition()?.holds(&answer.into_facts())
    }
}

/// What an answer says that is not expected.
fn unexpected(status: u16) -> Sent {
    let why = format!("it answers {status}");
    match status {
        // The peer may have done something meanwhile, or be at it.
        408 | 409 => Sent::InDoubt(why),
        400..=499 => Sent::Refused(why),
        _ => Sent::InDoubt(why),
    }
}

impl Work for Request {
    fn can_be_undone(&self) -> bool {
        self.step.undo.is_some()
    }

    fn is_done(&self) -> BoxFuture<'_, Option<Result<bool, String>>> {
        Box::pin(async {
            match &self.step.done_when {
                Some(done) => Some(self.ask(done).await),
                None => None,
            }
        })
    }

    fn send<'a>(&'a self, direction: Direction, key: &'a str) -> BoxFuture<'a, Sent> {
        Box::pin(self.send(direction, key))
    }
}
