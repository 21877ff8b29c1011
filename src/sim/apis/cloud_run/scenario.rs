//! `[services.NAME]` and their revisions.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::captured::{CapturedRevision, CapturedService};
use super::service::{AppCommand, Chat, Condition, ConditionState, Figures, Login, Service};
use super::template;
use super::traffic::{self, Target};
use crate::sim::scenario::captured::Captured;
use crate::sim::scenario::reading::{Complaint, Complaints, DeclaredNames, Named, complain, positive, positive_or};
use crate::sim::world::expression::Expression;
use crate::sim::world::{World, uuid_like};

/// Puts the services into the world; everything that they may name is there already.
pub(super) fn build(
    tables: Named<ServiceTable>,
    world: &mut World,
    declared: &DeclaredNames,
    complaints: &mut Complaints,
) {
    refuse_unmet_needs(&tables, declared, complaints);
    let mut hosts = BTreeSet::new();
    for (name, table) in tables {
        let at = name.span();
        if let Some(twice) = table.hosts.iter().find(|host| !hosts.insert(host.to_ascii_lowercase())) {
            complaints.add(at.clone(), format!("the host {twice:?} leads to two services"));
        }
        if let (None, Some(revision)) = (&table.state, table.revision_states.first()) {
            complaints.add(revision.span(), "`revision_states` go with a captured `state`");
        }
        if let Some(service) = table.build(&name, world, declared, complaints) {
            world.parts.cloud_run.services.insert(name.into_inner(), service);
        }
    }
}

/// A service may need only services that there are, and none may need itself.
fn refuse_unmet_needs(tables: &Named<ServiceTable>, declared: &DeclaredNames, complaints: &mut Complaints) {
    let needs: BTreeMap<String, Vec<Spanned<String>>> =
        tables.iter().map(|(name, table)| (name.as_ref().clone(), table.needs.clone())).collect();
    for need in needs.values().flatten().filter(|need| !declared.has("services", need.as_ref())) {
        complaints.add(need.span(), format!("there is no service {:?} to need", need.as_ref()));
    }
    complaints.keep(refuse_circles(&needs));
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct ServiceTable {
    /// None of a worker, which nobody asks.
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default = "health")]
    health_path: String,
    #[serde(default)]
    needs: Vec<Spanned<String>>,
    #[serde(default = "one")]
    instances: u64,
    #[serde(default)]
    connections_per_instance: u64,
    connect_timeout: Option<Spanned<SignedDuration>>,
    database: Option<Spanned<String>>,
    latency: Option<Spanned<SignedDuration>>,
    starved_latency: Option<Spanned<SignedDuration>>,
    crash_latency: Option<Spanned<SignedDuration>>,
    start_up: Option<Spanned<SignedDuration>>,
    deploy_takes: Option<Spanned<SignedDuration>>,
    traffic_takes: Option<Spanned<SignedDuration>>,
    #[serde(default)]
    requests_per_minute: u64,
    /// While this holds, it answers 503.
    unhealthy_while: Option<Spanned<Expression>>,
    login: Option<Login>,
    chat: Option<Spanned<Chat>>,
    /// What its application shows as JSON, by path.
    #[serde(default)]
    pages: BTreeMap<String, Value>,
    /// What its application can be told to do.
    #[serde(default)]
    commands: Vec<Spanned<AppCommand>>,
    #[serde(default)]
    traffic: Vec<Spanned<TargetTable>>,
    revisions: Option<Spanned<Vec<RevisionTable>>>,
    /// What `gcloud run services describe --format=json` printed, in the place of `revisions` and `traffic`.
    state: Option<Spanned<Captured>>,
    /// What the API (v2) says of its revisions; without a word, one that `state` names has the template of the service.
    #[serde(default)]
    revision_states: Vec<Spanned<Captured>>,
}

/// The figures of a service whose table does not say otherwise. All are ours.
const LATENCY: SignedDuration = SignedDuration::from_millis(60);
const STARVED_LATENCY: SignedDuration = SignedDuration::from_secs(12);
const CRASH_LATENCY: SignedDuration = SignedDuration::from_secs(2);
const START_UP: SignedDuration = SignedDuration::from_secs(10);
const DEPLOY_TAKES: SignedDuration = SignedDuration::from_mins(1);
const TRAFFIC_TAKES: SignedDuration = SignedDuration::from_secs(5);

/// How many instances a service has whose table does not say otherwise.
fn one() -> u64 {
    1
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
    /// When it was made; without it, when the cloud begins. The youngest is the newest, and of several the last.
    created: Option<Timestamp>,
    connector: Option<Spanned<String>>,
    /// Whatever else its template says, in the API's own words.
    #[serde(default)]
    template: Map<String, Value>,
}

fn known_database(name: Spanned<String>, declared: &DeclaredNames) -> Result<String, Complaint> {
    if !declared.has("sql", name.as_ref()) {
        return complain(name.span(), format!("there is no database {:?} in [sql]", name.as_ref()));
    }
    Ok(name.into_inner())
}

/// An expression that has an answer: what it is about is there when the cloud begins.
fn answered(expression: Spanned<Expression>, world: &World) -> Result<Expression, Complaint> {
    match expression.as_ref().holds(world) {
        Err(why) if !expression.as_ref().is_about_later_tables(world) => complain(expression.span(), why),
        Ok(_) | Err(_) => Ok(expression.into_inner()),
    }
}

fn unhurried(chat: Spanned<Chat>) -> Result<Chat, Complaint> {
    if chat.as_ref().pause.is_negative() {
        return complain(chat.span(), "a duration cannot be negative");
    }
    Ok(chat.into_inner())
}

impl ServiceTable {
    /// The service, unless something is wrong with it: everything of that is told.
    fn build(
        mut self,
        name: &Spanned<String>,
        world: &World,
        declared: &DeclaredNames,
        complaints: &mut Complaints,
    ) -> Option<Service> {
        let figures = self.figures(world, declared, complaints);
        complaints.keep(self.with(figures, name.as_ref(), &name.span(), (world, declared)))
    }

    fn figures(&mut self, world: &World, declared: &DeclaredNames, complaints: &mut Complaints) -> Figures {
        let mut figure = |given: &mut Option<Spanned<SignedDuration>>, default| {
            complaints.keep(positive_or(given.take(), default)).unwrap_or(default)
        };
        let (latency, starved_latency) =
            (figure(&mut self.latency, LATENCY), figure(&mut self.starved_latency, STARVED_LATENCY));
        let (crash_latency, start_up) =
            (figure(&mut self.crash_latency, CRASH_LATENCY), figure(&mut self.start_up, START_UP));
        let (deploy_takes, traffic_takes) =
            (figure(&mut self.deploy_takes, DEPLOY_TAKES), figure(&mut self.traffic_takes, TRAFFIC_TAKES));
        let connect_timeout = self.connect_timeout.take().and_then(|given| complaints.keep(positive(given)));
        let database = self.database.take().and_then(|name| complaints.keep(known_database(name, declared)));
        let unhealthy_while = self.unhealthy_while.take().and_then(|found| complaints.keep(answered(found, world)));
        let chat = self.chat.take().and_then(|chat| complaints.keep(unhurried(chat)));
        let is_shown = |command: &AppCommand| self.pages.contains_key(&command.page);
        let why = |command: &AppCommand| match StatusCode::from_u16(command.status) {
            _ if !is_shown(command) => Some("its `page` is none of the service's `pages`"),
            Ok(_) => None,
            Err(_) => Some("its `status` is no status"),
        };
        let commands = complaints.sound(std::mem::take(&mut self.commands), why);
        Figures {
            hosts: std::mem::take(&mut self.hosts),
            paths: std::mem::take(&mut self.paths),
            health_path: std::mem::take(&mut self.health_path),
            needs: std::mem::take(&mut self.needs).into_iter().map(Spanned::into_inner).collect(),
            instances: self.instances,
            connections_per_instance: self.connections_per_instance,
            connect_timeout,
            database,
            latency,
            starved_latency,
            crash_latency,
            start_up,
            deploy_takes,
            traffic_takes,
            requests_per_minute: self.requests_per_minute,
            unhealthy_while,
            login: self.login.take(),
            chat,
            pages: std::mem::take(&mut self.pages),
            commands,
        }
    }

    fn with(
        self,
        figures: Figures,
        short: &str,
        at: &Range<usize>,
        (world, declared): (&World, &DeclaredNames),
    ) -> Result<Service, Complaint> {
        let succeeded = |since| Condition::new(ConditionState::ConditionSucceeded, since);
        if let Some(state) = self.state {
            if self.revisions.is_some() || !self.traffic.is_empty() {
                return complain(state.span(), "`state` says what the revisions and the traffic are already");
            }
            return captured(&state, &self.revision_states, short, figures, world);
        }
        let Some(tables) = self.revisions else {
            return complain(at.clone(), "a service has `revisions`, or a captured `state`");
        };
        let all = tables.span();
        let mut revisions = BTreeMap::new();
        let mut latest: Option<(Timestamp, String, Map<String, Value>)> = None;
        let mut first = world.now;
        for table in tables.into_inner() {
            let at = table.name.span();
            let name = table.name.as_ref().clone();
            if !name.starts_with(&format!("{short}-")) {
                return complain(at, format!("a revision's name must begin with '{short}-'"));
            }
            let created = table.created.unwrap_or(world.now);
            if created > world.now {
                return complain(at, "a revision cannot be younger than the cloud's start");
            }
            let template = table.template(world, declared)?;
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
            accepted: None,
            unrouted: None,
            deleted: None,
        };
        match traffic::check(&traffic).err().or_else(|| traffic::unavailable(&traffic, &service)) {
            None => Ok(service),
            Some(refusal) => complain(traffic_at, refusal.message),
        }
    }
}

fn captured(
    state: &Spanned<Captured>,
    revisions: &[Spanned<Captured>],
    short: &str,
    figures: Figures,
    world: &World,
) -> Result<Service, Complaint> {
    let mut service = match CapturedService::read(state.as_ref(), short, world) {
        Ok(captured) => captured.build(short, figures, world),
        Err(refusal) => return complain(state.span(), refusal.message),
    };
    for revision in revisions {
        let CapturedRevision { name, template, created, failed } =
            match CapturedRevision::read(revision.as_ref(), world) {
                Ok(captured) => captured,
                Err(refusal) => return complain(revision.span(), refusal.message),
            };
        if !name.starts_with(&format!("{short}-")) {
            return complain(revision.span(), format!("a revision's name must begin with '{short}-'"));
        }
        let mut made = world.make_revision(short, &name, &template);
        made.created = created;
        made.ready = match failed {
            None => Condition::new(ConditionState::ConditionSucceeded, created),
            Some(message) => Condition { message, ..Condition::new(ConditionState::ConditionFailed, created) },
        };
        service.revisions.insert(name, made);
    }
    Ok(service)
}

impl CapturedService {
    /// The service as it was captured: every revision that it names has its template, for nothing more is known of them.
    fn build(self, short: &str, figures: Figures, world: &World) -> Service {
        let succeeded = Condition::new(ConditionState::ConditionSucceeded, self.created);
        let made = |name: String| {
            let mut revision = world.make_revision(short, &name, &self.template);
            revision.created = self.created;
            revision.ready = succeeded.clone();
            (name, revision)
        };
        let traffic = if self.traffic.is_empty() { vec![Target::latest()] } else { self.traffic };
        let mut named = self.revisions;
        if named.is_empty() {
            named.push(format!("{short}-00001-sim"));
        }
        let newest = named.last().cloned().unwrap_or_default();
        let or_newest = |name: String| if name.is_empty() { newest.clone() } else { name };
        let generation = i64::try_from(named.len()).unwrap_or(i64::MAX);
        Service {
            uid: uuid_like(&format!("{}/{short}", world.project)),
            generation,
            observed_generation: generation,
            created: self.created,
            updated: self.created,
            creator: "scenario@simulated.invalid".to_owned(),
            last_modifier: "scenario@simulated.invalid".to_owned(),
            spec: self.spec,
            traffic_statuses: traffic.clone(),
            traffic,
            latest_created: or_newest(self.latest_created),
            latest_ready: or_newest(self.latest_ready),
            reconciling: false,
            ready: succeeded.clone(),
            revisions: named.into_iter().map(made).collect(),
            template: self.template.clone(),
            figures,
            accepted: None,
            unrouted: None,
            deleted: None,
            turns: BTreeMap::new(),
        }
    }
}

impl RevisionTable {
    /// The template that the revision was made from, in the API's own words.
    fn template(&self, world: &World, declared: &DeclaredNames) -> Result<Map<String, Value>, Complaint> {
        let mut made = Map::new();
        made.insert("containers".into(), json!([{ "image": self.image, "ports": [{ "containerPort": 8080 }] }]));
        if let Some(connector) = &self.connector {
            if !declared.has("connectors", connector.as_ref()) {
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
        match template::normalise(&mut made, &Map::new()) {
            Ok(()) => {
                template::fill_defaults(&mut made, &world.project_number);
                Ok(made)
            }
            Err(refusal) => complain(self.name.span(), refusal.message),
        }
    }
}
