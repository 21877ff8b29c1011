//! A name is what it is a name of.
//!
//! Names of phases, steps and probes become parts of file names and ids; names of Google's things become parts of
//! URLs. Both are held to the shape that is sure to be one, so that nothing odd gets that far.
//!
//! Sources: AIP-122 and the naming rules in the reference of each service (project ids: 6 to 30; Cloud Run services:
//! up to 49; connectors: up to 25 letters, digits and hyphens, beginning with a letter).

use super::{Answer, Rule, Subject, argument};
use crate::action::NamePosition;
use crate::check::diagnostic::Diagnostic;
use crate::probe::{ProbeSpec, ResourceProbe};
use crate::resource::KindSpec;
use crate::run::{NameOwner, NameShape};
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "bad-name",
    title: "a name has the shape of a name",
    page: include_str!("../../../docs/checks/bad-name.md"),
    answer: Answer::None,
    find,
};

const OURS: &str = "lower-case letters, digits and hyphens, at most 63, not beginning with a hyphen";
const RUNBOOK: NameShape = NameShape {
    what: "the name of the runbook",
    min_length: 1,
    max_length: 63,
    owner: NameOwner::Runbook,
    description: OURS,
};
const PHASE: NameShape = NameShape { what: "the name of a phase", ..RUNBOOK };
const STEP: NameShape = NameShape { what: "the name of a step", ..RUNBOOK };
const PROBE: NameShape = NameShape { what: "the name of a probe", ..RUNBOOK };
const INPUT: NameShape = NameShape {
    what: "the name of an input",
    description: "lower-case letters, digits, hyphens and underscores, at most 63",
    ..RUNBOOK
};
const PROJECT: NameShape = NameShape {
    what: "a project id",
    min_length: 6,
    max_length: 30,
    owner: NameOwner::Google,
    description: "6 to 30 lower-case letters, digits and hyphens, beginning with a letter",
};
const REGION: NameShape = NameShape {
    what: "a region",
    min_length: 4,
    max_length: 40,
    owner: NameOwner::Google,
    description: "such as `us-central1`",
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
        if let Some(ProbeSpec::Resource(ResourceProbe::Kind { kind, name: resource, .. })) =
            probe.read().map(|probe| &probe.spec)
            && let Some(kind) = KindSpec::find(kind)
        {
            names.value(&kind.name_shape, resource, &Path::probe(name).key("resource"));
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
        for name in action.step().names() {
            let path = argument(&path, name.argument);
            match name.position {
                NamePosition::Value => names.value(&name.shape, name.name, &path),
                NamePosition::Key => names.table_key(&name.shape, name.name, &path),
            }
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
    fn value(&mut self, shape: &NameShape, name: &str, path: &Path) {
        if self.subject.is_resolved(path) {
            self.judge(shape, name, name, |names| names.subject.place(path));
        }
    }

    /// A name that is the key at the end of `path`.
    fn key(&mut self, shape: &NameShape, name: &str, path: &Path) {
        self.judge(shape, name, name, |names| names.subject.key_place(path));
    }

    /// A key of a table may have been written with a reference in it; then the table is the place.
    fn table_key(&mut self, shape: &NameShape, name: &str, table: &Path) {
        let path = table.key(name);
        let place = self.subject.document.key_span(&path);
        if self.subject.is_resolved(&path) {
            self.judge(shape, name, name, |names| place.unwrap_or_else(|| names.subject.place(table)));
        }
    }

    /// Reports `name` unless `form`, which stands for it, has the shape.
    fn judge(
        &mut self,
        shape: &NameShape,
        name: &str,
        form: &str,
        place: impl FnOnce(&Self) -> std::ops::Range<usize>,
    ) {
        if shape.fits(form) {
            return;
        }
        let message = format!("`{name}` cannot be {}", shape.what);
        let help = format!("{} is {}", shape.what, shape.description);
        let diagnostic = Diagnostic::error(RULE.code, place(self), message).help(help);
        self.found.push(diagnostic);
    }
}
