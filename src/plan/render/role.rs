//! A role of IAM as `gcloud iam roles create --file` takes it, with the commands that create and grant it as comments.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::inert::{inert, shell_word};
use crate::plan::role::{Duty, RoleNeeds};

/// What a role is for.
#[derive(Clone, Copy, Debug)]
pub struct RoleSubject<'a> {
    /// The runbook's name.
    pub runbook: &'a str,
    /// What its holder is to be allowed.
    pub duty: Duty,
    /// The project that it is for.
    pub project: &'a str,
    /// What is not in it, and why, a line each.
    pub gaps: &'a [String],
}

/// A role as YAML.
pub fn role_yaml(subject: RoleSubject<'_>, needs: &RoleNeeds) -> String {
    let RoleSubject { runbook, duty, project, gaps } = subject;
    let verb = duty.verb();
    let name: String =
        runbook.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).take(40).collect();
    let id = format!("rectify_{verb}_{name}");
    let word = shell_word(project);
    let mut out = String::new();
    let mut comment = |line: &str| {
        let _ = if line.is_empty() { writeln!(out, "#") } else { writeln!(out, "# {}", inert(line)) };
    };
    comment(&format!("The least role to {verb} {runbook} in {project}. Create it from this file, and grant it:"));
    comment("");
    comment(&format!("  gcloud iam roles create {id} --project={word} --file=THIS_FILE"));
    comment(&format!(
        "  gcloud projects add-iam-policy-binding {word} --member=MEMBER --role=projects/{project}/roles/{id}"
    ));
    comment("");
    comment(
        "MEMBER is such as user:jo@example.com, group:sre@example.com or serviceAccount:NAME@PROJECT.iam.gserviceaccount.com.",
    );
    let apis: Vec<String> = needs.apis().into_iter().collect();
    comment("The APIs must be enabled:");
    comment("");
    comment(&format!("  gcloud services enable {} --project={word}", apis.join(" ")));
    for service in &needs.acts_for {
        let (name, region) = (shell_word(&service.name), shell_word(&service.region));
        comment("");
        comment(&format!(
            "A new revision of {} runs as its service account, and whoever makes one must be allowed to act as that account:",
            service.name
        ));
        comment("");
        comment(&format!(
            "  gcloud run services describe {name} --region={region} --project={word} --format='value(spec.template.spec.serviceAccountName)'"
        ));
        comment(&format!(
            "  gcloud iam service-accounts add-iam-policy-binding ACCOUNT --project={word} --member=MEMBER --role=roles/iam.serviceAccountUser"
        ));
    }
    for gap in gaps {
        comment("");
        comment(gap);
    }
    let text = |text: String| Value::from(text).to_string();
    let title: String = format!("Rectify: {verb} {}", inert(runbook)).chars().take(100).collect();
    let _ = writeln!(out, "title: {}", text(title));
    let _ =
        writeln!(out, "description: {}", text(format!("What rectify needs to {verb} the runbook {}.", inert(runbook))));
    let _ = writeln!(out, "stage: GA\nincludedPermissions:");
    for permission in &needs.permissions {
        let _ = writeln!(out, "- {permission}");
    }
    if !needs.conventional.is_empty() {
        let types = needs.conventional.keys().cloned().collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "# Google publishes no list of what the methods of {types} take. By convention it is:");
    }
    let guesses: BTreeSet<&String> = needs.conventional.values().flatten().collect();
    for permission in guesses {
        let _ = writeln!(out, "- {permission}");
    }
    out
}
