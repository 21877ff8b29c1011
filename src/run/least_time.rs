//! How long work takes at least: its gates and its pauses. How long an operation takes nobody promises, so it counts nothing.

use std::time::Duration;

use super::task::Task;
use crate::gate::GateRule;

impl Task {
    /// How long it takes at least, from its beginning.
    pub fn least_time(&self) -> Duration {
        if self.is_not_run() || self.back_for.is_some() {
            return Duration::ZERO;
        }
        let gate = self.gate.as_ref().map(GateRule::least_time).unwrap_or_default();
        self.pause.unwrap_or_default().saturating_add(gate)
    }
}

/// How long tasks take together, each of which takes at least so long. Those of a fan-out share its lanes: all of them take no
/// less than the longest one, and no less than a lane's part of the sum.
pub fn least_time<'a>(tasks: impl IntoIterator<Item = (&'a Task, Duration)>) -> Duration {
    let (mut all, mut step) = (Duration::ZERO, FanOut::default());
    for (task, least) in tasks {
        if step.name != Some(task.id.step()) {
            all = all.saturating_add(step.least_time());
            step = FanOut { name: Some(task.id.step()), ..FanOut::default() };
        }
        step.lanes = task.max_parallel.max(1);
        step.sum = step.sum.saturating_add(least);
        step.longest = step.longest.max(least);
    }
    all.saturating_add(step.least_time())
}

/// The tasks of one step.
#[derive(Default)]
struct FanOut<'a> {
    name: Option<&'a str>,
    lanes: u32,
    sum: Duration,
    longest: Duration,
}

impl FanOut<'_> {
    fn least_time(&self) -> Duration {
        self.longest.max(self.sum / self.lanes.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{OnFailure, TaskId};

    fn task(step: &str, item: &str, max_parallel: u32) -> Task {
        let idle = Task::idle(TaskId::part(step, item), "all", "probe", OnFailure::Ask);
        let minute = Duration::from_mins(1);
        let gate = GateRule::of(vec!["a".to_owned()], 2 * minute, Duration::from_secs(5), 20 * minute);
        Task { gate: Some(gate), max_parallel, ..idle }
    }

    fn minutes(tasks: &[Task]) -> u64 {
        least_time(tasks.iter().map(|task| (task, task.least_time()))).as_secs() / 60
    }

    #[test]
    fn gates_and_pauses_come_one_after_another_and_a_fan_out_shares_its_lanes() {
        assert_eq!(minutes(&[]), 0);
        assert_eq!(minutes(&[task("one", "x", 1), task("two", "x", 0)]), 4);
        let pause = Task { pause: Some(Duration::from_mins(3)), gate: None, ..task("rest", "x", 0) };
        assert_eq!(minutes(&[task("one", "x", 1), pause]), 5);
        let fan_out: Vec<Task> = ["a", "b", "c", "d"].iter().map(|item| task("each", item, 2)).collect();
        assert_eq!(minutes(&fan_out), 4);
        assert_eq!(minutes(&[&fan_out[..], &[task("one", "x", 1)]].concat()), 6);
        let wide: Vec<Task> = ["a", "b"].iter().map(|item| task("each", item, 9)).collect();
        assert_eq!(minutes(&wide), 2, "no less than the longest");
    }
}
