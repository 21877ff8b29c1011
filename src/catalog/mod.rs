//! Every resource of Google Cloud, as Google's own Discovery documents describe it: names, URLs, fields, methods, and how each type
//! is written to. docs/catalog.md says where it is from and what it does not know.
//!
//! It is embedded compressed, and read an API at a time when somebody asks for it; a runbook that does not, does not pay for it.
//! Nothing here talks to a network.
//!
//! ```
//! use rectify::catalog::{Catalog, Scope};
//!
//! let catalog = Catalog::open().unwrap();
//! let scope = Scope { project: "p", region: Some("us-central1"), zone: None };
//! let cache = catalog.find("redis.instances/cache", &scope).unwrap();
//! assert_eq!(cache.full_name(), "//redis.googleapis.com/projects/p/locations/us-central1/instances/cache");
//! assert_eq!(cache.url(), "https://redis.googleapis.com/v1/projects/p/locations/us-central1/instances/cache");
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `archive` | the embedded file: an index, and a stream an API |
//! | `api` | one API: types, methods |
//! | `resource_type` | a type, a resource of it, and their URLs |
//! | `name` | patterns of names, and what matches them |
//! | `find` | from what a runbook says to a resource |
//! | `schema` | messages, fields, types |
//! | `selector` | paths to fields, with elements of lists by their keys |
//! | `walk` | from a path to the facts of a field |
//! | `dialect` | how a type is written to, what its operations look like |
//! | `rule` | what the documents do not say |
//! | `route` | from a request to the method that it calls |
//! | `sensitive` | whose values are never shown |
//! | `change` | the values that a step sets, and what they make of a resource |
//! | `state` | a resource as plans and journals have it, and what a step changes in it |
//! | `write` | the requests that bring a change about |
//! | `validate` | what is wrong with what a step sets, offline |
//! | `describe` | types for people and programs: what `rectify resources` prints |
//! | `example` | made resources, for examples and tests |

mod api;
mod archive;
mod change;
mod describe;
mod dialect;
mod example;
mod find;
mod name;
mod permission;
mod resource_type;
mod route;
mod rule;
mod schema;
mod selector;
mod sensitive;
mod state;
mod validate;
mod walk;
mod write;

use std::sync::OnceLock;

pub use self::api::{Api, Body, Method, Parameter, ParameterType, Verb};
pub use self::archive::Damaged;
pub use self::change::{ApplyError, Assignment, Assignments};
pub use self::describe::{describe, describe_json, list, list_json};
pub use self::dialect::{Answer, OperationDialect, Token, UpdateDialect};
pub use self::example::{example_resource, example_value};
pub use self::find::{FindError, short_name};
pub(crate) use self::name::segment;
pub use self::name::{Pattern, Scope};
pub use self::permission::api_of_permission;
pub use self::resource_type::{MissingArgument, Resource, ResourceType};
pub use self::route::{Asks, Route};
pub use self::rule::{Exception, MethodArgument, Rule};
pub use self::schema::{EnumValues, Field, FieldBehavior, FieldType, Schema, SchemaId};
pub use self::selector::{Selector, SelectorError, Step};
pub use self::sensitive::{
    Sensitivity, argument_literals, conceal, conceal_arguments, concealed, digest, is_digest, literals,
};
pub use self::state::{Ends, StateError, assignments_to, ends, json_of, judged, state_of};
pub use self::validate::{Problem, ProblemKind, validate, validate_arguments, validate_new};
pub use self::walk::{FieldFacts, WalkError, walk};
pub use self::write::{WriteError, WriteRequest, mask_of, writes};

use self::archive::Archive;

/// The file that `catalog/generate.py` writes.
static FILE: &[u8] = include_bytes!("../../catalog/google.catalog");

/// Everything that is known of Google Cloud's resources.
pub struct Catalog {
    archive: Archive,
    /// One a stream of the archive, read when it is asked for.
    apis: Vec<OnceLock<Result<Api, Damaged>>>,
}

impl Catalog {
    /// The catalog that this program carries. The first call reads its index.
    ///
    /// # Errors
    /// The program was damaged.
    pub fn open() -> Result<&'static Catalog, Damaged> {
        static CATALOG: OnceLock<Result<&'static Catalog, Damaged>> = OnceLock::new();
        *CATALOG.get_or_init(Catalog::anew)
    }

    /// A catalog of its own, of which only the index has been read: for measuring what reading costs. It is never freed.
    ///
    /// # Errors
    /// The program was damaged.
    pub fn anew() -> Result<&'static Catalog, Damaged> {
        let archive = Archive::read(FILE)?;
        let apis = archive.streams.iter().map(|_| OnceLock::new()).collect();
        Ok(Box::leak(Box::new(Catalog { archive, apis })))
    }

    /// The package that the documents are from, with its version.
    pub fn source(&'static self) -> &'static str {
        self.archive.source
    }

    /// The services that are known, sorted, each once: `redis`, `sqladmin`.
    pub fn services(&'static self) -> impl Iterator<Item = &'static str> + Clone {
        let streams = &self.archive.streams;
        let is_new = move |place: usize| place == 0 || streams[place - 1].service != streams[place].service;
        streams.iter().enumerate().filter(move |(place, _)| is_new(*place)).map(|(_, stream)| stream.service)
    }

    /// Every type, an API after the other. Reads the whole catalog.
    ///
    /// # Errors
    /// The program was damaged.
    pub fn types(&'static self) -> Result<Vec<ResourceType>, Damaged> {
        let mut types = Vec::new();
        for place in 0..self.apis.len() {
            types.extend(self.types_at(place)?);
        }
        Ok(types)
    }

    /// The versions of a service, those that a name without a version means first.
    fn places_of(&'static self, service: &str) -> Vec<usize> {
        let streams = &self.archive.streams;
        let mut places: Vec<usize> = (0..streams.len()).filter(|place| streams[*place].service == service).collect();
        places.sort_by_key(|place| !self.is_preferred(*place));
        places
    }

    /// Whether a name without a version means this one: the highest, unless the index says otherwise.
    fn is_preferred(&'static self, place: usize) -> bool {
        let stream = &self.archive.streams[place];
        let note = self.archive.notes.iter().find(|note| note.service == stream.service);
        match note.and_then(|note| note.version) {
            Some(version) => stream.version == version,
            // Streams are sorted by version.
            None => self.archive.streams.get(place + 1).is_none_or(|next| next.service != stream.service),
        }
    }

    fn api_at(&'static self, place: usize) -> Result<&'static Api, Damaged> {
        let (Some(slot), Some(stream)) = (self.apis.get(place), self.archive.streams.get(place)) else {
            return Err(Damaged("its index is shorter than it says"));
        };
        slot.get_or_init(|| Api::read(&self.archive, stream)).as_ref().map_err(|damaged| *damaged)
    }

    fn types_at(&'static self, place: usize) -> Result<impl Iterator<Item = ResourceType>, Damaged> {
        let (api, is_preferred_version) = (self.api_at(place)?, self.is_preferred(place));
        Ok(api.entries.iter().map(move |entry| ResourceType { api, entry, is_preferred_version }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_before_it_is_asked_for() {
        let catalog = Catalog::anew().unwrap();
        let read = || catalog.apis.iter().filter(|api| api.get().is_some()).count();
        assert_eq!(read(), 0);
        let scope = Scope { project: "p", region: Some("r"), zone: None };
        catalog.find("redis.instances/cache", &scope).unwrap();
        assert_eq!(read(), 1);
    }

    #[test]
    fn every_line_of_the_file_is_understood() {
        let catalog = Catalog::open().unwrap();
        for place in 0..catalog.apis.len() {
            let api = catalog.api_at(place).unwrap();
            let lines: usize = api.schemas.iter().map(schema::SchemaText::unreadable_lines).sum();
            assert_eq!((api.unreadable_lines, lines), (0, 0), "{}:{}", api.service, api.version);
        }
    }
}
