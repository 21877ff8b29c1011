//! What steps may do: the words behind `uses`, and what each takes behind `with`.

use super::{Is, Key, Table, words};

/// An action.
#[derive(Debug)]
pub struct ActionFormat {
    /// The word behind `uses`.
    pub name: &'static str,
    /// What stands behind `with`.
    pub with: Table,
    /// What it brings about, which later steps refer to as `${steps.NAME.…}`.
    pub gives: &'static [&'static str],
}

/// The words of `shell`.
pub(in crate::runbook) const SHELLS: [(&str, ()); 1] = [("bash", ())];

const SERVICE: Key =
    Key::new("service", Is::Text, "The Cloud Run service's short name.").such_as("\"netra-backend-staging\"");
const TIMEOUT: Key = Key::new("timeout", Is::Duration, "How long it may take.").such_as("\"5m\"").otherwise("10m");

/// Every action, by name.
pub const ACTIONS: &[ActionFormat] = &[
    ActionFormat {
        name: "gcp.connector.scale",
        gives: &[],
        with: Table {
            about: "Grows a Serverless VPC Access connector. It cannot be undone: a connector never shrinks.",
            keys: &[
                Key::new("connector", Is::Text, "The connector's short name.")
                    .needed()
                    .such_as("\"staging-connector\""),
                Key::new("min_instances", Is::Integer, "Fewest instances.").such_as("3"),
                Key::new("max_instances", Is::Integer, "Most instances.").such_as("10"),
                Key::new("machine_type", Is::Text, "Machine type of its instances.").such_as("\"e2-standard-4\""),
            ],
        },
    },
    ActionFormat {
        name: "gcp.run.deploy",
        gives: &["revision"],
        with: Table {
            about: "Deploys an image as a new revision of a Cloud Run service.",
            keys: &[
                SERVICE.needed(),
                Key::new("image", Is::Text, "The image, by digest.").needed().such_as("\"…@sha256:…\""),
                Key::new(
                    "candidate",
                    Is::Text,
                    "A tag: the revision is deployed at 0 %, and gated at the tag's URL first.",
                )
                .such_as("\"cand\""),
                Key::new(
                    "hosts",
                    Is::Texts,
                    "Hosts that lead to the service: while it is a candidate, the gate's probes of them ask its tag.",
                )
                .such_as("[\"api.example.com\"]")
                .otherwise("the only one that the gate's probes ask"),
                Key::new(
                    "shift",
                    Is::Percents,
                    "Shares of the traffic to move to it, one after another, gated at each.",
                )
                .such_as("[10, 50, 100]")
                .otherwise("traffic is left to the service's own split"),
                Key::new("hold", Is::Duration, "How long the gate must hold at each share but the last.")
                    .such_as("\"1m\"")
                    .otherwise("as the gate says"),
            ],
        },
    },
    ActionFormat {
        name: "gcp.run.scale",
        gives: &[],
        with: Table {
            about: "Sets how many instances a Cloud Run service may have, at the level of the service: no new revision.",
            keys: &[
                SERVICE.needed(),
                Key::new(
                    "min_instances",
                    Is::Integer,
                    "Fewest instances, shared by the revisions as their traffic is.",
                )
                .such_as("1"),
                Key::new("max_instances", Is::Integer, "Most instances, shared likewise.").such_as("10"),
            ],
        },
    },
    ActionFormat {
        name: "gcp.run.traffic",
        gives: &[],
        with: Table {
            about: "Sets the whole traffic split of a Cloud Run service.",
            keys: &[
                SERVICE.needed(),
                Key::new("to", Is::Shares, "The share of each revision, by its short name or `LATEST`; together 100.")
                    .needed()
                    .such_as("{ LATEST = 100 }"),
            ],
        },
    },
    ActionFormat {
        name: "gcp.sql.patch",
        gives: &[],
        with: Table {
            about: "Changes settings of a Cloud SQL instance. Flags are merged with those that are set.",
            keys: &[
                Key::new("instance", Is::Text, "The instance's short name.").needed().such_as("\"staging-postgres\""),
                Key::new("flags", Is::Values, "Database flags to set.").needed().such_as("{ max_connections = 400 }"),
            ],
        },
    },
    ActionFormat {
        name: "github.issue",
        gives: &[],
        with: Table {
            about: "Brings an issue on GitHub up to date, with the token in GITHUB_TOKEN. That it fails never fails a run.",
            keys: &[
                Key::new("issue", Is::Text, "The issue's address.").needed().such_as("\"${runbook.incident}\""),
                Key::new("add_labels", Is::Texts, "Labels to add.").such_as("[\"mitigated\"]"),
                Key::new("remove_labels", Is::Texts, "Labels to remove.").such_as("[\"ongoing\"]"),
                Key::new(
                    "comment",
                    Is::Text,
                    "What the run's one status comment begins with; below it stands how the run does.",
                )
                .such_as("\"The connector has grown\"")
                .otherwise("there is no comment"),
                Key::new("close", Is::Flag, "Whether to close it once every criterion of `[closure]` holds.")
                    .such_as("true")
                    .otherwise("it is left open"),
            ],
        },
    },
    ActionFormat {
        name: "manual",
        gives: &[],
        with: Table {
            about: "A person does it, and says when it is done.",
            keys: &[
                Key::new("instructions", Is::Text, "What to do.").needed().such_as("\"Ask the network team to …\""),
                Key::new("undo", Is::Text, "What to do to undo it.").otherwise("it cannot be undone"),
                Key::new("verify", Is::Text, "The probe that must be healthy before the answer counts.")
                    .such_as("\"connector\""),
            ],
        },
    },
    ActionFormat {
        name: "notify",
        gives: &[],
        with: Table {
            about: "Posts a message to a webhook. That it fails never fails a run.",
            keys: &[
                Key::new("webhook", Is::Private, "The URL; may have secrets.")
                    .needed()
                    .such_as("\"${inputs.webhook}\""),
                Key::new("text", Is::Text, "What to say.").needed().such_as("\"${runbook.name} has begun\""),
            ],
        },
    },
    ActionFormat {
        name: "probe",
        gives: &[],
        with: Table { about: "Changes nothing: the gate is the step.", keys: &[] },
    },
    ActionFormat {
        name: "shell",
        gives: &[],
        with: Table {
            about: "Runs a program. Values reach it through the environment, never as code.",
            keys: &[
                Key::new("run", Is::Command, "The program and its arguments; with `shell`, a script.")
                    .needed()
                    .such_as("[\"./warm-up\", \"--fast\"]"),
                Key::new(
                    "shell",
                    Is::Choice(&words(&SHELLS)),
                    "Hands `run`, `check` and `undo` to this shell as scripts.",
                )
                .such_as("\"bash\""),
                Key::new("check", Is::Command, "Tells whether it is done already: exit status 0."),
                Key::new("undo", Is::Command, "Undoes it.").otherwise("it cannot be undone"),
                Key::new("env", Is::PrivateValues, "Its environment, beside PATH and HOME; values may have secrets.")
                    .such_as("{ TOKEN = \"${inputs.token}\" }"),
                TIMEOUT,
            ],
        },
    },
    ActionFormat {
        name: "wait",
        gives: &[],
        with: Table {
            about: "Waits.",
            keys: &[Key::new("for", Is::Duration, "How long.").needed().such_as("\"30s\"")],
        },
    },
];
