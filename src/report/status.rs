//! What is going on right now, as the fields of one line. A line that is too long loses whole fields, the least important
//! first: a figure that is cut in its middle reads as another one.

use std::time::Duration;

use crate::clock::{between, format_duration, format_minutes};
use crate::gate::{Counting, Gate, GateVerdict};
use crate::inert::inert;
use crate::redact;
use crate::run::{TaskStatus, TaskView, View, Way};

/// Between two fields.
const SEPARATOR: &str = " · ";

/// How much a field matters: the line loses the last first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Step,
    State,
    Trouble,
    Samples,
    Left,
    Others,
    Latency,
    Budget,
    Help,
}

#[derive(Clone, Debug)]
struct StatusField {
    weight: Weight,
    text: String,
    /// What says the most important part of it, if there is no room for all.
    short: Option<String>,
}

/// What is going on right now. Its text is inert and has no secrets.
#[derive(Clone, Debug)]
pub struct StatusLine {
    /// In the order in which they are shown.
    fields: Vec<StatusField>,
}

impl StatusLine {
    /// What is going on in the run; `None` if nothing is.
    pub fn of(view: &View) -> Option<StatusLine> {
        if view.ending.is_some() || view.stopped_by.is_some() {
            return None;
        }
        let mut going_on = view.tasks.iter().filter(|task| state(task, view).is_some());
        let task = going_on.next()?;
        let mut line = StatusLine { fields: Vec::new() };
        let id = inert(task.task.id.as_str());
        match view.number(&task.task.id).filter(|_| is_forward(task)) {
            Some((number, all)) => {
                line.push_or(Weight::Step, format!("[{number}/{all}] {id}"), Some(format!("[{number}/{all}]")));
            }
            None => line.push(Weight::Step, id),
        }
        line.push(Weight::State, state(task, view)?);
        if let TaskStatus::GateOpen(gate) | TaskStatus::UndoGateOpen(gate) = &task.status {
            line.gate(gate);
        }
        let others = going_on.count();
        if others > 0 {
            line.push(Weight::Others, format!("{others} more at once"));
        }
        if is_forward(task) {
            line.budget(view, &task.task.phase);
            line.push(Weight::Left, format!("at least {} left", format_minutes(view.least_time_left())));
        }
        line.push(Weight::Help, "Ctrl-C pauses".to_owned());
        Some(line)
    }

    fn push(&mut self, weight: Weight, text: String) {
        self.push_or(weight, text, None);
    }

    fn push_or(&mut self, weight: Weight, text: String, short: Option<String>) {
        self.fields.push(StatusField { weight, text: redact::text(text), short: short.map(redact::text) });
    }

    fn gate(&mut self, gate: &Gate) {
        let progress = gate.progress();
        if let Some((probe, why)) = &progress.trouble {
            let probe = inert(probe);
            self.push_or(Weight::Trouble, format!("{probe}: {}", inert(why)), Some(format!("{probe} fails")));
        }
        if let Some(Counting { counted, needed, .. }) = progress.counting {
            self.push(Weight::Samples, format!("{counted} of {needed} samples"));
        }
        if let Some(p95) = progress.latency.and_then(|latency| latency.p95) {
            self.push(Weight::Latency, format!("p95 {}", format_duration(p95)));
        }
    }

    fn budget(&mut self, view: &View, phase: &str) {
        let began = view.tasks.iter().filter(|task| task.task.phase == phase).filter_map(|task| task.since).min();
        if let Some((budget, began)) = view.budgets.get(phase).zip(began) {
            let spent = between(began, view.now);
            self.push(Weight::Budget, format!("phase {} of {}", format_minutes(spent), format_duration(*budget)));
        }
    }

    /// As much of it as fits into so many columns; of the step there is always something.
    pub fn fit(&self, columns: usize) -> String {
        let mut fields = self.fields.clone();
        loop {
            let text = fields.iter().map(|field| field.text.as_str()).collect::<Vec<_>>().join(SEPARATOR);
            let last = fields.iter().enumerate().max_by_key(|(_, field)| field.weight).map(|(place, _)| place);
            let Some(place) = last.filter(|_| console::measure_text_width(&text) > columns) else { return text };
            let Some(field) = fields.get_mut(place) else { return text };
            match field.short.take() {
                Some(short) => field.text = short,
                None if field.weight == Weight::Step => return text,
                None => drop(fields.remove(place)),
            }
        }
    }
}

/// Whether the run goes forward with this task.
fn is_forward(task: &TaskView) -> bool {
    let is_undo = matches!(
        task.status,
        TaskStatus::Writing { way: Way::Undo, .. }
            | TaskStatus::InDoubt { way: Way::Undo }
            | TaskStatus::UndoGateOpen(_)
    );
    !is_undo
}

/// What goes on with a task; `None` if nothing does.
fn state(task: &TaskView, view: &View) -> Option<String> {
    let since = task.since.map(|since| between(since, view.now)).unwrap_or_default();
    let spent = format_duration(since);
    Some(match &task.status {
        TaskStatus::Writing { way: Way::Apply, .. } => format!("applying, {spent}"),
        TaskStatus::Writing { way: Way::Undo, .. } => format!("rolling back, {spent}"),
        TaskStatus::Pausing => match task.task.pause {
            Some(pause) => format!("waiting {spent} of {}", format_duration(pause)),
            None => format!("waiting {spent}"),
        },
        TaskStatus::InDoubt { .. } => format!("outcome unknown, observing, {spent}"),
        TaskStatus::GateOpen(gate) | TaskStatus::UndoGateOpen(gate) => match gate.verdict(view.now) {
            GateVerdict::Open => gate_state(gate),
            GateVerdict::Passed(_) | GateVerdict::Failed { .. } => "gate: evaluating".to_owned(),
        },
        TaskStatus::Waiting
        | TaskStatus::Applied
        | TaskStatus::Skipped
        | TaskStatus::NotRun
        | TaskStatus::Done { .. }
        | TaskStatus::Failed
        | TaskStatus::Undone
        | TaskStatus::NotRolledBack => return None,
    })
}

fn gate_state(gate: &Gate) -> String {
    let progress = gate.progress();
    if progress.needed == Duration::ZERO {
        return "gate: not healthy yet".to_owned();
    }
    format!("gate {} of {}", format_duration(progress.healthy_for), format_duration(progress.needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> StatusLine {
        let field = |weight, text: &str, short: Option<&str>| StatusField {
            weight,
            text: text.to_owned(),
            short: short.map(str::to_owned),
        };
        StatusLine {
            fields: vec![
                field(Weight::Step, "[3/9] deploy-auth", Some("[3/9]")),
                field(Weight::State, "gate 2m 8s of 5m", None),
                field(Weight::Trouble, "auth: no answer within 10s", Some("auth fails")),
                field(Weight::Samples, "28 of 101 samples", None),
                field(Weight::Latency, "p95 60ms", None),
                field(Weight::Budget, "phase 2m of 2h", None),
                field(Weight::Left, "at least 39 min left", None),
                field(Weight::Help, "Ctrl-C pauses", None),
            ],
        }
    }

    #[test]
    fn a_narrow_line_loses_whole_fields_the_least_important_first() {
        let full = line().fit(200);
        let whole: Vec<&str> = full.split(SEPARATOR).collect();
        assert_eq!(whole.len(), 8);
        for columns in 0..full.len() {
            let fitted = line().fit(columns);
            let is_short = console::measure_text_width(&fitted) <= columns;
            assert!(is_short || fitted == "[3/9]", "{columns}: {fitted}");
            for field in fitted.split(SEPARATOR) {
                assert!(whole.contains(&field) || ["[3/9]", "auth fails"].contains(&field), "{columns}: {field:?}");
            }
        }
        assert_eq!(
            line().fit(120),
            "[3/9] deploy-auth · gate 2m 8s of 5m · auth: no answer within 10s · 28 of 101 samples · p95 60ms · at least 39 min left"
        );
        assert_eq!(line().fit(78), "[3/9] deploy-auth · gate 2m 8s of 5m · auth: no answer within 10s");
        assert_eq!(line().fit(58), "[3/9] deploy-auth · gate 2m 8s of 5m · auth fails");
        assert_eq!(line().fit(30), "[3/9] deploy-auth");
    }
}
