//! The incident's issue, at a small GitHub that checks what it is sent.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::servers::{Got, Receiver};
use crate::support::{Desk, Done, SCENARIO};

/// An issue as this GitHub keeps it.
#[derive(Debug, Default)]
struct Kept {
    labels: Vec<String>,
    /// Id and text of each comment.
    comments: Vec<(u64, String)>,
    /// The comments that somebody else wrote.
    strangers: Vec<u64>,
    closed: Option<String>,
}

const ISSUE: &str = "/repos/example/netra/issues/12";

/// Answers as GitHub's REST API does, as far as this is used, and refuses whatever else it is sent.
fn github(issue: Arc<Mutex<Kept>>) -> Receiver {
    Receiver::start(move |got| {
        let mut issue = issue.lock().unwrap();
        if got.headers.get("authorization").is_none_or(|token| token != "Bearer open-sesame") {
            return (401, json!({ "message": "Bad credentials", "documentation_url": "" }).to_string());
        }
        let (status, answer) = answer(&mut issue, got);
        (status, answer.to_string())
    })
}

fn label(name: &String) -> Value {
    json!({ "id": 1, "node_id": "L", "url": "https://api.github.com/l", "name": name, "color": "ff0000", "default": false })
}

fn person(login: &str) -> Value {
    let url = "https://api.github.com/u";
    json!({ "login": login, "id": 1, "node_id": "U", "avatar_url": url, "gravatar_id": "", "url": url, "html_url": url,
        "followers_url": url, "following_url": url, "gists_url": url, "starred_url": url, "subscriptions_url": url,
        "organizations_url": url, "repos_url": url, "events_url": url, "received_events_url": url, "type": "User",
        "site_admin": false })
}

fn comment(issue: &Kept, (id, body): &(u64, String)) -> Value {
    let login = if issue.strangers.contains(id) { "mallory" } else { "ops" };
    let url = "https://api.github.com/c";
    json!({ "id": id, "node_id": "C", "url": url, "html_url": url, "body": body, "user": person(login),
        "created_at": "2025-09-16T03:00:00Z", "author_association": "MEMBER" })
}

fn answer(issue: &mut Kept, got: &Got) -> (u16, Value) {
    let (path, _) = got.path.split_once('?').unwrap_or((&got.path, ""));
    let rest = path.strip_prefix(ISSUE);
    match (got.method.as_str(), rest) {
        ("POST", Some("/labels")) => {
            let labels = got.json()["labels"].as_array().cloned().unwrap_or_default();
            issue.labels.extend(labels.iter().map(|label| label.as_str().unwrap().to_owned()));
            (200, issue.labels.iter().map(label).collect())
        }
        ("DELETE", Some(one)) if one.starts_with("/labels/") => {
            let name = one.trim_start_matches("/labels/").replace("%20", " ");
            let before = issue.labels.len();
            issue.labels.retain(|label| *label != name);
            if issue.labels.len() == before {
                return (404, json!({ "message": "Label does not exist", "documentation_url": "" }));
            }
            (200, issue.labels.iter().map(label).collect())
        }
        ("GET", Some("/comments")) => (200, issue.comments.iter().map(|one| comment(issue, one)).collect()),
        ("POST", Some("/comments")) => {
            let made = (issue.comments.len() as u64 + 1, got.json()["body"].as_str().unwrap().to_owned());
            issue.comments.push(made.clone());
            (201, comment(issue, &made))
        }
        ("PATCH", Some("")) => {
            issue.closed = got.json()["state_reason"].as_str().map(str::to_owned);
            let url = "https://api.github.com/i";
            let whole = json!({ "id": 12, "node_id": "I", "url": url, "repository_url": url, "labels_url": url,
                "comments_url": url, "events_url": url, "html_url": url, "number": 12, "state": "closed", "title": "t",
                "user": person("ops"), "labels": [], "assignees": [], "locked": false, "comments": 1,
                "created_at": "2025-09-16T03:00:00Z", "updated_at": "2025-09-16T03:00:00Z" });
            (200, whole)
        }
        ("PATCH", None) if path.starts_with("/repos/example/netra/issues/comments/") => {
            let id: u64 = path.rsplit('/').next().unwrap().parse().unwrap();
            let found = issue.comments.iter_mut().find(|(known, _)| *known == id).unwrap();
            got.json()["body"].as_str().unwrap().clone_into(&mut found.1);
            let found = found.clone();
            (200, comment(issue, &found))
        }
        ("POST", None) if path == "/graphql" => (200, json!({ "data": { "viewer": { "login": "ops" } } })),
        _ => (404, json!({ "message": "Not Found", "documentation_url": "" })),
    }
}

/// A runbook that grows the connector, between two words to the issue.
fn runbook(desk: &Desk, closing: &str) -> String {
    let text = format!(
        r#"
[runbook]
name = "tell"
incident = "https://github.com/example/netra/issues/12"

[target]
project = "netra-staging"
region = "us-central1"

[probes.connector]
resource = "gcp.connector/staging-connector"
expect = 'state == "READY"'

[[phase]]
name = "one"

[[phase.step]]
name = "begin"
uses = "github.issue"
with = {{ issue = "${{runbook.incident}}", add_labels = ["being worked"], comment = "Growing the connector" }}

[[phase.step]]
name = "grow"
uses = "gcp.connector.scale"
with = {{ connector = "staging-connector", min_instances = 3, max_instances = 10 }}
irreversible = true
gate = {{ healthy = ["connector"], for = "10s" }}

[[phase.step]]
name = "end"
uses = "github.issue"
with = {{ issue = "${{runbook.incident}}", add_labels = ["mitigated"], remove_labels = ["being worked", "never there"], comment = "It has grown", close = true }}

[[closure.criterion]]
name = "the connector has grown"
condition = 'probes.connector.observation.max_instances == {closing}'
"#
    );
    desk.write("tell.toml", &text)
}

fn run(desk: &Desk, file: &str, github: &str, token: &str) -> Done {
    let flags = ["--sim", SCENARIO, "--speed", "max", "--run-programs", "--yes", "--acknowledge", "grow"];
    desk.rectify_in(&[("GITHUB_API_URL", github), ("GITHUB_TOKEN", token)], &[&["run", file], &flags[..]].concat())
}

#[test]
fn an_issue_gets_its_labels_and_one_comment_and_is_closed_when_everything_holds() {
    let (desk, issue) = (Desk::new(), Arc::new(Mutex::new(Kept::default())));
    let github = github(issue.clone());
    let file = runbook(&desk, "10");
    let done = run(&desk, &file, &github.url, "open-sesame").code(0);
    let done =
        done.says("example/netra#12: add being worked, say \u{201c}Growing the connector\u{201d}").says("✓ notified");
    assert!(!done.stdout.contains("nobody was told"), "{}", done.stdout);
    let issue = issue.lock().unwrap();
    assert_eq!(issue.labels, ["mitigated"]);
    let [(_, comment)] = issue.comments.as_slice() else { panic!("{:?}", issue.comments) };
    assert!(comment.starts_with("<!-- rectify-run-") && comment.contains("It has grown"), "{comment}");
    assert!(
        comment.contains("| `grow` | done |") && comment.contains("- [x] the connector has grown: holds"),
        "{comment}"
    );
    assert_eq!(issue.closed.as_deref(), Some("completed"));
    // The first word was said once, and then brought up to date.
    let made = github.got().iter().filter(|got| got.method == "POST" && got.path.ends_with("/comments")).count();
    assert_eq!(made, 1);
    let journal = std::fs::read_to_string(desk.run_directory().join("journal.jsonl")).unwrap();
    assert!(!journal.contains("open-sesame"));
}

#[test]
fn an_issue_stays_open_while_something_does_not_hold() {
    let (desk, issue) = (Desk::new(), Arc::new(Mutex::new(Kept::default())));
    let github = github(issue.clone());
    run(&desk, &runbook(&desk, "11"), &github.url, "open-sesame").code(0);
    let issue = issue.lock().unwrap();
    assert_eq!(issue.closed, None);
    assert!(issue.comments[0].1.contains("- [ ] the connector has grown: does not hold"), "{:?}", issue.comments);
}

#[test]
fn a_tracker_that_fails_never_fails_a_remediation() {
    let github = github(Arc::default());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, token, said) in [
        (github.url.as_str(), "wrong", "notification failed: cannot label example/netra#12: GitHub answers 401"),
        (&format!("http://{closed}"), "open-sesame", "notification failed: cannot label example/netra#12: "),
        (github.url.as_str(), "", "neither GITHUB_TOKEN nor GH_TOKEN is set"),
        ("", "open-sesame", "this is a rehearsal"),
    ] {
        let desk = Desk::new();
        let file = runbook(&desk, "10");
        let done = if url.is_empty() {
            desk.rectify(&["run", &file, "--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "grow"])
        } else {
            run(&desk, &file, url, token)
        };
        let done = done.code(0).says(said).says("✓ done");
        assert!(!(done.stdout + &done.stderr).contains("open-sesame"));
    }
}

/// A token is for whom the operator named, not for whom a runbook names.
#[test]
fn a_token_goes_to_no_host_that_a_runbook_names() {
    let desk = Desk::new();
    let file = runbook(&desk, "10");
    let text = std::fs::read_to_string(&file).unwrap().replace("https://github.com/", "https://git.example.com/");
    let file = desk.write("elsewhere.toml", &text);
    run(&desk, &file, "", "open-sesame").code(0).says("set GITHUB_API_URL to the API of git.example.com");
}

/// That there is no token is known before it is missed.
#[test]
fn the_doctor_says_that_a_token_is_missing() {
    let desk = Desk::new();
    let file = runbook(&desk, "10");
    let doctor = ["doctor", &file, "--sim", SCENARIO, "--speed", "max"];
    let missing = "example/netra#12 will not be brought up to date: neither GITHUB_TOKEN nor GH_TOKEN is set";
    desk.rectify(&doctor).code(0).says(missing);
    let done = desk.rectify_knowing(("GH_TOKEN", "open-sesame"), &doctor).code(0);
    assert!(!done.says("there is a token to bring example/netra#12 up to date").stdout.contains("open-sesame"));
}

#[test]
fn each_turn_of_a_step_tells_its_own_issue() {
    let (desk, issue) = (Desk::new(), Arc::new(Mutex::new(Kept::default())));
    let github = github(issue.clone());
    let text = std::fs::read_to_string(runbook(&desk, "10")).unwrap();
    let (head, _) = text.split_once("[[phase.step]]").unwrap();
    let step = "[[phase.step]]\nname = \"label\"\nuses = \"github.issue\"\n\
        with = { issue = \"https://github.com/example/netra/issues/${item}\", add_labels = [\"of ${item}\"] }\n\
        for_each = { items = [\"12\", \"13\"] }\n";
    let file = desk.write("each.toml", &format!("{head}{step}"));
    let flags = ["run", &file, "--sim", SCENARIO, "--speed", "max", "--run-programs", "--yes"];
    desk.rectify_in(&[("GITHUB_API_URL", &github.url), ("GITHUB_TOKEN", "open-sesame")], &flags).code(0);
    assert_eq!(issue.lock().unwrap().labels, ["of 12"]);
    let asked: Vec<String> = github.got().into_iter().map(|got| got.path).collect();
    assert!(asked.contains(&"/repos/example/netra/issues/13/labels".to_owned()), "{asked:?}");
}

/// What has come of a run is told in the comment that it has, and its labels stay as the steps said.
#[test]
fn the_comment_says_in_the_end_what_has_come_of_the_run() {
    let (desk, issue) = (Desk::new(), Arc::new(Mutex::new(Kept::default())));
    let github = github(issue.clone());
    let file = runbook(&desk, "10");
    let text = std::fs::read_to_string(&file).unwrap();
    // The connector never becomes what its gate wants.
    let text = text.replace("expect = 'state == \"READY\"'", "expect = 'state == \"ELSEWHERE\"'");
    let text = text.replace("for = \"10s\" }", "for = \"10s\", timeout = \"1m\" }");
    let file = desk.write("failing.toml", &text.replace("[target]", "on_failure = \"stop\"\n[target]"));
    run(&desk, &file, &github.url, "open-sesame").code(1);
    let issue = issue.lock().unwrap();
    assert_eq!(issue.labels, ["being worked"]);
    let [(_, comment)] = issue.comments.as_slice() else { panic!("{:?}", issue.comments) };
    assert!(comment.contains("Growing the connector") && comment.contains("stopped after"), "{comment}");
    assert!(comment.contains("| `grow` | failed |") && comment.contains("| `end` | to come |"), "{comment}");
}

/// Whoever can comment can write a run's marker into a comment, at once or later.
#[test]
fn a_comment_of_somebody_else_is_never_changed() {
    let (desk, issue) = (Desk::new(), Arc::new(Mutex::new(Kept::default())));
    issue.lock().unwrap().strangers = vec![1];
    issue.lock().unwrap().comments = vec![(1, "an earlier comment".to_owned())];
    let shared = issue.clone();
    let github = Receiver::start(move |got| {
        let mut issue = shared.lock().unwrap();
        let (status, answer) = answer(&mut issue, got);
        // As soon as the run has a comment, somebody copies its marker into theirs.
        if let Some(marker) = issue.comments.last().filter(|_| issue.comments.len() > 1).map(|(_, body)| body.clone()) {
            let first = marker.lines().next().unwrap().to_owned();
            issue.comments[0].1 = format!("{first}\nmine");
        }
        (status, answer.to_string())
    });
    run(&desk, &runbook(&desk, "10"), &github.url, "open-sesame").code(0);
    let issue = issue.lock().unwrap();
    let [(_, theirs), (_, ours)] = issue.comments.as_slice() else { panic!("{:?}", issue.comments) };
    assert!(theirs.ends_with("mine") && ours.contains("It has grown"), "{:?}", issue.comments);
    let changed: Vec<_> = github.got().into_iter().filter(|got| got.method == "PATCH").map(|got| got.path).collect();
    assert!(changed.iter().all(|path| !path.ends_with("/comments/1")), "{changed:?}");
}

/// What a runbook says in a comment is text: a name or a captured value in it is not markup, and calls nobody.
#[test]
fn the_words_of_a_comment_are_no_markup() {
    let (desk, issue) = (Desk::new(), Arc::new(Mutex::new(Kept::default())));
    let github = github(issue.clone());
    let file = runbook(&desk, "10");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("It has grown", "<img src=x> [a](https://evil.example) @all #1");
    run(&desk, &desk.write("markup.toml", &text), &github.url, "open-sesame").code(0);
    let body = issue.lock().unwrap().comments[0].1.clone();
    assert!(
        !body.contains("<img") && !body.contains("https://") && !body.contains("@all") && !body.contains("#1"),
        "{body}"
    );
}
