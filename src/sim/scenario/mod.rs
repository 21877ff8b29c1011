//! Scenario files: a simulated cloud, and how it misbehaves, as TOML that people read.
//!
//! A scenario holds what a real project would have (connectors, services, revisions) and what nobody outside Google
//! knows (how long things take, how much a connector carries), each with a value of the scenario's choosing. Reading
//! one gives the [`World`] at time zero. A scenario that could not exist in life is refused, and the error names file,
//! line and reason, of every mistake at once.
//!
//! The tables of an API are read with the API (see [`super::apis`]); [`reading`] and [`captured`] are what they share.

pub(super) mod captured;
pub(super) mod reading;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;

use super::apis::{Parts, Tables};
use super::fault::Fault;
use super::world::World;
use super::world::expression::Amount;
use super::world::metric::Measurement;
use super::world::operation::{Operations, RequestIds};
use super::world::visit::Visitors;
use reading::{Complaint, Reader};

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
    #[error("{}", .0.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Mistake>),
}

/// One thing that is wrong in a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The same place as bytes of the text.
    pub at: std::ops::Range<usize>,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.reason)
    }
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
    world(text).map_err(|mut complaints| {
        complaints.sort_by(|a, b| (a.at.start, &a.reason).cmp(&(b.at.start, &b.reason)));
        complaints.dedup_by(|a, b| a.at == b.at && a.reason == b.reason);
        ScenarioError::Wrong(complaints.into_iter().map(|complaint| mistake(file, text, complaint)).collect())
    })
}

fn mistake(file: &str, text: &str, Complaint { at, reason }: Complaint) -> Mistake {
    let before = text.get(..at.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    // One line each: serde's messages may have several.
    Mistake { file: file.to_owned(), line, column, at, reason: reason.trim_end().replace('\n', " ") }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cloud {
    project: String,
    #[serde(default = "project_number")]
    project_number: String,
    region: String,
    #[serde(default = "start")]
    start: Timestamp,
    #[serde(default)]
    disabled_apis: BTreeSet<String>,
}

/// What nobody has to invent: any number of a project does.
fn project_number() -> String {
    "100000000001".to_owned()
}

/// The morning on which a scenario begins that does not say when: 2026-01-05T09:00:00Z.
fn start() -> Timestamp {
    Timestamp::constant(1_767_603_600, 0)
}

/// Reads all tables, then puts them together.
fn world(text: &str) -> Result<World, Vec<Complaint>> {
    let mut reader = Reader::of(text)?;
    let cloud: Option<Cloud> = reader.required("cloud");
    let behaviour = reader.optional("behaviour").unwrap_or_default();
    let callers = reader.optional("callers").unwrap_or_default();
    let faults = reader.list("faults");
    let measurements: Vec<Spanned<Measurement>> = reader.list("measurements");
    let tables = Tables::read(&mut reader);
    let (cloud, mut complaints, declared) = reader.end(cloud)?;

    let mut world = World {
        now: cloud.start,
        project: cloud.project,
        project_number: cloud.project_number,
        region: cloud.region,
        behaviour,
        parts: Parts::default(),
        operations: Operations::default(),
        request_ids: RequestIds::default(),
        callers,
        disabled_apis: cloud.disabled_apis,
        faults: complaints.sound(faults, Fault::complaint),
        twist: None,
        visitors: Visitors::default(),
        measurements: Vec::new(),
        history: Vec::new(),
    };
    tables.build(&mut world, &declared, &mut complaints);
    let nobody = "there is no such service, connector or database";
    let is_there = |found: &Measurement| world.has(found) || declared.has_any(&found.of);
    let why = |found: &Measurement| found.complaint().or_else(|| (!is_there(found)).then_some(nobody));
    for found in &measurements {
        if let Amount::Computed(expression) = &found.as_ref().value
            && let Err(why) = expression.number(&world)
        {
            complaints.add(found.span(), why);
        }
    }
    world.measurements = complaints.sound(measurements, why);
    complaints.settled()?;
    world.settle();
    Ok(world)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCIDENT: &str = include_str!("../../../runbooks/connector-exhaustion.sim.toml");

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
    fn every_mistake_is_told_at_once_and_what_was_meant() {
        let text = with("machine_type = \"e2-micro\"", "machine_typ = \"e2-micro\"")
            .replacen("crash_latency", "crash_latenzy", 1)
            .replacen("[images]", "[pictures]\n[image]", 1);
        let error = refused(&text);
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines.len(), 4, "{error}");
        for (line, meant) in lines.iter().zip([None, Some("images"), Some("machine_type"), Some("crash_latency")]) {
            let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
            assert_eq!(line.split("; ").nth(1).map(str::to_owned), hint, "{line}");
        }
        let none = refused("[cloud]\nproject = 5\n");
        assert!(none.starts_with("a.sim.toml:2:11: invalid type"), "{none}");
        assert_eq!(refused(""), "a.sim.toml:1:1: there is no table [cloud]");
    }

    /// What a project has is written; what nobody outside Google knows has a value.
    #[test]
    fn ten_lines_are_a_scenario() {
        let text = "[cloud]\nproject = \"shop\"\nregion = \"us-central1\"\n\
            [connectors.small]\n\
            [sql.orders]\ndatabase_version = \"POSTGRES_16\"\n\
            [services.shop]\n\
            [[services.shop.revisions]]\nname = \"shop-00001-abc\"\nimage = \"r/shop@sha256:1\"\n";
        let world = parse("a", text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(text.lines().count(), 10);
        assert_eq!(world.parts.vpc_access.connectors["small"].machine_type, "e2-micro");
        assert!(
            world.parts.cloud_run.services.contains_key("shop")
                && world.parts.cloud_sql.instances.contains_key("orders")
        );
    }

    /// A table that is wrong does not hide what is wrong elsewhere, and is told once: not again where it is named.
    #[test]
    fn everything_is_told_at_once_and_once() {
        let text = with("machine_type = \"e2-micro\"", "machine_typ = \"e2-micro\"\nmin_instance = 2")
            .replacen("crash_latency = \"2s\"", "crash_latency = \"-2s\"\nconnect_timeout = \"-1s\"", 1)
            .replacen("needs = [\"netra-auth-staging\"]", "needs = [\"nobody\"]", 1)
            + "\n[sql.orders]\ndatabase_version = \"ORACLE_23\"\ntiers = 3\n\
               [backend_services.api]\nservice = \"netra-backend-staging\"\n\
               [backend_services.web]\nservice = \"nobody\"\n";
        let error = refused(&text);
        let reasons: Vec<&str> = error.lines().map(|line| line.splitn(4, ':').nth(3).unwrap().trim()).collect();
        let expected = [
            "unknown field `machine_typ`",
            "unknown field `min_instance`",
            "there is no service \"nobody\" to need",
            "a duration cannot be negative",
            "a duration cannot be negative",
            "unknown field `tiers`",
            "there is no service \"nobody\"",
        ];
        assert_eq!(reasons.len(), expected.len(), "{error}");
        for (reason, expected) in reasons.iter().zip(expected) {
            assert!(reason.starts_with(expected), "{reason}: {expected}");
        }
        let lines = |text: &str| text.split(':').nth(1).unwrap().parse::<usize>().unwrap();
        assert!(error.lines().all(|line| lines(line) > 1), "{error}");
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
        assert!(matches!(World::reopen(&path), Err(crate::sim::SavedError::NotAWorld { .. })));
    }
}
