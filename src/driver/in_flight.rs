//! Looks that are under way, each in its own time.
//!
//! A gate's probes and the guards keep schedules of their own: one that takes long must not hold up another. So a look
//! outlives the batch that asked for it. It goes on while the next batches still want it, and is dropped when none does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};

use crate::clock::Clock;
use crate::gate::Observation;
use crate::probe::Observer;
use crate::run::{TaskId, View};

/// For whom a probe is looked through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watcher {
    /// The gate of a task.
    Gate(TaskId),
    /// A guard.
    Guard,
}

/// A look that has ended. While it is kept, its line of work counts as busy: whoever waited for it has the time to say
/// that it is.
pub(super) struct Ended {
    pub(super) watcher: Watcher,
    pub(super) probe: String,
    pub(super) observation: Observation,
    _busy: Option<Box<dyn Send + Sync>>,
}

/// All that are under way.
#[derive(Default)]
pub struct ProbesInFlight {
    under_way: FuturesUnordered<LocalBoxFuture<'static, Ended>>,
    keys: BTreeSet<(Watcher, String)>,
}

impl ProbesInFlight {
    /// Begins those of these that are not under way, and drops all others.
    pub(super) fn want(
        &mut self,
        wanted: Vec<(Watcher, String)>,
        view: &View,
        probes: &Arc<Observer>,
        clock: &Arc<dyn Clock>,
    ) {
        let wanted: BTreeSet<(Watcher, String)> = wanted.into_iter().collect();
        if !self.keys.is_subset(&wanted) {
            // Those that are still wanted begin anew: it is rare, and nothing that was seen is lost by it.
            *self = ProbesInFlight::default();
        }
        for (watcher, probe) in wanted.difference(&self.keys).cloned() {
            let candidate = match &watcher {
                Watcher::Gate(task) => view.task(task).and_then(|view| view.task.candidate.clone()),
                Watcher::Guard => None,
            };
            let (probes, busy) = (probes.clone(), clock.beside());
            let look = async move {
                let observation = match &candidate {
                    Some(candidate) => probes.observe_candidate(&probe, candidate).await,
                    None => probes.observe(&probe).await,
                };
                Ended { watcher, probe, observation, _busy: Some(busy) }
            };
            self.under_way.push(look.boxed_local());
        }
        self.keys = wanted;
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Lets all of them go on; those that have ended since.
    fn poll(&mut self, context: &mut Context<'_>) -> Vec<Ended> {
        let mut ended = Vec::new();
        while let Poll::Ready(Some(one)) = self.under_way.poll_next_unpin(context) {
            self.keys.remove(&(one.watcher.clone(), one.probe.clone()));
            ended.push(one);
        }
        ended
    }

    /// The next to end; at least one.
    pub(super) async fn next(&mut self) -> Vec<Ended> {
        std::future::poll_fn(|context| match self.poll(context) {
            ended if ended.is_empty() => Poll::Pending,
            ended => Poll::Ready(ended),
        })
        .await
    }

    /// Does other work and lets them go on meanwhile; what came of it, and those that have ended.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> (T, Vec<Ended>) {
        let mut work = std::pin::pin!(work);
        let mut ended = Vec::new();
        let done = std::future::poll_fn(|context| {
            // That work goes on whether they have ended or not, and may itself need time to pass.
            ended.extend(self.poll(context).into_iter().map(|one| Ended { _busy: None, ..one }));
            work.as_mut().poll(context)
        });
        let done = done.await;
        (done, ended)
    }
}
