//! Faults: what goes wrong on request, for drills and tests.
//!
//! A fault names the requests that it befalls, what befalls them, and how often. The first that matches and is not used
//! up is taken. They lie in the simulator and not in its world: an embedded cloud that is reopened has none but those of
//! its scenario, which say when they begin and end.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The requests that it befalls.
    #[serde(rename = "match", default)]
    pub matching: Matching,
    /// What befalls them.
    pub fault: Kind,
    /// How often; for ever if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Since when, in the cloud's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Which requests are meant. What is not said matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The host, without its port; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// What befalls a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a fault is one of status, latency, reset, refuse, garble, operation_error and operation_hangs"
)]
pub enum Kind {
    /// It is refused with this HTTP status, before it has any effect.
    Status(Status),
    /// It is carried out, and the answer comes this much later.
    Latency(Latency),
    /// It is carried out, and the connection breaks before the answer.
    Reset(Reset),
    /// The connection breaks before it has any effect.
    Refuse(Refuse),
    /// It is carried out, and the answer is a page that is not of the API, with status 200.
    Garble(Garble),
    /// The operation that it begins ends with this error.
    OperationError(OperationError),
    /// The operation that it begins never ends.
    OperationHangs(OperationHangs),
}

/// `{"status": 429, "retry_after": "2s"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The HTTP status, 400 to 599.
    pub status: u16,
    /// What the answer says about when to come again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<SignedDuration>,
}

/// `{"latency": "5s"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// How much later.
    pub latency: SignedDuration,
}

/// `{"reset": true}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// Always true.
    pub reset: bool,
}

/// `{"refuse": true}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    /// Always true.
    pub refuse: bool,
}

/// `{"garble": true}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Garble {
    /// Always true.
    pub garble: bool,
}

/// `{"operation_error": {"code": 13, "message": "…"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationError {
    /// How it ends.
    pub operation_error: ErrorBody,
}

/// A `google.rpc.Status` without details, and whether it is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorBody {
    /// The code's number (`google/rpc/code.proto`).
    pub code: i32,
    /// What a person reads.
    pub message: String,
    /// Whether it takes effect all the same: the end of an operation need not say what became of the resource.
    #[serde(default, skip_serializing_if = "is_false")]
    pub took_effect: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(is: &bool) -> bool {
    !is
}

/// `{"operation_hangs": true}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationHangs {
    /// Always true.
    pub operation_hangs: bool,
}

impl Fault {
    /// What is wrong with it, if something is.
    pub fn complaint(&self) -> Option<&'static str> {
        match &self.fault {
            Kind::Status(Status { status, .. }) if !(400..=599).contains(status) => {
                Some("status must be an HTTP status from 400 to 599")
            }
            Kind::Status(Status { retry_after: Some(after), .. }) if after.is_negative() => {
                Some("retry_after cannot be negative")
            }
            Kind::Latency(Latency { latency }) if latency.is_negative() => Some("latency cannot be negative"),
            Kind::Reset(Reset { reset: false })
            | Kind::Refuse(Refuse { refuse: false })
            | Kind::Garble(Garble { garble: false })
            | Kind::OperationHangs(OperationHangs { operation_hangs: false }) => {
                Some("a fault that is false does nothing: leave it out")
            }
            Kind::OperationError(error) if !(1..=16).contains(&error.operation_error.code) => {
                Some("operation_error.code must be 1 to 16")
            }
            _ => None,
        }
    }

    fn befalls(&self, request: &Request<'_>) -> bool {
        let Matching { method, path, host } = &self.matching;
        self.times != Some(0)
            && self.from.is_none_or(|from| from <= request.at)
            && self.until.is_none_or(|until| request.at < until)
            && method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(request.method))
            && path.as_ref().is_none_or(|path| fits(path, request.path))
            && host.as_ref().is_none_or(|host| fits(host, request.host))
    }
}

/// What a fault is matched with.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// When it arrived.
    pub at: Timestamp,
    /// Its method.
    pub method: &'a str,
    /// Its path without the query.
    pub path: &'a str,
    /// Its host without the port.
    pub host: &'a str,
}

/// Takes the first fault that befalls this request, and counts it.
pub fn take(faults: &mut [Fault], request: &Request<'_>) -> Option<Kind> {
    let fault = faults.iter_mut().find(|fault| fault.befalls(request))?;
    if let Some(times) = &mut fault.times {
        *times = times.saturating_sub(1);
    }
    Some(fault.fault.clone())
}

/// Whether `text` is what the pattern says, `*` standing for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fit) in [
            ("*/connectors/*", "/v1/projects/p/locations/l/connectors/c", true),
            ("*/connectors/*", "/v1/projects/p/locations/l/connectors", false),
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a*", "/ab", true),
            ("*b", "/ab", true),
            ("*a*b*", "xaxb", true),
            ("*a*b*", "ba", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn a_fault_is_used_up_and_has_its_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut faults: Vec<Fault> = vec![
            serde_json::from_str(r#"{"match": {"method": "PATCH"}, "fault": {"status": 503}, "times": 1}"#).unwrap(),
            serde_json::from_str(
                r#"{"fault": {"reset": true}, "from": "2025-01-01T00:01:00Z", "until": "2025-01-01T00:02:00Z"}"#,
            )
            .unwrap(),
        ];
        let mut taken = |method: &str, time: &str| {
            take(&mut faults, &Request { at: at(time), method, path: "/", host: "h" }).is_some()
        };
        assert!(!taken("GET", "2025-01-01T00:00:00Z"));
        assert!(taken("patch", "2025-01-01T00:00:00Z"));
        assert!(!taken("PATCH", "2025-01-01T00:00:30Z"));
        assert!(taken("PATCH", "2025-01-01T00:01:00Z"));
        assert!(!taken("PATCH", "2025-01-01T00:02:00Z"));
    }
}
