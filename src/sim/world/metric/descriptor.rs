//! Which metrics there are, and what their points are.
//!
//! They are those of the incident (source: Google's lists of metrics,
//! <https://docs.cloud.google.com/monitoring/api/metrics_gcp>). Some follow from what the world does. Of the others the
//! model has no cause: they have points if the scenario measures them (`[[measurements]]`), and otherwise none.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::SAMPLE_PERIOD;
use crate::sim::world::World;

/// What the points of a metric are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How much there was of something in a minute.
    Count,
    /// How something stood at the end of a minute.
    #[default]
    Level,
    /// How what there was in a minute is distributed.
    Spread,
}

/// What a metric is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A revision of a Cloud Run service.
    Revision,
    /// A connector.
    Connector,
    /// A database.
    Database,
    /// A load balancer's backend service.
    Balancer,
    /// The quotas of an API.
    Quota,
    /// A monitored resource that the scenario names.
    Named,
}

impl Of {
    const fn resource(self) -> &'static str {
        match self {
            Of::Revision => "cloud_run_revision",
            Of::Connector => "vpc_access_connector",
            Of::Database => "cloudsql_database",
            Of::Balancer => "https_lb_rule",
            Of::Quota => "consumer_quota",
            Of::Named => "global",
        }
    }
}

/// The unit of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Just a number.
    Number,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// A part of what there is, from 0 to 1.
    Part,
}

/// A metric.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// Its type, such as `run.googleapis.com/request_count`.
    pub name: Cow<'static, str>,
    /// What its points are.
    pub kind: Kind,
    /// The unit of its values.
    pub unit: Unit,
    /// What it is a metric of.
    pub of: Of,
    /// Whether its points follow from what the world does.
    pub follows: bool,
    /// The type of the monitored resource.
    pub resource: Cow<'static, str>,
    /// What it tells.
    pub about: &'static str,
}

pub(super) const REQUESTS: &str = "run.googleapis.com/request_count";
pub(super) const LATENCIES: &str = "run.googleapis.com/request_latencies";
pub(super) const INSTANCES: &str = "run.googleapis.com/container/instance_count";
pub(super) const CONNECTOR_INSTANCES: &str = "vpcaccess.googleapis.com/connector/instances";
pub(super) const CONNECTOR_CPU: &str = "vpcaccess.googleapis.com/connector/cpu/utilizations";
pub(super) const DATABASE_UP: &str = "cloudsql.googleapis.com/database/up";
pub(super) const BALANCED: &str = "loadbalancing.googleapis.com/https/request_count";

/// A metric whose points follow from what the world does.
const fn follows(name: &'static str, kind: Kind, unit: Unit, of: Of, about: &'static str) -> Descriptor {
    Descriptor {
        name: Cow::Borrowed(name),
        kind,
        unit,
        of,
        follows: true,
        resource: Cow::Borrowed(of.resource()),
        about,
    }
}

/// A metric that a scenario may measure.
const fn measured(name: &'static str, kind: Kind, unit: Unit, of: Of, about: &'static str) -> Descriptor {
    Descriptor {
        name: Cow::Borrowed(name),
        kind,
        unit,
        of,
        follows: false,
        resource: Cow::Borrowed(of.resource()),
        about,
    }
}

/// Every metric that is known without a scenario.
static DESCRIPTORS: [Descriptor; 25] = {
    use Kind::{Count, Level, Spread};
    use Of::{Balancer, Connector, Database, Quota, Revision};
    use Unit::{Bytes, Milliseconds, Number, Part};
    [
        follows(REQUESTS, Count, Number, Revision, "Requests that reached a container, by the status of their answer."),
        follows(LATENCIES, Spread, Milliseconds, Revision, "How long requests took that reached a container."),
        follows(INSTANCES, Level, Number, Revision, "Instances."),
        follows(
            "run.googleapis.com/container/startup_latencies",
            Spread,
            Milliseconds,
            Revision,
            "How long instances took to start. Those that did not come up are not among them.",
        ),
        follows(CONNECTOR_INSTANCES, Level, Number, Connector, "Instances of a connector."),
        follows(
            CONNECTOR_CPU,
            Level,
            Part,
            Connector,
            "How busy a connector's instances are. In the simulated cloud: by the connections wanted of it.",
        ),
        follows(
            "cloudsql.googleapis.com/database/postgresql/num_backends",
            Level,
            Number,
            Database,
            "Connections to a database.",
        ),
        follows(DATABASE_UP, Level, Number, Database, "Whether a database can be connected to."),
        follows(
            BALANCED,
            Count,
            Number,
            Balancer,
            "Requests that a load balancer answered, those among them that reached no container.",
        ),
        measured(
            "run.googleapis.com/container/cpu/utilizations",
            Spread,
            Part,
            Revision,
            "How busy the processors of containers are.",
        ),
        measured(
            "run.googleapis.com/container/memory/utilizations",
            Spread,
            Part,
            Revision,
            "How full the memory of containers is.",
        ),
        measured(
            "run.googleapis.com/container/max_request_concurrencies",
            Spread,
            Number,
            Revision,
            "The most requests that an instance had at once.",
        ),
        measured(
            "run.googleapis.com/container/completed_probe_attempt_count",
            Count,
            Number,
            Revision,
            "Probes of containers that came to an end.",
        ),
        measured(
            "run.googleapis.com/container/network/received_bytes_count",
            Count,
            Bytes,
            Revision,
            "Bytes that containers received.",
        ),
        measured(
            "run.googleapis.com/container/network/sent_bytes_count",
            Count,
            Bytes,
            Revision,
            "Bytes that containers sent.",
        ),
        measured(
            "vpcaccess.googleapis.com/connector/received_bytes_count",
            Count,
            Bytes,
            Connector,
            "Bytes that a connector received.",
        ),
        measured(
            "vpcaccess.googleapis.com/connector/sent_bytes_count",
            Count,
            Bytes,
            Connector,
            "Bytes that a connector sent.",
        ),
        measured(
            "vpcaccess.googleapis.com/connector/received_packets_count",
            Count,
            Number,
            Connector,
            "Packets that a connector received.",
        ),
        measured(
            "vpcaccess.googleapis.com/connector/sent_packets_count",
            Count,
            Number,
            Connector,
            "Packets that a connector sent.",
        ),
        measured(
            "cloudsql.googleapis.com/database/cpu/utilization",
            Level,
            Part,
            Database,
            "How busy a database's processors are.",
        ),
        measured(
            "cloudsql.googleapis.com/database/memory/utilization",
            Level,
            Part,
            Database,
            "How full a database's memory is.",
        ),
        measured(
            "cloudsql.googleapis.com/database/postgresql/new_connection_count",
            Count,
            Number,
            Database,
            "Connections that were made to a database.",
        ),
        measured(
            "cloudsql.googleapis.com/database/disk/utilization",
            Level,
            Part,
            Database,
            "How full a database's disk is.",
        ),
        measured("serviceruntime.googleapis.com/quota/limit", Level, Number, Quota, "The limit of a quota."),
        measured(
            "serviceruntime.googleapis.com/quota/allocation/usage",
            Level,
            Number,
            Quota,
            "How much of a quota is allocated.",
        ),
    ]
};

/// The metric of this type that is known without a scenario.
pub fn find(name: &str) -> Option<&'static Descriptor> {
    DESCRIPTORS.iter().find(|descriptor| descriptor.name == name)
}

impl World {
    /// Every metric: those that are known, and those of other types that the scenario measures.
    pub fn metrics(&self) -> Vec<Descriptor> {
        let mut all = DESCRIPTORS.to_vec();
        for measured in &self.measurements {
            if let (Some(resource), false) = (&measured.resource, all.iter().any(|known| known.name == measured.metric))
            {
                all.push(Descriptor {
                    name: Cow::Owned(measured.metric.clone()),
                    kind: measured.kind,
                    unit: Unit::Number,
                    of: Of::Named,
                    follows: false,
                    resource: Cow::Owned(resource.kind.clone()),
                    about: "Measured by the scenario.",
                });
            }
        }
        all
    }

    /// The metric of this type.
    pub fn metric(&self, name: &str) -> Option<Descriptor> {
        self.metrics().into_iter().find(|descriptor| descriptor.name == name)
    }
}

impl Descriptor {
    /// What PromQL calls it (source: the documentation of PromQL in Cloud Monitoring): the first slash becomes a colon,
    /// everything else that is no letter, digit or underscore an underscore.
    pub fn promql(&self) -> String {
        let (service, rest) = self.name.split_once('/').unwrap_or((&self.name, ""));
        let plain = |text: &str| text.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
        format!("{}:{}", plain(service), plain(rest))
    }

    /// `DELTA` or `GAUGE`.
    pub fn metric_kind(&self) -> &'static str {
        if self.kind == Kind::Level { "GAUGE" } else { "DELTA" }
    }

    /// `INT64`, `DOUBLE` or `DISTRIBUTION`.
    pub fn value_type(&self) -> &'static str {
        match (self.kind, self.unit) {
            (Kind::Spread, _) => "DISTRIBUTION",
            (_, Unit::Part) => "DOUBLE",
            // What the scenario's own is like is not known: a double has every number.
            _ if self.of == Of::Named => "DOUBLE",
            _ => "INT64",
        }
    }

    /// The unit in UCUM's terms.
    pub fn unit(&self) -> &'static str {
        match self.unit {
            Unit::Number => "1",
            Unit::Bytes => "By",
            Unit::Milliseconds => "ms",
            Unit::Part => "10^2.%",
        }
    }

    /// The upper bounds of a distribution's buckets; the last one has none. Google's own are not known here.
    pub fn bounds(&self) -> &'static [f64] {
        match self.unit {
            Unit::Part => &[0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0],
            Unit::Milliseconds => &[
                10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 5120.0, 10240.0, 20480.0, 40960.0, 81920.0,
            ],
            Unit::Number | Unit::Bytes => &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0],
        }
    }

    /// The descriptor as the API shows it.
    pub fn wire(&self, world: &World) -> Value {
        json!({
            "name": format!("projects/{}/metricDescriptors/{}", world.project, self.name),
            "type": self.name,
            "metricKind": self.metric_kind(),
            "valueType": self.value_type(),
            "unit": self.unit(),
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
