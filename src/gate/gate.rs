//! A gate is three functions of what was seen: what is due, what is the verdict, when to look again.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::claim::{Bound, Claim, Terms, rate_in_words};
use super::latency::Latencies;
use super::observation::{Health, Observation};
use super::proof::{Points, Proof};
use super::rule::{GateRule, Percentiles, Polling, Sampling};
use crate::clock::{between, format_duration, later};

/// How many counts of samples each probe has used up, by its name. A gate that is opened again with the same claim begins
/// with these: without them, who tries often enough would pass by chance.
pub type Breaks = BTreeMap<String, u32>;

/// In what way a gate did not pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateFault {
    /// Something was seen that is not health.
    #[default]
    Unhealthy,
    /// Too little was seen to say.
    Unknown,
    /// A probe could not look at all.
    Broken,
}

/// How much more often than `every` a probe is looked at that something may change of any moment.
const HURRY: u32 = 4;

/// An open gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    rule: GateRule,
    opened: Timestamp,
    probes: Vec<Watched>,
    /// Where each probe stands in `probes`.
    places: BTreeMap<String, usize>,
    /// What is claimed of a probe whose samples are trials, and of any other.
    terms: (Terms, Terms),
}

/// What one probe has shown so far. A few numbers, however long the gate is open.
#[derive(Clone, Debug, PartialEq)]
struct Watched {
    name: String,
    last: Option<Last>,
    /// When to look next.
    next: Timestamp,
    /// All samples that it ever gave.
    samples: u32,
    streak: Streak,
    sampling: Sampling,
    claim: Claim,
    latencies: Latencies,
    /// How many of its last samples in a row were of the same health.
    alike: u32,
    /// How often it changed between healthy and not.
    flaps: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct Last {
    at: Timestamp,
    took: Duration,
    health: Health,
}

/// The latest samples of which no more than are tolerated were not healthy: runs of healthy ones, with one that was not
/// between each two.
#[derive(Clone, Debug, Default, PartialEq)]
struct Streak {
    runs: VecDeque<Healthy>,
}

/// Healthy samples one after another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Healthy {
    since: Option<Timestamp>,
    samples: u32,
}

/// What a gate says now.
#[derive(Clone, Debug, PartialEq)]
pub enum GateVerdict {
    /// Not yet; [`Gate::progress`] says how far it is.
    Open,
    /// Healthy for long enough.
    Passed(Proof),
    /// Not healthy in time, or no longer able to be, or not to be told.
    Failed {
        /// In what way.
        fault: GateFault,
        /// Why, probe by probe.
        why: String,
    },
}

/// How far an open gate is.
#[derive(Clone, Debug, PartialEq)]
pub struct GateProgress {
    /// How long all probes have been healthy.
    pub healthy_for: Duration,
    /// How long they must be.
    pub needed: Duration,
    /// Samples in a row of the probe that has the fewest, and how many of them were tolerated.
    pub samples: u32,
    /// How far the probe is that has the most samples to go, if a failure rate is claimed.
    pub counting: Option<Counting>,
    /// The highest failure rate that what was counted leaves possible, of all probes that can have one.
    pub bound: Option<Bound>,
    /// How long the answers take of the probe that answers slowest.
    pub latency: Option<Percentiles>,
    /// What keeps the gate shut right now, if something does: the probe and its words.
    pub trouble: Option<(String, String)>,
}

/// How far a count of samples is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// Samples that count.
    pub counted: u32,
    /// How many it takes.
    pub needed: u32,
    /// How many more that are than without a break.
    pub more: u32,
    /// The number of the count.
    pub count: u32,
}

/// In one line: how many of the samples that it takes, since when, and what is wrong.
impl fmt::Display for GateProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (healthy_for, needed) = (format_duration(self.healthy_for), format_duration(self.needed));
        match self.counting {
            Some(Counting { counted, needed: samples, more, count }) => {
                write!(f, "{counted} of {samples} samples in a row")?;
                if more > 0 {
                    write!(f, " (count {count}: broken {}, so it takes {more} more)", times(count - 1))?;
                }
                if !self.needed.is_zero() {
                    write!(f, ", {healthy_for} of {needed}")?;
                }
            }
            None if self.needed.is_zero() => f.write_str("not healthy yet")?,
            None => write!(f, "healthy for {healthy_for} of {needed}")?,
        }
        if let Some(p95) = self.latency.and_then(|latency| latency.p95) {
            write!(f, ", p95 {}", format_duration(p95))?;
        }
        match &self.trouble {
            Some((probe, why)) => write!(f, "; {probe}: {why}"),
            None => Ok(()),
        }
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

impl Gate {
    /// Opens a gate: nothing seen before this moment counts.
    pub fn open(rule: GateRule, at: Timestamp) -> Gate {
        Gate::open_after(rule, at, &Breaks::new())
    }

    /// Opens a gate that goes on with a claim for which counts were used up before.
    pub fn open_after(rule: GateRule, at: Timestamp, breaks: &Breaks) -> Gate {
        let all = rule.healthy.len();
        // A few are looked at at once; a crowd is not let loose in one moment.
        let first = |place: usize| {
            let part = u32::try_from(place).ok().zip(u32::try_from(all).ok()).filter(|_| all > CROWD);
            part.map_or(at, |(place, all)| later(at, rule.every.mul_f64(f64::from(place) / f64::from(all))))
        };
        let of_trials = Terms::of(&rule);
        let terms = (of_trials.clone(), of_trials.none());
        let watched = |(place, name): (usize, &String)| Watched {
            name: name.clone(),
            last: None,
            next: first(place),
            samples: 0,
            streak: Streak::default(),
            sampling: rule.probe_traits(name).sampling,
            claim: Claim::after(breaks.get(name).copied().unwrap_or_default(), of_which(&terms, &rule, name)),
            latencies: Latencies::over(rule.hold),
            alike: 0,
            flaps: 0,
        };
        let probes: Vec<Watched> = rule.healthy.iter().enumerate().map(watched).collect();
        let places = probes.iter().enumerate().map(|(place, watched)| (watched.name.clone(), place)).collect();
        Gate { rule, opened: at, probes, places, terms }
    }

    /// The same gate as if it had been opened only now, with the counts that were used up.
    #[must_use]
    pub fn reopened(&self, at: Timestamp) -> Gate {
        let breaks = self.probes.iter().map(|watched| (watched.name.clone(), self.breaks_of(watched))).collect();
        Gate::open_after(self.rule.clone(), at, &breaks)
    }

    /// How many counts this probe has used up: what the next gate with the same claim has to begin with.
    pub fn breaks(&self, probe: &str) -> u32 {
        let watched = self.places.get(probe).and_then(|place| self.probes.get(*place));
        watched.map_or(0, |watched| self.breaks_of(watched))
    }

    fn breaks_of(&self, watched: &Watched) -> u32 {
        watched.claim.breaks(self.terms(watched))
    }

    /// What is claimed of this probe.
    fn terms(&self, watched: &Watched) -> &Terms {
        if watched.sampling.has_rate() { &self.terms.0 } else { &self.terms.1 }
    }

    /// Takes a sample.
    pub fn see(&mut self, probe: &str, observation: &Observation, at: Timestamp) {
        let longest_gap = self.longest_gap(probe);
        let Some(watched) = self.places.get(probe).and_then(|place| self.probes.get_mut(*place)) else { return };
        let terms = if watched.sampling.has_rate() { &self.terms.0 } else { &self.terms.1 };
        watched.see(observation, at, longest_gap, self.rule.tolerate, terms);
        watched.next = watched.next_look(&self.rule, self.opened);
    }

    /// The probes to sample now.
    pub fn due(&self, now: Timestamp) -> Vec<String> {
        // A look that is still to come is one of a clock that was set back since.
        let unseen = |watched: &Watched| watched.last.is_none() && self.opened > now;
        let is_due = |watched: &&Watched| watched.next <= now || watched.was_later_than(now) || unseen(watched);
        let due = self.probes.iter().filter(is_due);
        due.map(|watched| watched.name.clone()).collect()
    }

    /// When something can change without a look that is due now: the next sample or the time-out.
    pub fn wake(&self, now: Timestamp) -> Timestamp {
        let next = self.probes.iter().map(|watched| watched.next).filter(|next| *next > now).min();
        next.map_or(self.deadline(), |next| next.min(self.deadline())).max(now)
    }

    /// What the gate says now.
    pub fn verdict(&self, now: Timestamp) -> GateVerdict {
        // A gate that observes nothing shows nothing.
        if !self.probes.is_empty() && self.probes.iter().all(|watched| self.is_proven(watched, now)) {
            return GateVerdict::Passed(self.proof());
        }
        if let Some((fault, why)) = self.probes.iter().find_map(|watched| self.beyond_limits(watched)) {
            return GateVerdict::Failed { fault, why: format!("{why}: {}", self.state_of_probes()) };
        }
        if now >= self.deadline() {
            let why = format!("not healthy within {}: {}", format_duration(self.rule.timeout), self.state_of_probes());
            return GateVerdict::Failed { fault: self.fault(), why };
        }
        let hopeless = |watched: &&Watched| self.earliest_pass(watched, now) > self.deadline();
        if let Some(hopeless) = self.probes.iter().find(hopeless) {
            let why = format!("{}: {}", self.why_hopeless(hopeless, now), self.state_of_probes());
            return GateVerdict::Failed { fault: self.fault(), why };
        }
        GateVerdict::Open
    }

    /// The moment at which the gate gives up.
    pub fn deadline(&self) -> Timestamp {
        later(self.opened, self.rule.timeout)
    }

    /// The first moment at which it could pass, if every sample from now on is healthy.
    pub fn earliest(&self, now: Timestamp) -> Timestamp {
        self.probes.iter().map(|watched| self.earliest_pass(watched, now)).max().unwrap_or(now)
    }

    /// How far it is. That takes longer than a verdict: it goes through every latency that was seen.
    pub fn progress(&self) -> GateProgress {
        let furthest_behind = self.probes.iter().max_by_key(|watched| watched.claim.missing(self.terms(watched)));
        let latencies = self.probes.iter().filter_map(|watched| watched.latencies.percentiles());
        GateProgress {
            healthy_for: self.probes.iter().map(Watched::healthy_for).min().unwrap_or_default(),
            needed: self.rule.hold,
            samples: self.fewest().map_or(0, |watched| watched.streak.samples()),
            counting: furthest_behind.and_then(|watched| self.counting(watched)),
            bound: self.bound(),
            latency: latencies.max_by_key(|latency| latency.p95),
            trouble: self.probes.iter().find_map(|watched| self.trouble(watched)),
        }
    }

    fn counting(&self, watched: &Watched) -> Option<Counting> {
        let terms = self.terms(watched);
        let (counted, needed) = watched.claim.progress(terms)?;
        let (_, first) = Claim::after(0, terms).progress(terms)?;
        Some(Counting { counted, needed, more: needed.saturating_sub(first), count: watched.claim.number() })
    }

    /// The highest bound of all probes that can have one: what holds of each of them, and no less. `None` if one of them has
    /// nothing that counts.
    fn bound(&self) -> Option<Bound> {
        let trials = self.probes.iter().filter(|watched| watched.sampling.has_rate());
        let bounds: Option<Vec<Bound>> = trials.map(|watched| watched.claim.bound(self.terms(watched))).collect();
        bounds?.into_iter().max_by(|one, other| one.rules_out.total_cmp(&other.rules_out))
    }

    /// The probe with the fewest samples in a row, of those whose samples are shown as a number.
    fn fewest(&self) -> Option<&Watched> {
        let plain = self.probes.iter().filter(|watched| watched.points().is_none());
        plain.min_by_key(|watched| watched.streak.samples())
    }

    /// What a gate that passes now has shown.
    fn proof(&self) -> Proof {
        let fewest = self.fewest();
        let latencies = self.probes.iter().filter_map(|watched| watched.latencies.percentiles());
        let points = self.probes.iter().filter_map(|watched| Some((watched.name.clone(), watched.points()?)));
        let has_rate = self.probes.iter().any(|watched| watched.sampling.has_rate());
        Proof {
            samples: fewest.map_or(0, |watched| watched.streak.samples()),
            failures: fewest.map_or(0, |watched| watched.streak.failures()),
            bound: self.bound(),
            max_failure_rate: self.rule.max_failure_rate.filter(|_| has_rate),
            points: points.collect(),
            latency: latencies.max_by_key(|latency| latency.p95),
            max_latency: if has_rate { self.rule.latency } else { Percentiles::default() },
        }
    }

    /// Whether this probe has shown what the rule asks.
    fn is_proven(&self, watched: &Watched, now: Timestamp) -> bool {
        let terms = self.terms(watched);
        self.is_watched(watched, now)
            && watched.is_healthy()
            && watched.healthy_for() >= self.rule.hold
            && watched.claim.shows_rate(terms)
            && watched.claim.shows_latency(terms)
            && self.too_slow(watched).is_none()
    }

    fn longest_gap(&self, probe: &str) -> Duration {
        self.rule.every.saturating_add(self.rule.probe_traits(probe).time_limit)
    }

    /// Whether the probe's last sample still speaks for now.
    fn is_watched(&self, watched: &Watched, now: Timestamp) -> bool {
        watched.last.as_ref().is_some_and(|last| between(last.at, now) <= self.longest_gap(&watched.name))
    }

    /// The percentile that is over its limit, in words.
    fn too_slow(&self, watched: &Watched) -> Option<String> {
        if self.rule.latency.is_empty() || !watched.sampling.has_rate() {
            return None;
        }
        let seen = watched.latencies.percentiles();
        self.rule.latency.each().find_map(|(name, _, limit)| {
            let seen = seen.and_then(|seen| seen.each().find(|(known, ..)| *known == name));
            match seen {
                Some((_, _, figure)) if figure <= limit => None,
                Some((_, _, figure)) => {
                    Some(format!("{name} is {}, not within {}", format_duration(figure), format_duration(limit)))
                }
                None => Some(format!("its {name} is not known: it does not say how long an answer takes")),
            }
        })
    }

    /// The first moment at which this probe could have shown enough, if every sample from now on is healthy.
    fn earliest_pass(&self, watched: &Watched, now: Timestamp) -> Timestamp {
        let next = watched.next.max(now);
        let since = watched.streak.since().unwrap_or(next);
        let missing = watched.claim.missing(self.terms(watched)).max(u32::from(watched.last.is_none()));
        // Samples come a little earlier than `every`, and more often while there is trouble: this is the earliest.
        let shortest = if self.rule.request_budget > 1 { self.rule.every / HURRY } else { self.rule.every };
        let shortest = shortest.mul_f64(1.0 - JITTER);
        let by_samples = later(next, shortest.saturating_mul(missing.saturating_sub(1)));
        later(since, self.rule.hold).max(by_samples)
    }

    /// Why this probe can no longer pass: its samples, or its time, would come too late.
    fn why_hopeless(&self, watched: &Watched, now: Timestamp) -> String {
        let (name, timeout) = (&watched.name, format_duration(self.rule.timeout));
        let since = watched.streak.since().unwrap_or_else(|| watched.next.max(now));
        if later(since, self.rule.hold) > self.deadline() {
            let hold = format_duration(self.rule.hold);
            return format!("`{name}` can no longer be healthy for {hold} before the timeout of {timeout}");
        }
        let missing = watched.claim.missing(self.terms(watched));
        let claim = match self.rule.max_failure_rate {
            Some(rate) => format!("rule out a failure rate of {}", rate_in_words(rate)),
            None => format!("show a {}", self.rule.latency.as_limits()),
        };
        let count = watched.claim.number();
        let count = if count > 1 { format!(", in count {count}") } else { String::new() };
        format!(
            "`{name}` can no longer {claim} before the timeout of {timeout}: that takes {missing} more samples{count}"
        )
    }

    /// What is more than the rule allows before the time-out.
    fn beyond_limits(&self, watched: &Watched) -> Option<(GateFault, String)> {
        let limits = &self.rule.limits;
        if let Some(most) = limits.flaps.filter(|most| watched.flaps > *most) {
            let why = format!(
                "`{}` changed between healthy and not {} times, {most} are allowed",
                watched.name, watched.flaps
            );
            return Some((GateFault::Unhealthy, why));
        }
        let (fault, limit) = match watched.last.as_ref()?.health {
            Health::Healthy => return None,
            Health::Unhealthy { .. } => (GateFault::Unhealthy, limits.unhealthy?),
            Health::Unknown { .. } => (GateFault::Unknown, limits.unknown?),
            Health::Broken { .. } => (GateFault::Broken, limits.broken),
        };
        let word = watched.last.as_ref()?.health.word();
        (watched.alike >= limit)
            .then(|| (fault, format!("`{}` was {word} {} times in a row", watched.name, watched.alike)))
    }

    /// In what way it is not healthy now.
    fn fault(&self) -> GateFault {
        let is = |sought: fn(&Health) -> bool| {
            self.probes.iter().any(|watched| watched.last.as_ref().is_some_and(|last| sought(&last.health)))
        };
        let unseen = self.probes.iter().any(|watched| watched.last.is_none());
        if is(|health| matches!(health, Health::Unhealthy { .. })) {
            GateFault::Unhealthy
        } else if is(|health| matches!(health, Health::Broken { .. })) {
            GateFault::Broken
        } else if unseen || is(|health| matches!(health, Health::Unknown { .. })) || self.has_too_few_samples() {
            GateFault::Unknown
        } else {
            GateFault::Unhealthy
        }
    }

    /// Whether all is well but for the number of samples.
    fn has_too_few_samples(&self) -> bool {
        self.probes.iter().all(|watched| watched.flaps == 0 && self.too_slow(watched).is_none())
    }

    fn state_of_probes(&self) -> String {
        let words = self.probes.iter().map(|watched| match &watched.last {
            None => format!("`{}` was never seen", watched.name),
            Some(Last { health: Health::Healthy, .. }) => {
                let slow = self.too_slow(watched).map(|slow| format!(", but {slow}")).unwrap_or_default();
                let flapping =
                    if watched.flaps > 2 { format!(", after {} changes", watched.flaps) } else { String::new() };
                format!("`{}` is healthy, for {}{slow}{flapping}", watched.name, format_duration(watched.healthy_for()))
            }
            Some(Last { health, .. }) => format!("`{}` is {health}", watched.name),
        });
        words.collect::<Vec<_>>().join("; ")
    }

    fn trouble(&self, watched: &Watched) -> Option<(String, String)> {
        let words = match &watched.last.as_ref()?.health {
            Health::Healthy => self.too_slow(watched).filter(|_| !self.rule.hold.is_zero())?,
            Health::Unhealthy { why } => why.clone(),
            other => other.to_string(),
        };
        Some((watched.name.clone(), words))
    }
}

impl Watched {
    fn see(&mut self, observation: &Observation, at: Timestamp, longest_gap: Duration, tolerate: u32, terms: &Terms) {
        // Time that nobody watched counts for nothing, and neither does time of a clock that was set back.
        if self.last.as_ref().is_some_and(|last| at < last.at || between(last.at, at) > longest_gap) {
            self.streak = Streak::default();
            self.claim.lose(terms);
            self.latencies.clear();
        }
        let was = self.last.as_ref().map(|last| &last.health);
        let is_healthy = observation.health == Health::Healthy;
        let alike = was.is_some_and(|was| std::mem::discriminant(was) == std::mem::discriminant(&observation.health));
        self.alike = if alike { self.alike.saturating_add(1) } else { 1 };
        if was.is_some_and(|was| (*was == Health::Healthy) != is_healthy) {
            self.flaps = self.flaps.saturating_add(1);
        }
        self.streak.take(is_healthy, at, tolerate);
        if is_healthy {
            self.claim.see_healthy(observation.latency(), terms);
        } else {
            self.claim.see_other(terms);
        }
        if self.streak.runs.is_empty() {
            self.latencies.clear();
        } else if let Some(latency) = observation.latency() {
            self.latencies.record(latency, at);
        }
        self.samples = self.samples.saturating_add(1);
        self.last = Some(Last { at, took: observation.took, health: observation.health.clone() });
    }

    /// When to look next: `every` after the last look began, a little earlier each time so that probes of one rhythm do
    /// not all look at once; never while a look is under way, for the next one is reckoned from its end.
    fn next_look(&self, rule: &GateRule, opened: Timestamp) -> Timestamp {
        let Some(last) = &self.last else { return opened };
        let every = if self.hurries(rule, opened, last) { rule.every / HURRY } else { rule.every };
        let early = every.mul_f64(jitter(&self.name, self.samples));
        later(last.at, every.saturating_sub(early).saturating_sub(last.took))
    }

    /// Whether the next look may come sooner: it is worth it, and the budget has it.
    ///
    /// A plain poll takes `(time until healthy + hold) / every` looks. Those of `hold` are still to be taken.
    fn hurries(&self, rule: &GateRule, opened: Timestamp, last: &Last) -> bool {
        if rule.request_budget <= 1
            || last.health == Health::Healthy
            || rule.probe_traits(&self.name).polling == Polling::Steady
        {
            return false;
        }
        let every = rule.every.as_secs_f64();
        let later = rule.hold.as_secs_f64() / every;
        let plain = between(opened, last.at).as_secs_f64() / every + later;
        f64::from(self.samples) + 1.0 + later <= f64::from(rule.request_budget) * plain
    }

    /// Whether its last sample lies in the future.
    fn was_later_than(&self, now: Timestamp) -> bool {
        self.last.as_ref().is_some_and(|last| last.at > now)
    }

    fn is_healthy(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.health == Health::Healthy)
    }

    /// How many points or windows the streak has that have nothing in common; `None` if its samples are to be counted.
    fn points(&self) -> Option<Points> {
        let whole = |apart: Duration| {
            let further = self.healthy_for().as_nanos().checked_div(apart.as_nanos()).unwrap_or_default();
            u32::try_from(further).unwrap_or(u32::MAX).saturating_add(1)
        };
        match self.sampling {
            Sampling::Trials | Sampling::State => None,
            Sampling::Points { apart } => Some(Points::Points(whole(apart))),
            Sampling::Windows { apart } => Some(Points::Windows(whole(apart))),
        }
    }

    /// From the first to the last sample of the streak: time after the last one was not watched.
    fn healthy_for(&self) -> Duration {
        match (self.streak.since(), &self.last) {
            (Some(since), Some(last)) => between(since, last.at),
            _ => Duration::ZERO,
        }
    }
}

impl Streak {
    fn take(&mut self, is_healthy: bool, at: Timestamp, tolerate: u32) {
        if is_healthy {
            if self.runs.is_empty() {
                self.runs.push_back(Healthy::default());
            }
            if let Some(run) = self.runs.back_mut() {
                run.since.get_or_insert(at);
                run.samples = run.samples.saturating_add(1);
            }
            return;
        }
        self.runs.push_back(Healthy::default());
        // Nothing begins with what was not healthy.
        let most = usize::try_from(tolerate).unwrap_or(usize::MAX).saturating_add(1);
        while self.runs.len() > most || self.runs.front().is_some_and(|first| first.samples == 0) {
            self.runs.pop_front();
        }
    }

    fn since(&self) -> Option<Timestamp> {
        self.runs.front()?.since
    }

    /// Those that were tolerated.
    fn failures(&self) -> u32 {
        u32::try_from(self.runs.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// All samples, with those that were tolerated.
    fn samples(&self) -> u32 {
        self.runs.iter().fold(self.failures(), |sum, run| sum.saturating_add(run.samples))
    }
}

/// More probes than this are first looked at one after another, over the time between two samples.
const CROWD: usize = 100;

/// What is claimed of a probe: of one whose samples are no trials, nothing.
fn of_which<'t>((trials, others): &'t (Terms, Terms), rule: &GateRule, probe: &str) -> &'t Terms {
    if rule.probe_traits(probe).sampling.has_rate() { trials } else { others }
}

/// The greatest part of its interval that a look comes early.
const JITTER: f64 = 0.1;

impl GateRule {
    /// How long it takes at least to pass.
    pub fn least_time(&self) -> Duration {
        let opened = Timestamp::UNIX_EPOCH;
        between(opened, Gate::open(self.clone(), opened).earliest(opened))
    }

    /// About how long so many samples take. They come a little early, by half of the most that they may on average.
    pub fn time_of(&self, samples: u32) -> Duration {
        self.every.saturating_mul(samples.saturating_sub(1)).mul_f64(1.0 - JITTER / 2.0)
    }
}

/// How early a probe's look of this number comes, as a part of its interval: always the same, and different for each.
fn jitter(probe: &str, number: u32) -> f64 {
    // The FNV-1a hash, which is short and spreads well enough for this.
    let bytes = probe.bytes().chain(number.to_le_bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    JITTER * f64::from(hash >> 16) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rule::{GateLimits, ProbeTraits};
    use super::*;

    fn rule(hold: u64, every: u64, timeout: u64) -> GateRule {
        let seconds = Duration::from_secs;
        GateRule::of(vec!["a".to_owned(), "b".to_owned()], seconds(hold), seconds(every), seconds(timeout))
    }

    fn at(second: u64) -> Timestamp {
        later(Timestamp::UNIX_EPOCH, Duration::from_secs(second))
    }

    fn sample(health: Health) -> Observation {
        Observation::of(health)
    }

    fn sick() -> Observation {
        sample(Health::Unhealthy { why: "503".to_owned() })
    }

    fn both(gate: &mut Gate, observation: &Observation, second: u64) {
        gate.see("a", observation, at(second));
        gate.see("b", observation, at(second));
    }

    fn passed(gate: &Gate, second: u64) -> bool {
        matches!(gate.verdict(at(second)), GateVerdict::Passed(_))
    }

    #[test]
    fn silence_never_passes() {
        let gate = Gate::open(rule(0, 1, 60), at(0));
        assert!(matches!(gate.verdict(at(0)), GateVerdict::Open));
        assert!(matches!(gate.verdict(at(60)), GateVerdict::Failed { .. }));
        let mut half = Gate::open(rule(0, 1, 60), at(0));
        half.see("a", &sample(Health::Healthy), at(0));
        assert!(!passed(&half, 1), "`b` was never seen");
    }

    #[test]
    fn unknown_is_not_healthy_and_breaks_a_streak() {
        let mut gate = Gate::open(rule(4, 2, 60), at(0));
        both(&mut gate, &sample(Health::Healthy), 0);
        both(&mut gate, &Observation::unknown("no route"), 2);
        both(&mut gate, &sample(Health::Healthy), 4);
        assert!(!passed(&gate, 4));
        both(&mut gate, &sample(Health::Healthy), 6);
        both(&mut gate, &sample(Health::Healthy), 8);
        assert!(passed(&gate, 8));
    }

    #[test]
    fn time_that_nobody_watched_does_not_count() {
        let mut gate = Gate::open(rule(300, 5, 3600), at(0));
        both(&mut gate, &sample(Health::Healthy), 0);
        // The laptop slept for ten minutes.
        both(&mut gate, &sample(Health::Healthy), 600);
        assert!(!passed(&gate, 600));
        // Nor does the time since the last sample.
        assert!(!passed(&gate, 900));
    }

    #[test]
    fn a_clock_that_is_set_back_neither_proves_nor_stalls() {
        let mut gate = Gate::open(rule(300, 5, 3600), at(5_000));
        for second in (5_000..5_200).step_by(5) {
            both(&mut gate, &sample(Health::Healthy), second);
        }
        assert_eq!(gate.due(at(1_400)).len(), 2, "looked at again at once");
        both(&mut gate, &sample(Health::Healthy), 1_400);
        assert!(gate.due(at(1_400)).is_empty() && gate.wake(at(1_400)) <= at(1_405));
        for second in (1_405..1_695).step_by(5) {
            both(&mut gate, &sample(Health::Healthy), second);
            assert!(!passed(&gate, second), "what was seen before the jump does not count");
        }
        for second in (1_695..1_720).step_by(5) {
            both(&mut gate, &sample(Health::Healthy), second);
        }
        assert!(passed(&gate, 1_715));
    }

    #[test]
    fn a_probe_that_is_no_longer_looked_at_holds_the_gate_shut() {
        let mut gate = Gate::open(rule(5, 5, 3600), at(0));
        both(&mut gate, &sample(Health::Healthy), 0);
        both(&mut gate, &sample(Health::Healthy), 5);
        assert!(passed(&gate, 5));
        gate.see("a", &sample(Health::Healthy), at(10));
        assert!(passed(&gate, 10));
        for second in (15..60).step_by(5) {
            gate.see("a", &sample(Health::Healthy), at(second));
        }
        assert!(!passed(&gate, 60), "`b` was last seen at 5");
    }

    #[test]
    fn one_failure_in_a_long_soak_starts_it_again() {
        let mut gate = Gate::open(rule(60, 10, 3600), at(0));
        for second in (0..60).step_by(10) {
            both(&mut gate, &sample(Health::Healthy), second);
        }
        gate.see("b", &sick(), at(60));
        gate.see("a", &sample(Health::Healthy), at(60));
        assert!(!passed(&gate, 60));
        let progress = gate.progress();
        assert_eq!(progress.trouble, Some(("b".to_owned(), "503".to_owned())));
    }

    #[test]
    fn a_gate_fails_as_soon_as_it_can_no_longer_pass() {
        let mut gate = Gate::open(rule(60, 5, 100), at(0));
        both(&mut gate, &sick(), 45);
        assert!(matches!(gate.verdict(at(45)), GateVerdict::Failed { .. }), "50 + 60 is beyond 100");
        let mut early = Gate::open(rule(60, 5, 100), at(0));
        both(&mut early, &sick(), 30);
        assert!(matches!(early.verdict(at(30)), GateVerdict::Open));
    }

    #[test]
    fn a_claim_about_the_failure_rate_takes_its_samples() {
        let mut gate = Gate::open(GateRule { max_failure_rate: Some(0.1), ..rule(0, 1, 600) }, at(0));
        for second in 0..38 {
            both(&mut gate, &sample(Health::Healthy), second);
        }
        assert!(!passed(&gate, 38), "3 open the count, and it takes 36");
        let Counting { counted, needed, more, count } = gate.progress().counting.unwrap();
        assert_eq!((counted, needed, more, count), (35, 36, 0, 1));
        both(&mut gate, &sample(Health::Healthy), 38);
        let GateVerdict::Passed(proof) = gate.verdict(at(38)) else { panic!("it passes") };
        assert_eq!(proof.to_string(), "healthy: 39 samples in a row rule out a failure rate of 9.8 % (95 %)");
    }

    #[test]
    fn a_few_samples_may_be_tolerated_and_weaken_the_proof() {
        let mut gate = Gate::open(GateRule { tolerate: 2, ..rule(20, 1, 3600) }, at(0));
        let outage = [5, 12, 30];
        let mut since = None;
        for second in 0..60 {
            let observation = if outage.contains(&second) { sick() } else { sample(Health::Healthy) };
            both(&mut gate, &observation, second);
            if passed(&gate, second) {
                since.get_or_insert(second);
            }
            assert!(!(outage.contains(&second) && passed(&gate, second)), "the last sample must be healthy");
        }
        assert_eq!(since, Some(20), "two of twenty were not healthy, and that is tolerated");
        let GateVerdict::Passed(proof) = gate.verdict(at(59)) else { panic!("it passes") };
        // The slip at 5 has gone: what counts begins at 6.
        assert_eq!((proof.samples, proof.failures), (54, 2));
        both(&mut gate, &sick(), 60);
        both(&mut gate, &sample(Health::Healthy), 61);
        let GateVerdict::Passed(proof) = gate.verdict(at(61)) else { panic!("from 13 on it is as healthy as asked") };
        assert_eq!((proof.samples, proof.failures), (49, 2));
    }

    fn answered(millis: u64) -> Observation {
        let mut observation = sample(Health::Healthy);
        observation.facts.insert("latency".to_owned(), format!("{millis}ms").into());
        observation
    }

    #[test]
    fn answers_that_are_slower_than_asked_hold_it_shut_until_they_are_quick() {
        let latency = Percentiles { p95: Some(Duration::from_millis(500)), ..Percentiles::default() };
        let mut gate = Gate::open(GateRule { latency, ..rule(10, 1, 3600) }, at(0));
        for second in 0..30 {
            both(&mut gate, &answered(if second % 10 == 0 { 900 } else { 100 }), second);
            assert!(!passed(&gate, second), "one in ten takes 0.9 s");
        }
        let progress = gate.progress();
        assert_eq!(progress.trouble.unwrap().1, "p95 is 902ms, not within 500ms");
        let quick_enough = (30..300).find(|second| {
            both(&mut gate, &answered(100), *second);
            passed(&gate, *second)
        });
        // The slow ones at 10 and 20 used up a count each, and a third one needs 132 answers from 21 on.
        assert_eq!(quick_enough, Some(152));
        // What does not say how long it takes is not known to be quick.
        let mut silent = Gate::open(GateRule { latency, ..rule(0, 1, 60) }, at(0));
        both(&mut silent, &sample(Health::Healthy), 0);
        assert!(!passed(&silent, 0));
    }

    fn failed(gate: &Gate, second: u64) -> Option<GateFault> {
        match gate.verdict(at(second)) {
            GateVerdict::Failed { fault, .. } => Some(fault),
            _ => None,
        }
    }

    #[test]
    fn it_says_in_what_way_it_did_not_pass() {
        for (last, fault) in [
            (sick(), GateFault::Unhealthy),
            (Observation::unknown("no data"), GateFault::Unknown),
            (Observation::broken("no such metric"), GateFault::Broken),
            (sample(Health::Healthy), GateFault::Unknown),
        ] {
            let mut gate = Gate::open(GateRule { max_failure_rate: Some(0.5), ..rule(0, 1, 60) }, at(0));
            both(&mut gate, &last, 0);
            assert_eq!(failed(&gate, 60), Some(fault), "{last:?}");
        }
        assert_eq!(failed(&Gate::open(rule(0, 1, 60), at(0)), 60), Some(GateFault::Unknown), "silence is not sickness");
    }

    #[test]
    fn each_way_has_its_own_limit() {
        let limits = GateLimits { unhealthy: Some(3), unknown: Some(4), broken: 2, flaps: Some(5) };
        let open = || Gate::open(GateRule { limits, ..rule(60, 1, 3600) }, at(0));
        for (health, enough, fault) in [
            (sick(), 3, GateFault::Unhealthy),
            (Observation::unknown("?"), 4, GateFault::Unknown),
            (Observation::broken("!"), 2, GateFault::Broken),
        ] {
            let mut gate = open();
            for second in 0..enough {
                assert_eq!(failed(&gate, second), None);
                gate.see("a", &health, at(second));
            }
            assert_eq!(failed(&gate, enough), Some(fault));
        }
        let mut gate = open();
        for second in 0..7 {
            assert_eq!(failed(&gate, second), None);
            gate.see("a", &if second % 2 == 0 { sick() } else { sample(Health::Healthy) }, at(second));
        }
        assert_eq!(failed(&gate, 7), Some(GateFault::Unhealthy), "six changes are a flapping service");
    }

    #[test]
    fn looks_are_every_so_often_from_their_beginnings_and_a_little_apart() {
        let mut gate = Gate::open(rule(60, 10, 3600), at(0));
        assert_eq!(gate.due(at(0)), ["a", "b"]);
        gate.see("a", &Observation { took: Duration::from_secs(4), ..sample(Health::Healthy) }, at(4));
        assert_eq!(gate.due(at(8)), ["b"]);
        gate.see("b", &Observation { took: Duration::from_secs(12), ..sample(Health::Healthy) }, at(12));
        assert_eq!(gate.due(at(12)), ["a", "b"], "one that takes longer than its period follows on itself");
        let next: Vec<Duration> = (0..50).map(|n| Duration::from_secs_f64(jitter("a", n))).collect();
        assert!(next.iter().all(|early| *early <= Duration::from_secs_f64(JITTER)));
        assert_ne!(jitter("a", 1).to_bits(), jitter("b", 1).to_bits());
    }

    /// A second poll loop in its head: how many looks it takes until it passes, and how late it notices.
    fn watch(rule: &GateRule, well_from: u64) -> (u32, u64) {
        let (mut gate, mut now, mut noticed) = (Gate::open(rule.clone(), at(0)), at(0), None);
        loop {
            let health = if now >= later(at(0), Duration::from_millis(well_from)) {
                noticed.get_or_insert(between(at(0), now));
                sample(Health::Healthy)
            } else {
                sick()
            };
            for probe in gate.due(now) {
                gate.see(&probe, &health, now);
            }
            match gate.verdict(now) {
                GateVerdict::Open => now = gate.wake(now),
                _ => break,
            }
        }
        let late = noticed.unwrap().saturating_sub(Duration::from_millis(well_from));
        (gate.probes[0].samples, u64::try_from(late.as_millis()).unwrap())
    }

    #[test]
    fn while_something_may_change_it_looks_more_often_within_its_budget() {
        let traits =
            ProbeTraits { time_limit: Duration::from_secs(5), polling: Polling::Fast, sampling: Sampling::Trials };
        let plain = rule(60, 1, 3600);
        let probes = ["a", "b"].map(|name| (name.to_owned(), traits)).into();
        let quick = GateRule { request_budget: 2, probes, ..plain.clone() };
        let mut late = Vec::new();
        for well_from in (200..30_000).step_by(317) {
            let ((plainly, _), (quickly, lag)) = (watch(&plain, well_from), watch(&quick, well_from));
            assert!(quickly <= 2 * plainly, "{quickly} looks instead of {plainly}");
            late.push(lag);
        }
        late.sort_unstable();
        assert!(late[late.len() / 2] <= 150, "{late:?}");
        // Somebody else's quota is not spent for that.
        let patient = GateRule { request_budget: 2, ..plain.clone() };
        assert_eq!(watch(&patient, 20_000), watch(&plain, 20_000));
    }

    #[test]
    fn a_probe_without_independent_samples_has_no_rate_and_its_points_are_counted() {
        let minute = Duration::from_mins(1);
        let traits = |sampling| ProbeTraits { time_limit: Duration::from_secs(5), polling: Polling::Steady, sampling };
        let probes = [
            ("a".to_owned(), traits(Sampling::Points { apart: minute })),
            ("b".to_owned(), traits(Sampling::Windows { apart: 10 * minute })),
        ];
        let asked = GateRule { max_failure_rate: Some(0.02), probes: probes.into(), ..rule(900, 5, 3600) };
        let mut gate = Gate::open(asked, at(0));
        for second in (0..=900).step_by(5) {
            assert!(!passed(&gate, second));
            both(&mut gate, &sample(Health::Healthy), second);
        }
        let GateVerdict::Passed(proof) = gate.verdict(at(900)) else { panic!("it only has to be healthy for 15 min") };
        assert_eq!(proof.to_string(), "healthy; a: all 16 points healthy; b: all 2 windows healthy");
        // One that is not healthy begins the time anew, whatever its samples are worth.
        both(&mut gate, &sick(), 905);
        assert!(!passed(&gate, 905));
    }

    #[test]
    fn an_open_gate_says_how_far_it_is_and_what_a_break_costs() {
        let mut gate = Gate::open(GateRule { max_failure_rate: Some(0.02), ..rule(0, 1, 3600) }, at(0));
        for second in 0..97 {
            both(&mut gate, &sample(Health::Healthy), second);
        }
        assert_eq!(gate.progress().to_string(), "92 of 183 samples in a row");
        both(&mut gate, &sick(), 97);
        assert_eq!(
            gate.progress().to_string(),
            "0 of 217 samples in a row (count 2: broken once, so it takes 34 more); a: 503"
        );
        for second in 98..107 {
            both(&mut gate, &sample(Health::Healthy), second);
        }
        let told = "4 of 217 samples in a row (count 2: broken once, so it takes 34 more)";
        assert_eq!(gate.progress().to_string(), told);
        // Who opens it anew goes on with the same claim.
        assert_eq!((gate.breaks("a"), gate.reopened(at(200)).breaks("a")), (1, 1));
        let mut plain = Gate::open(rule(60, 1, 3600), at(0));
        both(&mut plain, &answered(80), 0);
        both(&mut plain, &answered(80), 20);
        assert_eq!(plain.progress().to_string(), "healthy for 0s of 1m, p95 80ms");
    }

    #[test]
    fn it_gives_up_when_a_break_leaves_too_little_time_for_its_claim() {
        let mut gate = Gate::open(GateRule { max_failure_rate: Some(0.1), ..rule(0, 10, 600) }, at(0));
        for second in (0..200).step_by(10) {
            both(&mut gate, &sample(Health::Healthy), second);
        }
        gate.see("b", &sick(), at(200));
        let GateVerdict::Failed { why, .. } = gate.verdict(at(200)) else { panic!("45 samples more take 405 s") };
        assert!(
            why.starts_with(
                "`b` can no longer rule out a failure rate of 10.0 % before the timeout of 10m: \
                 that takes 45 more samples, in count 2"
            ),
            "{why}"
        );
    }

    proptest! {
        /// Whatever is seen and whenever: a gate that passes has seen every probe healthy, and nothing else,
        /// at most a patient gap apart, for at least as long as it asks.
        #[test]
        fn a_pass_is_always_earned(
            samples in proptest::collection::vec((0_usize..2, 0_u64..40, 0_u8..8), 1..60), hold in 0_u64..60,
        ) {
            let mut gate = Gate::open(rule(hold, 5, 100_000), at(0));
            let (mut now, mut seen) = (0, [Vec::new(), Vec::new()]);
            for (probe, wait, kind) in samples {
                now += wait;
                let observation = match kind {
                    0 => sick(),
                    1 => Observation::unknown("?"),
                    _ => sample(Health::Healthy),
                };
                gate.see(["a", "b"][probe], &observation, at(now));
                seen[probe].push((now, kind > 1));
                if passed(&gate, now) {
                    for history in &seen {
                        let streak: Vec<u64> = history.iter().rev().take_while(|(_, healthy)| *healthy).map(|(at, _)| *at).collect();
                        let watched = streak.windows(2).take_while(|pair| pair[0] - pair[1] <= 5 + 15).count();
                        prop_assert!(!streak.is_empty());
                        prop_assert!(now - streak[0] <= 5 + 15);
                        prop_assert!(streak[0] - streak[watched] >= hold);
                    }
                }
            }
        }
    }
}
