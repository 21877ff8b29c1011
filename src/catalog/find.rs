//! From what a runbook says to a resource: full resource names, URLs, and short names in the project and region of `[target]`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::Catalog;
use super::archive::Damaged;
use super::name::{Pattern, Scope};
use super::resource_type::{Resource, ResourceType};
use crate::inert::inert;
use crate::syntax::spelling::{list, nearest};

/// A name that means no resource of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// The catalog cannot be read.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// It is neither a full name nor a short one.
    #[error(
        "`{text}` names no resource; write a full resource name, such as `redis.googleapis.com/projects/P/locations/L/instances/I`, \
         or a short one, such as `redis.instances/I`"
    )]
    NoName {
        /// What was read.
        text: String,
    },
    /// The host or the service is none that is known.
    #[error("the catalog has no API `{service}`")]
    UnknownService {
        /// What was read.
        service: String,
        /// Services that may be meant.
        near: Vec<&'static str>,
    },
    /// The service has no such version.
    #[error("the catalog has no version `{version}` of `{service}`")]
    UnknownVersion {
        /// The service.
        service: &'static str,
        /// What was read.
        version: String,
        /// The versions that there are.
        near: Vec<&'static str>,
    },
    /// The service has no such type.
    #[error("`{service}` has no resources `{collection}`")]
    UnknownType {
        /// The service.
        service: &'static str,
        /// What was read.
        collection: String,
        /// Names of types that may be meant.
        near: Vec<String>,
    },
    /// Several types end so.
    #[error("`{collection}` is the end of several types of `{service}`")]
    Ambiguous {
        /// The service.
        service: &'static str,
        /// What was read.
        collection: String,
        /// All of them.
        types: Vec<String>,
    },
    /// No type of the service has such names.
    #[error("no resource of `{service}` has a name like `{name}`")]
    UnknownPattern {
        /// The service.
        service: &'static str,
        /// What was read.
        name: String,
        /// Patterns that may be meant.
        near: Vec<&'static str>,
    },
    /// A short name has too many or too few parts.
    #[error("`{type_name}` takes {expected} behind it, such as `{type_name}/{example}`; {given} given")]
    WrongIds {
        /// The type.
        type_name: String,
        /// How many.
        expected: String,
        /// What they are.
        example: String,
        /// How many there are.
        given: String,
    },
    /// A short name leaves out what the target does not have.
    #[error("`{type_name}` needs a {missing}, which the target does not say; write `{type_name}/{example}`")]
    NotInScope {
        /// The type.
        type_name: String,
        /// `region` or `zone`.
        missing: &'static str,
        /// The short name with it.
        example: String,
    },
    /// A part of the name cannot stand in one.
    #[error("`{part}` cannot be part of a resource's name")]
    BadPart {
        /// The part.
        part: String,
    },
}

impl FindError {
    /// What may be meant, nearest first.
    pub fn suggestions(&self) -> Vec<String> {
        let owned = |near: &[&'static str]| near.iter().map(|&name| name.to_owned()).collect();
        match self {
            FindError::UnknownService { near, .. }
            | FindError::UnknownVersion { near, .. }
            | FindError::UnknownPattern { near, .. } => owned(near),
            FindError::UnknownType { near: types, .. } | FindError::Ambiguous { types, .. } => types.clone(),
            FindError::Damaged(_)
            | FindError::NoName { .. }
            | FindError::WrongIds { .. }
            | FindError::NotInScope { .. }
            | FindError::BadPart { .. } => Vec::new(),
        }
    }
}

impl FindError {
    /// What to do about it.
    pub fn help(&self) -> String {
        let near = self.suggestions();
        match near.len() {
            0 => "`rectify resources` lists every type; write SERVICE.TYPE/NAME, or the full resource name".to_owned(),
            _ => format!("did you mean {}?", list(near.iter().map(String::as_str), "or")),
        }
    }
}

/// What every host of a catalogued API ends with.
const DOMAIN: &str = ".googleapis.com";

impl Catalog {
    /// The resource that a text means:
    ///
    /// - a full resource name, with or without `//`: `//redis.googleapis.com/projects/P/locations/L/instances/I`;
    /// - a URL of it, such as a `selfLink`;
    /// - a short name in a project and region: `redis.instances/I`. Its type is one of [`Catalog::find_type`]; what stands behind
    ///   it fills the name's variables from the right, so `compute.disks/us-central1-a/D` names the zone too.
    ///
    /// # Errors
    /// What is wrong with it, with what may be meant.
    pub fn find(&'static self, text: &str, scope: &Scope) -> Result<Resource, FindError> {
        let text = text.trim();
        let no_name = || FindError::NoName { text: text.chars().take(200).collect() };
        let rest = text.strip_prefix("https:").unwrap_or(text);
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let Some((head, tail)) = rest.split_once('/') else {
            // A type without a name behind it says which names it takes.
            let known = self.find_type(rest).map_err(|_| no_name())?;
            return find_by_short_name(known, "", scope);
        };
        let resource = if head.ends_with(DOMAIN) {
            self.find_by_full_name(head, tail)?
        } else if rest.len() == text.len() && head.contains('.') {
            find_by_short_name(self.find_type(head)?, tail, scope)?
        } else {
            return Err(no_name());
        };
        let is_bad = |part: &str| {
            part == "."
                || part == ".."
                || part.is_empty()
                || part.contains(['?', '#', '%', '*', '\\'])
                || inert(part) != part
                || part.chars().any(|letter| letter.is_control() || letter.is_whitespace())
        };
        match resource.values.iter().flat_map(|value| value.split('/')).find(|part| is_bad(part)) {
            Some(part) => Err(FindError::BadPart { part: part.to_owned() }),
            None => Ok(resource),
        }
    }

    /// The type that a name means: `redis.instances`, `redis.projects.locations.instances`, `alloydb.clusters.instances`, or with a
    /// version `cloudfunctions:v1.functions`. The end of a collection is enough where no other type of the service ends so.
    ///
    /// # Errors
    /// What is wrong with it, with what may be meant.
    pub fn find_type(&'static self, name: &str) -> Result<ResourceType, FindError> {
        let no_name = || FindError::NoName { text: name.chars().take(200).collect() };
        let (service, collection) = name.split_once('.').ok_or_else(no_name)?;
        let (service, version) = match service.split_once(':') {
            Some((service, version)) => (service, Some(version)),
            None => (service, None),
        };
        let service = self.known_service(service)?;
        let places = self.places_of_version(service, version)?;
        let mut types = Vec::new();
        for place in places {
            types.extend(self.types_at(place)?);
        }
        let exactly = |known: &&ResourceType| known.entry.short == collection || known.entry.collection == collection;
        // A short name wins over a collection that happens to be called so, and the preferred version comes first.
        let by_short = types.iter().find(|known| known.entry.short == collection);
        if let Some(found) = by_short.or_else(|| types.iter().find(exactly)) {
            return Ok(*found);
        }
        let is_end = |known: &&ResourceType| {
            known.entry.short.strip_suffix(collection).is_some_and(|before| before.ends_with('.'))
                && !collection.is_empty()
        };
        let ends: Vec<ResourceType> = types.iter().filter(is_end).copied().collect();
        match ends[..] {
            [only] => Ok(only),
            [] => {
                let shorts = types.iter().map(|known| known.entry.short.as_str());
                let near = nearest(collection, shorts).into_iter().map(|short| format!("{service}.{short}")).collect();
                Err(FindError::UnknownType { service, collection: collection.to_owned(), near })
            }
            _ => {
                let types = ends.iter().map(|known| known.name()).collect();
                Err(FindError::Ambiguous { service, collection: collection.to_owned(), types })
            }
        }
    }

    fn known_service(&'static self, service: &str) -> Result<&'static str, FindError> {
        let unknown = || FindError::UnknownService {
            service: service.chars().take(100).collect(),
            near: nearest(service, self.services()),
        };
        self.service_called(service).ok_or_else(unknown)
    }

    /// The service of this name, or of this other name.
    fn service_called(&'static self, service: &str) -> Option<&'static str> {
        let also = self.archive.notes.iter().find(|note| note.also == Some(service)).map(|note| note.service);
        self.services().find(|known| *known == service).or(also)
    }

    fn places_of_version(&'static self, service: &'static str, version: Option<&str>) -> Result<Vec<usize>, FindError> {
        let mut places = self.places_of(service);
        let Some(version) = version else { return Ok(places) };
        let near = places.iter().map(|place| self.archive.streams[*place].version).collect();
        places.retain(|place| self.archive.streams[*place].version == version);
        if places.is_empty() {
            return Err(FindError::UnknownVersion { service, version: version.to_owned(), near });
        }
        Ok(places)
    }

    /// The service whose API a host serves, and the host's label that says so.
    pub(super) fn service_of_host<'h>(&'static self, host: &'h str, path: &'h str) -> (Option<&'static str>, &'h str) {
        let label = host.trim_end_matches(DOMAIN);
        // URLs of older APIs: www.googleapis.com/compute/v1/projects/…
        let label = if label == "www" { path.split('/').next().unwrap_or_default() } else { label };
        // Hosts of locations: us-central1-aiplatform.googleapis.com, sqladmin.europe-west1.rep.googleapis.com.
        let label = label.split('.').next().unwrap_or_default();
        let of_location = || self.service_called(label.rsplit_once('-')?.1);
        (self.service_called(label).or_else(of_location), label)
    }

    fn find_by_full_name(&'static self, host: &str, path: &str) -> Result<Resource, FindError> {
        let (service, label) = self.service_of_host(host, path);
        let service = service.map_or_else(|| self.known_service(label), Ok)?;
        let mut best: Option<(usize, Resource)> = None;
        let mut patterns: Vec<&'static str> = Vec::new();
        for place in self.places_of(service) {
            let api = self.api_at(place)?;
            // A URL has the version in it, which then is the one that is meant.
            let name = if api.prefix.is_empty() { Some(path) } else { path.strip_prefix(api.prefix) };
            let is_versioned = path.split('/').take(3).any(is_version);
            let name = if is_versioned { name } else { Some(path) };
            let Some(name) = name else { continue };
            for known in self.types_at(place)? {
                for pattern in known.patterns() {
                    patterns.push(pattern.as_str());
                    let Some(values) = pattern.values(name) else { continue };
                    // The first of equals is of the preferred version.
                    if best.as_ref().is_none_or(|(literals, _)| pattern.literals() > *literals) {
                        best = Some((pattern.literals(), Resource { resource_type: known, values }));
                    }
                }
            }
        }
        best.map(|(_, resource)| resource).ok_or_else(|| FindError::UnknownPattern {
            service,
            name: path.chars().take(200).collect(),
            near: near_patterns(path, patterns),
        })
    }
}

/// Patterns with the collections of a name, most in common first.
fn near_patterns(name: &str, mut patterns: Vec<&'static str>) -> Vec<&'static str> {
    patterns.sort_unstable();
    patterns.dedup();
    let segments: Vec<&str> = name.split('/').collect();
    let common = |pattern: &str| pattern.split('/').filter(|part| *part != "*" && segments.contains(part)).count();
    let distance = |pattern: &str| segments.len().abs_diff(pattern.split('/').count());
    patterns.sort_by_key(|pattern| (usize::MAX - common(pattern), distance(pattern)));
    patterns.truncate(3);
    patterns
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|number| !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit()))
}

fn find_by_short_name(resource_type: ResourceType, ids: &str, scope: &Scope) -> Result<Resource, FindError> {
    let pattern: Pattern = resource_type.pattern();
    let variables = pattern.variables();
    let of_scope = variables.iter().take_while(|variable| scope_word(variable).is_some()).count();
    // What a short name must say: at least the last variable, also of a project itself.
    let needed = (variables.len() - of_scope).max(1);
    let mut given: Vec<String> = match ids {
        "" => Vec::new(),
        ids => ids.split('/').map(str::to_owned).collect(),
    };
    if pattern.ends_with_tail() && given.len() > needed {
        let tail = given.split_off(needed - 1).join("/");
        given.push(tail);
    }
    let type_name = resource_type.name();
    let example = |from: usize| variables[from..].iter().map(|name| upper(name)).collect::<Vec<_>>().join("/");
    if given.len() < needed || given.len() > variables.len() {
        let expected = match (needed, variables.len()) {
            (1, 1) => "one name".to_owned(),
            (least, most) if least == most => format!("{least} names"),
            (least, most) => format!("{least} to {most} names"),
        };
        let given = given.len().to_string();
        return Err(FindError::WrongIds {
            type_name,
            expected,
            example: example(variables.len().saturating_sub(needed)),
            given,
        });
    }
    let left_out = variables.len() - given.len();
    let mut values = Vec::with_capacity(variables.len());
    for (place, variable) in variables[..left_out].iter().enumerate() {
        match scope.value(variable) {
            Some(value) => values.push(value.to_owned()),
            None => {
                let missing = scope_word(variable).unwrap_or("name");
                return Err(FindError::NotInScope { type_name, missing, example: example(place) });
            }
        }
    }
    values.extend(given);
    Ok(Resource { resource_type, values })
}

impl Catalog {
    /// The types that a word such as `sql-instance` means: those whose last part is that word, or the end of it if the service is
    /// called as what stands before. At most three, those that lie in nothing else first.
    pub fn types_called(&'static self, word: &str) -> Vec<ResourceType> {
        static BY_END: OnceLock<BTreeMap<String, Vec<ResourceType>>> = OnceLock::new();
        let by_end = BY_END.get_or_init(|| {
            let mut by_end: BTreeMap<String, Vec<ResourceType>> = BTreeMap::new();
            for known in self.types().unwrap_or_default().into_iter().filter(|known| known.is_preferred()) {
                let name = known.name();
                let end = name.rsplit('.').next().unwrap_or_default().to_lowercase();
                by_end.entry(end).or_default().push(known);
            }
            by_end
        });
        let words: Vec<String> = word.split(['-', '_', '.']).take(MOST_WORDS).map(str::to_lowercase).collect();
        for from in 0..words.len() {
            let (service, end) = (words[..from].concat(), words[from..].concat());
            let ends = [
                format!("{end}s"),
                end.clone(),
                format!("{}ies", end.strip_suffix('y').unwrap_or(&end)),
                format!("{end}es"),
            ];
            let is_meant = |known: &ResourceType| known.api.service.contains(&service);
            let found = ends.iter().find_map(|end| by_end.get(end)).into_iter().flatten().copied().filter(is_meant);
            let mut found: Vec<ResourceType> = found.collect();
            if !found.is_empty() {
                found.sort_by_key(|known| known.name().matches('.').count());
                found.truncate(MOST_MEANT);
                return found;
            }
        }
        Vec::new()
    }
}

/// How a resource of the type is named: with what a target does not say.
pub fn short_name(resource_type: ResourceType) -> String {
    let variables = resource_type.pattern().variables();
    let named = variables.iter().filter(|variable| matches!(scope_word(variable), None | Some("zone")));
    let mut ids: Vec<String> = named.map(|variable| upper(variable)).collect();
    if let Some(last) = ids.last_mut() {
        "NAME".clone_into(last);
    }
    format!("{}/{}", resource_type.name(), ids.join("/"))
}

/// No type has a name of more words.
const MOST_WORDS: usize = 8;
/// More than these are no suggestion.
const MOST_MEANT: usize = 3;

/// How a resource of the type is named shortly: with what a target does not say, and with everything.
pub(super) fn short_names(resource_type: ResourceType) -> Vec<String> {
    let variables = resource_type.pattern().variables();
    let of_scope = variables.iter().take_while(|variable| scope_word(variable).is_some()).count();
    let needed = (variables.len() - of_scope).max(1);
    let with = |names: &[&str]| {
        let ids: Vec<String> = names.iter().map(|name| upper(name)).collect();
        format!("{}/{}", resource_type.name(), ids.join("/"))
    };
    if variables.is_empty() {
        return Vec::new();
    }
    let shortest = with(&variables[variables.len() - needed.min(variables.len())..]);
    let longest = with(&variables);
    if shortest == longest { vec![shortest] } else { vec![shortest, longest] }
}

/// What a target says of a variable, by the collection before it.
fn scope_word(collection: &str) -> Option<&'static str> {
    Some(match collection {
        "projects" => "project",
        "locations" | "regions" => "region",
        "zones" => "zone",
        _ => return None,
    })
}

/// `instances` → `INSTANCE`, as a placeholder.
fn upper(collection: &str) -> String {
    let singular = match collection.strip_suffix("ies") {
        Some(beginning) => format!("{beginning}y"),
        None => collection.strip_suffix('s').unwrap_or(collection).to_owned(),
    };
    if singular.is_empty() { "NAME".to_owned() } else { singular.to_uppercase() }
}
