//! Types as people and programs read them: what `rectify resources` prints.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::api::{Api, Body, Method};
use super::dialect::{Answer, OperationDialect, Token, UpdateDialect};
use super::example::example_value;
use super::find::short_names;
use super::resource_type::ResourceType;
use super::rule::Exception;
use super::schema::{Field, FieldBehavior, FieldType, SchemaId};
use super::selector::Selector;
use super::walk::walk;

/// Levels of fields that are shown: `settings.tier`, and what is below is an object.
const LEVELS: usize = 2;

/// One type a line: its short name, and what can be done with it. Names come first and have no spaces.
pub fn list(types: &[ResourceType]) -> String {
    let rows: Vec<(String, String)> = types.iter().map(|known| (known.name(), verbs(*known))).collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(WIDEST_NAME);
    rows.iter().fold(String::new(), |mut text, (name, verbs)| {
        let _ = writeln!(text, "{name:<width$}  {verbs}");
        text
    })
}

/// What leaves room for the verbs on a terminal of 80 columns. Few names are longer.
const WIDEST_NAME: usize = 54;

/// The same for programs.
pub fn list_json(types: &[ResourceType]) -> Value {
    types.iter().map(|known| Value::Object(summary(*known))).collect()
}

fn full_pattern(resource_type: ResourceType) -> String {
    format!("{}.googleapis.com/{}", resource_type.api().service, resource_type.name_pattern().as_str())
}

/// What gcp.set, gcp.create, gcp.delete and gcp.call can do with it.
fn verbs(resource_type: ResourceType) -> String {
    let can_set = resource_type.update().is_some_and(|(_, dialect)| dialect != UpdateDialect::Underivable);
    let all = [
        ("set", can_set),
        ("create", resource_type.create().is_some()),
        ("delete", resource_type.method("delete").is_some()),
        ("call", resource_type.custom_methods().next().is_some()),
    ];
    let verbs: Vec<&str> = all.into_iter().filter(|(_, can)| *can).map(|(verb, _)| verb).collect();
    if verbs.is_empty() { "read".to_owned() } else { verbs.join(",") }
}

fn summary(resource_type: ResourceType) -> serde_json::Map<String, Value> {
    let api = resource_type.api();
    let update =
        resource_type.update().map(|(method, dialect)| json!({ "method": method.name, "dialect": dialect.name() }));
    let summary = json!({
        "name": resource_type.name(),
        "asset_type": resource_type.asset_type(),
        "service": api.service,
        "version": api.version,
        "collection": resource_type.collection(),
        "pattern": full_pattern(resource_type),
        "update": update,
        "methods": resource_type.methods().iter().map(|method| method.name).collect::<Vec<_>>(),
    });
    match summary {
        Value::Object(summary) => summary,
        _ => serde_json::Map::new(),
    }
}

/// A field with its path from the resource, as it is listed.
struct Row {
    path: String,
    field: &'static Field,
    behavior: FieldBehavior,
}

impl Row {
    fn is_settable(&self, resource_type: ResourceType) -> bool {
        if resource_type.setter(&self.path).is_some() {
            return true;
        }
        let is_name = ["name", "kind"].contains(&self.path.as_str());
        !self.behavior.is_output_only()
            && !self.is_fixed(resource_type)
            && !is_name
            && resource_type.token().field() != Some(&self.path)
    }

    fn is_fixed(&self, resource_type: ResourceType) -> bool {
        let first = self.path.split('.').next().unwrap_or_default();
        self.behavior.is_immutable() || resource_type.fixed(&self.path).or_else(|| resource_type.fixed(first)).is_some()
    }
}

fn rows(api: &'static Api, schema: SchemaId) -> Vec<Row> {
    let mut rows = Vec::new();
    collect(api, schema, &Row { path: String::new(), field: &NONE, behavior: FieldBehavior::default() }, &mut rows);
    rows
}

/// What stands above the fields of the first level.
static NONE: Field = Field { name: "", field_type: FieldType::Any, behavior: FieldBehavior::NONE };

fn collect(api: &'static Api, schema: SchemaId, above: &Row, rows: &mut Vec<Row>) {
    for field in &api.schema(schema).fields {
        let path = if above.path.is_empty() { field.name.to_owned() } else { format!("{}.{}", above.path, field.name) };
        let row = Row { path, field, behavior: field.behavior.within(above.behavior) };
        match api.resolve(&field.field_type) {
            FieldType::Message(id) if row.path.split('.').count() < LEVELS && !row.behavior.is_output_only() => {
                collect(api, id, &row, rows);
            }
            _ => rows.push(row),
        }
    }
}

/// Everything about a type, for a person: lines of at most `width` columns, but for what cannot be broken.
pub fn describe(resource_type: ResourceType, width: usize) -> String {
    let api = resource_type.api();
    let mut page = Page { text: String::new(), width: width.max(40) };
    page.line(&resource_type.name());
    page.line(&format!("  {}", resource_type.asset_type()));
    page.line(&format!("  version {} of the API", api.version));
    page.heading("names");
    for pattern in resource_type
        .patterns()
        .filter(|pattern| *pattern == resource_type.name_pattern() || resource_type.patterns().count() > 2)
    {
        page.line(&format!("  {}.googleapis.com/{}", api.service, pattern.as_str()));
    }
    for name in short_names(resource_type) {
        page.line(&format!("  {name}"));
    }
    page.heading("how it is written");
    for sentence in written(resource_type) {
        page.item("", &sentence);
    }
    let all = rows(api, resource_type.schema_id());
    let heading = if resource_type.update().is_some() { "fields that can be set" } else { "fields" };
    page.fields(heading, all.iter().filter(|row| row.is_settable(resource_type)), resource_type);
    let fixed = |row: &&Row| row.is_fixed(resource_type) && !row.behavior.is_output_only();
    page.fields("fixed once it is made", all.iter().filter(fixed), resource_type);
    let output: Vec<&str> = all
        .iter()
        .filter(|row| row.behavior.is_output_only() && !row.is_settable(resource_type))
        .map(|row| row.path.as_str())
        .collect();
    if !output.is_empty() {
        page.heading("written by the API");
        page.item("", &output.join(", "));
    }
    let methods: Vec<&Method> = resource_type.custom_methods().collect();
    if !methods.is_empty() {
        page.heading("methods");
        let longest = methods.iter().map(|method| method.name.len()).max().unwrap_or(0).min(COLUMN);
        for method in methods {
            page.item(&format!("{:<longest$}  ", method.name), &arguments(api, method).join(", "));
        }
    }
    if !resource_type.rules().is_empty() {
        page.heading("known besides");
        for rule in resource_type.rules() {
            page.item("", &format!("{} ({})", rule.what, rule.source));
        }
    }
    if let Some(step) = example_step(resource_type, &all) {
        page.heading("example");
        page.text.push_str(&step);
    }
    page.text
}

/// The same for programs.
pub fn describe_json(resource_type: ResourceType) -> Value {
    let api = resource_type.api();
    let mut all = summary(resource_type);
    let field = |row: &Row| {
        let path: Option<Selector> = row.path.parse().ok();
        let facts = path.and_then(|path| walk(resource_type, &path).ok());
        let values = match &row.field.field_type {
            FieldType::Enum(values) => Some(values.names().collect::<Vec<_>>()),
            _ => None,
        };
        json!({
            "path": row.path,
            "type": type_words(api, &row.field.field_type),
            "values": values,
            "settable": row.is_settable(resource_type),
            "output_only": row.behavior.is_output_only(),
            "immutable": row.is_fixed(resource_type),
            "input_only": row.behavior.is_input_only(),
            "required": row.behavior.is_required(),
            "sensitive": facts.is_some_and(|facts| facts.sensitivity.is_secret()),
        })
    };
    let fields: Vec<Value> = rows(api, resource_type.schema_id()).iter().map(field).collect();
    let method = |method: &'static Method| json!({ "name": method.name, "verb": method.verb.as_str(), "arguments": arguments(api, method) });
    let methods: Vec<Value> = resource_type.custom_methods().map(method).collect();
    let rules: Vec<Value> = resource_type
        .rules()
        .iter()
        .map(|rule| json!({ "rule": rule.what.to_string(), "source": rule.source }))
        .collect();
    all.insert("token".to_owned(), json!(resource_type.token().field()));
    all.insert("fields".to_owned(), Value::Array(fields));
    all.insert("custom_methods".to_owned(), Value::Array(methods));
    all.insert("rules".to_owned(), Value::Array(rules));
    Value::Object(all)
}

fn arguments(api: &Api, method: &Method) -> Vec<&'static str> {
    let fields = match method.body {
        Body::Message(id) => api.schema(id).fields.iter().map(|field| field.name).collect(),
        Body::None | Body::Resource => Vec::new(),
    };
    fields.into_iter().chain(method.parameters.iter().map(|parameter| parameter.name)).collect()
}

/// How it is changed, in sentences.
fn written(resource_type: ResourceType) -> Vec<String> {
    let Some((method, dialect)) = resource_type.update() else {
        let can_call = resource_type.custom_methods().next().is_some();
        let how = if can_call { "it is changed by its methods" } else { "it is not changed" };
        return vec![format!("no update method: {how}")];
    };
    let mut sentences = vec![format!("{} (method {}): {}", method.verb.as_str(), method.name, dialect.name())];
    sentences.push(match resource_type.token() {
        Token::None => "no token: what was read is compared right before the write".to_owned(),
        Token::InBody { field } => format!("conditional on {field}, which is sent with the write"),
        Token::InQuery { field, parameter } => format!("conditional on {field}, sent as {parameter}"),
        Token::ComparedOnly { field } => format!("{field} is compared right before the write; no write takes it"),
    });
    sentences.push(match method.answer {
        Answer::Nothing => "answered with nothing".to_owned(),
        Answer::Resource => "answered with the resource".to_owned(),
        Answer::Other => "answered with another message".to_owned(),
        Answer::Operation(OperationDialect::LongRunning) => "answered with a long-running operation".to_owned(),
        Answer::Operation(OperationDialect::Storage) => "answered with an operation of Cloud Storage".to_owned(),
        Answer::Operation(OperationDialect::Compute) => "answered with an operation of Compute Engine".to_owned(),
        Answer::Operation(OperationDialect::CloudSql) => "answered with an operation of Cloud SQL".to_owned(),
        Answer::Operation(OperationDialect::Kubernetes) => "answered with an operation of GKE".to_owned(),
        Answer::Operation(OperationDialect::Dns) => "answered with an operation of Cloud DNS".to_owned(),
    });
    let takes: Vec<&str> = ["validateOnly", "requestId"].into_iter().filter(|name| method.takes(name)).collect();
    if !takes.is_empty() {
        sentences.push(format!("takes {}", takes.join(" and ")));
    }
    sentences
}

/// A step that sets the first field that people would set, or calls the first method.
fn example_step(resource_type: ResourceType, rows: &[Row]) -> Option<String> {
    let name = short_names(resource_type).into_iter().next()?;
    let can_set = resource_type.update().is_some_and(|(_, dialect)| dialect != UpdateDialect::Underivable);
    let is_simple = |row: &&Row| {
        let is_value = matches!(
            row.field.field_type,
            FieldType::Int32
                | FieldType::Int64
                | FieldType::Boolean
                | FieldType::Enum(_)
                | FieldType::String
                | FieldType::Duration
        );
        is_value && row.is_settable(resource_type) && !row.behavior.is_input_only()
    };
    let is_in_mask = |row: &&Row| {
        resource_type.rules().iter().all(|rule| match &rule.what {
            Exception::MaskOnly(paths) => paths.contains(&row.path.as_str()),
            _ => true,
        })
    };
    let simple: Vec<&Row> = rows.iter().filter(is_simple).filter(is_in_mask).collect();
    // Sizes and switches are what is changed in incidents; texts hardly ever.
    let is_number = |row: &&&Row| matches!(row.field.field_type, FieldType::Int32 | FieldType::Int64);
    let is_text = |row: &&&Row| matches!(row.field.field_type, FieldType::String | FieldType::Duration);
    let chosen = simple.iter().find(is_number).or_else(|| simple.iter().find(|row| !is_text(row))).or(simple.first());
    if let (true, Some(row)) = (can_set, chosen) {
        let value = match &row.field.field_type {
            FieldType::Int64 => json!(3),
            other => example_value(resource_type, other),
        };
        let key = if row.path.contains('.') { Value::from(row.path.as_str()).to_string() } else { row.path.clone() };
        return Some(format!(
            "  uses = \"gcp.set\"\n  with = {{ resource = \"{name}\", set = {{ {key} = {value} }} }}\n"
        ));
    }
    let is_refused = |method: &&Method| resource_type.secret_answer(method.name).is_some();
    let is_final = |method: &&Method| {
        let name = method.name;
        resource_type.rules().iter().any(|rule| rule.what == Exception::IrreversibleCall(name))
    };
    let mut methods = resource_type.custom_methods().filter(|method| !is_refused(method));
    let first = methods.clone().next();
    let method = methods.find(|method| !is_final(method)).or(first)?;
    Some(format!(
        "  uses = \"gcp.call\"\n  with = {{ resource = \"{name}\", method = \"{}\" }}\n  irreversible = true\n",
        method.name
    ))
}

/// The type of a field in words: `list of string`.
fn type_words(api: &Api, field_type: &FieldType) -> String {
    match api.resolve(field_type) {
        FieldType::List(element) => format!("list of {}", type_words(api, &element)),
        FieldType::Map(value) => format!("map of {}", type_words(api, &value)),
        other => other.word().to_owned(),
    }
}

/// How wide the column of fields becomes at most.
const COLUMN: usize = 42;

struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.text.push('\n');
        self.line(text);
    }

    /// An entry that is folded below itself.
    fn item(&mut self, name: &str, text: &str) {
        let longest = text.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
        if !name.is_empty() && 2 + name.chars().count() + longest > self.width {
            self.line(&format!("  {name}"));
            return self.item("", &text.replace(" | ", "\n| "));
        }
        let indent = " ".repeat(2 + name.chars().count().min(COLUMN + 2));
        let first = format!("  {name}");
        let options =
            textwrap::Options::new(self.width).initial_indent(&first).subsequent_indent(&indent).break_words(false);
        for line in textwrap::wrap(text, options) {
            self.line(&line);
        }
        if text.is_empty() {
            self.line(&first);
        }
    }

    fn fields<'r>(&mut self, heading: &str, rows: impl Iterator<Item = &'r Row>, resource_type: ResourceType) {
        let rows: Vec<&Row> = rows.collect();
        if rows.is_empty() {
            return;
        }
        self.heading(heading);
        let api = resource_type.api();
        let longest = rows.iter().map(|row| row.path.len()).max().unwrap_or(0).min(COLUMN);
        for row in rows {
            let mut words = match &row.field.field_type {
                FieldType::Enum(values) => values.names().collect::<Vec<_>>().join(" | "),
                other => type_words(api, other),
            };
            if row.behavior.is_input_only() {
                words.push_str(", input only");
            }
            self.item(&format!("{:<longest$}  ", row.path), &words);
        }
    }
}
