//! What `check` says as annotations of a GitHub Actions job: each diagnostic stands at its line in the pull request.
//!
//! The syntax is the runner's own (source: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).
//! A runbook is a stranger's text, so nothing in it may end a command and begin another: line ends and the characters that mean
//! something to the runner are escaped.

use super::diagnostic::{Diagnostic, Severity, in_file, line_and_column, place_in_file};
use crate::inert::inert;
use crate::syntax::Sources;

/// The workflow commands of a file's diagnostics, one a line.
pub(super) fn annotations(name: &str, text: &str, diagnostics: &[Diagnostic]) -> String {
    let sources = Sources::of(text);
    let of_file = |diagnostic: &Diagnostic| {
        let (file, at) = place_in_file(&sources, name, diagnostic.start());
        annotation(&file, text.get(at).unwrap_or_default(), &in_file(&sources, name, text, diagnostic))
    };
    diagnostics.iter().map(of_file).collect()
}

fn annotation(name: &str, text: &str, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = diagnostic.labels.first().filter(|label| label.at != (0..0)).map(|label| {
        let (line, column) = line_and_column(text, label.at.start);
        format!(",line={line},col={column}")
    });
    let help = diagnostic.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let lines = format!("{}{help}", diagnostic.message);
    let lines: Vec<String> = lines.split('\n').map(inert).collect();
    format!(
        "::{level} file={}{},title={}::{}\n",
        property(&inert(name)),
        place.unwrap_or_default(),
        property(diagnostic.code),
        data(&lines.join("\n"))
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_runbook_begins_a_command() {
        let diagnostic = Diagnostic::error("x", 3..4, "a\n::error::b\r100%").help("c\n::stop-commands::d");
        let told = annotations("a,b:c\n.toml", "1\n2\n", &[diagnostic]);
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.starts_with("::error file=a%2Cb%3Ac") && told.contains(",line=2,col=2,title=x::a%0A"), "{told}");
        assert!(!told.contains("100%\n") && told.contains("100%25"), "{told}");
    }
}
