//! The catalog keeps its promises for every type that it has, and predicts what Google's own clients were recorded to send.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use insta::assert_snapshot;
use rectify::catalog::{
    Answer, Assignments, Body, Catalog, Exception, MethodArgument, OperationDialect, ProblemKind, Resource,
    ResourceType, Scope, Selector, UpdateDialect, WriteError, WriteRequest, conceal, describe, example_resource,
    example_value, list, list_json, mask_of, validate, walk, writes,
};
use serde_json::{Map, Value, json};

const SCOPE: Scope<'static> = Scope { project: "my-project", region: Some("us-central1"), zone: Some("us-central1-a") };

fn catalog() -> &'static Catalog {
    Catalog::open().unwrap()
}

fn find(text: &str) -> Resource {
    catalog().find(text, &SCOPE).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn set(resource_type: ResourceType, values: Value) -> Assignments {
    validate(resource_type, &object(values), &[]).unwrap()
}

/// The one request by which a resource is given these values.
fn one_write(resource: &Resource, live: &Value, values: Value) -> WriteRequest {
    let mut requests = writes(resource, live, &set(resource.resource_type, values)).unwrap();
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

fn dialect_of(resource_type: ResourceType) -> &'static str {
    resource_type.update().map_or("no update method", |(_, dialect)| dialect.name())
}

/// A count of another number means that the file was made anew, of other documents: look what changed.
#[test]
#[expect(clippy::print_stdout, reason = "how many types are known is worth a line of `cargo test -- --nocapture`")]
fn there_are_as_many_types_in_each_dialect_as_the_documents_have() {
    let types = catalog().types().unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for resource_type in &types {
        *counts.entry(dialect_of(*resource_type)).or_default() += 1;
    }
    let updatable: usize = counts.iter().filter(|(name, _)| **name != "no update method").map(|(_, count)| count).sum();
    let services = catalog().services().count();
    println!("{services} services, {} types, of which {updatable} have an update: {counts:?}", types.len());
    assert_eq!((services, types.len(), updatable), (SERVICES, TYPES, 911));
    let expected = [
        ("Compute merge patch", 66),
        ("field mask", 706),
        ("merge patch", 22),
        ("no update method", 612),
        ("request of another shape", 18),
        ("whole resource by PATCH", 26),
        ("whole resource by PUT", 38),
        ("whole resource by PUT with a mask", 1),
        ("wrapped in a request message", 34),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}

const SERVICES: usize = 171;
const TYPES: usize = 1523;

#[test]
fn every_name_of_every_type_leads_back_to_it() {
    let types = catalog().types().unwrap();
    let mut names = BTreeMap::new();
    let mut shadowed = Vec::new();
    for resource_type in &types {
        let name = resource_type.name();
        assert_eq!(names.insert(name.clone(), *resource_type), None, "{name} is the name of two types");
        assert_eq!(catalog().find_type(&name).unwrap(), *resource_type, "{name}");
        let resource = example_resource(*resource_type);
        let url = resource.url();
        assert!(url.starts_with("https://") && !url.contains(['*', '{', '}', ' ', '$']), "{url}");
        assert!(url.split('/').skip(2).all(|part| !part.is_empty()), "{url}");
        for text in [resource.full_name(), resource.full_name().trim_start_matches('/').to_owned(), url] {
            let found = find(&text);
            assert_eq!(found.url(), example_resource(found.resource_type).url(), "{text}");
            if found.resource_type != *resource_type {
                shadowed.push(format!("{text}: {} not {name}", found.resource_type.name()));
            }
        }
        assert_eq!(resource.full_name().parse::<String>().unwrap(), resource.to_string());
    }
    // A name of two versions of a service is one of the version that names without one mean; a URL says which.
    let urls: Vec<&String> = shadowed.iter().filter(|line| line.starts_with("https://")).collect();
    let expected: [&str; 0] = [];
    assert_eq!(urls, expected, "{urls:#?}");
}

#[test]
fn every_type_takes_a_made_instance_and_says_how_it_is_written() {
    let mut exceptions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut written = 0;
    for resource_type in catalog().types().unwrap() {
        let name = resource_type.name();
        let resource = example_resource(resource_type);
        for method in resource_type.methods() {
            let url = resource.method_url(method, |_| Some("x")).unwrap();
            assert!(url.starts_with("https://") && !url.contains(['{', '}', '*', '$', '^', ' ']), "{name} {url}");
        }
        for field in &resource_type.schema().fields {
            let facts = walk(resource_type, &Selector::field(field.name)).unwrap();
            assert_eq!(facts.mask_path, field.name);
        }
        let Some((method, dialect)) = resource_type.update() else { continue };
        let fields = resource_type.settable_fields();
        let mut values: Map<String, Value> = fields
            .iter()
            .map(|field| (field.name.to_owned(), example_value(resource_type, &field.field_type)))
            .collect();
        // A token below the first level is not set either.
        if let Some((outer, inner)) = resource_type.token().field().and_then(|field| field.split_once('.')) {
            values[outer].as_object_mut().unwrap().shift_remove(inner).unwrap();
        }
        // Nor is what the API never shows, somewhere below.
        for problem in validate(resource_type, &values, &[]).err().into_iter().flatten() {
            if let (ProblemKind::NotShown { .. }, Some(field)) = (&problem.kind, problem.at.get(1)) {
                values.shift_remove(field);
            }
        }
        if values.is_empty() {
            exceptions.entry("nothing can be set".to_owned()).or_default().push(name);
            continue;
        }
        let assignments = match validate(resource_type, &values, &[]) {
            Ok(assignments) => assignments,
            Err(problems) => {
                for problem in problems {
                    let why = match problem.kind {
                        ProblemKind::Write(WriteError::Underivable { .. }) => "another shape".to_owned(),
                        ProblemKind::Write(WriteError::NotInMask { .. }) => "not in the mask".to_owned(),
                        other => format!("{name}: {other}"),
                    };
                    exceptions.entry(why).or_default().push(name.clone());
                }
                continue;
            }
        };
        let mask = mask_of(resource_type, &assignments).unwrap();
        assert!(!mask.is_empty(), "{name}");
        let requests = match writes(&resource, &json!({}), &assignments) {
            Ok(requests) => requests,
            // A PUT of all would send a password that is never read.
            Err(WriteError::Unreadable { .. }) => {
                exceptions.entry("would lose a password".to_owned()).or_default().push(name);
                continue;
            }
            Err(error) => panic!("{name}: {error}"),
        };
        assert!(!requests.is_empty(), "{name}");
        for request in &requests {
            assert!(request.url.starts_with("https://"), "{name}");
            let is_masked = request.query.iter().any(|(name, _)| *name == "updateMask");
            assert!(dialect != UpdateDialect::FieldMask || request.method.name != method.name || is_masked, "{name}");
        }
        written += 1;
        // What was written is as wanted: there is nothing more to do.
        let after = assignments.apply(&json!({})).unwrap();
        assert!(writes(&resource, &after, &assignments).unwrap().is_empty(), "{name}");
        let back = assignments.inverse(&json!({})).unwrap().apply(&after).unwrap();
        assert!(writes(&resource, &json!({}), &Assignments::default()).unwrap().is_empty());
        assert!(leaves(&back).is_empty(), "{name}: {back}");
    }
    for names in exceptions.values_mut() {
        names.dedup();
    }
    // Their updates take requests of another shape than the resource: such a type is changed by its methods.
    let other_shape = exceptions.remove("another shape").unwrap();
    assert_eq!(other_shape, OTHER_SHAPE);
    // Their masks take less than everything.
    let expected = [
        ("not in the mask".to_owned(), vec!["appengine.apps.services".to_owned(), "memcache.instances".to_owned()]),
        ("nothing can be set".to_owned(), vec![NOTHING_SETTABLE.to_owned()]),
        ("would lose a password".to_owned(), vec!["sqladmin.users".to_owned()]),
    ];
    assert_eq!(exceptions.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(written, 911 - 18 - 2 - 1 - 1);
}

const NOTHING_SETTABLE: &str = "fcm.registrations.topicSubscriptions";
const OTHER_SHAPE: [&str; 18] = [
    "apigee.organizations.environments.keystores.aliases",
    "apigee.organizations.sites.apicategories",
    "apigee.organizations.sites.apidocs",
    "compute.reservationSlots",
    "container.clusters",
    "container.clusters.nodePools",
    "container.zones.clusters",
    "container.zones.clusters.nodePools",
    "dlp.organizations.locations.storedInfoTypes",
    "dlp.organizations.storedInfoTypes",
    "dlp.projects.locations.storedInfoTypes",
    "dlp.storedInfoTypes",
    "firestore.databases.documents",
    "managedkafka.schemaRegistries.config",
    "managedkafka.schemaRegistries.contexts.config",
    "managedkafka.schemaRegistries.contexts.mode",
    "managedkafka.schemaRegistries.mode",
    "servicenetworking.services.dnsRecordSets",
];

fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) => fields.values().flat_map(leaves).collect(),
        leaf => vec![leaf],
    }
}

fn write_of(request: &WriteRequest) -> String {
    let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    format!("{} {}{query}\n{body}", request.method.verb.as_str(), request.url)
}

fn writes_of(name: &str, live: &Value, values: Value) -> String {
    let resource = find(name);
    let requests = writes(&resource, live, &set(resource.resource_type, values)).unwrap();
    requests.iter().map(write_of).collect::<Vec<_>>().join("\n")
}

/// What k8s-config-connector was recorded to send to Google, and how Google answered.
mod recorded {
    use super::*;

    #[test]
    fn a_job_of_cloud_run_is_patched_as_a_whole() {
        let live = json!({
            "name": "projects/my-project/locations/us-central1/jobs/j", "uid": "u", "etag": "e", "generation": "1",
            "launchStage": "GA", "executionCount": 0,
            "template": { "taskCount": 1, "template": { "maxRetries": 3, "timeout": "600s", "containers": [{ "name": "c", "image": "i" }] } },
        });
        let request = one_write(&find("run.jobs/j"), &live, json!({ "template": { "template": { "maxRetries": 1 } } }));
        // The recorded client does not send the etag, which the document has as a field of the body.
        assert_snapshot!(write_of(&request), @r#"
        PATCH https://run.googleapis.com/v2/projects/my-project/locations/us-central1/jobs/j
        {"name":"projects/my-project/locations/us-central1/jobs/j","etag":"e","launchStage":"GA","template":{"taskCount":1,"template":{"maxRetries":1,"timeout":"600s","containers":[{"name":"c","image":"i"}]}}}
        "#);
        assert_eq!(request.answer(), Answer::Operation(OperationDialect::LongRunning));
        let operation = "projects/my-project/locations/us-central1/operations/o";
        let asked = find("run.jobs/j").operation_url(OperationDialect::LongRunning, operation, None);
        assert_eq!(asked.unwrap(), format!("https://run.googleapis.com/v2/{operation}"));
    }

    #[test]
    fn an_instance_of_cloud_sql_is_merged_and_conditional_on_its_settings_version() {
        // Recorded at sql/v1beta4; this is its v1 twin. The recorded PATCH has no settingsVersion, the recorded PUT has.
        let live = json!({ "databaseVersion": "MYSQL_5_7", "etag": "e", "settings": { "settingsVersion": "12", "tier": "db-g1-small" } });
        let resource = find("sqladmin.instances/db");
        let request = one_write(&resource, &live, json!({ "databaseVersion": "MYSQL_8_0" }));
        assert_snapshot!(write_of(&request), @r#"
        PATCH https://sqladmin.googleapis.com/v1/projects/my-project/instances/db
        {"databaseVersion":"MYSQL_8_0","settings":{"settingsVersion":"12"}}
        "#);
        assert_eq!(request.answer(), Answer::Operation(OperationDialect::CloudSql));
        let asked = resource.operation_url(OperationDialect::CloudSql, "o", None).unwrap();
        assert_eq!(asked, "https://sqladmin.googleapis.com/v1/projects/my-project/operations/o");
    }

    #[test]
    fn fields_of_a_target_proxy_have_methods_of_their_own_and_the_rest_is_merged() {
        let live = json!({ "description": "a", "fingerprint": "f", "quicOverride": "NONE", "urlMap": "projects/my-project/global/urlMaps/a" });
        let values =
            json!({ "description": "b", "quicOverride": "ENABLE", "urlMap": "projects/my-project/global/urlMaps/b" });
        assert_snapshot!(writes_of("compute.targetHttpsProxies/p", &live, values), @r#"
        PATCH https://compute.googleapis.com/compute/v1/projects/my-project/global/targetHttpsProxies/p
        {"description":"b","fingerprint":"f"}
        POST https://compute.googleapis.com/compute/v1/projects/my-project/targetHttpsProxies/p/setUrlMap
        {"urlMap":"projects/my-project/global/urlMaps/b"}
        POST https://compute.googleapis.com/compute/v1/projects/my-project/global/targetHttpsProxies/p/setQuicOverride
        {"quicOverride":"ENABLE"}
        "#);
        let link = "https://www.googleapis.com/compute/v1/projects/my-project/global/operations/o";
        let resource = find("compute.targetHttpsProxies/p");
        assert_eq!(resource.operation_url(OperationDialect::Compute, "o", Some(link)).as_deref(), Some(link));
        // A link to elsewhere would carry the token there.
        for link in
            ["https://example.com/compute/v1/o", "http://www.googleapis.com/o", "https://www.googleapis.com/../o"]
        {
            assert_eq!(resource.operation_url(OperationDialect::Compute, "o", Some(link)), None, "{link}");
        }
    }

    #[test]
    fn a_field_with_a_method_of_its_own_can_be_set_although_updates_do_not_take_it() {
        let policy = "projects/my-project/global/securityPolicies/block";
        let written =
            writes_of("compute.backendServices/b", &json!({ "fingerprint": "f" }), json!({ "securityPolicy": policy }));
        assert_snapshot!(written, @r#"
        POST https://compute.googleapis.com/compute/v1/projects/my-project/global/backendServices/b/setSecurityPolicy
        {"securityPolicy":"projects/my-project/global/securityPolicies/block"}
        "#);
        let rules = find("compute.backendServices/b").resource_type;
        assert!(walk(rules, &Selector::field("securityPolicy")).unwrap().behavior.is_output_only());
    }

    /// Every setter's field can be set by the method and the argument that its rule names.
    #[test]
    fn every_setter_of_the_rules_builds_its_request() {
        let mut count = 0;
        for resource_type in catalog().types().unwrap() {
            for rule in resource_type.rules() {
                let Exception::SetBy { field, method, argument, .. } = &rule.what else { continue };
                let facts = walk(resource_type, &field.parse().unwrap()).unwrap();
                let values = Map::from_iter([(field.to_string(), example_value(resource_type, &facts.field_type))]);
                let assignments = validate(resource_type, &values, &[]).unwrap();
                let requests = writes(&example_resource(resource_type), &json!({}), &assignments).unwrap();
                assert_eq!(requests.len(), 1, "{} {field}", resource_type.name());
                assert_eq!(requests[0].method.name, *method);
                let is_taken = match (argument, requests[0].method.body) {
                    (MethodArgument::Query(parameter), _) => requests[0].method.takes(parameter),
                    (MethodArgument::Field(argument), Body::Message(id)) => {
                        resource_type.api().schema(id).field(argument).is_some()
                    }
                    (MethodArgument::Field(_), Body::None | Body::Resource) => false,
                    (MethodArgument::WholeBody, body) => body != Body::None,
                };
                assert!(is_taken, "{} {field}: {method} does not take {argument:?}", resource_type.name());
                count += 1;
            }
        }
        assert!(count > 40, "{count} setters");
    }

    #[test]
    fn labels_of_an_address_are_set_by_their_verb_with_their_own_fingerprint() {
        let live = json!({ "labelFingerprint": "f", "labels": { "a": "b" } });
        assert_snapshot!(writes_of("compute.globalAddresses/a", &live, json!({ "labels": { "c": "d" } })), @r#"
        POST https://compute.googleapis.com/compute/v1/projects/my-project/global/addresses/a/setLabels
        {"labels":{"c":"d"},"labelFingerprint":"f"}
        "#);
    }

    #[test]
    fn resources_are_made_with_their_id_where_each_api_takes_it() {
        let made = |name: &str| write_of(&find(name).create(&Map::new(), "my-project").unwrap().unwrap());
        let all = [
            "run.jobs/j",
            "compute.healthChecks/h",
            "compute.urlMaps/u",
            "compute.regionBackendServices/b",
            "sqladmin.instances/db",
            "cloudkms.keyRings/r",
            "cloudkms.keyRings.cryptoKeys/r/k",
            "certificatemanager.certificates/c",
            "pubsub.topics/t",
            "storage.buckets/b",
        ];
        assert_snapshot!(all.map(made).join("\n"), @r#"
        POST https://run.googleapis.com/v2/projects/my-project/locations/us-central1/jobs?jobId=j
        {}
        POST https://compute.googleapis.com/compute/v1/projects/my-project/global/healthChecks
        {"name":"h"}
        POST https://compute.googleapis.com/compute/v1/projects/my-project/global/urlMaps
        {"name":"u"}
        POST https://compute.googleapis.com/compute/v1/projects/my-project/regions/us-central1/backendServices
        {"name":"b"}
        POST https://sqladmin.googleapis.com/v1/projects/my-project/instances
        {"name":"db"}
        POST https://cloudkms.googleapis.com/v1/projects/my-project/locations/us-central1/keyRings?keyRingId=r
        {}
        POST https://cloudkms.googleapis.com/v1/projects/my-project/locations/us-central1/keyRings/r/cryptoKeys?cryptoKeyId=k
        {}
        POST https://certificatemanager.googleapis.com/v1/projects/my-project/locations/us-central1/certificates?certificateId=c
        {}
        PUT https://pubsub.googleapis.com/v1/projects/my-project/topics/t
        {}
        POST https://storage.googleapis.com/storage/v1/b?project=my-project
        {"name":"b"}
        "#);
    }

    #[test]
    fn resources_are_deleted_at_their_url() {
        let deleted =
            |name: &str| write_of(&find(name).delete(&json!({ "etag": "e" })).unwrap().unwrap()).trim_end().to_owned();
        let all = [
            "run.jobs/j",
            "compute.urlMaps/u",
            "compute.backendBuckets/b",
            "sqladmin.instances/db",
            "storage.buckets/b",
            "sqladmin.users/db/root",
        ];
        assert_snapshot!(all.map(deleted).join("\n"), @r#"
        DELETE https://run.googleapis.com/v2/projects/my-project/locations/us-central1/jobs/j?etag=e
        DELETE https://compute.googleapis.com/compute/v1/projects/my-project/global/urlMaps/u
        DELETE https://compute.googleapis.com/compute/v1/projects/my-project/global/backendBuckets/b
        DELETE https://sqladmin.googleapis.com/v1/projects/my-project/instances/db
        DELETE https://storage.googleapis.com/storage/v1/b/b
        DELETE https://sqladmin.googleapis.com/v1/projects/my-project/instances/db/users?name=root
        "#);
    }

    #[test]
    fn methods_are_called_with_what_they_take() {
        let call = |name: &str, method: &str, arguments: Value| {
            write_of(&find(name).call(method, &object(arguments)).unwrap())
        };
        let calls = [
            call("compute.networks/n", "removePeering", json!({ "name": "servicenetworking" })),
            call("cloudkms.keyRings.cryptoKeys.cryptoKeyVersions/r/k/1", "destroy", json!({})),
            call("sqladmin.instances/db", "restart", json!({})),
            call("redis.instances/cache", "failover", json!({ "dataProtectionMode": "LIMITED_DATA_LOSS" })),
            call("compute.instanceGroupManagers/g", "resize", json!({ "size": 3 })),
        ];
        assert_snapshot!(calls.join("\n"), @r#"
        POST https://compute.googleapis.com/compute/v1/projects/my-project/global/networks/n/removePeering
        {"name":"servicenetworking"}
        POST https://cloudkms.googleapis.com/v1/projects/my-project/locations/us-central1/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1:destroy
        {}
        POST https://sqladmin.googleapis.com/v1/projects/my-project/instances/db/restart

        POST https://redis.googleapis.com/v1/projects/my-project/locations/us-central1/instances/cache:failover
        {"dataProtectionMode":"LIMITED_DATA_LOSS"}
        POST https://compute.googleapis.com/compute/v1/projects/my-project/zones/us-central1-a/instanceGroupManagers/g/resize?size=3
        "#);
    }

    /// Recorded too, and not in the catalog: their collections have no `get`, or a runbook must not call them.
    #[test]
    fn what_is_recorded_and_not_catalogued_is_refused() {
        for name in [
            "servicenetworking.googleapis.com/services/servicenetworking.googleapis.com/connections/-",
            "iap.googleapis.com/projects/p",
        ] {
            assert!(catalog().find(name, &SCOPE).is_err(), "{name}");
        }
        let error = find("cloudresourcemanager.projects/p").call("setIamPolicy", &Map::new()).unwrap_err();
        assert!(matches!(error, WriteError::UnknownMethod { .. }));
    }
}

#[test]
fn each_dialect_writes_in_its_own_way() {
    let all = [
        writes_of(
            "redis.instances/cache",
            &json!({ "memorySizeGb": 5 }),
            json!({ "memorySizeGb": 10, "redisConfigs": { "a": "b" } }),
        ),
        writes_of("pubsub.subscriptions/s", &json!({}), json!({ "ackDeadlineSeconds": 30 })),
        writes_of("spanner.instances/s", &json!({ "nodeCount": 1 }), json!({ "nodeCount": 3 })),
        writes_of("orgpolicy.policies/p", &json!({ "etag": "e" }), json!({ "spec": { "inheritFromParent": true } })),
        writes_of("storage.buckets/b", &json!({ "metageneration": "4" }), json!({ "versioning": { "enabled": true } })),
        writes_of(
            "logging.metrics/m",
            &json!({ "name": "m", "filter": "a", "description": "kept", "createTime": "t" }),
            json!({ "filter": "b" }),
        ),
        writes_of(
            "compute.backendServices/b",
            &json!({ "fingerprint": "f", "timeoutSec": 30 }),
            json!({ "timeoutSec": 60 }),
        ),
        writes_of(
            "compute.autoscalers/us-central1-a/a",
            &json!({}),
            json!({ "autoscalingPolicy": { "minNumReplicas": 2 } }),
        ),
        writes_of("aiplatform.endpoints/1", &json!({ "etag": "e" }), json!({ "displayName": "d" })),
        writes_of("bigtableadmin.instances.clusters/i/c", &json!({}), json!({ "serveNodes": 3 })),
        writes_of(
            "run.services/s",
            &json!({ "etag": "e", "template": { "containers": [{ "name": "app", "image": "i", "env": [{ "name": "A", "value": "1" }] }] } }),
            json!({ "template.containers[name=app].env[name=LOG_LEVEL].value": "debug" }),
        ),
    ];
    assert_snapshot!(all.join("\n"), @r#"
    PATCH https://redis.googleapis.com/v1/projects/my-project/locations/us-central1/instances/cache?updateMask=memorySizeGb
    {"memorySizeGb":10}
    PATCH https://redis.googleapis.com/v1/projects/my-project/locations/us-central1/instances/cache?updateMask=redisConfigs
    {"redisConfigs":{"a":"b"}}
    PATCH https://pubsub.googleapis.com/v1/projects/my-project/subscriptions/s
    {"subscription":{"ackDeadlineSeconds":30},"updateMask":"ackDeadlineSeconds"}
    PATCH https://spanner.googleapis.com/v1/projects/my-project/instances/s
    {"instance":{"nodeCount":3},"fieldMask":"nodeCount"}
    PATCH https://orgpolicy.googleapis.com/v2/projects/my-project/policies/p?updateMask=policy.spec.inheritFromParent
    {"spec":{"inheritFromParent":true},"etag":"e"}
    PATCH https://storage.googleapis.com/storage/v1/b/b?ifMetagenerationMatch=4
    {"versioning":{"enabled":true}}
    PUT https://logging.googleapis.com/v2/projects/my-project/metrics/m
    {"name":"m","filter":"b","description":"kept"}
    PATCH https://compute.googleapis.com/compute/v1/projects/my-project/global/backendServices/b
    {"timeoutSec":60,"fingerprint":"f"}
    PATCH https://compute.googleapis.com/compute/v1/projects/my-project/zones/us-central1-a/autoscalers?autoscaler=a
    {"autoscalingPolicy":{"minNumReplicas":2}}
    PATCH https://us-central1-aiplatform.googleapis.com/v1/projects/my-project/locations/us-central1/endpoints/1?updateMask=displayName
    {"displayName":"d","etag":"e"}
    PATCH https://bigtableadmin.googleapis.com/v2/projects/my-project/instances/i/clusters/c?updateMask=serveNodes
    {"serveNodes":3}
    PATCH https://run.googleapis.com/v2/projects/my-project/locations/us-central1/services/s?updateMask=template.containers
    {"template":{"containers":[{"name":"app","image":"i","env":[{"name":"A","value":"1"},{"name":"LOG_LEVEL","value":"debug"}]}]},"etag":"e"}
    "#);
}

#[test]
fn a_field_is_cleared_as_its_dialect_does() {
    let cleared = |name: &str, live: Value, path: &str| {
        let resource = find(name);
        let assignments = validate(resource.resource_type, &Map::new(), &[path.to_owned()]).unwrap();
        writes(&resource, &live, &assignments).unwrap().iter().map(write_of).collect::<Vec<_>>().join("\n")
    };
    let all = [
        cleared("redis.instances/cache", json!({ "maintenancePolicy": {"description": "d"} }), "maintenancePolicy"),
        cleared("compute.backendServices/b", json!({ "description": "d", "fingerprint": "f" }), "description"),
        cleared(
            "sqladmin.instances/db",
            json!({ "settings": { "denyMaintenancePeriods": [{}], "settingsVersion": "1" } }),
            "settings.denyMaintenancePeriods",
        ),
        cleared("logging.metrics/m", json!({ "filter": "a", "description": "d" }), "description"),
        cleared("storage.buckets/b", json!({ "labels": { "a": "b", "c": "d" } }), "labels.a"),
    ];
    assert_snapshot!(all.join("\n"), @r#"
    PATCH https://redis.googleapis.com/v1/projects/my-project/locations/us-central1/instances/cache?updateMask=maintenancePolicy
    {}
    PATCH https://compute.googleapis.com/compute/v1/projects/my-project/global/backendServices/b
    {"description":null,"fingerprint":"f"}
    PATCH https://sqladmin.googleapis.com/v1/projects/my-project/instances/db
    {"settings":{"denyMaintenancePeriods":null,"settingsVersion":"1"}}
    PUT https://logging.googleapis.com/v2/projects/my-project/metrics/m
    {"filter":"a"}
    PATCH https://storage.googleapis.com/storage/v1/b/b
    {"labels":{"c":"d","a":null}}
    "#);
}

#[test]
fn what_is_masked_is_never_written_back() {
    let resource = find("monitoring.uptimeCheckConfigs/u");
    let live = json!({ "httpCheck": { "path": "/", "headers": { "authorization": "******" }, "authInfo": { "password": "******" } } });
    let try_set = |values: Value| {
        writes(&resource, &live, &set(resource.resource_type, values)).map(|requests| write_of(&requests[0]))
    };
    assert_snapshot!(try_set(json!({ "httpCheck": { "path": "/b" } })).unwrap(), @r#"
    PATCH https://monitoring.googleapis.com/v3/projects/my-project/uptimeCheckConfigs/u?updateMask=httpCheck.path
    {"httpCheck":{"path":"/b"}}
    "#);
    let headers = json!({ "httpCheck.headers[\"x\"]": "y" });
    let problems = validate(resource.resource_type, headers.as_object().unwrap(), &[]).unwrap_err();
    assert_snapshot!(problems[0].kind.to_string(), @r#"`httpCheck.headers["x"]` is not shown by the API as it is set, so whether it was set cannot be verified"#);
    let error = writes(
        &find("sqladmin.users/db/u"),
        &json!({ "name": "u" }),
        &set(find("sqladmin.users/db/u").resource_type, json!({ "host": "h" })),
    );
    assert_snapshot!(error.unwrap_err().to_string(), @r#"writing the whole resource would send `password` as it was read, and the API masks it or leaves it out of its answers; set it too"#);
}

#[test]
fn names_are_found_as_people_write_them() {
    let redis = "https://redis.googleapis.com/v1/projects/p/locations/l/instances/i";
    for (name, url) in [
        ("//redis.googleapis.com/projects/p/locations/l/instances/i", redis),
        ("redis.googleapis.com/projects/p/locations/l/instances/i", redis),
        (redis, redis),
        ("redis.instances/l/i", "https://redis.googleapis.com/v1/projects/my-project/locations/l/instances/i"),
        ("redis.instances/p/l/i", redis),
        ("redis.projects.locations.instances/p/l/i", redis),
        (
            "//cloudsql.googleapis.com/projects/p/instances/i",
            "https://sqladmin.googleapis.com/v1/projects/p/instances/i",
        ),
        ("//storage.googleapis.com/b", "https://storage.googleapis.com/storage/v1/b/b"),
        ("//storage.googleapis.com/projects/_/buckets/b", "https://storage.googleapis.com/storage/v1/b/b"),
        (
            "//storage.googleapis.com/projects/_/buckets/b/objects/x/y",
            "https://storage.googleapis.com/storage/v1/b/b/o/x%2Fy",
        ),
        (
            "https://www.googleapis.com/compute/v1/projects/p/zones/z/disks/d",
            "https://compute.googleapis.com/compute/v1/projects/p/zones/z/disks/d",
        ),
        (
            "compute.disks/d",
            "https://compute.googleapis.com/compute/v1/projects/my-project/zones/us-central1-a/disks/d",
        ),
        (
            "compute.backendServices/b",
            "https://compute.googleapis.com/compute/v1/projects/my-project/global/backendServices/b",
        ),
        (
            "cloudfunctions.functions/f",
            "https://cloudfunctions.googleapis.com/v2/projects/my-project/locations/us-central1/functions/f",
        ),
        (
            "cloudfunctions:v1.functions/f",
            "https://cloudfunctions.googleapis.com/v1/projects/my-project/locations/us-central1/functions/f",
        ),
        (
            "https://cloudfunctions.googleapis.com/v1/projects/p/locations/l/functions/f",
            "https://cloudfunctions.googleapis.com/v1/projects/p/locations/l/functions/f",
        ),
        ("dns.managedZones/z", "https://dns.googleapis.com/dns/v1/projects/my-project/managedZones/z"),
        ("logging.sinks/s", "https://logging.googleapis.com/v2/projects/my-project/sinks/s"),
        (
            "container.clusters/c",
            "https://container.googleapis.com/v1/projects/my-project/locations/us-central1/clusters/c",
        ),
        (
            "secretmanager.secrets.versions/s/3",
            "https://secretmanager.googleapis.com/v1/projects/my-project/secrets/s/versions/3",
        ),
        (
            "aiplatform.endpoints/1",
            "https://us-central1-aiplatform.googleapis.com/v1/projects/my-project/locations/us-central1/endpoints/1",
        ),
        (
            "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/endpoints/1",
            "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/endpoints/1",
        ),
        (
            "cloudkms.cryptoKeys/r/k",
            "https://cloudkms.googleapis.com/v1/projects/my-project/locations/us-central1/keyRings/r/cryptoKeys/k",
        ),
    ] {
        assert_eq!(find(name).url(), url, "{name}");
    }
    assert_eq!(find("redis.instances/i").resource_type.asset_type(), "redis.googleapis.com/Instance");
    assert_eq!(find("run.services/s").resource_type.asset_type(), "run.googleapis.com/Service");
}

#[test]
fn what_names_nothing_is_said_with_what_may_be_meant() {
    let scope = Scope { project: "p", region: None, zone: None };
    let says = |text: &str| {
        let error = catalog().find(text, &scope).unwrap_err();
        let near = error.suggestions();
        if near.is_empty() { error.to_string() } else { format!("{error}: {}", near.join(", ")) }
    };
    let all = [
        "redis",
        "",
        "rediss.instances/i",
        "redis.instance/i",
        "redis:v2.instances/i",
        "redis.instances/i",
        "redis.instances",
        "redis.instances/",
        "redis.instances/a/b/c/d",
        "alloydb.instances/i",
        "redis.googleapis.com/projects/p/location/l/instances/i",
        "redis.googleapis.com/projects/p/locations/l/instances/..",
        "redis.instances/l/a b",
        "https://example.com/a/b",
        "memorystore.instances/i",
    ];
    assert_snapshot!(all.map(|text| format!("{text:?}: {}", says(text))).join("\n"), @r#"
    "redis": `redis` names no resource; write a full resource name, such as `redis.googleapis.com/projects/P/locations/L/instances/I`, or a short one, such as `redis.instances/I`
    "": `` names no resource; write a full resource name, such as `redis.googleapis.com/projects/P/locations/L/instances/I`, or a short one, such as `redis.instances/I`
    "rediss.instances/i": the catalog has no API `rediss`: redis
    "redis.instance/i": `redis` has no resources `instance`: redis.instances
    "redis:v2.instances/i": the catalog has no version `v2` of `redis`: v1
    "redis.instances/i": `redis.instances` needs a region, which the target does not say; write `redis.instances/LOCATION/INSTANCE`
    "redis.instances": `redis.instances` takes 1 to 3 names behind it, such as `redis.instances/INSTANCE`; 0 given
    "redis.instances/": `redis.instances` takes 1 to 3 names behind it, such as `redis.instances/INSTANCE`; 0 given
    "redis.instances/a/b/c/d": `redis.instances` takes 1 to 3 names behind it, such as `redis.instances/INSTANCE`; 4 given
    "alloydb.instances/i": `alloydb.clusters.instances` takes 2 to 4 names behind it, such as `alloydb.clusters.instances/CLUSTER/INSTANCE`; 1 given
    "redis.googleapis.com/projects/p/location/l/instances/i": no resource of `redis` has a name like `projects/p/location/l/instances/i`: projects/*/locations/*/instances/*, projects/*/locations/*/aclPolicies/*, projects/*/locations/*/backupCollections/*
    "redis.googleapis.com/projects/p/locations/l/instances/..": `..` cannot be part of a resource's name
    "redis.instances/l/a b": `a b` cannot be part of a resource's name
    "https://example.com/a/b": `https://example.com/a/b` names no resource; write a full resource name, such as `redis.googleapis.com/projects/P/locations/L/instances/I`, or a short one, such as `redis.instances/I`
    "memorystore.instances/i": the catalog has no API `memorystore`
    "#);
}

/// An input is a text, also where it stands for a number; without a value it is judged later.
#[test]
fn a_text_that_stands_for_a_number_is_the_number() {
    let set = |value: Value| validate(find("redis.instances/i").resource_type, &object(value), &[]);
    assert_eq!(
        set(json!({ "memorySizeGb": "10", "authEnabled": "true" })),
        set(json!({ "memorySizeGb": 10, "authEnabled": true }))
    );
    assert!(set(json!({ "memorySizeGb": "${inputs.size_gb}" })).is_ok());
    for wrong in ["", "10GB", "1.5", "99999999999", "${inputs.size_gb}GB", "${a}${b}"] {
        assert!(set(json!({ "memorySizeGb": wrong })).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_wrong_with_a_step_is_said_where_it_stands() {
    let says = |name: &str, values: Value, unset: &[&str]| {
        let unset: Vec<String> = unset.iter().map(|&path| path.to_owned()).collect();
        let problems = validate(find(name).resource_type, &object(values), &unset).unwrap_err();
        let line = |problem: &rectify::catalog::Problem| {
            let near = problem.suggestions();
            let near = if near.is_empty() { String::new() } else { format!(" (near: {})", near.join(", ")) };
            format!("{}: {}{near}", problem.at.join("/"), problem.kind)
        };
        problems.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let all = [
        says(
            "redis.instances/i",
            json!({ "memory_size_gb": 10, "tier": "BASIK", "memorySizeGb": "ten", "state": "READY", "redisConfigs": 1 }),
            &[],
        ),
        says(
            "redis.instances/i",
            json!({ "reservedIpRange": "a", "maintenancePolicy": { "weeklyMaintenanceWindow": [{ "dai": "MONDAY" }] } }),
            &[],
        ),
        says("redis.instances/i", json!({}), &[]),
        says("redis.instances/i", json!({ "displayName": "a" }), &["displayName", "host", "0"]),
        says(
            "run.services/s",
            json!({ "template.containers.image": "i", "template.containers[env=x].image": "i", "template.timeout": "5m" }),
            &[],
        ),
        says(
            "run.services/s",
            json!({ "template": { "containers": [{ "name": "a" }, { "name": "a" }] }, "labels[app=x]": "y", "labels.a.b": "c" }),
            &[],
        ),
        says(
            "run.services/s",
            json!({ "etag": "x", "template.containers[name=a].image": "i", "template.containers[name=a]": { "image": "j" } }),
            &[],
        ),
        says(
            "sqladmin.instances/i",
            json!({ "settings": { "settingsVersion": "3", "dataDiskSizeGb": 1.5, "tier": true } }),
            &[],
        ),
        says("pubsub.subscriptions/s", json!({ "filter": "a" }), &[]),
        says("memcache.instances/i", json!({ "nodeCount": 3, "displayName": "d" }), &[]),
        says("container.clusters/c", json!({ "description": "x" }), &[]),
        says("secretmanager.secrets.versions/s/1", json!({ "clientSpecifiedPayloadChecksum": true }), &[]),
    ];
    assert_snapshot!(all.join("\n"), @r#"
    set/memory_size_gb: the resource has no field `memory_size_gb` (near: memorySizeGb)
    set/tier: `tier` does not take `BASIK` (near: BASIC)
    set/memorySizeGb: `memorySizeGb` is of the type whole number, and this is a string
    set/state: `state` is written by the API only
    set/redisConfigs: `redisConfigs` is of the type map, and this is a number
    set/maintenancePolicy/weeklyMaintenanceWindow/0/dai: `maintenancePolicy.weeklyMaintenanceWindow[]` has no field `dai` (near: day)
    set: nothing is set: give `set` or `unset`
    unset/1: `host` is written by the API only
    unset/2: `0` is no path to a field: a field does not begin with a digit, and elements of lists have no positions at character 1
    unset/0: `displayName` is set twice: also by `displayName`
    set/template.containers.image: `template.containers` is a list; choose an element by one of its fields, such as `template.containers[name=…]`, or set the whole list
    set/template.containers[env=x].image: `env` is a list and does not tell the elements of `template.containers` apart
    set/template.timeout: `template.timeout` is of the type duration in seconds, such as "30s", and this is a string
    set/template/containers: two elements of `template.containers` have the name `a`
    set/labels[app=x]: `labels` is no list, so `[app=…]` chooses nothing
    set/labels.a.b: `labels.a` is a string: it has no fields
    set/etag: `etag` makes writes conditional and is sent by rectify; it is not set
    set/template.containers[name=a]: `template.containers[name=a]` is set twice: also by `template.containers[name=a].image`
    set/settings/settingsVersion: `settings.settingsVersion` makes writes conditional and is sent by rectify; it is not set
    set/settings/dataDiskSizeGb: `settings.dataDiskSizeGb` is of the type whole number (64 bits), and this is a number
    set/settings/tier: `settings.tier` is of the type string, and this is true or false
    set/filter: `filter` cannot be changed after the resource was made (magic-modules; hashicorp/terraform-provider-google#7562; the live API refuses a mask that names filter (floci-gcp PR #112))
    set: an update of memcache.instances does not take `nodeCount`: its mask takes `displayName` and `labels`
    set: an update of container.clusters takes a request of another shape than the resource; call `update` with gcp.call
    set/clientSpecifiedPayloadChecksum: `clientSpecifiedPayloadChecksum` is written by the API only
    "#);
}

#[test]
fn numbers_of_64_bits_are_written_as_the_api_writes_them() {
    let assignments = set(find("sqladmin.instances/i").resource_type, json!({ "settings": { "dataDiskSizeGb": 100 } }));
    let values: Vec<_> =
        assignments.iter().map(|assignment| (assignment.path.to_string(), assignment.value.clone())).collect();
    assert_eq!(values, [("settings.dataDiskSizeGb".to_owned(), Some(json!("100")))]);
}

#[test]
fn secrets_are_concealed_wherever_they_stand() {
    let service = find("run.services/s").resource_type;
    let live = json!({
        "labels": { "team": "a" },
        "template": { "containers": [{ "image": "i", "env": [
            { "name": "PASSWORD", "value": "hunter2" },
            { "name": "B", "valueSource": { "secretKeyRef": { "secret": "named", "version": "3" } } },
        ] }] },
        "somethingNew": { "apiKey": "unknown to the catalog" },
    });
    assert_snapshot!(conceal(service, None, &live).to_string(), @r#"{"labels":{"team":"a"},"template":{"containers":[{"image":"i","env":[{"name":"PASSWORD","value":"(sha256 4ddbb67bf993867e…)"},{"name":"B","valueSource":{"secretKeyRef":{"secret":"named","version":"3"}}}]}]},"somethingNew":{"apiKey":"(sha256 8441478972d671a7…)"}}"#);
    let path: Selector = "template.containers[name=app].env[name=A].value".parse().unwrap();
    assert!(walk(service, &path).unwrap().sensitivity.is_secret());
    assert_ne!(conceal(service, Some(&path), &json!("a")), conceal(service, Some(&path), &json!("b")));
    let user = find("sqladmin.users/i/u").resource_type;
    assert_snapshot!(conceal(user, None, &json!({ "name": "u", "password": "p" })).to_string(), @r#"{"name":"u","password":"(sha256 1fb680aa1ed965bc…)"}"#);
    let channel = find("monitoring.notificationChannels/c").resource_type;
    assert_snapshot!(conceal(channel, None, &json!({ "labels": { "auth_token": "t" }, "displayName": "d" })).to_string(), @r#"{"labels":{"auth_token":"(sha256 8ca5d81566f88bad…)"},"displayName":"d"}"#);
    // A name is no secret, and neither is a page's token.
    for (name, field) in [("secretmanager.secrets/s", "rotation"), ("redis.instances/i", "authorizedNetwork")] {
        assert!(!walk(find(name).resource_type, &field.parse().unwrap()).unwrap().sensitivity.is_secret(), "{field}");
    }
}

#[test]
fn methods_that_answer_with_a_secret_are_refused() {
    for (name, method) in [
        ("secretmanager.secrets.versions/s/1", "access"),
        ("redis.instances/i", "getAuthString"),
        ("apikeys.keys/k", "getKeyString"),
        ("iam.serviceAccounts.keys/s/k", "create"),
        ("cloudkms.keyRings.cryptoKeys/r/k", "decrypt"),
    ] {
        let error = find(name).call(method, &Map::new()).unwrap_err();
        assert!(matches!(error, WriteError::SecretAnswer { .. }), "{name} {method}: {error}");
    }
}

#[test]
fn a_type_is_described_within_80_columns() {
    for name in ["redis.instances", "sqladmin.users", "secretmanager.secrets.versions"] {
        let text = describe(catalog().find_type(name).unwrap(), 80);
        assert_snapshot!(name, text);
    }
    for resource_type in catalog().types().unwrap() {
        let text = describe(resource_type, 80);
        // A word that is longer than a line is not broken: it may be a path that somebody copies.
        let wide = text
            .lines()
            .find(|line| line.chars().count() > 80 && !line.trim().starts_with("with = ") && line.trim().contains(' '));
        assert_eq!(wide, None, "{}", resource_type.name());
    }
}

#[test]
fn types_are_listed_one_a_line() {
    let types: Vec<ResourceType> =
        catalog().types().unwrap().into_iter().filter(|known| known.matches("redis.")).collect();
    assert_snapshot!(list(&types), @r#"
    redis.locations                           read
    redis.aclPolicies                         set,create,delete
    redis.aclPolicies.revisions               read
    redis.backupCollections                   read
    redis.backupCollections.backups           delete,call
    redis.clusters                            set,create,delete,call
    redis.clusters.tokenAuthUsers             delete,call
    redis.clusters.tokenAuthUsers.authTokens  delete
    redis.instances                           set,create,delete,call
    "#);
    assert_snapshot!(serde_json::to_string(&list_json(&types[..2])).unwrap(), @r#"[{"name":"redis.locations","asset_type":"redis.googleapis.com/Location","service":"redis","version":"v1","collection":"projects.locations","pattern":"redis.googleapis.com/projects/*/locations/*","update":null,"methods":["get"]},{"name":"redis.aclPolicies","asset_type":"redis.googleapis.com/AclPolicy","service":"redis","version":"v1","collection":"projects.locations.aclPolicies","pattern":"redis.googleapis.com/projects/*/locations/*/aclPolicies/*","update":{"method":"patch","dialect":"field mask"},"methods":["get","create","delete","patch"]}]"#);
}

/// Whoever edits the rules must run the generator.
#[test]
fn every_rule_is_in_the_file_with_its_source() {
    let text = fs::read_to_string("catalog/rules.toml").unwrap();
    let rules: toml::Table = text.parse().unwrap();
    let known: BTreeSet<&str> =
        catalog().types().unwrap().iter().flat_map(|known| known.rules()).map(|rule| rule.source).collect();
    // They change how a type is written in the file, and have no line of their own there.
    let shaping = ["update-by", "update-is", "token", "named", "asset-type"];
    let mut count = 0;
    for rule in rules["rule"].as_array().unwrap() {
        let (kind, source) = (rule["rule"].as_str().unwrap(), rule["source"].as_str().unwrap());
        assert!(
            shaping.contains(&kind) || known.contains(source),
            "run catalog/generate.py: {source} is not in the file"
        );
        count += 1;
    }
    assert!(count > 80, "{count} rules");
}

#[test]
fn the_file_is_no_larger_than_the_program_can_carry() {
    assert!(fs::metadata("catalog/google.catalog").unwrap().len() <= 400_000);
}

/// Whatever a runbook or an API says, the catalog answers with an error and goes on.
mod anything {
    use proptest::prelude::*;

    use super::*;

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::sample::select(vec!["******", "", "3", "app", "30s"]).prop_map(Value::from),
        ];
        let name = || {
            prop::sample::select(vec![
                "template",
                "containers",
                "name",
                "env",
                "value",
                "labels",
                "etag",
                "settings",
                "x",
            ])
        };
        leaf.prop_recursive(5, 40, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name(), inner), 0..4).prop_map(|fields| Value::Object(
                    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                )),
            ]
        })
    }

    fn path() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "template",
            "containers",
            "[name=app]",
            ".",
            "env",
            "[name=X]",
            "value",
            "labels",
            "[\"a/b\"]",
            "settings",
            "é",
            "[",
            "=",
            "\"",
        ]);
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    fn name() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "redis",
            ".instances",
            ":v1",
            "/",
            "projects",
            "p",
            "locations",
            "*",
            "//",
            "https:",
            ".googleapis.com",
            "..",
            "v1",
            "compute",
            "storage",
            "www",
            "-",
            "é",
            "%2F",
            "?a=b",
            "#",
        ]);
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn may_be_a_name(text in prop_oneof![name(), any::<String>()]) {
            if let Ok(resource) = catalog().find(&text, &SCOPE) {
                let url = resource.url();
                prop_assert!(url.starts_with("https://") && !url.contains(['?', '#', ' ', '\\']), "{}", url);
                prop_assert!(!url.split('/').any(|part| part == ".." || part == "."), "{}", url);
                let host = url.split('/').nth(2).unwrap();
                prop_assert!(host.ends_with(".googleapis.com"), "{}", url);
                let again = catalog().find(&resource.full_name(), &SCOPE);
                prop_assert!(again.is_ok(), "{} is not found again", resource.full_name());
            }
        }

        #[test]
        fn may_be_set_in_anything(keys in prop::collection::vec((path(), json_value()), 0..3), unset in path(), live in json_value()) {
            let set: Map<String, Value> = keys.into_iter().collect();
            for name in ["run.services/s", "sqladmin.instances/i", "logging.metrics/m", "compute.instances/i", "monitoring.uptimeCheckConfigs/u"] {
                let resource = find(name);
                conceal(resource.resource_type, None, &live);
                for unset in [vec![], vec![unset.clone()]] {
                    let Ok(assignments) = validate(resource.resource_type, &set, &unset) else { continue };
                    let _ = writes(&resource, &live, &assignments);
                    let (Ok(after), Ok(back)) = (assignments.apply(&live), assignments.inverse(&live)) else { continue };
                    prop_assert!(back.apply(&after).is_ok());
                }
            }
        }

        #[test]
        fn may_be_called(method in "[a-zA-Z]{0,12}|restart|failover|get|setLabels", arguments in json_value()) {
            let arguments = arguments.as_object().cloned().unwrap_or_default();
            for name in ["sqladmin.instances/i", "redis.instances/i", "compute.instances/i", "storage.objects/b/o"] {
                let _ = find(name).call(&method, &arguments);
            }
        }
    }
}
