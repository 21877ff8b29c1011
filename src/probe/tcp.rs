//! A TCP connection: that it is opened, and how long that takes. A refused one is unhealthy; a name that does not resolve
//! says nothing of what stands behind it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use tokio::net::{TcpStream, lookup_host};

use super::{Looked, Route};
use crate::clock::{Clock, between, later, words};
use crate::runbook::condition::Fact;

pub(super) async fn look(address: &str, timeout: Duration, route: &Route, clock: &dyn Clock) -> Looked {
    if *route != Route::Direct {
        return Looked::Unseen(format!("the simulated cloud does not serve {address}"));
    }
    let began = clock.now();
    let out_of_time = clock.timer(later(began, timeout));
    let connecting = async {
        let mut found = lookup_host(address).await.map_err(|error| Looked::Unseen(format!("{address}: {error}")))?;
        let first = found.next().ok_or_else(|| Looked::Unseen(format!("{address} has no address")))?;
        TcpStream::connect(first).await.map_err(|error| Looked::Sick(error.to_string()))
    };
    pin_mut!(connecting, out_of_time);
    match select(connecting, out_of_time).await {
        Either::Right(_) => Looked::Sick(format!("no connection within {}", words(timeout))),
        Either::Left((Err(looked), _)) => looked,
        Either::Left((Ok(_), _)) => {
            Looked::Facts(BTreeMap::from([("latency".to_owned(), Fact::Span(between(began, clock.now())))]))
        }
    }
}
