//! What can go wrong between this program and Google, told apart by what it means for the caller.
//!
//! Only two things matter to the engine: it *did not* happen, or it *may* have happened. Source of the
//! meanings: `google/rpc/code.proto` and the AIP-194 retry rules.

use google_cloud_gax::error::Error as SdkError;
use google_cloud_gax::error::rpc::{Code, StatusDetails};

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

/// A read failed. Nothing is known of the resource.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// There is no such thing.
    #[error("{resource} does not exist")]
    NotFound {
        /// The resource.
        resource: ResourceId,
    },
    /// The API said no.
    #[error("{resource} cannot be read: {why}")]
    Refused {
        /// The resource.
        resource: ResourceId,
        /// The API's words.
        why: String,
        /// Whether it is the caller who may not.
        denied: bool,
    },
    /// No answer, or one that promises another: worth asking again.
    #[error("{resource} cannot be read right now: {why}")]
    Unavailable {
        /// The resource.
        resource: ResourceId,
        /// What happened.
        why: String,
    },
    /// An answer that makes no sense.
    #[error("the answer about {resource} makes no sense: {why}")]
    Garbled {
        /// The resource.
        resource: ResourceId,
        /// What is wrong with it.
        why: String,
    },
    /// Something that has no state to look at: only who did it knows whether it was done.
    #[error("{resource} cannot be looked at: only a person can tell")]
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
    /// It did not happen.
    #[error("{resource} was not changed: {why}")]
    Refused {
        /// The resource.
        resource: ResourceId,
        /// Why.
        why: String,
    },
    /// It did not happen, and may in a moment: too many requests, a read that failed, another operation.
    #[error("{resource} was not changed now: {why}")]
    Busy {
        /// The resource.
        resource: ResourceId,
        /// What is in the way.
        why: String,
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

impl ReadError {
    /// Sorts an error of the SDK's.
    pub fn of(resource: &ResourceId, error: &SdkError) -> ReadError {
        let (resource, why) = (resource.clone(), words(error));
        match code(error) {
            Some(Code::NotFound) => ReadError::NotFound { resource },
            Some(
                Code::Unavailable
                | Code::ResourceExhausted
                | Code::Internal
                | Code::Unknown
                | Code::DeadlineExceeded
                | Code::Aborted,
            ) => ReadError::Unavailable { resource, why },
            // A token runs out, and an administrator ends a session; both look like this.
            Some(Code::Unauthenticated) => {
                let why = format!("{why}; log in again with `gcloud auth application-default login`");
                ReadError::Refused { resource, why, denied: true }
            }
            Some(code) => {
                let denied = code == Code::PermissionDenied;
                ReadError::Refused { resource, why, denied }
            }
            None if error.is_binding() => ReadError::Refused { resource, why, denied: false },
            None if error.is_authentication() => ReadError::Refused { resource, why, denied: true },
            None if error.is_deserialization() => ReadError::Garbled { resource, why },
            None => ReadError::Unavailable { resource, why },
        }
    }

    /// Whether asking again may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, ReadError::Unavailable { .. })
    }
}

impl WriteError {
    /// Sorts an error of the SDK's.
    pub fn of(resource: &ResourceId, error: &SdkError) -> WriteError {
        let not_sent = error.is_binding() || error.is_authentication() || error.is_connect();
        WriteError::sort(resource, code(error), not_sent, words(error))
    }

    /// Sorts an error by the API's code, where there was an answer that had one.
    pub fn sort(resource: &ResourceId, code: Option<Code>, not_sent: bool, why: String) -> WriteError {
        let resource = resource.clone();
        match code {
            Some(Code::Aborted) => WriteError::Conflict { resource, why },
            Some(Code::ResourceExhausted) => WriteError::Busy { resource, why },
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
            None if not_sent => WriteError::Refused { resource, why },
            None => WriteError::InDoubt { resource, why },
        }
    }
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

/// The API's message and the machine-readable reason, which the SDK's own text leaves out.
fn words(error: &SdkError) -> String {
    let Some(status) = error.status() else { return error.to_string() };
    let reason = status.details.iter().find_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) => Some(format!(" [{}]", info.reason)),
        _ => None,
    });
    format!("{}: {}{}", status.code, status.message, reason.unwrap_or_default())
}
