//! Names end up in file names, operation ids and URLs.

use super::{Rule, Subject, is_open, steps};
use crate::runbook::model::{Action, Look};
use crate::runbook::{Mistake, Part};

pub(super) const RULE: Rule =
    Rule { code: "bad-name", title: "a name that cannot be part of a file name or a URL", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    let mut check = |path: &[Part<'_>], name: &str, at_key: bool| {
        if is_open(name) || is_good(name) {
            return;
        }
        let at = if at_key { subject.document.key_span(path) } else { subject.document.span(path) };
        let message = format!("`{name}` cannot be a name here");
        let help = "use lower-case letters, digits and hyphens, at most 63, beginning with a letter or digit";
        mistakes.push(Mistake::error(RULE.code, at, message).help(help));
    };
    let runbook = subject.runbook;
    // The name of a block that did not read is empty; that was told already.
    for (path, name) in [
        (["runbook".into(), "name".into()], &runbook.about.name),
        (["target".into(), "project".into()], &runbook.target.project),
        (["target".into(), "region".into()], &runbook.target.region),
    ] {
        let written = subject.document.get(&path).and_then(|value| value.get_ref().as_str());
        if !name.is_empty() || written == Some("") {
            check(&path, name, false);
        }
    }
    for (name, probe) in &runbook.probes {
        check(&["probes".into(), Part::Key(name)], name, true);
        if let Look::Resource { name: resource, .. } = &probe.look {
            check(&["probes".into(), Part::Key(name), "resource".into()], resource, false);
        }
    }
    for (index, phase) in runbook.phases.iter().enumerate() {
        check(&["phase".into(), index.into(), "name".into()], &phase.name, false);
    }
    for step in steps(subject) {
        check(&step.place.of("name"), &step.name, false);
        match &step.action {
            Action::ConnectorScale { connector, .. } => check(&step.place.with("connector"), connector, false),
            Action::RunDeploy { service, .. } => check(&step.place.with("service"), service, false),
            Action::RunTraffic { service, to } => {
                check(&step.place.with("service"), service, false);
                for (revision, _) in to.iter().filter(|(revision, _)| revision != "LATEST") {
                    check(&step.place.with("to"), revision, false);
                }
            }
            Action::Probe => {}
        }
    }
}

fn is_good(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 63 && name.bytes().next().is_some_and(plain) && name.bytes().all(|byte| plain(byte) || byte == b'-')
}
