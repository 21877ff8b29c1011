//! What is known of the commands of `gcloud`, `kubectl`, `gsutil`, `bq` and `terraform`: all of it stands here, as tables.
//!
//! A command of `gcloud` is judged by its verb, so that a new service's `update` is a change too; the tables name what a verb does not
//! say. What none of them knows is taken to change nothing: a wrong warning costs more trust than a missing one.

/// What a command does to what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes nothing but which cluster `kubectl` works on.
    ChoosesCluster,
    /// It changes it, and another command can change it back.
    Changes,
    /// It deletes what a rollback would need, and no data.
    DeletesWayBack(&'static str),
    /// It destroys data, and nothing brings that back.
    DestroysData(&'static str),
    /// It deletes data that is kept for a while, or that a copy may bring back: what, and the way back.
    DeletesData(&'static str, &'static str),
}

/// What has to be named besides the resource, so that no setting of the machine decides what is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Nothing: the name is unique in the world, or the command is about no project.
    Global,
    /// `--project`.
    Project,
    /// `--project`, and `--region` or one of its like.
    Regional,
    /// A context of `kubectl`.
    Cluster,
}

use Effect::{Changes, DeletesData, DeletesWayBack, DestroysData};
use Scope::{Global, Project, Regional};

/// Source: <https://docs.cloud.google.com/storage/docs/soft-delete> (by default for seven days).
const SOFT_DELETE: &str =
    "unless the bucket's soft delete is off, `gcloud storage restore` brings it back within 7 days";
/// Source: <https://docs.cloud.google.com/bigquery/docs/restore-deleted-tables> (two to seven days, by the data set's setting).
pub(super) const TIME_TRAVEL: &str = "BigQuery keeps it for 2 to 7 days, and `bq cp DATASET.TABLE@-3600000 DATASET.TABLE` brings back a table as it was an hour ago";
/// Source: <https://docs.cloud.google.com/kms/docs/destroy-restore> (30 days unless the key says otherwise).
const KEY_SCHEDULED: &str = "it is destroyed after 30 days if the key does not say otherwise, and `gcloud kms keys versions restore` brings it back until then";
/// Source: <https://docs.cloud.google.com/resource-manager/docs/creating-managing-projects> ("Shutting down projects").
const PROJECT_SHUT_DOWN: &str =
    "`gcloud projects undelete` brings it back within 30 days, but not what its buckets held";
/// Source: <https://docs.cloud.google.com/bigtable/docs/managing-tables> ("Undelete a table").
const TABLE_UNDELETE: &str = "`gcloud bigtable instances tables undelete` brings it back within 7 days";
/// Source: <https://docs.cloud.google.com/logging/docs/reference/v2/rest/v2/locations.buckets/undelete>.
const LOG_BUCKET_UNDELETE: &str = "`gcloud logging buckets undelete` brings it back within 7 days";
/// Source: <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming>.
const RETAINED: &str = "a volume whose reclaim policy is Retain keeps its disk; with Delete that goes too";
const OVERWRITTEN: &str = "only a backup that was taken before brings it back: `gcp.sql.backup`";
pub(super) const TARGETED: &str = "whether that can come back depends on what it is";

/// Commands of `gcloud`, without their release track, of which the verb does not say what they do. Source: `gcloud` 528, `gcloud help`.
pub(super) const GCLOUD: &[(&str, Effect)] = &[
    ("alloydb backups delete", DestroysData("the backup")),
    ("alloydb clusters delete", DestroysData("the AlloyDB cluster")),
    ("app versions delete", DeletesWayBack("version")),
    ("artifacts docker images delete", DeletesWayBack("image")),
    ("artifacts repositories delete", DestroysData("the repository with its images")),
    ("backup-dr backup-vaults delete", DestroysData("the backup vault")),
    ("backup-dr backups delete", DestroysData("the backup")),
    ("bigtable backups delete", DestroysData("the backup")),
    ("bigtable instances delete", DestroysData("the Bigtable instance")),
    ("bigtable instances tables delete", DeletesData("the table", TABLE_UNDELETE)),
    ("bq datasets delete", DeletesData("the data set", TIME_TRAVEL)),
    ("bq tables delete", DeletesData("the table", TIME_TRAVEL)),
    ("composer environments delete", DestroysData("the environment with its Airflow database")),
    ("compute disks delete", DestroysData("the disk")),
    ("compute images delete", DestroysData("the image")),
    ("compute instance-groups managed delete", DeletesWayBack("instance group")),
    ("compute instant-snapshots delete", DestroysData("the snapshot")),
    ("compute machine-images delete", DestroysData("the machine image")),
    ("compute networks vpc-access connectors delete", DeletesWayBack("connector")),
    ("compute snapshots delete", DestroysData("the snapshot")),
    ("container backup-restore backups delete", DestroysData("the backup")),
    ("container clusters delete", DestroysData("the cluster")),
    ("container clusters get-credentials", Effect::ChoosesCluster),
    ("container images delete", DeletesWayBack("image")),
    ("filestore backups delete", DestroysData("the backup")),
    ("filestore instances delete", DestroysData("the Filestore instance")),
    ("filestore instances snapshots delete", DestroysData("the snapshot")),
    ("firestore backups delete", DestroysData("the backup")),
    ("firestore bulk-delete", DestroysData("the documents")),
    ("firestore databases delete", DestroysData("the database")),
    ("functions delete", DeletesWayBack("function")),
    ("healthcare datasets delete", DestroysData("the data set")),
    ("healthcare dicom-stores delete", DestroysData("the store")),
    ("healthcare fhir-stores delete", DestroysData("the store")),
    ("healthcare hl7v2-stores delete", DestroysData("the store")),
    ("kms keys versions destroy", DeletesData("the key version, and with it all that it encrypts", KEY_SCHEDULED)),
    ("logging buckets delete", DeletesData("the log bucket", LOG_BUCKET_UNDELETE)),
    ("logging logs delete", DestroysData("the log's entries")),
    ("looker instances delete", DestroysData("the Looker instance")),
    ("lustre instances delete", DestroysData("the file system")),
    ("managed-kafka clusters delete", DestroysData("the cluster with its topics")),
    ("managed-kafka topics delete", DestroysData("the topic with its messages")),
    ("memcache instances delete", DestroysData("the Memcached instance")),
    ("memorystore instances delete", DestroysData("the instance")),
    ("metastore services delete", DestroysData("the metastore")),
    ("netapp volumes delete", DestroysData("the volume")),
    ("oracle-database autonomous-databases delete", DestroysData("the database")),
    ("parallelstore instances delete", DestroysData("the file system")),
    ("projects delete", DeletesData("the project", PROJECT_SHUT_DOWN)),
    ("pubsub snapshots delete", DestroysData("the snapshot")),
    ("pubsub subscriptions delete", DestroysData("the subscription with its backlog")),
    // Its subscriptions stay, with what they have not delivered.
    ("pubsub topics delete", DeletesWayBack("topic")),
    ("redis clusters backups delete", DestroysData("the backup")),
    ("redis clusters delete", DestroysData("the Redis cluster")),
    ("redis instances delete", DestroysData("the Redis instance")),
    ("run jobs delete", DeletesWayBack("job")),
    ("run revisions delete", DeletesWayBack("revision")),
    ("run services delete", DeletesWayBack("service")),
    ("run worker-pools delete", DeletesWayBack("worker pool")),
    ("secrets delete", DestroysData("the secret with its versions")),
    ("secrets versions destroy", DestroysData("the version of the secret")),
    ("services vpc-peerings connect", Changes),
    ("source repos delete", DestroysData("the repository")),
    ("source-manager repos delete", DestroysData("the repository")),
    ("spanner backups delete", DestroysData("the backup")),
    ("spanner databases delete", DestroysData("the database")),
    ("spanner instances delete", DestroysData("the Spanner instance")),
    ("sql backups delete", DestroysData("the backup")),
    ("sql backups restore", DestroysData("what was written since the backup")),
    ("sql databases delete", DestroysData("the database")),
    ("sql import", DeletesData("what the imported file drops or overwrites", OVERWRITTEN)),
    ("sql instances delete", DestroysData("the instance with its databases")),
    ("sql instances restore-backup", DestroysData("what was written since the backup")),
    ("storage buckets delete", DeletesData("the bucket", SOFT_DELETE)),
    ("storage cp", Changes),
    ("storage mv", Changes),
    ("storage objects delete", DeletesData("the object", SOFT_DELETE)),
    ("storage rm", DeletesData("what lies there", SOFT_DELETE)),
    ("storage rsync", Changes),
    ("tasks queues delete", DestroysData("the queue with its tasks")),
    ("tasks queues purge", DestroysData("the queue's tasks")),
];

/// Flags with which a command deletes more than its name says.
pub(super) const DELETING_FLAGS: &[(&str, &str, Effect)] = &[
    ("compute instances delete", "delete-disks", DestroysData("the instance's disks")),
    ("storage rsync", "delete-unmatched-destination-objects", DeletesData("what is not in the source", SOFT_DELETE)),
    ("rsync", "d", DeletesData("what is not in the source", SOFT_DELETE)),
    ("apply", "destroy", DestroysData("everything that it manages")),
    ("workspace delete", "force", DestroysData("the state of the workspace")),
];

/// Groups and commands of `gcloud` that touch nothing but this machine, or of which it is not known what they run.
pub(super) const LOCAL: &[&str] = &[
    "auth",
    "cheat-sheet",
    "cloud-shell",
    "components",
    "composer environments run",
    "config",
    "docker",
    "emulators",
    "feedback",
    "help",
    "info",
    "init",
    "meta",
    "survey",
    "topic",
    "version",
    // Those change a file of this machine; `execute` carries it out.
    "dns record-sets transaction abort",
    "dns record-sets transaction add",
    "dns record-sets transaction remove",
    "dns record-sets transaction start",
];

/// What the commands of a group have to name; the first that fits holds, and `Project` if none does.
pub(super) const SCOPES: &[(&str, Scope)] = &[
    ("access-context-manager", Global),
    ("artifacts docker", Global),
    ("billing", Global),
    ("compute networks vpc-access", Regional),
    // The keys are the user's own.
    ("compute os-login", Global),
    ("container images", Global),
    ("deploy", Regional),
    ("domains verify", Global),
    ("endpoints services delete", Global),
    ("endpoints services undelete", Global),
    ("functions", Regional),
    ("iam service-accounts create", Project),
    // Their e-mail address names the project (source: `gcloud` 528, `command_lib/iam/iam_util.py`: `projects/-/serviceAccounts/…`).
    ("iam service-accounts", Global),
    ("iam workforce-pools", Global),
    ("identity", Global),
    // Their file names what they are about.
    ("org-policies set-custom-constraint", Global),
    ("org-policies set-policy", Global),
    ("organizations", Global),
    ("projects", Global),
    ("redis", Regional),
    ("resource-manager", Global),
    ("run", Regional),
    ("scheduler", Regional),
    ("storage", Global),
    ("tasks", Regional),
    ("workflows", Regional),
];

/// Groups of which every command needs a place. Where none is said, the name says it, and with it the project.
pub(super) const PLACED: [&str; 2] = ["kms", "privateca"];

/// Flags that name another scope than a project.
pub(super) const OTHER_SCOPES: [&str; 3] = ["billing-account", "folder", "organization"];

/// Verbs of `gcloud` that change something, whatever their group. Source: the commands of `gcloud` 528.
const CHANGING: &str = "abandon abort ack acknowledge activate add advance allow apply approve assign bulk-delete cancel clean-up \
     cleanup clone commit complete-upgrade copy copy-rules cp create database-failover deactivate delete \
     demote-destination demote-master deny deploy deprecate destroy detach disable dismiss drain drop edit enable \
     enforce enroll execute failover ignore-job import inject-fault insert install instantiate kill link load lock \
     migrate modify move mutate-deployed-index os-upgrade patch pause promote provision publish purge reboot redeploy \
     register reimage reject remove rename repair replace request-delete rerun reset resize restart restore resume \
     retry-job reverse revert rm rollback rotate rsync run seek set snapshot start stop submit suspend switch \
     switchover sync terminate trigger-backup undelete undeploy undrain unenroll uninstall unlink unlock unmanage \
     unregister unset untag update upgrade upload";

/// What such verbs begin with.
const CHANGING_STARTS: &str = "abandon- add- apply- attach- clear- clone- create- delete- deploy- detach- disable- enable- expand- import- \
     insert- invalidate- mark- migrate- modify- move- patch- perform- promote- recreate- remove- replace- reschedule- \
     reset- restart- restore- resume- rolling- set- start- stop- suspend- undeploy- update- upgrade- upsert-";

/// Verbs of `gcloud` that change nothing, or a file of this machine only, so that what stands behind them is a name.
const READING: &str = "access analyze browse cat check connect create-cred-config create-login-config create-signature-payload describe \
     diagnose diff download du explain export get hash help inspect lint list log lookup ls predict preview pull \
     query read scp search show ssh tail test tree troubleshoot validate verify view wait";

/// Groups of `gcloud` that look like verbs.
const NOUNS: &str = "connect-clusters deploy-policies import-jobs patch-deployments patch-jobs restore-channels \
     restore-plan-bindings restore-plans";

/// What such verbs begin with.
const READING_STARTS: &str = "analyze- check- connect- describe- detect- download- export- fetch- find- get- list- lookup- print- query- \
     search- show- sign- stream- tail- test- validate- view- wait-";

/// Whether a word is one of a list, in which blanks stand between the words.
pub(super) fn lists(list: &str, word: &str) -> bool {
    list.split(' ').any(|listed| listed == word)
}

/// Whether a word of a command of `gcloud` is a verb, and whether that changes something.
pub(super) fn changes(verb: &str) -> Option<bool> {
    let begins = |starts: &str| starts.split(' ').any(|start| verb.starts_with(start));
    if lists(NOUNS, verb) {
        None
    } else if lists(READING, verb) {
        Some(false)
    } else if lists(CHANGING, verb) || begins(CHANGING_STARTS) {
        Some(true)
    } else {
        begins(READING_STARTS).then_some(false)
    }
}

pub(super) const KUBECTL: &[(&str, Effect)] = &[
    ("annotate", Changes),
    ("apply", Changes),
    ("autoscale", Changes),
    ("certificate", Changes),
    ("cordon", Changes),
    ("create", Changes),
    ("delete", Changes),
    ("drain", Changes),
    ("edit", Changes),
    ("expose", Changes),
    ("label", Changes),
    ("patch", Changes),
    ("replace", Changes),
    ("rollout pause", Changes),
    ("rollout restart", Changes),
    ("rollout resume", Changes),
    ("rollout undo", Changes),
    ("run", Changes),
    ("scale", Changes),
    ("set", Changes),
    ("taint", Changes),
    ("uncordon", Changes),
];

/// What `kubectl delete` destroys, by the names that a kind goes by.
pub(super) const KUBERNETES_KINDS: &[(&[&str], Effect)] = &[
    (&["namespace", "namespaces", "ns"], DestroysData("the namespace with all that is in it")),
    (
        &["crd", "crds", "customresourcedefinition", "customresourcedefinitions"],
        DestroysData("every object of the kind that it defines"),
    ),
    (&["persistentvolumeclaim", "persistentvolumeclaims", "pvc"], DestroysData("the volume's claim")),
    (&["persistentvolume", "persistentvolumes", "pv"], DeletesData("the volume", RETAINED)),
];

pub(super) const GSUTIL: &[(&str, Effect)] = &[
    ("acl ch", Changes),
    ("acl set", Changes),
    ("cors set", Changes),
    ("cp", Changes),
    ("defacl", Changes),
    ("iam ch", Changes),
    ("iam set", Changes),
    ("label", Changes),
    ("lifecycle set", Changes),
    ("mb", Changes),
    ("mv", Changes),
    ("rb", DeletesData("the bucket", SOFT_DELETE)),
    ("retention", Changes),
    ("rm", DeletesData("what lies there", SOFT_DELETE)),
    ("rsync", Changes),
    ("setmeta", Changes),
    ("versioning set", Changes),
    ("web set", Changes),
];

pub(super) const BQ: &[(&str, Effect)] = &[
    ("cp", Changes),
    ("insert", Changes),
    ("load", Changes),
    ("mk", Changes),
    ("query", Changes),
    ("rm", DeletesData("the table or data set", TIME_TRAVEL)),
    ("truncate", DeletesData("the table's rows", TIME_TRAVEL)),
    ("update", Changes),
];

/// Words of SQL without which a query only reads.
pub(super) const CHANGING_SQL: [&str; 12] =
    ["alter", "call", "create", "delete", "drop", "export", "grant", "insert", "load", "merge", "truncate", "update"];

pub(super) const TERRAFORM: &[(&str, Effect)] = &[
    ("apply", Changes),
    ("destroy", DestroysData("everything that it manages")),
    ("destroy-all", DestroysData("everything that it manages")),
    ("force-unlock", Changes),
    ("import", Changes),
    ("run-all apply", Changes),
    ("run-all destroy", DestroysData("everything that it manages")),
    ("state mv", Changes),
    ("state push", Changes),
    ("state rm", Changes),
    ("taint", Changes),
];

/// Flags of `gcloud` that have no value, but for those of which the beginning tells it.
pub(super) const GCLOUD_SWITCHES: &str = "R activate admin-enabled all all-memberships all-namespaces all-versions allow-missing allow-unauthenticated \
     assign-ip async boot-disk-auto-delete can-ip-forward clear compress confidential-compute container-privileged \
     container-stdin container-tty continue-on-error continue-on-failure cpu-boost cpu-throttling daily-schedule \
     default-url delete-all-versions delete-unmatched-destination-objects disabled dry-run execute-now failover gen2 \
     global global-backend-service global-firewall-policy global-ssl-policy global-url-map graceful-shutdown \
     guest-flush h help http-proxy invoker-iam-check launch-browser local-ssd-recovery log-denies log-http \
     maintenance-window-any only-show-errors plain preemptible preview prompt-for-password public-ptr q quiet r raw \
     read-paths-from-stdin recurse recursive require-approval require-ssl restart restart-on-failure spot stable \
     storage-auto-increase to-latest tunnel-through-iap update-instance use-http2 use-serving-port \
     user-output-enabled validate validate-only wait";

pub(super) const KUBECTL_SWITCHES: &str = "A R all all-namespaces force help i ignore-not-found insecure-skip-tls-verify it local now overwrite prune quiet \
     recursive rm server-side stdin t tty w wait watch";

pub(super) const GSUTIL_SWITCHES: &str = "D P R Z a c d e f m n p q r z";

pub(super) const BQ_SWITCHES: &str =
    "autodetect d dataset dry_run f force headless m n q quiet r recursive replace sync t table v";

pub(super) const TERRAFORM_SWITCHES: &str = "auto-approve compact-warnings destroy force help json migrate-state no-color reconfigure refresh-only \
     terragrunt-non-interactive upgrade";
