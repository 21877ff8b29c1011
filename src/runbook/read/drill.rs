//! `[drill]`: which endings of a drill the author does not accept.

use std::collections::BTreeSet;

use crate::runbook::model::{DrillPolicy, Exception, FaultClass, Unacceptable};
use crate::syntax::Block;
use crate::syntax::spelling::{list, nearest};

/// `steps` are the names of the runbook's steps.
pub(super) fn read_drill(block: &Block<'_, '_>, steps: &BTreeSet<&str>) -> DrillPolicy {
    let texts = block.texts("never").unwrap_or_default();
    let mut never = Vec::new();
    for text in &texts {
        match Unacceptable::WORDS.iter().find(|(name, _)| name == text) {
            Some((_, known)) => never.push(*known),
            None => block.wrong(
                "never",
                format!("`{text}` is no ending of a drill"),
                &format!("write {}", list(Unacceptable::WORDS.iter().map(|(name, _)| *name), "or")),
            ),
        }
    }
    let except = block.blocks("except").iter().flatten().filter_map(|block| read_exception(block, steps)).collect();
    block.finish();
    DrillPolicy { never, except }
}

fn read_exception(block: &Block<'_, '_>, steps: &BTreeSet<&str>) -> Option<Exception> {
    let (step, reason) = (block.literal("step"), block.literal("reason"));
    let fault = block.choice("fault", &FaultClass::WORDS);
    if let Some(step) = step.as_deref().filter(|step| !steps.contains(step)) {
        let help = match nearest(step, steps.iter().copied()).first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name a step of this runbook".to_owned(),
        };
        block.wrong("step", format!("there is no step `{step}`"), &help);
    }
    if reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        block.wrong("reason", "the reason is empty", "say in a sentence why this ending is accepted here");
    }
    block.finish();
    Some(Exception { step: step?, fault: fault?, reason: reason? })
}
