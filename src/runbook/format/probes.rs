//! What probes look at. A probe is of the kind whose key it has.

use crate::runbook::model::DatabaseTls;
use crate::syntax::format::{Key, Table, ValueType, words};

/// A kind of probe.
#[derive(Debug)]
pub struct ProbeFormat {
    /// The key that makes a probe one of this kind.
    pub key: &'static str,
    /// Its keys.
    pub table: Table,
}

const EXPECT: Key =
    Key::new("expect", ValueType::Condition, "What must hold for it to be healthy, over what was seen.")
        .example("'status == 200'");
const TIMEOUT: Key =
    Key::new("timeout", ValueType::Duration, "How long one look may take.").example("\"5s\"").default("10s");
const HEADERS: Key = Key::new("headers", ValueType::PrivateValues, "Headers to send; their values may have secrets.")
    .example("{ Authorization = \"Bearer ${inputs.token}\" }");

const HTTP: Key = Key::new("http", ValueType::Text, "The URL.").required().example("\"https://…/health\"");
const METHOD: Key = Key::new("method", ValueType::Literal, "The method.").example("\"POST\"").default("GET");
const QUERY: Key =
    Key::new("query", ValueType::Fields, "What is added to the URL's query, percent-encoded; may have secrets.")
        .example("{ token = \"${inputs.token}\" }");
const BODY: Key = Key::new("body", ValueType::Private, "What to send. Only inside of JSON texts may it have secrets.");
const JSON: Key = Key::new("json", ValueType::Json, "What to send, as JSON; its texts may have secrets.")
    .example("{ user = \"probe\", password = \"${inputs.password}\" }");
const FORM: Key = Key::new("form", ValueType::Fields, "What to send, as a form; may have secrets.")
    .example("{ user = \"probe\", password = \"${inputs.password}\" }");
const REDIRECTS: Key = Key::new("redirects", ValueType::Integer, "How many redirects are followed.")
    .example("3")
    .default("0: a redirect is an answer");
const WEBSOCKET: Key = Key::new("websocket", ValueType::Text, "The URL.").required().example("\"wss://…/ws\"");
const SEND: Key =
    Key::new("send", ValueType::Private, "The message to send. Only inside of JSON texts may it have secrets.")
        .example("'{\"type\":\"chat\"}'");
const EVENTS: Key = Key::new("events", ValueType::Texts, "The `type` of each message that must come, in this order.")
    .required()
    .example("[\"agent_started\", \"agent_completed\"]");
const WITHIN: Key =
    Key::new("within", ValueType::Duration, "How long all of that may take.").example("\"30s\"").default("30s");
const CLIENTS: Key =
    Key::new("clients", ValueType::Integer, "How many connections are opened at once, as an instance's start does.")
        .example("12")
        .default("1");
const STEP: Key = Key::new("name", ValueType::Literal, "What the request is called.").example("\"log in\"");
const CAPTURE: Key = Key::new("capture", ValueType::Values, "What is kept of the answer: a JSON pointer by name.")
    .example("{ token = \"/token\" }");

/// Whether a connection to a database is encrypted.
pub(in crate::runbook) const DATABASE_TLS: [(&str, DatabaseTls); 2] =
    [("require", DatabaseTls::Require), ("off", DatabaseTls::Off)];

const HOST: Key = Key::new("host", ValueType::Text, "The host's name or address.").required().example("\"10.20.0.3\"");
const PASSWORD: Key =
    Key::new("password", ValueType::Private, "The password, which is a secret; any characters may be in it.")
        .example("\"${inputs.password}\"");
const TLS: Key = Key::new(
    "tls",
    ValueType::Choice(&words(&DATABASE_TLS)),
    "Whether the connection must be encrypted. Who answers is not verified.",
)
.default("require: without TLS nothing is sent");

const POSTGRES: Table = Table {
    about: "How PostgreSQL is reached.",
    keys: &[
        HOST,
        Key::new("port", ValueType::Integer, "The port.").default("5432"),
        Key::new("user", ValueType::Private, "Who logs in; may be a secret.").required().example("\"probe\""),
        PASSWORD,
        Key::new("database", ValueType::Text, "The database.").example("\"app\"").default("as the user is called"),
        TLS,
    ],
};

const REDIS: Table = Table {
    about: "How Redis is reached.",
    keys: &[
        HOST,
        Key::new("port", ValueType::Integer, "The port.").default("6379"),
        Key::new("user", ValueType::Private, "Who logs in, if the server has an access list.").default("default"),
        PASSWORD,
        Key::new("database", ValueType::Integer, "The database's number.").default("0"),
        TLS,
    ],
};

/// The requests that a flow may make.
pub(in crate::runbook) const FLOW: &[ProbeFormat] = &[
    ProbeFormat {
        key: "http",
        table: Table {
            about: "An HTTP request of a flow.",
            keys: &[
                STEP,
                HTTP,
                METHOD,
                HEADERS,
                QUERY,
                BODY,
                JSON,
                FORM,
                REDIRECTS,
                TIMEOUT,
                EXPECT.required(),
                CAPTURE,
            ],
        },
    },
    ProbeFormat {
        key: "websocket",
        table: Table {
            about: "A conversation over a WebSocket, as part of a flow.",
            keys: &[STEP, WEBSOCKET, HEADERS, QUERY, SEND, EVENTS, WITHIN, EXPECT.default("'complete'"), CAPTURE],
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
            keys: &[HTTP, METHOD, HEADERS, QUERY, BODY, JSON, FORM, REDIRECTS, TIMEOUT, EXPECT.required()],
        },
    },
    ProbeFormat {
        key: "websocket",
        table: Table {
            about: "A conversation over a WebSocket. Sees `complete` (all events came, in order), `latency` (until the last), `last` (the last of them, as JSON) and `reconnects`.",
            keys: &[
                WEBSOCKET,
                HEADERS,
                QUERY,
                SEND,
                EVENTS,
                WITHIN,
                Key::new(
                    "keep_open",
                    ValueType::Flag,
                    "Whether one connection is kept for the whole gate, and used for every sample.",
                )
                .default("false: each sample opens its own"),
                Key::new(
                    "reconnect",
                    ValueType::Flag,
                    "Whether a connection that the request time-out ended is opened again, and not a failure.",
                )
                .default("false"),
                Key::new(
                    "request_timeout",
                    ValueType::Duration,
                    "The service's request time-out, which ends every WebSocket.",
                )
                .example("\"10m\"")
                .default("5m, Cloud Run's own default"),
                EXPECT.default("'complete'"),
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
                    ValueType::Flow,
                    "The requests. Each may capture of its answer what the next ones say as `${flow.NAME}`.",
                )
                .required(),
                EXPECT.default("that every request is answered as it expects"),
            ],
        },
    },
    ProbeFormat {
        key: "load",
        table: Table {
            about: "Many visitors at once. Sees `requests`, `success` (0 to 1), `p50`, `p95`, `p99` and `latency` (the p95).",
            keys: &[
                Key::new("load", ValueType::Text, "The URL that they ask for.").required().example("\"https://…/health\""),
                HEADERS,
                QUERY,
                Key::new("clients", ValueType::Integer, "How many there are.").example("20").default("10"),
                Key::new("for", ValueType::Duration, "How long they keep asking.").example("\"10s\"").default("10s"),
                TIMEOUT,
                EXPECT.required(),
            ],
        },
    },
    ProbeFormat {
        key: "logs",
        table: Table {
            about: "Entries of Cloud Logging that match a filter. Sees `count`, `truncated`, and of them `crashed`, `not_ready`, `no_instance` and `timed_out`.",
            keys: &[
                Key::new("logs", ValueType::Text, "The filter, in Cloud Logging's language, without timestamps.")
                    .required()
                    .example("'resource.type=\"cloud_run_revision\" AND httpRequest.status=503'"),
                Key::new("window", ValueType::Duration, "How far back.").required().example("\"10m\""),
                TIMEOUT,
                EXPECT.required(),
            ],
        },
    },
    ProbeFormat {
        key: "metric",
        table: Table {
            about: "A query to Cloud Monitoring. Sees `value`; without data there is none, and that is not healthy.",
            keys: &[
                Key::new("metric", ValueType::Text, "The query, in PromQL, with one number as its answer.")
                    .required()
                    .example("'sum(rate(run_googleapis_com:request_count{service_name=\"backend\"}[5m]))'"),
                TIMEOUT,
                EXPECT.required(),
            ],
        },
    },
    ProbeFormat {
        key: "resource",
        table: Table {
            about: "The state of a resource. Sees what its kind shows, such as `state`.",
            keys: &[
                Key::new("resource", ValueType::Text, "Its kind and name.")
                    .required()
                    .example("\"gcp.connector/staging-connector\""),
                EXPECT.required(),
            ],
        },
    },
    ProbeFormat {
        key: "tls",
        table: Table {
            about: "A TLS handshake. Sees `trusted`, `name_matches`, `days_left` and `latency`.",
            keys: &[
                Key::new("tls", ValueType::Text, "Host and port.").required().example("\"api.example.com:443\""),
                TIMEOUT,
                EXPECT.required(),
            ],
        },
    },
    ProbeFormat {
        key: "tcp",
        table: Table {
            about: "A TCP connection. Sees `latency`; a connection that is refused is unhealthy.",
            keys: &[
                Key::new("tcp", ValueType::Text, "Host and port.").required().example("\"10.20.0.3:5432\""),
                TIMEOUT,
                EXPECT.default("that it is opened at all"),
            ],
        },
    },
    ProbeFormat {
        key: "postgres",
        table: Table {
            about: "Connections to PostgreSQL, and `select 1` on each. Sees `latency` (of the slowest), `p95` and `success` (0 to 1).",
            keys: &[
                Key::new(
                    "postgres",
                    ValueType::Server(&POSTGRES),
                    "The parts of the connection, or its URL. TLS is required unless `tls` or `sslmode=disable` says otherwise.",
                )
                .required()
                .example("{ host = \"10.20.0.3\", user = \"probe\", password = \"${inputs.password}\", database = \"app\" }"),
                CLIENTS,
                TIMEOUT,
                EXPECT.default("'success == 1.0'"),
            ],
        },
    },
    ProbeFormat {
        key: "redis",
        table: Table {
            about: "Connections to Redis, and a `PING` on each. Sees `latency` (of the slowest), `p95` and `success` (0 to 1).",
            keys: &[
                Key::new(
                    "redis",
                    ValueType::Server(&REDIS),
                    "The parts of the connection, or its URL: `rediss://` with TLS, `redis://` without.",
                )
                .required()
                .example("{ host = \"10.20.0.4\", password = \"${inputs.password}\" }"),
                CLIENTS,
                TIMEOUT,
                EXPECT.default("'success == 1.0'"),
            ],
        },
    },
];
