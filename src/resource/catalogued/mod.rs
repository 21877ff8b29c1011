//! Any resource that the catalog describes: `gcp.resource`.
//!
//! One kind for all types of Google Cloud. What it has to know of a type (its URL, its fields, how it is written to, what its
//! operations look like) the [catalog] says; the name of such a [`ResourceId`] is the full resource name, without its
//! slashes: `redis.googleapis.com/projects/P/locations/L/instances/I`. Its state is the resource's JSON in the form of
//! [`catalog::state_of`]: elements of lists by their keys, and digests in the place of secrets. The secrets themselves are with
//! [`SealedValues`] only.
//!
//! A write is worked out from what was read last, is conditional on the token that was read then where the type has one, and sets
//! exactly the fields of the change; what a mask cannot name (an element of a list) is put into what was read and written with it.

mod call_log;
mod commands;
mod existence;
mod listing;
mod operation;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::{Map, Value};

pub use self::call_log::{CallEntry, CallLog};
pub use self::existence::Existence;
pub use self::listing::{CollectionName, Listing, ListingState};
pub use self::operation::Stand;
use self::sealed::Secrets;
pub use self::sealed::{CallOutcome, MadeCall, RecordedCall, SealError, SealedValues};
use super::api_error::ApiError;
use super::cloud::Cloud;
use super::error::{ReadError, WriteError};
use super::follow_up::FollowUp;
use super::gcloud::GcloudCommands;
use super::permission::Permission;
use super::rest::{GoogleUrl, Request};
use super::spec::{ApiObject, Metrics, Product};
use super::{Kind, Observable, OperationProgress, Seen, Validity, Writer};
use crate::catalog::{self, Assignments, Catalog, FindError, Resource, ResourceType, Scope, Verb, WriteRequest};
use crate::gate::Facts;
use crate::run::{CATALOGUED, Change, NameOwner, NameShape, ResourceId, Reversibility, Target};

/// How resources are named of which somebody says what they are in other words, such as `sql-instance`: those of the catalog that
/// are called so.
pub fn names_for(word: &str) -> Vec<String> {
    let types = Catalog::open().map(|catalog| catalog.types_called(word)).unwrap_or_default();
    types.into_iter().map(catalog::short_name).collect()
}

/// `gcp.resource`.
pub struct Catalogued {
    cloud: Arc<Cloud>,
    sealed: Arc<SealedValues>,
    /// What was read last of each: a write is worked out from what was compared.
    read: Mutex<BTreeMap<ResourceId, Value>>,
}

impl Catalogued {
    /// The resources of this cloud, of which only what has no secrets in it can be written.
    pub fn on(cloud: &Arc<Cloud>) -> Catalogued {
        Catalogued::with(cloud, Arc::default())
    }

    /// The same, with secrets to be written.
    pub fn with(cloud: &Arc<Cloud>, sealed: Arc<SealedValues>) -> Catalogued {
        Catalogued { cloud: Arc::clone(cloud), sealed, read: Mutex::default() }
    }

    /// Reads a resource: what it is, and its JSON.
    async fn read(&self, id: &ResourceId) -> Result<(Resource, Value), ReadError> {
        let resource = known(id)?;
        let live = async {
            let request = Request::catalogued(GoogleUrl::parse(&resource.url())?, Method::GET, None);
            let live: Value = self.cloud.rest.read(request).await?;
            about(&resource, &live)?;
            Ok(live)
        };
        let live = live.await.map_err(|error: ApiError| ReadError::of(id, &error))?;
        self.remembered().insert(id.clone(), live.clone());
        Ok((resource, live))
    }

    /// The state of a resource.
    async fn state(&self, id: &ResourceId) -> Result<Value, ReadError> {
        let (resource, live) = self.read(id).await?;
        Ok(catalog::state_of(resource.resource_type, &live))
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, BTreeMap<ResourceId, Value>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The values that bring a resource to this end of a change, secrets among them.
    fn wanted(&self, id: &ResourceId, resource: &Resource, live: &Value, to: &Value) -> Result<Assignments, String> {
        let reveal = |digest: &str| self.sealed.reveal(id, digest);
        catalog::assignments_to(resource.resource_type, live, to, &reveal).map_err(|error| error.to_string())
    }

    /// The request that sets these values; `None` if nothing is to be sent.
    fn request(resource: &Resource, live: &Value, wanted: &Assignments) -> Result<Option<WriteRequest>, String> {
        let mut requests = catalog::writes(resource, live, wanted).map_err(|error| error.to_string())?.into_iter();
        match (requests.next(), requests.len()) {
            (request, 0) => Ok(request),
            (_, more) => Err(format!(
                "this takes {} requests, and a change is one; set its fields in steps of their own",
                more + 1
            )),
        }
    }

    /// Sends a request that the catalog made, once; how far it got. `of` is whose change it is: the resource, or a call on it.
    async fn send(&self, writer: &Writer, of: &ResourceId, outgoing: Outgoing) -> Result<Stand, WriteError> {
        let Outgoing { request, overwritten, log } = outgoing;
        let expected = request.answer();
        let request = sent(request).map_err(|error| WriteError::of(of, &error))?;
        self.sealed.sends(of, overwritten).map_err(|error| {
            let why = format!("what it is now, and that it is sent, cannot be kept: {error}");
            WriteError::Refused { resource: of.clone(), why }
        })?;
        let stand = match writer.send_catalogued(of, request).await {
            Ok(answer) => match log.and_then(|log| log.begun(&answer)) {
                Some(entry) => Ok(entry),
                None => {
                    operation::begun(expected, &answer).map_err(|why| WriteError::InDoubt { resource: of.clone(), why })
                }
            },
            // An API may repeat in its words what it was sent.
            Err(error) => Err(self.sealed.cleaned(of, error)),
        };
        match &stand {
            // What is not known to have ended stays noted.
            Ok(Stand::Running { operation }) => self.sealed.began(of, operation),
            Err(WriteError::InDoubt { .. }) => {}
            Ok(Stand::Done | Stand::Failed { .. }) | Err(_) => self.sealed.ended(of),
        }
        stand.map(|stand| self.stand_without_secrets(of, stand))
    }

    fn stand_without_secrets(&self, id: &ResourceId, stand: Stand) -> Stand {
        match stand {
            Stand::Failed { why, certainty } => Stand::Failed { why: self.sealed.without_secrets(id, &why), certainty },
            Stand::Running { operation } => Stand::Running { operation },
            Stand::Done => Stand::Done,
        }
    }

    /// The operation of this run's that still changes a resource, if there is one.
    async fn own_operation(&self, id: &ResourceId) -> Result<Option<String>, ReadError> {
        let Some(Some(operation)) = self.sealed.under_way(id) else { return Ok(None) };
        match self.stand(id, &operation).await {
            Ok(Stand::Running { operation }) => Ok(Some(operation)),
            Ok(Stand::Done | Stand::Failed { .. }) | Err(ReadError::OperationNotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How the operation of a change stands: of a resource's, or of a call on it.
    ///
    /// # Errors
    /// The API does not know it, or cannot be asked.
    pub async fn stand(&self, of: &ResourceId, operation: &str) -> Result<Stand, ReadError> {
        let malformed = || {
            let why = format!("{operation:?} is no operation on it");
            ReadError::Malformed { resource: of.clone(), why }
        };
        let (dialect, url) = operation::place(&known(of)?, operation).ok_or_else(malformed)?;
        let url = GoogleUrl::parse(&url).map_err(|error| ReadError::of(of, &error))?;
        let answer = self.cloud.rest.read::<Value>(Request::catalogued(url, Method::GET, None)).await;
        let stand = match answer.map_err(|error| ReadError::of_operation(of, operation, &error)) {
            Ok(answer) => Ok(self.stand_without_secrets(of, operation::stand(dialect, &answer, operation))),
            Err(error) => Err(error),
        };
        if matches!(&stand, Ok(Stand::Done | Stand::Failed { .. }) | Err(ReadError::OperationNotFound { .. })) {
            self.sealed.ended(of);
        }
        stand
    }
}

/// A request that is about to be sent.
struct Outgoing {
    request: WriteRequest,
    /// The secrets that undoing needs.
    overwritten: Secrets,
    /// The list in which it leaves an entry.
    log: Option<CallLog>,
}

impl Outgoing {
    fn of(request: WriteRequest) -> Outgoing {
        Outgoing { request, overwritten: Secrets::new(), log: None }
    }
}

impl Stand {
    /// The same for the engine, with the state of the resource when it has ended: what a write or an operation answers with may be stale
    /// or empty, so that is read.
    async fn progress<S>(
        self,
        state: impl Future<Output = Result<S, ReadError>>,
    ) -> Result<OperationProgress<S>, ReadError> {
        Ok(match self {
            Stand::Running { operation } => OperationProgress::Running { operation },
            Stand::Failed { why, certainty } => OperationProgress::Failed { why, certainty },
            Stand::Done => OperationProgress::Done(state.await?),
        })
    }
}

/// What calls of methods need, which are no changes of a state.
impl Catalogued {
    /// The resource's JSON as it may be shown: with digests in the place of secrets.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn shown(&self, id: &ResourceId) -> Result<Value, ReadError> {
        let (resource, live) = self.read(id).await?;
        Ok(catalog::conceal(resource.resource_type, None, &live))
    }

    /// Calls a method of the resource that a call is on, once; how far that got. `log` is the list in which the call leaves an entry.
    ///
    /// # Errors
    /// It was refused, or it is not known what became of it.
    pub async fn call(
        &self,
        writer: &Writer,
        of: &ResourceId,
        request: WriteRequest,
        log: Option<CallLog>,
    ) -> Result<Stand, WriteError> {
        let before = match log {
            Some(log) => {
                let entries = self.entries(of, log).await.map_err(WriteError::not_sent)?;
                entries.into_iter().map(|entry| entry.name).collect()
            }
            None => BTreeSet::new(),
        };
        let known = self.sealed.call(of);
        self.sealed.calls(of, before);
        let stand = self.send(writer, of, Outgoing { log, ..Outgoing::of(request) }).await;
        if matches!(&stand, Err(error) if !matches!(error, WriteError::InDoubt { .. })) {
            self.sealed.not_called(of, known);
        }
        stand
    }

    /// The entries of a list that a call on a resource leaves one in.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn entries(&self, of: &ResourceId, log: CallLog) -> Result<Vec<CallEntry>, ReadError> {
        let refused = |error: ApiError| ReadError::of(of, &error);
        let list = log.list(&known(of)?).map_err(refused)?;
        let found: Vec<Value> = self.cloud.rest.list(list.request, list.items, list.enough).await.map_err(refused)?;
        Ok(found.iter().filter_map(|item| log.entry(item)).collect())
    }

    /// How far the entry of this name got.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub async fn entry(&self, of: &ResourceId, log: CallLog, name: &str) -> Result<Stand, ReadError> {
        let Some(url) = log.url(&known(of)?, name) else { return self.stand(of, name).await };
        let request = GoogleUrl::parse(&url).map(|url| Request::catalogued(url, Method::GET, None));
        let request = request.map_err(|error| ReadError::of(of, &error))?;
        let answer: Result<Value, ApiError> = self.cloud.rest.read(request).await;
        let answer = answer.map_err(|error| ReadError::of_operation(of, name, &error))?;
        let malformed = || ReadError::Malformed { resource: of.clone(), why: format!("it is not about {name}") };
        let entry = log.entry(&answer).filter(|entry| entry.name == name).ok_or_else(malformed)?;
        Ok(self.stand_without_secrets(of, entry.stand))
    }

    /// What this run noted of its calls.
    pub fn noted(&self) -> &SealedValues {
        &self.sealed
    }
}

/// A resource as a runbook names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CataloguedName {
    /// The name, as it is written.
    pub text: String,
    /// What it is a name of.
    pub resource_type: ResourceType,
}

impl CataloguedName {
    /// Reads a name: full, or short in the project and region of a target that need not be known yet.
    ///
    /// # Errors
    /// It means nothing that the catalog has.
    pub fn parse(text: String) -> Result<CataloguedName, FindError> {
        let anywhere = Scope { project: "-", region: Some("-"), zone: None };
        let resource_type = Catalog::open()?.find(&text, &anywhere)?.resource_type;
        Ok(CataloguedName { text, resource_type })
    }

    /// The resource in a target's project and region.
    ///
    /// # Errors
    /// The name needs more than the target says, such as a zone.
    pub fn find(&self, target: &Target) -> Result<Resource, FindError> {
        let scope = Scope { project: &target.project, region: Some(&target.region), zone: None };
        Catalog::open()?.find(&self.text, &scope)
    }

    /// Its id in a target's project and region.
    pub fn id(&self, target: &Target) -> Option<ResourceId> {
        self.find(target).ok().map(|resource| id_of(&resource, target))
    }
}

/// The id of a resource that the catalog found.
pub fn id_of(resource: &Resource, target: &Target) -> ResourceId {
    // A full name means the preferred version of an API; another one is in a URL only.
    let name = if resource.resource_type.is_preferred() { resource.full_name() } else { resource.url() };
    ResourceId {
        kind: Catalogued::NAME.to_owned(),
        project: resource.project().unwrap_or(&target.project).to_owned(),
        // What has no location is filed under the target's region, as the typed kinds do.
        region: resource.location().unwrap_or(&target.region).to_owned(),
        name: name.trim_start_matches("https:").trim_start_matches('/').to_owned(),
    }
}

/// The resource that an id names.
///
/// # Errors
/// Why the catalog has none, in words.
pub fn resource_of(id: &ResourceId) -> Result<Resource, String> {
    let scope = Scope { project: &id.project, region: None, zone: None };
    let catalog = Catalog::open().map_err(|error| error.to_string())?;
    catalog.find(id.full_name().unwrap_or(&id.name), &scope).map_err(|error| error.to_string())
}

/// The same for whoever reads.
fn known(id: &ResourceId) -> Result<Resource, ReadError> {
    resource_of(id).map_err(|why| ReadError::Malformed { resource: id.clone(), why })
}

/// How a change is sent, in a line: `PATCH, updateMask=memorySizeGb`. `None` if that cannot be told without the resource.
pub fn sent_as(change: &Change) -> Option<String> {
    let (resource, request) = request_alone(change).ok()?;
    let request = request?;
    let verb = request.method.verb.as_str();
    let mask = request.query.iter().find(|(name, _)| *name == "updateMask");
    Some(match (mask, resource.resource_type.update()) {
        (Some((name, mask)), _) => format!("{verb}, {name}={mask}"),
        // A method of its own sets the field.
        (None, update) if update.is_none_or(|(method, _)| method.name != request.method.name) => {
            format!("{verb}, by the method {}", request.method.name)
        }
        (None, Some((_, dialect))) if dialect.is_whole() => {
            format!("{verb} of the whole resource, with everything else as it is read right before")
        }
        (None, Some(_)) => format!("{verb} of these fields"),
        (None, None) => verb.to_owned(),
    })
}

/// The HTTP method of the request that makes a change of a catalogued resource, or of whether one exists. `None` if that cannot be told
/// without the resource.
pub fn verb_of(change: &Change) -> Option<&'static str> {
    if change.resource.kind != Existence::NAME {
        return Some(request_alone(change).ok()?.1?.method.verb.as_str());
    }
    let resource_type = resource_of(&change.resource).ok()?.resource_type;
    let is_made = change.to.get("exists").and_then(Value::as_bool) == Some(true);
    let method = if is_made { resource_type.create() } else { resource_type.method("delete") };
    Some(method?.verb.as_str())
}

/// The resource of a change and, if it takes one, the request that makes it, as far as the change alone tells: digests stand for secrets.
fn request_alone(change: &Change) -> Result<(Resource, Option<WriteRequest>), String> {
    let resource = resource_of(&change.resource)?;
    let of = resource.resource_type;
    let itself = |digest: &str| Some(Value::from(digest));
    let nothing = Value::Object(Map::new());
    let to =
        |live: &Value, end: &Value| catalog::assignments_to(of, live, end, &itself).map_err(|error| error.to_string());
    let before = to(&nothing, &change.from)?.apply(&nothing).map_err(|error| error.to_string())?;
    let requests = catalog::writes(&resource, &before, &to(&before, &change.to)?).map_err(|error| error.to_string())?;
    let [request] = &requests[..] else { return Ok((resource, None)) };
    let request = request.clone();
    Ok((resource, Some(request)))
}

/// Those secrets of a resource that it does not have any more once it is so.
fn overwritten(secrets: Secrets, of: ResourceType, after: &Value) -> Secrets {
    let stays = catalog::concealed(of, None, after).1;
    secrets.into_iter().filter(|(digest, _)| !stays.iter().any(|(other, _)| other == digest)).collect()
}

/// Whether an answer is about what was asked for. Some names are aliases (`versions/latest`), and a write to one would be a write to
/// something else tomorrow.
fn about(resource: &Resource, live: &Value) -> Result<(), ApiError> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    match live.get("name").and_then(Value::as_str) {
        Some(named) if !named.is_empty() && last(named) != last(&resource.name()) => {
            Err(ApiError::Malformed(format!("it is about {named:?}, not about {:?}; name that one", resource.name())))
        }
        _ => Ok(()),
    }
}

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}

fn sent(request: WriteRequest) -> Result<Request, ApiError> {
    let WriteRequest { method: of, url, query, body, .. } = request;
    let made = Request::catalogued(GoogleUrl::parse(&url)?, method(of.verb), body);
    Ok(query.into_iter().fold(made, |made, (name, value)| made.with(name, value)))
}

impl Observable for Catalogued {
    type State = Value;

    const NAME: &'static str = CATALOGUED;
    /// Which there are depends on the type; the catalog says it.
    const FACTS: Facts = &[];
    const NAME_SHAPE: NameShape = NameShape {
        what: "a resource of Google Cloud",
        min_length: 1,
        max_length: 2_000,
        owner: NameOwner::Google,
        description: "its full resource name",
    };
    const PART_OF: ApiObject = ApiObject::Itself;
    /// Not known: Discovery does not say them.
    const READ_PERMISSIONS: &'static [Permission] = &[];
    const PRODUCT: Option<Product> = None;
    const METRICS: Option<Metrics> = None;

    async fn observe(&self, id: &ResourceId) -> Result<Seen<Value>, ReadError> {
        // A token is compared where the write is worked out: much moves one that no change rests on.
        let (state, operation) = (self.state(id).await?, self.own_operation(id).await?);
        Ok(Seen { state, etag: None, operation, trouble: None })
    }
}

impl Kind for Catalogued {
    type Owned = Value;

    /// Not known: Discovery does not say them.
    const WRITE_PERMISSIONS: &'static [Permission] = &[];
    const SHELL_FUNCTIONS: &'static str = commands::FUNCTIONS;

    /// Durations are not published; an hour is what the slowest typed kind gets.
    const OPERATION_TIMEOUT: Duration = Duration::from_hours(1);

    /// What is known of a field's way back depends on its type: the action says it.
    fn allowed(_: &Value, _: &Value) -> Result<Reversibility, String> {
        Ok(Reversibility::Reversible)
    }

    fn gcloud(change: &Change) -> Result<GcloudCommands, String> {
        commands::commands(change)
    }

    fn follow_up(_: &ResourceId, _: &Value, _: &Value) -> Option<FollowUp> {
        None
    }

    async fn validate(&self, id: &ResourceId, _: Option<&str>, to: &Value) -> Result<Validity, ReadError> {
        let takes = known(id)?.resource_type.update().is_some_and(|(method, _)| method.takes("validateOnly"));
        if !takes {
            return Ok(Validity::NotAsked);
        }
        let (resource, live) = self.read(id).await?;
        self.sealed.learn(id, catalog::concealed(resource.resource_type, None, &live).1);
        // What cannot be made into a request without secrets cannot be asked about.
        let wanted = self.wanted(id, &resource, &live, to);
        let request = wanted.and_then(|wanted| Self::request(&resource, &live, &wanted));
        let Ok(Some(request)) = request else { return Ok(Validity::Withheld) };
        if !request.method.takes("validateOnly") {
            return Ok(Validity::NotAsked);
        }
        let asked = sent(request).map(|request| request.with("validateOnly", "true"));
        let asked = asked.map_err(|error| ReadError::of(id, &error))?;
        Validity::of(id, self.cloud.rest.read::<Value>(asked).await.map(drop))
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<Value>,
        to: &Value,
    ) -> Result<OperationProgress<Value>, WriteError> {
        let refused = |why: String| WriteError::Refused { resource: id.clone(), why };
        let resource = resource_of(id).map_err(refused)?;
        let live = self.remembered().get(id).cloned();
        let live = live.ok_or_else(|| refused("it was not read before it was to be written".to_owned()))?;
        let secrets = catalog::concealed(resource.resource_type, None, &live).1;
        self.sealed.learn(id, secrets.clone());
        let wanted = self.wanted(id, &resource, &live, to).map_err(refused)?;
        let Some(request) = Self::request(&resource, &live, &wanted).map_err(refused)? else {
            return Ok(OperationProgress::Done(seen.state.clone()));
        };
        let after = wanted.apply(&live).map_err(|error| refused(error.to_string()))?;
        let overwritten = overwritten(secrets, resource.resource_type, &after);
        let stand = self.send(writer, id, Outgoing { overwritten, ..Outgoing::of(request) }).await?;
        let progress = stand.progress(self.state(id)).await;
        progress.map_err(|error| WriteError::InDoubt { resource: id.clone(), why: error.to_string() })
    }

    async fn poll(&self, id: &ResourceId, operation: &str, _: Duration) -> Result<OperationProgress<Value>, ReadError> {
        self.stand(id, operation).await?.progress(self.state(id)).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cache() -> Resource {
        let scope = Scope { project: "p", region: Some("r"), zone: None };
        Catalog::open().unwrap().find("redis.instances/cache", &scope).unwrap()
    }

    #[test]
    fn an_id_names_the_resource_that_it_was_made_of() {
        let target = Target { project: "p".to_owned(), region: "r".to_owned(), protected: false };
        let id = id_of(&cache(), &target);
        assert_eq!(id.to_string(), "redis.googleapis.com/projects/p/locations/r/instances/cache");
        assert_eq!(String::from(id.clone()), format!("gcp.resource/p/r/{id}"));
        assert_eq!(resource_of(&id).unwrap().full_name(), cache().full_name());
        assert_eq!(String::from(id.clone()).parse::<ResourceId>().unwrap(), id);
    }

    #[test]
    fn an_id_keeps_the_version_that_was_asked_for() {
        let scope = Scope { project: "p", region: Some("r"), zone: None };
        let target = Target { project: "p".to_owned(), region: "r".to_owned(), protected: false };
        let old = Catalog::open().unwrap().find("cloudfunctions:v1.functions/f", &scope).unwrap();
        let id = id_of(&old, &target);
        assert_eq!(resource_of(&id).unwrap().resource_type, old.resource_type, "{id}");
        let new = Catalog::open().unwrap().find("cloudfunctions.functions/f", &scope).unwrap();
        assert_ne!(resource_of(&id_of(&new, &target)).unwrap().resource_type, old.resource_type);
        assert_eq!(id.subject(), id_of(&new, &target).subject(), "it is the same function");
    }

    #[test]
    fn an_alias_is_not_the_resource() {
        assert!(about(&cache(), &json!({ "name": "projects/7/locations/r/instances/cache" })).is_ok());
        assert!(about(&cache(), &json!({})).is_ok());
        assert!(about(&cache(), &json!({ "name": "projects/p/locations/r/instances/other" })).is_err());
    }
}
