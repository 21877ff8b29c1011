//! What a Cloud SQL machine is: its memory, and how many connections PostgreSQL takes on it by default.

use super::instance::Engine;

/// The memory of a tier in tenths of a GB; `None` if there is no such tier.
///
/// Sources: the tiers' own names say it (`db-custom-CPUS-MEGABYTES`); the shared-core ones and GB per CPU of the others
/// are in <https://cloud.google.com/sql/docs/postgres/machine-series-overview>.
fn tenths_of_a_gigabyte(tier: &str) -> Option<u64> {
    let cpus = |text: &str| text.parse::<u64>().ok().filter(|cpus| (1..=128).contains(cpus));
    match tier {
        "db-f1-micro" => return Some(6),
        "db-g1-small" => return Some(17),
        _ => {}
    }
    if let Some(custom) = tier.strip_prefix("db-custom-") {
        let (count, megabytes) = custom.split_once('-')?;
        cpus(count)?;
        let megabytes = megabytes.parse::<u64>().ok().filter(|megabytes| (1024..=1_048_576).contains(megabytes))?;
        return Some(megabytes * 10 / 1024);
    }
    for (family, each) in [("db-n1-standard-", 375), ("db-n1-highmem-", 650), ("db-perf-optimized-N-", 800)] {
        if let Some(count) = tier.strip_prefix(family) {
            return Some(cpus(count)? * each / 10);
        }
    }
    None
}

/// Whether there is such a tier.
pub fn is_known(tier: &str) -> bool {
    tenths_of_a_gigabyte(tier).is_some()
}

/// `max_connections` on this tier, if no flag says otherwise.
///
/// Source: the table of memory sizes in <https://cloud.google.com/sql/docs/postgres/flags>, as copies quote it. For MySQL the
/// three figures are those of its own page of flags; SQL Server has no bound but its own, 32,767.
pub fn default_max_connections(tier: &str, engine: Engine) -> u64 {
    match engine {
        Engine::Postgres => {}
        Engine::MySql => {
            return match tier {
                "db-f1-micro" => 250,
                "db-g1-small" => 1000,
                _ => 4000,
            };
        }
        Engine::SqlServer => return 32_767,
    }
    match tenths_of_a_gigabyte(tier).unwrap_or_default() {
        ..17 => 25,
        17..37 => 50,
        37..60 => 100,
        60..75 => 200,
        75..150 => 400,
        150..300 => 500,
        300..600 => 600,
        600..1200 => 800,
        1200.. => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_follow_the_memory() {
        for (tier, connections) in [
            ("db-f1-micro", 25),
            ("db-g1-small", 50),
            ("db-custom-1-3840", 100),
            ("db-n1-standard-1", 100),
            ("db-custom-2-7680", 400),
            ("db-n1-standard-4", 500),
            ("db-perf-optimized-N-4", 600),
            ("db-n1-highmem-32", 1000),
        ] {
            assert!(is_known(tier));
            assert_eq!(default_max_connections(tier, Engine::Postgres), connections, "{tier}");
        }
        for tier in ["", "db-custom-0-3840", "db-custom-1", "db-custom-1-x", "db-n1-standard-", "e2-micro"] {
            assert!(!is_known(tier), "{tier}");
        }
    }
}
