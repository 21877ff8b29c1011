//! A name is what it is a name of.
//!
//! Names of phases, steps and probes become parts of file names and ids; names of Google's things become parts of
//! URLs. Both are held to the shape that is sure to be one, so that nothing odd gets that far.
//!
//! Sources: AIP-122 and the naming rules in the reference of each service (project ids: 6 to 30; Cloud Run services:
//! up to 49; connectors: up to 25 letters, digits and hyphens, beginning with a letter).

use super::{Rule, Subject, argument};
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Path;
use crate::runbook::model::{Action, Look};

pub(super) const RULE: Rule = Rule { code: "bad-name", title: "a name has the shape of a name", find };

/// What a kind of name looks like.
struct Shape {
    what: &'static str,
    least: usize,
    most: usize,
    /// Whether it begins with a letter, and does not end with a hyphen: Google's names.
    google: bool,
    looks_like: &'static str,
}

const OURS: &str = "lower-case letters, digits and hyphens, at most 63, not beginning with a hyphen";
const RUNBOOK: Shape = Shape { what: "the name of the runbook", least: 1, most: 63, google: false, looks_like: OURS };
const PHASE: Shape = Shape { what: "the name of a phase", ..RUNBOOK };
const STEP: Shape = Shape { what: "the name of a step", ..RUNBOOK };
const PROBE: Shape = Shape { what: "the name of a probe", ..RUNBOOK };
const PROJECT: Shape = Shape {
    what: "a project id",
    least: 6,
    most: 30,
    google: true,
    looks_like: "6 to 30 lower-case letters, digits and hyphens, beginning with a letter",
};
const REGION: Shape = Shape { what: "a region", least: 4, most: 40, google: true, looks_like: "such as `us-central1`" };
const SERVICE: Shape = Shape {
    what: "a Cloud Run service",
    least: 1,
    most: 49,
    google: true,
    looks_like: "up to 49 lower-case letters, digits and hyphens, beginning with a letter",
};
const REVISION: Shape = Shape {
    what: "a revision",
    least: 1,
    most: 63,
    google: true,
    looks_like: "its short name, such as `backend-00042-abc`, or `LATEST`",
};
const CONNECTOR: Shape = Shape {
    what: "a connector",
    least: 2,
    most: 25,
    google: true,
    looks_like: "its short name: up to 25 lower-case letters, digits and hyphens, beginning with a letter",
};
const TAG: Shape = Shape {
    what: "a tag",
    least: 1,
    most: 46,
    google: true,
    looks_like: "up to 46 lower-case letters, digits and hyphens, beginning with a letter",
};
const INSTANCE: Shape = Shape {
    what: "a Cloud SQL instance",
    least: 1,
    most: 98,
    google: true,
    looks_like: "its short name: lower-case letters, digits and hyphens, beginning with a letter",
};
const RESOURCE: Shape = Shape { what: "a resource", looks_like: "its short name", ..REVISION };
const INPUT: Shape = Shape {
    what: "the name of an input",
    looks_like: "lower-case letters, digits, hyphens and underscores, at most 63",
    ..RUNBOOK
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut names = Names { subject, found: Vec::new() };
    let root = Path::root();
    if let Some(about) = subject.draft.about.read() {
        names.value(&RUNBOOK, &about.name, &root.key("runbook").key("name"));
    }
    if let Some(target) = subject.draft.target.read() {
        names.value(&PROJECT, &target.project, &root.key("target").key("project"));
        names.value(&REGION, &target.region, &root.key("target").key("region"));
    }
    for name in subject.draft.inputs.keys() {
        // A value is given as `name=value`, so the name may have underscores but nothing stranger.
        names.judge(&INPUT, name, &name.replace('_', "-"), |names| names.subject.key_place(&Path::input(name)));
    }
    for (name, probe) in &subject.draft.probes {
        names.key(&PROBE, name, &Path::probe(name));
        if let Some(Look::Resource { kind, name: resource }) = probe.read().map(|probe| &probe.look) {
            let shape = match kind.as_str() {
                "gcp.connector" => &CONNECTOR,
                "gcp.run.service" => &SERVICE,
                "gcp.sql" => &INSTANCE,
                _ => &RESOURCE,
            };
            names.value(shape, resource, &Path::probe(name).key("resource"));
        }
    }
    for (index, phase) in subject.draft.phases.iter().enumerate() {
        if let Some(name) = &phase.name {
            names.value(&PHASE, name, &Path::phase(index).key("name"));
        }
    }
    for (path, step) in subject.draft.steps() {
        if let Some(name) = &step.name {
            names.value(&STEP, name, &path.key("name"));
        }
    }
    for (path, _, action) in subject.actions() {
        if let Some(service) = action.service() {
            names.value(&SERVICE, service, &argument(&path, "service"));
        }
        match action {
            Action::ConnectorScale { connector, .. } => {
                names.value(&CONNECTOR, connector, &argument(&path, "connector"));
            }
            Action::RunDeploy { candidate: Some(candidate), .. } => {
                names.value(&TAG, &candidate.tag, &argument(&path, "candidate"));
            }
            Action::RunTraffic { to, .. } => {
                for (revision, _) in to.iter().filter(|(revision, _)| revision != "LATEST") {
                    names.revision(revision, &argument(&path, "to"));
                }
            }
            Action::SqlPatch { instance, .. } => names.value(&INSTANCE, instance, &argument(&path, "instance")),
            _ => {}
        }
    }
    names.found
}

struct Names<'s> {
    subject: &'s Subject<'s>,
    found: Vec<Diagnostic>,
}

impl Names<'_> {
    /// A name that is the value at `path`.
    fn value(&mut self, shape: &Shape, name: &str, path: &Path) {
        if self.subject.is_resolved(path) {
            self.judge(shape, name, name, |names| names.subject.place(path));
        }
    }

    /// A name that is the key at the end of `path`.
    fn key(&mut self, shape: &Shape, name: &str, path: &Path) {
        self.judge(shape, name, name, |names| names.subject.key_place(path));
    }

    /// A revision is a key that may have been written with a reference in it; then the table is the place.
    fn revision(&mut self, revision: &str, to: &Path) {
        let path = to.key(revision);
        let place = self.subject.document.key_span(&path);
        if self.subject.is_resolved(&path) {
            self.judge(&REVISION, revision, revision, |names| place.unwrap_or_else(|| names.subject.place(to)));
        }
    }

    /// Reports `name` unless `form`, which stands for it, has the shape.
    fn judge(&mut self, shape: &Shape, name: &str, form: &str, place: impl FnOnce(&Self) -> std::ops::Range<usize>) {
        if has_shape(shape, form) {
            return;
        }
        let message = format!("`{name}` cannot be {}", shape.what);
        let help = format!("{} is {}", shape.what, shape.looks_like);
        let diagnostic = Diagnostic::error(RULE.code, place(self), message).help(help);
        self.found.push(diagnostic);
    }
}

fn has_shape(shape: &Shape, name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = |byte: &u8| byte.is_ascii_lowercase() || !shape.google && byte.is_ascii_digit();
    (shape.least..=shape.most).contains(&name.len())
        && name.bytes().all(letters)
        && name.as_bytes().first().is_some_and(begins)
        && !(shape.google && name.ends_with('-'))
}
