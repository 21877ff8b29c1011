//! Whether a resource that the catalog describes exists: `gcp.existence`.
//!
//! Making a resource and deleting it are changes of one state: that it exists, and with which fields. Undoing its making deletes it only
//! if its fields are still those that it was made with.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::cloud::Cloud;
use super::super::error::{ReadError, WriteError};
use super::super::follow_up::FollowUp;
use super::super::gcloud::GcloudCommands;
use super::super::permission::Permission;
use super::super::spec::{ApiObject, Metrics, Product};
use super::super::{Kind, Observable, OperationProgress, Seen, Writer};
use super::{Catalogued, Outgoing, SealedValues, resource_of};
use crate::catalog;
use crate::gate::{FactType, Facts};
use crate::run::{Change, EXISTENCE, NameShape, ResourceId, Reversibility};

/// `gcp.existence`.
pub struct Existence {
    resources: Catalogued,
}

/// Whether it exists, and with which fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Whether it does.
    pub exists: bool,
    /// Its fields, in the form of [`catalog::state_of`]; of a change those that it is made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Value>,
}

impl Existence {
    /// The resources of this cloud, which are made without secrets.
    pub fn on(cloud: &Arc<Cloud>) -> Existence {
        Existence::with(cloud, Arc::default())
    }

    /// The same, with secrets to be written.
    pub fn with(cloud: &Arc<Cloud>, sealed: Arc<SealedValues>) -> Existence {
        Existence { resources: Catalogued::with(cloud, sealed) }
    }

    async fn state(&self, id: &ResourceId) -> Result<State, ReadError> {
        match self.resources.state(id).await {
            Ok(fields) => Ok(State { exists: true, fields: Some(fields) }),
            Err(ReadError::NotFound { .. }) => {
                self.resources.remembered().remove(id);
                Ok(State { exists: false, fields: None })
            }
            Err(error) => Err(error),
        }
    }
}

impl Observable for Existence {
    type State = State;

    const NAME: &'static str = EXISTENCE;
    const FACTS: Facts = &[("exists", FactType::Bool)];
    const NAME_SHAPE: NameShape = Catalogued::NAME_SHAPE;
    const PART_OF: ApiObject = ApiObject::Itself;
    const READ_PERMISSIONS: &'static [Permission] = Catalogued::READ_PERMISSIONS;
    const PRODUCT: Option<Product> = None;
    const METRICS: Option<Metrics> = None;

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        let (state, operation) = (self.state(id).await?, self.resources.own_operation(id).await?);
        Ok(Seen { state, etag: None, operation, trouble: None })
    }
}

impl Kind for Existence {
    type Owned = State;

    const WRITE_PERMISSIONS: &'static [Permission] = Catalogued::WRITE_PERMISSIONS;
    const SHELL_FUNCTIONS: &'static str = "";
    const OPERATION_TIMEOUT: Duration = Catalogued::OPERATION_TIMEOUT;

    /// What is lost with a resource depends on its type: the action says it.
    fn allowed(_: &State, _: &State) -> Result<Reversibility, String> {
        Ok(Reversibility::Reversible)
    }

    fn gcloud(change: &Change) -> Result<GcloudCommands, String> {
        let what = match change.to.get("exists").and_then(Value::as_bool) {
            Some(false) => "delete",
            _ => "make",
        };
        Err(format!(
            "no command is printed: {what} {} with its own `gcloud` command or in the console",
            change.resource.name
        ))
    }

    fn follow_up(_: &ResourceId, _: &Value, _: &Value) -> Option<FollowUp> {
        None
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        _: &Seen<State>,
        to: &State,
    ) -> Result<OperationProgress<State>, WriteError> {
        let refused = |why: String| WriteError::Refused { resource: id.clone(), why };
        let resource = resource_of(id).map_err(refused)?;
        let request = if to.exists {
            let nothing = Value::Object(Map::new());
            let fields = to.fields.as_ref().unwrap_or(&nothing);
            let reveal = |digest: &str| self.resources.sealed.reveal(id, digest);
            let wanted = catalog::assignments_to(resource.resource_type, &nothing, fields, &reveal);
            let body = wanted.map_err(|error| refused(error.to_string()))?.apply(&nothing);
            let body = body.map_err(|error| refused(error.to_string()))?;
            resource.create(body.as_object().unwrap_or(&Map::new()), &id.project)
        } else {
            let live = self.resources.remembered().get(id).cloned().unwrap_or_default();
            resource.delete(&live)
        };
        let request = request.map_err(|error| refused(error.to_string()))?;
        let request = request.ok_or_else(|| refused("its API has no method for that".to_owned()))?;
        let stand = self.resources.send(writer, id, Outgoing::of(request)).await?;
        let progress = stand.progress(self.state(id)).await;
        progress.map_err(|error| WriteError::InDoubt { resource: id.clone(), why: error.to_string() })
    }

    async fn poll(&self, id: &ResourceId, operation: &str, _: Duration) -> Result<OperationProgress<State>, ReadError> {
        self.resources.stand(id, operation).await?.progress(self.state(id)).await
    }
}
