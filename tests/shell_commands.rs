//! What `check` makes of the commands of a script: which mistakes it finds, what it lets through, and that the step that it suggests
//! does what the command does.
//!
//! Each row is a kind that was once wrong in a script that people use, in as few words as it takes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rectify::check::{Outcome, check};
use rectify::runbook::Mode;
use rectify::syntax::Inputs;

use crate::support::Desk;

/// A runbook of which a script is the only step.
fn with_script(script: &str, limits: &str) -> String {
    format!(
        "[runbook]\nname = \"sample\"\n\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n{limits}\n\
         [[phase]]\nname = \"one\"\n\n[[phase.step]]\nname = \"script\"\nuses = \"shell\"\n\
         with = {{ shell = \"bash\", run = '''\n{script}\n''' }}\n"
    )
}

fn of(text: &str) -> Outcome {
    check("runbook.toml", text.as_bytes(), &Inputs::none(), Mode::Check)
}

/// What is said of a script, but for the typed steps: the line of the script and the code.
fn said(script: &str, limits: &str) -> BTreeSet<(usize, &'static str)> {
    let text = with_script(script, limits);
    let before = text[..text.find("'''\n").unwrap() + 4].matches('\n').count();
    let outcome = of(&text);
    let others = outcome.diagnostics.iter().filter(|diagnostic| diagnostic.code != "typed-step");
    others.map(|found| (text[..found.labels[0].at.start].matches('\n').count() + 1 - before, found.code)).collect()
}

fn each_is_said(rows: &[(&str, &[(usize, &'static str)])], limits: &str) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(script, wanted)| {
            let (found, wanted) = (said(script, limits), wanted.iter().copied().collect::<BTreeSet<_>>());
            (found != wanted).then(|| format!("{script}\n  wanted {wanted:?}\n  found  {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

const HERE: &str = "--region=us-central1 --project=shop-staging";

#[test]
fn what_only_reads_or_stays_on_this_machine_is_let_through() {
    each_is_said(
        &[
            // The verb is the last word of the command, whatever its group or its argument is called.
            ("gcloud deploy rollouts list --delivery-pipeline=p --region=us-central1", &[]),
            ("gcloud deploy targets export t --region=us-central1", &[]),
            ("gcloud run services describe import --region=us-central1", &[]),
            ("gcloud pubsub topics describe update", &[]),
            ("gcloud compute security-policies rules describe 1000 --security-policy=p", &[]),
            ("gcloud secrets versions access latest --secret=deploy", &[]),
            ("gcloud dns record-sets list --zone=z", &[]),
            ("gcloud dns record-sets transaction add 10.0.0.1 --name=a. --ttl=60 --type=A --zone=z", &[]),
            ("gcloud dns record-sets transaction execute --zone=z", &[(1, "ambient-target")]),
            ("gcloud beta emulators pubsub start\ngcloud pubsub topics create t", &[]),
            ("gcloud deploy deploy-policies list --region=us-central1", &[]),
            ("gcloud iam workload-identity-pools create-cred-config p --output-file=f", &[]),
            ("kubectl --context=c exec p -- ls 2>/dev/null", &[]),
            ("kubectl --context=c create token sa 2>/dev/null", &[]),
            ("gsutil cp gs://b/x . || true\ngcloud storage cp gs://b/x /tmp || true", &[]),
            ("gsutil cp x gs://b || true", &[(1, "failure-hidden")]),
            ("bq query --use_legacy_sql=false 'SELECT 1' || true\nbq query --dry_run 'DROP TABLE a.b' || true", &[]),
            ("bq query 'DROP TABLE a.b' || true", &[(1, "failure-hidden")]),
        ],
        "",
    );
}

#[test]
fn a_command_that_names_its_scope_is_let_through() {
    each_is_said(
        &[
            ("gcloud iam service-accounts disable a@shop-staging.iam.gserviceaccount.com", &[]),
            ("gcloud iam service-accounts keys delete k --iam-account=a@shop-staging.iam.gserviceaccount.com", &[]),
            ("gcloud iam service-accounts create a", &[(1, "ambient-target")]),
            ("gcloud iam service-accounts delete a@other.iam.gserviceaccount.com", &[(1, "other-target")]),
            ("gcloud logging sinks update s pubsub.googleapis.com/x --folder=1", &[]),
            ("gcloud iam roles create r --organization=1", &[]),
            ("gcloud access-context-manager perimeters update p --policy=1", &[]),
            ("gcloud scc custom-modules delete m \"$parent_flag\"=\"$parent\"", &[]),
            ("gcloud pubsub topics publish t --message=x $ARGS", &[]),
            ("gcloud pubsub topics publish t $1", &[]),
            ("gcloud pubsub topics publish $TOPIC --message=x", &[(1, "ambient-target")]),
            ("A='--project=shop-staging'; gcloud pubsub topics publish t $A", &[]),
            ("A='--project other'; gcloud $A pubsub topics publish t", &[(1, "other-target")]),
            ("gcloud privateca templates add-iam-policy-binding \"$TEMPLATE\"", &[]),
            ("gcloud kms keys create \"$KEY\" --location=us", &[(1, "ambient-target")]),
            ("gcloud tasks queues pause projects/shop-staging/locations/us-central1/queues/q", &[]),
            ("bq mk shop-staging:d\nbq mk \"$DATASET\"", &[]),
            ("bq mk d", &[(1, "ambient-target")]),
            ("bq --project_id=other mk d", &[(1, "other-target")]),
        ],
        "",
    );
}

#[test]
fn what_is_set_before_a_command_names_its_scope() {
    let publish = "gcloud pubsub topics publish t --message=x";
    let rows: Vec<(String, &[(usize, &'static str)])> = vec![
        (format!("gcloud config set project shop-staging\n{publish}"), &[]),
        (format!("{publish}\ngcloud config set project shop-staging"), &[(1, "ambient-target")]),
        (format!("setup() {{ gcloud config set project shop-staging; }}\nsetup\n{publish}"), &[]),
        (format!("main() {{ {publish}; }}\ngcloud config set project shop-staging\nmain"), &[]),
        (format!("if a; then gcloud config set project b; else gcloud config set project c; fi\n{publish}"), &[]),
        (format!("gcloud config set project other\n{publish}"), &[(2, "other-target")]),
        (format!("source ./project.sh\n{publish}\nkubectl apply -f x"), &[]),
        (format!("source venv/bin/activate\n{publish}"), &[(2, "ambient-target")]),
        (format!("gcloud config configurations activate staging\n{publish}"), &[]),
        (format!("gcloud auth activate-service-account --key-file=k --project=shop-staging\n{publish}"), &[]),
        (format!("gcloud() {{ command gcloud --project=shop-staging \"$@\"; }}\n{publish}"), &[]),
        (format!("alias gcloud='gcloud --project=shop-staging'\n{publish}"), &[]),
        ("kind create cluster\nkubectl apply -f x".to_owned(), &[]),
        ("kubectx staging\nkubectl apply -f x".to_owned(), &[]),
        ("kubectl -s https://10.0.0.1 apply -f x".to_owned(), &[]),
        ("kubectl apply -f x".to_owned(), &[(1, "ambient-target")]),
        ("gcloud container clusters get-credentials c\nkubectl apply -f x".to_owned(), &[(1, "ambient-target")]),
        (
            "gcloud container clusters get-credentials c --zone=us-central1-a --project=other\nkubectl apply -f x"
                .to_owned(),
            &[(1, "other-target")],
        ),
        ("gcloud container clusters get-credentials c --zone=us-central1-a --project=other".to_owned(), &[]),
    ];
    let rows: Vec<(&str, &[(usize, &'static str)])> =
        rows.iter().map(|(script, wanted)| (script.as_str(), *wanted)).collect();
    each_is_said(&rows, "");
}

#[test]
fn a_limit_is_held_against_the_place_that_a_command_changes() {
    each_is_said(
        &[
            ("gcloud config set run/region asia-east1\ngcloud services enable x --project=shop-staging", &[]),
            (
                "gcloud config set run/region asia-east1\ngcloud run jobs execute j --project=shop-staging",
                &[(2, "other-target")],
            ),
            (
                "gcloud config set compute/region asia-east1\ngcloud run jobs execute j --project=shop-staging",
                &[(2, "ambient-target")],
            ),
            ("gcloud dns record-sets update a. --zone=z --project=shop-staging", &[]),
            ("gcloud storage buckets create gs://b --location=US --project=shop-staging", &[]),
            ("gcloud storage buckets create gs://b --location=asia --project=shop-staging", &[(1, "other-target")]),
            ("gcloud compute instances stop v --zone=europe-west1-b --project=shop-staging", &[]),
            ("gcloud compute instances stop v --zone=asia-east1-b --project=shop-staging", &[(1, "other-target")]),
            (
                "gcloud config set project other\nkubectl --context=c apply -f x\nterraform apply p\ngsutil cp a gs://b",
                &[],
            ),
        ],
        "\n[limits]\nprojects = [\"shop-staging\"]\nregions = [\"us-central1\", \"europe-west1\"]\n",
    );
}

#[test]
fn traffic_is_pinned_only_by_what_was_carried_out() {
    let pin = format!("gcloud run services update-traffic orders --to-revisions=orders-1=100 {HERE}");
    let deploy = format!("gcloud run deploy orders --source=. {HERE}");
    let rows: Vec<(String, &[(usize, &'static str)])> = vec![
        (format!("{pin}\n{deploy}"), &[(2, "traffic-pinned")]),
        (format!("{pin}\ngcloud run services update orders --memory=1Gi {HERE}"), &[(2, "traffic-pinned")]),
        (format!("{pin}\ngcloud run services update orders --min=1 {HERE}"), &[]),
        (format!("if a; then\n{pin}\n{deploy}\nfi"), &[(3, "traffic-pinned")]),
        (format!("back() {{ {pin}; }}\n{deploy} || back"), &[]),
        (format!("if a; then {pin}; exit; fi\n{deploy}"), &[]),
        (format!("[ \"$1\" = back ] && {pin} && exit\n{deploy}"), &[]),
        (format!("case $1 in back) {pin};; *) {deploy};; esac"), &[]),
        (format!("trap '{pin}' ERR\n{deploy}"), &[]),
        (format!("{}\n{deploy}", pin.replace("orders-1=100", "LATEST=100")), &[]),
        (format!("{pin}\n{}", deploy.replace("us-central1", "europe-west1")), &[(2, "other-target")]),
    ];
    let rows: Vec<(&str, &[(usize, &'static str)])> =
        rows.iter().map(|(script, wanted)| (script.as_str(), *wanted)).collect();
    each_is_said(&rows, "");
}

#[test]
fn what_destroys_data_is_found_in_every_form() {
    let destroys = [
        "terraform apply -destroy",
        "terragrunt run-all destroy",
        "terraform workspace delete -force x",
        "kubectl --context=c delete --ignore-not-found ns shop",
        "kubectl --context=c delete namespace/shop",
        "kubectl --context=c delete -n shop --wait=false svc,pvc data",
        "kubectl --context=c delete crd orders.shop.example",
        "gcloud filestore instances delete f --zone=us-central1-a --project=shop-staging",
        "gcloud compute instances delete v --delete-disks=all --zone=us-central1-a --project=shop-staging",
        "gcloud sql instances restore-backup i --backup-id=1 --project=shop-staging",
        "retry 3 gcloud sql instances delete i --project=shop-staging",
        "loudly() { echo \"$@\"; \"$@\"; }; loudly gcloud sql instances delete i --project=shop-staging",
        "flock /tmp/l gcloud sql instances delete i --project=shop-staging",
        "eval gcloud sql instances delete i --project=shop-staging",
        "sudo A=b gcloud sql instances delete i --project=shop-staging",
        "bash <<'EOS'\ngcloud sql instances delete i --project=shop-staging\nEOS",
        "G='gcloud --project=shop-staging'; $G sql instances delete i",
        "\"${GCLOUD:-gcloud}\" sql instances delete i --project=shop-staging",
        "cmd=\"gcloud sql instances delete $I --project=shop-staging\"; $cmd",
    ];
    for script in destroys {
        let codes: BTreeSet<&str> = said(script, "").into_iter().map(|(_, code)| code).collect();
        assert_eq!(codes, BTreeSet::from(["data-destroyed"]), "{script}");
    }
    let deletes = [
        "gsutil -h 'x-goog-meta:a' rm gs://b/x",
        "gsutil -u shop-staging rm gs://b/x",
        "gsutil -m rsync -r -d a gs://b",
        "gcloud storage rsync a gs://b --recursive --delete-unmatched-destination-objects",
        "find . -name x -exec gsutil rm gs://b/{} \\;",
        "gcloud bigtable instances tables delete t --instance=i --project=shop-staging",
        "gcloud projects delete shop-staging",
        "terraform destroy -target=module.canary",
    ];
    for script in deletes {
        let codes: BTreeSet<&str> = said(script, "").into_iter().map(|(_, code)| code).collect();
        assert_eq!(codes, BTreeSet::from(["data-deleted"]), "{script}");
    }
    for script in [
        "echo gcloud sql instances delete i",
        "say() { echo \"will run: $*\"; }; say gcloud sql instances delete i",
        "gcloud storage rsync gs://b a --delete-unmatched-destination-objects",
        "terraform plan -destroy",
    ] {
        assert_eq!(said(script, ""), BTreeSet::new(), "{script}");
    }
}

#[test]
fn a_deleted_thing_is_called_by_its_name_if_that_is_known() {
    let message = |script: &str| of(&with_script(script, "")).diagnostics[0].message.clone();
    let deletes = "gcloud app versions delete --project=shop-staging";
    assert_eq!(message(&format!("{deletes} v1")), "this deletes the version `v1`, and with it the rollback path");
    for unknown in [format!("xargs {deletes}"), format!("{deletes} $SERVICE_ARG \"$V\"")] {
        assert_eq!(message(&unknown), "this deletes a version, and with it the rollback path", "{unknown}");
    }
}

#[test]
fn other_mistakes_are_found_in_every_form() {
    let rows: Vec<(String, &[(usize, &'static str)])> = vec![
        (format!("gcloud run jobs execute j {HERE} >/dev/null 2>&1"), &[(1, "failure-hidden")]),
        (format!("gcloud run jobs execute j {HERE} 2>&1 >/dev/null"), &[]),
        (format!("gcloud run jobs execute j {HERE} 2>&-"), &[(1, "failure-hidden")]),
        (format!("gcloud run jobs execute j {HERE} || echo failed"), &[(1, "failure-hidden")]),
        (format!("gcloud run jobs execute j {HERE} || exit 0"), &[(1, "failure-hidden")]),
        (format!("gcloud run jobs execute j {HERE} || echo failed && exit 1"), &[]),
        (format!("gcloud run services update-traffic orders {HERE}"), &[(1, "command-refused")]),
        (format!("gcloud run worker-pools update w {HERE}"), &[(1, "command-refused")]),
        (
            format!(
                "gcloud compute networks vpc-access connectors update c --min-instances=5 --max-instances=5 {HERE}"
            ),
            &[(1, "connector-min-not-below-max")],
        ),
        (
            format!(
                "gcloud compute networks vpc-access connectors update c --min-instances=3 --max-instances=${{MAX:-50}} {HERE}"
            ),
            &[(1, "connector-max-instances")],
        ),
        (
            format!("gcloud run services update orders --min-instances=5 --max-instances=2 {HERE}"),
            &[(1, "run-scale-bounds")],
        ),
        (format!("gcloud run deploy orders --image=reg/$P/orders:latest {HERE}"), &[(1, "tag-not-digest")]),
        (format!("I=\"$REG/orders:latest\"\ngcloud run deploy orders --image=\"$I\" {HERE}"), &[(2, "tag-not-digest")]),
        (format!("P=\ngcloud run deploy orders --image=reg/$P/orders {HERE}"), &[]),
        (format!("gcloud run deploy orders --image=\"reg/orders:$TAG\" {HERE}"), &[]),
        ("kubectl --context=c set image deploy/orders app=reg/orders:latest".to_owned(), &[(1, "tag-not-digest")]),
        (format!("gcloud run jobs deploy j --set-env-vars=A=1 {HERE}"), &[(1, "list-replaced")]),
        ("gcloud projects set-iam-policy shop-staging p.json".to_owned(), &[(1, "list-replaced")]),
        ("echo ${inputs.x:-d} ${#target.project} ${target.region%%-*}".to_owned(), &[(1, "reference-in-script")]),
        ("cat <<-END\n\t${target.project}\n\tEND".to_owned(), &[(2, "reference-in-script")]),
        ("cat <<-'END'\n\t${target.project}\n\tEND".to_owned(), &[]),
        (
            "gcloud run jobs execute j --project=${{ secrets.PROJECT }} --region=us-central1".to_owned(),
            &[(1, "reference-in-script")],
        ),
        ("sort <in>out\nsort <in >out".to_owned(), &[]),
    ];
    let rows: Vec<(&str, &[(usize, &'static str)])> =
        rows.iter().map(|(script, wanted)| (script.as_str(), *wanted)).collect();
    each_is_said(&rows, "");
}

#[test]
fn what_the_catalog_has_is_answered_with_its_name_there() {
    let help = |kind: &str| {
        let probe = format!("\n[probes.it]\nresource = \"gcp.{kind}/x\"\nexpect = \"a == 1\"\n");
        let text = with_script("true", "").replacen("\n[[phase]]", &format!("{probe}\n[[phase]]"), 1);
        let outcome = of(&text);
        let found = outcome.diagnostics.iter().find(|found| found.code == "unknown-resource-kind");
        found.and_then(|found| found.help.clone()).unwrap()
    };
    for (kind, name) in [
        ("instance-group-manager", "`compute.instanceGroupManagers/ZONE/NAME`"),
        ("forwarding-rule", "`compute.forwardingRules/NAME`"),
        ("url-map", "`compute.urlMaps/NAME`"),
        ("redis-instance", "`redis.instances/NAME`"),
        ("pubsub-topic", "`pubsub.topics/NAME`"),
        ("security-policy", "`compute.securityPolicies/NAME`"),
    ] {
        let help = help(kind);
        assert!(help.starts_with("the catalog has it: resource = ") && help.contains(name), "{kind}: {help}");
        assert!(help.contains("gcp.set or gcp.call"));
    }
    assert!(help("nothing-of-the-kind").ends_with("goes by its name in `rectify resources`"));
}

/// The step that is suggested for a command, and what is said instead where there is none.
fn suggested(command: &str) -> Option<String> {
    let outcome = of(&with_script(command, ""));
    let mut found = outcome.diagnostics.iter().filter(|diagnostic| {
        diagnostic.help.as_deref().is_some_and(|help| help.contains("uses = ") || diagnostic.code == "typed-step")
    });
    let help = found.next()?.help.clone()?;
    assert!(found.next().is_none(), "{command}");
    Some(help)
}

/// Commands that an action does the work of, wholly, in part or not at all.
const COMMANDS: &[&str] = &[
    "run services update-traffic orders --to-latest",
    "run services update-traffic orders --to-revisions=orders-1=90,orders-2=10",
    "run services update-traffic orders --to-revisions=orders-1=10",
    "run services update-traffic orders --to-revisions=\"$REVISION=100\"",
    "run services update-traffic orders --to-tags=c=100",
    "run deploy orders --image=reg/orders@sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a",
    "run deploy orders --image=\"$IMAGE\" --no-traffic --tag=canary",
    "run deploy orders --image=\"$IMAGE\" --no-traffic",
    "run deploy orders --image=\"$IMAGE\" --tag=canary",
    "run deploy orders --memory=1Gi",
    "run deploy orders --source=.",
    "run services update orders --no-traffic --memory=1Gi",
    "run services update orders --no-traffic --tag=c --memory=1Gi",
    "run services update orders --update-env-vars=A=1 --update-env-vars=B=2,A=3",
    "run services update orders --update-env-vars='A=${B}'",
    "run services update orders --update-env-vars=A=\"$(date)\"",
    "run services update orders --set-env-vars=A=1",
    "run services update orders --memory=1Gi --memory=2Gi",
    "run services update orders --remove-env-vars=A,B --update-secrets=K=key:3 --timeout=90 --concurrency=20",
    "run services update orders --cpu=2 --min-instances=1 --max-instances=4 --vpc-egress=private-ranges-only",
    "run services update orders --min-instances=5 --max-instances=2",
    "run services update orders --min=1 --max=5",
    "run services update orders --max=0",
    "run services update \"$SERVICE\" --max=5",
    "run services update $(pick) --max=5",
    "run services update \"${NAME}-api\" --max=5",
    "run services update \"$1\" --max=5",
    "run services update orders --revision-suffix=again",
    "compute networks vpc-access connectors update shop --min-instances=3 --max-instances=9",
    "compute networks vpc-access connectors update shop --min-instances=3 --max-instances=50",
    "compute networks vpc-access connectors update shop --min-instances=3 --max-instances=$MAX",
    "compute networks vpc-access connectors update shop --max-instances=9",
    "compute networks vpc-access connectors update shop",
    "run jobs execute migrate --wait",
    "scheduler jobs pause nightly --location=us-central1",
    "secrets versions disable 3 --secret=key",
    "secrets versions disable latest --secret=key",
    "secrets versions destroy 3 --secret=key",
    "secrets versions add key --data-file=-",
    "run services update orders --timeout=90m",
    "run services update orders --timeout=10m --vpc-connector=projects/other/locations/us-central1/connectors/c",
    "run services update orders --service-account=runner@shop-staging.iam.gserviceaccount.com --timeout=10m",
    "sql instances failover db",
    "sql instances promote-replica replica",
    "sql backups create --instance=db",
    "sql instances restart db",
    "sql instances restart other:db",
    "sql instances patch db --tier=db-custom-2-7680 --storage-size=100GB",
    "sql instances patch db --database-flags=cloudsql.iam_authentication=on,max_connections=200",
];

#[test]
fn a_step_that_is_suggested_does_what_its_command_does() {
    let desk = Desk::new();
    let mut report = String::new();
    for command in COMMANDS {
        let place =
            if command.starts_with("run") || command.starts_with("compute") { HERE } else { "--project=shop-staging" };
        let help = suggested(&format!("gcloud {command} {place}"));
        let step = help.as_deref().and_then(|help| help.split_once("uses = ")).map(|(_, step)| step);
        let Some(step) = step else {
            let _ = write!(report, "{command}\n    {}\n\n", help.unwrap_or_else(|| "-".to_owned()));
            continue;
        };
        let (uses, with) = step.split_once(" and with = ").unwrap();
        let is_secret = with.contains(", where the input has secret = true");
        let more = if with.contains(", with irreversible = true") { "irreversible = true\n" } else { "" };
        let with = [", with irreversible", ", where the input"]
            .iter()
            .fold(with, |with, said| with.split(said).next().unwrap());
        let inputs: BTreeSet<&str> =
            with.split("${inputs.").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        let given = |name: &str| match name {
            "image" => "reg/orders@sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a",
            _ => "orders",
        };
        let declared: Vec<String> = inputs
            .iter()
            .map(|name| {
                if is_secret {
                    format!("{name} = {{ secret = true, env = \"VALUE\", description = \"it\" }}")
                } else {
                    format!("{name} = {{ default = \"{}\", description = \"it\" }}", given(name))
                }
            })
            .collect();
        let declared = declared.join("\n");
        let runbook = |more: &str| {
            format!(
                "[runbook]\nname = \"sample\"\non_failure = \"ask\"\n\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n\n[inputs]\n{declared}\n\
                 [probes.orders]\nhttp = \"https://orders.shop.example/health\"\nexpect = \"status == 200\"\n\n[[phase]]\nname = \"one\"\n\n\
                 [[phase.step]]\nname = \"step\"\n{more}uses = {uses}\nwith = {with}\ngate = {{ healthy = [\"orders\"], for = \"5m\" }}\n"
            )
        };
        let text = runbook(more);
        let errors = of(&text).render(rectify::check::Style { colour: false, width: 100 });
        assert!(of(&text).is_sound(), "{command}\n{text}\n{errors}");
        let file = desk.write("runbook.toml", &text);
        let plan = desk.rectify(&["plan", &file, "--offline"]).stdout;
        // What the step changes: what stands between its phase and its gate.
        let lines = plan.lines().skip_while(|line| !line.starts_with("phase ")).skip(1);
        let changes: Vec<String> = lines
            .take_while(|line| !line.trim_start().starts_with("then:"))
            .filter(|line| !line.trim().is_empty())
            .map(|line| format!("    {}", line.trim_end()))
            .collect();
        assert!(!changes.is_empty(), "{command}\n{plan}");
        let _ = write!(report, "{command}\n    uses = {step}\n{}\n\n", changes.join("\n"));
    }
    insta::assert_snapshot!(report);
}

#[test]
fn no_step_is_suggested_for_what_is_elsewhere_or_many_things() {
    assert_eq!(suggested("gcloud config set project other\ngcloud sql instances restart db"), None);
    let each = suggested(&format!("xargs gcloud run services update-traffic --to-latest {HERE} orders")).unwrap();
    assert_eq!(each, "write one step for each, or one with `for_each`");
    let each =
        suggested(&format!("for s in a b; do gcloud run services update-traffic \"$s\" --to-latest {HERE}; done"))
            .unwrap();
    assert_eq!(each, "write one step for each, or one with `for_each`");
    let perhaps = suggested("gcloud sql instances restart db --project=\"$P\"").unwrap();
    assert!(
        perhaps.starts_with("write instead, if the project and the region of [target] are meant: uses"),
        "{perhaps}"
    );
}
