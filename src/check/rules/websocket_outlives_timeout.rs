//! A WebSocket that is kept open for longer than the service's request time-out expects to be cut.
//!
//! On Cloud Run a WebSocket is a request: the request time-out (5 minutes by default, an hour at most) ends it, however
//! healthy it is. A soak that outlasts it sees cuts for sure; counted as failures, they make the gate impossible to
//! pass. (source: <https://docs.cloud.google.com/run/docs/triggering/websockets>)

use std::time::Duration;

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::probe::{ProbeSpec, WebsocketProbe};
use crate::syntax::Path;
use crate::syntax::value::friendly;

pub(super) const RULE: Rule = Rule {
    code: "websocket-outlives-timeout",
    title: "a WebSocket kept open beyond the request time-out allows reconnects",
    page: include_str!("../../../docs/checks/websocket-outlives-timeout.md"),
    answer: Answer::WithReason,
    find,
};

/// The longest request time-out that Cloud Run takes
/// (source: <https://docs.cloud.google.com/run/docs/configuring/request-timeout>).
const LONGEST: Duration = Duration::from_hours(1);

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, probe) in &subject.draft.probes {
        let Some(ProbeSpec::Websocket(websocket)) = probe.read().map(|probe| &probe.spec) else { continue };
        if websocket.request_timeout > LONGEST {
            let message = format!("no Cloud Run service has a request time-out above {}", friendly(LONGEST));
            let place = subject.place(&Path::probe(name).key("request_timeout"));
            found.push(Diagnostic::error(RULE.code, place, message).help("say what the service's own is"));
        }
    }
    for (step, iteration) in subject.iterations() {
        let Some(gate) = iteration.gate.read() else { continue };
        for (index, name) in gate.healthy.iter().enumerate() {
            let spec = subject.draft.probes.get(name).and_then(|probe| probe.read()).map(|probe| &probe.spec);
            let Some(ProbeSpec::Websocket(websocket)) = spec else { continue };
            let WebsocketProbe { keep_open: true, reconnect: false, request_timeout, .. } = websocket else {
                continue;
            };
            if gate.hold <= *request_timeout {
                continue;
            }
            let (hold, timeout) = (friendly(gate.hold), friendly(*request_timeout));
            let message = format!(
                "`{name}` keeps one WebSocket open for {hold}, and the service's request time-out ends it after {timeout}"
            );
            let path = step.key("gate").key("healthy").index(index);
            found.push(
                Diagnostic::error(RULE.code, subject.place(&path), message)
                    .and(subject.place(&Path::probe(name).key("keep_open")), "one connection for the whole gate")
                    .help("add reconnect = true to the probe, or let each sample open its own connection"),
            );
        }
    }
    found
}
