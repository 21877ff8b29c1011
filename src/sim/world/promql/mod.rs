//! The part of PromQL that the simulated cloud answers: selectors with label matchers; `rate` and `increase` of counters,
//! `max_over_time`, `min_over_time` and `avg_over_time` of gauges; `sum`, `avg`, `max`, `min` and `count` (also `by` and
//! `without`), `histogram_quantile`, `vector`, arithmetic and comparison of vectors and numbers, `and`, `or` and `unless`, all of
//! them with `on` and `ignoring`, brackets. A metric is named as PromQL spells it, or between quotation marks as Google does.
//!
//! What is PromQL and not answered is refused by name. Counters are Google's DELTA
//! metrics: a rate is what was counted in the range, divided by it, without the extrapolation of Prometheus (ours). A
//! gauge is its last point of the last five minutes. What has no points has no value: the answer is empty, not zero.

mod parser;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use parser::{Aggregate, Expr, Function, Groups, Matcher, Matching, Operator, Selector, SetOperator};

use super::World;
use super::metric::descriptor::{Descriptor, Kind};
use super::metric::{Distribution, Labels, Series};
use super::refusal::{Code, Refusal};
use crate::sim::clock::later;

/// Longer queries, and deeper ones, are refused before they are parsed: the parser recurses.
const LONGEST: usize = 4096;
const DEEPEST: usize = 32;
/// How far back a gauge is looked for.
const LOOKBACK: SignedDuration = SignedDuration::from_mins(5);

/// What a query comes to at a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A number.
    Scalar(f64),
    /// A value for each combination of labels.
    Vector(Vec<(BTreeMap<String, String>, f64)>),
}

/// A query that was understood.
#[derive(Debug)]
pub struct Query(Expr);

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// INVALID_ARGUMENT, with what is wrong.
    pub fn parse(text: &str) -> Result<Query, Refusal> {
        let mut depth = 0_usize;
        let deep = text.chars().any(|letter| {
            match letter {
                '(' | '{' | '[' => depth += 1,
                ')' | '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > DEEPEST
        });
        // A chain of signs or operators nests as well.
        let signs = text.chars().filter(|letter| "+-*/%^=<>!".contains(*letter)).count();
        if text.len() > LONGEST || deep || signs > 8 * DEEPEST {
            return Err(wrong("the query is larger than the simulated cloud reads"));
        }
        parser::parse(text).map(Query)
    }

    /// What it comes to.
    pub fn at(&self, world: &World, at: Timestamp) -> Result<Answer, Refusal> {
        evaluate(world, &self.0, at)
    }
}

fn wrong(what: impl std::fmt::Display) -> Refusal {
    Refusal::invalid("query", format!("invalid parameter \"query\": {what}"))
}

fn unknown(what: &str) -> Refusal {
    Refusal::new(Code::Unimplemented, format!("The simulated cloud does not answer {what}"))
}

fn evaluate(world: &World, expression: &Expr, at: Timestamp) -> Result<Answer, Refusal> {
    match expression {
        Expr::Number(number) => Ok(Answer::Scalar(*number)),
        Expr::Negative(inner) => Ok(match evaluate(world, inner, at)? {
            Answer::Scalar(number) => Answer::Scalar(-number),
            Answer::Vector(values) => {
                Answer::Vector(values.into_iter().map(|(labels, value)| (labels, -value)).collect())
            }
        }),
        Expr::Selector(selector) => select(world, selector, at),
        Expr::Range(..) => Err(wrong("a range is not a value; take a rate of it")),
        Expr::Function(Function::HistogramQuantile, arguments) => quantile(world, arguments, at),
        Expr::Function(Function::Vector, arguments) => vector(world, arguments, at),
        Expr::Function(function, arguments) => over_time(world, *function, arguments, at),
        Expr::Aggregate { how, groups, of } => together(*how, groups, evaluate(world, of, at)?),
        Expr::Binary(operator, matching, left, right) => {
            combined(*operator, matching, evaluate(world, left, at)?, evaluate(world, right, at)?)
        }
        Expr::Set(operator, matching, left, right) => {
            chosen(*operator, matching, evaluate(world, left, at)?, evaluate(world, right, at)?)
        }
    }
}

/// A metric, and which numbers of it are meant.
struct Meant {
    descriptor: Descriptor,
    part: Part,
}

/// What PromQL makes of a metric's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The points as they are.
    Points,
    /// `_bucket`: how much of a distribution is not above each bound.
    Buckets,
    /// `_count`: how much there is of it.
    Count,
    /// `_sum`: all of it added up.
    Sum,
}

impl Meant {
    fn is_counted(&self) -> bool {
        self.descriptor.kind != Kind::Level
    }
}

fn meant(world: &World, selector: &Selector) -> Result<Meant, Refusal> {
    let named = selector.matchers.iter().find_map(|matcher| match &matcher.pattern {
        parser::Pattern::Text(name) if matcher.label == "__name__" && matcher.is => Some(name),
        _ => None,
    });
    let name = selector.metric.as_ref().or(named).ok_or_else(|| wrong("a selector names its metric"))?;
    let parts = [("_bucket", Part::Buckets), ("_count", Part::Count), ("_sum", Part::Sum), ("", Part::Points)];
    let fits = |descriptor: Descriptor| {
        let ours = [descriptor.promql(), descriptor.name.clone().into_owned()];
        let is_ours = |text: Option<&str>| text.is_some_and(|text| ours.iter().any(|name| name == text));
        let (_, part) = parts.into_iter().find(|(ending, _)| is_ours(name.strip_suffix(ending)))?;
        Some(Meant { descriptor, part })
    };
    let meant = world.metrics().into_iter().find_map(fits).ok_or_else(|| unknown(&format!("the metric {name}")))?;
    match (meant.descriptor.kind == Kind::Spread, meant.part == Part::Points) {
        (true, true) => {
            let spelt = meant.descriptor.promql();
            Err(wrong(format!(
                "{name} is a distribution and has no value of its own; take a quantile, as in \
                 histogram_quantile(0.95, sum by (le) (rate({spelt}_bucket[5m])))"
            )))
        }
        (false, false) => {
            Err(wrong(format!("{name} is of no distribution: the metric has no _bucket, _count or _sum")))
        }
        (true, false) | (false, true) => Ok(meant),
    }
}

fn fits(matchers: &[Matcher], labels: &BTreeMap<String, String>) -> bool {
    let mut by_label = matchers.iter().filter(|matcher| matcher.label != "__name__");
    by_label.all(|matcher| matcher.fits(labels.get(&matcher.label).map_or("", String::as_str)))
}

type Points = Vec<(Labels, Vec<(Timestamp, f64)>)>;

/// The numbers of a distribution's points that are meant: each bucket counts what is not above its `le`.
fn numbers(series: &Series<Distribution>, bounds: &[f64], part: Part) -> Points {
    let of = |value: fn(&Distribution) -> f64| {
        let points = series.points.iter().map(|(end, found)| (*end, value(found))).collect();
        vec![(BTreeMap::new(), points)]
    };
    match part {
        Part::Count => of(|found| f64::from(found.count())),
        Part::Sum => of(|found| found.sum),
        Part::Points | Part::Buckets => (0..=bounds.len())
            .map(|index| {
                let le = bounds.get(index).map_or("+Inf".to_owned(), f64::to_string);
                let below = |found: &Distribution| f64::from(found.counts.iter().take(index + 1).sum::<u32>());
                let points = series.points.iter().map(|(end, found)| (*end, below(found))).collect();
                (BTreeMap::from([("le".to_owned(), le)]), points)
            })
            .collect(),
    }
}

fn points(world: &World, selector: &Selector, from: Timestamp, to: Timestamp) -> Result<Points, Refusal> {
    let Meant { descriptor, part } = meant(world, selector)?;
    let mut all: Points = Vec::new();
    let mut add = |metric: &Labels, resource: &Labels, own: Labels, points| {
        let mut labels = resource.clone();
        labels.extend(metric.clone());
        labels.extend(own);
        labels.insert("monitored_resource".to_owned(), descriptor.resource.clone().into_owned());
        if fits(&selector.matchers, &labels) {
            all.push((labels, points));
        }
    };
    if descriptor.kind == Kind::Spread {
        for series in world.spreads(&descriptor, from, to) {
            for (own, points) in numbers(&series, descriptor.bounds(), part) {
                add(&series.metric, &series.resource, own, points);
            }
        }
    } else {
        for series in world.series(&descriptor, from, to) {
            add(&series.metric, &series.resource, Labels::new(), series.points);
        }
    }
    Ok(all)
}

fn select(world: &World, selector: &Selector, at: Timestamp) -> Result<Answer, Refusal> {
    let found = points(world, selector, later(at, -LOOKBACK), at)?;
    let latest = |(labels, points): (_, Vec<(Timestamp, f64)>)| Some((labels, points.last()?.1));
    Ok(Answer::Vector(found.into_iter().filter_map(latest).collect()))
}

/// What a function makes of the points of a range; the range is in seconds.
type OfRange = fn(&[f64], f64) -> f64;

fn over_time(world: &World, function: Function, arguments: &[Expr], at: Timestamp) -> Result<Answer, Refusal> {
    let (counted, of_range): (bool, OfRange) = match function {
        Function::Rate => (true, |all, seconds| all.iter().sum::<f64>() / seconds),
        Function::Increase => (true, |all, _| all.iter().sum()),
        Function::MaxOverTime => (false, |all, _| all.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        Function::MinOverTime => (false, |all, _| all.iter().copied().fold(f64::INFINITY, f64::min)),
        #[expect(clippy::cast_precision_loss, reason = "points are thousands at most")]
        Function::AvgOverTime => (false, |all, _| all.iter().sum::<f64>() / all.len() as f64),
        Function::HistogramQuantile => return quantile(world, arguments, at),
        Function::Vector => return vector(world, arguments, at),
    };
    let [Expr::Range(selector, range)] = arguments else {
        return Err(wrong(format!("{} is taken of a range, such as x[5m]", function.name())));
    };
    if meant(world, selector)?.is_counted() != counted {
        let of = if counted { "a counter" } else { "a gauge" };
        return Err(wrong(format!("{} is taken of {of}", function.name())));
    }
    let range = SignedDuration::try_from(*range).unwrap_or(SignedDuration::MAX);
    let found = points(world, selector, later(at, -range), at)?;
    let one = |(labels, points): (_, Vec<(Timestamp, f64)>)| {
        let values: Vec<f64> = points.into_iter().map(|(_, value)| value).collect();
        (labels, of_range(&values, range.as_secs_f64()))
    };
    Ok(Answer::Vector(found.into_iter().map(one).collect()))
}

/// A number as a vector of one series without labels.
fn vector(world: &World, arguments: &[Expr], at: Timestamp) -> Result<Answer, Refusal> {
    let [number] = arguments else { return Err(wrong("vector takes one argument")) };
    match evaluate(world, number, at)? {
        Answer::Scalar(number) => Ok(Answer::Vector(vec![(BTreeMap::new(), number)])),
        Answer::Vector(_) => Err(wrong("vector is taken of a number")),
    }
}

/// The labels by which a series is found again in another vector.
fn signature(matching: &Matching, labels: &Labels) -> Labels {
    let kept = labels.iter().filter(|(name, _)| match matching {
        Matching::All => true,
        Matching::On(on) => on.contains(name),
        Matching::Ignoring(ignoring) => !ignoring.contains(name),
    });
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The series of two vectors that a set operator keeps. They keep their labels.
fn chosen(operator: SetOperator, matching: &Matching, left: Answer, right: Answer) -> Result<Answer, Refusal> {
    let (Answer::Vector(values), Answer::Vector(others)) = (left, right) else {
        return Err(wrong("set operators are for vectors; a number becomes one by vector(…)"));
    };
    let signatures = |values: &[(Labels, f64)]| -> Vec<Labels> {
        values.iter().map(|(labels, _)| signature(matching, labels)).collect()
    };
    let (ours, theirs) = (signatures(&values), signatures(&others));
    let is_in = |all: &[Labels], labels: &Labels| all.contains(&signature(matching, labels));
    Ok(Answer::Vector(match operator {
        SetOperator::And => values.into_iter().filter(|(labels, _)| is_in(&theirs, labels)).collect(),
        SetOperator::Unless => values.into_iter().filter(|(labels, _)| !is_in(&theirs, labels)).collect(),
        SetOperator::Or => {
            let added = others.into_iter().filter(|(labels, _)| !is_in(&ours, labels));
            values.into_iter().chain(added).collect()
        }
    }))
}

/// The value below which this part of what was counted lies, by straight lines within buckets, as Prometheus has it.
fn quantile(world: &World, arguments: &[Expr], at: Timestamp) -> Result<Answer, Refusal> {
    let [part, counted] = arguments else {
        return Err(wrong("histogram_quantile takes two arguments"));
    };
    let Answer::Scalar(part) = evaluate(world, part, at)? else { return Err(wrong("a quantile is a number")) };
    let Answer::Vector(values) = evaluate(world, counted, at)? else { return Err(wrong("buckets are a vector")) };
    let mut groups: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (mut labels, count) in values {
        let bound = labels.remove("le").ok_or_else(|| wrong("buckets have a label `le`"))?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap_or(f64::NAN) };
        groups.entry(labels).or_default().push((bound, count));
    }
    let one = |(labels, mut buckets): (_, Vec<(f64, f64)>)| {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rank = part * buckets.last()?.1;
        let index = buckets.iter().position(|(_, count)| *count >= rank)?;
        let (bound, count) = *buckets.get(index)?;
        let (below, before) = index.checked_sub(1).and_then(|index| buckets.get(index)).copied().unwrap_or((0.0, 0.0));
        let inside = if count > before { (rank - before) / (count - before) } else { 1.0 };
        Some((labels, if bound.is_finite() { below + (bound - below) * inside } else { below }))
    };
    Ok(Answer::Vector(groups.into_iter().filter_map(one).collect()))
}

fn together(how: Aggregate, into: &Groups, of: Answer) -> Result<Answer, Refusal> {
    let Answer::Vector(values) = of else { return Err(wrong("only a vector can be taken together")) };
    let kept = |labels: BTreeMap<String, String>| -> BTreeMap<String, String> {
        match into {
            Groups::One => BTreeMap::new(),
            Groups::By(by) => labels.into_iter().filter(|(name, _)| by.contains(name)).collect(),
            Groups::Without(without) => labels.into_iter().filter(|(name, _)| !without.contains(name)).collect(),
        }
    };
    let mut groups: BTreeMap<BTreeMap<String, String>, Vec<f64>> = BTreeMap::new();
    for (labels, value) in values {
        groups.entry(kept(labels)).or_default().push(value);
    }
    let one = |values: &[f64]| -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "series are thousands at most")]
        let count = values.len() as f64;
        match how {
            Aggregate::Sum => values.iter().sum(),
            Aggregate::Avg => values.iter().sum::<f64>() / count,
            Aggregate::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Aggregate::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Aggregate::Count => count,
        }
    };
    Ok(Answer::Vector(groups.into_iter().map(|(labels, values)| (labels, one(&values))).collect()))
}

fn combined(operator: Operator, matching: &Matching, left: Answer, right: Answer) -> Result<Answer, Refusal> {
    let both = |one: f64, other: f64| operate(operator, one, other);
    Ok(match (left, right) {
        (Answer::Scalar(one), Answer::Scalar(other)) => Answer::Scalar(
            both(one, other)
                .filter(|_| !operator.compares())
                .ok_or_else(|| wrong("comparisons between scalars must use bool modifier"))?,
        ),
        (Answer::Vector(values), Answer::Scalar(other)) => {
            let kept = values.into_iter().filter_map(|(labels, one)| Some((labels, both(one, other)?)));
            Answer::Vector(kept.collect())
        }
        (Answer::Scalar(one), Answer::Vector(values)) => {
            let kept = values.into_iter().filter_map(|(labels, other)| {
                // A comparison keeps the value of the vector, on whichever side that stands.
                both(one, other).map(|value| (labels, if operator.compares() { other } else { value }))
            });
            Answer::Vector(kept.collect())
        }
        (Answer::Vector(values), Answer::Vector(others)) => {
            let (values, others) = (one_each(matching, values)?, one_each(matching, others)?);
            let kept = values.into_iter().filter_map(|(labels, one)| {
                let other = *others.get(&labels)?;
                Some((labels, both(one, other)?))
            });
            Answer::Vector(kept.collect())
        }
    })
}

/// The values by the labels that they are matched by, of which each belongs to one series only.
fn one_each(matching: &Matching, values: Vec<(Labels, f64)>) -> Result<BTreeMap<Labels, f64>, Refusal> {
    let mut found = BTreeMap::new();
    for (labels, value) in values {
        if found.insert(signature(matching, &labels), value).is_some() {
            return Err(wrong("found several series for the match group: many-to-one matching must be explicit"));
        }
    }
    Ok(found)
}

/// `None`: a comparison that does not hold leaves nothing.
fn operate(operator: Operator, one: f64, other: f64) -> Option<f64> {
    #[expect(clippy::float_cmp, reason = "PromQL compares so")]
    let holds = match operator {
        Operator::Add => return Some(one + other),
        Operator::Subtract => return Some(one - other),
        Operator::Multiply => return Some(one * other),
        Operator::Divide => return Some(one / other),
        Operator::Greater => one > other,
        Operator::GreaterOrEqual => one >= other,
        Operator::Less => one < other,
        Operator::LessOrEqual => one <= other,
        Operator::Equal => one == other,
        Operator::NotEqual => one != other,
    };
    holds.then_some(one)
}
