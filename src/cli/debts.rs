//! `rectify debts`: what runs have left behind, and which of it still stands.

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::cloud::Connection;
use super::console::Console;
use super::exit::{Exit, Trouble};
use crate::clock::words;
use crate::inert::inert;
use crate::journal::{Directory, State};
use crate::plan::{Debt, Plan};
use crate::run::{Entry, Event, TaskId, View, covers};

#[derive(Args)]
pub(super) struct Arguments {
    /// Do not look at the clouds; say only what was left
    #[arg(long)]
    offline: bool,
}

/// A debt of a run, and since when it stands.
struct Owed {
    run: String,
    since: Timestamp,
    debt: Debt,
    /// What the run left the resource at.
    left: serde_json::Value,
}

pub(super) async fn debts(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let (mut standing, mut expired) = (0, 0);
    for directory in state.list() {
        let owed = owed(&directory);
        if owed.is_empty() {
            continue;
        }
        let since = owed.first().map(|owed| owed.since).unwrap_or_default();
        let connection = if arguments.offline { None } else { Some(Connection::look_back(&directory, since).await?) };
        for one in &owed {
            let (now, stands) = match &connection {
                None => (None, Ok(true)),
                Some(connection) => {
                    let seen = connection.kinds.observe(&one.debt.resource).await;
                    let stands = seen.map(|seen| covers(&seen.state, &one.left));
                    (Some(connection.clock.now()), stands.map_err(|error| error.to_string()))
                }
            };
            let due = one.since.checked_add(SignedDuration::try_from(one.debt.within).unwrap_or_default());
            let due = due.unwrap_or(Timestamp::MAX);
            let is_expired = now.is_some_and(|now| now > due);
            let word = match &stands {
                Ok(false) => "paid",
                Ok(true) if now.is_none() => "not looked at",
                Ok(true) if is_expired => "EXPIRED",
                Ok(true) => "stands",
                Err(_) => "unknown",
            };
            if !matches!(stands, Ok(false)) {
                standing += 1;
                expired += u32::from(is_expired);
            }
            console.out(&told(one, word, due, stands.err().as_deref()));
        }
        if let Some(connection) = connection {
            connection.close().await?;
        }
    }
    console.out(&match (standing, expired) {
        (0, _) => "no run has left anything behind that still stands\n".to_owned(),
        (count, 0) => format!("{count} stand, none is overdue\n"),
        (count, expired) => format!("{count} stand, {expired} are overdue\n"),
    });
    Ok(if expired > 0 { Exit::Failed } else { Exit::Done })
}

fn told(owed: &Owed, word: &str, due: Timestamp, unknown: Option<&str>) -> String {
    let Owed { run, debt, .. } = owed;
    let unknown = unknown.map(|why| format!("\n      it cannot be looked at: {}", inert(why))).unwrap_or_default();
    format!(
        "{word}  {} {}: {}\n      run {run}, {}, due {} (within {}){unknown}\n      how: {}\n",
        inert(&debt.resource.kind),
        inert(&debt.resource.name),
        inert(&debt.what),
        debt.by(),
        due.strftime("%Y-%m-%d %H:%M UTC"),
        words(debt.within),
        inert(&debt.payment)
    )
}

/// What a run that ended left behind, and did not undo.
fn owed(directory: &Directory) -> Vec<Owed> {
    let (Ok(read), Ok(plan)) = (directory.read(), directory.kept(super::session::PLAN)) else { return Vec::new() };
    let Ok(plan) = serde_json::from_slice::<Plan>(&plan) else { return Vec::new() };
    let Some(Entry { at, event: Event::Ended { .. } }) = read.entries.last() else { return Vec::new() };
    let view = View::of(&plan.work(), &read.entries);
    let is_in_force = |id: &TaskId| {
        let task = view.task(id);
        task.is_some_and(|task| task.seen.is_some() && task.standing != crate::run::Standing::Undone)
    };
    let debts = plan.debts_of(is_in_force).into_iter();
    debts
        .filter_map(|debt| {
            let change = plan.tasks.iter().find(|task| task.id == debt.task)?.change.as_ref()?;
            Some(Owed { run: directory.id(), since: *at, left: change.to.clone(), debt })
        })
        .collect()
}
