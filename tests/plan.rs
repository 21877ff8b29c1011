//! A plan shows what a run would do, and planning writes nothing.

use crate::support::{Desk, FLAGSHIP, SCENARIO, Served};

#[test]
fn the_plan_of_the_flagship() {
    let desk = Desk::new();
    insta::assert_snapshot!(desk.rectify(&["plan", FLAGSHIP, "--sim", "--speed", "max"]).code(0).stdout);
}

#[test]
fn the_plan_of_the_flagship_as_json() {
    let desk = Desk::new();
    let done = desk.rectify(&["plan", FLAGSHIP, "--sim", SCENARIO, "--speed", "max", "--format", "json"]).code(0);
    let plan: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    insta::with_settings!({filters => vec![(r#""etag": "(?:[^"\\]|\\.)*""#, r#""etag": "[etag]""#)]}, {
        insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap());
    });
}

#[test]
fn the_plan_of_the_flagship_in_a_pull_request() {
    let desk = Desk::new();
    let markdown =
        || desk.rectify(&["plan", FLAGSHIP, "--sim", "--speed", "max", "--format", "markdown"]).code(0).stdout;
    let first = markdown();
    assert_eq!(first, markdown(), "the same plan is the same bytes");
    insta::assert_snapshot!(first);
}

#[test]
fn a_plan_in_a_narrow_terminal_is_wrapped_and_its_words_are_whole() {
    use rectify::plan::{Plan, TextStyle, text};
    let desk = Desk::new();
    let done = desk.rectify(&["plan", FLAGSHIP, "--sim", "--speed", "max", "--format", "json"]).code(0);
    let plan: Plan = serde_json::from_str(&done.stdout).unwrap();
    let (narrow, coloured) =
        (text(&plan, TextStyle { colour: false, width: 60 }), text(&plan, TextStyle { colour: true, width: 60 }));
    assert_eq!(console::strip_ansi_codes(&coloured), narrow, "colours say nothing that the words do not");
    assert!(coloured.contains("\u{1b}[") && !narrow.contains('\u{1b}'));
    let too_long = narrow.lines().filter(|line| line.chars().count() > 60 && line.trim().contains(' '));
    assert_eq!(
        too_long.filter(|line| !line.contains("sha256") && !line.contains("netra-")).collect::<Vec<_>>(),
        [""; 0]
    );
    let wide = text(&plan, TextStyle { colour: false, width: 4000 });
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&narrow), words(&wide));
}

/// The written form is a promise to programs.
#[test]
fn every_form_of_a_plan_fits_its_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string("docs/plan.schema.json").unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let desk = Desk::new();
    let narrow = desk.flagship(&[("traffic_shift = 60 ", "instances_added = 3\ntraffic_shift = 60 ")]);
    let ways: [(&[&str], i32); 3] = [
        (&["plan", FLAGSHIP, "--sim", SCENARIO, "--speed", "max", "--format", "json"], 0),
        (&["plan", FLAGSHIP, "--offline", "--format", "json"], 0),
        (&["plan", &narrow, "--sim", SCENARIO, "--speed", "max", "--format", "json"], 1),
    ];
    for (arguments, code) in ways {
        let plan: serde_json::Value = serde_json::from_str(&desk.rectify(arguments).code(code).stdout).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&plan).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{arguments:?}: {errors:#?}");
        let mut wrong = plan.clone();
        wrong["tasks"] = serde_json::json!([{ "id": 7 }]);
        assert!(!validator.is_valid(&wrong), "the schema says nothing");
    }
}

#[test]
fn a_plan_without_a_look_guesses_nothing() {
    let desk = Desk::new();
    let mut command = desk.command(&["plan", FLAGSHIP, "--offline"]);
    // Whoever asks for credentials here finds none.
    command.env("GOOGLE_APPLICATION_CREDENTIALS", desk.path("none"));
    let done = crate::support::Process(command.spawn().unwrap()).end().code(0);
    let done = done.says("min_instances  unknown → 3").says("depends on the cloud, which was not observed");
    assert!(!done.stdout.contains("point of no return") && !done.stdout.contains("you have"), "{}", done.stdout);
}

#[test]
fn a_snapshot_is_planned_against_without_a_cloud_and_says_the_same() {
    let desk = Desk::new();
    let kept = desk.path("snapshot.json").display().to_string();
    desk.rectify(&["snapshot", FLAGSHIP, "--sim", "--speed", "max", "--out", &kept]).code(0).says("resources");
    let from_it = desk.rectify(&["plan", FLAGSHIP, "--snapshot", &kept, "--format", "json"]).code(0).stdout;
    let live = desk.rectify(&["plan", FLAGSHIP, "--sim", "--speed", "max", "--format", "json"]).code(0).stdout;
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let changes = |plan: &serde_json::Value| {
        plan["tasks"].as_array().unwrap().iter().map(|task| task["change"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(changes(&json(&from_it)), changes(&json(&live)));
    assert_eq!(json(&from_it)["debts"], json(&live)["debts"]);
    // What only the API itself could say is not claimed.
    assert_eq!(json(&from_it)["reviews"]["one-revision"]["known"]["how"], "computed");
    assert_eq!(json(&live)["reviews"]["one-revision"]["known"]["how"], "validated");
    assert_eq!(json(&from_it)["access"]["missing"], serde_json::Value::Null);
    std::fs::write(&kept, "{\"format\": 9}").unwrap();
    desk.rectify(&["plan", FLAGSHIP, "--snapshot", &kept]).code(2).complains("is no snapshot");
}

/// A part that cannot be observed is missing by name, and the rest is there.
#[test]
fn what_cannot_be_looked_at_is_said_and_not_guessed() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let fault = serde_json::json!({
        "match": { "method": "GET", "path": "*/services/netra-auth-staging" },
        "fault": { "status": 403 }, "times": 100,
    });
    cloud.call(reqwest::Method::POST, "/_sim/faults", Some(fault));
    let done = desk.rectify(&["plan", FLAGSHIP, "--sim", &cloud.url]).code(1);
    let done = done
        .says("incomplete plan: 1 step cannot be planned; besides, 7 changes")
        .says("deploy-auth   gcp.run.service");
    done.says("image  unknown → us-central1-docker")
        .says("× gcp.run.service/netra-staging/us-central1/netra-auth-staging cannot be read");
    desk.rectify(&["run", FLAGSHIP, "--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector"]).code(1);
    assert_eq!(cloud.writes(), Vec::<String>::new(), "half a plan is not carried out");
}

/// Passing trouble is waited out, and costs nothing but time.
#[test]
fn reads_that_fail_for_a_moment_are_tried_again() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    for fault in [serde_json::json!({ "status": 503 }), serde_json::json!({ "status": 429, "retry_after": "1s" })] {
        let body =
            serde_json::json!({ "match": { "method": "GET", "path": "*/connectors/*" }, "fault": fault, "times": 1 });
        cloud.call(reqwest::Method::POST, "/_sim/faults", Some(body));
    }
    desk.rectify(&["plan", FLAGSHIP, "--sim", &cloud.url]).code(0).says("8 changes");
}

#[test]
fn a_saved_plan_is_carried_out_as_it_was_shown() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let runbook = desk.flagship_before("services");
    let kept = desk.path("plan.json").display().to_string();
    desk.rectify(&["plan", &runbook, "--sim", &cloud.url, "--out", &kept]).code(0);
    desk.rectify(&["run", &kept, "--input", "stable=x"])
        .code(2)
        .complains("a saved plan has its inputs and its cloud already");
    desk.rectify(&["run", &kept, "--yes", "--acknowledge", "scale-connector"]).code(0).says("✓ done");
    let again = desk.rectify(&["run", &kept, "--yes", "--acknowledge", "scale-connector"]).code(7);
    again.complains("this plan was carried out already, by run");
}

/// A saved plan, its JSON edited, with a digest that fits again: what somebody can do who may write the file.
fn forge(kept: &str, edit: impl FnOnce(&mut serde_json::Value)) {
    let saved = rectify::plan::Saved::read(&std::fs::read(kept).unwrap()).unwrap();
    let before = serde_json::to_value(&saved.plan).unwrap();
    let mut plan = before.clone();
    edit(&mut plan);
    assert_ne!(plan, before, "the edit changes nothing");
    let plan = serde_json::from_value(plan).unwrap();
    let forged = rectify::plan::Saved::new(saved.file, saved.text, saved.place, saved.made_at, plan);
    std::fs::write(kept, serde_json::to_vec(&forged).unwrap()).unwrap();
}

/// Planning is pure, so a plan that its own runbook and observations do not give is found out whatever digest it carries.
#[test]
fn a_plan_that_its_runbook_does_not_give_is_refused() {
    type Edit = fn(&mut serde_json::Value);
    fn step(plan: &mut serde_json::Value) -> &mut serde_json::Value {
        let tasks = plan["tasks"].as_array_mut().unwrap();
        tasks.iter_mut().find(|task| task["id"] == "scale-connector").unwrap()
    }
    let edits: [Edit; 8] = [
        |plan| step(plan)["reversibility"] = serde_json::json!({ "is": "reversible" }),
        |plan| step(plan)["change"]["to"]["max_instances"] = 9.into(),
        |plan| {
            step(plan)["change"]["resource"] = "gcp.connector/netra-production/us-central1/staging-connector".into();
        },
        |plan| plan["project"] = "netra-production".into(),
        |plan| drop(plan["tasks"].as_array_mut().unwrap().pop()),
        |plan| drop(step(plan).as_object_mut().unwrap().remove("gate")),
        |plan| step(plan)["on_failure"] = "continue".into(),
        |plan| plan["observed"].as_object_mut().unwrap().retain(|id, _| !id.starts_with("gcp.connector")),
    ];
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    for (number, edit) in edits.into_iter().enumerate() {
        let kept = desk.path("forged.json").display().to_string();
        desk.rectify(&["plan", FLAGSHIP, "--sim", &cloud.url, "--out", &kept]).code(0);
        forge(&kept, edit);
        let refused = desk.rectify(&["run", &kept, "--yes", "--acknowledge", "scale-connector"]).code(7);
        refused.complains("is not what rectify planned: its runbook and what it observed give another plan");
        assert_eq!(cloud.writes(), Vec::<String>::new(), "edit {number}");
    }
}

/// What the operator approved is named by its digest; what lies in the file instead is refused.
#[test]
fn a_plan_is_run_by_its_digest_and_no_older_than_wanted() {
    let desk = Desk::new();
    let kept = desk.path("p.plan").display().to_string();
    let shown = desk.rectify(&["plan", FLAGSHIP, "--sim", SCENARIO, "--speed", "max", "--out", &kept]).code(0);
    let (_, digest) = shown.stdout.split_once("--digest ").unwrap();
    let digest = digest.trim();
    let run = |more: &[&str]| desk.rectify(&[&["run", &kept, "--yes", "--dry-run"], more].concat());
    run(&["--digest", digest]).code(0);
    run(&["--digest", &digest.replace(&digest[..1], "x")]).code(7).complains("is another plan: its digest is");
    desk.rectify(&["run", FLAGSHIP, "--sim", SCENARIO, "--digest", digest]).code(2).complains("are for a saved plan");

    let age = |hours: i64| {
        let saved = rectify::plan::Saved::read(&std::fs::read(&kept).unwrap()).unwrap();
        let made = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
        let aged = rectify::plan::Saved::new(saved.file, saved.text, saved.place, made, saved.plan);
        std::fs::write(&kept, serde_json::to_vec(&aged).unwrap()).unwrap();
    };
    age(30);
    run(&[]).code(0).complains("is 30h old");
    run(&["--max-age", "24h"]).code(7).complains("--max-age allows");
    run(&["--max-age", "48h"]).code(0);
    age(-2);
    run(&[]).code(7).complains("which is in the future");
    // Somebody else could have written it.
    age(0);
    std::fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    run(&[]).code(7).complains("can be written by other users");
}

/// The promise of a saved plan: what moved since is shown, and nothing is done.
#[test]
fn a_saved_plan_is_refused_when_somebody_else_was_there() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let kept = desk.path("plan.json").display().to_string();
    desk.rectify(&["plan", FLAGSHIP, "--sim", &cloud.url, "--out", &kept]).code(0);
    let traffic = serde_json::json!({ "traffic": [
        { "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "netra-backend-staging-00749-6tr", "percent": 100 },
    ] });
    let path = "/v2/projects/netra-staging/locations/us-central1/services/netra-backend-staging?updateMask=traffic";
    cloud.call(reqwest::Method::PATCH, path, Some(traffic));
    let before = cloud.writes().len();
    let done = desk.rectify(&["run", &kept, "--yes", "--acknowledge", "scale-connector"]).code(7);
    let done = done.complains("the plan is stale: the cloud has changed since it was made; nothing was changed");
    let done = done.says("then    netra-backend-staging-00749-6tr 50 %, netra-backend-staging-00750-69k 50 %");
    done.says("now     netra-backend-staging-00749-6tr 100 %").says("wanted  netra-backend-staging-00003-nkl 100 %");
    assert_eq!(cloud.writes().len(), before);
}

#[test]
fn a_saved_plan_that_was_touched_is_no_promise() {
    let desk = Desk::new();
    let kept = desk.path("plan.json").display().to_string();
    desk.rectify(&["plan", FLAGSHIP, "--sim", SCENARIO, "--speed", "max", "--out", &kept]).code(0);
    let text = std::fs::read_to_string(&kept).unwrap();
    for (from, to) in
        [("\"max_instances\": 10", "\"max_instances\": 9"), ("on_failure  = \\\"ask\\\"", "on_failure  = \\\"stop\\\"")]
    {
        assert!(text.contains(from), "{from}");
        std::fs::write(&kept, text.replace(from, to)).unwrap();
        desk.rectify(&["run", &kept, "--yes"]).code(2).complains("it was changed after it was written");
    }
    std::fs::write(&kept, text.replace("\"format\": 2", "\"format\": 3")).unwrap();
    desk.rectify(&["run", &kept, "--yes"]).code(2).complains("another version of rectify");
    std::fs::write(&kept, "{}").unwrap();
    desk.rectify(&["run", &kept, "--yes"]).code(2).complains("not a saved plan");
}

/// A split may name what an earlier step will deploy; the plan knows its name already.
#[test]
fn a_step_can_name_the_revision_that_an_earlier_one_makes() {
    let desk = Desk::new();
    let step = "\n[[phase.step]]\nname = \"all-to-new\"\nuses = \"gcp.run.traffic\"\n\
        with = { service = \"netra-auth-staging\", to = { \"${steps.deploy-auth.revision}\" = 100 } }\n";
    let runbook = desk.flagship(&[(
        "\n[[phase.step]]\nname = \"deploy-backend\"",
        &format!("{step}\n[[phase.step]]\nname = \"deploy-backend\""),
    )]);
    let done = desk.rectify(&["plan", &runbook, "--sim", SCENARIO, "--speed", "max"]).code(0);
    done.says("LATEST 100 % → netra-auth-staging-00002-hrd 100 %");
}

#[test]
fn inputs_come_from_a_file_and_the_command_line_goes_first() {
    let desk = Desk::new();
    let file = desk.write("inputs.toml", "stable = \"netra-backend-staging-00001-old\"\n");
    let done = desk.rectify(&["plan", FLAGSHIP, "--sim", SCENARIO, "--speed", "max", "--inputs", &file]).code(1);
    done.says("netra-backend-staging has no revision netra-backend-staging-00001-old");
    let stable = "stable=netra-backend-staging-00750-69k";
    desk.rectify(&["plan", FLAGSHIP, "--sim", SCENARIO, "--speed", "max", "--inputs", &file, "--input", stable])
        .code(0);
    let file = desk.write("inputs.toml", "stable = [1]\n");
    desk.rectify(&["plan", FLAGSHIP, "--offline", "--inputs", &file])
        .code(2)
        .complains("stable is neither a text nor a number");
}

/// No step of a runbook is run by planning it: the only thing that could is a program, and none is started.
#[test]
fn planning_runs_no_code_of_the_runbook() {
    let desk = Desk::new();
    let touched = desk.path("touched");
    let step = format!(
        "\n[[phase.step]]\nname = \"code\"\nuses = \"shell\"\nirreversible = true\n\
         with = {{ run = [\"touch\", \"{0}\"], check = [\"touch\", \"{0}\"] }}\n\n[[phase.step]]\nname = \"deploy-backend\"",
        touched.display()
    );
    let runbook = desk.flagship(&[("\n[[phase.step]]\nname = \"deploy-backend\"", &step)]);
    for flags in [&["--offline"][..], &["--sim", SCENARIO, "--speed", "max"]] {
        let _ = desk.rectify(&[&["plan", &runbook], flags].concat());
        assert!(!touched.exists());
    }
}

#[test]
fn planning_and_dry_runs_write_nothing() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    desk.rectify(&["plan", FLAGSHIP, "--sim", &cloud.url]).code(0).says("8 changes, 1 of which cannot be undone");
    desk.rectify(&["plan", FLAGSHIP, "--sim", &cloud.url, "--detailed-exitcode"]).code(3).says("8 changes");
    desk.rectify(&["run", FLAGSHIP, "--sim", &cloud.url, "--dry-run"]).code(0).says("8 changes");
    assert_eq!(cloud.writes(), Vec::<String>::new());
    assert!(!cloud.get("/_sim/requests").as_array().unwrap().is_empty(), "the cloud was looked at");
    assert!(!desk.path("rectify").exists(), "nothing was kept");
}

#[test]
fn a_recovered_cloud_leaves_nothing_to_change() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    desk.rectify(&[&["run", &runbook], &flags[..]].concat()).code(0).says("✓ done");
    // The world that the run left, served: the same runbook finds everything as it wants it.
    let cloud = desk.cloud();
    assert_eq!(cloud["connectors"]["staging-connector"]["max_instances"], 10);
}

/// What `check` cannot know, because it depends on the cloud as it is.
#[test]
fn a_plan_keeps_to_the_limits_of_its_runbook() {
    let desk = Desk::new();
    let narrow = desk.flagship(&[("traffic_shift = 60 ", "instances_added = 3\ntraffic_shift = 40 ")]);
    let done = desk.rectify(&["check", &narrow]).code(2).says("this moves 50 % at once; at most 40 % are allowed");
    assert!(!done.stdout.contains("instances"), "{}", done.stdout);
    let edits =
        [("traffic_shift = 60 ", "instances_added = 3\ntraffic_shift = 40 "), ("[10, 50, 100]", "[10, 30, 60, 100]")];
    let narrow = desk.flagship(&edits);
    desk.rectify(&["check", &narrow]).code(0);
    let done = desk.rectify(&["plan", &narrow, "--sim", crate::support::SCENARIO]).code(1);
    // The connector has 3 instances at most, and half of the backend's traffic is elsewhere.
    done.says("this adds 7 instances to staging-connector; the limit is 3").says("this moves 50 %");
}

/// No command acts on a runbook that `check` rejects: no read of the cloud, no probe, and no plan as if it were one.
#[test]
fn what_check_rejects_is_asked_about_nowhere() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let exhibit = "runbooks/connector-exhaustion.as-prescribed.toml";
    let kept = desk.path("snapshot.json").display().to_string();
    let before = cloud.requests();
    for command in [
        &["plan"][..],
        &["doctor"],
        &["snapshot", "--out", &kept],
        &["run", "--dry-run"],
        &["run", "--yes"],
        &["probe"],
        &["escalation"],
    ] {
        let is_doctor = command == ["doctor"];
        let code = if is_doctor { 1 } else { 2 };
        let done = desk.rectify(&[command, &[exhibit, "--sim", &cloud.url]].concat()).code(code);
        // A plan shows what it can without asking anybody, and doctor lists the mistakes.
        let is_shown = done.stdout.contains("connector-max-instances: max_instances is 15");
        assert!(
            if command == ["plan"] || is_doctor { is_shown } else { done.stdout.is_empty() },
            "{command:?}: {}",
            done.stdout
        );
        assert_eq!(cloud.requests(), before, "{command:?}");
    }
}

#[test]
fn without_credentials_a_plan_says_what_to_do() {
    let desk = Desk::new();
    let mut command = desk.command(&["plan", FLAGSHIP]);
    command.env("GOOGLE_APPLICATION_CREDENTIALS", desk.path("none"));
    let done = crate::support::Process(command.spawn().unwrap()).end().code(1);
    done.complains("no usable Google credentials").complains("gcloud auth application-default login");
}

/// An answer that is no answer is told as one, resource by resource, and nothing of it is taken for a fact.
#[test]
fn answers_that_make_no_sense_are_no_facts() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let behind = cloud.url.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap_or_default();
            if String::from_utf8_lossy(&request[..count]).contains("/_sim/") {
                let mut whole = std::net::TcpStream::connect(&behind).unwrap();
                whole.write_all(&request[..count]).unwrap();
                let (mut back, mut to) = (whole.try_clone().unwrap(), stream.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut back, &mut to));
                std::thread::spawn(move || std::io::copy(&mut stream, &mut whole));
                continue;
            }
            let body = r#"{"name":7,"traffic":"?"}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    let done = desk.rectify(&["plan", FLAGSHIP, "--sim", &url]).code(1);
    done.says("min_instances  unknown → 3")
        .says("malformed response")
        .says("incomplete plan: 4 steps cannot be planned");
}

/// A token that has run out, a project that is another's: each resource says so, with what to do, and nothing is guessed.
#[test]
fn a_token_that_has_run_out_and_a_wrong_project_are_told() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let expired = serde_json::json!({ "match": { "host": "127.0.0.1", "path": "/v*" }, "fault": { "status": 401 } });
    cloud.call(reqwest::Method::POST, "/_sim/faults", Some(expired));
    let done = desk.rectify(&["plan", FLAGSHIP, "--sim", &cloud.url]).code(1);
    let done =
        done.says("log in again with `gcloud auth application-default login`").says("min_instances  unknown → 3");
    done.says("incomplete plan: 4 steps cannot be planned");
    cloud.call(reqwest::Method::DELETE, "/_sim/faults", None);
    let runbook = desk.flagship(&[("\"netra-staging\"", "\"another-project\"")]);
    let done = desk.rectify(&["plan", &runbook, "--sim", &cloud.url]).code(1);
    done.says("Permission denied on resource project another-project").says("incomplete plan: 4 steps");
}
