//! What a peer in the place of Google's APIs can answer, over a real socket: without an end, cut, empty, a page, another thing. No call
//! takes it for an answer, for a failure of the resource, or for a write that did not happen.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use rectify::resource::{
    Cloud, Endpoint, Kinds, Letter, OperationProgress, ReadError, SupportDesk, Validity, WriteError, Writer, Written,
    has_of,
};
use rectify::run::{Change, ResourceId};
use serde_json::{Value, json};

/// What the peer does with one request.
#[derive(Clone)]
enum Answer {
    /// This status and body.
    With(u16, Vec<u8>),
    /// This status, and a body that does not end.
    Endless(u16),
    /// Says that the body is longer than what comes, and closes.
    Cut(Vec<u8>),
}

/// A peer on a socket. It counts the bytes of bodies that it got rid of.
struct Peer {
    address: SocketAddr,
    sent: Arc<AtomicUsize>,
}

impl Peer {
    fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, sent) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let (answer, counted) = (Arc::new(answer), sent.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, counted) = (answer.clone(), counted.clone());
                std::thread::spawn(move || drop(serve(stream.unwrap(), &*answer, &counted)));
            }
        });
        Peer { address, sent }
    }

    /// Always the same answer.
    fn always(answer: Answer) -> Peer {
        Peer::start(move |_| answer.clone())
    }

    async fn client(&self) -> Client {
        let endpoint = Endpoint::Simulated(self.address);
        let cloud = Arc::new(Cloud::at(&endpoint).await.unwrap());
        let kinds = Kinds::on(&cloud);
        let (writer, desk) = (Writer::at(&endpoint).await.unwrap(), SupportDesk::at(&endpoint).await.unwrap());
        Client { cloud, kinds, writer, desk }
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&str) -> Answer, sent: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let (mut asked, mut length) = (String::new(), 0);
        if reader.read_line(&mut asked)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        let asked = asked.rsplit_once(' ').unwrap().0;
        let (status, body) = match answer(asked) {
            Answer::With(status, body) => {
                write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len())?;
                stream.write_all(&body)?;
                continue;
            }
            Answer::Cut(body) => {
                write!(stream, "HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n", body.len() + 100)?;
                return stream.write_all(&body);
            }
            Answer::Endless(status) => (status, [b"10000\r\n".as_slice(), &vec![b'7'; 1 << 16], b"\r\n"].concat()),
        };
        write!(stream, "HTTP/1.1 {status} x\r\ntransfer-encoding: chunked\r\n\r\n")?;
        loop {
            stream.write_all(&body)?;
            sent.fetch_add(body.len(), Ordering::SeqCst);
        }
    }
}

struct Client {
    cloud: Arc<Cloud>,
    kinds: Kinds,
    writer: Writer,
    desk: SupportDesk,
}

fn id(kind: &str, name: &str) -> ResourceId {
    format!("{kind}/p/r/{name}").parse().unwrap()
}

const OPERATION: &str = "projects/p/locations/r/operations/o";

/// What became of a call: `Ok`, or what kind of error it is and its words.
type Ended = Result<String, (&'static str, String)>;

fn read<T: std::fmt::Debug>(ended: Result<T, ReadError>) -> Ended {
    ended.map(|found| format!("{found:?}")).map_err(|error| {
        let kind = match &error {
            ReadError::Malformed { .. } => "malformed",
            ReadError::Unavailable { .. } => "unavailable",
            ReadError::Unreachable { .. } => "unreachable",
            ReadError::Refused { .. } => "refused",
            ReadError::NotFound { .. } | ReadError::OperationNotFound { .. } => "not found",
            ReadError::Untold { .. } | ReadError::NoSuchKind { .. } => "not asked",
        };
        (kind, error.to_string())
    })
}

fn written<T: std::fmt::Debug>(ended: Result<T, WriteError>) -> Ended {
    ended.map(|done| format!("{done:?}")).map_err(|error| {
        let kind = match &error {
            WriteError::InDoubt { .. } => "in doubt",
            WriteError::Refused { .. } => "refused",
            WriteError::Missing { .. } => "missing",
            WriteError::Busy { .. } => "busy",
            WriteError::Unreachable { .. } => "unreachable",
            WriteError::Conflict { .. } => "conflict",
        };
        (kind, error.to_string())
    })
}

type Call = (&'static str, fn(&Client) -> BoxFuture<'_, Ended>);

/// Every kind of call that reads.
const READS: &[Call] = &[
    ("observe a connector", |client| observe(client, "gcp.connector", "c")),
    ("observe a service", |client| observe(client, "gcp.run.service", "s")),
    ("observe a traffic split", |client| observe(client, "gcp.run.traffic", "s")),
    ("observe bounds", |client| observe(client, "gcp.run.scaling", "s")),
    ("observe a revision", |client| observe(client, "gcp.run.revision", "s/s-1")),
    ("list revisions", |client| observe(client, "gcp.run.revisions", "s")),
    ("ask about a flag", |client| observe(client, "gcp.sql.flag", "i/f")),
    ("observe a database", |client| observe(client, "gcp.sql", "i")),
    ("observe a backend service", |client| observe(client, "gcp.backend-service", "b")),
    ("observe a certificate", |client| observe(client, "gcp.certificate", "c")),
    ("observe incidents", |client| observe(client, "gcp.service-health", "*")),
    ("poll a connector's operation", |client| poll(client, "gcp.connector", "c", OPERATION, 0)),
    ("poll a service's operation", |client| poll(client, "gcp.run.service", "s", OPERATION, 0)),
    ("hold a service's operation", |client| poll(client, "gcp.run.service", "s", OPERATION, 5)),
    ("poll a database's operation", |client| poll(client, "gcp.sql", "i", "o", 0)),
    ("read logs", |client| async { read(client.cloud.log("p", "x", Timestamp::UNIX_EPOCH, None, 9).await) }.boxed()),
    ("query PromQL", |client| async { read(client.cloud.promql("p", "1", Timestamp::UNIX_EPOCH).await) }.boxed()),
    ("query PromQL over time", |client| {
        let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        async move { read(client.cloud.promql_range("p", "1", from, to, Duration::from_mins(1)).await) }.boxed()
    }),
    ("read a metric's delay", |client| async { read(client.cloud.metric_delay("p", "run_x:y").await) }.boxed()),
    ("read figures", |client| {
        let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        async move { read(client.cloud.figures(&id("gcp.run.service", "s"), from, to).await) }.boxed()
    }),
    ("read quotas", |client| {
        let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        async move { read(client.cloud.quotas("p", "run.googleapis.com", from, to).await) }.boxed()
    }),
    ("read a project's number", |client| async { read(client.cloud.project_number("p").await) }.boxed()),
    ("read impacts", |client| async { read(client.cloud.impacts("p").await) }.boxed()),
    ("test permissions of a project", |client| {
        async {
            let of = ["vpcaccess.connectors.get"].into();
            read(has_of(&client.cloud, &id("gcp.project", "p"), &[], &of).await)
        }
        .boxed()
    }),
    ("test permissions of a service", |client| {
        async {
            let of = ["run.services.get"].into();
            read(has_of(&client.cloud, &id("gcp.project", "p"), &[&id("gcp.run.service", "s")], &of).await)
        }
        .boxed()
    }),
    ("ask whether an API is enabled", |client| {
        async { read(client.cloud.api_is_enabled("p", "run.googleapis.com").await) }.boxed()
    }),
    ("ask whether cases may be opened", |client| async { read(client.cloud.may_open_cases("p").await) }.boxed()),
    ("ask who the caller is", |client| async { read(client.cloud.principal().await) }.boxed()),
    ("read a tag's host", |client| {
        async { read(client.cloud.tag_host(&id("gcp.run.service", "s"), "t").await) }.boxed()
    }),
    ("search cases", |client| async { read(client.desk.find("p", "marker").await) }.boxed()),
];

/// Every kind of call that asks about a write or sends one.
const WRITES: &[Call] = &[
    ("validate a deploy", |client| validate(client, change("gcp.run.service"))),
    ("validate a split", |client| validate(client, change("gcp.run.traffic"))),
    ("validate bounds", |client| validate(client, change("gcp.run.scaling"))),
    ("write a connector", |client| write(client, change("gcp.connector"))),
    ("write a deploy", |client| write(client, change("gcp.run.service"))),
    ("write a split", |client| write(client, change("gcp.run.traffic"))),
    ("write bounds", |client| write(client, change("gcp.run.scaling"))),
    ("write a database's flags", |client| write(client, change("gcp.sql"))),
    ("open a case", |client| {
        async {
            let text = || "x".to_owned();
            let letter =
                Letter { display_name: text(), description: text(), priority: "P2".to_owned(), classification: text() };
            written(client.desk.open("p", &letter).await)
        }
        .boxed()
    }),
];

fn observe<'a>(client: &'a Client, kind: &'static str, name: &'static str) -> BoxFuture<'a, Ended> {
    async move { read(client.kinds.observe(&id(kind, name)).await) }.boxed()
}

fn poll<'a>(
    client: &'a Client,
    kind: &'static str,
    name: &'static str,
    operation: &'static str,
    patience: u64,
) -> BoxFuture<'a, Ended> {
    async move {
        let id = id(kind, name);
        let kind = client.kinds.of(&id).unwrap();
        read(kind.poll(&id, operation, Duration::from_secs(patience)).await)
    }
    .boxed()
}

fn change(kind: &str) -> Change {
    let (name, from, to) = match kind {
        "gcp.connector" => ("c", json!({ "min_instances": 2 }), json!({ "min_instances": 3, "max_instances": 4 })),
        "gcp.run.service" => ("s", json!({ "image": "i" }), json!({ "image": "j", "revision": "s-2" })),
        "gcp.run.traffic" => (
            "s",
            json!({ "targets": [{ "revision": "LATEST", "percent": 100 }] }),
            json!({ "targets": [{ "revision": "s-1", "percent": 100 }] }),
        ),
        "gcp.run.scaling" => ("s", json!({ "min_instances": 0 }), json!({ "min_instances": 2 })),
        "gcp.sql" => ("i", json!({ "flags": {} }), json!({ "flags": { "work_mem": "8" } })),
        other => panic!("{other}"),
    };
    Change { resource: id(kind, name), from, to }
}

fn validate(client: &Client, change: Change) -> BoxFuture<'_, Ended> {
    async move {
        let seen = client.kinds.observe(&change.resource).await.unwrap();
        let kind = client.kinds.of(&change.resource).unwrap();
        read(kind.validate(&change, seen.etag.as_deref()).await)
    }
    .boxed()
}

fn write(client: &Client, change: Change) -> BoxFuture<'_, Ended> {
    async move {
        let kind = client.kinds.of(&change.resource).unwrap();
        written(kind.write(&client.writer, &change).await)
    }
    .boxed()
}

/// The answers of a cloud that is well, to everything that reads.
fn healthy(asked: &str) -> Answer {
    let latest = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
    let service = json!({
        "name": "projects/p/locations/r/services/s", "etag": "e", "generation": "1", "observedGeneration": "1",
        "template": { "containers": [{ "image": "i", "env": [{ "name": "A", "value": "1" }] }], "timeout": "300s" },
        "latestReadyRevision": "projects/p/locations/r/services/s/revisions/s-1",
        "latestCreatedRevision": "projects/p/locations/r/services/s/revisions/s-1",
        "traffic": [{ "type": latest, "percent": 100 }], "trafficStatuses": [{ "type": latest, "percent": 100 }],
        "terminalCondition": { "type": "Ready", "state": "CONDITION_SUCCEEDED" },
    });
    let body = match asked {
        _ if asked.contains("/operations") => json!({}),
        _ if asked.contains("/connectors/") => {
            json!({ "name": "projects/p/locations/r/connectors/c", "state": "READY", "minInstances": 2, "maxInstances": 3 })
        }
        _ if asked.contains("/services/s") => service,
        _ if asked.contains("/instances/") => {
            json!({ "name": "i", "state": "RUNNABLE", "settings": { "settingsVersion": "1", "activationPolicy": "ALWAYS" } })
        }
        _ if asked.contains("caseClassifications") => json!({ "caseClassifications": [{ "id": "1" }] }),
        other => panic!("{other}"),
    };
    Answer::With(200, body.to_string().into_bytes())
}

/// What reads is answered as by a cloud that is well; what writes, or asks about a write, so.
fn to_writes(answer: Answer) -> Peer {
    Peer::start(move |asked| if asked.starts_with("GET ") { healthy(asked) } else { answer.clone() })
}

/// An answer that does not end is read up to a limit, whatever was asked, and says nothing.
#[tokio::test]
async fn no_answer_is_read_without_an_end() {
    let peer = Peer::always(Answer::Endless(200));
    let client = peer.client().await;
    for (call, make) in READS {
        peer.sent.store(0, Ordering::SeqCst);
        let (kind, words) = make(&client).await.expect_err(call);
        // `7777…` is a number that has not ended when the limit is met.
        assert!(kind == "malformed" && words.contains("MiB, which is all that is read"), "{call}: {words}");
        let most = 2 * (32 << 20) + (4 << 20);
        assert!(peer.sent.load(Ordering::SeqCst) < most, "{call}: {} bytes", peer.sent.load(Ordering::SeqCst));
    }
    let client = to_writes(Answer::Endless(200)).client().await;
    for (call, make) in WRITES {
        let (kind, words) = make(&client).await.expect_err(call);
        let wanted = if call.starts_with("validate") { "malformed" } else { "in doubt" };
        assert!(kind == wanted && words.contains("8 MiB"), "{call}: {kind}: {words}");
    }
}

/// Of an error that does not end, the status counts, and the beginning is shown.
#[tokio::test]
async fn no_error_is_read_without_an_end() {
    let peer = Peer::always(Answer::Endless(400));
    let client = peer.client().await;
    for (call, make) in READS {
        peer.sent.store(0, Ordering::SeqCst);
        let (kind, words) = make(&client).await.expect_err(call);
        assert!(kind == "refused" && words.contains("HTTP 400") && words.len() < 700, "{call}: {kind}: {words}");
        assert!(peer.sent.load(Ordering::SeqCst) < 64 << 20, "{call}");
    }
    for (status, wanted) in [(400, "refused"), (409, "conflict"), (502, "in doubt"), (504, "in doubt")] {
        let client = to_writes(Answer::Endless(status)).client().await;
        for (call, make) in WRITES.iter().filter(|(call, _)| !call.starts_with("validate")) {
            let (kind, words) = make(&client).await.expect_err(call);
            assert!(kind == wanted && words.contains(&format!("HTTP {status}")), "{call}: {status}: {kind}: {words}");
        }
    }
}

/// What is no answer of the API's is neither a state nor a failure of the resource.
#[tokio::test]
async fn what_is_not_an_apis_answer_says_nothing_of_the_resource() {
    let html = b"<!doctype html><html><head><title>502 Bad Gateway</title></head>".to_vec();
    for (answer, wanted, says) in [
        (Answer::With(200, Vec::new()), "malformed", "no body"),
        (Answer::With(200, html.clone()), "malformed", "an HTML page, not the API's: 502 Bad Gateway"),
        (Answer::With(200, b"{\"name\": \"projects/p/loc".to_vec()), "malformed", "ends in the middle"),
        (Answer::With(200, b"ok".to_vec()), "malformed", "not the API's: ok"),
        (Answer::With(200, b"[1]".to_vec()), "malformed", ""),
        (Answer::With(200, b"7".to_vec()), "malformed", ""),
        (Answer::Cut(b"{\"name\": ".to_vec()), "unavailable", "the connection broke"),
        (Answer::With(408, Vec::new()), "unavailable", "HTTP 408"),
        (Answer::With(499, Vec::new()), "unavailable", "HTTP 499"),
        (Answer::With(502, html.clone()), "unavailable", "HTTP 502: the answer is an HTML page"),
        (Answer::With(504, b"upstream request timeout".to_vec()), "unavailable", "upstream request timeout"),
    ] {
        let (reads, writes) = (Peer::always(answer.clone()).client().await, to_writes(answer).client().await);
        for (call, make) in READS {
            let (kind, words) = make(&reads).await.expect_err(&format!("{call}: {says}"));
            assert!(kind == wanted && words.contains(says), "{call}: {kind}: {words}");
        }
        for (call, make) in WRITES.iter().filter(|(call, _)| !call.starts_with("validate")) {
            let (kind, words) = make(&writes).await.expect_err(&format!("{call}: {says}"));
            assert!(kind == "in doubt" && words.contains(says), "{call}: {kind}: {words}");
        }
    }
}

/// An answer without anything in it is not a healthy resource, and nothing to guard a write by.
#[tokio::test]
async fn an_answer_with_nothing_in_it_is_no_state() {
    let nothing = Peer::always(Answer::With(200, b"{}".to_vec())).client().await;
    for (call, make) in READS.iter().filter(|(call, _)| call.starts_with("observe") && !call.ends_with("incidents")) {
        let (kind, words) = make(&nothing).await.expect_err(call);
        assert_eq!(kind, "malformed", "{call}: {words}");
    }
    let nothing = to_writes(Answer::With(200, b"{}".to_vec())).client().await;
    for (call, make) in WRITES.iter().filter(|(call, _)| !call.starts_with("validate")) {
        let (kind, words) = make(&nothing).await.expect_err(call);
        assert_eq!(kind, "in doubt", "{call}: {words}");
    }
}

/// A list whose pages always name another one ends as an error: what is there of it says nothing of the rest.
#[tokio::test]
async fn no_list_is_read_without_an_end() {
    let count = AtomicUsize::new(0);
    let another = Peer::start(move |_| {
        let token = count.fetch_add(1, Ordering::SeqCst).to_string();
        Answer::With(200, json!({ "nextPageToken": token }).to_string().into_bytes())
    });
    let itself = Peer::always(Answer::With(200, br#"{ "nextPageToken": "t" }"#.to_vec()));
    let lists = [
        "list revisions",
        "observe incidents",
        "read logs",
        "read a metric's delay",
        "read figures",
        "read quotas",
        "read impacts",
        "search cases",
    ];
    for (peer, says) in [(another, "after 25 pages"), (itself, "names itself")] {
        let client = peer.client().await;
        for (call, make) in READS.iter().filter(|(call, _)| lists.contains(call)) {
            let (kind, words) = make(&client).await.expect_err(call);
            assert!(kind == "unavailable" && words.contains(says), "{call}: {kind}: {words}");
        }
    }
}

/// An operation that ended without saying what came of it: the resource says so.
#[tokio::test]
async fn an_operation_that_is_done_without_a_response_is_resolved_by_observing() {
    for done in [json!({ "done": true }), json!({ "done": true, "error": {} }), json!({ "done": true, "unknown": [1] })]
    {
        let mut done = done;
        done["name"] = OPERATION.into();
        let peer = Peer::start(move |asked| {
            let is_one = asked.contains("/operations/");
            if is_one { Answer::With(200, done.to_string().into_bytes()) } else { healthy(asked) }
        });
        let client = peer.client().await;
        for (kind, name) in [("gcp.connector", "c"), ("gcp.run.service", "s"), ("gcp.run.traffic", "s")] {
            let id = id(kind, name);
            for patience in [0, 5] {
                let kind = client.kinds.of(&id).unwrap();
                let ended = kind.poll(&id, OPERATION, Duration::from_secs(patience)).await.unwrap();
                assert!(matches!(&ended, OperationProgress::Done(state) if state.is_object()), "{id}: {ended:?}");
            }
        }
    }
}

/// Names and numbers of enums, whole numbers as text, `null`, and fields that this version does not know.
#[tokio::test]
async fn every_form_of_a_value_is_read() {
    let connector = |state: Value| {
        json!({ "name": "projects/7/locations/r/connectors/c", "state": state, "minInstances": "2", "maxInstances": 3.0,
                "machineType": null, "satisfiesPzs": { "yes": [true] } })
    };
    for (state, shown) in
        [(json!("READY"), "READY"), (json!(5), "UPDATING"), (json!("ASLEEP"), "ASLEEP"), (json!(null), "UNSPECIFIED")]
    {
        let body = connector(state);
        let peer = Peer::start(move |asked| {
            let is_list = asked.contains("/operations");
            Answer::With(200, if is_list { b"{}".to_vec() } else { body.to_string().into_bytes() })
        });
        let seen = peer.client().await.kinds.observe(&id("gcp.connector", "c")).await.unwrap();
        let (size, state) = ((&seen.state["min_instances"], &seen.state["max_instances"]), &seen.state["state"]);
        assert_eq!((size, state), ((&json!(2), &json!(3)), &json!(shown)));
    }
}

/// A service that the API gives no etag of is read, and not written: the write could undo somebody else's.
#[tokio::test]
async fn nothing_is_written_that_no_etag_guards() {
    let peer = Peer::start(|asked| {
        let Answer::With(_, body) = healthy(asked) else { unreachable!() };
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        body.as_object_mut().unwrap().remove("etag");
        Answer::With(200, body.to_string().into_bytes())
    });
    let client = peer.client().await;
    let change = change("gcp.run.traffic");
    let kind = client.kinds.of(&change.resource).unwrap();
    let refused: Result<Written, WriteError> = kind.write(&client.writer, &change).await;
    assert!(matches!(&refused, Err(WriteError::Refused { why, .. }) if why.contains("no etag")), "{refused:?}");
    let asked: Result<Validity, ReadError> = kind.validate(&change, None).await;
    assert!(matches!(&asked, Ok(Validity::Refused { .. })), "{asked:?}");
}
