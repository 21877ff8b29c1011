//! The words that every way of showing a plan shares. What comes from outside is inert in them.

use super::short;
use crate::action::ObstacleKind;
use crate::clock;
use crate::gate::{Demand, GateRule, rate_in_words};
use crate::inert::inert;
use crate::plan::{Access, Outbound, Plan, Sender, Tried, WHOLE};
use crate::resource::catalogued::sent_as;
use crate::run::{
    CATALOGUED, Change, FailurePolicy, Guard, GuardAction, OnFailure, Preconditions, ResourceId, Reversibility,
    RollbackScope, Task,
};
use crate::runbook::model::Allowed;
use crate::syntax::value::percent;

/// What a change changes, in words.
pub fn resource(change: &Change) -> String {
    let id @ ResourceId { kind, name, .. } = &change.resource;
    // A call has its task behind the resource's name, which stands beside it already.
    format!("{} {}", inert(kind), inert(id.full_name().unwrap_or(name)))
}

/// A diagnostic that the author of a step answers. Inert.
pub(super) fn answered(allowed: &Allowed) -> String {
    format!("{} is allowed here: {}", inert(&allowed.code), inert(&allowed.reason))
}

/// A line longer than this is broken at its arrow, so that before and after stand below each other.
const LONG: usize = 90;

/// A change, field by field. Inert.
pub fn lines(change: &Change) -> Vec<String> {
    let differences = change.differences();
    let width = differences.iter().map(|difference| difference.field.chars().count()).max().unwrap_or_default();
    let lines = differences.iter().flat_map(|difference| {
        let (field, after) = (inert(&difference.field), inert(&difference.after));
        let before = difference.before.as_ref().map(|before| inert(before));
        let (before, after) = short::digests(before, after);
        if let Some((stem, before, after)) = before.as_deref().and_then(|before| short::stem(before, &after)) {
            return vec![format!("{field:width$}  {stem}… {before} → {after}")];
        }
        match before {
            _ if difference.stays() => vec![format!("{field:width$}  {after} (as it is)")],
            Some(before) if before.len() + after.len() > LONG => {
                vec![format!("{field:width$}    {before}"), format!("{:width$}  → {after}", "")]
            }
            Some(before) => vec![format!("{field:width$}  {before} → {after}")],
            None => vec![format!("{field:width$}  → {after}")],
        }
    });
    lines.collect()
}

/// A gate in words.
pub fn gate(rule: &GateRule) -> String {
    let probes = rule.healthy.iter().map(|probe| inert(probe)).collect::<Vec<_>>().join(", ");
    let hold =
        if rule.hold.is_zero() { "once".to_owned() } else { format!("for {}", clock::format_duration(rule.hold)) };
    let rate = rule.max_failure_rate.map(|rate| format!(", failure rate under {}", percent(rate)));
    let latency = if rule.latency.is_empty() { String::new() } else { format!(", {}", rule.latency.as_limits()) };
    let limits = format!("{}{latency}", rate.unwrap_or_default());
    let takes = if limits.is_empty() { String::new() } else { takes(rule) };
    format!(
        "{probes} healthy {hold} (every {}, timeout {}){limits}{takes}",
        clock::format_duration(rule.every),
        clock::format_duration(rule.timeout)
    )
}

/// How many samples in a row the limits of a gate take, and what they are not about.
fn takes(rule: &GateRule) -> String {
    let without: Vec<String> = rule
        .healthy
        .iter()
        .filter(|probe| !rule.probe_traits(probe).sampling.has_rate())
        .map(|probe| inert(probe))
        .collect();
    let without = match without.as_slice() {
        [] => String::new(),
        _ => format!("; {} without a rate", without.join(", ")),
    };
    let samples = rule.demands().iter().filter_map(Demand::samples).max().unwrap_or_default();
    let minutes = rule.time_of(samples).as_secs().div_ceil(60);
    let is_longer = rule.time_of(samples) > rule.hold && minutes > 0;
    let longer = if is_longer { format!(", about {minutes} min") } else { String::new() };
    format!(" ({samples} samples in a row{longer}{without})")
}

/// What must be so before a task begins, in words.
pub(super) fn evidence(evidence: &Preconditions) -> String {
    let names = |names: &[String]| names.iter().map(|name| inert(name)).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    if !evidence.unhealthy.is_empty() {
        parts.push(format!("{} unhealthy", names(&evidence.unhealthy)));
    }
    if !evidence.healthy.is_empty() {
        parts.push(format!("{} healthy", names(&evidence.healthy)));
    }
    parts.extend(evidence.condition.as_ref().map(|condition| inert(condition)));
    parts.join(", and ")
}

/// What a task does that changes no resource, in words.
pub(super) fn idle(task: &Task) -> String {
    match (&task.pause, &task.message) {
        (Some(pause), _) => format!("waits for {}", clock::format_duration(*pause)),
        (_, Some(text)) => format!("tells: {}", inert(text)),
        _ if task.uses == "probe" => "changes nothing".to_owned(),
        _ => "nothing to change: it already is so".to_owned(),
    }
}

/// What a task is like besides: whether it is left out, how it is undone, if that takes a detour, and what may go on at the
/// same time.
pub(super) fn remarks(task: &Task) -> Vec<String> {
    let finally = task.is_finally().then(|| "not rolled back: it is carried out however the run ends".to_owned());
    let traffic_first = traffic_first(task).map(|way_back| format!("rollback: {way_back}"));
    let catalogued = task.change.as_ref().filter(|change| change.resource.kind == CATALOGUED);
    let sent = catalogued.and_then(sent_as).map(|sent| format!("sent as {}", inert(&sent)));
    let is_undone = task.reversibility == Reversibility::Reversible && !task.is_finally();
    let way_back = catalogued.filter(|_| is_undone).map(|_| {
        "undone by the same update with the values before; whether the API always takes them back is not documented"
            .to_owned()
    });
    let wave = (task.max_parallel > 1).then(|| format!("up to {} of this step go on at once", task.max_parallel));
    let not_run = task.left_out().map(|(word, _)| {
        let gate = task.gate.as_ref().map_or("", |_| "; its gate is not waited for");
        match &task.peer {
            Some(_) => format!("{word}{gate}: the simulated cloud does not answer for the host"),
            None => format!("{word}{gate}; --run-programs runs it"),
        }
    });
    let undo_partial = task.program.as_ref().is_some_and(|program| program.undo_partial);
    let undo_partial = undo_partial.then(|| "its undo is also run after it has failed".to_owned());
    let all = [not_run, undo_partial, traffic_first, wave, sent, way_back, finally];
    task.notes.iter().map(|note| inert(note)).chain(all.into_iter().flatten()).collect()
}

/// Where traffic goes first when a task is undone, if that is quicker.
fn traffic_first(task: &Task) -> Option<String> {
    let traffic_first = task.traffic_first.as_ref().filter(|_| !task.is_finally())?;
    let to: Vec<_> = traffic_first.differences().iter().map(|difference| inert(&difference.after)).collect();
    let to = to.join(", ");
    Some(if task.reversibility.is_undone() {
        format!("traffic back to {to} first (seconds), then the change itself")
    } else {
        format!("traffic back to {to} (seconds), where it stays")
    })
}

/// How a task is rolled back, and what that does not bring back. Inert.
pub fn way_back(task: &Task) -> String {
    if task.is_finally() {
        return "none: it is carried out however the run ends".to_owned();
    }
    let usual = "the same change with before and after swapped".to_owned();
    let way = match &task.reversibility {
        Reversibility::Reversible => traffic_first(task).unwrap_or(usual),
        Reversibility::WithLoss { why } => {
            format!("{}; not everything comes back: {}", traffic_first(task).unwrap_or(usual), inert(why))
        }
        Reversibility::Restarts { why } => {
            format!("{}; that restarts it: {}", traffic_first(task).unwrap_or(usual), inert(why))
        }
        Reversibility::Stays { why } => match traffic_first(task) {
            Some(traffic) => format!("{traffic}; the change stays: {}", inert(why)),
            None => format!("none: the change stays: {}", inert(why)),
        },
        Reversibility::Irreversible { why } => format!("impossible: {}", inert(why)),
    };
    match restores(task) {
        Some(restores) => format!("{way}; {restores}"),
        None => way,
    }
}

/// What happens when a step fails, in words.
pub fn failure_policy(policy: FailurePolicy) -> &'static str {
    match (policy.on_failure, policy.rollback_scope) {
        (OnFailure::Ask, _) => "the operator is asked",
        (OnFailure::Rollback, RollbackScope::Step) => "the step is rolled back",
        (OnFailure::Rollback, RollbackScope::Phase) => "the phase is rolled back",
        (OnFailure::Rollback, RollbackScope::Run) => "the run is rolled back",
        (OnFailure::Stop, _) => "the run stops, and nothing is rolled back",
        (OnFailure::Continue, _) => "the run goes on with the next step",
    }
}

/// What happens when a step fails, if that is not what usually happens.
pub(super) fn unusual_failure_policy(usual: Option<FailurePolicy>, policy: Option<FailurePolicy>) -> Option<String> {
    let unusual = policy.filter(|policy| usual != Some(*policy))?;
    Some(format!("if it fails, {}", failure_policy(unusual)))
}

/// The inputs that were given, each with its value. Inert.
pub(super) fn inputs(plan: &Plan) -> Option<String> {
    let each: Vec<String> =
        plan.inputs.iter().map(|(name, value)| format!("{} = {}", inert(name), inert(value))).collect();
    (!each.is_empty()).then(|| each.join(", "))
}

/// That undoing a task brings back what was unhealthy, if it does.
pub(super) fn restores(task: &Task) -> Option<String> {
    let probes = task.unhealthy_before.keys().map(|probe| inert(probe)).collect::<Vec<_>>().join(", ");
    (!probes.is_empty()).then(|| format!("undoing it restores the state in which this is unhealthy: {probes}"))
}

/// A guard in words.
pub(super) fn guard(guard: &Guard) -> String {
    let then = match guard.then {
        GuardAction::Pause => "the run pauses and asks",
        GuardAction::Rollback => "the run rolls back",
    };
    let times = if guard.failures == 1 { "once".to_owned() } else { format!("{} times in a row", guard.failures) };
    format!("{} unhealthy {times} (every {}): {then}", inert(&guard.probe), clock::format_duration(guard.every))
}

/// What sends a request, in words.
pub(super) fn sender(request: &Outbound) -> String {
    match &request.sender {
        Sender::Probe(name) => format!("probe {}", inert(name)),
        Sender::Step(name) => format!("step {}", inert(name)),
    }
}

/// A request in words, with what sends it.
pub fn outbound(request: &Outbound) -> String {
    format!("{}: {}", sender(request), requested(request))
}

/// What is sent that an earlier request of the same flow captured.
pub(super) const CAPTURED: &str = "a captured value";

/// Whom a request asks.
pub(super) fn peer(request: &Outbound) -> String {
    request.host.as_ref().map_or_else(|| "a host that only the run knows".to_owned(), |host| inert(host))
}

/// A request in words.
pub(super) fn requested(request: &Outbound) -> String {
    let names = request.secrets.iter().map(|name| inert(name)).collect::<Vec<_>>().join(", ");
    let secrets = match request.secrets.len() {
        0 => None,
        1 => Some(format!("the secret {names}")),
        _ => Some(format!("the secrets {names}")),
    };
    let captured = request.captured.then(|| CAPTURED.to_owned());
    let sent: Vec<String> = secrets.into_iter().chain(captured).collect();
    let sent = if sent.is_empty() { String::new() } else { format!(" with {}", sent.join(" and ")) };
    format!("{} to {}{sent}, {}", inert(&request.method), peer(request), while_planning(request))
}

/// Whether a request was sent while planning.
pub(super) fn while_planning(request: &Outbound) -> String {
    match &request.planning {
        Tried::Tried => "tried while planning".to_owned(),
        Tried::NotTried { why } => format!("not tried while planning: {}", inert(why)),
    }
}

/// What a gate that passes rules out, if it passes as soon as it can; `None`: it says nothing of a failure rate.
pub(super) fn proof(rule: &GateRule) -> Option<String> {
    let has_rate = rule.healthy.iter().any(|probe| rule.probe_traits(probe).sampling.has_rate());
    let bound = rule.first_bound().filter(|_| has_rate)?;
    let samples = bound.counted.saturating_add(rule.opener());
    Some(format!("{samples} samples in a row rule out a failure rate of {} (95 %)", rate_in_words(bound.rules_out)))
}

/// The plan in one line. Of an incomplete plan it says what is missing, and never what the whole would come to.
pub(super) fn summary(plan: &Plan) -> String {
    if plan.is_complete() && plan.changes() == 0 {
        return "nothing to change: the cloud already is as this runbook wants it".to_owned();
    }
    if plan.is_complete() {
        return changes(plan);
    }
    let steps = |is_meant: &dyn Fn(ObstacleKind) -> bool| {
        let of_steps = plan.problems.iter().filter(|problem| problem.step != WHOLE);
        let meant = of_steps.filter(|problem| is_meant(problem.sort)).map(|problem| problem.step.as_str());
        meant.collect::<std::collections::BTreeSet<_>>().len()
    };
    let count = |number: usize| if number == 1 { "1 step".to_owned() } else { format!("{number} steps") };
    let wrong = steps(&|sort| matches!(sort, ObstacleKind::Impossible | ObstacleKind::Unseen));
    let (inputs, offline) =
        (steps(&|sort| sort == ObstacleKind::MissingInput), steps(&|sort| sort == ObstacleKind::Offline));
    let mut missing = Vec::new();
    if plan.problems.iter().any(|problem| problem.step == WHOLE) {
        missing.push("something about the runbook as a whole is missing or wrong".to_owned());
    }
    if wrong > 0 {
        missing.push(format!("{} cannot be planned", count(wrong)));
    }
    if inputs > 0 {
        missing.push(format!("{} {} for inputs", count(inputs), if inputs == 1 { "waits" } else { "wait" }));
    }
    if offline > 0 {
        missing.push(format!("what {} would change depends on the cloud, which was not observed", count(offline)));
    }
    let rest = if plan.changes() == 0 { String::new() } else { format!("; besides, {}", changes(plan)) };
    format!("incomplete plan: {}{rest}", missing.join(", "))
}

/// What a run would do, in a few words: `8 changes to shop-staging on Google Cloud, 1 irreversible, at least 41 min`.
pub fn outlook(plan: &Plan) -> String {
    let (all, irreversible, partly) = (plan.changes(), plan.irreversible(), plan.partly_undone());
    let changes = match all {
        0 => "no change".to_owned(),
        1 => "1 change".to_owned(),
        all => format!("{all} changes"),
    };
    let steps = plan.work().tasks.iter().filter(|task| task.back_for.is_none()).count();
    let steps = if steps == all { String::new() } else { format!(" in {steps} steps") };
    let mut parts = vec![format!("{changes}{steps} to {} on {}", inert(&plan.project), inert(&plan.cloud))];
    parts.extend((irreversible > 0).then(|| format!("{irreversible} irreversible")));
    parts.extend((partly > 0).then(|| format!("{partly} undone only in part")));
    let least = plan.least_time();
    parts.extend((!least.is_zero()).then(|| format!("at least {}", clock::format_minutes(least))));
    parts.join(", ")
}

/// How many changes there are, and how many of them can be undone.
fn changes(plan: &Plan) -> String {
    let finally = plan.tasks.iter().filter(|task| task.change.is_some() && task.is_finally()).count();
    let (all, irreversible, partly) = (plan.changes() - finally, plan.irreversible(), plan.partly_undone());
    let changes = match (all, irreversible, partly) {
        (0, ..) => "no change".to_owned(),
        (1, 0, 0) => "1 change, which can be undone".to_owned(),
        (1, 0, _) => "1 change, which can be undone only in part".to_owned(),
        (1, ..) => "1 change, which cannot be undone".to_owned(),
        (_, 0, 0) => format!("{all} changes, all of which can be undone"),
        (_, 0, _) => format!("{all} changes, {partly} of which can be undone only in part"),
        (_, _, 0) => format!("{all} changes, {irreversible} of which cannot be undone"),
        (..) => format!("{all} changes, {irreversible} of which cannot be undone, and {partly} only in part"),
    };
    let is_final = |task: &&Task| task.change.is_some() && task.is_finally() && task.reversibility.is_irreversible();
    let cannot_be_undone = match plan.tasks.iter().filter(is_final).count() {
        0 => String::new(),
        some if some == finally => ", which cannot be undone".to_owned(),
        some => format!(", {some} of which cannot be undone"),
    };
    if finally == 0 {
        return changes;
    }
    format!("{changes}; {finally} at the end, however the run ends{cannot_be_undone}")
}

/// Whether the caller may do it, in words; `None` if nothing is needed.
pub(super) fn access(plan: &Plan) -> Option<String> {
    let access = &plan.access;
    let count = access.needs.len();
    let programs = plan.tasks.iter().filter(|task| task.program.is_some()).count();
    let is_undocumented = |task: &&Task| {
        let is_known = plan.reviews.get(&task.id).is_some_and(|review| !review.permissions.is_empty());
        !is_known && task.change.as_ref().is_some_and(|change| change.resource.full_name().is_some())
    };
    let catalogued = plan.tasks.iter().filter(is_undocumented).count();
    if count == 0 && programs == 0 && catalogued == 0 {
        return None;
    }
    let unknown = (catalogued > 0).then(|| {
        let (steps, they) = if catalogued == 1 { ("change", "it needs") } else { ("changes", "they need") };
        format!("{catalogued} {steps} of resources by their names: which permissions {they} is not documented")
    });
    let unexamined = match programs {
        0 => None,
        1 => Some("1 shell step was not examined: which permissions its program needs is not known".to_owned()),
        _ => Some(format!(
            "{programs} shell steps were not examined: which permissions their programs need is not known"
        )),
    };
    let tested = (count > 0).then(|| tested(plan, access));
    Some(tested.into_iter().chain(unexamined).chain(unknown).collect::<Vec<_>>().join("; "))
}

/// What is known of the permissions that the typed steps need.
fn tested(plan: &Plan, access: &Access) -> String {
    let count = access.needs.len();
    // Of what could not be planned it is not known what it needs.
    let all = if plan.is_complete() { "it needs" } else { "what could be planned needs" };
    match (&access.missing, &access.unknown) {
        (Some(missing), _) if missing.is_empty() => {
            if count == 1 {
                format!("you have the permission that {all}")
            } else {
                format!("you have all {count} permissions that {all}")
            }
        }
        (Some(missing), _) => {
            let missing = missing.iter().map(|name| inert(name)).collect::<Vec<_>>().join(", ");
            format!("you lack what {all}: {missing}")
        }
        (None, Some(why)) => {
            format!("{all} {count} permissions; whether you have them is unknown: {}", inert(why))
        }
        (None, None) => {
            let names = access.needs.iter().map(|need| inert(&need.permission)).collect::<Vec<_>>().join(", ");
            format!("{all} {names}")
        }
    }
}

/// A text as lines of at most so many columns, indented; what does not fit goes on below, indented further. No word is
/// broken.
pub fn folded(text: &str, indent: usize, width: usize) -> Vec<String> {
    let (first, rest) = (" ".repeat(indent), " ".repeat(indent + 4));
    let text = &glued(text);
    let options = textwrap::Options::new(width)
        .initial_indent(&first)
        .subsequent_indent(&rest)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .word_separator(textwrap::WordSeparator::AsciiSpace);
    textwrap::wrap(text, options).into_iter().map(|line| line.replace(GLUE, " ")).collect()
}

/// A blank at which no line is broken.
const GLUE: char = '\u{a0}';
/// Longer words than this are not kept together.
const SHORT: usize = 20;

/// The text, in which a number keeps its `%`, an arrow between two short words both, and the name of a key (`[r]oll back`) its next word.
fn glued(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let is_short =
        |place: usize| words.get(place).is_some_and(|word| !word.is_empty() && word.chars().count() <= SHORT);
    let mut out = String::new();
    for (place, word) in words.iter().enumerate() {
        let before = place.checked_sub(1);
        let names_a_key = |word: &&str| word.starts_with('[') && word.get(2..3) == Some("]") && !word.ends_with(',');
        let is_glued = word.starts_with('%')
            || before.and_then(|before| words.get(before)).is_some_and(names_a_key)
            || *word == "→" && before.is_some_and(is_short) && is_short(place + 1)
            || before.and_then(|before| words.get(before)) == Some(&"→")
                && place.checked_sub(2).is_some_and(is_short)
                && is_short(place);
        if place > 0 {
            out.push(if is_glued { GLUE } else { ' ' });
        }
        out.push_str(word);
    }
    out
}
