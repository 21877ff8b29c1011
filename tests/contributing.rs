//! The pages for contributors name every file that a worked example is in, and no more files than we promise.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::architecture::sources;

/// A page, what its example is called in the sources, how many files it may take, and where it may be named besides: by what the
/// page calls optional.
const EXAMPLES: &[(&str, &str, usize, &[&str])] = &[
    (
        "add-a-resource-and-an-action",
        r#"\b(SqlPatch|sql_patch)\b|resource::sql\b|\bsql::|\bmod sql;|gcp\.sql(\.patch|["`])"#,
        4,
        &[
            "src/action/sql_calls.rs",
            "src/check/rules/restart_unsaid.rs",
            "src/check/rules/typed_step.rs",
            "src/drill/elsewhere.rs",
            "src/resource/describe.rs",
            "src/resource/sql_flag.rs",
            "src/run/id.rs",
        ],
    ),
    ("add-a-probe", r"\bTcpProbe\b|\bmod tcp;|\btcp::", 2, &[]),
    ("add-a-simulated-resource", r"\b(service_health|ServiceHealth)\b", 2, &[]),
    ("add-a-rule", r"tag_not_digest|tag-not-digest", 2, &[]),
    ("add-a-report-format", r"\bhtml::html\b|\bmod html;|ReportFormat::Html|pub\(super\) fn html\b", 2, &[]),
];

#[test]
fn the_files_of_the_worked_examples_are_all_that_name_them() {
    for (page, names, most, besides) in EXAMPLES {
        let text = fs::read_to_string(format!("docs/contributing/{page}.md")).unwrap();
        let (_, files) = text.split_once("## Files\n").unwrap();
        // The first list; a second one is of what is optional.
        let listed: BTreeSet<PathBuf> = files
            .trim_start()
            .lines()
            .take_while(|line| !line.is_empty())
            .map(|line| line.strip_prefix("- `").and_then(|line| line.split('`').next()).unwrap().into())
            .collect();
        assert!(listed.len() <= *most, "{page}: {} files are more than {most}", listed.len());
        let names = Regex::new(names).unwrap();
        // The simulated cloud shares no code with the rest: the one is searched, or the other.
        let is_simulated = *page == "add-a-simulated-resource";
        let searched = sources(Path::new("src")).into_iter().filter(|file| file.starts_with("src/sim") == is_simulated);
        let naming: BTreeSet<PathBuf> =
            searched.filter(|file| names.is_match(&fs::read_to_string(file).unwrap())).collect();
        let unlisted: Vec<_> =
            naming.difference(&listed).filter(|file| !besides.iter().any(|other| file == &Path::new(other))).collect();
        assert!(unlisted.is_empty(), "{page} does not list {unlisted:?}");
        let vain: Vec<_> = listed.difference(&naming).collect();
        assert!(vain.is_empty(), "{page} lists files that do not name the example: {vain:?}");
    }
}

#[test]
fn every_page_for_contributors_has_its_example_checked() {
    for file in fs::read_dir("docs/contributing").unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(EXAMPLES.iter().any(|(page, ..)| *page == name), "{name} is a page whose files nobody checks");
    }
}
