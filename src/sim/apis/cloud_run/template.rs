//! Revision templates and the rest of a service's spec, kept as JSON so that what we do not know survives.
//!
//! Requests come from different clients: the official SDKs send enums as integers and omit fields that have their
//! default, `curl` users write names. Before anything is stored or compared it is brought into one form: enums by
//! name, defaults left out. Otherwise a client that reads a template and sends it back unchanged would make a new
//! revision. (Source for fields and enums: `google/cloud/run/v2/{service,revision_template,vendor_settings,
//! k8s.min}.proto`; for the JSON form: the ProtoJSON specification.)

use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::sim::world::refusal::Refusal;
use crate::sim::world::unknown_field;

/// The fields of a `Service` that a caller may set, besides `template` and `traffic`.
const SETTABLE: [&str; 16] = [
    "annotations",
    "binaryAuthorization",
    "buildConfig",
    "client",
    "clientVersion",
    "customAudiences",
    "defaultUriDisabled",
    "description",
    "iapEnabled",
    "ingress",
    "invokerIamDisabled",
    "labels",
    "launchStage",
    "multiRegionSettings",
    "scaling",
    "threatDetectionEnabled",
];

/// The fields of a `Service` that only the server sets: they are ignored in a request (AIP-203), but for `name` and
/// `etag`, which are compared.
const OUTPUT_ONLY: [&str; 21] = [
    "conditions",
    "createTime",
    "creator",
    "deleteTime",
    "etag",
    "expireTime",
    "generation",
    "lastModifier",
    "latestCreatedRevision",
    "latestReadyRevision",
    "name",
    "observedGeneration",
    "reconciling",
    "satisfiesPzs",
    "terminalCondition",
    "trafficStatuses",
    "uid",
    "updateTime",
    "uri",
    "urls",
    "@type",
];

/// The fields of a `RevisionTemplate`.
const TEMPLATE: [&str; 19] = [
    "annotations",
    "containers",
    "encryptionKey",
    "encryptionKeyRevocationAction",
    "encryptionKeyShutdownDuration",
    "executionEnvironment",
    "gpuZonalRedundancyDisabled",
    "healthCheckDisabled",
    "labels",
    "maxInstanceRequestConcurrency",
    "nodeSelector",
    "revision",
    "scaling",
    "serviceAccount",
    "serviceMesh",
    "sessionAffinity",
    "timeout",
    "volumes",
    "vpcAccess",
];

/// Names of an enum's values, in the order of their numbers; the first stands for "not set".
type Names = &'static [&'static str];

const INGRESS: Names = &[
    "INGRESS_TRAFFIC_UNSPECIFIED",
    "INGRESS_TRAFFIC_ALL",
    "INGRESS_TRAFFIC_INTERNAL_ONLY",
    "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
    "INGRESS_TRAFFIC_NONE",
];
const LAUNCH_STAGE: Names =
    &["LAUNCH_STAGE_UNSPECIFIED", "EARLY_ACCESS", "ALPHA", "BETA", "GA", "DEPRECATED", "UNIMPLEMENTED", "PRELAUNCH"];
const SCALING_MODE: Names = &["SCALING_MODE_UNSPECIFIED", "AUTOMATIC", "MANUAL"];
const EGRESS: Names = &["VPC_EGRESS_UNSPECIFIED", "ALL_TRAFFIC", "PRIVATE_RANGES_ONLY"];
const EXECUTION_ENVIRONMENT: Names =
    &["EXECUTION_ENVIRONMENT_UNSPECIFIED", "EXECUTION_ENVIRONMENT_GEN1", "EXECUTION_ENVIRONMENT_GEN2"];
const KEY_REVOCATION: Names = &["ENCRYPTION_KEY_REVOCATION_ACTION_UNSPECIFIED", "PREVENT_NEW", "SHUTDOWN"];
const MEDIUM: Names = &["MEDIUM_UNSPECIFIED", "MEMORY"];

/// Whether only the server sets a field of a `Service`.
pub fn is_output_only(field: &str) -> bool {
    OUTPUT_ONLY.contains(&field)
}

/// The fields of a spec and of its template that the simulated cloud does not know.
pub fn unknown<'s>(spec: &'s Map<String, Value>, template: &'s Map<String, Value>) -> impl Iterator<Item = &'s String> {
    let above = spec.keys().filter(|field| !SETTABLE.contains(&field.as_str()));
    above.chain(template.keys().filter(|field| !TEMPLATE.contains(&field.as_str())))
}

/// Refuses fields that a `Service` does not have. What was captured of a real one (`spec`) may have more than is known here.
pub fn check_fields(body: &Map<String, Value>, spec: &Map<String, Value>) -> Result<(), Refusal> {
    let known = |key: &str| {
        key == "template"
            || key == "traffic"
            || SETTABLE.contains(&key)
            || OUTPUT_ONLY.contains(&key)
            || spec.contains_key(key)
    };
    match body.keys().find(|key| !known(key)) {
        Some(unknown) => Err(unknown_field(unknown, "service")),
        None => Ok(()),
    }
}

/// Takes the fields that `mask` names from `body` into `spec`; without a mask (or with `*`), all that can be set.
///
/// A field that the mask names and the body lacks is cleared. Fields that only the server sets are passed over.
pub fn merge(spec: &mut Map<String, Value>, body: &Map<String, Value>, mask: Option<&str>) -> Result<(), Refusal> {
    let paths: Vec<&str> = mask.unwrap_or_default().split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
    if paths.is_empty() || paths == ["*"] {
        for key in SETTABLE.iter().chain(&["template", "traffic"]) {
            replace(spec, body, key);
        }
        return Ok(());
    }
    for path in paths {
        let segments: Vec<String> = path.split('.').map(camel_case).collect();
        let refuse = || {
            let message = format!("update_mask: {path:?} is not a field of a service that a mask can name");
            Refusal::invalid("update_mask", message)
        };
        match segments.as_slice() {
            [top] if OUTPUT_ONLY.contains(&top.as_str()) => {}
            [top] if top == "template" || top == "traffic" || SETTABLE.contains(&top.as_str()) => {
                replace(spec, body, top);
            }
            [top, second, ..] if top == "template" && !TEMPLATE.contains(&second.as_str()) => return Err(refuse()),
            [top, ..] if top == "template" || SETTABLE.contains(&top.as_str()) => {
                merge_at(spec, body, &segments).ok_or_else(refuse)?;
            }
            _ => return Err(refuse()),
        }
    }
    Ok(())
}

fn replace(spec: &mut Map<String, Value>, body: &Map<String, Value>, key: &str) {
    match body.get(key) {
        Some(value) if !value.is_null() => {
            spec.insert(key.to_owned(), value.clone());
        }
        _ => {
            spec.shift_remove(key);
        }
    }
}

/// `None` if the path leads through something that is no message: a mask cannot name a field inside a list (AIP-161).
fn merge_at(spec: &mut Map<String, Value>, body: &Map<String, Value>, path: &[String]) -> Option<()> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        replace(spec, body, first);
        return Some(());
    }
    let empty = Map::new();
    let from = match body.get(first) {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(object)) => object,
        Some(_) => return None,
    };
    let to = spec.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
    merge_at(to.as_object_mut()?, from, rest)
}

fn camel_case(segment: &str) -> String {
    let mut camel = String::with_capacity(segment.len());
    let mut up = false;
    for letter in segment.chars() {
        if letter == '_' {
            up = true;
        } else {
            camel.push(if up { letter.to_ascii_uppercase() } else { letter });
            up = false;
        }
    }
    camel
}

/// Brings a service's spec (without `template` and `traffic`) into its one form.
pub fn normalise_spec(spec: &mut Map<String, Value>) -> Result<(), Refusal> {
    name_enum(spec, "ingress", INGRESS)?;
    name_enum(spec, "launchStage", LAUNCH_STAGE)?;
    if let Some(scaling) = spec.get_mut("scaling").and_then(Value::as_object_mut) {
        name_enum(scaling, "scalingMode", SCALING_MODE)?;
    }
    leave_defaults_out(spec);
    Ok(())
}

/// Brings a template into its one form, or refuses it. It may have the fields that the one `before` has.
pub fn normalise(template: &mut Map<String, Value>, before: &Map<String, Value>) -> Result<(), Refusal> {
    let is_known = |key: &&String| TEMPLATE.contains(&key.as_str()) || before.contains_key(*key);
    if let Some(unknown) = template.keys().find(|key| !is_known(key)) {
        return Err(unknown_field(unknown, "service.template"));
    }
    name_enum(template, "executionEnvironment", EXECUTION_ENVIRONMENT)?;
    name_enum(template, "encryptionKeyRevocationAction", KEY_REVOCATION)?;
    if let Some(access) = template.get_mut("vpcAccess").and_then(Value::as_object_mut) {
        name_enum(access, "egress", EGRESS)?;
    }
    for volume in template.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(directory) = volume.get_mut("emptyDir").and_then(Value::as_object_mut) {
            name_enum(directory, "medium", MEDIUM)?;
        }
    }
    leave_defaults_out(template);
    let containers = template.get("containers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        let message = "Revision template should contain at least one container";
        return Err(Refusal::invalid("template.containers", message));
    }
    for (index, container) in containers.iter().enumerate() {
        if container.get("image").and_then(Value::as_str).is_none_or(str::is_empty) {
            let field = format!("template.containers[{index}].image");
            return Err(Refusal::invalid(field, "A container must have an image"));
        }
    }
    Ok(())
}

/// Replaces an enum's number by its name, and "not set" by nothing.
fn name_enum(object: &mut Map<String, Value>, field: &str, names: Names) -> Result<(), Refusal> {
    let name = match object.get(field) {
        None => return Ok(()),
        Some(Value::Null) => names.first(),
        Some(Value::Number(number)) => {
            number.as_u64().and_then(|number| usize::try_from(number).ok()).and_then(|number| names.get(number))
        }
        Some(Value::String(text)) => names.iter().find(|name| *name == text),
        Some(_) => None,
    };
    match name {
        None => Err(Refusal::invalid(field, format!("Invalid value at '{field}' (TYPE_ENUM)"))),
        Some(name) if Some(name) == names.first() => {
            object.shift_remove(field);
            Ok(())
        }
        Some(name) => {
            object.insert(field.to_owned(), Value::from(*name));
            Ok(())
        }
    }
}

/// Leaves out what ProtoJSON may leave out: false, zero, the empty string, the empty list, null.
///
/// An empty message stays, since its presence means something (`emptyDir: {}`), and so does whatever stands in a map
/// with free keys (a label may be empty).
fn leave_defaults_out(object: &mut Map<String, Value>) {
    object.retain(|_, value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Bool(true) | Value::Object(_) => true,
    });
    for (key, value) in object {
        if matches!(key.as_str(), "labels" | "annotations" | "limits" | "accelerator") {
            continue;
        }
        match value {
            Value::Object(inner) => leave_defaults_out(inner),
            Value::Array(list) => list.iter_mut().filter_map(Value::as_object_mut).for_each(leave_defaults_out),
            _ => {}
        }
    }
}

/// Fills in what Cloud Run fills in where a template says nothing (recorded: a service that was created with an image and a
/// variable). A container's processor is idle between requests only if nothing at all is said of its resources (source: the
/// comment on `cpu_idle` in `google/cloud/run/v2/k8s.min.proto`). That the same is done to an update is inferred, and to the
/// services of a scenario for the same reason.
pub fn fill_defaults(template: &mut Map<String, Value>, project_number: &str) {
    template.entry("timeout").or_insert_with(|| "300s".into());
    template
        .entry("serviceAccount")
        .or_insert_with(|| format!("{project_number}-compute@developer.gserviceaccount.com").into());
    template.entry("maxInstanceRequestConcurrency").or_insert_with(|| 80.into());
    let containers =
        template.get_mut("containers").and_then(Value::as_array_mut).map_or(&mut [][..], Vec::as_mut_slice);
    // Of several containers, the one with a port takes the requests, and must say so.
    let alone = containers.len() == 1;
    for container in containers.iter_mut().filter_map(Value::as_object_mut) {
        let said = container.contains_key("resources");
        if let Some(resources) =
            container.entry("resources").or_insert_with(|| Value::Object(Map::new())).as_object_mut()
        {
            if !said {
                resources.insert("cpuIdle".to_owned(), true.into());
            }
            let limits = resources.entry("limits").or_insert_with(|| Value::Object(Map::new()));
            if let Some(limits) = limits.as_object_mut() {
                limits.entry("cpu").or_insert_with(|| "1000m".into());
                limits.entry("memory").or_insert_with(|| "512Mi".into());
            }
        }
        if alone {
            container.entry("ports").or_insert_with(|| serde_json::json!([{ "containerPort": 8080 }]));
        }
        let port = container.get_mut("ports").and_then(Value::as_array_mut).and_then(|ports| ports.first_mut());
        let Some(port) = port.and_then(Value::as_object_mut) else { continue };
        port.entry("name").or_insert_with(|| "http1".into());
        let number = port.entry("containerPort").or_insert_with(|| 8080.into()).clone();
        container.entry("startupProbe").or_insert_with(|| {
            serde_json::json!({
                "timeoutSeconds": 240, "periodSeconds": 240, "failureThreshold": 1, "tcpSocket": { "port": number },
            })
        });
    }
}

/// The images of a template's containers, in order.
pub fn images(template: &Map<String, Value>) -> impl Iterator<Item = &str> {
    template.get("containers").and_then(Value::as_array).into_iter().flatten().filter_map(|c| c.get("image")?.as_str())
}

/// How long a request may take: what the template says, or Cloud Run's default of five minutes
/// (source: <https://docs.cloud.google.com/run/docs/configuring/request-timeout>).
pub fn request_timeout(template: &Map<String, Value>) -> SignedDuration {
    let seconds = template.get("timeout").and_then(Value::as_str).and_then(|text| text.strip_suffix('s')?.parse().ok());
    seconds.map_or(SignedDuration::from_mins(5), SignedDuration::from_secs)
}

/// The short name of the connector that a template's instances use.
pub fn connector(template: &Map<String, Value>) -> Option<&str> {
    let name = template.get("vpcAccess")?.get("connector")?.as_str()?;
    name.rsplit('/').next().filter(|short| !short.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn numbers_and_names_and_defaults_are_the_same_template() {
        let mut by_number = object(&json!({
            "containers": [{"image": "a", "env": [{"name": "EMPTY"}], "livenessProbe": {}}],
            "vpcAccess": {"connector": "c", "egress": 2},
            "executionEnvironment": 0,
        }));
        let mut by_name = object(&json!({
            "executionEnvironment": "EXECUTION_ENVIRONMENT_UNSPECIFIED", "sessionAffinity": false, "volumes": [],
            "vpcAccess": {"egress": "PRIVATE_RANGES_ONLY", "connector": "c"},
            "containers": [{"env": [{"name": "EMPTY", "value": ""}], "image": "a", "livenessProbe": {}}],
        }));
        normalise(&mut by_number, &Map::new()).unwrap();
        normalise(&mut by_name, &Map::new()).unwrap();
        assert_eq!(by_number, by_name);
        assert!(by_number["containers"][0].get("livenessProbe").is_some(), "an empty message is not a default");
    }

    #[test]
    fn a_mask_replaces_what_it_names_and_nothing_else() {
        let mut spec =
            object(&json!({"template": {"revision": "s-1", "containers": [{"image": "a"}], "timeout": "9s"}}));
        let body = object(&json!({"template": {"containers": [{"image": "b"}], "timeout": "1s"}}));
        merge(&mut spec, &body, Some("template.containers,template.revision")).unwrap();
        assert_eq!(json!(spec), json!({"template": {"containers": [{"image": "b"}], "timeout": "9s"}}));
    }

    #[test]
    fn a_mask_cannot_name_what_is_not_there_or_lies_in_a_list() {
        let mut spec = object(&json!({"template": {"containers": [{"image": "a"}]}}));
        let body = object(&json!({"template": {"containers": [{"image": "b"}]}}));
        for mask in ["trafic", "template.contaners", "template.containers.image", "traffic.percent"] {
            assert!(merge(&mut spec.clone(), &body, Some(mask)).is_err(), "{mask} was accepted");
        }
        merge(&mut spec, &body, Some("uid,terminal_condition")).unwrap();
        assert_eq!(json!(spec), json!({"template": {"containers": [{"image": "a"}]}}));
    }
}
