//! A run as a document: whole, damaged, rolled back, stuck, hostile or very long.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::gcloud::say;
use crate::support::{Desk, FLAGSHIP, SCENARIO, Served};

const RUN: [&str; 7] = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];

fn report(desk: &Desk, format: &str) -> String {
    desk.rectify(&["report", "--format", format]).code(0).stdout
}

#[test]
fn a_finished_run_is_told_with_its_changes_proofs_and_people() {
    let desk = Desk::new();
    desk.rectify(&[&["run", FLAGSHIP], &RUN[..]].concat()).code(0);
    let text = report(&desk, "markdown");
    for part in [
        "## Recover staging from VPC connector exhaustion: Done, after 47m",
        "| `scale-connector` | `max_instances` | `3` | `10` | applied, irreversible |",
        "| `soak` | auth, backend, golden-path, certificate, no-503 healthy for 30m",
        "✓ healthy: 191 samples in a row rule out a failure rate of 2.0 % (95 %)",
        "begun by ops<span>&#64;</span>",
        "which cannot be undone: a connector never shrinks",
        "### Follow-ups\n\n- gcp.connector staging-connector: ",
        "journal: `",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let record: Value = serde_json::from_str(&report(&desk, "json")).unwrap();
    assert_eq!((record["format"].clone(), record["outcome"].clone()), (1.into(), "done".into()));
    let soak = record["tasks"].as_array().unwrap().iter().find(|task| task["id"] == "soak").unwrap();
    assert_eq!(soak["gates"][0]["passed"], true);
    assert_eq!(soak["gates"][0]["probes"].as_object().unwrap().len(), 5);
    let page = report(&desk, "html");
    assert_eq!(page.matches("<svg ").count(), 7, "the timeline, and the six gates whose probes see a latency");
    for part in ["<h2>Timeline</h2>", "Done, after 47m", "light-dark("] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("href=") && !page.contains("src="), "it needs nothing else");
}

#[test]
fn a_run_that_was_rolled_back_shows_what_was_undone() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    desk.rectify(&[&["run", &runbook], &RUN[..]].concat()).code(0);
    desk.rectify(&["rollback", "--yes"]).code(0);
    let text = report(&desk, "markdown");
    assert!(text.contains(": Rolled back, after "), "{text}");
    assert!(text.contains("| `one-revision` | `targets` |") && text.contains("| rolled back |"), "{text}");
    assert!(text.contains("rolled back by ops<span>&#64;</span>"), "{text}");
    assert!(!text.contains("- gcp.run.traffic netra"), "the pin is undone: {text}");
}

/// What could not be undone is not called undone.
#[test]
fn a_run_that_is_stuck_shows_what_is_left() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let flags = ["--sim", cloud.url.as_str(), "--yes", "--acknowledge", "scale-connector"];
    desk.rectify(&[&["run", FLAGSHIP], &flags[..]].concat()).code(0);
    let matched = serde_json::json!({ "method": "PATCH", "path": "*/services/netra-auth-staging" });
    let fault = serde_json::json!({ "match": matched, "fault": { "status": 403 } });
    cloud.call(reqwest::Method::POST, "/_sim/faults", Some(fault));
    desk.rectify(&["rollback", "--yes"]).code(6);
    let text = report(&desk, "markdown");
    assert!(text.contains(": Stuck: an operator must act, after "), "{text}");
    let row = |step: &str| text.lines().find(|line| line.starts_with(&format!("| `{step}` |"))).unwrap().to_owned();
    assert!(row("deploy-auth").ends_with("| not rolled back |"), "{text}");
    assert!(
        row("one-revision").ends_with("| rolled back |")
            && row("scale-connector").ends_with("| applied, irreversible |")
    );
    assert!(text.contains("deploy-auth could not be undone:"), "{text}");
    let page = report(&desk, "html");
    assert!(page.contains("class=\"outcome bad\"") && page.contains("<span class=\"bad\">not rolled back</span>"));
}

#[test]
fn a_broken_journal_is_reported_as_far_as_it_goes_and_says_so() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    desk.rectify(&[&["run", &runbook], &RUN[..]].concat()).code(0);
    let journal = desk.run_directory().join("journal.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let changed = lines[lines.len() / 2].replacen("2025-", "2024-", 1);
    assert_ne!(changed, lines[lines.len() / 2]);
    let half = [&lines[..lines.len() / 2], &[changed.as_str()], &lines[lines.len() / 2 + 1..]].concat().join("\n");
    fs::write(&journal, half + "\n").unwrap();
    let page = report(&desk, "html");
    assert!(page.contains("This report ends where the journal can no longer be trusted:"));
    assert!(page.contains("scale-connector") && page.contains("Not ended"));
    let text = report(&desk, "markdown");
    assert!(text.contains("**This report ends where the journal can no longer be trusted:**"), "{text}");
    // A last line that was never finished is damage of the gentler kind.
    fs::write(&journal, format!("{whole}{{\"seq\":")).unwrap();
    assert!(report(&desk, "markdown").contains("its last line was never finished"));
    // One that was finished, and is not whole any more, is missing.
    fs::write(&journal, &whole[..whole.len() - 20]).unwrap();
    assert!(report(&desk, "markdown").contains(&format!("the last 1 of its {} lines are missing", lines.len())));
}

/// Whatever a runbook or a service says stays text, in every form.
#[test]
fn hostile_words_are_inert() {
    let desk = Desk::new();
    let hostile =
        "<script>alert(1)</script><img src=x onerror=alert(1)> \\u001b[2J\\u202egnp [x](javascript:1) @ops | `";
    let text = format!(
        "[runbook]\nname = \"hostile\"\ntitle = \"{hostile}\"\nowners = [\"ops\"]\non_failure = \"stop\"\n\
         [target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n\
         [probes.auth]\nhttp = \"https://auth.staging.netrasystems.ai/health\"\nexpect = 'status == 200 && body != \"{hostile}\"'\n\
         [[phase]]\nname = \"all\"\ntitle = \"{hostile}\"\n[[phase.step]]\nname = \"look\"\nuses = \"probe\"\n\
         gate = {{ healthy = [\"auth\"], every = \"5s\", timeout = \"20s\" }}\n"
    );
    let file = desk.write("hostile.toml", &text);
    desk.rectify(&["run", &file, "--sim", SCENARIO, "--speed", "max", "--yes"]).code(1);
    for format in ["html", "markdown"] {
        let report = report(&desk, format);
        let plain = report.replace("&lt;", "");
        assert!(!plain.contains("<script") && !plain.contains("<img"), "{report}");
        assert!(!report.contains('\u{1b}') && !report.contains('\u{202e}'));
        assert!(report.contains("alert(1)"), "it is shown, as text");
    }
    assert!(!report(&desk, "markdown").contains("[x](javascript"), "no link");
}

#[test]
fn a_run_of_ten_thousand_steps_is_a_report_of_less_than_five_megabytes() {
    let desk = Desk::new();
    let head = "[runbook]\nname = \"long\"\nowners = [\"ops\"]\n[target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n[[phase]]\nname = \"all\"\n";
    let step = |n| format!("[[phase.step]]\nname = \"step-{n}\"\nuses = \"wait\"\nwith = {{ for = \"0s\" }}\n");
    let steps: Vec<String> = (0..10_000).map(step).collect();
    let file = desk.write("long.toml", &format!("{head}{}", steps.concat()));
    desk.rectify(&["run", &file, "--sim", SCENARIO, "--speed", "max", "--yes"]).code(0);
    for format in ["html", "markdown", "json"] {
        let size = report(&desk, format).len();
        assert!(size < 5_000_000, "{format}: {size}");
    }
}

/// A real browser takes the page without a complaint.
#[test]
fn a_browser_shows_it_without_errors() {
    let chromium = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()));
    let Some(chromium) = chromium else { return say("left out: there is no chromium here") };
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    desk.rectify(&[&["run", &runbook], &RUN[..]].concat()).code(0);
    let page = desk.path("report.html");
    desk.rectify(&["report", "--format", "html", "--out", &page.display().to_string()])
        .code(0)
        .says("the report of run");
    let mut browser = Command::new(chromium);
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    browser.args([
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        "--v=0",
    ]);
    browser.arg(format!("--user-data-dir={}", desk.path("profile").display())).arg("--dump-dom");
    let shown = browser.arg(format!("file://{}", page.display())).output().unwrap();
    let (dom, log) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(shown.status.success(), "{log}");
    assert!(dom.contains("<h2>Timeline</h2>") && dom.contains("</svg>") && dom.contains("scale-connector"), "{dom}");
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains(":CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}
