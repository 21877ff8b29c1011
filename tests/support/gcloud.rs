//! The real `gcloud`, pointed at a simulated cloud and at nothing else.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Desk, Served};

/// A `gcloud` of its own configuration.
pub struct Gcloud {
    served: Served,
    config: TempDir,
    project: &'static str,
}

/// What it did.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Gcloud {
    /// For the incident's project; `None`, said aloud, if there is no `gcloud` here.
    pub fn open(desk: &Desk, scenario: &str) -> Option<Gcloud> {
        Gcloud::open_for(desk, scenario, "netra-staging")
    }

    /// For the project of another scenario.
    pub fn open_for(desk: &Desk, scenario: &str, project: &'static str) -> Option<Gcloud> {
        if !Gcloud::is_there() {
            return None;
        }
        let config = tempfile::tempdir().unwrap();
        std::fs::write(config.path().join("token"), "sim-token").unwrap();
        Some(Gcloud { served: Served::start(desk, scenario, "60"), config, project })
    }

    /// Whether there is a `gcloud` here; said aloud if there is none.
    pub fn is_there() -> bool {
        let found = Command::new("gcloud").arg("--version").output().is_ok_and(|output| output.status.success());
        if !found {
            say("left out: there is no gcloud here");
        }
        found
    }

    /// Where its simulated cloud is.
    pub fn url(&self) -> &str {
        &self.served.url
    }

    pub fn run(&self, command: &str) -> Ended {
        let mut gcloud = Command::new("gcloud");
        gcloud.args(command.split(' ')).arg(format!("--project={}", self.project));
        self.end(gcloud)
    }

    /// Runs a script for `bash` in which `gcloud` is this one.
    pub fn script(&self, script: &str) -> Ended {
        let mut bash = Command::new("bash");
        bash.args(["-c", script]);
        self.end(bash)
    }

    fn end(&self, mut gcloud: Command) -> Ended {
        let port = self.served.url.rsplit(':').next().unwrap();
        gcloud.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("HOME", self.config.path());
        gcloud.env("CLOUDSDK_CONFIG", self.config.path());
        gcloud.env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", self.config.path().join("token"));
        for (name, value) in [
            ("CORE_ACCOUNT", "ops@example.com"),
            ("CORE_DISABLE_PROMPTS", "1"),
            ("CORE_DISABLE_USAGE_REPORTING", "true"),
            ("COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "true"),
            ("CORE_DISABLE_FILE_LOGGING", "true"),
            ("SURVEY_DISABLE_PROMPTS", "true"),
            // Both keep it from asking for a metadata server.
            ("METRICS_ENVIRONMENT", "sim"),
            ("CORE_CHECK_GCE_METADATA", "false"),
            // `gcloud run` puts the region before the host, whatever it is: it needs a name that only the
            // simulated cloud, as a proxy, ever sees.
            ("API_ENDPOINT_OVERRIDES_RUN", "http://run.sim/"),
            ("PROXY_TYPE", "http"),
            ("PROXY_ADDRESS", "127.0.0.1"),
            ("PROXY_PORT", port),
        ] {
            gcloud.env(format!("CLOUDSDK_{name}"), value);
        }
        for api in ["VPCACCESS", "SQL", "LOGGING", "SERVICEUSAGE", "CLOUDRESOURCEMANAGER", "IAM"] {
            gcloud.env(format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"), format!("{}/", self.served.url));
        }
        // APIs whose paths collide with others' have their hosts in them, and some a path of their own.
        for (api, service, path) in [
            ("ARTIFACTREGISTRY", "artifactregistry", ""),
            ("CLOUDKMS", "cloudkms", ""),
            ("CLOUDSCHEDULER", "cloudscheduler", ""),
            ("CLOUDTASKS", "cloudtasks", ""),
            ("COMPUTE", "compute", "compute/v1/"),
            ("DNS", "dns", "dns/v1/"),
            ("FILE", "file", ""),
            ("PUBSUB", "pubsub", ""),
            ("REDIS", "redis", ""),
            ("SECRETMANAGER", "secretmanager", ""),
            ("STORAGE", "storage", "storage/v1/"),
        ] {
            let url = format!("{}/apis/{service}.googleapis.com/{path}", self.served.url);
            gcloud.env(format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"), url);
        }
        let output = gcloud.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// What a command that must succeed prints, as JSON.
    pub fn json(&self, command: &str) -> Value {
        let ended = self.run(&format!("{command} --format=json"));
        assert_eq!(ended.code, 0, "gcloud {command}\n{}{}", ended.stdout, ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
    }
}

#[expect(clippy::print_stderr, reason = "what a test leaves out must be seen")]
pub fn say(text: &str) {
    eprintln!("{text}");
}
