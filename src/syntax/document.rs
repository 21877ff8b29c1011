//! The TOML tree with the place of everything in it.
//!
//! The model of a runbook carries no places. Whoever wants to point at something (a rule of `check`, a gate that
//! failed an hour later) names it by its [`Path`], and the document knows where that stands.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::lexer::TokenKind;

use super::mistake::{Edit, Mistake, SYNTAX, TOO_DEEP};

/// How many syntax errors are worth showing: after the first few, the rest are echoes.
const MOST_SYNTAX_ERRORS: usize = 5;

/// How many dots a key may have. TOML limits nesting by brackets itself, but not this way of nesting, and a
/// tree that is too deep overflows the stack when it is merely dropped.
const MOST_DOTS: usize = 8;

/// One part of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Key(String),
    Index(usize),
}

/// Where something stands in a document, such as `phase[0].step[1].with.max_instances`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Part>);

impl Path {
    /// The whole document.
    pub fn root() -> Path {
        Path::default()
    }

    /// A probe's table.
    pub fn probe(name: &str) -> Path {
        Path::root().key("probes").key(name)
    }

    /// An input's entry.
    pub fn input(name: &str) -> Path {
        Path::root().key("inputs").key(name)
    }

    /// A phase's table, counted from zero.
    pub fn phase(phase: usize) -> Path {
        Path::root().key("phase").index(phase)
    }

    /// A step's table, both counted from zero.
    pub fn step(phase: usize, step: usize) -> Path {
        Path::phase(phase).key("step").index(step)
    }

    /// The entry `key` of this table.
    #[must_use]
    pub fn key(&self, key: &str) -> Path {
        self.with(Part::Key(key.to_owned()))
    }

    /// The element `index` of this array.
    #[must_use]
    pub fn index(&self, index: usize) -> Path {
        self.with(Part::Index(index))
    }

    /// Whether it stands in the table or array at `other`.
    pub fn is_within(&self, other: &Path) -> bool {
        self.0.len() > other.0.len() && self.0.starts_with(&other.0)
    }

    fn with(&self, part: Part) -> Path {
        let mut parts = self.0.clone();
        parts.push(part);
        Path(parts)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.0.iter().enumerate() {
            match part {
                Part::Key(key) if position == 0 => f.write_str(key)?,
                Part::Key(key) => write!(f, ".{key}")?,
                Part::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Range<usize>,
    pub(crate) value: Value,
}

/// What a value is. The parser's own tree borrows from the text, so a document could not own both.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// `None`: a whole number, but beyond 64 bits.
    Integer(Option<i64>),
    Float,
    Flag(bool),
    Time,
    List(Vec<Node>),
    Table(Table),
}

/// The entries of a table by key.
pub(crate) type Table = BTreeMap<String, Entry>;

/// An entry of a table.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key_at: Range<usize>,
    pub(crate) node: Node,
}

/// A text that is TOML, and where everything in it stands.
#[derive(Clone, Debug)]
pub struct Document {
    name: String,
    text: String,
    root: Table,
}

impl Document {
    /// Reads `text`; `name` is what people are told it is called.
    ///
    /// # Errors
    /// What is wrong with the syntax, at most a handful: a tree that was patched up after a syntax error says
    /// things that nobody wrote, so nothing else is looked at until the syntax is right.
    pub fn parse(name: impl Into<String>, text: impl Into<String>) -> Result<Document, Vec<Mistake>> {
        let (name, text) = (name.into(), text.into());
        if let Some(at) = too_many_dots(&text) {
            let mistake = Mistake::new(TOO_DEEP, at, format!("a key of more than {MOST_DOTS} dots"))
                .help("a runbook needs three: `phase.step.with.to`");
            return Err(vec![mistake]);
        }
        let (root, errors) = DeTable::parse_recoverable(&text);
        if !errors.is_empty() {
            return Err(syntax_mistakes(&text, &errors));
        }
        let root = own_table(root.get_ref());
        Ok(Document { name, text, root })
    }

    /// What people are told it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn root(&self) -> &Table {
        &self.root
    }

    /// The keys of the table at `path`, by name; none if it is no table.
    pub fn keys_of(&self, path: &Path) -> Vec<String> {
        let below = || match &self.find(path)?.1.value {
            Value::Table(table) => Some(table),
            _ => None,
        };
        let table = if path.0.is_empty() { Some(&self.root) } else { below() };
        table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
    }

    /// Where the value at `path` stands; for a `[table]`, its header. `None` if there is no such value.
    pub fn span(&self, path: &Path) -> Option<Range<usize>> {
        self.find(path).map(|(_, node)| node.at.clone())
    }

    /// Where the key at the end of `path` stands; an element of an array has no key, so its value is shown.
    pub fn key_span(&self, path: &Path) -> Option<Range<usize>> {
        self.find(path).map(|(key, node)| key.unwrap_or_else(|| node.at.clone()))
    }

    /// Where the value at `path` stands, or else the nearest thing around it, so that a place is always known.
    pub fn place(&self, path: &Path) -> Range<usize> {
        (0..=path.0.len()).rev().find_map(|length| self.span(&Path(path.0[..length].to_vec()))).unwrap_or(0..0)
    }

    /// Takes the entry at `path` away with its lines, if nothing else stands in them: no other entry, and no comment.
    pub fn without_entry(&self, path: &Path) -> Option<Edit> {
        let (key, value) = (self.key_span(path)?, self.span(path)?);
        let start = self.text.get(..key.start)?.rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text.get(value.end..)?.find('\n').map_or(self.text.len(), |length| value.end + length + 1);
        let is_blank = |at: Range<usize>| self.text.get(at).is_some_and(|text| text.trim().is_empty());
        (is_blank(start..key.start) && is_blank(value.end..end)).then(|| Edit { at: start..end, text: String::new() })
    }

    /// A part of the string at `path`, `part` being bytes of the string's value.
    ///
    /// The value and its text differ where there are escapes; then the whole string is shown.
    pub fn place_inside(&self, path: &Path, part: &Range<usize>) -> Range<usize> {
        let whole = self.place(path);
        self.inside(&whole, self.text_at(path), part).unwrap_or(whole)
    }

    /// The same for the key at the end of `path`.
    pub(crate) fn place_inside_key(&self, path: &Path, part: &Range<usize>) -> Range<usize> {
        let whole = self.key_span(path).unwrap_or_else(|| self.place(path));
        let key = match path.0.last() {
            Some(Part::Key(key)) => Some(key.as_str()),
            _ => None,
        };
        self.inside(&whole, key, part).unwrap_or(whole)
    }

    /// The string at `path`, if it is one.
    pub(crate) fn text_at(&self, path: &Path) -> Option<&str> {
        match self.find(path) {
            Some((_, Node { value: Value::Text(text), .. })) => Some(text),
            _ => None,
        }
    }

    fn inside(&self, whole: &Range<usize>, value: Option<&str>, part: &Range<usize>) -> Option<Range<usize>> {
        // Without escapes the value stands in the text as it is, after its quotation marks.
        let start = whole.start + self.text.get(whole.clone())?.find(value?)?;
        let place = start + part.start..start + part.end;
        (place.end <= whole.end && self.text.get(place.clone()).is_some()).then_some(place)
    }

    fn find(&self, path: &Path) -> Option<(Option<Range<usize>>, &Node)> {
        let (first, rest) = path.0.split_first()?;
        let Part::Key(first) = first else { return None };
        let entry = self.root.get(first)?;
        let (mut key, mut node) = (Some(entry.key_at.clone()), &entry.node);
        for part in rest {
            (key, node) = match (part, &node.value) {
                (Part::Key(name), Value::Table(table)) => {
                    let entry = table.get(name)?;
                    (Some(entry.key_at.clone()), &entry.node)
                }
                (Part::Index(index), Value::List(list)) => (None, list.get(*index)?),
                _ => return None,
            };
        }
        Some((key, node))
    }
}

/// Whether a text has this key at its root, as far as it is TOML.
pub fn has_table(text: &str, key: &str) -> bool {
    // Nested too deeply to be read is no reason to look away.
    if too_many_dots(text).is_some() {
        return text.contains(key);
    }
    let (root, _) = DeTable::parse_recoverable(text);
    root.get_ref().iter().any(|(found, _)| found.get_ref() == key)
}

fn own_table(table: &DeTable<'_>) -> Table {
    let entry = |at, value| Entry { key_at: at, node: own(value) };
    table.iter().map(|(key, value)| (key.get_ref().to_string(), entry(key.span(), value))).collect()
}

fn own(value: &Spanned<DeValue<'_>>) -> Node {
    let at = value.span();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Time,
        DeValue::Array(array) => Value::List(array.iter().map(own).collect()),
        DeValue::Table(table) => Value::Table(own_table(table)),
    };
    Node { at, value }
}

/// The first key with too many dots in it, if there is one.
fn too_many_dots(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    let mut dots = 0;
    for token in toml_parser::Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Atom | TokenKind::Whitespace | TokenKind::BasicString | TokenKind::LiteralString => {}
            _ => (start, dots) = (token.span().end(), 0),
        }
        if dots > MOST_DOTS {
            return Some(start..token.span().end());
        }
    }
    None
}

/// The parser says several things about one slip: the first of each line is kept, and of those a handful.
fn syntax_mistakes(text: &str, errors: &[toml::de::Error]) -> Vec<Mistake> {
    let mut places: Vec<(Range<usize>, &str)> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    places.sort_by_key(|(at, _)| (at.start, at.end));
    let mut mistakes: Vec<Mistake> = Vec::new();
    let mut line_end = 0;
    for (mut at, message) in places {
        if !mistakes.is_empty() && at.start < line_end {
            continue;
        }
        line_end = text.get(at.start..).and_then(|rest| rest.find('\n')).map_or(usize::MAX, |end| at.start + end + 1);
        // An empty place at the very beginning would stand for "nowhere".
        if at == (0..0) {
            at.end = text.chars().next().map_or(0, char::len_utf8);
        }
        let help = (mistakes.is_empty()).then(|| match message {
            "duplicate key" => "a key or table can be written only once".to_owned(),
            _ => "the rest of the file is checked once it is TOML".to_owned(),
        });
        mistakes.push(Mistake { help, ..Mistake::new(SYNTAX, at, message) });
        if mistakes.len() == MOST_SYNTAX_ERRORS {
            break;
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
[runbook]
name = \"x\"

[probes.auth]
http = 'https://a'

[[phase]]
name = 'one'

[[phase.step]]
with = { max_instances = 15, to = { \"rev-${inputs.x}\" = 100 } }
gate.healthy = [ 'auth', \"back\\u0065nd ${inputs.y}\" ]
";

    fn at(span: Option<Range<usize>>) -> &'static str {
        &TEXT[span.unwrap()]
    }

    #[test]
    fn every_value_and_key_has_a_place() {
        let document = Document::parse("t.toml", TEXT).unwrap();
        assert_eq!(at(document.span(&Path::root().key("runbook"))), "[runbook]");
        assert_eq!(at(document.span(&Path::probe("auth"))), "[probes.auth]");
        assert_eq!(at(document.key_span(&Path::probe("auth"))), "auth");
        let step = Path::step(0, 0);
        assert_eq!(at(document.span(&step)), "[[phase.step]]");
        let max = step.key("with").key("max_instances");
        assert_eq!(max.to_string(), "phase[0].step[0].with.max_instances");
        assert_eq!(at(document.span(&max)), "15");
        assert_eq!(at(document.key_span(&max)), "max_instances");
        assert_eq!(at(document.span(&step.key("gate").key("healthy").index(0))), "'auth'");
        assert_eq!(document.span(&step.key("gate").key("healthy").index(7)), None);
        assert_eq!(document.span(&Path::step(3, 0)), None);
    }

    #[test]
    fn a_place_is_known_even_for_what_is_not_there() {
        let document = Document::parse("t.toml", TEXT).unwrap();
        assert_eq!(
            &TEXT[document.place(&Path::step(0, 0).key("with").key("min_instances"))],
            "{ max_instances = 15, to = { \"rev-${inputs.x}\" = 100 } }"
        );
        assert_eq!(document.place(&Path::root().key("nothing").key("at all")), 0..0);
    }

    #[test]
    fn a_part_of_a_string_is_found_unless_it_was_escaped() {
        let document = Document::parse("t.toml", TEXT).unwrap();
        let key = Path::step(0, 0).key("with").key("to").key("rev-${inputs.x}");
        assert_eq!(&TEXT[document.place_inside_key(&key, &(4..15))], "${inputs.x}");
        let escaped = Path::step(0, 0).key("gate").key("healthy").index(1);
        assert_eq!(&TEXT[document.place_inside(&escaped, &(8..19))], "\"back\\u0065nd ${inputs.y}\"");
    }

    #[test]
    fn syntax_errors_do_not_echo() {
        let mistakes = Document::parse("t.toml", "a = [1,\nb = = 3\nc = 'x\nd 4\n[[[\n]]\n = 4\n").unwrap_err();
        assert!((1..=MOST_SYNTAX_ERRORS).contains(&mistakes.len()), "{mistakes:#?}");
        let mistakes = Document::parse("t.toml", "a = 1\na = 2\n").unwrap_err();
        assert_eq!((mistakes[0].message.as_str(), mistakes[0].at.clone()), ("duplicate key", 6..7));
    }

    #[test]
    fn deep_nesting_is_refused_and_not_died_of() {
        let dotted = format!("{} = 1", vec!["a"; 1_000_000].join("."));
        assert_eq!(Document::parse("t.toml", dotted).unwrap_err()[0].code, TOO_DEEP);
        let header = format!("[{}]", vec!["'a' "; 100_000].join(" . "));
        assert_eq!(Document::parse("t.toml", header).unwrap_err()[0].code, TOO_DEEP);
        for open in ["[", "{a=", "{a.b.c.d.e.f.g.h.i="] {
            assert_eq!(Document::parse("t.toml", format!("a = {}", open.repeat(100_000))).unwrap_err()[0].code, SYNTAX);
            let close = if open == "[" { "]" } else { "}" };
            let _ = Document::parse("t.toml", format!("a = {}1{}", open.repeat(75), close.repeat(75)));
        }
    }

    #[test]
    fn a_byte_order_mark_and_windows_lines_are_only_text() {
        let text = "\u{feff}a = 1\r\nb = '''x\r\ny ${z}'''\r\n";
        let document = Document::parse("t.toml", text).unwrap();
        assert_eq!(&text[document.span(&Path::root().key("a")).unwrap()], "1");
        let _ = document.place_inside(&Path::root().key("b"), &(4..8));
    }
}
