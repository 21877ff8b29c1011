//! `http.request`: send a request to an application's own endpoint, such as one that drains a queue.
//!
//! What a request does to its peer is no state that anybody keeps, so it is a change from not done to done, as a program's work is. It is
//! sent once. Whether it is done the answer of another request says (`done_when`), as far as the author names one: then a request that is
//! done already is not sent, and one whose answer was lost is decided by asking. Without it the operator is asked.

use std::time::Duration;

use serde_json::Value;

use super::{
    ActionFormat, Address, CatalogRequest, Declared, Doing, Forecast, Name, Obstacle, Rollback, StepAction,
    StepContext, TaskDraft, optional_block,
};
use crate::peer::{BODY, FORM, HEADERS, HTTP, HttpRequest, JSON, PeerRequest, QUERY, check_url, host_of_url};
use crate::run::{HandCommands, PeerCall, ResourceId, Reversibility, SecretVariables, Target, quoted};
use crate::syntax::Block;
use crate::syntax::condition::Condition;
use crate::syntax::format::{Key, Table, ValueType, words};
use crate::syntax::mistake::{BAD_CONDITION, Mistake};
use crate::syntax::spelling::list;

/// `http.request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSend {
    /// What does the work.
    pub send: Sending,
    /// What undoes it.
    pub undo: Option<Box<Sending>>,
    /// What tells whether it is done.
    pub done_when: Option<Box<DoneWhen>>,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

/// A request, and the answers that mean that it was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The request.
    pub request: HttpRequest,
    /// Statuses such as `202` or `2xx`.
    expected: Vec<String>,
}

/// A question, and the answers to it that mean that the work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneWhen {
    /// A `GET`.
    pub request: HttpRequest,
    /// A condition on [`JUDGED`]; it compiles.
    condition: String,
}

/// What `done_when` can refer to of an answer.
const JUDGED: [&str; 3] = ["status", "body", "json"];

const METHODS: [(&str, &str); 4] = [("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH"), ("DELETE", "DELETE")];

const METHOD: Key = Key::new("method", ValueType::Choice(&words(&METHODS)), "The method.").example("\"POST\"");
const URL: Key = Key::new("url", ValueType::Text, "The URL. Redirects are not followed.").example(URL_EXAMPLE);
const URL_EXAMPLE: &str = "\"https://admin.example.com/queues/orders/drain\"";
const EXPECT_STATUS: Key = Key::new(
    "expect_status",
    ValueType::Texts,
    "The statuses of an answer that mean that it was carried out, such as 204 or 2xx.",
)
.example("[\"202\", \"204\"]")
.default("[\"2xx\"]");

const UNDO: Table = Table {
    about: "The request that undoes it.",
    keys: &[METHOD.required(), URL.required(), HEADERS, QUERY, BODY, JSON, FORM, EXPECT_STATUS],
};

const DONE_WHEN: Table = Table {
    about: "What tells whether it is done: a GET, and what its answer must be like.",
    keys: &[
        URL.required(),
        HEADERS,
        QUERY,
        Key::new(
            "condition",
            ValueType::Condition,
            "What its answer is like when it is done, over `status`, `body` and `json`. An answer with 401, 403, 408, 429 or 5xx says nothing.",
        )
        .required()
        .example("\"json.state == 'drained'\""),
    ],
};

impl Sending {
    fn read(block: &Block<'_, '_>) -> Option<Sending> {
        let method = block.choice("method", &METHODS).map(str::to_owned);
        let request = HttpRequest::read(block, method, block.text("url"));
        let expected = block.texts("expect_status").unwrap_or_else(|| vec!["2xx".to_owned()]);
        if let Some(wrong) = expected.iter().find(|status| !is_status(status)) {
            block.wrong("expect_status", format!("`{wrong}` is no status"), "write it such as \"204\" or \"2xx\"");
        }
        Some(Sending { request: request.filter(|request| request.method.is_some())?, expected })
    }

    /// Whether an answer with this status means that it was carried out.
    pub fn expects(&self, status: u16) -> bool {
        let status = status.to_string();
        let covers = |pattern: &String| {
            pattern.len() == status.len()
                && pattern.bytes().zip(status.bytes()).all(|(wanted, found)| wanted == b'x' || wanted == found)
        };
        self.expected.iter().any(covers)
    }
}

fn is_status(text: &str) -> bool {
    let mut letters = text.bytes();
    text.len() == 3
        && letters.next().is_some_and(|first| (b'1'..=b'5').contains(&first))
        && letters.all(|letter| letter.is_ascii_digit() || letter == b'x')
}

impl DoneWhen {
    fn read(block: &Block<'_, '_>) -> Option<DoneWhen> {
        let request = HttpRequest {
            url: block.text("url")?,
            headers: block.secret_texts("headers").unwrap_or_default(),
            query: block.fields("query"),
            ..HttpRequest::default()
        };
        let condition = block.condition("condition")?;
        if let Some(unknown) = condition.names().iter().find(|name| !JUDGED.contains(&name.as_str())) {
            let message = format!("`{unknown}` is nothing that this condition can refer to");
            let mistake = Mistake::new(BAD_CONDITION, block.place("condition"), message);
            block.reader.note(mistake.help(format!("it can refer to {}", list(JUDGED.into_iter(), "and"))));
        }
        Some(DoneWhen { request, condition: condition.to_string() })
    }

    /// What must hold of an answer.
    ///
    /// # Errors
    /// It does not compile; a runbook whose condition does not is not read.
    pub fn condition(&self) -> Result<Condition, String> {
        Condition::compile(&self.condition).map_err(|error| error.message)
    }
}

impl HttpSend {
    /// What its changes are of: its name in resource ids.
    pub const KIND: &'static str = "http.request";

    fn undone(&self) -> Option<&HttpRequest> {
        self.undo.as_ref().map(|undo| &undo.request)
    }

    fn asked(&self) -> Option<&HttpRequest> {
        self.done_when.as_ref().map(|done| &done.request)
    }

    fn requests(&self) -> impl Iterator<Item = &HttpRequest> {
        std::iter::once(&self.send.request).chain(self.undone()).chain(self.asked())
    }

    /// Everybody that it asks.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let of = |argument, request: &HttpRequest| Address {
            argument,
            host: host_of_url(&request.url),
            fault: check_url(&request.url, HTTP).err(),
            example: URL_EXAMPLE,
        };
        let first = of(&["url"], &self.send.request);
        let undo = self.undone().map(|request| of(&["undo", "url"], request));
        let done = self.asked().map(|request| of(&["done_when", "url"], request));
        std::iter::once(first).chain(undo).chain(done).collect()
    }
}

impl Declared for HttpSend {
    const FORMAT: ActionFormat = ActionFormat {
        name: HttpSend::KIND,
        outputs: &[],
        with: Table {
            about: "Sends a request to an application's own endpoint, once.",
            keys: &[
                METHOD.required(),
                URL.required(),
                HEADERS,
                QUERY,
                BODY,
                JSON,
                FORM,
                EXPECT_STATUS,
                Key::new("timeout", ValueType::Duration, "How long its answer is waited for.")
                    .example("\"30s\"")
                    .default("10s"),
                Key::new("done_when", ValueType::Table(&DONE_WHEN), DONE_WHEN.about)
                    .example("{ url = \"https://…/queues/orders\", condition = \"json.state == 'drained'\" }")
                    .default("if its answer is lost, the operator is asked"),
                Key::new("undo", ValueType::Table(&UNDO), UNDO.about)
                    .example("{ method = \"POST\", url = \"https://…/queues/orders/resume\" }")
                    .default("it cannot be undone"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<HttpSend> {
        let send = Sending::read(with);
        let undo = optional_block(with, "undo", |undo| Sending::read(undo).map(Box::new));
        let done_when = optional_block(with, "done_when", |done| DoneWhen::read(done).map(Box::new));
        let timeout = with.positive_duration("timeout").unwrap_or(TIMEOUT);
        Some(HttpSend { send: send?, undo: undo.ok()?, done_when: done_when.ok()?, timeout })
    }
}

/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long what was accepted may take until `done_when` holds.
const WORK_TIMEOUT: Duration = Duration::from_mins(10);

/// A request as it may be shown.
fn shown(request: &HttpRequest) -> String {
    format!("{} {}", request.method.as_deref().unwrap_or("GET"), request.url)
}

/// The request as a command of `curl`; `None` for what cannot be shown and run as one and the same text.
fn curl(request: &HttpRequest) -> Option<String> {
    let mut secrets = SecretVariables::default();
    let method = quoted(request.method.as_deref().unwrap_or("GET"))?;
    let mut words = vec![format!("curl --fail-with-body --silent --show-error --request {method}")];
    for (name, value) in &request.headers {
        words.push(format!("--header {}", secrets.word(&format!("{name}: {value}"))?));
    }
    if let Some(body) = &request.body {
        words.extend(body.media_type.map(|media_type| format!("--header 'Content-Type: {media_type}'")));
        words.push(format!("--data-raw {}", secrets.word(&body.text.to_string())?));
    }
    let between = if request.url.contains('?') { '&' } else { '?' };
    let query = request.query.as_ref().map(|query| format!("{between}{query}")).unwrap_or_default();
    words.push(secrets.word(&format!("{}{query}", request.url))?);
    Some(secrets.comments().chain([words.join(" ")]).collect::<Vec<_>>().join("\n"))
}

impl StepAction for HttpSend {
    fn observed_resources(&self, _: &Target) -> Vec<ResourceId> {
        Vec::new()
    }

    fn desired_state(&self, _: &Target) -> Option<(ResourceId, Value)> {
        None
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let what = shown(&self.send.request);
        let mut notes = vec![format!("sends {what}")];
        notes.extend(self.done_when.as_ref().map(|done| {
            format!("first {} is asked, and nothing is sent if {} holds", shown(&done.request), done.condition)
        }));
        let warnings = if self.done_when.is_none() { vec![NOT_TOLD.to_owned()] } else { Vec::new() };
        let reversibility = match self.undone() {
            Some(undo) => {
                Reversibility::WithLoss { why: format!("only what {} takes back is taken back", shown(undo)) }
            }
            None => Reversibility::Irreversible { why: "nothing says how to undo it".to_owned() },
        };
        let resource = forecast.target().resource(HttpSend::KIND, step.task);
        let hosts = self.requests().map(|request| host_of_url(&request.url)).collect();
        let by_hand = curl(&self.send.request).map(|apply| HandCommands { apply, undo: self.undone().and_then(curl) });
        Ok(vec![TaskDraft {
            change: Some(Doing::change(resource)),
            reversibility,
            warnings,
            notes,
            peer: Some(PeerCall { what, hosts, not_sent: false }),
            by_hand,
            operation_timeout: Some(WORK_TIMEOUT),
            ..step.whole()
        }])
    }

    fn rollback(&self) -> Rollback {
        if self.undo.is_some() { Rollback::Possible } else { Rollback::Impossible("nothing says how to undo it") }
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        self.requests().map(HttpRequest::to_peer).collect()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }
}

/// What is said of work that nothing but the operator can tell of.
pub(super) const NOT_TOLD: &str =
    "no `done_when` can tell whether it is done: if its answer is lost, the operator is asked";

#[cfg(test)]
mod tests {
    use super::*;

    fn sending(expected: &[&str]) -> Sending {
        Sending { request: HttpRequest::default(), expected: expected.iter().map(|&text| text.to_owned()).collect() }
    }

    #[test]
    fn a_status_is_expected_by_its_number_or_by_its_class() {
        let sending = sending(&["2xx", "303"]);
        let expected = [200, 204, 299, 303].map(|status| sending.expects(status));
        assert_eq!(expected, [true; 4]);
        let others = [199, 300, 304, 404, 500].map(|status| sending.expects(status));
        assert_eq!(others, [false; 5]);
        assert!(is_status("2xx") && is_status("204") && !is_status("2") && !is_status("604") && !is_status("20é"));
    }

    #[test]
    fn a_request_is_a_command_that_a_shell_takes_as_it_is_meant() {
        let url = "https://a.example/x?y='1'".to_owned();
        let request = HttpRequest { url, method: Some("POST".to_owned()), ..HttpRequest::default() };
        let command = curl(&request).unwrap();
        assert_eq!(shlex::split(&command).unwrap().last().unwrap(), "https://a.example/x?y='1'");
    }
}
