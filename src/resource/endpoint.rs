//! Where calls go, and as whom: to Google with application-default credentials, or to a simulated cloud on loopback without any.

use std::net::SocketAddr;
use std::time::Duration;

use google_cloud_auth::credentials::{Builder as DefaultCredentials, Credentials, anonymous, impersonated};
use http::HeaderMap;

use super::error::BuildError;
use super::rest::{Instead, Rest};
use super::retry::Backoff;

/// The only universe whose hosts are spoken to (<https://docs.cloud.google.com/docs/authentication/universe-domain>).
const UNIVERSE: &str = "googleapis.com";

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Google's own hosts, with application-default credentials.
    Google {
        /// The service account to act as, by its e-mail address, if not as oneself.
        impersonate: Option<String>,
    },
    /// A simulated cloud on this machine, with no credentials at all.
    Simulated(SocketAddr),
    /// The same in this process, which answers nobody who does not send these headers.
    Own {
        /// Where it listens.
        address: SocketAddr,
        /// What it knows this process by: a secret.
        pass: HeaderMap,
    },
}

impl Endpoint {
    /// A client for it. No call to an API is made yet.
    ///
    /// # Errors
    /// If there are no usable credentials.
    pub(super) async fn client(&self) -> Result<Rest, BuildError> {
        let made = match self {
            Endpoint::Google { impersonate } => {
                let credentials = google(impersonate.as_deref())?;
                let universe = credentials.universe_domain().await;
                if let Some(other) = universe.filter(|universe| universe != UNIVERSE) {
                    return Err(BuildError::Credentials(format!(
                        "they are for the universe {other}, and calls go to {UNIVERSE}: use credentials of {UNIVERSE}"
                    )));
                }
                let backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };
                Rest::new(None, credentials, backoff)
            }
            Endpoint::Simulated(address) => simulated(*address, HeaderMap::new()),
            Endpoint::Own { address, pass } => simulated(*address, pass.clone()),
        };
        made.map_err(|error| BuildError::Client(error.to_string()))
    }
}

fn simulated(address: SocketAddr, headers: HeaderMap) -> Result<Rest, reqwest::Error> {
    // Between a program and a simulated cloud there is no network that could need a rest.
    let backoff = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(5) };
    let instead = Instead { url: format!("http://{address}"), headers };
    Rest::new(Some(instead), anonymous::Builder::new().build(), backoff)
}

fn google(impersonate: Option<&str>) -> Result<Credentials, BuildError> {
    let own = DefaultCredentials::default().build();
    let own = own.map_err(|error| BuildError::Credentials(error.to_string()))?;
    let Some(account) = impersonate else { return Ok(own) };
    let other = impersonated::Builder::from_source_credentials(own).with_target_principal(account).build();
    other.map_err(|error| BuildError::Credentials(error.to_string()))
}
