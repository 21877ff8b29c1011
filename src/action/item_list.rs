//! `list` and `where` of a `for_each`: the resources that a step is done for, in place of items that the runbook names.

use crate::catalog::FindError;
use crate::resource::catalogued::CollectionName;
use crate::syntax::Block;
use crate::syntax::condition::Condition;
use crate::syntax::mistake::{BAD_CONDITION, Mistake, UNKNOWN_RESOURCE};

/// What `where` calls each resource.
pub(crate) const LISTED: &str = "resource";

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
        let condition = block.condition("where");
        let text = block.text("list");
        if block.has("where") && !block.has("list") {
            block.wrong("where", "`where` chooses among what a `list` lists", "take it out, or name a `list`");
        }
        let unknown = condition.iter().flat_map(Condition::names).find(|name| *name != LISTED);
        if let Some(unknown) = unknown {
            let message = format!("`{unknown}` is nothing that this condition can refer to");
            let mistake = Mistake::new(BAD_CONDITION, block.place("where"), message);
            block.reader.note(mistake.help("write it such as resource.state == 'ENABLED'"));
        }
        let noted = |error: FindError| {
            block.note_value("list", UNKNOWN_RESOURCE, &error.to_string(), &error.help());
        };
        let collection = CollectionName::parse(text?).map_err(noted).ok()?;
        Some(ItemList { collection, condition: condition.map(|condition| condition.to_string()) })
    }
}
