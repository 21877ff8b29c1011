//! A certificate authority of the simulated cloud's own, made when it starts: its certificate is offered at
//! `/_sim/ca.pem`, its key never leaves the process. Every host that a client asks for gets a certificate on demand.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use time::OffsetDateTime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// Hosts whose certificates are remembered; a client could make up any number.
const MOST: usize = 10_000;

/// The authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    leaves: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
    /// Until when the certificates of these hosts are valid, as the scenario has it; all others are, for long.
    expiries: BTreeMap<String, Timestamp>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    pub(super) fn new(expiries: BTreeMap<String, Timestamp>) -> Result<Authority, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "Simulated cloud, not to be trusted elsewhere");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Authority { issuer: Issuer::new(params, key), pem, leaves: Mutex::default(), expiries })
    }

    /// Its certificate, for clients to trust.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn acceptor(self: Arc<Self>) -> io::Result<TlsAcceptor> {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn leaf(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(host) {
            return Some(leaf.clone());
        }
        let key = KeyPair::generate().ok()?;
        let mut params = CertificateParams::new(vec![host.to_owned()]).ok()?;
        if let Some(expires) = self.expiries.get(host) {
            // In the scenario's time: a client that judges by the wall's must be told what time it is.
            params.not_after = OffsetDateTime::from_unix_timestamp(expires.as_second()).ok()?;
            params.not_before = params.not_after.checked_sub(time::Duration::days(90))?;
        }
        let leaf = params.signed_by(&key, &self.issuer).ok()?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).ok()?;
        let leaf = Arc::new(CertifiedKey::new(vec![leaf.der().clone()], key));
        if leaves.len() < MOST {
            leaves.insert(host.to_owned(), leaf.clone());
        }
        Some(leaf)
    }
}

impl ResolvesServerCert for Authority {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Without a name it is asked by its address, which is a loopback one.
        self.leaf(&hello.server_name().unwrap_or("localhost").to_ascii_lowercase())
    }
}
