//! What a runbook pays for the catalog: ten APIs are read, and a step is checked in each.
//!
//! `cargo bench --bench catalog`

#![expect(clippy::expect_used, reason = "a bench that cannot measure must say so")]

use divan::{Bencher, black_box};
use rectify::catalog::{Catalog, Scope, validate};
use serde_json::{Map, json};

fn main() {
    divan::main();
}

/// Compute Engine and Vertex AI, which are the largest, are among them.
const TEN: [&str; 10] = [
    "redis.instances/a",
    "sqladmin.instances/a",
    "run.services/a",
    "compute.backendServices/a",
    "pubsub.subscriptions/a",
    "cloudscheduler.jobs/a",
    "secretmanager.secrets/a",
    "container.clusters/a",
    "aiplatform.endpoints/a",
    "spanner.instances/a",
];

/// What is read is never freed, so the number of rounds is small.
#[divan::bench(args = [1, 10], sample_count = 50, sample_size = 1)]
fn apis(bencher: Bencher, count: usize) {
    let scope = Scope { project: "p", region: Some("us-central1"), zone: None };
    let set = Map::from_iter([("labels".to_owned(), json!({ "team": "a" }))]);
    bencher.bench(|| {
        let catalog = Catalog::anew().expect("the catalog is whole");
        for name in &TEN[..count] {
            let resource = catalog.find(black_box(name), &scope).expect("it is in the catalog");
            // Some have no labels: that is found out too.
            let _ = black_box(validate(resource.resource_type, &set, &[]));
        }
    });
}

/// What `rectify resources` pays.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn all_types(bencher: Bencher) {
    bencher.bench(|| {
        let catalog = Catalog::anew().expect("the catalog is whole");
        black_box(catalog.types().expect("the catalog is whole").len())
    });
}
