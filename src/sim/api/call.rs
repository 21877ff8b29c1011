//! A request to an API, as its handlers get it: what its path names, what its query says, who sent it, its body, and the world.
//!
//! What every handler would do in the same lines is done here: parameters that the method does not have are refused, and so are
//! a project and a location that this world does not have, before anything is read or changed.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts as _, RawPathParams, Request};
use axum::http::{Method, Uri};
use axum::response::IntoResponse as _;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Caller, Failure, Parameters, Shared, host_of, object};
use crate::sim::world::World;
use crate::sim::world::refusal::{Code, Refusal};

/// A request.
pub(in crate::sim) struct Call {
    shared: Arc<Shared>,
    named: BTreeMap<String, String>,
    method: Method,
    uri: Uri,
    host: String,
    caller: String,
    body: Result<Bytes, BytesRejection>,
}

/// The world, locked, and what the query says.
pub(in crate::sim) type Reading<'c> = (MutexGuard<'c, World>, Parameters);

impl FromRequest<Arc<Shared>> for Call {
    type Rejection = axum::response::Response;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let named = RawPathParams::from_request_parts(&mut parts, shared).await.map_err(|_| {
            Failure::from(Refusal::new(Code::InvalidArgument, "The request could not be understood")).into_response()
        })?;
        let named = named.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let method = parts.method.clone();
        let (uri, host) = (parts.uri.clone(), host_of(&parts.uri, &parts.headers));
        let caller = parts.extensions.get::<Caller>().map(|Caller(caller)| caller.clone()).unwrap_or_default();
        let body = Bytes::from_request(Request::from_parts(parts, body), shared).await;
        Ok(Self { shared: Arc::clone(shared), named, method, uri, host, caller, body })
    }
}

impl Call {
    /// What the path has in the place of `{name}`.
    pub(in crate::sim) fn named(&self, name: &str) -> &str {
        self.named.get(name).map_or("", String::as_str)
    }

    /// Its method.
    pub(in crate::sim) fn method(&self) -> &Method {
        &self.method
    }

    /// Its path, as it was sent.
    pub(in crate::sim) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Who sent it.
    pub(in crate::sim) fn caller(&self) -> &str {
        &self.caller
    }

    /// The world, brought to the present.
    pub(in crate::sim) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// What the query says.
    pub(in crate::sim) fn parameters(&self, known: &[&str]) -> Result<Parameters, Failure> {
        Parameters::read(&self.uri, known)
    }

    /// Takes the body, which must be an object.
    pub(in crate::sim) fn body(&mut self) -> Result<Map<String, Value>, Failure> {
        object(std::mem::replace(&mut self.body, Ok(Bytes::new())))
    }

    /// Takes the body, which must be a form: parameters as a query string has them.
    pub(in crate::sim) fn form(&mut self, known: &[&str]) -> Result<Parameters, Failure> {
        let unreadable = || Refusal::new(Code::InvalidArgument, "The form cannot be read");
        let body = std::mem::replace(&mut self.body, Ok(Bytes::new())).map_err(|_| unreadable())?;
        let text = std::str::from_utf8(&body).map_err(|_| unreadable())?;
        Parameters::read(&format!("/?{text}").parse::<Uri>().map_err(|_| unreadable())?, known)
    }

    /// Reads the world: a request with these parameters, about this world's project and location.
    pub(in crate::sim) fn read(&self, known: &[&str]) -> Result<Reading<'_>, Failure> {
        let parameters = Parameters::read(&self.uri, known)?;
        let world = self.shared.world();
        self.check(&world)?;
        Ok((world, parameters))
    }

    /// The same of whatever place the path names, for methods that have places of their own.
    pub(in crate::sim) fn read_anywhere(&self, known: &[&str]) -> Result<Reading<'_>, Failure> {
        let parameters = Parameters::read(&self.uri, known)?;
        Ok((self.shared.world(), parameters))
    }

    /// Changes the world, of which the body says how.
    pub(in crate::sim) fn change<T>(
        mut self,
        known: &[&str],
        make: impl FnOnce(&mut World, &Map<String, Value>, &Changing<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Failure> {
        let parameters = Parameters::read(&self.uri, known)?;
        let body = self.body()?;
        let changed = self.shared.change(|world| {
            self.check(world)?;
            make(world, &body, &Changing { call: &self, parameters: &parameters })
        });
        changed.map_err(Failure::from)
    }

    /// Waits until then, in the cloud's time.
    pub(in crate::sim) async fn wait_until(&self, until: Timestamp) {
        self.shared.clock.sleep_until(until).await;
    }

    /// The refusal of a method that there is not.
    pub(in crate::sim) fn nothing_here(&self) -> Refusal {
        Refusal::new(Code::NotFound, format!("There is nothing to post to at {}", self.uri.path()))
    }

    fn check(&self, world: &World) -> Result<(), Refusal> {
        match (self.named.get("project"), self.named.get("location"), self.named.get("namespace")) {
            (Some(project), Some(location), _) => world.check_location(project, location),
            (Some(project), None, _) => world.check_project(project),
            // Cloud Run v1 has the region in its host.
            (None, _, Some(namespace)) => {
                let region = self.host.split_once("-run.").map_or(world.region(), |(region, _)| region);
                world.check_location(namespace, region)
            }
            (None, _, None) => Ok(()),
        }
    }
}

/// What a change knows of the request that asks for it.
pub(in crate::sim) struct Changing<'c> {
    call: &'c Call,
    pub(in crate::sim) parameters: &'c Parameters,
}

impl Changing<'_> {
    /// What the path has in the place of `{name}`.
    pub(in crate::sim) fn named(&self, name: &str) -> &str {
        self.call.named(name)
    }

    /// Who asks.
    pub(in crate::sim) fn caller(&self) -> &str {
        &self.call.caller
    }

    /// A truth value of the query; absent is false.
    pub(in crate::sim) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        self.parameters.flag(name).map_err(Failure::into_refusal)
    }
}
