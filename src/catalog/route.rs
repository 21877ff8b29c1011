//! From a request to the method that it calls, for whoever answers requests instead of sending them: the simulated cloud.
//!
//! A path that several types could mean is the one's whose pattern fixes most of its segments, as with names.

use percent_encoding::percent_decode_str;

use super::Catalog;
use super::api::{Method, Verb};
use super::archive::Damaged;
use super::name::{Part, Pattern};
use super::resource_type::{Resource, ResourceType};

/// What a request asks for.
#[derive(Clone, Debug)]
pub struct Route {
    /// The type whose method it is.
    pub resource_type: ResourceType,
    /// What is asked for.
    pub asks: Asks,
    /// The names in the path, from the left. The last ones are missing where the path is the collection's.
    values: Vec<String>,
}

/// What a request asks of a type.
#[derive(Clone, Copy, Debug)]
pub enum Asks {
    /// A method of the catalog.
    Method(&'static Method),
    /// The collection's resources. The catalog has no lists: this is what `GET` of a collection means in all APIs.
    List,
}

impl Route {
    /// The resource that the path names, if it names one and not its collection.
    pub fn resource(&self) -> Option<Resource> {
        self.resource_with(&[])
    }

    /// The resource that the path and these further names mean, if they are as many as are missing.
    pub fn resource_with(&self, names: &[&str]) -> Option<Resource> {
        let values: Vec<String> =
            self.values.iter().map(String::as_str).chain(names.iter().copied()).map(str::to_owned).collect();
        let is_whole = values.len() == self.resource_type.pattern().variables().len();
        (is_whole && values.iter().all(|value| !value.is_empty()))
            .then_some(Resource { resource_type: self.resource_type, values })
    }

    /// Whether a resource is in the collection that the path means.
    pub fn has(&self, resource: &Resource) -> bool {
        resource.resource_type == self.resource_type && resource.values.starts_with(&self.values)
    }
}

impl Catalog {
    /// The first label of an API's host, such as `redis`, if the catalog has the API. `path` tells the older ones apart that share
    /// `www.googleapis.com`.
    pub fn service_at(&'static self, host: &str, path: &str) -> Option<&'static str> {
        self.service_of_host(host, path.trim_start_matches('/')).0.filter(|_| host.ends_with(".googleapis.com"))
    }

    /// What a request to this host asks for. `path` has the version in it, and its segments are still percent-encoded.
    ///
    /// # Errors
    /// The program was damaged.
    pub fn route(&'static self, host: &str, verb: Verb, path: &str) -> Result<Option<Route>, Damaged> {
        let path = path.trim_start_matches('/');
        let Some(service) = self.service_at(host, path) else { return Ok(None) };
        let mut best: Option<(usize, Route)> = None;
        for place in self.places_of(service) {
            let api = self.api_at(place)?;
            let Some(name) = path.strip_prefix(api.prefix) else { continue };
            let segments: Vec<&str> = name.split('/').collect();
            for resource_type in self.types_at(place)? {
                let pattern = resource_type.pattern();
                let list = list_template(pattern).filter(|_| verb == Verb::Get && may_be(pattern, "^", &segments));
                let methods = resource_type.methods().iter().filter(|method| method.verb == verb);
                let methods = methods.filter(|method| may_be(pattern, method.path, &segments));
                let methods = methods.map(|method| (Asks::Method(method), template(pattern, method.path)));
                for (asks, template) in methods.chain(list.map(|template| (Asks::List, template))) {
                    let Some(values) = values(&template, &segments) else { continue };
                    let literals = template.iter().filter(|part| matches!(part, Piece::Literal(_))).count();
                    if best.as_ref().is_none_or(|(most, _)| literals > *most) {
                        best = Some((literals, Route { resource_type, asks, values }));
                    }
                }
            }
        }
        Ok(best.map(|(_, route)| route))
    }

    /// The resource whose [`url`](Resource::url) this is.
    ///
    /// # Errors
    /// The program was damaged.
    pub fn resource_at(&'static self, url: &str) -> Result<Option<Resource>, Damaged> {
        let Some((host, path)) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else {
            return Ok(None);
        };
        let Some(service) = self.service_at(host, path) else { return Ok(None) };
        let mut best: Option<(usize, Resource)> = None;
        for place in self.places_of(service) {
            let Some(name) = path.strip_prefix(self.api_at(place)?.prefix) else { continue };
            let segments: Vec<&str> = name.split('/').collect();
            for resource_type in self.types_at(place)? {
                let pattern = resource_type.pattern();
                if !may_be(pattern, "^", &segments) {
                    continue;
                }
                let Some(values) = values(&template(pattern, "^"), &segments) else { continue };
                if best.as_ref().is_none_or(|(most, _)| pattern.literals() > *most) {
                    best = Some((pattern.literals(), Resource { resource_type, values }));
                }
            }
        }
        Ok(best.map(|(_, resource)| resource))
    }
}

/// Whether a path can be that of a method: the first collections tell most from it, and nothing is made for that. The last segment may
/// have a method's name behind it.
fn may_be(pattern: Pattern, path: &str, segments: &[&str]) -> bool {
    let before_the_last = &segments[..segments.len().saturating_sub(1)];
    let fits = |(part, segment): (Part, &&str)| match part {
        Part::Literal(literal) => literal == *segment,
        Part::Variable | Part::Tail => true,
    };
    let kept = pattern.parts().count().saturating_sub(dropped(path).0);
    pattern.parts().take(kept).zip(before_the_last).all(fits)
}

/// How many segments of the name a method's path does not have, and what stands behind the others.
fn dropped(path: &str) -> (usize, &str) {
    let path = path.strip_prefix('^').unwrap_or(path);
    let digits = path.chars().take_while(char::is_ascii_digit).count();
    let (dropped, rest) = path.split_at(digits);
    (dropped.parse().unwrap_or(0), rest)
}

/// A segment of the paths that a method is called at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Literal(&'static str),
    /// A name of the resource, and what stands behind it in the same segment, such as `:restart`.
    Value(&'static str),
    /// One or more segments of a name, and what stands behind it.
    Tail(&'static str),
    /// A literal of the name with a method behind it, such as `services:batchEnable`.
    Joined(&'static str, &'static str),
    /// An argument of the method, which is no name.
    Argument(&'static str),
}

/// What a method's path looks like, which the catalog writes as `^n` and what follows.
fn template(pattern: Pattern, path: &'static str) -> Vec<Piece> {
    let (dropped, rest) = dropped(path);
    let mut pieces: Vec<Piece> = pattern
        .parts()
        .map(|part| match part {
            Part::Literal(literal) => Piece::Literal(literal),
            Part::Variable => Piece::Value(""),
            Part::Tail => Piece::Tail(""),
        })
        .collect();
    pieces.truncate(pieces.len().saturating_sub(dropped));
    let (suffix, further) = rest.split_once('/').map_or((rest, None), |(suffix, further)| (suffix, Some(further)));
    if let (Some(last), false) = (pieces.last_mut(), suffix.is_empty()) {
        *last = match *last {
            Piece::Literal(literal) => Piece::Joined(literal, suffix),
            Piece::Tail(_) => Piece::Tail(suffix),
            Piece::Value(_) | Piece::Joined(..) | Piece::Argument(_) => Piece::Value(suffix),
        };
    }
    pieces.extend(further.into_iter().flat_map(|further| further.split('/')).map(|segment| {
        match segment.strip_prefix('{').and_then(|argument| argument.split_once('}')) {
            Some((_, suffix)) => Piece::Argument(suffix),
            None if segment == "$" => Piece::Value(""),
            None => Piece::Literal(segment),
        }
    }));
    pieces
}

/// What a list's path looks like: the name without its last variables. `None`: there is one resource, and no collection.
fn list_template(pattern: Pattern) -> Option<Vec<Piece>> {
    let mut pieces = template(pattern, "^");
    let whole = pieces.len();
    while matches!(pieces.last(), Some(Piece::Value(_) | Piece::Tail(_))) {
        pieces.pop();
    }
    (pieces.len() < whole && !pieces.is_empty()).then_some(pieces)
}

/// The names in the segments of a path that looks like this.
fn values(template: &[Piece], segments: &[&str]) -> Option<Vec<String>> {
    let has_tail = template.iter().any(|piece| matches!(piece, Piece::Tail(_)));
    let tail = segments.len().checked_sub(template.len())? + 1;
    if tail > 1 && !has_tail {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).ok();
    let (mut values, mut rest) = (Vec::new(), segments);
    for piece in template {
        let (here, after) = rest.split_at_checked(if matches!(piece, Piece::Tail(_)) { tail } else { 1 })?;
        rest = after;
        let text = here.join("/");
        match piece {
            Piece::Literal(literal) if text == *literal => {}
            Piece::Joined(literal, suffix) if text.strip_suffix(suffix) == Some(literal) => {}
            Piece::Literal(_) | Piece::Joined(..) => return None,
            Piece::Value(suffix) | Piece::Tail(suffix) => {
                let value = text.strip_suffix(suffix).filter(|value| !value.is_empty())?;
                values.push(decoded(value)?);
            }
            Piece::Argument(suffix) => drop(text.strip_suffix(suffix)?),
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::example_resource;

    fn route(verb: Verb, url: &str) -> String {
        let (host, path) = url.split_once('/').unwrap();
        let Some(route) = Catalog::open().unwrap().route(host, verb, path).unwrap() else {
            return "nothing".to_owned();
        };
        let asks = match route.asks {
            Asks::Method(method) => method.name,
            Asks::List => "list",
        };
        format!("{} {asks} {}", route.resource_type.name(), route.values.join(" "))
    }

    #[test]
    fn a_request_is_for_one_method_of_one_type() {
        for (verb, url, expected) in [
            (Verb::Get, "redis.googleapis.com/v1/projects/p/locations/l/instances/i", "redis.instances get p l i"),
            (Verb::Get, "redis.googleapis.com/v1/projects/p/locations/l/instances", "redis.instances list p l"),
            (Verb::Post, "redis.googleapis.com/v1/projects/p/locations/l/instances", "redis.instances create p l"),
            (
                Verb::Post,
                "redis.googleapis.com/v1/projects/p/locations/l/instances/i:failover",
                "redis.instances failover p l i",
            ),
            (Verb::Post, "redis.googleapis.com/v1/projects/p/locations/l/instances/i:dance", "nothing"),
            (Verb::Put, "pubsub.googleapis.com/v1/projects/p/topics/t", "pubsub.topics create p t"),
            (Verb::Patch, "www.googleapis.com/compute/v1/projects/p/global/urlMaps/u", "compute.urlMaps patch p u"),
            (
                Verb::Post,
                "compute.googleapis.com/compute/v1/projects/p/targetHttpsProxies/t/setUrlMap",
                "compute.targetHttpsProxies setUrlMap p t",
            ),
            (
                Verb::Post,
                "compute.googleapis.com/compute/v1/projects/p/zones/z/disks/d/resize",
                "compute.disks resize p z d",
            ),
            (
                Verb::Patch,
                "compute.googleapis.com/compute/v1/projects/p/zones/z/autoscalers",
                "compute.autoscalers patch p z",
            ),
            (
                Verb::Get,
                "us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/e",
                "aiplatform.endpoints get p l e",
            ),
            (Verb::Get, "storage.googleapis.com/storage/v1/b/shop/o/a%2Fb", "storage.objects get shop a/b"),
            (
                Verb::Get,
                "dns.googleapis.com/dns/v1/projects/p/managedZones/z/rrsets",
                "dns.resourceRecordSets list p z",
            ),
            (Verb::Get, "nobody.googleapis.com/v1/projects/p", "nothing"),
            (Verb::Get, "redis.example/v1/projects/p/locations/l/instances/i", "nothing"),
        ] {
            assert_eq!(route(verb, url), expected, "{url}");
        }
    }

    #[test]
    fn every_type_is_found_at_its_own_address() {
        let catalog = Catalog::open().unwrap();
        for resource_type in catalog.types().unwrap() {
            let resource = example_resource(resource_type);
            assert_eq!(catalog.resource_at(&resource.url()).unwrap(), Some(resource));
        }
    }

    #[test]
    fn every_update_is_routed_to_its_type() {
        let catalog = Catalog::open().unwrap();
        for resource_type in catalog.types().unwrap() {
            let Some((method, _)) = resource_type.update() else { continue };
            let url = example_resource(resource_type).method_url(method, |_| Some("x")).unwrap();
            let (host, path) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
            let route = catalog.route(host, method.verb, path).unwrap().unwrap_or_else(|| panic!("{url}"));
            assert_eq!(route.resource_type, resource_type, "{url}");
            assert!(matches!(route.asks, Asks::Method(found) if found.verb == method.verb), "{url}");
        }
    }
}
