//! stub
use std::collections::BTreeMap;
/// a
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// a
    Bool(bool),
    /// a
    Int(i64),
    /// a
    Text(String),
    /// a
    Span(std::time::Duration),
}
impl Fact {
    /// a
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}
/// a
#[derive(Clone, Debug)]
pub struct Condition;
impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("x")
    }
}
impl Condition {
    /// a
    pub fn holds(&self, _: &BTreeMap<String, Fact>) -> Result<bool, String> {
        Ok(true)
    }
}
