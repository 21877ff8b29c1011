//! A conversation over a WebSocket: a message is sent, and its events must come, all of them, in their order, in time.
//!
//! Each look opens a connection of its own. Messages of other types in between are nobody's concern; one of the expected
//! types at the wrong moment is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::{Either, select};
use futures::{SinkExt as _, StreamExt as _, pin_mut};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async, connect_async};

use super::{Looked, Route};
use crate::clock::{Clock, between, later, words};
use crate::runbook::condition::Fact;
use crate::runbook::value::Private;

/// A conversation as a runbook asks for it.
pub(super) struct Asked<'a> {
    pub(super) url: &'a str,
    pub(super) headers: &'a BTreeMap<String, Private>,
    pub(super) send: Option<&'a Private>,
    pub(super) events: &'a [String],
    pub(super) within: Duration,
}

pub(super) async fn look(asked: &Asked<'_>, route: &Route, clock: &dyn Clock) -> Looked {
    let request = match request(asked) {
        Ok(request) => request,
        Err(why) => return Looked::Unseen(why),
    };
    let began = clock.now();
    let mut heard = Heard { expected: asked.events, came: 0 };
    let looked = {
        let conversation = converse(asked, route, request, &mut heard);
        let out_of_time = clock.deadline(later(began, asked.within));
        pin_mut!(conversation, out_of_time);
        match select(conversation, out_of_time).await {
            Either::Left((looked, _)) => Some(looked),
            Either::Right(_) => None,
        }
    };
    match looked {
        Some(Ok(())) => Looked::Facts(BTreeMap::from([
            ("complete".to_owned(), Fact::Bool(true)),
            ("latency".to_owned(), Fact::Span(between(began, clock.now()))),
        ])),
        Some(Err(looked)) => looked,
        None => Looked::Sick(format!("{} within {}", heard.missing(), words(asked.within))),
    }
}

/// Which of the expected events have come.
struct Heard<'a> {
    expected: &'a [String],
    came: usize,
}

impl Heard<'_> {
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

async fn converse(asked: &Asked<'_>, route: &Route, request: Request, heard: &mut Heard<'_>) -> Result<(), Looked> {
    match route {
        Route::Direct => {
            let (socket, _) = connect_async(request).await.map_err(|error| explain(&error))?;
            listen(asked, socket, heard).await
        }
        Route::Simulated { address, hosts } => {
            let host = request.uri().host().unwrap_or_default().to_owned();
            if !hosts.contains(&host) {
                return Err(Looked::Unseen(format!("the simulated cloud does not serve {host}")));
            }
            let stream = connect(*address).await.map_err(|error| Looked::Sick(error.to_string()))?;
            let (socket, _) = client_async(request, stream).await.map_err(|error| explain(&error))?;
            listen(asked, socket, heard).await
        }
    }
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(address).await
}

async fn listen<S: AsyncRead + AsyncWrite + Unpin>(
    asked: &Asked<'_>,
    mut socket: WebSocketStream<S>,
    heard: &mut Heard<'_>,
) -> Result<(), Looked> {
    if let Some(message) = asked.send {
        let message = Message::text(message.value().expose_secret().to_owned());
        socket.send(message).await.map_err(|error| explain(&error))?;
    }
    while !heard.is_complete() {
        let message = match socket.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Looked::Sick(format!("{}; {error}", heard.missing()))),
            None => return Err(Looked::Sick(format!("{}: the connection ended", heard.missing()))),
        };
        let Ok(text) = message.to_text() else { continue };
        let kind = serde_json::from_str::<serde_json::Value>(text).ok();
        let kind = kind.as_ref().and_then(|message| message.get("type")?.as_str());
        if let Some(kind) = kind {
            heard.take(kind).map_err(Looked::Sick)?;
        }
    }
    // A polite end; what becomes of it says nothing about the conversation.
    let _ = socket.close(None).await;
    Ok(())
}

fn request(asked: &Asked<'_>) -> Result<Request, String> {
    let mut request = asked.url.into_client_request().map_err(|error| format!("{}: {error}", asked.url))?;
    for (name, value) in asked.headers {
        let cannot = || format!("the header {name} cannot be sent: {value}");
        let header = HeaderName::try_from(name.as_str()).map_err(|_| cannot())?;
        let mut secret = HeaderValue::from_str(value.value().expose_secret()).map_err(|_| cannot())?;
        secret.set_sensitive(true);
        request.headers_mut().insert(header, secret);
    }
    Ok(request)
}

/// A name that does not resolve says nothing of the service; anything else that keeps the conversation from beginning does.
fn explain(error: &Error) -> Looked {
    match error {
        Error::Http(answer) => Looked::Sick(format!("it answers {} instead of a WebSocket", answer.status())),
        Error::Io(error) if error.to_string().contains("failed to lookup address") => {
            Looked::Unseen(format!("the name does not resolve: {error}"))
        }
        error => Looked::Sick(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_and_in_order() {
        let expected = ["a", "b", "c"].map(str::to_owned);
        let mut heard = Heard { expected: &expected, came: 0 };
        for kind in ["a", "other", "b"] {
            heard.take(kind).unwrap();
        }
        assert_eq!(heard.missing(), "2 of 3 events came; c did not");
        assert!(heard.take("a").unwrap_err().starts_with("a came out of order"));
        heard.take("c").unwrap();
        assert!(heard.is_complete());
    }
}
