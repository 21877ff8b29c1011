//! Statements that steps run on PostgreSQL, each in one transaction.
//!
//! What fails before the commit has changed nothing: a server rolls back whatever it was not told to commit. What became of a commit that was
//! not confirmed is not known.

use std::sync::Arc;

use futures::future::{BoxFuture, Either, select};
use futures::pin_mut;
use serde_json::{Map, Value};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use super::once::{Direction, Sent, Work};
use crate::action::{PostgresExecute, RowLimits, Statement};
use crate::clock::{Clock, format_duration, later};
use crate::peer::Dialer;
use crate::peer::postgres::{Connection, Failure, Server};
use crate::run::ROWS;

/// A step's statement.
pub(super) struct Execution {
    pub(super) step: PostgresExecute,
    pub(super) dialer: Arc<Dialer>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A value that the server reads from its text, whatever type it wants.
#[derive(Debug)]
struct Bound(String);

impl ToSql for Bound {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}

/// How far a statement got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server has not been told to commit.
    Before,
    /// It has.
    Committing,
}

impl Execution {
    async fn send(&self, direction: Direction) -> Sent {
        let (statement, limits) = match direction {
            Direction::Forward => (Some(&self.step.execute), self.step.expect_rows),
            Direction::Back => (self.step.undo.as_ref(), RowLimits::default()),
        };
        let Some(statement) = statement else { return Sent::Refused("nothing says how to undo it".to_owned()) };
        let server = match Server::of(&self.step.server) {
            Ok(server) => server,
            Err(why) => return Sent::Refused(why),
        };
        let mut stage = Stage::Before;
        let ended = {
            let out_of_time = self.dialer.deadline(&server.host, later(self.clock.now(), self.step.timeout));
            let work = self.execute(&server, statement, limits, &mut stage);
            pin_mut!(work);
            match select(work, out_of_time).await {
                Either::Left((ended, _)) => ended,
                Either::Right(_) => Err(format!("no answer within {}", format_duration(self.step.timeout))),
            }
        };
        match (ended, stage) {
            (Ok(rows), _) => Sent::Accepted(Map::from_iter([(ROWS.to_owned(), Value::from(rows))])),
            (Err(why), Stage::Before) => Sent::Refused(format!("{why}; nothing was committed")),
            (Err(why), Stage::Committing) => Sent::InDoubt(format!("whether it was committed is not known: {why}")),
        }
    }

    /// Runs a statement and commits it; how many rows it changed.
    async fn execute(
        &self,
        server: &Server,
        statement: &Statement,
        limits: RowLimits,
        stage: &mut Stage,
    ) -> Result<u64, String> {
        let mut connection = self.connect(server).await?;
        self.begin(&mut connection, "begin").await?;
        let values = bound(statement)?;
        let references = references(&values);
        let rows = connection.driver.during(connection.client.execute(&statement.text, &references));
        let rows = rows.await.map_err(words)?;
        if let Some(objection) = limits.objection(rows) {
            // Whatever becomes of it: what is not committed is rolled back.
            let _ = connection.driver.during(connection.client.batch_execute("rollback")).await;
            return Err(objection);
        }
        *stage = Stage::Committing;
        match connection.driver.during(connection.client.batch_execute("commit")).await {
            Ok(()) => Ok(rows),
            Err(failure) => {
                if is_refused_commit(&failure) {
                    *stage = Stage::Before;
                }
                Err(words(failure))
            }
        }
    }

    async fn ask(&self, statement: &Statement) -> Result<bool, String> {
        let server = Server::of(&self.step.server)?;
        let out_of_time = self.dialer.deadline(&server.host, later(self.clock.now(), self.step.timeout));
        let work = async {
            let mut connection = self.connect(&server).await?;
            self.begin(&mut connection, "begin read only").await?;
            let values = bound(statement)?;
            let references = references(&values);
            let rows = connection.driver.during(connection.client.query(&statement.text, &references));
            let rows = rows.await.map_err(words)?;
            match rows.as_slice() {
                [row] if row.len() == 1 => row.try_get::<_, Option<bool>>(0).ok().flatten(),
                _ => None,
            }
            .ok_or_else(|| "`done_when` gives something else than one row with one boolean".to_owned())
        };
        pin_mut!(work);
        match select(work, out_of_time).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(format!("no answer within {}", format_duration(self.step.timeout))),
        }
    }

    async fn connect(&self, server: &Server) -> Result<Connection, String> {
        server.connect(&self.dialer, &self.clock).await.map_err(words)
    }

    /// Begins a transaction in which the server itself gives up when the time is over: a statement that nobody waits for any longer would
    /// keep its locks.
    async fn begin(&self, connection: &mut Connection, how: &str) -> Result<(), String> {
        let limit = self.step.timeout.as_millis();
        let begin = format!("{how}; set local statement_timeout = {limit}");
        connection.driver.during(connection.client.batch_execute(&begin)).await.map_err(words)
    }
}

fn bound(statement: &Statement) -> Result<Vec<Bound>, String> {
    let values = statement.values().ok_or_else(|| "its values cannot be bound".to_owned())?;
    Ok(values.into_iter().map(Bound).collect())
}

fn references(values: &[Bound]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::Unreached(unreached) => unreached.to_string(),
        Failure::Denied(why) | Failure::Refused { why, .. } | Failure::Lost(why) => why,
    }
}

/// Whether a server says for certain that it did not commit: a deferred constraint is violated, or the transaction was rolled back in favour of
/// another. Others, such as that it is shutting down, say nothing of the commit (source: the classes 23 and 40 of Appendix A of PostgreSQL's
/// documentation; 40003 is "statement completion unknown").
fn is_refused_commit(failure: &Failure) -> bool {
    let Failure::Refused { code, .. } = failure else { return false };
    (code.starts_with("23") || code.starts_with("40")) && code != "40003"
}

impl Work for Execution {
    fn can_be_undone(&self) -> bool {
        self.step.undo.is_some()
    }

    fn is_done(&self) -> BoxFuture<'_, Option<Result<bool, String>>> {
        Box::pin(async {
            match &self.step.done_when {
                Some(done) => Some(self.ask(done).await),
                None => None,
            }
        })
    }

    fn send<'a>(&'a self, direction: Direction, _: &'a str) -> BoxFuture<'a, Sent> {
        Box::pin(self.send(direction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_so_for_certain_was_not_committed() {
        let refused = |code: &str| is_refused_commit(&Failure::Refused { code: code.to_owned(), why: String::new() });
        let known = ["23505", "40001", "40P01"].map(refused);
        assert_eq!(known, [true; 3]);
        let unknown = ["57P01", "40003", "08006", "XX000"].map(refused);
        assert_eq!(unknown, [false; 4]);
        assert!(!is_refused_commit(&Failure::Lost("gone".to_owned())));
    }
}
