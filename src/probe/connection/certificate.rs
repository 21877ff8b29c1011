//! Certificates: a TLS handshake with whoever answers, and what the certificate is worth that was shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::parse_x509_certificate;

use crate::clock::{Clock, between};
use crate::peer::{Dialer, builder, handshake};
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
    let witness = Arc::new(Witness { judge, algorithms: algorithms(), seen: Mutex::new(None) });
    let config = witnessed(clock, witness.clone()).map_err(ProbeFailure::Broken)?;
    let (stream, _) = dialer.connect(host, port).await?;
    handshake(Arc::new(config), host, stream).await?;
    let seen = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    let seen = seen.ok_or_else(|| ProbeFailure::Unhealthy("it shows no certificate".to_owned()))?;
    let mut facts = seen.facts(clock.now());
    facts.insert("latency".to_owned(), Fact::Span(between(began, clock.now())));
    Ok(facts)
}

fn witnessed(clock: &Arc<dyn Clock>, witness: Arc<Witness>) -> Result<ClientConfig, String> {
    Ok(builder(clock)?.dangerous().with_custom_certificate_verifier(witness).with_no_client_auth())
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    aws_lc_rs::default_provider().signature_verification_algorithms
}

/// Sees what is shown, and lets it pass.
#[derive(Debug)]
struct Witness {
    /// Who says what it is worth.
    judge: Arc<WebPkiServerVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
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

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
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
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
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
