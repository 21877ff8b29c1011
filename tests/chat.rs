//! The services' own conversation, in the simulated cloud: log in, open the chat, say something, see the five events.

use futures::{SinkExt as _, StreamExt as _};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::cloud::Cloud;

/// A service with a chat of this kind.
fn scenario(chat: &str) -> String {
    format!(
        r#"
[cloud]
project = "shop-staging"
project_number = "1180000"
region = "us-central1"
start = "2026-03-02T09:30:00Z"

[images]
crashing = ["crashing@sha256:bad"]

[services.talk]
hosts = ["talk.shop.example"]
instances = 1
connections_per_instance = 0
latency = "60ms"
starved_latency = "12s"
crash_latency = "2s"
start_up = "10s"
deploy_takes = "1m"
traffic_takes = "5s"
login = {{ path = "/login", user = "probe", password = "hunter2", token = "t" }}
chat = {{ path = "/ws", token = "t", {chat} }}
[[services.talk.revisions]]
name = "talk-00001-abc"
image = "IMAGE"
created = "2026-03-01T00:00:00Z"
template = {{ timeout = "600s" }}
"#
    )
}

fn cloud(chat: &str) -> Cloud {
    let text = scenario(chat).replace("IMAGE", "talk@sha256:good");
    Cloud::open(rectify::sim::scenario::parse("chat.sim.toml", &text).unwrap_or_else(|error| panic!("{error}")))
}

type Socket = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

async fn open(cloud: &Cloud, token: &str) -> Result<Socket, Error> {
    let mut request = format!("ws://{}/ws", cloud.simulator.addr()).into_client_request().unwrap();
    request.headers_mut().insert("host", "talk.shop.example".parse().unwrap());
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let stream = tokio::net::TcpStream::connect(cloud.simulator.addr()).await.unwrap();
    tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
}

/// The types of the messages that come until the answer, or until the connection ends.
async fn said(socket: &mut Socket) -> Vec<String> {
    let mut types = Vec::new();
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let message: Value = serde_json::from_str(&text).unwrap();
        types.push(message["type"].as_str().unwrap().to_owned());
        if types.last().is_some_and(|last| last == "answer") {
            break;
        }
    }
    types
}

#[tokio::test]
async fn five_events_come_in_order_and_in_their_time() {
    let cloud = cloud(r#"pause = "2s""#);
    let login = |password: &str| {
        let body = json!({ "user": "probe", "password": password });
        cloud.http.post(cloud.url("/login")).header("host", "talk.shop.example").json(&body).send()
    };
    assert_eq!(login("wrong").await.unwrap().status(), 401);
    let token: Value = login("hunter2").await.unwrap().json().await.unwrap();
    assert!(matches!(open(&cloud, "wrong").await, Err(Error::Http(refused)) if refused.status() == 401));
    let mut socket = open(&cloud, token["token"].as_str().unwrap()).await.unwrap();
    let began = cloud.clock.now();
    socket.send(Message::text("{\"type\":\"chat\"}")).await.unwrap();
    let five = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed", "answer"];
    assert_eq!(said(&mut socket).await, five);
    assert_eq!(cloud.clock.now().duration_since(began), SignedDuration::from_secs(12));
}

#[tokio::test]
async fn events_are_dropped_and_reordered_as_the_scenario_has_it() {
    let cloud = cloud(r#"events = ["agent_thinking", "agent_started"]"#);
    let mut socket = open(&cloud, "t").await.unwrap();
    for _ in 0..2 {
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(said(&mut socket).await, ["agent_thinking", "agent_started", "answer"]);
    }
}

/// A WebSocket is a request, and ends with the request time-out however healthy it is.
#[tokio::test]
async fn the_request_timeout_ends_it() {
    let cloud = cloud("");
    let mut socket = open(&cloud, "t").await.unwrap();
    cloud.sleep(SignedDuration::from_mins(9)).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(said(&mut socket).await.len(), 6);
    cloud.sleep(SignedDuration::from_mins(2)).await;
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))), "it has been cut");
}

#[tokio::test]
async fn a_crashing_service_opens_no_conversation() {
    let text = scenario("").replace("IMAGE", "crashing@sha256:bad");
    let cloud = Cloud::open(rectify::sim::scenario::parse("chat.sim.toml", &text).unwrap());
    assert!(matches!(open(&cloud, "t").await, Err(Error::Http(refused)) if refused.status() == 503));
}
