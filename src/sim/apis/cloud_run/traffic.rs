//! How a service's requests are divided among its revisions.
//!
//! The list is absolute: what it does not name gets nothing. Percents sum to 100; an empty list means everything to
//! the latest ready revision; a target with zero percent and a tag has an address of its own and gets no share
//! (source: `google/cloud/run/v2/traffic_target.proto`, and the documentation of rollouts and rollbacks).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::service::Service;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{int32, is_label, text, unknown_field};

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The short name of a revision; `None` is the latest ready one, whichever that is.
    pub revision: Option<String>,
    /// Its share.
    pub percent: i64,
    /// A name for an address of its own.
    pub tag: Option<String>,
}

const LATEST: &str = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
const REVISION: &str = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

impl Target {
    /// Everything to the latest ready revision.
    pub fn latest() -> Self {
        Self { revision: None, percent: 100, tag: None }
    }

    /// The entry as the API shows it.
    pub fn wire(&self) -> Value {
        let mut wire = Map::new();
        wire.insert("type".into(), json!(if self.revision.is_some() { REVISION } else { LATEST }));
        if let Some(revision) = &self.revision {
            wire.insert("revision".into(), json!(revision));
        }
        if self.percent != 0 {
            wire.insert("percent".into(), json!(self.percent));
        }
        if let Some(tag) = &self.tag {
            wire.insert("tag".into(), json!(tag));
        }
        Value::Object(wire)
    }
}

/// Reads the field `traffic` of a request; what it says is not compared with the service yet.
pub fn parse(value: Option<&Value>) -> Result<Vec<Target>, Refusal> {
    let entries = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(Refusal::invalid("traffic", "Invalid value at 'service.traffic': it must be a list")),
    };
    entries.iter().enumerate().map(|(index, entry)| parse_one(entry, &format!("traffic[{index}]"))).collect()
}

fn parse_one(entry: &Value, at: &str) -> Result<Target, Refusal> {
    let Some(entry) = entry.as_object() else {
        return Err(Refusal::invalid(at, format!("Invalid value at 'service.{at}': it must be a message")));
    };
    if let Some(unknown) = entry.keys().find(|key| !["type", "revision", "percent", "tag"].contains(&key.as_str())) {
        return Err(unknown_field(unknown, &format!("service.{at}")));
    }
    let latest = match entry.get("type") {
        Some(Value::Number(number)) if number.as_u64() == Some(1) => true,
        Some(Value::Number(number)) if number.as_u64() == Some(2) => false,
        Some(Value::String(name)) if name == LATEST => true,
        Some(Value::String(name)) if name == REVISION => false,
        _ => {
            let message = format!("{at}.type must be {LATEST} or {REVISION}");
            return Err(Refusal::invalid(format!("{at}.type"), message));
        }
    };
    let revision = text(entry, "revision")?.map(str::to_owned);
    match (latest, &revision) {
        (true, Some(_)) => {
            let message = format!("{at}.revision must not be set when the type is {LATEST}");
            return Err(Refusal::invalid(format!("{at}.revision"), message));
        }
        (false, None) => {
            let message = format!("{at}.revision must be set when the type is {REVISION}");
            return Err(Refusal::invalid(format!("{at}.revision"), message));
        }
        _ => {}
    }
    let percent = int32(entry, "percent")?;
    if !(0..=100).contains(&percent) {
        let message = format!("{at}.percent must be between 0 and 100, got {percent}");
        return Err(Refusal::invalid(format!("{at}.percent"), message));
    }
    let tag = text(entry, "tag")?.map(str::to_owned);
    if tag.as_deref().is_some_and(|tag| !is_label(tag)) {
        let message = format!("{at}.tag must begin with a letter and consist of a-z, 0-9 and '-'");
        return Err(Refusal::invalid(format!("{at}.tag"), message));
    }
    Ok(Target { revision, percent, tag })
}

/// Refuses a list that makes no sense whatever revisions there are.
pub fn check(targets: &[Target]) -> Result<(), Refusal> {
    if targets.is_empty() {
        return Ok(());
    }
    let sum: i64 = targets.iter().map(|target| target.percent).sum();
    if sum != 100 {
        let message = format!("Traffic percents must sum to 100, they sum to {sum}");
        return Err(Refusal::invalid("traffic", message));
    }
    let mut tags = BTreeSet::new();
    for (index, target) in targets.iter().enumerate() {
        if target.tag.as_ref().is_some_and(|tag| !tags.insert(tag)) {
            let message =
                format!("Traffic tags must be unique, {:?} is not", target.tag.as_deref().unwrap_or_default());
            return Err(Refusal::invalid(format!("traffic[{index}].tag"), message));
        }
    }
    Ok(())
}

/// Why the service cannot divide its traffic so, if it cannot. Google accepts such a list, and the operation fails: with code
/// 13 and these words if a revision is not there (quoted in terraform-docs-samples issue 269).
pub fn unavailable(targets: &[Target], service: &Service) -> Option<Refusal> {
    targets.iter().filter_map(|target| target.revision.as_deref()).find_map(|name| match service.revisions.get(name) {
        None => {
            let message = format!(
                "Revision '{name}' does not exist or is deleted. Update all traffic to route to currently available revisions."
            );
            Some(Refusal::new(Code::Internal, message))
        }
        Some(revision) if !revision.is_ready() => {
            let message = format!("Revision '{name}' is not ready and cannot serve traffic. {}", revision.ready.message);
            Some(Refusal::new(Code::FailedPrecondition, message.trim_end()))
        }
        Some(_) => None,
    })
}
