//! One API of the catalog, as it was read: its types, their methods, and the text of its schemas.

use super::archive::{Archive, Damaged, Stream};
use super::dialect::{Answer, Token, UpdateDialect};
use super::name::Pattern;
use super::rule::Rule;
use super::schema::{SchemaId, SchemaText};

/// A version of an API.
#[derive(Debug)]
pub struct Api {
    /// The first label of its host, such as `redis`: what its full resource names begin with.
    pub service: &'static str,
    /// Such as `v1`.
    pub version: &'static str,
    /// Such as `https://redis.googleapis.com/`.
    pub root: &'static str,
    /// What stands between the root and a resource's name: `v1/`, or `compute/v1/`.
    pub prefix: &'static str,
    pub(super) entries: Vec<Entry>,
    pub(super) schemas: Vec<SchemaText>,
    /// Lines of the file that nothing was made of. There are none, and a test says so.
    pub(super) unreadable_lines: usize,
}

/// A type as it stands in the file.
#[derive(Debug)]
pub(super) struct Entry {
    /// Discovery's collection, such as `projects.locations.instances`.
    pub(super) collection: &'static str,
    /// The shortest name for it within its API.
    pub(super) short: String,
    pub(super) pattern: Pattern,
    /// Other patterns of its name, of which the variables are the same.
    pub(super) names: Vec<Pattern>,
    pub(super) schema: SchemaId,
    /// The last part of its type in Cloud Asset Inventory.
    pub(super) asset: &'static str,
    /// The method that changes it, and how.
    pub(super) update: Option<(&'static str, UpdateDialect)>,
    pub(super) token: Token,
    pub(super) methods: Vec<Method>,
    pub(super) rules: Vec<Rule>,
}

/// A verb of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Makes, or calls a method.
    Post,
    /// Changes a part.
    Patch,
    /// Replaces.
    Put,
    /// Deletes.
    Delete,
}

impl Verb {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Patch => "PATCH",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        }
    }

    /// The verb of a request, if methods have it.
    pub fn of_request(text: &str) -> Option<Verb> {
        [Verb::Get, Verb::Post, Verb::Patch, Verb::Put, Verb::Delete].into_iter().find(|verb| verb.as_str() == text)
    }

    fn parse(text: &str) -> Option<Verb> {
        Some(match text {
            "G" => Verb::Get,
            "P" => Verb::Post,
            "A" => Verb::Patch,
            "U" => Verb::Put,
            "D" => Verb::Delete,
            _ => return None,
        })
    }
}

/// What the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// The resource.
    Resource,
    /// A message.
    Message(SchemaId),
}

/// A method of a type.
#[derive(Clone, Debug)]
pub struct Method {
    /// Such as `failover`.
    pub name: &'static str,
    /// How it is called.
    pub verb: Verb,
    /// Where it is called: `^n` is the resource's name without its last n segments.
    pub(super) path: &'static str,
    /// What is sent.
    pub body: Body,
    /// What comes back.
    pub answer: Answer,
    /// Query parameters, sorted.
    pub parameters: Vec<Parameter>,
}

/// A query parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub value: ParameterType,
    /// Whether it may be given more than once.
    pub repeated: bool,
    /// Whether the API refuses a call without it.
    pub required: bool,
}

/// What a query parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// Text, also a number of 64 bits.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl Parameter {
    fn parse(mut text: &'static str) -> Parameter {
        let mut ends_with = |mark: char| {
            let rest = text.strip_suffix(mark);
            text = rest.unwrap_or(text);
            rest.is_some()
        };
        let (required, repeated) = (ends_with('!'), ends_with('*'));
        let value = if ends_with('?') {
            ParameterType::Boolean
        } else if ends_with('#') {
            ParameterType::Number
        } else {
            ParameterType::Text
        };
        Parameter { name: text, value, repeated, required }
    }
}

impl Method {
    /// Whether it takes this query parameter.
    pub fn takes(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|known| known.name == parameter)
    }

    fn parse(words: &[&'static str], first: &mut usize) -> Option<Method> {
        let [name, verb, path, body, answer, parameters] = *words else { return None };
        let body = match (body, body.strip_prefix('@')) {
            ("-", _) => Body::None,
            ("=", _) => Body::Resource,
            (_, Some(number)) => Body::Message(SchemaId::parse(number, first)?),
            (_, None) => return None,
        };
        let parameters = parameters.split(',').filter(|parameter| *parameter != "-").map(Parameter::parse).collect();
        Some(Method { name, verb: Verb::parse(verb)?, path, body, answer: Answer::parse(answer)?, parameters })
    }
}

impl Api {
    /// Inflates and reads an API.
    pub(super) fn read(archive: &Archive, stream: &Stream) -> Result<Api, Damaged> {
        let text = stream.text(archive.dictionary()?)?;
        let (head, types) = text.split_once('\n').ok_or(Damaged("an API has no head"))?;
        let ["A", service, version, root, prefix] = head.split(' ').collect::<Vec<_>>()[..] else {
            return Err(Damaged("the head of an API has other columns"));
        };
        let prefix = if prefix == "-" { "" } else { prefix };
        let mut api =
            Api { service, version, root, prefix, entries: Vec::new(), schemas: Vec::new(), unreadable_lines: 0 };
        let (types, schemas) = types.split_once("\nS\n").unwrap_or((types, ""));
        let mut first = 0;
        for line in types.lines() {
            if api.parse_line(line, &mut first).is_none() {
                api.unreadable_lines += 1;
            }
        }
        let (mut start, mut place) = (0, 0);
        let mut ends = Vec::new();
        for line in schemas.split_inclusive('\n') {
            if line.trim_end() == "S" {
                ends.push((start, place));
                start = place + line.len();
            }
            place += line.len();
        }
        ends.push((start, place));
        for (start, end) in ends {
            let lines = &schemas[start..end];
            api.schemas.push(SchemaText::new(lines, first));
            first += bare_references(lines);
        }
        api.name_entries();
        Ok(api)
    }

    fn parse_line(&mut self, line: &'static str, first: &mut usize) -> Option<()> {
        if let Some(rule) = line.strip_prefix("R ") {
            self.entries.last_mut()?.rules.push(Rule::parse(rule)?);
            return Some(());
        }
        let words: Vec<&'static str> = line.split(' ').collect();
        match words.split_first()? {
            (&"M", words) => self.entries.last_mut()?.methods.push(Method::parse(words, first)?),
            (&"T", &[collection, pattern, names, schema, asset, update, token]) => {
                let names = names.split(',').filter(|name| *name != "-").map(Pattern).collect();
                let schema = SchemaId::parse(schema.strip_prefix('@')?, first)?;
                let update = match update.split_once(':') {
                    Some((method, dialect)) => Some((method, UpdateDialect::parse(dialect)?)),
                    None => None,
                };
                self.entries.push(Entry {
                    collection,
                    short: String::new(),
                    pattern: Pattern(pattern),
                    names,
                    schema,
                    asset,
                    update,
                    token: Token::parse(token),
                    methods: Vec::new(),
                    rules: Vec::new(),
                });
            }
            _ => return None,
        }
        Some(())
    }

    /// Gives every type its short name. Of several that would have the same, the one in a project has it, then the one in a
    /// project's location, as `gcloud` means the global one without `--location` (Secret Manager, Cloud Build); the others keep
    /// their collection's, and one whose collection is that name itself is called `*.name`.
    fn name_entries(&mut self) {
        let short = |entry: &Entry| -> (&'static str, usize) {
            let beginnings = [("projects.locations.", 1), ("projects.", 0)];
            let stripped = beginnings
                .into_iter()
                .find_map(|(beginning, rank)| entry.collection.strip_prefix(beginning).map(|short| (short, rank)));
            stripped.unwrap_or((entry.collection, 2))
        };
        let candidates: Vec<(&'static str, usize)> = self.entries.iter().map(short).collect();
        for (place, (name, rank)) in candidates.iter().enumerate() {
            let is_first = |(other, (other_name, other_rank)): (usize, &(&str, usize))| {
                other == place || other_name != name || (*rank, place) < (*other_rank, other)
            };
            let wins = candidates.iter().enumerate().all(is_first);
            let collection = self.entries[place].collection;
            self.entries[place].short = match wins {
                true => (*name).to_owned(),
                false if *name == collection => format!("*.{name}"),
                false => collection.to_owned(),
            };
        }
    }
}

/// How many times a schema is named that no line before named.
fn bare_references(lines: &str) -> usize {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\n']);
    lines.match_indices('@').filter(|(place, _)| ends(&lines[place + 1..])).count()
}
