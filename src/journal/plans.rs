//! Which saved plans were carried out from this state directory: each is carried out once.
//!
//! A plan is a promise about one moment. Carried out a second time it would rest on what the first time has changed, and
//! somebody who approved it approved one run. One file a plan, named by the plan's digest, with the run's id in it.

use std::io;
use std::path::PathBuf;

use super::directory::{OpenError, State};
use super::disk;
use crate::run::{Hash, RunId};

impl State {
    /// The run that carried out the plan of this digest, if one did.
    ///
    /// # Errors
    /// If that cannot be read.
    pub fn run_of_plan(&self, digest: &Hash) -> Result<Option<String>, OpenError> {
        let path = self.plan(digest);
        match disk::read(&path) {
            Ok(run) => Ok(Some(String::from_utf8_lossy(&run).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpenError::Io { path, source }),
        }
    }

    /// Notes that a run carries out the plan of this digest.
    ///
    /// # Errors
    /// If another run did before, or it cannot be written.
    pub fn note_plan(&self, digest: &Hash, run: &RunId) -> Result<(), OpenError> {
        let path = self.plan(digest);
        let note = || {
            let folder = self.root().join(FOLDER);
            disk::make_directories(&folder)?;
            let mut file = disk::create(&path)?;
            disk::write(&mut file, run.as_str().as_bytes())?;
            disk::sync(&file)?;
            disk::sync_directory(&folder)
        };
        note().map_err(|source| OpenError::Io { path: path.clone(), source })
    }

    fn plan(&self, digest: &Hash) -> PathBuf {
        self.root().join(FOLDER).join(digest)
    }
}

const FOLDER: &str = "plans";
