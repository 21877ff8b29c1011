//! Pictures of a run, as SVG: its timeline, and what each gate saw.

use std::collections::{BTreeMap, BTreeSet};

use plotters::coord::Shift;
use plotters::prelude::*;

use super::html::safe;
use super::record::{GateRecord, PAUSE, Record, UNDO as BACK, WRITE as FORWARD};
use crate::clock::between;

/// Colours that can be told apart on a dark page and on a light one.
const WRITE: RGBColor = RGBColor(58, 124, 220);
const GATE: RGBColor = RGBColor(46, 160, 90);
const UNDO: RGBColor = RGBColor(214, 130, 30);
const TROUBLE: RGBColor = RGBColor(220, 60, 70);
const SOFT: RGBColor = RGBColor(130, 140, 150);

/// A series of each of these colours, over and over.
const SERIES: [RGBColor; 5] = [
    RGBColor(58, 124, 220),
    RGBColor(46, 160, 90),
    RGBColor(150, 90, 210),
    RGBColor(20, 150, 170),
    RGBColor(190, 110, 60),
];

const WIDTH: u32 = 1000;

/// More rows than this are not drawn.
const ROWS: usize = 80;

/// Draws; a picture that cannot be drawn is left out.
fn drawn(height: u32, about: &str, draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Option<()>) -> String {
    let mut svg = String::new();
    let done = {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        draw(&area).and_then(|()| area.present().ok())
    };
    match done {
        Some(()) => svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", safe(about)), 1),
        None => String::new(),
    }
}

fn label(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&SOFT)
}

/// More ticks than this a timeline does not have.
const MOST_TICKS: u32 = 8;

/// How far the ticks of a timeline are apart, in seconds: round for people, and not too many.
fn tick(whole: f64) -> f64 {
    const ROUND: [f64; 13] =
        [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 10_800.0, 43_200.0];
    ROUND.into_iter().find(|step| whole / step <= f64::from(MOST_TICKS)).unwrap_or(whole / f64::from(MOST_TICKS))
}

/// What the colours of the timeline mean.
pub(super) fn legend() -> String {
    let all = [(WRITE, "change"), (GATE, "gate"), (UNDO, "undo"), (SOFT, "pause"), (TROUBLE, "failed")];
    let key = |(RGBColor(red, green, blue), what): (RGBColor, &str)| {
        format!("<span class=\"key\" style=\"background:#{red:02x}{green:02x}{blue:02x}\"></span>{what}")
    };
    all.map(key).concat()
}

/// The colour of each probe: the same in every picture of a report.
pub(super) struct Colours(BTreeMap<String, RGBColor>);

impl Colours {
    pub(super) fn of(record: &Record) -> Colours {
        let gates = record.tasks.iter().flat_map(|task| &task.gates);
        let names: BTreeSet<&String> = gates.flat_map(|gate| gate.probes.keys()).collect();
        Colours(names.into_iter().cloned().zip(SERIES.into_iter().cycle()).collect())
    }
}

/// Writes, gates and undos, a row for each task.
pub(super) fn timeline(record: &Record) -> String {
    let Some(began) = record.began else { return String::new() };
    let rows: Vec<_> = record.tasks.iter().filter(|task| !task.spans.is_empty()).take(ROWS).collect();
    let whole = record.took().as_secs_f64().max(1.0);
    let height = 22 * u32::try_from(rows.len()).unwrap_or(1) + 34;
    let (left, width) = (270.0, 710.0);
    drawn(height, "timeline of the run", |area| {
        let x = |seconds: f64| pixel(left + width * (seconds / whole).clamp(0.0, 1.0));
        let every = tick(whole);
        for part in 0..=MOST_TICKS {
            let seconds = every * f64::from(part);
            if seconds > whole {
                break;
            }
            let words = crate::clock::format_duration(std::time::Duration::from_secs_f64(seconds.round()));
            let at = x(seconds);
            area.draw(&PathElement::new([(at, 8), (at, pixel(f64::from(height) - 24.0))], SOFT.mix(0.3))).ok()?;
            area.draw(&Text::new(words, (at - 12, pixel(f64::from(height) - 18.0)), label(14))).ok()?;
        }
        for (row, task) in rows.iter().enumerate() {
            let top = 10 + 22 * i32::try_from(row).ok()?;
            let name: String = safe(&task.id).chars().take(38).collect();
            area.draw(&Text::new(name, (4, top), label(15))).ok()?;
            for span in &task.spans {
                let (from, to) = (x(between(began, span.from).as_secs_f64()), x(between(began, span.to).as_secs_f64()));
                let colour = match span.what {
                    _ if span.failed.is_some() => TROUBLE,
                    FORWARD => WRITE,
                    BACK => UNDO,
                    PAUSE => SOFT,
                    _ => GATE,
                };
                area.draw(&Rectangle::new([(from, top), (to.max(from + 2), top + 14)], colour.filled())).ok()?;
            }
        }
        Some(())
    })
}

#[expect(clippy::cast_possible_truncation, reason = "what is drawn lies within a picture")]
fn pixel(at: f64) -> i32 {
    at.round() as i32
}

/// How long each probe's answers took, and below that when it was not healthy.
pub(super) fn gate(gate: &GateRecord, colours: &Colours) -> String {
    let samples = || gate.probes.values().flatten();
    let last = samples().map(|sample| sample.second).fold(1.0, f64::max);
    let slowest = samples().filter_map(|sample| sample.latency_ms).fold(0.0, f64::max);
    let top = if slowest > 0.0 { slowest * 1.15 } else { 1.0 };
    drawn(190, "what the gate saw", |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .x_label_area_size(24)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..last, 0.0..top)
            .ok()?;
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(SOFT)
            .label_style(label(14))
            .x_label_formatter(&|second| format!("{second:.0} s"))
            .y_label_formatter(&|milliseconds| format!("{milliseconds:.0} ms"))
            .x_labels(6)
            .y_labels(4)
            .draw()
            .ok()?;
        for (place, (name, samples)) in gate.probes.iter().enumerate() {
            let colour = colours.0.get(name).copied().unwrap_or(SOFT);
            let line = samples.iter().filter_map(|sample| Some((sample.second, sample.latency_ms?)));
            chart.draw_series(LineSeries::new(line, &colour)).ok()?;
            let ill = samples.iter().filter(|sample| sample.health != "healthy");
            let marks = ill.map(|sample| {
                let height = sample.latency_ms.unwrap_or(top * 0.04);
                Circle::new((sample.second, height), 3, TROUBLE.filled())
            });
            chart.draw_series(marks).ok()?;
            let x = 76 + 180 * i32::try_from(place % 5).ok()?;
            area.draw(&Text::new(safe(name), (x, 4), ("sans-serif", 14).into_font().color(&colour))).ok()?;
        }
        Some(())
    })
}
