//! What a metric was over a while.

use jiff::Timestamp;
use serde::Serialize;

/// A series of a metric over a while, as people look at it; of a distribution, the means of its points.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The metric's type.
    pub metric: String,
    /// What it is of.
    pub of: String,
    /// When the newest point ends.
    pub at: Timestamp,
    /// Its value.
    pub newest: f64,
    /// The least value of the while.
    pub least: f64,
    /// The greatest value of the while.
    pub most: f64,
}
