//! Where every call of a run goes.

use super::ResourceId;

/// The `[target]` table. Nothing is ever taken from ambient configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Project id.
    pub project: String,
    /// Region, such as `us-central1`.
    pub region: String,
    /// Whether the operator must type the project's name before the first change.
    pub protected: bool,
}

/// A project or a region that is meant in the place of the target's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// The project.
    pub project: Option<String>,
    /// The region.
    pub region: Option<String>,
}

impl Target {
    /// The target with what is meant in its place.
    #[must_use]
    pub fn or(&self, elsewhere: &Elsewhere) -> Target {
        let Elsewhere { project, region } = elsewhere;
        Target {
            project: project.as_ref().unwrap_or(&self.project).clone(),
            region: region.as_ref().unwrap_or(&self.region).clone(),
            protected: self.protected,
        }
    }

    /// The id of a resource of this kind and short name in the target's project and region.
    pub fn resource(&self, kind: &str, name: &str) -> ResourceId {
        let (project, region) = (self.project.clone(), self.region.clone());
        ResourceId { kind: kind.to_owned(), project, region, name: name.to_owned() }
    }
}
