//! The words that every way of showing a plan shares. What comes from outside is inert in them.

use crate::clock;
use crate::gate::{Rule, samples_in};
use crate::inert::inert;
use crate::plan::{Access, Plan};
use crate::run::{Change, Evidence, Guard, Task, Trip};

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
    let hold = if rule.hold.is_zero() { "once".to_owned() } else { format!("for {}", clock::words(rule.hold)) };
    let rate = rule.max_failure_rate.map(|rate| format!(", failure rate proven under {} %", rate * 100.0));
    format!(
        "{probes} healthy {hold}, looked at every {}, within {}{}",
        clock::words(rule.every),
        clock::words(rule.timeout),
        rate.unwrap_or_default()
    )
}

/// What must be so before a task begins, in words.
pub(super) fn evidence(evidence: &Evidence) -> String {
    let names = |names: &[String]| names.iter().map(|name| inert(name)).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    if !evidence.unhealthy.is_empty() {
        parts.push(format!("{} unhealthy", names(&evidence.unhealthy)));
    }
    if !evidence.healthy.is_empty() {
        parts.push(format!("{} healthy", names(&evidence.healthy)));
    }
    parts.extend(evidence.condition.as_ref().map(|condition| inert(condition)));
    parts.join(", and ")
}

/// What a task does that changes no resource, in words.
pub(super) fn idle(task: &Task) -> String {
    match (&task.pause, &task.message) {
        (Some(pause), _) => format!("waits for {}", clock::words(*pause)),
        (_, Some(text)) => format!("tells: {}", inert(text)),
        _ if task.uses == "probe" => "changes nothing".to_owned(),
        _ => "nothing to change: it already is so".to_owned(),
    }
}

/// What a task is like besides: how it is undone, if that takes a detour, and what may go on at the same time.
pub(super) fn remarks(task: &Task) -> Vec<String> {
    let detour = task.detour.as_ref().map(|detour| {
        let to: Vec<_> = detour.differences().iter().map(|difference| inert(&difference.after)).collect();
        format!("undone by way of {}, which takes seconds; then comes the change itself", to.join(", "))
    });
    let wave = (task.parallel > 1).then(|| format!("up to {} of this step go on at once", task.parallel));
    detour.into_iter().chain(wave).collect()
}

/// A guard in words.
pub(super) fn guard(guard: &Guard) -> String {
    let then = match guard.then {
        Trip::Pause => "the run pauses and asks",
        Trip::Rollback => "the run rolls back",
    };
    let times = if guard.failures == 1 { "once".to_owned() } else { format!("{} times in a row", guard.failures) };
    format!("{} unhealthy {times}, looked at every {}: {then}", inert(&guard.probe), clock::words(guard.every))
}

/// What a gate's yes is worth.
pub(super) fn proof(rule: &Rule) -> String {
    let bound = samples_in(rule.hold, rule.every);
    format!(
        "{} samples in a row: a failure rate under {:.1} %, with 95 % confidence",
        bound.samples,
        bound.rate() * 100.0
    )
}

/// The plan in one line.
pub(super) fn summary(plan: &Plan) -> String {
    let (changes, one_way) = (plan.changes(), plan.one_way());
    let changes = match (changes, one_way) {
        // Of what could not be planned nobody knows how it is.
        (0, _) if !plan.problems.is_empty() => "none changes anything".to_owned(),
        (0, _) => "nothing to change: the cloud already is as this runbook wants it".to_owned(),
        (1, 0) => "1 change, which can be undone".to_owned(),
        (1, _) => "1 change, which cannot be undone".to_owned(),
        (_, 0) => format!("{changes} changes, all of which can be undone"),
        (_, _) => format!("{changes} changes, {one_way} of which cannot be undone"),
    };
    let steps: std::collections::BTreeSet<&str> = plan.problems.iter().map(|problem| problem.step.as_str()).collect();
    match (steps.len(), plan.is_wrong()) {
        (0, _) => changes,
        (_, false) => format!("what it would change is not known: nothing was looked at ({} steps)", steps.len()),
        (1, true) => format!("not a whole plan: 1 step cannot be planned; of the others, {changes}"),
        (count, true) => format!("not a whole plan: {count} steps cannot be planned; of the others, {changes}"),
    }
}

/// Whether the caller may do it, in words; `None` if nothing is needed.
pub(super) fn access(access: &Access) -> Option<String> {
    let count = access.needs.len();
    if count == 0 {
        return None;
    }
    Some(match (&access.missing, &access.unknown) {
        (Some(missing), _) if missing.is_empty() => format!("you have all {count} permissions that it needs"),
        (Some(missing), _) => {
            let missing = missing.iter().map(|name| inert(name)).collect::<Vec<_>>().join(", ");
            format!("you lack what it needs: {missing}")
        }
        (None, Some(why)) => {
            format!("it needs {count} permissions; whether you have them cannot be told: {}", inert(why))
        }
        (None, None) => {
            let all = access.needs.iter().map(|need| inert(&need.permission)).collect::<Vec<_>>().join(", ");
            format!("it needs {all}")
        }
    })
}

/// A text as lines of at most so many columns, indented; what does not fit goes on below, indented further. No word is
/// broken.
pub fn folded(text: &str, indent: usize, width: usize) -> Vec<String> {
    let (first, rest) = (" ".repeat(indent), " ".repeat(indent + 4));
    let options = textwrap::Options::new(width)
        .initial_indent(&first)
        .subsequent_indent(&rest)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .word_separator(textwrap::WordSeparator::AsciiSpace);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}
