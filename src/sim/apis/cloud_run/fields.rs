//! What v1 and v2 call the same thing: a table that is read in both directions.
//!
//! A field that is in none of the tables is passed through under the same name, so that nothing is lost that one of the two
//! versions has no word for. Sources: the reference of the Cloud Run Admin API v1 and its annotations
//! (<https://docs.cloud.google.com/run/docs/reference/rest/v1/ObjectMeta>), what gcloud sends and needs, and, for scaling by
//! hand, <https://docs.cloud.google.com/run/docs/configuring/services/manual-scaling>.

use serde_json::{Map, Value, json};

use crate::sim::world::refusal::Refusal;

/// A field that both versions have.
pub(super) struct Field {
    v1: &'static [&'static str],
    v2: &'static [&'static str],
    form: Form,
}

/// How v1 writes what v2 has.
enum Form {
    /// The same.
    Same,
    /// A number, as text. v2 leaves out zero.
    Count,
    /// One of these words for one of v2's.
    Word(&'static [(&'static str, &'static str)]),
    /// `"true"`; what is false is left out.
    Flag,
    /// A duration in whole seconds, as a number.
    Seconds,
    /// The same, but v1 leaves this one out, and v2 does not.
    Unless(&'static str),
    /// A list, as the text of its JSON.
    JsonText,
    /// A list of messages that differ in the names of these fields.
    Each(fn(Value, Direction) -> Value),
}

/// From which version into which.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToV1,
    ToV2,
}

const fn field(v1: &'static [&'static str], v2: &'static [&'static str], form: Form) -> Field {
    Field { v1, v2, form }
}

const fn annotation(v1: &'static [&'static str; 3], v2: &'static [&'static str], form: Form) -> Field {
    Field { v1, v2, form }
}

/// A path to an annotation.
macro_rules! at {
    ($name:literal) => {
        &["metadata", "annotations", $name]
    };
}

/// A service, but for its template and its traffic.
pub(super) const SERVICE: &[Field] = &[
    field(&["metadata", "labels"], &["labels"], Form::Same),
    // What the annotations below leave over.
    field(&["metadata", "annotations"], &["annotations"], Form::Same),
    annotation(at!("run.googleapis.com/client-name"), &["client"], Form::Same),
    annotation(at!("run.googleapis.com/client-version"), &["clientVersion"], Form::Same),
    annotation(at!("run.googleapis.com/default-url-disabled"), &["defaultUriDisabled"], Form::Flag),
    annotation(at!("run.googleapis.com/description"), &["description"], Form::Same),
    annotation(at!("run.googleapis.com/ingress"), &["ingress"], Form::Word(INGRESS)),
    annotation(at!("run.googleapis.com/launch-stage"), &["launchStage"], Form::Unless("GA")),
    annotation(at!("run.googleapis.com/minScale"), &["scaling", "minInstanceCount"], Form::Count),
    annotation(at!("run.googleapis.com/maxScale"), &["scaling", "maxInstanceCount"], Form::Count),
    annotation(at!("run.googleapis.com/scalingMode"), &["scaling", "scalingMode"], Form::Word(SCALING_MODE)),
    annotation(at!("run.googleapis.com/manualInstanceCount"), &["scaling", "manualInstanceCount"], Form::Count),
];

/// A revision's template.
pub(super) const TEMPLATE: &[Field] = &[
    field(&["metadata", "name"], &["revision"], Form::Same),
    field(&["metadata", "labels"], &["labels"], Form::Same),
    field(&["metadata", "annotations"], &["annotations"], Form::Same),
    annotation(at!("autoscaling.knative.dev/minScale"), &["scaling", "minInstanceCount"], Form::Count),
    annotation(at!("autoscaling.knative.dev/maxScale"), &["scaling", "maxInstanceCount"], Form::Count),
    annotation(at!("run.googleapis.com/vpc-access-connector"), &["vpcAccess", "connector"], Form::Same),
    annotation(at!("run.googleapis.com/vpc-access-egress"), &["vpcAccess", "egress"], Form::Word(EGRESS)),
    annotation(at!("run.googleapis.com/network-interfaces"), &["vpcAccess", "networkInterfaces"], Form::JsonText),
    annotation(
        at!("run.googleapis.com/execution-environment"),
        &["executionEnvironment"],
        Form::Word(EXECUTION_ENVIRONMENT),
    ),
    annotation(at!("run.googleapis.com/sessionAffinity"), &["sessionAffinity"], Form::Flag),
    annotation(
        at!("run.googleapis.com/startup-cpu-boost"),
        &["containers", "0", "resources", "startupCpuBoost"],
        Form::Flag,
    ),
    annotation(at!("run.googleapis.com/cpu-throttling"), &["containers", "0", "resources", "cpuIdle"], Form::Flag),
    field(&["spec", "containerConcurrency"], &["maxInstanceRequestConcurrency"], Form::Same),
    field(&["spec", "serviceAccountName"], &["serviceAccount"], Form::Same),
    field(&["spec", "timeoutSeconds"], &["timeout"], Form::Seconds),
    field(&["spec", "volumes"], &["volumes"], Form::Each(volume)),
    field(&["spec", "containers"], &["containers"], Form::Each(container)),
];

const INGRESS: &[(&str, &str)] = &[
    ("all", "INGRESS_TRAFFIC_ALL"),
    ("internal", "INGRESS_TRAFFIC_INTERNAL_ONLY"),
    ("internal-and-cloud-load-balancing", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"),
    ("none", "INGRESS_TRAFFIC_NONE"),
];

const EGRESS: &[(&str, &str)] = &[("all-traffic", "ALL_TRAFFIC"), ("private-ranges-only", "PRIVATE_RANGES_ONLY")];

const EXECUTION_ENVIRONMENT: &[(&str, &str)] =
    &[("gen1", "EXECUTION_ENVIRONMENT_GEN1"), ("gen2", "EXECUTION_ENVIRONMENT_GEN2")];

const SCALING_MODE: &[(&str, &str)] = &[("automatic", "AUTOMATIC"), ("manual", "MANUAL")];

/// Flags of a container that are annotations of the template in v1.
const FLAGS: [&str; 2] = ["startupCpuBoost", "cpuIdle"];

/// What v2 has, in v1's words: a message with `metadata` and `spec`. What `table` does not name goes into `spec`, but for `besides`.
pub(super) fn in_v1(table: &[Field], v2: &Map<String, Value>, besides: &[&str]) -> Map<String, Value> {
    let mut v1 = Map::new();
    for Field { v1: to, v2: from, form } in table {
        let found = get(v2, from).filter(|found| **found != json!({}));
        if let Some(value) = found.and_then(|value| form.in_v1(value)) {
            put(&mut v1, to, value);
        }
    }
    let is_named = |name: &str| besides.contains(&name) || table.iter().any(|field| field.v2.first() == Some(&name));
    for (name, value) in v2.iter().filter(|(name, _)| !is_named(name)) {
        put(&mut v1, &["spec", name], value.clone());
    }
    v1
}

/// Writes into a message of v2 what v1 says; what v1 could say and does not is taken out. What the table does not name is taken
/// over from `spec` if it is there, but for `besides`, and otherwise stays.
pub(super) fn in_v2(
    table: &[Field],
    v1: &Map<String, Value>,
    besides: &[&str],
    v2: &mut Map<String, Value>,
) -> Result<(), Refusal> {
    let mut rest = v1.clone();
    // What stands later in a table is inside of what stands earlier, or is there to be added to.
    for Field { v1: from, v2: to, form } in table.iter().rev() {
        let found = take(&mut rest, from).filter(|found| !is_nothing(found));
        let name = from.last().copied().unwrap_or_default();
        match found.map_or_else(|| Ok(form.if_absent()), |value| form.in_v2(value, name))? {
            Some(value) => put(v2, to, value),
            None => clear(v2, to),
        }
    }
    let left = rest.get("spec").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in left.filter(|(name, _)| !besides.contains(&name.as_str())) {
        v2.insert(name.clone(), value.clone());
    }
    Ok(())
}

impl Form {
    fn in_v1(&self, value: &Value) -> Option<Value> {
        match self {
            Self::Same => Some(value.clone()),
            Self::Count => value.as_i64().map(|count| json!(count.to_string())),
            Self::Word(words) => words.iter().find(|(_, v2)| value.as_str() == Some(v2)).map(|(v1, _)| json!(v1)),
            Self::Flag => (*value == json!(true)).then(|| json!("true")),
            Self::Seconds => {
                let seconds = value.as_str()?.strip_suffix('s')?;
                Some(seconds.parse::<i64>().map_or_else(|_| json!(seconds), |seconds| json!(seconds)))
            }
            Self::Unless(default) => (value.as_str() != Some(default)).then(|| value.clone()),
            Self::JsonText => Some(json!(value.to_string())),
            Self::Each(rename) => {
                let all = value.as_array()?.iter().cloned();
                Some(all.map(|one| rename(one, Direction::ToV1)).collect())
            }
        }
    }

    /// The value for v2; none, if v2 leaves it out.
    fn in_v2(&self, value: Value, name: &str) -> Result<Option<Value>, Refusal> {
        let text = value.as_str().unwrap_or_default();
        let wrong = |why: &str| Refusal::invalid(name, format!("{name}: {text:?} {why}"));
        Ok(match self {
            Self::Same | Self::Unless(_) => Some(value),
            Self::Count => {
                let count: i64 = text.parse().map_err(|_| wrong("is not a whole number"))?;
                (count != 0).then(|| json!(count))
            }
            Self::Word(words) => {
                let word = words.iter().find(|(v1, _)| *v1 == text);
                Some(json!(word.ok_or_else(|| wrong("is not one of its values"))?.1))
            }
            Self::Flag => text.eq_ignore_ascii_case("true").then(|| json!(true)),
            // What is no whole number was so in v2.
            Self::Seconds => match value.as_i64() {
                Some(seconds) => Some(json!(format!("{seconds}s"))),
                None => value.as_str().map(|seconds| json!(format!("{seconds}s"))),
            },
            Self::JsonText => match serde_json::from_str(text) {
                Ok(list @ Value::Array(_)) => Some(list),
                Ok(_) | Err(_) => return Err(wrong("is no list in JSON")),
            },
            Self::Each(rename) => {
                let Value::Array(all) = value else { return Err(Refusal::invalid(name, format!("{name} is no list"))) };
                Some(all.into_iter().map(|one| rename(one, Direction::ToV2)).collect())
            }
        })
    }

    fn if_absent(&self) -> Option<Value> {
        match self {
            Self::Unless(default) => Some(json!(default)),
            Self::Each(_) | Self::Same | Self::Count | Self::Word(_) | Self::Flag | Self::Seconds | Self::JsonText => {
                None
            }
        }
    }
}

/// What says nothing in v1: an empty text, or an empty message.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A container's secrets are called otherwise, and its flags are annotations in v1.
fn container(mut container: Value, direction: Direction) -> Value {
    let (from, to) = match direction {
        Direction::ToV1 => ("valueSource", "valueFrom"),
        Direction::ToV2 => ("valueFrom", "valueSource"),
    };
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(variable) = variable.as_object_mut() else { continue };
        let Some(mut source) = variable.shift_remove(from) else { continue };
        rename(source.get_mut("secretKeyRef"), &[("secret", "name"), ("version", "key")], direction);
        variable.insert(to.to_owned(), source);
    }
    if let (Direction::ToV1, Some(resources)) =
        (direction, container.get_mut("resources").and_then(Value::as_object_mut))
    {
        resources.retain(|name, _| !FLAGS.contains(&name.as_str()));
    }
    container
}

/// A volume's secret is called otherwise.
fn volume(mut volume: Value, direction: Direction) -> Value {
    let items = volume.get_mut("secret").and_then(|secret| secret.get_mut("items")).and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        rename(Some(item), &[("version", "key")], direction);
    }
    rename(volume.get_mut("secret"), &[("secret", "secretName")], direction);
    volume
}

/// Renames fields, which are named in v2 and then in v1.
fn rename(object: Option<&mut Value>, names: &[(&str, &str)], direction: Direction) {
    let Some(object) = object.and_then(Value::as_object_mut) else { return };
    for (v2, v1) in names {
        let (from, to) = match direction {
            Direction::ToV1 => (v2, v1),
            Direction::ToV2 => (v1, v2),
        };
        if let Some(value) = object.shift_remove(*from) {
            object.insert((*to).to_owned(), value);
        }
    }
}

/// What is at a path: the name of a field, or the number of an item.
fn get<'v>(object: &'v Map<String, Value>, path: &[&str]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object.get(*first)?, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => value.get(*step),
    })
}

/// Takes out what is at a path of names, and leaves what it was in.
fn take(object: &mut Map<String, Value>, path: &[&str]) -> Option<Value> {
    match path {
        [] => None,
        [last] => object.shift_remove(*last),
        [first, rest @ ..] => take(object.get_mut(*first)?.as_object_mut()?, rest),
    }
}

/// Puts something at a path. Where there is an item of no such number, nothing is put.
fn put(object: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => match (object.get_mut(*last), value) {
            // What was put inside of it before stays.
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (_, value) => drop(object.insert((*last).to_owned(), value)),
        },
        [first, rest @ ..] => {
            let inner = object.entry(*first).or_insert_with(|| json!({}));
            match (inner, rest) {
                (Value::Array(items), [index, rest @ ..]) => {
                    let item = index.parse::<usize>().ok().and_then(|index| items.get_mut(index));
                    if let Some(item) = item.and_then(Value::as_object_mut) {
                        put(item, rest, value);
                    }
                }
                (Value::Object(inner), rest) => put(inner, rest, value),
                _ => {}
            }
        }
    }
}

/// Takes out what is at a path, and the message that it was in if nothing is left there. A message that was there and said
/// nothing stays: v1 has no words for it.
fn clear(object: &mut Map<String, Value>, path: &[&str]) {
    match path {
        [] => {}
        [last] => drop(object.shift_remove(*last)),
        [first, rest @ ..] => {
            let emptied = match (object.get_mut(*first), rest) {
                (Some(Value::Array(items)), [index, rest @ ..]) => {
                    let item = index.parse::<usize>().ok().and_then(|index| items.get_mut(index));
                    if let Some(item) = item.and_then(Value::as_object_mut) {
                        clear(item, rest);
                    }
                    false
                }
                (Some(Value::Object(inner)), rest) => {
                    let was_empty = inner.is_empty();
                    clear(inner, rest);
                    inner.is_empty() && !was_empty
                }
                _ => false,
            };
            if emptied {
                object.shift_remove(*first);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A value of v2 that a field of this form can have, brought into the form in which it is stored: what is false, zero or
    /// empty is left out.
    fn value(form: &Form) -> BoxedStrategy<Value> {
        match form {
            Form::Same => {
                prop_oneof!["[a-z]{1,8}".prop_map(|text| json!(text)), (1..1000_i64).prop_map(|number| json!(number))]
                    .boxed()
            }
            Form::Count => (1..1000_i64).prop_map(|count| json!(count)).boxed(),
            Form::Word(words) => {
                let words: Vec<Value> = words.iter().map(|(_, v2)| json!(v2)).collect();
                proptest::sample::select(words).boxed()
            }
            Form::Flag => Just(json!(true)).boxed(),
            Form::Seconds => prop_oneof![Just(json!("300s")), Just(json!("1.500s"))].boxed(),
            Form::Unless(default) => prop_oneof![Just(json!(default)), Just(json!("BETA"))].boxed(),
            Form::JsonText => "[a-z]{1,8}".prop_map(|name| json!([{ "network": name, "tags": ["web"] }])).boxed(),
            Form::Each(_) => Just(json!([])).boxed(),
        }
    }

    fn containers() -> impl Strategy<Value = Value> {
        let secret = json!({ "secretKeyRef": { "secret": "s", "version": "3" } });
        let container = move |(image, limited, with_secret): (String, bool, bool)| {
            let mut container = json!({ "image": image, "futureField": { "a": [1] } });
            if limited {
                container["resources"] = json!({ "limits": { "cpu": "1" }, "futureField": 2 });
            }
            if with_secret {
                container["env"] = json!([{ "name": "A", "value": "b" }, { "name": "B", "valueSource": secret }]);
            }
            container
        };
        proptest::collection::vec(("[a-z]{1,5}", any::<bool>(), any::<bool>()).prop_map(container), 1..3)
            .prop_map(Value::from)
    }

    /// A message of v2 that has any of the fields of a table, and one that nobody knows.
    fn message(table: &'static [Field]) -> impl Strategy<Value = Map<String, Value>> {
        let fields: Vec<_> = table.iter().map(|field| proptest::option::of(value(&field.form))).collect();
        (fields, containers(), any::<bool>()).prop_map(move |(values, containers, with_volume)| {
            let mut v2 = Map::new();
            v2.insert("futureField".to_owned(), json!({ "b": null }));
            let is_template = table.iter().any(|field| field.v2 == ["containers"]);
            if is_template {
                v2.insert("containers".to_owned(), containers);
            }
            if is_template && with_volume {
                let items = json!([{ "path": "p", "version": "1", "mode": 2 }]);
                v2.insert("volumes".to_owned(), json!([{ "name": "v", "secret": { "secret": "s", "items": items } }]));
            }
            for (field, value) in table.iter().zip(values) {
                let value = match (field.form.if_absent(), value) {
                    (_, Some(value)) => value,
                    (Some(default), None) => default,
                    (None, None) => continue,
                };
                match field.v2 {
                    ["labels" | "annotations"] => put(&mut v2, field.v2, json!({ "own.example/a": value })),
                    ["containers" | "volumes"] => {}
                    path => put(&mut v2, path, value),
                }
            }
            v2
        })
    }

    proptest! {
        #[test]
        fn what_both_versions_know_survives_the_way_there_and_back(
            service in message(SERVICE), template in message(TEMPLATE),
        ) {
            for (table, v2) in [(SERVICE, service), (TEMPLATE, template)] {
                let v1 = in_v1(table, &v2, &[]);
                let mut back = Map::new();
                in_v2(table, &v1, &[], &mut back).unwrap();
                prop_assert_eq!(&back, &v2, "{:?}", v1);
                // Onto what is there already, it is the same again: what is gone from v1 goes.
                let mut onto = back.clone();
                in_v2(table, &v1, &[], &mut onto).unwrap();
                prop_assert_eq!(onto, v2);
            }
        }
    }

    #[test]
    fn every_field_is_in_a_table_once() {
        for table in [SERVICE, TEMPLATE] {
            for (at, field) in table.iter().enumerate() {
                let twice = table.iter().skip(at + 1).any(|other| other.v1 == field.v1 || other.v2 == field.v2);
                assert!(!twice, "{:?} ↔ {:?}", field.v1, field.v2);
            }
        }
    }
}
