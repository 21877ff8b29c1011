//! Cloud Support v2: the cases of a project, and the classifications that they need. Cases of organizations, comments and
//! attachments are not simulated.
//!
//! Known of Google, and held here (source: `google/cloud/support/v2/{case,case_service}.proto` and its overview): a
//! project without a paid tier cannot open a case; a case needs a name, a description, a classification and a priority;
//! creating one is not idempotent, so the same request twice is two cases; only priority, name and subscribers can be
//! changed; only some tiers can escalate. Ours: every wording, which tiers escalate, and when somebody answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::Part;
use crate::sim::api::{Answered, Api, Call, Collection, Paging, Shared, page_by};
use crate::sim::clock::later;
use crate::sim::enums::Table;
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Reader};
use crate::sim::world::filter::Filter;
use crate::sim::world::operation::Never;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{self, World};

/// Its enums.
const ENUMS: Table = &[
    (
        &["state"],
        &[
            ("NEW", 1),
            ("IN_PROGRESS_GOOGLE_SUPPORT", 2),
            ("ACTION_REQUIRED", 3),
            ("SOLUTION_PROVIDED", 4),
            ("CLOSED", 5),
        ],
    ),
    (&["priority"], &[("P0", 1), ("P1", 2), ("P2", 3), ("P3", 4), ("P4", 5)]),
];

/// 10 if it is not said (source: the comment on `ListCasesRequest.page_size`); the limit is ours.
const PAGING: Paging = Paging { size: "pageSize", by_default: 10, at_most: 100 };

/// The fields that cases can be searched by (source: the comment on `SearchCasesRequest.query`).
const SEARCHABLE: [&str; 4] = ["state", "priority", "creator.email", "update_time"];

/// Every field of the message `Case`.
const FIELDS: [&str; 15] = [
    "name",
    "displayName",
    "description",
    "classification",
    "timeZone",
    "subscriberEmailAddresses",
    "state",
    "createTime",
    "updateTime",
    "creator",
    "contactEmail",
    "escalated",
    "testCase",
    "languageCode",
    "priority",
];

/// The fields that an update may change, as a mask and as the JSON has them (source: `UpdateCaseRequest.update_mask`).
const MUTABLE: [(&str, &str); 3] = [
    ("priority", "priority"),
    ("display_name", "displayName"),
    ("subscriber_email_addresses", "subscriberEmailAddresses"),
];

/// The names of `Case.Priority` and `Escalation.Reason` by number: Google's own clients send numbers.
const PRIORITIES: [&str; 6] = ["PRIORITY_UNSPECIFIED", "P0", "P1", "P2", "P3", "P4"];
const REASONS: [&str; 4] = ["REASON_UNSPECIFIED", "RESOLUTION_TIME", "TECHNICAL_EXPERTISE", "BUSINESS_IMPACT"];

/// The support of a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Support {
    /// What is the scenario's about it.
    pub figures: Figures,
    /// Cases by number.
    pub cases: BTreeMap<u64, Case>,
}

impl Part for Support {
    type Tables = Option<Spanned<Figures>>;
    type Effect = Never;

    fn read(reader: &mut Reader<'_>) -> Self::Tables {
        reader.optional("support")
    }

    fn build(figures: Self::Tables, world: &mut World, _: &DeclaredNames, complaints: &mut Complaints) {
        world.parts.support.figures = complaints.sensible(figures, Figures::complaint);
    }
}

impl Api for Support {
    const SERVICE: &'static str = "cloudsupport";
    const TYPES: &'static [(&'static str, &'static str)] = &[("cases", "[support]")];
    const COLLECTIONS: &'static [Collection] =
        &[Collection { segment: "cases", permissions: "cloudsupport.techCases" }];
    const ENUMS: Table = ENUMS;

    fn routes() -> Router<Arc<Shared>> {
        Router::new()
            .route("/v2/caseClassifications:search", get(classifications))
            .route("/v2/projects/{project}/cases", get(list).post(create))
            .route("/v2/projects/{project}/cases:search", get(search))
            .route("/v2/projects/{project}/cases/{case}", get(show).patch(update).post(act))
    }
}

/// What the scenario says of the support (`[support]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Figures {
    /// What the project pays for.
    pub tier: Tier,
    /// How long it takes until somebody looks at a case.
    pub response_takes: SignedDuration,
    /// The classifications that there are: names by id.
    pub classifications: BTreeMap<String, String>,
}

impl Default for Figures {
    fn default() -> Self {
        let classifications = [
            ("sim-cloud-run", "Technical Issue > Compute > Cloud Run"),
            ("sim-cloud-sql", "Technical Issue > Databases > Cloud SQL"),
            ("sim-networking", "Technical Issue > Networking > Serverless VPC Access"),
        ];
        Self {
            tier: Tier::default(),
            response_takes: SignedDuration::from_hours(4),
            classifications: classifications.map(|(id, name)| (id.to_owned(), name.to_owned())).into(),
        }
    }
}

impl Figures {
    /// What is wrong with them, if something is.
    pub fn complaint(&self) -> Option<&'static str> {
        self.response_takes.is_negative().then_some("a duration cannot be negative")
    }
}

/// The tiers of support.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nothing: no cases.
    None,
    /// Cases.
    Standard,
    /// Cases that can be escalated.
    #[default]
    Enhanced,
    /// The same, for more money.
    Premium,
}

/// A case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// When it was opened.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// Who opened it.
    pub creator: String,
    /// What a caller may say, in the API's words.
    pub said: Map<String, Value>,
    /// Whether it was escalated.
    pub escalated: bool,
    /// Whether it was closed.
    pub closed: bool,
}

impl World {
    /// `POST …/cases`.
    pub fn create_case(&mut self, body: &Map<String, Value>, creator: &str) -> Result<Value, Refusal> {
        self.check_tier()?;
        let said = self.checked_case(body)?;
        let number = self.parts.support.cases.last_key_value().map_or(50_000_001, |(last, _)| last.saturating_add(1));
        let now = self.now;
        let case =
            Case { created: now, updated: now, creator: creator.to_owned(), said, escalated: false, closed: false };
        let shown = self.case_wire(number, &case);
        self.parts.support.cases.insert(number, case);
        Ok(shown)
    }

    /// `GET …/cases/C`.
    pub fn show_case(&self, id: &str) -> Result<Value, Refusal> {
        let (number, case) = self.case(id)?;
        Ok(self.case_wire(number, case))
    }

    /// `PATCH …/cases/C?updateMask=`.
    pub fn update_case(&mut self, id: &str, body: &Map<String, Value>, mask: Option<&str>) -> Result<Value, Refusal> {
        let body = known_fields(body)?;
        let paths = match mask {
            None => MUTABLE.to_vec(),
            Some(mask) => mask.split(',').map(str::trim).map(mutable).collect::<Result<_, _>>()?,
        };
        self.change_case(id, |case| {
            for (_, field) in paths {
                match body.get(field) {
                    None | Some(Value::Null) => case.said.shift_remove(field),
                    Some(value) => case.said.insert(field.to_owned(), value.clone()),
                };
            }
            required(&case.said)
        })
    }

    /// `POST …/cases/C:escalate`.
    pub fn escalate_case(&mut self, id: &str, body: &Map<String, Value>) -> Result<Value, Refusal> {
        let escalation = world::object(body, "escalation")?.cloned().unwrap_or_default();
        let reason = escalation.get("reason").and_then(|reason| named(reason, &REASONS));
        if reason.is_none() {
            return Err(Refusal::invalid("escalation.reason", "escalation.reason must be given"));
        }
        if world::text(&escalation, "justification")?.is_none() {
            return Err(Refusal::invalid("escalation.justification", "escalation.justification must be given"));
        }
        if !matches!(self.parts.support.figures.tier, Tier::Enhanced | Tier::Premium) {
            let message = "Escalations are not available for the project's support service";
            return Err(Refusal::new(Code::FailedPrecondition, message));
        }
        self.change_case(id, |case| {
            case.escalated = true;
            Ok(())
        })
    }

    /// `POST …/cases/C:close`.
    pub fn close_case(&mut self, id: &str) -> Result<Value, Refusal> {
        self.change_case(id, |case| {
            case.closed = true;
            Ok(())
        })
    }

    /// The cases that fit an expression, the newest first.
    pub fn cases(&self, expression: &str) -> Result<Vec<Value>, Refusal> {
        self.check_tier()?;
        let filter = Filter::parse(expression)?;
        filter.only(&SEARCHABLE)?;
        let fitting = self.parts.support.cases.iter().rev().filter(|(_, case)| filter.fits(&case.searched()));
        Ok(fitting.map(|(number, case)| self.case_wire(*number, case)).collect())
    }

    /// The classifications that fit an expression: a text alone, since they have nothing to compare.
    pub fn classifications(&self, expression: &str) -> Result<Vec<Value>, Refusal> {
        let filter = Filter::parse(expression)?;
        filter.only(&["id", "displayName"])?;
        let all = self
            .parts
            .support
            .figures
            .classifications
            .iter()
            .map(|(id, name)| json!({ "id": id, "displayName": name }));
        Ok(all.filter(|classification| filter.fits(classification)).collect())
    }

    fn check_tier(&self) -> Result<(), Refusal> {
        if self.parts.support.figures.tier == Tier::None {
            let message = "The project has no support service that includes cases";
            return Err(Refusal::new(Code::PermissionDenied, message));
        }
        Ok(())
    }

    fn case(&self, id: &str) -> Result<(u64, &Case), Refusal> {
        self.check_tier()?;
        let found = id.parse().ok().and_then(|number: u64| Some((number, self.parts.support.cases.get(&number)?)));
        found.ok_or_else(|| Refusal::missing(&format!("projects/{}/cases/{id}", self.project)))
    }

    fn change_case(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Case) -> Result<(), Refusal>,
    ) -> Result<Value, Refusal> {
        let (number, case) = self.case(id)?;
        let mut case = case.clone();
        if case.closed {
            return Err(Refusal::new(Code::FailedPrecondition, "The case is closed"));
        }
        change(&mut case)?;
        case.updated = self.now;
        let shown = self.case_wire(number, &case);
        self.parts.support.cases.insert(number, case);
        Ok(shown)
    }

    /// What a new case says, once it is known to say enough.
    fn checked_case(&self, body: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
        let mut said = known_fields(body)?;
        for field in ["name", "state", "createTime", "updateTime", "creator", "escalated"] {
            said.shift_remove(field);
        }
        required(&said)?;
        if world::text(&said, "description")?.is_none() {
            return Err(Refusal::invalid("case.description", "case.description must be given"));
        }
        let classification = world::object(&said, "classification")?.cloned().unwrap_or_default();
        let id = world::text(&classification, "id")?.unwrap_or_default();
        let Some(name) = self.parts.support.figures.classifications.get(id) else {
            let message = format!("case.classification.id: there is no classification {id:?}");
            return Err(Refusal::invalid("case.classification.id", message));
        };
        said.insert("classification".to_owned(), json!({ "id": id, "displayName": name }));
        Ok(said)
    }

    fn case_wire(&self, number: u64, case: &Case) -> Value {
        let mut wire = case.said.clone();
        wire.insert("name".to_owned(), json!(format!("projects/{}/cases/{number}", self.project)));
        wire.insert("state".to_owned(), json!(case.state(self.now, self.parts.support.figures.response_takes)));
        wire.insert("createTime".to_owned(), json!(case.created.to_string()));
        wire.insert("updateTime".to_owned(), json!(case.updated.to_string()));
        wire.insert("creator".to_owned(), json!({ "email": case.creator, "googleSupport": false }));
        if case.escalated {
            wire.insert("escalated".to_owned(), json!(true));
        }
        Value::Object(wire)
    }
}

impl Case {
    /// The state: somebody looks at it some time after it was opened.
    fn state(&self, now: Timestamp, response_takes: SignedDuration) -> &'static str {
        if self.closed {
            "CLOSED"
        } else if now < later(self.created, response_takes) {
            "NEW"
        } else {
            "IN_PROGRESS_GOOGLE_SUPPORT"
        }
    }

    /// The case as a search sees it: there a state is OPEN or CLOSED, and a text alone is looked for in what was said.
    fn searched(&self) -> Value {
        json!({
            "state": if self.closed { "CLOSED" } else { "OPEN" },
            "priority": self.said.get("priority"),
            "creator": { "email": self.creator },
            "update_time": self.updated.to_string(),
            "displayName": self.said.get("displayName"),
            "description": self.said.get("description"),
        })
    }
}

/// The fields of a case, with the priority under its name.
fn known_fields(body: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    if let Some(unknown) = body.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(world::unknown_field(unknown, "case"));
    }
    let mut fields = body.clone();
    if let Some(priority) = fields.get_mut("priority") {
        let name = named(priority, &PRIORITIES);
        *priority = name
            .map(Value::from)
            .ok_or_else(|| Refusal::invalid("case.priority", "Invalid value at 'case.priority'"))?;
    }
    Ok(fields)
}

/// Refuses a case without a name or a priority.
fn required(said: &Map<String, Value>) -> Result<(), Refusal> {
    for field in ["displayName", "priority"] {
        if world::text(said, field)?.is_none() {
            return Err(Refusal::invalid(format!("case.{field}"), format!("case.{field} must be given")));
        }
    }
    Ok(())
}

fn mutable(path: &str) -> Result<(&'static str, &'static str), Refusal> {
    MUTABLE.into_iter().find(|(mask, field)| *mask == path || *field == path).ok_or_else(|| {
        let known = MUTABLE.map(|(mask, _)| mask).join(", ");
        Refusal::invalid("update_mask", format!("update_mask: {path:?} cannot be updated; those are {known}"))
    })
}

/// An enum's name, of its name or its number; the first, which means nothing, is none.
fn named(value: &Value, names: &[&'static str]) -> Option<&'static str> {
    let at = match value {
        Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok())?,
        Value::String(text) => names.iter().position(|name| name == text)?,
        _ => return None,
    };
    names.get(at).copied().filter(|_| at > 0)
}

async fn classifications(call: Call) -> Answered {
    let (world, parameters) = call.read(&["query", "pageSize", "pageToken"])?;
    let found = world.classifications(parameters.get("query").unwrap_or_default())?;
    page_by(&found, "caseClassifications", &parameters, PAGING)
}

async fn list(call: Call) -> Answered {
    found(&call, "filter")
}

async fn search(call: Call) -> Answered {
    found(&call, "query")
}

fn found(call: &Call, expression: &str) -> Answered {
    let (world, parameters) = call.read(&[expression, "pageSize", "pageToken"])?;
    page_by(&world.cases(parameters.get(expression).unwrap_or_default())?, "cases", &parameters, PAGING)
}

async fn create(call: Call) -> Answered {
    Ok(Json(call.change(&[], |world, body, call| world.create_case(body, call.caller()))?))
}

async fn show(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    Ok(Json(world.show_case(call.named("case"))?))
}

async fn update(call: Call) -> Answered {
    let changed = call.change(&["updateMask"], |world, body, call| {
        world.update_case(call.named("case"), body, call.parameters.get("updateMask"))
    })?;
    Ok(Json(changed))
}

/// `POST …/cases/C:escalate` and `POST …/cases/C:close`.
async fn act(call: Call) -> Answered {
    let missing = call.nothing_here();
    let changed = call.change(&[], |world, body, call| match call.named("case").split_once(':') {
        Some((id, "escalate")) => world.escalate_case(id, body),
        Some((id, "close")) => world.close_case(id),
        _ => Err(missing),
    })?;
    Ok(Json(changed))
}
