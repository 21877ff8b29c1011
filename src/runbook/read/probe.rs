//! `[probes]`. A probe is of the kind whose key it has.

use std::collections::BTreeMap;

use super::part;
use crate::probe::Probe;
use crate::runbook::draft::Part;
use crate::syntax::{Block, Entry, Path, Reader};

pub(super) fn read_probes<'d>(reader: &Reader<'d>, root: &Block<'_, 'd>) -> BTreeMap<String, Part<Probe>> {
    let read = |(name, entry): (&str, &'d Entry)| {
        let probe = part(reader, true, || Probe::read(reader, Path::probe(name), &entry.node));
        (name.to_owned(), probe)
    };
    root.tables_by_name("probes").into_iter().map(read).collect()
}
