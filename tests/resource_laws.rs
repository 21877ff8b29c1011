//! What every kind of resource must keep, tried on the simulated cloud over a real socket: a
//! write that starts from something else is not sent, a running operation is seen, a write that is sent twice
//! takes effect once, and the swapped change leads back where the API allows it.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::SignedDuration;
use rectify::gate::FactType;
use rectify::resource::KINDS;
use rectify::resource::connector::Connector;
use rectify::resource::{
    AnyKind, Certainty, Cloud, Endpoint, Kind as _, Kinds, OperationProgress, ReadError, Validity, WriteError, Writer,
    Written,
};
use rectify::run::{Change, ResourceId, covers};
use rectify::sim::{Busy, Clock, Simulator, scenario};
use serde_json::{Value, json};

const AUTH: &str = "us-central1-docker.pkg.dev/netra-staging/apps/auth@sha256:1180000000000000000000000000000000000000000000000000000000000118";
const CRASHING: &str = "us-central1-docker.pkg.dev/netra-staging/apps/auth@sha256:1170000000000000000000000000000000000000000000000000000000000117";

pub(crate) struct Laboratory {
    kinds: Kinds,
    writer: Writer,
    clock: Clock,
    _simulator: Simulator,
    _busy: Busy,
}

impl Laboratory {
    async fn open() -> Laboratory {
        let text = std::fs::read_to_string(crate::support::SCENARIO).unwrap();
        Laboratory::of(&(text + crate::sql::DATABASE + crate::compute::LOAD_BALANCER)).await
    }

    /// On the cloud of a scenario.
    pub(crate) async fn of(text: &str) -> Laboratory {
        let world = scenario::parse("scenario", text).unwrap_or_else(|error| panic!("{error}"));
        let clock = Clock::stepped(world.now());
        let busy = clock.busy();
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::start(world, clock.clone(), here, None).unwrap();
        let endpoint = Endpoint::Simulated(simulator.addr());
        let (cloud, writer) = (Cloud::at(&endpoint).await.unwrap(), Writer::at(&endpoint).await.unwrap());
        Laboratory { kinds: Kinds::on(&Arc::new(cloud)), writer, clock, _simulator: simulator, _busy: busy }
    }

    fn kind(&self, id: &ResourceId) -> &dyn AnyKind {
        self.kinds.of(id).unwrap()
    }

    pub(crate) async fn write(&self, change: &Change) -> Result<Written, WriteError> {
        self.kind(&change.resource).write(&self.writer, change).await
    }

    pub(crate) async fn look(&self, id: &ResourceId) -> Result<Value, ReadError> {
        self.kinds.observe(id).await.map(|seen| seen.state)
    }

    pub(crate) async fn seen(&self, id: &ResourceId) -> Value {
        self.kinds.observe(id).await.unwrap().state
    }

    async fn begin(&self, change: &Change) -> String {
        match self.kind(&change.resource).write(&self.writer, change).await.unwrap() {
            Written::Sent(OperationProgress::Running { operation }) => operation,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn finish(&self, change: &Change, operation: &str) -> OperationProgress<Value> {
        self.clock.advance(SignedDuration::from_mins(10));
        self.kind(&change.resource).poll(&change.resource, operation, std::time::Duration::ZERO).await.unwrap()
    }
}

fn id(kind: &str, name: &str) -> ResourceId {
    format!("{kind}/netra-staging/us-central1/{name}").parse().unwrap()
}

/// One change of each kind that the incident's cloud accepts.
async fn changes(laboratory: &Laboratory) -> Vec<Change> {
    let traffic = id("gcp.run.traffic", "netra-backend-staging");
    let split = laboratory.seen(&traffic).await;
    vec![
        Change {
            resource: id("gcp.connector", "staging-connector"),
            from: json!({"min_instances": 2, "max_instances": 3, "machine_type": "e2-micro"}),
            to: json!({"min_instances": 3, "max_instances": 10, "machine_type": "e2-standard-4"}),
        },
        Change {
            resource: traffic,
            from: split,
            to: json!({"targets": [{"revision": "netra-backend-staging-00750-69k", "percent": 100}]}),
        },
        Change {
            resource: id("gcp.run.service", "netra-auth-staging"),
            from: json!({"image": CRASHING}),
            to: json!({"image": AUTH, "revision": "netra-auth-staging-00118-bcd"}),
        },
        // One variable of those that it may have, and one that is not shown; the others are somebody else's.
        Change {
            resource: id("gcp.run.template", "netra-backend-staging"),
            from: json!({"env": {"LOG_LEVEL": null}, "memory": "512Mi", "min_instances": null, "max_instances": 20}),
            to: json!({"env": {"LOG_LEVEL": "debug"}, "memory": "1Gi", "min_instances": 1, "max_instances": 7}),
        },
        Change {
            resource: id("gcp.run.scaling", "netra-backend-staging"),
            from: json!({"min_instances": 0, "max_instances": 0}),
            to: json!({"min_instances": 1, "max_instances": 5}),
        },
        // Another flag is set, and stays; this one was not, and must be gone after the undo.
        Change {
            resource: id("gcp.sql", "staging-shared-postgres"),
            from: json!({"flags": {"max_connections": null}}),
            to: json!({"flags": {"max_connections": "200"}}),
        },
    ]
}

#[tokio::test]
async fn a_write_takes_effect_once_and_is_seen_while_it_runs() {
    let laboratory = Laboratory::open().await;
    for change in changes(&laboratory).await {
        let id = &change.resource;
        let operation = laboratory.begin(&change).await;
        let seen = laboratory.kind(id).observe(id).await.unwrap();
        assert_eq!(seen.operation.as_deref(), Some(operation.as_str()), "{id}: a running operation is seen");
        // The same again, as after a lost answer: whatever is said, nothing is sent.
        match laboratory.kind(id).write(&laboratory.writer, &change).await {
            Ok(Written::Drifted { .. }) | Err(WriteError::Refused { .. } | WriteError::Busy { .. }) => {}
            other => panic!("{id}: {other:?}"),
        }
        let running = laboratory.kind(id).poll(id, &operation, std::time::Duration::ZERO).await.unwrap();
        assert!(matches!(running, OperationProgress::Running { .. }), "{id}: {running:?}");
        let OperationProgress::Done(state) = laboratory.finish(&change, &operation).await else {
            panic!("{id}: not done")
        };
        assert!(covers(&state, &change.to), "{id}: {state}");
        assert!(covers(&laboratory.seen(id).await, &change.to), "{id}");
        assert_eq!(laboratory.kind(id).observe(id).await.unwrap().operation, None, "{id}");
        let again = laboratory.kind(id).write(&laboratory.writer, &change).await.unwrap();
        assert!(matches!(again, Written::Drifted { .. }), "{id}: {again:?}");
    }
}

#[tokio::test]
async fn a_write_that_starts_from_something_else_is_not_sent() {
    let laboratory = Laboratory::open().await;
    for change in changes(&laboratory).await {
        let before = laboratory.seen(&change.resource).await;
        let stale = Change { from: change.to.clone(), to: change.from.clone(), ..change };
        let written = laboratory.kind(&stale.resource).write(&laboratory.writer, &stale).await.unwrap();
        let Written::Drifted { now } = written else { panic!("{written:?}") };
        assert_eq!(now, before);
        assert_eq!(laboratory.seen(&stale.resource).await, before);
    }
}

#[tokio::test]
async fn the_swapped_change_leads_back_or_is_known_not_to() {
    let laboratory = Laboratory::open().await;
    for change in changes(&laboratory).await {
        let id = &change.resource;
        let operation = laboratory.begin(&change).await;
        assert!(matches!(laboratory.finish(&change, &operation).await, OperationProgress::Done(_)), "{id}");
        let undo = change.undo();
        if id.kind == "gcp.connector" {
            let sizes = |value: &Value| serde_json::from_value(value.clone()).unwrap();
            assert!(Connector::allowed(&sizes(&change.from), &sizes(&change.to)).unwrap().is_irreversible());
            assert!(Connector::allowed(&sizes(&undo.from), &sizes(&undo.to)).is_err(), "{id}: known to be refused");
            let refused = laboratory.kind(id).write(&laboratory.writer, &undo).await.unwrap_err();
            assert!(matches!(refused, WriteError::Refused { .. }), "{id}: {refused:?}");
            continue;
        }
        let operation = laboratory.begin(&undo).await;
        laboratory.finish(&undo, &operation).await;
        assert!(covers(&laboratory.seen(id).await, &change.from), "{id}: back");
    }
}

#[tokio::test]
async fn a_deploy_that_does_not_start_fails_and_says_so_also_to_who_only_looks() {
    let laboratory = Laboratory::open().await;
    // The connector is starved: nothing that needs the database starts.
    let change = changes(&laboratory).await.remove(2);
    let operation = laboratory.begin(&change).await;
    let OperationProgress::Failed { why, certainty: Certainty::Certain } = laboratory.finish(&change, &operation).await
    else {
        panic!("it started")
    };
    assert!(!why.is_empty());
    let seen = laboratory.kind(&change.resource).observe(&change.resource).await.unwrap();
    assert_eq!(seen.operation, None, "it has come to rest");
    assert!(seen.trouble.is_some(), "and is in trouble");
    assert!(covers(&seen.state, &change.to), "although it took effect");
}

#[tokio::test]
async fn what_does_not_exist_is_not_brought_to_life() {
    let laboratory = Laboratory::open().await;
    for kind in KINDS.iter().map(|kind| kind.name).filter(|kind| *kind != "gcp.service-health") {
        let name = match kind {
            "gcp.run.revision" => "netra-typo/netra-typo-00001-abc",
            "gcp.sql.flag" => "netra-typo/max_connections",
            "gcp.resource" => "redis.googleapis.com/projects/netra-staging/locations/us-central1/instances/netra-typo",
            // That it does not exist is what it says, and what is not there is in no list.
            "gcp.existence" | "gcp.list" => continue,
            _ => "netra-typo",
        };
        let id = id(kind, name);
        let error = laboratory.kinds.observe(&id).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{id} does not exist"));
    }
}

/// What `check` believes that a kind shows is what it shows.
#[tokio::test]
async fn every_fact_that_a_condition_can_name_is_there_and_of_its_type() {
    let laboratory = Laboratory::open().await;
    let revision = "netra-backend-staging/netra-backend-staging-00750-69k";
    let names = [("gcp.run.revision", revision), ("gcp.backend-service", "api"), ("gcp.certificate", "api")];
    let flag = "staging-shared-postgres/max_connections";
    let names = names.into_iter().chain([("gcp.service-health", "Cloud Run"), ("gcp.sql.flag", flag)]);
    let names = names.chain([("gcp.run.revisions", "netra-backend-staging")]);
    let shown: Vec<ResourceId> = names.map(|(kind, name)| id(kind, name)).collect();
    let changed = changes(&laboratory).await.into_iter().map(|change| change.resource);
    let all: Vec<ResourceId> = changed.chain(shown).collect();
    // Facts of a resource of the catalog are those of its type; `any_resource` has them.
    for kind in KINDS.iter().filter(|kind| !["gcp.resource", "gcp.existence", "gcp.list"].contains(&kind.name)) {
        let (kind, facts) = (kind.name, kind.facts);
        let id = all.iter().find(|id| id.kind == kind).unwrap_or_else(|| panic!("nothing of kind {kind} is looked at"));
        let state = laboratory.seen(id).await;
        for (name, wanted) in facts {
            let is = match &state[name] {
                Value::Bool(_) => FactType::Bool,
                Value::Number(_) => FactType::Int,
                Value::String(_) => FactType::Text,
                // A flag that is not set has no value, and a condition over it is unknown.
                Value::Null if *name == "max_connections" => continue,
                other => panic!("{kind} shows {name} as {other}"),
            };
            assert_eq!(is, *wanted, "{kind}: {name}");
        }
    }
}

/// What the API says to a question is what it says to the write, and asking changes nothing.
#[tokio::test]
async fn asking_whether_a_write_would_be_taken_changes_nothing() {
    let laboratory = Laboratory::open().await;
    for change in changes(&laboratory).await {
        let before = laboratory.kinds.observe(&change.resource).await.unwrap();
        let asks = change.resource.kind.starts_with("gcp.run.");
        let answer = laboratory.kind(&change.resource).validate(&change, before.etag.as_deref()).await.unwrap();
        assert_eq!(answer, if asks { Validity::Accepted } else { Validity::NotAsked }, "{}", change.resource);
        assert_eq!(laboratory.kinds.observe(&change.resource).await.unwrap(), before);
    }
    let traffic = id("gcp.run.traffic", "netra-backend-staging");
    // A revision that is not there is for the operation to refuse; shares that make no whole are refused at once.
    let nowhere = json!({"targets": [{"revision": "netra-backend-staging-00750-69k", "percent": 90}]});
    let seen = laboratory.kinds.observe(&traffic).await.unwrap();
    let change = Change { from: seen.state, resource: traffic, to: nowhere };
    let answer = laboratory.kind(&change.resource).validate(&change, seen.etag.as_deref()).await.unwrap();
    assert!(matches!(answer, Validity::Refused { .. }), "{answer:?}");
}
