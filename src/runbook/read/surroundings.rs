//! What stands around the phases: symptom, limits, guards, escalation, closure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{part, read_every};
use crate::action::StepLimits;
use crate::peer::{HostPattern, Hosts};
use crate::runbook::draft::Part;
use crate::runbook::format::{PRIORITY, TRIP};
use crate::runbook::model::{
    BadWindow, Closing, Criterion, DenyWindow, Escalation, Ground, Guard, Limits, Prices, SupportCase, Symptom,
};
use crate::syntax::Path;
use crate::syntax::mistake::{BAD_VALUE, MISSING_KEY, Mistake};
use crate::syntax::{Block, Reader};

/// How often a guard looks.
const EVERY: Duration = Duration::from_secs(10);
/// How many unhealthy samples in a row trip a guard.
const FAILURES: u32 = 3;

pub(super) fn read_symptom(reader: &Reader<'_>, root: &Block<'_, '_>) -> Part<Symptom> {
    part(reader, root.has("symptom"), || {
        let block = root.block("symptom")?;
        let unhealthy = block.texts("unhealthy");
        let max_age = block.positive_duration("max_age");
        if unhealthy.as_ref().is_some_and(Vec::is_empty) {
            block.wrong("unhealthy", "a symptom without probes shows nothing", "name at least one probe");
        }
        block.finish();
        Some(Symptom { unhealthy: unhealthy?, max_age })
    })
}

pub(super) fn read_limits(block: &Block<'_, '_>) -> Limits {
    let limits = Limits {
        projects: block.texts("projects"),
        regions: block.texts("regions"),
        apis: block.texts("apis"),
        step: StepLimits {
            traffic_shift: block.percent("traffic_shift"),
            instances_added: block.count("instances_added", 0),
        },
        services: block.count("services", 0),
        hosts: read_hosts(block),
        deny: read_windows(block),
    };
    block.finish();
    limits
}

pub(super) fn read_prices(block: &Block<'_, '_>) -> Prices {
    let currency = block.literal("currency").unwrap_or_else(|| "USD".to_owned());
    let mut per_hour = BTreeMap::new();
    for (unit, price) in block.values("per_hour").unwrap_or_default() {
        let path = block.path.key("per_hour").key(&unit);
        match price.parse::<f64>() {
            Ok(price) if price.is_finite() && price >= 0.0 => drop(per_hour.insert(unit, price)),
            _ if !block.reader.is_resolved(&path) => {}
            Ok(_) | Err(_) => {
                let message = format!("`{price}` is no price");
                let mistake = Mistake::new(BAD_VALUE, block.reader.document.place(&path), message);
                block
                    .reader
                    .note(mistake.help("write it as a text, such as \"0.134\", or as an input, \"${inputs.price}\""));
            }
        }
    }
    block.finish();
    Prices { currency, per_hour }
}

fn read_windows(block: &Block<'_, '_>) -> Vec<DenyWindow> {
    let read = |text: &String| {
        let noted = |error: BadWindow| {
            let help = "write it such as \"Fri 16:00..Mon 08:00 Europe/Berlin\", \"22:00..06:00 UTC\" or \"2026-12-21..2027-01-06 UTC\"";
            block.wrong("deny", error.to_string(), help);
        };
        text.parse().map_err(noted).ok()
    };
    block.texts("deny").iter().flatten().filter_map(read).collect()
}

fn read_hosts(block: &Block<'_, '_>) -> Option<Hosts> {
    let texts = block.texts("hosts")?;
    let read = |text: &String| text.parse::<HostPattern>();
    let patterns: Result<Vec<_>, _> = texts.iter().map(read).collect();
    match patterns {
        Ok(patterns) => Some(Hosts::new(patterns)),
        Err(error) => {
            block.wrong(
                "hosts",
                error.to_string(),
                "write a name or an address, such as \"api.example.com\", or all below a name, \"*.example.com\"",
            );
            None
        }
    }
}

pub(super) fn read_guards(reader: &Reader<'_>, root: &Block<'_, '_>) -> Vec<Part<Guard>> {
    root.blocks("guard").iter().map(|block| part(reader, true, || read_guard(block.as_ref()?))).collect()
}

fn read_guard(block: &Block<'_, '_>) -> Option<Guard> {
    let probe = block.text("probe");
    let every = read_every(block, EVERY);
    let failures = block.count("failures", 1).unwrap_or(FAILURES);
    let then = block.choice("then", &TRIP).unwrap_or_default();
    block.finish();
    Some(Guard { probe: probe?, every, failures, then })
}

pub(super) fn read_escalation(reader: &Reader<'_>, root: &Block<'_, '_>) -> Part<Escalation> {
    part(reader, root.has("escalation"), || {
        let block = root.block("escalation")?;
        let after = block.positive_duration("after");
        let since = read_since(reader, &block);
        let criteria: Vec<_> = block.blocks("criterion").iter().map(|block| read_criterion(block.as_ref()?)).collect();
        let support_case = block.block("support_case").and_then(|block| read_support_case(&block));
        block.finish();
        Some(Escalation { after: after?, since, criteria: criteria.into_iter().collect::<Option<_>>()?, support_case })
    })
}

fn read_since(reader: &Reader<'_>, block: &Block<'_, '_>) -> Option<Timestamp> {
    let since = block.text("since")?;
    // An input that nobody gave a value says nothing.
    if since.is_empty() || !reader.is_resolved(&Path::root().key("escalation").key("since")) {
        return None;
    }
    let moment = since.parse();
    if moment.is_err() {
        block.wrong("since", format!("`{since}` is not a moment"), "write it such as 2025-09-16T02:53:00Z");
    }
    moment.ok()
}

fn read_criterion(block: &Block<'_, '_>) -> Option<Criterion> {
    let name = block.text("name");
    let (go_on, escalate) = (block.condition("continue"), block.condition("escalate_now"));
    block.finish();
    let ground = match (block.has("continue"), block.has("escalate_now")) {
        (true, false) => go_on.map(Ground::Continue),
        (false, true) => escalate.map(Ground::EscalateNow),
        (both, _) => {
            let (code, message) = if both {
                (BAD_VALUE, "a criterion says one thing: `continue` or `escalate_now`, not both")
            } else {
                (MISSING_KEY, "a criterion says `continue` or `escalate_now`")
            };
            let mistake = Mistake::new(code, block.at.clone(), message);
            block.reader.note(mistake.help("write it such as continue = 'probes.backend.healthy'"));
            None
        }
    };
    Some(Criterion { name: name?, ground: ground? })
}

fn read_support_case(block: &Block<'_, '_>) -> Option<SupportCase> {
    let display_name = block.text("display_name");
    let priority = block.choice("priority", &PRIORITY).unwrap_or_default();
    let description = block.text("description");
    block.finish();
    Some(SupportCase { display_name: display_name?, priority, description })
}

pub(super) fn read_closure(reader: &Reader<'_>, root: &Block<'_, '_>) -> Part<Vec<Closing>> {
    part(reader, root.has("closure"), || {
        let block = root.block("closure")?;
        let read: Vec<_> = block.blocks("criterion").iter().map(|block| read_closing(block.as_ref()?)).collect();
        block.finish();
        read.into_iter().collect()
    })
}

fn read_closing(block: &Block<'_, '_>) -> Option<Closing> {
    let (name, condition) = (block.text("name"), block.condition("condition"));
    block.finish();
    Some(Closing { name: name?, condition: condition? })
}
