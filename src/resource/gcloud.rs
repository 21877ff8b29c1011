//! A change as commands of `gcloud`: one that reads the resource, and those that change it if it is as expected.
//!
//! The commands set only what the change owns. Where a flag of `gcloud` replaces a whole list (the flags of a database), the
//! script reads the list and puts the rest of it back. Each kind makes its own. Source of the flags: `gcloud` 528, `--help`.

use serde_json::Value;

use super::KINDS;
use super::spec::KindSpec;
use crate::inert::inert;
use crate::run::Change;

/// The commands for a change: one that reads the resource, and those that change it.
#[derive(Clone, Debug)]
pub struct GcloudCommands {
    /// Prints the fields that the change owns.
    pub read: String,
    /// What that prints before the change. Quoted.
    pub before: String,
    /// What that prints after it. Quoted.
    pub after: String,
    /// Makes the change, in a script that begins with [`shell_functions`].
    pub write: Vec<String>,
    /// Makes the change, line by line at a prompt.
    pub alone: Vec<String>,
}

/// The functions that every script uses.
const FUNCTIONS: &str = r#"# Whether $1 is to be changed: it is as expected ($2). If it is already as wanted ($3), it is skipped.
is_to_do() {
  if [ "$4" = "$2" ]; then return 0; fi
  if [ "$4" = "$3" ]; then echo "$1 is already as wanted." >&2; return 1; fi
  printf '%s is not as this script expects: somebody else changed it. Nothing more is done.\n  expected  %s\n  found     %s\n' \
    "$1" "$2" "$4" >&2
  exit 1
}
# Goes on only if $1 is as wanted ($2).
must_be_done() {
  if [ "$3" = "$2" ]; then return 0; fi
  printf '%s is not as what follows needs it. Nothing more is done.\n  needed  %s\n  found   %s\n' "$1" "$2" "$3" >&2
  exit 1
}
"#;

/// The functions that scripts of these commands use: their own, and those of the kinds.
pub fn shell_functions() -> String {
    let of_kinds = KINDS.iter().filter_map(|kind| kind.change.as_ref()).map(|change| change.shell_functions);
    std::iter::once(FUNCTIONS).chain(of_kinds).collect()
}

/// The commands for a change, or why there are none.
///
/// # Errors
/// Why there are none, as a comment for the operator.
pub fn gcloud(change: &Change) -> Result<GcloudCommands, String> {
    match KindSpec::find(&change.resource.kind).and_then(|kind| kind.change.as_ref()) {
        Some(kind) => (kind.gcloud)(change),
        // A step of an operator, or a kind of a version to come.
        None => {
            let done = change.to.get("done").and_then(Value::as_bool);
            let what = if done == Some(false) { "undo" } else { "do" };
            Err(format!("no command is known: {what} it as step {} of the runbook says", inert(&change.resource.name)))
        }
    }
}

/// The flags that say where a resource is.
pub(super) fn place(change: &Change) -> String {
    format!("--region={} --project={}", quoted(&change.resource.region), quoted(&change.resource.project))
}

/// Why there are no commands: something of the change is not in the journal.
pub(super) fn unknown(change: &Change) -> String {
    format!("no command is printed: the journal does not say how {} was before", inert(&change.resource.name))
}

/// A value as `gcloud` prints it.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Quoted for a POSIX shell, and inert on a terminal but for line ends.
pub fn quoted(text: &str) -> String {
    let text: Vec<String> = text.split('\n').map(inert).collect();
    shlex::try_quote(&text.join("\n")).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}
