//! Keeps web pages out. A page in the browser of whoever runs a simulated cloud can send requests to loopback: with a name of
//! its own that resolves to 127.0.0.1 it could read the answers as well (DNS rebinding), and a form or a WebSocket needs no
//! permission at all. So a request must be for a host that is meant here, and one from a page's script is only taken where a
//! service's visitors go.

use std::net::IpAddr;

use super::Refusal;
use crate::sim::Reach;
use crate::sim::world::refusal::Code;

/// Names that only Google can make resolve: those of its APIs, and of the services that it runs.
const GOOGLES: [&str; 2] = [".googleapis.com", ".run.app"];

/// The name under which `gcloud` is told to reach Cloud Run here (see docs/simulated-cloud.md). It puts a region before it.
const GCLOUDS: &str = "run.sim";

/// What a request says of where it comes from and where it goes.
pub(super) struct Asked<'a> {
    /// In lower case and without a port; empty if there is none.
    pub(super) host: &'a str,
    /// Whether the host is one of the world's services.
    pub(super) is_a_service: bool,
    /// Whether it has an `Origin`: a browser sends it with what a page's script asks for, and nobody else does.
    pub(super) has_origin: bool,
}

/// Lets a request in, or says why not.
pub(super) fn admit(asked: &Asked<'_>, reach: Reach) -> Result<(), Refusal> {
    if asked.is_a_service {
        return Ok(());
    }
    // Whoever lets others reach it gives it names that are not known here.
    if reach != Reach::Anybody && !is_ours(asked.host) {
        let message = format!("The simulated cloud serves no host {:?}", asked.host);
        return Err(Refusal::new(Code::PermissionDenied, message));
    }
    if asked.has_origin {
        return Err(Refusal::new(Code::PermissionDenied, "The simulated cloud takes no requests from web pages"));
    }
    Ok(())
}

fn is_ours(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
        || GOOGLES.iter().any(|domain| host.ends_with(domain))
        || host.strip_suffix(GCLOUDS).is_some_and(|region| region.is_empty() || region.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(host: &str, is_a_service: bool, has_origin: bool, reach: Reach) -> bool {
        admit(&Asked { host, is_a_service, has_origin }, reach).is_ok()
    }

    #[test]
    fn only_hosts_that_are_meant_here_are_served() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "localhost",
            "localhost.",
            "run.googleapis.com",
            "x-uc.a.run.app",
            "us-central1-run.sim",
        ] {
            assert!(is_let_in(host, false, false, Reach::Loopback), "{host}");
        }
        let others = [
            "",
            "evil.example",
            "10.0.0.1",
            "127.0.0.1.evil.example",
            "evilgoogleapis.com",
            "localhost.evil.example",
            "0.0.0.0",
        ];
        for host in others {
            assert!(!is_let_in(host, false, false, Reach::Loopback), "{host}");
            assert!(
                is_let_in(host, true, false, Reach::Loopback) && is_let_in(host, false, false, Reach::Anybody),
                "{host}"
            );
        }
    }

    #[test]
    fn a_web_page_reaches_services_only() {
        for reach in [Reach::Loopback, Reach::Anybody] {
            assert!(!is_let_in("127.0.0.1", false, true, reach));
            assert!(is_let_in("shop.example", true, true, reach));
        }
    }
}
