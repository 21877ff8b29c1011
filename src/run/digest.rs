//! How records name contents: by their SHA-256.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest in lower-case hex.
pub type Hash = String;

/// The SHA-256 of these bytes, in lower-case hex.
pub fn digest(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
