//! Why a call to one of Google's APIs has no answer, and what an answer says that is an error.
//!
//! Source of the shapes: <https://google.aip.dev/193> for the newer APIs; the older ones (Compute Engine, Cloud SQL) have `errors` in place
//! of `details` and no `status`. What stands in front of an API may answer in its place, with a page.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::code::Code;
use crate::clock::between;

/// Why a call has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The request could not be made, for example because an operation's name is none. Nothing was sent.
    #[error("the request cannot be sent: {0}")]
    Request(String),
    /// There is no access token. Nothing was sent.
    #[error("no access token: {why}")]
    Credentials {
        /// The words of whoever gives them.
        why: String,
        /// Whether asking again may help, without anybody's logging in.
        is_passing: bool,
    },
    /// There is no connection. Nothing was sent.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The time was up.
    #[error("no answer in time: {0}")]
    Timeout(String),
    /// The connection broke before the answer was whole.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer is an error.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The answer says that it went well, and cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// The answer says that it went well, and has more bytes than are read of it.
    #[error("the answer has more than {} MiB, which is all that is read of it", limit >> 20)]
    TooLarge {
        /// So many bytes are read.
        limit: usize,
    },
    /// A list did not end.
    #[error("the list is not complete {0}")]
    EndlessList(String),
}

impl ApiError {
    /// HTTP's status, if there was an answer and it was an error.
    pub(super) fn http_status(&self) -> Option<u16> {
        if let ApiError::Refused(refusal) = self { Some(refusal.http) } else { None }
    }
}

/// An answer that is an error.
#[derive(Clone, Debug, Default, PartialEq, thiserror::Error)]
#[error("{}: {message}{}", self.head(), self.reason.as_ref().map(|reason| format!(" [{reason}]")).unwrap_or_default())]
pub(super) struct Refusal {
    /// HTTP's status.
    pub http: u16,
    /// The canonical code, if the answer names one and it says something.
    named: Option<Code>,
    /// The API's words, or what there is in their place.
    pub message: String,
    /// The machine-readable reason, such as `SERVICE_DISABLED`.
    pub reason: Option<String>,
    /// The API that the error is about, such as `run.googleapis.com`, and whose it is, such as `projects/p`, if the answer says so.
    pub service: Option<String>,
    /// See [`service`](Refusal::service).
    pub consumer: Option<String>,
    /// The shortest time after which the API wants to be asked again, if it named one.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Reads an answer's status, headers and the beginning of its body.
    pub(super) fn read(http: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        // A method that streams its answer puts its error in a list.
        let answer = answer.get(0).unwrap_or(&answer);
        let error = answer.get("error").unwrap_or(&Value::Null);
        let all = |name: &str| error.get(name).and_then(Value::as_array).into_iter().flatten();
        let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
        let info = all("details").find(|detail| is(detail, "ErrorInfo"));
        let metadata = |name: &str| text(info?.get("metadata")?, name);
        let delays = all("details").filter(|detail| is(detail, "RetryInfo"));
        let delays = delays.filter_map(|detail| duration(detail.get("retryDelay")?.as_str()?));
        let message = match error {
            Value::Object(_) => text(error, "message").unwrap_or_default(),
            // OAuth's, and Prometheus's.
            Value::String(error) => {
                let parts = [text(answer, "errorType"), Some(error.clone()), text(answer, "error_description")];
                parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => in_place_of_an_api(body),
        };
        Refusal {
            http,
            named: text(error, "status").and_then(|name| Code::of_name(&name)).filter(|code| *code != Code::Unknown),
            message,
            reason: info.and_then(|info| text(info, "reason")).or_else(|| text(all("errors").next()?, "reason")),
            service: metadata("service"),
            consumer: metadata("consumer"),
            retry_after: header_retry_after(headers).into_iter().chain(delays).max(),
        }
    }

    /// The canonical code: what the answer says, or else what HTTP's status does.
    pub(super) fn code(&self) -> Code {
        self.named.or_else(|| Code::of_http(self.http)).unwrap_or(Code::Unknown)
    }

    /// What the words begin with. The older APIs and proxies name no code; that of HTTP's status would be a guess.
    fn head(&self) -> String {
        self.named.map_or_else(|| format!("HTTP {}", self.http), |code| code.to_string())
    }
}

/// Whether a detail is of this type of `google/rpc/error_details.proto`.
fn is(detail: &Value, name: &str) -> bool {
    let of_type =
        detail.get("@type").and_then(Value::as_str).and_then(|url| url.strip_prefix("type.googleapis.com/google.rpc."));
    of_type == Some(name)
}

/// A duration such as `7s` or `1.5s` (`google/protobuf/duration.proto`); one that is negative is none.
fn duration(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

/// `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3).
fn header_retry_after(headers: &HeaderMap) -> Option<Duration> {
    let field = |name: http::HeaderName| headers.get(name)?.to_str().ok();
    let moment = |text: &str| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
    let text = field(http::header::RETRY_AFTER)?;
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // Measured by the API's own clock.
        Err(_) => Some(between(moment(field(http::header::DATE)?)?, moment(text)?)),
    }
}

/// Of a text that is not an API's, so many characters are shown.
const EXCERPT: usize = 200;

/// What is said of a body that is not the API's: a proxy's page, or nothing.
fn in_place_of_an_api(body: &[u8]) -> String {
    match kind_of(body) {
        NotJson::Empty => "the answer has no body".to_owned(),
        NotJson::Html(title) => format!("the answer is an HTML page, not the API's: {title}"),
        NotJson::Text(text) => format!("the answer is not the API's: {text}"),
    }
}

/// What an answer is that is not JSON.
enum NotJson {
    Empty,
    /// A page, with its title.
    Html(String),
    /// Something else; its beginning.
    Text(String),
}

fn kind_of(body: &[u8]) -> NotJson {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return NotJson::Empty;
    }
    let excerpt = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT).collect();
    if !text.starts_with('<') {
        return NotJson::Text(excerpt(text));
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| Some(at + lower[at..].find('>')? + 1));
    let title = title.and_then(|from| Some(&text[from..from + lower[from..].find("</title")?]));
    NotJson::Html(title.map_or_else(|| excerpt(text), excerpt))
}

/// What is wrong with an answer that should be one, and cannot be read.
pub(super) fn malformed(body: &[u8], error: &serde_json::Error) -> ApiError {
    let why = match error.classify() {
        serde_json::error::Category::Data => error.to_string(),
        serde_json::error::Category::Eof if !body.trim_ascii().is_empty() => {
            format!("the answer ends in the middle, after {} bytes", body.len())
        }
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
            in_place_of_an_api(body)
        }
    };
    ApiError::Malformed(why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(http: u16, body: &str) -> Refusal {
        Refusal::read(http, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn an_error_is_read_in_the_shape_of_every_api() {
        let newer = json!({ "error": { "code": 403, "message": "no", "status": "PERMISSION_DENIED", "details": [
            { "@type": "type.googleapis.com/google.rpc.Help", "links": [] },
            { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IAM_PERMISSION_DENIED", "domain": "iam.googleapis.com" },
        ] } });
        let older = json!({ "error": { "code": 409, "message": "busy", "errors": [{ "reason": "operationInProgress", "domain": "global" }] } });
        let oauth = json!({ "error": "invalid_request", "error_description": "Invalid Credentials" });
        let prometheus = json!({ "status": "error", "errorType": "bad_data", "error": "parse error" });
        for (http, body, code, words) in [
            (403, newer.to_string(), Code::PermissionDenied, "PERMISSION_DENIED: no [IAM_PERMISSION_DENIED]"),
            (403, format!("[{newer}]"), Code::PermissionDenied, "PERMISSION_DENIED: no [IAM_PERMISSION_DENIED]"),
            (409, older.to_string(), Code::Aborted, "HTTP 409: busy [operationInProgress]"),
            (401, oauth.to_string(), Code::Unauthenticated, "HTTP 401: invalid_request: Invalid Credentials"),
            (400, prometheus.to_string(), Code::InvalidArgument, "HTTP 400: bad_data: parse error"),
            (
                502,
                "<html><head>\n<Title >502 Bad\n Gateway</title>".to_owned(),
                Code::Unavailable,
                "HTTP 502: the answer is an HTML page, not the API's: 502 Bad Gateway",
            ),
            (503, String::new(), Code::Unavailable, "HTTP 503: the answer has no body"),
            (
                504,
                "upstream timed out".to_owned(),
                Code::DeadlineExceeded,
                "HTTP 504: the answer is not the API's: upstream timed out",
            ),
            (500, newer.to_string()[..40].to_owned(), Code::Internal, "HTTP 500: the answer is not the API's: "),
            (418, "{}".to_owned(), Code::Unknown, "HTTP 418: the answer is not the API's: {}"),
            (302, "[1]".to_owned(), Code::Unknown, "HTTP 302: the answer is not the API's: [1]"),
        ] {
            let read = refusal(http, &body);
            assert_eq!(read.code(), code, "{body}");
            assert!(read.to_string().starts_with(words), "{read}\n{words}");
        }
    }

    #[test]
    fn a_page_without_an_end_or_a_title_is_cut() {
        for page in [format!("<title>{}", "x".repeat(9_999)), format!("<p>{}", "é ".repeat(9_999))] {
            let words = refusal(502, &page).to_string();
            assert!(words.contains("HTML page") && words.chars().count() < 300, "{words}");
        }
    }

    #[test]
    fn what_a_success_has_in_place_of_json_is_said() {
        for (body, said) in [
            ("", "has no body"),
            (" \n", "has no body"),
            ("<!doctype html><title>Log in</title>", "an HTML page, not the API's: Log in"),
            ("{\"name\": \"pro", "ends in the middle, after 13 bytes"),
            ("OK", "not the API's: OK"),
            ("{\"name\": 7}", "invalid type"),
        ] {
            #[derive(Debug, serde::Deserialize)]
            struct Named {
                #[expect(dead_code, reason = "it is never there")]
                name: String,
            }
            let error = serde_json::from_slice::<Named>(body.as_bytes()).unwrap_err();
            let words = malformed(body.as_bytes(), &error).to_string();
            assert!(words.contains(said), "{body}: {words}");
        }
    }

    #[test]
    fn delays_are_read_in_every_form() {
        let info = |delay: &str| {
            let info = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay });
            refusal(429, &json!({ "error": { "code": 429, "details": [info] } }).to_string()).retry_after
        };
        assert_eq!(info("7s"), Some(Duration::from_secs(7)));
        assert_eq!(info("1.5s"), Some(Duration::from_millis(1_500)));
        assert_eq!((info("-1s"), info("soon"), info("NaNs")), (None, None, None));
    }
}
