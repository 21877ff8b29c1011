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

use crate::clock::{Clock, between, format_duration, later};
use crate::peer::{Dialer, NoAnswer, Stream, add, origin, url};
use crate::probe::{FactsByName, ProbeFailure};
use crate::syntax::condition::Fact;
use crate::syntax::value::SecretText;

/// A message larger than this is not one of a chat's events.
const LARGEST: usize = 1 << 20;

/// How much earlier than its request time-out a connection may end and still have been ended by it: the service counts
/// from when the request reached it.
const SLACK: Duration = Duration::from_secs(5);

/// A conversation as a runbook asks for it.
pub(in crate::probe) struct Conversation<'a> {
    pub(in crate::probe) url: &'a str,
    pub(in crate::probe) headers: &'a BTreeMap<String, SecretText>,
    /// What is added to the URL's query, encoded.
    pub(in crate::probe) query: Option<&'a SecretText>,
    pub(in crate::probe) send: Option<&'a SecretText>,
    pub(in crate::probe) events: &'a [String],
    pub(in crate::probe) within: Duration,
}

/// A connection that is kept between looks.
pub(in crate::probe) struct KeptSocket {
    socket: WebSocketStream<Stream>,
    opened: Timestamp,
}

/// Whether a connection that the request time-out ended may be opened again, and when that is.
#[derive(Clone, Copy)]
pub(in crate::probe) struct Reconnect {
    pub(in crate::probe) allowed: bool,
    pub(in crate::probe) request_timeout: Duration,
}

impl Conversation<'_> {
    /// Converses on a connection of its own.
    pub(in crate::probe) async fn hold(&self, dialer: &Dialer, clock: &dyn Clock) -> Result<FactsByName, ProbeFailure> {
        let began = clock.now();
        let last = self.within_its_time(dialer, clock, async |heard| {
            let mut socket = self.open(dialer).await?;
            self.converse(&mut socket, heard).await?;
            // A polite end; what becomes of it says nothing about the conversation.
            let _ = socket.close(None).await;
            Ok(())
        });
        Ok(facts(between(began, clock.now()), last.await?, 0))
    }

    /// Converses on the connection that is kept, or on a new one, which is kept in its turn.
    pub(in crate::probe) async fn hold_on(
        &self,
        kept: &mut Option<KeptSocket>,
        reconnect: Reconnect,
        dialer: &Dialer,
        clock: &dyn Clock,
    ) -> Result<FactsByName, ProbeFailure> {
        let began = clock.now();
        let mut reconnects = 0;
        let last = self.within_its_time(dialer, clock, async |heard| {
            if let Some(mut old) = kept.take() {
                let ended = self.converse(&mut old.socket, heard).await;
                let Err(Ended::Cut(why)) = ended else {
                    *kept = Some(old);
                    return ended.map_err(ProbeFailure::from);
                };
                let lived = between(old.opened, clock.now());
                let by_the_clock = lived.saturating_add(SLACK) >= reconnect.request_timeout;
                if !(by_the_clock && reconnect.allowed) {
                    let meant = if by_the_clock { ", at its request time-out" } else { "" };
                    let why = format!("the connection was cut after {}{meant}: {why}", format_duration(lived));
                    return Err(ProbeFailure::Unhealthy(why));
                }
                reconnects += 1;
                heard.begin_again();
            }
            let opened = clock.now();
            let mut socket = self.open(dialer).await?;
            self.converse(&mut socket, heard).await?;
            *kept = Some(KeptSocket { socket, opened });
            Ok(())
        });
        let last = last.await?;
        Ok(facts(between(began, clock.now()), last, reconnects))
    }

    /// Lets a conversation take as long as it may; the last of its messages.
    async fn within_its_time(
        &self,
        dialer: &Dialer,
        clock: &dyn Clock,
        converse: impl AsyncFnOnce(&mut Heard<'_>) -> Result<(), ProbeFailure>,
    ) -> Result<Option<serde_json::Value>, ProbeFailure> {
        let mut heard = Heard::of(self.events);
        let host = url(self.url)?.host_str().unwrap_or_default().to_owned();
        let ended = {
            // Somebody who does not speak leaves nobody with anything to do, be it in the simulated cloud.
            let out_of_time = clock.deadline(later(clock.now(), self.within));
            let converse = converse(&mut heard);
            pin_mut!(converse);
            match select(converse, out_of_time).await {
                Either::Left((ended, _)) => Some(ended),
                // While the name is waited for, nothing is known of who should converse.
                Either::Right(_) => {
                    match dialer.out_of_time(&host, format!("no answer within {}", format_duration(self.within))) {
                        NoAnswer::Unreached(unreached) => Some(Err(unreached.into())),
                        NoAnswer::Failed(_) => None,
                    }
                }
            }
        };
        match ended {
            Some(Ok(())) => Ok(heard.last),
            Some(Err(failure)) => Err(failure),
            None => {
                Err(ProbeFailure::Unhealthy(format!("{} within {}", heard.missing(), format_duration(self.within))))
            }
        }
    }

    async fn open(&self, dialer: &Dialer) -> Result<WebSocketStream<Stream>, ProbeFailure> {
        let request = self.request().map_err(ProbeFailure::Broken)?;
        let origin = origin(&url(self.url)?, ["ws", "wss"])?;
        let (stream, _) = dialer.dial(&origin).await?;
        let config = WebSocketConfig::default().max_message_size(Some(LARGEST));
        let opened = client_async_with_config(request, stream, Some(config)).await;
        Ok(opened.map_err(|error| explain(&error))?.0)
    }

    fn request(&self) -> Result<Request, String> {
        let mut url = self.url.to_owned();
        if let Some(query) = self.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(query.value().expose_secret());
        }
        let mut request = url.into_client_request().map_err(|error| format!("the URL cannot be used: {error}"))?;
        add(request.headers_mut(), self.headers)?;
        Ok(request)
    }

    async fn converse(&self, socket: &mut WebSocketStream<Stream>, heard: &mut Heard<'_>) -> Result<(), Ended> {
        if let Some(message) = self.send {
            let message = Message::text(message.value().expose_secret().to_owned());
            socket.send(message).await.map_err(|error| Ended::Cut(format!("{}; {error}", heard.missing())))?;
        }
        while !heard.is_complete() {
            let message = match socket.next().await {
                Some(Ok(Message::Close(frame))) => {
                    let frame =
                        frame.map(|frame| format!(", code {} {}", frame.code, frame.reason)).unwrap_or_default();
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
}

fn facts(latency: Duration, last: Option<serde_json::Value>, reconnects: i64) -> FactsByName {
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

impl From<Ended> for ProbeFailure {
    fn from(ended: Ended) -> ProbeFailure {
        match ended {
            Ended::Cut(why) | Ended::Wrong(why) => ProbeFailure::Unhealthy(why),
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

/// What keeps a conversation from beginning.
fn explain(error: &Error) -> ProbeFailure {
    match error {
        Error::Http(answer) => {
            ProbeFailure::Unhealthy(format!("it answers {} instead of a WebSocket", answer.status()))
        }
        error => ProbeFailure::Unhealthy(error.to_string()),
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
