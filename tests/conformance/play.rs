//! Each typed action once, on resources that are made for it and deleted again, at Google or at a simulated cloud; and how the
//! answers of two clouds differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

/// Where it is played.
pub struct Stage {
    pub project: String,
    pub region: String,
    /// What every resource's name begins with.
    pub name: String,
    /// An image by its digest, for the deployment.
    pub image: String,
    /// A range that is free in the network `default`, for the connector.
    pub range: String,
    pub cloud: CloudUnderTest,
}

/// Who answers.
pub enum CloudUnderTest {
    /// Google, with this token.
    Google { token: String },
    /// A simulated cloud at this address.
    Simulated { url: String },
}

/// An answer, and what was asked.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub what: String,
    pub status: u16,
    pub body: Value,
}

/// What came of it.
pub struct Played {
    pub exchanges: Vec<Exchange>,
    /// Why it was not played to its end.
    pub trouble: Option<String>,
    /// What could not be deleted, and why.
    pub left: Vec<String>,
}

/// The image that a new service begins with: Google's own sample.
const SAMPLE: &str = "us-docker.pkg.dev/cloudrun/container/hello";

/// How often an operation is asked about before it is given up, and how long it takes from one time to the next.
const POLLS: usize = 360;
const PAUSE: Duration = Duration::from_secs(5);

/// One of the resources: its API, its path, and how it is made.
struct Resource {
    what: &'static str,
    host: &'static str,
    path: String,
    create: (String, Value),
}

impl Stage {
    fn resources(&self) -> [Resource; 3] {
        let Stage { project, region, name, range, .. } = self;
        let place = format!("projects/{project}/locations/{region}");
        let connector = json!({ "network": "default", "ipCidrRange": range, "minInstances": 2, "maxInstances": 3,
            "machineType": "e2-micro" });
        let service = json!({ "template": { "containers": [{ "image": SAMPLE }] } });
        let settings = json!({ "tier": "db-f1-micro", "edition": "ENTERPRISE" });
        let database =
            json!({ "name": name, "databaseVersion": "POSTGRES_15", "region": region, "settings": settings });
        let instances = format!("/v1/projects/{project}/instances");
        [
            Resource {
                what: "connector",
                host: "vpcaccess",
                path: format!("/v1/{place}/connectors/{name}"),
                create: (format!("/v1/{place}/connectors?connectorId={name}"), connector),
            },
            Resource {
                what: "service",
                host: "run",
                path: format!("/v2/{place}/services/{name}"),
                create: (format!("/v2/{place}/services?serviceId={name}"), service),
            },
            Resource {
                what: "database",
                host: "sqladmin",
                path: format!("{instances}/{name}"),
                create: (instances, database),
            },
        ]
    }

    /// How to delete what is left if this process is killed.
    pub fn by_hand(&self) -> String {
        let Stage { project, region, name, .. } = self;
        let at = format!("--project={project} --region={region} --quiet");
        format!(
            "gcloud run services delete {name} {at}\n\
             gcloud compute networks vpc-access connectors delete {name} {at}\n\
             gcloud sql instances delete {name} --project={project} --quiet\n"
        )
    }

    fn runbook(&self, revision: &str) -> String {
        let Stage { project, region, name, image, .. } = self;
        let steps = [
            (
                "grow",
                "gcp.connector.scale",
                format!("connector = \"{name}\", min_instances = 2, max_instances = 4"),
                "irreversible = true\n",
            ),
            ("deploy", "gcp.run.deploy", format!("service = \"{name}\", image = \"{image}\""), ""),
            ("configure", "gcp.run.configure", format!("service = \"{name}\", env = {{ LOG_LEVEL = \"debug\" }}"), ""),
            ("traffic", "gcp.run.traffic", format!("service = \"{name}\", to = {{ {revision} = 100 }}"), ""),
            ("bounds", "gcp.run.scale", format!("service = \"{name}\", max_instances = 2"), ""),
            (
                "flag",
                "gcp.sql.patch",
                format!("instance = \"{name}\", flags = {{ log_min_duration_statement = \"500\" }}"),
                "",
            ),
        ];
        let mut text = format!(
            "[runbook]\nname = \"conformance\"\ntitle = \"Each typed action once\"\nowners = [\"conformance\"]\non_failure = \"stop\"\n\n\
             [target]\nproject = \"{project}\"\nregion = \"{region}\"\n\n\
             [limits]\nprojects = [\"{project}\"]\nservices = 1\n\n\
             [[phase]]\nname = \"all\"\ntitle = \"All\"\nbudget = \"2h\"\n"
        );
        for (step, uses, with, more) in steps {
            let _ = write!(text, "\n[[phase.step]]\nname = \"{step}\"\nuses = \"{uses}\"\nwith = {{ {with} }}\n{more}");
        }
        text
    }
}

/// Plays it, and deletes in the end what was made, whatever came of it.
pub fn play(stage: &Stage, folder: &Path) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut player = Player { stage, http, runtime, exchanges: Vec::new() };
    let trouble = player.act(folder).err();
    let left = player.delete();
    Played { exchanges: player.exchanges, trouble, left }
}

struct Player<'s> {
    stage: &'s Stage,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    exchanges: Vec<Exchange>,
}

impl Player<'_> {
    fn act(&mut self, folder: &Path) -> Result<(), String> {
        for resource in self.stage.resources() {
            let (path, body) = &resource.create;
            let begun =
                self.call(&format!("create {}", resource.what), "POST", resource.host, path, Some(body.clone()))?;
            self.wait(&resource, &begun)?;
            self.call(&format!("new {}", resource.what), "GET", resource.host, &resource.path, None)?;
        }
        let service = self.exchanges.iter().rev().find(|exchange| exchange.what == "new service");
        let revision = service.and_then(|service| service.body["latestReadyRevision"].as_str()?.rsplit('/').next());
        let runbook = self.stage.runbook(revision.ok_or("the new service has no revision that is ready")?);
        let file = folder.join("conformance.toml");
        std::fs::write(&file, runbook).map_err(|error| error.to_string())?;
        self.run(&file, folder)?;
        for resource in self.stage.resources() {
            self.call(&format!("changed {}", resource.what), "GET", resource.host, &resource.path, None)?;
        }
        Ok(())
    }

    /// Carries the runbook out with the program itself.
    fn run(&self, file: &Path, folder: &Path) -> Result<(), String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rectify"));
        command.arg("run").arg(file).args(["--yes", "--acknowledge", "grow", "--state"]).arg(folder.join("state"));
        if let CloudUnderTest::Simulated { url } = &self.stage.cloud {
            command.args(["--sim", url]);
        }
        let done = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        // Its tokens are its own affair: it shows none.
        if done.status.success() { Ok(()) } else { Err(format!("the run ended with {}:\n{said}", done.status)) }
    }

    /// Deletes all that there is, and says what could not be.
    fn delete(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        for resource in self.stage.resources() {
            let what = format!("delete {}", resource.what);
            let deleted = self.call(&what, "DELETE", resource.host, &resource.path, None);
            let gone = deleted.and_then(|begun| self.wait(&resource, &begun));
            let _ = self.call(&format!("gone {}", resource.what), "GET", resource.host, &resource.path, None);
            let is_gone = self.exchanges.last().is_some_and(|exchange| exchange.status == 404);
            if !is_gone {
                left.push(format!(
                    "{}: {}",
                    resource.path,
                    gone.err().unwrap_or_else(|| "it is still there".to_owned())
                ));
            }
        }
        left
    }

    /// Sends a request, and keeps its answer; an error is a refusal, or no answer.
    fn call(&mut self, what: &str, method: &str, api: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let Exchange { status, body, .. } = self.send(what, method, api, path, body)?;
        self.exchanges.push(Exchange { what: what.to_owned(), status, body: body.clone() });
        if status < 300 { Ok(body) } else { Err(format!("{what}: {method} {path} was answered {status}: {body}")) }
    }

    fn send(&self, what: &str, method: &str, api: &str, path: &str, body: Option<Value>) -> Result<Exchange, String> {
        let failed = |error: reqwest::Error| format!("{what}: {}", error.without_url());
        let (base, token) = match &self.stage.cloud {
            CloudUnderTest::Google { token } => (format!("https://{api}.googleapis.com"), Some(token)),
            CloudUnderTest::Simulated { url } => (url.clone(), None),
        };
        let method = method.parse().map_err(|_| format!("{what}: no method"))?;
        let mut request = self.http.request(method, format!("{base}{path}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.map_err(failed)?;
            let status = answer.status().as_u16();
            let text = answer.text().await.map_err(failed)?;
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            Ok(Exchange { what: what.to_owned(), status, body })
        })
    }

    /// Waits for the operation that an answer begins.
    fn wait(&self, resource: &Resource, begun: &Value) -> Result<(), String> {
        let name = begun["name"].as_str().ok_or("an operation has no name")?;
        let path = match resource.host {
            "sqladmin" => format!("/v1/projects/{}/operations/{name}", self.stage.project),
            "run" => format!("/v2/{name}"),
            _ => format!("/v1/{name}"),
        };
        for _ in 0..POLLS {
            let Exchange { body, .. } = self.send("operation", "GET", resource.host, &path, None)?;
            if let Some(error) = body.get("error") {
                return Err(format!("the {}'s operation failed: {error}", resource.what));
            }
            if body["done"] == json!(true) || body["status"] == "DONE" {
                return Ok(());
            }
            self.pause()?;
        }
        Err(format!("the {}'s operation does not end", resource.what))
    }

    /// Lets time pass: Google's, or the simulated cloud's.
    fn pause(&self) -> Result<(), String> {
        match &self.stage.cloud {
            CloudUnderTest::Google { .. } => {
                std::thread::sleep(PAUSE);
                Ok(())
            }
            CloudUnderTest::Simulated { .. } => {
                let by = json!({ "advance": "10s" });
                self.send("clock", "POST", "", "/_sim/clock", Some(by)).map(drop)
            }
        }
    }
}

/// How the answers of a cloud differ from those of the simulated one: per question, a line for each field.
pub fn differences(real: &[Exchange], simulated: &[Exchange]) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for exchange in real {
        let Some(other) = simulated.iter().find(|other| other.what == exchange.what) else { continue };
        if exchange.status != other.status {
            // The fields of a refusal and of an answer have nothing in common.
            let line = format!("status: {}, simulated {}", exchange.status, other.status);
            all.insert(exchange.what.clone(), vec![line]);
            continue;
        }
        let mut lines = Vec::new();
        let (real, simulated) = (shape(&exchange.body), shape(&other.body));
        let paths: BTreeSet<&String> = real.keys().chain(simulated.keys()).collect();
        for path in paths {
            match (real.get(path), simulated.get(path)) {
                (Some(one), None) => lines.push(format!("`{path}`: {one}, not simulated")),
                (None, Some(other)) => lines.push(format!("`{path}`: not there, simulated {other}")),
                (Some(one), Some(other)) if one != other => lines.push(format!("`{path}`: {one}, simulated {other}")),
                _ => {}
            }
        }
        if !lines.is_empty() {
            all.insert(exchange.what.clone(), lines);
        }
    }
    all
}

/// The fields of a message by their paths, and of what type they are. Of texts only words such as `READY` are shown, and none that
/// somebody chose: a name and a value may be in capitals too, and the keys of labels are names.
fn shape(body: &Value) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
        let is_free = ["abels", "nnotations"].iter().any(|free| path.ends_with(free));
        let is_chosen = ["name", "value"].iter().any(|field| path.ends_with(&format!(".{field}")));
        let kind = match value {
            Value::Object(fields) if !fields.is_empty() && !is_free => {
                return fields.iter().for_each(|(field, value)| walk(&format!("{path}.{field}"), value, into));
            }
            Value::Array(all) if !all.is_empty() => {
                return all.iter().for_each(|one| walk(&format!("{path}[]"), one, into));
            }
            Value::Object(_) => "a message".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::String(text) if is_word(text) && !is_chosen => text.clone(),
            Value::String(_) => "a text".to_owned(),
            Value::Number(_) => "a number".to_owned(),
            Value::Bool(_) => "a truth value".to_owned(),
            Value::Null => "null".to_owned(),
        };
        into.entry(path.trim_start_matches('.').to_owned()).or_insert(kind);
    }
    let mut into = BTreeMap::new();
    walk("", body, &mut into);
    into
}

fn is_word(text: &str) -> bool {
    text.len() > 2 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// A report for an issue: it has no names, no values and no texts, but for words such as `READY`.
pub fn report(differences: &BTreeMap<String, Vec<String>>) -> String {
    if differences.is_empty() {
        return "Every answer had the fields, the types and the words that the simulated cloud's has.\n".to_owned();
    }
    let mut text = "What Google answered, and the simulated cloud otherwise:\n".to_owned();
    for (what, lines) in differences {
        let _ = write!(text, "\n## {what}\n\n");
        for line in lines {
            let _ = writeln!(text, "- {line}");
        }
    }
    text
}

/// The world in which the same is played for comparison.
pub fn scenario(project: &str, region: &str) -> String {
    format!(
        "[cloud]\nproject = \"{project}\"\nproject_number = \"100000000001\"\nregion = \"{region}\"\nstart = \"2026-01-01T00:00:00Z\"\n\n\
         [connections_per_instance]\ne2-micro = 100\n"
    )
}
