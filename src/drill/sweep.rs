//! Works many paths at once: each worker has a simulated cloud and clients of its own, and takes the next path that nobody has.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::fault::Path;
use super::prepared::{DrillError, Prepared};
use super::result::PathResult;

/// Works these paths, and says after each how many are done. The results come in the order of the paths.
///
/// # Errors
/// If a worker cannot begin, or a path cannot be worked at all; the first of these.
pub fn sweep(
    prepared: &Prepared,
    paths: &[Path],
    workers: NonZeroUsize,
    progress: impl Fn(usize) + Sync,
) -> Result<Vec<PathResult>, DrillError> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<(usize, PathResult)>> = Mutex::new(Vec::with_capacity(paths.len()));
    let work = || -> Result<(), DrillError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let worked = runtime.map_err(DrillError::Runtime)?.block_on(async {
            let bench = prepared.bench().await?;
            while let Some((place, path)) = take(&next, paths) {
                let outcome = prepared.work(&bench, path).await?;
                let result = PathResult::new(prepared, path, &outcome);
                results.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
            Ok(())
        });
        if worked.is_err() {
            // Nobody need go on.
            next.store(paths.len(), Ordering::Relaxed);
        }
        worked
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.get().min(paths.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Err(DrillError::Panicked)))
    })?;
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(place, _)| *place);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

fn take<'a>(next: &AtomicUsize, paths: &'a [Path]) -> Option<(usize, &'a Path)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    paths.get(place).map(|path| (place, path))
}
