//! What changes cost more per month, by the prices that the runbook gives. Pure.
//!
//! Google's prices are not known offline and change, so they are inputs: `[cost] per_hour`. What is paid for by the hour a kind of resource says
//! of its state; the difference of the two ends of a change is what it costs more.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::{Billed, KindSpec};
use crate::run::{Change, TaskId, set_fields};
use crate::runbook::model::Prices;

/// The hours of a month, as price lists count them.
const HOURS: f64 = 730.0;

/// What a task costs more per month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The task.
    pub task: TaskId,
    /// At least so much more: while as few instances run as may.
    pub least: f64,
    /// At most so much more: while all of them run.
    pub most: f64,
    /// What the prices are in.
    pub currency: String,
}

/// What is known of the cost of a change.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Growth {
    /// It costs so much more.
    By {
        /// At least and at most, per month.
        more: (f64, f64),
        /// What there is more of.
        of: String,
    },
    /// There is more of this, whose price the runbook does not give.
    Unpriced(String),
}

/// What a change of a resource that is like `state` costs more; `None` if it does not grow.
pub(super) fn growth(change: &Change, state: &Value, prices: &Prices) -> Option<Growth> {
    let billed = KindSpec::find(&change.resource.kind)?.change?.billed;
    let [mut before, mut after] = [state.clone(), state.clone()];
    set_fields(&mut before, &change.from);
    set_fields(&mut after, &change.to);
    let (before, after) = (billed(&before), billed(&after));
    if before == after {
        return None;
    }
    let units = before.iter().chain(&after).map(|billed| billed.unit.as_str());
    if let Some(unit) = units.into_iter().find(|unit| !prices.per_hour.contains_key(*unit)) {
        return Some(Growth::Unpriced(unit.to_owned()));
    }
    let (least_before, most_before) = monthly(&before, prices);
    let (least_after, most_after) = monthly(&after, prices);
    let more = (cents(least_after - least_before), cents(most_after - most_before));
    (more.1 > 0.0).then(|| Growth::By { more, of: format!("{} instead of {}", all(&after), all(&before)) })
}

/// What these cost per month, at least and at most.
fn monthly(all: &[Billed], prices: &Prices) -> (f64, f64) {
    let price = |billed: &Billed| prices.per_hour.get(&billed.unit).copied().unwrap_or_default() * HOURS;
    let sum = |count: fn(&Billed) -> u32| all.iter().map(|billed| price(billed) * f64::from(count(billed))).sum();
    (sum(|billed| billed.least), sum(|billed| billed.most))
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

fn all(billed: &[Billed]) -> String {
    let one = |billed: &Billed| {
        let count = if billed.least == billed.most {
            billed.most.to_string()
        } else {
            format!("{} to {}", billed.least, billed.most)
        };
        format!("{count} × {}", billed.unit)
    };
    billed.iter().map(one).collect::<Vec<_>>().join(" and ")
}

impl Growth {
    /// As a plan says it.
    pub(super) fn words(&self, prices: &Prices) -> String {
        match self {
            Growth::By { more: (least, most), of } => {
                let amount = if least < most { format!("{least:.2} to {most:.2}") } else { format!("{most:.2}") };
                format!("costs {amount} {} more per month: {of}, by the prices of [cost]", prices.currency)
            }
            Growth::Unpriced(unit) => {
                format!("what it costs more is not known: [cost] per_hour has no price of {unit}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn prices(of: &[(&str, f64)]) -> Prices {
        let per_hour: BTreeMap<String, f64> = of.iter().map(|(unit, price)| ((*unit).to_owned(), *price)).collect();
        Prices { currency: "USD".to_owned(), per_hour }
    }

    fn connector(min: i64, max: i64, machine: &str) -> Value {
        json!({ "min_instances": min, "max_instances": max, "machine_type": machine, "state": "READY" })
    }

    fn change(from: &Value, to: &Value) -> Change {
        Change { resource: "gcp.connector/p/r/c".parse().unwrap(), from: from.clone(), to: to.clone() }
    }

    #[test]
    fn growth_is_instances_by_hours_by_price() {
        let prices = prices(&[("e2-micro", 0.01), ("e2-standard-4", 0.2)]);
        let (from, to) = (connector(2, 3, "e2-micro"), connector(3, 10, "e2-standard-4"));
        let grown = growth(&change(&from, &to), &from, &prices).unwrap();
        let words = grown.words(&prices);
        assert_eq!(
            words,
            "costs 423.40 to 1438.10 USD more per month: 3 to 10 × e2-standard-4 instead of 2 to 3 × e2-micro, by the prices of [cost]"
        );
        // Only what is named changes.
        let part = change(&json!({ "max_instances": 3 }), &json!({ "max_instances": 5 }));
        let grown = growth(&part, &from, &prices).unwrap();
        assert_eq!(
            grown,
            Growth::By { more: (0.0, 14.6), of: "2 to 5 × e2-micro instead of 2 to 3 × e2-micro".to_owned() }
        );
    }

    #[test]
    fn what_does_not_grow_costs_no_more_and_what_has_no_price_is_not_known() {
        let prices = prices(&[("e2-micro", 0.01)]);
        let (small, large) = (connector(2, 3, "e2-micro"), connector(2, 3, "e2-standard-4"));
        assert_eq!(growth(&change(&small, &small), &small, &prices), None);
        let unpriced = growth(&change(&small, &large), &small, &prices).unwrap();
        assert_eq!(unpriced, Growth::Unpriced("e2-standard-4".to_owned()));
        let flags =
            Change { resource: "gcp.run.traffic/p/r/s".parse().unwrap(), from: json!({}), to: json!({ "a": 1 }) };
        assert_eq!(growth(&flags, &json!({}), &prices), None, "nobody pays for that by the hour");
        let sql = Change {
            resource: "gcp.sql/p/r/db".parse().unwrap(),
            from: json!({ "storage_gb": 10 }),
            to: json!({ "storage_gb": 20 }),
        };
        let state = json!({ "tier": "db-g1-small", "storage_gb": 10 });
        assert_eq!(growth(&sql, &state, &prices), Some(Growth::Unpriced("db-g1-small".to_owned())));
    }
}
