//! `[[resources]]`: resources of any type of the catalog.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use super::change::message_of;
use super::kept::{Figures, Kept, MethodFigures, TokenPolicy, UPDATE_TAKES};
use super::message::UnknownFields;
use super::{token, wire};
use crate::catalog::{Answer, Catalog, Method, Resource, ResourceType, Scope};
use crate::sim::apis::table_of;
use crate::sim::scenario::captured::Captured;
use crate::sim::scenario::reading::{Complaint, Complaints, complain, positive};
use crate::sim::world::World;

/// An entry of `[[resources]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct ResourceTable {
    /// Any name that the catalog finds; short ones are in the scenario's project and region.
    name: Spanned<String>,
    /// What `get` answers with. The API's own fields are filled in.
    state: Option<Spanned<StateTable>>,
    /// How long changes take that have an operation.
    update_takes: Option<Spanned<SignedDuration>>,
    /// What becomes of the token of conditional writes.
    #[serde(default)]
    token: TokenPolicy,
    /// What methods do.
    #[serde(default)]
    methods: BTreeMap<Spanned<String>, MethodTable>,
}

/// Fields, or the JSON that `gcloud … describe --format=json` or the API printed.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a table with the resource's fields, or a text with them in JSON")]
enum StateTable {
    Fields(Map<String, Value>),
    Captured(Captured),
}

/// A table `[resources.methods.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MethodTable {
    takes: Option<Spanned<SignedDuration>>,
    /// Why an execution of a job fails.
    fails: Option<Spanned<String>>,
    sets: Option<Spanned<Map<String, Value>>>,
    #[serde(default)]
    from: BTreeMap<String, String>,
}

/// Puts the resources into the world.
pub(super) fn build(tables: Vec<Spanned<ResourceTable>>, world: &mut World, complaints: &mut Complaints) {
    if tables.is_empty() {
        return;
    }
    for table in tables {
        let table = table.into_inner();
        let name = table.name.clone();
        let Some((resource, kept)) = complaints.keep(table.build(world)) else { continue };
        if world.parts.any.resources.insert(resource.url(), kept).is_some() {
            complaints.add(name.span(), format!("there are two resources {}", resource.full_name()));
        }
    }
}

impl ResourceTable {
    fn build(self, world: &World) -> Result<(Resource, Kept), Complaint> {
        let resource = found(&self.name, world)?;
        let resource_type = resource.resource_type;
        let figures = Figures {
            update_takes: self.update_takes(resource_type)?,
            token: self.token,
            methods: methods(resource_type, self.methods)?,
        };
        let at = self.state.as_ref().map_or(self.name.span(), Spanned::span);
        let fields = match self.state.map(Spanned::into_inner) {
            Some(StateTable::Fields(fields) | StateTable::Captured(Captured(fields))) => fields,
            None => Map::new(),
        };
        let mut state = match message_of(resource_type).read(&fields, UnknownFields::Kept) {
            Ok(state) => state,
            Err(refusal) => return complain(at, refusal.message),
        };
        wire::complete(&resource, &mut state, world.now);
        token::renew(&resource, None, &mut state, 0);
        Ok((resource, Kept { state, created: world.now, writes: 0, figures }))
    }

    fn update_takes(&self, resource_type: ResourceType) -> Result<SignedDuration, Complaint> {
        let Some(takes) = self.update_takes.clone() else { return Ok(UPDATE_TAKES) };
        let has_operations = resource_type.methods().iter().any(|method| matches!(method.answer, Answer::Operation(_)));
        if !has_operations {
            let name = resource_type.name();
            return complain(takes.span(), format!("changes of {name} have no operations: they take no time"));
        }
        positive(takes)
    }
}

fn found(name: &Spanned<String>, world: &World) -> Result<Resource, Complaint> {
    let scope = Scope { project: &world.project, region: Some(&world.region), zone: None };
    let catalog = match Catalog::open() {
        Ok(catalog) => catalog,
        Err(damaged) => return complain(name.span(), damaged.to_string()),
    };
    let resource = match catalog.find(name.as_ref(), &scope) {
        Ok(resource) => resource,
        Err(error) => {
            let near = error.suggestions();
            let hint = near.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return complain(name.span(), format!("{error}{hint}"));
        }
    };
    let resource_type = resource.resource_type;
    if let Some(table) = table_of(resource_type.api().service, resource_type.collection()) {
        let type_name = resource_type.name();
        return complain(name.span(), format!("{type_name} is simulated by itself: write it as {table}"));
    }
    if let Some(other) = resource.project().filter(|project| world.check_project(project).is_err()) {
        let own = &world.project;
        return complain(name.span(), format!("it is in the project {other}, and this cloud is the project {own}"));
    }
    Ok(resource)
}

fn methods(
    resource_type: ResourceType,
    tables: BTreeMap<Spanned<String>, MethodTable>,
) -> Result<BTreeMap<String, MethodFigures>, Complaint> {
    let mut methods = BTreeMap::new();
    for (name, table) in tables {
        let Some(method) = resource_type.method(name.as_ref()) else {
            let known: Vec<&str> = resource_type.custom_methods().map(|method| method.name).collect();
            let (type_name, known) = (resource_type.name(), known.join(", "));
            return complain(name.span(), format!("{type_name} has no method {:?}; it has {known}", name.as_ref()));
        };
        methods.insert(name.into_inner(), table.build(resource_type, method)?);
    }
    Ok(methods)
}

impl MethodTable {
    fn build(self, resource_type: ResourceType, method: &Method) -> Result<MethodFigures, Complaint> {
        let takes = match self.takes {
            None if matches!(method.answer, Answer::Operation(_)) => UPDATE_TAKES,
            None => SignedDuration::ZERO,
            Some(takes) if matches!(method.answer, Answer::Operation(_)) => positive(takes)?,
            Some(takes) => {
                let method = method.name;
                return complain(takes.span(), format!("the method {method} has no operation: it takes no time"));
            }
        };
        if let Some(fails) =
            self.fails.as_ref().filter(|_| (resource_type.name(), method.name) != ("run.jobs".to_owned(), "run"))
        {
            return complain(
                fails.span(),
                "only an execution of a job (run.jobs, method run) can be said to fail".to_owned(),
            );
        }
        let fails = self.fails.map(Spanned::into_inner);
        let Some(sets) = self.sets else {
            return Ok(MethodFigures { takes, fails, sets: Map::new(), arguments: self.from });
        };
        let at = sets.span();
        match message_of(resource_type).read(sets.as_ref(), UnknownFields::Refused) {
            Ok(sets) => Ok(MethodFigures { takes, fails, sets, arguments: self.from }),
            Err(refusal) => complain(at, refusal.message),
        }
    }
}

/// The notes about fields that were captured and that the catalog does not know.
pub(super) fn notes(resource: &Resource, kept: &Kept) -> Vec<String> {
    let schema = resource.resource_type.schema();
    let unknown = kept.state.keys().filter(|field| schema.field(field).is_none() && !schema.fields.is_empty());
    let table = format!("resources {}", resource.full_name());
    unknown.map(|field| crate::sim::scenario::captured::unknown(&table, field)).collect()
}
