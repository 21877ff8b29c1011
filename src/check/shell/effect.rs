//! What a command changes, and where: looked up in the tables of [`mod@super::commands`].

use super::command_line::{CommandLine, Flag, Tool};
use super::commands::{self, Effect, Scope};
use super::{Place, PlacedWord};

use Effect::{Changes, DeletesData, DestroysData};

/// No command of `gcloud` has more words than this before its names.
const MOST_OF_A_COMMAND: usize = 8;

impl CommandLine {
    /// What it changes, and what it has to name for that; `None`: nothing that is known.
    pub(crate) fn effect(&self) -> Option<(Effect, Scope)> {
        self.effect
    }

    pub(super) fn find_effect(&self) -> Option<(Effect, Scope)> {
        let asks_only = ["help", "h", "dry-run", "dry_run", "dryrun"]
            .iter()
            .any(|flag| self.flag(flag).is_some_and(|flag| !["none", "false"].contains(&flag.value.as_str())));
        // `-h` of `gsutil` is a header.
        if asks_only && !(self.tool == Tool::Gsutil && self.flag("h").is_some()) {
            return None;
        }
        let effect = self.effect_of_tool()?;
        let deleting = commands::DELETING_FLAGS
            .iter()
            .find(|(command, flag, _)| self.names(command).is_some() && self.flag(flag).is_some())
            .filter(|_| {
                self.names("rsync")
                    .or(self.names("storage rsync"))
                    .is_none_or(|names| names.last().is_some_and(is_remote))
            });
        let effect = deleting.map_or(effect, |(.., effect)| *effect);
        let scope = match self.tool {
            Tool::Gcloud => self.scope_of_gcloud(),
            Tool::Kubectl => Scope::Cluster,
            Tool::Bq if self.names_no_project() => Scope::Project,
            Tool::Bq | Tool::Gsutil | Tool::Terraform => Scope::Global,
        };
        Some((effect, scope))
    }

    /// What it changes, if it changes anything in the cloud or in a cluster.
    pub(crate) fn change(&self) -> Option<(Effect, Scope)> {
        self.effect().filter(|(effect, _)| *effect != Effect::ChoosesCluster)
    }

    fn effect_of_tool(&self) -> Option<Effect> {
        let among =
            |table: &[(&str, Effect)]| table.iter().find(|(command, _)| self.names(command).is_some()).map(|row| row.1);
        match self.tool {
            Tool::Gcloud => self.effect_of_gcloud(),
            Tool::Kubectl if self.names("create token").is_some() => None,
            Tool::Kubectl => Some(self.deleted_kinds().unwrap_or(among(commands::KUBECTL)?)),
            Tool::Gsutil => among(commands::GSUTIL).filter(|_| !self.is_download()),
            Tool::Bq => among(commands::BQ).filter(|_| !self.is_select()),
            Tool::Terraform => {
                let deletes = self.names("workspace delete").filter(|_| self.flag("force").is_some());
                let effect = among(commands::TERRAFORM).or_else(|| deletes.map(|_| Changes))?;
                let is_whole = matches!(effect, DestroysData(_)) && self.flag("target").is_none();
                let destroys = matches!(effect, DestroysData(_));
                Some(if destroys && !is_whole { DeletesData("what -target names", commands::TARGETED) } else { effect })
            }
        }
    }

    fn effect_of_gcloud(&self) -> Option<Effect> {
        if commands::LOCAL.iter().any(|group| self.names(group).is_some()) || self.is_download() {
            return None;
        }
        if let Some((_, effect)) = commands::GCLOUD.iter().find(|(command, _)| self.names(command).is_some()) {
            return Some(*effect);
        }
        commands::changes(&self.verb()?.text).filter(|changes| *changes).map(|_| Changes)
    }

    /// Where the verb of a command of `gcloud` stands: the first word that is one, but for the first, which is a group.
    pub(super) fn find_verb(&self) -> Option<usize> {
        let is_verb = |word: &PlacedWord| commands::changes(&word.text).is_some();
        match self.tool {
            Tool::Gcloud => self.words().iter().take(MOST_OF_A_COMMAND).skip(1).position(is_verb).map(|at| at + 1),
            Tool::Kubectl | Tool::Gsutil | Tool::Bq | Tool::Terraform => Some(0),
        }
    }

    /// The verb of a command of `gcloud`.
    pub(crate) fn verb(&self) -> Option<&PlacedWord> {
        self.words().get(self.verb?).filter(|_| self.tool == Tool::Gcloud)
    }

    fn scope_of_gcloud(&self) -> Scope {
        let known = commands::SCOPES.iter().find(|(group, _)| self.names(group).is_some());
        known.map_or(Scope::Project, |(_, scope)| *scope)
    }

    /// What `kubectl delete` destroys of the kinds that it names, if that is data.
    fn deleted_kinds(&self) -> Option<Effect> {
        let kinds = self.names("delete")?.first()?;
        let kinds = kinds.text.split(',').map(|kind| kind.split(['/', '.']).next().unwrap_or(kind).to_lowercase());
        kinds.into_iter().find_map(|kind| {
            commands::KUBERNETES_KINDS
                .iter()
                .find(|(names, _)| names.contains(&kind.as_str()))
                .map(|(_, effect)| *effect)
        })
    }

    /// Whether it copies to this machine only.
    fn is_download(&self) -> bool {
        let copied = ["storage cp", "storage rsync", "cp", "rsync"].iter().find_map(|command| self.names(command));
        let Some((to, from)) = copied.and_then(|names| names.split_last()) else { return false };
        !is_remote(to) && (to.is_literal || from.iter().any(is_remote))
    }

    /// Whether it is a query that only reads, as far as its words say.
    fn is_select(&self) -> bool {
        let writes = ["destination_table", "replace", "append_table"].iter().any(|flag| self.flag(flag).is_some());
        let says_change = |word: &PlacedWord| {
            let text = word.text.to_lowercase();
            let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            words.any(|word| commands::CHANGING_SQL.contains(&word))
        };
        self.names("query").is_some_and(|words| !writes && !words.iter().any(says_change))
    }

    /// Whether the names behind a command of `bq` are known, and none says its project.
    fn names_no_project(&self) -> bool {
        let is_bare =
            |word: &PlacedWord| word.is_literal && !word.text.contains(':') && word.text.matches('.').count() < 2;
        let names = self.words().get(1..).unwrap_or_default();
        !names.is_empty() && names.iter().all(is_bare) && self.names("query").is_none() && self.names("load").is_none()
    }

    /// The project and the region that it names itself: by flags, or by a full resource name.
    pub(crate) fn target(&self) -> NamedTarget {
        let by_flag = |names: &[&str]| names.iter().find_map(|name| self.flag(name)).map(Named::from_flag);
        // What a named configuration says stands on the machine, but which one is meant does not depend on it.
        let by_configuration = || by_flag(&["configuration"]).map(|named| Named { is_literal: false, ..named });
        let other_scope = || by_flag(&commands::OTHER_SCOPES).map(|named| Named { is_literal: false, ..named });
        let project = by_flag(&["project", "project_id"])
            .or_else(|| self.in_full_name(None))
            .or_else(|| self.in_unknown_name())
            .or_else(|| self.project_of_account())
            .or_else(other_scope)
            .or_else(by_configuration);
        // The `--zone` of DNS is a zone of names.
        let places: &[&str] = match self.group() {
            "dns" => &["location"],
            _ => &["region", "location", "zone", "regions"],
        };
        let region = by_flag(places)
            .or_else(|| self.in_full_name(Some("locations")))
            .or_else(|| self.in_full_name(Some("regions")))
            .or_else(by_configuration);
        NamedTarget { project, region }
    }

    /// What a full resource name, such as `projects/shop/locations/…`, says: among the words, or as the value of a flag of which the
    /// name is a part of the resource.
    fn in_full_name(&self, key: Option<&str>) -> Option<Named> {
        let by_flag =
            ["cluster", "instance", "key", "keyring", "queue", "job"].into_iter().filter_map(|name| self.flag(name));
        let by_flag = by_flag.map(|flag| (&flag.value, flag.is_literal, &flag.place));
        let words = self.words().iter().map(|word| (&word.text, word.is_literal, &word.place));
        let (rest, is_literal, place) = words.chain(by_flag).find_map(|(text, is_literal, place)| {
            let at = text.find("projects/").filter(|at| *at == 0 || text.starts_with("https://"))?;
            Some((&text[at + "projects/".len()..], is_literal, place))
        })?;
        let mut parts = rest.split('/');
        let value = match key {
            None => parts.next()?,
            Some(key) => parts.skip_while(|part| *part != key).nth(1)?,
        };
        let is_literal = is_literal || !value.contains('$');
        Some(Named { value: value.to_owned(), is_literal, place: place.clone() })
    }

    /// A name in a variable that must be a full one.
    fn in_unknown_name(&self) -> Option<Named> {
        let is_placed = commands::PLACED.contains(&self.group()) && self.flag("location").is_none();
        let behind = self.words().get(self.verb? + 1..)?;
        let name = behind.iter().find(|word| !word.is_literal).filter(|_| is_placed)?;
        Some(Named { value: name.text.clone(), is_literal: false, place: name.place.clone() })
    }

    /// The project in the e-mail address of the service account that it is about.
    fn project_of_account(&self) -> Option<Named> {
        let names = self.names("iam service-accounts")?;
        let by_flag = self.flag("iam-account").map(|flag| (&flag.value, flag.is_literal, &flag.place));
        let mut addresses = names.iter().map(|word| (&word.text, word.is_literal, &word.place)).chain(by_flag);
        addresses.find_map(|(text, is_literal, place)| {
            let project = text.split_once('@')?.1.strip_suffix(".iam.gserviceaccount.com")?;
            Some(Named { value: project.to_owned(), is_literal, place: place.clone() })
        })
    }

    /// Whether it says which cluster it means.
    pub(crate) fn names_cluster(&self) -> bool {
        ["context", "cluster", "kubeconfig", "server", "s"].iter().any(|flag| self.flag(flag).is_some())
    }
}

/// Whether something to be copied lies in a bucket.
fn is_remote(word: &PlacedWord) -> bool {
    word.text.contains("://")
}

/// A project or region that a command names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) value: String,
    pub(crate) is_literal: bool,
    pub(crate) place: Place,
}

impl Named {
    fn from_flag(flag: &Flag) -> Named {
        Named { value: flag.value.clone(), is_literal: flag.is_literal, place: flag.place.clone() }
    }
}

/// Where a command says that it works.
pub(crate) struct NamedTarget {
    pub(crate) project: Option<Named>,
    pub(crate) region: Option<Named>,
}
