//! `list` and `where` of a `for_each`: the resources that a step is done for, in place of items that the runbook names.

use super::catalogued::read_condition;
use crate::catalog::FindError;
use crate::resource::catalogued::CollectionName;
use crate::syntax::Block;
use crate::syntax::mistake::UNKNOWN_RESOURCE;

/// Resources of a type that the catalog has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemList {
    /// Which resources.
    pub collection: CollectionName,
    /// Which of them, as a condition on `resource`; it compiles.
    pub condition: Option<String>,
}

impl ItemList {
    /// Reads it from the `for_each` that it stands in.
    pub(crate) fn read(block: &Block<'_, '_>) -> Option<ItemList> {
        let condition = read_condition(block, "where", "resource.state == 'ENABLED'");
        let text = block.text("list");
        if block.has("where") && !block.has("list") {
            block.wrong("where", "`where` chooses among what a `list` lists", "take it out, or name a `list`");
        }
        let noted = |error: FindError| {
            block.note_value("list", UNKNOWN_RESOURCE, &error.to_string(), &error.help());
        };
        let collection = CollectionName::parse(text?).map_err(noted).ok()?;
        Some(ItemList { collection, condition: condition.map(|condition| condition.to_string()) })
    }
}
