//! Refusals in the shape of the APIs that are older than `google.rpc.Status`: Cloud SQL and Compute Engine.
//!
//! `{"error": {"code", "message", "errors": [{"message", "domain", "reason"}]}}`, without a `status` (source: bodies that
//! people quote, such as in terraform-provider-google issue 12324 and apache/airflow issue 62671). A condition that does
//! not hold is 412 there, not 400.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Failure;
use crate::sim::world::refusal::{Code, Refusal};

/// A refusal on its way to the client.
pub(super) struct Legacy {
    failure: Failure,
    reason: String,
}

/// What a handler of an older API gives back.
pub(super) type Answered = Result<Json<Value>, Legacy>;

impl From<Refusal> for Legacy {
    fn from(refusal: Refusal) -> Self {
        Failure::from(refusal).into()
    }
}

impl From<Failure> for Legacy {
    fn from(mut failure: Failure) -> Self {
        let reason = match failure.refusal.code {
            Code::InvalidArgument => "invalid",
            Code::NotFound => "notFound",
            Code::AlreadyExists => "alreadyExists",
            Code::PermissionDenied => "forbidden",
            Code::FailedPrecondition => {
                failure.http = 412;
                "conditionNotMet"
            }
            Code::Unimplemented => "notImplemented",
            Code::Unavailable => "backendError",
            _ => "internalError",
        };
        let reason = failure.refusal.reason.take().unwrap_or_else(|| reason.to_owned());
        Self { failure, reason }
    }
}

impl IntoResponse for Legacy {
    fn into_response(self) -> Response {
        let Failure { refusal, http, .. } = self.failure;
        let error = json!({ "message": refusal.message, "domain": "global", "reason": self.reason });
        let body = json!({ "error": { "code": http, "message": refusal.message, "errors": [error] } });
        (StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body)).into_response()
    }
}
