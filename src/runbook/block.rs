//! A table of the file, asked for one key after another.
//!
//! Asking for a key is what makes it known: whatever was not asked for when the block is finished does not
//! belong there. Every wrong key and value is noted at its place and reading goes on, so that a block with three
//! mistakes is reported with three. (Deserialising a block with serde stops at its first.)

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::condition::Condition;
use super::document::{Document, Entry, Node, Path, Table, Value};
use super::mistake::{BAD_CONDITION, BAD_VALUE, MISSING_KEY, Mistake, NOT_YET, UNKNOWN_KEY, WRONG_TYPE};
use super::spelling::{did_you_mean, list};
use super::template::{Resolved, Scope};
use super::value::{Percent, duration};

/// A document being read: what references stand for, and what was noted so far.
pub(super) struct Reader<'d> {
    pub(super) document: &'d Document,
    pub(super) scope: Scope,
    mistakes: RefCell<Vec<Mistake>>,
    unresolved: RefCell<BTreeSet<Path>>,
}

impl<'d> Reader<'d> {
    pub(super) fn new(document: &'d Document) -> Reader<'d> {
        Reader { document, scope: Scope::default(), mistakes: RefCell::default(), unresolved: RefCell::default() }
    }

    pub(super) fn note(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// How many mistakes there are; what is read while it stays the same has none.
    pub(super) fn count(&self) -> usize {
        self.mistakes.borrow().len()
    }

    /// Whether every reference in the text at `path` had a value.
    pub(super) fn is_resolved(&self, path: &Path) -> bool {
        !self.unresolved.borrow().contains(path)
    }

    pub(super) fn finish(self) -> (Vec<Mistake>, BTreeSet<Path>, BTreeSet<String>) {
        (self.mistakes.into_inner(), self.unresolved.into_inner(), self.scope.used())
    }

    /// The whole document as a block.
    pub(super) fn root(&self) -> Block<'_, 'd> {
        Block { reader: self, path: Path::root(), at: 0..0, table: self.document.root(), asked: Vec::new() }
    }

    /// `node` as a block, if it is a table.
    pub(super) fn block(&self, path: Path, node: &'d Node) -> Option<Block<'_, 'd>> {
        let Value::Table(table) = &node.value else {
            self.wrong_type(node, "a table");
            return None;
        };
        Some(Block { reader: self, path, at: node.at.clone(), table, asked: Vec::new() })
    }

    fn wrong_type(&self, node: &Node, wanted: &str) {
        let found = match &node.value {
            Value::Text(_) => "a text",
            Value::Integer(Some(_)) => "a whole number",
            Value::Integer(None) => "a number beyond 64 bits",
            Value::Float => "a number with a point",
            Value::Flag(_) => "true or false",
            Value::Time => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        };
        let mut mistake = Mistake::new(WRONG_TYPE, node.at.clone(), format!("this is {found}; wanted is {wanted}"));
        if let Value::Text(text) = &node.value {
            if text.contains("${") {
                mistake = mistake.help("`${…}` gives text; write the value itself here");
            } else if wanted == "a whole number" && text.parse::<i64>().is_ok() {
                mistake = mistake.help(format!("write {text} without quotation marks"));
            } else if wanted.starts_with("a list of texts") {
                mistake = mistake.help(format!("write [\"{text}\"]"));
            }
        }
        self.note(mistake);
    }

    /// The text of `node`, as it stands.
    fn literal<'n>(&self, node: &'n Node) -> Option<&'n str> {
        if let Value::Text(text) = &node.value {
            return Some(text);
        }
        self.wrong_type(node, "a text");
        None
    }

    /// Notes what is wrong with the references in the text at `path`, and whether one is left.
    fn resolve(&self, path: &Path, text: &str, place: impl Fn(&Range<usize>) -> Range<usize>) -> Resolved {
        let mut resolved = self.scope.resolve(text);
        for problem in resolved.problems.drain(..) {
            let mistake = Mistake::new(problem.code, place(&problem.at), problem.message);
            self.note(Mistake { help: problem.help, ..mistake });
        }
        if resolved.unresolved {
            self.unresolved.borrow_mut().insert(path.clone());
        }
        resolved
    }

    fn text(&self, path: &Path, node: &Node) -> Option<String> {
        let text = self.literal(node)?;
        Some(self.resolve(path, text, |part| self.document.place_inside(path, part)).text)
    }
}

/// A table of the file.
pub(super) struct Block<'r, 'd> {
    pub(super) reader: &'r Reader<'d>,
    pub(super) path: Path,
    /// Its header, or the whole of it if it stands in braces.
    pub(super) at: Range<usize>,
    table: &'d Table,
    asked: Vec<&'static str>,
}

impl<'r, 'd> Block<'r, 'd> {
    /// Whether the key is there, without asking for it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Its entries in the order of the file, for a table whose keys are names.
    pub(super) fn entries(&self) -> Vec<(&'d str, &'d Entry)> {
        let mut entries: Vec<_> = self.table.iter().map(|(key, entry)| (key.as_str(), entry)).collect();
        entries.sort_by_key(|(_, entry)| entry.key_at.start);
        entries
    }

    /// Makes keys known that are read elsewhere.
    pub(super) fn ignore(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    fn take(&mut self, key: &'static str) -> Option<(Path, &'d Node)> {
        self.asked.push(key);
        let entry = self.table.get(key)?;
        Some((self.path.key(key), &entry.node))
    }

    /// Asks with `ask` for a key that must be there; `such_as` shows one.
    pub(super) fn need<T>(
        &mut self,
        key: &'static str,
        ask: impl FnOnce(&mut Self, &'static str) -> Option<T>,
        such_as: &str,
    ) -> Option<T> {
        if !self.has(key) {
            self.asked.push(key);
            let what = if self.path == Path::root() { format!("[{key}]") } else { key.to_owned() };
            let mistake = Mistake::new(MISSING_KEY, self.at.clone(), format!("`{what}` is missing"));
            self.reader.note(mistake.help(format!("write it such as {such_as}")));
            return None;
        }
        ask(self, key)
    }

    /// A text with its references resolved.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let (path, node) = self.take(key)?;
        self.reader.text(&path, node)
    }

    /// A text that is taken as it stands.
    pub(super) fn literal(&mut self, key: &'static str) -> Option<String> {
        let (_, node) = self.take(key)?;
        self.reader.literal(node).map(str::to_owned)
    }

    /// A whole number.
    pub(super) fn integer(&mut self, key: &'static str) -> Option<i64> {
        let (_, node) = self.take(key)?;
        self.number(node)
    }

    fn number(&self, node: &Node) -> Option<i64> {
        if let Value::Integer(Some(number)) = node.value {
            return Some(number);
        }
        self.reader.wrong_type(node, "a whole number");
        None
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let (_, node) = self.take(key)?;
        if let Value::Flag(flag) = node.value {
            return Some(flag);
        }
        self.reader.wrong_type(node, "true or false");
        None
    }

    /// A text that `parse` makes something of.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        such_as: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (_, node) = self.take(key)?;
        if !matches!(node.value, Value::Text(_)) {
            self.reader.wrong_type(node, &format!("a text such as {such_as}"));
            return None;
        }
        let parsed = parse(self.reader.literal(node)?);
        parsed
            .map_err(|error| {
                let mistake = Mistake::new(BAD_VALUE, node.at.clone(), error.to_string());
                self.reader.note(mistake.help(format!("write it such as {such_as}")));
            })
            .ok()
    }

    /// A length of time.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "\"90s\" or \"5m\"", duration)
    }

    /// A length of time that is not zero.
    pub(super) fn positive_duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "\"90s\" or \"5m\"", |text| match duration(text) {
            Ok(Duration::ZERO) => Err(format!("`{key}` is zero")),
            other => other.map_err(|error| error.to_string()),
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let (_, node) = self.take(key)?;
        let word = self.reader.literal(node)?;
        let chosen = choices.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let words = || choices.iter().map(|(name, _)| *name);
            let message = format!("`{key}` is {}, not `{word}`", list(words(), "or"));
            let near = super::spelling::nearest(word, words());
            let mistake = Mistake::new(BAD_VALUE, node.at.clone(), message);
            self.reader.note(match near.first() {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None => mistake,
            });
        }
        chosen
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let (path, node) = self.take(key)?;
        self.each(node, "a list of texts", |index, item| self.reader.text(&path.index(index), item))
    }

    /// A list of percentages.
    pub(super) fn percents(&mut self, key: &'static str) -> Option<Vec<Percent>> {
        let (_, node) = self.take(key)?;
        self.each(node, "a list of whole numbers", |_, item| self.percent(item))
    }

    fn each<T>(&self, node: &Node, wanted: &str, mut one: impl FnMut(usize, &Node) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(items) = &node.value else {
            self.reader.wrong_type(node, wanted);
            return None;
        };
        // All of them, not until the first that is wrong.
        let read: Vec<Option<T>> = items.iter().enumerate().map(|(index, item)| one(index, item)).collect();
        read.into_iter().collect()
    }

    fn percent(&self, node: &Node) -> Option<Percent> {
        let number = self.number(node)?;
        Percent::try_from(number)
            .map_err(|error| self.reader.note(Mistake::new(BAD_VALUE, node.at.clone(), error.to_string())))
            .ok()
    }

    /// A table of percentages whose keys are texts with references, in the order of the file.
    pub(super) fn shares(&mut self, key: &'static str) -> Option<Vec<(String, Percent)>> {
        let (path, node) = self.take(key)?;
        let block = self.reader.block(path, node)?;
        let read: Vec<_> = block
            .entries()
            .into_iter()
            .map(|(key, entry)| {
                let path = block.path.key(key);
                let place = |part: &_| self.reader.document.place_inside_key(&path, part);
                let name = self.reader.resolve(&path, key, place).text;
                Some((name, self.percent(&entry.node)?))
            })
            .collect();
        read.into_iter().collect()
    }

    /// A condition.
    pub(super) fn condition(&mut self, key: &'static str) -> Option<Condition> {
        let (path, node) = self.take(key)?;
        let written = self.reader.literal(node)?;
        let resolved = self.reader.resolve(&path, written, |part| self.reader.document.place_inside(&path, part));
        if resolved.unresolved {
            return None;
        }
        let harmless = |letter: char| letter.is_alphanumeric() || "-_.:/@+ ".contains(letter);
        let odd = |part: &Range<usize>| !resolved.text[part.clone()].chars().all(harmless);
        if let Some(part) = resolved.substituted.iter().find(|part| odd(part)) {
            let message =
                format!("`{}` is put into a condition and would be read as part of it", &resolved.text[part.clone()]);
            self.reader.note(
                Mistake::new(BAD_CONDITION, node.at.clone(), message)
                    .help("values in conditions may have letters, digits, spaces and - _ . : / @ +"),
            );
            return None;
        }
        Condition::compile(&resolved.text)
            .map_err(|error| {
                let at = match error.at {
                    Some(at) if resolved.text == written => self.reader.document.place_inside(&path, &at),
                    _ => node.at.clone(),
                };
                self.reader.note(Mistake::new(BAD_CONDITION, at, error.message));
            })
            .ok()
    }

    /// A table.
    pub(super) fn block(&mut self, key: &'static str) -> Option<Block<'r, 'd>> {
        let (path, node) = self.take(key)?;
        self.reader.block(path, node)
    }

    /// The tables of an array of tables; `None` stands for an element that is none.
    pub(super) fn blocks(&mut self, key: &'static str) -> Vec<Option<Block<'r, 'd>>> {
        let Some((path, node)) = self.take(key) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            let at = match &node.value {
                Value::Table(_) => node.at.clone(),
                _ => self.reader.document.key_span(&path).unwrap_or_else(|| node.at.clone()),
            };
            let mistake = Mistake::new(WRONG_TYPE, at, format!("there can be several `{key}`"));
            self.reader.note(mistake.help(format!("write it in double brackets, as in `[[{key}]]`")));
            return Vec::new();
        };
        items.iter().enumerate().map(|(index, item)| self.reader.block(path.index(index), item)).collect()
    }

    /// Notes every key that nobody asked for. `later` are those that the format has and this version does not.
    pub(super) fn finish(self, later: &[&str]) {
        for (key, entry) in self.entries() {
            if self.asked.contains(&key) {
                continue;
            }
            let mistake = if later.contains(&key) {
                Mistake::new(NOT_YET, entry.key_at.clone(), format!("`{key}` is not supported by this version yet"))
                    .help("take it out; it would not be carried out")
            } else {
                Mistake {
                    help: did_you_mean(key, self.asked.iter().copied()),
                    ..Mistake::new(UNKNOWN_KEY, entry.key_at.clone(), format!("there is no key `{key}` here"))
                }
            };
            self.reader.note(mistake);
        }
    }
}
