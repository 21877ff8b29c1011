//! What an operator may answer: only what the engine would accept, and what would do something.

use jiff::Timestamp;

use super::machine::Run;
use crate::run::{Choice, Entry, Event, Question, Task};

impl Run {
    /// The answers to a question that are possible now, in the order in which they are offered. The first one of a
    /// failure or an interruption is the default.
    pub fn offers(&self, question: &Question, now: Timestamp) -> Vec<Choice> {
        let candidates: &[Choice] = match question {
            Question::Apply { .. } => &[Choice::Yes, Choice::No, Choice::Skip, Choice::AllInPhase, Choice::Rollback],
            Question::Confirm { .. } => &[Choice::Yes, Choice::No, Choice::Skip, Choice::Rollback],
            Question::TookEffect { .. } => &[Choice::Unknown, Choice::No, Choice::Yes],
            Question::Irreversible { .. } | Question::Restore { .. } | Question::Doubt { .. } => {
                &[Choice::Yes, Choice::No]
            }
            // There is nothing to stop any more.
            Question::Failed { .. } if self.is_in_finally() => &[Choice::Continue, Choice::Retry],
            Question::Failed { .. } | Question::Interrupted { .. } => {
                &[Choice::Stop, Choice::Retry, Choice::Continue, Choice::Rollback]
            }
        };
        let is_possible = |choice: &Choice| match choice {
            Choice::Rollback => self.answered(question, *choice, now).is_some_and(|turned| turned.has_to_undo()),
            Choice::AllInPhase => self.approves_others(question),
            Choice::Yes
            | Choice::No
            | Choice::Unknown
            | Choice::Retry
            | Choice::Continue
            | Choice::Stop
            | Choice::Skip => self.answered(question, *choice, now).is_some(),
        };
        candidates.iter().copied().filter(is_possible).collect()
    }

    /// A copy of the run in which the question was answered so; `None` if the engine does not accept that.
    pub fn answered(&self, question: &Question, choice: Choice, now: Timestamp) -> Option<Run> {
        let (question, by) = (question.clone(), String::new());
        let event = Event::Answered { question, choice, by, reason: None, visible: None };
        let mut copy = self.clone();
        copy.apply(&Entry { at: now, event }).ok().map(|()| copy)
    }

    /// Whether a rollback has anything to do.
    pub fn has_to_undo(&self) -> bool {
        !self.undo().is_empty() || !self.in_flight().is_empty() || !self.unclear_changes().is_empty()
    }

    /// Whether another ordinary change of the same phase is still to come.
    fn approves_others(&self, question: &Question) -> bool {
        let Question::Apply { task } = question else { return false };
        let Some(place) = self.tasks.iter().position(|other| other.id == *task) else { return false };
        let phase = &self.tasks[place].phase;
        self.tasks[place + 1..].iter().any(|other| other.phase == *phase && is_ordinary(other))
    }
}

/// Whether the task would be asked about as one change of many.
fn is_ordinary(task: &Task) -> bool {
    let is_spoken_for = task.message.is_some() || task.confirm.is_some() || task.back_for.is_some();
    task.change.is_some() && !task.reversibility.is_irreversible() && !is_spoken_for
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::Effect;
    use crate::run::{Change, Ending, OnFailure, OpId, Reversibility, TaskId, Way};

    fn task(name: &str, phase: &str) -> Task {
        let resource = format!("k/p/r/{name}").parse().unwrap();
        Task {
            change: Some(Change { resource, from: json!({"size": 0}), to: json!({"size": 1}) }),
            ..Task::idle(TaskId::of_step(name), phase, "u", OnFailure::Ask)
        }
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn take(run: &mut Run, event: Event) {
        run.apply(&Entry { at: NOW, event }).unwrap();
    }

    fn asked(run: &Run) -> Question {
        match run.next(NOW).as_slice() {
            [Effect::Ask(question)] => question.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn answer(run: &mut Run, choice: Choice) {
        *run = run.answered(&asked(run), choice, NOW).unwrap();
    }

    fn apply(run: &mut Run) {
        let Question::Apply { task } = asked(run) else { panic!("no change is asked about") };
        answer(run, Choice::Yes);
        let op = OpId { task, way: Way::Apply };
        take(run, Event::Intended { op: op.clone() });
        take(run, Event::StateObserved { op, seen: json!({"size": 1}) });
    }

    fn offers(run: &Run) -> Vec<Choice> {
        run.offers(&asked(run), NOW)
    }

    #[test]
    fn nothing_applied_is_not_rolled_back_and_the_last_change_of_a_phase_is_not_one_of_many() {
        let mut run = Run::new(vec![task("a", "one"), task("b", "one"), task("c", "two")]);
        assert_eq!(offers(&run), [Choice::Yes, Choice::No, Choice::Skip, Choice::AllInPhase]);
        apply(&mut run);
        assert_eq!(offers(&run), [Choice::Yes, Choice::No, Choice::Skip, Choice::Rollback]);
        apply(&mut run);
        assert_eq!(offers(&run), [Choice::Yes, Choice::No, Choice::Skip, Choice::Rollback]);
    }

    #[test]
    fn the_rest_of_a_step_is_left_out_with_what_it_is_built_on_and_the_ending_lists_all_of_it() {
        let mut run = Run::new(vec![task("deploy/revision", "one"), task("deploy/shift-10", "one"), task("b", "one")]);
        answer(&mut run, Choice::Skip);
        apply(&mut run);
        let Some(Effect::End(Ending::Done { skipped, .. })) = run.next(NOW).pop() else { panic!("it has not ended") };
        assert_eq!(skipped, [TaskId::of_step("deploy/revision"), TaskId::of_step("deploy/shift-10")]);
    }

    #[test]
    fn what_wants_its_own_word_is_no_other_change_of_the_phase() {
        let irreversible =
            Task { reversibility: Reversibility::Irreversible { why: "grows".to_owned() }, ..task("b", "one") };
        let confirmed = Task { confirm: Some("really?".to_owned()), ..task("c", "one") };
        let proof = Task { change: None, ..task("d", "one") };
        let mut run = Run::new(vec![task("a", "one"), irreversible, confirmed, proof]);
        assert_eq!(offers(&run), [Choice::Yes, Choice::No, Choice::Skip]);
        apply(&mut run);
        assert_eq!(offers(&run), [Choice::Yes, Choice::No]);
        answer(&mut run, Choice::Skip);
        assert_eq!(offers(&run), [Choice::Yes, Choice::No, Choice::Skip, Choice::Rollback]);
    }

    #[test]
    fn an_irreversible_change_alone_is_nothing_to_roll_back() {
        let irreversible =
            Task { reversibility: Reversibility::Irreversible { why: "grows".to_owned() }, ..task("a", "one") };
        let mut run = Run::new(vec![irreversible, task("b", "one")]);
        let Question::Irreversible { task, .. } = asked(&run) else { panic!() };
        answer(&mut run, Choice::Yes);
        let op = OpId { task, way: Way::Apply };
        take(&mut run, Event::Intended { op: op.clone() });
        take(&mut run, Event::StateObserved { op, seen: json!({"size": 1}) });
        assert_eq!(offers(&run), [Choice::Yes, Choice::No, Choice::Skip]);
    }

    #[test]
    fn after_a_failure_only_what_helps_is_offered() {
        use crate::run::{PreconditionResult, Refusal};
        let mut run = Run::new(vec![task("a", "one"), task("b", "one")]);
        let wanted =
            crate::run::Preconditions { healthy: vec!["p".to_owned()], ..crate::run::Preconditions::default() };
        let mut unmet = Run::new(vec![Task { require: Some(wanted), ..task("a", "one") }]);
        let found =
            PreconditionResult::Unmet { why: "it is well".to_owned(), evidence: std::collections::BTreeMap::new() };
        take(&mut unmet, Event::PreconditionsChecked { task: TaskId::of_step("a"), found });
        assert_eq!(offers(&unmet).first(), Some(&Choice::Stop));
        assert!(!offers(&unmet).contains(&Choice::Rollback));

        let drifted = Refusal::Drifted { now: json!({"size": 7}) };
        answer(&mut run, Choice::Yes);
        let op = OpId { task: TaskId::of_step("a"), way: Way::Apply };
        take(&mut run, Event::Intended { op: op.clone() });
        take(&mut run, Event::Refused { op, refusal: drifted });
        let Question::Failed { retry, .. } = asked(&run) else { panic!() };
        assert_eq!(offers(&run).contains(&Choice::Retry), retry);
        assert!(!offers(&run).contains(&Choice::Rollback));
    }
}
