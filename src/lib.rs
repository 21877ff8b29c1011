//! Rectify carries out infrastructure remediation runbooks against Google Cloud. This page is the map.
//!
//! ```text
//!  runbook text ──read──▶ Runbook ──check──▶ Checked ──plan──▶ Plan ──▶ engine ⇄ driver ──▶ journal
//!    runbook/             runbook/           check/  ▲ plan/ ▲ plan/    engine/  driver/    journal/
//!                                                    │       │           pure    all I/O       │ entries
//!                                                resource/ probe/          │                   ▼
//!                                              what has   what is       run/: ids, events ──▶ View ──▶ report/
//!                                                state     seen                                 live · plain
//!                                                    │       │
//!                                                    ▼       ▼
//!                                                 Google Cloud, HTTP
//!                                                    ▲       ▲
//!                                                    └─ sim/ ┘  (over sockets only: shares no code with them)
//! ```
//!
//! The one idea: **a change is `{resource, from, to}`** ([`run::Change`]). Planning lists changes, applying
//! writes `to` if the resource still is `from`, undoing swaps the ends, and resuming after a crash looks
//! which of the two is there.
//!
//! | room | what it is |
//! |---|---|
//! | [`cli`] | arguments and wiring; one file a subcommand |
//! | [`syntax`] | the language of runbooks: TOML with places, `${…}`, conditions; how a format is declared and read |
//! | [`action`] | what steps can do, one file an action: its arguments, its plan, whether it can be undone |
//! | [`runbook`] | text → typed runbook, with the place of everything |
//! | [`check`] | is it right, before anything runs? one file a rule |
//! | [`catalog`] | every resource of Google Cloud as Google's documents describe it: names, fields, how each is written |
//! | [`resource`] | what has state in the cloud, one file a kind, five verbs and no undo |
//! | [`probe`] | what can be seen of health |
//! | [`peer`] | what is sent to hosts that a runbook names, and the connections by which it is |
//! | [`external`] | programs, people, requests to applications, webhooks, issues: what steps do that changes no resource of Google's |
//! | [`escalation`] | whether to go on or to escalate to Google |
//! | [`gate`] | rules over what was seen; pure |
//! | [`plan`] | what a run would change; pure but for looking |
//! | [`run`] | what a run is: changes, tasks, events, the view that people look at |
//! | [`engine`] | decides: a state machine without I/O, whose state is the fold of its events |
//! | [`driver`] | does what the engine decides, and writes it down first |
//! | [`journal`] | one event a line, chained by hash, on the disk before anything relies on it |
//! | [`report`] | tells a run, live or later, from its entries |
//! | [`present`] | markup that nothing from outside can be part of |
//! | [`sim`] | the simulated cloud, which imports nothing of what is under test |
//! | [`drill`] | tries every way in which a run can go wrong on a simulated cloud, and judges it |
//! | [`capture`] | a real project as a scenario of the simulated cloud, without what is private in it |
//! | [`simulated`] | the simulated cloud's clocks, for runs to go by |
//! | [`clock`], [`inert`], [`redact`] | three small rules for everybody: all waiting goes through one clock; nothing active reaches a terminal; no secret is shown |
//!
//! Begin with [`engine`]'s machine: its head is a table of everything that can happen. Then follow one change
//! through [`driver`]. Which room may import which is in `tests/architecture.rs`.

pub mod action;
pub mod capture;
pub mod catalog;
pub mod check;
pub mod cli;
pub mod clock;
pub mod drill;
pub mod driver;
pub mod engine;
pub mod escalation;
pub mod external;
pub mod gate;
pub mod inert;
pub mod journal;
pub mod peer;
pub mod plan;
pub mod present;
pub mod probe;
pub mod redact;
pub mod report;
pub mod resource;
pub mod run;
pub mod runbook;
pub mod sim;
pub mod simulated;
pub mod syntax;
