//! `PATCH` and `PUT` of an instance: what a request makes of the settings, and what that costs.

use serde_json::{Map, Value};

use super::instance::{Engine, Instance, flags_of, text_of};
use super::{Change, CloudSql, ENUMS, flag, tier};
use crate::sim::clock::later;
use crate::sim::enums;
use crate::sim::world::operation::Operation;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{self, SqlBusy, World};

/// Every field of the message `DatabaseInstance` (`google/cloud/sql/v1`, and gcloud's client of v1beta4).
pub const FIELDS: [&str; 57] = [
    "kind",
    "name",
    "project",
    "settings",
    "etag",
    "databaseVersion",
    "gceZone",
    "secondaryGceZone",
    "maintenanceVersion",
    "rootPassword",
    "masterInstanceName",
    "nodeCount",
    "replicaNames",
    "replicationCluster",
    "sqlNetworkArchitecture",
    "switchTransactionLogsToCloudStorageEnabled",
    "availableMaintenanceVersions",
    "backendType",
    "connectionName",
    "createTime",
    "currentDiskSize",
    "databaseInstalledVersion",
    "databaseCenterIntegrationEnabled",
    "deploymentInfo",
    "diskEncryptionConfiguration",
    "diskEncryptionStatus",
    "dnsName",
    "dnsNames",
    "failoverReplica",
    "geminiConfig",
    "includeReplicasForMajorVersionUpgrade",
    "installedVersion",
    "instanceType",
    "ipAddresses",
    "ipv6Address",
    "majorVersionUpgradeIncludesReplicas",
    "maxDiskSize",
    "nodes",
    "onPremisesConfiguration",
    "outOfDiskReport",
    "primaryDnsName",
    "pscServiceAttachmentLink",
    "region",
    "replicaConfiguration",
    "satisfiesPzi",
    "satisfiesPzs",
    "scheduledMaintenance",
    "selfLink",
    "serverCaCert",
    "serviceAccountEmailAddress",
    "skipPrecheck",
    "sourceInstanceNames",
    "state",
    "suspensionReason",
    "tags",
    "upgradableDatabaseVersions",
    "writeEndpoint",
];

/// The fields outside `settings` that Google lets a caller change, and the simulated cloud does not. A `maintenanceVersion` may be
/// said, as recorded clients do, and changes nothing; a `rootPassword` too, and is kept nowhere.
const NOT_SIMULATED: [&str; 8] = [
    "gceZone",
    "secondaryGceZone",
    "masterInstanceName",
    "nodeCount",
    "replicaNames",
    "replicationCluster",
    "sqlNetworkArchitecture",
    "switchTransactionLogsToCloudStorageEnabled",
];

/// What a request does with settings that it does not mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// `PATCH`: they stay.
    Merge,
    /// `PUT`: they go.
    Replace,
}

impl World {
    /// Starts an update of an instance, or refuses it.
    pub fn update_database(
        &mut self,
        name: &str,
        body: &Map<String, Value>,
        manner: Manner,
        user: &str,
    ) -> Result<Operation, Refusal> {
        self.refuse_fields(name, self.database(name)?, body)?;
        let instance = self.idle_database(name)?;
        let settings = instance.changed(world::object(body, "settings")?, manner, &self.region)?;
        let version = instance.another_version(named_version(body)?)?;
        let restarts = version.is_some() || instance.restarts_for(&settings);
        let figures = instance.figures.clone();
        let takes =
            if restarts { figures.update_takes.saturating_add(figures.restart_takes) } else { figures.update_takes };
        let change = Change::Update { settings, database_version: version };
        let operation = self.begin_with_database(name, change, takes, user);
        // One that will fail or hang does nothing to the instance.
        if restarts && self.will_take_effect() {
            let at = later(self.now, figures.update_takes);
            if let Some(instance) = self.parts.cloud_sql.instances.get_mut(name) {
                instance.goes_down = Some(at);
            }
        }
        Ok(operation)
    }

    /// The instance of this name, if no operation on it is running. Recorded both ways: as 409 (apache/airflow issue 62671), and
    /// in 2018 as 403 (forseti-security issue 1493); the scenario says which.
    pub(super) fn idle_database(&self, name: &str) -> Result<&Instance, Refusal> {
        let instance = self.database(name)?;
        let on =
            |(operation, effect): (&Operation, &super::Effect)| operation.ended.is_none() && effect.instance == name;
        if self.operations.of::<CloudSql>().any(on) {
            let message = "Operation failed because another operation was already in progress. Try your request after the current operation is complete.";
            let code = match self.behaviour.sql_busy {
                SqlBusy::Conflict => Code::Aborted,
                SqlBusy::Forbidden => Code::PermissionDenied,
            };
            return Err(Refusal::new(code, message).because("operationInProgress"));
        }
        Ok(instance)
    }

    /// The instance of this name.
    pub fn database(&self, name: &str) -> Result<&Instance, Refusal> {
        let missing = || Refusal::new(Code::NotFound, "The Cloud SQL instance does not exist.");
        self.parts.cloud_sql.instances.get(name).ok_or_else(missing)
    }

    /// Refuses what a request may not say outside `settings`. Output-only fields are ignored, as Google does.
    fn refuse_fields(&self, name: &str, instance: &Instance, body: &Map<String, Value>) -> Result<(), Refusal> {
        if let Some(unknown) = body.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(world::unknown_field(unknown, "body"));
        }
        if body.get("name").is_some_and(|given| *given != name) {
            return Err(Refusal::invalid("name", "The instance's name must be the one in the URL."));
        }
        let shown = instance.wire(self, name);
        // A number is an enum that was read from here and sent back: only the clients know its name.
        let same = |key: &str, value: &Value| value.is_null() || value.is_number() || shown.get(key) == Some(value);
        match NOT_SIMULATED.iter().find(|key| body.get(**key).is_some_and(|value| !same(key, value))) {
            None => Ok(()),
            Some(key) => {
                let message = format!("The simulated cloud cannot change {key:?} of an instance");
                Err(Refusal::new(Code::Unimplemented, message))
            }
        }
    }
}

impl Instance {
    /// The settings that a request asks for.
    fn changed(
        &self,
        asked: Option<&Map<String, Value>>,
        manner: Manner,
        region: &str,
    ) -> Result<Map<String, Value>, Refusal> {
        let mut asked = asked.cloned().unwrap_or_default();
        self.check_version(asked.shift_remove("settingsVersion"), manner == Manner::Replace)?;
        asked.shift_remove("kind");
        name_enums(&mut asked);
        let mut settings = match manner {
            Manner::Merge => self.settings.clone(),
            Manner::Replace => Map::new(),
        };
        world::merge(&mut settings, asked);
        super::settings::fill_defaults(&mut settings, self.engine(), region);
        check(&settings, self.engine())?;
        // Source: the documentation of Cloud SQL, "About storage shrink". The words are ours.
        let size =
            |settings: &Map<String, Value>| text_of(settings, "dataDiskSizeGb").parse::<u64>().unwrap_or_default();
        if size(&settings) < size(&self.settings) {
            return Err(Refusal::invalid("settings.dataDiskSizeGb", "Invalid request: Disk size cannot be decreased."));
        }
        Ok(settings)
    }

    /// The version that it shall have, if it is another. Recorded: a later major version is taken, by a PATCH of nothing else.
    /// That an earlier one and another engine are refused is Google's documentation; the words are ours.
    fn another_version(&self, asked: Option<&str>) -> Result<Option<String>, Refusal> {
        let Some(asked) = asked.filter(|asked| *asked != self.database_version) else { return Ok(None) };
        let offered = super::settings::upgrades(&self.database_version);
        if offered.iter().any(|version| version.get("name").is_some_and(|name| name == asked)) {
            return Ok(Some(asked.to_owned()));
        }
        let message = format!("Invalid request: {} cannot be upgraded to {asked}.", self.database_version);
        Err(Refusal::invalid("databaseVersion", message))
    }

    /// A version that is not the present one is 412, in Google's words (terraform-provider-google issue 12324).
    ///
    /// It may be left out of a PATCH (gcloud does), not out of a PUT (source: the field's comment in the proto).
    pub(super) fn check_version(&self, given: Option<Value>, is_required: bool) -> Result<(), Refusal> {
        let given = match given {
            None | Some(Value::Null) if !is_required => return Ok(()),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        match given {
            None => Err(Refusal::invalid("settings.settingsVersion", "settings.settingsVersion must be given")),
            Some(version) if version == self.settings_version => Ok(()),
            Some(_) => Err(Refusal::new(Code::FailedPrecondition, "Condition does not match.").because("staleData")),
        }
    }

    /// Whether PostgreSQL must be started anew for these settings: another machine, another policy, or a flag that it
    /// reads at its start only (source: gcloud's help of `sql instances patch` says so of all three).
    fn restarts_for(&self, settings: &Map<String, Value>) -> bool {
        let (before, after) = (self.flags(), flags_of(settings));
        let engine = self.engine();
        let at_start_only = |flag: &&flag::Flag| {
            flag.engine == engine && flag.requires_restart && before.get(flag.name) != after.get(flag.name)
        };
        text_of(settings, "tier") != self.tier()
            || text_of(settings, "activationPolicy") != self.activation_policy()
            || flag::FLAGS.iter().any(|flag| at_start_only(&flag))
    }
}

/// Writes the names of enums in the place of their numbers, which Google's own clients send.
pub(super) fn name_enums(settings: &mut Map<String, Value>) {
    for (field, value) in settings {
        if let Some(inner) = value.as_object_mut() {
            name_enums(inner);
        } else if let Some(name) = value.as_i64().and_then(|number| enums::name(ENUMS, field, number)) {
            *value = Value::from(name);
        }
    }
}

/// The `databaseVersion` in a request.
pub(super) fn named_version(body: &Map<String, Value>) -> Result<Option<&str>, Refusal> {
    match body.get("databaseVersion").and_then(Value::as_i64) {
        Some(number) => Ok(enums::name(ENUMS, "databaseVersion", number)),
        None => world::text(body, "databaseVersion"),
    }
}

/// Refuses settings that could not be. The wording is ours.
pub fn check(settings: &Map<String, Value>, engine: Engine) -> Result<(), Refusal> {
    let machine = text_of(settings, "tier");
    if !tier::is_known(machine) {
        return Err(Refusal::invalid("settings.tier", format!("Invalid tier ({machine}).")));
    }
    let policy = text_of(settings, "activationPolicy");
    if !["ALWAYS", "NEVER"].contains(&policy) {
        let message = format!("Invalid value for activationPolicy: {policy:?}.");
        return Err(Refusal::invalid("settings.activationPolicy", message));
    }
    let flags = match settings.get("databaseFlags") {
        None => &Vec::new(),
        Some(Value::Array(flags)) => flags,
        Some(_) => return Err(Refusal::invalid("settings.databaseFlags", "databaseFlags must be a list")),
    };
    for flag in flags {
        let text = |field| flag.get(field).and_then(Value::as_str);
        let (Some(name), Some(value)) = (text("name"), text("value")) else {
            return Err(Refusal::invalid("settings.databaseFlags", "A flag has a name and a value, both of them text"));
        };
        flag::check(name, value, engine)?;
    }
    if flags_of(settings).len() != flags.len() {
        return Err(Refusal::invalid("settings.databaseFlags", "A flag may be given once only"));
    }
    Ok(())
}
