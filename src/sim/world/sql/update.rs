//! `PATCH` and `PUT` of an instance: what a request makes of the settings, and what that costs.

use serde_json::{Map, Value};

use super::{Effect, Instance, flag, flags_of, text_of, tier};
use crate::sim::clock::later;
use crate::sim::world::job::{Asked, Job};
use crate::sim::world::operation::Twist;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{self, World};

/// Every field of the message `DatabaseInstance` (`google/cloud/sql/v1`, and gcloud's client of v1beta4).
const FIELDS: [&str; 57] = [
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

/// The fields outside `settings` that Google lets a caller change, and the simulated cloud does not.
const NOT_SIMULATED: [&str; 11] = [
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
];

/// The settings whose values are enums, with the names by number: Google's own clients send numbers.
const ENUMS: [(&str, &[&str]); 6] = [
    ("activationPolicy", &["SQL_ACTIVATION_POLICY_UNSPECIFIED", "ALWAYS", "NEVER", "ON_DEMAND"]),
    ("availabilityType", &["SQL_AVAILABILITY_TYPE_UNSPECIFIED", "ZONAL", "REGIONAL"]),
    ("pricingPlan", &["SQL_PRICING_PLAN_UNSPECIFIED", "PACKAGE", "PER_USE"]),
    ("replicationType", &["SQL_REPLICATION_TYPE_UNSPECIFIED", "SYNCHRONOUS", "ASYNCHRONOUS"]),
    (
        "dataDiskType",
        &["SQL_DATA_DISK_TYPE_UNSPECIFIED", "PD_SSD", "PD_HDD", "OBSOLETE_LOCAL_SSD", "HYPERDISK_BALANCED"],
    ),
    ("edition", &["EDITION_UNSPECIFIED", "ENTERPRISE", "ENTERPRISE_PLUS"]),
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
    ) -> Result<Job<Effect>, Refusal> {
        let instance = self.database(name)?;
        self.refuse_fields(name, instance, body)?;
        if self.sql.jobs.running().any(|job| job.effect.instance == name) {
            let message = "Operation failed because another operation was already in progress. Try your request after the current operation is complete.";
            return Err(Refusal::new(Code::Aborted, message));
        }
        let settings = instance.changed(world::object(body, "settings")?, manner)?;
        let restarts = instance.restarts_for(&settings);
        let figures = instance.figures.clone();
        let takes =
            if restarts { figures.update_takes.saturating_add(figures.restart_takes) } else { figures.update_takes };
        let asked = Asked { user, now: self.now, twist: self.twist.as_ref() };
        let effect = Effect { instance: name.to_owned(), settings };
        let job = self.sql.jobs.begin("sql", asked, takes, effect).clone();
        // One that will fail or hang does nothing to the instance.
        if restarts && matches!(job.twist, None | Some(Twist::Misreports(_))) {
            let at = later(self.now, figures.update_takes);
            if let Some(instance) = self.sql.instances.get_mut(name) {
                instance.goes_down = Some(at);
            }
        }
        Ok(job)
    }

    /// The instance of this name.
    pub fn database(&self, name: &str) -> Result<&Instance, Refusal> {
        let missing = || Refusal::new(Code::NotFound, "The Cloud SQL instance does not exist.");
        self.sql.instances.get(name).ok_or_else(missing)
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
    fn changed(&self, asked: Option<&Map<String, Value>>, manner: Manner) -> Result<Map<String, Value>, Refusal> {
        let mut asked = asked.cloned().unwrap_or_default();
        self.check_version(asked.remove("settingsVersion"), manner)?;
        asked.remove("kind");
        for (field, value) in &mut asked {
            named(field, value);
        }
        let mut settings = match manner {
            Manner::Merge => self.settings.clone(),
            Manner::Replace => Map::new(),
        };
        world::merge(&mut settings, asked);
        if manner == Manner::Replace {
            settings.entry("activationPolicy").or_insert_with(|| "ALWAYS".into());
        }
        check(&settings)?;
        Ok(settings)
    }

    /// A version that is not the present one is 412, in Google's words (terraform-provider-google issue 12324).
    ///
    /// It may be left out of a PATCH (gcloud does), not out of a PUT (source: the field's comment in the proto).
    fn check_version(&self, given: Option<Value>, manner: Manner) -> Result<(), Refusal> {
        let given = match given {
            None | Some(Value::Null) if manner == Manner::Merge => return Ok(()),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        match given {
            None => Err(Refusal::invalid("settings.settingsVersion", "settings.settingsVersion must be given")),
            Some(version) if version == self.settings_version => Ok(()),
            Some(_) => Err(Refusal::new(Code::FailedPrecondition, "Condition does not match.")),
        }
    }

    /// Whether PostgreSQL must be started anew for these settings: another machine, another policy, or a flag that it
    /// reads at its start only (source: gcloud's help of `sql instances patch` says so of all three).
    fn restarts_for(&self, settings: &Map<String, Value>) -> bool {
        let (before, after) = (self.flags(), flags_of(settings));
        let at_start_only = |flag: &&flag::Flag| flag.requires_restart && before.get(flag.name) != after.get(flag.name);
        text_of(settings, "tier") != self.tier()
            || text_of(settings, "activationPolicy") != self.activation_policy()
            || flag::FLAGS.iter().any(|flag| at_start_only(&flag))
    }
}

/// Writes an enum's name in the place of its number.
fn named(field: &str, value: &mut Value) {
    let names = ENUMS.iter().find(|(known, _)| *known == field).map(|(_, names)| *names);
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    if let Some(name) = names.zip(number).and_then(|(names, number)| names.get(number)) {
        *value = Value::from(*name);
    }
}

/// Refuses settings that could not be. The wording is ours.
pub fn check(settings: &Map<String, Value>) -> Result<(), Refusal> {
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
        flag::check(name, value)?;
    }
    if flags_of(settings).len() != flags.len() {
        return Err(Refusal::invalid("settings.databaseFlags", "A flag may be given once only"));
    }
    Ok(())
}
