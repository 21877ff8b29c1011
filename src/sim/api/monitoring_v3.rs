//! Cloud Monitoring v3: time series, descriptors, and the PromQL endpoint that Prometheus' own clients speak.
//!
//! Of the filter of `timeSeries` the metric's type is needed and labels can be compared for equality, as in
//! `metric.type="…" AND resource.labels.service_name="…"`; aggregation is refused, not ignored. (source:
//! `google/monitoring/v3/metric_service.proto`, and the reference of the Prometheus HTTP API)

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::routing::get;
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Answered, Parameters, Shared, page};
use crate::sim::clock::later;
use crate::sim::world::World;
use crate::sim::world::filter::Filter;
use crate::sim::world::metric::{self, BOUNDS, DESCRIPTORS, Descriptor, Distribution, LATENCIES, SAMPLE_PERIOD};
use crate::sim::world::promql::{Answer, Query};
use crate::sim::world::refusal::{Code, Refusal};

/// Steps of a range query; Prometheus has the same bound.
const MOST_STEPS: i64 = 11_000;

pub(super) fn routes() -> Router<Arc<Shared>> {
    const PROMETHEUS: &str = "/v1/projects/{project}/location/{location}/prometheus/api/v1";
    Router::new()
        .route("/v3/projects/{project}/timeSeries", get(series))
        .route("/v3/projects/{project}/metricDescriptors", get(descriptors))
        .route("/v3/projects/{project}/metricDescriptors/{*metric}", get(descriptor))
        .route(&format!("{PROMETHEUS}/query"), get(query).post(posted))
        .route(&format!("{PROMETHEUS}/query_range"), get(range).post(posted_range))
}

fn known(name: &str) -> Result<&'static Descriptor, Refusal> {
    metric::find(name)
        .ok_or_else(|| Refusal::new(Code::NotFound, format!("Could not find descriptor for metric '{name}'.")))
}

async fn descriptors(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &["filter", "pageSize", "pageToken", "activeOnly"])?;
    let world = shared.world();
    world.check_project(&project)?;
    let prefix = match parameters.get("filter") {
        None => "",
        Some(filter) => beginning(filter).ok_or_else(|| {
            let message = "The simulated cloud knows one filter of descriptors: metric.type = starts_with(\"…\")";
            Refusal::invalid("filter", message)
        })?,
    };
    let meant = DESCRIPTORS.iter().filter(|descriptor| descriptor.name.starts_with(prefix));
    let all: Vec<Value> = meant.map(|descriptor| descriptor.wire(&world)).collect();
    page(&all, "metricDescriptors", &parameters)
}

/// What the type of a metric must begin with (source: the documentation of monitoring filters).
fn beginning(filter: &str) -> Option<&str> {
    let rest = filter.trim().strip_prefix("metric.type")?.trim_start().strip_prefix('=')?.trim_start();
    rest.strip_prefix("starts_with(\"")?.strip_suffix("\")")
}

async fn descriptor(
    State(shared): State<Arc<Shared>>,
    Path((project, name)): Path<(String, String)>,
    uri: Uri,
) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_project(&project)?;
    Ok(Json(known(&name)?.wire(&world)))
}

async fn series(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    let names = ["filter", "interval.startTime", "interval.endTime", "view", "orderBy", "pageSize", "pageToken"];
    let parameters = Parameters::read(&uri, &names)?;
    let world = shared.world();
    world.check_project(&project)?;
    let moment = |name: &str| match parameters.get(name) {
        None => Ok(None),
        Some(text) => {
            text.parse::<Timestamp>().map(Some).map_err(|_| Refusal::invalid(name, format!("{name} is not a moment")))
        }
    };
    let end = moment("interval.endTime")?
        .ok_or_else(|| Refusal::invalid("interval.end_time", "interval.end_time is needed"))?;
    let start = moment("interval.startTime")?.unwrap_or_else(|| later(end, -SAMPLE_PERIOD));
    let text = parameters.get("filter").unwrap_or_default();
    let filter = Filter::parse(text)?;
    let from = later(start, SignedDuration::from_nanos(-1));
    if text.contains(&format!("\"{LATENCIES}\"")) {
        let found = world.latencies(from, end);
        let shown = found.iter().map(distribution).filter(|series| filter.fits(series));
        return page(&shown.collect::<Vec<_>>(), "timeSeries", &parameters);
    }
    let is_meant = |descriptor: &&Descriptor| text.contains(&format!("\"{}\"", descriptor.name));
    let descriptor = DESCRIPTORS.iter().find(is_meant).ok_or_else(|| {
        Refusal::invalid("filter", "The filter must name a metric that the simulated cloud has, as in metric.type=\"run.googleapis.com/request_count\"")
    })?;
    let found = world.series(descriptor, from, end);
    let shown = found.into_iter().map(|series| shown(descriptor, &series)).filter(|series| filter.fits(series));
    page(&shown.collect::<Vec<_>>(), "timeSeries", &parameters)
}

fn shown(descriptor: &Descriptor, series: &metric::Series) -> Value {
    let points: Vec<Value> = series
        .points
        .iter()
        .rev()
        .map(|(end, value)| {
            let start = if descriptor.counts { later(*end, -SAMPLE_PERIOD) } else { *end };
            let value = if descriptor.whole {
                json!({ "int64Value": format!("{value:.0}") })
            } else {
                json!({ "doubleValue": value })
            };
            json!({ "interval": { "startTime": start.to_string(), "endTime": end.to_string() }, "value": value })
        })
        .collect();
    json!({
        "metric": { "type": descriptor.name, "labels": series.metric },
        "resource": { "type": descriptor.resource, "labels": series.resource },
        "metricKind": if descriptor.counts { "DELTA" } else { "GAUGE" },
        "valueType": if descriptor.whole { "INT64" } else { "DOUBLE" },
        "points": points,
    })
}

/// A minute of latencies as a series of its own: Google joins the minutes of one combination of labels, a client that
/// adds them up sees no difference.
fn distribution(minute: &Distribution) -> Value {
    let count: u32 = minute.counts.iter().sum();
    let mean = minute.sum / f64::from(count.max(1));
    let counts: Vec<String> = minute.counts.iter().map(u32::to_string).collect();
    let start = later(minute.end, -SAMPLE_PERIOD);
    json!({
        "metric": { "type": LATENCIES, "labels": minute.metric },
        "resource": { "type": "cloud_run_revision", "labels": minute.resource },
        "metricKind": "DELTA",
        "valueType": "DISTRIBUTION",
        "points": [{
            "interval": { "startTime": start.to_string(), "endTime": minute.end.to_string() },
            "value": { "distributionValue": {
                "count": count.to_string(),
                "mean": mean,
                "bucketOptions": { "explicitBuckets": { "bounds": BOUNDS } },
                "bucketCounts": counts,
            } },
        }],
    })
}

type Place = Path<(String, String)>;

async fn query(State(shared): State<Arc<Shared>>, Path(place): Place, uri: Uri) -> Answered {
    instant(&shared.world(), &place, &Parameters::read(&uri, &["query", "time", "timeout"])?)
}

async fn posted(
    State(shared): State<Arc<Shared>>,
    Path(place): Place,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    instant(&shared.world(), &place, &form(body, &["query", "time", "timeout"])?)
}

async fn range(State(shared): State<Arc<Shared>>, Path(place): Place, uri: Uri) -> Answered {
    steps(&shared.world(), &place, &Parameters::read(&uri, &["query", "start", "end", "step", "timeout"])?)
}

async fn posted_range(
    State(shared): State<Arc<Shared>>,
    Path(place): Place,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    steps(&shared.world(), &place, &form(body, &["query", "start", "end", "step", "timeout"])?)
}

/// The parameters of a form in a body: the same as those of a query string.
fn form(body: Result<Bytes, BytesRejection>, known: &[&str]) -> Result<Parameters, super::Failure> {
    let unreadable = || Refusal::new(Code::InvalidArgument, "The form cannot be read");
    let body = body.map_err(|_| unreadable())?;
    let text = std::str::from_utf8(&body).map_err(|_| unreadable())?;
    let uri = format!("/?{text}").parse::<Uri>().map_err(|_| unreadable())?;
    Parameters::read(&uri, known)
}

fn check(world: &World, (project, location): &(String, String)) -> Result<(), Refusal> {
    world.check_project(project)?;
    if location != "global" {
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

fn instant(world: &World, place: &(String, String), parameters: &Parameters) -> Answered {
    check(world, place)?;
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

fn steps(world: &World, place: &(String, String), parameters: &Parameters) -> Answered {
    check(world, place)?;
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
