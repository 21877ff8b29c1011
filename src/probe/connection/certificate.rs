//! Certificates: a TLS handshake with whoever answers, and what the certificate is worth that was shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, Error};
use x509_parser::parse_x509_certificate;

use crate::clock::{Clock, between};
use crate::peer::{Dialer, Shown, Witness, handshake, witnessed};
use crate::probe::{FactsByName, ProbeFailure};
use crate::syntax::condition::Fact;

const DAY: i64 = 24 * 60 * 60;

pub(in crate::probe) async fn examine(
    dialer: &Dialer,
    host: &str,
    port: u16,
    clock: &Arc<dyn Clock>,
) -> Result<FactsByName, ProbeFailure> {
    let began = clock.now();
    let roots = dialer.roots().map_err(ProbeFailure::Broken)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let judge = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    let judge = judge.map_err(|error| ProbeFailure::Broken(error.to_string()))?;
    let witness = Arc::new(Examiner { judge, seen: Mutex::new(None) });
    let config = witnessed(clock, witness.clone()).map_err(ProbeFailure::Broken)?;
    let (stream, _) = dialer.connect(host, port).await?;
    handshake(Arc::new(config), host, stream).await?;
    let seen = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    let seen = seen.ok_or_else(|| ProbeFailure::Unhealthy("it shows no certificate".to_owned()))?;
    let mut facts = seen.facts(clock.now());
    facts.insert("latency".to_owned(), Fact::Span(between(began, clock.now())));
    Ok(facts)
}

/// Sees what is shown, and what it is worth.
#[derive(Debug)]
struct Examiner {
    /// Who says what it is worth.
    judge: Arc<WebPkiServerVerifier>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    why: Option<String>,
    trusted: bool,
    name_matches: bool,
    /// When the first certificate of the chain expires.
    expires: Option<Timestamp>,
}

impl Witness for Examiner {
    fn see(&self, shown: &Shown<'_>) {
        let Shown { leaf, chain, name, ocsp, now } = *shown;
        let verdict = self.judge.verify_server_cert(leaf, chain, name, ocsp, now);
        let only_the_name = |error: &Error| {
            matches!(
                error,
                Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
                )
            )
        };
        let name_matches = ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, name).is_ok());
        let expiries = std::iter::once(leaf).chain(chain).filter_map(|one| {
            let (_, parsed) = parse_x509_certificate(one).ok()?;
            Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
        });
        let seen = Seen {
            trusted: verdict.as_ref().err().is_none_or(only_the_name),
            why: verdict.err().map(|error| error.to_string()),
            name_matches,
            expires: expiries.min(),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }
}

impl Seen {
    fn facts(self, now: Timestamp) -> FactsByName {
        let mut facts = BTreeMap::from([
            ("trusted".to_owned(), Fact::Bool(self.trusted)),
            ("name_matches".to_owned(), Fact::Bool(self.name_matches)),
        ]);
        facts.extend(self.why.map(|why| ("why".to_owned(), Fact::Text(why))));
        if let Some(expires) = self.expires {
            let left = expires.as_second().saturating_sub(now.as_second()).div_euclid(DAY);
            facts.insert("days_left".to_owned(), Fact::Int(left));
            facts.insert("expires".to_owned(), Fact::Text(expires.to_string()));
        }
        facts
    }
}
