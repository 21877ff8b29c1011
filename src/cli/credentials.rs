//! Whether there are credentials for Google, told without waiting.
//!
//! The client library takes application-default credentials from a file, and where there is none it asks the metadata server of
//! Google's machines until its retries are used up. Elsewhere no such server answers, and whoever asks at 3 a.m. whether
//! everything is there does not want to wait for that.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::named;

/// How long the metadata server may take: it is on the same machine.
const WITHIN: Duration = Duration::from_millis(1500);

/// The header by which the metadata server is told from whatever else answers (source: Google's documentation of the metadata
/// server).
const FLAVOR: (&str, &str) = ("Metadata-Flavor", "Google");

/// Why there are no credentials; `None` if there are some, which may still be no good.
///
/// Source of the places: Google's documentation of application-default credentials, and `google-cloud-auth`.
pub(super) async fn absent() -> Option<String> {
    if let Some(path) = named("GOOGLE_APPLICATION_CREDENTIALS") {
        let missing = !Path::new(&path).is_file();
        return missing.then(|| format!("GOOGLE_APPLICATION_CREDENTIALS names {path}, which is no file"));
    }
    let own = named("HOME").map(|home| PathBuf::from(home).join(".config/gcloud/application_default_credentials.json"));
    if own.is_some_and(|path| path.is_file()) || is_on_google().await {
        return None;
    }
    Some("there are no application-default credentials, and no metadata server answers".to_owned())
}

/// Whether the metadata server of one of Google's machines answers.
async fn is_on_google() -> bool {
    let host = named("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".to_owned());
    let client = reqwest::Client::builder().timeout(WITHIN).redirect(reqwest::redirect::Policy::none()).no_proxy();
    let Ok(client) = client.build() else { return false };
    let answer = client.get(format!("http://{host}/")).header(FLAVOR.0, FLAVOR.1).send().await;
    answer.is_ok_and(|answer| answer.headers().get(FLAVOR.0).is_some_and(|flavor| flavor == FLAVOR.1))
}
