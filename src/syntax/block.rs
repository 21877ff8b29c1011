//! A table of the file, asked for one key after another.
//!
//! Which keys it may have stands in its [format](mod@super::format). Every wrong key and value is noted at its place and
//! reading goes on, so that a block with three mistakes is reported with three. (Deserialising a block with serde
//! stops at its first.)

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use super::condition::Condition;
use super::document::{Document, Entry, Node, Path, Table, Value};
use super::format::{self, ValueType};
use super::language::Language;
use super::mistake::{BAD_CONDITION, BAD_VALUE, Edit, MISSING_KEY, Mistake, SECRET_MISPLACED, UNKNOWN_KEY, WRONG_TYPE};
use super::spelling::{did_you_mean, list, slip_of};
use super::template::{Audience, Resolved, Scope};
use super::value::{Encoding, Percent, SecretText, duration};

/// A document being read: what references stand for, and what was noted so far.
pub(crate) struct Reader<'d> {
    pub(crate) document: &'d Document,
    pub(crate) scope: Scope,
    mistakes: RefCell<Vec<Mistake>>,
    unresolved: RefCell<BTreeSet<Path>>,
    later: RefCell<BTreeSet<Path>>,
}

/// What a reader leaves behind.
pub(crate) struct Noted {
    pub(crate) mistakes: Vec<Mistake>,
    /// Texts with a reference that has no value.
    pub(crate) unresolved: BTreeSet<Path>,
    /// Those of them whose value only a run can tell.
    pub(crate) later: BTreeSet<Path>,
    /// What something referred to.
    pub(crate) used: BTreeSet<String>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d Document) -> Reader<'d> {
        let (mistakes, unresolved, later) = Default::default();
        Reader { document, scope: Scope::default(), mistakes, unresolved, later }
    }

    pub(crate) fn note(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// How many mistakes there are; what is read while it stays the same has none.
    pub(crate) fn count(&self) -> usize {
        self.mistakes.borrow().len()
    }

    /// Whether every reference in the text at `path` had a value.
    pub(crate) fn is_resolved(&self, path: &Path) -> bool {
        !self.unresolved.borrow().contains(path)
    }

    pub(crate) fn finish(self) -> Noted {
        Noted {
            mistakes: self.mistakes.into_inner(),
            unresolved: self.unresolved.into_inner(),
            later: self.later.into_inner(),
            used: self.scope.used(),
        }
    }

    /// The whole document as a block.
    pub(crate) fn root(&self, format: &'static format::Table) -> Block<'_, 'd> {
        Block { reader: self, path: Path::root(), at: 0..0, table: self.document.root(), format }
    }

    /// `node` as a block, if it is a table.
    pub(crate) fn block(&self, path: Path, node: &'d Node, format: &'static format::Table) -> Option<Block<'_, 'd>> {
        let table = self.table(node)?;
        Some(Block { reader: self, path, at: node.at.clone(), table, format })
    }

    /// The entries of `node` in the order of the file, for a table whose keys are names.
    pub(crate) fn named(&self, node: &'d Node) -> Vec<(&'d str, &'d Entry)> {
        self.table(node).map(in_order).unwrap_or_default()
    }

    fn table(&self, node: &'d Node) -> Option<&'d Table> {
        let Value::Table(table) = &node.value else {
            self.wrong_type(node, "a table");
            return None;
        };
        Some(table)
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
    fn resolve(
        &self,
        path: &Path,
        text: &str,
        audience: Audience,
        place: impl Fn(&Range<usize>) -> Range<usize>,
    ) -> Resolved {
        let mut resolved = self.scope.resolve(text, audience);
        for problem in resolved.problems.drain(..) {
            let mistake = Mistake::new(problem.code, place(&problem.at), problem.message);
            self.note(Mistake { help: problem.help, ..mistake });
        }
        if resolved.unresolved {
            self.unresolved.borrow_mut().insert(path.clone());
        }
        if resolved.later {
            self.later.borrow_mut().insert(path.clone());
        }
        resolved
    }

    fn resolved(&self, path: &Path, node: &Node, audience: Audience) -> Option<Resolved> {
        let text = self.literal(node)?;
        Some(self.resolve(path, text, audience, |part| self.document.place_inside(path, part)))
    }

    fn text(&self, path: &Path, node: &Node) -> Option<String> {
        Some(self.resolved(path, node, Audience::Everybody)?.text)
    }

    fn json(&self, path: &Path, node: &Node) -> Option<SecretText> {
        let quoted = |text: &str| SecretText::literal(serde_json::Value::from(text).to_string());
        let between = |index: usize| SecretText::literal(if index == 0 { "" } else { "," });
        match &node.value {
            Value::Text(_) => {
                let text = self.secret_text(path, node, Language::JsonText)?;
                Some(SecretText::concat([SecretText::literal("\""), text, SecretText::literal("\"")]))
            }
            Value::Integer(Some(number)) => Some(SecretText::literal(number.to_string())),
            Value::Flag(flag) => Some(SecretText::literal(flag.to_string())),
            Value::Float => {
                let written = self.document.text().get(node.at.clone()).unwrap_or_default().replace('_', "");
                let number = written.trim_start_matches('+').parse().ok().and_then(serde_json::Number::from_f64);
                if number.is_none() {
                    self.wrong_type(node, "a number that JSON has");
                }
                number.map(|number| SecretText::literal(number.to_string()))
            }
            Value::Time => Some(quoted(self.document.text().get(node.at.clone()).unwrap_or_default())),
            Value::List(items) => {
                let mut all = vec![Some(SecretText::literal("["))];
                for (index, item) in items.iter().enumerate() {
                    all.extend([Some(between(index)), self.json(&path.index(index), item)]);
                }
                all.push(Some(SecretText::literal("]")));
                Some(SecretText::concat(all.into_iter().collect::<Option<Vec<_>>>()?))
            }
            Value::Table(table) => {
                let mut all = vec![Some(SecretText::literal("{"))];
                for (index, (name, entry)) in in_order(table).into_iter().enumerate() {
                    let value = self.json(&path.key(name), &entry.node);
                    all.extend([Some(between(index)), Some(quoted(name)), Some(SecretText::literal(":")), value]);
                }
                all.push(Some(SecretText::literal("}")));
                Some(SecretText::concat(all.into_iter().collect::<Option<Vec<_>>>()?))
            }
            Value::Integer(None) => {
                self.wrong_type(node, "a number of at most 64 bits");
                None
            }
        }
    }

    fn secret_text(&self, path: &Path, node: &Node, language: Language) -> Option<SecretText> {
        let resolved = self.resolved(path, node, Audience::Recipient)?;
        let composed = language.compose(&resolved).map_err(|misplaced| {
            self.note(Mistake::new(SECRET_MISPLACED, node.at.clone(), misplaced.message).help(misplaced.help));
        });
        composed.ok()
    }
}

/// The entries of a table in the order of the file.
fn in_order(table: &Table) -> Vec<(&str, &Entry)> {
    let mut entries: Vec<_> = table.iter().map(|(key, entry)| (key.as_str(), entry)).collect();
    entries.sort_by_key(|(_, entry)| entry.key_at.start);
    entries
}

/// Keys that were called otherwise before, and what they are called now.
const RENAMED: [(&str, &str); 1] = [("one_way", "irreversible")];

/// A table of the file.
pub(crate) struct Block<'r, 'd> {
    pub(crate) reader: &'r Reader<'d>,
    pub(crate) path: Path,
    /// Its header, or the whole of it if it stands in braces.
    pub(crate) at: Range<usize>,
    table: &'d Table,
    format: &'static format::Table,
}

impl<'r, 'd> Block<'r, 'd> {
    /// Whether the key is there, without asking for it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether the key may be there at all.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.format.key(key).is_some()
    }

    /// Where the key stands, or the block if it is not there.
    pub(crate) fn place(&self, key: &str) -> Range<usize> {
        self.reader.document.key_span(&self.path.key(key)).unwrap_or_else(|| self.at.clone())
    }

    /// Notes a value that cannot be meant, at the value of `key`.
    pub(crate) fn wrong(&self, key: &str, message: impl Into<String>, help: &str) {
        self.note_value(key, BAD_VALUE, &message.into(), help);
    }

    /// Notes what is wrong with the value of `key`.
    pub(crate) fn note_value(&self, key: &str, code: &'static str, message: &str, help: &str) {
        let at = self.reader.document.place(&self.path.key(key));
        self.reader.note(Mistake::new(code, at, message).help(help));
    }

    fn take(&self, key: &'static str, is: impl FnOnce(&ValueType) -> bool) -> Option<(Path, &'d Node)> {
        // The reader and the format are both written by us: a key that is read as something else is our mistake.
        debug_assert!(self.format.key(key).is_some_and(|key| is(&key.is)), "`{key}` of {}", self.path);
        let entry = self.table.get(key)?;
        Some((self.path.key(key), &entry.node))
    }

    /// A text with its references resolved.
    pub(crate) fn text(&self, key: &'static str) -> Option<String> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Text))?;
        self.reader.text(&path, node)
    }

    /// A text that is taken as it stands.
    pub(crate) fn literal(&self, key: &'static str) -> Option<String> {
        let (_, node) = self.take(key, |is| matches!(is, ValueType::Literal))?;
        self.reader.literal(node).map(str::to_owned)
    }

    /// A text that may have secrets in it.
    pub(crate) fn secret_text(&self, key: &'static str) -> Option<SecretText> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::SecretText))?;
        self.reader.secret_text(&path, node, Language::Plain)
    }

    /// A text that is sent: in JSON its values are written as JSON, and in nothing else it may have secrets in it.
    pub(crate) fn body(&self, key: &'static str) -> Option<SecretText> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::SecretText))?;
        self.reader.secret_text(&path, node, Language::Body)
    }

    /// Values by name, as a query or a form: `a=b&c=d`, everything percent-encoded.
    pub(crate) fn fields(&self, key: &'static str) -> Option<SecretText> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Fields))?;
        let mut fields = Vec::new();
        for (name, entry) in self.reader.named(node) {
            let value = match &entry.node.value {
                Value::Integer(Some(number)) => Some(SecretText::literal(number.to_string())),
                Value::Flag(flag) => Some(SecretText::literal(flag.to_string())),
                _ => self.reader.secret_text(&path.key(name), &entry.node, Language::Url),
            };
            let between = if fields.is_empty() { "" } else { "&" };
            let name = Encoding::Url.encode(name).ok()?;
            fields
                .push(value.map(|value| SecretText::concat([SecretText::literal(format!("{between}{name}=")), value])));
        }
        Some(SecretText::concat(fields.into_iter().collect::<Option<Vec<_>>>()?))
    }

    /// A table or list as JSON; every text in it is a JSON text, whatever is in it.
    pub(crate) fn json(&self, key: &'static str) -> Option<SecretText> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Json))?;
        self.reader.json(&path, node)
    }

    /// How a database is reached, if that stands there as a URL.
    pub(crate) fn database_url(&self, key: &'static str) -> Option<SecretText> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Server(_)))?;
        self.reader.secret_text(&path, node, Language::DatabaseUrl)
    }

    /// Whether a table stands behind the key.
    pub(crate) fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|entry| matches!(entry.node.value, Value::Table(_)))
    }

    /// Texts by name that may have secrets in them.
    pub(crate) fn secret_texts(&self, key: &'static str) -> Option<BTreeMap<String, SecretText>> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::SecretTexts))?;
        let read = |(name, entry): (&str, &Entry)| {
            Some((name.to_owned(), self.reader.secret_text(&path.key(name), &entry.node, Language::Plain)?))
        };
        let read: Vec<_> = self.reader.named(node).into_iter().map(read).collect();
        read.into_iter().collect()
    }

    /// Texts, numbers and flags by name, as texts. A flag is `on` or `off`.
    pub(crate) fn values(&self, key: &'static str) -> Option<BTreeMap<String, String>> {
        self.values_by_name(key, |flag| if flag { "on" } else { "off" })
    }

    /// Texts, numbers and flags by name, as texts. A flag is `true` or `false`.
    pub(crate) fn variables(&self, key: &'static str) -> Option<BTreeMap<String, String>> {
        self.values_by_name(key, |flag| if flag { "true" } else { "false" })
    }

    fn values_by_name(
        &self,
        key: &'static str,
        word: impl Fn(bool) -> &'static str,
    ) -> Option<BTreeMap<String, String>> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Values))?;
        let read = |(name, entry): (&str, &'d Entry)| {
            let value = match &entry.node.value {
                Value::Integer(Some(number)) => number.to_string(),
                Value::Flag(flag) => word(*flag).to_owned(),
                _ => self.reader.text(&path.key(name), &entry.node)?,
            };
            Some((name.to_owned(), value))
        };
        let read: Vec<_> = self.reader.named(node).into_iter().map(read).collect();
        read.into_iter().collect()
    }

    /// A whole number.
    pub(crate) fn integer(&self, key: &'static str) -> Option<i64> {
        let (_, node) = self.take(key, |is| matches!(is, ValueType::Integer))?;
        self.number(node)
    }

    /// A whole number, not below `least`.
    pub(crate) fn count(&self, key: &'static str, least: u32) -> Option<u32> {
        let number = self.integer(key)?;
        let count = u32::try_from(number).ok().filter(|count| *count >= least);
        if count.is_none() {
            self.wrong(key, format!("`{key}` cannot be {number}"), &format!("it is at least {least}"));
        }
        count
    }

    fn number(&self, node: &Node) -> Option<i64> {
        if let Value::Integer(Some(number)) = node.value {
            return Some(number);
        }
        self.reader.wrong_type(node, "a whole number");
        None
    }

    /// True or false.
    pub(crate) fn flag(&self, key: &'static str) -> Option<bool> {
        let (_, node) = self.take(key, |is| matches!(is, ValueType::Flag))?;
        if let Value::Flag(flag) = node.value {
            return Some(flag);
        }
        self.reader.wrong_type(node, "true or false");
        None
    }

    /// A text that `parse` makes something of.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (_, node) =
            self.take(key, |is| matches!(is, ValueType::Duration | ValueType::Rate | ValueType::Pattern))?;
        let example = self.example(key);
        if !matches!(node.value, Value::Text(_)) {
            self.reader.wrong_type(node, &format!("a text such as {example}"));
            return None;
        }
        let parsed = parse(self.reader.literal(node)?);
        parsed
            .map_err(|error| {
                let mistake = Mistake::new(BAD_VALUE, node.at.clone(), error.to_string());
                self.reader.note(mistake.help(format!("write it such as {example}")));
            })
            .ok()
    }

    fn example(&self, key: &str) -> &'static str {
        self.format.key(key).map_or("", |key| key.example)
    }

    /// A length of time.
    pub(crate) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, duration)
    }

    /// A length of time that is not zero.
    pub(crate) fn positive_duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, |text| match duration(text) {
            Ok(Duration::ZERO) => Err(format!("`{key}` is zero")),
            other => other.map_err(|error| error.to_string()),
        })
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let (_, node) = self.take(key, |is| matches!(is, ValueType::Choice(_)))?;
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
    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<String>> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Texts))?;
        self.list_of_texts(&path, node)
    }

    fn list_of_texts(&self, path: &Path, node: &Node) -> Option<Vec<String>> {
        self.each(node, "a list of texts", |index, item| self.reader.text(&path.index(index), item))
    }

    /// A program and its arguments, if that is what stands there.
    pub(crate) fn program(&self, key: &'static str) -> Option<Vec<String>> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Command))?;
        if matches!(node.value, Value::Text(_)) {
            let help = "write each argument by itself, as in [\"gcloud\", \"--version\"], or add shell = \"bash\"";
            self.wrong(key, "a text is for a shell to take apart, and there is none here", help);
            return None;
        }
        self.list_of_texts(&path, node)
    }

    /// A script, if that is what stands there. Nothing in it is replaced.
    pub(crate) fn script(&self, key: &'static str) -> Option<String> {
        let (_, node) = self.take(key, |is| matches!(is, ValueType::Command))?;
        let Value::Text(script) = &node.value else {
            self.reader.wrong_type(node, "a text: the script");
            return None;
        };
        // bash takes the carriage return of a Windows line end for a part of the line.
        Some(script.replace("\r\n", "\n"))
    }

    /// A list of percentages.
    pub(crate) fn percents(&self, key: &'static str) -> Option<Vec<Percent>> {
        let (_, node) = self.take(key, |is| matches!(is, ValueType::Percents))?;
        self.each(node, "a list of whole numbers", |_, item| self.percentage(item))
    }

    /// A percentage.
    pub(crate) fn percent(&self, key: &'static str) -> Option<Percent> {
        let (_, node) = self.take(key, |is| matches!(is, ValueType::Percent))?;
        self.percentage(node)
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

    fn percentage(&self, node: &Node) -> Option<Percent> {
        let number = self.number(node)?;
        Percent::try_from(number)
            .map_err(|error| self.reader.note(Mistake::new(BAD_VALUE, node.at.clone(), error.to_string())))
            .ok()
    }

    /// A table of percentages whose keys are texts with references, in the order of the file.
    pub(crate) fn shares(&self, key: &'static str) -> Option<Vec<(String, Percent)>> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Shares))?;
        let read = |(key, entry): (&str, &Entry)| {
            let path = path.key(key);
            let place = |part: &_| self.reader.document.place_inside_key(&path, part);
            let name = self.reader.resolve(&path, key, Audience::Everybody, place).text;
            Some((name, self.percentage(&entry.node)?))
        };
        let read: Vec<_> = self.reader.named(node).into_iter().map(read).collect();
        read.into_iter().collect()
    }

    /// A condition.
    pub(crate) fn condition(&self, key: &'static str) -> Option<Condition> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Condition))?;
        let written = self.reader.literal(node)?;
        let resolved = self.reader.resolved(&path, node, Audience::Everybody)?;
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
    pub(crate) fn block(&self, key: &'static str) -> Option<Block<'r, 'd>> {
        let (ValueType::Table(format) | ValueType::Server(format)) = &self.format.key(key)?.is else { return None };
        let (path, node) = self.take(key, |_| true)?;
        self.reader.block(path, node, format)
    }

    /// A table whose keys depend on what stands beside it.
    pub(crate) fn arguments(&self, key: &'static str, format: &'static format::Table) -> Option<Block<'r, 'd>> {
        let (path, node) = self.take(key, |is| matches!(is, ValueType::Arguments))?;
        self.reader.block(path, node, format)
    }

    /// A table of tables by name: their names, places and entries in the order of the file.
    pub(crate) fn tables_by_name(&self, key: &'static str) -> Vec<(&'d str, &'d Entry)> {
        let node = self.take(key, |is| matches!(is, ValueType::Named(_) | ValueType::Probes));
        node.map(|(_, node)| self.reader.named(node)).unwrap_or_default()
    }

    /// The requests of a flow: their places and tables, whose keys depend on what they ask.
    pub(crate) fn requests(&self, key: &'static str) -> Vec<(Path, &'d Node)> {
        let Some((path, node)) = self.take(key, |is| matches!(is, ValueType::Flow)) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.reader.wrong_type(node, "a list of tables");
            return Vec::new();
        };
        items.iter().enumerate().map(|(index, item)| (path.index(index), item)).collect()
    }

    /// The tables of an array of tables; `None` stands for an element that is none.
    pub(crate) fn blocks(&self, key: &'static str) -> Vec<Option<Block<'r, 'd>>> {
        let Some(ValueType::Tables(format)) = self.format.key(key).map(|key| &key.is) else { return Vec::new() };
        let Some((path, node)) = self.take(key, |_| true) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            let at = match &node.value {
                Value::Table(_) => node.at.clone(),
                _ => self.place(key),
            };
            let mistake = Mistake::new(WRONG_TYPE, at, format!("there can be several `{key}`"));
            self.reader.note(mistake.help(format!("write it in double brackets, as in `[[{key}]]`")));
            return Vec::new();
        };
        items.iter().enumerate().map(|(index, item)| self.reader.block(path.index(index), item, format)).collect()
    }

    /// Notes every key that the format does not have, and every one that is required and is not there.
    pub(crate) fn finish(&self) {
        for (key, entry) in in_order(self.table) {
            if self.format.key(key).is_none() {
                let known = self.format.keys.iter().map(|key| key.name);
                let mistake = Mistake::new(UNKNOWN_KEY, entry.key_at.clone(), format!("there is no key `{key}` here"));
                let renamed = RENAMED.iter().find(|(old, new)| *old == key && known.clone().any(|known| known == *new));
                let meant = renamed.map(|(_, new)| *new).or_else(|| slip_of(key, known.clone()));
                let edit = meant.filter(|meant| !self.has(meant));
                let edit = edit.map(|meant| Edit { at: entry.key_at.clone(), text: meant.to_owned() });
                let help = renamed.map(|(_, new)| format!("it is called `{new}` now"));
                self.reader.note(Mistake { help: help.or_else(|| did_you_mean(key, known)), edit, ..mistake });
            }
        }
        for key in self.format.keys.iter().filter(|key| key.required && !self.has(key.name)) {
            let root = self.path == Path::root();
            let (what, how) = match &key.is {
                ValueType::Tables(_) if root => (format!("[[{}]]", key.name), key.example.to_owned()),
                _ if root => (format!("[{}]", key.name), key.example.to_owned()),
                _ => (key.name.to_owned(), format!("{} = {}", key.name, key.example)),
            };
            let mistake = Mistake::new(MISSING_KEY, self.at.clone(), format!("`{what}` is missing"));
            self.reader.note(mistake.help(format!("write it such as {how}")));
        }
    }
}
