//! A command, or a step on a resource of the catalog, changes the runbook's own project and region.
//!
//! What a reviewer reads in `[target]` is what a run is confirmed and limited by. A command that names another project or
//! region is beyond all of that. `[limits]` may allow it; without limits it is a warning.

use super::{Answer, Rule, Subject, argument};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::{Effect, Scope, Setting, StepCommand};
use crate::probe::{ProbeSpec, ResourceProbe};
use crate::syntax::Path;
use crate::syntax::spelling::list;

pub(super) const RULE: Rule = Rule {
    code: "other-target",
    title: "a step changes the runbook's own project and region (a command: warning without `[limits]`)",
    page: include_str!("../../../docs/checks/other-target.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let by_commands = subject.commands().iter().flat_map(|command| faults(subject, command));
    by_commands.chain(resources(subject)).chain(elsewhere(subject)).collect()
}

/// Steps and probes that say that they work in another project or region. `[limits]` must allow it.
fn elsewhere(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let Some(target) = subject.draft.target.read() else { return Vec::new() };
    let limits = subject.draft.limits.read();
    let of_steps = subject.draft.steps().map(|(step, draft)| (step, &draft.elsewhere));
    let of_probes = subject.draft.probes.iter().filter_map(|(name, probe)| match &probe.read()?.spec {
        ProbeSpec::Resource(ResourceProbe::Kind { elsewhere, .. }) => Some((Path::probe(name), elsewhere)),
        _ => None,
    });
    let mut found = Vec::new();
    for (path, elsewhere) in of_steps.chain(of_probes) {
        let judged = [
            ("project", &elsewhere.project, &target.project, limits.and_then(|limits| limits.projects.as_ref())),
            ("region", &elsewhere.region, &target.region, limits.and_then(|limits| limits.regions.as_ref())),
        ];
        for (key, value, own, allowed) in judged {
            let path = path.key(key);
            let Some(value) = value.as_ref().filter(|value| *value != own && subject.is_resolved(&path)) else {
                continue;
            };
            if !allowed.is_some_and(|allowed| allowed.contains(value)) {
                let message = format!("this works in the {key} `{value}`, and the runbook's target is `{own}`");
                let help = format!("allow the {key} if it is meant: [limits] with {key}s = [\"{own}\", \"{value}\"]");
                found.push(Diagnostic::error(RULE.code, subject.place(&path), message).help(help));
            }
        }
    }
    found
}

/// Resources that are named in another project or region. A step of this program's own keeps to its target, so it is an error unless
/// `[limits]` allows it.
fn resources(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let Some(target) = subject.draft.target.read() else { return Vec::new() };
    let limits = subject.draft.limits.read();
    let mut found = Vec::new();
    let of_steps = subject.draft.steps().flat_map(|(step, draft)| {
        let path = argument(&step, "resource");
        let target = target.or(&draft.elsewhere);
        let actions = draft.iterations.iter().filter_map(|iteration| iteration.action.read()?.catalogued());
        let named = actions.filter(|_| subject.is_resolved(&path));
        named.map(|name| (path.clone(), target.clone(), name)).collect::<Vec<_>>()
    });
    let of_probes = subject.probes().filter_map(|(path, spec)| {
        if let ProbeSpec::Resource(ResourceProbe::Catalogued(name)) = spec {
            Some((path, target.clone(), name))
        } else {
            None
        }
    });
    for (path, target, name) in of_steps.chain(of_probes) {
        let resource = match name.find(&target) {
            Ok(resource) => resource,
            Err(error) => {
                found.push(Diagnostic::error(RULE.code, subject.place(&path), error.to_string()));
                continue;
            }
        };
        let judged = [
            ("project", resource.project(), &target.project, limits.and_then(|limits| limits.projects.as_ref())),
            ("region", resource.location(), &target.region, limits.and_then(|limits| limits.regions.as_ref())),
        ];
        for (key, value, own, allowed) in judged {
            if !subject.is_resolved(&Path::root().key("target").key(key)) {
                continue;
            }
            let Some(value) = value.filter(|value| !is_within(key, value, own)) else { continue };
            if allowed.is_some_and(|allowed| allowed.iter().any(|allowed| is_within(key, value, allowed))) {
                continue;
            }
            let message = format!("this resource is in the {key} `{value}`, and the runbook's target is `{own}`");
            let help = format!(
                "name one of the target's, or allow the {key}: [limits] with {key}s = [\"{own}\", \"{value}\"]"
            );
            found.push(Diagnostic::error(RULE.code, subject.place(&path), message).help(help));
        }
    }
    found
}

/// Whether a project or region is the one that is meant. A zone lies in its region, and a region in its multi-region.
fn is_within(key: &str, value: &str, own: &str) -> bool {
    value == own
        || key == "region"
            && (value.starts_with(&format!("{own}-"))
                || value == "global"
                || multi_region(value).is_some_and(|start| own.starts_with(start)))
}

/// What the regions of a multi-region begin with. Source: <https://docs.cloud.google.com/storage/docs/locations>.
fn multi_region(value: &str) -> Option<&'static str> {
    /// Multi-regions, and the predefined pairs of regions.
    const MULTI_REGIONS: [(&str, &str); 5] =
        [("us", "us-"), ("nam", "us-"), ("eu", "europe-"), ("eur", "europe-"), ("asia", "asia-")];
    let name = value.to_lowercase();
    let name = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
    MULTI_REGIONS.iter().find(|(multi, _)| *multi == name).map(|(_, start)| *start)
}

/// What a place is: `us-central1-a` is a zone.
fn kind_of(key: &'static str, value: &str) -> &'static str {
    let last = value.rsplit('-').next().unwrap_or_default();
    let is_zone = key == "region" && value.matches('-').count() == 2 && last.len() == 1;
    if is_zone { "zone" } else { key }
}

fn faults(subject: &Subject<'_>, command: &StepCommand) -> Vec<Diagnostic> {
    let (Some(target), Some((effect, scope))) = (subject.draft.target.read(), command.line.effect()) else {
        return Vec::new();
    };
    // What chooses a cluster matters if something is then done to it.
    let works_on_it = |later: &StepCommand| {
        later.step == command.step
            && matches!(later.line.change(), Some((_, Scope::Cluster)))
            && !later.line.names_cluster()
    };
    if effect == Effect::ChoosesCluster && !subject.commands().iter().any(works_on_it) {
        return Vec::new();
    }
    let does =
        if effect == Effect::ChoosesCluster { "kubectl then works on a cluster" } else { "this changes something" };
    let limits = subject.draft.limits.read();
    let named = command.line.target();
    let region = match scope {
        Scope::Regional => command.surroundings.region(command.line.group()),
        Scope::Global | Scope::Project | Scope::Cluster => Setting::Ambient,
    };
    let project = match scope {
        Scope::Regional | Scope::Project => &command.surroundings.project,
        Scope::Global | Scope::Cluster => &Setting::Ambient,
    };
    let judged = [
        ("project", named.project, project, &target.project, limits.and_then(|limits| limits.projects.as_ref())),
        ("region", named.region, &region, &target.region, limits.and_then(|limits| limits.regions.as_ref())),
    ];
    let judged = judged.into_iter().filter_map(|(key, named, set, own, allowed)| {
        if !subject.is_resolved(&Path::root().key("target").key(key)) {
            return None;
        }
        let (value, place) = match named {
            Some(named) => (named.is_literal.then_some(named.value)?, named.place),
            None => match set {
                Setting::Is(value) => (value.clone(), command.place.clone()),
                Setting::Ambient | Setting::Unknown => return None,
            },
        };
        // What is still to be filled in, such as `[PROJECT]`, is no name.
        let is_name = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:_-".contains(&byte));
        if is_within(key, &value, own) || value.is_empty() || !is_name {
            return None;
        }
        let place = subject.command_place(command, &place);
        match allowed {
            Some(allowed) if allowed.iter().any(|allowed| is_within(key, &value, allowed)) => None,
            Some(allowed) => {
                let kind = kind_of(key, &value);
                let message = format!("{does} in the {kind} `{value}`, which [limits] does not allow");
                let help = allowed_help(key, allowed);
                let limit = Path::root().key("limits").key(if key == "project" { "projects" } else { "regions" });
                Some(Diagnostic::error(RULE.code, place, message).and(subject.place(&limit), "the limit").help(help))
            }
            None => {
                let kind = kind_of(key, &value);
                let message = format!("{does} in the {kind} `{value}`, and the runbook's target is `{own}`");
                let help = format!(
                    "name the target's {key}, or allow this one: [limits] with {key}s = [\"{own}\", \"{value}\"]"
                );
                Some(Diagnostic::warning(RULE.code, place, message).help(help))
            }
        }
    });
    judged.collect()
}

fn allowed_help(key: &str, allowed: &[String]) -> String {
    format!("it allows the {key} {}", list(allowed.iter().map(String::as_str), "and"))
}
