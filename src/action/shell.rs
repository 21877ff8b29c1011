//! `shell`: run a program.
//!
//! A program is a change like any other, from not done to done, so that it is planned, asked about, journaled and undone by
//! the same code. Secrets in its environment stand in the plan by reference only.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{
    ActionFormat, CatalogRequest, Declared, Doing, Forecast, Name, Obstacle, Rollback, StepAction, StepContext,
    TaskDraft,
};
use crate::inert::shell_word;
use crate::peer::{Effect, PeerRequest};
use crate::run::{Command, Program, ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType, words};
use crate::syntax::value::SecretText;

/// The words behind `shell`.
const SHELLS: [(&str, ()); 1] = [("bash", ())];

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_mins(10);

/// `shell`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shell {
    /// What to run.
    pub run: Command,
    /// Tells whether it is done already.
    pub check: Option<Command>,
    /// Undoes it.
    pub undo: Option<Command>,
    /// Its environment.
    pub env: BTreeMap<String, SecretText>,
    /// Whether `undo` is also run after `run` has failed.
    pub undo_partial: bool,
    /// How long it may take.
    pub timeout: Duration,
}

impl Shell {
    /// What its changes are of: its name in resource ids.
    pub const KIND: &'static str = "shell";
}

impl Declared for Shell {
    const FORMAT: ActionFormat = ActionFormat {
        name: "shell",
        outputs: &[],
        with: Table {
            about: "Runs a program. Values reach it through the environment, never as code.",
            keys: &[
                Key::new("run", ValueType::Command, "The program and its arguments; with `shell`, a script.")
                    .required()
                    .example("[\"./warm-up\", \"--fast\"]"),
                Key::new(
                    "shell",
                    ValueType::Choice(&words(&SHELLS)),
                    "Hands `run`, `check` and `undo` to this shell as scripts.",
                )
                .example("\"bash\""),
                Key::new("check", ValueType::Command, "Tells whether it is done already: exit status 0."),
                Key::new("undo", ValueType::Command, "Undoes it.").default("it cannot be undone"),
                Key::new(
                    "undo_partial",
                    ValueType::Flag,
                    "Runs `undo` also after `run` has failed, whatever of it took effect; `undo` must cope with every part of it.",
                )
                .default("after a failure `check` decides whether there is anything to undo; without it, the operator"),
                Key::new("env", ValueType::SecretTexts, "Its environment, beside PATH and HOME; values may have secrets.")
                    .example("{ TOKEN = \"${inputs.token}\" }"),
                Key::new("timeout", ValueType::Duration, "How long it may take.").example("\"5m\"").default("10m"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<Shell> {
        let shell = with.choice("shell", &SHELLS);
        let command = |key| match shell {
            Some(()) => with.script(key).map(Command::Bash),
            None => program(with, key),
        };
        let (run, check, undo) = (command("run"), command("check"), command("undo"));
        let env = with.secret_texts("env").unwrap_or_default();
        let undo_partial = with.flag("undo_partial").unwrap_or_default();
        if undo_partial && !with.has("undo") {
            let help = "say how it is undone: undo = [\"./cool-down\"], or take `undo_partial` out";
            with.wrong("undo_partial", "there is no `undo` to run after a failure", help);
        }
        let timeout = with.positive_duration("timeout").unwrap_or(TIMEOUT);
        Some(Shell { run: run?, check, undo, env, undo_partial, timeout })
    }
}

fn program(with: &Block<'_, '_>, key: &'static str) -> Option<Command> {
    let program = with.program(key)?;
    if program.first().is_none_or(String::is_empty) {
        with.wrong(key, "there is no program to run", "write it such as [\"./warm-up\", \"--fast\"]");
    }
    Some(Command::Program(program))
}

impl StepAction for Shell {
    fn observed_resources(&self, _: &Target) -> Vec<ResourceId> {
        Vec::new()
    }

    fn desired_state(&self, _: &Target) -> Option<(ResourceId, Value)> {
        None
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let Shell { run, check, undo, undo_partial, .. } = self;
        let mut notes = vec![format!("runs {run}")];
        notes.extend(check.as_ref().map(|check| format!("whether it is done already tells {check}")));
        notes.extend(self.env.iter().map(|(name, value)| format!("with {name}={}", shell_word(&value.to_string()))));
        let no_check = "no `check` can tell whether it is done: if its end is not seen, the operator is asked";
        let warnings = if check.is_none() { vec![no_check.to_owned()] } else { Vec::new() };
        let reversibility = match undo {
            Some(undo) => Reversibility::WithLoss { why: format!("only what {undo} takes back is taken back") },
            None => Reversibility::Irreversible { why: "nothing says how to undo it".to_owned() },
        };
        let resource = forecast.target().resource(Shell::KIND, step.task);
        let program = Program {
            run: run.clone(),
            check: check.clone(),
            undo: undo.clone(),
            env: self.env.iter().map(|(name, value)| (name.clone(), value.to_string())).collect(),
            undo_partial: *undo_partial,
            not_run: false,
        };
        let whole = step.whole();
        Ok(vec![TaskDraft {
            change: Some(Doing::change(resource)),
            reversibility,
            warnings,
            notes,
            program: Some(program),
            ..whole
        }])
    }

    fn rollback(&self) -> Rollback {
        if self.undo.is_some() { Rollback::Possible } else { Rollback::NotDeclared }
    }

    /// A program may ask anybody for anything.
    fn peer_requests(&self) -> Vec<PeerRequest> {
        vec![PeerRequest::to(None, "program", Effect::Writes).sends("", self.env.values())]
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }
}
