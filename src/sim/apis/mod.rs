//! APIs of which everything is in one file: what they have in a world, their tables of a scenario, what happens in them by
//! itself, their methods with the permissions and the enums.
//!
//! To add one: a file here, and a line in [`apis!`](self).

pub mod service_health;

use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::api::{Shared, served};
use super::scenario::reading::{Complaints, Reader};

/// What an API has in a world.
pub(super) trait Part: Default + Serialize + DeserializeOwned {
    /// Reads its tables of a scenario.
    fn read(reader: &mut Reader<'_>, complaints: &mut Complaints) -> Self;

    /// When something happens in it by itself, such as the end of an operation.
    fn next_due(&self) -> Option<Timestamp> {
        None
    }

    /// Lets that happen.
    fn advance(&mut self, _now: Timestamp) {}
}

/// Makes of a list of APIs all that has one entry for each.
macro_rules! apis {
    ($($part:ident: $module:ident::$api:ident),+ $(,)?) => {
        /// What these APIs have in a world.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Parts {
            $(
                #[doc = concat!("Of `", stringify!($module), "`.")]
                pub $part: $module::$api,
            )+
        }

        impl Parts {
            pub(super) fn read(reader: &mut Reader<'_>, complaints: &mut Complaints) -> Self {
                Self { $($part: Part::read(reader, complaints)),+ }
            }

            pub(super) fn next_due(&self) -> Option<Timestamp> {
                [$(self.$part.next_due()),+].into_iter().flatten().min()
            }

            pub(super) fn advance(&mut self, now: Timestamp) {
                $(self.$part.advance(now);)+
            }
        }

        /// Their methods.
        pub(super) fn routes(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
            Router::new()$(.merge(served::<$module::$api>(shared)))+
        }
    };
}

apis! {
    service_health: service_health::ServiceHealth,
}
