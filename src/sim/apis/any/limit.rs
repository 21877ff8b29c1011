//! What an API refuses of a change that its schema would allow: the rules of the catalog, each with its source there.

use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use super::message::at;
use crate::catalog::{Exception, ResourceType, UpdateDialect};
use crate::sim::world::refusal::{Code, Refusal};

/// Refuses a change from one state to another that the API does not make.
pub(super) fn check(
    resource_type: ResourceType,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Result<(), Refusal> {
    let has_changed = |field: &str| at(before, field) != at(after, field);
    for field in &resource_type.schema().fields {
        let is_fixed = field.behavior.is_immutable() && !field.behavior.is_output_only();
        // A method of its own may set what updates do not.
        if is_fixed && resource_type.setter(field.name).is_none() && has_changed(field.name) {
            return Err(unchangeable(field.name));
        }
    }
    for rule in resource_type.rules() {
        match &rule.what {
            Exception::Fixed(field) if has_changed(field) => return Err(unchangeable(field)),
            Exception::Irreversible { field, when } => irreversible(field, when, at(before, field), at(after, field))?,
            Exception::RefusesWhile(condition) => refuse_while(condition, before)?,
            Exception::OneFieldAWrite if matches!(resource_type.update(), Some((_, UpdateDialect::Compute))) => {
                let token = resource_type.token().field();
                let fields = resource_type.schema().fields.iter().map(|field| field.name);
                let changed = fields.filter(|field| Some(*field) != token && has_changed(field));
                if changed.count() > 1 {
                    return Err(Refusal::invalid("", "Cannot update more than one field in one request"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn unchangeable(field: &str) -> Refusal {
    Refusal::invalid(field, format!("The field '{field}' is immutable and cannot be changed"))
}

/// `field == VALUE`.
fn refuse_while(condition: &str, live: &Map<String, Value>) -> Result<(), Refusal> {
    let holds = condition
        .split_once(" == ")
        .is_some_and(|(field, value)| at(live, field).and_then(Value::as_str) == Some(value));
    if !holds {
        return Ok(());
    }
    Err(Refusal::new(Code::FailedPrecondition, format!("The resource cannot be updated while {condition}")))
}

fn irreversible(field: &str, when: &str, before: Option<&Value>, after: Option<&Value>) -> Result<(), Refusal> {
    let Some(before) = before else { return Ok(()) };
    let is_refused = match when {
        "grows" => after.is_some_and(|after| is_smaller(after, before)),
        "is set" => after.is_none(),
        _ => false,
    };
    if !is_refused {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("The field '{field}' cannot be changed back once it {when}")))
}

/// Whether a size, or a range of addresses, is smaller than another.
fn is_smaller(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return one < other;
    }
    let range = |value: &Value| {
        let (address, length) = value.as_str()?.split_once('/')?;
        Some((address.parse::<Ipv4Addr>().ok()?, length.parse::<u8>().ok()?))
    };
    matches!((range(one), range(other)), (Some((_, one)), Some((_, other))) if one > other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Catalog;

    fn refusal(type_name: &str, before: Value, after: Value) -> Option<String> {
        let resource_type = Catalog::open().unwrap().find_type(type_name).unwrap();
        let fields = |value: Value| value.as_object().cloned().unwrap();
        check(resource_type, &fields(before), &fields(after)).err().map(|refusal| refusal.message)
    }

    #[test]
    fn disks_and_ranges_only_grow() {
        let size = |size: &str| json!({ "sizeGb": size });
        assert_eq!(refusal("compute.disks", size("100"), size("200")), None);
        assert!(refusal("compute.disks", size("100"), size("20")).unwrap().contains("once it grows"));
        let range = |range: &str| json!({ "ipCidrRange": range });
        assert_eq!(refusal("compute.subnetworks", range("10.0.0.0/24"), range("10.0.0.0/20")), None);
        assert!(refusal("compute.subnetworks", range("10.0.0.0/20"), range("10.0.0.0/24")).is_some());
    }

    #[test]
    fn what_is_fixed_or_paused_is_not_changed() {
        assert!(
            refusal("file.instances", json!({ "tier": "BASIC_HDD" }), json!({ "tier": "ZONAL" }))
                .unwrap()
                .contains("immutable")
        );
        let job = |state: &str, schedule: &str| json!({ "state": state, "schedule": schedule });
        assert!(
            refusal("cloudscheduler.jobs", job("PAUSED", "a"), job("PAUSED", "b"))
                .unwrap()
                .contains("while state == PAUSED")
        );
        assert_eq!(refusal("cloudscheduler.jobs", job("ENABLED", "a"), job("ENABLED", "b")), None);
    }
}
