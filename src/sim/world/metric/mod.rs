//! What Cloud Monitoring has of the world: a point a minute of each metric, once it has been ingested.
//!
//! A time without points is a time without points: nothing fills it with zeros. Requests are counted in the minute in
//! which they end, which is when Google counts them.

pub mod descriptor;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::World;
use super::expression::Amount;
use super::history::{Serving, Standing};
use super::operation::Outcome;
use super::visit::Visit;
use crate::sim::apis::cloud_run::CloudRun;
use crate::sim::clock::later;
use descriptor::{
    BALANCED, CONNECTOR_CPU, CONNECTOR_INSTANCES, DATABASE_UP, Descriptor, INSTANCES, Kind, LATENCIES, Of, REQUESTS,
    Unit,
};

/// How far apart points are.
pub const SAMPLE_PERIOD: SignedDuration = SignedDuration::from_mins(1);
/// How long a point takes, beyond its sample period, unless the scenario says otherwise (ours; Google says up to 240 s).
const DELAY: SignedDuration = SignedDuration::from_mins(2);
/// More points of a metric are not worked out for one question.
const MOST_MINUTES: i64 = 24 * 60;

/// What a scenario measures because the model has no cause for it: `[[measurements]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The type of the metric.
    pub metric: String,
    /// The service (each of its revisions with traffic), the connector, the database, or the API that has a quota. Empty of a metric
    /// that says its `resource`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// The monitored resource of a metric that is not known without a scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<MonitoredResource>,
    /// What the points of such a metric are.
    #[serde(default)]
    pub kind: Kind,
    /// Labels of the metric, if it has any.
    #[serde(default)]
    pub labels: Labels,
    /// What each point is: so much a minute of a count, the level of a level, the only value of a distribution.
    pub value: Amount,
    /// Since when; always, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What a metric of any type is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitoredResource {
    /// Its type, such as `pubsub_subscription`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its labels; `project_id` is there anyway.
    #[serde(default)]
    pub labels: Labels,
}

impl Measurement {
    /// What is wrong with it by itself.
    pub fn complaint(&self) -> Option<&'static str> {
        let (least, most) = match self.value {
            Amount::Number(value) => (value, value),
            Amount::Computed(_) => (0.0, 0.0),
        };
        match (descriptor::find(&self.metric), &self.resource) {
            (None, None) => {
                Some("this metric is not known without a scenario: say its `resource`, with `type` and `labels`")
            }
            (None, Some(_)) if !self.of.is_empty() => Some("it has a `resource`, so there is no `of`"),
            (Some(_), Some(_)) => Some("the simulated cloud knows this metric: say whose it is in `of`"),
            (Some(found), None) if found.follows => {
                Some("the simulated cloud works this metric out from what happens in it")
            }
            (_, _) if !least.is_finite() => Some("value is a number"),
            (Some(_), None) if least < 0.0 => Some("value is a number from 0 on"),
            (Some(found), None) if found.unit == Unit::Part && most > 1.0 => Some("value is a part, from 0 to 1"),
            (Some(_), None) | (None, Some(_)) => None,
        }
    }

    fn is_at(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// The points of one combination of labels, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<V> {
    /// Labels of the metric.
    pub metric: Labels,
    /// Labels of what it is a metric of.
    pub resource: Labels,
    /// The end of each point's minute, and its value.
    pub points: Vec<(Timestamp, V)>,
}

/// What there was in a minute, by size.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// How many there were in each bucket; one more than there are bounds.
    pub counts: Vec<u32>,
    /// All of them added up.
    pub sum: f64,
}

impl Distribution {
    fn of(all: &[f64], bounds: &[f64]) -> Self {
        let mut distribution = Self { counts: vec![0; bounds.len() + 1], sum: 0.0 };
        for one in all {
            // A value on a bound belongs above it (source: `google/api/distribution.proto`).
            let bucket = bounds.partition_point(|bound| bound <= one);
            if let Some(count) = distribution.counts.get_mut(bucket) {
                *count += 1;
            }
            distribution.sum += one;
        }
        distribution
    }

    /// How many there were.
    pub fn count(&self) -> u32 {
        self.counts.iter().sum()
    }
}

/// Labels of a metric, and of what it is a metric of.
type Place = (Labels, Labels);

/// What fell into each minute, by labels.
type Fallen = BTreeMap<Place, BTreeMap<i64, Vec<f64>>>;

/// The minutes that a question is about, by their ends.
struct Minutes {
    first: i64,
    last: i64,
}

impl Minutes {
    /// The minute that a moment belongs to.
    fn of(at: Timestamp) -> i64 {
        at.as_second().div_euclid(60).saturating_add(1)
    }

    /// When a minute ends; never, in the end, of what is beyond all time.
    fn end(minute: i64) -> Timestamp {
        Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(Timestamp::MAX)
    }

    /// When the first begins.
    fn begin(&self) -> Timestamp {
        Self::end(self.first.saturating_sub(1))
    }

    fn contain(&self, at: Timestamp) -> bool {
        (self.first..=self.last).contains(&Self::of(at))
    }

    fn ends(&self) -> impl Iterator<Item = Timestamp> {
        (self.first..=self.last).map(Self::end)
    }
}

impl World {
    /// How long a point takes until it can be read.
    pub fn metric_delay(&self) -> SignedDuration {
        self.behaviour.metric_delay.unwrap_or(DELAY)
    }

    /// The points of a count or a level whose minutes end after `from` and not after `to`, as far as they have been
    /// ingested.
    pub fn series(&self, descriptor: &Descriptor, from: Timestamp, to: Timestamp) -> Vec<Series<f64>> {
        let minutes = self.minutes(from, to);
        match (descriptor.follows, descriptor.name.as_ref()) {
            #[expect(clippy::cast_precision_loss, reason = "requests are thousands at most")]
            (true, REQUESTS | BALANCED) => series(self.fallen(descriptor, &minutes), |all| all.len() as f64),
            (true, _) => series(levels(&minutes, |at| self.level(descriptor, at)), |all| all.iter().sum()),
            (false, _) => series(levels(&minutes, |at| self.measured(descriptor, at)), |all| all.iter().sum()),
        }
    }

    /// The points of a distribution, on the same terms.
    pub fn spreads(&self, descriptor: &Descriptor, from: Timestamp, to: Timestamp) -> Vec<Series<Distribution>> {
        let minutes = self.minutes(from, to);
        let fallen = match (descriptor.follows, descriptor.name.as_ref()) {
            (true, LATENCIES) => self.fallen(descriptor, &minutes),
            (true, _) => self.started(&minutes),
            (false, _) => levels(&minutes, |at| self.measured(descriptor, at)),
        };
        series(fallen, |all| Distribution::of(all, descriptor.bounds()))
    }

    fn minutes(&self, from: Timestamp, to: Timestamp) -> Minutes {
        let last = to.min(later(self.now, -self.metric_delay())).as_second().div_euclid(60);
        let first = (from.as_second().div_euclid(60) + 1).max(last.saturating_sub(MOST_MINUTES));
        Minutes { first, last }
    }

    /// How long the requests took that were answered, in milliseconds.
    fn fallen(&self, descriptor: &Descriptor, minutes: &Minutes) -> Fallen {
        let mut fallen = Fallen::new();
        for visit in self.answered(minutes.begin(), Minutes::end(minutes.last)) {
            for of in self.counted_for(descriptor, &visit) {
                let minute = fallen.entry(of).or_default().entry(Minutes::of(visit.ended())).or_default();
                minute.push(visit.latency.as_secs_f64() * 1000.0);
            }
        }
        fallen
    }

    /// Whose metric a request is counted in.
    fn counted_for(&self, descriptor: &Descriptor, visit: &Visit) -> Vec<Place> {
        let metric = |class: &str| {
            let class = format!("{}{class}", visit.status / 100);
            labels(&[("response_code", &visit.status.to_string()), ("response_code_class", &class)])
        };
        if descriptor.of == Of::Balancer {
            // A load balancer sees every request, whether it comes to a container or not.
            let behind = self.parts.compute.backend_services.iter().filter(|(_, found)| found.leads_to(&visit.service));
            return behind.map(|(name, _)| (metric("00"), self.balancer_labels(name))).collect();
        }
        // What found no instance never reached a container, and is not counted: a zero here is not health.
        if !visit.arrived() {
            return Vec::new();
        }
        vec![(metric("xx"), self.revision_labels(&visit.service, &visit.revision))]
    }

    /// How long the instances took that came up, in milliseconds.
    fn started(&self, minutes: &Minutes) -> Fallen {
        let mut fallen = Fallen::new();
        for (at, service, revision, instances) in self.starts().into_iter().filter(|(at, ..)| minutes.contain(*at)) {
            let took =
                self.parts.cloud_run.services.get(&service).map(|service| service.figures.start_up).unwrap_or_default();
            let of = (Labels::new(), self.revision_labels(&service, &revision));
            let minute = fallen.entry(of).or_default().entry(Minutes::of(at)).or_default();
            let instances = usize::try_from(instances).unwrap_or_default();
            minute.extend(std::iter::repeat_n(took.as_secs_f64() * 1000.0, instances));
        }
        fallen
    }

    /// When instances came up, of which service and revision, and how many: all of a revision's after an illness, and the
    /// first of a new revision.
    fn starts(&self) -> BTreeSet<(Timestamp, String, String, u64)> {
        let mut starts = BTreeSet::new();
        for (service, serving) in self.history.iter().flat_map(|standing| &standing.services) {
            for one in serving {
                // Who fell ill again before did not come up.
                if let Some(until) = one.starting_until.filter(|until| self.came_up(*until, service, one)) {
                    starts.insert((until, service.clone(), one.revision.clone(), one.instances));
                }
            }
        }
        for (operation, effect) in self.operations.of::<CloudRun>() {
            if let (Some((service, revision)), Some(Outcome::Response(_)), Some(ended)) =
                (effect.starts(), &operation.outcome, operation.ended)
            {
                starts.insert((ended, service.to_owned(), revision.to_owned(), 1));
            }
        }
        starts
    }

    fn came_up(&self, until: Timestamp, service: &str, one: &Serving) -> bool {
        let serving = self.stood(until).and_then(|standing| standing.services.get(service));
        let serving = serving.and_then(|serving| serving.iter().find(|then| then.revision == one.revision));
        serving.is_some_and(|then| then.starting_until == Some(until))
    }

    fn level(&self, descriptor: &Descriptor, at: Timestamp) -> Vec<(Place, f64)> {
        let Some(stood) = self.stood(at) else { return Vec::new() };
        let of_connector = |short: &String, value: f64| ((Labels::new(), self.connector_labels(short)), value);
        let of_database = |name: &String, value: f64| ((Labels::new(), self.database_labels(name)), value);
        #[expect(clippy::cast_precision_loss, reason = "instances and connections are thousands at most")]
        match descriptor.name.as_ref() {
            INSTANCES => {
                let all = stood.services.iter().flat_map(|(service, all)| all.iter().map(move |one| (service, one)));
                let one = |(service, one): (&String, &Serving)| {
                    let of = (labels(&[("state", "active")]), self.revision_labels(service, &one.revision));
                    (of, one.instances as f64)
                };
                all.map(one).collect()
            }
            CONNECTOR_INSTANCES => {
                stood.connectors.iter().map(|(short, (count, _))| of_connector(short, *count as f64)).collect()
            }
            CONNECTOR_CPU => stood.connectors.iter().map(|(short, (_, busy))| of_connector(short, *busy)).collect(),
            DATABASE_UP => {
                let up = |name: &String| if stood.is_up(name) { 1.0 } else { 0.0 };
                stood.databases.keys().map(|name| of_database(name, up(name))).collect()
            }
            _ => stood.databases.iter().map(|(name, open)| of_database(name, *open as f64)).collect(),
        }
    }

    /// Whether there is what was measured.
    pub fn has(&self, measurement: &Measurement) -> bool {
        let of = &measurement.of;
        match descriptor::find(&measurement.metric).map(|found| found.of) {
            Some(Of::Revision) => self.parts.cloud_run.services.contains_key(of),
            Some(Of::Connector) => self.parts.vpc_access.connectors.contains_key(of),
            Some(Of::Database) => self.parts.cloud_sql.instances.contains_key(of),
            Some(Of::Balancer) => self.parts.compute.backend_services.contains_key(of),
            Some(Of::Quota) => of.ends_with(".googleapis.com"),
            Some(Of::Named) | None => measurement.resource.is_some(),
        }
    }

    /// What the scenario measured at a moment, of what was there.
    fn measured(&self, descriptor: &Descriptor, at: Timestamp) -> Vec<(Place, f64)> {
        let Some(stood) = self.stood(at) else { return Vec::new() };
        let ours = self.measurements.iter().enumerate();
        let ours = ours.filter(|(_, found)| found.metric == descriptor.name && found.is_at(at));
        let one = |(place, found): (usize, &Measurement)| {
            let of: Vec<Labels> = match descriptor.of {
                Of::Revision => {
                    let serving = stood.services.get(&found.of).into_iter().flatten();
                    serving.map(|one| self.revision_labels(&found.of, &one.revision)).collect()
                }
                Of::Connector if stood.connectors.contains_key(&found.of) => vec![self.connector_labels(&found.of)],
                Of::Database if stood.is_up(&found.of) => vec![self.database_labels(&found.of)],
                Of::Quota => vec![self.quota_labels(&found.of)],
                Of::Named => found.resource.iter().map(|resource| self.named_labels(resource)).collect(),
                Of::Connector | Of::Database | Of::Balancer => Vec::new(),
            };
            let value = match &found.value {
                Amount::Number(value) => Some(*value),
                Amount::Computed(_) => stood.measured.get(&place).copied(),
            };
            let one = |resource| Some(((found.labels.clone(), resource), value?));
            of.into_iter().filter_map(one).collect::<Vec<_>>()
        };
        ours.flat_map(one).collect()
    }

    /// What is measured by an expression now. What has no answer has no point.
    pub(super) fn computed(&self) -> BTreeMap<usize, f64> {
        let one = |(place, found): (usize, &Measurement)| match &found.value {
            Amount::Number(_) => None,
            Amount::Computed(expression) => Some((place, expression.number(self).ok()?)),
        };
        self.measurements.iter().enumerate().filter_map(one).collect()
    }

    fn named_labels(&self, resource: &MonitoredResource) -> Labels {
        let mut labels = resource.labels.clone();
        labels.entry("project_id".to_owned()).or_insert_with(|| self.project.clone());
        labels
    }

    fn revision_labels(&self, service: &str, revision: &str) -> Labels {
        labels(&[
            ("project_id", &self.project),
            ("location", &self.region),
            ("service_name", service),
            ("configuration_name", service),
            ("revision_name", revision),
        ])
    }

    fn connector_labels(&self, short: &str) -> Labels {
        labels(&[("project_id", &self.project), ("region", &self.region), ("connector_name", short)])
    }

    fn database_labels(&self, name: &str) -> Labels {
        let id = format!("{}:{name}", self.project);
        labels(&[("project_id", &self.project), ("region", &self.region), ("database_id", &id)])
    }

    fn quota_labels(&self, api: &str) -> Labels {
        labels(&[("project_id", &self.project), ("location", &self.region), ("service", api)])
    }

    fn balancer_labels(&self, name: &str) -> Labels {
        labels(&[
            ("project_id", &self.project),
            ("backend_target_type", "BACKEND_SERVICE"),
            ("backend_target_name", name),
        ])
    }
}

impl Standing {
    fn is_up(&self, database: &str) -> bool {
        self.databases.contains_key(database) && !self.databases_down.contains(database)
    }
}

/// What something says at the end of each minute.
fn levels(minutes: &Minutes, at: impl Fn(Timestamp) -> Vec<(Place, f64)>) -> Fallen {
    let mut fallen = Fallen::new();
    for end in minutes.ends() {
        for (of, value) in at(end) {
            fallen.entry(of).or_default().entry(end.as_second().div_euclid(60)).or_default().push(value);
        }
    }
    fallen
}

fn series<V>(fallen: Fallen, value: impl Fn(&[f64]) -> V) -> Vec<Series<V>> {
    let one = |((metric, resource), by_minute): (Place, BTreeMap<i64, Vec<f64>>)| {
        let points = by_minute.iter().map(|(minute, all)| (Minutes::end(*minute), value(all))).collect();
        Series { metric, resource, points }
    };
    fallen.into_iter().map(one).collect()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
