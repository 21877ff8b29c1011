//! An instance's life apart from its settings: it is made, copied, restarted, moved to its other zone, promoted and deleted.
//!
//! Recorded: the first answer to each is a PENDING operation of the type below, and that while it is made an instance is
//! PENDING_CREATE, without addresses and without a certificate. Ours: how long each takes (a restart's time, or an update's), and
//! that a failover is refused unless the instance is REGIONAL, a promotion unless it is a replica, in these words.

use serde_json::{Map, Value};

use super::update::check;
use super::{Change, Effect, Engine, Figures, Instance, Phase, settings};
use crate::sim::clock::later;
use crate::sim::world::job::{Asked, Job};
use crate::sim::world::operation::Twist;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{self, World};

impl World {
    /// `POST …/instances`: begins to make an instance, or refuses to.
    pub fn insert_database(&mut self, body: &Map<String, Value>, user: &str) -> Result<Job<Effect>, Refusal> {
        let name = world::text(body, "name")?.unwrap_or_default().to_owned();
        // 98 characters with the project (source: the reference of `instances.insert`).
        if !world::traffic::is_label(&name) || name.len() + self.project.len() > 97 {
            let message = format!("Invalid request: Invalid instance name ({name}).");
            return Err(Refusal::invalid("name", message));
        }
        if self.sql.instances.contains_key(&name) {
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
        let figures = self.sql.instances.values().next().map_or_else(Figures::default, |other| other.figures.clone());
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
        self.sql.instances.insert(name.clone(), instance);
        Ok(self.database_begins(&name, Change::Create, takes, user))
    }

    /// `POST …/instances/I/clone`: the operation is the copy's (recorded).
    pub fn clone_database(
        &mut self,
        name: &str,
        body: &Map<String, Value>,
        user: &str,
    ) -> Result<Job<Effect>, Refusal> {
        let instance = self.idle_database(name)?.clone();
        let context = world::object(body, "cloneContext")?.cloned().unwrap_or_default();
        let copy = world::text(&context, "destinationInstanceName")?.unwrap_or_default().to_owned();
        if !world::traffic::is_label(&copy) || self.sql.instances.contains_key(&copy) {
            let message = format!("Invalid request: Invalid destinationInstanceName ({copy}).");
            return Err(Refusal::invalid("cloneContext.destinationInstanceName", message));
        }
        let takes = instance.figures.update_takes;
        let copied =
            Instance { created: self.now, settings_version: 1, phase: Phase::Creating, other_zone: false, ..instance };
        self.sql.instances.insert(copy.clone(), copied);
        Ok(self.database_begins(&copy, Change::Clone, takes, user))
    }

    /// `DELETE …/instances/I`. An instance that is protected stays; the words are Google's, as people quote them.
    pub fn delete_database(&mut self, name: &str, user: &str) -> Result<Job<Effect>, Refusal> {
        let instance = self.idle_database(name)?;
        if instance.settings.get("deletionProtectionEnabled") == Some(&Value::Bool(true)) {
            let message = "The instance is protected. Please disable the deletion protection and try again.";
            return Err(Refusal::invalid("name", message));
        }
        let takes = instance.figures.update_takes;
        if !matches!(self.twist, Some(Twist::Fails(_)))
            && let Some(instance) = self.sql.instances.get_mut(name)
        {
            instance.phase = Phase::Deleting;
        }
        Ok(self.database_begins(name, Change::Delete, takes, user))
    }

    /// `POST …/instances/I/restart`: it is down at once, for as long as a restart takes.
    pub fn restart_database(&mut self, name: &str, user: &str) -> Result<Job<Effect>, Refusal> {
        let takes = self.idle_database(name)?.figures.restart_takes;
        Ok(self.database_goes_down(name, Change::Restart, takes, user))
    }

    /// `POST …/instances/I/failover`: the same, and it comes up in its other zone.
    pub fn fail_database_over(
        &mut self,
        name: &str,
        body: &Map<String, Value>,
        user: &str,
    ) -> Result<Job<Effect>, Refusal> {
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
    pub fn promote_database(&mut self, name: &str, user: &str) -> Result<Job<Effect>, Refusal> {
        let instance = self.idle_database(name)?;
        if instance.primary.is_none() {
            let message = "Invalid request: Only a read replica can be promoted.";
            return Err(Refusal::invalid("name", message));
        }
        let takes = instance.figures.restart_takes;
        Ok(self.database_goes_down(name, Change::Promote, takes, user))
    }

    fn database_goes_down(
        &mut self,
        name: &str,
        change: Change,
        takes: jiff::SignedDuration,
        user: &str,
    ) -> Job<Effect> {
        let job = self.database_begins(name, change, takes, user);
        if matches!(job.twist, None | Some(Twist::Misreports(_)))
            && let Some(instance) = self.sql.instances.get_mut(name)
        {
            instance.goes_down = Some(later(self.now, jiff::SignedDuration::ZERO));
        }
        self.advance(self.now);
        job
    }

    fn database_begins(&mut self, name: &str, change: Change, takes: jiff::SignedDuration, user: &str) -> Job<Effect> {
        let asked = Asked { user, now: self.now, twist: self.twist.as_ref() };
        let effect = Effect { instance: name.to_owned(), change };
        self.sql.jobs.begin("sql", asked, takes, effect).clone()
    }

    /// Does what an operation that has ended was for.
    pub(super) fn database_changes(&mut self, Effect { instance: name, change }: Effect) {
        let Some(instance) = self.sql.instances.get_mut(&name) else { return };
        instance.down = false;
        match change {
            Change::Update { settings, database_version } => {
                instance.settings = settings;
                instance.settings_version = instance.settings_version.saturating_add(1);
                if let Some(version) = database_version {
                    instance.database_version = version;
                }
            }
            Change::Create | Change::Clone => instance.phase = Phase::Running,
            Change::Delete => drop(self.sql.instances.remove(&name)),
            Change::Restart => {}
            Change::Failover => instance.other_zone = !instance.other_zone,
            Change::Promote => instance.primary = None,
        }
    }
}
