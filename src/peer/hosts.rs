//! `[limits] hosts`: the peers that probes may ask.

use std::net::IpAddr;
use std::str::FromStr;

use super::plain;

/// The hosts that probes may ask, in plans and in runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<HostPattern>);

/// One host, or all below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one: a name or an address.
    Exact(String),
    /// Every name that ends with a point and this, written `*.example.com`; not the name itself.
    Below(String),
}

/// A text that is neither a host nor `*.` and a name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a host")]
pub struct NotHost(String);

impl FromStr for HostPattern {
    type Err = NotHost;

    fn from_str(text: &str) -> Result<HostPattern, NotHost> {
        let name = plain(text.strip_prefix("*.").unwrap_or(text));
        let is_address = name.parse::<IpAddr>().is_ok();
        let is_name = name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        });
        match (text.starts_with("*."), is_address, is_name) {
            (true, false, true) => Ok(HostPattern::Below(name)),
            (false, _, true) | (false, true, _) => Ok(HostPattern::Exact(name)),
            _ => Err(NotHost(text.to_owned())),
        }
    }
}

impl Hosts {
    /// Of these patterns.
    pub fn new(patterns: Vec<HostPattern>) -> Hosts {
        Hosts(patterns)
    }

    /// Whether this host may be asked.
    pub fn cover(&self, host: &str) -> bool {
        let host = plain(host);
        self.0.iter().any(|pattern| match pattern {
            HostPattern::Exact(name) => is_same(name, &host),
            HostPattern::Below(suffix) => {
                host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        })
    }
}

/// An address has several spellings.
fn is_same(one: &str, other: &str) -> bool {
    one == other || one.parse::<IpAddr>().is_ok_and(|one| other.parse() == Ok(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_says_and_nothing_that_looks_like_it() {
        let hosts = ["api.example.com", "*.shop.example", "10.20.0.3", "[::1]"];
        let hosts = Hosts::new(hosts.iter().map(|host| host.parse().unwrap()).collect());
        for host in ["API.example.com", "api.example.com.", "a.shop.example", "a.b.shop.example", "10.20.0.3", "0:0::1"]
        {
            assert!(hosts.cover(host), "{host}");
        }
        for host in [
            "example.com",
            "shop.example",
            ".shop.example",
            "evilshop.example",
            "api.example.com.evil.example",
            "10.20.0.30",
            "",
        ] {
            assert!(!hosts.cover(host), "{host}");
        }
        for wrong in ["*", "*.", "a.*.example", "https://a.example", "a.example:443", "a/b", "", "*.10.0.0.1/8"] {
            assert!(wrong.parse::<HostPattern>().is_err(), "{wrong}");
        }
    }
}
