//! The shell scripts by which an operator finishes a run, or rolls it back, without this program.
//!
//! If the program or the machine dies in the middle, these lie ready: the files are written anew after every step. A script
//! has a command only for what the run is known to have changed, or may have. Each command first reads the resource: one that
//! is already as wanted is passed over, and at one that somebody else changed the script stops with a sentence. What must not
//! be done by a script (an irreversible change, a step whose precondition failed) is a comment with the reason. Every value is
//! quoted for a POSIX shell.

use std::fmt::Write as _;

use super::narrate::failure;
use super::program::{shell_check, shell_lines};
use crate::inert::inert;
use crate::resource::gcloud::{GcloudCommands, gcloud, shell_functions};
use crate::run::{Change, ChangeStatus, KeptBecause, Task, TaskView, View, Way};

/// What a script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// It finishes what the run has not done.
    Remaining,
    /// It rolls back what the run applied.
    Rollback,
}

/// What a script says of a task.
enum Part {
    /// Commands, and what an operator should know before they run them.
    Do(Vec<String>),
    /// No command, and why.
    Leave(Vec<String>),
    /// No command, and why; what follows builds on it, so the script goes on only once it is done.
    ByHand(Vec<String>),
}

/// The script, which an operator reads before they run it. Of more than so many steps the first are written, and how many
/// more there are.
pub fn export(view: &View, export: Export, most: usize) -> String {
    let run = view.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let changes = view.tasks.iter().filter(|task| task.task.change.is_some());
    let forward = |task: &&TaskView| task.task.back_for.is_none();
    let left = |task| Some((task, Way::Apply, remaining(task)?));
    let (does, parts): (_, Vec<(&TaskView, Way, Part)>) = match export {
        Export::Remaining => ("Finishes", changes.filter(forward).filter_map(left).collect()),
        Export::Rollback => {
            let (finally, others): (Vec<&TaskView>, _) = changes.partition(|task| task.task.is_finally());
            let others: Vec<&TaskView> = others;
            let undone = others.into_iter().rev().filter_map(|task| Some((task, Way::Undo, rollback(task)?)));
            let mut parts: Vec<_> = undone.collect();
            if parts.iter().any(|(.., part)| matches!(part, Part::Do(_) | Part::ByHand(_))) {
                parts.extend(finally.into_iter().filter(forward).filter_map(left));
            }
            ("Rolls back", parts)
        }
    };
    let mut out = format!(
        "#!/usr/bin/env bash\n# {does} run {run} ({}) by hand, as of {}.\n\
         # Read it before you run it. Each command first reads the resource: what is already as wanted is skipped, and\n\
         # the script stops at what another principal changed.\nset -euo pipefail\n",
        inert(&view.runbook),
        view.now
    );
    if parts.is_empty() {
        out.push_str("\n# There is nothing left to do.\n");
        return out;
    }
    if parts.iter().any(|(.., part)| matches!(part, Part::Do(_) | Part::ByHand(_))) {
        let _ = write!(out, "\n{}", shell_functions());
    }
    for (task, way, part) in parts.iter().take(most) {
        let finally = if task.task.is_finally() { " (finally)" } else { "" };
        let _ = writeln!(out, "\n# {}{finally}", inert(task.task.id.as_str()));
        let way = *way;
        let change = if way == Way::Apply { task.task.change.clone() } else { task.undo() };
        let (Part::Do(notes) | Part::Leave(notes) | Part::ByHand(notes)) = part;
        for note in notes {
            comment(&mut out, note);
        }
        match (part, change) {
            (Part::Do(_), Some(change)) => commands(&mut out, &task.task, &change, way),
            (Part::ByHand(_), Some(change)) => by_hand(&mut out, &task.task, &change, way),
            (Part::Leave(_), _) | (_, None) => {}
        }
        if let Some(rule) = task.task.gate.as_ref().filter(|_| way == Way::Apply) {
            comment(&mut out, &format!("then: {}", crate::plan::gate(rule)));
        }
    }
    if parts.len() > most {
        let undo = if export == Export::Rollback { " --undo" } else { "" };
        let _ = writeln!(out, "\n# … and {} more: `rectify export {run}{undo}` prints all.", parts.len() - most);
    }
    out
}

/// What is to be done about a task so that the run is finished, if anything is.
fn remaining(view: &TaskView) -> Option<Part> {
    let do_unless_irreversible = |mut notes: Vec<String>| {
        let caution = view.task.reversibility.caution().filter(|_| view.task.reversibility.is_irreversible());
        match caution {
            Some(caution) => {
                notes.push(format!("{}; run it by yourself if it is wanted:", inert(&caution)));
                Part::ByHand(notes)
            }
            None => Part::Do(notes),
        }
    };
    Some(match view.change_status() {
        ChangeStatus::NotBegun => do_unless_irreversible(preconditions(&view.task)),
        ChangeStatus::InFlight { way: Way::Apply, operation: Some(operation) } => {
            do_unless_irreversible(vec![format!("(an operation is running: {}; wait for its end)", inert(&operation))])
        }
        ChangeStatus::InFlight { way: Way::Apply, operation: None } | ChangeStatus::InDoubt { way: Way::Apply, .. } => {
            do_unless_irreversible(vec!["(it was sent, and whether it is applied is not known)".to_owned()])
        }
        ChangeStatus::Unclear { why } => do_unless_irreversible(because("whether it is applied is not known", &why)),
        ChangeStatus::Failed { why } => Part::ByHand(because("it failed, and is not tried again here", &why)),
        ChangeStatus::Skipped => Part::Leave(vec!["the operator left it out".to_owned()]),
        ChangeStatus::InFlight { way: Way::Undo, .. }
        | ChangeStatus::InDoubt { way: Way::Undo, .. }
        | ChangeStatus::Applied { .. }
        | ChangeStatus::RolledBack
        | ChangeStatus::NotRolledBack { .. }
        | ChangeStatus::Kept(_)
        | ChangeStatus::NotRun
        | ChangeStatus::Unchanged => return None,
    })
}

/// What is to be done about a task so that the run is rolled back, if anything is.
fn rollback(view: &TaskView) -> Option<Part> {
    let do_unless_irreversible = |notes: Vec<String>| match view.task.reversibility.caution() {
        Some(caution) if !view.task.reversibility.is_undone() => Part::Leave(vec![inert(&caution)]),
        Some(caution) => Part::Do(notes.into_iter().chain([inert(&caution)]).collect()),
        None => Part::Do(notes),
    };
    Some(match view.change_status() {
        ChangeStatus::Applied { trouble: None } | ChangeStatus::Kept(KeptBecause::Irreversible) => {
            do_unless_irreversible(Vec::new())
        }
        ChangeStatus::Applied { trouble: Some(why) } => do_unless_irreversible(vec![format!(
            "it took effect at least in part, although it failed: {}",
            inert(&why)
        )]),
        ChangeStatus::NotRolledBack { why } => do_unless_irreversible(because("rolling it back failed", &why)),
        ChangeStatus::Kept(KeptBecause::Unhealthy) => {
            do_unless_irreversible(vec!["it was kept: rolling it back would restore an unhealthy state".to_owned()])
        }
        ChangeStatus::InFlight { operation: Some(operation), .. } => {
            do_unless_irreversible(vec![format!("(an operation is running: {}; wait for its end)", inert(&operation))])
        }
        ChangeStatus::InFlight { operation: None, .. } | ChangeStatus::InDoubt { .. } => {
            do_unless_irreversible(vec!["(it was sent, and whether it is applied is not known)".to_owned()])
        }
        ChangeStatus::Unclear { why } => do_unless_irreversible(because("whether it is applied is not known", &why)),
        ChangeStatus::Failed { why } => {
            Part::Leave(because("there is nothing to roll back: it failed, and changed nothing", &why))
        }
        ChangeStatus::RolledBack => Part::Leave(vec!["it is rolled back already".to_owned()]),
        ChangeStatus::NotBegun | ChangeStatus::Skipped | ChangeStatus::NotRun | ChangeStatus::Unchanged => return None,
    })
}

fn because(head: &str, why: &crate::run::Failure) -> Vec<String> {
    let lines =
        failure(why).into_iter().flat_map(|text| text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>());
    std::iter::once(format!("{head}:")).chain(lines).collect()
}

/// What must hold before a task, for an operator to look at.
fn preconditions(task: &Task) -> Vec<String> {
    let Some(evidence) = &task.require else { return Vec::new() };
    let named = |names: &[String], health: &str| {
        let names = names.iter().map(|name| inert(name)).collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| format!("only while {health}: {names}"))
    };
    let condition = evidence.condition.as_ref().map(|condition| format!("only if {}", inert(condition)));
    [named(&evidence.healthy, "healthy"), named(&evidence.unhealthy, "unhealthy"), condition]
        .into_iter()
        .flatten()
        .collect()
}

/// The commands that make a change, if it is as before.
fn commands(out: &mut String, task: &Task, change: &Change, way: Way) {
    if let Some(program) = &task.program {
        match (shell_lines(program, way), shell_check(program)) {
            (None, _) => out.push_str("# nothing says how\n"),
            (Some(lines), None) => put(out, "", &lines),
            (Some(lines), Some(check)) => {
                let not = if way == Way::Apply { "! " } else { "" };
                let _ = writeln!(out, "if {not}{check}; then");
                put(out, "", &lines);
                out.push_str("fi\n");
            }
        }
        return;
    }
    if let Some(commands) = &task.by_hand {
        match commands.way(way) {
            Some(command) => put(out, "", &[command.to_owned()]),
            None => comment(out, NOTHING_TO_UNDO),
        }
        return;
    }
    match gcloud(change) {
        Ok(GcloudCommands { read, before, after, write, .. }) => {
            let resource = quoted_resource(change);
            let _ = writeln!(out, "found=$({read})\nif is_to_do {resource} {before} {after} \"$found\"; then");
            put(out, "  ", &write);
            out.push_str("fi\n");
        }
        Err(why) => comment(out, &why),
    }
}

/// What is said of a call that leaves nothing to undo.
const NOTHING_TO_UNDO: &str = "there is nothing to undo";

/// The same as comments. The script goes on once the change is made.
fn by_hand(out: &mut String, task: &Task, change: &Change, way: Way) {
    if let Some(program) = &task.program {
        let lines = shell_lines(program, way).unwrap_or_default();
        for line in &lines {
            comment(out, line);
        }
        if let Some(check) = shell_check(program) {
            let done = if way == Way::Apply { "done" } else { "undone" };
            let stop =
                format!("echo '{} is not {done} yet, and what follows needs it.' >&2; exit 1", inert(task.id.as_str()));
            let _ = writeln!(out, "if ! {check}; then {stop}; fi");
        }
        return;
    }
    if let Some(commands) = &task.by_hand {
        comment(out, commands.way(way).unwrap_or(NOTHING_TO_UNDO));
        return;
    }
    match gcloud(change) {
        Ok(GcloudCommands { read, after, write, .. }) => {
            for line in &write {
                comment(out, line);
            }
            let _ = writeln!(out, "found=$({read})\nmust_be_done {} {after} \"$found\"", quoted_resource(change));
        }
        Err(why) => comment(out, &why),
    }
}

/// A text as comments, whatever it has in it.
fn comment(out: &mut String, text: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "# {line}");
    }
}

fn put(out: &mut String, indent: &str, lines: &[String]) {
    for line in lines {
        let _ = writeln!(out, "{indent}{line}");
    }
}

fn quoted_resource(change: &Change) -> String {
    crate::resource::gcloud::quoted(&format!("{} {}", change.resource.kind, change.resource.name))
}

/// The commands by which an operator makes or undoes a task's change, and comments on them. Inert.
pub fn commands_by_hand(task: &Task, way: Way) -> Vec<String> {
    if let Some(lines) = task.program.as_ref().and_then(|program| shell_lines(program, way)) {
        return lines;
    }
    if let Some(commands) = &task.by_hand {
        return vec![commands.way(way).map_or_else(|| format!("# {NOTHING_TO_UNDO}"), str::to_owned)];
    }
    let change = task.change.as_ref().map(|change| if way == Way::Undo { change.undo() } else { change.clone() });
    match change.map(|change| gcloud(&change)) {
        Some(Ok(gcloud)) => gcloud.alone,
        Some(Err(why)) => vec![format!("# {why}")],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::run::{
        Entry, Event, OnFailure, OpId, PreconditionResult, Preconditions, Refusal, Reversibility, TaskId, Work,
    };

    fn task(name: &str, kind: &str, from: Value, to: Value) -> Task {
        let change = Change { resource: format!("{kind}/p/r/{name}").parse().unwrap(), from, to };
        Task { change: Some(change), ..Task::idle(TaskId::of_step(name), "p", kind, OnFailure::Ask) }
    }

    fn pin(name: &str, from: &str, to: &str) -> Task {
        let split = |revision: &str| json!({ "targets": [{ "revision": revision, "percent": 100 }] });
        task(name, "gcp.run.traffic", split(from), split(to))
    }

    fn view(tasks: Vec<Task>, events: Vec<Event>) -> View {
        let entry = |event| Entry { at: Timestamp::UNIX_EPOCH, event };
        View::of(&Work::from(tasks), &events.into_iter().map(entry).collect::<Vec<_>>())
    }

    fn applied(task: &Task) -> [Event; 2] {
        let op = OpId { task: task.id.clone(), way: Way::Apply };
        [
            Event::Intended { op: op.clone() },
            Event::StateObserved { op, seen: task.change.as_ref().unwrap().to.clone() },
        ]
    }

    /// The lines of a script that are no comments, after the functions.
    fn active(script: &str) -> Vec<&str> {
        let body = script.split_once(&shell_functions()).map_or("", |(_, body)| body);
        body.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
    }

    fn passes_bash(script: &str) {
        #[expect(clippy::disallowed_types, reason = "it is what an operator does with the script")]
        let output = std::process::Command::new("bash").args(["-n", "-c", script]).output().unwrap();
        assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn of_many_steps_the_first_are_told_and_how_many_more_there_are() {
        let view = view((0..5).map(|n| pin(&format!("step-{n}"), "a", "b")).collect(), Vec::new());
        let some = export(&view, Export::Remaining, 2);
        assert!(
            some.contains("# step-1\n") && !some.contains("# step-2") && some.contains("# … and 3 more: "),
            "{some}"
        );
        assert!(!export(&view, Export::Remaining, 5).contains(" more: "));
    }

    #[test]
    fn what_was_not_changed_is_not_undone() {
        let (one, other, third) = (pin("one", "a", "b"), pin("other", "a", "b"), pin("third", "a", "b"));
        let op = OpId { task: other.id.clone(), way: Way::Apply };
        let refusal = Refusal::Drifted { now: json!({ "targets": [{ "revision": "c", "percent": 100 }] }) };
        let mut events = applied(&one).to_vec();
        events.extend([Event::Intended { op: op.clone() }, Event::Refused { op, refusal }]);
        let script = export(&view(vec![one, other, third], events), Export::Rollback, 9);
        passes_bash(&script);
        let active = active(&script).join("\n");
        assert!(active.contains("update-traffic one --to-revisions='a=100'"), "{script}");
        assert!(!active.contains("other") && script.contains("# other\n# there is nothing to roll back"), "{script}");
        assert!(!script.contains("third"), "{script}");
    }

    #[test]
    fn what_is_irreversible_or_failed_is_a_comment_and_what_builds_on_it_waits_for_it() {
        let why = "it only grows; $(touch bad)\ntouch worse".to_owned();
        let size = |most: i64| json!({ "max_instances": most });
        let grow = task("grow", "gcp.connector", size(3), size(9));
        let grow = Task { reversibility: Reversibility::Irreversible { why }, ..grow };
        let wanted = Preconditions { unhealthy: vec!["db".to_owned()], ..Preconditions::default() };
        let unmet = Task { require: Some(wanted), ..pin("unmet", "a", "b") };
        let found =
            PreconditionResult::Unmet { why: "db is healthy".to_owned(), evidence: std::collections::BTreeMap::new() };
        let required = Event::PreconditionsChecked { task: unmet.id.clone(), found };
        let seen = view(vec![grow.clone(), unmet, pin("last", "a", "b")], vec![required]);
        let script = export(&seen, Export::Remaining, 9);
        passes_bash(&script);
        let lines = active(&script);
        assert!(lines[1].starts_with("must_be_done 'gcp.connector grow' 9"), "{script}");
        assert!(lines[3].starts_with("must_be_done 'gcp.run.traffic unmet' "), "{script}");
        assert_eq!(lines.iter().filter(|line| line.contains(" update")).count(), 1, "{script}");
        assert!(!lines.iter().any(|line| line.contains("touch")), "{script}");
        let undo = export(&view(vec![grow.clone()], applied(&grow).to_vec()), Export::Rollback, 9);
        assert!(active(&undo).is_empty() && undo.contains("cannot be undone"), "{undo}");
    }
}
