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
    let line = &command.line;
    let (_, flag) = DEPLOYING.iter().find(|(deploys, _)| line.names(deploys).is_some())?;
    // `container=image`, or `container=image,other=image`.
    let named = |text: &str| text.split_once('=').map_or_else(|| text.to_owned(), |(_, image)| image.to_owned());
    let (written, is_literal, place) = match flag {
        Some(flag) => line.flag(flag).map(|flag| (flag.value.clone(), flag.is_literal, &flag.place))?,
        None => line
            .words()
            .iter()
            .find(|word| word.text.contains('='))
            .map(|word| (word.text.clone(), word.is_literal, &word.place))?,
    };
    let image = if line.names("run").is_some() { written } else { named(&written) };
    // Nothing is left of a name of which a part is set to nothing.
    let is_broken = image.contains("//") || image.starts_with('/');
    let says_tag = !image.contains('@') && (is_literal || literal_tag(&image));
    if is_broken || !says_tag {
        return None;
    }
    let message = format!("`{image}` names an image by tag; what a tag means can change at any moment");
    Some(Diagnostic::warning(RULE.code, subject.command_place(command, place), message).help(HELP))
}

/// The commands that deploy an image, and the flag that names it; of `kubectl` it is a word.
const DEPLOYING: [(&str, Option<&str>); 10] = [
    ("run deploy", Some("image")),
    ("run services update", Some("image")),
    ("run jobs update", Some("image")),
    ("run jobs create", Some("image")),
    ("run jobs deploy", Some("image")),
    ("run worker-pools deploy", Some("image")),
    ("run worker-pools update", Some("image")),
    ("deploy releases create", Some("images")),
    ("app deploy", Some("image-url")),
    ("set image", None),
];

/// Whether an image of which a part is in a variable has a tag that is not.
fn literal_tag(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    last.rsplit_once(':').is_some_and(|(_, tag)| !tag.is_empty() && !tag.contains(['$', '}', '`', ')']))
}

/// How to find out the digest.
const HELP: &str = "name it as image@sha256:…; `gcloud artifacts docker images describe IMAGE \
                    --format='value(image_summary.digest)'` tells the digest";
