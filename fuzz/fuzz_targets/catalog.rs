//! Whatever a text is, it names a resource or a field or is refused; and a path that is read is written as the same path.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rectify::catalog::{Catalog, Scope, Selector, validate};

fuzz_target!(|text: &str| {
    if let Ok(selector) = text.parse::<Selector>() {
        assert_eq!(selector.to_string().parse(), Ok(selector));
    }
    let catalog = Catalog::open().expect("the catalog is whole");
    let scope = Scope { project: "p", region: Some("r"), zone: None };
    if let Ok(resource) = catalog.find(text, &scope) {
        assert!(resource.url().starts_with("https://"));
    }
    let service = catalog.find("run.services/s", &scope).expect("Cloud Run is in the catalog");
    let (path, value) = text.split_once('\n').unwrap_or((text, "null"));
    let value = serde_json::from_str(value).unwrap_or_default();
    let _ = validate(service.resource_type, &serde_json::Map::from_iter([(path.to_owned(), value)]), &[path.to_owned()]);
});
