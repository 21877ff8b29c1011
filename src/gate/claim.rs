//! What a gate may claim of a failure rate, and keep at 95 % however long it waits.
//!
//! A gate counts healthy samples in a row, and begins anew after a failure. Judged by the longest row alone it would pass
//! far more often than one time in twenty: of many tries one succeeds. So each count may use half the error of the one
//! before: the k-th may pass by chance with a probability of at most `0.05 · 2^−k`, and all of them together with at most 5 %,
//! whenever the gate stops. The argument is Ville's inequality: `0.05 · 2^−k · (1 − rate)^−n`, plus what later counts have
//! left, is a non-negative supermartingale if the service fails at `rate`, and reaches 1 when the gate passes. It holds
//! across retries and resumes as long as the number of breaks goes with them.
//!
//! A count begins after a few healthy samples, the opener. They are chosen for being healthy and therefore not counted.
//!
//! With tolerated failures, and for latencies, the same is a bet of a part of the stake on every sample
//! (Waudby-Smith and Ramdas, <https://arxiv.org/abs/2010.09686>): `(1 + λ·rate/(1 − rate))` for a good one, `(1 − λ)` for
//! another. A bet of everything, λ = 1, is the row without a failure.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rule::GateRule;

/// How often all counts of a gate together may pass although the service fails at the limit.
pub const ERROR: f64 = 0.05;

/// What a whole number of samples may lie above the real one by rounding.
const ROUNDING: f64 = 1e-9;

/// The most samples that only open a count.
const LONGEST_OPENER: u32 = 5;

/// Which part of the stake is bet on each sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bet {
    /// Everything: one failure ends the count.
    Everything,
    /// Nine tenths, where failures are tolerated: one costs a tenfold.
    NineTenths,
    /// Three quarters, for answers that are too slow: one costs a fourfold.
    ThreeQuarters,
}

impl Bet {
    /// The bet of a gate that tolerates so many failures.
    fn tolerating(failures: u32) -> Bet {
        if failures == 0 { Bet::Everything } else { Bet::NineTenths }
    }

    fn part(self) -> f64 {
        match self {
            Bet::Everything => 1.0,
            Bet::NineTenths => 0.9,
            Bet::ThreeQuarters => 0.75,
        }
    }

    /// What so many failures cost, as a logarithm.
    fn cost(self, failures: u32) -> f64 {
        if failures == 0 {
            return 0.0;
        }
        match self {
            Bet::Everything => f64::INFINITY,
            Bet::NineTenths => f64::from(failures) * 10_f64.ln(),
            Bet::ThreeQuarters => f64::from(failures) * 4_f64.ln(),
        }
    }

    /// What a count of this number has to reach after so many failures, as a logarithm.
    fn goal(self, count: u32, failures: u32) -> f64 {
        -ERROR.ln() + f64::from(count) * std::f64::consts::LN_2 + self.cost(failures)
    }

    /// The highest rate that so many good samples leave possible. No sample leaves everything possible: 1.
    pub(super) fn bound(self, good: u32, failures: u32, count: u32) -> f64 {
        if good == 0 {
            return 1.0;
        }
        let gained = (self.goal(count, failures) / f64::from(good)).exp_m1();
        if gained.is_finite() { gained / (gained + self.part()) } else { 1.0 }
    }
}

/// A limit that samples have to stay under.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Test {
    bet: Bet,
    /// What a good sample gains, as a logarithm. `None`: no number of samples shows such a rate.
    gain: Option<f64>,
}

impl Test {
    pub(super) fn of(rate: f64, bet: Bet) -> Test {
        let gain = (rate > 0.0 && rate < 1.0).then(|| (bet.part() * rate / (1.0 - rate)).ln_1p());
        Test { bet, gain: gain.filter(|gain| *gain > 0.0) }
    }

    /// How many good samples a count of this number takes. `None` if no number that a gate can count is enough.
    pub(super) fn needed(&self, count: u32, failures: u32) -> Option<u32> {
        let needed = (self.bet.goal(count, failures) / self.gain? - ROUNDING).ceil();
        if !(needed >= 1.0 && needed < f64::from(u32::MAX)) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole, and was just compared"
        )]
        Some(needed as u32)
    }

    fn is_shown(&self, count: u32, good: u32, failures: u32) -> bool {
        self.needed(count, failures).is_some_and(|needed| good >= needed)
    }

    fn missing(&self, count: u32, good: u32, failures: u32) -> u32 {
        self.needed(count, failures).unwrap_or(u32::MAX).saturating_sub(good)
    }
}

/// What a gate asks its samples to show.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terms {
    /// Samples that only open a count.
    pub(super) opener: u32,
    tolerate: u32,
    rate: Option<Test>,
    latencies: Vec<LatencyLimit>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct LatencyLimit {
    limit: Duration,
    test: Test,
}

impl Terms {
    pub(super) fn of(rule: &GateRule) -> Terms {
        let limit = |(_, share, limit): (&str, f64, Duration)| LatencyLimit {
            limit,
            test: Test::of(1.0 - share, Bet::ThreeQuarters),
        };
        Terms {
            opener: rule.opener(),
            tolerate: rule.tolerate,
            rate: rule.max_failure_rate.map(|rate| Test::of(rate, rule.bet())),
            latencies: rule.latency.each().map(limit).collect(),
        }
    }

    /// The same of a probe whose samples are no trials: nothing is claimed of it.
    pub(super) fn none(&self) -> Terms {
        Terms { rate: None, latencies: Vec::new(), ..self.clone() }
    }

    fn bet(&self) -> Bet {
        Bet::tolerating(self.tolerate)
    }
}

/// What the samples of one probe show so far.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    /// Counts that have been used up. Where failures are tolerated, one that was begun is.
    breaks: u32,
    /// Healthy samples in a row.
    run: u32,
    /// The counts that are open; more than one only where failures are tolerated. The oldest first.
    counts: VecDeque<Count>,
    /// Answers, by the limit of their latency.
    answers: Vec<Answers>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Count {
    number: u32,
    healthy: u32,
    failures: u32,
}

/// Answers of healthy samples that were within a limit, and those that took longer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Answers {
    within: u32,
    over: u32,
}

/// The highest failure rate that counted samples leave possible. It may be stated at any moment: at most one gate in twenty
/// ever states one that is too low, if failures are independent from sample to sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Healthy samples that were counted, without the opener.
    pub counted: u32,
    /// Tolerated samples among them that were not healthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// The number of the count: one more than the times that it was broken.
    pub count: u32,
    /// The rate, from 0 to 1.
    pub rules_out: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Claim {
    /// Nothing seen yet, after so many counts were used up before.
    pub(super) fn after(breaks: u32, terms: &Terms) -> Claim {
        let answers = vec![Answers::default(); terms.latencies.len()];
        Claim { breaks, run: 0, counts: VecDeque::new(), answers }
    }

    /// How many counts somebody has to take as used who goes on with the same claim and without these samples.
    pub(super) fn breaks(&self, terms: &Terms) -> u32 {
        let is_behind = |(answers, limit): (&Answers, &LatencyLimit)| answers.wealth(limit) < 0.0;
        let behind = self.answers.iter().zip(&terms.latencies).any(is_behind);
        self.breaks.saturating_add(u32::from(behind))
    }

    pub(super) fn see_healthy(&mut self, latency: Option<Duration>, terms: &Terms) {
        self.run = self.run.saturating_add(1);
        for count in &mut self.counts {
            count.healthy = count.healthy.saturating_add(1);
        }
        if self.run == terms.opener && self.counts.back().is_none_or(|newest| newest.failures > 0) {
            let number = self.breaks.saturating_add(1);
            self.counts.push_back(Count { number, healthy: 0, failures: 0 });
            // Where failures are tolerated a new count may begin beside this one.
            if terms.tolerate > 0 {
                self.breaks = number;
            }
        } else if let (Some(latency), false) = (latency, self.counts.is_empty()) {
            self.answered(latency, terms);
        }
    }

    fn answered(&mut self, latency: Duration, terms: &Terms) {
        for (answers, limit) in self.answers.iter_mut().zip(&terms.latencies) {
            let of_its_kind = if latency <= limit.limit { &mut answers.within } else { &mut answers.over };
            *of_its_kind = of_its_kind.saturating_add(1);
            // A new count is nearer to its end, although it may use half the error only.
            if answers.wealth(limit) < -std::f64::consts::LN_2 {
                *answers = Answers::default();
                self.breaks = self.breaks.saturating_add(1);
            }
        }
        if terms.tolerate == 0 {
            // The count goes on with half of its error left, which makes it no easier.
            self.counts.iter_mut().for_each(|count| count.number = self.breaks.saturating_add(1));
        }
    }

    /// A sample that was not healthy, for whatever reason: not seen is not healthy.
    pub(super) fn see_other(&mut self, terms: &Terms) {
        let was_open = !self.counts.is_empty();
        self.run = 0;
        for count in &mut self.counts {
            count.failures = count.failures.saturating_add(1);
        }
        self.counts.retain(|count| count.failures <= terms.tolerate);
        if was_open && self.counts.is_empty() {
            // A tolerant count was charged when it began.
            self.breaks = if terms.tolerate == 0 { self.breaks.saturating_add(1) } else { self.breaks(terms) };
            self.answers.iter_mut().for_each(|answers| *answers = Answers::default());
        }
    }

    /// Nobody looked for a time: what was counted is lost, which is no break. Losing evidence deceives nobody.
    pub(super) fn lose(&mut self, terms: &Terms) {
        *self = Claim::after(self.breaks(terms), terms);
    }

    /// Whether the failure rate is shown to be under its limit; so is one that has none.
    pub(super) fn shows_rate(&self, terms: &Terms) -> bool {
        let Some(test) = &terms.rate else { return true };
        self.counts.iter().any(|count| test.is_shown(count.number, count.healthy, count.failures))
    }

    /// Whether so many answers as each percentile says are shown to be within its limit.
    pub(super) fn shows_latency(&self, terms: &Terms) -> bool {
        let shown = |(answers, limit): (&Answers, &LatencyLimit)| {
            limit.test.is_shown(self.number(), answers.within, answers.over)
        };
        self.answers.iter().zip(&terms.latencies).all(shown)
    }

    /// How many samples are missing at least, if all that come are healthy and quick.
    pub(super) fn missing(&self, terms: &Terms) -> u32 {
        let opener = terms.opener.saturating_sub(self.run);
        let of_rate = terms.rate.map_or(0, |test| {
            let open = self.counts.iter().map(|count| test.missing(count.number, count.healthy, count.failures));
            let is_next = self.counts.back().is_none_or(|newest| newest.failures > 0);
            let next = is_next.then(|| opener.saturating_add(test.missing(self.number(), 0, 0)));
            open.chain(next).min().unwrap_or_default()
        });
        let before = if self.counts.is_empty() { opener } else { 0 };
        let of_latency = self.answers.iter().zip(&terms.latencies).map(|(answers, limit)| {
            before.saturating_add(limit.test.missing(self.number(), answers.within, answers.over))
        });
        of_latency.max().unwrap_or_default().max(of_rate)
    }

    /// The number of the next count, or of the one that is open where no failure is tolerated.
    pub(super) fn number(&self) -> u32 {
        self.breaks.saturating_add(1)
    }

    /// What was counted leaves possible; the count that says most. `None`: nothing was counted.
    pub(super) fn bound(&self, terms: &Terms) -> Option<Bound> {
        let bounds = self.counts.iter().filter(|count| count.healthy > 0).map(|count| {
            let Count { number, healthy, failures } = *count;
            let rules_out = terms.bet().bound(healthy, failures, number);
            Bound { counted: healthy, failures, count: number, rules_out }
        });
        bounds.min_by(|one, other| one.rules_out.total_cmp(&other.rules_out))
    }

    /// Healthy samples that the furthest count has, and how many it takes; `None` without a limit.
    pub(super) fn progress(&self, terms: &Terms) -> Option<(u32, u32)> {
        let test = terms.rate?;
        let needed = |number, failures| test.needed(number, failures).unwrap_or(u32::MAX);
        let open = self.counts.iter().map(|count| (count.healthy, needed(count.number, count.failures)));
        open.min_by_key(|(healthy, needed)| needed.saturating_sub(*healthy)).or(Some((0, needed(self.number(), 0))))
    }
}

impl Answers {
    /// What the bets on these answers have come to, as a logarithm of the stake.
    fn wealth(self, limit: &LatencyLimit) -> f64 {
        let gain = limit.test.gain.unwrap_or_default();
        f64::from(self.within) * gain - limit.test.bet.cost(self.over)
    }
}

/// A rate as people read it, rounded up: what is stated is never less than what was shown.
pub fn rate_in_words(rate: f64) -> String {
    format!("{:.1} %", (rate * 1000.0 - ROUNDING).ceil() / 10.0)
}

/// A claim of a gate's rule, and the samples it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// The rule's key that makes it.
    pub key: &'static str,
    opener: u32,
    test: Test,
}

impl Demand {
    /// How many samples in a row, none of them other than asked, it takes before the gate can pass; the opener is among
    /// them. `None`: no number is enough.
    pub fn samples(&self) -> Option<u32> {
        Some(self.opener.saturating_add(self.test.needed(1, 0)?))
    }

    /// How many samples a gate must have time for so that one that is not healthy, wherever it comes, does not end it.
    pub fn samples_with_a_break(&self) -> Option<u32> {
        Some(self.samples()?.saturating_add(self.opener).saturating_add(self.test.needed(2, 0)?))
    }

    /// That fewer samples fail than at this rate, shown by this bet.
    pub(super) fn of(key: &'static str, opener: u32, rate: f64, bet: Bet) -> Demand {
        Demand { key, opener, test: Test::of(rate, bet) }
    }
}

impl GateRule {
    /// How many healthy samples in a row begin a count: a tenth of what it takes, from one to five. More than one keeps a
    /// service that comes and goes while it recovers from using up counts.
    pub fn opener(&self) -> u32 {
        let counted = match self.max_failure_rate.and_then(|rate| Test::of(rate, Bet::Everything).needed(1, 0)) {
            Some(needed) => needed,
            None => self.samples_of_hold(),
        };
        (counted / 10).clamp(1, LONGEST_OPENER)
    }

    /// How many samples lie at least between the first and the last of `for`.
    pub fn samples_of_hold(&self) -> u32 {
        let between = self.hold.as_nanos().checked_div(self.every.as_nanos()).unwrap_or_default();
        u32::try_from(between).unwrap_or(u32::MAX)
    }

    /// What the rule claims, with the samples that each claim takes.
    pub fn demands(&self) -> Vec<Demand> {
        let opener = self.opener();
        let rate = self.max_failure_rate.map(|rate| Demand::of("max_failure_rate", opener, rate, self.bet()));
        let latency = |(key, share, _)| Demand::of(key, opener, 1.0 - share, Bet::ThreeQuarters);
        rate.into_iter().chain(self.latency.each().map(latency)).collect()
    }

    /// What a gate rules out that passes without a failure and as soon as it can: the samples of `for`, or those that its
    /// limit takes. `None`: nothing is counted.
    pub fn first_bound(&self) -> Option<Bound> {
        let needed = self.demands().iter().filter_map(Demand::samples).max().unwrap_or_default();
        let counted = needed.max(self.samples_of_hold().saturating_add(1)).saturating_sub(self.opener());
        let rules_out = self.bet().bound(counted, 0, 1);
        (counted > 0).then_some(Bound { counted, failures: 0, count: 1, rules_out })
    }

    pub(super) fn bet(&self) -> Bet {
        Bet::tolerating(self.tolerate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::simulated::Random;
    use super::*;

    fn terms(rate: f64, tolerate: u32) -> Terms {
        let second = Duration::from_secs(1);
        let rule = GateRule::of(vec!["a".to_owned()], Duration::ZERO, second, second);
        Terms::of(&GateRule { max_failure_rate: Some(rate), tolerate, ..rule })
    }

    fn of_latency(share: f64, rate: Option<f64>) -> Terms {
        let limit = LatencyLimit { limit: LIMIT, test: Test::of(1.0 - share, Bet::ThreeQuarters) };
        Terms { opener: 1, tolerate: 0, rate: rate.map(|rate| Test::of(rate, Bet::Everything)), latencies: vec![limit] }
    }

    const LIMIT: Duration = Duration::from_millis(500);

    fn needed(rate: f64, bet: Bet, failures: u32, counts: &[u32]) -> Vec<u32> {
        counts.iter().map(|count| Test::of(rate, bet).needed(*count, failures).unwrap()).collect()
    }

    #[test]
    fn the_number_of_samples_needed_is_that_of_the_facts() {
        let breaks = [0, 1, 2, 3, 4, 5, 6, 8, 10, 20].map(|breaks| breaks + 1);
        for (rate, numbers) in [
            (0.01, [368, 437, 505, 574, 643, 712, 781, 919, 1057, 1747]),
            (0.02, [183, 217, 252, 286, 320, 355, 389, 458, 526, 869]),
            (0.05, [72, 86, 99, 113, 126, 140, 153, 181, 208, 343]),
            (0.1, [36, 42, 49, 55, 62, 68, 75, 88, 101, 167]),
            (0.2, [17, 20, 23, 26, 29, 33, 36, 42, 48, 79]),
        ] {
            assert_eq!(needed(rate, Bet::Everything, 0, &breaks), numbers, "{rate}");
        }
        assert_eq!(needed(0.016, Bet::Everything, 0, &[1, 2, 3]), [229, 272, 315]);
        assert_eq!(needed(0.193, Bet::Everything, 0, &[1, 2, 3, 4]), [18, 21, 24, 27]);
        assert_eq!(needed(0.5, Bet::Everything, 0, &[1, 2, 3]), [6, 7, 8]);
        for (rate, opener) in [(0.01, 5), (0.05, 5), (0.1, 3), (0.193, 1), (0.5, 1)] {
            assert_eq!(terms(rate, 0).opener, opener, "{rate}");
        }
        for none in [0.0, 1.0, -0.1, 1.5, f64::NAN, 1e-12] {
            assert_eq!(Test::of(none, Bet::Everything).needed(1, 0), None, "{none}");
        }
    }

    #[test]
    fn a_tolerated_failure_costs_a_tenfold() {
        for (rate, numbers) in [
            (0.01, [[408, 663, 917, 1171], [485, 739, 994, 1248], [561, 816, 1070, 1325]]),
            (0.02, [[203, 330, 456, 583], [241, 368, 494, 621], [279, 406, 532, 659]]),
            (0.05, [[80, 130, 180, 229], [95, 145, 195, 244], [110, 160, 210, 259]]),
            (0.1, [[39, 63, 88, 112], [46, 71, 95, 119], [54, 78, 102, 126]]),
            (0.2, [[19, 30, 41, 53], [22, 33, 45, 56], [26, 37, 48, 60]]),
        ] {
            for (count, of_count) in (1..).zip(numbers) {
                for (failures, number) in (0..).zip(of_count) {
                    assert_eq!(
                        needed(rate, Bet::NineTenths, failures, &[count]),
                        [number],
                        "{rate} {count} {failures}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_percentile_is_a_rate_of_answers_over_its_limit() {
        for (share, numbers) in [
            (0.5, [6, 8, 11, 13, 16, 18]),
            (0.95, [78, 114, 149, 185, 221, 257]),
            (0.99, [397, 581, 765, 948, 1132, 1316]),
        ] {
            for (over, number) in (0..).zip(numbers) {
                assert_eq!(needed(1.0 - share, Bet::ThreeQuarters, over, &[0]), [number], "{share} {over}");
            }
        }
    }

    #[test]
    fn the_bounds_are_those_of_the_facts() {
        let is = |bet: Bet, healthy, failures, count, bound: f64| {
            let found = bet.bound(healthy, failures, count);
            assert!((found - bound).abs() < 5e-7, "{healthy} {failures} {count}: {found}, not {bound}");
        };
        for (healthy, count, bound) in [
            (0, 1, 1.0),
            (1, 1, 0.975),
            (8, 1, 0.369_417),
            (12, 1, 0.264_648),
            (23, 1, 0.148_185),
            (36, 1, 0.097_394),
            (42, 2, 0.099_076),
            (100, 1, 0.036_217),
            (182, 1, 0.020_065),
            (183, 1, 0.019_956),
            (185, 2, 0.023_408),
            (185, 3, 0.027_060),
            (216, 2, 0.020_083),
            (217, 2, 0.019_991),
            (252, 3, 0.019_938),
            (368, 1, 0.009_974),
        ] {
            is(Bet::Everything, healthy, 0, count, bound);
        }
        for (healthy, failures, count, bound) in [
            (203, 0, 1, 0.019_969),
            (100, 1, 1, 0.064_202),
            (100, 3, 1, 0.110_482),
            (190, 1, 1, 0.034_373),
            (330, 1, 1, 0.019_951),
            (186, 2, 2, 0.052_137),
        ] {
            is(Bet::NineTenths, healthy, failures, count, bound);
        }
        for (within, over, bound) in
            [(191, 0, 0.020_642), (190, 1, 0.030_170), (188, 3, 0.049_176), (187, 4, 0.058_655)]
        {
            is(Bet::ThreeQuarters, within, over, 0, bound);
        }
    }

    /// What a probe sees: `h` healthy, `u` anything else, `g` a gap in which nobody looked.
    fn passes_at(claim: &mut Claim, terms: &Terms, seen: &str) -> Option<(usize, Bound)> {
        let mut samples = 0;
        for seen in seen.chars() {
            match seen {
                'h' => claim.see_healthy(None, terms),
                'u' => claim.see_other(terms),
                _ => claim.lose(terms),
            }
            samples += usize::from(seen != 'g');
            if seen == 'h' && claim.shows_rate(terms) {
                return Some((samples, claim.bound(terms).unwrap()));
            }
        }
        None
    }

    fn trace(parts: &[(&str, usize)]) -> String {
        parts.iter().map(|(seen, times)| seen.repeat(*times)).collect()
    }

    #[test]
    fn a_claim_is_shown_where_the_facts_say() {
        let ten = terms(0.1, 0);
        for (parts, at, count) in [
            (vec![("h", 39)], 39, 1),
            (vec![("u", 60), ("h", 39)], 99, 1),
            (vec![("h", 30), ("u", 1), ("h", 45)], 76, 2),
            (vec![("h", 30), ("u", 4), ("h", 45)], 79, 2),
            (vec![("hhu", 1), ("h", 39)], 42, 1),
            (vec![("hhhu", 1), ("h", 45)], 49, 2),
            (vec![("h", 30), ("g", 1), ("h", 39)], 69, 1),
            (vec![("hhhhhhhhhhu", 4), ("h", 65)], 109, 5),
            (vec![("h", 38), ("u", 1), ("h", 44), ("u", 1), ("h", 52)], 136, 3),
        ] {
            let (found, bound) = passes_at(&mut Claim::after(0, &ten), &ten, &trace(&parts)).unwrap();
            assert_eq!((found, bound.count), (at, count), "{parts:?}");
        }
        let first = passes_at(&mut Claim::after(0, &ten), &ten, &"h".repeat(39)).unwrap().1;
        assert!((first.rules_out - 0.097_394).abs() < 5e-7);
        let (at, bound) = passes_at(&mut Claim::after(2, &ten), &ten, &"h".repeat(60)).unwrap();
        assert_eq!((at, bound.count), (52, 3), "what was broken before a resume counts");

        let two = terms(0.02, 0);
        let passes = |parts: &[(&str, usize)]| passes_at(&mut Claim::after(0, &two), &two, &trace(parts));
        assert_eq!(passes(&[("h", 188)]).unwrap().0, 188);
        let (at, bound) = passes(&[("h", 187), ("u", 1), ("h", 222)]).unwrap();
        assert_eq!((at, bound.count), (410, 2));
        assert_eq!(passes(&[("h", 187), ("u", 1), ("h", 221)]), None);
    }

    #[test]
    fn tolerated_failures_are_paid_for_and_counts_go_on_beside_each_other() {
        let twice = [("h", 20), ("u", 1), ("h", 20), ("u", 1), ("h", 90)];
        for (tolerate, parts, at, count) in [
            (1, vec![("h", 43)], 42, 1),
            (1, vec![("h", 20), ("u", 1), ("h", 80)], 67, 1),
            (1, twice.to_vec(), 96, 2),
            (3, twice.to_vec(), 93, 1),
        ] {
            let terms = terms(0.1, tolerate);
            let (found, bound) = passes_at(&mut Claim::after(0, &terms), &terms, &trace(&parts)).unwrap();
            assert_eq!((found, bound.count), (at, count), "{tolerate}: {parts:?}");
        }
    }

    #[test]
    fn slow_answers_break_a_count_once_a_new_one_is_nearer_to_its_end() {
        let terms = of_latency(0.95, None);
        let mut claim = Claim::after(0, &terms);
        let mut see = |millis: u64| {
            claim.see_healthy(Some(Duration::from_millis(millis)), &terms);
            (claim.missing(&terms), claim.number())
        };
        assert_eq!(see(900), (96, 1), "the opener is not counted");
        for left in (50..96).rev() {
            assert_eq!(see(100), (left, 1));
        }
        assert_eq!(see(900), (86, 1), "one in 47 is paid for with 36 more");
        assert_eq!(see(900), (114, 2), "of two, a new count is rid");
        assert_eq!(see(900), (132, 3));
        assert_eq!(see(500), (131, 3), "within is at the limit, too");
    }

    /// Ten thousand claims about a service that fails at the limit for ever: how many of them are shown, in parts of one.
    fn simulated(rate: f64, tolerate: u32, most: u32) -> f64 {
        let terms = terms(rate, tolerate);
        let (mut random, mut shown) = (Random(7), 0);
        for _ in 0..10_000 {
            let mut claim = Claim::after(0, &terms);
            let mut left = most;
            while left > 0 && !claim.shows_rate(&terms) && claim.missing(&terms) <= left {
                left -= 1;
                if random.is_below(rate) { claim.see_other(&terms) } else { claim.see_healthy(None, &terms) }
            }
            shown += u32::from(claim.shows_rate(&terms));
        }
        f64::from(shown) / 10_000.0
    }

    /// The share of simulated claims may differ from the real one by two standard errors.
    #[test]
    fn at_most_one_claim_in_twenty_is_shown_of_a_service_that_fails_at_the_limit() {
        for (rate, most) in [(0.01, 900), (0.02, 720), (0.05, 720), (0.1, 720), (0.2, 720)] {
            for tolerate in [0, 1, 3] {
                let share = simulated(rate, tolerate, most);
                assert!(share <= 0.05 + 0.0044, "{rate}, {tolerate} tolerated: {share}");
                assert!(share > 0.005, "{rate}, {tolerate} tolerated: {share} is no test");
            }
        }
    }

    /// How likely a claim is shown within so many samples, the run being at least so long, if each fails at this rate:
    /// every history that is likelier than one in 10¹¹.
    fn exact(limit: f64, rate: f64, most: u32, hold: u32) -> f64 {
        let terms = terms(limit, 0);
        let mut shown = 0.0;
        let mut open = std::collections::BTreeMap::from([((0, 0), (Claim::after(0, &terms), 1.0))]);
        for _ in 0..most {
            let mut next: std::collections::BTreeMap<(u32, u32), (Claim, f64)> = std::collections::BTreeMap::new();
            for (claim, likely) in open.into_values().filter(|(_, likely)| *likely > 1e-11) {
                let mut healthy = claim.clone();
                healthy.see_healthy(None, &terms);
                let mut other = claim;
                other.see_other(&terms);
                if healthy.shows_rate(&terms) && healthy.run > hold {
                    shown += likely * (1.0 - rate);
                } else {
                    let place = (healthy.breaks, healthy.run);
                    next.entry(place).or_insert((healthy, 0.0)).1 += likely * (1.0 - rate);
                }
                next.entry((other.breaks, other.run)).or_insert((other, 0.0)).1 += likely * rate;
            }
            open = next;
        }
        shown
    }

    #[test]
    fn how_often_a_gate_errs_is_known_exactly() {
        for (limit, part, most, hold, share) in [
            (0.02, 1.0, 378, 0, 0.0412),
            (0.02, 1.0, 421, 210, 0.0341),
            (0.1, 1.0, 378, 0, 0.0455),
            (0.02, 0.1, 378, 189, 0.8724),
            (0.02, 0.1, 505, 189, 0.943),
        ] {
            let found = exact(limit, limit * part, most, hold);
            assert!((found - share).abs() < 0.000_51, "{limit} {part} {most} {hold}: {found}, not {share}");
        }
    }

    /// What the claim may still err, as an expectation, if the service fails at the limit: the open counts' share, times what
    /// their samples have won, and that of all counts to come.
    fn wealth(claim: &Claim, terms: &Terms, rate: f64) -> f64 {
        let share = |count: u32| ERROR * 0.5_f64.powf(f64::from(count));
        let gain = (terms.bet().part() * rate / (1.0 - rate)).ln_1p();
        let of = |count: &Count| {
            let loss = (1.0 - terms.bet().part()).powf(f64::from(count.failures));
            share(count.number) * (f64::from(count.healthy) * gain).exp() * loss
        };
        let open: f64 = claim.counts.iter().map(of).sum();
        let is_charged = terms.tolerate > 0 || claim.counts.is_empty();
        open + share(if is_charged { claim.breaks } else { claim.breaks + 1 })
    }

    #[test]
    fn the_supermartingale_has_the_values_of_the_facts() {
        let ten = terms(0.1, 0);
        let at = |seen: &str| {
            let mut claim = Claim::after(0, &ten);
            passes_at(&mut claim, &ten, seen);
            wealth(&claim, &ten, 0.1)
        };
        for (seen, value) in [
            (String::new(), 0.05),
            ("h".repeat(30), 0.454_925),
            (trace(&[("h", 30), ("u", 1)]), 0.025),
            (trace(&[("h", 30), ("g", 1)]), 0.05),
        ] {
            assert!((at(&seen) - value).abs() < 5e-7, "{seen}: {}", at(&seen));
        }
    }

    proptest! {
        /// In whatever state a claim is, and whatever the limit: if the service fails at the limit, the next sample lowers
        /// what the claim may err on average, and neither a gap nor a resume raises it. So all of it together stays at 5 %.
        #[test]
        fn no_history_makes_a_claim_err_more_often_than_it_may(
            rate in 0.005_f64..0.6,
            tolerate in 0_u32..4,
            history in proptest::collection::vec(0_u32..40, 0..60),
        ) {
            let terms = terms(rate, tolerate);
            let mut claim = Claim::after(0, &terms);
            let mut before = wealth(&claim, &terms, rate);
            prop_assert!((before - ERROR).abs() < 1e-12);
            for step in history {
                let after = |change: &dyn Fn(&mut Claim)| {
                    let mut next = claim.clone();
                    change(&mut next);
                    (wealth(&next, &terms, rate), next)
                };
                let (healthy, next) = after(&|next| next.see_healthy(None, &terms));
                let (other, broken) = after(&|next| next.see_other(&terms));
                let (lost, gap) = after(&|next| next.lose(&terms));
                let (resumed, _) = after(&|next| *next = Claim::after(next.breaks(&terms), &terms));
                let allowed = before * (1.0 + 1e-12);
                prop_assert!((1.0 - rate) * healthy + rate * other <= allowed, "{before}: {healthy}, {other}");
                prop_assert!(lost <= allowed && resumed <= allowed, "{before}: {lost}, {resumed}");
                if next.shows_rate(&terms) && !claim.shows_rate(&terms) {
                    prop_assert!(healthy >= 1.0 - 1e-9, "it is shown, and its wealth is {healthy}");
                }
                (claim, before) = match step {
                    0 => (broken, other),
                    1 => (gap, lost),
                    _ => (next, healthy),
                };
            }
        }

        /// The same of answers that take longer than a percentile allows, with a failure rate beside it.
        #[test]
        fn no_history_shows_a_latency_more_often_than_it_may(
            share in 0.4_f64..0.995,
            history in proptest::collection::vec(0_u32..30, 0..80),
        ) {
            let terms = of_latency(share, Some(0.1));
            let wealth = |claim: &Claim| {
                let share = ERROR * 0.5_f64.powf(f64::from(claim.number()));
                share * claim.answers[0].wealth(&terms.latencies[0]).exp() + share
            };
            let mut claim = Claim::after(0, &terms);
            for step in history {
                let before = wealth(&claim) * (1.0 + 1e-12);
                let after = |change: &dyn Fn(&mut Claim)| {
                    let mut next = claim.clone();
                    change(&mut next);
                    next
                };
                let within = after(&|next| next.see_healthy(Some(LIMIT), &terms));
                let over = after(&|next| next.see_healthy(Some(2 * LIMIT), &terms));
                let broken = after(&|next| next.see_other(&terms));
                let lost = after(&|next| next.lose(&terms));
                prop_assert!(share * wealth(&within) + (1.0 - share) * wealth(&over) <= before);
                prop_assert!(wealth(&broken) <= before && wealth(&lost) <= before);
                claim = match step {
                    0 => broken,
                    1 => lost,
                    2..5 => over,
                    _ => within,
                };
            }
        }

        /// A bound falls with each sample, rises with each failure and each break, and reaches the limit with the sample that
        /// was said to be needed.
        #[test]
        fn a_bound_is_at_its_limit_where_it_was_said_to_be(rate in 0.005_f64..0.6, count in 1_u32..12, failures in 0_u32..4) {
            for bet in [Bet::Everything, Bet::NineTenths, Bet::ThreeQuarters] {
                let failures = if bet == Bet::Everything { 0 } else { failures };
                let needed = Test::of(rate, bet).needed(count, failures).unwrap();
                let bound = |healthy, failures, count| bet.bound(healthy, failures, count);
                prop_assert!(bound(needed, failures, count) <= rate + 1e-9);
                prop_assert!(bound(needed - 1, failures, count) > rate - 1e-9);
                prop_assert!(bound(needed, failures, count + 1) > bound(needed, failures, count));
                prop_assert!(bound(needed, failures + 1, count) > bound(needed, failures, count));
            }
        }
    }
}
