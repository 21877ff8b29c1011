//! Names that stay the same for the life of a run, and longer: they stand in journals.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A run's id: ten characters that are easy to read aloud.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(#[serde(deserialize_with = "run_id")] String);

/// Reads an id. It is put into scripts and file names, so nothing else passes for one.
fn run_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_plain = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if is_plain { Ok(text) } else { Err(D::Error::custom("an id of a run has letters and digits only")) }
}

impl RunId {
    /// So many bits tell one run from another: among a million runs, the chance that any two share an id is one in two thousand.
    pub const BITS: u32 = 50;

    /// Makes an id from random bits; only the lowest [`RunId::BITS`] are used.
    pub fn from_bits(bits: u64) -> RunId {
        // Crockford's base 32: no i, l, o, u, so that nothing is misread.
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let letter = |place: u32| char::from(LETTERS[usize::from((bits >> (place * 5)).to_le_bytes()[0] & 31)]);
        RunId((0..Self::BITS / 5).map(letter).collect())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one unit of work of a plan: `scale-connector`, `deploy-backend/shift-10`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(String);

impl TaskId {
    /// The id of a step's only task.
    pub fn of_step(step: &str) -> TaskId {
        TaskId(step.to_owned())
    }

    /// The id of one of several tasks of a step.
    pub fn part(step: &str, part: &str) -> TaskId {
        TaskId(format!("{step}/{part}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a person who says this name means it: its own, or its step's.
    pub fn goes_by(&self, name: &str) -> bool {
        name == self.0 || name == self.step()
    }

    /// The step it belongs to.
    pub fn step(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which way a change is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// As planned.
    Apply,
    /// With its ends swapped.
    Undo,
}

/// Names one write: `deploy-auth/apply`, `deploy-auth/undo`. Unique in a run and known before it starts,
/// which is what makes a repeated effect recognisable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct OpId {
    /// Whose change it is.
    pub task: TaskId,
    /// Which way.
    pub way: Way,
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Apply => "apply",
            Way::Undo => "undo",
        };
        write!(f, "{}/{way}", self.task)
    }
}

impl From<OpId> for String {
    fn from(op: OpId) -> String {
        op.to_string()
    }
}

/// Text that does not name what it should.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct BadId {
    text: String,
    wanted: &'static str,
}

impl TryFrom<String> for OpId {
    type Error = BadId;

    fn try_from(text: String) -> Result<OpId, BadId> {
        let (task, way) = match text.rsplit_once('/') {
            Some((task, "apply")) => (task, Way::Apply),
            Some((task, "undo")) => (task, Way::Undo),
            _ => return Err(BadId { text, wanted: "an operation id (`TASK/apply` or `TASK/undo`)" }),
        };
        Ok(OpId { task: TaskId(task.to_owned()), way })
    }
}

/// The kind of resources that go by their full resource names: any that the catalog of Google's APIs describes.
pub const CATALOGUED: &str = "gcp.resource";

/// The kind of calls of methods of such resources. The name has the task behind the resource's: `FULL_NAME#TASK`.
pub const CALL: &str = "gcp.call";

/// The kind of such resources as things that exist or do not.
pub const EXISTENCE: &str = "gcp.existence";

/// Objects of Google's that have kinds of their own here as well: the pattern of the full resource name, with `*` for the project, the
/// region and the name, and the first two segments of those kinds.
const TYPED: &[(&str, &str)] = &[
    ("run.googleapis.com/projects/*/locations/*/services/*", "gcp.run"),
    ("vpcaccess.googleapis.com/projects/*/locations/*/connectors/*", "gcp.connector"),
    ("sqladmin.googleapis.com/projects/*/instances/*", "gcp.sql"),
];

/// Names one thing in the cloud that has state, with everything a call to it needs:
/// `gcp.connector/netra-staging/us-central1/staging-connector`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ResourceId {
    /// Its kind, such as `gcp.connector`.
    pub kind: String,
    /// Project id.
    pub project: String,
    /// Region.
    pub region: String,
    /// Short name.
    pub name: String,
}

impl ResourceId {
    /// The thing at Google that it is a part of: the template, the traffic and the bounds of a Cloud Run service are one.
    /// Kinds that are parts of one thing have the first two segments of their names in common.
    pub fn subject(&self) -> Subject<'_> {
        if let Some(full_name) = self.full_name() {
            return self.catalogued_subject(full_name);
        }
        let kind = self.kind.as_str();
        let kind = kind.match_indices('.').nth(1).map_or(kind, |(end, _)| kind.get(..end).unwrap_or(kind));
        Subject { kind, project: &self.project, region: &self.region, name: &self.name }
    }
}

impl ResourceId {
    /// Its full resource name, without its slashes, if it goes by that.
    pub fn full_name(&self) -> Option<&str> {
        let is_catalogued = [CATALOGUED, CALL, EXISTENCE].contains(&self.kind.as_str());
        is_catalogued.then(|| self.name.split('#').next().unwrap_or_default())
    }

    /// By its full resource name, or, where another kind can change the same thing, as that kind has it: both must not be changed at
    /// once.
    fn catalogued_subject<'s>(&'s self, full_name: &'s str) -> Subject<'s> {
        for (pattern, kind) in TYPED {
            let (mut names, mut here) = (Vec::new(), full_name.split('/'));
            let fits = pattern.split('/').all(|wanted| match (wanted, here.next()) {
                ("*", Some(name)) => {
                    names.push(name);
                    true
                }
                (wanted, found) => found == Some(wanted),
            });
            if fits && here.next().is_none() {
                return match names[..] {
                    [project, region, name] => Subject { kind, project, region, name },
                    [project, name] => Subject { kind, project, region: &self.region, name },
                    _ => continue,
                };
            }
        }
        // Where the name says a version of the API, it is the same thing as without.
        let path = full_name.find("/projects/").map_or(full_name, |at| full_name.get(at..).unwrap_or_default());
        let host = full_name.split('/').next().unwrap_or_default();
        Subject { kind: CATALOGUED, project: host, region: "", name: path }
    }
}

/// One thing at Google, by its full name. Two resources with the same subject are parts of the same thing; services of
/// the same name in two regions are two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject<'a> {
    kind: &'a str,
    project: &'a str,
    region: &'a str,
    name: &'a str,
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.kind, self.project, self.region, self.name)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.full_name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}/{}/{}/{}", self.kind, self.project, self.region, self.name),
        }
    }
}

impl From<ResourceId> for String {
    fn from(ResourceId { kind, project, region, name }: ResourceId) -> String {
        format!("{kind}/{project}/{region}/{name}")
    }
}

impl FromStr for ResourceId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<ResourceId, BadId> {
        // A name may have slashes of its own: a revision's has its service's before it.
        let mut parts = text.splitn(4, '/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(project), Some(region), Some(name)) => Ok(ResourceId { kind, project, region, name }),
            _ => Err(BadId { text: text.to_owned(), wanted: "a resource id (`KIND/PROJECT/REGION/NAME`)" }),
        }
    }
}

impl TryFrom<String> for ResourceId {
    type Error = BadId;

    fn try_from(text: String) -> Result<ResourceId, BadId> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_run_id_counts() {
        let ids: std::collections::BTreeSet<_> = (0..RunId::BITS).map(|bit| RunId::from_bits(1 << bit)).collect();
        assert_eq!(ids.len(), 50);
        assert!(ids.iter().all(|id| id.as_str().len() == 10));
        assert!(
            ids.iter().all(|id| id.as_str().bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()))
        );
    }

    #[test]
    fn a_full_resource_name_is_the_same_subject_as_the_typed_kind() {
        let id = |text: &str| text.parse::<ResourceId>().unwrap();
        for (full, typed) in [
            ("run.googleapis.com/projects/p/locations/r/services/s", "gcp.run.traffic/p/r/s"),
            ("vpcaccess.googleapis.com/projects/p/locations/r/connectors/c", "gcp.connector/p/r/c"),
            ("sqladmin.googleapis.com/projects/p/instances/db", "gcp.sql/p/r/db"),
        ] {
            assert_eq!(id(&format!("gcp.resource/p/r/{full}")).subject(), id(typed).subject(), "{full}");
        }
        let cache = "redis.googleapis.com/projects/p/locations/r/instances/c";
        let (here, there) = (id(&format!("gcp.resource/p/r/{cache}")), id(&format!("gcp.resource/p/other/{cache}")));
        assert_eq!(here.subject(), there.subject(), "its name says where it is");
        assert_ne!(here.subject(), id(&format!("gcp.resource/p/r/{cache}2")).subject());
        assert_eq!(here.subject(), id(&format!("gcp.call/p/r/{cache}#restart")).subject(), "a call is on its resource");
    }

    #[test]
    fn parts_of_a_service_are_one_subject_and_its_namesakes_elsewhere_are_others() {
        let id = |text: &str| text.parse::<ResourceId>().unwrap();
        let traffic = id("gcp.run.traffic/shop/us-central1/checkout");
        assert_eq!(traffic.subject(), id("gcp.run.service/shop/us-central1/checkout").subject());
        for other in [
            "gcp.run.traffic/shop/europe-west1/checkout",
            "gcp.run.traffic/shop-staging/us-central1/checkout",
            "gcp.run.traffic/shop/us-central1/cart",
            "gcp.connector/shop/us-central1/checkout",
        ] {
            assert_ne!(traffic.subject(), id(other).subject(), "{other}");
        }
    }
}
