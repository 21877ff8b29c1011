//! Cloud Monitoring v3: time series, descriptors, and the PromQL endpoint that Prometheus' own clients speak.
//!
//! The filter of `timeSeries` must name the metric's type and may compare labels, as in `metric.type="…" AND
//! resource.labels.service_name="…"`; aggregation and an order are refused, not ignored. (source:
//! `google/monitoring/v3/metric_service.proto`, and the reference of the Prometheus HTTP API)

use std::sync::Arc;

use axum::http::Method;
use axum::routing::get;
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Part;
use crate::sim::api::{Answered, Api, Call, Collection, Parameters, Shared, page, permission};
use crate::sim::clock::later;
use crate::sim::enums::{self, Table};
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Reader};
use crate::sim::world::World;
use crate::sim::world::filter::Filter;
use crate::sim::world::metric::descriptor::{Descriptor, Kind};
use crate::sim::world::metric::{Distribution, SAMPLE_PERIOD, Series};
use crate::sim::world::operation::Never;
use crate::sim::world::promql::{Answer, Query};
use crate::sim::world::refusal::{Code, Refusal};

/// Steps of a range query; Prometheus has the same bound.
const MOST_STEPS: i64 = 11_000;

/// Its enums.
const ENUMS: Table = &[
    (&["metricKind"], &[("GAUGE", 1), ("DELTA", 2), ("CUMULATIVE", 3)]),
    (&["valueType"], &[("BOOL", 1), ("INT64", 2), ("DOUBLE", 3), ("STRING", 4), ("DISTRIBUTION", 5), ("MONEY", 6)]),
    (&["launchStage"], enums::LAUNCH_STAGE),
];

/// Cloud Monitoring. What is measured follows from the rest of the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitoring;

impl Part for Monitoring {
    type Tables = ();
    type Effect = Never;

    fn read(_: &mut Reader<'_>) {}

    fn build((): (), _: &mut World, _: &DeclaredNames, _: &mut Complaints) {}
}

impl Api for Monitoring {
    const SERVICE: &'static str = "monitoring";
    const TYPES: &'static [(&'static str, &'static str)] = &[("projects.metricDescriptors", "[[measurements]]")];
    const COLLECTIONS: &'static [Collection] = &[
        Collection { segment: "timeSeries", permissions: "monitoring.timeSeries" },
        Collection { segment: "metricDescriptors", permissions: "monitoring.metricDescriptors" },
    ];
    const ENUMS: Table = ENUMS;

    fn routes() -> Router<Arc<Shared>> {
        const PROMETHEUS: &str = "/v1/projects/{project}/location/{location}/prometheus/api/v1";
        Router::new()
            .route("/v3/projects/{project}/timeSeries", get(series))
            .route("/v3/projects/{project}/metricDescriptors", get(descriptors))
            .route("/v3/projects/{project}/metricDescriptors/{*metric}", get(descriptor))
            .route(&format!("{PROMETHEUS}/query"), get(query).post(posted))
            .route(&format!("{PROMETHEUS}/query_range"), get(range).post(posted_range))
    }

    fn permission(method: &Method, path: &str) -> Option<String> {
        if path.contains("/prometheus/api/v1/") {
            return Some("monitoring.timeSeries.list".to_owned());
        }
        permission::by_collection(Self::COLLECTIONS, method, path)
    }
}

fn known(world: &World, name: &str) -> Result<Descriptor, Refusal> {
    world
        .metric(name)
        .ok_or_else(|| Refusal::new(Code::NotFound, format!("Could not find descriptor for metric '{name}'.")))
}

async fn descriptors(call: Call) -> Answered {
    let (world, parameters) = call.read(&["filter", "pageSize", "pageToken", "activeOnly"])?;
    let filter = Filter::of_metrics(parameters.get("filter").unwrap_or_default())?;
    // Of a descriptor's fields only its type can be compared (source: the same proto).
    filter.only(&["metric.type"])?;
    let fits = |descriptor: &Descriptor| filter.fits(&json!({ "metric": { "type": descriptor.name } }));
    let all: Vec<Value> = world.metrics().into_iter().filter(fits).map(|descriptor| descriptor.wire(&world)).collect();
    page(&all, "metricDescriptors", &parameters)
}

async fn descriptor(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    Ok(Json(known(&world, call.named("metric"))?.wire(&world)))
}

/// The parameters of `timeSeries` that are understood, and those that Google has besides.
const SERIES: [&str; 7] =
    ["filter", "interval.startTime", "interval.endTime", "view", "orderBy", "pageSize", "pageToken"];
const AGGREGATION: [&str; 8] = [
    "aggregation.alignmentPeriod",
    "aggregation.perSeriesAligner",
    "aggregation.crossSeriesReducer",
    "aggregation.groupByFields",
    "secondaryAggregation.alignmentPeriod",
    "secondaryAggregation.perSeriesAligner",
    "secondaryAggregation.crossSeriesReducer",
    "secondaryAggregation.groupByFields",
];

async fn series(call: Call) -> Answered {
    let (world, parameters) = call.read(&[&SERIES[..], &AGGREGATION[..]].concat())?;
    if let Some(other) = AGGREGATION.iter().chain(&["orderBy"]).find(|name| parameters.get(name).is_some()) {
        let message = format!("The simulated cloud does not answer {other}; PromQL can aggregate");
        return Err(Refusal::new(Code::Unimplemented, message).into());
    }
    let with_points = match parameters.get("view") {
        None | Some("FULL" | "0") => true,
        Some("HEADERS" | "1") => false,
        Some(other) => return Err(Refusal::invalid("view", format!("view cannot be {other:?}")).into()),
    };
    let moment = |name: &str| match parameters.get(name) {
        None => Ok(None),
        Some(text) => {
            text.parse::<Timestamp>().map(Some).map_err(|_| Refusal::invalid(name, format!("{name} is not a moment")))
        }
    };
    let end = moment("interval.endTime")?
        .ok_or_else(|| Refusal::invalid("interval.end_time", "interval.end_time is needed"))?;
    let start = moment("interval.startTime")?.unwrap_or_else(|| later(end, -SAMPLE_PERIOD));
    if end < start {
        return Err(Refusal::invalid("interval", "interval.end_time must not be before interval.start_time").into());
    }
    let filter = Filter::of_metrics(parameters.get("filter").unwrap_or_default())?;
    let metric = filter.demands(&["metric", "type"]).ok_or_else(|| {
        Refusal::invalid(
            "filter",
            "The filter must name one metric, as in metric.type=\"run.googleapis.com/request_count\"",
        )
    })?;
    let descriptor = known(&world, metric)?;
    let from = later(start, SignedDuration::from_nanos(-1));
    let all: Vec<Value> = if descriptor.kind == Kind::Spread {
        let value = |value: &Distribution| distribution(value, descriptor.bounds());
        world.spreads(&descriptor, from, end).iter().map(|series| shown(&descriptor, series, value)).collect()
    } else {
        let value = |value: &f64| number(&descriptor, *value);
        world.series(&descriptor, from, end).iter().map(|series| shown(&descriptor, series, value)).collect()
    };
    let mut fitting: Vec<Value> = all.into_iter().filter(|series| filter.fits(series)).collect();
    if !with_points {
        fitting.iter_mut().filter_map(Value::as_object_mut).for_each(|series| drop(series.shift_remove("points")));
    }
    page(&fitting, "timeSeries", &parameters)
}

fn shown<V>(descriptor: &Descriptor, series: &Series<V>, value: impl Fn(&V) -> Value) -> Value {
    let points: Vec<Value> = series
        .points
        .iter()
        .rev()
        .map(|(end, found)| {
            let start = if descriptor.kind == Kind::Level { *end } else { later(*end, -SAMPLE_PERIOD) };
            let interval = json!({ "startTime": start.to_string(), "endTime": end.to_string() });
            json!({ "interval": interval, "value": value(found) })
        })
        .collect();
    json!({
        "metric": { "type": descriptor.name, "labels": series.metric },
        "resource": { "type": descriptor.resource, "labels": series.resource },
        "metricKind": descriptor.metric_kind(),
        "valueType": descriptor.value_type(),
        "unit": descriptor.unit(),
        "points": points,
    })
}

fn number(descriptor: &Descriptor, value: f64) -> Value {
    if descriptor.value_type() == "INT64" {
        json!({ "int64Value": format!("{value:.0}") })
    } else {
        json!({ "doubleValue": value })
    }
}

fn distribution(found: &Distribution, bounds: &[f64]) -> Value {
    let counts: Vec<String> = found.counts.iter().map(u32::to_string).collect();
    json!({ "distributionValue": {
        "count": found.count().to_string(),
        "mean": found.sum / f64::from(found.count().max(1)),
        "bucketOptions": { "explicitBuckets": { "bounds": bounds } },
        "bucketCounts": counts,
    } })
}

/// The parameters of an instant query, and of one over a range.
const INSTANT: [&str; 3] = ["query", "time", "timeout"];
const RANGE: [&str; 5] = ["query", "start", "end", "step", "timeout"];

async fn query(call: Call) -> Answered {
    let (world, parameters) = call.read_anywhere(&INSTANT)?;
    check(&world, &call)?;
    instant(&world, &parameters)
}

/// The same, as a form in the body.
async fn posted(mut call: Call) -> Answered {
    let parameters = call.form(&INSTANT)?;
    let world = call.world();
    check(&world, &call)?;
    instant(&world, &parameters)
}

async fn range(call: Call) -> Answered {
    let (world, parameters) = call.read_anywhere(&RANGE)?;
    check(&world, &call)?;
    steps(&world, &parameters)
}

async fn posted_range(mut call: Call) -> Answered {
    let parameters = call.form(&RANGE)?;
    let world = call.world();
    check(&world, &call)?;
    steps(&world, &parameters)
}

/// Refuses a place that has no PromQL: it is for all locations at once.
fn check(world: &World, call: &Call) -> Result<(), Refusal> {
    world.check_project(call.named("project"))?;
    if call.named("location") != "global" {
        return Err(Refusal::invalid("location", "location must be \"global\""));
    }
    Ok(())
}

fn moment(parameters: &Parameters, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    let seconds = || Timestamp::from_nanosecond(nanoseconds(text.parse().ok()?)).ok();
    let read = text.parse().ok().or_else(seconds);
    read.map(Some).ok_or_else(|| Refusal::invalid(name, format!("invalid parameter \"{name}\": {text:?}")))
}

#[expect(clippy::cast_possible_truncation, reason = "beyond what can be said in nanoseconds is beyond all time")]
fn nanoseconds(seconds: f64) -> i128 {
    (seconds * 1e9) as i128
}

fn parsed(parameters: &Parameters) -> Result<Query, Refusal> {
    Query::parse(parameters.get("query").ok_or_else(|| Refusal::invalid("query", "query is needed"))?)
}

fn sample(at: Timestamp, value: f64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in a double")]
    let seconds = at.as_millisecond() as f64 / 1000.0;
    json!([seconds, value.to_string()])
}

fn instant(world: &World, parameters: &Parameters) -> Answered {
    let at = moment(parameters, "time")?.unwrap_or_else(|| world.now());
    let data = match parsed(parameters)?.at(world, at)? {
        Answer::Scalar(value) => json!({ "resultType": "scalar", "result": sample(at, value) }),
        Answer::Vector(values) => {
            let values: Vec<Value> = values
                .into_iter()
                .map(|(labels, value)| json!({ "metric": labels, "value": sample(at, value) }))
                .collect();
            json!({ "resultType": "vector", "result": values })
        }
    };
    Ok(Json(json!({ "status": "success", "data": data })))
}

fn steps(world: &World, parameters: &Parameters) -> Answered {
    let query = parsed(parameters)?;
    let needed =
        |name: &str| moment(parameters, name)?.ok_or_else(|| Refusal::invalid(name, format!("{name} is needed")));
    let (start, end) = (needed("start")?, needed("end")?);
    let step = parameters.get("step").unwrap_or("60s");
    let seconds = || SignedDuration::try_from_secs_f64(step.parse().ok()?).ok();
    let step = step.parse().ok().or_else(seconds).filter(SignedDuration::is_positive);
    let step = step.ok_or_else(|| Refusal::invalid("step", "step must be a duration above zero"))?;
    let mut found: Vec<(std::collections::BTreeMap<String, String>, Vec<Value>)> = Vec::new();
    let (mut at, mut count) = (start, 0);
    while at <= end {
        count += 1;
        if count > MOST_STEPS {
            return Err(Refusal::invalid("step", "exceeded maximum resolution of 11,000 points per timeseries").into());
        }
        let values = match query.at(world, at)? {
            Answer::Scalar(value) => vec![(std::collections::BTreeMap::new(), value)],
            Answer::Vector(values) => values,
        };
        for (labels, value) in values {
            match found.iter_mut().find(|(known, _)| *known == labels) {
                Some((_, samples)) => samples.push(sample(at, value)),
                None => found.push((labels, vec![sample(at, value)])),
            }
        }
        at = later(at, step);
    }
    let result: Vec<Value> =
        found.into_iter().map(|(labels, samples)| json!({ "metric": labels, "values": samples })).collect();
    Ok(Json(json!({ "status": "success", "data": { "resultType": "matrix", "result": result } })))
}
