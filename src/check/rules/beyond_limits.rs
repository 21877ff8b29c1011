//! A runbook keeps to its own limits.
//!
//! `[limits]` is the blast radius that was agreed on; what goes beyond it by its own words is found here, what depends
//! on the cloud as it is is found when the plan is made.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::bad_url::place_of;
use super::{Answer, Rule, Subject, argument};
use crate::action::Action;
use crate::check::diagnostic::Diagnostic;
use crate::peer::Hosts;
use crate::runbook::model::Limits;
use crate::syntax::Path;
use crate::syntax::spelling::list;
use crate::syntax::value::Percent;

pub(super) const RULE: Rule = Rule {
    code: "beyond-limits",
    title: "no step goes beyond what `[limits]` allows",
    page: include_str!("../../../docs/checks/beyond-limits.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let Some(limits) = subject.draft.limits.read() else { return Vec::new() };
    let mut found = targets(subject, limits);
    found.extend(services(subject, limits));
    found.extend(apis(subject, limits));
    if let Some(hosts) = &limits.hosts {
        found.extend(peers(subject, hosts));
    }
    if let Some(most) = limits.step.traffic_shift {
        found.extend(subject.actions().filter_map(|(step, _, action)| shifts(subject, &step, action, most)));
    }
    found
}

fn beyond(subject: &Subject<'_>, at: Range<usize>, limit: &str, message: String) -> Diagnostic {
    let limit = Path::root().key("limits").key(limit);
    Diagnostic::error(RULE.code, at, message).and(subject.place(&limit), "the limit")
}

fn targets(subject: &Subject<'_>, limits: &Limits) -> Vec<Diagnostic> {
    let Some(target) = subject.draft.target.read() else { return Vec::new() };
    let judged = [
        ("projects", "project", &limits.projects, &target.project),
        ("regions", "region", &limits.regions, &target.region),
    ];
    let judged = judged.into_iter().filter_map(|(limit, key, allowed, value)| {
        let path = Path::root().key("target").key(key);
        let allowed = allowed.as_ref().filter(|allowed| !allowed.contains(value))?;
        let message = format!("the {key} `{value}` is not one that this runbook may be used on");
        let diagnostic = beyond(subject, subject.place(&path), limit, message);
        let help = format!("it may be used on {}", list(allowed.iter().map(String::as_str), "and"));
        subject.is_resolved(&path).then(|| diagnostic.help(help))
    });
    judged.collect()
}

fn apis(subject: &Subject<'_>, limits: &Limits) -> Vec<Diagnostic> {
    let Some(allowed) = &limits.apis else { return Vec::new() };
    let each = subject.actions().filter_map(|(step, _, action)| {
        let api = format!("{}.googleapis.com", action.catalogued()?.resource_type.api().service);
        (!allowed.contains(&api)).then(|| {
            let place = subject.place(&argument(&step, "resource"));
            let message = format!("this changes a resource of {api}, which is not one of the APIs that are allowed");
            let help = format!("it allows {}", list(allowed.iter().map(String::as_str), "and"));
            beyond(subject, place, "apis", message).help(help)
        })
    });
    each.collect()
}

fn services(subject: &Subject<'_>, limits: &Limits) -> Option<Diagnostic> {
    let most = usize::try_from(limits.services?).ok()?;
    let mut touched: BTreeMap<&str, Path> = BTreeMap::new();
    for (step, _, action) in subject.actions() {
        let path = argument(&step, "service");
        if let Some(service) = action.service().filter(|_| subject.is_resolved(&path)) {
            touched.entry(service).or_insert(path);
            if touched.len() > most {
                let names = list(touched.keys().copied(), "and");
                let message = format!("with this, more services are changed than the {most} that are allowed: {names}");
                let place = touched.get(service).map(|path| subject.place(path)).unwrap_or_default();
                let help = "take a service out, or raise the limit in a review of its own";
                return Some(beyond(subject, place, "services", message).help(help));
            }
        }
    }
    None
}

/// Probes and steps that ask hosts which are not allowed. A host that only a run knows is judged when it is asked.
fn peers(subject: &Subject<'_>, hosts: &Hosts) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (path, spec) in subject.probes() {
        let asked: BTreeSet<String> = spec.peer_requests().into_iter().filter_map(|request| request.host).collect();
        for host in asked.iter().filter(|host| !hosts.cover(host)) {
            let message = format!("this asks `{host}`, which is not one of the hosts that probes may ask");
            let help = "add the host to the limit in a review of its own, or ask another";
            found.push(beyond(subject, subject.place(&path), "hosts", message).help(help));
        }
    }
    for (step, _, action) in subject.actions() {
        for address in action.addresses() {
            let path = place_of(&step, address.argument);
            let host = address.host.filter(|host| !hosts.cover(host) && subject.is_resolved(&path));
            found.extend(host.map(|host| {
                let message =
                    format!("this sends something to `{host}`, which is not one of the hosts that are allowed");
                let help = "add the host to the limit in a review of its own, or send it to another";
                beyond(subject, subject.place(&path), "hosts", message).help(help)
            }));
        }
    }
    found
}

/// A deployment that moves more at once than is allowed. What a `gcp.run.traffic` moves depends on what is there.
fn shifts(subject: &Subject<'_>, step: &Path, action: &Action, most: Percent) -> Option<Diagnostic> {
    let mut before = 0;
    for (index, share) in action.rollout()?.shift.iter().enumerate() {
        let moved = share.get().saturating_sub(before);
        if moved > most.get() {
            let message = format!("this moves {moved} % at once; at most {most} are allowed");
            let place = subject.place(&argument(step, "shift").index(index));
            let help = "put a share between, so that each moves less";
            return Some(beyond(subject, place, "traffic_shift", message).help(help));
        }
        before = share.get();
    }
    None
}
