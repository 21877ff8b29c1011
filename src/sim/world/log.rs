//! What Cloud Logging has of the world: each request, what the system says of containers that fail, what those say
//! themselves, and who changed what.
//!
//! The shape is that of `google/logging/v2/log_entry.proto`, the texts of a 503 are those of Cloud Run's troubleshooting
//! page; what a crashing container writes is ours.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::World;
use super::history::State;
use super::operation::{Audited, Operation, TakesEffect as _};
use super::uuid_like;
use super::visit::{Visit, Visitor};
use crate::sim::clock::later;

impl World {
    /// The entries with timestamps from `from` on and before `to` that have been ingested, the oldest first. Whoever wants
    /// only requests that were answered with this status need not wait for all the others to be written out.
    pub fn log(&self, from: Timestamp, to: Timestamp, status: Option<u16>) -> Vec<Value> {
        let delay = self.behaviour.log_delay.unwrap_or(SignedDuration::from_secs(7));
        let to_be_read = later(self.now, -delay);
        let to = to.min(to_be_read);
        let mut entries: Vec<(Timestamp, Value)> = Vec::new();
        // A request is written down when it has ended, with the time at which it came.
        let wanted = |visit: &Visit| visit.ended() <= to_be_read && status.is_none_or(|status| status == visit.status);
        for visit in self.visits(from, to).into_iter().filter(wanted) {
            entries.push((visit.at, self.request_entry(&visit)));
            if status.is_some() {
                continue;
            }
            entries.extend(self.last_words(&visit).into_iter().map(|entry| (visit.at, entry)));
        }
        let operations = self.operations.all().filter(|_| status.is_none());
        let operations = operations.filter(|operation| operation.created >= from && operation.created < to);
        let audited = operations.filter_map(|operation| Some((operation, operation.effect.audited()?)));
        entries.extend(audited.map(|(operation, audited)| (operation.created, self.audit_entry(operation, audited))));
        entries.sort_by_key(|(at, _)| *at);
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    fn log_name(&self, log: &str) -> String {
        format!("projects/{}/logs/{}", self.project, log.replace('/', "%2F"))
    }

    fn revision_resource(&self, visit: &Visit) -> Value {
        json!({ "type": "cloud_run_revision", "labels": {
            "project_id": self.project,
            "location": self.region,
            "service_name": visit.service,
            "configuration_name": visit.service,
            "revision_name": visit.revision,
        } })
    }

    fn entry(&self, at: Timestamp, log: &str, severity: &str, resource: &Value, key: &str) -> Value {
        let delay = self.behaviour.log_delay.unwrap_or(SignedDuration::from_secs(7));
        json!({
            "insertId": uuid_like(key).replace('-', ""),
            "logName": self.log_name(log),
            "timestamp": at.to_string(),
            "receiveTimestamp": later(at, delay).to_string(),
            "severity": severity,
            "resource": resource,
        })
    }

    fn request_entry(&self, visit: &Visit) -> Value {
        let severity = match visit.status {
            500.. => "ERROR",
            400.. => "WARNING",
            _ => "INFO",
        };
        let key = format!("{}/{}/request", visit.service, visit.visitor.key());
        let resource = self.revision_resource(visit);
        let mut entry = self.entry(visit.at, "run.googleapis.com/requests", severity, &resource, &key);
        // Every request that is written down has one, whoever began it.
        let trace = entry["insertId"].as_str().unwrap_or_default();
        entry["trace"] = json!(format!("projects/{}/traces/{trace}", self.project));
        let (method, url) = match &visit.visitor {
            Visitor::Somebody(asked) => (asked.method.as_str(), format!("https://{}{}", asked.host, asked.path)),
            Visitor::Anyone(_) => {
                let host = self
                    .parts
                    .cloud_run
                    .services
                    .get(&visit.service)
                    .and_then(|service| service.figures.hosts.first())
                    .cloned();
                let host = host.unwrap_or_else(|| format!("{}.run.app", visit.service));
                ("GET", format!("https://{host}/"))
            }
        };
        entry["httpRequest"] = json!({
            "requestMethod": method,
            "requestUrl": url,
            "status": visit.status,
            "latency": format!("{}s", visit.latency.as_secs_f64()),
            "protocol": "HTTP/1.1",
        });
        let text = match visit.state {
            _ if visit.status == 504 => {
                Some("The request has been terminated because it has reached the maximum request timeout.")
            }
            // What a service answers itself, Cloud Run has nothing to say of.
            State::Well | State::Failing => None,
            State::Crashing => Some(
                "The request failed because either the HTTP response was malformed or connection to the instance had an error.",
            ),
            State::Starved | State::TurnedAway => {
                Some("The request failed because the instance failed the readiness check.")
            }
            State::Starting => Some("The request was aborted because there was no available instance."),
        };
        if let Some(text) = text {
            entry["textPayload"] = json!(text);
        }
        entry
    }

    /// What a container that exits writes before it does, and what the system says of it.
    fn last_words(&self, visit: &Visit) -> Vec<Value> {
        let words = match visit.state {
            State::Crashing => "ModuleNotFoundError: a module of the application is not in its image",
            State::TurnedAway => {
                let database = self
                    .parts
                    .cloud_run
                    .services
                    .get(&visit.service)
                    .and_then(|service| service.figures.database.as_ref());
                let database = database.and_then(|name| self.parts.cloud_sql.instances.get(name));
                database.map_or("FATAL: no database", |database| database.no_slot_free())
            }
            // Who waits for a connection in vain, and has a limit to that, exits; who has none just hangs.
            State::Starved if self.gives_up(&visit.service) => {
                "FATAL: no connection to the database within the time-out"
            }
            State::Well | State::Starved | State::Starting | State::Failing => return Vec::new(),
        };
        let of = |log: &str, severity: &str, text: &str, what: &str| {
            let key = format!("{}/{}/{what}", visit.service, visit.visitor.key());
            let mut entry = self.entry(visit.at, log, severity, &self.revision_resource(visit), &key);
            entry["textPayload"] = json!(text);
            entry
        };
        vec![
            of("run.googleapis.com/stderr", "ERROR", words, "stderr"),
            of("run.googleapis.com/varlog/system", "WARNING", "Container called exit(3).", "exit"),
        ]
    }

    fn gives_up(&self, service: &str) -> bool {
        self.parts.cloud_run.services.get(service).is_some_and(|service| service.figures.connect_timeout.is_some())
    }

    fn audit_entry(&self, operation: &Operation, audited: Audited) -> Value {
        let Audited { resource: kind, service } = audited;
        let resource = json!({ "type": kind, "labels": { "project_id": self.project, "location": self.region } });
        let mut entry =
            self.entry(operation.created, "cloudaudit.googleapis.com/activity", "NOTICE", &resource, &operation.id);
        entry["protoPayload"] = json!({
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": service,
            "resourceName": operation.target,
            "authenticationInfo": { "principalEmail": operation.user },
        });
        entry["operation"] = json!({ "id": operation.id, "first": true });
        entry
    }
}
