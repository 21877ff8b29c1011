//! One file a rule, named after its code.

mod bad_name;
mod bad_url;
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
mod tag_not_digest;
mod traffic_pinned;
mod traffic_sum;
mod unknown_fact;
mod unknown_probe;
mod unknown_resource_kind;
mod unused;

use super::Subject;
use crate::runbook::Mistake;
use crate::runbook::model::Step;

/// One thing that a runbook can get wrong.
pub struct Rule {
    /// Its stable name.
    pub code: &'static str,
    /// What it looks for, in a line.
    pub title: &'static str,
    pub(super) run: fn(&Subject<'_>, &mut Vec<Mistake>),
}

/// Every rule, by name.
pub const RULES: &[Rule] = &[
    bad_name::RULE,
    bad_url::RULE,
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
    tag_not_digest::RULE,
    traffic_pinned::RULE,
    traffic_sum::RULE,
    unknown_fact::RULE,
    unknown_probe::RULE,
    unknown_resource_kind::RULE,
    unused::RULE,
];

/// Every step, in the order in which they run.
fn steps<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Step> {
    subject.runbook.phases.iter().flat_map(|phase| &phase.steps)
}

/// Whether a value still waits for an input that nobody has given.
fn is_open(value: &str) -> bool {
    value.contains("${")
}
