//! How long `check` takes: the flagship, and generated runbooks of many steps. Twice the steps may take twice the time.
//!
//! `cargo bench --bench check`

use std::fmt::Write as _;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rectify::check::check;
use rectify::runbook::Mode;
use rectify::syntax::Inputs;

fn main() {
    divan::main();
}

#[divan::bench]
fn flagship(bencher: Bencher) {
    let text = include_str!("../runbooks/connector-exhaustion.toml");
    bencher.bench(|| check("flagship.toml", black_box(text.as_bytes()), &Inputs::none(), Mode::Check));
}

#[divan::bench(args = [1250, 2500, 5000, 10_000], max_time = 5)]
fn steps(bencher: Bencher, count: usize) {
    let text = generated(count);
    bencher.counter(ItemsCount::new(count)).bench(|| {
        let outcome = check("generated.toml", black_box(text.as_bytes()), &Inputs::none(), Mode::Check);
        assert!(outcome.checked.is_some());
    });
}

/// A runbook of so many steps, a hundred a phase, each with its gate.
fn generated(count: usize) -> String {
    let mut text = String::from(
        "[runbook]\nname = \"large\"\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n\
         [probes.backend]\nhttp = \"https://api.example.com/health\"\nexpect = 'status == 200'\n",
    );
    for step in 0..count {
        if step % 100 == 0 {
            let _ = writeln!(text, "[[phase]]\nname = \"phase-{step}\"");
        }
        let _ = writeln!(
            text,
            "[[phase.step]]\nname = \"step-{step}\"\nuses = \"gcp.run.traffic\"\n\
             with = {{ service = \"service-{}\", to = {{ LATEST = 100 }} }}\n\
             gate = {{ healthy = [\"backend\"], for = \"1m\" }}",
            step % 50
        );
    }
    text
}
