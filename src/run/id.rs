//! Names that stay the same for the life of a run, and longer: they stand in journals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A run's id: six characters that are easy to read aloud.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Makes an id from random bits; only the lowest 30 are used.
    pub fn from_bits(bits: u64) -> RunId {
        // Crockford's base 32: no i, l, o, u, so that nothing is misread.
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let letter = |place: u32| char::from(LETTERS[usize::from((bits >> (place * 5)).to_le_bytes()[0] & 31)]);
        RunId((0..6).map(letter).collect())
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
    pub fn subject(&self) -> (&str, &str) {
        let kind = self.kind.as_str();
        (if kind.starts_with("gcp.run.") { "gcp.run" } else { kind }, &self.name)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.kind, self.project, self.region, self.name)
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> String {
        id.to_string()
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
