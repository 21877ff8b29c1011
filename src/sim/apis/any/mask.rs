//! Field masks (AIP-161, AIP-134), as strict as the APIs are: a path that means no field, a field that only the API writes, or one
//! that never changes refuses the whole request, also with its present value.

use serde_json::{Map, Value};

use crate::catalog::{Exception, ResourceType, Selector, walk};
use crate::sim::world::refusal::Refusal;

/// Types whose `updateMask` the API refuses to do without, by the beginnings of their names. (source: "Required." begins the
/// parameter's description in Discovery; Discovery's `required`, which the catalog has, is about few.)
const NEEDED: [&str; 16] = [
    "aiplatform.endpoints",
    "appengine.apps.services",
    "certificatemanager.",
    "clouddeploy.",
    "cloudfunctions:v1.functions",
    "cloudkms.",
    "composer.environments",
    "dataproc.clusters",
    "logging.exclusions",
    "logging.projects.exclusions",
    "managedkafka.",
    "memcache.",
    "monitoring.snoozes",
    "pubsub.",
    "redis.",
    "secretmanager.",
];

/// Types whose masks reach into maps, which AIP-161 allows and few APIs do. (source: Discovery, environments.patch of Composer)
const INTO_MAPS: [&str; 1] = ["composer.environments"];

/// Whether a write without a mask is refused.
pub(super) fn is_needed(resource_type: ResourceType) -> bool {
    let name = resource_type.name();
    NEEDED.iter().any(|beginning| name.starts_with(beginning))
}

/// The paths of a mask, in the JSON spelling.
///
/// # Errors
/// A path that the API does not take.
pub(super) fn paths(resource_type: ResourceType, mask: &str) -> Result<Vec<String>, Refusal> {
    let prefix = resource_type.rules().iter().find_map(|rule| match rule.what {
        Exception::MaskPrefix(prefix) => Some(format!("{prefix}.")),
        _ => None,
    });
    let given: Vec<&str> = mask.split(',').map(str::trim).filter(|path| !path.is_empty()).collect();
    // AIP-134: everything that can be written.
    if given == ["*"] {
        let settable = resource_type.settable_fields();
        return Ok(settable.into_iter().map(|field| field.name.to_owned()).collect());
    }
    let mut paths = Vec::new();
    for path in given {
        let path = camel_case(path);
        let path = match &prefix {
            Some(prefix) => path
                .strip_prefix(prefix.as_str())
                .ok_or_else(|| refused(&path, &format!("paths begin with {prefix}")))?,
            None => &path,
        };
        check(resource_type, path)?;
        paths.push(path.to_owned());
    }
    check_together(resource_type, &paths)?;
    Ok(paths)
}

/// What an update without a mask means (AIP-134): the fields that are there in the body.
pub(super) fn populated(resource_type: ResourceType, body: &Map<String, Value>) -> Vec<String> {
    let settable = resource_type.settable_fields();
    settable.into_iter().map(|field| field.name.to_owned()).filter(|name| body.contains_key(name)).collect()
}

fn check(resource_type: ResourceType, path: &str) -> Result<(), Refusal> {
    let selector: Selector = path.parse().map_err(|_| refused(path, "it is no path"))?;
    let facts = walk(resource_type, &selector).map_err(|error| refused(path, &error.to_string()))?;
    let reaches_into_map = facts.mask_path != path;
    if reaches_into_map && !INTO_MAPS.contains(&resource_type.name().as_str()) {
        return Err(refused(path, &format!("a mask ends at `{}`", facts.mask_path)));
    }
    if facts.behavior.is_output_only() {
        return Err(refused(path, "the field is output only"));
    }
    let is_fixed =
        resource_type.fixed(path.split('.').next().unwrap_or(path)).or_else(|| resource_type.fixed(path)).is_some();
    if facts.behavior.is_immutable() || is_fixed {
        return Err(refused(path, "the field is immutable"));
    }
    for rule in resource_type.rules() {
        match &rule.what {
            Exception::MaskOfFirstLevel if path.contains('.') => {
                return Err(refused(path, "the mask takes fields of the first level"));
            }
            Exception::MaskOnly(allowed) if !allowed.iter().any(|allowed| is_at_or_below(path, allowed)) => {
                return Err(refused(path, &format!("the mask takes {} only", allowed.join(", "))));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_together(resource_type: ResourceType, paths: &[String]) -> Result<(), Refusal> {
    let is_one_by_one = resource_type.rules().iter().any(|rule| rule.what == Exception::OneFieldAWrite);
    if is_one_by_one && paths.len() > 1 {
        let message = "There should be exactly 1 update_mask field specified per request";
        return Err(Refusal::invalid("update_mask", message));
    }
    Ok(())
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn refused(path: &str, why: &str) -> Refusal {
    Refusal::invalid("update_mask", format!("Invalid field in update_mask: '{path}': {why}"))
}

/// `display_name` is `displayName`: both spellings are taken (recorded: 60 of 950 paths had the former).
fn camel_case(path: &str) -> String {
    let mut result = String::with_capacity(path.len());
    let mut is_after_line = false;
    for letter in path.chars() {
        match letter {
            '_' => is_after_line = true,
            letter if is_after_line => {
                result.extend(letter.to_uppercase());
                is_after_line = false;
            }
            letter => result.push(letter),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    fn read(type_name: &str, mask: &str) -> Result<String, String> {
        let resource_type = Catalog::open().unwrap().find_type(type_name).unwrap();
        paths(resource_type, mask).map(|paths| paths.join(",")).map_err(|refusal| refusal.message)
    }

    #[test]
    fn a_mask_names_fields_that_can_be_written() {
        assert_eq!(read("redis.instances", "memory_size_gb").as_deref(), Ok("memorySizeGb"));
        assert_eq!(read("run.jobs", "template.taskCount, labels").as_deref(), Ok("template.taskCount,labels"));
        assert_eq!(read("composer.environments", "labels.test").as_deref(), Ok("labels.test"));
        assert_eq!(read("orgpolicy.policies", "policy.spec").as_deref(), Ok("spec"));
        for (type_name, mask, why) in [
            ("redis.instances", "memorySizeGB", "no field `memorySizeGB`"),
            ("redis.instances", "host", "output only"),
            ("redis.instances", "memorySizeGb,labels", "exactly 1"),
            ("redis.instances", "labels.team", "a mask ends at `labels`"),
            ("pubsub.subscriptions", "filter", "immutable"),
            ("memcache.instances", "nodeCount", "displayName, labels only"),
            ("orgpolicy.policies", "spec", "begin with policy."),
            ("run.jobs", "template.template.containers.image", "is a list"),
        ] {
            let refusal = read(type_name, mask).unwrap_err();
            assert!(refusal.contains(why), "{type_name} {mask}: {refusal}");
        }
    }
}
