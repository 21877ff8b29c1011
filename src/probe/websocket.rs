//! A conversation over a WebSocket: a message is sent, and its events must come, all of them, in their order, in time.
//!
//! Each look opens a connection of its own, or all looks of a gate share one that is kept open. Messages of other types in
//! between are nobody's concern; one of the expected types at the wrong moment is. Cloud Run ends a WebSocket at the
//! request time-out, however healthy it is: a kept connection that lived that long may be opened again if the runbook
//! says so, and one that ended earlier is a failure
//! (source: <https://docs.cloud.google.com/run/docs/triggering/websockets>).

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{Either, select};
use futures::{SinkExt as _, StreamExt as _, pin_mut};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::dial::{Dialer, Stream, origin, url};
use super::{Looked, http};
use crate::clock::{Clock, between, later, words};
use crate::syntax::condition::Fact;
use crate::syntax::value::Private;

/// A message larger than this is not one of a chat's events.
const LARGEST: usize = 1 << 20;

/// How much earlier than its request time-out a connection may end and still have been ended by it: the service counts
/// from when the request reached it.
const SLACK: Duration = Duration::from_secs(5);

/// A conversation as a runbook asks for it.
pub(super) struct Asked<'a> {
    pub(super) url: &'a str,
    pub(super) headers: &'a BTreeMap<String, Private>,
    /// What is added to the URL's query, encoded.
    pub(super) query: Option<&'a Private>,
    pub(super) send: Option<&'a Private>,
    pub(super) events: &'a [String],
    pub(super) within: Duration,
}

/// A connection that is kept between looks.
pub(super) struct Kept {
    socket: WebSocketStream<Stream>,
    opened: Timestamp,
}

/// Whether a connection that the request time-out ended may be opened again, and when that is.
#[derive(Clone, Copy)]
pub(super) struct Reconnect {
    pub(super) allowed: bool,
    pub(super) request_timeout: Duration,
}

/// One conversation on a connection of its own.
pub(super) async fn look(
    asked: &Asked<'_>,
    dialer: &Dialer,
    clock: &dyn Clock,
) -> Result<BTreeMap<String, Fact>, Looked> {
    let began = clock.now();
    within(asked, dialer, clock, async |heard| {
        let mut socket = open(asked, dialer).await?;
        converse(asked, &mut socket, heard).await?;
        // A polite end; what becomes of it says nothing about the conversation.
        let _ = socket.close(None).await;
        Ok(())
    })
    .await
    .map(|last| facts(between(began, clock.now()), last, 0))
}

/// One conversation on the connection that is kept, or on a new one, which is kept in its turn.
pub(super) async fn look_on(
    kept: &mut Option<Kept>,
    reconnect: Reconnect,
    asked: &Asked<'_>,
    dialer: &Dialer,
    clock: &dyn Clock,
) -> Result<BTreeMap<String, Fact>, Looked> {
    let began = clock.now();
    let mut reconnects = 0;
    let last = within(asked, dialer, clock, async |heard| {
        if let Some(mut old) = kept.take() {
            let looked = converse(asked, &mut old.socket, heard).await;
            let Err(Ended::Cut(why)) = looked else {
                *kept = Some(old);
                return looked.map_err(Looked::from);
            };
            let lived = between(old.opened, clock.now());
            let by_the_clock = lived.saturating_add(SLACK) >= reconnect.request_timeout;
            if !(by_the_clock && reconnect.allowed) {
                let meant = if by_the_clock { ", at its request time-out" } else { "" };
                return Err(Looked::Sick(format!("the connection was cut after {}{meant}: {why}", words(lived))));
            }
            reconnects += 1;
            heard.begin_again();
        }
        let opened = clock.now();
        let mut socket = open(asked, dialer).await?;
        converse(asked, &mut socket, heard).await?;
        *kept = Some(Kept { socket, opened });
        Ok(())
    })
    .await?;
    Ok(facts(between(began, clock.now()), last, reconnects))
}

/// Lets a conversation take as long as it may; the last of its messages.
async fn within(
    asked: &Asked<'_>,
    dialer: &Dialer,
    clock: &dyn Clock,
    conversation: impl AsyncFnOnce(&mut Heard<'_>) -> Result<(), Looked>,
) -> Result<Option<serde_json::Value>, Looked> {
    let mut heard = Heard::of(asked.events);
    let host = url(asked.url)?.host_str().unwrap_or_default().to_owned();
    let ended = {
        // Somebody who does not speak leaves nobody with anything to do, be it in the simulated cloud.
        let out_of_time = clock.deadline(later(clock.now(), asked.within));
        let conversation = conversation(&mut heard);
        pin_mut!(conversation);
        match select(conversation, out_of_time).await {
            Either::Left((ended, _)) => Some(ended),
            // While the name is waited for, nothing is known of who should converse.
            Either::Right(_) => match dialer.out_of_time(&host, format!("no answer within {}", words(asked.within))) {
                unseen @ Looked::Unseen(_) => Some(Err(unseen)),
                Looked::Sick(_) | Looked::Broken(_) | Looked::Facts(_) => None,
            },
        }
    };
    match ended {
        Some(Ok(())) => Ok(heard.last),
        Some(Err(looked)) => Err(looked),
        None => Err(Looked::Sick(format!("{} within {}", heard.missing(), words(asked.within)))),
    }
}

fn facts(latency: Duration, last: Option<serde_json::Value>, reconnects: i64) -> BTreeMap<String, Fact> {
    let mut facts = BTreeMap::from([
        ("complete".to_owned(), Fact::Bool(true)),
        ("latency".to_owned(), Fact::Span(latency)),
        ("reconnects".to_owned(), Fact::Int(reconnects)),
    ]);
    facts.extend(last.map(|last| ("last".to_owned(), Fact::Json(last))));
    facts
}

/// Why a conversation did not come to its end.
enum Ended {
    /// The connection is there no longer.
    Cut(String),
    /// Something came that must not.
    Wrong(String),
}

impl From<Ended> for Looked {
    fn from(ended: Ended) -> Looked {
        match ended {
            Ended::Cut(why) | Ended::Wrong(why) => Looked::Sick(why),
        }
    }
}

/// Which of the expected events have come.
struct Heard<'a> {
    expected: &'a [String],
    came: usize,
    /// The latest that was expected.
    last: Option<serde_json::Value>,
}

impl<'a> Heard<'a> {
    fn of(expected: &'a [String]) -> Heard<'a> {
        Heard { expected, came: 0, last: None }
    }

    fn begin_again(&mut self) {
        (self.came, self.last) = (0, None);
    }

    fn missing(&self) -> String {
        match self.expected.get(self.came) {
            Some(next) => format!("{} of {} events came; {next} did not", self.came, self.expected.len()),
            None => "every event came, and the conversation did not end".to_owned(),
        }
    }

    /// Takes a message's type. An error says what came at the wrong moment.
    fn take(&mut self, kind: &str) -> Result<(), String> {
        if self.expected.get(self.came).is_some_and(|next| next == kind) {
            self.came += 1;
            return Ok(());
        }
        if self.expected.iter().any(|known| known == kind) {
            return Err(format!("{kind} came out of order: {}", self.missing()));
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.came == self.expected.len()
    }
}

async fn open(asked: &Asked<'_>, dialer: &Dialer) -> Result<WebSocketStream<Stream>, Looked> {
    let request = request(asked).map_err(Looked::Broken)?;
    let origin = origin(&url(asked.url)?, ["ws", "wss"])?;
    let (stream, _) = dialer.dial(&origin).await?;
    let config = WebSocketConfig::default().max_message_size(Some(LARGEST));
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(|error| explain(&error))?;
    Ok(socket)
}

async fn converse(asked: &Asked<'_>, socket: &mut WebSocketStream<Stream>, heard: &mut Heard<'_>) -> Result<(), Ended> {
    if let Some(message) = asked.send {
        let message = Message::text(message.value().expose_secret().to_owned());
        socket.send(message).await.map_err(|error| Ended::Cut(format!("{}; {error}", heard.missing())))?;
    }
    while !heard.is_complete() {
        let message = match socket.next().await {
            Some(Ok(Message::Close(frame))) => {
                let frame = frame.map(|frame| format!(", code {} {}", frame.code, frame.reason)).unwrap_or_default();
                return Err(Ended::Cut(format!("{}: it was closed{frame}", heard.missing())));
            }
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Ended::Cut(format!("{}; {error}", heard.missing()))),
            None => return Err(Ended::Cut(format!("{}: the connection ended", heard.missing()))),
        };
        let Ok(text) = message.to_text() else { continue };
        let Ok(message) = serde_json::from_str::<serde_json::Value>(text) else { continue };
        let Some(kind) = message.get("type").and_then(|kind| kind.as_str()).map(str::to_owned) else { continue };
        let before = heard.came;
        heard.take(&kind).map_err(Ended::Wrong)?;
        if heard.came > before {
            heard.last = Some(message);
        }
    }
    Ok(())
}

fn request(asked: &Asked<'_>) -> Result<Request, String> {
    let mut url = asked.url.to_owned();
    if let Some(query) = asked.query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(query.value().expose_secret());
    }
    let mut request = url.into_client_request().map_err(|error| format!("the URL cannot be used: {error}"))?;
    http::add(request.headers_mut(), asked.headers)?;
    Ok(request)
}

/// What keeps a conversation from beginning.
fn explain(error: &Error) -> Looked {
    match error {
        Error::Http(answer) => Looked::Sick(format!("it answers {} instead of a WebSocket", answer.status())),
        error => Looked::Sick(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_and_in_order() {
        let expected = ["a", "b", "c"].map(str::to_owned);
        let mut heard = Heard::of(&expected);
        for kind in ["a", "other", "b"] {
            heard.take(kind).unwrap();
        }
        assert_eq!(heard.missing(), "2 of 3 events came; c did not");
        assert!(heard.take("a").unwrap_err().starts_with("a came out of order"));
        heard.take("c").unwrap();
        assert!(heard.is_complete());
    }
}
