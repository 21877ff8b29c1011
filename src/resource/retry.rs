//! How a read is tried again: the network's own hiccups by the SDK, and what the API asks to wait for by the clock.

use std::time::Duration;

use google_cloud_gax::error::Error as SdkError;
use google_cloud_gax::retry_policy::{Aip194Strict, RetryPolicy, RetryPolicyExt as _};
use google_cloud_gax::retry_result::RetryResult;
use google_cloud_gax::retry_state::RetryState;

use super::error::{ReadError, retry_after};

/// How often a read is sent at most.
pub(super) const READ_ATTEMPTS: u32 = 4;

/// The longest time that a read waits by itself because the API asks for it. Whoever reads may wait longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The SDK's policy for reads, but for errors that say when to come again: the SDK's own pauses do not heed that, so they are
/// handed on at once.
#[derive(Clone, Debug)]
pub(super) struct Reads;

impl RetryPolicy for Reads {
    fn on_error(&self, state: &RetryState, error: SdkError) -> RetryResult {
        let policy = Aip194Strict.continue_on_too_many_requests().with_attempt_limit(READ_ATTEMPTS);
        match policy.on_error(state, error) {
            RetryResult::Continue(error) if retry_after(&error).is_some() => RetryResult::Exhausted(error),
            result => result,
        }
    }
}

/// Reads, and reads again when the API says so, if that is soon.
#[expect(clippy::disallowed_methods, reason = "as the SDK waits between attempts: for the network, not for the cloud")]
pub(super) async fn patiently<T, F: Future<Output = Result<T, ReadError>>>(
    read: impl Fn() -> F,
) -> Result<T, ReadError> {
    let mut attempts = 1;
    loop {
        let error = match read().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        match error.retry_after().filter(|wait| *wait <= LONGEST_WAIT && attempts < READ_ATTEMPTS) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(error),
        }
        attempts += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn busy(retry_after: &str) -> SdkError {
        let headers = [(http::header::RETRY_AFTER, http::HeaderValue::from_str(retry_after).unwrap())];
        SdkError::http(429, headers.into_iter().collect(), Vec::new().into())
    }

    #[test]
    fn the_sdk_does_not_try_again_before_the_api_wants_it() {
        let state = RetryState::new(true).set_attempt_count(1_u32);
        assert!(matches!(Reads.on_error(&state, busy("2")), RetryResult::Exhausted(_)));
        let hiccup = SdkError::http(503, http::HeaderMap::new(), Vec::new().into());
        assert!(matches!(Reads.on_error(&state, hiccup), RetryResult::Continue(_)));
    }

    #[tokio::test]
    async fn a_read_waits_as_long_as_it_is_told_if_that_is_not_long() {
        let id = "gcp.connector/p/r/n".parse().unwrap();
        let count = Cell::new(0);
        let read = async |retry_after: &str, times: u32| {
            count.set(0);
            let read = || {
                count.set(count.get() + 1);
                let answer = if count.get() > times { Ok(()) } else { Err(ReadError::of(&id, &busy(retry_after))) };
                std::future::ready(answer)
            };
            patiently(read).await
        };
        assert_eq!(read("0", 2).await, Ok(()));
        assert!(read("0", 9).await.is_err());
        assert_eq!(count.get(), READ_ATTEMPTS);
        assert!(read("90", 1).await.is_err(), "somebody else waits that long");
        assert_eq!(count.get(), 1);
    }
}
