//! A TCP connection: that it is opened, and how long that takes. A refused one is unhealthy; a name that does not resolve
//! says nothing of what stands behind it.

use std::collections::BTreeMap;

use super::Looked;
use super::dial::Dialer;
use crate::syntax::condition::Fact;

pub(super) async fn look(dialer: &Dialer, host: &str, port: u16) -> Result<BTreeMap<String, Fact>, Looked> {
    let (_, took) = dialer.connect(host, port).await?;
    Ok(BTreeMap::from([("latency".to_owned(), Fact::Span(took.dns + took.connect))]))
}
