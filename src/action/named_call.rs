//! Calls of methods that have actions of their own: pausing a schedule, restarting a database.
//!
//! Such an action is a [`GcpCall`] and what is known of it: which resource its arguments name, how it is undone, what tells whether it is
//! done, what it leaves, and what its resource must be like. It is a [`CallSpec`] with a type that stands for it ([`KnownCall`]); reading,
//! planning, carrying out and undoing it follow from that.

use std::fmt::Debug;
use std::marker::PhantomData;

use serde_json::Value;

use super::gcp_call::{CallPermissions, Evidence, GcpCall, MethodCall, Undo};
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
    catalogued,
};
use crate::catalog;
use crate::peer::PeerRequest;
use crate::resource::catalogued::{CallLog, CataloguedName};
use crate::resource::gcloud::quoted;
use crate::run::{HandCommands, NameShape, ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::mistake::UNKNOWN_RESOURCE;
use crate::syntax::value::SecretText;

/// A call with an action of its own.
pub trait KnownCall: Clone + Debug + PartialEq + Eq + 'static {
    /// What is known of it.
    const SPEC: CallSpec;
}

/// What is known of a call.
pub struct CallSpec {
    /// How the action is written.
    pub(super) format: ActionFormat,
    /// The type of its resource, as `rectify resources` lists it.
    pub(super) resource_type: &'static str,
    /// The arguments that name the resource, from the left, and what each must look like where that is checked.
    pub(super) named_by: &'static [(&'static str, Option<NameShape>)],
    /// What is called.
    pub(super) sends: Sends,
    /// What it sends along, as a table of JSON. What is wrong with the arguments is noted there.
    pub(super) arguments: fn(&Block<'_, '_>) -> Option<SecretText>,
    /// How it is undone.
    pub(super) undo: KnownUndo,
    /// What tells whether it is done.
    pub(super) told_by: ToldBy,
    /// What there is to say of it before it is approved, by the resource's JSON.
    ///
    /// An error says why it cannot be made of such a resource.
    pub(super) judge: fn(&Value) -> Result<Vec<String>, String>,
    /// What it takes of IAM.
    pub(super) permissions: CallPermissions,
    /// What `gcloud` takes to make it. `{NAME}` stands for an argument, and for the target's `{project}` and `{region}`.
    pub(super) gcloud: &'static str,
}

/// What a call calls.
#[derive(Clone, Copy)]
pub(super) enum Sends {
    /// A method of the resource.
    Method(&'static str),
    /// The method that makes something in a collection of the resource's.
    Within(&'static str),
}

/// How a call is undone.
#[derive(Clone, Copy)]
pub(super) enum KnownUndo {
    /// By another method, and what `gcloud` takes to call that. Each takes back all that the other one does.
    Method(&'static str, &'static str),
    /// It leaves nothing behind that would have to be undone; this is what it does to the resource meanwhile, if anything.
    NotNeeded(Option<&'static str>),
    /// Not at all, and why.
    Impossible(&'static str),
}

/// What tells whether a call is done.
#[derive(Clone, Copy)]
pub(super) enum ToldBy {
    /// A field of the first level, which has this value then.
    Field(&'static str, &'static str),
    /// A condition on `resource`.
    Condition(&'static str),
    /// An entry that each call leaves in a list.
    Entry(CallLog),
}

/// An action that is one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCall<K: KnownCall> {
    /// The call.
    pub call: GcpCall,
    /// The values of the arguments that name the resource.
    names: Vec<String>,
    of: PhantomData<K>,
}

/// For calls that send nothing along.
#[expect(clippy::unnecessary_wraps, reason = "others may find something wrong")]
pub(super) fn no_arguments(_: &Block<'_, '_>) -> Option<SecretText> {
    Some(SecretText::literal("{}"))
}

/// For calls that can be made whatever the resource is like.
#[expect(clippy::unnecessary_wraps, reason = "others refuse")]
pub(super) fn always(_: &Value) -> Result<Vec<String>, String> {
    Ok(Vec::new())
}

impl<K: KnownCall> NamedCall<K> {
    /// A command of `gcloud` with the names in it.
    fn command(&self, command: &str, target: &Target) -> String {
        let named = K::SPEC.named_by.iter().zip(&self.names).map(|((key, _), name)| (*key, name));
        let all = named.chain([("project", &target.project), ("region", &target.region)]);
        let filled =
            all.fold(command.to_owned(), |text, (key, value)| text.replace(&format!("{{{key}}}"), &quoted(value)));
        format!("gcloud {filled} --project={}", quoted(&target.project))
    }

    fn way_back() -> Reversibility {
        match K::SPEC.undo {
            KnownUndo::Method(..) | KnownUndo::NotNeeded(None) => Reversibility::Reversible,
            KnownUndo::NotNeeded(Some(why)) => Reversibility::Restarts { why: why.to_owned() },
            KnownUndo::Impossible(why) => Reversibility::Irreversible { why: why.to_owned() },
        }
    }
}

impl<K: KnownCall> Declared for NamedCall<K> {
    const FORMAT: ActionFormat = K::SPEC.format;

    fn read(with: &Block<'_, '_>) -> Option<NamedCall<K>> {
        let spec = K::SPEC;
        let arguments = (spec.arguments)(with);
        let names: Vec<Option<String>> = spec.named_by.iter().map(|(key, _)| with.text(key)).collect();
        let names: Vec<String> = names.into_iter().collect::<Option<_>>()?;
        for ((key, _), name) in spec.named_by.iter().zip(&names) {
            if name.contains('/') {
                let message = format!("`{key}` is a short name, in the target's project and region");
                with.note_value(key, UNKNOWN_RESOURCE, &message, "call the method of another one with gcp.call");
                return None;
            }
        }
        let noted = |error: catalog::FindError| {
            let key = spec.named_by.first().map_or("", |(key, _)| *key);
            with.note_value(key, UNKNOWN_RESOURCE, &error.to_string(), &error.help());
        };
        let resource = CataloguedName::parse(format!("{}/{}", spec.resource_type, names.join("/")));
        let resource = resource.map_err(noted).ok()?;
        let call = match spec.sends {
            Sends::Method(method) => MethodCall::of(method, arguments?),
            Sends::Within(collection) => MethodCall::within(collection, arguments?),
        };
        let undo = match spec.undo {
            KnownUndo::Method(method, _) => Undo::Call(MethodCall::of(method, SecretText::literal("{}"))),
            KnownUndo::NotNeeded(_) => Undo::NotNeeded,
            KnownUndo::Impossible(_) => Undo::Nothing,
        };
        let evidence = match spec.told_by {
            ToldBy::Field(field, value) => Evidence::Condition(format!("resource.{field} == '{value}'")),
            ToldBy::Condition(condition) => Evidence::Condition(condition.to_owned()),
            ToldBy::Entry(log) => Evidence::Entry(log),
        };
        let permissions = Some(spec.permissions);
        Some(NamedCall { call: GcpCall { resource, call, undo, evidence, permissions }, names, of: PhantomData })
    }
}

impl<K: KnownCall> StepAction for NamedCall<K> {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        self.call.observed_resources(target)
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        self.call.desired_state(target)
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let (resource, id) = catalogued::planned(&self.call.resource, forecast)?;
        let live = catalog::json_of(resource.resource_type, forecast.state(&id)?);
        let Some(mut task) = self.call.draft(step, forecast)? else { return Ok(vec![step.whole()]) };
        let known = (K::SPEC.judge)(&live);
        let known = known.map_err(|why| Obstacle::impossible(format!("{}: {why}", self.names.join("/"))))?;
        task.warnings.extend(known);
        task.reversibility = Self::way_back();
        if let (ToldBy::Field(field, value), Some(change)) = (K::SPEC.told_by, &task.change) {
            let left = Value::Object(std::iter::once((field.to_owned(), Value::from(value))).collect());
            forecast.leaves(&change.resource, &id, &left);
        }
        let target = forecast.target();
        task.by_hand = Some(HandCommands {
            apply: self.command(K::SPEC.gcloud, target),
            undo: match K::SPEC.undo {
                KnownUndo::Method(_, gcloud) => Some(self.command(gcloud, target)),
                KnownUndo::NotNeeded(_) | KnownUndo::Impossible(_) => None,
            },
        });
        Ok(vec![task])
    }

    fn rollback(&self) -> Rollback {
        match K::SPEC.undo {
            KnownUndo::Method(..) | KnownUndo::NotNeeded(_) => Rollback::Possible,
            KnownUndo::Impossible(why) => Rollback::Impossible(why),
        }
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        Some(CatalogRequest::Call(&self.call))
    }

    fn names(&self) -> Vec<Name<'_>> {
        let shaped = K::SPEC.named_by.iter().zip(&self.names);
        shaped.filter_map(|((key, shape), name)| Some(Name::value(key, name, (*shape)?))).collect()
    }
}
