//! Where no probe ever goes: metadata servers, which give whoever asks the machine's own tokens, and link-local addresses,
//! where they live.
//!
//! A name is refused before it is looked up, and an address after that: what is connected to is what was judged, so that
//! no name can lead there, be it on a redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names of metadata servers (source: Google's and Amazon's documentation of their instances' metadata).
const NAMES: [&str; 4] = ["metadata.google.internal", "metadata.goog", "metadata", "instance-data"];

/// Metadata servers outside the link-local ranges: Amazon's and Google's over IPv6, Alibaba's, Oracle's and Azure's (sources:
/// their documentation).
const SERVERS: [IpAddr; 5] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Whether this is a metadata server's name.
pub(super) fn is_forbidden_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    NAMES.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// What an address is that no probe may reach; `None` if it may be.
pub(super) fn forbidden(address: IpAddr) -> Option<&'static str> {
    let is_server = |address: IpAddr| SERVERS.contains(&address);
    let is_link_local = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let meant: Vec<IpAddr> = std::iter::once(address).chain(within(address).map(IpAddr::V4)).collect();
    if meant.iter().any(|address| is_link_local(*address)) {
        Some("a link-local address")
    } else if meant.iter().any(|address| is_server(*address)) {
        Some("a metadata server's address")
    } else {
        None
    }
}

/// The address of the older protocol that stands in one of the newer: mapped, compatible, by NAT64 or 6to4.
fn within(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let last = |segments: [u16; 8], place: usize| {
        let bits = (u32::from(*segments.get(place)?) << 16) | u32::from(*segments.get(place + 1)?);
        Some(Ipv4Addr::from_bits(bits))
    };
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, ..] => last(segments, 6),
        [0x2002, ..] => last(segments, 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_link_local_addresses_are_forbidden_however_they_are_spelt() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "::ffff:168.63.129.16",
        ] {
            assert!(forbidden(address.parse().unwrap()).is_some(), "{address}");
        }
        for address in ["127.0.0.1", "::1", "10.0.0.1", "8.8.8.8", "fec0::1", "2001:db8::1", "fd00:ec2::253"] {
            assert_eq!(forbidden(address.parse().unwrap()), None, "{address}");
        }
        assert!(is_forbidden_name("Metadata.Google.Internal.") && !is_forbidden_name("metadata.example.com"));
    }
}
