//! `gcp.call`: call a method of a resource that the catalog describes, such as `restart`, `pause` or `failover`.
//!
//! A call is no state of the resource, so it is a change from not done to done, as a program's work is. Whether it is done `done_when`
//! says, a condition on the resource: then a call that is done already is left out, and one whose answer was lost is decided by looking.
//! Without it the operator is asked. How it is undone only the author can say.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::catalogued::{self, RESOURCE};
use super::doing::Doing;
use super::{ActionFormat, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft};
use crate::catalog::{self, Exception, ResourceType, conceal_arguments, validate_arguments};
use crate::peer::PeerRequest;
use crate::resource::catalogued::CataloguedName;
use crate::run::{CALL, ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::condition::{Condition, Fact};
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::mistake::{BAD_CONDITION, Mistake};
use crate::syntax::value::SecretText;

/// What `done_when` refers to: the resource as its API shows it.
const SUBJECT: &str = "resource";

/// `gcp.call`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpCall {
    /// The resource.
    pub resource: CataloguedName,
    /// What is called.
    pub call: MethodCall,
    /// What undoes it.
    pub undo: Option<MethodCall>,
    /// When it is done, as a condition on the resource; it compiles.
    pub done_when: Option<String>,
}

/// A method and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodCall {
    /// Its name, such as `restart`.
    pub method: String,
    /// A table of JSON. It may have secrets in it.
    args: SecretText,
}

impl MethodCall {
    /// Its arguments, by name. They may be secret.
    pub fn arguments(&self) -> Map<String, Value> {
        match serde_json::from_str(self.args.value().expose_secret()) {
            Ok(Value::Object(arguments)) => arguments,
            _ => Map::new(),
        }
    }

    /// As it may be shown.
    fn shown(&self, resource_type: ResourceType) -> String {
        let args = serde_json::from_str(&self.args.to_string()).unwrap_or_default();
        match conceal_arguments(resource_type, &self.method, &args) {
            Value::Object(args) if args.is_empty() => self.method.clone(),
            args => format!("{} with {args}", self.method),
        }
    }

    fn read(with: &Block<'_, '_>, resource_type: ResourceType) -> Option<MethodCall> {
        let method = with.text("method")?;
        let (arguments, args) = catalogued::table(with, "args")?;
        match validate_arguments(resource_type, &method, &arguments) {
            Ok(()) => Some(MethodCall { method, args }),
            Err(problems) => {
                catalogued::note(with, &problems);
                None
            }
        }
    }
}

impl GcpCall {
    /// The id of its work in a task.
    pub fn id(&self, target: &Target, task: &str) -> Option<ResourceId> {
        let on = self.resource.id(target)?;
        Some(ResourceId { kind: CALL.to_owned(), name: format!("{}#{task}", on.name), ..on })
    }

    /// Whether it is done, of the resource's JSON; `None` if nothing can tell.
    ///
    /// # Errors
    /// Why that cannot be told of this JSON.
    pub fn is_done(&self, live: &Value) -> Option<Result<bool, String>> {
        let condition = Condition::compile(self.done_when.as_ref()?).map_err(|error| error.message);
        let live = catalog::judged(self.resource.resource_type, live);
        let facts = BTreeMap::from([(SUBJECT.to_owned(), Fact::Json(live))]);
        Some(condition.and_then(|condition| condition.holds(&facts)))
    }
}

const UNDO: Table = Table { about: "The method that undoes it.", keys: &[METHOD.required(), ARGS] };

const METHOD: Key =
    Key::new("method", ValueType::Text, "The method, as `rectify resources TYPE` lists it.").example("\"resume\"");

const ARGS: Key = Key::new("args", ValueType::Json, "Its arguments, by name.")
    .example("{ force = true }")
    .default("it is called without any");

impl Declared for GcpCall {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.call",
        outputs: &[],
        with: Table {
            about: "Calls a method of any resource of Google Cloud that `rectify resources` lists.",
            keys: &[
                RESOURCE.required(),
                METHOD.required().example("\"restart\""),
                ARGS,
                Key::new("undo", ValueType::Table(&UNDO), UNDO.about)
                    .example("{ method = \"resume\" }")
                    .default("it cannot be undone"),
                Key::new(
                    "done_when",
                    ValueType::Condition,
                    "When it is done, as a condition on `resource`. It is not called if that holds, and a lost answer is decided by it.",
                )
                .example("\"resource.state == 'PAUSED'\"")
                .default("if its end is not seen, the operator is asked"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<GcpCall> {
        let resource = catalogued::read_name(with);
        let done_when = with.condition("done_when");
        let unknown = done_when.iter().flat_map(Condition::names).find(|name| *name != SUBJECT);
        if let Some(unknown) = unknown {
            let message = format!("`{unknown}` is nothing that this condition can refer to");
            let mistake = Mistake::new(BAD_CONDITION, with.place("done_when"), message);
            with.reader.note(mistake.help("write it such as resource.state == 'PAUSED'"));
        }
        let resource = resource?;
        let of = resource.resource_type;
        let call = MethodCall::read(with, of);
        let undo = with.block("undo").map(|undo| {
            let read = MethodCall::read(&undo, of);
            undo.finish();
            read
        });
        let undo = match undo {
            Some(undo) => Some(undo?),
            None => None,
        };
        Some(GcpCall { resource, call: call?, undo, done_when: done_when.map(|condition| condition.to_string()) })
    }
}

impl StepAction for GcpCall {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        self.resource.id(target).into_iter().collect()
    }

    fn desired_state(&self, _: &Target) -> Option<(ResourceId, Value)> {
        None
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let (resource, id) = catalogued::planned(&self.resource, forecast)?;
        let calls = || std::iter::once(&self.call).chain(&self.undo);
        catalogued::lacking(calls().flat_map(|call| call.args.absent()), "sends")?;
        let mut task = step.whole();
        let live = catalog::json_of(resource.resource_type, forecast.state(&id)?);
        for call in calls() {
            resource.call(&call.method, &call.arguments()).map_err(|error| Obstacle::impossible(error.to_string()))?;
        }
        match self.is_done(&live) {
            Some(Ok(true)) => return Ok(vec![task]),
            Some(Ok(false)) => {}
            Some(Err(why)) => {
                return Err(Obstacle::impossible(format!("whether it is done cannot be told of {id}: {why}")).help(
                    "`rectify resources TYPE` lists the fields; has(resource.FIELD) tells whether one is there",
                ));
            }
            None => task.warnings.push(
                "no `done_when` can tell whether it is done: if its end is not seen, the operator is asked".to_owned(),
            ),
        }
        task.warnings.insert(0, format!("calls {}", self.call.shown(resource.resource_type)));
        let name = self.id(forecast.target(), step.task);
        let resource_id = name.ok_or_else(|| forecast.not_observed(&id))?;
        task.change = Some(Doing::change(resource_id));
        task.operation_timeout = Some(CALL_TIMEOUT);
        task.reversibility = self.way_back();
        Ok(vec![task])
    }

    fn rollback(&self) -> Rollback {
        match (&self.undo, self.final_rule().is_some()) {
            (_, true) => Rollback::Impossible("what this method does cannot be taken back by another call"),
            (Some(_), false) => Rollback::Possible,
            (None, false) => Rollback::NotDeclared,
        }
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }
}

/// Durations are not published; an hour is what a change of a resource gets.
const CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_hours(1);

impl GcpCall {
    /// What is known of the method: that nothing takes it back, and where that is from.
    fn final_rule(&self) -> Option<&'static str> {
        let rules = self.resource.resource_type.rules().iter();
        let mut of_method = rules.filter(|rule| match rule.what {
            Exception::IrreversibleCall(method) => method == self.call.method,
            _ => false,
        });
        of_method.next().map(|rule| rule.source)
    }

    fn way_back(&self) -> Reversibility {
        match (self.final_rule(), &self.undo) {
            (Some(source), _) => {
                let why = format!("what {} does cannot be taken back by another call ({source})", self.call.method);
                Reversibility::Irreversible { why }
            }
            (None, Some(undo)) => Reversibility::WithLoss {
                why: format!("only what {} takes back is taken back", undo.shown(self.resource.resource_type)),
            },
            (None, None) => Reversibility::Irreversible { why: "nothing says how to undo it".to_owned() },
        }
    }
}
