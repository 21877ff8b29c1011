//! Markdown that cannot be injected into.
//!
//! A page is made of blocks, and a block of [`Inline`]s. There are three ways to make an [`Inline`]: [`words`] of this
//! program's own source, which are Markdown as they stand; [`text`], which is read as plain text whatever is in it; and
//! [`code`]. A page has no way to take a `String` as it is, so nobody can forget to escape one.
//!
//! GitHub looks through the text of the finished page once more, for mentions (`@team`), issues (`#12`, `GH-3`), commits
//! (a word of 7 hexadecimal digits), addresses, emoji (`:tada:`) and mathematics (`$x$`). A backslash does not help against
//! that: it is gone by then. So the character that would begin such a thing stands in an element of its own,
//! `<span>#</span>12`, as GitHub's documentation advises for the dollar sign ("Writing mathematical expressions").
//!
//! A page has a limit. What does not fit is left out in whole blocks, and the page says so at its top, with what is missing:
//! a reader can trust that a page without that notice is complete.

use std::fmt::Write as _;

use crate::inert::inert;

/// GitHub takes comments of 65,536 characters. A part is left for whoever adds to this one.
const COMMENT: usize = 60_000;
/// A text longer than this is shortened: a title of a megabyte must not push everything else out.
const LONGEST_TEXT: usize = 1_000;
/// What the notice of a truncated page may need.
const NOTICE: usize = 2_000;
/// A word of this many hexadecimal digits is a commit to GitHub.
const COMMIT: usize = 7;

/// What stands inside a block: escaped, on one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inline {
    markdown: String,
    /// How many of its texts were shortened.
    shortened: usize,
}

impl Inline {
    /// Whether nothing would be shown.
    pub fn is_empty(&self) -> bool {
        self.markdown.is_empty()
    }

    /// The Markdown.
    pub fn as_str(&self) -> &str {
        &self.markdown
    }
}

/// Words of our own: the text of this program's source, which may be Markdown.
pub fn words(ours: &'static str) -> Inline {
    Inline { markdown: ours.to_owned(), shortened: 0 }
}

/// Any text as prose. Whatever is in it is shown, and is nothing but text.
pub fn text(any: &str) -> Inline {
    let (text, is_short) = prepared(any);
    Inline { markdown: escaped(&text, Syntax::Markdown), shortened: usize::from(is_short) }
}

/// Any text in bold.
pub fn strong(any: &str) -> Inline {
    let Inline { markdown, shortened } = text(any);
    let markdown = if markdown.is_empty() { markdown } else { format!("**{markdown}**") };
    Inline { markdown, shortened }
}

/// Any text in a code span.
pub fn code(any: &str) -> Inline {
    let (text, is_short) = prepared(any);
    let shortened = usize::from(is_short);
    if text.is_empty() {
        return Inline { markdown: "(empty)".to_owned(), shortened };
    }
    // What the syntax of code spans, tables or HTML would see something in is written as HTML, where everything can be escaped.
    let is_plain = !text.contains(['`', '|', '\\', '<', '>', '&', '$']);
    let markdown =
        if is_plain { format!("`{text}`") } else { format!("<code>{}</code>", escaped(&text, Syntax::Html)) };
    Inline { markdown, shortened }
}

/// Several, one after the other.
pub fn line(parts: impl IntoIterator<Item = Inline>) -> Inline {
    join(parts, "")
}

/// Several, with words of our own between them.
pub fn join(parts: impl IntoIterator<Item = Inline>, between: &'static str) -> Inline {
    let mut all = Inline::default();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            all.markdown.push_str(between);
        }
        all.markdown.push_str(&part.markdown);
        all.shortened += part.shortened;
    }
    all
}

/// A text of several lines, a paragraph each, with at most so many characters of Markdown.
pub fn paragraphs(any: &str, limit: usize) -> String {
    let mut out = String::new();
    for paragraph in any.lines().filter(|line| !line.trim().is_empty()).map(text) {
        if units(&out) + units(paragraph.as_str()) > limit {
            out.push_str("(shortened)\n\n");
            break;
        }
        let _ = write!(out, "{}\n\n", paragraph.as_str());
    }
    out
}

/// How large a heading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// That of a document.
    Second,
    /// That of a comment.
    Third,
}

/// What stands before an item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bullet {
    /// A bullet.
    Plain,
    /// A bullet below the item before it.
    Below,
    /// A box with a tick.
    Ticked,
    /// An empty box.
    Open,
}

/// An item of a list.
#[derive(Clone, Debug)]
pub struct Item {
    bullet: Bullet,
    text: Inline,
}

impl Item {
    /// An item.
    pub fn new(bullet: Bullet, text: Inline) -> Item {
        Item { bullet, text }
    }

    fn line(&self) -> String {
        let bullet = match self.bullet {
            Bullet::Plain => "- ",
            Bullet::Below => "  - ",
            Bullet::Ticked => "- [x] ",
            Bullet::Open => "- [ ] ",
        };
        format!("{bullet}{}\n", self.text.markdown)
    }
}

/// How a line of a change is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is there before.
    Before,
    /// What is there after.
    After,
    /// Both.
    Both,
}

/// A line of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    side: Side,
    text: String,
    is_short: bool,
}

impl DiffLine {
    /// Any text, on this side.
    pub fn new(side: Side, any: &str) -> DiffLine {
        let (text, is_short) = prepared(any);
        DiffLine { side, text, is_short }
    }

    fn mark(&self) -> char {
        match self.side {
            Side::Before => '-',
            Side::After => '+',
            Side::Both => ' ',
        }
    }
}

/// A box that stands out. The words of GitHub's alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// For what cannot be taken back.
    Caution,
    /// For what a reader should weigh.
    Warning,
}

/// A page that is being written.
#[derive(Debug)]
pub struct Page {
    out: String,
    /// The length of `out` in UTF-16, which is the strictest way to count characters.
    units: usize,
    limit: usize,
    sections: Level,
    /// Where the notice goes, if one is needed.
    head: usize,
    /// By section, how many of its rows, items or parts are missing.
    left_out: Vec<(&'static str, usize)>,
    shortened: usize,
}

impl Page {
    /// A page of a comment's length, below whose title the sections have headings of this level.
    pub fn comment(sections: Level) -> Page {
        Page::with_limit(sections, COMMENT)
    }

    /// A page as long as it must be, for a file.
    pub fn document(sections: Level) -> Page {
        Page::with_limit(sections, usize::MAX)
    }

    fn with_limit(sections: Level, limit: usize) -> Page {
        let (out, left_out) = (String::new(), Vec::new());
        Page { out, units: 0, limit, sections, head: 0, left_out, shortened: 0 }
    }

    /// A mark that is not shown. Of the name only what cannot end it is kept.
    pub fn mark(&mut self, ours: &'static str, name: &str) {
        let name: String =
            name.chars().filter(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(*letter)).take(100).collect();
        self.write(&format!("<!-- {ours} {name} -->\n"));
        self.head = self.out.len();
    }

    /// The title.
    pub fn title(&mut self, level: Level, title: &Inline) {
        self.shortened += title.shortened;
        let signs = if level == Level::Second { "##" } else { "###" };
        self.write(&format!("{signs} {}\n\n", title.markdown));
        self.head = self.out.len();
    }

    /// A paragraph that stands before everything else and is never left out.
    pub fn lead(&mut self, lead: &Inline) {
        self.shortened += lead.shortened;
        self.write(&format!("{}\n\n", lead.markdown));
        self.head = self.out.len();
    }

    /// A paragraph below a heading.
    pub fn section(&mut self, title: &'static str, paragraph: &Inline) {
        let block = format!("{}{}\n\n", self.heading(title), paragraph.markdown);
        self.add(title, 1, paragraph.shortened, &block);
    }

    /// A table below a heading, as many of its rows as there is room for. Without rows there is none.
    pub fn table(&mut self, title: &'static str, head: &[&'static str], rows: impl IntoIterator<Item = Vec<Inline>>) {
        let cells = |row: &[&str]| format!("| {} |\n", row.join(" | "));
        let rule = vec!["---"; head.len()];
        let mut before = format!("{}{}{}", self.heading(title), cells(head), cells(&rule));
        let mut any = false;
        for row in rows {
            any = true;
            let shortened = row.iter().map(|cell| cell.shortened).sum();
            let row: Vec<&str> = row.iter().map(|cell| cell.markdown.as_str()).collect();
            if self.add(title, 1, shortened, &format!("{before}{}", cells(&row))) == Room::Enough {
                before.clear();
            }
        }
        if any {
            self.write("\n");
        }
    }

    /// A box with a sentence and a list, as many of its items as there is room for. Without items there is none.
    pub fn alert(&mut self, section: &'static str, alert: Alert, head: &Inline, items: &[Inline]) {
        let word = match alert {
            Alert::Caution => "CAUTION",
            Alert::Warning => "WARNING",
        };
        let mut before = format!("> [!{word}]\n> {}\n>\n", head.markdown);
        for item in items {
            if self.add(section, 1, item.shortened, &format!("{before}> - {}\n", item.markdown)) == Room::Enough {
                before.clear();
            }
        }
        if before.is_empty() {
            self.write("\n");
        }
    }

    /// What one change changes: a line about it, the change, and what is below it. It is shown whole or left out.
    pub fn change(&mut self, section: &'static str, head: &Inline, lines: &[DiffLine], below: &[Item]) {
        let fence = "`".repeat(lines.iter().map(|line| longest_run(&line.text)).max().unwrap_or_default().max(2) + 1);
        let mut block = format!("{}\n\n", head.markdown);
        if !lines.is_empty() {
            let _ = writeln!(block, "{fence}diff");
            for line in lines {
                let _ = writeln!(block, "{} {}", line.mark(), line.text);
            }
            let _ = write!(block, "{fence}\n\n");
        }
        for item in below {
            block.push_str(&item.line());
        }
        if !below.is_empty() {
            block.push('\n');
        }
        let short = lines.iter().filter(|line| line.is_short).count();
        let shortened = head.shortened + short + below.iter().map(|item| item.text.shortened).sum::<usize>();
        self.add(section, 1, shortened, &block);
    }

    /// A heading for what follows.
    pub fn heading_of(&mut self, title: &'static str) {
        let heading = self.heading(title);
        self.add(title, 0, 0, &heading);
    }

    /// A command that can be copied.
    pub fn command(&mut self, title: &'static str, line: &str) {
        let (text, is_short) = prepared(line);
        let fence = "`".repeat(longest_run(&text).max(2) + 1);
        let block = format!("{}{fence}sh\n{text}\n{fence}\n\n", self.heading(title));
        self.add(title, 1, usize::from(is_short), &block);
    }

    /// A list, below a heading if it has one.
    pub fn list(&mut self, title: Heading, items: &[Item]) {
        let (section, mut before) = match title {
            Heading::Shown(title) => (title, self.heading(title)),
            Heading::Hidden(title) => (title, String::new()),
        };
        for item in items {
            let block = format!("{before}{}", item.line());
            if self.add(section, 1, item.text.shortened, &block) == Room::Enough {
                before.clear();
            }
        }
        if !items.is_empty() {
            self.write("\n");
        }
    }

    /// A list that is folded away until somebody opens it.
    pub fn fold(&mut self, section: &'static str, summary: &str, items: &[Item]) {
        if items.is_empty() {
            return;
        }
        let (summary, is_short) = prepared(summary);
        let summary = escaped(&summary, Syntax::Html);
        let body: String = items.iter().map(Item::line).collect();
        let shortened = items.iter().map(|item| item.text.shortened).sum::<usize>() + usize::from(is_short);
        // The blank line after the summary is where HTML ends and Markdown begins.
        let block = format!("<details><summary>{summary}</summary>\n\n{body}\n</details>\n\n");
        self.add(section, 1, shortened, &block);
    }

    /// The page. `whole` says where the reader finds what was left out.
    pub fn finish(mut self, whole: &'static str) -> String {
        let mut missing: Vec<String> =
            self.left_out.iter().map(|(section, count)| format!("{count} of \u{201c}{section}\u{201d}")).collect();
        if self.shortened > 0 {
            missing.push(format!("the rest of {} long texts", self.shortened));
        }
        if !missing.is_empty() {
            let notice =
                format!("> [!WARNING]\n> **This is truncated.** Left out: {}. {whole}\n\n", missing.join(", "));
            self.out.insert_str(self.head, &notice);
        }
        let end = self.out.trim_end().len();
        self.out.truncate(end);
        self.out.push('\n');
        self.out
    }

    fn heading(&self, title: &'static str) -> String {
        let signs = if self.sections == Level::Second { "###" } else { "####" };
        format!("{signs} {title}\n\n")
    }

    fn add(&mut self, section: &'static str, count: usize, shortened: usize, block: &str) -> Room {
        let is_cut = self.left_out.last().is_some_and(|(last, _)| *last == section);
        // A section that was cut has no later rows: a gap would not be seen.
        if !is_cut && self.units.saturating_add(units(block)).saturating_add(NOTICE) <= self.limit {
            self.write(block);
            self.shortened += shortened;
            return Room::Enough;
        }
        match self.left_out.last_mut() {
            Some((last, missing)) if *last == section => *missing += count,
            _ => self.left_out.push((section, count)),
        }
        Room::TooLittle
    }

    fn write(&mut self, block: &str) {
        self.units += units(block);
        self.out.push_str(block);
    }
}

/// What a list is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// A heading above it.
    Shown(&'static str),
    /// Only in the notice of what was left out.
    Hidden(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    TooLittle,
}

/// How many backticks stand next to each other at most. A fence of more is not closed by them.
fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default()
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text on one line, without characters that steer or cannot be seen, and not too long. Whether it was shortened.
fn prepared(any: &str) -> (String, bool) {
    let count = any.chars().count();
    let text: String = any.chars().take(LONGEST_TEXT).collect();
    let mut text = inert(text.trim());
    if count > LONGEST_TEXT {
        let _ = write!(text, "… ({} more characters)", count - LONGEST_TEXT);
    }
    (text.trim().to_owned(), count > LONGEST_TEXT)
}

/// Which syntax a text must not be part of. What [`Syntax::Html`] escapes is inert in both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Markdown,
    Html,
}

/// A text that is shown as it is. It must be on one line.
fn escaped(text: &str, syntax: Syntax) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut commits = commits(&letters);
    let mut out = String::with_capacity(text.len() * 2);
    for (index, letter) in letters.iter().copied().enumerate() {
        let breaks = commits.next_if(|at| *at == index).is_some();
        if breaks || begins_reference(&letters, index) {
            let _ = write!(out, "<span>{}</span>", apart(letter));
            continue;
        }
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A backslash before it would be escaped by one before that, depending on who reads the table.
            '|' => out.push_str("&#124;"),
            '"' | '\'' if syntax == Syntax::Html => {
                let _ = write!(out, "&#{};", u32::from(letter));
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '~' | '!' | '^' => escape(&mut out, letter, syntax),
            // At the beginning of a line these begin a list, or make a heading of the line above.
            '-' | '+' | '=' if index == 0 => escape(&mut out, letter, syntax),
            '.' | ')' if index > 0 && letters[..index].iter().all(char::is_ascii_digit) => {
                escape(&mut out, letter, syntax);
            }
            _ => out.push(letter),
        }
    }
    out
}

fn escape(out: &mut String, letter: char, syntax: Syntax) {
    match syntax {
        Syntax::Markdown => out.extend(['\\', letter]),
        Syntax::Html => {
            let _ = write!(out, "&#{};", u32::from(letter));
        }
    }
}

/// A character in an element of its own. None of them means anything there, but for the sign of a heading.
fn apart(letter: char) -> String {
    if letter.is_ascii_alphanumeric() { letter.to_string() } else { format!("&#{};", u32::from(letter)) }
}

/// Whether GitHub would make something of what begins here.
fn begins_reference(letters: &[char], index: usize) -> bool {
    let before = |count: usize, word: &str| {
        let start = index.checked_sub(count);
        start.is_some_and(|start| {
            letters[start..index].iter().copied().map(|letter| letter.to_ascii_lowercase()).eq(word.chars())
        })
    };
    let after = &letters[index + 1..];
    match letters[index] {
        '@' | '$' => true,
        '#' => after.first().is_none_or(char::is_ascii_alphanumeric),
        '-' => before(2, "gh") && after.first().is_some_and(char::is_ascii_digit),
        '.' => before(3, "www"),
        ':' => after.starts_with(&['/', '/']) || begins_emoji(after),
        _ => false,
    }
}

/// Whether a name and a second colon follow, which may stand in what is written next. What begins with exactly two digits is the
/// minute of a time of day, and no emoji.
fn begins_emoji(after: &[char]) -> bool {
    let name = after.iter().take_while(|letter| letter.is_ascii_alphanumeric() || "_+-".contains(**letter));
    let name: Vec<char> = name.copied().collect();
    let is_minute = name.iter().take_while(|letter| letter.is_ascii_digit()).count() == 2;
    !name.is_empty() && !is_minute && after.get(name.len()).is_none_or(|next| *next == ':')
}

/// Where words that could be commits are broken: each part is too short to be one.
fn commits(letters: &[char]) -> std::iter::Peekable<std::vec::IntoIter<usize>> {
    let mut breaks = Vec::new();
    let mut start = 0;
    while start < letters.len() {
        let length = letters[start..].iter().take_while(|letter| letter.is_ascii_hexdigit()).count();
        if length >= COMMIT {
            breaks.extend((start + COMMIT - 1..start + length).step_by(COMMIT));
        }
        start += length.max(1);
    }
    breaks.into_iter().peekable()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use comrak::nodes::NodeValue;
    use comrak::{Arena, Options, parse_document};
    use proptest::prelude::*;

    use super::*;

    /// What a reader could be shown of a page besides text.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Seen {
        /// The kinds of blocks and inlines, but for text, and how many of each.
        kinds: std::collections::BTreeMap<String, usize>,
        /// The pieces of text outside code, each of which GitHub would look through.
        pieces: Vec<String>,
        /// All the text.
        text: String,
        /// The HTML, without the elements that a text is broken with.
        html: String,
    }

    fn entities(html: &str) -> String {
        let mut out = String::new();
        let mut rest = html;
        while let Some((before, after)) = rest.split_once('&') {
            out.push_str(before);
            let (name, after) = after.split_once(';').unwrap();
            out.push(match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                number => char::from_u32(number.trim_start_matches('#').parse().unwrap()).unwrap(),
            });
            rest = after;
        }
        out + rest
    }

    /// Reads a page as GitHub does, with everything that its dialect has.
    fn seen(page: &str) -> Seen {
        let arena = Arena::new();
        let mut options = Options::default();
        options.extension.table = true;
        options.extension.autolink = true;
        options.extension.strikethrough = true;
        options.extension.tasklist = true;
        options.extension.footnotes = true;
        options.extension.math_dollars = true;
        options.extension.math_code = true;
        options.extension.alerts = true;
        options.extension.superscript = true;
        let mut seen = Seen::default();
        let mut is_code = false;
        for node in parse_document(&arena, page, &options).descendants() {
            let value = &node.data.borrow().value;
            let kind = match value {
                NodeValue::Text(text) => {
                    seen.text.push_str(text);
                    if !is_code {
                        seen.pieces.push(text.to_string());
                    }
                    continue;
                }
                NodeValue::CodeBlock(block) => {
                    seen.text.push_str(&block.literal);
                    "code block".to_owned()
                }
                NodeValue::Code(code) => {
                    seen.text.push_str(&code.literal);
                    "code".to_owned()
                }
                NodeValue::HtmlInline(tag) => {
                    match tag.as_str() {
                        "<code>" => is_code = true,
                        "</code>" => is_code = false,
                        "<span>" | "</span>" => {}
                        other => seen.html.push_str(other),
                    }
                    continue;
                }
                NodeValue::HtmlBlock(block) => {
                    let summary = block.literal.replace("<span>", "").replace("</span>", "");
                    if let Some((_, rest)) = summary.split_once("<summary>") {
                        seen.text.push_str(&entities(rest.split_once("</summary>").unwrap().0));
                    }
                    seen.html.push_str(&summary);
                    continue;
                }
                other => format!("{other:?}").split(['(', ' ', '{']).next().unwrap().to_owned(),
            };
            *seen.kinds.entry(kind).or_default() += 1;
        }
        seen
    }

    /// Every field that a page has, with this text in it.
    fn page(any: &str) -> String {
        let mut page = Page::comment(Level::Third);
        page.mark("rectify test", any);
        page.title(Level::Third, &text(any));
        page.lead(&strong(any));
        page.lead(&line([text(any), words(" → "), text(any), words(": "), code(any)]));
        page.section("Section", &text(any));
        page.table(
            "Table",
            &["a", "b", "c"],
            [vec![code(any), text(any), strong(any)], vec![text(any), code(any), words("x")]],
        );
        let items =
            [Bullet::Plain, Bullet::Below, Bullet::Ticked, Bullet::Open].map(|bullet| Item::new(bullet, text(any)));
        page.list(Heading::Shown("List"), &items);
        page.fold("Details", any, &items);
        page.alert("Alert", Alert::Caution, &text(any), &[text(any), code(any)]);
        let lines = [Side::Before, Side::After, Side::Both].map(|side| DiffLine::new(side, any));
        page.change("Change", &line([code(any), words(": "), text(any)]), &lines, &items);
        page.command("Command", any);
        page.finish("See elsewhere.")
    }

    /// What GitHub's own search of a text would find (source: its documentation, "Autolinked references and URLs" and
    /// "Basic writing and formatting syntax").
    static REFERENCES: LazyLock<regex::RegexSet> = LazyLock::new(|| {
        let emoji = r":([0-9]{3,}|[0-9]?[a-z_+-][a-z0-9_+-]*):";
        let all =
            ["@[A-Za-z0-9]", "#[0-9]", "[gG][hH]-[0-9]", "[0-9a-fA-F]{7}", "://", "[wW][wW][wW][.]", r"\$.*\$", emoji];
        regex::RegexSet::new(all).unwrap()
    });

    fn assert_inert(any: &str) {
        let shown = prepared(any).0;
        let (page, plain) = (page(any), page(if shown.is_empty() { "" } else { "x" }));
        let (seen, expected) = (seen(&page), seen(&plain));
        let mut kinds = seen.kinds.clone();
        // Text with special characters is written in `<code>`, which is no node.
        let code = kinds.remove("code").unwrap_or_default();
        let mut plain_kinds = expected.kinds.clone();
        let plain_code = plain_kinds.remove("code").unwrap_or_default();
        assert_eq!(kinds, plain_kinds, "{any:?} is markup in\n{page}");
        assert!(code == plain_code || code == 0, "{page}");
        for piece in &seen.pieces {
            assert!(!REFERENCES.is_match(piece), "{piece:?} is a reference in\n{page}");
        }
        assert!(seen.text.matches(&shown).count() >= 14, "{shown:?} is not shown everywhere in\n{page}");
        assert_eq!(seen.html.matches('<').count(), expected.html.matches('<').count(), "{any:?} is HTML in\n{page}");
    }

    #[test]
    fn what_was_tried_against_it_is_text() {
        for any in [
            "x</summary x></details x><h3 x><a href=//evil.example x>Approved</a x></h3 x><img src=//evil.example/p x>",
            "</code></td></tr></table><h1>x</h1>",
            "--> <b>x</b> <!--",
            "[a](https://evil.example) ![b](//evil.example/p.png) <https://evil.example> [c]: https://evil.example",
            "https://evil.example www.evil.example ftp://evil.example a@evil.example mailto:a@evil.example",
            "@octocat @org/team #1 GH-3 gh-4 owner/repo#5 0123456 abcdef0123456789abcdef0123456789abcdef01",
            "$x$ $$x$$ $`x`$ :tada: :+1: :100: 10:30:15",
            "`a` ``b`` ``` | a\\|b | \\| \\\\| ~~x~~ ~x~ ^x^ ==x== __x__ **x** _x_ *x*",
            "# x",
            "- x",
            "+ x",
            "* x",
            "1. x",
            "1) x",
            "12) x",
            "===",
            "---",
            "***",
            "> x",
            "    x",
            "\tx",
            "[ ] x",
            "[x] x",
            "| a | b |\n|---|---|\n| 1 | 2 |",
            "```\nx\n```",
            "~~~",
            "[^1]",
            "[^1]: x",
            "> [!NOTE]",
            "\\",
            "x\\",
            "&lt;b&gt; &amp; &#60;",
            "|",
            "`",
            "$",
            "@",
            "#",
            "www.",
            "://",
            "a  ",
            "  a",
            "\u{a0}x\u{a0}",
            "\u{2028}x",
            "\u{202e}x",
            "\u{3164}",
            "\u{ad}",
        ] {
            assert_inert(any);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_in_any_field_is_text(any in "\\PC{0,40}") {
            assert_inert(&any);
        }

        /// Text made of what means something to Markdown or to GitHub.
        #[test]
        fn signs_in_any_order_are_text(parts in prop::collection::vec(prop::sample::select(vec![
            "`", "``", "*", "_", "**", "~", "~~", "<", ">", "</", "<!--", "-->", "<a href=x>", "</summary>", "</details>", "</code>",
            "<span>", "&", "&#35;", "&lt;", "|", "\\", "\\|", "[", "](", ")", "![", "#", "#1", "@", "@a", "$", "$`", "`$", ":", ":a:", "://",
            "http", "www", ".", "www.a.b", "gh-", "1", "a", " ", "  ", "-", "---", "=", "+", "\n", "\r", "\t", "abcdef0", "{", "}", "^", "!", "x",
        ]), 0..12)) {
            assert_inert(&parts.concat());
        }
    }

    #[test]
    fn a_page_says_what_it_leaves_out_and_fits_a_comment() {
        let mut page = Page::comment(Level::Third);
        page.mark("rectify test", "x");
        page.title(Level::Third, &text(&"A".repeat(70_000)));
        page.table("Changes", &["a"], (0..9_000).map(|row| vec![text(&format!("row {row}"))]));
        page.section("Permissions", &text("short"));
        let page = page.finish("See the log.");
        assert!(page.encode_utf16().count() < COMMENT);
        let rows = page.lines().filter(|line| line.starts_with("| row ")).count();
        let notice = page.lines().position(|line| line.starts_with("> **This is truncated.** Left out: ")).unwrap();
        assert!(notice < 6, "{page}");
        let said = page.lines().nth(notice).unwrap();
        assert!(said.contains(&format!("{} of \u{201c}Changes\u{201d}", 9_000 - rows)), "{said}");
        assert!(said.contains("the rest of 1 long texts. See the log."), "{said}");
        assert!(page.contains("… (69000 more characters)"));
    }

    #[test]
    fn a_page_without_a_notice_is_complete() {
        let page = page("x");
        assert!(!page.contains("truncated"), "{page}");
    }
}
