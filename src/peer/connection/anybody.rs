//! TLS with whoever answers: whose certificate an authority of its own has signed cannot be verified.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::dial::builder;
use crate::clock::Clock;

/// What a peer shows of itself in a handshake, and when.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) leaf: &'a CertificateDer<'a>,
    pub(crate) chain: &'a [CertificateDer<'a>],
    /// The name by which the peer was called.
    pub(crate) name: &'a ServerName<'a>,
    pub(crate) ocsp: &'a [u8],
    pub(crate) now: UnixTime,
}

/// Is told what a peer shows in a handshake in which any certificate passes.
pub(crate) trait Witness: fmt::Debug + Send + Sync + 'static {
    /// Takes note of it.
    fn see(&self, shown: &Shown<'_>);
}

/// Nobody wants to know.
#[derive(Debug)]
struct Nobody;

impl Witness for Nobody {
    fn see(&self, _: &Shown<'_>) {}
}

/// A configuration that takes any certificate.
pub(crate) fn anybody(clock: &Arc<dyn Clock>) -> Result<ClientConfig, String> {
    witnessed(clock, Arc::new(Nobody))
}

/// A configuration that takes any certificate and tells this witness what was shown.
pub(crate) fn witnessed<W: Witness>(clock: &Arc<dyn Clock>, witness: Arc<W>) -> Result<ClientConfig, String> {
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    let verifier = Arc::new(Anybody { algorithms, witness });
    Ok(builder(clock)?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

#[derive(Debug)]
struct Anybody<W> {
    algorithms: WebPkiSupportedAlgorithms,
    witness: Arc<W>,
}

impl<W: Witness> ServerCertVerifier for Anybody<W> {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.witness.see(&Shown { leaf, chain, name, ocsp, now });
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
