//! What can still be planned of a runbook with mistakes, or with inputs that have no value.
//!
//! A reviewer wants to see the rest, and needs to know what is missing. So each step that cannot be planned is a [`Gap`] with its
//! reason, and a plan with gaps is never carried out: only a [`Checked`](super::Checked) is.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Severity};
use super::extent::{ByStep, Extents};
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
    let missing = missing_inputs(document, draft, &errors);
    let extents = Extents::of(document, draft);
    let ByStep { of_steps, others } = extents.sorted(errors.into_iter());
    let of_steps: BTreeMap<&Path, (&str, Vec<&Diagnostic>)> = extents
        .steps()
        .iter()
        .zip(of_steps)
        .map(|(extent, errors)| {
            let end = extent.at.end.min(document.text().len());
            (&extent.path, (document.text().get(extent.at.start..end).unwrap_or_default(), errors))
        })
        .collect();
    let is_wrong = |step: &Path| of_steps.get(step).is_some_and(|(_, errors)| !errors.is_empty());
    let runbook = draft.usable(is_wrong)?;

    let mut gaps = Vec::new();
    let mut steps = Vec::new();
    for (phase, phase_draft) in draft.phases.iter().enumerate().filter(|(_, draft)| draft.name.is_some()) {
        let mut names = Vec::new();
        for (index, step) in phase_draft.steps.iter().enumerate() {
            let path = Path::step(phase, index);
            let name = step.name.clone().unwrap_or_else(|| format!("step {}", index + 1));
            let gap = |kind, why: String, help| Gap { step: Some(name.clone()), kind, why, help };
            let (text, errors) = of_steps.get(&path).map_or(("", &[][..]), |(text, errors)| (*text, errors.as_slice()));
            gaps.extend(
                errors.iter().map(|error| {
                    gap(GapKind::Mistake, format!("{}: {}", error.code, error.message), error.help.clone())
                }),
            );
            if errors.is_empty() && !draft.is_known(&path) {
                let used: Vec<&Diagnostic> =
                    inputs_of(text).into_iter().filter_map(|input| missing.get(input).copied()).collect();
                gaps.extend(
                    used.iter().map(|error| gap(GapKind::MissingInput, error.message.clone(), error.help.clone())),
                );
                if used.is_empty() {
                    gaps.push(gap(GapKind::Mistake, "it refers to something that is not known".to_owned(), None));
                }
            }
            names.push(name);
        }
        steps.push(names);
    }
    let reported: BTreeSet<&str> = gaps.iter().map(|gap| gap.why.as_str()).collect();
    let others = others.into_iter().filter(|error| !reported.contains(error.message.as_str())).map(|error| {
        let kind = if error.code == MISSING_INPUT { GapKind::MissingInput } else { GapKind::Mistake };
        Gap { step: None, kind, why: format!("{}: {}", error.code, error.message), help: error.help.clone() }
    });
    let others: Vec<Gap> = others.collect();
    gaps.extend(others);
    Some(Partial { runbook, gaps, steps })
}

/// The inputs that have no value, each with what was said about it.
fn missing_inputs<'d, 'x>(
    document: &Document,
    draft: &'d Draft,
    errors: &[&'x Diagnostic],
) -> BTreeMap<&'d str, &'x Diagnostic> {
    let mut missing: Vec<&Diagnostic> = errors.iter().copied().filter(|error| error.code == MISSING_INPUT).collect();
    missing.sort_by_key(|error| error.start());
    let about = |name: &'d String| {
        let place = document.place(&Path::input(name));
        let first = missing.partition_point(|error| error.start() < place.start);
        let error = missing.get(first).filter(|error| place.contains(&error.start()))?;
        Some((name.as_str(), *error))
    };
    draft.inputs.keys().filter_map(about).collect()
}

/// The names of the inputs that a text refers to, each once.
fn inputs_of(text: &str) -> BTreeSet<&str> {
    let references = text.split("${inputs.").skip(1);
    references.filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::check::check;
    use crate::check::extent::work::comparisons;
    use crate::runbook::Mode;
    use crate::syntax::Inputs;

    /// A runbook of so many steps: in one of three something is wrong, one of three lacks an input.
    fn faulty(steps: usize) -> String {
        let mut text = String::from(
            "[runbook]\nname = \"many\"\ntitle = \"Many\"\nowners = [\"sre\"]\non_failure = \"stop\"\n\n\
             [target]\nproject = \"acme\"\nregion = \"us-central1\"\n\n\
             [inputs]\ngood = { required = true, description = \"the revision\" }\n\n\
             [[phase]]\nname = \"all\"\ntitle = \"All\"\n",
        );
        for step in 0..steps {
            let (uses, with) = [
                ("wait", "for = \"0s\""),
                ("wait", "fro = \"0s\""),
                ("gcp.run.traffic", "service = \"api\", to = { \"${inputs.good}\" = 100 }"),
            ][step % 3];
            let _ = write!(text, "\n[[phase.step]]\nname = \"s{step}\"\nuses = \"{uses}\"\nwith = {{ {with} }}\n");
        }
        text
    }

    fn partial_of(steps: usize) -> (Partial, usize) {
        let text = faulty(steps);
        let before = comparisons();
        let outcome = check("many.toml", text.as_bytes(), &Inputs::none(), Mode::Run);
        (outcome.partial.unwrap(), comparisons() - before)
    }

    #[test]
    fn each_step_has_its_own_gaps() {
        let (partial, _) = partial_of(30);
        assert_eq!(partial.runbook.phases[0].steps.len(), 10);
        let of = |name: &str| partial.gaps.iter().filter(|gap| gap.step.as_deref() == Some(name)).collect::<Vec<_>>();
        assert!(of("s3").is_empty());
        assert!(of("s4").iter().all(|gap| gap.kind == GapKind::Mistake) && !of("s4").is_empty(), "{:?}", of("s4"));
        assert!(matches!(of("s5")[..], [Gap { kind: GapKind::MissingInput, .. }]), "{:?}", of("s5"));
    }

    #[test]
    fn ten_times_the_steps_are_not_a_hundred_times_the_work() {
        let (one, ten) = (partial_of(120).1, partial_of(1200).1);
        assert!(one >= 120, "the work is counted: {one}");
        // A search takes a few comparisons more among ten times as many.
        assert!(ten < 20 * one, "{one} comparisons for 120 steps, {ten} for 1,200");
    }
}
