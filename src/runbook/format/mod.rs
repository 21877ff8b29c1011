//! The format as data: which table has which keys, what each key is, and what it is for.
//!
//! The reader asks only for keys that stand here, and calls every other one unknown; the JSON Schema that editors
//! complete from is made of the same tables. So what an editor offers is what is read, and a key is described once.

mod actions;
mod probes;
mod schema;
mod tables;

pub(super) use self::actions::SHELLS;
pub use self::actions::{ACTIONS, ActionFormat};
pub(in crate::runbook) use self::probes::FLOW;
pub(super) use self::probes::PROBE;
pub use self::probes::{PROBES, ProbeFormat};
pub use self::schema::schema;
pub(super) use self::tables::{INPUT, ON_FAILURE, PRIORITY, ROOT, TRIP};

/// A table of the file.
#[derive(Debug)]
pub struct Table {
    /// What it is for, in a sentence or two.
    pub about: &'static str,
    /// Its keys, in the order in which people write them.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// How it is written.
    pub name: &'static str,
    /// What stands behind it.
    pub is: Is,
    /// What it is for, in a sentence or two.
    pub about: &'static str,
    /// Whether it must be there.
    pub needed: bool,
    /// A value as it may stand in the file.
    pub such_as: &'static str,
    /// What holds if it is not there, in words.
    pub otherwise: Option<&'static str>,
}

/// What stands behind a key.
#[derive(Debug)]
pub enum Is {
    /// A text in which `${…}` stands for something.
    Text,
    /// A text that is taken as it stands.
    Literal,
    /// A text in which `${…}` may stand for a secret as well: it is used, and never shown.
    Private,
    /// A whole number.
    Integer,
    /// True or false.
    Flag,
    /// A length of time, such as `"90s"`.
    Duration,
    /// A rate, such as `"2%"`.
    Rate,
    /// A condition in CEL.
    Condition,
    /// A regular expression.
    Pattern,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A list of texts in which `${…}` stands for something.
    Texts,
    /// A list of whole numbers from 0 to 100.
    Percents,
    /// A whole number from 0 to 100.
    Percent,
    /// A table of percentages whose keys are texts.
    Shares,
    /// A table of texts, whole numbers and flags by name.
    Values,
    /// A table of private texts by name.
    PrivateValues,
    /// A list of texts, or one text.
    Command,
    /// A table.
    Table(&'static Table),
    /// A table that may be written several times, in double brackets.
    Tables(&'static Table),
    /// Tables by a name of the author's own.
    Named(&'static Table),
    /// Probes by name. Which keys one has depends on what it looks at.
    Probes,
    /// The requests of a flow. Which keys one has depends on what it asks.
    Flow,
    /// The arguments of an action. Which there are depends on `uses`.
    Arguments,
}

impl Key {
    const fn new(name: &'static str, is: Is, about: &'static str) -> Key {
        Key { name, is, about, needed: false, such_as: "", otherwise: None }
    }

    const fn needed(self) -> Key {
        Key { needed: true, ..self }
    }

    const fn such_as(self, such_as: &'static str) -> Key {
        Key { such_as, ..self }
    }

    const fn otherwise(self, otherwise: &'static str) -> Key {
        Key { otherwise: Some(otherwise), ..self }
    }
}

impl Table {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The words of a choice, for the table that lists it.
const fn words<T: Copy, const N: usize>(choices: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut index = 0;
    while index < N {
        words[index] = choices[index].0;
        index += 1;
    }
    words
}
