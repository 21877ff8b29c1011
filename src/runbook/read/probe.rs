//! `[probes]`. A probe is of the kind whose key it has.

use std::collections::BTreeMap;
use std::time::Duration;

use super::part;
use crate::runbook::block::{Block, Reader};
use crate::runbook::condition::Condition;
use crate::runbook::document::{Entry, Path};
use crate::runbook::draft::Part;
use crate::runbook::format::{PROBE, PROBES, ProbeFormat};
use crate::runbook::mistake::{BAD_VALUE, MISSING_KEY, Mistake};
use crate::runbook::model::{Look, Probe};
use crate::runbook::spelling::list;

/// How long one look may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a conversation over a WebSocket may take.
const WITHIN: Duration = Duration::from_secs(30);
/// Cloud Run's default request time-out
/// (source: <https://docs.cloud.google.com/run/docs/configuring/request-timeout>).
const REQUEST_TIMEOUT: Duration = Duration::from_mins(5);

pub(super) fn read_probes<'d>(reader: &Reader<'d>, root: &Block<'_, 'd>) -> BTreeMap<String, Part<Probe>> {
    let read = |(name, entry): (&str, &'d Entry)| {
        let probe = part(reader, true, || read_probe(reader, name, entry));
        (name.to_owned(), probe)
    };
    root.tables_by_name("probes").into_iter().map(read).collect()
}

fn read_probe<'d>(reader: &Reader<'d>, name: &str, entry: &'d Entry) -> Option<Probe> {
    let path = Path::probe(name);
    let block = reader.block(path.clone(), &entry.node, &PROBE)?;
    let kinds: Vec<&ProbeFormat> = PROBES.iter().filter(|kind| block.has(kind.key)).collect();
    let kind = match kinds.as_slice() {
        [kind] => kind,
        [] => {
            let mistake = Mistake::new(MISSING_KEY, block.at.clone(), "the probe looks at nothing");
            let known = list(PROBES.iter().map(|kind| kind.key), "or");
            reader.note(mistake.help(format!("say what it looks at: {known}")));
            return None;
        }
        [first, second, ..] => {
            let message = format!("a probe looks at one thing: `{}` or `{}`, not both", first.key, second.key);
            reader.note(Mistake::new(BAD_VALUE, block.place(second.key), message).help("make it two probes"));
            return None;
        }
    };
    let block = reader.block(path, &entry.node, &kind.table)?;
    let look = read_look(&block, kind.key);
    let expect = if block.has("expect") { block.condition("expect") } else { unsaid(kind.key) };
    block.finish();
    Some(Probe { look: look?, expect: expect? })
}

/// What must hold of a probe that does not say so.
fn unsaid(key: &str) -> Option<Condition> {
    // Both are constants that compile; a test reads a probe of each kind without an `expect`.
    match key {
        "websocket" => Condition::compile("complete").ok(),
        "tcp" | "postgres" | "redis" => Condition::compile("latency >= duration(\"0s\")").ok(),
        _ => None,
    }
}

fn read_look(block: &Block<'_, '_>, key: &'static str) -> Option<Look> {
    let timeout = || block.positive_duration("timeout").unwrap_or(TIMEOUT);
    let headers = || block.private_values("headers").unwrap_or_default();
    match key {
        "http" => {
            let (url, method) = (block.text("http"), block.literal("method"));
            let (headers, body, timeout) = (headers(), block.private("body"), timeout());
            Some(Look::Http { url: url?, method, headers, body, timeout })
        }
        "websocket" => {
            let (url, headers, send) = (block.text("websocket"), headers(), block.private("send"));
            let events = block.texts("events");
            let within = block.positive_duration("within").unwrap_or(WITHIN);
            let keep_open = block.flag("keep_open").unwrap_or(false);
            let reconnect = block.flag("reconnect").unwrap_or(false);
            let request_timeout = block.positive_duration("request_timeout").unwrap_or(REQUEST_TIMEOUT);
            if events.as_ref().is_some_and(Vec::is_empty) {
                block.wrong("events", "a conversation without events proves nothing", "name what must come");
            }
            let (url, events) = (url?, events?);
            Some(Look::Websocket { url, headers, send, events, within, keep_open, reconnect, request_timeout })
        }
        "logs" => {
            let (filter, window, timeout) = (block.text("logs"), block.positive_duration("window"), timeout());
            Some(Look::Logs { filter: filter?, window: window?, timeout })
        }
        "metric" => {
            let (query, timeout) = (block.text("metric"), timeout());
            Some(Look::Metric { query: query?, timeout })
        }
        "resource" => read_resource(block),
        "tls" => {
            let (address, timeout) = (block.text("tls"), timeout());
            Some(Look::Tls { address: address?, timeout })
        }
        "tcp" => {
            let (address, timeout) = (block.text("tcp"), timeout());
            Some(Look::Tcp { address: address?, timeout })
        }
        "postgres" => {
            let (url, timeout) = (block.private("postgres"), timeout());
            Some(Look::Postgres { url: url?, timeout })
        }
        "redis" => {
            let (url, timeout) = (block.private("redis"), timeout());
            Some(Look::Redis { url: url?, timeout })
        }
        _ => None,
    }
}

fn read_resource(block: &Block<'_, '_>) -> Option<Look> {
    let resource = block.text("resource")?;
    let Some((kind, name)) = resource.split_once('/') else {
        let help = "write it such as \"gcp.connector/staging-connector\"";
        block.wrong("resource", format!("`{resource}` is not a kind and a name"), help);
        return None;
    };
    Some(Look::Resource { kind: kind.to_owned(), name: name.to_owned() })
}
