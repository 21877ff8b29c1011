//! Google's APIs: what each has in a world, its tables of a scenario, what happens in it by itself, its operations, and its
//! methods with the permissions and the enums.
//!
//! To add one: a file here, and a line in [`apis!`](self). What the resources of several do to each other is in
//! [`super::world`], and what all methods have in common in [`super::api`].

pub mod any;
pub mod cloud_run;
pub mod cloud_sql;
pub mod compute;
pub mod logging;
pub mod monitoring;
pub mod project;
pub mod service_health;
pub mod support;
pub mod vpc_access;

use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::{Api, Shared, served};
use super::scenario::reading::{Complaints, DeclaredNames, Reader};
use super::world::World;
use super::world::operation::{Audited, Operation, Outcome, TakesEffect};
use super::world::refusal::Refusal;
use crate::catalog::Resource;

/// What an API has in a world.
pub(super) trait Part: Default + Serialize + DeserializeOwned + 'static {
    /// Its tables of a scenario.
    type Tables;
    /// What its operations do; [`Never`](super::world::operation::Never), if it has none.
    type Effect: TakesEffect;

    /// Reads its tables of a scenario.
    fn read(reader: &mut Reader<'_>) -> Self::Tables;

    /// Puts what the tables say into the world, and complains of what could not be. A name that a table of another API has is
    /// `declared`, whether that table could be read or not.
    fn build(tables: Self::Tables, world: &mut World, declared: &DeclaredNames, complaints: &mut Complaints);

    /// When something happens in it by itself, besides the end of an operation.
    fn next_due(&self) -> Option<Timestamp> {
        None
    }

    /// Lets happen what is due by now.
    fn advance(_world: &mut World) {}

    /// Takes a resource of this collection away at once; false if it has none of this name.
    fn remove(&mut self, _collection: &str, _name: &str) -> bool {
        false
    }

    /// What `get` of a resource shows, if there is one: an expression of a scenario may be about it.
    fn state_of(_world: &World, _resource: &Resource) -> Option<Value> {
        None
    }

    /// What its tables say and the simulated cloud makes nothing of.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// An API whose operations are among those of the world.
pub(super) trait Operates: Part {
    /// What one of its operations does, as one of those of all APIs.
    fn effect(own: Self::Effect) -> Effect;

    /// What an operation does, if it is one of this API's.
    fn own(effect: &Effect) -> Option<&Self::Effect>;
}

/// Makes of the list of APIs all that has one entry for each.
macro_rules! apis {
    ($($part:ident: $module:ident::$api:ident),+ $(,)?) => {
        /// What the APIs have in a world.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Parts {
            $(
                #[doc = concat!("Of `", stringify!($part), "`.")]
                pub(in crate::sim) $part: $module::$api,
            )+
        }

        /// The tables of a scenario.
        pub(super) struct Tables {
            $($part: <$module::$api as Part>::Tables,)+
        }

        /// What an operation does when its time has come.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub(super) enum Effect {
            $(
                #[doc = concat!("An operation of `", stringify!($part), "`.")]
                $api(<$module::$api as Part>::Effect),
            )+
        }

        $(
            impl Operates for $module::$api {
                fn effect(own: Self::Effect) -> Effect {
                    Effect::$api(own)
                }

                fn own(effect: &Effect) -> Option<&Self::Effect> {
                    if let Effect::$api(own) = effect { Some(own) } else { None }
                }
            }
        )+

        impl TakesEffect for Effect {
            fn take_effect(&self, world: &mut World) -> Result<Value, Refusal> {
                match self {
                    $(Self::$api(own) => own.take_effect(world),)+
                }
            }

            fn call_off(&self, world: &mut World, refusal: &Refusal) {
                match self {
                    $(Self::$api(own) => own.call_off(world, refusal),)+
                }
            }

            fn shown_at_the_end(&self, world: &World, outcome: &Outcome) -> Option<Value> {
                match self {
                    $(Self::$api(own) => own.shown_at_the_end(world, outcome),)+
                }
            }

            fn wire(&self, operation: &Operation, world: &World) -> Value {
                match self {
                    $(Self::$api(own) => own.wire(operation, world),)+
                }
            }

            fn audited(&self) -> Option<Audited> {
                match self {
                    $(Self::$api(own) => own.audited(),)+
                }
            }
        }

        impl Parts {
            pub(super) fn next_due(&self) -> Option<Timestamp> {
                [$(self.$part.next_due()),+].into_iter().flatten().min()
            }

            pub(super) fn advance(world: &mut World) {
                $(<$module::$api as Part>::advance(world);)+
            }

            pub(super) fn remove(&mut self, collection: &str, name: &str) -> bool {
                [$(self.$part.remove(collection, name)),+].into_iter().any(|removed| removed)
            }

            pub(super) fn state_of(world: &World, resource: &Resource) -> Option<Value> {
                [$(<$module::$api as Part>::state_of),+].into_iter().find_map(|state_of| state_of(world, resource))
            }

            pub(super) fn notes(&self) -> Vec<String> {
                [$(self.$part.notes()),+].concat()
            }
        }

        impl Tables {
            pub(super) fn read(reader: &mut Reader<'_>) -> Self {
                Self { $($part: <$module::$api as Part>::read(reader)),+ }
            }

            pub(super) fn build(self, world: &mut World, declared: &DeclaredNames, complaints: &mut Complaints) {
                $(<$module::$api as Part>::build(self.$part, world, declared, complaints);)+
            }
        }

        /// Whether one of the APIs is this service's.
        pub(super) fn has_api_of(service: &str) -> bool {
            [$(<$module::$api as Api>::SERVICE),+].contains(&service)
        }

        /// The table of a scenario that has the resources of a type, if one of the APIs serves it.
        pub(super) fn table_of(service: &str, collection: &str) -> Option<&'static str> {
            let apis = [$((<$module::$api as Api>::SERVICE, <$module::$api as Api>::TYPES)),+];
            let types = apis.into_iter().filter(|(known, _)| *known == service).flat_map(|(_, types)| types);
            types.into_iter().find(|(known, _)| *known == collection).map(|(_, table)| *table)
        }

        /// Their methods.
        pub(super) fn routes(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
            Router::new()$(.merge(served::<$module::$api>(shared)))+
        }

    };
}

// In this order a scenario's tables are put together.
apis! {
    vpc_access: vpc_access::VpcAccess,
    cloud_sql: cloud_sql::CloudSql,
    any: any::AnyResources,
    support: support::Support,
    service_health: service_health::ServiceHealth,
    cloud_run: cloud_run::CloudRun,
    compute: compute::Compute,
    logging: logging::Logging,
    monitoring: monitoring::Monitoring,
    resource_manager: project::ResourceManager,
    service_usage: project::ServiceUsage,
}
