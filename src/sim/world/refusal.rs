//! How the cloud says no: a code, a sentence, and which field was wrong.
//!
//! The codes are those of `google/rpc/code.proto`, with the HTTP status that the same file names for each. The
//! *wording* of a refusal is ours wherever a doc comment does not say otherwise: clients must branch on the code.

use serde::{Deserialize, Serialize};

/// Why something was refused, as `google.rpc.Status` will say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The canonical code.
    pub code: Code,
    /// What a person reads.
    pub message: String,
    /// The request's field that was wrong, if one was (it becomes a `google.rpc.BadRequest` detail).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What the API calls the reason, where that is known and its code does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The canonical codes that the simulated cloud uses (`google/rpc/code.proto`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The request is wrong whatever the state of the cloud.
    InvalidArgument,
    /// There is no such thing.
    NotFound,
    /// It exists already, differently.
    AlreadyExists,
    /// The caller may not, or may not know whether it exists.
    PermissionDenied,
    /// The state of the cloud does not allow it now; do not retry as it is.
    FailedPrecondition,
    /// Somebody else was faster; read again, then decide.
    Aborted,
    /// The simulated cloud does not do this.
    Unimplemented,
    /// Something broke inside.
    Internal,
    /// Nobody can answer right now.
    Unavailable,
    /// A quota is used up.
    ResourceExhausted,
    /// The time was up; it may have happened all the same.
    DeadlineExceeded,
    /// It is not known who is calling.
    Unauthenticated,
}

impl Code {
    /// The number in `google.rpc.Status.code`.
    pub fn number(self) -> i32 {
        match self {
            Self::InvalidArgument => 3,
            Self::NotFound => 5,
            Self::AlreadyExists => 6,
            Self::PermissionDenied => 7,
            Self::FailedPrecondition => 9,
            Self::Aborted => 10,
            Self::Unimplemented => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::ResourceExhausted => 8,
            Self::DeadlineExceeded => 4,
            Self::Unauthenticated => 16,
        }
    }

    /// The HTTP status that carries it.
    pub fn http(self) -> u16 {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition => 400,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Aborted => 409,
            Self::Internal => 500,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::ResourceExhausted => 429,
            Self::DeadlineExceeded => 504,
            Self::Unauthenticated => 401,
        }
    }

    /// The name in `error.status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl Code {
    /// The code that an HTTP status most likely stands for.
    pub fn of_http(status: u16) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            409 => Self::Aborted,
            429 => Self::ResourceExhausted,
            503 => Self::Unavailable,
            504 => Self::DeadlineExceeded,
            501 => Self::Unimplemented,
            500.. => Self::Internal,
            _ => Self::InvalidArgument,
        }
    }

    /// The code with this number, or an internal error.
    pub fn of_number(number: i32) -> Self {
        let all = [
            Self::InvalidArgument,
            Self::DeadlineExceeded,
            Self::NotFound,
            Self::AlreadyExists,
            Self::PermissionDenied,
            Self::ResourceExhausted,
            Self::FailedPrecondition,
            Self::Aborted,
            Self::Unimplemented,
            Self::Unavailable,
            Self::Unauthenticated,
        ];
        all.into_iter().find(|code| code.number() == number).unwrap_or(Self::Internal)
    }
}

impl Refusal {
    /// A refusal that blames no particular field.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, reason: None }
    }

    /// `INVALID_ARGUMENT` for one field of the request.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::InvalidArgument, message) }
    }

    /// The same, for this reason.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..self }
    }

    /// `NOT_FOUND`, in the words that Google's APIs use for a missing resource.
    pub fn missing(name: &str) -> Self {
        Self::new(Code::NotFound, format!("Resource '{name}' was not found"))
    }
}
