//! What stands in the place of a name or of a text, the same for the same one wherever it is.

use std::collections::BTreeMap;

/// Whether names are replaced. Values always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Of projects, resources, hosts, accounts, images.
    Replace,
    /// They stay.
    Keep,
}

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameOf {
    Project,
    Connector,
    Service,
    Database,
    Host,
    Account,
    Image,
    /// Anything else that a path names, such as a network.
    Other,
}

impl NameOf {
    fn word(self) -> &'static str {
        match self {
            NameOf::Project => "project",
            NameOf::Connector => "connector",
            NameOf::Service => "service",
            NameOf::Database => "database",
            NameOf::Host => "host",
            NameOf::Account => "account",
            NameOf::Image => "image",
            NameOf::Other => "name",
        }
    }

    /// What the resources of a collection are, as a path names it.
    fn in_collection(collection: &str) -> NameOf {
        match collection {
            "projects" => NameOf::Project,
            "connectors" => NameOf::Connector,
            "services" => NameOf::Service,
            "instances" => NameOf::Database,
            "serviceAccounts" => NameOf::Account,
            _ => NameOf::Other,
        }
    }
}

/// The names and the texts that were met, and what stands for them.
pub(super) struct Names {
    naming: Naming,
    replaced: BTreeMap<String, String>,
    texts: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, u32>,
}

/// Places are nobody's names, and a simulated cloud must know its region.
const PLACES: [&str; 3] = ["locations", "regions", "zones"];

impl Names {
    pub(super) fn new(naming: Naming) -> Names {
        Names { naming, replaced: BTreeMap::new(), texts: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// What stands for a name.
    pub(super) fn name(&mut self, of: NameOf, name: &str) -> String {
        // What Google calls the network that a project begins with is nobody's name.
        if self.naming == Naming::Keep || name.is_empty() || name == "default" {
            return name.to_owned();
        }
        if let Some(known) = self.replaced.get(name) {
            return known.clone();
        }
        let number = self.number(of.word());
        let made = match of {
            NameOf::Host => format!("host-{number}.example"),
            NameOf::Account => format!("account-{number}@example.invalid"),
            NameOf::Image => image(name, number),
            NameOf::Project | NameOf::Connector | NameOf::Service | NameOf::Database | NameOf::Other => {
                format!("{}-{number}", of.word())
            }
        };
        self.replaced.insert(name.to_owned(), made.clone());
        made
    }

    /// What stands for a revision: the service's name is in it, and its number stays, for revisions are in the order of these.
    pub(super) fn revision(&mut self, service: &str, revision: &str) -> String {
        if self.naming == Naming::Keep || revision.is_empty() {
            return revision.to_owned();
        }
        if let Some(known) = self.replaced.get(revision) {
            return known.clone();
        }
        let service_name = self.name(NameOf::Service, service);
        let rest = revision.strip_prefix(service).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
        let digits =
            rest.split('-').next().filter(|digits| digits.len() == 5 && digits.bytes().all(|c| c.is_ascii_digit()));
        let number = self.number("revision");
        let made = match digits {
            Some(digits) => format!("{service_name}-{digits}-r{number}"),
            None => format!("{service_name}-r{number}"),
        };
        self.replaced.insert(revision.to_owned(), made.clone());
        made
    }

    /// What stands for the names in a path such as `projects/P/locations/L/connectors/C`, which may be behind a host; and for what
    /// is a name alone.
    pub(super) fn path(&mut self, of: NameOf, path: &str) -> String {
        if self.naming == Naming::Keep {
            return path.to_owned();
        }
        let Some(start) = path.find("projects/") else { return self.name(of, path) };
        let (before, names) = path.split_at(start);
        let segments: Vec<&str> = names.split('/').collect();
        let mut made: Vec<String> = Vec::new();
        for pair in segments.chunks(2) {
            let [collection, name] = pair else {
                made.extend(pair.iter().map(|segment| (*segment).to_owned()));
                continue;
            };
            // Without a location, what is global has one word more.
            if *collection == "global" {
                made.push("global".to_owned());
                made.push((*name).to_owned());
                continue;
            }
            made.push((*collection).to_owned());
            made.push(if PLACES.contains(collection) {
                (*name).to_owned()
            } else {
                self.name(NameOf::in_collection(collection), name)
            });
        }
        // Google's own hosts are nobody's; the version of an API is in front of the path.
        let is_googles = before.is_empty() || before.contains("googleapis.com/");
        format!("{}{}", if is_googles { before } else { "" }, made.join("/"))
    }

    /// What stands for a text.
    pub(super) fn text(&mut self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let made = format!("replaced-{}", self.number("text"));
        self.texts.insert(text.to_owned(), made.clone());
        made
    }

    /// The names that were replaced, and what stands for each.
    pub(super) fn replaced(self) -> BTreeMap<String, String> {
        self.replaced
    }

    fn number(&mut self, word: &'static str) -> u32 {
        let count = self.counts.entry(word).or_default();
        *count += 1;
        *count
    }
}

/// An image of another name, by a digest if it was named by one, and otherwise by a tag.
fn image(reference: &str, number: u32) -> String {
    let repository = format!("registry.example/image-{number}");
    if reference.contains('@') {
        format!("{repository}@sha256:{number:064}")
    } else {
        format!("{repository}:tag-{number}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_replaced_by_one_wherever_it_is() {
        let mut names = Names::new(Naming::Replace);
        assert_eq!(names.name(NameOf::Project, "acme-prod"), "project-1");
        let path = "projects/acme-prod/locations/us-central1/connectors/acme-vpc";
        assert_eq!(names.path(NameOf::Other, path), "projects/project-1/locations/us-central1/connectors/connector-1");
        let url = "https://sqladmin.googleapis.com/sql/v1beta4/projects/acme-prod/instances/db";
        assert_eq!(
            names.path(NameOf::Other, url),
            "https://sqladmin.googleapis.com/sql/v1beta4/projects/project-1/instances/database-1"
        );
        assert_eq!(names.path(NameOf::Other, "acme-vpc"), "connector-1");
        assert_eq!(names.revision("shop", "shop-00007-abc"), "service-1-00007-r1");
        assert_eq!(names.revision("shop", "shop-hotfix-acme"), "service-1-r2");
        assert_eq!(names.revision("shop", "shop-00007-abc"), "service-1-00007-r1");
        assert_eq!(names.name(NameOf::Image, "eu.gcr.io/acme/shop:v1"), "registry.example/image-1:tag-1");
        assert_eq!((names.text("hunter2"), names.text("x"), names.text("hunter2")).2, "replaced-1");
    }

    #[test]
    fn whoever_keeps_names_keeps_no_values() {
        let mut names = Names::new(Naming::Keep);
        assert_eq!(names.path(NameOf::Other, "projects/p/secrets/s"), "projects/p/secrets/s");
        assert_eq!(names.text("hunter2"), "replaced-1");
    }
}
