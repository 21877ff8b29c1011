//! What probes send to peers.

use super::probe::{DatabaseServer, Look};
use crate::peer::{Effect, PeerRequest, host_of_address, host_of_database, host_of_url, is_idempotent, plain};

impl Look {
    /// The requests that it makes to peers, in order.
    pub fn peer_requests(&self) -> Vec<PeerRequest> {
        match self {
            Look::Http { url, method, headers, query, body, .. } => {
                let method = method.as_deref().unwrap_or("GET");
                let asks = is_idempotent(method) && body.is_none();
                let effect = if asks { Effect::Reads } else { Effect::Writes };
                let texts = headers.values().chain(query).chain(body.as_ref().map(|body| &body.text));
                vec![PeerRequest::to(host_of_url(url), method, effect).sends(url, texts)]
            }
            Look::Load { url, headers, query, clients, hold, .. } => {
                let effect = Effect::Loads { clients: *clients, hold: *hold };
                vec![PeerRequest::to(host_of_url(url), "GET", effect).sends(url, headers.values().chain(query))]
            }
            Look::Flow { steps } => steps.iter().flat_map(|step| step.look.peer_requests()).collect(),
            Look::Websocket { url, headers, query, send, .. } => {
                let request = PeerRequest::to(host_of_url(url), "WebSocket", Effect::Converses);
                vec![request.sends(url, headers.values().chain(query).chain(send))]
            }
            Look::Tls { address, .. } => vec![PeerRequest::to(host_of_address(address), "TLS", Effect::Reads)],
            Look::Tcp { address, .. } => vec![PeerRequest::to(host_of_address(address), "TCP", Effect::Reads)],
            Look::Postgres { server, .. } => vec![log_in(server, "PostgreSQL")],
            Look::Redis { server, .. } => vec![log_in(server, "Redis")],
            Look::Logs { .. } | Look::Metric { .. } | Look::Resource { .. } => Vec::new(),
        }
    }
}

fn log_in(server: &DatabaseServer, protocol: &str) -> PeerRequest {
    match server {
        DatabaseServer::Url(url) => {
            let shown = url.to_string();
            PeerRequest::to(host_of_database(&shown), protocol, Effect::LogsIn).sends(&shown, [url])
        }
        DatabaseServer::Parts(parts) => {
            let texts = parts.user.iter().chain(&parts.password);
            PeerRequest::to(Some(plain(&parts.host)), protocol, Effect::LogsIn).sends("", texts)
        }
    }
}
