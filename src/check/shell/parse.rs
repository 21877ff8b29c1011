//! A script of bash → the simple commands in it, each word with its place.
//!
//! The grammar is tree-sitter's: it finds the commands after `do`, `then`, `$(` and in here-documents, and goes on behind what it
//! does not understand, so that one odd line hides no other (`docs/decisions/`, "Scripts are parsed by tree-sitter"). Its parser
//! does not recurse, and the walk below does not either, however deeply a script is nested.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

/// The longest script that is parsed. Nobody reviews a longer one inside a runbook.
const LONGEST: usize = 64 * 1024;
/// The most here-documents in a script that is parsed: the time that the grammar takes grows with their square.
const MOST_HERE_DOCUMENTS: usize = 200;

/// How long the parser may work on the scripts of one runbook: a thousand times what is written by people takes. Some nonsense, such
/// as `x=(` a thousand times, takes time that grows with its square.
const MOST_TIME: Duration = Duration::from_millis(500);

/// What is left of [`MOST_TIME`], in time of this thread's processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeLeft(Duration);

impl Default for TimeLeft {
    fn default() -> TimeLeft {
        TimeLeft(MOST_TIME)
    }
}

/// How long this thread has worked.
fn worked() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// Why a script was not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotParsed {
    /// It is longer than [`LONGEST`].
    #[error("it is longer than {} KiB", LONGEST / 1024)]
    TooLong,
    /// It has more than [`MOST_HERE_DOCUMENTS`].
    #[error("it has more than {MOST_HERE_DOCUMENTS} here-documents")]
    TooManyHereDocuments,
    /// It takes longer than all scripts of a runbook may.
    #[error("it is too deeply nested")]
    TooInvolved,
    /// The grammar of the parser does not fit its library, which only a wrong build can bring about.
    #[error("the parser for bash cannot be used")]
    NoParser,
}

/// What a script consists of.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<SimpleCommand>,
    /// `${a.b}`: expansions that bash refuses, because a variable's name has no dot.
    pub(super) dotted: Vec<Range<usize>>,
    /// `${item}` in a script that has no such variable.
    pub(super) items: Vec<Range<usize>>,
    /// What the script assigns to each variable: every value that is known, and `None` for one that is not.
    pub(super) assigned: BTreeMap<String, Vec<Option<String>>>,
}

/// What a `for_each` calls its item.
const ITEM: &str = "${item}";

/// A program that is called, with its arguments.
#[derive(Clone, Debug)]
pub(super) struct SimpleCommand {
    pub(super) at: Range<usize>,
    /// The program first.
    pub(super) words: Vec<Word>,
    /// `NAME=value` before the program.
    pub(super) environment: Vec<(String, Option<String>)>,
    /// Where what it prints on stderr is thrown away.
    pub(super) stderr_discarded: Option<Range<usize>>,
    /// Where its exit status is thrown away, as in `|| true`.
    pub(super) failure_ignored: Option<Range<usize>>,
}

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) at: Range<usize>,
    /// What the program gets; `$NAME` and the like stand as they are written.
    pub(super) text: String,
    /// Whether that is exactly what the program gets.
    pub(super) is_literal: bool,
    /// How many bytes of the place stand before the text, if the text stands there as it is.
    pub(super) offset: Option<usize>,
}

/// Takes a script apart. `known` are variables of its environment.
pub(super) fn parse(script: &str, known: &BTreeMap<String, String>, left: &mut TimeLeft) -> Result<Script, NotParsed> {
    if script.len() > LONGEST {
        return Err(NotParsed::TooLong);
    }
    if script.matches("<<").nth(MOST_HERE_DOCUMENTS).is_some() {
        return Err(NotParsed::TooManyHereDocuments);
    }
    let (text, dotted) = without_dots(script);
    let tree = tree(&text, left)?;
    let nodes = all(&tree);
    let mut reading = Reading { text: script, known: known.clone() };
    let assigned = reading.assigned(&nodes);
    // A variable that is assigned once, to something that is known, is that.
    let constants = assigned.iter().filter_map(|(name, values)| match values.as_slice() {
        [Some(value)] => Some((name.clone(), value.clone())),
        _ => None,
    });
    let constants: BTreeMap<String, String> = constants.collect();
    reading.known.retain(|name, _| !assigned.contains_key(name));
    reading.known.extend(constants);
    let mut commands: Vec<SimpleCommand> = nodes.iter().filter_map(|node| reading.command(*node)).collect();
    for node in &nodes {
        reading.redirect_statement(*node, &mut commands);
    }
    for (within, at) in nodes.iter().filter_map(|node| reading.ignored_failures(*node)) {
        let inside = |command: &&mut SimpleCommand| within.start <= command.at.start && command.at.end <= within.end;
        commands.iter_mut().filter(inside).for_each(|command| command.failure_ignored = Some(at.clone()));
    }
    // Quoted text and comments have no expansions.
    let expansions: Vec<Range<usize>> =
        nodes.iter().filter(|node| node.kind() == "expansion").map(Node::byte_range).collect();
    let is_expansion = |at: &Range<usize>| expansions.iter().any(|node| node.start <= at.start && at.end == node.end);
    let dotted = dotted.into_iter().filter(is_expansion).collect();
    let items = script.match_indices(ITEM).map(|(start, item)| start..start + item.len());
    let items = items.filter(|at| is_expansion(at) && !assigned.contains_key("item")).collect();
    Ok(Script { commands, dotted, items, assigned })
}

/// The tree of a script, if it is made in the time that is left.
fn tree(text: &str, left: &mut TimeLeft) -> Result<Tree, NotParsed> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).map_err(|_| NotParsed::NoParser)?;
    let began = worked();
    let mut go_on = |_: &ParseState| {
        if worked().saturating_sub(began) > left.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut read = |at: usize, _| text.as_bytes().get(at..).unwrap_or_default();
    let options = ParseOptions::new().progress_callback(&mut go_on);
    let tree = parser.parse_with_options(&mut read, None, Some(options));
    left.0 = left.0.saturating_sub(worked().saturating_sub(began));
    tree.ok_or(NotParsed::TooInvolved)
}

/// The script with every `${a.b}` made an expansion that bash has, as long as it was; and where those stand.
fn without_dots(script: &str) -> (String, Vec<Range<usize>>) {
    let (mut text, mut dotted) = (script.to_owned(), Vec::new());
    for (start, _) in script.match_indices("${") {
        let name = &script[start + 2..];
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let length = name.bytes().take_while(|byte| is_name(*byte)).count();
        let (name, rest) = name.split_at(length);
        let begins_as_one = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
        let before_dot = name.split('.').next().unwrap_or_default();
        if begins_as_one && name.contains('.') && !before_dot.contains('-') && rest.starts_with('}') {
            let at = start..start + 2 + length + 1;
            text.replace_range(start + 2..start + 2 + length, &name.replace(['.', '-'], "_"));
            dotted.push(at);
        }
    }
    (text, dotted)
}

/// Every node in the order of the text, but for the environment of single commands.
fn all(tree: &Tree) -> Vec<Node<'_>> {
    let mut cursor = tree.walk();
    let mut nodes = Vec::new();
    // Whether each node above is a command. Asking a node for its parent would begin at the root each time.
    let mut above = vec![false];
    loop {
        let node = cursor.node();
        let is_environment = node.kind() == "variable_assignment" && above.last() == Some(&true);
        if !is_environment {
            nodes.push(node);
        }
        if cursor.goto_first_child() {
            above.push(node.kind() == "command");
            continue;
        }
        while !cursor.goto_next_sibling() {
            above.pop();
            if !cursor.goto_parent() {
                return nodes;
            }
        }
    }
}

struct Reading<'t> {
    text: &'t str,
    known: BTreeMap<String, String>,
}

impl Reading<'_> {
    fn slice(&self, at: &Range<usize>) -> &str {
        self.text.get(at.clone()).unwrap_or_default()
    }

    /// What the script assigns.
    fn assigned(&self, nodes: &[Node<'_>]) -> BTreeMap<String, Vec<Option<String>>> {
        let mut assigned: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for node in nodes {
            match node.kind() {
                "variable_assignment" => {
                    let (name, value) = self.assignment(*node);
                    assigned.entry(name).or_default().push(value);
                }
                "for_statement" | "select_statement" => {
                    let name =
                        node.child_by_field_name("variable").map(|name| self.slice(&name.byte_range()).to_owned());
                    assigned.entry(name.unwrap_or_default()).or_default().push(None);
                }
                _ => {}
            }
        }
        assigned
    }

    fn assignment(&self, node: Node<'_>) -> (String, Option<String>) {
        let name = node.child_by_field_name("name").map(|name| self.slice(&name.byte_range()).to_owned());
        let value = match node.child_by_field_name("value") {
            Some(value) => Some(self.word(value)).filter(|word| word.is_literal).map(|word| word.text),
            None => Some(String::new()),
        };
        (name.unwrap_or_default(), value)
    }

    fn command(&self, node: Node<'_>) -> Option<SimpleCommand> {
        // A command may be kept in an array, to be run as "${command[@]}".
        if !["array", "command"].contains(&node.kind()) {
            return None;
        }
        let mut command = SimpleCommand {
            at: node.byte_range(),
            words: Vec::new(),
            environment: Vec::new(),
            stderr_discarded: None,
            failure_ignored: None,
        };
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            match child.kind() {
                "variable_assignment" => command.environment.push(self.assignment(child)),
                "command_name" => command.words.extend(child.child(0).map(|name| self.word(name))),
                "file_redirect" => self.redirect(child, &mut command),
                "herestring_redirect" | "comment" | "(" | ")" => {}
                _ => command.words.push(self.word(child)),
            }
        }
        (!command.words.is_empty()).then_some(command)
    }

    /// Redirects of a statement apply to its last command, or to everything in it if it is a block or a loop.
    fn redirect_statement(&self, node: Node<'_>, commands: &mut [SimpleCommand]) {
        let Some(body) = node.child_by_field_name("body").filter(|_| node.kind() == "redirected_statement") else {
            return;
        };
        let within = body.byte_range();
        let inside = |command: &SimpleCommand| within.start <= command.at.start && command.at.end <= within.end;
        let ends_here = |command: &SimpleCommand| inside(command) && command.at.end == within.end;
        let is_simple = ["command", "list", "pipeline", "negated_command"].contains(&body.kind());
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            let mut inner = child.walk();
            // What stands behind `<<END` in its line belongs to the command as well.
            let parts = child
                .children(&mut inner)
                .filter(|part| child.kind() == "heredoc_redirect" && part.kind() == "file_redirect");
            for part in std::iter::once(child).filter(|child| child.kind() == "file_redirect").chain(parts) {
                if is_simple {
                    commands
                        .iter_mut()
                        .filter(|command| ends_here(command))
                        .for_each(|command| self.redirect(part, command));
                } else {
                    commands
                        .iter_mut()
                        .filter(|command| inside(command))
                        .for_each(|command| self.redirect(part, command));
                }
            }
        }
    }

    /// Where a command's output goes; and its words behind that, which the grammar takes for more of such.
    fn redirect(&self, node: Node<'_>, command: &mut SimpleCommand) {
        let mut cursor = node.walk();
        let mut destinations = node.children_by_field_name("destination", &mut cursor);
        let Some(to) = destinations.next() else { return };
        let at = node.start_byte()..to.end_byte();
        let written: String = self.slice(&at).split_whitespace().collect();
        if ["2>/dev/null", "2>>/dev/null", "&>/dev/null", "&>>/dev/null", ">&/dev/null"].contains(&written.as_str()) {
            command.stderr_discarded = Some(at);
        }
        command.words.extend(destinations.map(|word| self.word(word)));
    }

    /// Of `… || true`: what stands before it, and where it stands.
    fn ignored_failures(&self, node: Node<'_>) -> Option<(Range<usize>, Range<usize>)> {
        if node.kind() != "list" {
            return None;
        }
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let (last, or) = (children.last()?, children.iter().rposition(|child| child.kind() == "||")?);
        let ignores = ["true", ":", "/bin/true"].contains(&self.slice(&last.byte_range()).trim());
        let before = node.start_byte()..children.get(or)?.start_byte();
        ignores.then(|| (before, children[or].start_byte()..last.end_byte()))
    }

    fn word(&self, node: Node<'_>) -> Word {
        let at = node.byte_range();
        let mut word = Word { text: String::new(), is_literal: true, offset: None, at: at.clone() };
        let offset = match node.kind() {
            "raw_string" | "string" => 1,
            _ => 0,
        };
        // Words are made of words, quoted parts and expansions; none of those is looked into any further.
        let mut cursor = node.walk();
        match node.kind() {
            "concatenation" => node.children(&mut cursor).for_each(|part| self.append(part, &mut word)),
            _ => self.append(node, &mut word),
        }
        word.offset = self.slice(&(at.start + offset..at.end)).starts_with(word.text.as_str()).then_some(offset);
        word
    }

    fn append(&self, node: Node<'_>, word: &mut Word) {
        let at = node.byte_range();
        let written = self.slice(&at);
        match node.kind() {
            "word" | "number" | "variable_name" | "test_operator" | "regex" => {
                word.text.push_str(&unescaped(written, |_| true));
            }
            "raw_string" => word.text.push_str(written.trim_start_matches('\'').trim_end_matches('\'')),
            "string" => {
                let mut cursor = node.walk();
                let mut done = at.start + 1;
                for part in node.named_children(&mut cursor).filter(|part| part.kind() != "string_content") {
                    word.text.push_str(&in_double_quotes(self.slice(&(done..part.start_byte()))));
                    self.expansion(part, word);
                    done = part.end_byte();
                }
                word.text.push_str(&in_double_quotes(self.slice(&(done..at.end.saturating_sub(1)))));
            }
            // The grammar has nodes for punctuation that is a word of its own.
            kind if !node.is_named() && !kind.starts_with(['$', '`']) => word.text.push_str(written),
            _ => self.expansion(node, word),
        }
    }

    /// A variable with its value, if that is known; anything else as it is written.
    fn expansion(&self, node: Node<'_>, word: &mut Word) {
        // In a quoted text the node begins with the blanks before it.
        let whole = self.slice(&node.byte_range());
        let written = whole.trim_start();
        word.text.push_str(&whole[..whole.len() - written.len()]);
        let name = match node.kind() {
            "simple_expansion" => written.strip_prefix('$'),
            "expansion" => written.strip_prefix("${").and_then(|name| name.strip_suffix('}')),
            _ => None,
        };
        match name.and_then(|name| self.known.get(name)) {
            Some(value) => word.text.push_str(value),
            None => {
                word.text.push_str(written);
                word.is_literal = false;
            }
        }
    }
}

fn in_double_quotes(text: &str) -> String {
    unescaped(text, |letter| matches!(letter, '"' | '\\' | '$' | '`' | '\n'))
}

/// The text without the backslashes before letters that one takes the meaning from.
fn unescaped(text: &str, is_special: fn(char) -> bool) -> String {
    let (mut plain, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        match (letter, letters.clone().next()) {
            ('\\', Some(next)) if is_special(next) => {
                letters.next();
                // A line that goes on has no line end.
                plain.extend((next != '\n').then_some(next));
            }
            _ => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(script: &str) -> Vec<Vec<String>> {
        let script = parse(script, &BTreeMap::new(), &mut TimeLeft::default()).unwrap();
        let words = |command: SimpleCommand| command.words.into_iter().map(|word| word.text).collect();
        script.commands.into_iter().map(words).collect()
    }

    #[test]
    fn commands_are_found_wherever_bash_finds_them() {
        let script = "for s in a b; do if x; then P=1 gcloud a \"$s\" 2>/dev/null || true; fi; done\n\
                      R=$(gcloud b | head -1)\n(sudo gcloud c \\\n  d) &\ncase $x in a) gcloud e;; esac\n\
                      f() { gcloud g; }\ncat <<END | kubectl apply -f -\n$(gcloud h)\nEND\n! gcloud i && `gcloud j`\nx=(gcloud k \"$l\") # gcloud z";
        let found: Vec<String> = words(script).into_iter().map(|words| words.join(" ")).collect();
        for wanted in [
            "gcloud a $s",
            "gcloud b",
            "sudo gcloud c d",
            "gcloud e",
            "gcloud g",
            "kubectl apply -f -",
            "gcloud h",
            "gcloud i",
            "gcloud j",
            "gcloud k $l",
        ] {
            assert!(found.iter().any(|command| command == wanted), "{wanted} is not in {found:#?}");
        }
    }

    #[test]
    fn words_are_what_the_program_gets() {
        let script = "R=us; S=a; S=b\nx 'a b' \"c \\\"d\\\" $R ${R}-1 $S\" e\\ f g'h'\"i\" \\\n  --j=$(k) # l";
        let script = parse(script, &BTreeMap::new(), &mut TimeLeft::default()).unwrap();
        let command = script.commands.iter().find(|command| command.words[0].text == "x").unwrap();
        let texts: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["x", "a b", "c \"d\" us us-1 $S", "e f", "ghi", "--j=$(k)"]);
        let literal: Vec<bool> = command.words.iter().map(|word| word.is_literal).collect();
        assert_eq!(literal, [true, true, false, true, true, false]);
    }

    #[test]
    fn what_hides_a_failure_is_found_with_its_place() {
        let text = "a && gcloud b 2>/dev/null c || true\ngcloud d &>/dev/null\ngcloud e || exit 1";
        let script = parse(text, &BTreeMap::new(), &mut TimeLeft::default()).unwrap();
        let of = |name: &str| {
            script.commands.iter().find(|command| command.words[1..].iter().any(|word| word.text == name)).unwrap()
        };
        assert_eq!(&text[of("b").failure_ignored.clone().unwrap()], "|| true");
        assert_eq!(&text[of("b").stderr_discarded.clone().unwrap()], "2>/dev/null");
        assert_eq!(of("b").words[2].text, "c");
        assert!(of("d").stderr_discarded.is_some() && of("d").failure_ignored.is_none());
        assert!(of("e").stderr_discarded.is_none() && of("e").failure_ignored.is_none());
    }

    #[test]
    fn a_reference_of_a_runbook_is_found_where_bash_would_expand_it() {
        let text = "x --p=${target.project} \"${steps.a-b.revision}\" '${inputs.x}' ${Y:-a.b} # ${target.region}\ncat <<'E'\n${a.b}\nE\n";
        let script = parse(text, &BTreeMap::new(), &mut TimeLeft::default()).unwrap();
        let found: Vec<&str> = script.dotted.iter().map(|at| &text[at.clone()]).collect();
        assert_eq!(found, ["${target.project}", "${steps.a-b.revision}"]);
        assert_eq!(script.commands[0].words.len(), 5);
    }

    #[test]
    fn any_text_is_taken_in_bounded_time() {
        for piece in ["$(", "(", "\"$(", "${a:-", "`", "[[ ", "case x in ", "if x; then ", "{ ", "$((", "'"] {
            let nested = piece.repeat(LONGEST / 16 / piece.len());
            assert!(parse(&nested, &BTreeMap::new(), &mut TimeLeft::default()).is_ok(), "{piece}");
        }
        // Twenty seconds of work, which end after half a second.
        let mut left = TimeLeft::default();
        let nested = "x=(".repeat(LONGEST / 3);
        assert_eq!(parse(&nested, &BTreeMap::new(), &mut left).unwrap_err(), NotParsed::TooInvolved);
        assert_eq!(left.0, Duration::ZERO);
        assert_eq!(
            parse(&"<<E\n".repeat(MOST_HERE_DOCUMENTS + 1), &BTreeMap::new(), &mut TimeLeft::default()).unwrap_err(),
            NotParsed::TooManyHereDocuments
        );
        assert_eq!(
            parse(&" ".repeat(LONGEST + 1), &BTreeMap::new(), &mut TimeLeft::default()).unwrap_err(),
            NotParsed::TooLong
        );
    }

    proptest::proptest! {
        #[test]
        fn places_are_places_of_the_script(text in "[-a-z=$(){}\"'`;|&<>é\\\\\n ]{0,80}") {
            let script = parse(&text, &BTreeMap::new(), &mut TimeLeft::default()).unwrap();
            for command in &script.commands {
                proptest::prop_assert!(text.get(command.at.clone()).is_some());
                for word in &command.words {
                    proptest::prop_assert!(text.get(word.at.clone()).is_some());
                }
            }
        }
    }
}
