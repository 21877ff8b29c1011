//! What names look like.

/// The shape that a name must have.
#[derive(Clone, Copy, Debug)]
pub struct NameShape {
    /// What it names, with its article: `a Cloud Run service`.
    pub what: &'static str,
    /// Fewest characters.
    pub min_length: usize,
    /// Most characters.
    pub max_length: usize,
    /// Whose names these are.
    pub owner: NameOwner,
    /// The shape in words.
    pub description: &'static str,
}

/// Whose names they are, which decides how one begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOwner {
    /// Google's resources: a name begins with a letter and does not end with a hyphen. Source: AIP-122.
    Google,
    /// The runbook's own things: a name begins with a letter or a digit.
    Runbook,
}

impl NameShape {
    /// Whether a name has this shape: lower-case letters, digits and hyphens, within the length.
    pub fn fits(&self, name: &str) -> bool {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let Some(first) = name.bytes().next() else { return false };
        let ends_match = match self.owner {
            NameOwner::Google => first.is_ascii_lowercase() && !name.ends_with('-'),
            NameOwner::Runbook => first.is_ascii_lowercase() || first.is_ascii_digit(),
        };
        (self.min_length..=self.max_length).contains(&name.len()) && name.bytes().all(is_allowed) && ends_match
    }
}
