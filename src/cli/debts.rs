//! `rectify debts`: what runs have left behind, and which of it still stands.

use std::fmt::Write as _;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::cloud::{Connection, Realm};
use super::console::Console;
use super::exit::{CliError, Exit};
use crate::clock::format_duration;
use crate::inert::inert;
use crate::journal::{Directory, OpenError, State};
use crate::plan::{Debt, Plan};
use crate::run::{Entry, Event, TaskId, View, covers};

#[derive(Args)]
pub(super) struct Arguments {
    /// Do not look at the clouds; say only what was left
    #[arg(long)]
    offline: bool,

    /// Only what rehearsals left behind; it counts then
    #[arg(long)]
    sim: bool,
}

/// A debt of a run, and since when it stands.
struct Owed {
    run: String,
    since: Timestamp,
    debt: Debt,
    /// What the run left the resource at.
    left: serde_json::Value,
}

/// What was counted.
#[derive(Clone, Copy, Default)]
struct Count {
    standing: u32,
    expired: u32,
    /// Runs whose record cannot be read.
    unreadable: u32,
}

pub(super) async fn debts(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let (rehearsals, runs): (Vec<Directory>, Vec<Directory>) =
        state.list().into_iter().partition(|run| Realm::of(run) == Realm::Rehearsal);
    let counted = if arguments.sim { &rehearsals } else { &runs };
    let (text, count) = survey(counted, arguments).await?;
    console.out(&text);
    console.out(&summary(count));
    if !arguments.sim {
        let (text, count) = survey(&rehearsals, arguments).await?;
        if !text.is_empty() {
            console
                .out(&format!("\nRehearsals, which do not count here (--sim counts them)\n{text}{}", summary(count)));
        }
    }
    Ok(if count.expired > 0 || count.unreadable > 0 { Exit::Failed } else { Exit::Done })
}

fn summary(count: Count) -> String {
    let unreadable = match count.unreadable {
        0 => String::new(),
        1 => ", and 1 run's record cannot be read".to_owned(),
        several => format!(", and {several} runs' records cannot be read"),
    };
    match (count.standing, count.expired) {
        (0, _) => format!("no run has open follow-ups{unreadable}\n"),
        (standing, 0) => format!("{standing} open, none overdue{unreadable}\n"),
        (standing, expired) => format!("{standing} open, {expired} overdue{unreadable}\n"),
    }
}

/// What these runs left behind, in words and counted.
async fn survey(runs: &[Directory], arguments: &Arguments) -> Result<(String, Count), CliError> {
    let (mut text, mut count) = (String::new(), Count::default());
    for directory in runs {
        let owed = match owed(directory) {
            Ok(owed) => owed,
            Err(error) => {
                count.unreadable += 1;
                let _ = writeln!(text, "unknown  run {}: {}", directory.id(), inert(&error.to_string()));
                continue;
            }
        };
        let Some(since) = owed.first().map(|owed| owed.since) else { continue };
        let connection =
            if arguments.offline { Ok(None) } else { Connection::look_back(directory, since).await.map(Some) };
        let (connection, silent) = match connection {
            Ok(connection) => (connection, None),
            // A simulated cloud that is not served any more says nothing; Google always should.
            Err(trouble) if Realm::of(directory) == Realm::Served => (None, Some(trouble.message)),
            Err(trouble) => return Err(trouble),
        };
        for one in &owed {
            let (now, stands) = match (&connection, &silent) {
                (Some(connection), _) => {
                    let seen = connection.kinds.observe(&one.debt.resource).await;
                    let stands = seen.map(|seen| covers(&seen.state, &one.left));
                    (Some(connection.clock.now()), stands.map_err(|error| error.to_string()))
                }
                (None, Some(silent)) => (None, Err(silent.clone())),
                (None, None) => (None, Ok(true)),
            };
            let due = one.since.checked_add(SignedDuration::try_from(one.debt.within).unwrap_or_default());
            let due = due.unwrap_or(Timestamp::MAX);
            let is_expired = now.is_some_and(|now| now > due);
            let word = match &stands {
                Ok(false) => "done",
                Ok(true) if now.is_none() => "not checked",
                Ok(true) if is_expired => "OVERDUE",
                Ok(true) => "open",
                Err(_) => "unknown",
            };
            if !matches!(stands, Ok(false)) {
                count.standing += 1;
                count.expired += u32::from(is_expired);
            }
            text += &told(one, word, due, stands.err().as_deref());
        }
        if let Some(connection) = connection {
            connection.close().await?;
        }
    }
    Ok((text, count))
}

fn told(owed: &Owed, word: &str, due: Timestamp, unknown: Option<&str>) -> String {
    let Owed { run, debt, .. } = owed;
    let unknown = unknown.map(|why| format!("\n      it cannot be observed: {}", inert(why))).unwrap_or_default();
    format!(
        "{word}  {} {}: {}\n      run {run}, {}, due {} (within {}){unknown}\n      how: {}\n",
        inert(&debt.resource.kind),
        inert(&debt.resource.name),
        inert(&debt.what),
        debt.by(),
        due.strftime("%Y-%m-%d %H:%M UTC"),
        format_duration(debt.within),
        inert(&debt.payment)
    )
}

/// What a run that ended left behind, and did not undo.
fn owed(directory: &Directory) -> Result<Vec<Owed>, OpenError> {
    let (read, plan) = (directory.read()?, directory.kept(super::session::PLAN)?);
    let Ok(plan) = serde_json::from_slice::<Plan>(&plan) else { return Ok(Vec::new()) };
    let Some(Entry { at, event: Event::Ended { .. } }) = read.entries.last() else { return Ok(Vec::new()) };
    let work = plan.work();
    let view = View::of(&work, &read.entries);
    let is_charged = |id: &TaskId| view.task(id).is_some_and(|task| task.change_status().may_be_applied());
    let debts = plan.debts_of(is_charged).into_iter();
    debts
        .filter_map(|debt| {
            let change = work.tasks.iter().find(|task| task.id == debt.task)?.change.as_ref()?;
            Some(Owed { run: directory.id(), since: *at, left: change.to.clone(), debt })
        })
        .map(Ok)
        .collect()
}
