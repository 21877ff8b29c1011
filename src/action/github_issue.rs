//! `github.issue`: bring the incident's issue up to date.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
    require_one_of,
};
use crate::peer::{Effect, PeerRequest};
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

/// The name under which the token is listed: it is no input.
const TOKEN: &str = "GITHUB_TOKEN";

/// What is done to an issue. What is so already stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubIssue {
    /// Which one; `None`: an input that is not given says it.
    pub issue: Option<IssueRef>,
    /// Labels that it shall have.
    pub add_labels: Vec<String>,
    /// Labels that it shall not have.
    pub remove_labels: Vec<String>,
    /// What the run's status comment begins with; `None`: there is no comment.
    pub comment: Option<String>,
    /// Whether it is closed once everything of `[closure]` holds.
    pub close: bool,
}

impl fmt::Display for GithubIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issue = self.issue.as_ref().map_or_else(|| "an issue".to_owned(), ToString::to_string);
        write!(f, "{issue}:")?;
        let labels = [("add", &self.add_labels), ("remove", &self.remove_labels)];
        let labels = labels.into_iter().filter(|(_, labels)| !labels.is_empty());
        let labels = labels.map(|(what, labels)| format!("{what} {}", labels.join(" and ")));
        let comment =
            self.comment.as_ref().map(|comment| format!("say \u{201c}{comment}\u{201d} with how the run stands"));
        let close = self.close.then(|| "close it if everything holds that must".to_owned());
        let all: Vec<String> = labels.chain(comment).chain(close).collect();
        write!(f, " {}", all.join(", "))
    }
}

impl Declared for GithubIssue {
    const FORMAT: ActionFormat = ActionFormat {
        name: "github.issue",
        outputs: &[],
        with: Table {
            about: "Brings an issue on GitHub up to date, with the token in GITHUB_TOKEN. That it fails never fails a run.",
            keys: &[
                Key::new("issue", ValueType::Text, "The issue's address.")
                    .required()
                    .example("\"${runbook.incident}\""),
                Key::new("add_labels", ValueType::Texts, "Labels to add.").example("[\"mitigated\"]"),
                Key::new("remove_labels", ValueType::Texts, "Labels to remove.").example("[\"ongoing\"]"),
                Key::new(
                    "comment",
                    ValueType::Text,
                    "What the run's one status comment begins with; the run's status follows.",
                )
                .example("\"The connector has grown\"")
                .default("there is no comment"),
                Key::new("close", ValueType::Flag, "Whether to close it once every criterion of `[closure]` holds.")
                    .example("true")
                    .default("it is left open"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<GithubIssue> {
        let address = with.text("issue");
        let add_labels = with.texts("add_labels").unwrap_or_default();
        let remove_labels = with.texts("remove_labels").unwrap_or_default();
        let (comment, close) = (with.text("comment"), with.flag("close").unwrap_or_default());
        require_one_of(with, "issue", &["add_labels", "remove_labels", "comment", "close"]);
        let issue = address?.parse().map_err(|error: NotAnIssue| {
            if with.reader.is_resolved(&with.path.key("issue")) {
                let help = "write it such as https://github.com/OWNER/REPOSITORY/issues/12";
                with.wrong("issue", error.to_string(), help);
            }
        });
        Some(GithubIssue { issue: issue.ok(), add_labels, remove_labels, comment, close })
    }
}

impl StepAction for GithubIssue {
    fn observed_resources(&self, _: &Target) -> Vec<ResourceId> {
        Vec::new()
    }

    fn desired_state(&self, _: &Target) -> Option<(ResourceId, Value)> {
        None
    }

    fn plan(&self, step: &StepContext<'_>, _: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        Ok(vec![TaskDraft { message: Some(self.to_string()), ..step.whole() }])
    }

    /// A comment is not taken back, and need not be.
    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        let host = self.issue.as_ref().map(|issue| match issue.host.as_str() {
            "github.com" => "api.github.com".to_owned(),
            other => other.to_owned(),
        });
        let request = PeerRequest::to(host, "POST", Effect::Writes);
        vec![PeerRequest { secrets: BTreeSet::from([TOKEN.to_owned()]), ..request }]
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }
}

/// An issue on GitHub: `https://github.com/OWNER/REPOSITORY/issues/NUMBER`, or the same on a host of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueRef {
    /// The host of its page.
    pub host: String,
    /// Who owns the repository.
    pub owner: String,
    /// The repository's name.
    pub repository: String,
    /// The issue's number.
    pub number: u64,
}

/// A text is not the address of an issue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of an issue")]
pub struct NotAnIssue(String);

impl FromStr for IssueRef {
    type Err = NotAnIssue;

    fn from_str(text: &str) -> Result<IssueRef, NotAnIssue> {
        let wrong = || NotAnIssue(text.to_owned());
        let rest = text.strip_prefix("https://").ok_or_else(wrong)?;
        let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let [host, owner, repository, "issues", number] = parts.as_slice() else { return Err(wrong()) };
        // These become parts of an address that a token is sent to.
        let plain = |name: &str| {
            let sound = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            !name.is_empty() && name != "." && name != ".." && name.chars().all(sound)
        };
        if ![host, owner, repository].into_iter().all(|name| plain(name)) {
            return Err(wrong());
        }
        let number = number.parse().map_err(|_| wrong())?;
        let [host, owner, repository] = [host, owner, repository].map(|name| (*name).to_owned());
        Ok(IssueRef { host, owner, repository, number })
    }
}

impl fmt::Display for IssueRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.owner, self.repository, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_is_known_by_its_address_and_nothing_else_is_one() {
        let issue: IssueRef = "https://github.com/example/netra/issues/1278".parse().unwrap();
        assert_eq!((issue.to_string().as_str(), issue.host.as_str()), ("example/netra#1278", "github.com"));
        for wrong in [
            "",
            "1278",
            "http://github.com/example/netra/issues/1278",
            "https://github.com/example/netra/pull/1278",
            "https://github.com/example/netra/issues/new",
            "https://github.com/../netra/issues/1",
            "https://user@github.com/example/netra/issues/1",
            "https://github.com/example/netra/issues/1?x=y",
        ] {
            assert!(wrong.parse::<IssueRef>().is_err(), "{wrong}");
        }
    }
}
