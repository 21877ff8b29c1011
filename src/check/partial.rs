//! What can still be planned of a runbook with mistakes, or with inputs that have no value.
//!
//! A reviewer wants to see the rest, and needs to know what is missing. So each step that cannot be planned is a [`Gap`] with its
//! reason, and a plan with gaps is never carried out: only a [`Checked`](super::Checked) is.

use std::ops::Range;

use super::allow::extents;
use super::diagnostic::{Diagnostic, Severity};
use crate::runbook::Draft;
use crate::runbook::model::Runbook;
use crate::syntax::mistake::MISSING_INPUT;
use crate::syntax::{Document, Path};

/// A runbook as far as it can be planned.
#[derive(Clone, Debug)]
pub struct Partial {
    /// What is in order.
    pub runbook: Runbook,
    /// What is not.
    pub gaps: Vec<Gap>,
    /// The names of all steps, by phase, whether they are in order or not.
    pub steps: Vec<Vec<String>>,
}

/// Something that cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The step; `None`: it is about the runbook as a whole.
    pub step: Option<String>,
    /// What kind of gap it is.
    pub kind: GapKind,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// What kind of gap it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// The runbook has a mistake there.
    Mistake,
    /// It refers to an input that has no value.
    MissingInput,
}

impl Partial {
    /// Whether nothing but values of inputs is missing.
    pub fn lacks_only_inputs(&self) -> bool {
        self.gaps.iter().all(|gap| gap.kind == GapKind::MissingInput)
    }
}

/// What can be planned; `None` if not even the head of the runbook could be read.
pub(super) fn partial(document: &Document, draft: &Draft, diagnostics: &[Diagnostic]) -> Option<Partial> {
    let errors: Vec<&Diagnostic> =
        diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect();
    let missing: Vec<(&str, &Diagnostic)> = draft
        .inputs
        .keys()
        .filter_map(|name| {
            let place = document.place(&Path::input(name));
            let is_about = |error: &&&Diagnostic| error.code == MISSING_INPUT && place.contains(&error.start());
            Some((name.as_str(), *errors.iter().find(is_about)?))
        })
        .collect();
    let extents = extents(document, draft);
    let extent = |step: &Path| extents.iter().find(|(path, _)| path == step).map_or(0..0, |(_, extent)| extent.clone());
    let wrong_in = |extent: &Range<usize>| errors.iter().filter(|error| extent.contains(&error.start())).count();
    let runbook = draft.usable(|step| wrong_in(&extent(step)) > 0)?;

    let mut gaps = Vec::new();
    let mut steps = Vec::new();
    for (phase, phase_draft) in draft.phases.iter().enumerate().filter(|(_, draft)| draft.name.is_some()) {
        let mut names = Vec::new();
        for (index, step) in phase_draft.steps.iter().enumerate() {
            let path = Path::step(phase, index);
            let extent = extent(&path);
            let name = step.name.clone().unwrap_or_else(|| format!("step {}", index + 1));
            let gap = |kind, why: String, help| Gap { step: Some(name.clone()), kind, why, help };
            gaps.extend(
                errors.iter().filter(|error| extent.contains(&error.start())).map(|error| {
                    gap(GapKind::Mistake, format!("{}: {}", error.code, error.message), error.help.clone())
                }),
            );
            if wrong_in(&extent) == 0 && !draft.is_known(&path) {
                let text = document.text().get(extent.start..extent.end.min(document.text().len())).unwrap_or_default();
                let used = missing.iter().filter(|(input, _)| text.contains(&format!("${{inputs.{input}}}")));
                let used: Vec<_> = used.collect();
                gaps.extend(
                    used.iter().map(|(_, error)| gap(GapKind::MissingInput, error.message.clone(), error.help.clone())),
                );
                if used.is_empty() {
                    gaps.push(gap(GapKind::Mistake, "it refers to something that is not known".to_owned(), None));
                }
            }
            names.push(name);
        }
        steps.push(names);
    }
    let is_in_step = |error: &Diagnostic| extents.iter().any(|(_, extent)| extent.contains(&error.start()));
    let is_told = |error: &Diagnostic| is_in_step(error) || gaps.iter().any(|gap| gap.why == error.message);
    let others = errors.iter().filter(|error| !is_told(error)).map(|error| {
        let kind = if error.code == MISSING_INPUT { GapKind::MissingInput } else { GapKind::Mistake };
        Gap { step: None, kind, why: format!("{}: {}", error.code, error.message), help: error.help.clone() }
    });
    let others: Vec<Gap> = others.collect();
    gaps.extend(others);
    Some(Partial { runbook, gaps, steps })
}
