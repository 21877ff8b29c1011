//! The tables of a runbook, but for what probes look at and what actions take.

use super::{Is, Key, Table, words};
use crate::runbook::model::{OnFailure, Priority, Trip};

/// The words of every `on_failure`.
pub(in crate::runbook) const ON_FAILURE: [(&str, OnFailure); 4] = [
    ("ask", OnFailure::Ask),
    ("rollback", OnFailure::Rollback),
    ("stop", OnFailure::Stop),
    ("continue", OnFailure::Continue),
];

/// The words of a guard's `then`.
pub(in crate::runbook) const TRIP: [(&str, Trip); 2] = [("pause", Trip::Pause), ("rollback", Trip::Rollback)];

/// The words of a support case's `priority`, Google's own
/// (source: <https://docs.cloud.google.com/support/docs/reference/v2>).
pub(in crate::runbook) const PRIORITY: [(&str, Priority); 5] =
    [("P0", Priority::P0), ("P1", Priority::P1), ("P2", Priority::P2), ("P3", Priority::P3), ("P4", Priority::P4)];

/// The whole file.
pub(in crate::runbook) const ROOT: Table = Table {
    about: "A runbook for `rectify`: phases of steps against Google Cloud, each with the gate that proves it.",
    keys: &[
        Key::new("runbook", Is::Table(&RUNBOOK), RUNBOOK.about).needed().such_as("[runbook] with a `name`"),
        Key::new("target", Is::Table(&TARGET), TARGET.about).needed().such_as("[target] with `project` and `region`"),
        Key::new(
            "inputs",
            Is::Named(&INPUT),
            "What the operator may or must give, by name; `${inputs.NAME}` stands for it.",
        ),
        Key::new("probes", Is::Probes, "What health means, named once: what is looked at, and what must hold of it."),
        Key::new("symptom", Is::Table(&SYMPTOM), SYMPTOM.about),
        Key::new("limits", Is::Table(&LIMITS), LIMITS.about),
        Key::new("phase", Is::Tables(&PHASE), PHASE.about)
            .needed()
            .such_as("[[phase]] with a `name`, and [[phase.step]] below it"),
        Key::new("guard", Is::Tables(&GUARD), GUARD.about),
        Key::new("escalation", Is::Table(&ESCALATION), ESCALATION.about),
        Key::new("closure", Is::Table(&CLOSURE), CLOSURE.about),
    ],
};

const fn on_failure(about: &'static str) -> Key {
    const WORDS: &[&str] = &words(&ON_FAILURE);
    Key::new("on_failure", Is::Choice(WORDS), about).such_as("\"rollback\"")
}

const RUNBOOK: Table = Table {
    about: "What this runbook is, and who answers for it.",
    keys: &[
        Key::new("name", Is::Literal, "Its short name, used in the ids of runs: lower-case letters, digits, hyphens.")
            .needed()
            .such_as("\"connector-exhaustion\""),
        Key::new("title", Is::Text, "One line for people.").such_as("\"Recover staging\""),
        Key::new("description", Is::Text, "What is wrong when this runbook is the right one."),
        Key::new("owners", Is::Texts, "Who answers for it.").such_as("[\"infrastructure\"]"),
        Key::new("incident", Is::Text, "A link to the incident.").such_as("\"https://…/issues/1278\""),
        on_failure("What to do when a step fails and neither it nor its phase says so; `rollback` undoes what the run applied.").otherwise("ask"),
    ],
};

const TARGET: Table = Table {
    about: "Where every call goes. Nothing is taken from ambient configuration.",
    keys: &[
        Key::new("project", Is::Text, "The project's id.").needed().such_as("\"netra-staging\""),
        Key::new("region", Is::Text, "The region.").needed().such_as("\"us-central1\""),
        Key::new(
            "protected",
            Is::Flag,
            "Whether the operator must type the project's name; `--yes` does not answer that.",
        )
        .otherwise("false"),
    ],
};

pub(in crate::runbook) const INPUT: Table = Table {
    about: "A value that the operator gives with `--input NAME=VALUE`.",
    keys: &[
        Key::new("description", Is::Literal, "What it is, for whoever has to give it."),
        Key::new("default", Is::Literal, "What it is if nothing is given."),
        Key::new("required", Is::Flag, "Whether it must be given. One without a default must be.").otherwise("false"),
        Key::new("pattern", Is::Pattern, "A regular expression that its value must match.")
            .such_as("\"@sha256:[0-9a-f]{64}$\""),
        Key::new("secret", Is::Flag, "Whether it is never shown, planned or journaled. It comes from its `env`.")
            .otherwise("false"),
        Key::new("env", Is::Literal, "The environment variable that it is taken from if it is not given.")
            .such_as("\"CHAT_TOKEN\""),
        Key::new(
            "rehearsal",
            Is::Literal,
            "What a secret is on a simulated cloud, which is told no other. It is no secret.",
        )
        .such_as("\"sim-token\""),
    ],
};

const SYMPTOM: Table = Table {
    about: "What must be sick before the first change, or this is the wrong runbook; and well at the end.",
    keys: &[Key::new("unhealthy", Is::Texts, "Names of probes.").needed().such_as("[\"backend\", \"auth\"]")],
};

const LIMITS: Table = Table {
    about: "The blast radius: what no run of this runbook may go beyond.",
    keys: &[
        Key::new("projects", Is::Texts, "The projects it may be used on.").such_as("[\"netra-staging\"]"),
        Key::new("regions", Is::Texts, "The regions it may be used in.").such_as("[\"us-central1\"]"),
        Key::new("traffic_shift", Is::Percent, "The most percent of a service's traffic that one step may move."),
        Key::new("instances_added", Is::Integer, "The most instances that one step may add.").such_as("8"),
        Key::new("services", Is::Integer, "The most services that it may change.").such_as("2"),
    ],
};

const PHASE: Table = Table {
    about: "An ordered group of steps. Phases run one after another.",
    keys: &[
        Key::new("name", Is::Literal, "Its name, unlike that of any other phase.").needed().such_as("\"capacity\""),
        Key::new("title", Is::Text, "One line for people."),
        Key::new("budget", Is::Duration, "How long it should take at most.").such_as("\"2h\""),
        on_failure(
            "What to do when a step of it fails and does not say so itself; `rollback` undoes what the phase applied.",
        ),
        Key::new("step", Is::Tables(&STEP), STEP.about),
    ],
};

const STEP: Table = Table {
    about: "One thing to do, and the gate that proves that it worked.",
    keys: &[
        Key::new("name", Is::Literal, "Its name, unlike that of any other step.")
            .needed()
            .such_as("\"scale-connector\""),
        Key::new("uses", Is::Literal, "What it does: the name of an action.").needed().such_as("\"gcp.run.traffic\""),
        Key::new("with", Is::Arguments, "What the action needs to know.").such_as("{ … }"),
        Key::new("one_way", Is::Flag, "Says that whoever wrote this knows that the step cannot be undone.")
            .otherwise("false"),
        Key::new("confirm", Is::Text, "What the operator is asked before it, beside what is always shown."),
        Key::new("require", Is::Table(&REQUIRE), REQUIRE.about),
        Key::new("gate", Is::Table(&GATE), GATE.about),
        on_failure("What to do when it fails; `rollback` undoes what the step applied."),
        Key::new("for_each", Is::Table(&FOR_EACH), FOR_EACH.about),
    ],
};

const REQUIRE: Table = Table {
    about: "What must be so before the step may begin: the evidence that it is the right one.",
    keys: &[
        Key::new("healthy", Is::Texts, "Probes that must be healthy.").such_as("[\"database\"]"),
        Key::new("unhealthy", Is::Texts, "Probes that must be unhealthy.").such_as("[\"backend\"]"),
        Key::new("condition", Is::Condition, "What must hold, over `probes`.")
            .such_as("'probes.saturation.observation.value > 0.8'"),
    ],
};

const GATE: Table = Table {
    about: "The rule that must hold for a time before the step counts as done. Unknown is not healthy.",
    keys: &[
        Key::new("healthy", Is::Texts, "Names of probes. All of them must be healthy.")
            .needed()
            .such_as("[\"backend\"]"),
        Key::new("for", Is::Duration, "How long they must be healthy without a break.")
            .such_as("\"5m\"")
            .otherwise("one healthy sample of each"),
        Key::new("every", Is::Duration, "How often each is looked at.").such_as("\"5s\"").otherwise("10s"),
        Key::new("timeout", Is::Duration, "When it gives up.").such_as("\"20m\"").otherwise("20m"),
        Key::new("max_failure_rate", Is::Rate, "The failure rate that the samples must rule out with 95 % confidence.")
            .such_as("\"2%\""),
        Key::new(
            "tolerate",
            Is::Integer,
            "How many samples of a probe within `for` may not be healthy; the last one must be.",
        )
        .such_as("2")
        .otherwise("0: one starts the time anew"),
        Key::new("p50", Is::Duration, "How long half of the answers may take, over the last `for`.")
            .such_as("\"300ms\""),
        Key::new("p95", Is::Duration, "How long 19 of 20 answers may take.").such_as("\"1s\""),
        Key::new("p99", Is::Duration, "How long 99 of 100 answers may take.").such_as("\"2s\""),
        Key::new("max_unhealthy", Is::Integer, "Give up after so many unhealthy samples of a probe in a row.")
            .such_as("20")
            .otherwise("only the timeout"),
        Key::new("max_unknown", Is::Integer, "Give up after so many samples in a row of which nothing is known.")
            .such_as("20")
            .otherwise("only the timeout"),
        Key::new("max_broken", Is::Integer, "Give up after so many looks in a row that could not be taken.")
            .such_as("5")
            .otherwise("5"),
        Key::new("max_flaps", Is::Integer, "Give up after so many changes of a probe between healthy and not.")
            .such_as("6")
            .otherwise("only the timeout"),
        Key::new(
            "request_budget",
            Is::Integer,
            "How many times the looks of plain polling a probe of the service itself may take, to notice its recovery sooner.",
        )
        .such_as("2")
        .otherwise("1: plain polling"),
    ],
};

const FOR_EACH: Table = Table {
    about: "Does the step once for each item; `${item}` stands for it.",
    keys: &[
        Key::new("items", Is::Texts, "What to do it for.").needed().such_as("[\"orders\", \"payments\"]"),
        Key::new("max_parallel", Is::Integer, "How many go on at once; all of these end before the next ones begin.")
            .such_as("3")
            .otherwise("1"),
        Key::new("max_failures", Is::Integer, "How many may fail before no more are begun.").otherwise("0"),
    ],
};

const GUARD: Table = Table {
    about: "A probe that is watched in the background while phases run.",
    keys: &[
        Key::new("probe", Is::Text, "The probe's name.").needed().such_as("\"backend\""),
        Key::new("every", Is::Duration, "How often it is looked at.").such_as("\"10s\"").otherwise("10s"),
        Key::new("failures", Is::Integer, "How many unhealthy samples in a row trip it.").such_as("3").otherwise("3"),
        Key::new("then", Is::Choice(&words(&TRIP)), "What happens when it trips.")
            .such_as("\"pause\"")
            .otherwise("pause"),
    ],
};

const ESCALATION: Table = Table {
    about: "When to go on, and when to call Google.",
    keys: &[
        Key::new("after", Is::Duration, "How long after the incident began what is still unknown escalates.")
            .needed()
            .such_as("\"2h\""),
        Key::new("since", Is::Text, "When the incident began, in RFC 3339; it may well be an input.")
            .such_as("\"2025-09-16T02:53:00Z\"")
            .otherwise("when the run began"),
        Key::new("criterion", Is::Tables(&CRITERION), CRITERION.about),
        Key::new("support_case", Is::Table(&SUPPORT_CASE), SUPPORT_CASE.about),
    ],
};

const CRITERION: Table = Table {
    about: "One ground of the decision: either `continue` or `escalate_now`.",
    keys: &[
        Key::new("name", Is::Text, "What it is about, for people.").needed().such_as("\"capacity improves\""),
        Key::new("continue", Is::Condition, "Speaks for going on while it holds.")
            .such_as("'probes.connector.healthy'"),
        Key::new("escalate_now", Is::Condition, "Escalates at once when it holds.")
            .such_as("'service_health.impacts(target.region, [\"Cloud Run\"])'"),
    ],
};

const SUPPORT_CASE: Table = Table {
    about: "The support case that is drafted, shown, and sent only when a person says so.",
    keys: &[
        Key::new("display_name", Is::Text, "Its title.").needed().such_as("\"VPC connector exhaustion\""),
        Key::new("priority", Is::Choice(&words(&PRIORITY)), "How urgent it is.").such_as("\"P2\"").otherwise("P3"),
        Key::new("description", Is::Text, "What to say before the timeline of the run."),
    ],
};

const CLOSURE: Table = Table {
    about: "What must hold before the incident is closed; the report ticks it off.",
    keys: &[Key::new("criterion", Is::Tables(&CLOSING), CLOSING.about).needed().such_as("[[closure.criterion]]")],
};

const CLOSING: Table = Table {
    about: "One thing that must hold.",
    keys: &[
        Key::new("name", Is::Text, "What it is about, for people.").needed().such_as("\"no 503 for half an hour\""),
        Key::new("condition", Is::Condition, "What must hold, over `probes`, `baseline` and `steps`.")
            .needed()
            .such_as("'probes[\"no-503\"].healthy'"),
    ],
};
