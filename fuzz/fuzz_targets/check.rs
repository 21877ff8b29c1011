//! Whatever the bytes are, `check` ends, says where, and draws it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rectify::check::{Report, Style, check};
use rectify::runbook::Mode;
use rectify::syntax::Inputs;

fuzz_target!(|bytes: &[u8]| {
    for mode in [Mode::Check, Mode::Run] {
        let outcome = check("fuzz.toml", bytes, &Inputs::none(), mode);
        assert!(outcome.checked.is_none() || outcome.is_sound());
        outcome.render(Style { colour: true, width: 80 });
        serde_json::to_string(&Report::of(&[outcome])).expect("a report is JSON");
    }
});
