//! A service's chat over a WebSocket: on each message come the events that the scenario has, one after another, and then
//! an answer.
//!
//! To Cloud Run a WebSocket is a request, and the request time-out ends it, in the cloud's time and in the middle of
//! whatever it was about (source: <https://docs.cloud.google.com/run/docs/triggering/websockets>). That the connection is
//! closed without a closing frame then is ours.

use axum::extract::ws::{Message, WebSocket};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::api::Shared;
use super::apis::cloud_run::service::Chat;
use super::clock::later;

/// Serves one connection until it ends.
pub(super) async fn serve(shared: &Shared, chat: Chat, until: Timestamp, socket: WebSocket) {
    let mut stopped = shared.stopped.subscribe();
    tokio::select! {
        () = converse(shared, &chat, socket) => {}
        // A time-out around the conversation, which is as busy as before.
        () = shared.clock.timer(until) => {}
        // An error means that the simulator has gone, which is the same.
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

async fn converse(shared: &Shared, chat: &Chat, mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            continue;
        }
        for event in &chat.events {
            pause(shared, chat.pause).await;
            let sent = json!({ "type": event, "at": shared.clock.now().to_string() });
            if socket.send(Message::text(sent.to_string())).await.is_err() {
                return;
            }
        }
        pause(shared, chat.pause).await;
        let answer = json!({ "type": "answer", "content": "I am well." });
        if socket.send(Message::text(answer.to_string())).await.is_err() {
            return;
        }
    }
}

async fn pause(shared: &Shared, pause: SignedDuration) {
    shared.clock.sleep_until(later(shared.clock.now(), pause)).await;
}
