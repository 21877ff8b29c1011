//! The texts by which a secret is known: itself, each of its lines, and what base64 and hexadecimal make of them.
//!
//! Escapings are not among them: they are undone before anything is looked for ([`view`](super::view)).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A shorter text is too common to be looked for.
pub(super) const SHORTEST: usize = 4;

/// Every form of a secret.
pub(super) fn forms(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    for part in parts(secret) {
        all.insert(part.as_bytes().to_vec());
        // A search that passes over the case of ASCII does not know the others.
        all.extend([part.to_uppercase().into_bytes(), part.to_lowercase().into_bytes()]);
        all.extend(base64(part.as_bytes()));
        all.insert(part.bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect());
    }
    all
}

/// The whole of a secret, its lines if it has several (also such as JSON writes them, in a service account's key), and
/// its password if it is a URL.
fn parts(secret: &str) -> BTreeSet<String> {
    let lines = secret.split('\n').flat_map(|line| line.split("\\n"));
    let parts = [secret].into_iter().chain(lines).map(|part| part.trim().to_owned());
    parts.chain(password(secret)).filter(|part| part.chars().count() >= SHORTEST).collect()
}

/// The password in a URL's user info, as it is and as it is meant.
fn password(secret: &str) -> Vec<String> {
    let Some((_, rest)) = secret.split_once("://") else { return Vec::new() };
    let Some((user_info, _)) = rest.rsplit_once('@') else { return Vec::new() };
    let Some((_, password)) = user_info.split_once(':') else { return Vec::new() };
    let meant = percent_encoding::percent_decode_str(password).decode_utf8_lossy().into_owned();
    vec![password.to_owned(), meant]
}

/// What base64 makes of these bytes, by themselves or anywhere inside of others: three bytes become four characters, so
/// there are three ways to begin. A character that is made of neighbours too is left out: it has at most four bits of
/// the secret.
fn base64(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for (before, shared) in [(0, 0), (1, 2), (2, 3)] {
            let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
            let encoded = engine.encode(&padded);
            let whole = padded.len() * 8 / 6;
            all.extend(encoded.as_bytes().get(shared..whole).map(<[u8]>::to_vec));
            // By themselves they have an end, and its last character is all theirs.
            all.extend((before == 0).then(|| encoded.into_bytes()));
        }
    }
    all.retain(|form| form.len() >= SHORTEST);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_known_wherever_it_stands() {
        let forms = forms("hunter2hunter2");
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "x", "xy", "xyz"] {
                let encoded = STANDARD_NO_PAD.encode(format!("{before}hunter2hunter2{after}"));
                let is_in = |form: &Vec<u8>| form.len() > 14 && encoded.contains(std::str::from_utf8(form).unwrap());
                assert!(forms.iter().any(is_in), "{encoded}");
            }
        }
    }

    #[test]
    fn a_key_is_known_by_each_of_its_lines_and_a_url_by_its_password() {
        let key = parts("-----BEGIN KEY-----\nMIIabcd\n\n=\n-----END KEY-----\n");
        assert!(key.contains("MIIabcd") && !key.contains("="), "{key:?}");
        assert!(parts(r#"{"key":"-----BEGIN\nMIIabcd\n--"}"#).contains("MIIabcd"));
        let url = parts("postgres://probe:p%40ss@10.0.0.3/app");
        assert!(url.contains("p%40ss") && url.contains("p@ss"), "{url:?}");
    }
}
