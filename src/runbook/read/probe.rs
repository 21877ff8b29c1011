//! `[probes]`. A probe is of the kind whose key it has.

use std::collections::BTreeMap;
use std::time::Duration;

use super::part;
use crate::runbook::draft::Part;
use crate::runbook::format::{DATABASE_TLS, FLOW, PROBE, PROBES, ProbeFormat};
use crate::runbook::model::{Body, DatabaseParts, DatabaseServer, FlowStep, Look, Probe};
use crate::syntax::Meaning;
use crate::syntax::condition::Condition;
use crate::syntax::mistake::{BAD_VALUE, MISSING_KEY, Mistake};
use crate::syntax::spelling::list;
use crate::syntax::value::Private;
use crate::syntax::{Block, Reader};
use crate::syntax::{Entry, Node, Path};

/// How long one look may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a conversation over a WebSocket may take.
const WITHIN: Duration = Duration::from_secs(30);
/// Cloud Run's default request time-out
/// (source: <https://docs.cloud.google.com/run/docs/configuring/request-timeout>).
const REQUEST_TIMEOUT: Duration = Duration::from_mins(5);
/// How many visitors a load has.
const CLIENTS: u32 = 10;
/// How long they keep asking.
const LOADED_FOR: Duration = Duration::from_secs(10);
/// More than this is no probe.
const MOST_CLIENTS: u32 = 1000;

pub(super) fn read_probes<'d>(reader: &Reader<'d>, root: &Block<'_, 'd>) -> BTreeMap<String, Part<Probe>> {
    let read = |(name, entry): (&str, &'d Entry)| {
        let probe = part(reader, true, || read_probe(reader, name, entry));
        (name.to_owned(), probe)
    };
    root.tables_by_name("probes").into_iter().map(read).collect()
}

fn read_probe<'d>(reader: &Reader<'d>, name: &str, entry: &'d Entry) -> Option<Probe> {
    let (block, key) = of_its_kind(reader, Path::probe(name), &entry.node, PROBES)?;
    let look = read_look(&block, key);
    let expect = expectation(&block, key);
    block.finish();
    Some(Probe { look: look?, expect: expect? })
}

/// The block as one of the kind whose key it has, and that key.
fn of_its_kind<'r, 'd>(
    reader: &'r Reader<'d>,
    path: Path,
    node: &'d Node,
    known: &'static [ProbeFormat],
) -> Option<(Block<'r, 'd>, &'static str)> {
    let block = reader.block(path.clone(), node, &PROBE)?;
    let kinds: Vec<&ProbeFormat> = known.iter().filter(|kind| block.has(kind.key)).collect();
    match kinds.as_slice() {
        [kind] => Some((reader.block(path, node, &kind.table)?, kind.key)),
        [] => {
            let mistake = Mistake::new(MISSING_KEY, block.at.clone(), "the probe looks at nothing");
            let known = list(known.iter().map(|kind| kind.key), "or");
            reader.note(mistake.help(format!("say what it looks at: {known}")));
            None
        }
        [first, second, ..] => {
            let message = format!("a probe looks at one thing: `{}` or `{}`, not both", first.key, second.key);
            reader.note(Mistake::new(BAD_VALUE, block.place(second.key), message).help("make it two probes"));
            None
        }
    }
}

fn expectation(block: &Block<'_, '_>, key: &str) -> Option<Condition> {
    if block.has("expect") { block.condition("expect") } else { unsaid(key) }
}

/// The requests of a flow. What one captures is known to those after it.
fn read_flow(block: &Block<'_, '_>) -> Option<Vec<FlowStep>> {
    let requests = block.requests("flow");
    if block.has("flow") && requests.is_empty() {
        block.wrong("flow", "a flow without requests proves nothing", "say what is asked for");
    }
    let (reader, mut known) = (block.reader, Vec::new());
    let steps: Vec<Option<FlowStep>> = requests
        .into_iter()
        .enumerate()
        .map(|(index, (path, node))| {
            let (block, key) = of_its_kind(reader, path, node, FLOW)?;
            let name = block.literal("name").unwrap_or_else(|| format!("request {}", index + 1));
            let (look, expect) = (read_look(&block, key), expectation(&block, key));
            let capture = block.values("capture").unwrap_or_default();
            for (name, pointer) in &capture {
                if !pointer.starts_with('/') {
                    let message = format!("`{pointer}` is not a JSON pointer");
                    block.wrong("capture", message, "write it such as \"/user/token\"");
                }
                reader.scope.define(format!("flow.{name}"), Meaning::Captured);
                known.push(format!("flow.{name}"));
            }
            block.finish();
            Some(FlowStep { name, look: look?, expect: expect?, capture })
        })
        .collect();
    for name in known {
        reader.scope.forget(&name);
    }
    let steps: Vec<FlowStep> = steps.into_iter().collect::<Option<_>>()?;
    (!steps.is_empty()).then_some(steps)
}

/// What must hold of a probe that does not say so.
fn unsaid(key: &str) -> Option<Condition> {
    // Both are constants that compile; a test reads a probe of each kind without an `expect`.
    match key {
        "websocket" => Condition::compile("complete").ok(),
        "tcp" | "flow" => Condition::compile("latency >= duration(\"0s\")").ok(),
        "postgres" | "redis" => Condition::compile("success == 1.0").ok(),
        _ => None,
    }
}

fn read_look(block: &Block<'_, '_>, key: &'static str) -> Option<Look> {
    let timeout = || block.positive_duration("timeout").unwrap_or(TIMEOUT);
    let headers = || block.private_values("headers").unwrap_or_default();
    match key {
        "http" => {
            let (url, method) = (block.text("http"), block.literal("method"));
            let (headers, query, body, timeout) = (headers(), block.fields("query"), read_body(block), timeout());
            let redirects = block.count("redirects", 0).unwrap_or(0);
            Some(Look::Http { url: url?, method, headers, query, body, redirects, timeout })
        }
        "flow" => Some(Look::Flow { steps: read_flow(block)? }),
        "load" => {
            let (url, headers, query, timeout) = (block.text("load"), headers(), block.fields("query"), timeout());
            let clients = clients(block, CLIENTS);
            let hold = block.positive_duration("for").unwrap_or(LOADED_FOR);
            Some(Look::Load { url: url?, headers, query, clients, hold, timeout })
        }
        "websocket" => {
            let (url, headers, query) = (block.text("websocket"), headers(), block.fields("query"));
            let send = block.body("send");
            let events = block.texts("events");
            let within = block.positive_duration("within").unwrap_or(WITHIN);
            // A flow opens a connection of its own each time.
            let kept = block.knows("keep_open");
            let keep_open = kept && block.flag("keep_open").unwrap_or(false);
            let reconnect = kept && block.flag("reconnect").unwrap_or(false);
            let request_timeout = kept.then(|| block.positive_duration("request_timeout")).flatten();
            let request_timeout = request_timeout.unwrap_or(REQUEST_TIMEOUT);
            if events.as_ref().is_some_and(Vec::is_empty) {
                block.wrong("events", "a conversation without events proves nothing", "name what must come");
            }
            let (url, events) = (url?, events?);
            Some(Look::Websocket { url, headers, query, send, events, within, keep_open, reconnect, request_timeout })
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
            let (server, clients, timeout) = (read_server(block, "postgres"), clients(block, 1), timeout());
            Some(Look::Postgres { server: server?, clients, timeout })
        }
        "redis" => {
            let (server, clients, timeout) = (read_server(block, "redis"), clients(block, 1), timeout());
            Some(Look::Redis { server: server?, clients, timeout })
        }
        _ => None,
    }
}

/// What a request sends: one of three ways to say it.
fn read_body(block: &Block<'_, '_>) -> Option<Body> {
    let said: Vec<&str> = ["body", "json", "form"].into_iter().filter(|key| block.has(key)).collect();
    if let [first, second, ..] = said.as_slice() {
        block.wrong(
            second,
            format!("a request sends one thing: `{first}` or `{second}`, not both"),
            "take one of them out",
        );
    }
    let of = |text: Option<Private>, media_type| text.map(|text| Body { text, media_type });
    let body = of(block.body("body"), None);
    let json = of(block.json("json"), Some("application/json"));
    let form = of(block.fields("form"), Some("application/x-www-form-urlencoded"));
    body.or(json).or(form)
}

fn read_server(block: &Block<'_, '_>, key: &'static str) -> Option<DatabaseServer> {
    if !block.is_table(key) {
        return block.database_url(key).map(DatabaseServer::Url);
    }
    let parts = block.block(key)?;
    let (host, user, password) = (parts.text("host"), parts.private("user"), parts.private("password"));
    let port = parts.count("port", 1).map(|port| {
        u16::try_from(port).map_err(|_| parts.wrong("port", format!("{port} is no port"), "a port is at most 65535"))
    });
    let database = match key {
        "redis" => parts.count("database", 0).map(|number| number.to_string()),
        _ => parts.text("database"),
    };
    let tls = parts.choice("tls", &DATABASE_TLS).unwrap_or_default();
    parts.finish();
    let port = port.and_then(Result::ok);
    Some(DatabaseServer::Parts(Box::new(DatabaseParts { host: host?, port, user, password, database, tls })))
}

/// How many there are at once: enough to show what a start-up does, and not enough to be an outage of its own.
fn clients(block: &Block<'_, '_>, otherwise: u32) -> u32 {
    let clients = block.count("clients", 1).unwrap_or(otherwise);
    if clients > MOST_CLIENTS {
        block.wrong(
            "clients",
            format!("{clients} clients are an attack"),
            &format!("at most {MOST_CLIENTS} look at once"),
        );
    }
    clients.min(MOST_CLIENTS)
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
