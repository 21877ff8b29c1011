//! Cloud Monitoring's Prometheus HTTP API, and how late what it says is.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::cloud::{Cloud, whole};
use super::error::ReadError;
use super::path::ApiPath;
use super::rest::{Api, Request};

/// A metric's descriptor, as the API has it (source: `google/api/metric.proto`).
#[derive(Deserialize)]
struct Descriptor {
    #[serde(rename = "type")]
    metric: String,
    metadata: Option<DescriptorMetadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescriptorMetadata {
    sample_period: Option<String>,
    ingest_delay: Option<String>,
}

/// Where Cloud Monitoring serves the Prometheus HTTP API.
fn prometheus(project: &str) -> ApiPath {
    ApiPath::version("/v1").name(&ApiPath::project(project)).at("location/global/prometheus/api/v1")
}

/// A metric's type as PromQL spells it (source: the documentation of PromQL in Cloud Monitoring).
fn spelt(metric: &str) -> String {
    let (service, rest) = metric.split_once('/').unwrap_or((metric, ""));
    let plain = |text: &str| text.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    format!("{}:{}", plain(service), plain(rest))
}

impl Cloud {
    /// What a query in PromQL gives as of a moment: a value for each series (source: the Prometheus HTTP API, which
    /// Cloud Monitoring serves at the location `global`).
    pub async fn promql(&self, project: &str, query: &str, at: Timestamp) -> Result<Vec<f64>, ReadError> {
        let malformed = |why: &str| ReadError::Malformed { resource: whole(project), why: why.to_owned() };
        let path = prometheus(project).at("query");
        let request = Request::get(Api::Monitoring, path).with("query", query).with("time", at.to_string());
        let answer: Result<Value, _> = self.rest.read(request).await;
        let answer = answer.map_err(|error| ReadError::of(&whole(project), &error))?;
        let data = answer.get("data").ok_or_else(|| malformed("it has no data"))?;
        let value = |sample: &Value| sample.get(1).and_then(Value::as_str).and_then(|value| value.parse().ok());
        match (data.get("resultType").and_then(Value::as_str), data.get("result")) {
            (Some("scalar"), Some(sample)) => Ok(value(sample).into_iter().collect()),
            (Some("vector"), Some(Value::Array(series))) => {
                let values = series.iter().map(|series| series.get("value").and_then(value));
                values.collect::<Option<_>>().ok_or_else(|| malformed("a sample is no number"))
            }
            _ => Err(malformed("it is neither a number nor a vector")),
        }
    }

    /// What a query in PromQL gives at each moment of a stretch of time; a moment without data is left out.
    pub async fn promql_range(
        &self,
        project: &str,
        query: &str,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> Result<BTreeMap<Timestamp, f64>, ReadError> {
        let malformed = |why: &str| ReadError::Malformed { resource: whole(project), why: why.to_owned() };
        let path = prometheus(project).at("query_range");
        let request = Request::get(Api::Monitoring, path)
            .with("query", query)
            .with("start", from.to_string())
            .with("end", to.to_string())
            .with("step", format!("{}s", step.as_secs().max(1)));
        let answer: Result<Value, _> = self.rest.read(request).await;
        let answer = answer.map_err(|error| ReadError::of(&whole(project), &error))?;
        let series =
            answer.pointer("/data/result").and_then(Value::as_array).ok_or_else(|| malformed("it has no data"))?;
        let [one] = series.as_slice() else {
            return if series.is_empty() {
                Ok(BTreeMap::new())
            } else {
                Err(malformed(&format!("it has {} series; sum them, or choose one", series.len())))
            };
        };
        let samples = one.get("values").and_then(Value::as_array).ok_or_else(|| malformed("a series has no values"))?;
        let sample = |sample: &Value| {
            let milliseconds = jiff::SignedDuration::try_from_secs_f64(sample.get(0)?.as_f64()?).ok()?.as_millis();
            let at = Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()?;
            Some((at, sample.get(1)?.as_str()?.parse().ok()?))
        };
        samples.iter().map(sample).collect::<Option<_>>().ok_or_else(|| malformed("a sample is no number"))
    }

    /// How long it takes until a point of a metric can be read: sample period and ingest delay, from its descriptor. `None`:
    /// there is no descriptor of that name in PromQL's spelling.
    pub async fn metric_delay(&self, project: &str, promql: &str) -> Result<Option<Duration>, ReadError> {
        let Some((service, _)) = promql.split_once(':') else { return Ok(None) };
        let known = self.delays.lock().unwrap_or_else(PoisonError::into_inner).get(promql).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let filter = format!("metric.type = starts_with(\"{}/\")", service.replace('_', "."));
        let path = ApiPath::version("/v3").name(&ApiPath::project(project)).at("metricDescriptors");
        let request = Request::get(Api::Monitoring, path).with("filter", filter);
        let all: Result<Vec<Descriptor>, _> = self.rest.list(request, "metricDescriptors", usize::MAX).await;
        let all = all.map_err(|error| ReadError::of(&whole(project), &error))?;
        let found = all.into_iter().find(|one| spelt(&one.metric) == promql).and_then(|one| one.metadata);
        let seconds = |text: Option<String>| text?.strip_suffix('s')?.parse().ok().map(Duration::from_secs);
        let delay = found.and_then(|found| Some(seconds(found.sample_period)? + seconds(found.ingest_delay)?));
        self.delays.lock().unwrap_or_else(PoisonError::into_inner).insert(promql.to_owned(), delay);
        Ok(delay)
    }
}
