//! Works many paths at once: each worker has a simulated cloud and clients of its own, and takes the next path that nobody has.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::fault::{Path, Then};
use super::prepared::{DrillError, Prepared};
use super::result::{EndState, PathResult};

/// Paths from the same place are no farther from each other than this.
const NEAR: usize = Then::ALL.len();

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
    let mut results: Vec<PathResult> = results.into_iter().map(|(_, result)| result).collect();
    judge_nights(paths, &mut results);
    Ok(results)
}

/// A run that is resumed the next day ends no worse than one that is resumed at once: nobody worked on it meanwhile, so the
/// time between counts for nothing.
fn judge_nights(paths: &[Path], results: &mut [PathResult]) {
    for later in 0..paths.len().min(results.len()) {
        if paths[later].then != Then::ResumeTomorrow {
            continue;
        }
        let at_once = Path { then: Then::Resume, ..paths[later].clone() };
        // They are neighbours; with only some of the paths there may be none.
        let Some(at_once) = (later.saturating_sub(NEAR)..later).find(|place| paths[*place] == at_once) else {
            continue;
        };
        let (now, tomorrow) = (results[at_once].outcome, results[later].outcome);
        if now < tomorrow && tomorrow != EndState::Wrong {
            let (now, tomorrow) = (now.words(), tomorrow.words());
            results[later].find_wrong(format!("resumed 15 h later it is {tomorrow}, and resumed at once {now}"));
        }
    }
}

fn take<'a>(next: &AtomicUsize, paths: &'a [Path]) -> Option<(usize, &'a Path)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    paths.get(place).map(|path| (place, path))
}
