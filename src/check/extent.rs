//! Which step a place in the text belongs to.
//!
//! A step's text reaches from where the step begins to where the next step, phase or other table begins, so that what stands in a
//! step's sub-tables and what is said about them belongs to it as well. Places are looked up by halving: ten thousand steps with a
//! mistake in each are ten thousand short searches, and not a hundred million comparisons.

use std::ops::Range;

use super::diagnostic::Diagnostic;
use crate::runbook::{Draft, StepDraft};
use crate::syntax::{Document, Path};

/// A step, and the bytes of the text that are its own.
pub(super) struct Extent<'d> {
    /// Its place in the runbook.
    pub path: Path,
    /// What could be read of it.
    pub step: &'d StepDraft,
    /// Bytes of the text; the end of the last step's is `usize::MAX`.
    pub at: Range<usize>,
}

/// The extents of all steps, in the order of the file.
pub(super) struct Extents<'d>(Vec<Extent<'d>>);

/// Diagnostics by the step that they are about.
pub(super) struct ByStep<'x> {
    /// Those of each step, in the order of [`Extents::steps`].
    pub of_steps: Vec<Vec<&'x Diagnostic>>,
    /// Those that are about no step.
    pub others: Vec<&'x Diagnostic>,
}

impl<'d> Extents<'d> {
    /// Where each step's text is.
    pub(super) fn of(document: &Document, draft: &'d Draft) -> Extents<'d> {
        let phases = (0..draft.phases.len()).map(|phase| Path::root().key("phase").index(phase));
        let others =
            ["guard", "escalation", "closure", "probes", "inputs"].into_iter().map(|key| Path::root().key(key));
        let starts = |path: &Path| document.span(path).or_else(|| document.key_span(path)).map(|span| span.start);
        let mut borders: Vec<usize> = phases.chain(others).filter_map(|path| starts(&path)).collect();
        borders.extend(draft.steps().filter_map(|(path, _)| starts(&path)));
        borders.sort_unstable();
        let extent = |(path, step): (Path, &'d StepDraft)| {
            let start = starts(&path)?;
            let next = borders.partition_point(|border| work::counted(*border <= start));
            let end = borders.get(next).copied().unwrap_or(usize::MAX);
            Some(Extent { path, step, at: start..end })
        };
        let mut extents: Vec<Extent<'d>> = draft.steps().filter_map(extent).collect();
        extents.sort_by_key(|extent| extent.at.start);
        Extents(extents)
    }

    /// The steps, in the order of the file.
    pub(super) fn steps(&self) -> &[Extent<'d>] {
        &self.0
    }

    /// The index of the step that a byte of the text belongs to.
    pub(super) fn step_at(&self, byte: usize) -> Option<usize> {
        let index = self.0.partition_point(|extent| work::counted(extent.at.start <= byte)).checked_sub(1)?;
        self.0.get(index).is_some_and(|extent| extent.at.contains(&byte)).then_some(index)
    }

    /// Sorts diagnostics by the step that they are about.
    pub(super) fn sorted<'x>(&self, diagnostics: impl Iterator<Item = &'x Diagnostic>) -> ByStep<'x> {
        let mut sorted = ByStep { of_steps: vec![Vec::new(); self.0.len()], others: Vec::new() };
        for diagnostic in diagnostics {
            match self.step_at(diagnostic.start()).and_then(|step| sorted.of_steps.get_mut(step)) {
                Some(of_step) => of_step.push(diagnostic),
                None => sorted.others.push(diagnostic),
            }
        }
        sorted
    }
}

/// How many comparisons were made, for a test that asserts that ten times the steps are not a hundred times the work.
pub(super) mod work {
    #[cfg(test)]
    use std::cell::Cell;

    #[cfg(test)]
    thread_local! {
        static COMPARISONS: Cell<usize> = const { Cell::new(0) };
    }

    /// Those of this thread so far.
    #[cfg(test)]
    pub(in crate::check) fn comparisons() -> usize {
        COMPARISONS.get()
    }

    pub(super) fn counted(answer: bool) -> bool {
        #[cfg(test)]
        COMPARISONS.set(COMPARISONS.get() + 1);
        answer
    }
}
