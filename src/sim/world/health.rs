//! Cause and effect: why a service answers, or does not.
//!
//! It is a small model, and this is all of it:
//!
//! 1. A revision with any share of the traffic runs its service's `instances`, and each of them holds
//!    `connections_per_instance` connections through the connector that the revision's template names.
//! 2. A connector carries `connections_per_instance[machine_type] × max_instances` connections. The more are wanted of
//!    it, the longer it takes to set one up, along the scenario's curve (`[[connection_set_up]]`); without a curve, what
//!    is over the capacity comes to nothing. An instance that waits for longer than its service's `connect_timeout` exits
//!    and is started again: its revision is *starved*, and a request waits for `starved_latency` and gets 503. Until
//!    then it is merely slow.
//! 3. Those connections lead to the service's database, if it names one. It takes `max_connections`, less those that
//!    others hold and those that are reserved. If more are wanted, or if it is down, every service behind it is *turned
//!    away*: its instances start, are refused a connection, and exit; a request gets 503 after `starved_latency`.
//! 4. A revision whose image is listed as crashing answers 503 after `crash_latency`, whatever its connector does.
//! 5. When the cause of an illness has gone, the instances need `start_up` to come up again; meanwhile there is none, and
//!    a request gets 500.
//!    Whatever takes longer than the revision's request time-out gets 504 then.
//! 6. A service whose scenario says `unhealthy_while` answers 503 itself while that expression over resources holds, or has no
//!    answer, because a resource or a field that it is about is gone. Its instances are up meanwhile: nothing starts again.
//! 7. A service's health page is red while a service that it `needs` is not healthy; its other pages are not.
//! 8. A new revision opens a connection through its connector when it starts. So it fails to start if, at the end of
//!    its deployment, its image crashes, its connector is exhausted or is not there, or its database turns it away.
//!
//! Hence what an incident teaches: waiting heals nothing; a deployment onto an exhausted connector fails; two
//! revisions that share the traffic want twice the connections; and a crashing image looks the same from outside as an
//! exhausted connector, but no growth heals it. All figures are the scenario's: Google publishes none of them, and
//! whether a real connector starves everybody or only some is not known either.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::World;
use crate::sim::apis::cloud_run::service::Service;
use crate::sim::apis::cloud_run::template;
use crate::sim::clock::later;

/// Why a revision does not answer as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Illness {
    /// Its image's container exits at once.
    Crashing {
        /// The image.
        image: String,
    },
    /// It names a connector that does not exist.
    NoConnector {
        /// The connector.
        connector: String,
    },
    /// Its connector carries fewer connections than are wanted of it.
    Starved {
        /// The connector.
        connector: String,
        /// How many are wanted.
        wanted: u64,
        /// How many it carries.
        carried: u64,
    },
    /// Its database takes no more connections, or none at all.
    TurnedAway {
        /// The database.
        database: String,
        /// How many connections are wanted.
        wanted: u64,
        /// How many services may hold.
        allowed: u64,
    },
    /// The cause has gone, the instances are coming up.
    Starting {
        /// When they will be there.
        until: Timestamp,
    },
    /// A service that it needs is not healthy.
    Needs {
        /// The other service.
        service: String,
    },
    /// What its scenario says of it holds.
    While {
        /// The expression.
        expression: String,
        /// Why it has no answer, if it has none.
        why: Option<String>,
    },
    /// Nobody serves it.
    NoRevision,
}

impl Illness {
    /// One sentence for a person.
    pub fn sentence(&self) -> String {
        match self {
            Self::Crashing { image } => format!("the container of image {image} exits at once"),
            Self::NoConnector { connector } => format!("there is no connector {connector}"),
            Self::Starved { connector, wanted, carried } => {
                format!("connector {connector} is exhausted: {wanted} connections wanted, {carried} carried")
            }
            Self::TurnedAway { database, wanted, allowed } => {
                format!("database {database} takes no more connections: {wanted} wanted, {allowed} allowed")
            }
            Self::Starting { until } => format!("instances are starting, until {until}"),
            Self::Needs { service } => format!("it needs {service}, which is not healthy"),
            Self::While { expression, why: None } => format!("{expression} holds"),
            Self::While { expression, why: Some(why) } => format!("{expression} has no answer: {why}"),
            Self::NoRevision => "no revision has traffic".to_owned(),
        }
    }
}

/// When a request has its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How long it takes.
    pub after: SignedDuration,
    /// Whether that is because the request time-out ends it.
    pub cut: bool,
}

/// How many connections the instances of a service's revisions with traffic hold, of those revisions that count.
fn held(service: &Service, counts: impl Fn(&str) -> bool) -> u64 {
    let serving = service.serving();
    let instances = serving.keys().filter(|name| counts(name)).map(|name| service.instances_of(name));
    instances.fold(0, u64::saturating_add).saturating_mul(service.figures.connections_per_instance)
}

impl World {
    /// How many connections are wanted of a connector.
    pub fn wanted(&self, connector: &str) -> u64 {
        let of_service =
            |service: &Service| held(service, |revision| service.connector_of(revision) == Some(connector));
        self.parts.cloud_run.services.values().map(of_service).fold(0, u64::saturating_add)
    }

    /// How many connections the services want of a database.
    pub fn wanted_of_database(&self, database: &str) -> u64 {
        let behind = self
            .parts
            .cloud_run
            .services
            .values()
            .filter(|service| service.figures.database.as_deref() == Some(database));
        behind.map(|service| held(service, |_| true)).fold(0, u64::saturating_add)
    }

    /// How many connections a connector carries.
    pub fn carried(&self, connector: &str) -> u64 {
        let Some(found) = self.parts.vpc_access.connectors.get(connector) else {
            return 0;
        };
        let each = self.parts.vpc_access.connections_per_instance.get(&found.machine_type).copied().unwrap_or(0);
        each.saturating_mul(u64::try_from(found.max_instances).unwrap_or(0))
    }

    /// What keeps a revision from answering at all; not whether it is still starting, nor what it needs.
    pub fn root_cause(&self, service: &str, revision: &str) -> Option<Illness> {
        let Some(found) =
            self.parts.cloud_run.services.get(service).and_then(|service| service.revisions.get(revision))
        else {
            return Some(Illness::NoRevision);
        };
        let crashing = template::images(&found.template).zip(found.digests.iter()).find(|(image, digest)| {
            self.parts.cloud_run.images.crashing.contains(*image)
                || self.parts.cloud_run.images.crashing.contains(*digest)
        });
        if let Some((image, _)) = crashing {
            return Some(Illness::Crashing { image: image.to_owned() });
        }
        self.cut_off(service, template::connector(&found.template)).or_else(|| self.turned_away(service))
    }

    /// How long it takes to set a connection up through a connector.
    pub fn set_up_takes(&self, connector: &str) -> SignedDuration {
        let (wanted, carried) = (self.wanted(connector), self.carried(connector));
        #[expect(clippy::cast_precision_loss, reason = "connections are thousands at most")]
        let load = if wanted == 0 { 0.0 } else { wanted as f64 / carried as f64 };
        let (Some(first), Some(last)) =
            (self.parts.vpc_access.connection_set_up.first(), self.parts.vpc_access.connection_set_up.last())
        else {
            return if wanted > carried { SignedDuration::MAX } else { SignedDuration::ZERO };
        };
        let pairs =
            self.parts.vpc_access.connection_set_up.iter().zip(self.parts.vpc_access.connection_set_up.iter().skip(1));
        let between = pairs.into_iter().find(|(low, high)| low.load <= load && load < high.load);
        match between {
            _ if load < first.load => SignedDuration::ZERO,
            None => last.takes,
            Some((low, high)) => {
                let part = (load - low.load) / (high.load - low.load);
                let more = (high.takes - low.takes).as_secs_f64() * part;
                let more = SignedDuration::try_from_secs_f64(more).unwrap_or(SignedDuration::MAX);
                low.takes.checked_add(more).unwrap_or(SignedDuration::MAX)
            }
        }
    }

    /// What a connector keeps from whoever uses it.
    fn cut_off(&self, service: &str, connector: Option<&str>) -> Option<Illness> {
        let connector = connector?;
        if !self.parts.vpc_access.connectors.contains_key(connector) {
            return Some(Illness::NoConnector { connector: connector.to_owned() });
        }
        let (wanted, carried) = (self.wanted(connector), self.carried(connector));
        let starved =
            match self.parts.cloud_run.services.get(service).and_then(|service| service.figures.connect_timeout) {
                Some(patience) => self.set_up_takes(connector) > patience,
                // Without patience nobody waits for a connection that is slow but there.
                None => wanted > carried,
            };
        starved.then(|| Illness::Starved { connector: connector.to_owned(), wanted, carried })
    }

    /// What a service's database keeps from it.
    fn turned_away(&self, service: &str) -> Option<Illness> {
        let database = self.parts.cloud_run.services.get(service)?.figures.database.as_ref()?;
        let found = self.parts.cloud_sql.instances.get(database)?;
        let wanted = self.wanted_of_database(database);
        let allowed = if found.accepts_connections() { found.connections_for_services() } else { 0 };
        (wanted > allowed).then(|| Illness::TurnedAway { database: database.clone(), wanted, allowed })
    }

    /// What keeps a revision from answering right now: the root cause, or that it is still starting after one.
    pub fn illness(&self, service: &str, revision: &str) -> Option<Illness> {
        if let Some(cause) = self.root_cause(service, revision) {
            return Some(cause);
        }
        let found = self.parts.cloud_run.services.get(service)?;
        let until = found.revisions.get(revision)?.recovered.map(|recovered| later(recovered, found.figures.start_up));
        match until.filter(|until| self.now < *until) {
            Some(until) => Some(Illness::Starting { until }),
            None => self.unhealthy_by_itself(service),
        }
    }

    /// What the scenario says of a service, if it holds.
    pub(super) fn unhealthy_by_itself(&self, service: &str) -> Option<Illness> {
        let expression = self.parts.cloud_run.services.get(service)?.figures.unhealthy_while.as_ref()?;
        let why = match expression.holds(self) {
            Ok(false) => return None,
            Ok(true) => None,
            Err(why) => Some(why),
        };
        Some(Illness::While { expression: expression.text().to_owned(), why })
    }

    /// Why a service's health page is red for whoever is sent to `revision`; `None` if it is green.
    pub fn page_illness(&self, service: &str, revision: &str) -> Option<Illness> {
        self.illness(service, revision).or_else(|| self.unmet_need(service, &mut vec![service.to_owned()]))
    }

    /// Why a service is not healthy for everybody; `None` if it is.
    pub fn service_illness(&self, service: &str) -> Option<Illness> {
        self.service_illness_seen(service, &mut Vec::new())
    }

    /// `seen` keeps a circle of needs (which a scenario may not have, but a saved world might) from going on for ever.
    fn service_illness_seen(&self, service: &str, seen: &mut Vec<String>) -> Option<Illness> {
        let Some(found) = self.parts.cloud_run.services.get(service) else {
            return Some(Illness::NoRevision);
        };
        let serving = found.serving();
        if serving.is_empty() {
            return Some(Illness::NoRevision);
        }
        if let Some(illness) = serving.keys().find_map(|revision| self.illness(service, revision)) {
            return Some(illness);
        }
        seen.push(service.to_owned());
        self.unmet_need(service, seen)
    }

    fn unmet_need(&self, service: &str, seen: &mut Vec<String>) -> Option<Illness> {
        let needs = &self.parts.cloud_run.services.get(service)?.figures.needs;
        let unmet =
            needs.iter().find(|need| !seen.contains(need) && self.service_illness_seen(need, seen).is_some())?;
        Some(Illness::Needs { service: unmet.clone() })
    }

    /// Notes which revisions fell ill and which lost the cause of their illness; to be called after every change.
    pub(in crate::sim) fn settle(&mut self) {
        let mut causes = Vec::new();
        for (name, service) in &self.parts.cloud_run.services {
            for revision in service.revisions.keys() {
                causes.push((name.clone(), revision.clone(), self.root_cause(name, revision).is_some()));
            }
        }
        let now = self.now;
        for (service, revision, ill) in causes {
            let Some(revision) =
                self.parts.cloud_run.services.get_mut(&service).and_then(|s| s.revisions.get_mut(&revision))
            else {
                continue;
            };
            if revision.ill && !ill {
                revision.recovered = Some(now);
            }
            if ill {
                revision.recovered = None;
            }
            revision.ill = ill;
        }
        self.note();
    }

    /// Which revision the next request to a service goes to: each in turn, by its share.
    ///
    /// Of any hundred requests in a row each revision gets exactly its percent, and they are spread evenly.
    pub fn next_revision(&mut self, service: &str) -> Option<String> {
        let found = self.parts.cloud_run.services.get_mut(service)?;
        let shares = found.serving();
        let total: i64 = shares.values().sum();
        found.turns.retain(|name, _| shares.contains_key(name));
        let mut chosen: Option<(&String, i64)> = None;
        for (name, share) in &shares {
            let weight = found.turns.entry(name.clone()).or_insert(0);
            *weight += share;
            if chosen.is_none_or(|(_, heaviest)| *weight > heaviest) {
                chosen = Some((name, *weight));
            }
        }
        let name = chosen?.0.clone();
        *found.turns.get_mut(&name)? -= total;
        Some(name)
    }

    /// When a request to a revision in this condition has its answer: when there is one, or when the revision's request
    /// time-out has passed.
    pub fn ending(&self, service: &str, revision: &str, illness: Option<&Illness>) -> Ending {
        let after = self.latency(service, revision, illness);
        let timeout = self.request_timeout(service, revision);
        if after > timeout { Ending { after: timeout, cut: true } } else { Ending { after, cut: false } }
    }

    /// How long a request to a revision may take.
    pub fn request_timeout(&self, service: &str, revision: &str) -> SignedDuration {
        let found = self.parts.cloud_run.services.get(service).and_then(|service| service.revisions.get(revision));
        found.map_or(SignedDuration::MAX, |revision| template::request_timeout(&revision.template))
    }

    /// How long a request to a revision takes that ends like this.
    fn latency(&self, service: &str, revision: &str, illness: Option<&Illness>) -> SignedDuration {
        let Some(found) = self.parts.cloud_run.services.get(service) else {
            return SignedDuration::ZERO;
        };
        match illness {
            None | Some(Illness::Needs { .. } | Illness::While { .. }) => {
                let slow = found.connector_of(revision).filter(|_| found.figures.connect_timeout.is_some());
                let slow = slow.map_or(SignedDuration::ZERO, |connector| self.set_up_takes(connector));
                found.figures.latency.checked_add(slow).unwrap_or(SignedDuration::MAX)
            }
            Some(Illness::Starved { .. } | Illness::NoConnector { .. } | Illness::TurnedAway { .. }) => {
                found.figures.starved_latency
            }
            Some(Illness::Crashing { .. } | Illness::Starting { .. } | Illness::NoRevision) => {
                found.figures.crash_latency
            }
        }
    }
}
