//! What can go wrong between this program and Google, sorted by what it means for the caller.
//!
//! Three things matter to the engine, and are three types of error: the API said *no*; there was *no access*, so it said
//! nothing at all; or it is *not known* what it did. Only the first is a failure of the work. Source of the meanings:
//! `google/rpc/code.proto` and the AIP-194 retry rules.

use std::time::Duration;

use google_cloud_gax::error::Error as SdkError;
use google_cloud_gax::error::rpc::{Code, StatusDetails};

use crate::clock::between;
use crate::redact;
use crate::run::ResourceId;

/// The clients could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No usable credentials.
    #[error("no usable Google credentials: {0}")]
    Credentials(String),
    /// The client itself.
    #[error("a client for Google Cloud cannot be made: {0}")]
    Client(String),
}

/// The command after which application-default credentials are accepted again.
pub const LOGIN: &str = "gcloud auth application-default login";

/// A read failed. Only `NotFound` says something of the resource.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// It does not exist: a definite answer.
    #[error("{resource} does not exist")]
    NotFound {
        /// The resource.
        resource: ResourceId,
    },
    /// The API does not know the operation (any more). That says nothing of the resource that it changed.
    #[error("the API does not know the operation {operation} on {resource}; the state of {resource} decides")]
    OperationNotFound {
        /// The resource.
        resource: ResourceId,
        /// The operation's name.
        operation: String,
    },
    /// The API said no.
    #[error("{resource} cannot be read: {why}")]
    Refused {
        /// The resource.
        resource: ResourceId,
        /// The API's words.
        why: String,
        /// Whether it is the caller who may not (403). Then it is access that is missing, and nothing is wrong with the
        /// resource: see [`ReadError::is_access_lost`].
        denied: bool,
    },
    /// The API answered that it cannot answer now (429, 5xx), or not in time. Reading again may help.
    #[error("{resource} cannot be read right now: {why}")]
    Unavailable {
        /// The resource.
        resource: ResourceId,
        /// What happened.
        why: String,
        /// The shortest time after which the API wants to be asked again, if it named one.
        retry_after: Option<Duration>,
    },
    /// No answer from the API at all: no network, no name, no token, or a token that is not accepted.
    #[error("{resource} cannot be read, because there is no access to the API: {why}{}", after(remedy.as_deref()))]
    Unreachable {
        /// The resource.
        resource: ResourceId,
        /// What happened.
        why: String,
        /// The command that gives access again, where waiting does not.
        remedy: Option<String>,
    },
    /// A malformed response: it cannot be read, or has a value that its field cannot have.
    #[error("malformed response about {resource}: {why}")]
    Garbled {
        /// The resource.
        resource: ResourceId,
        /// What is wrong with it.
        why: String,
    },
    /// Something that has no state to look at: only who did it knows whether it was done.
    #[error("{resource} cannot be observed: only an operator knows")]
    Untold {
        /// The resource.
        resource: ResourceId,
    },
    /// A kind that this version does not know.
    #[error("{resource} is of a kind that this version of rectify does not know")]
    NoSuchKind {
        /// The resource.
        resource: ResourceId,
    },
}

/// A write did not end well.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WriteError {
    /// It did not happen: the API said no, or it is known before sending that the write cannot be made.
    #[error("{resource} was not changed: {why}")]
    Refused {
        /// The resource.
        resource: ResourceId,
        /// Why.
        why: String,
    },
    /// It did not happen: the resource does not exist.
    #[error("{resource} does not exist")]
    Missing {
        /// The resource.
        resource: ResourceId,
    },
    /// It did not happen, and may in a moment: too many requests, another operation.
    #[error("{resource} was not changed now: {why}")]
    Busy {
        /// The resource.
        resource: ResourceId,
        /// What is in the way.
        why: String,
        /// The shortest time after which the API wants to be asked again, if it named one.
        retry_after: Option<Duration>,
    },
    /// It was not sent, or its sender was not accepted: no network, no name, no token, or a resource that cannot be read
    /// before it is written. It is no answer to the write, so the write has not failed.
    #[error("{resource} was not changed, because there is no access to the API: {why}{}", after(remedy.as_deref()))]
    Unreachable {
        /// The resource.
        resource: ResourceId,
        /// What happened.
        why: String,
        /// The command that gives access again, where waiting does not.
        remedy: Option<String>,
    },
    /// It did not happen because the resource moved between the look and the write.
    #[error("{resource} was not changed: it moved meanwhile ({why})")]
    Conflict {
        /// The resource.
        resource: ResourceId,
        /// The API's words.
        why: String,
    },
    /// It may have happened.
    #[error("whether {resource} was changed is not known: {why}")]
    InDoubt {
        /// The resource.
        resource: ResourceId,
        /// What happened.
        why: String,
    },
}

/// The end of a message that names the remedy.
fn after(remedy: Option<&str>) -> String {
    remedy.map(|command| format!("; log in again with `{command}`")).unwrap_or_default()
}

impl ReadError {
    /// Sorts an error of the SDK's.
    pub fn of(resource: &ResourceId, error: &SdkError) -> ReadError {
        let error = innermost(error);
        let (resource, why) = (resource.clone(), words(error));
        if let Some(NoAccess { remedy }) = no_access(error) {
            return ReadError::Unreachable { resource, why, remedy };
        }
        match code(error) {
            Some(Code::NotFound) => ReadError::NotFound { resource },
            Some(
                Code::Unavailable
                | Code::ResourceExhausted
                | Code::Internal
                | Code::Unknown
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::Cancelled,
            ) => ReadError::Unavailable { resource, why, retry_after: retry_after(error) },
            Some(code) => {
                let denied = code == Code::PermissionDenied;
                ReadError::Refused { resource, why, denied }
            }
            None if error.is_binding() => ReadError::Refused { resource, why, denied: false },
            None if error.is_deserialization() => ReadError::Garbled { resource, why },
            None => ReadError::Unavailable { resource, why, retry_after: None },
        }
    }

    /// Sorts an error that the SDK met when it asked for an operation.
    pub fn of_operation(resource: &ResourceId, operation: &str, error: &SdkError) -> ReadError {
        match ReadError::of(resource, error) {
            ReadError::NotFound { resource } => {
                ReadError::OperationNotFound { resource, operation: operation.to_owned() }
            }
            error => error,
        }
    }

    /// Whether reading again may help without anybody's doing something.
    pub fn is_passing(&self) -> bool {
        matches!(self, ReadError::Unavailable { .. } | ReadError::Unreachable { remedy: None, .. })
    }

    /// Whether it is access that is missing: the error says nothing of the resource, and nothing may be undone for it.
    pub fn is_access_lost(&self) -> bool {
        use ReadError::{Refused, Unavailable, Unreachable};
        matches!(self, Unavailable { .. } | Unreachable { .. } | Refused { denied: true, .. })
    }

    /// The command that gives access again, where it is known.
    pub fn remedy(&self) -> Option<&str> {
        if let ReadError::Unreachable { remedy, .. } = self { remedy.as_deref() } else { None }
    }

    /// The shortest time after which the API wants to be asked again, if it named one.
    pub fn retry_after(&self) -> Option<Duration> {
        if let ReadError::Unavailable { retry_after, .. } = self { *retry_after } else { None }
    }
}

impl WriteError {
    /// Sorts an error of the SDK's.
    pub fn of(resource: &ResourceId, error: &SdkError) -> WriteError {
        let error = innermost(error);
        let (resource, why) = (resource.clone(), words(error));
        if let Some(NoAccess { remedy }) = no_access(error) {
            return WriteError::Unreachable { resource, why, remedy };
        }
        if reason(error) == Some("operationInProgress") {
            // 409 today, 403 in 2018 (forseti-security issue 1493).
            return WriteError::Busy { resource, why, retry_after: retry_after(error) };
        }
        match code(error) {
            Some(Code::NotFound) => WriteError::Missing { resource },
            Some(Code::Aborted) => WriteError::Conflict { resource, why },
            Some(Code::ResourceExhausted) => WriteError::Busy { resource, why, retry_after: retry_after(error) },
            // The server may have begun before it failed.
            Some(
                Code::Unavailable
                | Code::Internal
                | Code::Unknown
                | Code::DeadlineExceeded
                | Code::Cancelled
                | Code::DataLoss,
            ) => WriteError::InDoubt { resource, why },
            Some(_) => WriteError::Refused { resource, why },
            None if error.is_binding() || error.is_serialization() => WriteError::Refused { resource, why },
            None => WriteError::InDoubt { resource, why },
        }
    }

    /// What it means for a write that the resource could not be read before it was sent.
    pub fn not_sent(error: ReadError) -> WriteError {
        let why = error.to_string();
        match error {
            ReadError::NotFound { resource } => WriteError::Missing { resource },
            ReadError::Refused { resource, denied: false, .. }
            | ReadError::Untold { resource }
            | ReadError::NoSuchKind { resource } => WriteError::Refused { resource, why },
            ReadError::Unreachable { resource, why, remedy } => WriteError::Unreachable { resource, why, remedy },
            ReadError::OperationNotFound { resource, .. }
            | ReadError::Refused { resource, .. }
            | ReadError::Unavailable { resource, .. }
            | ReadError::Garbled { resource, .. } => WriteError::Unreachable { resource, why, remedy: None },
        }
    }
}

/// That there was no answer to the question itself, because the caller did not get that far.
struct NoAccess {
    remedy: Option<String>,
}

/// Whether an error is about the way to the API, or about who the caller is, and not about what was asked.
fn no_access(error: &SdkError) -> Option<NoAccess> {
    let login = || Some(LOGIN.to_owned());
    if error.is_connect() {
        return Some(NoAccess { remedy: None });
    }
    if error.is_authentication() {
        // A token endpoint that does not answer now may answer in a moment. One that says no (`invalid_grant`: a session
        // ended, a password changed, a refresh token revoked) says so until somebody logs in.
        return Some(NoAccess { remedy: if error.is_transient_and_before_rpc() { None } else { login() } });
    }
    // A token runs out, and an administrator ends a session; both look like this.
    (code(error) == Some(Code::Unauthenticated)).then(|| NoAccess { remedy: login() })
}

/// The error below one that only says that no further attempt was made.
fn innermost(error: &SdkError) -> &SdkError {
    let mut error = error;
    while error.is_exhausted() {
        match std::error::Error::source(error).and_then(|source| source.downcast_ref::<SdkError>()) {
            Some(source) => error = source,
            None => break,
        }
    }
    error
}

/// The shortest time after which the API wants to be asked again: `Retry-After` in seconds or as a date (RFC 9110,
/// section 10.2.3), or `google.rpc.RetryInfo`; the longer of them.
pub(super) fn retry_after(error: &SdkError) -> Option<Duration> {
    let field = |name: http::HeaderName| error.http_headers()?.get(name)?.to_str().ok();
    let moment = |text: &str| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
    let named = field(http::header::RETRY_AFTER).and_then(|text| match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // Measured by the API's own clock.
        Err(_) => Some(between(moment(field(http::header::DATE)?)?, moment(text)?)),
    });
    let details = error.status().into_iter().flat_map(|status| &status.details);
    let delays = details.filter_map(|detail| match detail {
        StatusDetails::RetryInfo(info) => Duration::try_from(info.retry_delay?).ok(),
        _ => None,
    });
    named.into_iter().chain(delays).max()
}

/// The canonical code, also where the answer was not Google-shaped (a proxy's page).
fn code(error: &SdkError) -> Option<Code> {
    // Compute Engine and Cloud SQL give no canonical code, only HTTP's.
    let named = error.status().map(|status| status.code).filter(|code| *code != Code::Unknown);
    named.or_else(|| error.http_status_code().and_then(of_http)).or_else(|| error.status().map(|status| status.code))
}

/// Source: the HTTP mapping in `google/rpc/code.proto`.
pub(super) fn of_http(status: u16) -> Option<Code> {
    match status {
        400 => Some(Code::InvalidArgument),
        401 => Some(Code::Unauthenticated),
        403 => Some(Code::PermissionDenied),
        404 => Some(Code::NotFound),
        409 | 412 => Some(Code::Aborted),
        429 => Some(Code::ResourceExhausted),
        500 => Some(Code::Internal),
        502 | 503 => Some(Code::Unavailable),
        504 => Some(Code::DeadlineExceeded),
        _ => None,
    }
}

/// An API's words are shown on a terminal and journaled: a longer message is cut.
const LONGEST_MESSAGE: usize = 2_000;

/// The API's message and the machine-readable reason, which the SDK's own text leaves out. Not longer than
/// [`LONGEST_MESSAGE`] and a little.
fn words(error: &SdkError) -> String {
    let words = all_words(error);
    match words.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}… ({} bytes in all)", &words[..end], words.len()),
        None => words,
    }
}

fn all_words(error: &SdkError) -> String {
    if error.is_authentication() {
        let source = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
        return format!("no access token: {source}");
    }
    let Some(status) = error.status() else { return error.to_string() };
    let reason = reason(error).map(|reason| format!(" [{reason}]"));
    // The older APIs give no canonical code. "UNKNOWN" would say that it is in doubt, where HTTP says what it is.
    let code = match error.http_status_code().filter(|http| status.code == Code::Unknown && of_http(*http).is_some()) {
        Some(http) => format!("HTTP {http}"),
        None => status.code.to_string(),
    };
    // An answer may repeat what it was asked.
    redact::text(format!("{code}: {}{}", status.message, reason.unwrap_or_default()))
}

/// The machine-readable reason. The SDK reads it from the older APIs' answers, too (Cloud SQL's, Compute Engine's).
fn reason(error: &SdkError) -> Option<&str> {
    error.status()?.details.iter().find_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) => Some(info.reason.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use google_cloud_gax::error::CredentialsError;
    use google_cloud_gax::error::rpc::Status;
    use serde_json::json;

    use super::*;

    fn id() -> ResourceId {
        "gcp.run.service/p/r/pear".parse().unwrap()
    }

    fn status(code: Code) -> SdkError {
        SdkError::service(Status::default().set_code(code).set_message("words"))
    }

    fn http(status: u16, headers: &[(&'static str, &str)]) -> SdkError {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap()));
        let none = Vec::new();
        SdkError::http(status, headers.collect(), none.into())
    }

    fn token(is_transient: bool) -> SdkError {
        SdkError::authentication(CredentialsError::from_msg(is_transient, "failed to refresh, body=<invalid_grant>"))
    }

    #[test]
    fn no_access_is_neither_a_no_nor_a_doubt() {
        let login = Some(LOGIN.to_owned());
        let lost = [
            (status(Code::Unauthenticated), login.clone()),
            (http(401, &[]), login.clone()),
            (token(false), login),
            (token(true), None),
            (SdkError::connect("Network is unreachable (os error 101)"), None),
            (SdkError::exhausted(SdkError::connect("no name")), None),
        ];
        for (error, wanted) in lost {
            let read = ReadError::of(&id(), &error);
            assert!(read.is_access_lost(), "{read:?}");
            assert_eq!(read.is_passing(), wanted.is_none(), "waiting helps where nobody must log in: {read:?}");
            assert_eq!(read.remedy(), wanted.as_deref(), "{read:?}");
            let write = WriteError::of(&id(), &error);
            let WriteError::Unreachable { remedy, .. } = &write else { panic!("{write:?}") };
            assert_eq!(*remedy, wanted, "{write:?}");
            assert_eq!(WriteError::not_sent(read), write, "the same before a write as in it");
        }
        let said = WriteError::of(&id(), &token(false)).to_string();
        assert!(said.contains("invalid_grant") && said.contains(LOGIN), "{said}");
    }

    #[test]
    fn a_message_of_megabytes_is_cut() {
        let long =
            SdkError::service(Status::default().set_code(Code::PermissionDenied).set_message("ä".repeat(10_000_000)));
        let said = ReadError::of(&id(), &long).to_string();
        assert!(said.len() < 5_000 && said.contains("bytes in all"), "{}", said.len());
    }

    /// An answer as Cloud SQL gives it.
    fn older(http: u16, reason: &str) -> SdkError {
        let error = json!({ "message": "words", "domain": "global", "reason": reason });
        let body = json!({ "error": { "code": http, "message": "words", "errors": [error] } }).to_string();
        let status = Status::try_from(&hyper::body::Bytes::from(body)).unwrap();
        SdkError::service_with_http_metadata(status, Some(http), None)
    }

    #[test]
    fn a_refusal_whose_http_status_says_what_it_is_is_not_headed_unknown() {
        for (http, reason) in [(400, "invalid"), (409, "operationInProgress"), (412, "staleData")] {
            let said = WriteError::of(&id(), &older(http, reason)).to_string();
            assert!(said.contains(&format!("HTTP {http}: words [{reason}]")), "{said}");
            assert!(!said.contains("UNKNOWN"), "{said}");
        }
        for http in [403, 409] {
            let busy = WriteError::of(&id(), &older(http, "operationInProgress"));
            assert!(matches!(busy, WriteError::Busy { .. }), "another operation is not the end: {busy:?}");
        }
        let denied = WriteError::of(&id(), &older(403, "notAuthorized"));
        assert!(matches!(denied, WriteError::Refused { .. }), "{denied:?}");
    }

    #[test]
    fn a_no_stays_a_no_and_a_doubt_a_doubt() {
        let gone = WriteError::of(&id(), &status(Code::NotFound));
        assert!(matches!(gone, WriteError::Missing { .. }), "{gone:?}");
        for code in [Code::InvalidArgument, Code::PermissionDenied, Code::FailedPrecondition] {
            let write = WriteError::of(&id(), &status(code));
            assert!(matches!(write, WriteError::Refused { .. }), "{write:?}");
        }
        assert!(matches!(WriteError::of(&id(), &http(412, &[])), WriteError::Conflict { .. }));
        for error in
            [status(Code::Unavailable), status(Code::DeadlineExceeded), SdkError::timeout("30 s"), http(502, &[])]
        {
            let write = WriteError::of(&id(), &error);
            assert!(matches!(write, WriteError::InDoubt { .. }), "{write:?}");
        }
        assert!(matches!(ReadError::of(&id(), &status(Code::NotFound)), ReadError::NotFound { .. }));
        let operation = ReadError::of_operation(&id(), "operations/1", &status(Code::NotFound));
        assert!(matches!(operation, ReadError::OperationNotFound { .. }), "{operation:?}");
        assert!(!operation.to_string().contains("does not exist"), "the service does: {operation}");
    }

    #[test]
    fn a_read_that_is_denied_or_not_answered_before_a_write_does_not_fail_the_write() {
        for error in [status(Code::PermissionDenied), status(Code::Unavailable), http(429, &[]), http(500, &[])] {
            let write = WriteError::not_sent(ReadError::of(&id(), &error));
            assert!(matches!(write, WriteError::Unreachable { remedy: None, .. }), "{write:?}");
        }
        let write = WriteError::not_sent(ReadError::of(&id(), &status(Code::InvalidArgument)));
        assert!(matches!(write, WriteError::Refused { .. }), "{write:?}");
        let write = WriteError::not_sent(ReadError::of(&id(), &status(Code::NotFound)));
        assert!(matches!(write, WriteError::Missing { .. }), "what is gone is neither a no nor no access: {write:?}");
    }

    #[test]
    fn when_to_ask_again_is_read_in_every_form() {
        let asked = |headers: &[(&'static str, &str)]| {
            let error = ReadError::of(&id(), &http(429, headers));
            error.retry_after().map(|wait| wait.as_secs())
        };
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("retry-after", "90")]), Some(90));
        assert_eq!(asked(&[("retry-after", "soon")]), None);
        let date = ("date", "Tue, 16 Sep 2025 03:00:00 GMT");
        assert_eq!(asked(&[date, ("retry-after", "Tue, 16 Sep 2025 03:02:00 GMT")]), Some(120));
        assert_eq!(
            asked(&[("retry-after", "Tue, 16 Sep 2025 03:02:00 GMT")]),
            None,
            "nobody knows how late it is there"
        );
        let info = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s" });
        let status: Status = serde_json::from_value(json!({ "code": 8, "message": "m", "details": [info] })).unwrap();
        let error = SdkError::service(status);
        let WriteError::Busy { retry_after, .. } = WriteError::of(&id(), &error) else { panic!("{error:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }
}
