//! `postgres.execute`: run one statement on PostgreSQL, in one transaction.
//!
//! Values are bound, and never put into the statement. What it does to the rows nobody keeps, so it is a change from not done to done, as a
//! program's work is. It is sent once. Whether it is done another statement says (`done_when`), as far as the author names one: then a
//! statement whose work is done already is not run, and one whose commit was not confirmed is decided by asking. Without it the operator is
//! asked. Whatever fails before the commit has changed nothing.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::http_request::NOT_TOLD;
use super::{
    ActionFormat, Address, CatalogRequest, Declared, Doing, Forecast, Name, Obstacle, Rollback, StepAction,
    StepContext, TaskDraft, optional_block,
};
use crate::peer::{DatabaseServer, Effect, POSTGRES, POSTGRES_SCHEMES, PeerRequest};
use crate::run::{HandCommands, PeerCall, ResourceId, Reversibility, SecretVariables, Target, quoted};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::SecretText;

/// `postgres.execute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresExecute {
    /// How the database is reached.
    pub server: DatabaseServer,
    /// What does the work.
    pub execute: Statement,
    /// How many rows it may change.
    pub expect_rows: RowLimits,
    /// What undoes it.
    pub undo: Option<Statement>,
    /// What gives one boolean: whether it is done.
    pub done_when: Option<Statement>,
    /// How long each of them may take.
    pub timeout: Duration,
}

/// A statement and the values that are bound to its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// As it stands in the file.
    pub text: String,
    /// A list of JSON: texts, which may have secrets in them, whole numbers and flags.
    values: SecretText,
}

/// How many rows a statement may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowLimits {
    /// At least so many.
    pub at_least: Option<u32>,
    /// At most so many.
    pub at_most: Option<u32>,
}

const TIMEOUT: Duration = Duration::from_secs(30);

/// How long it may take until `done_when` holds.
const WORK_TIMEOUT: Duration = Duration::from_mins(1);

const STATEMENT: Key = Key::new(
    "statement",
    ValueType::Literal,
    "One statement, as it stands: values are bound to $1, $2 and so on, and never put into it.",
);

const VALUES: Key = Key::new("values", ValueType::Json, "What is bound to $1, $2 and so on; may have secrets.")
    .example("[\"${inputs.queue}\", 3]")
    .default("[]");

const UNDO: Table = Table {
    about: "The statement that undoes it, in a transaction of its own.",
    keys: &[STATEMENT.required().example("\"update jobs set state = 'new' where queue = $1\""), VALUES],
};

const DONE_WHEN: Table = Table {
    about: "What tells whether it is done: a `select` that gives one boolean. It runs in a transaction that can only read.",
    keys: &[STATEMENT.required().example("\"select count(*) = 0 from jobs where queue = $1\""), VALUES],
};

const EXPECT_ROWS: Table = Table {
    about: "How many rows it may change. If it changes more, or fewer, it is rolled back and has failed.",
    keys: &[
        Key::new("at_most", ValueType::Integer, "At most so many.").example("500").default("any number"),
        Key::new("at_least", ValueType::Integer, "At least so many.").example("1").default("0"),
    ],
};

impl Statement {
    fn read(block: &Block<'_, '_>) -> Option<Statement> {
        let text = block.literal("statement")?;
        if text.contains("${") {
            let message = "values are bound to a statement, and never put into it";
            block.wrong("statement", message, "write $1 in it, and the reference into `values`");
        }
        let values = if block.has("values") { block.json("values")? } else { SecretText::literal("[]") };
        let statement = Statement { text, values };
        if statement.values().is_none() {
            let message = "`values` is a list of texts, whole numbers and flags";
            block.wrong("values", message, "write it such as [\"orders\", 3, true]");
        }
        Some(statement)
    }

    /// The values as PostgreSQL reads them from a text. They may be secret. `None` if they are none.
    pub fn values(&self) -> Option<Vec<String>> {
        texts(self.values.value().expose_secret())
    }

    /// The same as they may be shown.
    fn shown_values(&self) -> Vec<String> {
        texts(&self.values.to_string()).unwrap_or_default()
    }

    /// As it may be shown: in one line.
    pub fn shown(&self) -> String {
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let values = self.shown_values().into_iter().enumerate();
        let values: Vec<String> = values.map(|(place, value)| format!("${} = {value}", place + 1)).collect();
        if values.is_empty() { text } else { format!("{text} with {}", values.join(", ")) }
    }
}

/// The values of a JSON list, each as PostgreSQL reads it from a text.
fn texts(json: &str) -> Option<Vec<String>> {
    let Ok(Value::Array(values)) = serde_json::from_str(json) else { return None };
    let each = values.into_iter().map(|value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    });
    each.collect()
}

impl RowLimits {
    fn read(with: &Block<'_, '_>) -> RowLimits {
        let Some(block) = with.block("expect_rows") else { return RowLimits::default() };
        let limits = RowLimits { at_least: block.count("at_least", 0), at_most: block.count("at_most", 0) };
        block.finish();
        if let RowLimits { at_least: Some(least), at_most: Some(most) } = limits
            && least > most
        {
            with.wrong("expect_rows", format!("{least} is more than {most}"), "at_least is not above at_most");
        }
        limits
    }

    /// Why so many rows are not what is expected, if they are not.
    pub fn objection(self, rows: u64) -> Option<String> {
        let changed = if rows == 1 { "it changed 1 row".to_owned() } else { format!("it changed {rows} rows") };
        match self {
            RowLimits { at_most: Some(most), .. } if rows > u64::from(most) => {
                Some(format!("{changed}, and at most {most} are expected"))
            }
            RowLimits { at_least: Some(least), .. } if rows < u64::from(least) => {
                Some(format!("{changed}, and at least {least} are expected"))
            }
            RowLimits { .. } => None,
        }
    }

    fn shown(self) -> Option<String> {
        match (self.at_least, self.at_most) {
            (None, None) => None,
            (None, Some(most)) => Some(format!("rolled back if it changes more than {most} rows")),
            (Some(least), None) => Some(format!("rolled back if it changes fewer than {least} rows")),
            (Some(least), Some(most)) => {
                Some(format!("rolled back if it changes fewer than {least} or more than {most} rows"))
            }
        }
    }
}

impl PostgresExecute {
    /// What its changes are of: its name in resource ids.
    pub const KIND: &'static str = "postgres.execute";

    fn statements(&self) -> impl Iterator<Item = &Statement> {
        std::iter::once(&self.execute).chain(&self.undo).chain(&self.done_when)
    }

    fn log_in(&self) -> PeerRequest {
        PeerRequest { effect: Effect::Writes, ..self.server.log_in("PostgreSQL") }
    }

    /// Where the database is.
    pub(super) fn address(&self) -> Address {
        Address {
            argument: &["server"],
            host: self.log_in().host,
            fault: self.server.check(POSTGRES_SCHEMES).err(),
            example: "{ host = \"10.20.0.3\", user = \"app\", password = \"${inputs.password}\" }",
        }
    }

    /// The statement as a command of `psql`; `None` for what cannot be shown and run as one and the same text.
    fn psql(&self, statement: &Statement) -> Option<String> {
        let mut secrets = SecretVariables::default();
        let values = statement.shown_values();
        let mut lines = vec![format!("prepare step as {};", statement.text.trim().trim_end_matches(';'))];
        let bound: Vec<String> = (1..=values.len()).map(|place| format!(":'v{place}'")).collect();
        let given = if bound.is_empty() { String::new() } else { format!("({})", bound.join(", ")) };
        lines.push(format!("execute step{given};"));
        let script: Option<Vec<String>> = lines.iter().map(|line| quoted(line)).collect();
        let mut words = vec!["psql --set=ON_ERROR_STOP=1 --single-transaction".to_owned()];
        for (place, value) in values.iter().enumerate() {
            words.push(format!("--set={}", secrets.word(&format!("v{}={value}", place + 1))?));
        }
        match &self.server {
            DatabaseServer::Url(url) => words.push(secrets.word(&url.to_string())?),
            DatabaseServer::Parts(parts) => {
                if let Some(password) = &parts.password {
                    words.insert(0, format!("PGPASSWORD={}", secrets.word(&password.to_string())?));
                }
                words.push(format!("--host={}", quoted(&parts.host)?));
                words.extend(parts.port.map(|port| format!("--port={port}")));
                if let Some(user) = &parts.user {
                    words.push(format!("--username={}", secrets.word(&user.to_string())?));
                }
                if let Some(database) = &parts.database {
                    words.push(format!("--dbname={}", quoted(database)?));
                }
            }
        }
        let command = format!("printf '%s\\n' {} | {}", script?.join(" "), words.join(" "));
        Some(secrets.comments().chain([command]).collect::<Vec<_>>().join("\n"))
    }
}

impl Declared for PostgresExecute {
    const FORMAT: ActionFormat = ActionFormat {
        name: PostgresExecute::KIND,
        outputs: &[],
        with: Table {
            about: "Runs one statement on PostgreSQL, once, in one transaction.",
            keys: &[
                Key::new(
                    "server",
                    ValueType::Server(&POSTGRES),
                    "The parts of the connection, or its URL. TLS is required unless `tls` or `sslmode=disable` says otherwise.",
                )
                .required()
                .example("{ host = \"10.20.0.3\", user = \"app\", password = \"${inputs.password}\", database = \"app\" }"),
                STATEMENT.required().example("\"update jobs set state = 'held' where queue = $1\""),
                VALUES,
                Key::new("expect_rows", ValueType::Table(&EXPECT_ROWS), EXPECT_ROWS.about)
                    .example("{ at_most = 500 }")
                    .default("any number"),
                Key::new("timeout", ValueType::Duration, "How long it may take.").example("\"2m\"").default("30s"),
                Key::new("done_when", ValueType::Table(&DONE_WHEN), DONE_WHEN.about)
                    .example("{ statement = \"select count(*) = 0 from jobs where state = 'new'\" }")
                    .default("if its commit is not confirmed, the operator is asked"),
                Key::new("undo", ValueType::Table(&UNDO), UNDO.about)
                    .example("{ statement = \"update jobs set state = 'new' where state = 'held'\" }")
                    .default("it cannot be undone"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<PostgresExecute> {
        let (server, execute) = (DatabaseServer::postgres(with, "server"), Statement::read(with));
        let other = |key| optional_block(with, key, Statement::read);
        let (undo, done_when, expect_rows) = (other("undo"), other("done_when"), RowLimits::read(with));
        let timeout = with.positive_duration("timeout").unwrap_or(TIMEOUT);
        Some(PostgresExecute {
            server: server?,
            execute: execute?,
            expect_rows,
            undo: undo.ok()?,
            done_when: done_when.ok()?,
            timeout,
        })
    }
}

impl StepAction for PostgresExecute {
    fn observed_resources(&self, _: &Target) -> Vec<ResourceId> {
        Vec::new()
    }

    fn desired_state(&self, _: &Target) -> Option<(ResourceId, Value)> {
        None
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let host = self.log_in().host;
        let place = host.clone().unwrap_or_else(|| "a host that only the run knows".to_owned());
        let what = format!("{} (PostgreSQL at {place})", self.execute.shown());
        let mut notes = vec![format!("runs {what}")];
        notes.extend(self.expect_rows.shown());
        notes.extend(
            self.done_when
                .as_ref()
                .map(|done| format!("first this is asked, and nothing is run if it gives true: {}", done.shown())),
        );
        let warnings = if self.done_when.is_none() { vec![NOT_TOLD.to_owned()] } else { Vec::new() };
        let reversibility = match &self.undo {
            Some(undo) => {
                Reversibility::WithLoss { why: format!("only what this takes back is taken back: {}", undo.shown()) }
            }
            None => Reversibility::Irreversible { why: "nothing says how to undo it".to_owned() },
        };
        let resource = forecast.target().resource(PostgresExecute::KIND, step.task);
        let by_hand = self
            .psql(&self.execute)
            .map(|apply| HandCommands { apply, undo: self.undo.as_ref().and_then(|undo| self.psql(undo)) });
        Ok(vec![TaskDraft {
            change: Some(Doing::change(resource)),
            reversibility,
            warnings,
            notes,
            peer: Some(PeerCall { what, hosts: vec![host], not_sent: false }),
            by_hand,
            operation_timeout: Some(WORK_TIMEOUT),
            ..step.whole()
        }])
    }

    fn rollback(&self) -> Rollback {
        if self.undo.is_some() { Rollback::Possible } else { Rollback::Impossible("nothing says how to undo it") }
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        vec![self.log_in().sends("", self.statements().map(|statement| &statement.values))]
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_judged_by_both_limits() {
        let limits = RowLimits { at_least: Some(1), at_most: Some(3) };
        assert_eq!((limits.objection(1), limits.objection(3)), (None, None));
        assert_eq!(limits.objection(0).unwrap(), "it changed 0 rows, and at least 1 are expected");
        assert_eq!(limits.objection(4).unwrap(), "it changed 4 rows, and at most 3 are expected");
        assert_eq!(RowLimits::default().objection(9), None);
    }

    #[test]
    fn values_are_texts_numbers_and_flags() {
        assert_eq!(texts("[\"a\", 3, true]"), Some(vec!["a".to_owned(), "3".to_owned(), "true".to_owned()]));
        assert_eq!((texts("[[1]]"), texts("[null]"), texts("{}")), (None, None, None));
    }
}
