//! `[backend_services.NAME]` and `[certificates.NAME]`: what the load balancer has.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::Figures;
use super::backend_service::BackendService;
use super::certificate::{self, Certificate, DomainStatus, Kind, Managed, NO_TEXT, Status};
use crate::sim::scenario::reading::{Complaint, Complaints, DeclaredNames, Named, Reader, complain};
use crate::sim::world::World;

/// The tables of the load balancer.
pub(in crate::sim) struct Tables {
    figures: Option<Spanned<Figures>>,
    backend_services: Named<BackendServiceTable>,
    certificates: Named<CertificateTable>,
}

impl Tables {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            figures: reader.optional("load_balancing"),
            backend_services: reader.named("backend_services"),
            certificates: reader.named("certificates"),
        }
    }

    pub(super) fn build(self, world: &mut World, declared: &DeclaredNames, complaints: &mut Complaints) {
        world.parts.compute.figures = complaints.sensible(self.figures, Figures::complaint);
        certificates(self.certificates, world, complaints);
        backend_services(self.backend_services, world, declared, complaints);
    }
}

/// A table `[backend_services.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendServiceTable {
    /// The Cloud Run service behind it; without one its backends are in `settings`.
    service: Option<Spanned<String>>,
    created: Option<Timestamp>,
    /// What refers to it, such as `urlMaps/shop`.
    #[serde(default)]
    used_by: Vec<String>,
    /// Whatever else it says, in the API's own words.
    #[serde(default)]
    settings: Map<String, Value>,
}

/// A table `[certificates.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateTable {
    domains: Vec<String>,
    #[serde(rename = "type")]
    kind: KindName,
    created: Option<Timestamp>,
    expires: Option<Timestamp>,
    /// Managed ones only; ACTIVE if it is not said.
    status: Option<Status>,
    /// Managed ones only; those that are not named are as the whole is.
    #[serde(default)]
    domain_status: BTreeMap<String, DomainStatus>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Managed,
    SelfManaged,
}

/// Puts the backend services into the world; the services that they name are there already.
fn backend_services(
    tables: Named<BackendServiceTable>,
    world: &mut World,
    declared: &DeclaredNames,
    complaints: &mut Complaints,
) {
    for (name, table) in tables {
        if let Some(built) = complaints.keep(table.build(&name, world, declared)) {
            world.parts.compute.backend_services.insert(name.into_inner(), built);
        }
    }
}

/// Puts the certificates into the world.
fn certificates(tables: Named<CertificateTable>, world: &mut World, complaints: &mut Complaints) {
    for (name, table) in tables {
        if let Some(built) = complaints.keep(table.build(&name, world)) {
            world.parts.compute.certificates.insert(name.into_inner(), built);
        }
    }
}

impl BackendServiceTable {
    fn build(
        self,
        name: &Spanned<String>,
        world: &World,
        declared: &DeclaredNames,
    ) -> Result<BackendService, Complaint> {
        let mut settings = self.settings;
        if let Some(service) = &self.service {
            if !declared.has("services", service.as_ref()) {
                return complain(service.span(), format!("there is no service {:?}", service.as_ref()));
            }
            let group = format!(
                "https://www.googleapis.com/compute/v1/projects/{}/regions/{}/networkEndpointGroups/{}-neg",
                world.project,
                world.region,
                service.as_ref()
            );
            let backend = json!({ "group": group, "balancingMode": "UTILIZATION", "capacityScaler": 1.0 });
            if settings.insert("backends".to_owned(), json!([backend])).is_some() {
                return complain(name.span(), "`service` says what the backends are already");
            }
        }
        for (field, value) in [("protocol", "HTTPS"), ("loadBalancingScheme", "EXTERNAL_MANAGED")] {
            settings.entry(field).or_insert_with(|| json!(value));
        }
        let built = BackendService { created: self.created.unwrap_or(world.now), settings, used_by: self.used_by };
        match built.check() {
            Ok(()) => Ok(built),
            Err(refusal) => complain(name.span(), refusal.message),
        }
    }
}

impl CertificateTable {
    fn build(self, name: &Spanned<String>, world: &World) -> Result<Certificate, Complaint> {
        let created = self.created.unwrap_or(world.now);
        let kind = if self.kind == KindName::Managed {
            if let Err(refusal) = certificate::check_domains(&self.domains) {
                return complain(name.span(), refusal.message);
            }
            Kind::Managed(self.managed(name)?)
        } else {
            if self.status.is_some() || !self.domain_status.is_empty() {
                return complain(name.span(), "only managed certificates have a status");
            }
            Kind::SelfManaged(NO_TEXT.to_owned())
        };
        Ok(Certificate { created, description: String::new(), domains: self.domains, expires: self.expires, kind })
    }

    fn managed(&self, name: &Spanned<String>) -> Result<Managed, Complaint> {
        if let Some(stranger) = self.domain_status.keys().find(|domain| !self.domains.contains(domain)) {
            return complain(name.span(), format!("{stranger:?} is none of its domains"));
        }
        let status = self.status.unwrap_or(Status::Active);
        let as_the_whole = match status {
            Status::Active | Status::RenewalFailed => DomainStatus::Active,
            Status::Provisioning => DomainStatus::Provisioning,
            Status::ProvisioningFailed | Status::ProvisioningFailedPermanently => DomainStatus::FailedNotVisible,
        };
        let of = |domain: &String| self.domain_status.get(domain).copied().unwrap_or(as_the_whole);
        let domain_status = self.domains.iter().map(|domain| (domain.clone(), of(domain))).collect();
        Ok(Managed { status, domain_status, decided: None })
    }
}
