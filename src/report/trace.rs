//! A run as a trace of OpenTelemetry: the run, its steps, and below those their writes, gates and pauses.
//!
//! Ids follow from the run's id and from where a span stands in it. So a run that is exported again, by a process that
//! took it up, stays one trace, and what was exported before is the same span.

use std::time::SystemTime;

use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::record::{GATE, Record, Span, TaskRecord, UNDO};
use crate::run::digest;

/// The trace of a run; none if it has not begun.
pub fn spans(record: &Record) -> Vec<SpanData> {
    let Some(began) = record.began else { return Vec::new() };
    let trace = Trace { run: &record.run, id: TraceId::from_bytes(bytes(&record.run)) };
    let status = match record.outcome.as_str() {
        "done" => Status::Ok,
        "open" => Status::Unset,
        _ => Status::error(record.headline()),
    };
    let about = vec![
        KeyValue::new("rectify.run", record.run.clone()),
        KeyValue::new("rectify.runbook", record.runbook.clone()),
        KeyValue::new("rectify.outcome", record.outcome.clone()),
        KeyValue::new("cloud.provider", "gcp"),
        KeyValue::new("cloud.account.id", record.project.clone()),
        KeyValue::new("cloud.region", record.region.clone()),
    ];
    let run = trace.span("run", SpanId::INVALID, &record.runbook, (began, record.ended), status, about);
    let root = run.span_context.span_id();
    let steps = record.tasks.chunk_by(|one, next| one.step == next.step);
    let below = steps.flat_map(|step| {
        // What is undone is undone long after: it is a span of its own.
        let undone = undone_since(step);
        let back = move |span: &&Span| undone.is_some_and(|since| span.from >= since);
        let trace = &trace;
        [false, true].into_iter().flat_map(move |is_back| trace.step(root, step, is_back, |span| back(span) == is_back))
    });
    let below: Vec<SpanData> = below.collect();
    std::iter::once(run).chain(below).collect()
}

/// When the first of these tasks began to be undone.
fn undone_since(tasks: &[TaskRecord]) -> Option<Timestamp> {
    tasks.iter().flat_map(|task| &task.spans).filter(|span| span.what == UNDO).map(|span| span.from).min()
}

struct Trace<'r> {
    run: &'r str,
    id: TraceId,
}

impl Trace<'_> {
    /// The span of a step on its way forward or back, and those below it; none if it had none.
    fn step(&self, root: SpanId, tasks: &[TaskRecord], back: bool, is_of: impl Fn(&&Span) -> bool) -> Vec<SpanData> {
        let of = |task: &TaskRecord| task.spans.iter().filter(&is_of).cloned().collect::<Vec<_>>();
        let all: Vec<Span> = tasks.iter().flat_map(of).collect();
        let whole = all.iter().map(|span| span.from).min().zip(all.iter().map(|span| span.to).max());
        let (Some(whole), Some(first)) = (whole, tasks.first()) else { return Vec::new() };
        let name = if back { format!("undo {}", first.step) } else { first.step.clone() };
        let failed = all.iter().find_map(|span| span.failed.clone());
        let about = vec![
            KeyValue::new("rectify.phase", first.phase.clone()),
            KeyValue::new("rectify.uses", first.uses.clone()),
        ];
        let step = self.span(&name, root, &name, whole, status(failed), about);
        let parent = step.span_context.span_id();
        let parts = tasks.iter().flat_map(|task| of(task).into_iter().map(move |span| (task, span)));
        let parts = parts.map(|(task, span)| {
            let place = format!("{}/{}/{}", task.id, span.what, span.from);
            let resource = task.resource.as_ref().filter(|_| span.what != GATE);
            let name = resource.map_or_else(|| span.what.to_owned(), |resource| format!("{} {resource}", span.what));
            let about = [
                Some(KeyValue::new("rectify.task", task.id.clone())),
                span.operation.clone().map(|operation| KeyValue::new("rectify.operation", operation)),
            ];
            let about = about.into_iter().flatten().collect();
            self.span(&place, parent, &name, (span.from, span.to), status(span.failed), about)
        });
        let parts: Vec<SpanData> = parts.collect();
        std::iter::once(step).chain(parts).collect()
    }

    fn span(
        &self,
        place: &str,
        parent: SpanId,
        name: &str,
        (from, to): (Timestamp, Timestamp),
        status: Status,
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        let id = SpanId::from_bytes(bytes(&format!("{}/{place}", self.run)));
        SpanData {
            span_context: SpanContext::new(self.id, id, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.to_owned().into(),
            start_time: SystemTime::from(from),
            end_time: SystemTime::from(to),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: InstrumentationScope::builder("rectify")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }
}

fn status(failed: Option<String>) -> Status {
    failed.map_or(Status::Unset, Status::error)
}

/// The first bytes of the SHA-256 of a text.
fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let hex = digest(text.as_bytes());
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = hex.get(2 * place..2 * place + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).unwrap_or_default();
    }
    bytes
}
