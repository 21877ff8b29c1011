//! How a format is declared: which table has which keys, what each key is, and what it is for.
//!
//! The reader asks only for keys that are declared, and calls every other one unknown; the JSON Schema that editors
//! complete from is made of the same tables. So what an editor offers is what is read, and a key is described once.

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
    pub is: ValueType,
    /// What it is for, in a sentence or two.
    pub about: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// A value as it may stand in the file.
    pub example: &'static str,
    /// What holds if it is not there, in words.
    pub default: Option<&'static str>,
}

/// What stands behind a key.
#[derive(Debug)]
pub enum ValueType {
    /// A text in which `${…}` stands for something.
    Text,
    /// A text that is taken as it stands.
    Literal,
    /// A text in which `${…}` may stand for a secret as well: it is used, and never shown.
    SecretText,
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
    SecretTexts,
    /// A table of texts, whole numbers and flags by name, of which texts may have secrets.
    Fields,
    /// Whatever JSON can say; its texts may have secrets.
    Json,
    /// A list of texts, or one text.
    Command,
    /// A URL with user info, or a table of its parts.
    Server(&'static Table),
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
    pub(crate) const fn new(name: &'static str, is: ValueType, about: &'static str) -> Key {
        Key { name, is, about, required: false, example: "", default: None }
    }

    pub(crate) const fn required(self) -> Key {
        Key { required: true, ..self }
    }

    pub(crate) const fn example(self, example: &'static str) -> Key {
        Key { example, ..self }
    }

    pub(crate) const fn default(self, default: &'static str) -> Key {
        Key { default: Some(default), ..self }
    }
}

impl Table {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The words of a choice, for the table that lists it.
pub(crate) const fn words<T: Copy, const N: usize>(choices: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut index = 0;
    while index < N {
        words[index] = choices[index].0;
        index += 1;
    }
    words
}
