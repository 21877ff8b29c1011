//! What Cloud Monitoring has of the world: a point a minute of each metric, once it has been ingested.
//!
//! The metrics are those of the incident (source: Google's lists of metrics, <https://docs.cloud.google.com/monitoring/api/metrics_gcp>):
//! requests by status and revision, instances, and how busy connectors and databases are. A time without points is a
//! time without points: nothing fills it with zeros.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::World;
use super::history::{Standing, State};
use crate::sim::clock::later;

/// How far apart points are.
pub const SAMPLE_PERIOD: SignedDuration = SignedDuration::from_mins(1);
/// How long a point takes, beyond its sample period, unless the scenario says otherwise (ours; Google says up to 240 s).
const DELAY: SignedDuration = SignedDuration::from_mins(2);
/// More points of a metric are not worked out for one question.
const MOST_MINUTES: i64 = 24 * 60;

/// A metric.
#[derive(Debug)]
pub struct Descriptor {
    /// Its type, such as `run.googleapis.com/request_count`.
    pub name: &'static str,
    /// Whether a point counts what happened in its minute, or tells how something stood at its end.
    pub counts: bool,
    /// Whether points are whole numbers.
    pub whole: bool,
    /// What it is a metric of.
    pub resource: &'static str,
    /// What it tells.
    pub about: &'static str,
}

/// How long requests took, in milliseconds: a distribution, which is not one number a point.
pub const LATENCIES: &str = "run.googleapis.com/request_latencies";

/// The upper bounds of its buckets, in milliseconds; the last one has none. Google's own are not known here.
pub const BOUNDS: [f64; 14] =
    [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 5120.0, 10240.0, 20480.0, 40960.0, 81920.0];

/// Every metric whose points are numbers.
pub const DESCRIPTORS: [Descriptor; 6] = [
    Descriptor {
        name: "run.googleapis.com/request_count",
        counts: true,
        whole: true,
        resource: "cloud_run_revision",
        about: "Requests that reached a container, by the status of their answer.",
    },
    Descriptor {
        name: "run.googleapis.com/container/instance_count",
        counts: false,
        whole: true,
        resource: "cloud_run_revision",
        about: "Instances.",
    },
    Descriptor {
        name: "vpcaccess.googleapis.com/connector/instances",
        counts: false,
        whole: true,
        resource: "vpc_access_connector",
        about: "Instances of a connector.",
    },
    Descriptor {
        name: "vpcaccess.googleapis.com/connector/cpu/utilizations",
        counts: false,
        whole: false,
        resource: "vpc_access_connector",
        about: "How busy a connector's instances are, from 0 to 1. In the simulated cloud: by the connections wanted of it.",
    },
    Descriptor {
        name: "cloudsql.googleapis.com/database/postgresql/num_backends",
        counts: false,
        whole: true,
        resource: "cloudsql_database",
        about: "Connections to a database.",
    },
    Descriptor {
        name: "cloudsql.googleapis.com/database/up",
        counts: false,
        whole: true,
        resource: "cloudsql_database",
        about: "Whether a database can be connected to.",
    },
];

/// The points of one combination of labels, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Labels of the metric.
    pub metric: BTreeMap<String, String>,
    /// Labels of what it is a metric of.
    pub resource: BTreeMap<String, String>,
    /// The end of each point's minute, and its value.
    pub points: Vec<(Timestamp, f64)>,
}

/// The metric of this type.
pub fn find(name: &str) -> Option<&'static Descriptor> {
    DESCRIPTORS.iter().find(|descriptor| descriptor.name == name)
}

impl Descriptor {
    /// What PromQL calls it (source: the documentation of PromQL in Cloud Monitoring): the first slash becomes a colon,
    /// everything else that is no letter, digit or underscore an underscore.
    pub fn promql(&self) -> String {
        let (service, rest) = self.name.split_once('/').unwrap_or((self.name, ""));
        let plain = |text: &str| text.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
        format!("{}:{}", plain(service), plain(rest))
    }

    /// The descriptor as the API shows it.
    pub fn wire(&self, world: &World) -> Value {
        json!({
            "name": format!("projects/{}/metricDescriptors/{}", world.project, self.name),
            "type": self.name,
            "metricKind": if self.counts { "DELTA" } else { "GAUGE" },
            "valueType": if self.whole { "INT64" } else { "DOUBLE" },
            "description": self.about,
            "metadata": {
                "launchStage": "GA",
                "samplePeriod": format!("{}s", SAMPLE_PERIOD.as_secs()),
                "ingestDelay": format!("{}s", world.metric_delay().as_secs()),
            },
            "monitoredResourceTypes": [self.resource],
        })
    }
}

/// What latencies came to in one minute, of one combination of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Labels of the metric.
    pub metric: BTreeMap<String, String>,
    /// Labels of what it is a metric of.
    pub resource: BTreeMap<String, String>,
    /// The end of the minute.
    pub end: Timestamp,
    /// How many requests fell into each bucket; one more than there are bounds.
    pub counts: Vec<u32>,
    /// All of them together, in milliseconds.
    pub sum: f64,
}

type Labels = BTreeMap<String, String>;

/// Minute, service, revision, status.
type Of = (i64, String, String, u16);

impl World {
    /// How long a point takes until it can be read.
    pub fn metric_delay(&self) -> SignedDuration {
        self.behaviour.metric_delay.unwrap_or(DELAY)
    }

    /// The points whose minutes end after `from` and not after `to`, as far as they have been ingested.
    pub fn series(&self, descriptor: &Descriptor, from: Timestamp, to: Timestamp) -> Vec<Series> {
        let to = to.min(later(self.now, -self.metric_delay()));
        let last = to.as_second().div_euclid(60);
        let first = (from.as_second().div_euclid(60) + 1).max(last.saturating_sub(MOST_MINUTES));
        let mut found: BTreeMap<(Labels, Labels), Vec<(Timestamp, f64)>> = BTreeMap::new();
        for minute in first..=last {
            let Ok(end) = Timestamp::from_second(minute.saturating_mul(60)) else { continue };
            for (metric, resource, value) in self.measured(descriptor, end) {
                found.entry((metric, resource)).or_default().push((end, value));
            }
        }
        found.into_iter().map(|((metric, resource), points)| Series { metric, resource, points }).collect()
    }

    /// How long requests took, a distribution a minute, under the same terms as [`World::series`].
    pub fn latencies(&self, from: Timestamp, to: Timestamp) -> Vec<Distribution> {
        let to = to.min(later(self.now, -self.metric_delay()));
        let last = to.as_second().div_euclid(60);
        let first = (from.as_second().div_euclid(60) + 1).max(last.saturating_sub(MOST_MINUTES));
        let mut found: BTreeMap<Of, (Vec<u32>, f64)> = BTreeMap::new();
        let (Ok(begins), Ok(ends)) =
            (Timestamp::from_second((first - 1).saturating_mul(60)), Timestamp::from_second(last.saturating_mul(60)))
        else {
            return Vec::new();
        };
        for visit in self.visits(begins, ends).into_iter().filter(|visit| visit.state != State::Starting) {
            let milliseconds = visit.latency.as_secs_f64() * 1000.0;
            let bucket = BOUNDS.partition_point(|bound| *bound <= milliseconds);
            let (minute, status) = (visit.at.as_second().div_euclid(60) + 1, visit.status());
            let empty = || (vec![0; BOUNDS.len() + 1], 0.0);
            let (counts, sum) = found.entry((minute, visit.service, visit.revision, status)).or_insert_with(empty);
            if let Some(count) = counts.get_mut(bucket) {
                *count += 1;
            }
            *sum += milliseconds;
        }
        let one = |((minute, service, revision, status), (counts, sum)): (Of, _)| {
            let end = Timestamp::from_second(minute.saturating_mul(60)).ok()?;
            let (metric, resource) = (status_labels(status), self.revision_labels(&service, &revision));
            Some(Distribution { metric, resource, end, counts, sum })
        };
        found.into_iter().filter_map(one).collect()
    }

    fn measured(&self, descriptor: &Descriptor, end: Timestamp) -> Vec<(Labels, Labels, f64)> {
        if descriptor.counts {
            return self.requests(later(end, -SAMPLE_PERIOD), end);
        }
        let Some(stood) = self.stood(end) else { return Vec::new() };
        match descriptor.name {
            "run.googleapis.com/container/instance_count" => self.instances(stood),
            "vpcaccess.googleapis.com/connector/instances" => {
                #[expect(clippy::cast_precision_loss, reason = "a connector has ten instances at most")]
                let count = |(instances, _): &(i64, f64)| *instances as f64;
                stood.connectors.iter().map(|(short, load)| self.of_connector(short, count(load))).collect()
            }
            "vpcaccess.googleapis.com/connector/cpu/utilizations" => {
                stood.connectors.iter().map(|(short, (_, busy))| self.of_connector(short, *busy)).collect()
            }
            "cloudsql.googleapis.com/database/up" => {
                let up = |open: u64| if open > 0 { 1.0 } else { 0.0 };
                stood.databases.iter().map(|(name, open)| self.of_database(name, up(*open))).collect()
            }
            _ => {
                #[expect(clippy::cast_precision_loss, reason = "connections are thousands at most")]
                let count = |open: u64| open as f64;
                stood.databases.iter().map(|(name, open)| self.of_database(name, count(*open))).collect()
            }
        }
    }

    fn requests(&self, from: Timestamp, to: Timestamp) -> Vec<(Labels, Labels, f64)> {
        let mut counted: BTreeMap<(String, String, u16), u32> = BTreeMap::new();
        // What found no instance never reached a container, and is not counted: a zero here is not health.
        for visit in self.visits(from, to).into_iter().filter(|visit| visit.state != State::Starting) {
            let status = visit.status();
            *counted.entry((visit.service, visit.revision, status)).or_default() += 1;
        }
        let one = |((service, revision, status), count): ((String, String, u16), u32)| {
            (status_labels(status), self.revision_labels(&service, &revision), f64::from(count))
        };
        counted.into_iter().map(one).collect()
    }

    fn instances(&self, stood: &Standing) -> Vec<(Labels, Labels, f64)> {
        let all = stood.services.iter().flat_map(|(service, serving)| serving.iter().map(move |one| (service, one)));
        #[expect(clippy::cast_precision_loss, reason = "instances are thousands at most")]
        let one = |(service, serving): (&String, &super::history::Serving)| {
            let metric = labels(&[("state", "active")]);
            (metric, self.revision_labels(service, &serving.revision), serving.instances as f64)
        };
        all.map(one).collect()
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

    fn of_connector(&self, short: &str, value: f64) -> (Labels, Labels, f64) {
        let resource = labels(&[("project_id", &self.project), ("region", &self.region), ("connector_name", short)]);
        (Labels::new(), resource, value)
    }

    fn of_database(&self, name: &str, value: f64) -> (Labels, Labels, f64) {
        let id = format!("{}:{name}", self.project);
        let resource = labels(&[("project_id", &self.project), ("region", &self.region), ("database_id", &id)]);
        (Labels::new(), resource, value)
    }
}

fn status_labels(status: u16) -> Labels {
    labels(&[("response_code", &status.to_string()), ("response_code_class", &format!("{}xx", status / 100))])
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
