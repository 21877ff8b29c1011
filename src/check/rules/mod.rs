//! One file a rule, named as its code. A rule looks at what could be read and says what it finds.
//!
//! A rule may assume that every block it is given is in order by itself: keys, types and units were seen to by
//! the reader. What it must not assume is that the other blocks are there.

mod bad_name;
mod bad_url;
mod condition_mistyped;
mod connector_machine_type;
mod connector_max_instances;
mod connector_min_instances;
mod connector_min_not_below_max;
mod connector_size_incomplete;
mod duplicate_name;
mod empty_phase;
mod gate_too_short;
mod probe_step_without_gate;
mod shift_not_rising;
mod shift_without_gate;
mod tag_not_digest;
mod traffic_pinned;
mod traffic_sum;
mod unknown_name;
mod unknown_probe;
mod unknown_resource_kind;
mod unused_input;
mod unused_probe;

use std::fmt;
use std::ops::Range;

use super::diagnostic::Diagnostic;
use crate::runbook::model::Action;
use crate::runbook::{Document, Draft, Path, StepDraft};

/// Something that makes a runbook wrong, or at least odd.
pub struct Rule {
    /// Stable name in kebab-case; the file of the rule is named so too.
    pub code: &'static str,
    /// What it asks for, in a line.
    pub title: &'static str,
    pub(super) find: fn(&Subject<'_>) -> Vec<Diagnostic>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("code", &self.code).field("title", &self.title).finish_non_exhaustive()
    }
}

/// Every rule, by code.
pub const RULES: &[Rule] = &[
    bad_name::RULE,
    bad_url::RULE,
    condition_mistyped::RULE,
    connector_machine_type::RULE,
    connector_max_instances::RULE,
    connector_min_instances::RULE,
    connector_min_not_below_max::RULE,
    connector_size_incomplete::RULE,
    duplicate_name::RULE,
    empty_phase::RULE,
    gate_too_short::RULE,
    probe_step_without_gate::RULE,
    shift_not_rising::RULE,
    shift_without_gate::RULE,
    tag_not_digest::RULE,
    traffic_pinned::RULE,
    traffic_sum::RULE,
    unknown_name::RULE,
    unknown_probe::RULE,
    unknown_resource_kind::RULE,
    unused_input::RULE,
    unused_probe::RULE,
];

/// What a rule looks at.
pub(super) struct Subject<'s> {
    pub(super) document: &'s Document,
    pub(super) draft: &'s Draft,
}

impl<'s> Subject<'s> {
    /// Every step whose action could be read.
    fn actions(&self) -> impl Iterator<Item = (Path, &'s StepDraft, &'s Action)> {
        self.draft.steps().filter_map(|(path, step)| Some((path, step, step.action.read()?)))
    }

    /// Where the value at `path` stands.
    fn place(&self, path: &Path) -> Range<usize> {
        self.document.place(path)
    }

    /// Where the key at the end of `path` stands.
    fn key_place(&self, path: &Path) -> Range<usize> {
        self.document.key_span(path).unwrap_or_else(|| self.document.place(path))
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
