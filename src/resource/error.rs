//! What can go wrong between this program and Google, sorted by what it means for the caller.
//!
//! Three things matter to the engine, and are three types of error: the API said *no*; there was *no access*, so it said
//! nothing at all; or it is *not known* what it did. Only the first is a failure of the work. Source of the meanings:
//! `google/rpc/code.proto` and the AIP-194 retry rules.

use std::time::Duration;

use super::api_error::{ApiError, Refusal};
use super::code::Code;
use super::gcloud::quoted;
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
    Malformed {
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
    /// Sorts what became of a read.
    pub(super) fn of(resource: &ResourceId, error: &ApiError) -> ReadError {
        let (resource, why) = (resource.clone(), words(error));
        if let Some(NoAccess { remedy }) = no_access(error) {
            return ReadError::Unreachable { resource, why, remedy };
        }
        match error {
            ApiError::Refused(refusal) => match refusal.code() {
                Code::NotFound => ReadError::NotFound { resource },
                Code::Unavailable
                | Code::ResourceExhausted
                | Code::Internal
                | Code::Unknown
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::Cancelled => ReadError::Unavailable { resource, why, retry_after: refusal.retry_after },
                code @ (Code::Ok
                | Code::InvalidArgument
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::Unimplemented
                | Code::DataLoss
                | Code::Unauthenticated) => {
                    let denied = code == Code::PermissionDenied;
                    ReadError::Refused { resource, why, denied }
                }
            },
            ApiError::Request(_) => ReadError::Refused { resource, why, denied: false },
            ApiError::Malformed(_) | ApiError::TooLarge { .. } => ReadError::Malformed { resource, why },
            ApiError::Timeout(_)
            | ApiError::Broken(_)
            | ApiError::EndlessList(_)
            | ApiError::Connect(_)
            | ApiError::Credentials { .. } => ReadError::Unavailable { resource, why, retry_after: None },
        }
    }

    /// Sorts what became of asking for an operation.
    pub(super) fn of_operation(resource: &ResourceId, operation: &str, error: &ApiError) -> ReadError {
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
    /// Sorts what became of a write.
    pub(super) fn of(resource: &ResourceId, error: &ApiError) -> WriteError {
        let (resource, why) = (resource.clone(), words(error));
        if let Some(NoAccess { remedy }) = no_access(error) {
            return WriteError::Unreachable { resource, why, remedy };
        }
        match error {
            // 409 today, 403 in 2018 (forseti-security issue 1493).
            ApiError::Refused(refusal) if refusal.reason.as_deref() == Some("operationInProgress") => {
                WriteError::Busy { resource, why, retry_after: refusal.retry_after }
            }
            ApiError::Refused(refusal) => match refusal.code() {
                Code::NotFound => WriteError::Missing { resource },
                Code::Aborted => WriteError::Conflict { resource, why },
                Code::ResourceExhausted => WriteError::Busy { resource, why, retry_after: refusal.retry_after },
                // The server may have begun before it failed.
                Code::Unavailable
                | Code::Internal
                | Code::Unknown
                | Code::DeadlineExceeded
                | Code::Cancelled
                | Code::DataLoss => WriteError::InDoubt { resource, why },
                Code::Ok
                | Code::InvalidArgument
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::Unimplemented
                | Code::Unauthenticated => WriteError::Refused { resource, why },
            },
            ApiError::Request(_) => WriteError::Refused { resource, why },
            ApiError::Connect(_)
            | ApiError::Credentials { .. }
            | ApiError::Timeout(_)
            | ApiError::Broken(_)
            | ApiError::Malformed(_)
            | ApiError::TooLarge { .. }
            | ApiError::EndlessList(_) => WriteError::InDoubt { resource, why },
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
            | ReadError::Malformed { resource, .. } => WriteError::Unreachable { resource, why, remedy: None },
        }
    }
}

/// That there was no answer to the question itself, because the caller did not get that far.
struct NoAccess {
    remedy: Option<String>,
}

/// Whether an error is about the way to the API, or about who the caller is, and not about what was asked.
fn no_access(error: &ApiError) -> Option<NoAccess> {
    let login = || Some(LOGIN.to_owned());
    match error {
        ApiError::Connect(_) => Some(NoAccess { remedy: None }),
        // A token endpoint that does not answer now may answer in a moment. One that says no (`invalid_grant`: a session
        // ended, a password changed, a refresh token revoked) says so until somebody logs in.
        ApiError::Credentials { is_passing, .. } => Some(NoAccess { remedy: if *is_passing { None } else { login() } }),
        // A token runs out, and an administrator ends a session; both look like this.
        ApiError::Refused(refusal) => (refusal.code() == Code::Unauthenticated).then(|| NoAccess { remedy: login() }),
        ApiError::Request(_)
        | ApiError::Timeout(_)
        | ApiError::Broken(_)
        | ApiError::Malformed(_)
        | ApiError::TooLarge { .. }
        | ApiError::EndlessList(_) => None,
    }
}

/// An API's words are shown on a terminal and journaled: a longer message is cut.
const LONGEST_MESSAGE: usize = 2_000;

/// An API's words, not longer than [`LONGEST_MESSAGE`] and a little.
pub(super) fn shortened(words: String) -> String {
    match words.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}… ({} bytes in all)", &words[..end], words.len()),
        None => words,
    }
}

/// What the error says, and what to do about it where that is known.
fn words(error: &ApiError) -> String {
    // An answer may repeat what it was asked.
    let words = shortened(redact::text(error.to_string()));
    let remedy = if let ApiError::Refused(refusal) = error { remedy(refusal) } else { None };
    remedy.map_or_else(|| words.clone(), |remedy| format!("{words}; {remedy}"))
}

/// What helps against a refusal that no role helps against (`google/api/error_reason.proto`).
fn remedy(refusal: &Refusal) -> Option<String> {
    match refusal.reason.as_deref()? {
        "SERVICE_DISABLED" => {
            let service = refusal.service.as_deref().map_or_else(|| "the API".to_owned(), quoted);
            let project = refusal.consumer.as_deref().and_then(|consumer| consumer.strip_prefix("projects/"));
            let project = project.map(|project| format!(" --project={}", quoted(project))).unwrap_or_default();
            Some(format!("the API is not enabled: `gcloud services enable {service}{project}`, and wait a few minutes"))
        }
        "SECURITY_POLICY_VIOLATED" => Some(
            "a VPC Service Controls perimeter blocks the call, whatever roles the caller has: call from inside the perimeter, or have an \
             ingress rule added"
                .to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn id() -> ResourceId {
        "gcp.run.service/p/r/pear".parse().unwrap()
    }

    fn answer(http: u16, headers: &[(&'static str, &str)], body: &Value) -> ApiError {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap()));
        ApiError::Refused(Box::new(Refusal::read(http, &headers.collect(), body.to_string().as_bytes())))
    }

    /// An answer that names a code, with a status of HTTP's that says nothing.
    fn status(code: Code) -> ApiError {
        answer(418, &[], &json!({ "error": { "message": "words", "status": code.name() } }))
    }

    fn http(status: u16, headers: &[(&'static str, &str)]) -> ApiError {
        answer(status, headers, &Value::Null)
    }

    fn token(is_passing: bool) -> ApiError {
        ApiError::Credentials { why: "failed to refresh, body=<invalid_grant>".to_owned(), is_passing }
    }

    #[test]
    fn no_access_is_neither_a_no_nor_a_doubt() {
        let login = Some(LOGIN.to_owned());
        let lost = [
            (status(Code::Unauthenticated), login.clone()),
            (http(401, &[]), login.clone()),
            (token(false), login),
            (token(true), None),
            (ApiError::Connect("Network is unreachable (os error 101)".to_owned()), None),
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
        let long = answer(403, &[], &json!({ "error": { "message": "ä".repeat(10_000_000) } }));
        let said = ReadError::of(&id(), &long).to_string();
        assert!(said.len() < 5_000 && said.contains("bytes in all"), "{}", said.len());
    }

    /// An answer as Cloud SQL gives it.
    fn older(http: u16, reason: &str) -> ApiError {
        let error = json!({ "message": "words", "domain": "global", "reason": reason });
        answer(http, &[], &json!({ "error": { "code": http, "message": "words", "errors": [error] } }))
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
        for error in [
            status(Code::Unavailable),
            status(Code::DeadlineExceeded),
            ApiError::Timeout("30 s".to_owned()),
            ApiError::Broken("it was reset".to_owned()),
            ApiError::Malformed("it is empty".to_owned()),
            ApiError::TooLarge { limit: 1 << 20 },
            http(302, &[]),
            http(408, &[]),
            http(499, &[]),
            http(502, &[]),
            http(504, &[]),
        ] {
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
        let error = answer(429, &[], &json!({ "error": { "code": 429, "message": "m", "details": [info] } }));
        let WriteError::Busy { retry_after, .. } = WriteError::of(&id(), &error) else { panic!("{error:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }

    fn denied(reason: &str, metadata: &Value) -> ApiError {
        let info =
            json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata });
        answer(
            403,
            &[],
            &json!({ "error": { "code": 403, "message": "words", "status": "PERMISSION_DENIED", "details": [info] } }),
        )
    }

    /// The shapes of both: <https://docs.cloud.google.com/vpc-service-controls/docs/troubleshooting>, `google/api/error_reason.proto`.
    #[test]
    fn an_api_that_is_not_enabled_and_a_perimeter_are_no_access_and_say_what_helps() {
        let disabled =
            denied("SERVICE_DISABLED", &json!({ "service": "run.googleapis.com", "consumer": "projects/shop" }));
        let perimeter = denied("SECURITY_POLICY_VIOLATED", &json!({ "service": "run.googleapis.com", "uid": "abc" }));
        for (error, helps) in
            [(disabled, "`gcloud services enable run.googleapis.com --project=shop`"), (perimeter, "ingress rule")]
        {
            let read = ReadError::of(&id(), &error);
            assert!(read.is_access_lost() && read.to_string().contains(helps), "{read}");
            let write = WriteError::of(&id(), &error);
            assert!(matches!(write, WriteError::Refused { .. }) && write.to_string().contains(helps), "{write}");
        }
        let forged = denied("SERVICE_DISABLED", &json!({ "service": "x; rm -rf /", "consumer": "projects/$(id)" }));
        let said = ReadError::of(&id(), &forged).to_string();
        assert!(said.contains("'x; rm -rf /' --project='$(id)'"), "{said}");
    }
}
