//! The most instances a connector can have. gcloud does not check it; the server refuses.

use super::{Rule, Subject, steps};
use crate::resource::connector::MAX_INSTANCES;
use crate::runbook::Mistake;
use crate::runbook::model::Action;

pub(super) const RULE: Rule =
    Rule { code: "connector-max-instances", title: "more or fewer instances than a connector can have", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        let Action::ConnectorScale { max_instances: Some(max), .. } = step.action else { continue };
        if MAX_INSTANCES.contains(&max) {
            continue;
        }
        let (least, most) = (MAX_INSTANCES.start(), MAX_INSTANCES.end());
        let at = subject.document.span(&step.place.with("max_instances"));
        let message = format!("max_instances is {max}; a connector takes {least} to {most}");
        let near = max.clamp(*least, *most);
        let more = if max > *most { "; a larger machine_type carries more than more instances would" } else { "" };
        mistakes.push(Mistake::error(RULE.code, at, message).help(format!("use max_instances = {near}{more}")));
    }
}
