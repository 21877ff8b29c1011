//! What probes look at. A probe is of the kind whose key it has.

use super::{Is, Key, Table};

/// A kind of probe.
#[derive(Debug)]
pub struct ProbeFormat {
    /// The key that makes a probe one of this kind.
    pub key: &'static str,
    /// Its keys.
    pub table: Table,
}

const EXPECT: Key = Key::new("expect", Is::Condition, "What must hold for it to be healthy, over what was seen.")
    .such_as("'status == 200'");
const TIMEOUT: Key =
    Key::new("timeout", Is::Duration, "How long one look may take.").such_as("\"5s\"").otherwise("10s");
const HEADERS: Key = Key::new("headers", Is::PrivateValues, "Headers to send; their values may have secrets.")
    .such_as("{ Authorization = \"Bearer ${inputs.token}\" }");

const HTTP: Key = Key::new("http", Is::Text, "The URL.").needed().such_as("\"https://…/health\"");
const METHOD: Key = Key::new("method", Is::Literal, "The method.").such_as("\"POST\"").otherwise("GET");
const BODY: Key = Key::new("body", Is::Private, "What to send; may have secrets.");
const REDIRECTS: Key = Key::new("redirects", Is::Integer, "How many redirects are followed.")
    .such_as("3")
    .otherwise("0: a redirect is an answer");
const WEBSOCKET: Key = Key::new("websocket", Is::Text, "The URL.").needed().such_as("\"wss://…/ws\"");
const SEND: Key =
    Key::new("send", Is::Private, "The message to send; may have secrets.").such_as("'{\"type\":\"chat\"}'");
const EVENTS: Key = Key::new("events", Is::Texts, "The `type` of each message that must come, in this order.")
    .needed()
    .such_as("[\"agent_started\", \"agent_completed\"]");
const WITHIN: Key =
    Key::new("within", Is::Duration, "How long all of that may take.").such_as("\"30s\"").otherwise("30s");
const CLIENTS: Key =
    Key::new("clients", Is::Integer, "How many connections are opened at once, as an instance's start does.")
        .such_as("12")
        .otherwise("1");
const STEP: Key = Key::new("name", Is::Literal, "What the request is called.").such_as("\"log in\"");
const CAPTURE: Key = Key::new("capture", Is::Values, "What is kept of the answer: a JSON pointer by name.")
    .such_as("{ token = \"/token\" }");

/// The requests that a flow may make.
pub(in crate::runbook) const FLOW: &[ProbeFormat] = &[
    ProbeFormat {
        key: "http",
        table: Table {
            about: "An HTTP request of a flow.",
            keys: &[STEP, HTTP, METHOD, HEADERS, BODY, REDIRECTS, TIMEOUT, EXPECT.needed(), CAPTURE],
        },
    },
    ProbeFormat {
        key: "websocket",
        table: Table {
            about: "A conversation over a WebSocket, as part of a flow.",
            keys: &[STEP, WEBSOCKET, HEADERS, SEND, EVENTS, WITHIN, EXPECT.otherwise("'complete'"), CAPTURE],
        },
    },
];

/// A probe of which nothing is known yet: whatever it looks at, it is a table.
pub(in crate::runbook) const PROBE: Table =
    Table { about: "Something to look at, and what must hold of it.", keys: &[] };

/// Every kind of probe.
pub const PROBES: &[ProbeFormat] = &[
    ProbeFormat {
        key: "http",
        table: Table {
            about: "An HTTP request. Sees `status`, `latency` with its parts `dns`, `connect`, `tls` and `first_byte`, `redirects`, `body`, and `json` if the body is that.",
            keys: &[HTTP, METHOD, HEADERS, BODY, REDIRECTS, TIMEOUT, EXPECT.needed()],
        },
    },
    ProbeFormat {
        key: "websocket",
        table: Table {
            about: "A conversation over a WebSocket. Sees `complete` (all events came, in order), `latency` (until the last), `last` (the last of them, as JSON) and `reconnects`.",
            keys: &[
                WEBSOCKET,
                HEADERS,
                SEND,
                EVENTS,
                WITHIN,
                Key::new(
                    "keep_open",
                    Is::Flag,
                    "Whether one connection is kept for the whole gate, and used for every sample.",
                )
                .otherwise("false: each sample opens its own"),
                Key::new(
                    "reconnect",
                    Is::Flag,
                    "Whether a connection that the request time-out ended is opened again, and not a failure.",
                )
                .otherwise("false"),
                Key::new(
                    "request_timeout",
                    Is::Duration,
                    "The service's request time-out, which ends every WebSocket.",
                )
                .such_as("\"10m\"")
                .otherwise("5m, Cloud Run's own default"),
                EXPECT.otherwise("'complete'"),
            ],
        },
    },
    ProbeFormat {
        key: "flow",
        table: Table {
            about: "Requests one after another, as a visitor makes them. Sees `latency` (of all) and `steps`.",
            keys: &[
                Key::new(
                    "flow",
                    Is::Flow,
                    "The requests. Each may capture of its answer what the next ones say as `${flow.NAME}`.",
                )
                .needed(),
                EXPECT.otherwise("that every request is answered as it expects"),
            ],
        },
    },
    ProbeFormat {
        key: "load",
        table: Table {
            about: "Many visitors at once. Sees `requests`, `success` (0 to 1), `p50`, `p95`, `p99` and `latency` (the p95).",
            keys: &[
                Key::new("load", Is::Text, "The URL that they ask for.").needed().such_as("\"https://…/health\""),
                HEADERS,
                Key::new("clients", Is::Integer, "How many there are.").such_as("20").otherwise("10"),
                Key::new("for", Is::Duration, "How long they keep asking.").such_as("\"10s\"").otherwise("10s"),
                TIMEOUT,
                EXPECT.needed(),
            ],
        },
    },
    ProbeFormat {
        key: "logs",
        table: Table {
            about: "Entries of Cloud Logging that match a filter. Sees `count`, `truncated`, and of them `crashed`, `not_ready`, `no_instance` and `timed_out`.",
            keys: &[
                Key::new("logs", Is::Text, "The filter, in Cloud Logging's language, without timestamps.")
                    .needed()
                    .such_as("'resource.type=\"cloud_run_revision\" AND httpRequest.status=503'"),
                Key::new("window", Is::Duration, "How far back.").needed().such_as("\"10m\""),
                TIMEOUT,
                EXPECT.needed(),
            ],
        },
    },
    ProbeFormat {
        key: "metric",
        table: Table {
            about: "A query to Cloud Monitoring. Sees `value`; without data there is none, and that is not healthy.",
            keys: &[
                Key::new("metric", Is::Text, "The query, in PromQL, with one number as its answer.")
                    .needed()
                    .such_as("'sum(rate(run_googleapis_com:request_count{service_name=\"backend\"}[5m]))'"),
                TIMEOUT,
                EXPECT.needed(),
            ],
        },
    },
    ProbeFormat {
        key: "resource",
        table: Table {
            about: "The state of a resource. Sees what its kind shows, such as `state`.",
            keys: &[
                Key::new("resource", Is::Text, "Its kind and name.")
                    .needed()
                    .such_as("\"gcp.connector/staging-connector\""),
                EXPECT.needed(),
            ],
        },
    },
    ProbeFormat {
        key: "tls",
        table: Table {
            about: "A TLS handshake. Sees `trusted`, `name_matches`, `days_left` and `latency`.",
            keys: &[
                Key::new("tls", Is::Text, "Host and port.").needed().such_as("\"api.example.com:443\""),
                TIMEOUT,
                EXPECT.needed(),
            ],
        },
    },
    ProbeFormat {
        key: "tcp",
        table: Table {
            about: "A TCP connection. Sees `latency`; a connection that is refused is unhealthy.",
            keys: &[
                Key::new("tcp", Is::Text, "Host and port.").needed().such_as("\"10.20.0.3:5432\""),
                TIMEOUT,
                EXPECT.otherwise("that it is opened at all"),
            ],
        },
    },
    ProbeFormat {
        key: "postgres",
        table: Table {
            about: "Connections to PostgreSQL, and `select 1` on each. Sees `latency` (of the slowest), `p95` and `success` (0 to 1).",
            keys: &[
                Key::new("postgres", Is::Private, "The connection's URL; its password is a secret.")
                    .needed()
                    .such_as("\"postgres://probe:${inputs.password}@10.20.0.3/app\""),
                CLIENTS,
                TIMEOUT,
                EXPECT.otherwise("'success == 1.0'"),
            ],
        },
    },
    ProbeFormat {
        key: "redis",
        table: Table {
            about: "Connections to Redis, and a `PING` on each. Sees `latency` (of the slowest), `p95` and `success` (0 to 1).",
            keys: &[
                Key::new("redis", Is::Private, "The connection's URL; its password is a secret.")
                    .needed()
                    .such_as("\"redis://:${inputs.password}@10.20.0.4:6379\""),
                CLIENTS,
                TIMEOUT,
                EXPECT.otherwise("'success == 1.0'"),
            ],
        },
    },
];
