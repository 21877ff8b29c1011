//! What is set around a command, so that it need not name its project, its region or its cluster.
//!
//! A variable of the step's environment sets it, and so does a command before: `gcloud config set project`, the activation of a
//! configuration, whatever chooses a cluster. After `source` nothing is known: what is read there may set anything.

use std::collections::BTreeMap;

use super::command_line::CommandLine;
use super::parse::{Origin, Word};
use super::{Place, PlacedWord, Tool, base_name};

/// What the step's environment, or the script before, sets for every command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) project: Setting,
    /// The region by the section of gcloud's settings that it stands in, such as `run`: `run` does not read that of `compute`.
    regions: BTreeMap<String, Setting>,
    /// Whether the cluster is chosen.
    pub(crate) cluster: bool,
    /// Whether anything may be set, because a file of which nothing is known was read.
    is_open: bool,
}

/// What the programs take if a command does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Whatever the machine was last set to.
    #[default]
    Ambient,
    /// It is set, and it is not known to what.
    Unknown,
    /// It is set to this.
    Is(String),
}

impl From<Option<String>> for Setting {
    fn from(value: Option<String>) -> Setting {
        value.map_or(Setting::Unknown, Setting::Is)
    }
}

impl Setting {
    /// What holds if this or that was carried out.
    fn or(self, other: &Setting) -> Setting {
        match (&self, other) {
            (_, Setting::Ambient) => self,
            (Setting::Ambient, _) => other.clone(),
            _ if self == *other => self,
            _ => Setting::Unknown,
        }
    }
}

/// How many sections of gcloud's settings are told apart in a script: more than anybody sets.
const MOST_SECTIONS: usize = 32;

/// The section that stands for any.
const ANY: &str = "*";

/// Commands of other programs that choose the cluster that `kubectl` works on.
const CHOOSING: [(&str, &str); 9] = [
    ("aws", "eks update-kubeconfig"),
    ("az", "aks get-credentials"),
    ("doctl", "kubernetes cluster kubeconfig save"),
    ("eksctl", "utils write-kubeconfig"),
    ("k3d", "cluster create"),
    ("kind", "create cluster"),
    ("kind", "export kubeconfig"),
    ("kubectx", ""),
    ("minikube", "start"),
];

impl Surroundings {
    /// The region that commands of a group of `gcloud` take if they do not say.
    pub(crate) fn region(&self, group: &str) -> Setting {
        let of = |section: &str| self.regions.get(section).cloned().unwrap_or_default();
        of(group).or(&of(ANY))
    }

    /// A variable is set.
    pub(super) fn note_variable(&mut self, name: &str, value: Option<String>) {
        match name {
            "CLOUDSDK_CORE_PROJECT" => self.project = value.into(),
            "CLOUDSDK_ACTIVE_CONFIG_NAME" | "CLOUDSDK_CONFIG" => self.set_all_unknown(),
            "KUBECONFIG" => self.cluster = true,
            _ => {
                let place = name
                    .strip_prefix("CLOUDSDK_")
                    .and_then(|name| ["_REGION", "_LOCATION"].into_iter().find_map(|key| name.strip_suffix(key)));
                if let Some(section) = place {
                    self.set_region(section.to_lowercase(), value);
                }
            }
        }
    }

    fn set_region(&mut self, section: String, value: Option<String>) {
        if self.regions.len() < MOST_SECTIONS {
            self.regions.insert(section, value.into());
        }
    }

    fn set_all_unknown(&mut self) {
        self.project = Setting::Unknown;
        self.regions = BTreeMap::from([(ANY.to_owned(), Setting::Unknown)]);
    }

    /// A command of the script sets something for those after it.
    fn note_gcloud(&mut self, line: &CommandLine) {
        if let Some([property, value, ..]) = line.names("config set") {
            let value = Some(value.text.clone()).filter(|_| value.is_literal);
            match property.text.as_str() {
                "project" | "core/project" => self.project = value.into(),
                property => {
                    let (section, key) = property.split_once('/').unwrap_or((ANY, property));
                    if key == "region" || key == "location" {
                        self.set_region(section.to_owned(), value);
                    }
                }
            }
        }
        let logs_in = ["auth login", "auth activate-service-account"].iter().any(|login| line.names(login).is_some());
        if let Some(project) = line.flag("project").filter(|_| logs_in) {
            self.project = Some(project.value.clone()).filter(|_| project.is_literal).into();
        }
        // An emulator is told by settings, too, and has no project of its own.
        let switches = ["config configurations activate", "config configurations create", "emulators", "init"];
        if switches.iter().any(|switch| line.names(switch).is_some()) {
            self.set_all_unknown();
        }
        let credentials =
            ["container clusters", "container fleet memberships", "container hub memberships", "container attached"];
        self.cluster |= credentials
            .iter()
            .any(|group| line.names(group).is_some_and(|rest| rest.iter().any(|word| word.text == "get-credentials")));
    }

    /// What was set later holds.
    pub(super) fn replace(&mut self, later: &Surroundings) {
        if later.project != Setting::Ambient {
            self.project.clone_from(&later.project);
        }
        self.regions.extend(later.regions.clone());
        self.cluster |= later.cluster;
        self.is_open |= later.is_open;
    }

    /// What may have been set holds beside what was set before.
    pub(super) fn merge(&mut self, perhaps: &Surroundings) {
        self.project = std::mem::take(&mut self.project).or(&perhaps.project);
        for (section, region) in &perhaps.regions {
            let own = self.regions.entry(section.clone()).or_default();
            *own = std::mem::take(own).or(region);
        }
        self.cluster |= perhaps.cluster;
        self.is_open |= perhaps.is_open;
    }

    /// What is set further out holds too, where nothing is set further in.
    pub(super) fn inherit(&mut self, outer: &Surroundings) {
        if self.project == Setting::Ambient {
            self.project.clone_from(&outer.project);
        }
        for (section, region) in &outer.regions {
            self.regions.entry(section.clone()).or_insert_with(|| region.clone());
        }
        self.cluster |= outer.cluster;
        self.is_open |= outer.is_open;
        if self.is_open {
            self.cluster = true;
            if self.project == Setting::Ambient {
                self.project = Setting::Unknown;
            }
            self.regions.entry(ANY.to_owned()).or_insert(Setting::Unknown);
        }
    }
}

/// What a command sets for those after it.
pub(super) fn set_by(words: &[Word]) -> Surroundings {
    let mut set = Surroundings::default();
    let Some((program, arguments)) = words.split_first() else { return set };
    let name = base_name(&program.text);
    // What sets up the shell itself sets nothing for these programs.
    let sets_up = |file: &str| {
        file.ends_with("/activate") || ["<(", "/etc/", "~/.", "$HOME/."].iter().any(|start| file.starts_with(start))
    };
    if ["source", "."].contains(&program.text.as_str()) {
        set.is_open = arguments.first().is_some_and(|file| !sets_up(&file.text));
    }
    let begins = |command: &str| {
        command
            .split_whitespace()
            .eq(arguments.iter().map(|word| word.text.as_str()).take(command.split_whitespace().count()))
    };
    set.cluster |= CHOOSING.iter().any(|(program, command)| *program == name && begins(command));
    // The name that `alias` gives to something else is not what it was.
    if name == "alias" && arguments.iter().any(|word| word.text.starts_with("gcloud=")) {
        set.set_all_unknown();
    }
    set.cluster |= name == "alias" && arguments.iter().any(|word| word.text.starts_with("kubectl="));
    let placed = |word: &Word| PlacedWord {
        text: word.text.clone(),
        is_literal: word.is_literal,
        is_split: word.is_split,
        is_given: word.origin != Origin::Script,
        place: Place::Whole,
    };
    let placed: Vec<PlacedWord> = words.iter().map(placed).collect();
    match CommandLine::read(&placed) {
        Some(line) if line.tool == Tool::Gcloud => set.note_gcloud(&line),
        Some(line) if line.tool == Tool::Kubectl => set.cluster |= line.names("config use-context").is_some(),
        _ => {}
    }
    set
}
