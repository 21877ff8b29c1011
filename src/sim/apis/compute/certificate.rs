//! Certificates of the load balancer (`compute#sslCertificate`).
//!
//! Known of Google, and held here: the states of a managed certificate and of each of its domains (source: the message
//! `SslCertificateManagedSslCertificate`); that it takes no wildcards, in these words (k8s-config-connector issue 107);
//! that a domain fails as FAILED_NOT_VISIBLE while it does not lead to the load balancer; that a managed one is valid for
//! 90 days. Ours: that a domain leads here if it is a host of one of the scenario's services, and how long it takes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::sim::clock::later;
use crate::sim::world::refusal::Refusal;
use crate::sim::world::{self, World};

/// The text of a certificate of which a scenario has none.
pub const NO_TEXT: &str = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";

/// How long a managed certificate is valid.
const VALID: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A certificate; its key is nobody's business, so it has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// When it was created.
    pub created: Timestamp,
    /// What a person wrote about it.
    #[serde(default)]
    pub description: String,
    /// The names that it is for.
    pub domains: Vec<String>,
    /// Until when it is valid; a managed one that was never ACTIVE is not yet.
    pub expires: Option<Timestamp>,
    /// Who sees to it.
    pub kind: Kind,
}

impl World {
    /// Until when the certificates of the load balancer's hosts are valid. One that nobody has a certificate for is served
    /// all the same, so that a scenario need not speak of them.
    pub fn expiries(&self) -> BTreeMap<String, Timestamp> {
        let each = |certificate: &Certificate| {
            let expires = certificate.expires;
            let domains = certificate.domains.clone().into_iter();
            domains.filter_map(move |domain| Some((domain, expires?))).collect::<Vec<_>>()
        };
        self.parts.compute.certificates.values().flat_map(each).collect()
    }
}

/// Who sees to a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Whoever uploaded it; this is its text, in PEM. Its key is kept nowhere.
    SelfManaged(String),
    /// Google.
    Managed(Managed),
}

/// What Google does about a managed certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Managed {
    /// The state of the whole, as the scenario or the latest attempt left it.
    pub status: Status,
    /// The state of each domain.
    pub domain_status: BTreeMap<String, DomainStatus>,
    /// When the attempt that is running ends.
    pub decided: Option<Timestamp>,
}

/// The states of a managed certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Google is getting it.
    Provisioning,
    /// It is there.
    Active,
    /// It was not got; Google goes on trying.
    ProvisioningFailed,
    /// It was not got and will not be.
    ProvisioningFailedPermanently,
    /// It is there, and cannot be renewed.
    RenewalFailed,
}

/// The states of a domain of a managed certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DomainStatus {
    /// Being looked at.
    Provisioning,
    /// Proven.
    Active,
    /// Its address is not the load balancer's.
    FailedNotVisible,
    /// Its CAA record could not be read.
    FailedCaaChecking,
    /// Its CAA record forbids it.
    FailedCaaForbidden,
    /// Too many were asked for.
    FailedRateLimited,
}

impl Certificate {
    /// When Google will have decided about it, if it is about to.
    pub(super) fn decided(&self) -> Option<Timestamp> {
        match &self.kind {
            Kind::Managed(managed) => managed.decided,
            Kind::SelfManaged(_) => None,
        }
    }

    /// Whether it is for this host. A wildcard stands for one label (RFC 6125, section 6.4.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.domains.iter().any(|domain| {
            let domain = domain.to_ascii_lowercase();
            domain == host || domain.strip_prefix("*.").is_some_and(|suffix| Some(suffix) == parent)
        })
    }

    /// The certificate as the API shows it.
    pub fn wire(&self, world: &World, name: &str) -> Value {
        let mut wire = json!({
            "kind": "compute#sslCertificate",
            "id": world.compute_id(&format!("sslCertificates/{name}")),
            "creationTimestamp": self.created.to_string(),
            "name": name,
            "selfLink": world.compute_link("sslCertificates", name),
        });
        // Recorded: one without such names does not show the field.
        if !self.domains.is_empty() {
            wire["subjectAlternativeNames"] = json!(self.domains);
        }
        if !self.description.is_empty() {
            wire["description"] = json!(self.description);
        }
        if let Some(expires) = self.expires {
            wire["expireTime"] = json!(expires.to_string());
        }
        match &self.kind {
            Kind::SelfManaged(text) => {
                wire["type"] = json!("SELF_MANAGED");
                wire["certificate"] = json!(text);
                wire["selfManaged"] = json!({ "certificate": text });
            }
            Kind::Managed(managed) => {
                wire["type"] = json!("MANAGED");
                wire["managed"] = json!({
                    "domains": self.domains,
                    "status": managed.status,
                    "domainStatus": managed.domain_status,
                });
            }
        }
        wire
    }

    /// A managed certificate of these domains that Google begins to get.
    pub fn managed(created: Timestamp, domains: Vec<String>, takes: SignedDuration) -> Self {
        let domain_status = domains.iter().map(|domain| (domain.clone(), DomainStatus::Provisioning)).collect();
        let managed = Managed { status: Status::Provisioning, domain_status, decided: Some(later(created, takes)) };
        Self { created, description: String::new(), domains, expires: None, kind: Kind::Managed(managed) }
    }
}

/// The names that a certificate is for, and until when it is valid.
fn read_uploaded(text: &str) -> Option<(Vec<String>, Timestamp)> {
    use x509_parser::extensions::GeneralName;
    let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|names| &names.value.general_names);
    let domains = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    let expires = Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
    Some((domains.collect(), expires))
}

/// Refuses the domains of a managed certificate that Google would refuse.
pub fn check_domains(domains: &[String]) -> Result<(), Refusal> {
    let field = |at: usize| format!("resource.managed.domains[{at}]");
    if let Some((at, domain)) = domains.iter().enumerate().find(|(_, domain)| domain.starts_with("*.")) {
        let message = format!("Invalid value for field '{}': '{domain}'. Wildcard domains not supported.", field(at));
        return Err(Refusal::invalid(field(at), message));
    }
    let invalid = |domain: &String| domain.is_empty() || !domain.contains('.') || domain.contains('*');
    if let Some((at, domain)) = domains.iter().enumerate().find(|(_, domain)| invalid(domain)) {
        // The words behind the value are ours.
        let message = format!("Invalid value for field '{}': '{domain}'. Invalid domain name specified.", field(at));
        return Err(Refusal::invalid(field(at), message));
    }
    if !(1..=100).contains(&domains.len()) {
        let message = "Invalid value for field 'resource.managed.domains'. There must be 1 to 100 domains.";
        return Err(Refusal::invalid("resource.managed.domains", message));
    }
    Ok(())
}

impl World {
    /// `POST …/sslCertificates`: what the new certificate is, or why there can be none.
    pub(super) fn new_certificate(&self, body: &Map<String, Value>) -> Result<(String, Certificate), Refusal> {
        let known = ["name", "description", "type", "managed", "kind", "certificate", "privateKey", "selfManaged"];
        if let Some(unknown) = body.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(world::unknown_field(unknown, "resource"));
        }
        let name =
            self.new_compute_name(body, "sslCertificates", |name| self.parts.compute.certificates.contains_key(name))?;
        let own = world::object(body, "selfManaged")?.unwrap_or(body);
        let description = world::text(body, "description")?.unwrap_or_default().to_owned();
        if let Some(text) = world::text(own, "certificate")? {
            if world::text(own, "privateKey")?.is_none() {
                let message = "Required field 'resource.privateKey' not specified";
                return Err(Refusal::invalid("resource.privateKey", message).because("required"));
            }
            let (domains, expires) = read_uploaded(text).ok_or_else(|| {
                // The words behind the field are ours.
                let message = "Invalid value for field 'resource.certificate'. It is not a certificate in PEM.";
                Refusal::invalid("resource.certificate", message)
            })?;
            let certificate = Certificate {
                created: self.now,
                description,
                domains,
                expires: Some(expires),
                kind: Kind::SelfManaged(text.to_owned()),
            };
            return Ok((name, certificate));
        }
        if world::text(body, "type")? != Some("MANAGED") {
            // The words behind the field are ours.
            let message =
                "Invalid value for field 'resource.type'. It must be MANAGED, or a certificate must be given.";
            return Err(Refusal::invalid("resource.type", message));
        }
        let managed = world::object(body, "managed")?;
        let domains = managed.and_then(|managed| managed.get("domains")).and_then(Value::as_array);
        let domains = domains.into_iter().flatten().map(|domain| domain.as_str().unwrap_or_default().to_owned());
        let domains: Vec<String> = domains.collect();
        check_domains(&domains)?;
        let mut certificate = Certificate::managed(self.now, domains, self.parts.compute.figures.certificate_takes);
        certificate.description = description;
        Ok((name, certificate))
    }

    /// Decides about the certificates whose time has come: a domain that leads to a service is proven.
    pub(super) fn decide_certificates(&mut self) {
        let (now, hosts) = (self.now, self.hosts());
        for certificate in self.parts.compute.certificates.values_mut() {
            let Kind::Managed(managed) = &mut certificate.kind else { continue };
            if managed.decided.is_none_or(|decided| decided > now) {
                continue;
            }
            managed.decided = None;
            for (domain, status) in &mut managed.domain_status {
                let visible = hosts.iter().any(|host| host.eq_ignore_ascii_case(domain));
                *status = if visible { DomainStatus::Active } else { DomainStatus::FailedNotVisible };
            }
            if managed.domain_status.values().all(|status| *status == DomainStatus::Active) {
                managed.status = Status::Active;
                certificate.expires = Some(later(now, VALID));
            } else {
                managed.status = Status::ProvisioningFailed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let domains = vec!["*.netrasystems.ai".to_owned(), "Shop.example".to_owned()];
        let certificate = Certificate::managed(Timestamp::UNIX_EPOCH, domains, SignedDuration::ZERO);
        for (host, covered) in [
            ("app.netrasystems.ai", true),
            ("APP.netrasystems.AI", true),
            ("api.staging.netrasystems.ai", false),
            ("netrasystems.ai", false),
            ("shop.example", true),
            ("www.shop.example", false),
        ] {
            assert_eq!(certificate.covers(host), covered, "{host}");
        }
    }
}
