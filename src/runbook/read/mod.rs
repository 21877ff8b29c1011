//! The tree → the model, block by block. What a block may have in it stands in the [format](mod@super::format).
//!
//! A block with a mistake in it is not handed on, but it never hides another block: what reads is in the
//! [`Draft`], what does not is a [`Mistake`] each.

mod drill;
mod input;
mod phase;
mod probe;
mod surroundings;

use std::time::Duration;

use super::draft::{Draft, Part};
use super::format::{ON_FAILURE, ROOT};
use super::model::About;
use crate::run::Target;
use crate::syntax::mistake::Mistake;
use crate::syntax::value::friendly;
use crate::syntax::{Block, Noted, Reader};
use crate::syntax::{Document, Path};
use crate::syntax::{Inputs, Meaning};

/// What the runbook is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To see whether it is right; inputs may still be missing.
    Check,
    /// To be planned, with or without a look at the cloud; no run follows, so that secrets may be missing and nothing is
    /// judged by them.
    Plan,
    /// To be planned or carried out on a simulated cloud; a secret is its `rehearsal` value, and never the real one.
    Rehearse,
    /// To be carried out; every input needs its value.
    Run,
}

/// The shortest time between two observations of one probe: what asks more often is a load, and no poll.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Reads how often a probe is observed.
fn read_every(block: &Block<'_, '_>, default: Duration) -> Duration {
    let every = block.positive_duration("every").unwrap_or(default);
    if every < SHORTEST_INTERVAL {
        let message = format!("a probe is observed at most every {}", friendly(SHORTEST_INTERVAL));
        block.wrong("every", message, "use `load` to send many requests");
    }
    every.max(SHORTEST_INTERVAL)
}

/// Reads a runbook, as far as it can be read, and says what is wrong with the rest.
pub fn read(document: &Document, inputs: &Inputs, mode: Mode) -> (Draft, Vec<Mistake>) {
    let reader = Reader::new(document);
    let root = reader.root(&ROOT);

    // Their text stands behind the runbook's own already; what is wrong with them was said before.
    drop(root.texts("include"));

    // References are resolved while reading, so what they stand for comes first: inputs, name, target.
    let input::Read { names, shown } = input::read_inputs(&reader, &root, inputs, mode);
    reader.scope.define("runbook.name", runbook_text(&reader, "name"));
    let target = part(&reader, root.has("target"), || read_target(&root.block("target")?));
    let (project, region) = target_meanings(&reader, &target);
    reader.scope.define("target.project", project);
    reader.scope.define("target.region", region);

    let about = part(&reader, root.has("runbook"), || read_about(&root.block("runbook")?));
    reader.scope.define("runbook.incident", incident(&reader, &about));
    let probes = probe::read_probes(&reader, &root);
    let symptom = surroundings::read_symptom(&reader, &root);
    let limits = part(&reader, root.has("limits"), || Some(surroundings::read_limits(&root.block("limits")?)));
    let prices = part(&reader, root.has("cost"), || Some(surroundings::read_prices(&root.block("cost")?)));
    let phases = phase::read_phases(&reader, &root, &inputs.lists);
    let guards = surroundings::read_guards(&reader, &root);
    let escalation = surroundings::read_escalation(&reader, &root);
    let closure = surroundings::read_closure(&reader, &root);
    let steps = phases.iter().flat_map(|phase| &phase.steps).filter_map(|step| step.name.as_deref()).collect();
    let drill = part(&reader, root.has("drill"), || Some(drill::read_drill(&root.block("drill")?, &steps)));
    root.finish();

    let Noted { mut mistakes, unresolved, later, used } = reader.finish();
    let inputs = names.into_iter().map(|name| (used.contains(&format!("inputs.{name}")), name));
    let inputs = inputs.map(|(used, name)| (name, used)).collect();
    mistakes.sort_by_key(|mistake| (mistake.at.start, mistake.at.end));
    // A step that is read once for each item says the same each time.
    mistakes.dedup();
    let whole = mistakes.is_empty();
    let draft = Draft {
        about,
        target,
        inputs,
        plain_env: shown,
        probes,
        symptom,
        limits,
        prices,
        phases,
        guards,
        escalation,
        closure,
        drill,
        whole,
        mode,
        unresolved,
        later,
    };
    (draft, mistakes)
}

/// What `read` makes of a block, unless it notes a mistake on the way.
fn part<T>(reader: &Reader<'_>, is_there: bool, read: impl FnOnce() -> Option<T>) -> Part<T> {
    if !is_there {
        return Part::Absent;
    }
    let before = reader.count();
    match read() {
        Some(value) if reader.count() == before => Part::Read(value),
        _ => Part::Faulty,
    }
}

fn runbook_text(reader: &Reader<'_>, key: &str) -> Meaning {
    let path = Path::root().key("runbook").key(key);
    reader.document.text_at(&path).map_or(Meaning::Unknown, |text| Meaning::Is(text.to_owned()))
}

fn incident(reader: &Reader<'_>, about: &Part<About>) -> Meaning {
    let resolved = reader.is_resolved(&Path::root().key("runbook").key("incident"));
    match about.read() {
        Some(about) if resolved => Meaning::Is(about.incident.clone().unwrap_or_default()),
        _ => Meaning::Unknown,
    }
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

fn read_about(block: &Block<'_, '_>) -> Option<About> {
    let name = block.literal("name");
    let title = block.text("title");
    let description = block.text("description");
    let owners = block.texts("owners").unwrap_or_default();
    let incident = block.text("incident");
    let on_failure = block.choice("on_failure", &ON_FAILURE).unwrap_or_default();
    block.finish();
    Some(About { name: name?, title, description, owners, incident, on_failure })
}

fn read_target(block: &Block<'_, '_>) -> Option<Target> {
    let project = block.text("project");
    let region = block.text("region");
    let protected = block.flag("protected").unwrap_or(false);
    block.finish();
    Some(Target { project: project?, region: region?, protected })
}
