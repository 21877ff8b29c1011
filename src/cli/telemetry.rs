//! A run's trace for OpenTelemetry, sent when the standard `OTEL_*` variables say where to.
//!
//! It is sent when a process has done its part of a run: whatever happens to the exporter happens after everything that
//! counts.

use std::collections::BTreeMap;

use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;

use super::Meant;
use super::console::Console;
use super::environment::named;
use super::session::Kept;
use crate::inert::inert;
use crate::journal::State;
use crate::report::{record, spans};

/// So many spans are sent at once.
const BATCH: usize = 512;

/// Sends the trace of a run, if it is wanted. That it cannot be sent is told, and changes nothing.
pub(super) async fn export(state: &State, run: &str, console: Console) {
    let Some(wire) = wanted() else { return };
    let sent = match wire {
        Ok(wire) => send(state, run, wire, console).await,
        Err(why) => Err(why),
    };
    if let Err(why) = sent {
        console.err(&format!("The trace of this run was not exported: {}\n", inert(&why)));
    }
}

async fn send(state: &State, run: &str, wire: Protocol, console: Console) -> Result<(), String> {
    let kept = Kept::find(state, Meant::Id(run), console).map_err(|trouble| trouble.message)?;
    let (read, damage) = kept.directory.salvage().map_err(|error| error.to_string())?;
    let record = record(&kept.plan, &read.entries, BTreeMap::new(), damage);
    // Its endpoint, headers and time-out it finds in the environment itself.
    let exporter = SpanExporter::builder().with_http().with_protocol(wire).build();
    let mut exporter = exporter.map_err(|error| error.to_string())?;
    // What the environment calls this service comes before our own name.
    let attributes = named("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = named("OTEL_SERVICE_NAME").is_some() || attributes.contains("service.name=");
    let resource = Resource::builder();
    let resource = if is_named { resource } else { resource.with_service_name("rectify") };
    exporter.set_resource(&resource.build());
    for batch in spans(&record).chunks(BATCH) {
        exporter.export(batch.to_vec()).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// How the trace is sent, if it is wanted at all (source: OpenTelemetry's specification of its environment variables).
fn wanted() -> Option<Result<Protocol, String>> {
    let endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let off = named("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"));
    let to = named("OTEL_TRACES_EXPORTER").unwrap_or_else(|| "otlp".to_owned());
    if off || to != "otlp" || !endpoints.iter().any(|name| named(name).is_some()) {
        return None;
    }
    let wire = named("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| named("OTEL_EXPORTER_OTLP_PROTOCOL"));
    Some(match wire.as_deref() {
        None | Some("http/protobuf") => Ok(Protocol::HttpBinary),
        Some("http/json") => Ok(Protocol::HttpJson),
        Some(other) => Err(format!("{other} is not spoken here, only http/protobuf and http/json")),
    })
}
