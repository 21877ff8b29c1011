//! A command says which project, region and cluster it means.
//!
//! Without `--project` it is whichever the operator's machine was last set to: at 3 a.m. that may be production. The
//! runbook's target is not passed on to programs by itself. The same goes for a region, and for the context of `kubectl`.

use super::reference_in_script::written_target;
use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::{Effect, Place, Scope, Setting, StepCommand, Tool};
use crate::syntax::Edit;

pub(super) const RULE: Rule = Rule {
    code: "ambient-target",
    title: "a command in a `shell` step says which project, region or cluster it means",
    page: include_str!("../../../docs/checks/ambient-target.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    subject.commands().iter().filter_map(|command| fault(subject, command)).collect()
}

fn fault(subject: &Subject<'_>, command: &StepCommand) -> Option<Diagnostic> {
    let (effect, scope) = command.line.effect().filter(|_| !command.line.has_unknown_words)?;
    let target = command.line.target();
    let place = subject.command_place(command, &command.place);
    let set = &command.surroundings;
    let (has_project, has_region) = (
        target.project.is_some() || set.project != Setting::Ambient,
        target.region.is_some() || set.region(command.line.group()) != Setting::Ambient,
    );
    match scope {
        Scope::Project | Scope::Regional if !has_project && effect == Effect::ChoosesCluster => {
            let message = "without --project this chooses a cluster of whichever project the machine was last set to";
            let edit = flag_edit(subject, command, "project");
            Some(Diagnostic::warning(RULE.code, place, message).help(flag_help(command, "project")).edits(edit))
        }
        Scope::Project | Scope::Regional if !has_project => {
            let flag = project_flag(command);
            let message = format!("without --{flag} this changes whichever project the machine was last set to");
            let edit = flag_edit(subject, command, flag);
            Some(Diagnostic::error(RULE.code, place, message).help(flag_help(command, flag)).edits(edit))
        }
        Scope::Regional if !has_region => {
            let message = "without a region this changes whichever region the machine was last set to";
            let flag = region_flag(command);
            let edit = flag_edit(subject, command, flag);
            Some(Diagnostic::warning(RULE.code, place, message).help(flag_help(command, flag)).edits(edit))
        }
        Scope::Cluster if !command.line.names_cluster() && !set.cluster => {
            let message = "without --context this changes whichever cluster the machine was last set to";
            Some(
                Diagnostic::warning(RULE.code, place, message)
                    .help("add --context with the name of the cluster's context"),
            )
        }
        Scope::Global | Scope::Project | Scope::Regional | Scope::Cluster => None,
    }
}

/// `bq` calls its flag otherwise.
fn project_flag(command: &StepCommand) -> &'static str {
    if command.line.tool == Tool::Bq { "project_id" } else { "project" }
}

/// Some services of Google call a region a location.
fn region_flag(command: &StepCommand) -> &'static str {
    if ["scheduler", "tasks", "workflows"].contains(&command.line.group()) { "location" } else { "region" }
}

/// The key of `[target]` that a flag says.
fn key_of(flag: &str) -> &'static str {
    if ["project", "project_id"].contains(&flag) { "project" } else { "region" }
}

/// The flag with what `[target]` says, behind the last word of the command that stands in the text as it is. The diagnostic is
/// about commands of which the target is meant: what is changed elsewhere is named.
fn flag_edit(subject: &Subject<'_>, command: &StepCommand, flag: &str) -> Option<Edit> {
    let text = subject.document.text();
    subject.draft.target.read()?;
    let key = key_of(flag);
    let words = command.line.words();
    // What follows two hyphens is another program's.
    let end_of_own = words.iter().position(|word| word.text == "--").unwrap_or(words.len());
    let (word, place) = words.get(..end_of_own)?.iter().rev().find_map(|word| {
        let place = subject.command_place(command, &word.place);
        let written = text.get(place.clone())?;
        let stands_so = match word.place {
            Place::Argument(_) => true,
            Place::Whole => false,
            Place::Script { .. } => word.is_literal && written == word.text,
        };
        stands_so.then_some((word, place))
    })?;
    let text = match word.place {
        Place::Argument(_) => format!(", \"--{flag}=${{target.{key}}}\""),
        Place::Script { .. } => format!(" --{flag}={}", written_target(subject.document, key)?),
        Place::Whole => return None,
    };
    Some(Edit { at: place.end..place.end, text })
}

/// How to name it: a program's argument may refer to the runbook's target, a script gets it in `env`.
fn flag_help(command: &StepCommand, flag: &str) -> String {
    let key = key_of(flag);
    match &command.place {
        Place::Script { .. } => {
            let name = key.to_uppercase();
            format!("add --{flag}=\"${name}\", and to the step's `with`: env = {{ {name} = \"${{target.{key}}}\" }}")
        }
        Place::Whole | Place::Argument(_) => format!("add \"--{flag}=${{target.{key}}}\""),
    }
}
