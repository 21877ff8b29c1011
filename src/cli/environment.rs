//! Variables of the environment that several commands go by, and what of it a runbook may see.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Args;
use secrecy::SecretString;

use crate::external::Github;
use crate::redact;
use crate::syntax::{Environment, Exposure, INPUT_PREFIX};

/// What inputs may take from the environment. Nothing else of it reaches a runbook.
#[derive(Args)]
pub(super) struct EnvFlags {
    /// Let inputs take this variable of the environment; may be given several times. RECTIFY_INPUT_<INPUT> needs no flag
    #[arg(long, value_name = "NAME")]
    pub(super) env: Vec<String>,
}

impl EnvFlags {
    /// The variables that are named, and these.
    pub(super) fn and(&self, others: &BTreeSet<String>) -> BTreeSet<String> {
        self.env.iter().chain(others).cloned().collect()
    }
}

/// The part of the environment that a runbook may see.
#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
pub(super) fn visible(named: &BTreeSet<String>, exposure: Exposure) -> Environment {
    let named = named.iter().map(|name| (name.clone(), std::env::var(name).ok().map(SecretString::from)));
    let by_input: BTreeMap<String, SecretString> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(INPUT_PREFIX))
        .filter_map(|(name, value)| Some((name, SecretString::from(value.into_string().ok()?))))
        .collect();
    Environment { named: named.collect(), by_input, exposure }
}

/// A variable that is set to something.
#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
pub(super) fn named(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variables of this environment that `gcloud`, `kubectl` and `terraform` go by.
pub(super) fn settings_of_tools() -> BTreeSet<String> {
    const OTHERS: [&str; 4] =
        ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT", "KUBECONFIG"];
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("CLOUDSDK_") || OTHERS.contains(&name.as_str())).collect()
}

/// Whether a program can be started: by its path, or by its name in one of the folders of `PATH`.
#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
pub(super) fn can_start(program: &str) -> bool {
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|about| about.is_file())
            && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if program.contains('/') {
        return is_program(Path::new(program));
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| is_program(&folder.join(program)))
}

/// How GitHub is reached: the names are those of its own tools.
pub(super) fn github() -> Github {
    let token = named("GITHUB_TOKEN").or_else(|| named("GH_TOKEN"));
    Github::new(named("GITHUB_API_URL"), token.map(|token| redact::captured("GITHUB_TOKEN", token)))
}
