//! By what a simulated cloud that is its process's own tells that process from others of the machine, which reach its port too.

use http::{HeaderMap, HeaderValue};
use tokio_rustls::rustls::crypto::aws_lc_rs;

/// The header that it stands in.
const HEADER: &str = "x-simulated-cloud-pass";

/// A secret that nobody else can guess.
pub(in crate::sim) struct Pass(HeaderValue);

impl Pass {
    /// A new one; `None` if there is no randomness.
    pub(in crate::sim) fn new() -> Option<Pass> {
        let mut bits = [0; 16];
        aws_lc_rs::default_provider().secure_random.fill(&mut bits).ok()?;
        let mut value = HeaderValue::try_from(format!("{:032x}", u128::from_le_bytes(bits))).ok()?;
        value.set_sensitive(true);
        Some(Pass(value))
    }

    /// The headers of a request that has it.
    pub(in crate::sim) fn headers(&self) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(HEADER), self.0.clone())])
    }

    /// Whether a request has it.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get(HEADER) == Some(&self.0)
    }
}
