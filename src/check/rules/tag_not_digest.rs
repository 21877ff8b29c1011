//! A tag names different code on different days; a digest names this code.

use super::{Rule, Subject, is_open, steps};
use crate::runbook::Mistake;
use crate::runbook::model::Action;

pub(super) const RULE: Rule = Rule { code: "tag-not-digest", title: "an image by tag instead of digest", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        let Action::RunDeploy { image, .. } = &step.action else { continue };
        if is_open(image.as_str()) || image.digest().is_some() {
            continue;
        }
        let at = subject.document.span(&step.place.with("image"));
        let message =
            format!("`{}` is not named by its digest: the same name can be other code tomorrow", image.as_str());
        let help = "write IMAGE@sha256:…; `gcloud artifacts docker images describe` tells the digest";
        mistakes.push(Mistake::error(RULE.code, at, message).help(help));
    }
}
