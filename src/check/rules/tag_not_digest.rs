//! An image is named by its digest.
//!
//! A tag is a name that somebody else may move: what was tested, what is deployed and what a rollback brings back
//! would be three different things under one name.

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, RunDeploy};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::StepCommand;
use crate::syntax::{Edit, Path};

pub(super) const RULE: Rule = Rule {
    code: "tag-not-digest",
    title: "an image is named by digest, not by tag",
    page: include_str!("../../../docs/checks/tag-not-digest.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::RunDeploy(RunDeploy { image, .. }) = action else { continue };
        let path = argument(&step, "image");
        if image.digest().is_some() || !subject.is_resolved(&path) {
            continue;
        }
        let written = image.as_str();
        let diagnostic = if written.contains('@') {
            let message =
                format!("`{written}` has no proper digest: `@sha256:` and 64 hexadecimal digits, in lower case");
            Diagnostic::error(RULE.code, subject.place(&path), message).edits(in_lower_case(subject, &path))
        } else {
            let message = format!("`{written}` names an image by tag; what a tag means can change at any moment");
            Diagnostic::error(RULE.code, subject.place(&path), message).help(HELP)
        };
        found.push(diagnostic);
    }
    found.extend(subject.commands().iter().filter_map(|command| in_command(subject, command)));
    found
}

/// The digest in lower case, if that is all that is wrong with it.
fn in_lower_case(subject: &Subject<'_>, path: &Path) -> Option<Edit> {
    let place = subject.place(path);
    let text = subject.document.text().get(place.clone())?;
    let start = text.find("@sha256:")? + "@sha256:".len();
    let digest: String = text.get(start..)?.chars().take_while(char::is_ascii_hexdigit).collect();
    let at = place.start + start..place.start + start + digest.len();
    (digest.len() == 64).then(|| Edit { at, text: digest.to_lowercase() })
}

/// An image by tag in a command. It is one that Google takes, so that only a reviewer can object to it.
fn in_command(subject: &Subject<'_>, command: &StepCommand) -> Option<Diagnostic> {
    let deploys = ["run deploy", "run services update", "run jobs update", "run jobs create"];
    let is_deploy = deploys.iter().any(|name| command.line.names(name).is_some());
    let image = command.line.flag("image").filter(|flag| is_deploy && flag.is_literal && !flag.value.contains('@'))?;
    let message = format!("`{}` names an image by tag; what a tag means can change at any moment", image.value);
    let place = subject.command_place(command, &image.place);
    Some(Diagnostic::warning(RULE.code, place, message).help(HELP))
}

/// How to find out the digest.
const HELP: &str = "name it as image@sha256:…; `gcloud artifacts docker images describe IMAGE \
                    --format='value(image_summary.digest)'` tells the digest";
