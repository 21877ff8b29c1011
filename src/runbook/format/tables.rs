//! The tables of a runbook, but for what probes look at and what actions take.

use crate::runbook::model::{FaultClass, GuardAction, OnFailure, Priority};
use crate::syntax::format::{Key, Table, ValueType, words};

/// The words of every `on_failure`.
pub(in crate::runbook) const ON_FAILURE: [(&str, OnFailure); 4] = [
    ("ask", OnFailure::Ask),
    ("rollback", OnFailure::Rollback),
    ("stop", OnFailure::Stop),
    ("continue", OnFailure::Continue),
];

/// The words of a guard's `then`.
pub(in crate::runbook) const TRIP: [(&str, GuardAction); 2] =
    [("pause", GuardAction::Pause), ("rollback", GuardAction::Rollback)];

/// The words of a support case's `priority`, Google's own
/// (source: <https://docs.cloud.google.com/support/docs/reference/v2>).
pub(in crate::runbook) const PRIORITY: [(&str, Priority); 5] =
    [("P0", Priority::P0), ("P1", Priority::P1), ("P2", Priority::P2), ("P3", Priority::P3), ("P4", Priority::P4)];

/// The whole file.
pub(in crate::runbook) const ROOT: Table = Table {
    about: "A runbook for `rectify`: phases of steps against Google Cloud, each with the gate that proves it.",
    keys: &[
        Key::new(
            "include",
            ValueType::Texts,
            "Files below the runbook's folder whose probes belong to it as well. They have [probes.NAME] tables and nothing else.",
        )
        .example("[\"shared/probes.toml\"]"),
        Key::new("runbook", ValueType::Table(&RUNBOOK), RUNBOOK.about).required().example("[runbook] with a `name`"),
        Key::new("target", ValueType::Table(&TARGET), TARGET.about)
            .required()
            .example("[target] with `project` and `region`"),
        Key::new(
            "inputs",
            ValueType::Named(&INPUT),
            "What the operator may or must give, by name; `${inputs.NAME}` stands for it.",
        ),
        Key::new(
            "probes",
            ValueType::Probes,
            "What health means, named once: what is observed, and what must hold of it.",
        ),
        Key::new("symptom", ValueType::Table(&SYMPTOM), SYMPTOM.about),
        Key::new("cost", ValueType::Table(&COST), COST.about),
        Key::new("limits", ValueType::Table(&LIMITS), LIMITS.about),
        Key::new("phase", ValueType::Tables(&PHASE), PHASE.about)
            .required()
            .example("[[phase]] with a `name`, and [[phase.step]] below it"),
        Key::new("guard", ValueType::Tables(&GUARD), GUARD.about),
        Key::new("escalation", ValueType::Table(&ESCALATION), ESCALATION.about),
        Key::new("closure", ValueType::Table(&CLOSURE), CLOSURE.about),
        Key::new("drill", ValueType::Table(&DRILL), DRILL.about),
    ],
};

const fn on_failure(about: &'static str) -> Key {
    const WORDS: &[&str] = &words(&ON_FAILURE);
    Key::new("on_failure", ValueType::Choice(WORDS), about).example("\"rollback\"")
}

const RUNBOOK: Table = Table {
    about: "What this runbook is, and who answers for it.",
    keys: &[
        Key::new("name", ValueType::Literal, "Its short name, used in the ids of runs: lower-case letters, digits, hyphens.")
            .required()
            .example("\"connector-exhaustion\""),
        Key::new("title", ValueType::Text, "One line for people.").example("\"Recover staging\""),
        Key::new("description", ValueType::Text, "What is wrong when this runbook is the right one."),
        Key::new("owners", ValueType::Texts, "Who answers for it.").example("[\"infrastructure\"]"),
        Key::new("incident", ValueType::Text, "A link to the incident.").example("\"https://…/issues/1278\""),
        on_failure("What to do when a step fails and neither it nor its phase says so; `rollback` undoes what the run applied.").default("ask"),
    ],
};

const TARGET: Table = Table {
    about: "Where every call goes. Nothing is taken from ambient configuration.",
    keys: &[
        Key::new("project", ValueType::Text, "The project's id.").required().example("\"netra-staging\""),
        Key::new("region", ValueType::Text, "The region.").required().example("\"us-central1\""),
        Key::new(
            "protected",
            ValueType::Flag,
            "Whether the operator must type the project's name; `--yes` does not answer that.",
        )
        .default("false"),
    ],
};

pub(in crate::runbook) const INPUT: Table = Table {
    about: "A value that the operator gives with `--input NAME=VALUE`.",
    keys: &[
        Key::new("description", ValueType::Literal, "What it is, for whoever has to give it."),
        Key::new("default", ValueType::Literal, "What it is if nothing is given."),
        Key::new("required", ValueType::Flag, "Whether it must be given. One without a default must be.")
            .default("false"),
        Key::new("pattern", ValueType::Pattern, "A regular expression that its value must match.")
            .example("\"@sha256:[0-9a-f]{64}$\""),
        Key::new(
            "secret",
            ValueType::Flag,
            "Whether it is never shown, planned or journaled. It comes from the environment.",
        )
        .default("false"),
        Key::new(
            "env",
            ValueType::Literal,
            "The environment variable that it is taken from, if the operator names it with `--env`.",
        )
        .example("\"CHAT_TOKEN\""),
        Key::new(
            "rehearsal",
            ValueType::Literal,
            "What a secret is in a rehearsal, which never uses the real one. It is no secret.",
        )
        .example("\"sim-token\""),
    ],
};

const SYMPTOM: Table = Table {
    about: "What must be sick before the first change, or this is the wrong runbook; and well at the end.",
    keys: &[
        Key::new("unhealthy", ValueType::Texts, "Names of probes.").required().example("[\"backend\", \"auth\"]"),
        Key::new("max_age", ValueType::Duration, MAX_AGE).example("\"30s\"").default("1m"),
    ],
};

const COST: Table = Table {
    about: "What things cost, so that a plan says what growth costs more per month.",
    keys: &[
        Key::new("currency", ValueType::Literal, "What the prices are in.").example("\"EUR\"").default("USD"),
        Key::new(
            "per_hour",
            ValueType::Values,
            "The price of an hour of one of each, as a text: of a connector's machine type, of a database's tier, of `sql-storage-gb`.",
        )
        .required()
        .example("{ e2-standard-4 = \"0.134\" }"),
    ],
};

const LIMITS: Table = Table {
    about: "The blast radius: what no run of this runbook may go beyond.",
    keys: &[
        Key::new("projects", ValueType::Texts, "The projects it may be used on.").example("[\"netra-staging\"]"),
        Key::new("regions", ValueType::Texts, "The regions it may be used in.").example("[\"us-central1\"]"),
        Key::new("apis", ValueType::Texts, "The APIs whose resources `gcp.set` and its like may change.")
            .example("[\"redis.googleapis.com\"]"),
        Key::new(
            "traffic_shift",
            ValueType::Percent,
            "The most percent of a service's traffic that one step may move.",
        ),
        Key::new("instances_added", ValueType::Integer, "The most instances that one step may add.").example("8"),
        Key::new("services", ValueType::Integer, "The most services that it may change.").example("2"),
        Key::new(
            "hosts",
            ValueType::Texts,
            "The hosts that its probes may ask: names, addresses, or all below a name.",
        )
        .example("[\"*.staging.example.com\"]"),
        Key::new(
            "deny",
            ValueType::Texts,
            "When no run may begin, unless `--break-glass` says why: each week, each day, or from one day to another, in a time zone.",
        )
        .example("[\"Fri 16:00..Mon 08:00 Europe/Berlin\"]")
        .default("a run may begin at any time"),
    ],
};

const DRILL: Table = Table {
    about: "Which endings of `rectify drill` are not accepted: a drill that meets one fails.",
    keys: &[
        Key::new("never", ValueType::Texts, "The endings: rolled_back, paused, stopped, stuck, unhealthy.")
            .example("[\"stuck\", \"unhealthy\"]"),
        Key::new("except", ValueType::Tables(&EXCEPT), EXCEPT.about)
            .example("[{ step = \"restart\", fault = \"operation\", reason = \"the on-call watches it\" }]"),
    ],
};

const FAULT_CLASSES: &[&str] = &words(&FaultClass::WORDS);

const EXCEPT: Table = Table {
    about: "Faults at a step for which any ending is accepted, with the reason.",
    keys: &[
        Key::new("step", ValueType::Literal, "The step.").required().example("\"restart\""),
        Key::new("fault", ValueType::Choice(FAULT_CLASSES), "The class of faults.").required().example("\"operation\""),
        Key::new("reason", ValueType::Literal, "Why any ending is accepted here, for whoever reads the drill.")
            .required()
            .example("\"the on-call watches it\""),
    ],
};

const PHASE: Table = Table {
    about: "An ordered group of steps. Phases run one after another.",
    keys: &[
        Key::new("name", ValueType::Literal, "Its name, unlike that of any other phase.")
            .required()
            .example("\"capacity\""),
        Key::new("title", ValueType::Text, "One line for people."),
        Key::new("budget", ValueType::Duration, "How long it should take at most.").example("\"2h\""),
        Key::new(
            "finally",
            ValueType::Flag,
            "Whether it is carried out whenever the run is about to end, however it ends: also after a rollback. Nothing of it is rolled \
             back, and a failure in it does not change the outcome.",
        )
        .default("false"),
        on_failure(
            "What to do when a step of it fails and does not say so itself; `rollback` undoes what the phase applied.",
        ),
        Key::new("step", ValueType::Tables(&STEP), STEP.about),
    ],
};

const STEP: Table = Table {
    about: "One thing to do, and the gate that proves that it worked.",
    keys: &[
        Key::new("name", ValueType::Literal, "Its name, unlike that of any other step.")
            .required()
            .example("\"scale-connector\""),
        Key::new("uses", ValueType::Literal, "What it does: the name of an action.")
            .required()
            .example("\"gcp.run.traffic\""),
        Key::new("with", ValueType::Arguments, "What the action needs to know.").example("{ … }"),
        Key::new(
            "project",
            ValueType::Text,
            "The project that it works in, which `[limits] projects` allows, such as the host project of a shared VPC.",
        )
        .example("\"shared-network\"")
        .default("the target's"),
        Key::new("region", ValueType::Text, "The region that it works in, which `[limits] regions` allows.")
            .example("\"europe-west1\"")
            .default("the target's"),
        Key::new(
            "when",
            ValueType::Condition,
            "Leaves the step out of the plan unless this holds, over `target` and the `probes` of resources; inputs stand in it as \
             `${inputs.NAME}`. It is decided when the plan is made, and the plan says what it leaves out.",
        )
        .example("'probes.cache.observation.memorySizeGb < 10'")
        .default("it is always planned"),
        Key::new("irreversible", ValueType::Flag, "Says that whoever wrote this knows that the step cannot be undone.")
            .default("false"),
        Key::new("confirm", ValueType::Text, "What the operator is asked before it, beside what is always shown."),
        Key::new("require", ValueType::Table(&REQUIRE), REQUIRE.about),
        Key::new("gate", ValueType::Table(&GATE), GATE.about),
        on_failure("What to do when it fails; `rollback` undoes what the step applied."),
        Key::new(
            "operation_timeout",
            ValueType::Duration,
            "How long an operation of it, or of its undo, is awaited at most; one that takes longer is taken to hang. \
             Otherwise: Cloud Run 20m, a connector 30m, Cloud SQL 1h.",
        )
        .example("\"45m\""),
        Key::new("for_each", ValueType::Table(&FOR_EACH), FOR_EACH.about),
        Key::new("allow", ValueType::Tables(&ALLOW), ALLOW.about)
            .example("[{ code = \"typed-step\", reason = \"it also sets a variable\" }]"),
    ],
};

const ALLOW: Table = Table {
    about: "Answers a diagnostic of `check` at this step, with the reason. The plan shows both.",
    keys: &[
        Key::new("code", ValueType::Literal, "The diagnostic's code.").required().example("\"typed-step\""),
        Key::new("reason", ValueType::Literal, "Why it is right here, for whoever reviews the plan.")
            .required()
            .example("\"it also sets a variable\""),
    ],
};

const MAX_AGE: &str = "How old what was seen may be when the change is sent. What is older, after a prompt for instance, is observed \
                       again, and asked about again if it is another.";

const REQUIRE: Table = Table {
    about: "What must be so before the step may begin: the evidence that it is the right one.",
    keys: &[
        Key::new("healthy", ValueType::Texts, "Probes that must be healthy.").example("[\"database\"]"),
        Key::new("unhealthy", ValueType::Texts, "Probes that must be unhealthy.").example("[\"backend\"]"),
        Key::new("condition", ValueType::Condition, "What must hold, over `probes`.")
            .example("'probes.saturation.observation.value > 0.8'"),
        Key::new("max_age", ValueType::Duration, MAX_AGE).example("\"30s\"").default("1m"),
    ],
};

const GATE: Table = Table {
    about: "The rule that must hold for a time before the step counts as done. Unknown is not healthy.",
    keys: &[
        Key::new("healthy", ValueType::Texts, "Names of probes. All of them must be healthy.")
            .required()
            .example("[\"backend\"]"),
        Key::new("for", ValueType::Duration, "How long they must be healthy without a break.")
            .example("\"5m\"")
            .default("one healthy sample of each"),
        Key::new("every", ValueType::Duration, "How often each is observed.").example("\"5s\"").default("10s"),
        Key::new("timeout", ValueType::Duration, "When it gives up.").example("\"20m\"").default("20m"),
        Key::new("max_failure_rate", ValueType::Rate, "The failure rate that the samples must rule out with 95 % confidence.")
            .example("\"2%\""),
        Key::new(
            "tolerate",
            ValueType::Integer,
            "How many samples of a probe within `for` may not be healthy; the last one must be.",
        )
        .example("2")
        .default("0: one starts the time anew"),
        Key::new("p50", ValueType::Duration, "How long half of the answers may take, over the last `for`.")
            .example("\"300ms\""),
        Key::new("p95", ValueType::Duration, "How long 19 of 20 answers may take.").example("\"1s\""),
        Key::new("p99", ValueType::Duration, "How long 99 of 100 answers may take.").example("\"2s\""),
        Key::new("max_unhealthy", ValueType::Integer, "Give up after so many unhealthy samples of a probe in a row.")
            .example("20")
            .default("only the timeout"),
        Key::new("max_unknown", ValueType::Integer, "Give up after so many samples in a row of which nothing is known.")
            .example("20")
            .default("only the timeout"),
        Key::new("max_broken", ValueType::Integer, "Give up after so many consecutive observations that could not be made.")
            .example("5")
            .default("5"),
        Key::new("max_flaps", ValueType::Integer, "Give up after so many changes of a probe between healthy and not.")
            .example("6")
            .default("only the timeout"),
        Key::new(
            "request_budget",
            ValueType::Integer,
            "How many times the requests of plain polling a probe of the service itself may make, to notice its recovery sooner.",
        )
        .example("2")
        .default("1: plain polling"),
    ],
};

const FOR_EACH: Table = Table {
    about: "Does the step once for each item; `${item}` stands for it.",
    keys: &[
        Key::new("items", ValueType::Texts, "What to do it for.").example("[\"orders\", \"payments\"]"),
        Key::new(
            "list",
            ValueType::Text,
            "In place of `items`: a type of resource, as `rectify resources` has it. It is done for each of these that there are in the \
             project and region when the plan is made; `${item}` is the last part of the name.",
        )
        .example("\"cloudscheduler.jobs\""),
        Key::new("where", ValueType::Condition, "Which of what `list` lists, as a condition on `resource`.")
            .example("\"resource.state == 'ENABLED'\"")
            .default("all of them"),
        Key::new(
            "max_parallel",
            ValueType::Integer,
            "How many go on at once; all of these end before the next ones begin.",
        )
        .example("3")
        .default("1"),
        Key::new("max_failures", ValueType::Integer, "How many may fail before no more are begun.").default("0"),
    ],
};

const GUARD: Table = Table {
    about: "A probe that is watched in the background while phases run.",
    keys: &[
        Key::new("probe", ValueType::Text, "The probe's name.").required().example("\"backend\""),
        Key::new("every", ValueType::Duration, "How often it is observed.").example("\"10s\"").default("10s"),
        Key::new("failures", ValueType::Integer, "How many unhealthy samples in a row trip it.")
            .example("3")
            .default("3"),
        Key::new("then", ValueType::Choice(&words(&TRIP)), "What happens when it trips.")
            .example("\"pause\"")
            .default("pause"),
    ],
};

const ESCALATION: Table = Table {
    about: "When to go on, and when to call Google.",
    keys: &[
        Key::new("after", ValueType::Duration, "How long after the incident began what is still unknown escalates.")
            .required()
            .example("\"2h\""),
        Key::new("since", ValueType::Text, "When the incident began, in RFC 3339; it may well be an input.")
            .example("\"2025-09-16T02:53:00Z\"")
            .default("when the run began"),
        Key::new("criterion", ValueType::Tables(&CRITERION), CRITERION.about),
        Key::new("support_case", ValueType::Table(&SUPPORT_CASE), SUPPORT_CASE.about),
    ],
};

const CRITERION: Table = Table {
    about: "One ground of the decision: either `continue` or `escalate_now`.",
    keys: &[
        Key::new("name", ValueType::Text, "What it is about, for people.").required().example("\"capacity improves\""),
        Key::new("continue", ValueType::Condition, "Speaks for going on while it holds.")
            .example("'probes.connector.healthy'"),
        Key::new("escalate_now", ValueType::Condition, "Escalates at once when it holds.")
            .example("'service_health.impacts(target.region, [\"Cloud Run\"])'"),
    ],
};

const SUPPORT_CASE: Table = Table {
    about: "The support case that is drafted, shown, and sent only when an operator says so.",
    keys: &[
        Key::new("display_name", ValueType::Text, "Its title.").required().example("\"VPC connector exhaustion\""),
        Key::new("priority", ValueType::Choice(&words(&PRIORITY)), "How urgent it is.").example("\"P2\"").default("P3"),
        Key::new("description", ValueType::Text, "What to say before the timeline of the run."),
    ],
};

const CLOSURE: Table = Table {
    about: "What must hold before the incident is closed; the report ticks it off.",
    keys: &[Key::new("criterion", ValueType::Tables(&CLOSING), CLOSING.about)
        .required()
        .example("[[closure.criterion]]")],
};

const CLOSING: Table = Table {
    about: "One thing that must hold.",
    keys: &[
        Key::new("name", ValueType::Text, "What it is about, for people.")
            .required()
            .example("\"no 503 for half an hour\""),
        Key::new("condition", ValueType::Condition, "What must hold, over `probes`, `baseline` and `steps`.")
            .required()
            .example("'probes[\"no-503\"].healthy'"),
    ],
};
