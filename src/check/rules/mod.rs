//! One file a rule, named as its code. A rule looks at what could be read and says what it finds.
//!
//! A rule may assume that every block it is given is in order by itself: keys, types and units were seen to by
//! the reader. What it must not assume is that the other blocks are there.

mod ambient_target;
mod bad_name;
mod bad_query;
mod bad_url;
mod beyond_limits;
mod canary_asks_unhealthy;
mod candidate_unseen;
mod closure_missing;
mod command_refused;
mod condition_mistyped;
mod connector_machine_type;
mod connector_max_instances;
mod connector_min_instances;
mod connector_min_not_below_max;
mod connector_size_incomplete;
mod data_deleted;
mod data_destroyed;
mod duplicate_name;
mod empty_phase;
mod failure_hidden;
mod finally_misplaced;
mod gate_too_short;
mod irreversible_unsaid;
mod list_replaced;
mod metric_gate_too_short;
mod mutating_check;
mod no_data_while_healthy;
mod not_yet;
mod other_target;
mod placeholder;
mod probe_step_without_gate;
mod reference_in_script;
mod reserved_path;
mod restart_unsaid;
mod rollback_impossible;
mod rollback_target_deleted;
mod run_scale_bounds;
mod script_not_examined;
mod serverless_timeout;
mod shift_not_rising;
mod shift_without_gate;
mod tag_not_digest;
mod traffic_pinned;
mod traffic_sum;
mod typed_step;
mod unknown_name;
mod unknown_probe;
mod unknown_resource_kind;
mod unused_input;
mod unused_probe;
mod value_as_code;
mod websocket_outlives_timeout;
mod when_not_planned;
mod wildcard_certificate;

use std::fmt;
use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::shell::{CommandLine, Place, ShellFindings, StepCommand};
use crate::action::{Action, Manual};
use crate::probe::ProbeSpec;
use crate::runbook::{Draft, IterationDraft};
use crate::syntax::condition::Condition;
use crate::syntax::{Document, Path};

/// Something that makes a runbook wrong, or at least odd.
pub struct Rule {
    /// Stable name in kebab-case; the file of the rule is named so too.
    pub code: &'static str,
    /// What it asks for, in a line.
    pub title: &'static str,
    /// What it is about, in Markdown: `docs/checks/CODE.md`.
    pub page: &'static str,
    pub(super) answer: Answer,
    pub(super) find: fn(&Subject<'_>) -> Vec<Diagnostic>,
}

/// Whether the author of a step may answer what a rule finds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// With `allow` and a reason: the author may know what the rule cannot.
    WithReason,
    /// Not at all: Google refuses it, it cannot be carried out, or it protects data.
    None,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("code", &self.code).field("title", &self.title).finish_non_exhaustive()
    }
}

/// Every rule, by code.
pub const RULES: &[Rule] = &[
    ambient_target::RULE,
    bad_name::RULE,
    bad_query::RULE,
    bad_url::RULE,
    beyond_limits::RULE,
    canary_asks_unhealthy::RULE,
    candidate_unseen::RULE,
    closure_missing::RULE,
    command_refused::RULE,
    condition_mistyped::RULE,
    connector_machine_type::RULE,
    connector_max_instances::RULE,
    connector_min_instances::RULE,
    connector_min_not_below_max::RULE,
    connector_size_incomplete::RULE,
    data_deleted::RULE,
    data_destroyed::RULE,
    duplicate_name::RULE,
    empty_phase::RULE,
    failure_hidden::RULE,
    finally_misplaced::RULE,
    gate_too_short::RULE,
    list_replaced::RULE,
    metric_gate_too_short::RULE,
    mutating_check::RULE,
    no_data_while_healthy::RULE,
    not_yet::RULE,
    irreversible_unsaid::RULE,
    other_target::RULE,
    placeholder::RULE,
    probe_step_without_gate::RULE,
    reference_in_script::RULE,
    reserved_path::RULE,
    restart_unsaid::RULE,
    rollback_impossible::RULE,
    rollback_target_deleted::RULE,
    run_scale_bounds::RULE,
    script_not_examined::RULE,
    serverless_timeout::RULE,
    shift_not_rising::RULE,
    shift_without_gate::RULE,
    tag_not_digest::RULE,
    traffic_pinned::RULE,
    traffic_sum::RULE,
    typed_step::RULE,
    unknown_name::RULE,
    unknown_probe::RULE,
    unknown_resource_kind::RULE,
    unused_input::RULE,
    unused_probe::RULE,
    value_as_code::RULE,
    websocket_outlives_timeout::RULE,
    when_not_planned::RULE,
    wildcard_certificate::RULE,
];

/// What a rule looks at.
pub(super) struct Subject<'s> {
    pub(super) document: &'s Document,
    pub(super) draft: &'s Draft,
    /// What its `shell` steps run.
    pub(super) shell: ShellFindings,
}

impl<'s> Subject<'s> {
    /// Every action that could be read, with the step that it stands in: several, if that has a `for_each`.
    fn actions(&self) -> impl Iterator<Item = (Path, &'s IterationDraft, &'s Action)> {
        self.iterations().filter_map(|(path, iteration)| Some((path, iteration, iteration.action.read()?)))
    }

    /// Every turn of every step.
    fn iterations(&self) -> impl Iterator<Item = (Path, &'s IterationDraft)> {
        self.draft
            .steps()
            .flat_map(|(path, step)| step.iterations.iter().map(move |iteration| (path.clone(), iteration)))
    }

    /// What each probe observes, where that could be read and no placeholder is left in it, with its place.
    fn probes(&self) -> impl Iterator<Item = (Path, &'s ProbeSpec)> {
        self.draft.probes.iter().filter_map(|(name, probe)| {
            let spec = &probe.read()?.spec;
            let path = Path::probe(name).key(spec.key());
            self.is_resolved(&path).then_some((path, spec))
        })
    }

    /// Every place that names a probe, and the name.
    fn mentions(&self) -> Vec<(Path, &'s str)> {
        let draft = self.draft;
        let each = |path: Path, names: &'s [String]| {
            names.iter().enumerate().map(move |(index, name)| (path.index(index), name.as_str()))
        };
        let root = Path::root();
        let mut mentions: Vec<(Path, &str)> = Vec::new();
        mentions.extend(
            draft
                .symptom
                .read()
                .into_iter()
                .flat_map(|symptom| each(root.key("symptom").key("unhealthy"), &symptom.unhealthy)),
        );
        for (step, draft) in draft.steps() {
            if let Some(require) = draft.require.read() {
                mentions.extend(each(step.key("require").key("healthy"), &require.healthy));
                mentions.extend(each(step.key("require").key("unhealthy"), &require.unhealthy));
            }
            for iteration in &draft.iterations {
                mentions.extend(each(step.key("gate").key("healthy"), &iteration.watched));
                if let Some(Action::Manual(Manual { verify: Some(probe), .. })) = iteration.action.read() {
                    mentions.push((argument(&step, "verify"), probe));
                }
            }
        }
        for (index, guard) in draft.guards.iter().enumerate() {
            mentions
                .extend(guard.read().map(|guard| (root.key("guard").index(index).key("probe"), guard.probe.as_str())));
        }
        mentions
    }

    /// Every condition over what the whole run knows: those of `require`, of escalation and of closure.
    fn conditions(&self) -> Vec<(Path, &'s Condition)> {
        let draft = self.draft;
        let required = draft.steps().filter_map(|(step, draft)| {
            Some((step.key("require").key("condition"), draft.require.read()?.condition.as_ref()?))
        });
        let numbered = |table: &str, index: usize| Path::root().key(table).key("criterion").index(index);
        let grounds = draft.escalation.read().into_iter().flat_map(|escalation| &escalation.criteria);
        let grounds = grounds.enumerate().map(|(index, criterion)| {
            let (key, condition) = criterion.ground.parts();
            (numbered("escalation", index).key(key), condition)
        });
        let closing = draft.closure.read().into_iter().flatten().enumerate();
        let closing = closing.map(|(index, closing)| (numbered("closure", index).key("condition"), &closing.condition));
        required.chain(grounds).chain(closing).collect()
    }

    /// What decides, when a plan is made, whether a step is in it.
    fn decisions(&self) -> impl Iterator<Item = (Path, &'s Condition)> {
        self.draft.steps().filter_map(|(step, draft)| Some((step.key("when"), draft.when.as_ref()?)))
    }

    /// Where the value at `path` stands.
    fn place(&self, path: &Path) -> Range<usize> {
        self.document.place(path)
    }

    /// Where the key at the end of `path` stands.
    fn key_place(&self, path: &Path) -> Range<usize> {
        self.document.key_span(path).unwrap_or_else(|| self.document.place(path))
    }

    /// The commands that `shell` steps run, as far as they are understood.
    fn commands(&self) -> &[StepCommand] {
        &self.shell.commands
    }

    /// Where a command, or a part of it, stands.
    fn command_place(&self, command: &StepCommand, place: &Place) -> Range<usize> {
        self.place_in_shell(&argument(&command.step, command.key), place)
    }

    /// Where a part of a command stands that is, or lies in, the value at `path`.
    fn place_in_shell(&self, path: &Path, place: &Place) -> Range<usize> {
        match place {
            Place::Whole => self.place(path),
            Place::Argument(index) => self.place(&path.index(*index)),
            Place::Script { argument: None, at } => self.document.place_inside(path, at),
            Place::Script { argument: Some(index), at } => self.document.place_inside(&path.index(*index), at),
        }
    }

    /// Whether the text at `path` is what it will be.
    fn is_resolved(&self, path: &Path) -> bool {
        self.draft.is_resolved(path)
    }
}

/// Where an argument of a step's action stands.
fn argument(step: &Path, key: &str) -> Path {
    step.key("with").key(key)
}

/// Whether a command sets the size of a connector.
fn sizes_connector(line: &CommandLine) -> bool {
    let connectors = "compute networks vpc-access connectors";
    ["create", "update"].iter().any(|verb| line.names(&format!("{connectors} {verb}")).is_some())
}
