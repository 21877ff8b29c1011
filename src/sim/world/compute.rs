//! Compute Engine, as much of it as an incident on Cloud Run touches: the global load balancer's backend services and
//! certificates, and the operations that change them.
//!
//! A change is there as soon as it is accepted; its operation ends when it has reached Google's front ends, which takes
//! as long as the scenario says. That the two are apart in this way is ours.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::World;
use super::backend_service::{BackendService, KeyChange};
use super::certificate::Certificate;
use super::job::{Asked, Job, Jobs};
use super::operation::Twist;
use super::refusal::{Code, Refusal};

/// The Compute Engine of a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compute {
    /// Backend services by name.
    pub backend_services: BTreeMap<String, BackendService>,
    /// Certificates by name.
    pub certificates: BTreeMap<String, Certificate>,
    /// Their operations.
    pub jobs: Jobs<Effect>,
    /// What is the scenario's about it.
    pub figures: Figures,
}

/// What the scenario says of the load balancer (`[load_balancing]`); none of it is known of Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Figures {
    /// How long it takes until a change is everywhere.
    pub update_takes: SignedDuration,
    /// How long it takes until Google has, or has not, got a managed certificate.
    pub certificate_takes: SignedDuration,
}

impl Default for Figures {
    fn default() -> Self {
        Self { update_takes: SignedDuration::from_secs(20), certificate_takes: SignedDuration::from_mins(30) }
    }
}

impl Figures {
    /// What is wrong with them, if something is.
    pub fn complaint(&self) -> Option<&'static str> {
        (self.update_takes.is_negative() || self.certificate_takes.is_negative())
            .then_some("a duration cannot be negative")
    }
}

/// What an operation tells of itself; the change itself is there already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// `patch`, `insert` or `delete`.
    pub verb: String,
    /// `backendServices` or `sslCertificates`.
    pub collection: String,
    /// The resource's name.
    pub name: String,
}

impl World {
    /// `PATCH …/global/backendServices/B`.
    pub fn patch_backend_service(
        &mut self,
        name: &str,
        body: &Map<String, Value>,
        user: &str,
    ) -> Result<Job<Effect>, Refusal> {
        let changed = self.changed_backend_service(name, body)?;
        Ok(self.compute_job(user, "patch", "backendServices", name, |compute| {
            compute.backend_services.insert(name.to_owned(), changed);
        }))
    }

    /// `POST …/global/backendServices`.
    pub fn insert_backend_service(&mut self, body: &Map<String, Value>, user: &str) -> Result<Job<Effect>, Refusal> {
        let (name, made) = self.new_backend_service(body)?;
        Ok(self.compute_job(user, "insert", "backendServices", &name, |compute| {
            compute.backend_services.insert(name.clone(), made);
        }))
    }

    /// `DELETE …/global/backendServices/B`. One that something refers to stays (recorded, with these words and this reason).
    pub fn delete_backend_service(&mut self, name: &str, user: &str) -> Result<Job<Effect>, Refusal> {
        if let Some(by) = self.backend_service(name)?.used_by.first() {
            let (project, by) = (&self.project, by.trim_start_matches('/'));
            let message = format!(
                "The backend_service resource 'projects/{project}/global/backendServices/{name}' is already being used by 'projects/{project}/global/{by}'"
            );
            let refusal = Refusal::new(Code::InvalidArgument, message);
            return Err(refusal.because("resourceInUseByAnotherResource"));
        }
        Ok(self.compute_job(user, "delete", "backendServices", name, |compute| {
            compute.backend_services.remove(name);
        }))
    }

    /// `POST …/addSignedUrlKey` and `…/deleteSignedUrlKey`.
    pub fn change_signed_url_keys(
        &mut self,
        name: &str,
        change: KeyChange<'_>,
        user: &str,
    ) -> Result<Job<Effect>, Refusal> {
        let changed = self.backend_service(name)?.with_keys_changed(change);
        Ok(self.compute_job(user, change.operation(), "backendServices", name, |compute| {
            compute.backend_services.insert(name.to_owned(), changed);
        }))
    }

    /// `POST …/global/sslCertificates`.
    pub fn insert_certificate(&mut self, body: &Map<String, Value>, user: &str) -> Result<Job<Effect>, Refusal> {
        let (name, certificate) = self.new_certificate(body)?;
        Ok(self.compute_job(user, "insert", "sslCertificates", &name, |compute| {
            compute.certificates.insert(name.clone(), certificate);
        }))
    }

    /// `DELETE …/global/sslCertificates/C`.
    pub fn delete_certificate(&mut self, name: &str, user: &str) -> Result<Job<Effect>, Refusal> {
        self.certificate(name)?;
        Ok(self.compute_job(user, "delete", "sslCertificates", name, |compute| {
            compute.certificates.remove(name);
        }))
    }

    /// The certificate of this name.
    pub fn certificate(&self, name: &str) -> Result<&Certificate, Refusal> {
        self.compute.certificates.get(name).ok_or_else(|| self.no_such_resource("sslCertificates", name))
    }

    /// Makes a change, unless a fault has it fail, and begins its operation.
    fn compute_job(
        &mut self,
        user: &str,
        verb: &str,
        collection: &str,
        name: &str,
        change: impl FnOnce(&mut Compute),
    ) -> Job<Effect> {
        if !matches!(self.twist, Some(Twist::Fails(_))) {
            change(&mut self.compute);
        }
        let asked = Asked { user, now: self.now, twist: self.twist.as_ref() };
        let effect = Effect { verb: verb.to_owned(), collection: collection.to_owned(), name: name.to_owned() };
        let takes = self.compute.figures.update_takes;
        self.compute.jobs.begin("compute", asked, takes, effect).clone()
    }

    /// An operation as the API shows it (`compute#operation`).
    pub fn compute_operation(&self, job: &Job<Effect>) -> Value {
        let Effect { verb, collection, name } = &job.effect;
        let done = job.ended.is_some();
        let mut wire = json!({
            "kind": "compute#operation",
            "id": self.compute_id(&job.id),
            "name": job.id,
            "operationType": verb,
            "targetLink": self.compute_link(collection, name),
            "targetId": self.compute_id(&format!("{collection}/{name}")),
            // Never PENDING: 199 of 208 recorded first answers are RUNNING already.
            "status": job.status(self.now, "RUNNING"),
            "user": job.user,
            "progress": if done { 100 } else { 0 },
            "insertTime": job.created.to_string(),
            "startTime": job.created.to_string(),
            "selfLink": self.compute_link("operations", &job.id),
        });
        if let Some(ended) = job.ended {
            wire["endTime"] = json!(ended.to_string());
        }
        if let Some(error) = &job.error {
            wire["httpErrorStatusCode"] = json!(error.code.http());
            wire["httpErrorMessage"] = json!(error.code.name());
            wire["error"] = json!({ "errors": [{ "code": error.code.name(), "message": error.message }] });
        }
        wire
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
        let hex = super::digest(&format!("{}/{text}", self.project), 14);
        u64::from_str_radix(&hex, 16).unwrap_or_default().to_string()
    }

    /// The words of Compute for what is not there.
    pub fn no_such_resource(&self, collection: &str, name: &str) -> Refusal {
        let message = format!("The resource 'projects/{}/global/{collection}/{name}' was not found", self.project);
        Refusal::new(Code::NotFound, message)
    }

    /// When the next operation ends, or Google has decided about the next certificate.
    pub(super) fn compute_next(&self) -> Option<Timestamp> {
        self.compute.jobs.next_due().into_iter().chain(self.certificates_next()).min()
    }

    /// Does what is due now.
    pub(super) fn compute_step(&mut self) {
        while self.compute.jobs.next_due().is_some_and(|due| due <= self.now) {
            self.compute.jobs.end_next(self.now);
        }
        self.certificates_step();
    }
}
