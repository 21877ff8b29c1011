//! Cloud Support v2: the cases of a project, and the classifications that they need.
//!
//! Cases of organizations, comments and attachments are not simulated (source: `google/cloud/support/v2`).

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};

use super::enums::{self, Table};
use super::{Answered, Api, Call, Collection, Paging, Shared, page_by};

/// 10 if it is not said (source: the comment on `ListCasesRequest.page_size`); the limit is ours.
const PAGING: Paging = Paging { size: "pageSize", by_default: 10, at_most: 100 };

/// Cloud Support.
pub(super) struct Support;

impl Api for Support {
    const COLLECTIONS: &'static [Collection] =
        &[Collection { segment: "cases", permissions: "cloudsupport.techCases" }];
    const ENUMS: Table = enums::SUPPORT;

    fn routes() -> Router<Arc<Shared>> {
        Router::new()
            .route("/v2/caseClassifications:search", get(classifications))
            .route("/v2/projects/{project}/cases", get(list).post(create))
            .route("/v2/projects/{project}/cases:search", get(search))
            .route("/v2/projects/{project}/cases/{case}", get(show).patch(update).post(act))
    }
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
