//! One line in the log for every call to Google: what was asked, what came back, how long it took.

use std::time::Duration;

/// The target of these lines.
pub const TARGET: &str = "rectify::call";

/// A call that has ended.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, `PATCH`, …
    pub method: String,
    /// The whole address. No secret is ever in one: credentials travel in headers.
    pub url: String,
    /// The status of the answer, or why there was none.
    pub answer: Result<u16, String>,
    /// How long it took, in this machine's time.
    pub took: Duration,
}

impl Call {
    /// Puts it into the log.
    pub fn tell(&self) {
        let Call { method, url, answer, took } = self;
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match answer {
            Ok(status) => tracing::info!(target: TARGET, method, url, status, took_ms),
            Err(error) => tracing::info!(target: TARGET, method, url, error, took_ms),
        }
    }
}
