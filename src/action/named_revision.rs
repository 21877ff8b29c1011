//! Revisions that a runbook names by what they are: `PREVIOUS` and `LATEST_READY`.
//!
//! Both are resolved when the step is planned, to a name that the plan shows and the change has. `LATEST_READY` is the revision that
//! became ready last. `PREVIOUS` is the one to go back to after the newest rollout. Cloud Run keeps no history of a service's
//! traffic, so that it follows from the revisions that there are and from the traffic as it was observed, and only where these leave
//! one answer:
//!
//! - The newest revision has all of the traffic: the newest ready one that is older. If a tag leads to that one, it may be a
//!   preview that never had traffic, and the answer is not clear.
//! - The newest revision shares the traffic with one other: that one.
//! - The newest revision has no traffic, and the newest ready one that is older has all of it: that one. It was never ready, or
//!   was rolled back already: carrying out the same step once more changes nothing.

use serde_json::{Value, json};

use super::{Forecast, Obstacle, TaskDraft};
use crate::resource::Observable as _;
use crate::resource::revision::{self, ListState, Listed, MOST_LISTED};
use crate::resource::service::{self, Service};
use crate::resource::traffic::{self, LATEST, Split};
use crate::run::ResourceId;

/// The revision to go back to after the newest rollout.
pub(super) const PREVIOUS: &str = "PREVIOUS";

/// The revision that became ready last.
pub(super) const LATEST_READY: &str = "LATEST_READY";

/// Whether this names a revision by what it is, and not by its name.
pub(super) fn is_description(revision: &str) -> bool {
    [LATEST, LATEST_READY, PREVIOUS].contains(&revision)
}

/// What must be observed of a service so that these can be resolved.
pub(super) fn observed_for<'n>(
    service: &ResourceId,
    mut names: impl Iterator<Item = &'n str> + Clone,
) -> impl Iterator<Item = ResourceId> {
    let is_previous = names.clone().any(|name| name == PREVIOUS);
    let is_either = names.any(|name| name == PREVIOUS || name == LATEST_READY);
    let list = is_previous.then(|| revision::list_of(service));
    list.into_iter().chain(is_either.then(|| service.clone()))
}

/// A revision that was described, by its name.
pub(super) struct Resolved {
    /// Its short name.
    pub(super) name: String,
    /// Which it is and why, for whoever reads the plan.
    note: String,
}

impl Forecast<'_> {
    /// The revision of a service that is described so; `None` if that is its name.
    pub(super) fn described_revision(&mut self, service: &str, described: &str) -> Result<Option<Resolved>, Obstacle> {
        let id = self.target().resource(Service::NAME, service);
        match described {
            LATEST_READY => {
                let name = self.typed_state::<service::State>(&id)?.latest_ready_revision;
                if name.is_empty() {
                    let why = format!("no revision of {service} has become ready: there is no {LATEST_READY}");
                    return Err(Obstacle::impossible(why));
                }
                let note = format!("{LATEST_READY} is {name}");
                Ok(Some(Resolved { name, note }))
            }
            PREVIOUS => self.previous(&id).map(Some),
            _ => Ok(None),
        }
    }

    fn previous(&mut self, id: &ResourceId) -> Result<Resolved, Obstacle> {
        let service = id.name.as_str();
        let planned: service::State = self.typed_state(id)?;
        let observed = self.observed_as::<service::State>(id)?;
        if planned.revision != observed.revision {
            let why = format!(
                "{PREVIOUS} of {service}: an earlier step makes the revision {}, so that two rollouts could be meant",
                planned.revision
            );
            return Err(Obstacle::impossible(why).help("put this step before that one, or name the revision"));
        }
        // What earlier steps do to the traffic is no rollout.
        let traffic = self.observed_as::<traffic::State>(&self.traffic(service))?;
        let list = self.observed_as::<ListState>(&revision::list_of(id))?;
        let shares = traffic.split.held(&traffic.latest);
        let is_tagged = |name: &str| traffic.tags.values().any(|tagged| tagged == name);
        match previous(&list.revisions, &shares, is_tagged) {
            Ok(Found { revision: Listed { name, created, .. }, why }) => {
                let note = format!("{PREVIOUS} is {name}, created {created}: {why}");
                Ok(Resolved { name, note })
            }
            Err(why) => {
                Err(Obstacle::impossible(format!("which revision of {service} is {PREVIOUS} is not clear: {why}"))
                    .help(&format!("name it, such as {{ {} = 100 }}", example(&list.revisions, &shares))))
            }
        }
    }
}

impl Resolved {
    /// Says in a task which revision it is, and makes its change conditional on no rollout in between.
    pub(super) fn note_in(self, latest: &str, task: &mut TaskDraft) {
        task.notes.push(self.note);
        if let Some(Value::Object(from)) = task.change.as_mut().map(|change| &mut change.from) {
            from.insert("latest".to_owned(), json!(latest));
        }
    }
}

/// The revision to go back to.
struct Found {
    revision: Listed,
    /// Why it is this one.
    why: String,
}

/// Which revision of these, newest first, had the traffic before the newest rollout, if these shares leave one answer.
///
/// # Errors
/// Why they do not.
fn previous(revisions: &[Listed], shares: &Split, is_tagged: impl Fn(&str) -> bool) -> Result<Found, String> {
    let [newest, older @ ..] = revisions else { return Err("it has no revisions".to_owned()) };
    let before = older.iter().find(|revision| revision.ready);
    let serving: Vec<&str> = shares.shares().map(|(name, _)| name).collect();
    let others: Vec<&str> = serving.iter().copied().filter(|name| *name != newest.name).collect();
    let found = |revision: &Listed, why: String| Ok(Found { revision: revision.clone(), why });
    match (others.as_slice(), before) {
        ([], Some(before)) if is_tagged(&before.name) => Err(format!(
            "the ready revision before {} is {}, to which a tag leads: it may never have had traffic",
            newest.name, before.name
        )),
        ([], Some(before)) => {
            found(before, format!("the ready revision before {}, which has the traffic", newest.name))
        }
        ([], None) => Err(format!("of its newest {} no other than {} is ready", revisions.len(), newest.name)),
        ([other], _) if serving.len() == 2 => match older.iter().find(|revision| revision.name == *other) {
            Some(revision) => found(revision, format!("it shares the traffic with {}, the newest", newest.name)),
            None => Err(format!(
                "{other}, which shares the traffic with {}, is none of the newest {MOST_LISTED}",
                newest.name
            )),
        },
        ([only], Some(before)) if before.name == *only => {
            found(before, format!("it has the traffic, and {}, the newest, has none", newest.name))
        }
        ([only], _) => Err(format!(
            "{only} has the traffic, and {} are newer",
            revisions
                .iter()
                .take_while(|revision| revision.name != *only)
                .map(|revision| revision.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        )),
        (several, _) => Err(format!("the traffic is split among {}", several.join(", "))),
    }
}

/// A revision that may be meant.
fn example<'r>(revisions: &'r [Listed], shares: &Split) -> &'r str {
    let likely = revisions.iter().skip(1).find(|revision| revision.ready && shares.share(&revision.name) == 0);
    likely.or(revisions.first()).map_or("REVISION", |revision| revision.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Revisions `5` to `1`, of which these are ready.
    fn listed(ready: &[u8]) -> Vec<Listed> {
        let one = |number: u8| Listed {
            name: format!("s-{number}"),
            ready: ready.contains(&number),
            created: format!("2026-03-0{number}T00:00:00Z"),
        };
        (1..=5).rev().map(one).collect()
    }

    fn split(shares: &[(u8, i64)]) -> Split {
        Split::of(shares.iter().map(|(number, share)| (format!("s-{number}"), *share)))
    }

    fn name(ready: &[u8], shares: &[(u8, i64)]) -> Result<String, String> {
        previous(&listed(ready), &split(shares), |_| false).map(|found| found.revision.name)
    }

    #[test]
    fn the_ready_revision_before_the_newest_rollout_is_previous() {
        assert_eq!(name(&[5, 4, 3], &[(5, 100)]).unwrap(), "s-4");
        assert_eq!(name(&[5, 3], &[(5, 100)]).unwrap(), "s-3", "one that never became ready is none");
        assert_eq!(name(&[5, 4, 3], &[(5, 10), (3, 90)]).unwrap(), "s-3", "a rollout that is under way");
        assert_eq!(name(&[4, 3], &[(4, 100)]).unwrap(), "s-4", "the newest never became ready");
    }

    #[test]
    fn going_back_twice_leads_to_the_same_revision() {
        let first = name(&[5, 4, 3], &[(5, 100)]).unwrap();
        assert_eq!(name(&[5, 4, 3], &[(4, 100)]).unwrap(), first);
    }

    #[test]
    fn what_is_not_clear_is_not_guessed() {
        assert!(name(&[5, 4, 3], &[(3, 100)]).unwrap_err().contains("s-3 has the traffic, and s-5, s-4 are newer"));
        assert!(name(&[5, 4, 3], &[(5, 10), (4, 10), (3, 80)]).unwrap_err().contains("split among"));
        assert!(name(&[5, 4, 3], &[(4, 50), (3, 50)]).unwrap_err().contains("split among"));
        assert!(name(&[5], &[(5, 100)]).unwrap_err().contains("no other than s-5 is ready"));
        let tagged = previous(&listed(&[5, 4, 3]), &split(&[(5, 100)]), |name| name == "s-4");
        assert!(tagged.is_err_and(|why| why.contains("to which a tag leads")));
        assert!(previous(&[], &split(&[(1, 100)]), |_| false).is_err());
    }
}
