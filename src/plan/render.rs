//! A plan for people.

use std::fmt::Write as _;

use super::{Plan, Problem};
use crate::clock::words;
use crate::gate::Rule;
use crate::inert::inert;
use crate::run::{Change, Reversibility, Task};

/// The plan as plain text.
pub fn text(plan: &Plan) -> String {
    let mut out = format!("{}\n", inert(&plan.title));
    let _ = writeln!(out, "{} in {}, on {}", inert(&plan.project), inert(&plan.region), inert(&plan.cloud));
    let mut passed_one_way = false;
    for (place, phase) in plan.phases.iter().enumerate() {
        let budget = phase.budget.map(|budget| format!(", within {}", words(budget))).unwrap_or_default();
        let _ = writeln!(out, "\nphase {} of {}: {}{budget}", place + 1, plan.phases.len(), inert(&phase.title));
        for task in plan.tasks_of(&phase.name) {
            let one_way = task.change.is_some() && task.reversibility.is_one_way();
            if one_way && !passed_one_way {
                let _ = writeln!(out, "\n  ──── point of no return: what follows cannot all be undone ────");
                passed_one_way = true;
            }
            out.push('\n');
            self::task(&mut out, task);
        }
    }
    let _ = writeln!(out, "\n{}", summary(plan));
    out
}

/// What stands in the way of a plan.
pub fn problems(problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in problems {
        let _ = writeln!(out, "  × {}: {}", inert(&problem.step), inert(&problem.why));
        if let Some(help) = &problem.help {
            let _ = writeln!(out, "    help: {}", inert(help));
        }
    }
    out
}

fn summary(plan: &Plan) -> String {
    let (changes, one_way) = (plan.changes(), plan.one_way());
    match (changes, one_way) {
        (0, _) => "nothing to change: the cloud already is as this runbook wants it".to_owned(),
        (1, 0) => "1 change, which can be undone".to_owned(),
        (1, _) => "1 change, which cannot be undone".to_owned(),
        (_, 0) => format!("{changes} changes, all of which can be undone"),
        (_, _) => format!("{changes} changes, {one_way} of which cannot be undone"),
    }
}

fn task(out: &mut String, task: &Task) {
    let _ = write!(out, "  {}", inert(task.id.as_str()));
    match &task.change {
        Some(change) => {
            let _ = writeln!(out, "   {}", resource(change));
            for line in lines(change) {
                let _ = writeln!(out, "      {line}");
            }
        }
        None if task.uses == "probe" => {
            let _ = writeln!(out, "   changes nothing");
        }
        None => {
            let _ = writeln!(out, "   nothing to change: it already is so");
        }
    }
    if let (Some(_), Reversibility::OneWay { why }) = (&task.change, &task.reversibility) {
        let _ = writeln!(out, "      ! cannot be undone: {}", inert(why));
    }
    for warning in &task.warnings {
        let _ = writeln!(out, "      ! {}", inert(warning));
    }
    if let Some(rule) = &task.gate {
        let _ = writeln!(out, "      then: {}", gate(rule));
    }
}

/// What a change changes, in words.
pub fn resource(change: &Change) -> String {
    format!("{} {}", inert(&change.resource.kind), inert(&change.resource.name))
}

/// A line longer than this is broken at its arrow, so that before and after stand below each other.
const LONG: usize = 90;

/// A change, field by field. Inert.
pub fn lines(change: &Change) -> Vec<String> {
    let differences = change.differences();
    let width = differences.iter().map(|difference| difference.field.chars().count()).max().unwrap_or_default();
    let lines = differences.iter().flat_map(|difference| {
        let (field, after) = (inert(&difference.field), inert(&difference.after));
        match difference.before.as_ref().map(|before| inert(before)) {
            _ if difference.stays() => vec![format!("{field:width$}  {after} (as it is)")],
            Some(before) if before.len() + after.len() > LONG => {
                vec![format!("{field:width$}    {before}"), format!("{:width$}  → {after}", "")]
            }
            Some(before) => vec![format!("{field:width$}  {before} → {after}")],
            None => vec![format!("{field:width$}  → {after}")],
        }
    });
    lines.collect()
}

/// A gate in words.
pub fn gate(rule: &Rule) -> String {
    let probes = rule.healthy.iter().map(|probe| inert(probe)).collect::<Vec<_>>().join(", ");
    let hold = if rule.hold.is_zero() { "once".to_owned() } else { format!("for {}", words(rule.hold)) };
    let rate = rule.max_failure_rate.map(|rate| format!(", failure rate proven under {} %", rate * 100.0));
    format!(
        "{probes} healthy {hold}, looked at every {}, within {}{}",
        words(rule.every),
        words(rule.timeout),
        rate.unwrap_or_default()
    )
}
