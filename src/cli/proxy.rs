//! Loopback is never asked for through a proxy.
//!
//! The clients for webhooks, for GitHub and for traces honour `HTTP_PROXY` also for 127.0.0.1, where a rehearsal's chat and a
//! collector listen, so behind a company's proxy those could not be reached. Programs that a run starts read the same environment. Only
//! the environment can exempt loopback for all of them, and a process cannot safely change its own; it can start over with another.

use std::os::unix::process::CommandExt as _;

const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const EXEMPT: [&str; 2] = ["no_proxy", "NO_PROXY"];
const LOOPBACK: &str = "127.0.0.1";

/// Starts the program over with loopback exempt from proxies, if it is not yet. Returns if there is nothing to do.
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the program itself, with its own arguments")]
pub(super) fn exempt_loopback() {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let exempt: Vec<String> = EXEMPT.iter().filter_map(|name| std::env::var(name).ok()).collect();
    let covers = |list: &String| list.split(',').any(|host| [LOOPBACK, "*"].contains(&host.trim()));
    // Whichever of the two names a client reads must cover it.
    if !PROXIES.iter().any(is_set) || exempt.len() == EXEMPT.len() && exempt.iter().all(covers) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let list = exempt.iter().map(String::as_str).chain([LOOPBACK]).filter(|list| !list.is_empty());
    let list = list.collect::<Vec<_>>().join(",");
    let mut again = std::process::Command::new(program);
    again.args(std::env::args_os().skip(1));
    for name in EXEMPT {
        again.env(name, &list);
    }
    // If this fails, the program goes on as it is; only what listens on loopback is then out of reach.
    let _ = again.exec();
}
