//! The documents say what is so: the list of actions is the program's, and every link leads to a file.

use std::fs;
use std::path::{Path, PathBuf};

use rectify::action::ACTIONS;

const BEGIN: &str = "<!-- actions -->\n";
const END: &str = "<!-- end of actions -->\n";

/// The README's table of actions, with what each says of itself.
fn table() -> String {
    let rows = ACTIONS.iter().map(|action| format!("| `{}` | {} |\n", action.name, action.with.about));
    format!("| `uses` | what it does |\n|---|---|\n{}", rows.collect::<String>())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever adds an action says that the README is to be written anew")]
fn the_readme_lists_every_action() {
    let readme = fs::read_to_string("README.md").unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write("README.md", format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(found, table(), "`UPDATE_README=1 cargo test readme` writes it anew");
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_link_leads_to_a_file() {
    let mut found = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(PathBuf::from).to_vec();
    documents(Path::new("docs"), &mut found);
    let mut dead = Vec::new();
    let mut followed = 0;
    for document in found {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let is_elsewhere = link.contains("://") || link.contains(char::is_whitespace) || file.is_empty();
            if is_elsewhere {
                continue;
            }
            followed += 1;
            if !document.parent().unwrap().join(file).exists() {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(followed > 50, "only {followed} links were found");
}
