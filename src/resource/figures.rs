//! What Cloud Monitoring has of a resource over a while, for people to read: the figures that a support engineer asks for.
//!
//! Sources: <https://docs.cloud.google.com/monitoring/api/metrics_gcp>, and for quotas
//! <https://docs.cloud.google.com/monitoring/alerts/using-quota-metrics>.

use jiff::Timestamp;
use serde_json::Value;

use super::cloud::{Cloud, whole};
use super::error::ReadError;
use super::path::ApiPath;
use super::rest::{Api, Request};
use super::spec::{KindSpec, LabelValue, Metrics};
use crate::run::{Figure, ResourceId};

/// The metrics of every API's quotas.
const QUOTAS: [&str; 3] = [
    "serviceruntime.googleapis.com/quota/limit",
    "serviceruntime.googleapis.com/quota/allocation/usage",
    "serviceruntime.googleapis.com/quota/exceeded",
];

impl Cloud {
    /// What there is of a resource in Cloud Monitoring between two moments; nothing for a kind that has no metrics.
    ///
    /// # Errors
    /// If a series cannot be read. One that is not there is none.
    pub async fn figures(&self, id: &ResourceId, from: Timestamp, to: Timestamp) -> Result<Vec<Figure>, ReadError> {
        let Some(Metrics { label, label_value, types }) = KindSpec::find(&id.kind).and_then(|kind| kind.metrics) else {
            return Ok(Vec::new());
        };
        let name = match label_value {
            LabelValue::Name => id.name.clone(),
            LabelValue::ProjectAndName => format!("{}:{}", id.project, id.name),
        };
        self.series(&id.project, types, label, &name, from, to).await
    }

    /// What there is of the quotas of an API, such as `run.googleapis.com`.
    ///
    /// # Errors
    /// As of [`figures`](Cloud::figures).
    pub async fn quotas(
        &self,
        project: &str,
        api: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Figure>, ReadError> {
        self.series(project, &QUOTAS, "service", api, from, to).await
    }

    /// The project's number: Google's own people know it by that (source: `projects.get` of Resource Manager v3).
    ///
    /// # Errors
    /// If the project cannot be read.
    pub async fn project_number(&self, project: &str) -> Result<String, ReadError> {
        let path = ApiPath::version("/v3").name(&ApiPath::project(project));
        let answer: Result<Value, _> = self.rest.read(Request::get(Api::ResourceManager, path)).await;
        let answer = answer.map_err(|error| ReadError::of(&whole(project), &error))?;
        let name = answer.get("name").and_then(Value::as_str).and_then(|name| name.strip_prefix("projects/"));
        let garbled = || ReadError::Malformed { resource: whole(project), why: "it has no name".to_owned() };
        name.map(str::to_owned).ok_or_else(garbled)
    }

    async fn series(
        &self,
        project: &str,
        metrics: &[&str],
        label: &str,
        name: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Figure>, ReadError> {
        let path = ApiPath::version("/v3").name(&ApiPath::project(project)).at("timeSeries");
        let mut figures = Vec::new();
        for metric in metrics {
            let filter = format!("metric.type=\"{metric}\" AND resource.labels.{label}=\"{name}\"");
            let request = Request::get(Api::Monitoring, path.clone())
                .with("filter", filter)
                .with("interval.startTime", from.to_string())
                .with("interval.endTime", to.to_string());
            let series: Result<Vec<Value>, _> = self.rest.list(request, "timeSeries", usize::MAX).await;
            match series {
                Ok(series) => figures.extend(series.iter().filter_map(|series| figure(metric, name, series))),
                // A metric that never had a point in the project is not known there.
                Err(error) if error.http_status() == Some(404) => {}
                Err(error) => return Err(ReadError::of(&whole(project), &error)),
            }
        }
        Ok(figures)
    }
}

/// A series in the API's words; `None` if it has no points.
fn figure(metric: &str, name: &str, series: &Value) -> Option<Figure> {
    let labels = |of: &str| series.pointer(of).and_then(Value::as_object).into_iter().flatten();
    let told = labels("/metric/labels").chain(labels("/resource/labels").filter(|(key, _)| *key == "revision_name"));
    let told = told.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    let of = std::iter::once(name.to_owned()).chain(told).collect::<Vec<_>>().join(" ");
    let points = series.get("points").and_then(Value::as_array)?;
    let point = |point: &Value| {
        let at: Timestamp = point.pointer("/interval/endTime")?.as_str()?.parse().ok()?;
        Some((at, number(point.get("value")?)?))
    };
    let points: Vec<(Timestamp, f64)> = points.iter().filter_map(point).collect();
    let (at, newest) = points.iter().copied().max_by_key(|(at, _)| *at)?;
    let values = || points.iter().map(|(_, value)| *value);
    let (least, most) = (values().fold(newest, f64::min), values().fold(newest, f64::max));
    Some(Figure { metric: metric.to_owned(), of, at, newest, least, most })
}

/// A value in the API's words (source: `google/monitoring/v3/common.proto`, `TypedValue`).
fn number(value: &Value) -> Option<f64> {
    let text = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
    let (name, value) = value.as_object()?.iter().next()?;
    match name.as_str() {
        "boolValue" => value.as_bool().map(|is| if is { 1.0 } else { 0.0 }),
        "distributionValue" => value.get("mean").and_then(Value::as_f64),
        _ => value.as_f64().or_else(|| text(value)),
    }
}
