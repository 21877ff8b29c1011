//! `gcp.run.configure`: change how a Cloud Run service is configured, or make a new revision of it and nothing else.
//!
//! Every change of this sort makes a new revision, which is rolled out as a deploy's is. What a step names is all that its change
//! owns: one variable and not the list of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::rollout::{CANDIDATE, HOLD, HOSTS, NewTemplate, Rollout, SERVICE, SHIFT};
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
    require_one_of,
};
use crate::catalog::is_digest;
use crate::peer::PeerRequest;
use crate::resource::Observable as _;
use crate::resource::service::{self, Service};
use crate::resource::template::{self, Template, secret, shown};
use crate::run::{ResourceId, Target, covers};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType, words};

/// `gcp.run.configure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunConfigure {
    /// How traffic reaches the new revision.
    pub rollout: Rollout,
    /// What the new revision is like.
    pub configuration: Configuration,
}

/// What a new revision is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// As the template is.
    Unchanged,
    /// With other settings.
    Changed(Settings),
}

/// Settings of a template. What is `None` or not named stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Variables with the values to set, by name.
    pub env: Vec<(String, String)>,
    /// Variables to remove.
    pub unset_env: Vec<String>,
    /// Variables that are read from Secret Manager, each with `NAME:VERSION` of the secret.
    pub secrets: Vec<(String, String)>,
    /// The other fields, in the form of the template's state.
    pub fields: Vec<(&'static str, Value)>,
}

const ENV: Key = Key::new("env", ValueType::Values, "Environment variables to set; the others stay as they are.")
    .example("{ LOG_LEVEL = \"debug\" }");
const UNSET_ENV: Key =
    Key::new("unset_env", ValueType::Texts, "Environment variables to remove.").example("[\"FEATURE_X\"]");
const SECRETS: Key = Key::new(
    "secrets",
    ValueType::Values,
    "Environment variables that are read from Secret Manager: `SECRET:VERSION` each.",
)
.example("{ DB_PASSWORD = \"db-password:3\" }");
const MEMORY: Key = Key::new("memory", ValueType::Text, "Memory of an instance.").example("\"1Gi\"");
const CPU: Key = Key::new("cpu", ValueType::Text, "Processors of an instance.").example("\"2\"");
const CONCURRENCY: Key =
    Key::new("concurrency", ValueType::Integer, "How many requests an instance takes at once.").example("40");
const TIMEOUT: Key =
    Key::new("timeout", ValueType::Duration, "How long a request may take, at most an hour.").example("\"10m\"");
const MIN_INSTANCES: Key = Key::new(
    "min_instances",
    ValueType::Integer,
    "Fewest instances of the revision. Those of the whole service are gcp.run.scale's.",
)
.example("1");
const MAX_INSTANCES: Key = Key::new(
    "max_instances",
    ValueType::Integer,
    "Most instances of the revision. `gcloud run deploy --max-instances` sets this one.",
)
.example("10");
const CONNECTOR: Key = Key::new(
    "connector",
    ValueType::Text,
    "The connector that leads into the VPC network, by its short name, in place of direct egress.",
)
.example("\"staging-connector\"");
const NETWORK: Key =
    Key::new("network", ValueType::Text, "The VPC network that instances reach directly, in place of a connector.")
        .example("\"default\"");
const SUBNET: Key =
    Key::new("subnet", ValueType::Text, "The subnet in which instances have addresses then.").example("\"apps\"");
const EGRESS: Key =
    Key::new("egress", ValueType::Choice(&words(&EGRESSES)), "Which requests of an instance go through the network.")
        .example("\"private-ranges-only\"");
const SERVICE_ACCOUNT: Key =
    Key::new("service_account", ValueType::Text, "The account as which instances run, by its e-mail address.")
        .example("\"orders@shop-staging.iam.gserviceaccount.com\"");
const RESTART: Key = Key::new(
    "restart",
    ValueType::Flag,
    "A new revision and nothing else: instances start anew and read secrets anew.",
)
.example("true");

/// The keys that change something, of which one must be there.
const CHANGING: [&str; 15] = [
    "restart",
    "env",
    "unset_env",
    "secrets",
    "memory",
    "cpu",
    "concurrency",
    "timeout",
    "min_instances",
    "max_instances",
    "connector",
    "network",
    "subnet",
    "egress",
    "service_account",
];

impl Declared for RunConfigure {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.run.configure",
        outputs: &["revision"],
        with: Table {
            about: "Changes the configuration of a Cloud Run service, or restarts it, in a new revision.",
            keys: &[
                SERVICE.required(),
                ENV,
                UNSET_ENV,
                SECRETS,
                MEMORY,
                CPU,
                CONCURRENCY,
                TIMEOUT,
                MIN_INSTANCES,
                MAX_INSTANCES,
                CONNECTOR,
                NETWORK,
                SUBNET,
                EGRESS,
                SERVICE_ACCOUNT,
                RESTART,
                CANDIDATE,
                HOSTS,
                SHIFT,
                HOLD,
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<RunConfigure> {
        let rollout = Rollout::read(with);
        require_one_of(with, "service", &CHANGING);
        let settings = read_settings(with);
        let restart = with.flag("restart");
        let others: Vec<&str> = CHANGING.into_iter().filter(|key| *key != "restart" && with.has(key)).collect();
        let configuration = match restart {
            Some(true) if !others.is_empty() => {
                let message =
                    format!("`restart` is a new revision and nothing else, and {} would change it", others.join(", "));
                with.wrong(
                    "restart",
                    message,
                    "take `restart` out: any change of the configuration makes a new revision",
                );
                Configuration::Changed(settings?)
            }
            Some(false) if others.is_empty() => {
                with.wrong("restart", "this changes nothing about the service", "write restart = true");
                return None;
            }
            Some(true) => Configuration::Unchanged,
            Some(false) | None => Configuration::Changed(settings?),
        };
        Some(RunConfigure { rollout: rollout?, configuration })
    }
}

fn read_settings(with: &Block<'_, '_>) -> Option<Settings> {
    let variables = |key| if with.has(key) { with.variables(key) } else { Some(BTreeMap::new()) };
    let (env, secrets) = (variables("env"), variables("secrets"));
    let unset_env = with.texts("unset_env").unwrap_or_default();
    let mut fields = Vec::new();
    let mut text = |key: &'static str, value: Option<String>| {
        fields.extend(value.filter(|value| !value.is_empty()).map(|value| (key, json!(value))));
    };
    text("memory", with.text("memory"));
    text("cpu", with.text("cpu"));
    text("connector", with.text("connector"));
    text("network", with.text("network"));
    text("subnet", with.text("subnet"));
    text("egress", with.choice("egress", &EGRESSES).map(str::to_owned));
    text("service_account", with.text("service_account"));
    text("timeout", read_timeout(with).map(|timeout| format!("{}s", timeout.as_secs())));
    for (key, range) in [("concurrency", 1..=1000), ("min_instances", 0..=i64::MAX), ("max_instances", 1..=i64::MAX)] {
        let Some(number) = with.integer(key) else { continue };
        if !range.contains(&number) {
            let most = if *range.end() == i64::MAX { String::new() } else { format!(", and at most {}", range.end()) };
            let help = format!("it is at least {}{most}", range.start());
            with.wrong(key, format!("`{key}` cannot be {number}"), &help);
        }
        fields.push((key, json!(number)));
    }
    let count = |name: &str| fields.iter().find(|(field, _)| *field == name).and_then(|(_, count)| count.as_i64());
    if let (Some(least), Some(most)) = (count("min_instances"), count("max_instances"))
        && least > most
    {
        let message = format!("min_instances is {least}, more than the {most} of max_instances");
        with.wrong("min_instances", message, "use fewer, or raise max_instances");
    }
    if with.has("connector") && (with.has("network") || with.has("subnet")) {
        let message = "instances reach a network by a connector or directly, not both";
        with.wrong("connector", message, "take `connector` out, or `network` and `subnet`");
    }
    let (env, secrets) = (env?, secrets?);
    read_variables(with, &env, &secrets, &unset_env);
    Some(Settings { env: env.into_iter().collect(), unset_env, secrets: secrets.into_iter().collect(), fields })
}

/// The words of `egress`.
const EGRESSES: [(&str, &str); 2] = [("all-traffic", "all-traffic"), ("private-ranges-only", "private-ranges-only")];

/// Source of the most: <https://docs.cloud.google.com/run/docs/configuring/request-timeout>.
fn read_timeout(with: &Block<'_, '_>) -> Option<Duration> {
    let timeout = with.positive_duration("timeout")?;
    if timeout > Duration::from_hours(1) || timeout.subsec_nanos() > 0 {
        with.wrong("timeout", "a request may take an hour at most, in whole seconds", "write it such as \"10m\"");
    }
    Some(timeout)
}

/// Notes what is wrong with the names and references of variables.
fn read_variables<'n>(
    with: &Block<'_, '_>,
    env: &'n BTreeMap<String, String>,
    secrets: &'n BTreeMap<String, String>,
    unset_env: &'n [String],
) {
    let env: Vec<&str> = env.keys().map(String::as_str).collect();
    let (mut secret_names, mut unversioned) = (Vec::new(), None);
    for (name, reference) in secrets {
        secret_names.push(name.as_str());
        let is_whole = reference.contains("${")
            || reference.rsplit_once(':').is_some_and(|(secret, version)| !secret.is_empty() && !version.is_empty());
        if !is_whole {
            unversioned.get_or_insert((name, reference));
        }
    }
    if let Some((name, reference)) = unversioned {
        let message = format!("`{reference}` names no version of a secret");
        with.wrong(
            "secrets",
            message,
            &format!("write it such as {name} = \"{}:latest\"", reference.trim_end_matches(':')),
        );
    }
    let places = [("env", &env), ("secrets", &secret_names)];
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.contains(['=', '/', ' ', '\0'])
            && !name.starts_with(|first: char| first.is_ascii_digit())
    };
    for (key, names) in places {
        if let Some(name) = names.iter().find(|name| !is_name(name)) {
            let help = if name.starts_with('/') {
                "secrets that are mounted as files are not changed by this action"
            } else {
                "it is letters, digits and underscores, and does not begin with a digit"
            };
            with.wrong(key, format!("`{name}` cannot be the name of a variable"), help);
        }
    }
    let twice = env.iter().chain(&secret_names).find(|name| unset_env.iter().any(|unset| unset == *name));
    let twice = twice.or_else(|| env.iter().find(|name| secret_names.contains(name)));
    if let Some(name) = twice {
        let message = format!("`{name}` is set and removed, or set twice");
        with.wrong(if with.has("env") { "env" } else { "secrets" }, message, "name it once");
    }
}

impl RunConfigure {
    /// The template that it changes.
    pub fn id(&self, target: &Target) -> ResourceId {
        target.resource(Template::NAME, &self.rollout.service)
    }

    /// The values of variables that it sets and no plan shows, in words.
    pub(super) fn literals(&self) -> Vec<String> {
        match &self.configuration {
            Configuration::Changed(settings) => settings.literals(),
            Configuration::Unchanged => Vec::new(),
        }
    }

    /// The values of variables that it sets and no plan shows, by the digests that stand for them.
    pub fn hidden_values(&self) -> Vec<(String, Value)> {
        let Configuration::Changed(settings) = &self.configuration else { return Vec::new() };
        let digests = settings.env.iter().map(|(_, value)| (shown(value), json!(value)));
        digests
            .filter_map(|(digest, value)| Some((digest.as_str().filter(|text| is_digest(text))?.to_owned(), value)))
            .collect()
    }
}

impl Settings {
    /// The fields that are set, in the form of the template's state.
    fn wanted(&self) -> Map<String, Value> {
        let mut wanted: Map<String, Value> =
            self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let set = self.env.iter().map(|(name, value)| (name.clone(), shown(value)));
        let from_secrets = self.secrets.iter().map(|(name, reference)| (name.clone(), secret(reference)));
        let removed = self.unset_env.iter().map(|name| (name.clone(), Value::Null));
        let env: Map<String, Value> = set.chain(from_secrets).chain(removed).collect();
        if !env.is_empty() {
            wanted.insert("env".to_owned(), Value::Object(env));
        }
        wanted
    }

    /// The same, with what goes with it as the template is: another way into the network takes the one before away, and a size
    /// that is written otherwise is the same size.
    fn wanted_of(&self, now: &template::State) -> Map<String, Value> {
        let mut wanted = self.wanted();
        let is_set = |field: &str| self.fields.iter().any(|(name, _)| *name == field);
        let mut clear = |field: &str, is_there: bool| {
            if is_there && !wanted.contains_key(field) {
                wanted.insert(field.to_owned(), Value::Null);
            }
        };
        if is_set("connector") {
            clear("network", now.network.is_some());
            clear("subnet", now.subnet.is_some());
            clear("network_tags", now.network_tags.is_some());
        }
        if is_set("network") || is_set("subnet") {
            clear("connector", now.connector.is_some());
        }
        for (field, now) in [("memory", &now.memory), ("cpu", &now.cpu)] {
            if let (Some(Value::String(wanted)), Some(now)) = (wanted.get_mut(field), now)
                && quantity(wanted) == quantity(now)
            {
                wanted.clone_from(now);
            }
        }
        wanted
    }

    /// The values of variables that no plan shows otherwise.
    fn literals(&self) -> Vec<String> {
        let hidden = self.env.iter().filter(|(_, value)| shown(value).as_str().is_some_and(is_digest));
        hidden.map(|(name, value)| format!("{name} is set to {}", json!(value))).collect()
    }

    /// What explains the change.
    fn notes(&self, now: &template::State) -> Vec<String> {
        let mut notes = self.literals();
        let newest = self.secrets.iter().filter(|(_, reference)| reference.ends_with(":latest"));
        notes.extend(newest.map(|(name, _)| {
            format!("{name}: the version latest is read when an instance starts, so that another version reaches revisions of before, too")
        }));
        if self.fields.iter().any(|(name, _)| *name == "network" || *name == "subnet") && now.network.is_none() {
            notes.push("direct egress takes addresses of the subnet for each instance, and its first connections may take a minute".to_owned());
        }
        notes
    }

    /// What the operator may not expect.
    fn warnings(&self, now: &template::State) -> Vec<String> {
        let missing = self.unset_env.iter().filter(|name| !now.env.contains_key(*name));
        missing.map(|name| format!("there is no variable {name} to remove")).collect()
    }
}

/// A size in its smallest unit: `1Gi` is `1024Mi`, `1` is `1000m`. What is no size is itself.
fn quantity(text: &str) -> (Option<u64>, &str) {
    let units = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("m", 1),
    ];
    let of_unit = units.iter().find_map(|(unit, factor)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        // Processors are counted in thousandths.
        number.checked_mul(if *unit == "m" { 1 } else { factor * 1000 })
    });
    let plain = || text.parse::<u64>().ok()?.checked_mul(1000);
    match of_unit.or_else(plain) {
        Some(size) => (Some(size), ""),
        None => (None, text),
    }
}

impl StepAction for RunConfigure {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        std::iter::once(self.id(target)).chain(self.rollout.observed_resources(target)).collect()
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        let wanted = match &self.configuration {
            Configuration::Unchanged => Map::new(),
            Configuration::Changed(settings) => settings.wanted(),
        };
        Some((self.id(target), Value::Object(wanted)))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let resource = self.id(forecast.target());
        let now: template::State = forecast.typed_state(&resource)?;
        let service = forecast.target().resource(Service::NAME, &self.rollout.service);
        let (to, notes, warnings) = match &self.configuration {
            Configuration::Unchanged => {
                let anew = "instances of the new revision start anew, and read secrets anew";
                (Map::new(), vec![anew.to_owned()], Vec::new())
            }
            Configuration::Changed(settings) => {
                (settings.wanted_of(&now), settings.notes(&now), settings.warnings(&now))
            }
        };
        let state = forecast.state(&resource)?.clone();
        let newest: service::State = forecast.typed_state(&service)?;
        let is_so = self.configuration != Configuration::Unchanged && covers(&state, &Value::Object(to.clone()));
        // One whose newest revision never became ready serves nobody.
        if is_so && newest.latest_ready_revision == newest.revision {
            forecast.define_output(step.step, "revision", newest.revision);
            return Ok(vec![step.whole()]);
        }
        let (least, most) = (to.get("min_instances"), to.get("max_instances"));
        let added = |to: Option<&Value>, now: i64| to.and_then(Value::as_i64).map_or(0, |to| to.saturating_sub(now));
        let most_now = now.max_instances.unwrap_or(i64::MAX);
        let more = added(least, now.min_instances.unwrap_or_default()).max(added(most, most_now));
        forecast.within_instances(&self.rollout.service, more)?;
        let from = before(&state, &to);
        let (from, to) = (Value::Object(from), Value::Object(to));
        let seed = to.to_string();
        let mut tasks = self.rollout.plan::<Template>(&NewTemplate { resource, from, to, seed }, step, forecast)?;
        let made = tasks
            .iter_mut()
            .find(|task| task.change.as_ref().is_some_and(|change| change.resource.kind == Template::NAME));
        if let Some(made) = made {
            made.notes.extend(notes);
            made.warnings.extend(warnings);
        }
        Ok(tasks)
    }

    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        self.rollout.names()
    }
}

/// As much of a state as is set, with null in the place of what is not there.
fn before(state: &Value, to: &Map<String, Value>) -> Map<String, Value> {
    let one = |(name, to): (&String, &Value)| {
        let now = state.get(name);
        let now = match (name.as_str(), to) {
            ("env", Value::Object(variables)) => Value::Object(before(now.unwrap_or(&Value::Null), variables)),
            _ => now.cloned().unwrap_or_default(),
        };
        (name.clone(), now)
    };
    to.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_written_otherwise_is_the_same() {
        for (one, other) in [("1Gi", "1024Mi"), ("1", "1000m"), ("2", "2000m"), ("512Mi", "512Mi")] {
            assert_eq!(quantity(one), quantity(other));
        }
        for (one, other) in [("1Gi", "1G"), ("1", "2"), ("512Mi", "512"), ("lots", "many")] {
            assert_ne!(quantity(one), quantity(other));
        }
    }

    #[test]
    fn another_way_into_the_network_takes_the_one_before_away() {
        let settings = |fields: &[&'static str]| Settings {
            fields: fields.iter().map(|field| (*field, json!("x"))).collect(),
            ..Settings::default()
        };
        let connected = template::State { connector: Some("c".to_owned()), ..template::State::default() };
        let direct = template::State {
            network: Some("n".to_owned()),
            network_tags: Some(vec!["t".to_owned()]),
            ..template::State::default()
        };
        let wanted = |fields: &[&'static str], now: &template::State| Value::Object(settings(fields).wanted_of(now));
        assert_eq!(wanted(&["network"], &connected), json!({ "network": "x", "connector": null }));
        assert_eq!(wanted(&["connector"], &direct), json!({ "connector": "x", "network": null, "network_tags": null }));
        assert_eq!(wanted(&["egress"], &connected), json!({ "egress": "x" }));
    }

    #[test]
    fn what_was_not_there_is_taken_away_again() {
        let state = json!({ "env": { "A": "1" }, "memory": "1Gi" });
        let Value::Object(to) = json!({ "env": { "A": "2", "B": "3" }, "max_instances": 3 }) else { unreachable!() };
        assert_eq!(
            Value::Object(before(&state, &to)),
            json!({ "env": { "A": "1", "B": null }, "max_instances": null })
        );
    }
}
