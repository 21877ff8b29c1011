//! How a request changes backend services and certificates, and what Compute calls things.
//!
//! A change is there as soon as it is accepted; its operation ends when it has reached Google's front ends, which takes
//! as long as the scenario says. That the two are apart in this way is ours.

use serde_json::{Map, Value};

use super::backend_service::KeyChange;
use super::certificate::Certificate;
use super::{Compute, Effect};
use crate::sim::world::operation::{Asked, Operation};
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{World, digest};

impl World {
    /// `PATCH …/global/backendServices/B`.
    pub fn patch_backend_service(
        &mut self,
        name: &str,
        body: &Map<String, Value>,
        user: &str,
    ) -> Result<Operation, Refusal> {
        let changed = self.changed_backend_service(name, body)?;
        Ok(self.change_compute(user, "patch", "backendServices", name, |compute| {
            compute.backend_services.insert(name.to_owned(), changed);
        }))
    }

    /// `POST …/global/backendServices`.
    pub fn insert_backend_service(&mut self, body: &Map<String, Value>, user: &str) -> Result<Operation, Refusal> {
        let (name, made) = self.new_backend_service(body)?;
        Ok(self.change_compute(user, "insert", "backendServices", &name, |compute| {
            compute.backend_services.insert(name.clone(), made);
        }))
    }

    /// `DELETE …/global/backendServices/B`. One that something refers to stays (recorded, with these words and this reason).
    pub fn delete_backend_service(&mut self, name: &str, user: &str) -> Result<Operation, Refusal> {
        if let Some(by) = self.backend_service(name)?.used_by.first() {
            let (project, by) = (&self.project, by.trim_start_matches('/'));
            let message = format!(
                "The backend_service resource 'projects/{project}/global/backendServices/{name}' is already being used by 'projects/{project}/global/{by}'"
            );
            let refusal = Refusal::new(Code::InvalidArgument, message);
            return Err(refusal.because("resourceInUseByAnotherResource"));
        }
        Ok(self.change_compute(user, "delete", "backendServices", name, |compute| {
            compute.backend_services.remove(name);
        }))
    }

    /// `POST …/addSignedUrlKey` and `…/deleteSignedUrlKey`.
    pub fn change_signed_url_keys(
        &mut self,
        name: &str,
        change: KeyChange<'_>,
        user: &str,
    ) -> Result<Operation, Refusal> {
        let changed = self.backend_service(name)?.with_keys_changed(change);
        Ok(self.change_compute(user, change.operation(), "backendServices", name, |compute| {
            compute.backend_services.insert(name.to_owned(), changed);
        }))
    }

    /// `POST …/global/sslCertificates`.
    pub fn insert_certificate(&mut self, body: &Map<String, Value>, user: &str) -> Result<Operation, Refusal> {
        let (name, certificate) = self.new_certificate(body)?;
        Ok(self.change_compute(user, "insert", "sslCertificates", &name, |compute| {
            compute.certificates.insert(name.clone(), certificate);
        }))
    }

    /// `DELETE …/global/sslCertificates/C`.
    pub fn delete_certificate(&mut self, name: &str, user: &str) -> Result<Operation, Refusal> {
        self.certificate(name)?;
        Ok(self.change_compute(user, "delete", "sslCertificates", name, |compute| {
            compute.certificates.remove(name);
        }))
    }

    /// The certificate of this name.
    pub fn certificate(&self, name: &str) -> Result<&Certificate, Refusal> {
        self.parts.compute.certificates.get(name).ok_or_else(|| self.no_such_resource("sslCertificates", name))
    }

    /// Makes a change, unless a fault has it fail, and begins its operation.
    fn change_compute(
        &mut self,
        user: &str,
        verb: &str,
        collection: &str,
        name: &str,
        change: impl FnOnce(&mut Compute),
    ) -> Operation {
        if !self.will_fail() {
            change(&mut self.parts.compute);
        }
        let effect = Effect { verb: verb.to_owned(), collection: collection.to_owned(), name: name.to_owned() };
        let (target, takes) = (self.compute_link(collection, name), self.parts.compute.figures.update_takes);
        self.begin::<Compute>(effect, Asked { target, user, takes, shown: None })
    }

    /// The URL of a global resource.
    pub(super) fn compute_link(&self, collection: &str, name: &str) -> String {
        format!("https://www.googleapis.com/compute/v1/projects/{}/global/{collection}/{name}", self.project)
    }

    /// The URL of a global resource, by its collection and its name.
    pub(super) fn compute_link_to(&self, path: &str) -> String {
        format!("https://www.googleapis.com/compute/v1/projects/{}/global/{path}", self.project)
    }

    /// A number of up to 18 digits, as Compute gives to everything: always the same for the same text.
    pub(super) fn compute_id(&self, text: &str) -> String {
        let hex = digest(&format!("{}/{text}", self.project), 14);
        u64::from_str_radix(&hex, 16).unwrap_or_default().to_string()
    }

    /// The words of Compute for what is not there.
    pub fn no_such_resource(&self, collection: &str, name: &str) -> Refusal {
        let message = format!("The resource 'projects/{}/global/{collection}/{name}' was not found", self.project);
        Refusal::new(Code::NotFound, message)
    }
}
