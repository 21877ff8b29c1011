//! Scenario files: a simulated cloud, and how it misbehaves, as TOML that people read.
//!
//! A scenario holds what a real project would have (connectors, services, revisions) and what nobody outside Google
//! knows (how long things take, how much a connector carries), each with a value of the scenario's choosing. Reading
//! one gives the [`World`] at time zero. A scenario that could not exist in life is refused, and the error names file,
//! line and reason.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::fault::Fault;
use super::world::caller::Caller;
use super::world::connector::{self, Connector, State};
use super::world::service::{Condition, ConditionState, Figures, Service};
use super::world::traffic::{self, Target};
use super::world::{Behaviour, Images, World, template, uuid_like};

/// Why a scenario could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("cannot read the scenario {file}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{file}:{line}:{column}: {reason}")]
    Wrong {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The column in characters, counted from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
}

/// Reads a scenario from a file.
pub fn read(path: &Path) -> Result<World, ScenarioError> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&file, &text),
        Err(source) => Err(ScenarioError::Read { file, source }),
    }
}

/// Reads a scenario from its text; `file` is its name in errors.
pub fn parse(file: &str, text: &str) -> Result<World, ScenarioError> {
    let document: Document = toml::from_str(text)
        .map_err(|error| wrong(file, text, error.span().unwrap_or_default(), error.message().to_owned()))?;
    document.build().map_err(|Complaint { at, reason }| wrong(file, text, at, reason))
}

fn wrong(file: &str, text: &str, at: Range<usize>, reason: String) -> ScenarioError {
    let before = text.get(..at.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    ScenarioError::Wrong { file: file.to_owned(), line, column, reason }
}

struct Complaint {
    at: Range<usize>,
    reason: String,
}

fn complain<T>(at: Range<usize>, reason: impl Into<String>) -> Result<T, Complaint> {
    Err(Complaint { at, reason: reason.into() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    cloud: Cloud,
    #[serde(default)]
    behaviour: Behaviour,
    #[serde(default)]
    connections_per_instance: BTreeMap<Spanned<String>, u64>,
    #[serde(default)]
    images: Images,
    #[serde(default)]
    connectors: BTreeMap<Spanned<String>, ConnectorTable>,
    #[serde(default)]
    services: BTreeMap<Spanned<String>, ServiceTable>,
    #[serde(default)]
    callers: BTreeMap<String, Caller>,
    #[serde(default)]
    faults: Vec<Spanned<Fault>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cloud {
    project: String,
    project_number: String,
    region: String,
    start: Timestamp,
    #[serde(default)]
    disabled_apis: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectorTable {
    machine_type: String,
    min_instances: i64,
    max_instances: i64,
    network: String,
    ip_cidr_range: String,
    update_takes: Spanned<SignedDuration>,
    #[serde(default = "ready")]
    state: State,
}

fn ready() -> State {
    State::Ready
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    hosts: Vec<String>,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default = "health")]
    health_path: String,
    #[serde(default)]
    needs: Vec<Spanned<String>>,
    instances: u64,
    connections_per_instance: u64,
    latency: Spanned<SignedDuration>,
    starved_latency: Spanned<SignedDuration>,
    crash_latency: Spanned<SignedDuration>,
    start_up: Spanned<SignedDuration>,
    deploy_takes: Spanned<SignedDuration>,
    traffic_takes: Spanned<SignedDuration>,
    #[serde(default)]
    traffic: Vec<Spanned<TargetTable>>,
    revisions: Spanned<Vec<RevisionTable>>,
}

fn health() -> String {
    "/health".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetTable {
    revision: Option<String>,
    percent: i64,
    tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevisionTable {
    name: Spanned<String>,
    image: String,
    created: Timestamp,
    connector: Option<Spanned<String>>,
    /// Whatever else its template says, in the API's own words.
    #[serde(default)]
    template: Map<String, Value>,
}

impl Document {
    fn build(self) -> Result<World, Complaint> {
        let mut connections_per_instance = BTreeMap::new();
        for (machine_type, connections) in self.connections_per_instance {
            if !connector::MACHINE_TYPES.contains(&machine_type.as_ref().as_str()) {
                let known = connector::MACHINE_TYPES.join(", ");
                return complain(machine_type.span(), format!("there is no such machine type; there are {known}"));
            }
            connections_per_instance.insert(machine_type.into_inner(), connections);
        }
        let mut world = World {
            now: self.cloud.start,
            project: self.cloud.project,
            project_number: self.cloud.project_number,
            region: self.cloud.region,
            behaviour: self.behaviour,
            connections_per_instance,
            images: self.images,
            connectors: BTreeMap::new(),
            services: BTreeMap::new(),
            operations: BTreeMap::new(),
            callers: self.callers,
            disabled_apis: self.cloud.disabled_apis,
            faults: faults(self.faults)?,
            twist: None,
        };
        for (name, table) in self.connectors {
            let connector = table.build(name.span(), &world.connections_per_instance)?;
            world.connectors.insert(name.into_inner(), connector);
        }
        let names: BTreeSet<String> = self.services.keys().map(|name| name.as_ref().clone()).collect();
        let needs = self
            .services
            .iter()
            .map(|(name, table)| (name.as_ref().clone(), table.needs.clone()))
            .collect::<BTreeMap<_, _>>();
        for need in needs.values().flatten() {
            if !names.contains(need.as_ref()) {
                return complain(need.span(), format!("there is no service {:?} to need", need.as_ref()));
            }
        }
        refuse_circles(&needs)?;
        let mut hosts = BTreeSet::new();
        for (name, table) in self.services {
            let at = name.span();
            if let Some(twice) = table.hosts.iter().find(|host| !hosts.insert(host.to_ascii_lowercase())) {
                return complain(at, format!("the host {twice:?} leads to two services"));
            }
            let service = table.build(name.as_ref(), &at, &world)?;
            world.services.insert(name.into_inner(), service);
        }
        world.settle();
        Ok(world)
    }
}

fn faults(faults: Vec<Spanned<Fault>>) -> Result<Vec<Fault>, Complaint> {
    faults
        .into_iter()
        .map(|fault| match fault.as_ref().complaint() {
            Some(reason) => complain(fault.span(), reason),
            None => Ok(fault.into_inner()),
        })
        .collect()
}

/// Services that need each other in a circle could never become healthy.
fn refuse_circles(needs: &BTreeMap<String, Vec<Spanned<String>>>) -> Result<(), Complaint> {
    for start in needs.keys() {
        let mut reached = BTreeSet::new();
        let mut ahead: Vec<&Spanned<String>> = needs.get(start).into_iter().flatten().collect();
        while let Some(need) = ahead.pop() {
            if need.as_ref() == start {
                return complain(
                    need.span(),
                    format!("service {start:?} would need itself, directly or through others"),
                );
            }
            if reached.insert(need.as_ref()) {
                ahead.extend(needs.get(need.as_ref()).into_iter().flatten());
            }
        }
    }
    Ok(())
}

fn positive(duration: Spanned<SignedDuration>) -> Result<SignedDuration, Complaint> {
    if duration.as_ref().is_negative() {
        return complain(duration.span(), "a duration cannot be negative");
    }
    Ok(duration.into_inner())
}

impl ConnectorTable {
    fn build(self, at: Range<usize>, figures: &BTreeMap<String, u64>) -> Result<Connector, Complaint> {
        if let Some(refusal) = connector::out_of_bounds(self.min_instances, self.max_instances, &self.machine_type) {
            return complain(at, refusal.message);
        }
        if !figures.contains_key(&self.machine_type) {
            let reason = format!("[connections_per_instance] says nothing about {}", self.machine_type);
            return complain(at, reason);
        }
        Ok(Connector {
            network: self.network,
            ip_cidr_range: self.ip_cidr_range,
            state: self.state,
            machine_type: self.machine_type,
            min_instances: self.min_instances,
            max_instances: self.max_instances,
            update_takes: positive(self.update_takes)?,
        })
    }
}

impl ServiceTable {
    fn build(self, short: &str, at: &Range<usize>, world: &World) -> Result<Service, Complaint> {
        let figures = Figures {
            hosts: self.hosts,
            paths: self.paths,
            health_path: self.health_path,
            needs: self.needs.into_iter().map(Spanned::into_inner).collect(),
            instances: self.instances,
            connections_per_instance: self.connections_per_instance,
            latency: positive(self.latency)?,
            starved_latency: positive(self.starved_latency)?,
            crash_latency: positive(self.crash_latency)?,
            start_up: positive(self.start_up)?,
            deploy_takes: positive(self.deploy_takes)?,
            traffic_takes: positive(self.traffic_takes)?,
        };
        let succeeded = |since| Condition::new(ConditionState::ConditionSucceeded, since);
        let all = self.revisions.span();
        let mut revisions = BTreeMap::new();
        let mut latest: Option<(Timestamp, String, Map<String, Value>)> = None;
        let mut first = world.now;
        for table in self.revisions.into_inner() {
            let at = table.name.span();
            let name = table.name.as_ref().clone();
            if !name.starts_with(&format!("{short}-")) {
                return complain(at, format!("a revision's name must begin with '{short}-'"));
            }
            if table.created > world.now {
                return complain(at, "a revision cannot be younger than the cloud's start");
            }
            let created = table.created;
            let template = table.template(world)?;
            let mut revision = world.make_revision(short, &name, &template);
            revision.created = created;
            revision.ready = succeeded(created);
            if revisions.insert(name.clone(), revision).is_some() {
                return complain(at, "there are two revisions of this name");
            }
            first = first.min(created);
            if latest.as_ref().is_none_or(|(youngest, ..)| *youngest <= created) {
                latest = Some((created, name, template));
            }
        }
        let Some((created, latest, template)) = latest else {
            return complain(all, "a service must have at least one revision");
        };
        let generation = i64::try_from(revisions.len()).unwrap_or(i64::MAX);
        let traffic_at = self.traffic.first().map_or(at.clone(), Spanned::span);
        let mut traffic: Vec<Target> = self
            .traffic
            .into_iter()
            .map(Spanned::into_inner)
            .map(|table| Target { revision: table.revision, percent: table.percent, tag: table.tag })
            .collect();
        if traffic.is_empty() {
            traffic.push(Target::latest());
        }
        let service = Service {
            uid: uuid_like(&format!("{}/{short}", world.project)),
            generation,
            observed_generation: generation,
            created: first,
            updated: created,
            creator: "scenario@simulated.invalid".to_owned(),
            last_modifier: "scenario@simulated.invalid".to_owned(),
            spec: [("ingress", "INGRESS_TRAFFIC_ALL"), ("launchStage", "GA")]
                .map(|(key, value)| (key.to_owned(), json!(value)))
                .into_iter()
                .collect(),
            template,
            traffic: traffic.clone(),
            traffic_statuses: traffic.clone(),
            latest_created: latest.clone(),
            latest_ready: latest,
            reconciling: false,
            ready: succeeded(created),
            revisions,
            figures,
            turns: BTreeMap::new(),
        };
        match traffic::check(&traffic, &service, None) {
            Ok(()) => Ok(service),
            Err(refusal) => complain(traffic_at, refusal.message),
        }
    }
}

impl RevisionTable {
    /// The template that the revision was made from, in the API's own words.
    fn template(&self, world: &World) -> Result<Map<String, Value>, Complaint> {
        let mut made = Map::new();
        made.insert("containers".into(), json!([{ "image": self.image, "ports": [{ "containerPort": 8080 }] }]));
        if let Some(connector) = &self.connector {
            if !world.connectors.contains_key(connector.as_ref()) {
                return complain(connector.span(), format!("there is no connector {:?}", connector.as_ref()));
            }
            let access =
                json!({ "connector": world.connector_name(connector.as_ref()), "egress": "PRIVATE_RANGES_ONLY" });
            made.insert("vpcAccess".into(), access);
        }
        if let Some(taken) = self.template.keys().find(|key| ["revision", "containers"].contains(&key.as_str())) {
            return complain(self.name.span(), format!("template.{taken} is written as `name` and `image` here"));
        }
        made.extend(self.template.clone());
        match template::normalise(&mut made) {
            Ok(()) => Ok(made),
            Err(refusal) => complain(self.name.span(), refusal.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCIDENT: &str = include_str!("../../runbooks/connector-exhaustion.sim.toml");

    fn refused(text: &str) -> String {
        parse("a.sim.toml", text).unwrap_err().to_string()
    }

    fn with(from: &str, to: &str) -> String {
        assert!(INCIDENT.contains(from), "the scenario no longer has {from:?}");
        INCIDENT.replacen(from, to, 1)
    }

    fn line_of(text: &str) -> usize {
        INCIDENT[..INCIDENT.find(text).unwrap()].matches('\n').count() + 1
    }

    #[test]
    fn an_error_names_file_line_and_reason() {
        let line = line_of("machine_type = \"e2-micro\"");
        let error = refused(&with("machine_type = \"e2-micro\"", "machine_typ = \"e2-micro\""));
        assert!(error.starts_with(&format!("a.sim.toml:{line}:1: unknown field `machine_typ`")), "{error}");
    }

    #[test]
    fn what_could_not_exist_is_refused_where_it_stands() {
        for (from, to, at, reason) in [
            ("max_instances = 3", "max_instances = 15", "[connectors.", "between 3 and 10, got 15"),
            ("update_takes = \"4m\"", "update_takes = \"-4m\"", "update_takes", "cannot be negative"),
            ("percent = 50", "percent = 40", "{ revision = ", "sum to 90"),
            ("needs = [\"netra-auth-staging\"]", "needs = [\"nobody\"]", "needs = [", "no service \"nobody\""),
            (
                "needs = [\"netra-auth-staging\"]",
                "needs = [\"netra-backend-staging\"]",
                "needs = [",
                "would need itself",
            ),
        ] {
            let error = refused(&with(from, to));
            let line = line_of(at);
            assert!(error.contains(reason), "{error}");
            assert!(error.starts_with(&format!("a.sim.toml:{line}:")), "{at} is in line {line}: {error}");
        }
    }

    #[test]
    fn a_world_survives_being_saved() {
        let world = parse("a", INCIDENT).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cloud.json");
        world.save(&path).unwrap();
        assert_eq!(World::reopen(&path).unwrap(), world);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(World::reopen(&path), Err(super::super::SavedError::NotAWorld { .. })));
    }
}
