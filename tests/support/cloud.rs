//! A simulated cloud in this process, on a stepped clock, spoken to by hand.

use std::net::SocketAddr;

use jiff::SignedDuration;
use rectify::sim::{Busy, Clock, Simulator, World, scenario};
use serde_json::Value;

/// A simulated cloud, and the hold on its clock.
pub struct Cloud {
    pub simulator: Simulator,
    pub clock: Clock,
    pub http: reqwest::Client,
    _busy: Busy,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub json: Value,
}

impl Cloud {
    /// The cloud of a shipped scenario, with something appended to it.
    pub fn of(scenario: &str, appended: &str) -> Cloud {
        let text = std::fs::read_to_string(scenario).unwrap() + appended;
        Cloud::open(scenario::parse(scenario, &text).unwrap_or_else(|error| panic!("{error}")))
    }

    pub fn open(world: World) -> Cloud {
        let clock = Clock::stepped(world.now());
        let busy = clock.busy();
        let simulator = Simulator::start(world, clock.clone(), SocketAddr::from(([127, 0, 0, 1], 0)), None).unwrap();
        Cloud { simulator, clock, http: reqwest::Client::builder().no_proxy().build().unwrap(), _busy: busy }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.simulator.addr())
    }

    pub async fn sleep(&self, duration: SignedDuration) {
        self.clock.sleep_until(self.clock.now() + duration).await;
    }

    /// Sends a request; an error is a connection that broke.
    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Result<Answer, reqwest::Error> {
        self.send_as(None, method, path, body).await
    }

    pub async fn send_as(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.http.request(method.parse().unwrap(), self.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await?;
        Ok(Answer { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// What is answered to a GET that succeeds.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, None).await.unwrap();
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.json);
        answer.json
    }
}
