//! The commands by which a person can finish a run, or undo it, without this program.
//!
//! If the program or the machine dies in the middle, these lie ready: the file is written anew after every step. What no
//! `gcloud` command can say is a comment. Every value is quoted for a POSIX shell.

use std::fmt::Write as _;

use serde_json::Value;

use crate::inert::inert;
use crate::run::{Change, ResourceId, Standing, TaskView, View};

/// What to print the commands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// To finish what was begun.
    TheEnd,
    /// To undo what was applied.
    TheBeginning,
}

/// The commands, as a shell script that a person reads before they run a line of it. Of more than so many steps the first
/// are told, and how many more there are.
pub fn export(view: &View, towards: Towards, most: usize) -> String {
    let run = view.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let (aim, tasks): (_, Vec<_>) = match towards {
        Towards::TheEnd => ("finish", view.tasks.iter().filter(|task| is_to_do(task)).collect()),
        Towards::TheBeginning => ("undo", view.tasks.iter().rev().filter(|task| is_in_force(&task.standing)).collect()),
    };
    let mut out = format!("# To {aim} run {run} ({}) by hand, as of {}.\n", inert(&view.runbook), view.now);
    out.push_str("# Read each line before you run it: the cloud may have moved since, and nothing here looks.\n");
    if tasks.is_empty() {
        out.push_str("# There is nothing left to do.\n");
    }
    for task in tasks.iter().take(most) {
        let _ = write!(out, "\n# {}", inert(task.task.id.as_str()));
        match &task.standing {
            Standing::Writing { operation: Some(operation), .. } => {
                let _ = write!(out, " (an operation is running: {})", inert(operation));
            }
            Standing::InDoubt { .. } | Standing::Writing { .. } => {
                out.push_str(" (whether it happened is not known: look first)");
            }
            _ => {}
        }
        out.push('\n');
        match (&task.task.change, towards) {
            (Some(change), Towards::TheEnd) => command(&mut out, change),
            (Some(_), Towards::TheBeginning) if task.task.reversibility.is_one_way() => {
                out.push_str("# it cannot be undone\n");
            }
            (Some(change), Towards::TheBeginning) => command(&mut out, &change.undo()),
            (None, _) => {}
        }
        let gate = task.task.gate.as_ref().filter(|_| towards == Towards::TheEnd);
        if let Some(rule) = gate {
            let _ = writeln!(out, "# then: {}", crate::plan::gate(rule));
        }
    }
    if tasks.len() > most {
        let undo = if towards == Towards::TheBeginning { " --undo" } else { "" };
        let _ = writeln!(out, "\n# … and {} more: `rectify export {run}{undo}` prints all.", tasks.len() - most);
    }
    out
}

fn is_to_do(view: &TaskView) -> bool {
    let is_over = matches!(view.standing, Standing::Done { .. } | Standing::Skipped | Standing::Undone);
    !is_over && view.task.back_for.is_none()
}

fn is_in_force(standing: &Standing) -> bool {
    !matches!(standing, Standing::Waiting | Standing::Skipped | Standing::Undone)
}

/// The commands by which a person makes a change, and comments on them. Inert.
pub(super) fn by_hand(change: &Change) -> Vec<String> {
    let mut out = String::new();
    command(&mut out, change);
    out.lines().map(str::to_owned).collect()
}

fn command(out: &mut String, change: &Change) {
    let ResourceId { kind, project, region, name } = &change.resource;
    let to = &change.to;
    let place = format!("--region={} --project={}", quoted(region), quoted(project));
    let field = |field: &str| to.get(field);
    let line = match kind.as_str() {
        "gcp.connector" => {
            let flags = [
                ("min_instances", "min-instances"),
                ("max_instances", "max-instances"),
                ("machine_type", "machine-type"),
            ];
            let flags = flags.into_iter().filter_map(|(name, flag)| Some(format!("--{flag}={}", plain(field(name)?))));
            let flags = flags.collect::<Vec<_>>().join(" ");
            format!("gcloud compute networks vpc-access connectors update {} {flags} {place}", quoted(name))
        }
        "gcp.run.traffic" => {
            let targets = field("targets").and_then(Value::as_array).cloned().unwrap_or_default();
            let share = |target: &Value| {
                let percent = target.get("percent").and_then(Value::as_i64).filter(|percent| *percent > 0)?;
                Some(format!("{}={percent}", target.get("revision")?.as_str()?))
            };
            let shares = targets.iter().filter_map(share).collect::<Vec<_>>().join(",");
            let flag = if shares == "LATEST=100" {
                "--to-latest".to_owned()
            } else {
                format!("--to-revisions={}", quoted(&shares))
            };
            format!("gcloud run services update-traffic {} {flag} {place}", quoted(name))
        }
        "gcp.run.service" => {
            let image = field("image").map(plain).unwrap_or_default();
            let suffix = field("revision")
                .and_then(Value::as_str)
                .and_then(|revision| revision.strip_prefix(&format!("{name}-")));
            let suffix = suffix.map(|suffix| format!(" --revision-suffix={}", quoted(suffix))).unwrap_or_default();
            format!("gcloud run services update {} --image={image}{suffix} {place}", quoted(name))
        }
        "gcp.run.scaling" => {
            let flags = [("min_instances", "min"), ("max_instances", "max")];
            let flags = flags.into_iter().filter_map(|(name, flag)| Some(format!("--{flag}={}", plain(field(name)?))));
            format!("gcloud run services update {} {} {place}", quoted(name), flags.collect::<Vec<_>>().join(" "))
        }
        "gcp.sql" => {
            let flags = field("flags").and_then(Value::as_object).cloned().unwrap_or_default();
            let _ = writeln!(out, "# --database-flags replaces the whole list: add those that are set besides");
            let flags = flags.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
            let flags = flags.collect::<Vec<_>>().join(",");
            format!(
                "gcloud sql instances patch {} --database-flags={} --project={}",
                quoted(name),
                quoted(&flags),
                quoted(project)
            )
        }
        _ => {
            let done = to.get("done").and_then(Value::as_bool) == Some(true);
            let what = if done { "do" } else { "undo" };
            format!("# {what} it as step {} of the runbook says", inert(name))
        }
    };
    let _ = writeln!(out, "{line}");
}

fn plain(value: &Value) -> String {
    quoted(&crate::run::words(value))
}

/// Quoted for a POSIX shell, and inert on a terminal.
fn quoted(text: &str) -> String {
    let text = inert(text);
    shlex::try_quote(&text).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{OnFailure, Task, TaskId, Work};

    #[test]
    fn of_many_steps_the_first_are_told_and_how_many_more_there_are() {
        let task = |n: usize| Task::idle(TaskId::of_step(&format!("step-{n}")), "p", "manual", OnFailure::Ask);
        let view = View::new(&Work::from((0..5).map(task).collect::<Vec<_>>()));
        let some = export(&view, Towards::TheEnd, 2);
        assert!(
            some.contains("# step-1\n") && !some.contains("# step-2") && some.contains("# … and 3 more: "),
            "{some}"
        );
        assert!(!export(&view, Towards::TheEnd, 5).contains(" more: "));
    }
}
