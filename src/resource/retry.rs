//! How a read is tried again: the network's own hiccups by the client, and what the API asks to wait for by the clock.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use super::api_error::ApiError;
use super::code::Code;
use super::error::ReadError;

/// How often a read is sent at most.
pub(super) const READ_ATTEMPTS: u32 = 4;

/// The longest time that a read waits by itself because the API asks for it. Whoever reads may wait longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Whether a read that failed so is sent again: nothing was sent, the connection broke, or the API is overloaded or not there for a moment
/// (<https://google.aip.dev/194>, and 429). Not if the API names a time: the pauses between attempts do not heed that, so the error is
/// handed on at once.
pub(super) fn can_retry(error: &ApiError) -> bool {
    match error {
        ApiError::Connect(_) | ApiError::Broken(_) | ApiError::Credentials { is_passing: true, .. } => true,
        ApiError::Refused(refusal) => {
            matches!(refusal.code(), Code::Unavailable | Code::ResourceExhausted) && refusal.retry_after.is_none()
        }
        ApiError::Request(_)
        | ApiError::Credentials { is_passing: false, .. }
        | ApiError::Timeout(_)
        | ApiError::Malformed(_)
        | ApiError::TooLarge { .. }
        | ApiError::EndlessList(_) => false,
    }
}

/// The pauses between attempts: each at random between nothing and a ceiling that doubles ("full jitter"), so that many callers do not
/// come again at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// The first ceiling.
    pub first: Duration,
    /// No ceiling is higher.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after so many attempts.
    pub(super) fn pause(self, attempts: u32) -> Duration {
        // Its keys are random; that is all that is wanted of it.
        let random = RandomState::new().hash_one(attempts) & 0xffff;
        self.ceiling(attempts).mul_f64(f64::from(u32::try_from(random).unwrap_or_default()) / f64::from(0xffff))
    }

    fn ceiling(self, attempts: u32) -> Duration {
        let doubled = 2_u32.checked_pow(attempts.saturating_sub(1)).and_then(|times| self.first.checked_mul(times));
        doubled.map_or(self.longest, |ceiling| ceiling.min(self.longest))
    }
}

/// Reads, and reads again when the API says so, if that is soon.
#[expect(clippy::disallowed_methods, reason = "it waits for the network, not for the cloud")]
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

    use super::super::api_error::Refusal;
    use super::*;

    fn refused(http: u16, retry_after: Option<&str>) -> ApiError {
        let headers = retry_after.map(|text| (http::header::RETRY_AFTER, http::HeaderValue::from_str(text).unwrap()));
        ApiError::Refused(Box::new(Refusal::read(http, &headers.into_iter().collect(), b"")))
    }

    #[test]
    fn a_read_is_not_sent_again_before_the_api_wants_it() {
        assert!(!can_retry(&refused(429, Some("2"))));
        for http in [429, 502, 503] {
            assert!(can_retry(&refused(http, None)), "{http}");
        }
        for http in [302, 400, 401, 403, 404, 408, 409, 500, 504] {
            assert!(!can_retry(&refused(http, None)), "{http}");
        }
        assert!(!can_retry(&ApiError::TooLarge { limit: 1 }) && !can_retry(&ApiError::Timeout("30 s".to_owned())));
    }

    #[test]
    fn pauses_grow_up_to_a_ceiling() {
        let backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };
        let ceilings = [1, 2, 3, 5, 6, 40, u32::MAX].map(|attempts| backoff.ceiling(attempts).as_millis());
        assert_eq!(ceilings, [200, 400, 800, 3_200, 5_000, 5_000, 5_000]);
        let pauses: Vec<Duration> = (0..200).map(|_| backoff.pause(2)).collect();
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(400)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| pause != &pauses[0]), "they are random");
    }

    #[tokio::test]
    async fn a_read_waits_as_long_as_it_is_told_if_that_is_not_long() {
        let id = "gcp.connector/p/r/n".parse().unwrap();
        let count = Cell::new(0);
        let read = async |retry_after: &str, times: u32| {
            count.set(0);
            let read = || {
                count.set(count.get() + 1);
                let answer = if count.get() > times {
                    Ok(())
                } else {
                    Err(ReadError::of(&id, &refused(429, Some(retry_after))))
                };
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
