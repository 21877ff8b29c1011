//! A mistake in a runbook is found before anything runs, and is shown with its line, its reason and a way out.
//!
//! `tests/check/<code>.toml` holds one mistake each; its report stands beside it. Read a changed report as the
//! person who gets it at 3 a.m.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rectify::check::{FILE_CODES, Outcome, RULES, Severity, Style, check};
use rectify::runbook::Mode;
use rectify::syntax::mistake;
use rectify::syntax::{Environment, Exposure, Inputs};
use secrecy::SecretString;

const STYLE: Style = Style { colour: false, width: 100 };

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

fn flagship() -> String {
    include_str!("../runbooks/connector-exhaustion.toml").to_owned()
}

/// Every table, probe and action that there is.
fn everything() -> String {
    include_str!("check/everything.toml").to_owned()
}

fn of(text: &str) -> Outcome {
    check("runbook.toml", text.as_bytes(), &Inputs::none(), Mode::Check)
}

fn codes(outcome: &Outcome) -> BTreeSet<&'static str> {
    outcome.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

fn given(pairs: &[(&str, &str)]) -> Inputs {
    Inputs::given(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn snapshot(name: &str, report: &str) {
    insta::with_settings!({
        snapshot_path => "check",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, report) });
}

#[test]
fn each_mistake_is_found_and_nothing_else_is_said() {
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    for path in files {
        let code = path.file_stem().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        // What cannot be carried out yet is a mistake only if it is to be carried out.
        let mode = if code == "not-yet" { Mode::Rehearse } else { Mode::Check };
        let outcome = check(&format!("{code}.toml"), &bytes, &Inputs::none(), mode);
        if !["everything", "everything-at-once"].contains(&code) {
            assert_eq!(codes(&outcome), BTreeSet::from([code]), "{}", outcome.render(STYLE));
        }
        assert!(outcome.diagnostics.iter().all(|diagnostic| !diagnostic.labels.is_empty()));
        assert!(outcome.checked.is_none() || outcome.is_sound(), "{code}");
        snapshot(code, &outcome.render(STYLE));
    }
}

#[test]
fn every_code_has_a_file_and_every_rule_is_named_as_its_file() {
    // These need more than a file to show; they have tests of their own below.
    let elsewhere = [
        mistake::MISSING_INPUT,
        mistake::UNKNOWN_INPUT,
        "file-too-large",
        "not-utf-8",
        "unreadable-file",
        mistake::TOO_DEEP,
        mistake::TOO_MUCH_TEXT,
        mistake::SECRET_TOO_SHORT,
    ];
    let rules = RULES.iter().map(|rule| rule.code);
    let all: Vec<&str> = rules
        .chain(mistake::CODES.iter().map(|(code, _)| *code))
        .chain(FILE_CODES.iter().map(|(code, _)| *code))
        .collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a code stands for one thing");
    for code in all {
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{code}");
        let exists = folder().join(format!("{code}.toml")).exists();
        assert!(exists != elsewhere.contains(&code), "tests/check/{code}.toml");
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check/rules");
    for rule in RULES {
        assert!(sources.join(format!("{}.rs", rule.code.replace('-', "_"))).exists(), "{}", rule.code);
        assert!(!rule.title.is_empty());
    }
    assert_eq!(fs::read_dir(sources).unwrap().count(), RULES.len() + 1, "a rule that is not in RULES");
}

#[test]
fn the_flagship_is_clean() {
    let outcome = check("connector-exhaustion.toml", flagship().as_bytes(), &Inputs::none(), Mode::Rehearse);
    assert_eq!(outcome.render(STYLE), "");
    let checked = outcome.checked.unwrap();
    let runbook = checked.runbook();
    assert_eq!(runbook.target.project, "netra-staging");
    let steps: Vec<_> = runbook.steps().map(|step| step.name.as_str()).collect();
    assert_eq!(steps, ["scale-connector", "one-revision", "deploy-auth", "deploy-backend", "soak"]);
    insta::with_settings!({
        snapshot_path => "check",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_debug_snapshot!("flagship-as-read", runbook) });
}

/// The remediation as the incident's documents prescribed it: what is wrong with it, all of it.
#[test]
fn the_exhibit_is_rejected_for_everything_that_is_wrong_with_it() {
    let name = "connector-exhaustion.as-prescribed.toml";
    let bytes = fs::read(Path::new("runbooks").join(name)).unwrap();
    let outcome = check(name, &bytes, &Inputs::none(), Mode::Check);
    assert!(!outcome.is_sound());
    for code in [
        "connector-max-instances",
        "irreversible-unsaid",
        "traffic-pinned",
        "tag-not-digest",
        "serverless-timeout",
        "wildcard-certificate",
        "gate-too-short",
        "metric-gate-too-short",
        "websocket-outlives-timeout",
        "rollback-target-deleted",
        "rollback-impossible",
        "ambient-target",
        "unknown-probe",
        "secret-shown",
    ] {
        assert!(codes(&outcome).contains(code), "{code} is not found");
    }
    snapshot("as-prescribed", &outcome.render(STYLE));
}

#[test]
fn every_other_runbook_that_is_shipped_is_clean() {
    let mut seen = 0;
    for entry in fs::read_dir("runbooks").unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if name.contains(".sim.") || name.contains(".as-prescribed.") {
            continue;
        }
        let outcome = check(&name, &fs::read(&path).unwrap(), &Inputs::none(), Mode::Check);
        assert_eq!(outcome.render(STYLE), "", "{name}");
        seen += 1;
    }
    assert!(seen >= 3);
}

#[test]
fn windows_lines_and_a_byte_order_mark_change_nothing() {
    let text = format!("\u{feff}{}", flagship().replace('\n', "\r\n"));
    let outcome = check("runbook.toml", text.as_bytes(), &Inputs::none(), Mode::Rehearse);
    assert!(outcome.checked.is_some(), "{}", outcome.render(STYLE));
}

#[test]
fn colours_are_only_colours() {
    let bytes = fs::read(folder().join("traffic-pinned.toml")).unwrap();
    let outcome = check("x.toml", &bytes, &Inputs::none(), Mode::Check);
    let coloured = outcome.render(Style { colour: true, ..STYLE });
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(console::strip_ansi_codes(&coloured), outcome.render(STYLE));
}

#[test]
fn references_have_their_values_everywhere_and_the_rest_its_defaults() {
    let text = r#"
[runbook]
name = "sample"
title = "${runbook.name} of ${target.project} in ${target.region}: $${not.this}"
[target]
project = "${inputs.project}"
region = "us-central1"
[inputs]
project = { default = "netra-staging" }
old = { default = "backend-00001-abc" }
[probes.auth]
http = "https://${target.project}.example.com/"
expect = 'status == 200 && body != "${inputs.project}"'
[[phase]]
name = "one"
[[phase.step]]
name = "split"
uses = "gcp.run.traffic"
with = { service = "backend", to = { LATEST = 10, "${inputs.old}" = 90 } }
gate = { healthy = ["auth"] }
on_failure = "rollback"
"#;
    let checked = of(text).checked.expect("it checks");
    let runbook = checked.runbook();
    assert_eq!(runbook.about.title.as_deref(), Some("sample of netra-staging in us-central1: ${not.this}"));
    assert_eq!(runbook.probes["auth"].expect.to_string(), "status == 200 && body != \"netra-staging\"");
    let step = &runbook.phases[0].steps[0];
    let action = format!("{:?}", step.iterations[0].action);
    assert!(action.find("LATEST") < action.find("backend-00001-abc"), "in the order of the file: {action}");
    let gate = step.iterations[0].gate.as_ref().expect("it has a gate");
    let seconds = [gate.hold, gate.every, gate.timeout].map(|duration| duration.as_secs());
    assert_eq!(seconds, [0, 10, 1200]);
    let path = rectify::syntax::Path::step(0, 0).key("gate");
    assert_eq!(&text[checked.document().span(&path).expect("a place")], "{ healthy = [\"auth\"] }");
}

// ── inputs ──────────────────────────────────────────────────────────────────────────────────────────────────

/// The flagship without a default for the auth image.
fn undecided() -> String {
    let with_default = |line: &&str| line.contains("apps/auth@sha256");
    flagship()
        .lines()
        .map(|line| if with_default(&line) { "env = \"AUTH_IMAGE\"\n".to_owned() } else { format!("{line}\n") })
        .collect()
}

#[test]
fn a_missing_input_is_no_mistake_until_it_is_needed() {
    let outcome = of(&undecided());
    assert!(outcome.is_sound() && outcome.checked.is_none(), "{}", outcome.render(STYLE));
    let outcome = check("runbook.toml", undecided().as_bytes(), &Inputs::none(), Mode::Rehearse);
    assert!(outcome.checked.is_none());
    snapshot("missing-input", &outcome.render(STYLE));
}

/// What an operator lets inputs see with `--env`.
fn named(variables: &[(&str, &str)], exposure: Exposure) -> Environment {
    let named = variables.iter().map(|(name, value)| ((*name).to_owned(), Some(SecretString::from(*value))));
    Environment { named: named.collect(), by_input: BTreeMap::new(), exposure }
}

#[test]
fn an_input_is_given_or_comes_from_the_environment() {
    let image = |digit: &str| format!("auth@sha256:{}", digit.repeat(64));
    let plain = |variable: &str, value: &str| named(&[(variable, value)], Exposure::Plain);
    let outcome = |inputs: &Inputs| check("runbook.toml", undecided().as_bytes(), inputs, Mode::Rehearse);
    let used = |inputs: &Inputs| {
        format!("{:?}", outcome(inputs).checked.unwrap().runbook().phases[1].steps[0].iterations[0].action)
    };
    let environment = plain("AUTH_IMAGE", &image("a"));
    assert!(used(&given(&[]).environment(environment.clone())).contains(&image("a")));
    assert!(used(&given(&[("auth_image", &image("b"))]).environment(environment.clone())).contains(&image("b")));
    // The variable that is named after the input goes before the one that the runbook names.
    let by_input = BTreeMap::from([("RECTIFY_INPUT_AUTH_IMAGE".to_owned(), SecretString::from(image("c")))]);
    assert!(used(&given(&[]).environment(Environment { by_input, ..environment })).contains(&image("c")));
    // What the operator did not name is not there, and what was named and is not set is told.
    let other = outcome(&given(&[]).environment(plain("HOME", &image("a")))).render(STYLE);
    assert!(other.contains("--env AUTH_IMAGE"), "{other}");
    let unset = Environment { named: [("AUTH_IMAGE".to_owned(), None)].into(), ..Environment::default() };
    let unset = outcome(&given(&[]).environment(unset)).render(STYLE);
    assert!(unset.contains("the variable AUTH_IMAGE is not set"), "{unset}");
}

#[test]
fn a_value_from_the_environment_is_a_secret_unless_the_operator_shows_it() {
    let text = undecided();
    let from = |exposure, mode| {
        let image = format!("auth@sha256:{}", "a".repeat(64));
        let environment = named(&[("AUTH_IMAGE", &image)], exposure);
        check("runbook.toml", text.as_bytes(), &given(&[]).environment(environment), mode)
    };
    for mode in [Mode::Plan, Mode::Run] {
        let refused = from(Exposure::Secret, mode);
        assert!(codes(&refused).contains("secret-shown") && refused.checked.is_none(), "{mode:?}");
        let told = refused.render(STYLE);
        assert!(told.contains("--plain-env") && !told.contains("aaaa"), "{told}");
        let shown = from(Exposure::Plain, mode);
        // What is shown is kept with the plan, so that a run that is resumed has it.
        let kept = |outcome: &Outcome| outcome.checked.as_ref().map(|checked| checked.runbook().plain_env.len());
        // The flagship's password is missing, which only a run minds.
        assert_eq!(kept(&shown), (mode == Mode::Plan).then_some(1), "{}", shown.render(STYLE));
    }
}

#[test]
fn what_is_given_is_checked_like_what_is_written() {
    let inputs = given(&[("auth_image", "auth:latest"), ("regoin", "us-east1"), ("project", "../../etc")]);
    let outcome = check("connector-exhaustion.toml", flagship().as_bytes(), &inputs, Mode::Rehearse);
    assert_eq!(codes(&outcome), BTreeSet::from(["input-pattern", "unknown-input", "bad-name", "beyond-limits"]));
    snapshot("unknown-input", &outcome.render(STYLE));
}

#[test]
fn a_secret_is_used_and_never_shown() {
    let text = r#"
[runbook]
name = "sample"
[target]
project = "shop-staging"
region = "us-central1"
[inputs]
token = { secret = true, env = "TOKEN", pattern = "^hunter" }
[probes.chat]
http = "https://api.example.com/"
headers = { Authorization = "Bearer ${inputs.token}" }
expect = "status == 200"
[[phase]]
name = "one"
[[phase.step]]
name = "watch"
uses = "probe"
gate = { healthy = ["chat"] }
"#;
    let with = |value: &str, mode| {
        let inputs = Inputs::none().environment(named(&[("TOKEN", value)], Exposure::Secret));
        check("runbook.toml", text.as_bytes(), &inputs, mode)
    };
    let header = |outcome: &Outcome| {
        let runbook = outcome.checked.as_ref().expect("it checks").runbook().clone();
        let rectify::probe::ProbeSpec::Http(rectify::probe::HttpProbe {
            request: rectify::peer::HttpRequest { headers, .. },
            ..
        }) = &runbook.probes["chat"].spec
        else {
            panic!("not HTTP")
        };
        assert!(!format!("{runbook:?}").contains("hunter2"));
        headers["Authorization"].clone()
    };
    let value = |outcome: &Outcome| secrecy::ExposeSecret::expose_secret(header(outcome).value()).to_owned();
    let good = with("hunter2", Mode::Run);
    assert_eq!(value(&good), "Bearer hunter2");
    assert_eq!(header(&good).to_string(), "Bearer ${inputs.token}");
    assert_eq!(header(&good).secrets().collect::<Vec<_>>(), ["token"]);
    let bad = with("swordfish", Mode::Run);
    assert!(codes(&bad).contains("input-pattern") && !bad.render(STYLE).contains("swordfish"));
    // Where no run follows, a pattern tells nothing of a secret.
    for mode in [Mode::Check, Mode::Plan] {
        assert!(with("swordfish", mode).diagnostics.is_empty(), "{mode:?}");
    }
    // A rehearsal uses another value, whatever the operator names.
    assert_eq!(value(&with("hunter2", Mode::Rehearse)), "Bearer rehearsal-value-of-token");
    let given = check("runbook.toml", text.as_bytes(), &given(&[("token", "hunter2")]), Mode::Rehearse);
    assert!(codes(&given).contains("secret-shown") && !given.render(STYLE).contains("hunter2"));
    // A plan needs no secret; a run says what to type.
    let without = |mode| check("runbook.toml", text.as_bytes(), &Inputs::none(), mode);
    assert_eq!(header(&without(Mode::Plan)).absent().collect::<Vec<_>>(), ["token"]);
    let missing = without(Mode::Run).render(STYLE);
    assert!(missing.contains("--env TOKEN"), "{missing}");
    let text = text.replace(", pattern = \"^hunter\"", "");
    for (short, exposure) in [("x9%", Exposure::Secret), (" abc\n", Exposure::Plain)] {
        let inputs = Inputs::none().environment(named(&[("TOKEN", short)], exposure));
        let short = check("runbook.toml", text.as_bytes(), &inputs, Mode::Run);
        assert_eq!(codes(&short), BTreeSet::from(["secret-too-short"]), "{}", short.render(STYLE));
        assert!(short.render(STYLE).contains("at least 4 characters") && !short.render(STYLE).contains("x9%"));
    }
}

#[test]
fn a_step_for_each_item_is_a_turn_for_each() {
    let text = flagship().replace(
        "with = { service = \"netra-auth-staging\", image = \"${inputs.auth_image}\" }",
        "with = { service = \"${item}\", image = \"${inputs.auth_image}\" }\nfor_each = { items = [\"a\", \"B\", \"c\"] }",
    );
    let outcome = of(&text);
    // Each item is looked at by every rule: `B` is no name for a service, and three are more than the limit.
    assert_eq!(codes(&outcome), BTreeSet::from(["bad-name", "beyond-limits"]), "{}", outcome.render(STYLE));
    let text = text.replace("\"B\", \"c\"", "").replace("services      = 2", "services      = 9");
    let outcome = check("runbook.toml", text.as_bytes(), &Inputs::none(), Mode::Rehearse);
    let runbook = outcome.checked.expect("it checks").runbook().clone();
    let step = &runbook.phases[1].steps[0];
    assert_eq!((step.iterations.len(), step.fan_out.as_ref().map(|fan_out| fan_out.items.known().len())), (1, Some(1)));
    assert_eq!(step.iterations[0].action.service(), Some("a"));
}

/// A probe that does not say what is healthy has a condition all the same, and it is the one that is documented.
#[test]
fn what_is_healthy_goes_without_saying_for_some_probes() {
    let text = everything();
    let kept =
        text.lines().filter(|line| !line.starts_with("expect = 'latency") && !line.starts_with("expect = 'complete"));
    let outcome = of(&kept.collect::<Vec<_>>().join("\n"));
    assert!(outcome.is_sound(), "{}", outcome.render(STYLE));
}

// ── files that are none ─────────────────────────────────────────────────────────────────────────────────────

#[test]
fn files_that_are_no_runbooks_are_said_to_be_none() {
    let deep = format!("a.{}b = 1", "c.".repeat(100_000));
    let junk = "= [ ' \" ".repeat(100_000);
    let large = "# the quick brown fox\n".repeat(500_000);
    let cases: [(&str, &[u8]); 9] = [
        ("empty", b""),
        ("not-utf-8", b"name = \"caf\xe9\"\n"),
        ("nul", b"name = \"\0\"\n"),
        ("escape", b"# \x1b[31mred\n[runbook]\n"),
        ("duplicate", b"[runbook]\nname = \"a\"\nname = \"b\"\n\n[runbook]\n"),
        ("unfinished", b"[runbook\nname = \"a\nowners = [\n"),
        ("too-deep", deep.as_bytes()),
        ("junk", junk.as_bytes()),
        ("file-too-large", large.as_bytes()),
    ];
    let mut reports = String::new();
    for (name, bytes) in cases {
        let outcome = check(&format!("{name}.toml"), bytes, &Inputs::none(), Mode::Check);
        assert!(outcome.checked.is_none() && !outcome.is_sound(), "{name}");
        reports += &outcome.render(STYLE);
        reports += "\n────\n\n";
    }
    snapshot("files-that-are-none", &reports);
}

/// A small file that stands for a large one takes neither all memory nor all day: not by references, not by iterations.
#[test]
fn a_file_that_stands_for_too_much_text_is_refused() {
    let large = "B".repeat(1_000_000);
    let probe = "[probes.ok]\nhttp = \"https://example.com/\"\nexpect = \"status == 200\"\n";
    let references = format!(
        "[runbook]\nname = \"a\"\ndescription = \"{}\"\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n\
         [inputs]\nx = {{ default = \"{large}\" }}\n{probe}",
        "${inputs.x}".repeat(20_000)
    );
    let items: Vec<String> = (0..1_000).map(|item| format!("\"i{item}\"")).collect();
    let iterations = format!(
        "[runbook]\nname = \"a\"\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n{probe}[[phase]]\nname = \"p\"\n\
         [[phase.step]]\nname = \"s\"\nuses = \"shell\"\nfor_each = {{ items = [{}] }}\nwith = {{ run = [\"echo\", \"${{item}}\", \"{large}\"] }}\n",
        items.join(", ")
    );
    for text in [references, iterations] {
        let outcome = check("large.toml", text.as_bytes(), &Inputs::none(), Mode::Check);
        let said = outcome.diagnostics.iter().filter(|diagnostic| diagnostic.code == mistake::TOO_MUCH_TEXT).count();
        assert_eq!(said, 1, "{:?}", outcome.diagnostics.iter().map(|found| found.code).collect::<Vec<_>>());
        assert!(outcome.checked.is_none());
    }
}

/// The pattern of an input may take a tenth of a second to compile.
#[test]
fn a_file_of_more_inputs_than_anybody_gives_is_refused_after_the_first_of_them() {
    use std::fmt::Write as _;
    let mut text =
        "[runbook]\nname = \"a\"\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n".to_owned();
    for number in 0..101 {
        let _ = write!(text, "[inputs.i{number}]\npattern = \"[\"\n");
    }
    let outcome = check("many.toml", text.as_bytes(), &Inputs::none(), Mode::Check);
    let of = |start: &str| outcome.diagnostics.iter().filter(|found| found.message.starts_with(start)).count();
    assert_eq!((of("101 inputs are more than anybody gives"), of("`[` is not a regular expression")), (1, 100));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let outcome = check("x.toml", &bytes, &Inputs::none(), Mode::Rehearse);
        outcome.render(STYLE);
    }

    #[test]
    fn a_mutilated_runbook_never_panics_and_never_loses_its_diagnostics(
        at in 0.0..1.0_f64, cut in 0..60_usize, put in "[ -~\n\u{e9}]{0,6}|\\$\\{|\"|'|\\[\\[|=|0", swap in 0.0..1.0_f64,
        whole in proptest::bool::ANY,
    ) {
        let text: Vec<char> = if whole { everything() } else { flagship() }.chars().collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a text")]
        let place = |part: f64| (part * text.len() as f64) as usize;
        let (start, end) = (place(at), (place(at) + cut).min(text.len()));
        let mut mutilated: String = text[..start].iter().collect();
        mutilated += &put;
        mutilated.extend(&text[end..]);
        for text in [mutilated, text[..place(swap)].iter().chain(&text[start..]).collect()] {
            let outcome = check("x.toml", text.as_bytes(), &Inputs::none(), Mode::Rehearse);
            let report = outcome.render(STYLE);
            assert_eq!(outcome.diagnostics.is_empty(), report.is_empty());
            let errors = outcome.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
            assert!(outcome.checked.is_none() || !errors, "{report}\n{text}");
            let json = serde_json::to_value(rectify::check::Report::of(std::slice::from_ref(&outcome))).unwrap();
            assert_eq!(json["files"][0]["diagnostics"].as_array().map(Vec::len), Some(outcome.diagnostics.len()));
        }
    }
}

#[test]
fn what_nobody_reviews_is_said_at_once_and_once() {
    let head = "[runbook]\nname = \"x\"\nowners = [\"shop\"]\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n\
                [limits]\napis = [\"redis.googleapis.com\", \"cloudscheduler.googleapis.com\"]\n[[phase]]\nname = \"p\"\n";
    let messages = |text: &str, code: &str| -> Vec<String> {
        let found = of(text).diagnostics;
        found.into_iter().filter(|one| one.code == code).map(|one| one.message).collect()
    };
    let step = |with: &str| {
        format!(
            "{head}[[phase.step]]\nname = \"s\"\nuses = \"gcp.set\"\nwith = {{ resource = \"redis.instances/c\", {with} }}\n"
        )
    };
    let fields = |count: usize| (0..count).map(|n| format!("k{n} = \"v\"")).collect::<Vec<_>>().join(", ");
    let paths = |count: usize| (0..count).map(|n| format!("\"labels.k{n}\"")).collect::<Vec<_>>().join(", ");
    // Each field is compared with each: this many would be ten billion comparisons.
    for with in [
        format!("set = {{ labels = {{ {} }} }}", fields(100_000)),
        format!("unset = [{}]", paths(100_000)),
        format!("set = {{ labels = {{ {} }} }}, unset = [{}]", fields(50_000), paths(50_000)),
    ] {
        let said = messages(&step(&with), "bad-field");
        assert_eq!(said, ["100000 fields are more than anybody reviews; one step sets and clears at most 1000"]);
    }
    assert!(messages(&step(&format!("unset = [{}]", paths(1_000))), "bad-field").is_empty());

    let items = (0..1_000).map(|n| format!("\"j{n}\"")).collect::<Vec<_>>().join(", ");
    let repeated = |steps: usize| {
        (0..steps).fold(head.to_owned(), |text, n| {
            let each = "uses = \"gcp.scheduler.pause\"\nwith = { job = \"${item}\" }\nfor_each = ";
            format!("{text}[[phase.step]]\nname = \"s{n}\"\n{each}{{ items = [{items}] }}\n")
        })
    };
    assert!(messages(&repeated(10), "bad-value").is_empty());
    let said = messages(&repeated(12), "bad-value");
    assert_eq!(said, vec!["the steps of this runbook are done more than 10000 times together"; 2]);
}
