//! Every code has its page, and what a page shows is so: its first example has the mistake, its second has not.

use std::collections::BTreeSet;
use std::fs;

use rectify::check::{check, codes, page};
use rectify::runbook::Mode;
use rectify::syntax::Inputs;

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let files: BTreeSet<String> = fs::read_dir("docs/checks")
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(codes().iter().map(|(code, _)| (*code).to_owned()).collect::<BTreeSet<_>>(), files);
    for (code, _) in codes() {
        let page = page(code).unwrap_or_else(|| panic!("{code} is not explained"));
        assert_eq!(page, fs::read_to_string(format!("docs/checks/{code}.md")).unwrap());
        assert!(page.starts_with(&format!("# {code}\n\n")), "{code}");
        assert!(page.contains("\n## Instead\n"), "{code}");
        assert!(
            page.lines()
                .all(|line| line.chars().count() <= 125 || line.contains("with = {") || line.contains("image = {")),
            "{code} has long lines"
        );
    }
}

#[test]
fn what_a_page_shows_is_so() {
    let mut shown = 0;
    for (code, _) in codes() {
        let page = page(code).unwrap();
        let examples: Vec<&str> =
            page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        let [wrong, right] = examples.as_slice() else {
            assert!(page.contains("\n## How it comes about\n"), "{code}: {} examples", examples.len());
            continue;
        };
        assert!(codes_in(code, wrong).contains(code), "{code}: the first example does not have it");
        let left = codes_in(code, right);
        assert!(left.is_empty(), "{code}: the second example has {left:?}");
        shown += 1;
    }
    assert!(shown > 40);
}

/// What is wrong with an example, made a whole runbook.
fn codes_in(code: &str, example: &str) -> BTreeSet<&'static str> {
    let mode = if code == "not-yet" { Mode::Run } else { Mode::Check };
    let text = framed(example);
    let outcome = check("example.toml", text.as_bytes(), &Inputs::none(), mode);
    outcome.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

/// The example in the smallest runbook that has a place for it.
fn framed(example: &str) -> String {
    let head = "[runbook]\nname = \"example\"\n\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n\n";
    let backend = "[probes.backend]\nhttp = \"https://api.example.com/health\"\nexpect = \"status == 200\"\n\n";
    let phase = "[[phase]]\nname = \"one\"\n\n";
    let mut text = head.to_owned();
    if example.contains("[\"backend\"]") && !example.contains("[probes.backend]") {
        text += backend;
    }
    match example.find("[[phase") {
        Some(at) if example[at..].starts_with("[[phase.step]]") => {
            text.extend([&example[..at], phase, &example[at..]]);
        }
        Some(_) => text += example,
        None => {
            let probes: Vec<_> =
                example.lines().filter_map(|line| line.strip_prefix("[probes.")?.strip_suffix(']')).collect();
            let gate = format!("gate = {{ healthy = {probes:?}, for = \"10m\" }}");
            text.extend([example, "\n", phase, "[[phase.step]]\nname = \"watch\"\nuses = \"probe\"\n", &gate, "\n"]);
        }
    }
    text
}
