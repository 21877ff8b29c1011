//! `[[phase]]`, `[[phase.step]]`, and what stands in a step besides its action.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{part, read_every};
use crate::action::{ACTIONS, Action, ActionFormat, GateOnly, ItemList};
use crate::gate::{GateLimits, GateRule, Percentiles};
use crate::run::{Elsewhere, MAX_AGE, Occasion};
use crate::runbook::draft::{IterationDraft, Part, PhaseDraft, StepDraft};
use crate::runbook::format::ON_FAILURE;
use crate::runbook::model::{Allowed, FanOut, Items, Require};
use crate::syntax::Meaning;
use crate::syntax::Path;
use crate::syntax::mistake::{MISSING_KEY, Mistake, UNKNOWN_ACTION};
use crate::syntax::spelling::{did_you_mean, slip_of};
use crate::syntax::{Block, Edit, Reader};

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// When a gate gives up.
const GATE_TIMEOUT: Duration = Duration::from_mins(20);
/// More than anybody reviews.
const MOST_ITEMS: usize = 1000;

/// How often the steps of a runbook are done together, at most.
const MOST_ITERATIONS: usize = 10_000;

/// What was found to be listed, by step.
type Lists = BTreeMap<String, Vec<String>>;

/// What the steps are done for.
struct Iterations<'l> {
    lists: &'l Lists,
    /// How many there are so far.
    made: Cell<usize>,
}

impl Iterations<'_> {
    /// Reads the `for_each` of a step, unless it makes too many of them.
    fn read(&self, block: &Block<'_, '_>, step: Option<&String>) -> Option<FanOut> {
        let fan_out = read_for_each(block, step.and_then(|step| self.lists.get(step)))?;
        let made = self.made.get() + fan_out.items.known().len();
        if made > MOST_ITERATIONS {
            let key = if block.has("list") { "list" } else { "items" };
            let message = format!("the steps of this runbook are done more than {MOST_ITERATIONS} times together");
            block.wrong(key, message, "split the runbook, or name fewer items");
            return None;
        }
        self.made.set(made);
        Some(fan_out)
    }
}

pub(super) fn read_phases(reader: &Reader<'_>, root: &Block<'_, '_>, lists: &Lists) -> Vec<PhaseDraft> {
    let blocks = root.blocks("phase");
    define_outputs(reader, &blocks);
    let iterations = Iterations { lists, made: Cell::new(0) };
    let read = |block: &Option<Block<'_, '_>>| block.as_ref().map(|block| read_phase(reader, block, &iterations));
    blocks.iter().map(|block| read(block).unwrap_or_default()).collect()
}

/// What steps bring about is ahead of every step until the step has been read.
fn define_outputs(reader: &Reader<'_>, phases: &[Option<Block<'_, '_>>]) {
    for (index, _) in phases.iter().enumerate() {
        let mut step = 0;
        while reader.document.span(&Path::step(index, step)).is_some() {
            outputs(reader, &Path::step(index, step), &Meaning::Ahead);
            step += 1;
        }
    }
}

fn outputs(reader: &Reader<'_>, step: &Path, meaning: &Meaning) {
    let text = |key: &str| reader.document.text_at(&step.key(key));
    let (Some(name), Some(uses)) = (text("name"), text("uses")) else { return };
    for output in find_action(uses).map_or(&[][..], |action| action.outputs) {
        reader.scope.define(format!("steps.{name}.{output}"), meaning.clone());
    }
}

fn read_phase(reader: &Reader<'_>, block: &Block<'_, '_>, iterations: &Iterations<'_>) -> PhaseDraft {
    let name = block.literal("name");
    let title = block.text("title");
    let budget = block.positive_duration("budget");
    let occasion = if block.flag("finally") == Some(true) { Occasion::Finally } else { Occasion::InOrder };
    let on_failure = block.choice("on_failure", &ON_FAILURE);
    let mut steps = Vec::new();
    for step in block.blocks("step") {
        steps.push(step.as_ref().map_or_else(StepDraft::faulty, |step| read_step(reader, step, iterations)));
        if let Some(step) = &step {
            outputs(reader, &step.path, &Meaning::Later);
        }
    }
    block.finish();
    PhaseDraft { name, title, budget, occasion, on_failure, steps }
}

fn read_step(reader: &Reader<'_>, block: &Block<'_, '_>, iterations: &Iterations<'_>) -> StepDraft {
    let name = block.literal("name");
    let fan_out = part(reader, block.has("for_each"), || iterations.read(&block.block("for_each")?, name.as_ref()));
    let iterations = match &fan_out {
        Part::Absent => vec![read_turn(reader, block)],
        Part::Faulty => {
            // Without its items nothing can be said of what `${item}` stands for.
            reader.scope.define("item", Meaning::Unknown);
            vec![read_turn(reader, block)]
        }
        Part::Read(FanOut { items: Items::Listed { found: None, .. }, .. }) => {
            reader.scope.define("item", Meaning::Later);
            vec![read_turn(reader, block)]
        }
        Part::Read(fan_out) => fan_out
            .items
            .known()
            .iter()
            .map(|item| {
                reader.scope.define("item", Meaning::Is(item.clone()));
                read_turn(reader, block)
            })
            .collect(),
    };
    reader.scope.forget("item");
    let elsewhere = Elsewhere { project: block.text("project"), region: block.text("region") };
    let when = block.condition("when");
    let irreversible = block.flag("irreversible").unwrap_or(false);
    let confirm = block.text("confirm");
    let require = part(reader, block.has("require"), || Some(read_require(&block.block("require")?)));
    let on_failure = block.choice("on_failure", &ON_FAILURE);
    let operation_timeout = block.duration("operation_timeout");
    let allow = block.blocks("allow").iter().flatten().filter_map(read_allowed).collect();
    block.finish();
    StepDraft {
        name,
        iterations,
        fan_out,
        elsewhere,
        when,
        irreversible,
        confirm,
        require,
        on_failure,
        operation_timeout,
        allow,
    }
}

fn read_allowed(block: &Block<'_, '_>) -> Option<Allowed> {
    let (code, reason) = (block.literal("code"), block.literal("reason"));
    if reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        block.wrong("reason", "the reason is empty", "say in a sentence why it is right here");
    }
    block.finish();
    Some(Allowed { code: code?, reason: reason? })
}

fn read_turn(reader: &Reader<'_>, block: &Block<'_, '_>) -> IterationDraft {
    let mut watched = Vec::new();
    let action = part(reader, true, || read_action(reader, block));
    let gate = part(reader, block.has("gate"), || read_gate(&block.block("gate")?, &mut watched));
    IterationDraft { action, gate, watched }
}

fn read_for_each(block: &Block<'_, '_>, found: Option<&Vec<String>>) -> Option<FanOut> {
    let list = ItemList::read(block);
    let items = block.texts("items");
    let max_parallel = block.count("max_parallel", 1).unwrap_or(1);
    let max_failures = block.count("max_failures", 0).unwrap_or(0);
    block.finish();
    match (block.has("items"), block.has("list")) {
        (true, true) => block.wrong("list", "`items` and `list` both say what to do it for", "take one of them out"),
        (false, false) => {
            let mistake = Mistake::new(MISSING_KEY, block.at.clone(), "nothing says what to do it for");
            block.reader.note(mistake.help("name the `items`, or a `list` of resources"));
        }
        (true, false) | (false, true) => {}
    }
    if block.has("list") {
        let items = Items::Listed { list: list?, found: found.cloned() };
        return Some(FanOut { items, max_parallel, max_failures });
    }
    let items = items?;
    if items.is_empty() {
        block.wrong("items", "there is nothing to do it for", "name at least one item");
    }
    if items.len() > MOST_ITEMS {
        let message = format!("{} items are more than anybody reviews", items.len());
        block.wrong("items", message, &format!("a step is done for at most {MOST_ITEMS}"));
        return None;
    }
    let mut sorted: Vec<&String> = items.iter().collect();
    sorted.sort_unstable();
    if let Some((twice, _)) = sorted.iter().zip(sorted.iter().skip(1)).find(|(one, next)| one == next) {
        block.wrong("items", format!("`{twice}` is there twice"), "an iteration is identified by its item");
    }
    Some(FanOut { items: Items::Named(items), max_parallel, max_failures })
}

fn read_require(block: &Block<'_, '_>) -> Require {
    let (healthy, unhealthy) = (block.texts("healthy"), block.texts("unhealthy"));
    let condition = block.condition("condition");
    let max_age = block.positive_duration("max_age").unwrap_or(MAX_AGE);
    block.finish();
    // What is wrong with a list was noted where it stands.
    let names_none =
        |key: &str, names: &Option<Vec<String>>| !block.has(key) || names.as_ref().is_some_and(Vec::is_empty);
    if names_none("healthy", &healthy) && names_none("unhealthy", &unhealthy) && !block.has("condition") {
        let help = "name a probe in `healthy` or `unhealthy`, or say a `condition`";
        block.wrong("require", "this requires nothing", help);
    }
    let (healthy, unhealthy) = (healthy.unwrap_or_default(), unhealthy.unwrap_or_default());
    Require { healthy, unhealthy, condition, max_age }
}

fn read_gate(block: &Block<'_, '_>, watched: &mut Vec<String>) -> Option<GateRule> {
    let healthy = block.texts("healthy");
    watched.extend(healthy.iter().flatten().cloned());
    let hold = block.duration("for").unwrap_or(Duration::ZERO);
    let every = read_every(block, EVERY);
    let timeout = block.positive_duration("timeout").unwrap_or(GATE_TIMEOUT);
    let max_failure_rate = block.parsed("max_failure_rate", crate::syntax::value::rate);
    let tolerate = block.count("tolerate", 0).unwrap_or(0);
    let [p50, p95, p99] = ["p50", "p95", "p99"].map(|key| block.positive_duration(key));
    let [unhealthy, unknown, broken, flaps] =
        ["max_unhealthy", "max_unknown", "max_broken", "max_flaps"].map(|key| block.count(key, 1));
    let usual = GateLimits::default();
    let limits = GateLimits { unhealthy, unknown, broken: broken.unwrap_or(usual.broken), flaps };
    let request_budget = block.count("request_budget", 1).unwrap_or(1);
    if healthy.as_ref().is_some_and(Vec::is_empty) {
        block.wrong("healthy", "a gate without probes shows nothing", "name at least one probe");
    }
    block.finish();
    let rule = GateRule::of(healthy?, hold, every, timeout);
    let latency = Percentiles { p50, p95, p99 };
    Some(GateRule { max_failure_rate, tolerate, latency, limits, request_budget, ..rule })
}

/// The action of this name.
fn find_action(name: &str) -> Option<&'static ActionFormat> {
    ACTIONS.iter().find(|action| action.name == name)
}

fn read_action(reader: &Reader<'_>, step: &Block<'_, '_>) -> Option<Action> {
    let uses = step.literal("uses")?;
    let Some(format) = find_action(&uses) else {
        let at = reader.document.place(&step.path.key("uses"));
        let mistake = Mistake::new(UNKNOWN_ACTION, at, format!("there is no action `{uses}`"));
        let known = ACTIONS.iter().map(|action| action.name);
        let at = mistake.at.clone();
        let edit = slip_of(&uses, known.clone()).map(|meant| Edit { at, text: format!("\"{meant}\"") });
        reader.note(Mistake { help: did_you_mean(&uses, known), edit, ..mistake });
        return None;
    };
    if !step.has("with") {
        if format.with.keys.is_empty() {
            return Some(Action::GateOnly(GateOnly));
        }
        let required = format.with.keys.iter().filter(|key| key.required);
        let examples: Vec<String> = required.map(|key| format!("{} = {}", key.name, key.example)).collect();
        let mistake = Mistake::new(MISSING_KEY, step.at.clone(), "`with` is missing");
        reader.note(mistake.help(format!("write it such as with = {{ {} }}", examples.join(", "))));
        return None;
    }
    let with = step.arguments("with", &format.with)?;
    let action = Action::read(format.name, &with);
    with.finish();
    action
}
