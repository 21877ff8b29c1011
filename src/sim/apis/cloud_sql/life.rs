//! An instance's life apart from its settings: it is made, copied, restarted, moved to its other zone, promoted and deleted.
//!
//! Recorded: the first answer to each is a PENDING operation of the type below, and that while it is made an instance is
//! PENDING_CREATE, without addresses and without a certificate. Ours: how long each takes (a restart's time, or an update's), and
//! that a failover is refused unless the instance is REGIONAL, a promotion unless it is a replica, in these words.

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::instance::{Engine, Figures, Instance, Phase};
use super::update::check;
use super::{Change, settings};
use crate::sim::world::operation::Operation;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{self, World};

impl World {
    /// `POST …/instances`: begins to make an instance, or refuses to.
    pub fn insert_database(&mut self, body: &Map<String, Value>, user: &str) -> Result<Operation, Refusal> {
        let name = world::text(body, "name")?.unwrap_or_default().to_owned();
        // 98 characters with the project (source: the reference of `instances.insert`).
        if !world::is_label(&name) || name.len() + self.project.len() > 97 {
            let message = format!("Invalid request: Invalid instance name ({name}).");
            return Err(Refusal::invalid("name", message));
        }
        if self.parts.cloud_sql.instances.contains_key(&name) {
            let message = "The Cloud SQL instance already exists. When you delete an instance, you can't reuse the name of the deleted instance until one week from the deletion date.";
            return Err(Refusal::new(Code::AlreadyExists, message).because("instanceAlreadyExists"));
        }
        if let Some(unknown) = body.keys().find(|key| !super::update::FIELDS.contains(&key.as_str())) {
            return Err(world::unknown_field(unknown, "body"));
        }
        let primary = world::text(body, "masterInstanceName")?
            .map(|primary| primary.rsplit(':').next().unwrap_or(primary).to_owned());
        if let Some(primary) = &primary {
            self.database(primary)?;
        }
        let version = super::update::named_version(body)?.unwrap_or("POSTGRES_15").to_owned();
        let engine = Engine::of(&version).ok_or_else(|| {
            Refusal::invalid("databaseVersion", format!("Invalid request: Invalid databaseVersion: {version}."))
        })?;
        let mut made = world::object(body, "settings")?.cloned().unwrap_or_default();
        super::update::name_enums(&mut made);
        made.retain(|key, _| !["kind", "settingsVersion"].contains(&key.as_str()));
        settings::fill_defaults(&mut made, engine, &self.region);
        check(&made, engine)?;
        let figures =
            self.parts.cloud_sql.instances.values().next().map_or_else(Figures::default, |other| other.figures.clone());
        let takes = figures.update_takes;
        let kept = ["diskEncryptionConfiguration", "replicaConfiguration"];
        let kept = kept.iter().filter_map(|key| Some(((*key).to_owned(), body.get(*key)?.clone())));
        let instance = Instance {
            database_version: version,
            created: self.now,
            settings: made,
            settings_version: 1,
            phase: Phase::Creating,
            primary,
            other_zone: false,
            kept: kept.collect(),
            down: false,
            goes_down: None,
            figures,
        };
        self.parts.cloud_sql.instances.insert(name.clone(), instance);
        Ok(self.begin_with_database(&name, Change::Create, takes, user))
    }

    /// `POST …/instances/I/clone`: the operation is the copy's (recorded).
    pub fn clone_database(&mut self, name: &str, body: &Map<String, Value>, user: &str) -> Result<Operation, Refusal> {
        let instance = self.idle_database(name)?.clone();
        let context = world::object(body, "cloneContext")?.cloned().unwrap_or_default();
        let copy = world::text(&context, "destinationInstanceName")?.unwrap_or_default().to_owned();
        if !world::is_label(&copy) || self.parts.cloud_sql.instances.contains_key(&copy) {
            let message = format!("Invalid request: Invalid destinationInstanceName ({copy}).");
            return Err(Refusal::invalid("cloneContext.destinationInstanceName", message));
        }
        let takes = instance.figures.update_takes;
        let copied =
            Instance { created: self.now, settings_version: 1, phase: Phase::Creating, other_zone: false, ..instance };
        self.parts.cloud_sql.instances.insert(copy.clone(), copied);
        Ok(self.begin_with_database(&copy, Change::Clone, takes, user))
    }

    /// `DELETE …/instances/I`. An instance that is protected stays; the words are Google's, as people quote them.
    pub fn delete_database(&mut self, name: &str, user: &str) -> Result<Operation, Refusal> {
        let instance = self.idle_database(name)?;
        if instance.settings.get("deletionProtectionEnabled") == Some(&Value::Bool(true)) {
            let message = "The instance is protected. Please disable the deletion protection and try again.";
            return Err(Refusal::invalid("name", message));
        }
        let takes = instance.figures.update_takes;
        if !self.will_fail()
            && let Some(instance) = self.parts.cloud_sql.instances.get_mut(name)
        {
            instance.phase = Phase::Deleting;
        }
        Ok(self.begin_with_database(name, Change::Delete, takes, user))
    }

    /// `POST …/instances/I/restart`: it is down at once, for as long as a restart takes.
    pub fn restart_database(&mut self, name: &str, user: &str) -> Result<Operation, Refusal> {
        let takes = self.idle_database(name)?.figures.restart_takes;
        Ok(self.database_goes_down(name, Change::Restart, takes, user))
    }

    /// `POST …/instances/I/failover`: the same, and it comes up in its other zone.
    pub fn fail_database_over(
        &mut self,
        name: &str,
        body: &Map<String, Value>,
        user: &str,
    ) -> Result<Operation, Refusal> {
        let instance = self.idle_database(name)?;
        let context = world::object(body, "failoverContext")?;
        instance.check_version(context.and_then(|context| context.get("settingsVersion")).cloned(), false)?;
        if !instance.is_regional() {
            let message = "Invalid request: Failover is only supported for instances with availabilityType REGIONAL.";
            return Err(Refusal::invalid("name", message));
        }
        let takes = instance.figures.restart_takes;
        Ok(self.database_goes_down(name, Change::Failover, takes, user))
    }

    /// `POST …/instances/I/promoteReplica`: a replica becomes an instance of its own.
    pub fn promote_database(&mut self, name: &str, user: &str) -> Result<Operation, Refusal> {
        let instance = self.idle_database(name)?;
        if instance.primary.is_none() {
            let message = "Invalid request: Only a read replica can be promoted.";
            return Err(Refusal::invalid("name", message));
        }
        let takes = instance.figures.restart_takes;
        Ok(self.database_goes_down(name, Change::Promote, takes, user))
    }

    /// `POST …/instances/I/backupRuns`: the instance serves meanwhile. How long it takes is ours: an update's time.
    pub fn back_database_up(&mut self, name: &str, user: &str) -> Result<Operation, Refusal> {
        let instance = self.idle_database(name)?;
        if instance.primary.is_some() {
            let message = "Invalid request: Backups are not supported for read replica instances.";
            return Err(Refusal::invalid("name", message));
        }
        let takes = instance.figures.update_takes;
        Ok(self.begin_with_database(name, Change::Backup, takes, user))
    }

    fn database_goes_down(&mut self, name: &str, change: Change, takes: SignedDuration, user: &str) -> Operation {
        let operation = self.begin_with_database(name, change, takes, user);
        let now = self.now;
        if self.will_take_effect()
            && let Some(instance) = self.parts.cloud_sql.instances.get_mut(name)
        {
            instance.goes_down = Some(now);
        }
        self.advance(now);
        operation
    }
}
