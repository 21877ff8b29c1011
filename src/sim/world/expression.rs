//! Expressions over the resources of a world, in CEL: `resource("redis.instances/cache").memorySizeGb < 5`.
//!
//! A scenario says by one when a service is unhealthy, or what is measured, so that a change of a resource of any type has a
//! consequence that a runbook can observe. The language, and what bounds it, is that of a runbook's conditions.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::World;
use crate::catalog::{Catalog, Resource, Scope};
use crate::sim::apis::table_of;
use crate::syntax::condition::{Condition, Fact};

/// The function, and what it is to the condition's language: a table of resources by their names.
const RESOURCE: &str = "resource";

/// An expression that was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    text: String,
    condition: Condition,
    /// What its names mean in the world that it is first evaluated in, of which it is a part.
    resources: OnceLock<Vec<(String, Option<Resource>)>>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.text
    }
}

impl TryFrom<String> for Expression {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let condition = Condition::compile(&as_a_table(&text)).map_err(|error| error.to_string())?;
        if let Some(stranger) = condition.names().iter().find(|name| *name != RESOURCE) {
            return Err(format!("`{stranger}` means nothing here: an expression is about resource(\"NAME\")"));
        }
        if condition.paths().any(|path| path.len() < 2) {
            return Err("resource(\"NAME\") takes one name, between quotation marks".to_owned());
        }
        Ok(Self { text, condition, resources: OnceLock::new() })
    }
}

/// Writes `resource("NAME")` as `resource["NAME"]`, which the language of conditions has. Both are as long, so places stay.
fn as_a_table(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let (mut quote, mut open): (Option<u8>, Vec<bool>) = (None, Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(end), here) if here == end => quote = None,
            (None, here @ (b'"' | b'\'')) => quote = Some(here),
            (None, b'(') => {
                let before = text.get(..at).unwrap_or_default().trim_end();
                let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
                let is_ours = before.strip_suffix(RESOURCE).is_some_and(|rest| !rest.ends_with(is_name));
                open.push(is_ours);
                if is_ours {
                    bytes[at] = b'[';
                }
            }
            (None, b')') if open.pop() == Some(true) => bytes[at] = b']',
            _ => {}
        }
        at += 1;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

impl Expression {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds in a world.
    ///
    /// # Errors
    /// Why there is no answer: a resource or a field of it is not there, or the result is no truth value.
    pub fn holds(&self, world: &World) -> Result<bool, String> {
        self.condition.holds(&self.facts(world)?)
    }

    /// The number that it gives in a world.
    ///
    /// # Errors
    /// Why there is none.
    pub fn number(&self, world: &World) -> Result<f64, String> {
        self.condition.number(&self.facts(world)?)
    }

    /// Whether it names a resource of an API with tables of its own that is not there yet: while a scenario is read, they are put
    /// together one after the other.
    pub(in crate::sim) fn is_about_later_tables(&self, world: &World) -> bool {
        let is_later = |resource: &Resource| {
            let resource_type = resource.resource_type;
            let has_table = table_of(resource_type.api().service, resource_type.collection()).is_some();
            has_table && world.resource_state(resource).is_none()
        };
        self.resources(world).iter().filter_map(|(_, resource)| resource.as_ref()).any(is_later)
    }

    fn facts(&self, world: &World) -> Result<BTreeMap<String, Fact>, String> {
        let mut states = BTreeMap::new();
        for (name, resource) in self.resources(world) {
            let state = resource.as_ref().and_then(|resource| world.resource_state(resource));
            let state = state.ok_or_else(|| format!("there is no resource {name}"))?;
            states.insert(name.clone(), Fact::Json(state));
        }
        Ok(BTreeMap::from([(RESOURCE.to_owned(), Fact::Table(states))]))
    }

    fn resources(&self, world: &World) -> &[(String, Option<Resource>)] {
        self.resources.get_or_init(|| {
            let mut names: Vec<&String> = self.condition.paths().filter_map(|path| path.get(1)).collect();
            names.dedup();
            let scope = Scope { project: &world.project, region: Some(&world.region), zone: None };
            let find = |name: &str| Catalog::open().ok()?.find(name, &scope).ok();
            names.into_iter().map(|name| (name.clone(), find(name))).collect()
        })
    }
}

/// What a scenario says as a number, or as an expression that gives one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number, or an expression over resource(\"NAME\") that gives one")]
pub enum Amount {
    /// Always this.
    Number(f64),
    /// What the expression gives.
    Computed(Expression),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        let text = "[cloud]\nproject = \"p\"\nregion = \"r\"\n[sql.orders]\ndatabase_version = \"POSTGRES_16\"\ntier = \"db-f1-micro\"\n\
            [[resources]]\nname = \"redis.instances/cache\"\nstate = { memorySizeGb = 4 }\n\
            [[resources]]\nname = \"compute.disks/z/data\"\nstate = { sizeGb = 100 }\n";
        crate::sim::scenario::parse("a", text).unwrap()
    }

    #[test]
    fn an_expression_compares_what_resources_have() {
        let world = world();
        let holds = |text: &str| Expression::try_from(text.to_owned()).and_then(|expression| expression.holds(&world));
        assert_eq!(holds("resource(\"redis.instances/cache\").memorySizeGb < 5"), Ok(true));
        assert_eq!(
            holds("(resource( 'compute.disks/z/data' ).sizeGb + 1) * 2 == 202"),
            Ok(true),
            "64 bits are numbers here"
        );
        assert_eq!(holds("resource('sqladmin.instances/orders').settings.tier == 'db-f1-micro'"), Ok(true));
        assert_eq!(holds("'resource(' == 'x'"), Ok(false));
        for (text, why) in [
            ("resource('redis.instances/gone').memorySizeGb < 5", "there is no resource redis.instances/gone"),
            ("resource('redis.instances/cache').replicaCount < 5", "there is no `replicaCount` in it"),
            ("resource('redis.instances/cache').memorySizeGb", "the condition gives a int, not true or false"),
            ("status == 200", "`status` means nothing here: an expression is about resource(\"NAME\")"),
            ("resource == 1", "resource(\"NAME\") takes one name, between quotation marks"),
            ("resource('a'", "the condition ends too early"),
        ] {
            let error = holds(text).unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
        let number =
            Expression::try_from("100.0 - double(resource('redis.instances/cache').memorySizeGb)".to_owned()).unwrap();
        assert_eq!(number.number(&world), Ok(96.0));
    }
}
