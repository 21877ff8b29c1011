//! What became of many paths, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::course::Outcome;
use super::fault::Path;

/// Counts of where runs were left, by what went wrong.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    paths: usize,
    wrong: usize,
    /// By trouble: where the process that met it left the run, and where the last one did.
    rows: BTreeMap<&'static str, Row>,
}

#[derive(Clone, Debug, Default)]
struct Row {
    first: BTreeMap<String, usize>,
    last: BTreeMap<String, usize>,
    wrong: usize,
}

impl Tally {
    /// Counts what became of a path.
    pub fn add(&mut self, path: &Path, outcome: &Outcome) {
        let row = self.rows.entry(path.fault()).or_default();
        if let (Some(first), Some(last)) = (outcome.rests.first(), outcome.rests.last()) {
            *row.first.entry(first.to_string()).or_default() += 1;
            *row.last.entry(last.to_string()).or_default() += 1;
        }
        let is_wrong = usize::from(!outcome.wrong.is_empty());
        self.paths += 1;
        self.wrong += is_wrong;
        row.wrong += is_wrong;
    }

    /// The same with what another one counted.
    pub fn merge(&mut self, other: Tally) {
        self.paths += other.paths;
        self.wrong += other.wrong;
        for (trouble, theirs) in other.rows {
            let row = self.rows.entry(trouble).or_default();
            for (how, count) in theirs.first {
                *row.first.entry(how).or_default() += count;
            }
            for (how, count) in theirs.last {
                *row.last.entry(how).or_default() += count;
            }
            row.wrong += theirs.wrong;
        }
    }

    /// How many paths were counted.
    pub fn paths(&self) -> usize {
        self.paths
    }

    /// Of how many of them something is wrong.
    pub fn wrong(&self) -> usize {
        self.wrong
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |counts: &BTreeMap<String, usize>| {
            let all: Vec<String> = counts.iter().map(|(how, count)| format!("{count} {how}")).collect();
            all.join(", ")
        };
        let outcomes: BTreeSet<&String> = self.rows.values().flat_map(|row| row.last.keys()).collect();
        writeln!(f, "{} paths, {} wrong, {} kinds of ending", self.paths, self.wrong, outcomes.len())?;
        for (trouble, row) in &self.rows {
            let wrong = if row.wrong == 0 { String::new() } else { format!("   {} WRONG", row.wrong) };
            writeln!(f, "  {trouble:<28} {}{wrong}", words(&row.first))?;
            writeln!(f, "  {:<28}   in the end: {}", "", words(&row.last))?;
        }
        Ok(())
    }
}
