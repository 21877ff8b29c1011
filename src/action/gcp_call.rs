//! `gcp.call`: call a method of a resource that the catalog describes, such as `restart`, `pause` or `failover`.
//!
//! A call is no state of the resource, so it is a change from not done to done, as a program's work is. Whether it is done its
//! [`Evidence`] says: then a call that is done already is left out, and one whose answer was lost is decided by looking. Without any the
//! operator is asked. How it is undone only the author can say. Calls that many runbooks make have actions of their own, which know both
//! ([`NamedCall`](super::NamedCall)); they are carried out as this one is.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::catalogued::{self, RESOURCE};
use super::doing::Doing;
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
};
use crate::catalog::{self, Exception, Resource, ResourceType, WriteRequest, conceal_arguments, validate_arguments};
use crate::peer::PeerRequest;
use crate::resource::Permission;
use crate::resource::catalogued::{CallLog, CataloguedName};
use crate::run::{CALL, ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::condition::{Condition, Fact};
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::SecretText;

/// `gcp.call`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpCall {
    /// The resource.
    pub resource: CataloguedName,
    /// What is called.
    pub call: MethodCall,
    /// What undoes it.
    pub undo: Undo,
    /// What tells whether it is done.
    pub evidence: Evidence,
    /// What it takes; `None`: Discovery does not say it.
    pub permissions: Option<CallPermissions>,
}

/// What a call takes of IAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallPermissions {
    /// To look at its resource, and whether the call was made.
    pub observe: &'static [Permission],
    /// To make it, and to undo it.
    pub call: &'static [Permission],
}

/// What undoes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// This call.
    Call(MethodCall),
    /// It leaves nothing behind that would have to be undone.
    NotNeeded,
    /// Nothing that is known.
    Nothing,
}

impl Undo {
    /// The method that it calls, if it is a call.
    pub fn method(&self) -> Option<&str> {
        match self {
            Undo::Call(call) => Some(&call.method),
            Undo::NotNeeded | Undo::Nothing => None,
        }
    }
}

/// What tells, besides an operator, whether a call was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A condition on the resource; it compiles.
    Condition(String),
    /// An entry that the call leaves in a list.
    Entry(CallLog),
    /// Nothing.
    Nothing,
}

/// A method and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodCall {
    /// Its name, such as `restart`.
    pub method: String,
    /// The collection of the resource's in which it makes something, if it is no method of the resource itself.
    within: Option<&'static str>,
    /// A table of JSON. It may have secrets in it.
    args: SecretText,
}

impl MethodCall {
    /// A method of the resource.
    pub(super) fn of(method: &'static str, args: SecretText) -> MethodCall {
        MethodCall { method: method.to_owned(), within: None, args }
    }

    /// The method that makes something in a collection of the resource's.
    pub(super) fn within(collection: &'static str, args: SecretText) -> MethodCall {
        MethodCall { method: format!("{collection}.insert"), within: Some(collection), args }
    }

    /// The request that makes it. It may have secrets in it.
    ///
    /// # Errors
    /// The catalog knows no such method, or its URL needs more than the arguments say.
    pub fn request(&self, resource: &Resource) -> Result<WriteRequest, catalog::WriteError> {
        match self.within {
            Some(collection) => resource.make_within(collection, &self.arguments()),
            None => resource.call(&self.method, &self.arguments()),
        }
    }

    /// The inputs whose secrets it sends and that have no value.
    pub(super) fn absent(&self) -> impl Iterator<Item = &str> {
        self.args.absent()
    }

    /// The texts that it sends, if there is a secret among them, each with a name of its own. An API may repeat them in its words.
    fn secrets(&self) -> Vec<(String, Value)> {
        fn texts(value: &Value, into: &mut Vec<String>) {
            match value {
                Value::String(text) => into.push(text.clone()),
                Value::Array(all) => all.iter().for_each(|value| texts(value, into)),
                Value::Object(all) => all.values().for_each(|value| texts(value, into)),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        let mut sent = Vec::new();
        if self.args.secrets().next().is_some() {
            texts(&Value::Object(self.arguments()), &mut sent);
        }
        let named = sent.into_iter().enumerate();
        named.map(|(place, text)| (format!("{}/{place}", self.method), Value::from(text))).collect()
    }

    /// Its arguments, by name. They may be secret.
    fn arguments(&self) -> Map<String, Value> {
        match serde_json::from_str(self.args.value().expose_secret()) {
            Ok(Value::Object(arguments)) => arguments,
            _ => Map::new(),
        }
    }

    /// As it may be shown.
    pub(super) fn shown(&self, resource_type: ResourceType) -> String {
        let args = serde_json::from_str(&self.args.to_string()).unwrap_or_default();
        match conceal_arguments(resource_type, &self.method, &args) {
            Value::Object(args) if args.is_empty() => self.method.clone(),
            args => format!("{} with {args}", self.method),
        }
    }

    /// What it sends where plans show digests, in words; see [`catalogued::literals`].
    fn literals(&self, resource_type: ResourceType) -> Vec<String> {
        let args = serde_json::from_str(&self.args.to_string()).unwrap_or_default();
        let literals = catalog::argument_literals(resource_type, &self.method, &args);
        literals.iter().map(|(place, value)| catalogued::said(place, value)).collect()
    }

    fn read(with: &Block<'_, '_>, resource_type: ResourceType) -> Option<MethodCall> {
        let method = with.text("method")?;
        let (arguments, args) = catalogued::table(with, "args")?;
        match validate_arguments(resource_type, &method, &arguments) {
            Ok(()) => Some(MethodCall { method, within: None, args }),
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

    /// What it sends that no output may show.
    pub fn secrets(&self) -> Vec<(String, Value)> {
        let undo = if let Undo::Call(undo) = &self.undo { undo.secrets() } else { Vec::new() };
        self.call.secrets().into_iter().chain(undo).collect()
    }

    /// Whether it is done, of the resource's JSON; `None` if nothing can tell.
    ///
    /// # Errors
    /// Why that cannot be told of this JSON.
    pub fn is_done(&self, live: &Value) -> Option<Result<bool, String>> {
        let Evidence::Condition(done_when) = &self.evidence else { return None };
        let condition = Condition::compile(done_when).map_err(|error| error.message);
        let live = catalog::judged(self.resource.resource_type, live);
        let facts = BTreeMap::from([(catalogued::JUDGED.to_owned(), Fact::Json(live))]);
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
        let done_when = catalogued::read_condition(with, "done_when", "resource.state == 'PAUSED'");
        let resource = resource?;
        let of = resource.resource_type;
        let call = MethodCall::read(with, of);
        let undo = with.block("undo").map(|undo| {
            let read = MethodCall::read(&undo, of);
            undo.finish();
            read
        });
        let undo = match undo {
            Some(undo) => Undo::Call(undo?),
            None => Undo::Nothing,
        };
        let evidence = done_when.map_or(Evidence::Nothing, |condition| Evidence::Condition(condition.to_string()));
        Some(GcpCall { resource, call: call?, undo, evidence, permissions: None })
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
        let Some(mut task) = self.draft(step, forecast)? else { return Ok(vec![step.whole()]) };
        if self.evidence == Evidence::Nothing {
            task.warnings.push(
                "no `done_when` can tell whether it is done: if its end is not seen, the operator is asked".to_owned(),
            );
        }
        Ok(vec![task])
    }

    fn rollback(&self) -> Rollback {
        match (&self.undo, self.final_rule().is_some()) {
            (_, true) => Rollback::Impossible("what this method does cannot be taken back by another call"),
            (Undo::Call(_) | Undo::NotNeeded, false) => Rollback::Possible,
            (Undo::Nothing, false) => Rollback::NotDeclared,
        }
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        Some(CatalogRequest::Call(self))
    }
}

/// Durations are not published; an hour is what a change of a resource gets.
const CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_hours(1);

impl GcpCall {
    /// The task that makes the call; `None` if it is done already.
    pub(super) fn draft(
        &self,
        step: &StepContext<'_>,
        forecast: &mut Forecast<'_>,
    ) -> Result<Option<TaskDraft>, Obstacle> {
        let (resource, id) = catalogued::planned(&self.resource, forecast)?;
        let undo = if let Undo::Call(undo) = &self.undo { Some(undo) } else { None };
        let calls = || std::iter::once(&self.call).chain(undo);
        catalogued::lacking(calls().flat_map(MethodCall::absent), "sends")?;
        let mut task = step.whole();
        let live = catalog::json_of(resource.resource_type, forecast.state(&id)?);
        for call in calls() {
            call.request(&resource).map_err(|error| Obstacle::impossible(error.to_string()))?;
        }
        match self.is_done(&live) {
            Some(Ok(true)) if forecast.is_foreseen(&id) => return Ok(None),
            Some(Ok(true)) => task.warnings.push(
                "it is done already, and an earlier step of this plan changes the resource in a way that cannot be foreseen: whether it \
                 is still done is looked at right before the call"
                    .to_owned(),
            ),
            Some(Ok(false)) | None => {}
            Some(Err(why)) => {
                return Err(Obstacle::impossible(format!("whether it is done cannot be told of {id}: {why}")).help(
                    "`rectify resources TYPE` lists the fields; has(resource.FIELD) tells whether one is there",
                ));
            }
        }
        task.notes.insert(0, format!("calls {}", self.call.shown(resource.resource_type)));
        task.notes.extend(self.literals());
        let name = self.id(forecast.target(), step.task);
        let resource_id = name.ok_or_else(|| forecast.not_observed(&id))?;
        forecast.calls(&resource_id);
        task.change = Some(Doing::change(resource_id));
        task.operation_timeout = Some(CALL_TIMEOUT);
        task.reversibility = self.way_back();
        Ok(Some(task))
    }

    /// What it sends where plans show digests, in words.
    pub(super) fn literals(&self) -> Vec<String> {
        let undo = if let Undo::Call(undo) = &self.undo { Some(undo) } else { None };
        let calls = std::iter::once(&self.call).chain(undo);
        calls.flat_map(|call| call.literals(self.resource.resource_type)).collect()
    }

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
            (None, Undo::Call(undo)) => Reversibility::WithLoss {
                why: format!("only what {} takes back is taken back", undo.shown(self.resource.resource_type)),
            },
            (None, Undo::NotNeeded) => Reversibility::Reversible,
            (None, Undo::Nothing) => Reversibility::Irreversible { why: "nothing says how to undo it".to_owned() },
        }
    }
}
