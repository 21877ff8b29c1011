//! Steps that send something to an application's own endpoint or database: once, to whom they may, and nothing is said of it that is not
//! known.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::servers::{self, Got, PASSWORD, Receiver};
use crate::support::{Desk, Done, SCENARIO, Served, until};

const EXAMPLE: &str = "tests/resources/requests.toml";
const CLOUD: &str = "tests/resources/requests.sim.toml";
const TOKEN: (&str, &str) = ("RECTIFY_INPUT_TOKEN", "a-token-of-the-shop");
const DATABASE: (&str, &str) = ("RECTIFY_INPUT_PASSWORD", PASSWORD);

fn file(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A runbook of these steps.
fn runbook(desk: &Desk, steps: &str) -> String {
    let head = "[runbook]\nname = \"requests\"\non_failure = \"stop\"\n\
        [target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n\
        [inputs]\ntoken = { secret = true, rehearsal = \"a-token-of-the-shop\" }\n\
        password = { secret = true, rehearsal = \"open-sesame\" }\n\
        [[phase]]\nname = \"all\"\n";
    desk.write("requests.toml", &format!("{head}{steps}"))
}

fn step(uses: &str, with: &str) -> String {
    format!("[[phase.step]]\nname = \"act\"\nuses = \"{uses}\"\n{with}\n")
}

/// Carries it out beside a simulated cloud, with everything that this machine serves.
fn run(desk: &Desk, file: &str, flags: &[&str]) -> Done {
    let sim = ["--sim", SCENARIO, "--speed", "max", "--yes", "--run-programs", "--acknowledge", "act"];
    desk.rectify(&[&["run", file], &sim[..], flags].concat())
}

/// An application with a queue that is drained and resumed; `answers` decides what a POST is answered with, and whether it is done.
fn queue(answers: impl Fn(u32) -> (u16, bool) + Clone + Send + Sync + 'static) -> Receiver {
    let (drained, posts) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0)));
    Receiver::start(move |got: &Got| {
        if got.method == "GET" {
            return (200, format!("{{\"drained\":{}}}", drained.load(Ordering::SeqCst)));
        }
        let mut posts = posts.lock().unwrap();
        *posts += 1;
        let (status, does) = answers(*posts);
        if does {
            drained.store(got.path.ends_with("/drain"), Ordering::SeqCst);
        }
        (status, "{}".to_owned())
    })
}

fn drain(url: &str, rest: &str) -> String {
    let with = format!(
        "irreversible = {}\n[phase.step.with]\nmethod = \"POST\"\nurl = \"{url}/drain\"\nheaders = {{ Authorization = \"Bearer ${{inputs.token}}\" }}\n\
         json = {{ reason = \"incident\", token = \"${{inputs.token}}\" }}\n{rest}",
        !rest.contains("undo =")
    );
    step("http.request", &with)
}

fn told(url: &str) -> String {
    format!("done_when = {{ url = \"{url}/queue\", condition = \"json.drained\" }}\n")
}

fn undone(url: &str) -> String {
    format!("undo = {{ method = \"POST\", url = \"{url}/resume\" }}\n")
}

fn posts(receiver: &Receiver) -> Vec<Got> {
    receiver.got().into_iter().filter(|got| got.method != "GET").collect()
}

#[test]
fn a_plan_says_what_is_sent_to_whom_and_sends_nothing_that_does_something() {
    let desk = Desk::new();
    let (runbook, scenario) = (file(EXAMPLE), file(CLOUD));
    desk.rectify(&["check", &runbook]).code(0);
    let plan = desk.rectify_in(&[TOKEN, DATABASE], &["plan", &runbook, "--sim", &scenario]).code(0);
    insta::assert_snapshot!("requests-plan", plan.stdout);
    let served = Served::start(&desk, &scenario, "max");
    desk.rectify_in(&[TOKEN, DATABASE], &["plan", &runbook, "--sim", &served.url]).code(0);
    assert!(!served.requests().iter().any(|request| request.contains("drain")), "{:?}", served.requests());
}

#[test]
fn a_rehearsal_sends_to_what_it_serves_and_leaves_the_rest_out() {
    let desk = Desk::new();
    let (runbook, scenario) = (file(EXAMPLE), file(CLOUD));
    let run = ["run", &runbook, "--sim", &scenario, "--speed", "max", "--yes"];
    let done = desk.rectify_in(&[TOKEN, DATABASE], &run).code(0);
    done.says("✓ applied").says("✓ done").says("not sent (rehearsal): update jobs");
    let export = desk.rectify(&["export", "--undo"]).code(0).stdout;
    assert!(export.contains("curl --fail-with-body") && export.contains("TOKEN:?set TOKEN"), "{export}");
    let back = desk.rectify_in(&[TOKEN, DATABASE], &["rollback", "--yes"]).code(0);
    assert!(back.stdout.contains("✓ undone"), "{}", back.stdout);
    let shown = [export, back.stdout].concat();
    assert!(!shown.contains(TOKEN.1) && !shown.contains(PASSWORD), "{shown}");
}

#[test]
fn a_request_is_sent_once_with_a_key_and_undone_by_another() {
    let desk = Desk::new();
    let app = queue(|_| (202, true));
    let rest = format!("{}{}", told(&app.url), undone(&app.url));
    let file = runbook(&desk, &drain(&app.url, &rest));
    let done = run(&desk, &file, &[]).code(0).says("✓ applied");
    let sent = posts(&app);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].headers["authorization"], "Bearer a-token-of-the-shop");
    assert_eq!(sent[0].json(), serde_json::json!({ "reason": "incident", "token": "a-token-of-the-shop" }));
    let back = desk.rectify(&["rollback", "--yes"]).code(0).says("✓ undone");
    let sent = posts(&app);
    assert_eq!(sent.iter().map(|got| got.path.as_str()).collect::<Vec<_>>(), ["/drain", "/resume"]);
    let key = |got: &Got| got.headers["idempotency-key"].to_str().unwrap().to_owned();
    assert_ne!(key(&sent[0]), key(&sent[1]), "undoing is another request");
    let journal = std::fs::read_to_string(desk.run_directory().join("journal.jsonl")).unwrap_or_default();
    for shown in [done.stdout, back.stdout, journal] {
        assert!(!shown.contains(TOKEN.1), "{shown}");
    }
}

#[test]
fn what_is_done_already_is_not_sent() {
    let desk = Desk::new();
    let app = Receiver::start(|_| (200, "{\"drained\":true}".to_owned()));
    let file = runbook(&desk, &drain(&app.url, &told(&app.url)));
    run(&desk, &file, &[]).code(0);
    assert!(posts(&app).is_empty(), "{:?}", app.got());
}

#[test]
fn what_was_accepted_is_waited_for_until_it_is_done() {
    let desk = Desk::new();
    let asked = Arc::new(Mutex::new(0));
    let app = Receiver::start(move |got: &Got| {
        if got.method == "POST" {
            return (202, String::new());
        }
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        (200, format!("{{\"drained\":{}}}", *asked > 3))
    });
    let file = runbook(&desk, &drain(&app.url, &told(&app.url)));
    run(&desk, &file, &[]).code(0).says("✓ applied");
    assert_eq!(posts(&app).len(), 1);
    assert!(app.got().len() > 4, "{:?}", app.got());
}

#[test]
fn what_was_accepted_and_does_not_end_is_neither_claimed_nor_taken_back_by_itself() {
    let desk = Desk::new();
    let app =
        Receiver::start(|got: &Got| (if got.method == "GET" { 200 } else { 202 }, "{\"drained\":false}".to_owned()));
    let text = drain(&app.url, &format!("{}{}", told(&app.url), undone(&app.url)));
    let text = text.replace("irreversible = false", "operation_timeout = \"20s\"");
    let done = run(&desk, &runbook(&desk, &text), &["--on-failure", "rollback"]);
    assert_eq!(done.code, 6, "{}", done.stdout);
    assert!(done.stdout.contains("ask whoever runs the application what became of it"), "{}", done.stdout);
    assert!(!done.stdout.contains("✓ applied") && !done.stdout.contains("nothing was changed"), "{}", done.stdout);
    assert_eq!(posts(&app).len(), 1, "what undoes it could arrive before it is done");
}

#[test]
fn a_lost_answer_is_decided_by_what_is_so_and_otherwise_by_nobody_but_the_operator() {
    // It is done, and the answer says nothing of that.
    let desk = Desk::new();
    let app = queue(|_| (503, true));
    let file = runbook(&desk, &drain(&app.url, &told(&app.url)));
    run(&desk, &file, &[]).code(0).says("✓ applied");
    assert_eq!(posts(&app).len(), 1);
    // It is not, or nothing can tell: it may still come, so it is not sent again.
    for (does, condition) in [(false, true), (true, false)] {
        let desk = Desk::new();
        let app = queue(move |_| (503, does));
        let rest = if condition { told(&app.url) } else { String::new() };
        let file = runbook(&desk, &drain(&app.url, &rest));
        let done = run(&desk, &file, &[]);
        assert_ne!(done.code, 0, "{}", done.stdout);
        assert!(!done.stdout.contains("✓ applied") && !done.stdout.contains("nothing was changed"), "{}", done.stdout);
        assert!(desk.journal_has("in_doubt"), "{}", done.stdout);
        let again = desk.rectify(&["resume", "--yes"]);
        assert_ne!(again.code, 0, "{}", again.stdout);
        assert_eq!(posts(&app).len(), 1, "it was sent again: {}", again.stdout);
    }
}

#[test]
fn a_connection_that_breaks_after_the_request_leaves_it_in_doubt_and_before_it_does_not() {
    let desk = Desk::new();
    let port = servers::answers(|stream, _| drop(stream.shutdown(Shutdown::Both)));
    let file = runbook(&desk, &drain(&format!("http://127.0.0.1:{port}"), ""));
    let done = run(&desk, &file, &[]);
    assert!(done.code != 0 && desk.journal_has("in_doubt"), "{}", done.stdout);
    let desk = Desk::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = runbook(&desk, &drain(&format!("http://{closed}"), ""));
    let done = run(&desk, &file, &[]).code(1).says("nothing was sent");
    assert!(!desk.journal_has("in_doubt"), "{}", done.stdout);
}

#[test]
fn an_answer_that_refuses_has_done_nothing_and_a_conflict_may_be_its_own() {
    for (status, doubt) in
        [(404, false), (401, false), (422, false), (409, true), (408, true), (302, true), (500, true)]
    {
        let desk = Desk::new();
        let app = queue(move |_| (status, false));
        let file = runbook(&desk, &drain(&app.url, ""));
        let done = run(&desk, &file, &[]);
        assert_ne!(done.code, 0, "{status}: {}", done.stdout);
        assert_eq!(desk.journal_has("in_doubt"), doubt, "{status}: {}", done.stdout);
        assert_eq!(posts(&app).len(), 1, "{status}");
    }
}

#[test]
fn a_condition_that_nobody_can_judge_sends_nothing() {
    let desk = Desk::new();
    let app = Receiver::start(|got: &Got| (if got.method == "GET" { 502 } else { 202 }, String::new()));
    let file = runbook(&desk, &drain(&app.url, &told(&app.url)));
    run(&desk, &file, &[]).code(1).says("whether it is done is not known");
    assert!(posts(&app).is_empty(), "{:?}", app.got());
}

#[test]
fn a_rehearsal_without_programs_reaches_nothing_on_this_machine() {
    let desk = Desk::new();
    let app = queue(|_| (202, true));
    let file = runbook(&desk, &drain(&app.url, &told(&app.url)));
    let sim = ["run", &file, "--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "act"];
    desk.rectify(&sim).code(0).says("not sent (rehearsal)");
    assert!(app.got().is_empty(), "{:?}", app.got());
}

#[test]
fn what_a_request_may_not_be_is_said_before_anything_runs() {
    let desk = Desk::new();
    let plain = "[phase.step.with]\nmethod = \"POST\"\n";
    for (with, why) in [
        (format!("{plain}url = \"https://a.example/x\""), "this cannot be undone"),
        (format!("irreversible = true\n{plain}url = \"ftp://a.example/x\""), "`ftp` is not"),
        (format!("irreversible = true\n{plain}url = \"https://u:p@a.example/x\""), "a name or password in a URL"),
        ("irreversible = true\nwith = { method = \"GET\", url = \"https://a.example/x\" }".to_owned(), "POST"),
        (
            format!("irreversible = true\n{plain}url = \"https://a.example/x\"\nexpect_status = [\"ok\"]"),
            "`ok` is no status",
        ),
        (
            format!(
                "irreversible = true\n{plain}url = \"https://a.example/x\"\ndone_when = {{ url = \"https://a.example\", condition = \"latency > 1\" }}"
            ),
            "`latency` is nothing that this condition can refer to",
        ),
    ] {
        desk.rectify(&["check", &runbook(&desk, &step("http.request", &with))]).code(2).says(why);
    }
    let limited =
        runbook(&desk, &step("http.request", &format!("irreversible = true\n{plain}url = \"https://a.example/x\"")));
    let text = std::fs::read_to_string(&limited).unwrap();
    let limited = desk.write("limited.toml", &text.replace("[inputs]", "[limits]\nhosts = [\"b.example\"]\n[inputs]"));
    desk.rectify(&["check", &limited]).code(2).says("this sends something to `a.example`");
}

#[test]
fn a_metadata_server_is_sent_nothing() {
    let desk = Desk::new();
    for url in ["http://169.254.169.254/x", "http://metadata.google.internal/x"] {
        let with = format!("irreversible = true\n[phase.step.with]\nmethod = \"PUT\"\nurl = \"{url}\"");
        let file = runbook(&desk, &step("http.request", &with));
        run(&desk, &file, &[]).code(1).says("nothing was sent");
    }
}

/// A database with a table of jobs, of which these are new.
struct Jobs(servers::Server);

impl Jobs {
    fn start(new: u32) -> Option<Jobs> {
        let jobs = Jobs(servers::postgres(8)?);
        let make = "create table jobs (id int, queue text, state text)";
        let fill = format!("insert into jobs select n, 'orders', 'new' from generate_series(1, {new}) n");
        until("the database to have started", || jobs.answers("select 1").is_ok());
        jobs.ask(make);
        jobs.ask(&fill);
        Some(jobs)
    }

    /// What a question is answered with.
    fn ask(&self, question: &str) -> Vec<String> {
        self.answers(question).unwrap()
    }

    fn answers(&self, question: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let place = format!("host=127.0.0.1 port={} user=probe password={PASSWORD} dbname=postgres", self.0.port);
            let (client, connection) = tokio_postgres::connect(&place, tokio_postgres::NoTls).await?;
            let asked = async { client.simple_query(question).await };
            let answers = tokio::select! { answers = asked => answers?, _ = connection => panic!("it is gone") };
            let rows = answers.into_iter().filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            Ok(rows.collect())
        })
    }

    fn held(&self) -> String {
        self.ask("select count(*) from jobs where state = 'held'").remove(0)
    }
}

fn hold(port: u16, rest: &str) -> String {
    let with = format!(
        "irreversible = {}\n[phase.step.with]\n\
         server = {{ host = \"127.0.0.1\", port = {port}, user = \"probe\", password = \"${{inputs.password}}\", database = \"postgres\", tls = \"off\" }}\n\
         statement = \"update jobs set state = 'held' where queue = $1 and state = 'new' and id <= $2\"\n\
         values = [\"orders\", 1000]\n{rest}",
        !rest.contains("undo =")
    );
    step("postgres.execute", &with)
}

const HELD: &str = "done_when = { statement = \"select count(*) = 0 from jobs where state = 'new'\" }\n";
const RELEASE: &str = "undo = { statement = \"update jobs set state = 'new' where state = 'held' and queue = $1\", values = [\"orders\"] }\n";

#[test]
fn a_statement_is_run_once_with_its_values_bound_and_undone_by_another() {
    let Some(jobs) = Jobs::start(3) else { return };
    let desk = Desk::new();
    let file =
        runbook(&desk, &hold(jobs.0.port, &format!("expect_rows = {{ at_least = 1, at_most = 3 }}\n{HELD}{RELEASE}")));
    let done = run(&desk, &file, &[]).code(0).says("3 rows");
    assert_eq!(jobs.held(), "3");
    let rows = desk.journal().iter().any(|entry| entry.to_string().contains("\"rows\":3"));
    assert!(rows, "{}", done.stdout);
    let back = desk.rectify(&["rollback", "--yes"]).code(0).says("✓ undone").says("3 rows");
    assert_eq!(jobs.held(), "0");
    assert!(!back.stdout.contains(PASSWORD) && !done.stdout.contains(PASSWORD));
    // Done already: nothing is run.
    jobs.ask("update jobs set state = 'held'");
    jobs.ask(
        "create table seen (id int); create function see() returns trigger language plpgsql as \
        $$ begin insert into seen values (1); return new; end $$; \
        create trigger see after update on jobs for each statement execute function see()",
    );
    let desk = Desk::new();
    let file = runbook(&desk, &hold(jobs.0.port, HELD));
    run(&desk, &file, &[]).code(0);
    assert!(jobs.ask("select id from seen").is_empty(), "it was run again");
}

#[test]
fn more_rows_than_expected_are_rolled_back() {
    let Some(jobs) = Jobs::start(5) else { return };
    for (limit, why) in [
        ("at_most = 4", "it changed 5 rows, and at most 4 are expected; nothing was committed"),
        ("at_least = 6", "it changed 5 rows, and at least 6 are expected; nothing was committed"),
    ] {
        let desk = Desk::new();
        let file = runbook(&desk, &hold(jobs.0.port, &format!("expect_rows = {{ {limit} }}")));
        run(&desk, &file, &[]).code(1).says(why);
        assert_eq!(jobs.held(), "0", "{limit}");
    }
}

#[test]
fn what_fails_before_the_commit_has_changed_nothing_and_says_why() {
    let Some(jobs) = Jobs::start(2) else { return };
    let desk = Desk::new();
    for (wrong, right, why) in [
        ("update jobs", "update job", "relation \"job\" does not exist"),
        ("values = [\"orders\", 1000]", "values = [\"orders\", \"many\"]", "invalid input syntax"),
        ("values = [\"orders\", 1000]", "values = [\"orders\"]", "2 parameters"),
        ("user = \"probe\"", "user = \"nobody\"", "password authentication failed"),
    ] {
        let text = hold(jobs.0.port, "").replace(wrong, right);
        assert!(text.contains(right), "{text}");
        let done = run(&desk, &runbook(&desk, &text), &[]).code(1);
        assert!(done.stdout.contains(why), "{why}: {}", done.stdout);
        assert_eq!(jobs.held(), "0");
    }
}

#[test]
fn a_condition_that_would_change_something_is_refused_by_the_server() {
    let Some(jobs) = Jobs::start(2) else { return };
    let desk = Desk::new();
    let writes = "done_when = { statement = \"delete from jobs returning true\" }\n";
    run(&desk, &runbook(&desk, &hold(jobs.0.port, writes)), &[]).code(1).says("read-only transaction");
    assert_eq!(jobs.ask("select count(*) from jobs"), ["2"]);
}

/// Leads to a database, and ends the connection of a client that commits, before it hears of it; whether the server does.
fn cut_at_commit(port: u16, arrives: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let (mut client, mut server) = (client, server);
            std::thread::spawn(move || drop(std::io::copy(&mut from_server, &mut to_client)));
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = client.read(&mut piece) {
                    let commits = piece[..count].windows(7).any(|word| word == b"commit\0");
                    if commits {
                        let _ = client.shutdown(Shutdown::Both);
                    }
                    if !commits || arrives {
                        let _ = server.write_all(&piece[..count]);
                    }
                    if commits {
                        // The server has the time to do it before it sees that nobody is there.
                        std::thread::sleep(std::time::Duration::from_millis(300));
                        let _ = server.shutdown(Shutdown::Both);
                        return;
                    }
                }
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    here
}

#[test]
fn a_commit_that_is_not_confirmed_is_decided_by_what_is_so_and_otherwise_by_the_operator() {
    for (arrives, condition) in [(true, true), (true, false), (false, true), (false, false)] {
        let Some(jobs) = Jobs::start(2) else { return };
        let desk = Desk::new();
        let cut = cut_at_commit(jobs.0.port, arrives);
        let file = runbook(&desk, &hold(cut, if condition { HELD } else { "" }));
        let done = run(&desk, &file, &[]);
        assert!(desk.journal_has("in_doubt"), "{}", done.stdout);
        assert_eq!(jobs.held(), if arrives { "2" } else { "0" });
        let is_decided = arrives && condition;
        assert_eq!(done.stdout.contains("✓ applied"), is_decided, "{arrives} {condition}: {}", done.stdout);
        assert_eq!(done.code == 0, is_decided, "{arrives} {condition}: {}", done.stdout);
    }
}

#[test]
fn values_are_never_put_into_a_statement() {
    let desk = Desk::new();
    let text = hold(5432, "").replace("queue = $1", "queue = '${inputs.token}'");
    desk.rectify(&["check", &runbook(&desk, &text)]).code(2).says("values are bound to a statement");
    let text = hold(5432, "").replace("[\"orders\", 1000]", "{ a = 1 }");
    desk.rectify(&["check", &runbook(&desk, &text)]).code(2).says("`values` is a list");
    let text = hold(5432, "").replace("${inputs.password}", "plain");
    desk.rectify(&["check", &runbook(&desk, &text)]).code(2).says("make it a secret input");
}
