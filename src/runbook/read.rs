//! Tree → model, block by block.
//!
//! Each block is checked for unknown keys, resolved, and deserialised by itself. So a file with five
//! mistakes in five blocks shows five diagnostics at once, and rules can run on every block that did read.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::optional as duration;
use serde::Deserialize;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::condition::Condition;
use super::document::{Document, Part};
use super::mistake::{Mistake, instead};
use super::model::{About, Action, Look, Phase, Place, Probe, Runbook, Step, Target};
use super::template::{Given, Scope};
use super::value::{Image, Percent};
use crate::gate::Rule;
use crate::run::OnFailure;

/// What reading a document brought.
pub struct Reading {
    /// Everything that did read. It is whole only if there are no mistakes.
    pub runbook: Runbook,
    /// The inputs' values; those that are missing are not among them.
    pub inputs: BTreeMap<String, String>,
    /// Inputs that nothing refers to.
    pub unused: Vec<String>,
    /// What is wrong.
    pub mistakes: Vec<Mistake>,
}

/// The code of a value that its block could not be read with. Rules do not see that block.
pub const WRONG_VALUE: &str = "wrong-value";

const EVERY: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_mins(20);
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

const TOP: [&str; 5] = ["runbook", "target", "inputs", "probes", "phase"];
const TOP_LATER: [&str; 5] = ["guard", "escalation", "symptom", "limits", "closure"];
const ABOUT: [&str; 6] = ["name", "title", "description", "owners", "incident", "on_failure"];
const TARGET: [&str; 3] = ["project", "region", "protected"];
const INPUT: [&str; 6] = ["default", "required", "pattern", "secret", "env", "description"];
const PROBE: [&str; 4] = ["http", "resource", "expect", "timeout"];
const PROBE_LATER: [&str; 14] = [
    "websocket",
    "tls",
    "tcp",
    "postgres",
    "redis",
    "logs",
    "metric",
    "flow",
    "load",
    "headers",
    "send",
    "events",
    "within",
    "window",
];
const PHASE: [&str; 4] = ["name", "title", "budget", "step"];
const STEP: [&str; 5] = ["name", "uses", "with", "gate", "on_failure"];
const STEP_LATER: [&str; 5] = ["confirm", "require", "for_each", "max_parallel", "max_failures"];
const GATE: [&str; 5] = ["healthy", "for", "every", "timeout", "max_failure_rate"];

/// The actions of this version, and the keys of their `with`.
const ACTIONS: [(&str, &[&str]); 4] = [
    ("gcp.connector.scale", &["connector", "min_instances", "max_instances", "machine_type"]),
    ("gcp.run.traffic", &["service", "to"]),
    ("gcp.run.deploy", &["service", "image", "shift", "hold"]),
    ("probe", &[]),
];
const ACTIONS_LATER: [&str; 7] =
    ["gcp.run.scale", "gcp.sql.patch", "shell", "manual", "notify", "wait", "github.issue"];

/// Reads a document.
pub fn read(document: &Document<'_>, given: &Given) -> Reading {
    let mut reader = Reader { document, scope: Scope::new(document.text()), mistakes: Vec::new() };
    reader.keys(&[], document.root(), &TOP, &TOP_LATER);
    let inputs = reader.inputs(given);
    let about = reader.about();
    let target = reader.target();
    let probes = reader.probes();
    let phases = reader.phases();
    let unused = inputs.keys().filter(|name| !reader.scope.is_used(&format!("inputs.{name}"))).cloned().collect();
    let inputs = inputs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Reading { runbook: Runbook { about, target, probes, phases }, inputs, unused, mistakes: reader.mistakes }
}

struct Reader<'d, 't> {
    document: &'d Document<'t>,
    scope: Scope<'t>,
    mistakes: Vec<Mistake>,
}

#[derive(Deserialize)]
struct AboutText {
    name: String,
    title: Option<String>,
    description: Option<String>,
    #[serde(default)]
    owners: Vec<String>,
    incident: Option<String>,
    #[serde(default)]
    on_failure: OnFailure,
}

#[derive(Deserialize)]
struct TargetText {
    project: String,
    region: String,
    #[serde(default)]
    protected: bool,
}

#[derive(Deserialize)]
struct InputText {
    default: Option<String>,
    #[serde(default)]
    required: bool,
    pattern: Option<String>,
    #[serde(default)]
    secret: bool,
}

#[derive(Deserialize)]
struct ProbeText {
    http: Option<String>,
    resource: Option<String>,
    expect: String,
    #[serde(default, with = "duration")]
    timeout: Option<Duration>,
}

#[derive(Deserialize)]
struct PhaseText {
    name: String,
    title: Option<String>,
    #[serde(default, with = "duration")]
    budget: Option<Duration>,
}

#[derive(Deserialize)]
struct StepText {
    name: String,
    on_failure: Option<OnFailure>,
}

#[derive(Deserialize)]
struct GateText {
    healthy: Vec<String>,
    #[serde(default, rename = "for", with = "duration")]
    hold: Option<Duration>,
    #[serde(default, with = "duration")]
    every: Option<Duration>,
    #[serde(default, with = "duration")]
    timeout: Option<Duration>,
    max_failure_rate: Option<Rate>,
}

#[derive(Deserialize)]
struct ScaleText {
    connector: String,
    min_instances: Option<i64>,
    max_instances: Option<i64>,
    machine_type: Option<String>,
}

#[derive(Deserialize)]
struct TrafficText {
    service: String,
    to: Shares,
}

#[derive(Deserialize)]
struct DeployText {
    service: String,
    image: String,
    #[serde(default)]
    shift: Vec<Percent>,
    #[serde(default, with = "duration")]
    hold: Option<Duration>,
}

/// `"2%"`, as a rate from 0 to 1.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Rate(f64);

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Rate, String> {
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        let rate = number.filter(|number| *number > 0.0 && *number < 100.0).map(|number| Rate(number / 100.0));
        rate.ok_or_else(|| format!("`{text}` is not a rate between 0 and 100 percent, such as \"2%\""))
    }
}

/// Shares of traffic in the order of the file.
struct Shares(Vec<(String, Percent)>);

impl<'de> Deserialize<'de> for Shares {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Shares, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Shares;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of revisions and their shares in percent, such as { LATEST = 100 }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shares, A::Error> {
                let mut shares = Vec::new();
                while let Some(share) = map.next_entry()? {
                    shares.push(share);
                }
                Ok(Shares(shares))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl<'t> Reader<'_, 't> {
    fn inputs(&mut self, given: &Given) -> BTreeMap<String, Option<String>> {
        let mut inputs = BTreeMap::new();
        for (name, block) in self.tables(&["inputs".into()]) {
            let path = ["inputs".into(), Part::Key(&name)];
            self.keys(&path, &block, &INPUT, &[]);
            let Some(input) = self.parse::<InputText>(&path, &self.whole(&path, block)) else { continue };
            let value = given.values.get(&name).cloned().or(input.default);
            if value.is_none() && !input.required {
                let message = format!("input `{name}` has neither a default nor `required = true`");
                self.mistakes.push(Mistake::error("input", self.document.key_span(&path), message));
            }
            if value.is_none() && input.required && !given.may_miss {
                let message = format!("input `{name}` is required and was not given");
                let mistake = Mistake::error("missing-input", self.document.key_span(&path), message);
                self.mistakes.push(mistake.help(format!("give it with --input {name}=VALUE")));
            }
            self.matches(&path, &name, value.as_deref(), input.pattern.as_deref());
            if input.secret {
                let message = format!("input `{name}` is a secret, and this version has no use for secrets yet");
                self.mistakes.push(Mistake::error("not-yet", self.document.key_span(&path), message));
            }
            self.scope.define(format!("inputs.{name}"), value.clone());
            inputs.insert(name, value);
        }
        for name in given.values.keys().filter(|name| !inputs.contains_key(*name)) {
            let message = format!("there is no input `{name}`");
            let mistake = Mistake::error("unknown-input", self.document.key_span(&["inputs".into()]), message);
            self.mistakes.push(mistake.help(instead(name, inputs.keys().map(String::as_str))));
        }
        inputs
    }

    fn matches(&mut self, path: &[Part<'_>], name: &str, value: Option<&str>, pattern: Option<&str>) {
        let Some(pattern) = pattern else { return };
        let path: Vec<_> = path.iter().copied().chain(["pattern".into()]).collect();
        match regex::RegexBuilder::new(pattern).size_limit(1 << 20).build() {
            Err(error) => {
                let message = format!("this pattern cannot be read: {error}");
                self.mistakes.push(Mistake::error("input", self.document.span(&path), message));
            }
            Ok(regex) if value.is_some_and(|value| !regex.is_match(value)) => {
                let message = format!("input `{name}` is `{}`, which does not match this", value.unwrap_or_default());
                self.mistakes.push(Mistake::error("input-pattern", self.document.span(&path), message));
            }
            Ok(_) => {}
        }
    }

    fn about(&mut self) -> About {
        let text = self.block::<AboutText>(&["runbook".into()], &ABOUT);
        if let Some(text) = &text {
            self.scope.define("runbook.name".to_owned(), Some(text.name.clone()));
        }
        let text = text.unwrap_or_else(|| AboutText {
            name: String::new(),
            title: None,
            description: None,
            owners: Vec::new(),
            incident: None,
            on_failure: OnFailure::default(),
        });
        let AboutText { name, title, description, owners, incident, on_failure } = text;
        About { name, title, description, owners, incident, on_failure }
    }

    fn target(&mut self) -> Target {
        let text = self.block::<TargetText>(&["target".into()], &TARGET);
        let known = |text: Option<&String>| text.filter(|text| !text.contains("${")).cloned();
        let project = text.as_ref().map(|text| &text.project);
        let region = text.as_ref().map(|text| &text.region);
        self.scope.define("target.project".to_owned(), known(project));
        self.scope.define("target.region".to_owned(), known(region));
        text.map_or_else(
            || Target { project: String::new(), region: String::new(), protected: false },
            |TargetText { project, region, protected }| Target { project, region, protected },
        )
    }

    fn probes(&mut self) -> BTreeMap<String, Probe> {
        let mut probes = BTreeMap::new();
        for (name, block) in self.tables(&["probes".into()]) {
            let path = ["probes".into(), Part::Key(&name)];
            self.keys(&path, &block, &PROBE, &PROBE_LATER);
            let Some(text) = self.parse::<ProbeText>(&path, &self.whole(&path, block)) else { continue };
            let look = match (text.http, text.resource) {
                (Some(url), None) => Look::Http { url, timeout: text.timeout.unwrap_or(HTTP_TIMEOUT) },
                (None, Some(resource)) => match resource.split_once('/') {
                    Some((kind, name)) => Look::Resource { kind: kind.to_owned(), name: name.to_owned() },
                    None => {
                        let at = self.document.span(&["probes".into(), Part::Key(&name), "resource".into()]);
                        let mistake = Mistake::error("resource", at, format!("`{resource}` does not name a resource"));
                        self.mistakes.push(mistake.help("write KIND/NAME, such as \"gcp.connector/my-connector\""));
                        continue;
                    }
                },
                _ => {
                    let message = format!("probe `{name}` must look at exactly one thing");
                    let mistake = Mistake::error("probe", self.document.key_span(&path), message);
                    self.mistakes.push(mistake.help("give it either `http` or `resource`"));
                    continue;
                }
            };
            if let Some(expect) = self.condition(&[path[0], path[1], "expect".into()], &text.expect) {
                probes.insert(name, Probe { look, expect });
            }
        }
        probes
    }

    fn condition(&mut self, path: &[Part<'_>], text: &str) -> Option<Condition> {
        match Condition::compile(text) {
            Ok(condition) => Some(condition),
            Err(error) => {
                let span = self.document.span(path);
                let written = self.document.text().get(span.clone()).unwrap_or_default();
                let inner = written.get(1..written.len().saturating_sub(1)) == Some(text);
                let at = match error.at {
                    Some(place) if inner => {
                        let place = (span.start + 1 + place).min(span.end.saturating_sub(1));
                        place..place + 1
                    }
                    _ => span,
                };
                let message = format!("this condition cannot be read: {}", error.why);
                self.mistakes.push(Mistake::error("condition", at, message));
                None
            }
        }
    }

    fn phases(&mut self) -> Vec<Phase> {
        let mut phases = Vec::new();
        for (index, block) in self.list(&["phase".into()]) {
            let path: [Part<'_>; 2] = ["phase".into(), index.into()];
            self.keys(&path, &block, &PHASE, &[]);
            let own = only(&block, &["name", "title", "budget"]);
            let text = self.parse::<PhaseText>(&path, &self.whole(&path, own));
            let steps = self.list(&[path[0], path[1], "step".into()]);
            let steps = steps.into_iter().filter_map(|(step, block)| self.step(Place { phase: index, step }, &block));
            let steps = steps.collect();
            if let Some(PhaseText { name, title, budget }) = text {
                phases.push(Phase { name, title, budget, steps });
            }
        }
        phases
    }

    fn step(&mut self, place: Place, block: &DeTable<'t>) -> Option<Step> {
        let path = place.path();
        self.keys(&path, block, &STEP, &STEP_LATER);
        let own = only(block, &["name", "on_failure"]);
        let text = self.parse::<StepText>(&path, &self.whole(&path, own));
        let action = self.action(place, block);
        let gate = match block.get("gate") {
            None => Some(None),
            Some(gate) => self.gate(place, gate).map(Some),
        };
        let (StepText { name, on_failure }, action, gate) = (text?, action?, gate?);
        Some(Step { name, action, gate, on_failure, place })
    }

    fn action(&mut self, place: Place, block: &DeTable<'t>) -> Option<Action> {
        let uses = place.of("uses");
        let Some(word) = block.get("uses") else {
            let at = self.document.span(&place.path());
            let mistake = Mistake::error("missing-key", at, "this step does not say what it `uses`");
            self.mistakes.push(mistake.help(instead("", ACTIONS.iter().map(|(name, _)| *name))));
            return None;
        };
        let name = word.get_ref().as_str().unwrap_or_default();
        let Some((_, keys)) = ACTIONS.iter().find(|(action, _)| *action == name) else {
            let at = self.document.span(&uses);
            self.mistakes.push(if ACTIONS_LATER.contains(&name) {
                Mistake::error("not-yet", at, format!("this version cannot do `{name}` yet"))
            } else {
                Mistake::error("unknown-action", at, format!("there is no action `{name}`"))
                    .help(instead(name, ACTIONS.iter().map(|(name, _)| *name)))
            });
            return None;
        };
        let path = place.of("with");
        let with = match block.get("with").map(Spanned::get_ref) {
            Some(DeValue::Table(table)) => table.clone(),
            None => DeTable::new(),
            Some(_) => {
                let at = self.document.span(&path);
                self.mistakes.push(Mistake::error("wrong-type", at, "`with` must be a table"));
                return None;
            }
        };
        let later: &[&str] = if name == "gcp.run.deploy" { &["candidate"] } else { &[] };
        self.keys(&path, &with, keys, later);
        let whole = Spanned::new(self.document.span(&path), DeValue::Table(with));
        Some(match name {
            "gcp.connector.scale" => {
                let ScaleText { connector, min_instances, max_instances, machine_type } = self.parse(&path, &whole)?;
                Action::ConnectorScale { connector, min_instances, max_instances, machine_type }
            }
            "gcp.run.traffic" => {
                let TrafficText { service, to } = self.parse(&path, &whole)?;
                Action::RunTraffic { service, to: to.0 }
            }
            "gcp.run.deploy" => {
                let DeployText { service, image, shift, hold } = self.parse(&path, &whole)?;
                Action::RunDeploy { service, image: Image::new(image), shift, hold }
            }
            _ => Action::Probe,
        })
    }

    fn gate(&mut self, place: Place, gate: &Spanned<DeValue<'t>>) -> Option<Rule> {
        let path = place.of("gate");
        if let DeValue::Table(table) = gate.get_ref() {
            self.keys(&path, table, &GATE, &[]);
        }
        let GateText { healthy, hold, every, timeout, max_failure_rate } = self.parse(&path, gate)?;
        Some(Rule {
            healthy,
            hold: hold.unwrap_or_default(),
            every: every.unwrap_or(EVERY),
            timeout: timeout.unwrap_or(TIMEOUT),
            max_failure_rate: max_failure_rate.map(|rate| rate.0),
        })
    }

    /// A table that stands alone.
    fn block<T: DeserializeOwned>(&mut self, path: &[Part<'_>], keys: &[&str]) -> Option<T> {
        match self.document.get(path) {
            Some(value) => {
                let value = value.clone();
                if let DeValue::Table(table) = value.get_ref() {
                    self.keys(path, table, keys, &[]);
                }
                self.parse(path, &value)
            }
            None => {
                let Some(Part::Key(name)) = path.last() else { return None };
                self.mistakes.push(Mistake::error("missing-table", 0..0, format!("there is no table `[{name}]`")));
                None
            }
        }
    }

    /// The tables of a table of tables, by name.
    fn tables(&mut self, path: &[Part<'_>]) -> Vec<(String, DeTable<'t>)> {
        let Some(value) = self.document.get(path) else { return Vec::new() };
        let Some(tables) = value.get_ref().as_table() else {
            self.mistakes.push(Mistake::error("wrong-type", self.document.span(path), "this must be a table"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, value) in tables {
            match value.get_ref().as_table() {
                Some(table) => found.push((name.get_ref().to_string(), table.clone())),
                None => {
                    let message = format!("`{}` must be a table", name.get_ref());
                    self.mistakes.push(Mistake::error("wrong-type", value.span(), message));
                }
            }
        }
        found
    }

    /// The tables of a list of tables, by place.
    fn list(&mut self, path: &[Part<'_>]) -> Vec<(usize, DeTable<'t>)> {
        let Some(value) = self.document.get(path) else { return Vec::new() };
        let items = value.get_ref().as_array();
        let tables: Option<Vec<_>> =
            items.and_then(|items| items.iter().map(|item| item.get_ref().as_table().cloned()).collect());
        let Some(tables) = tables else {
            let Some(Part::Key(name)) = path.last() else { return Vec::new() };
            let message = format!("`{name}` must be a list of tables");
            let mistake = Mistake::error("wrong-type", self.document.span(path), message);
            self.mistakes.push(mistake.help(format!("write it as [[{name}]]")));
            return Vec::new();
        };
        tables.into_iter().enumerate().collect()
    }

    /// A block with the span that it has in the document.
    fn whole(&self, path: &[Part<'_>], table: DeTable<'t>) -> Spanned<DeValue<'t>> {
        Spanned::new(self.document.span(path), DeValue::Table(table))
    }

    /// Resolves references and deserialises. Keys that were told as unknown are passed over.
    fn parse<T: DeserializeOwned>(&mut self, path: &[Part<'_>], value: &Spanned<DeValue<'t>>) -> Option<T> {
        let resolved = self.scope.resolve(value, &mut self.mistakes);
        let deserializer = ValueDeserializer::from(resolved);
        match T::deserialize(deserializer) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let at = error.span().filter(|span| !span.is_empty()).unwrap_or_else(|| self.heading(path));
                let message = error.message().replace("expected i64", "expected a whole number");
                self.mistakes.push(Mistake::error(WRONG_VALUE, at, message));
                None
            }
        }
    }

    /// Where to point if a block lacks something: its name, not all of it.
    fn heading(&self, path: &[Part<'_>]) -> Range<usize> {
        match path.last() {
            Some(Part::Key(_)) => self.document.key_span(path),
            _ => self.document.span(path),
        }
    }

    /// Tells every key that is not one of these.
    fn keys(&mut self, path: &[Part<'_>], table: &DeTable<'t>, known: &[&str], later: &[&str]) {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let at = key.span();
            self.mistakes.push(if later.contains(&name) {
                Mistake::error(
                    "not-yet",
                    at,
                    format!("this version does not know `{name}` yet; it must not be ignored"),
                )
            } else {
                let place = if path.is_empty() { "a runbook" } else { "this table" };
                Mistake::error("unknown-key", at, format!("{place} has no key `{name}`"))
                    .help(instead(name, known.iter().copied()))
            });
        }
    }
}

/// The part of a table that has these keys.
fn only<'t>(table: &DeTable<'t>, keys: &[&str]) -> DeTable<'t> {
    let entries = table.iter().filter(|(key, _)| keys.contains(&key.get_ref().as_ref()));
    entries.map(|(key, value)| (key.clone(), value.clone())).collect()
}
