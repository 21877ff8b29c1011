//! `rectify resources` as it is typed.

use crate::support::Desk;
use serde_json::Value;

#[test]
fn types_are_listed_and_one_is_shown() {
    let desk = Desk::new();
    let all = desk.rectify(&["resources"]).code(0);
    assert_eq!(all.stdout.lines().count(), 1523);
    let some = desk.rectify(&["resources", "backendservice"]).code(0).says("compute.regionBackendServices");
    assert!(some.stdout.lines().all(|line| line.to_lowercase().contains("backendservice")), "{}", some.stdout);
    let one = desk.rectify(&["resources", "redis.instances"]).code(0);
    one.says("memorySizeGb").says("uses = \"gcp.set\"");
    let name = "//redis.googleapis.com/projects/p/locations/l/instances/i";
    desk.rectify(&["resources", name]).code(0).says("redis.instances/INSTANCE");
}

#[test]
fn programs_read_json() {
    let desk = Desk::new();
    let list: Value =
        serde_json::from_str(&desk.rectify(&["resources", "redis", "--format", "json"]).code(0).stdout).unwrap();
    assert!(list.as_array().unwrap().iter().any(|known| known["name"] == "redis.instances"));
    let one: Value =
        serde_json::from_str(&desk.rectify(&["resources", "sqladmin.users", "--format", "json"]).code(0).stdout)
            .unwrap();
    let field =
        |path: &str| one["fields"].as_array().unwrap().iter().find(|field| field["path"] == path).unwrap().clone();
    assert_eq!(field("password")["sensitive"], true);
    assert_eq!(field("host")["sensitive"], false);
}

#[test]
fn what_is_not_there_is_said_with_what_may_be_meant() {
    let desk = Desk::new();
    desk.rectify(&["resources", "redis.instance5"]).code(2).complains("did you mean `redis.instances`");
    desk.rectify(&["resources", "bukets"]).code(2).complains("storage.buckets");
    desk.rectify(&["resources", "memorystore"]).code(2).complains("docs/catalog.md says which are not there");
}
