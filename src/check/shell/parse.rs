//! A script of bash → the simple commands in it, each word with its place.
//!
//! The grammar is tree-sitter's: it finds the commands after `do`, `then`, `$(` and in here-documents, and goes on behind what it
//! does not understand, so that one odd line hides no other (`docs/decisions/`, "Scripts are parsed by tree-sitter"). Its parser
//! does not recurse, and the walk below does not either, however deeply a script is nested.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

/// The longest script that is parsed. Nobody reviews a longer one inside a runbook.
const LONGEST: usize = 64 * 1024;
/// The most here-documents in a script that is parsed: the time that the grammar takes grows with their square.
const MOST_HERE_DOCUMENTS: usize = 200;
/// How deep branches in branches are told apart.
const MOST_BRANCHES: usize = 16;
/// The longest value of a variable that is kept, and the most words that are made of one.
const LONGEST_VALUE: usize = 1024;
const MOST_WORDS: usize = 16;
/// The most words of a command that are kept.
const MOST_WORDS_OF_A_COMMAND: usize = 500;

/// How long the parser may work on the scripts of one runbook: a thousand times what is written by people takes. Some nonsense, such
/// as `x=(` a thousand times, takes time that grows with its square.
const MOST_TIME: Duration = Duration::from_millis(500);

/// The most bytes that are made of variables in the scripts of one runbook: a short script can name a long value thousands of times.
const MOST_MADE: usize = 4 * 1024 * 1024;

/// How much work the scripts of one runbook may still cause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// Of [`MOST_TIME`], in time of this thread's processor.
    time: Duration,
    /// Of [`MOST_MADE`], in bytes.
    text: usize,
}

impl Default for Left {
    fn default() -> Left {
        Left { time: MOST_TIME, text: MOST_MADE }
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
    /// More than [`MOST_MADE`] is made of variables in the scripts of a runbook.
    #[error("its variables stand for more than {} MiB of text", MOST_MADE / 1024 / 1024)]
    TooMuchText,
    /// The grammar of the parser does not fit its library, which only a wrong build can bring about.
    #[error("the parser for bash cannot be used")]
    NoParser,
}

/// What a script consists of.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<SimpleCommand>,
    /// `${a.b}`, `${a.b:-c}` or `${{ a.b }}`: expansions that bash refuses, because a variable's name has no dot and no brace.
    pub(super) dotted: Vec<Range<usize>>,
    /// `${item}` in a script that has no such variable.
    pub(super) items: Vec<Range<usize>>,
    /// What the script assigns to each variable: every value that is known, and `None` for one that is not.
    pub(super) assigned: BTreeMap<String, Vec<Option<Value>>>,
    /// `<NAME>`, which somebody was to fill in, and which bash takes for a redirection.
    pub(super) placeholders: Vec<Range<usize>>,
    /// The functions that it defines, and of each whether it runs the words that it is called with.
    pub(super) functions: BTreeMap<String, bool>,
}

/// What a variable is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// Expansions in it that are not known stand as they are written.
    pub(super) text: String,
    /// Whether there are none.
    pub(super) is_literal: bool,
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
    /// What may or may not be carried out, and holds this command: where each branch, function or right side of `||` begins,
    /// the outermost first.
    pub(super) branches: Vec<usize>,
    /// Whether it is in the body of a function.
    pub(super) in_function: bool,
    /// The here-document that it reads.
    pub(super) stdin: Option<Word>,
    /// Whether a name in it was to be filled in.
    pub(super) has_placeholder: bool,
}

/// Who sets a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// Whoever runs the script: it sets the variable nowhere.
    Given,
    /// A loop, to one of several words.
    Loop,
    /// The script.
    Script,
}

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) at: Range<usize>,
    /// What the program gets; `$NAME` and the like stand as they are written.
    pub(super) text: String,
    /// Whether that is exactly what the program gets.
    pub(super) is_literal: bool,
    /// Whether bash may make several words of it, or none: an expansion stands in it without quotes.
    pub(super) is_split: bool,
    /// Who sets what is not known in it.
    pub(super) origin: Origin,
    /// How many bytes of the place stand before the text, if the text stands there as it is.
    pub(super) offset: Option<usize>,
}

/// Takes a script apart. `known` are variables of its environment.
pub(super) fn parse(script: &str, known: &BTreeMap<String, String>, left: &mut Left) -> Result<Script, NotParsed> {
    if script.len() > LONGEST {
        return Err(NotParsed::TooLong);
    }
    if script.matches("<<").nth(MOST_HERE_DOCUMENTS).is_some() {
        return Err(NotParsed::TooManyHereDocuments);
    }
    let (text, dotted) = without_dots(script);
    let tree = tree(&text, left)?;
    let nodes = all(&tree);
    let environment = known.iter().filter(|(_, text)| text.len() <= LONGEST_VALUE);
    let size: usize = environment.clone().map(|(name, text)| name.len() + text.len()).sum();
    // A script in a script knows the same variables again.
    left.text = left.text.checked_sub(size).ok_or(NotParsed::TooMuchText)?;
    let environment: BTreeMap<String, Value> =
        environment.map(|(name, text)| (name.clone(), Value { text: text.clone(), is_literal: true })).collect();
    let text_left = Cell::new(Some(left.text));
    let mut reading = Reading {
        text: script,
        known: environment.clone(),
        set: BTreeSet::new(),
        loops: BTreeSet::new(),
        text_left: &text_left,
    };
    // What a variable is set to may name another that is set before.
    let mut assigned = reading.assigned(&nodes);
    reading.know(&environment, &assigned);
    assigned = reading.assigned(&nodes);
    reading.know(&environment, &assigned);
    let variable = |node: Node<'_>| Some(reading.slice(&node.child_by_field_name("variable")?.byte_range()).to_owned());
    let loops =
        nodes.iter().filter(|found| found.node.kind() == "for_statement").filter_map(|found| variable(found.node));
    let loops = loops.filter(|name| assigned.get(name).is_some_and(|values| values.len() == 1)).collect();
    reading.loops = loops;
    let mut commands: Vec<SimpleCommand> = nodes.iter().filter_map(|found| reading.command(found)).collect();
    for Found { node, .. } in &nodes {
        reading.redirect_statement(*node, &mut commands);
    }
    let each = || nodes.iter().map(|found| found.node);
    let continued: BTreeSet<(usize, usize)> = each().filter_map(continued).collect();
    let ignored = each().filter(|node| !continued.contains(&(node.start_byte(), node.end_byte())));
    for (within, at) in ignored.filter_map(|node| reading.ignored_failures(node)) {
        let inside = |command: &&mut SimpleCommand| within.start <= command.at.start && command.at.end <= within.end;
        commands.iter_mut().filter(inside).for_each(|command| command.failure_ignored = Some(at.clone()));
    }
    // Quoted text and comments have no expansions. In a quoted text the node begins with the blanks before it.
    let expansions: BTreeMap<usize, usize> = each()
        .filter(|node| node.kind() == "expansion")
        .map(|node| {
            let blanks = reading.slice(&node.byte_range());
            (node.start_byte() + blanks.len() - blanks.trim_start().len(), node.end_byte())
        })
        .collect();
    let expansion = |start: usize| expansions.get(&start).map(|end| start..*end);
    // In a here-document the grammar misses what stands behind the tabs that `<<-` takes away.
    let documents: Vec<Range<usize>> = each().filter_map(|node| reading.expanded_document(node)).collect();
    let in_document = |start: usize| {
        let length = if script[start..].starts_with("${{") {
            script[start..].find("}}")? + 2
        } else {
            script[start..].find('}')? + 1
        };
        let is_escaped = script[..start].ends_with('\\');
        let is_inside = documents.iter().any(|document| document.contains(&start));
        (is_inside && !is_escaped).then(|| start..start + length)
    };
    let dotted = dotted.into_iter().filter_map(|start| expansion(start).or_else(|| in_document(start))).collect();
    let items = script.match_indices(ITEM).filter_map(|(start, _)| expansion(start));
    let items = items.filter(|_| !assigned.contains_key("item")).collect();
    let placeholders = each().filter_map(|node| reading.placeholder(node)).collect();
    let functions = each().filter_map(|node| reading.function(node)).collect();
    left.text = text_left.get().ok_or(NotParsed::TooMuchText)?;
    Ok(Script { commands, dotted, items, assigned, placeholders, functions })
}

/// Of `… && exit`: what stands before it, whose failure leads elsewhere.
fn continued(node: Node<'_>) -> Option<(usize, usize)> {
    let mut cursor = node.walk();
    let and = node.kind() == "list" && node.children(&mut cursor).any(|child| child.kind() == "&&");
    node.child(0).filter(|_| and).map(|child| (child.start_byte(), child.end_byte()))
}

/// The tree of a script, if it is made in the time that is left.
fn tree(text: &str, left: &mut Left) -> Result<Tree, NotParsed> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).map_err(|_| NotParsed::NoParser)?;
    let began = worked();
    let mut go_on = |_: &ParseState| {
        if worked().saturating_sub(began) > left.time { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut read = |at: usize, _| text.as_bytes().get(at..).unwrap_or_default();
    let options = ParseOptions::new().progress_callback(&mut go_on);
    let tree = parser.parse_with_options(&mut read, None, Some(options));
    left.time = left.time.saturating_sub(worked().saturating_sub(began));
    tree.ok_or(NotParsed::TooInvolved)
}

/// The script with every `${a.b}` and `${{ a }}` made an expansion that bash has, as long as it was; and where those begin.
fn without_dots(script: &str) -> (String, Vec<usize>) {
    let (mut text, mut dotted) = (script.to_owned(), Vec::new());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    for (start, _) in script.match_indices("${") {
        let braced = &script[start + 2..];
        if let Some(length) = braced.strip_prefix('{').and_then(|inner| inner.find("}}")) {
            let inside = start + 2..start + 2 + 1 + length + 1;
            if !script[inside.clone()].contains('\n') {
                text.replace_range(inside.clone(), &"_".repeat(inside.len()));
                dotted.push(start);
            }
            continue;
        }
        let sigil = usize::from(braced.starts_with(['#', '!']));
        let name = &braced[sigil..];
        let (name, rest) = name.split_at(name.bytes().take_while(|byte| is_name(*byte)).count());
        let begins_as_one = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
        let before_dot = name.split('.').next().unwrap_or_default();
        let ends = rest.starts_with(['}', ':', '%', '#', '/', '+', '=', '?', '^', ',', '@']);
        if begins_as_one && name.contains('.') && !before_dot.contains('-') && ends {
            let at = start + 2 + sigil..start + 2 + sigil + name.len();
            text.replace_range(at, &name.replace(['.', '-'], "_"));
            dotted.push(start);
        }
    }
    (text, dotted)
}

/// A node of the tree, and what it stands in.
struct Found<'t> {
    node: Node<'t>,
    /// As of [`SimpleCommand::branches`].
    branches: Vec<usize>,
    in_function: bool,
}

/// What is above a node.
struct Above<'t> {
    kind: &'t str,
    start: usize,
    /// How many branches hold what is inside.
    branches: usize,
    in_function: bool,
}

/// Every node in the order of the text, but for the environment of single commands.
fn all(tree: &Tree) -> Vec<Found<'_>> {
    let mut cursor = tree.walk();
    let mut nodes = Vec::new();
    // Asking a node for its parent would begin at the root each time.
    let mut above = vec![Above { kind: "", start: 0, branches: 0, in_function: false }];
    let mut branches: Vec<usize> = Vec::new();
    loop {
        let node = cursor.node();
        let (over, began, held, in_function) = above
            .last()
            .map_or(("", 0, 0, false), |above| (above.kind, above.start, above.branches, above.in_function));
        branches.truncate(held);
        let is_condition = cursor.field_name() == Some("condition");
        let is_part = ["case_item", "elif_clause", "else_clause", "function_definition"].contains(&node.kind());
        let branch = match over {
            _ if is_part => Some(node.start_byte()),
            // What stands behind `then` is carried out together.
            "if_statement" if node.is_named() && !is_condition => Some(began),
            "list" if node.is_named() && node.prev_sibling().is_some() => Some(node.start_byte()),
            _ => None,
        };
        // Nothing sensible is nested deeper, and each node keeps its own.
        if let Some(branch) = branch.filter(|_| branches.len() < MOST_BRANCHES) {
            branches.push(branch);
        }
        if node.kind() != "variable_assignment" || over != "command" {
            let branches = if matches!(node.kind(), "command" | "array") { branches.clone() } else { Vec::new() };
            nodes.push(Found { node, branches, in_function });
        }
        if cursor.goto_first_child() {
            let in_function = in_function || node.kind() == "function_definition";
            above.push(Above { kind: node.kind(), start: node.start_byte(), branches: branches.len(), in_function });
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
    /// As of [`Left`]; `None` once more was to be made, from when on nothing is made any more.
    text_left: &'t Cell<Option<usize>>,
    known: BTreeMap<String, Value>,
    /// The variables that it sets, and those that it sets by nothing but a loop.
    set: BTreeSet<String>,
    loops: BTreeSet<String>,
}

impl Reading<'_> {
    fn slice(&self, at: &Range<usize>) -> &str {
        self.text.get(at.clone()).unwrap_or_default()
    }

    /// Takes it that a variable which is assigned once is that.
    fn know(&mut self, environment: &BTreeMap<String, Value>, assigned: &BTreeMap<String, Vec<Option<Value>>>) {
        self.set = assigned.keys().cloned().collect();
        self.known.clone_from(environment);
        self.known.retain(|name, _| !assigned.contains_key(name));
        for (name, values) in assigned {
            if let [Some(value)] = values.as_slice() {
                self.known.insert(name.clone(), value.clone());
            }
        }
    }

    /// What the script assigns.
    fn assigned(&self, nodes: &[Found<'_>]) -> BTreeMap<String, Vec<Option<Value>>> {
        let mut assigned: BTreeMap<String, Vec<Option<Value>>> = BTreeMap::new();
        for Found { node, .. } in nodes {
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
                "command" => {
                    let mut words = self.slice(&node.byte_range()).split_whitespace();
                    if words
                        .next()
                        .is_some_and(|program| ["getopts", "mapfile", "read", "readarray"].contains(&program))
                    {
                        let names =
                            words.filter(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
                        names.for_each(|name| assigned.entry(name.to_owned()).or_default().push(None));
                    }
                }
                _ => {}
            }
        }
        assigned
    }

    fn assignment(&self, node: Node<'_>) -> (String, Option<Value>) {
        let name = node.child_by_field_name("name").map(|name| self.slice(&name.byte_range()).to_owned());
        let value = match node.child_by_field_name("value") {
            Some(value) => {
                let word = self.word(value);
                // Of what is nothing but an expansion, the name of the variable says more.
                let says_more = word.text.len() <= LONGEST_VALUE && !is_expansion_alone(&word.text);
                (says_more && value.kind() != "array").then_some(Value { text: word.text, is_literal: word.is_literal })
            }
            None => Some(Value { text: String::new(), is_literal: true }),
        };
        (name.unwrap_or_default(), value)
    }

    fn command(&self, Found { node, branches, in_function }: &Found<'_>) -> Option<SimpleCommand> {
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
            branches: branches.clone(),
            in_function: *in_function,
            stdin: None,
            has_placeholder: false,
        };
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            match child.kind() {
                "variable_assignment" => {
                    let (name, value) = self.assignment(child);
                    let value = value.filter(|value| value.is_literal).map(|value| value.text);
                    command.environment.push((name, value));
                }
                "command_name" => command.words.extend(child.child(0).into_iter().flat_map(|name| self.words(name))),
                "file_redirect" => self.redirect(child, &mut command),
                "herestring_redirect" | "comment" | "(" | ")" => {}
                _ => command.words.extend(self.words(child)),
            }
        }
        command.words.truncate(MOST_WORDS_OF_A_COMMAND);
        (!command.words.is_empty()).then_some(command)
    }

    /// A function, and whether it runs the words that it is called with.
    fn function(&self, node: Node<'_>) -> Option<(String, bool)> {
        if node.kind() != "function_definition" {
            return None;
        }
        let name = self.slice(&node.child_by_field_name("name")?.byte_range()).to_owned();
        let body = self.slice(&node.child_by_field_name("body")?.byte_range());
        let begins = |line: &str| {
            let line = line.trim_start_matches(|letter: char| " \t{(!".contains(letter));
            let line = ["if ", "until ", "while ", "then ", "do ", "! "]
                .iter()
                .fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
            ["\"$@\"", "$@", "\"${@}\"", "\"${@:", "${@:", "$*", "eval \"$@\"", "eval \"$*\"", "eval $@"]
                .iter()
                .any(|all| line.trim_start().starts_with(all))
        };
        Some((name, body.split(['\n', ';', '|', '&']).any(begins)))
    }

    /// A redirection that is none: `<NAME>`.
    fn placeholder(&self, node: Node<'_>) -> Option<Range<usize>> {
        if node.kind() != "file_redirect" || !self.slice(&node.byte_range()).starts_with('<') {
            return None;
        }
        let written = self.slice(&(node.start_byte()..self.text.len()));
        let name = written.strip_prefix('<')?;
        let length = name.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte)).count();
        // `<in>out` is what somebody may mean.
        let behind = name[length..].strip_prefix('>').map(|rest| rest.chars().next().unwrap_or('\n'));
        let is_name = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && behind.is_some_and(|letter| !letter.is_alphanumeric() && !"$&>".contains(letter));
        is_name.then(|| node.start_byte()..node.start_byte() + 1 + length + 1)
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
            if let Some(document) = self.here_document(child) {
                commands
                    .iter_mut()
                    .filter(|command| ends_here(command))
                    .for_each(|command| command.stdin = Some(document.clone()));
            }
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

    /// Where a here-document stands in which bash expands variables: one of which the end is not quoted.
    fn expanded_document(&self, node: Node<'_>) -> Option<Range<usize>> {
        if node.kind() != "heredoc_redirect" {
            return None;
        }
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let end = children.iter().find(|child| child.kind() == "heredoc_start")?;
        let is_quoted = self.slice(&end.byte_range()).contains(['\'', '"', '\\']);
        let body = children.iter().find(|child| child.kind() == "heredoc_body").filter(|_| !is_quoted)?;
        Some(body.byte_range())
    }

    /// What stands between `<<END` and `END`.
    fn here_document(&self, node: Node<'_>) -> Option<Word> {
        let mut cursor = node.walk();
        let body = node.children(&mut cursor).find(|child| child.kind() == "heredoc_body")?;
        let at = body.byte_range();
        let text = self.slice(&at).to_owned();
        Some(Word { at, text, is_literal: true, is_split: false, origin: Origin::Given, offset: Some(0) })
    }

    /// Where a command's output goes; and its words behind that, which the grammar takes for more of such.
    fn redirect(&self, node: Node<'_>, command: &mut SimpleCommand) {
        command.has_placeholder |= self.placeholder(node).is_some();
        let mut cursor = node.walk();
        let mut destinations = node.children_by_field_name("destination", &mut cursor);
        let to = destinations.next();
        // `2>&-` has no destination.
        let at = node.start_byte()..to.map_or(node.end_byte(), |to| to.end_byte());
        let written: String = self.slice(&at).split_whitespace().collect();
        let before = self.slice(&(command.at.start..at.start)).trim_end();
        let stdout_is_discarded = || before.ends_with(">/dev/null") || before.ends_with("> /dev/null");
        let is_discarded = match written.as_str() {
            "2>/dev/null" | "2>>/dev/null" | "&>/dev/null" | "&>>/dev/null" | ">&/dev/null" | "2>&-" => true,
            "2>&1" => stdout_is_discarded(),
            _ => false,
        };
        if is_discarded {
            command.stderr_discarded = Some(at);
        }
        command.words.extend(destinations.flat_map(|word| self.words(word)));
    }

    /// Of `… || true`: what stands before it, and where it stands.
    fn ignored_failures(&self, node: Node<'_>) -> Option<(Range<usize>, Range<usize>)> {
        if node.kind() != "list" {
            return None;
        }
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let (last, or) = (children.last()?, children.iter().rposition(|child| child.kind() == "||")?);
        let otherwise = self.slice(&last.byte_range()).trim();
        let says = ["echo", "printf"].contains(&otherwise.split_whitespace().next().unwrap_or_default());
        let ignores = ["true", ":", "/bin/true", "exit 0", "return 0"].contains(&otherwise) || says;
        let before = node.start_byte()..children.get(or)?.start_byte();
        ignores.then(|| (before, children[or].start_byte()..last.end_byte()))
    }

    /// The words that bash makes of a node: several of `$ARGS` if it is known what that is.
    fn words(&self, node: Node<'_>) -> Vec<Word> {
        let word = self.word(node);
        let is_expansion = ["simple_expansion", "expansion"].contains(&node.kind());
        let is_known = self.slice(&node.byte_range()) != word.text;
        // Nobody keeps more words in a variable, and a script may name it any number of times.
        if !is_expansion || !is_known || word.text.split_whitespace().nth(MOST_WORDS).is_some() {
            return vec![word];
        }
        let part = |text: &str| Word {
            at: word.at.clone(),
            text: text.to_owned(),
            is_literal: word.is_literal || !text.contains('$'),
            is_split: text.contains('$'),
            origin: word.origin,
            offset: None,
        };
        word.text.split_whitespace().map(part).collect()
    }

    fn word(&self, node: Node<'_>) -> Word {
        let at = node.byte_range();
        let mut word = Word {
            text: String::new(),
            is_literal: true,
            is_split: false,
            origin: Origin::Given,
            offset: None,
            at: at.clone(),
        };
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
            _ => {
                self.expansion(node, word);
                word.is_split |= !word.is_literal;
            }
        }
    }

    /// A variable with its value, if that is known; anything else as it is written.
    fn expansion(&self, node: Node<'_>, word: &mut Word) {
        // In a quoted text the node begins with the blanks before it.
        let whole = self.slice(&node.byte_range());
        let written = whole.trim_start();
        word.text.push_str(&whole[..whole.len() - written.len()]);
        let inside = written.strip_prefix("${").and_then(|name| name.strip_suffix('}'));
        let name = match node.kind() {
            "simple_expansion" => written.strip_prefix('$'),
            "expansion" => inside,
            _ => None,
        };
        let (name, otherwise) = match name.map(with_default) {
            Some((name, otherwise)) => (Some(name), otherwise),
            None => (None, None),
        };
        match (name.and_then(|name| self.known.get(name)), otherwise) {
            (Some(value), _) => {
                self.text_left.set(self.text_left.get().and_then(|left| left.checked_sub(value.text.len())));
                if self.text_left.get().is_some() {
                    word.text.push_str(&value.text);
                }
                word.is_literal &= value.is_literal;
                if !value.is_literal {
                    word.origin = Origin::Script;
                }
            }
            // Whoever starts the step may have set the variable.
            (None, Some(otherwise)) => {
                word.text.push_str(otherwise);
                word.is_literal = false;
                word.origin = Origin::Script;
            }
            (None, None) => {
                word.text.push_str(written);
                word.is_literal = false;
                let is_name = |name: &str| {
                    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
                        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                };
                let origin = match name.filter(|name| is_name(name)) {
                    Some(name) if self.loops.contains(name) => Origin::Loop,
                    Some(name) if !self.set.contains(name) => Origin::Given,
                    Some(_) | None => Origin::Script,
                };
                word.origin = word.origin.max(origin);
            }
        }
    }
}

/// The variable of `X:-d`, and what it is if it is not set. The arguments of a function and what is itself an expansion have none.
fn with_default(inside: &str) -> (&str, Option<&str>) {
    let length = inside.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let (name, operator) = inside.split_at(length);
    let otherwise = [":-", ":=", "-", "="].iter().find_map(|with| operator.strip_prefix(with));
    let is_plain = |text: &&str| !text.is_empty() && !text.contains(['$', '`', '"', '\'', '\\']);
    match otherwise.filter(is_plain) {
        Some(_) if name.is_empty() || name.starts_with(|digit: char| digit.is_ascii_digit()) => (inside, None),
        Some(otherwise) => (name, Some(otherwise)),
        None => (inside, None),
    }
}

/// Whether a text is an expansion and nothing else.
fn is_expansion_alone(text: &str) -> bool {
    let Some(name) = text.strip_prefix('$') else { return text.starts_with('`') };
    let is_name = || name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    name.starts_with('(') || name.starts_with('{') && name.find('}') == Some(name.len() - 1) || is_name()
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
        let script = parse(script, &BTreeMap::new(), &mut Left::default()).unwrap();
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
        let script = parse(script, &BTreeMap::new(), &mut Left::default()).unwrap();
        let command = script.commands.iter().find(|command| command.words[0].text == "x").unwrap();
        let texts: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["x", "a b", "c \"d\" us us-1 $S", "e f", "ghi", "--j=$(k)"]);
        let literal: Vec<bool> = command.words.iter().map(|word| word.is_literal).collect();
        assert_eq!(literal, [true, true, false, true, true, false]);
    }

    #[test]
    fn what_hides_a_failure_is_found_with_its_place() {
        let text = "a && gcloud b 2>/dev/null c || true\ngcloud d &>/dev/null\ngcloud e || exit 1";
        let script = parse(text, &BTreeMap::new(), &mut Left::default()).unwrap();
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
        let script = parse(text, &BTreeMap::new(), &mut Left::default()).unwrap();
        let found: Vec<&str> = script.dotted.iter().map(|at| &text[at.clone()]).collect();
        assert_eq!(found, ["${target.project}", "${steps.a-b.revision}"]);
        assert_eq!(script.commands[0].words.len(), 5);
    }

    #[test]
    fn any_text_is_taken_in_bounded_time() {
        for piece in ["$(", "(", "\"$(", "${a:-", "`", "[[ ", "case x in ", "if x; then ", "{ ", "$((", "'"] {
            let nested = piece.repeat(LONGEST / 16 / piece.len());
            assert!(parse(&nested, &BTreeMap::new(), &mut Left::default()).is_ok(), "{piece}");
        }
        // Twenty seconds of work, which end after half a second.
        let mut left = Left::default();
        let nested = "x=(".repeat(LONGEST / 3);
        assert_eq!(parse(&nested, &BTreeMap::new(), &mut left).unwrap_err(), NotParsed::TooInvolved);
        assert_eq!(left.time, Duration::ZERO);
        assert_eq!(
            parse(&"<<E\n".repeat(MOST_HERE_DOCUMENTS + 1), &BTreeMap::new(), &mut Left::default()).unwrap_err(),
            NotParsed::TooManyHereDocuments
        );
        assert_eq!(
            parse(&" ".repeat(LONGEST + 1), &BTreeMap::new(), &mut Left::default()).unwrap_err(),
            NotParsed::TooLong
        );
    }

    #[test]
    fn what_variables_stand_for_is_made_in_bounded_space() {
        let environment = |length: usize| BTreeMap::from([("A".to_owned(), "x".repeat(length))]);
        let named = |times: usize| format!("echo {}", "$A".repeat(times));
        let mut left = Left::default();
        let script = parse(&named(3), &environment(LONGEST_VALUE), &mut left).unwrap();
        assert_eq!(script.commands[0].words[1].text.len(), 3 * LONGEST_VALUE);
        let long = parse(&named(3), &environment(LONGEST_VALUE + 1), &mut left).unwrap();
        assert_eq!(long.commands[0].words[1].text, "$A$A$A");
        // The scripts of a runbook share what there is.
        let half = named(MOST_MADE / LONGEST_VALUE / 2 + 1);
        assert!(parse(&half, &environment(LONGEST_VALUE), &mut left).is_ok());
        assert_eq!(parse(&half, &environment(LONGEST_VALUE), &mut left).unwrap_err(), NotParsed::TooMuchText);
        let set = format!("A={}\n{}", "x".repeat(LONGEST_VALUE), named(MOST_MADE / LONGEST_VALUE + 1));
        assert_eq!(parse(&set, &BTreeMap::new(), &mut Left::default()).unwrap_err(), NotParsed::TooMuchText);
    }

    proptest::proptest! {
        #[test]
        fn places_are_places_of_the_script(text in "[-a-z=$(){}\"'`;|&<>é\\\\\n ]{0,80}") {
            let script = parse(&text, &BTreeMap::new(), &mut Left::default()).unwrap();
            for command in &script.commands {
                proptest::prop_assert!(text.get(command.at.clone()).is_some());
                for word in &command.words {
                    proptest::prop_assert!(text.get(word.at.clone()).is_some());
                }
            }
        }
    }
}
