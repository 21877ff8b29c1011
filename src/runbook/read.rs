//! The tree → the model, block by block. This file is the format: which table has which keys, and what they are.
//!
//! A block with a mistake in it is not handed on, but it never hides another block: what reads is in the
//! [`Draft`], what does not is a [`Mistake`] each.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;

use super::block::{Block, Reader};
use super::document::{Document, Entry, Path};
use super::draft::{Draft, Part, PhaseDraft, StepDraft};
use super::mistake::{
    BAD_VALUE, INPUT_PATTERN, MISSING_INPUT, MISSING_KEY, Mistake, NOT_YET, UNKNOWN_ACTION, UNKNOWN_INPUT, WRONG_TYPE,
};
use super::model::{About, Action, Look, OnFailure, Probe, Target};
use super::spelling::did_you_mean;
use super::template::{Inputs, Meaning};
use super::value::{Image, rate};
use crate::gate::Rule;

/// What the runbook is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To see whether it is right; inputs may still be missing.
    Check,
    /// To plan or to carry it out; every input needs its value.
    Run,
}

const ON_FAILURE: [(&str, OnFailure); 4] = [
    ("ask", OnFailure::Ask),
    ("rollback", OnFailure::Rollback),
    ("stop", OnFailure::Stop),
    ("continue", OnFailure::Continue),
];

/// Parts of the format that this version does not carry out. They are named, so that nobody believes that a
/// guard stands watch when none does.
const LATER_TABLES: [&str; 5] = ["guard", "escalation", "symptom", "limits", "closure"];
const LATER_KEYS: [&str; 3] = ["confirm", "require", "for_each"];
const LATER_PROBES: [&str; 12] =
    ["websocket", "headers", "send", "events", "within", "logs", "window", "metric", "tls", "tcp", "postgres", "redis"];
const LATER_ACTIONS: [&str; 1] = ["shell"];

/// How long a probe by HTTP waits for the whole answer.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// When a gate gives up.
const GATE_TIMEOUT: Duration = Duration::from_mins(20);

/// Reads a runbook, as far as it can be read, and says what is wrong with the rest.
pub fn read(document: &Document, inputs: &Inputs, mode: Mode) -> (Draft, Vec<Mistake>) {
    let mut reader = Reader::new(document);

    // References are resolved while reading, so what they stand for comes first: inputs, name, target.
    let (names, meanings) = read_inputs(&reader, inputs, mode);
    for (name, meaning) in meanings {
        reader.scope.define(format!("inputs.{name}"), meaning);
    }
    let name = runbook_name(&reader);
    reader.scope.define("runbook.name", name);
    let target = reader.root().block("target").map_or(Part::Absent, |block| part(&reader, || read_target(block)));
    let (project, region) = target_meanings(&reader, &target);
    reader.scope.define("target.project", project);
    reader.scope.define("target.region", region);

    let mut root = reader.root();
    let about = root.need("runbook", Block::block, "[runbook] with a `name`");
    let about = about.map_or(Part::Absent, |block| part(&reader, || read_about(block)));
    // Both have been read above; asked again, so that they are known and missed.
    if !root.has("target") {
        root.need("target", Block::block, "[target] with `project` and `region`");
    }
    let probes = read_probes(&reader, &mut root);
    let phases = read_phases(&reader, &mut root);
    root.ignore(&["target", "inputs"]);
    root.finish(&LATER_TABLES);

    let (mut mistakes, unresolved, used) = reader.finish();
    let inputs = names.into_iter().map(|name| (used.contains(&format!("inputs.{name}")), name));
    let inputs = inputs.map(|(used, name)| (name, used)).collect();
    mistakes.sort_by_key(|mistake| (mistake.at.start, mistake.at.end));
    let whole = mistakes.is_empty();
    (Draft { about, target, inputs, probes, phases, whole, unresolved }, mistakes)
}

/// What `read` makes of a block, unless it notes a mistake on the way.
fn part<T>(reader: &Reader<'_>, read: impl FnOnce() -> Option<T>) -> Part<T> {
    let before = reader.count();
    match read() {
        Some(value) if reader.count() == before => Part::Read(value),
        _ => Part::Faulty,
    }
}

fn runbook_name(reader: &Reader<'_>) -> Meaning {
    let path = Path::root().key("runbook").key("name");
    reader.document.text_at(&path).map_or(Meaning::Unknown, |name| Meaning::Is(name.to_owned()))
}

fn target_meanings(reader: &Reader<'_>, target: &Part<Target>) -> (Meaning, Meaning) {
    let meaning = |key: &str, value: &str| {
        let resolved = reader.is_resolved(&Path::root().key("target").key(key));
        if resolved { Meaning::Is(value.to_owned()) } else { Meaning::Unknown }
    };
    match target.read() {
        Some(target) => (meaning("project", &target.project), meaning("region", &target.region)),
        None => (Meaning::Unknown, Meaning::Unknown),
    }
}

fn read_about(mut block: Block<'_, '_>) -> Option<About> {
    let name = block.need("name", Block::literal, "name = \"connector-exhaustion\"");
    let title = block.text("title");
    let description = block.text("description");
    let owners = block.texts("owners").unwrap_or_default();
    let incident = block.text("incident");
    let on_failure = block.choice("on_failure", &ON_FAILURE).unwrap_or_default();
    block.finish(&LATER_KEYS);
    Some(About { name: name?, title, description, owners, incident, on_failure })
}

fn read_target(mut block: Block<'_, '_>) -> Option<Target> {
    let project = block.need("project", Block::text, "project = \"netra-staging\"");
    let region = block.need("region", Block::text, "region = \"us-central1\"");
    let protected = block.flag("protected").unwrap_or(false);
    block.finish(&LATER_KEYS);
    Some(Target { project: project?, region: region?, protected })
}

/// The names of the inputs, and what they stand for.
fn read_inputs(reader: &Reader<'_>, inputs: &Inputs, mode: Mode) -> (Vec<String>, BTreeMap<String, Meaning>) {
    let mut meanings = BTreeMap::new();
    if let Some(block) = reader.root().block("inputs") {
        for (name, entry) in block.entries() {
            let before = reader.count();
            let path = Path::input(name);
            if let Some(text) = reader.document.text_at(&path) {
                let mistake = Mistake::new(WRONG_TYPE, entry.node.at.clone(), "an input is a table, not a text");
                reader.note(mistake.help(format!("write {name} = {{ default = \"{text}\" }}")));
                meanings.insert(name.to_owned(), Meaning::Unknown);
                continue;
            }
            let meaning = reader.block(path, &entry.node).and_then(|block| read_input(block, name, inputs, mode));
            let sound = reader.count() == before;
            meanings.insert(name.to_owned(), meaning.filter(|_| sound).unwrap_or(Meaning::Unknown));
        }
    }
    for given in inputs.given.keys().filter(|given| !meanings.contains_key(*given)) {
        let at = reader.document.place(&Path::root().key("inputs"));
        let mistake =
            Mistake::new(UNKNOWN_INPUT, at, format!("a value was given for `{given}`, which is not an input"));
        reader.note(Mistake { help: did_you_mean(given, meanings.keys().map(String::as_str)), ..mistake });
    }
    (meanings.keys().cloned().collect(), meanings)
}

fn read_input(mut block: Block<'_, '_>, name: &str, inputs: &Inputs, mode: Mode) -> Option<Meaning> {
    let (reader, path, at) = (block.reader, block.path.clone(), block.at.clone());
    let default = block.literal("default");
    let required = block.flag("required").unwrap_or(false);
    let secret = block.flag("secret").unwrap_or(false);
    let env = block.literal("env");
    let pattern = block.parsed("pattern", "\"@sha256:[0-9a-f]{64}$\"", |text| {
        // The whole of what the regex crate says is a drawing of its own.
        Regex::new(text).map_err(|_| format!("`{text}` is not a regular expression"))
    });
    block.literal("description");
    block.finish(&[]);

    let place = |key: &str| reader.document.place(&path.key(key));
    let wrong = |key: &str, message: &str| reader.note(Mistake::new(BAD_VALUE, place(key), message));
    if default.is_some() && required {
        wrong("required", "an input with a default is never missing: `required` says nothing");
    }
    if default.is_some() && secret {
        wrong("default", "a secret must not stand in the file");
    }
    if default.as_deref().is_some_and(|default| default.contains("${")) {
        wrong("default", "`${…}` is not replaced here: an input does not refer to others");
    }
    if secret {
        return Some(Meaning::Secret);
    }

    let from_environment = env.as_ref().and_then(|env| inputs.environment.get(env));
    let (value, source) = match (inputs.given.get(name).or(from_environment), default) {
        (Some(value), _) => (value.clone(), "pattern"),
        (None, Some(default)) => (default, "default"),
        (None, None) if mode == Mode::Run => {
            let help = env.map(|env| format!(" or set {env}")).unwrap_or_default();
            let mistake = Mistake::new(MISSING_INPUT, at, format!("the input `{name}` has no value"));
            reader.note(mistake.help(format!("give it with --input {name}=…{help}")));
            return None;
        }
        (None, None) => return Some(Meaning::Unknown),
    };
    if let Some(pattern) = pattern.filter(|pattern| !pattern.is_match(&value)) {
        let message = format!("the input `{name}` is `{value}`, which does not match its pattern");
        reader.note(Mistake::new(INPUT_PATTERN, place(source), message).help(format!("the pattern is {pattern}")));
    }
    Some(Meaning::Is(value))
}

fn read_probes(reader: &Reader<'_>, root: &mut Block<'_, '_>) -> BTreeMap<String, Part<Probe>> {
    let Some(block) = root.block("probes") else { return BTreeMap::new() };
    let read = |(name, entry): (&str, &Entry)| {
        let probe = part(reader, || read_probe(reader.block(Path::probe(name), &entry.node)?));
        (name.to_owned(), probe)
    };
    block.entries().into_iter().map(read).collect()
}

fn read_probe(mut block: Block<'_, '_>) -> Option<Probe> {
    let reader = block.reader;
    let (by_http, by_resource) = (block.has("http"), block.has("resource"));
    let url = block.text("http");
    let resource = block.text("resource");
    let timeout = if by_resource && !by_http { None } else { block.positive_duration("timeout") };
    let expect = block.need("expect", Block::condition, "expect = 'status == 200'");
    let at = block.at.clone();
    let place = |key: &str| reader.document.place(&block.path.key(key));
    let look = match (by_http, by_resource) {
        (true, true) => {
            let message = "a probe looks at one thing: `http` or `resource`, not both";
            reader.note(Mistake::new(BAD_VALUE, place("resource"), message).help("make it two probes"));
            None
        }
        (true, false) => url.map(|url| Look::Http { url, timeout: timeout.unwrap_or(HTTP_TIMEOUT) }),
        (false, true) => resource.and_then(|resource| {
            let Some((kind, name)) = resource.split_once('/') else {
                let message = format!("`{resource}` is not a kind and a name");
                let help = "write it such as \"gcp.connector/staging-connector\"";
                reader.note(Mistake::new(BAD_VALUE, place("resource"), message).help(help));
                return None;
            };
            Some(Look::Resource { kind: kind.to_owned(), name: name.to_owned() })
        }),
        // What it looks at comes with a later version, or is missing altogether.
        (false, false) => {
            if !LATER_PROBES.iter().any(|key| block.has(key)) {
                let mistake =
                    Mistake::new(MISSING_KEY, at, "the probe looks at nothing: `http` or `resource` is missing");
                reader.note(mistake.help("write it such as http = \"https://…/health\""));
            }
            None
        }
    };
    block.finish(&LATER_PROBES);
    Some(Probe { look: look?, expect: expect? })
}

fn read_phases(reader: &Reader<'_>, root: &mut Block<'_, '_>) -> Vec<PhaseDraft> {
    if !root.has("phase") {
        let mistake = Mistake::new(MISSING_KEY, 0..0, "there is no `[[phase]]`: the runbook does nothing");
        reader.note(mistake.help("write `[[phase]]` with a `name`, and `[[phase.step]]` below it"));
    }
    let blocks = root.blocks("phase").into_iter();
    blocks.map(|block| block.map(|block| read_phase(reader, block)).unwrap_or_default()).collect()
}

fn read_phase(reader: &Reader<'_>, mut block: Block<'_, '_>) -> PhaseDraft {
    let name = block.need("name", Block::literal, "name = \"capacity\"");
    let title = block.text("title");
    let budget = block.positive_duration("budget");
    let steps = block.blocks("step").into_iter().map(|block| read_step(reader, block)).collect();
    block.finish(&LATER_KEYS);
    PhaseDraft { name, title, budget, steps }
}

fn read_step(reader: &Reader<'_>, block: Option<Block<'_, '_>>) -> StepDraft {
    let mut watched = Vec::new();
    let Some(mut block) = block else {
        return StepDraft { name: None, action: Part::Faulty, gate: Part::Faulty, watched, on_failure: None };
    };
    let name = block.need("name", Block::literal, "name = \"scale-connector\"");
    let action = part(reader, || read_action(reader, &mut block));
    let gate =
        if block.has("gate") { part(reader, || read_gate(block.block("gate")?, &mut watched)) } else { Part::Absent };
    let on_failure = block.choice("on_failure", &ON_FAILURE);
    block.ignore(&["gate"]);
    block.finish(&LATER_KEYS);
    StepDraft { name, action, gate, watched, on_failure }
}

/// Reads what stands behind `with`.
type ReadWith = fn(&mut Block<'_, '_>) -> Option<Action>;

/// What `uses` may be.
const ACTIONS: [(&str, ReadWith); 4] = [
    ("gcp.connector.scale", connector_scale),
    ("gcp.run.deploy", run_deploy),
    ("gcp.run.traffic", run_traffic),
    ("probe", |_| Some(Action::Probe)),
];

fn read_action(reader: &Reader<'_>, step: &mut Block<'_, '_>) -> Option<Action> {
    let uses = step.need("uses", Block::literal, "uses = \"gcp.connector.scale\"");
    step.ignore(&["with"]);
    let uses = uses?;
    let at = reader.document.place(&step.path.key("uses"));
    let Some((_, read_with)) = ACTIONS.iter().find(|(name, _)| *name == uses) else {
        let known = ACTIONS.iter().map(|(name, _)| *name);
        reader.note(if LATER_ACTIONS.contains(&uses.as_str()) {
            Mistake::new(NOT_YET, at, format!("the action `{uses}` is not supported by this version yet"))
        } else {
            let mistake = Mistake::new(UNKNOWN_ACTION, at, format!("there is no action `{uses}`"));
            Mistake { help: did_you_mean(&uses, known), ..mistake }
        });
        return None;
    };
    if uses == "probe" && !step.has("with") {
        return Some(Action::Probe);
    }
    let mut with = step.need("with", Block::block, "with = { … }")?;
    let action = read_with(&mut with);
    with.finish(&["candidate"]);
    action
}

fn connector_scale(with: &mut Block<'_, '_>) -> Option<Action> {
    let connector = with.need("connector", Block::text, "connector = \"staging-connector\"");
    let min_instances = with.integer("min_instances");
    let max_instances = with.integer("max_instances");
    let machine_type = with.text("machine_type");
    if !["min_instances", "max_instances", "machine_type"].iter().any(|key| with.has(key)) {
        let mistake = Mistake::new(MISSING_KEY, with.at.clone(), "this changes nothing about the connector");
        with.reader.note(mistake.help("say `min_instances` and `max_instances`, or `machine_type`"));
    }
    Some(Action::ConnectorScale { connector: connector?, min_instances, max_instances, machine_type })
}

fn run_traffic(with: &mut Block<'_, '_>) -> Option<Action> {
    let service = with.need("service", Block::text, "service = \"netra-backend-staging\"");
    let to = with.need("to", Block::shares, "to = { LATEST = 100 }");
    Some(Action::RunTraffic { service: service?, to: to? })
}

fn run_deploy(with: &mut Block<'_, '_>) -> Option<Action> {
    let service = with.need("service", Block::text, "service = \"netra-backend-staging\"");
    let image = with.need("image", Block::text, "image = \"…@sha256:…\"").map(Image::new);
    let shift = with.percents("shift").unwrap_or_default();
    let hold = with.positive_duration("hold");
    if hold.is_some() && !with.has("shift") {
        let at = with.reader.document.key_span(&with.path.key("hold")).unwrap_or_else(|| with.at.clone());
        let message = "`hold` is how long the gate holds at each share of `shift`, and there is no `shift`";
        with.reader.note(Mistake::new(BAD_VALUE, at, message).help("add shift = [10, 50, 100], or take `hold` out"));
    }
    Some(Action::RunDeploy { service: service?, image: image?, shift, hold })
}

fn read_gate(mut block: Block<'_, '_>, watched: &mut Vec<String>) -> Option<Rule> {
    let healthy = block.need("healthy", Block::texts, "healthy = [\"backend\"]");
    watched.extend(healthy.iter().flatten().cloned());
    let hold = block.duration("for").unwrap_or(Duration::ZERO);
    let every = block.positive_duration("every").unwrap_or(EVERY);
    let timeout = block.positive_duration("timeout").unwrap_or(GATE_TIMEOUT);
    let max_failure_rate = block.parsed("max_failure_rate", "\"2%\"", rate);
    if healthy.as_ref().is_some_and(Vec::is_empty) {
        let at = block.reader.document.place(&block.path.key("healthy"));
        let mistake = Mistake::new(BAD_VALUE, at, "a gate that looks at nothing proves nothing");
        block.reader.note(mistake.help("name at least one probe"));
    }
    block.finish(&[]);
    Some(Rule { healthy: healthy?, hold, every, timeout, max_failure_rate })
}
