//! What a command changes: the commands of `gcloud`, `kubectl`, `gsutil`, `bq` and `terraform` that remediations use.
//!
//! A command that is not listed is judged by its verb, so that a new service's `update` is a change too. What none of the two
//! knows is taken to change nothing: a wrong warning costs more trust than a missing one.

use super::command_line::{CommandLine, Tool};

/// What a command does to what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes it, and another command can change it back.
    Changes,
    /// It deletes what a rollback would need, and no data.
    DeletesWayBack(&'static str),
    /// It destroys data.
    DestroysData(&'static str),
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

use Effect::{Changes, DeletesWayBack, DestroysData};
use Scope::{Cluster, Global, Project, Regional};

/// The commands of `gcloud`, without their release track. Source: `gcloud` 528, `gcloud help`.
const GCLOUD: &[(&str, Effect, Scope)] = &[
    ("app services set-traffic", Changes, Project),
    ("app versions delete", DeletesWayBack("version"), Project),
    ("app versions migrate", Changes, Project),
    ("artifacts docker images delete", DeletesWayBack("image"), Global),
    ("bigtable instances delete", DestroysData("the Bigtable instance"), Project),
    ("builds submit", Changes, Project),
    ("builds triggers run", Changes, Project),
    ("compute backend-services add-backend", Changes, Project),
    ("compute backend-services remove-backend", Changes, Project),
    ("compute backend-services update", Changes, Project),
    ("compute backend-services update-backend", Changes, Project),
    ("compute disks delete", DestroysData("the disk"), Project),
    ("compute forwarding-rules set-target", Changes, Project),
    ("compute instance-groups managed resize", Changes, Project),
    ("compute instance-groups managed rolling-action", Changes, Project),
    ("compute instance-groups managed update", Changes, Project),
    ("compute instances reset", Changes, Project),
    ("compute instances start", Changes, Project),
    ("compute instances stop", Changes, Project),
    ("compute networks vpc-access connectors create", Changes, Regional),
    ("compute networks vpc-access connectors delete", DeletesWayBack("connector"), Regional),
    ("compute networks vpc-access connectors update", Changes, Regional),
    ("compute security-policies rules", Changes, Project),
    ("compute snapshots delete", DestroysData("the snapshot"), Project),
    ("compute url-maps set-default-service", Changes, Project),
    ("container clusters delete", DestroysData("the cluster"), Project),
    ("container clusters get-credentials", Changes, Global),
    ("container clusters resize", Changes, Project),
    ("container images delete", DeletesWayBack("image"), Global),
    ("deploy releases create", Changes, Regional),
    ("deploy releases promote", Changes, Regional),
    ("deploy rollouts", Changes, Regional),
    ("deploy targets rollback", Changes, Regional),
    ("dns record-sets", Changes, Project),
    ("firestore databases delete", DestroysData("the database"), Project),
    ("firestore import", Changes, Project),
    ("functions delete", DeletesWayBack("function"), Regional),
    ("functions deploy", Changes, Regional),
    ("iam service-accounts add-iam-policy-binding", Changes, Global),
    ("iam service-accounts keys create", Changes, Global),
    ("kms keys versions destroy", DestroysData("the key version, and all that it encrypts"), Project),
    ("projects add-iam-policy-binding", Changes, Global),
    ("projects delete", DestroysData("the project"), Global),
    ("projects remove-iam-policy-binding", Changes, Global),
    ("pubsub subscriptions delete", DestroysData("the subscription with its backlog"), Project),
    ("pubsub subscriptions seek", Changes, Project),
    ("pubsub subscriptions update", Changes, Project),
    ("pubsub topics delete", DestroysData("the topic"), Project),
    ("pubsub topics publish", Changes, Project),
    ("redis instances delete", DestroysData("the Redis instance"), Regional),
    ("redis instances failover", Changes, Regional),
    ("redis instances update", Changes, Regional),
    ("run deploy", Changes, Regional),
    ("run jobs delete", DeletesWayBack("job"), Regional),
    ("run jobs execute", Changes, Regional),
    ("run jobs update", Changes, Regional),
    ("run revisions delete", DeletesWayBack("revision"), Regional),
    ("run services add-iam-policy-binding", Changes, Regional),
    ("run services delete", DeletesWayBack("service"), Regional),
    ("run services remove-iam-policy-binding", Changes, Regional),
    ("run services replace", Changes, Regional),
    ("run services update", Changes, Regional),
    ("run services update-traffic", Changes, Regional),
    ("scheduler jobs pause", Changes, Regional),
    ("scheduler jobs resume", Changes, Regional),
    ("scheduler jobs run", Changes, Regional),
    ("secrets delete", DestroysData("the secret with its versions"), Project),
    ("secrets versions add", Changes, Project),
    ("secrets versions destroy", DestroysData("the version of the secret"), Project),
    ("secrets versions disable", Changes, Project),
    ("secrets versions enable", Changes, Project),
    ("services disable", Changes, Project),
    ("services enable", Changes, Project),
    ("spanner databases delete", DestroysData("the database"), Project),
    ("spanner instances delete", DestroysData("the Spanner instance"), Project),
    ("sql backups create", Changes, Project),
    ("sql backups delete", DestroysData("the backup"), Project),
    ("sql backups restore", DestroysData("what was written since the backup"), Project),
    ("sql databases delete", DestroysData("the database"), Project),
    ("sql instances clone", Changes, Project),
    ("sql instances delete", DestroysData("the instance with its databases"), Project),
    ("sql instances failover", Changes, Project),
    ("sql instances patch", Changes, Project),
    ("sql instances promote-replica", Changes, Project),
    ("sql instances restart", Changes, Project),
    ("sql users set-password", Changes, Project),
    ("storage buckets delete", DestroysData("the bucket"), Global),
    ("storage cp", Changes, Global),
    ("storage mv", Changes, Global),
    ("storage rm", DestroysData("what lies there"), Global),
    ("storage rsync", Changes, Global),
    ("tasks queues pause", Changes, Regional),
    ("tasks queues purge", DestroysData("the queue's tasks"), Regional),
    ("tasks queues resume", Changes, Regional),
];

/// Groups of `gcloud` that touch nothing but this machine, or name everything themselves.
const LOCAL_OR_GLOBAL: [&str; 16] = [
    "auth",
    "billing",
    "cheat-sheet",
    "components",
    "config",
    "docker",
    "feedback",
    "help",
    "info",
    "init",
    "organizations",
    "projects",
    "resource-manager",
    "storage",
    "topic",
    "version",
];

/// Last words of commands of `gcloud` that change something, whatever their group.
const VERBS: [&str; 26] = [
    "add-backend",
    "add-iam-policy-binding",
    "cancel",
    "create",
    "delete",
    "deploy",
    "disable",
    "drain",
    "enable",
    "failover",
    "import",
    "patch",
    "pause",
    "promote",
    "purge",
    "remove-backend",
    "remove-iam-policy-binding",
    "replace",
    "reset",
    "resize",
    "restart",
    "resume",
    "set-iam-policy",
    "start",
    "stop",
    "update",
];

const KUBECTL: &[(&str, Effect)] = &[
    ("annotate", Changes),
    ("apply", Changes),
    ("autoscale", Changes),
    ("cordon", Changes),
    ("create", Changes),
    ("delete namespace", DestroysData("the namespace with all that is in it")),
    ("delete ns", DestroysData("the namespace with all that is in it")),
    ("delete pv", DestroysData("the volume")),
    ("delete pvc", DestroysData("the volume's claim")),
    ("delete", Changes),
    ("drain", Changes),
    ("edit", Changes),
    ("exec", Changes),
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

const GSUTIL: &[(&str, Effect)] = &[
    ("acl ch", Changes),
    ("acl set", Changes),
    ("cp", Changes),
    ("iam ch", Changes),
    ("iam set", Changes),
    ("lifecycle set", Changes),
    ("mv", Changes),
    ("rb", DestroysData("the bucket")),
    ("rm", DestroysData("what lies there")),
    ("rsync", Changes),
    ("versioning set", Changes),
];

const BQ: &[(&str, Effect)] = &[
    ("cp", Changes),
    ("insert", Changes),
    ("load", Changes),
    ("mk", Changes),
    ("query", Changes),
    ("rm", DestroysData("the table or data set")),
    ("update", Changes),
];

const TERRAFORM: &[(&str, Effect)] = &[
    ("apply", Changes),
    ("destroy", DestroysData("everything that it manages")),
    ("force-unlock", Changes),
    ("import", Changes),
    ("state mv", Changes),
    ("state rm", Changes),
    ("taint", Changes),
];

impl CommandLine {
    /// What it changes, and what it has to name for that; `None`: nothing that is known.
    pub(crate) fn effect(&self) -> Option<(Effect, Scope)> {
        if ["help", "h", "dry-run"].iter().any(|flag| self.flag(flag).is_some_and(|flag| flag.value != "none")) {
            return None;
        }
        let among =
            |table: &[(&str, Effect)]| table.iter().find(|(command, _)| self.names(command).is_some()).map(|row| row.1);
        match self.tool {
            Tool::Gcloud => self.effect_of_gcloud(),
            Tool::Kubectl => among(KUBECTL).map(|effect| (effect, Cluster)),
            Tool::Gsutil => among(GSUTIL).map(|effect| (effect, Global)),
            Tool::Bq => among(BQ).map(|effect| (effect, Global)),
            Tool::Terraform => among(TERRAFORM).map(|effect| (effect, Global)),
        }
    }

    fn effect_of_gcloud(&self) -> Option<(Effect, Scope)> {
        if let Some((_, effect, scope)) = GCLOUD.iter().find(|(command, ..)| self.names(command).is_some()) {
            return Some((*effect, *scope));
        }
        let changes = self.words().iter().take(6).any(|word| VERBS.contains(&word.text.as_str()));
        let scope = if LOCAL_OR_GLOBAL.contains(&self.group()) { Global } else { Project };
        (changes && !["auth", "config", "components"].contains(&self.group())).then_some((Changes, scope))
    }

    /// The project and the region that it names itself: by flags, or by a full resource name.
    pub(crate) fn target(&self) -> NamedTarget<'_> {
        let by_flag = |names: &[&str]| names.iter().find_map(|name| self.flag(name)).map(Named::from_flag);
        let full_name =
            self.words().iter().find_map(|word| word.text.strip_prefix("projects/").map(|rest| (word, rest)));
        let in_full_name = |(word, rest): (&'_ super::PlacedWord, &str), key: Option<&str>| -> Option<Named> {
            let mut parts = rest.split('/');
            let text = match key {
                None => parts.next()?,
                Some(key) => parts.skip_while(|part| *part != key).nth(1)?,
            };
            Some(Named { value: text.to_owned(), is_literal: word.is_literal, place: word.place.clone() })
        };
        // What a named configuration says stands on the machine, but which one is meant does not depend on it.
        let by_configuration = || by_flag(&["configuration"]).map(|named| Named { is_literal: false, ..named });
        let project = by_flag(&["project"]).or_else(|| in_full_name(full_name?, None)).or_else(by_configuration);
        let region = by_flag(&["region", "location", "zone", "regions"])
            .or_else(|| in_full_name(full_name?, Some("locations")))
            .or_else(|| in_full_name(full_name?, Some("regions")))
            .or_else(by_configuration);
        NamedTarget { project, region, command: self }
    }
}

/// A project or region that a command names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) value: String,
    pub(crate) is_literal: bool,
    pub(crate) place: super::Place,
}

impl Named {
    fn from_flag(flag: &super::command_line::Flag) -> Named {
        Named { value: flag.value.clone(), is_literal: flag.is_literal, place: flag.place.clone() }
    }
}

/// Where a command says that it works.
pub(crate) struct NamedTarget<'c> {
    pub(crate) project: Option<Named>,
    pub(crate) region: Option<Named>,
    command: &'c CommandLine,
}

impl NamedTarget<'_> {
    /// Whether it says which cluster it means.
    pub(crate) fn names_cluster(&self) -> bool {
        ["context", "cluster", "kubeconfig", "server"].iter().any(|flag| self.command.flag(flag).is_some())
    }
}
