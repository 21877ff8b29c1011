//! What a reviewer's machinery does with a plan: the script of the GitHub Action, and a policy.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Desk, FLAGSHIP, SCENARIO};

/// Stands in for GitHub's `gh`: lists the comments of a folder as the script asks for them (id, author, first line), keeps what
/// is posted there, notes each call, and fails where a test says so.
const GH: &str = r#"#!/usr/bin/env bash
printf '%s\n' "$*" >>"$DESK/calls"
env >>"$DESK/gh-environment"
for argument; do
    case $argument in body=@*) body=${argument#body=@} ;; esac
done
case "$*" in
    *viewer*) if [[ ! -e $DESK/unreadable ]]; then echo 'github-actions[bot]'; fi; exit ;;
    *--paginate*)
        if [[ -e $DESK/unreadable ]]; then exit 1; fi
        for comment in "$DESK"/comments/*; do
            if [[ ! -e $comment/body ]]; then continue; fi
            printf '%s\t%s\t%s\n' "$(basename "$comment")" "$(cat "$comment/user")" "$(head -n1 "$comment/body")"
        done
        exit ;;
esac
if [[ -e $DESK/readonly ]]; then echo 'gh: Resource not accessible by integration (HTTP 403)' >&2; exit 1; fi
if [[ -e $DESK/broken ]]; then echo 'gh: Server Error (HTTP 502)' >&2; exit 1; fi
if [[ -e $DESK/strict && $(wc -c <"$body") -gt 1000 ]]; then echo 'gh: Body is too long (HTTP 422)' >&2; exit 1; fi
case "$*" in
    *PATCH*) [[ "$*" =~ comments/([0-9]+) ]] && comment=$DESK/comments/${BASH_REMATCH[1]} ;;
    *) comment=$DESK/comments/$((1000 + $(ls "$DESK/comments" | wc -l))) && mkdir "$comment" && echo 'github-actions[bot]' >"$comment/user" ;;
esac
cp "$body" "$comment/body"
"#;

/// A repository with one runbook in its base commit, and what its pull request has got.
struct Action {
    desk: Desk,
    base: String,
}

const RUNBOOK: &str = include_str!("../runbooks/connector-exhaustion.toml");

impl Action {
    fn new() -> Action {
        let desk = Desk::new();
        let gh = desk.write("gh", GH);
        fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(desk.path("comments")).unwrap();
        fs::create_dir_all(desk.path("repo/runbooks")).unwrap();
        let mut action = Action { desk, base: String::new() };
        action.file("runbooks/known.toml", RUNBOOK);
        action.file("runbooks/known.sim.toml", &fs::read_to_string(SCENARIO).unwrap());
        action.git(&["init", "--quiet"]);
        action.commit();
        action.base = action.head();
        action
    }

    fn repo(&self, name: &str) -> std::path::PathBuf {
        self.desk.path("repo").join(name)
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.repo(name), text).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(self.desk.path("repo")).env("GIT_CONFIG_GLOBAL", "/dev/null");
        for (name, value) in [("NAME", "a"), ("EMAIL", "a@example.com")] {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "one"]);
    }

    /// A comment that is there already.
    fn comment(&self, id: u32, user: &str, body: &str) {
        let folder = self.desk.path(&format!("comments/{id}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("user"), user).unwrap();
        fs::write(folder.join("body"), body).unwrap();
    }

    /// The comments, by id.
    fn comments(&self) -> Vec<String> {
        let mut found: Vec<_> =
            fs::read_dir(self.desk.path("comments")).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        found.iter().map(|comment| fs::read_to_string(comment.join("body")).unwrap()).collect()
    }

    /// Runs the script as the action does, on the last commit; its exit code and its log.
    fn review(&self, mode: &str, variables: &[(&str, &str)]) -> (i32, String) {
        let here = std::env::current_dir().unwrap();
        let folder = self.desk.path("");
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let _ = fs::remove_file(self.desk.path("summary"));
        let mut command = Command::new("bash");
        command.arg(here.join("action/review.sh")).current_dir(self.desk.path("repo"));
        command.env_clear().env("PATH", path).env("HOME", &folder).env("DESK", &folder);
        command.env("RECTIFY", env!("CARGO_BIN_EXE_rectify")).env("MODE", mode).env("BASE", &self.base);
        command.env("REPOSITORY", "example/netra").env("PULL_REQUEST", "7").env("GH_TOKEN", "ghs_SECRET");
        command.env("GITHUB_STEP_SUMMARY", self.desk.path("summary")).envs(variables.iter().copied());
        let done = command.output().unwrap();
        let log = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        (done.status.code().unwrap(), log)
    }

    fn kept(&self, name: &str) -> String {
        fs::read_to_string(self.desk.path(name)).unwrap_or_default()
    }
}

/// The runbook that `with_scenario` adds.
const WITH_SCENARIO: &str = "runbooks/bad-revision.toml";

/// A pull request that adds a runbook with its scenario.
fn with_scenario() -> Action {
    let action = Action::new();
    for file in [WITH_SCENARIO, "runbooks/bad-revision.sim.toml"] {
        action.file(file, &fs::read_to_string(file).unwrap());
    }
    action.commit();
    action
}

#[test]
fn a_runbook_with_a_scenario_is_drilled_if_that_is_asked_for_and_its_comment_is_one_of_its_own() {
    let action = with_scenario();
    let (code, _) = action.review("offline", &[]);
    assert_eq!((code, action.comments().len()), (0, 1));
    let (code, log) = action.review("offline", &[("DRILL", "97")]);
    assert_eq!(code, 0, "{log}");
    let comments = action.comments();
    assert_eq!(comments.len(), 2, "{comments:?}");
    assert!(
        comments[1].contains("Drill of `bad-revision`")
            && comments[1].contains("Every ending of this sample is accepted")
    );
    // A drill that meets what its author does not accept fails the check, and the comment says so.
    let strict = fs::read_to_string(WITH_SCENARIO).unwrap() + "\n[drill]\nnever = [\"paused\"]\n";
    action.file(WITH_SCENARIO, &strict);
    action.commit();
    let (code, _) = action.review("offline", &[("DRILL", "19")]);
    let comments = action.comments();
    assert_eq!((code, comments.len()), (1, 2));
    assert!(comments[1].contains("Not accepted: ") && comments[1].contains("`rectify drill` ended with 1"));
}

#[test]
fn the_comment_of_a_drill_is_outdated_once_the_runbook_is_no_longer_drilled() {
    let action = with_scenario();
    assert_eq!(action.review("offline", &[("DRILL", "197")]).0, 0);
    // Anybody can write a comment that begins as ours do.
    action.comment(2000, "mallory", "<!-- rectify-drill 00 -->\nTHEIRS");
    let (_, log) = action.review("offline", &[]);
    let comments = action.comments();
    assert_eq!(comments.len(), 3, "{log}");
    assert!(comments[0].contains("which was not observed"), "the plan stands: {}", comments[0]);
    let [first, second] = comments[1].lines().take(2).collect::<Vec<_>>()[..] else { panic!("{}", comments[1]) };
    assert!(first.starts_with("<!-- rectify-drill ") && first.ends_with(" outdated -->"), "{first}");
    assert!(second.contains("is outdated") && second.contains("no longer drilled"), "{second}");
    assert!(!comments[1].contains("Drill of"), "{}", comments[1]);
    assert!(comments[2].contains("THEIRS"), "{}", comments[2]);
    // What is outdated already is not written again.
    let patches = |calls: &str| calls.matches("PATCH").count();
    let before = patches(&action.kept("calls"));
    assert_eq!(action.review("offline", &[]).0, 0);
    assert_eq!(patches(&action.kept("calls")) - before, 1, "only the plan");
    // Drilled again, it stands in the same place.
    assert_eq!(action.review("offline", &[("DRILL", "197")]).0, 0);
    let comments = action.comments();
    assert!(comments.len() == 3 && comments[1].contains("Drill of `bad-revision`"), "{comments:?}");
    assert!(!comments[1].contains("outdated -->"), "{}", comments[1]);
}

#[test]
fn the_action_posts_a_plan_and_updates_it_later() {
    let action = Action::new();
    action.file("runbooks/known.toml", &format!("{RUNBOOK}# changed\n"));
    action.commit();
    let (code, log) = action.review("sim", &[]);
    assert_eq!(code, 0, "{log}");
    let first = action.comments();
    let [body] = first.as_slice() else { panic!("{first:?}") };
    assert!(body.starts_with("<!-- rectify-plan ") && body.contains("<code>runbooks/known.toml</code>"), "{body}");
    assert!(
        body.contains("8 changes, 1 of which cannot be undone") && body.contains("> **This cannot be undone:**"),
        "{body}"
    );
    assert!(action.kept("calls").contains("--method POST repos/example/netra/issues/7/comments"));
    assert!(action.kept("summary").contains(body.as_str()) && log.contains(body.as_str()));
    assert_eq!(action.review("sim", &[]).0, 0);
    assert!(action.kept("calls").contains("--method PATCH repos/example/netra/issues/comments/1000"));
    assert_eq!(action.comments(), first, "the same plan is the same comment");
}

#[test]
fn the_comment_says_what_the_pull_request_changes_of_the_plan() {
    let action = Action::new();
    let changed = RUNBOOK.replace("max_instances = 10", "max_instances = 9");
    action.file("runbooks/known.toml", &changed);
    action.commit();
    for mode in ["sim", "offline"] {
        assert_eq!(action.review(mode, &[]).0, 0);
        let body = action.comments().remove(0);
        let diff = "- scale-connector: max_instances  10\n+ scale-connector: max_instances  9\n";
        assert!(body.contains("#### Against the base branch") && body.contains(diff), "{mode}: {body}");
        let others = body.lines().filter(|line| line.starts_with("+ ") && line.contains(": ")).count();
        assert_eq!(others, 1, "nothing else differs: {body}");
    }
    action.file("runbooks/known.toml", &format!("{RUNBOOK}# only a remark\n"));
    action.commit();
    assert_eq!(action.review("sim", &[]).0, 0);
    assert!(action.comments()[0].contains("The plan is the same."));
    // A runbook that is new has nothing to be compared with.
    action.file("runbooks/new.toml", RUNBOOK);
    action.commit();
    assert_eq!(action.review("offline", &[]).0, 0);
    assert!(!action.comments()[1].contains("Against the base branch"));
}

#[test]
fn the_action_needs_no_credentials_and_fails_on_a_mistake() {
    let action = Action::new();
    let hostile = "x$(touch owned)`touch owned`;'\"& <b>|#1 @all.toml";
    action.file(hostile, "[runbook]\nnam = 1\n");
    action.commit();
    let (code, log) = action.review("offline", &[]);
    assert_eq!(code, 1, "{log}");
    let comments = action.comments();
    assert!(comments[0].contains("ended with 2") && !comments[0].contains("<b>"), "{comments:?}");
    assert!(!action.repo("owned").exists() && !std::path::Path::new("owned").exists());
}

/// The program that reads a stranger's file has no variable that the file could ask for.
#[test]
fn the_program_has_no_token_and_gh_has_it() {
    let action = Action::new();
    let program = "#!/usr/bin/env bash\nenv >>\"${0%/*}/environment\"\nif [[ $1 == check ]]; then printf 'known.toml\\0'; fi\necho planned\n";
    let program = action.desk.write("program", program);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    action.file("runbooks/known.toml", &format!("{RUNBOOK}# changed\n"));
    action.commit();
    let more = [("RECTIFY", program.as_str()), ("AWS_SECRET", "wJalr"), ("RECTIFY_INPUT_SIZE", "3")];
    let (code, log) = action.review("offline", &more);
    assert_eq!(code, 0, "{log}");
    let environment = action.kept("environment");
    assert!(!environment.contains("ghs_SECRET") && !environment.contains("wJalr"), "{environment}");
    assert!(environment.contains("RECTIFY_INPUT_SIZE=3"), "{environment}");
    assert!(action.kept("gh-environment").contains("GH_TOKEN=ghs_SECRET"));
}

#[test]
fn a_runbook_is_found_however_it_is_written_and_named() {
    let action = Action::new();
    let head = |head: &str| RUNBOOK.replacen("[runbook]", head, 1);
    for (name, text) in [
        ("spaces.toml", head("[ runbook ]")),
        ("indented.toml", head("  [runbook]")),
        ("quoted.toml", head("[\"runbook\"]")),
        ("escaped.toml", head("[\"\\u0072unbook\"]")),
        ("dotted.toml", "runbook.name = 'dotted'\n".to_owned()),
        ("inline.toml", "runbook = { name = 'inline' }\n".to_owned()),
        ("array.toml", head("[[runbook]]")),
        ("broken.toml", format!("{RUNBOOK}\n= = =\n")),
        ("Shouted.TOML", RUNBOOK.to_owned()),
        ("no-ending", RUNBOOK.to_owned()),
        ("with space é.toml", RUNBOOK.to_owned()),
        ("-x.toml", RUNBOOK.to_owned()),
        ("other.toml", "[package]\nname = 'runbook'\n".to_owned()),
        ("image.bin", "\u{0}runbook\u{0}".to_owned()),
    ] {
        action.file(name, &text);
    }
    fs::rename(action.repo("runbooks/known.toml"), action.repo("runbooks/renamed.toml")).unwrap();
    action.commit();
    let (_, log) = action.review("offline", &[]);
    let summary = action.kept("summary");
    let names = ["spaces", "indented", "quoted", "escaped", "dotted", "inline", "array", "broken", "renamed", "-x"];
    for name in names.map(|name| format!("{name}.toml")) {
        assert!(summary.contains(&format!("{name}</code>")), "{name}: {summary}\n{log}");
    }
    assert!(summary.contains("Shouted.TOML<") && summary.contains("no-ending<"), "{summary}");
    assert!(!summary.contains("other.toml") && !summary.contains("image.bin"), "{summary}");
    assert_eq!(action.comments().len(), 13);
}

#[test]
fn links_and_names_with_control_characters_are_refused() {
    let action = Action::new();
    fs::remove_file(action.repo("runbooks/known.toml")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", action.repo("runbooks/known.toml")).unwrap();
    std::os::unix::fs::symlink("nowhere", action.repo("runbooks/dangling.toml")).unwrap();
    action.file("a\r::notice title=x::approved.toml", RUNBOOK);
    action.file("b\n.toml", RUNBOOK);
    action.file("fine.toml", RUNBOOK);
    action.commit();
    let (code, log) = action.review("offline", &[]);
    assert_eq!(code, 1, "{log}");
    assert!(!log.contains("\r::notice") && !log.contains("\n::notice") && !log.contains("root:"), "{log}");
    let comments = action.comments();
    assert_eq!(comments.len(), 5, "{comments:?}");
    assert_eq!(comments.iter().filter(|body| body.contains("symbolic link")).count(), 2);
    assert_eq!(comments.iter().filter(|body| body.contains("control characters")).count(), 2);
    assert!(comments.iter().any(|body| body.contains("fine.toml") && body.contains("which was not observed")));
}

#[test]
fn two_files_have_two_comments() {
    let action = Action::new();
    for name in ["fix db.toml", "fix_db.toml", "fix-db.toml"] {
        action.file(name, RUNBOOK);
    }
    action.commit();
    assert_eq!(action.review("offline", &[]).0, 0);
    assert_eq!(action.review("offline", &[]).0, 0);
    assert_eq!(action.comments().len(), 3);
}

#[test]
fn a_comment_of_somebody_else_is_never_changed() {
    let action = Action::new();
    action.file("runbooks/known.toml", &format!("{RUNBOOK}# changed\n"));
    action.commit();
    assert_eq!(action.review("offline", &[]).0, 0);
    let ours = action.comments().remove(0);
    fs::remove_dir_all(action.desk.path("comments/1000")).unwrap();
    let outside = format!("see: {ours}");
    action.comment(5, "mallory", &ours);
    action.comment(6, "github-actions[bot]", &outside);
    assert_eq!(action.review("offline", &[]).0, 0);
    let comments = action.comments();
    assert_eq!(comments.len(), 3);
    assert!(comments.contains(&ours) && comments.contains(&outside), "{comments:?}");
    assert!(!action.kept("calls").contains("PATCH"));
    // Whose token it is says GitHub.
    assert_eq!(action.review("offline", &[("AUTHOR", "ask")]).0, 0);
    assert!(action.kept("calls").contains("PATCH repos/example/netra/issues/comments/1002"));
    // The same with a token of somebody's own.
    assert_eq!(action.review("offline", &[("AUTHOR", "mallory")]).0, 0);
    assert!(action.kept("calls").contains("PATCH repos/example/netra/issues/comments/5"));
}

#[test]
fn a_fork_gets_every_plan_in_the_summary_and_in_the_log() {
    let action = Action::new();
    for name in ["one.toml", "two.toml"] {
        action.file(name, RUNBOOK);
    }
    action.commit();
    fs::write(action.desk.path("readonly"), "").unwrap();
    let (code, log) = action.review("offline", &[]);
    assert_eq!(code, 0, "{log}");
    for text in [&log, &action.kept("summary")] {
        assert!(text.contains("<code>one.toml</code>") && text.contains("<code>two.toml</code>"), "{text}");
        assert_eq!(text.matches("which was not observed").count(), 2, "{text}");
    }
}

#[test]
fn an_outdated_plan_never_stands_as_if_it_were_the_plan() {
    let changed = |text: &str| {
        let action = Action::new();
        action.file("runbooks/known.toml", text);
        action.commit();
        assert_eq!(action.review("offline", &[]).0, 0);
        action.file("runbooks/known.toml", &format!("{text}# again\n"));
        action.commit();
        action
    };
    let text = format!("{RUNBOOK}# changed\n");
    // What is too long is replaced by a word that there is no plan.
    let action = changed(&text);
    fs::write(action.desk.path("strict"), "").unwrap();
    assert_eq!(action.review("offline", &[]).0, 0);
    let comments = action.comments();
    assert!(comments.len() == 1 && comments[0].contains("what stood here before is outdated"), "{comments:?}");
    // What cannot be replaced at all fails the check, and the plan is in the summary.
    for obstacle in ["readonly", "broken", "unreadable"] {
        let action = changed(&text);
        fs::write(action.desk.path(obstacle), "").unwrap();
        assert_eq!(action.review("offline", &[]).0, 1, "{obstacle}");
        assert!(action.kept("summary").contains("which was not observed"));
    }
    // A runbook that is no longer part of the pull request has no plan there.
    let action = changed(&text);
    action.comment(7, "github-actions[bot]", "<!-- rectify runbooks/gone.toml -->\nOLD");
    action.file("runbooks/known.toml", RUNBOOK);
    action.commit();
    assert_eq!(action.review("offline", &[]).0, 0);
    let comments = action.comments();
    assert!(
        comments.iter().all(|body| body.contains("is outdated: this pull request no longer changes")),
        "{comments:?}"
    );
    // It has one again when it comes back, in the same place.
    action.file("runbooks/known.toml", &text);
    action.commit();
    assert_eq!(action.review("offline", &[]).0, 0);
    assert!(action.comments().len() == 2 && action.comments()[0].contains("which was not observed"));
}

#[test]
fn a_changed_scenario_is_planned_and_a_changed_snapshot_is_not_believed() {
    let action = Action::new();
    let scenario = fs::read_to_string(action.repo("runbooks/known.sim.toml")).unwrap();
    action.file("runbooks/known.sim.toml", &format!("{scenario}# changed\n"));
    action.commit();
    assert_eq!(action.review("sim", &[]).0, 0);
    assert!(action.comments()[0].contains("8 changes"));
    // A scenario is a file, too.
    fs::remove_file(action.repo("runbooks/known.sim.toml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", action.repo("runbooks/known.sim.toml")).unwrap();
    action.commit();
    assert_eq!(action.review("sim", &[]).0, 1);
    assert!(action.comments()[0].contains("symbolic link"), "{:?}", action.comments());

    let mut action = Action::new();
    let snapshot = action.repo("prod.json");
    let flags = ["--sim", SCENARIO, "--speed", "max", "--out", snapshot.to_str().unwrap()];
    action.desk.rectify(&[&["snapshot", FLAGSHIP], &flags[..]].concat()).code(0);
    std::os::unix::fs::symlink("runbooks", action.repo("latest")).unwrap();
    action.commit();
    action.base = action.head();
    let lie = fs::read_to_string(&snapshot).unwrap().replace("\"max_instances\": 3", "\"max_instances\": 10");
    action.file("prod.json", &lie);
    action.commit();
    assert_eq!(action.review("prod.json", &[]).0, 0);
    let comments = action.comments();
    assert_eq!(comments.len(), 1, "a link that was there before is no runbook that changed: {comments:?}");
    assert!(comments[0].contains("8 changes") && comments[0].contains("snapshot of the base commit"), "{comments:?}");
    fs::rename(&snapshot, action.repo("new.json")).unwrap();
    action.commit();
    assert_eq!(action.review("new.json", &[]).0, 0);
    assert!(action.comments()[0].contains("which was not observed") && action.comments()[0].contains("it is not used"));
}

#[test]
fn a_runbook_is_planned_when_what_it_includes_is_changed() {
    let mut action = Action::new();
    fs::create_dir(action.repo("runbooks/shared")).unwrap();
    let probes = "[probes.front]\nhttp = \"https://shop.example/health\"\nexpect = \"status == 200\"\n";
    action.file("runbooks/shared/probes.toml", probes);
    action.file(
        "runbooks/includes.toml",
        "include = [\"shared/probes.toml\"]\n[runbook]\nname = \"includes\"\n[target]\nproject = \"p-staging\"\n\
         region = \"us-central1\"\n[[phase]]\nname = \"all\"\n[[phase.step]]\nname = \"look\"\nuses = \"probe\"\n\
         gate = { healthy = [\"front\"], for = \"1m\" }\n",
    );
    action.commit();
    action.base = action.head();
    action.file("runbooks/shared/probes.toml", &probes.replace("shop.example", "other.example"));
    action.commit();
    let (code, log) = action.review("offline", &[]);
    assert_eq!(code, 0, "{log}");
    let comments = action.comments();
    assert_eq!(comments.len(), 1, "the other runbook includes nothing: {comments:?}");
    assert!(comments[0].contains("includes.toml") && comments[0].contains("other.example"), "{comments:?}");
}

/// A list that could not be made must not look like an empty one.
#[test]
fn a_base_that_is_not_known_fails_the_check() {
    let mut action = Action::new();
    action.file("new.toml", RUNBOOK);
    action.commit();
    for base in ["", "0123456789012345678901234567890123456789"] {
        base.clone_into(&mut action.base);
        assert_ne!(action.review("offline", &[]).0, 0, "{base:?}");
    }
    let (code, log) = action.review("offline", &[("RUNBOOKS", "new.toml\nrunbooks/known.toml\n")]);
    assert_eq!((code, action.comments().len()), (0, 2), "{log}");
}

/// The example policy, evaluated by an interpreter of its language on real plans.
fn verdict(plan: &Value) -> (Vec<String>, Vec<String>) {
    let mut engine = regorus::Engine::new();
    engine.add_policy_from_file("docs/policy/plan.rego").unwrap();
    engine.set_input(regorus::Value::from_json_str(&plan.to_string()).unwrap());
    let mut all = |rule: &str| {
        let value = engine.eval_rule(format!("data.main.{rule}")).unwrap();
        let found: Vec<String> = serde_json::from_str(&value.to_json_str().unwrap()).unwrap();
        found
    };
    (all("deny"), all("warn"))
}

#[test]
fn the_example_policy_judges_real_plans() {
    let desk = Desk::new();
    let plan = |flags: &[&str], code: i32| -> Value {
        let done = desk.rectify(&[&["plan", FLAGSHIP, "--format", "json"], flags].concat()).code(code);
        serde_json::from_str(&done.stdout).unwrap()
    };
    let whole = plan(&["--sim", SCENARIO, "--speed", "max"], 0);
    let (denied, warned) = verdict(&whole);
    assert_eq!(denied, [""; 0]);
    assert!(warned.iter().any(|warning| warning.contains("the gate of scale-connector passes")), "{warned:?}");
    assert!(warned.iter().any(|warning| warning.contains("the next deploy serves 0 %")), "{warned:?}");
    let mut other = whole.clone();
    other["tasks"][0]["id"] = json!("grow-something-else");
    assert!(verdict(&other).0.iter().any(|denied| denied.contains("cannot be undone")));
    let mut unproven = whole;
    unproven["tasks"][2].as_object_mut().unwrap().remove("gate");
    assert!(verdict(&unproven).0.iter().any(|denied| denied.contains("no gate proves that it worked")));
    assert_eq!(verdict(&plan(&["--offline"], 0)).0.len(), 4, "what was not observed is not approved");
}
