//! A part of a runbook: which steps are meant.

use crate::run::Occasion;
use crate::runbook::model::Runbook;

/// Which steps of a runbook are meant; without anything, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The first step.
    pub from: Option<String>,
    /// The last step.
    pub until: Option<String>,
    /// A phase or a step, and nothing else.
    pub only: Option<String>,
    /// Steps that are left out.
    pub skip: Vec<String>,
}

/// A name that is no step, nor a phase where one may stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{name}`; there are {}", .known.join(", "))]
pub struct Unknown {
    /// What it should have been.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// The names that there are.
    pub known: Vec<String>,
}

impl Selection {
    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        *self == Selection::default()
    }

    /// Leaves in the runbook what is meant.
    ///
    /// # Errors
    /// If a name is none of the runbook's.
    pub fn of(&self, runbook: &mut Runbook) -> Result<(), Unknown> {
        let steps: Vec<String> = runbook.steps().map(|step| step.name.clone()).collect();
        let phases: Vec<String> = runbook.phases.iter().map(|phase| phase.name.clone()).collect();
        let place = |name: &String| {
            let known = || Unknown { what: "step", name: name.clone(), known: steps.clone() };
            steps.iter().position(|step| step == name).ok_or_else(known)
        };
        let from = self.from.as_ref().map(place).transpose()?.unwrap_or(0);
        let until = self.until.as_ref().map(place).transpose()?.unwrap_or(usize::MAX);
        self.skip.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        if let Some(name) = self.only.as_ref().filter(|name| !steps.contains(name) && !phases.contains(name)) {
            let known = phases.iter().chain(&steps).cloned().collect();
            return Err(Unknown { what: "phase or step", name: name.clone(), known });
        }
        let mut place = 0;
        for phase in &mut runbook.phases {
            // Whoever names it wants it carried out now, and not only if something is to be put in order.
            let named = |name: &String| *name == phase.name || phase.steps.iter().any(|step| step.name == *name);
            if self.only.iter().chain(&self.from).any(named) {
                phase.occasion = Occasion::InOrder;
            }
            // What puts things in order is not left out by what is left out before it.
            let always = phase.occasion == Occasion::Finally && self.only.is_none();
            phase.steps.retain(|step| {
                let only = self.only.as_ref().is_none_or(|only| *only == phase.name || *only == step.name);
                let within = always || (from..=until).contains(&place);
                place += 1;
                only && within && !self.skip.contains(&step.name)
            });
        }
        runbook.phases.retain(|phase| !phase.steps.is_empty());
        // What stands for the whole is not shown by a part.
        if !self.is_everything() {
            runbook.symptom.unhealthy.clear();
        }
        Ok(())
    }
}
