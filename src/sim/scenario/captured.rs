//! `state = '''{ … }'''`: what `gcloud … describe --format=json` printed, in the place of a table's own words.
//!
//! So a scenario can have a team's own services, connectors and databases as they are. Fields that the simulated cloud does not
//! know are kept and shown as they were captured, and the world's notes says which: a newer Google is no mistake of the scenario.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The body of an answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::sim) struct Captured(pub(in crate::sim) Map<String, Value>);

impl TryFrom<String> for Captured {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match serde_json::from_str(&text) {
            Ok(Value::Object(body)) => Ok(Self(body)),
            Ok(_) => Err("state is not a JSON object".to_owned()),
            Err(error) => Err(format!("state is not JSON: {error}")),
        }
    }
}

impl Captured {
    /// A time, not later than the cloud's beginning.
    pub(in crate::sim) fn time(&self, field: &str, start: Timestamp) -> Timestamp {
        let named = self.0.get(field).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
        named.unwrap_or(start).min(start)
    }

    /// What it has besides these fields.
    pub(in crate::sim) fn besides(&self, known: &[&str]) -> Map<String, Value> {
        let unknown = self.0.iter().filter(|(field, _)| !known.contains(&field.as_str()));
        unknown.map(|(field, value)| (field.clone(), value.clone())).collect()
    }
}

/// The note about a field that was captured and that nobody here knows.
pub(in crate::sim) fn unknown(table: &str, field: &str) -> String {
    format!("{table}: the simulated cloud does not know the field {field}; it is shown as it was captured")
}
