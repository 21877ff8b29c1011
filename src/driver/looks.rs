//! Looks that are under way, each in its own time.
//!
//! A gate's probes and the guards keep schedules of their own: one that takes long must not hold up another. So a look
//! outlives the wave that asked for it. It goes on while the next waves still want it, and is dropped when none does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use crate::clock::Clock;
use crate::gate::Observation;
use crate::probe::Probes;
use crate::run::TaskId;

/// For whom a probe is looked through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum For {
    /// The gate of a task.
    Gate(TaskId),
    /// A guard.
    Guard,
}

/// A look that has ended. While it is kept, its line of work counts as busy: whoever waited for it has the time to say
/// that it is.
pub(super) struct Ended {
    pub(super) watcher: For,
    pub(super) probe: String,
    pub(super) observation: Observation,
    _busy: Box<dyn Send + Sync>,
}

type UnderWay = LocalBoxFuture<'static, (Observation, Box<dyn Send + Sync>)>;

/// All that are under way.
#[derive(Default)]
pub struct Looks(BTreeMap<(For, String), UnderWay>);

impl Looks {
    /// Begins those of these that are not under way, and drops all others.
    pub(super) fn want(&mut self, wanted: &[(For, String)], probes: &Arc<Probes>, clock: &Arc<dyn Clock>) {
        self.0.retain(|look, _| wanted.contains(look));
        for (watcher, probe) in wanted {
            self.0.entry((watcher.clone(), probe.clone())).or_insert_with(|| {
                let (probes, name, busy) = (probes.clone(), probe.clone(), clock.beside());
                async move { (probes.observe(&name).await, busy) }.boxed_local()
            });
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets all of them go on; those that have ended since.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Vec<Ended> {
        let mut ended = Vec::new();
        self.0.retain(|(watcher, probe), look| match look.poll_unpin(context) {
            Poll::Pending => true,
            Poll::Ready((observation, busy)) => {
                ended.push(Ended { watcher: watcher.clone(), probe: probe.clone(), observation, _busy: busy });
                false
            }
        });
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
            ended.extend(self.poll(context));
            work.as_mut().poll(context)
        });
        let done = done.await;
        (done, ended)
    }
}
