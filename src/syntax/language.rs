//! Where in a text a reference stands, and so how its value is written there.
//!
//! A value that is put into JSON, a form or a URL as it is can end what it stands in and begin something else. So a value is
//! written in the language of its place; and where no language is known, a secret is not put at all.

use super::template::{Part, Resolved};
use super::value::{Encoding, Piece, SecretText, Sources};

/// What a text with secrets is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// A header, a variable, a webhook's address: the whole of it is one value to whoever gets it.
    Plain,
    /// What is sent in a request: JSON, or something that is not known.
    Body,
    /// The URL of a database, in whose user info a value is percent-encoded.
    DatabaseUrl,
    /// A value of a query or a form.
    Url,
    /// The inside of a JSON text.
    JsonText,
}

/// Why a secret cannot stand where it does, and what to do instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misplaced {
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

impl Language {
    fn is_of_table(self) -> bool {
        match self {
            Language::Url | Language::JsonText => true,
            Language::Plain | Language::Body | Language::DatabaseUrl => false,
        }
    }

    /// The text with every value written as its place wants it.
    pub(crate) fn compose(self, resolved: &Resolved) -> Result<SecretText, Misplaced> {
        let parts = &resolved.parts;
        let encodings: Vec<Encoding> = match self {
            Language::Plain => vec![Encoding::Plain; parts.len()],
            Language::Url => vec![Encoding::Url; parts.len()],
            Language::JsonText => vec![Encoding::JsonText; parts.len()],
            Language::Body => body(parts)?,
            Language::DatabaseUrl => database_url(parts)?,
        };
        let piece = |(part, encoding): (&Part, Encoding)| {
            let known = |value: &str| Piece::Known(encoding.encode(value).unwrap_or_default().into());
            match part {
                // In a table the text itself is no JSON and no query yet.
                Part::Text(text) | Part::Unresolved(text) if self.is_of_table() => known(text),
                Part::Text(text) | Part::Unresolved(text) => Piece::Known(text.clone().into()),
                Part::Value(value) => known(value),
                Part::Secret(secret) => known(secrecy::ExposeSecret::expose_secret(secret)),
                Part::Captured(name) => Piece::Captured { name: name.clone(), encoding },
            }
        };
        let sources = Sources { secrets: resolved.secrets.clone(), absent: resolved.absent.clone() };
        Ok(SecretText::new(resolved.text.clone(), parts.iter().zip(encodings).map(piece).collect(), sources))
    }
}

fn is_private(part: &Part) -> bool {
    match part {
        Part::Secret(_) | Part::Captured(_) => true,
        Part::Text(_) | Part::Value(_) | Part::Unresolved(_) => false,
    }
}

/// The text with a digit in the place of every reference, and where each part begins in it.
fn skeleton(parts: &[Part]) -> (String, Vec<usize>) {
    let (mut text, mut begins) = (String::new(), Vec::new());
    for part in parts {
        begins.push(text.len());
        match part {
            Part::Text(written) => text.push_str(written),
            Part::Value(_) | Part::Secret(_) | Part::Captured(_) | Part::Unresolved(_) => text.push('1'),
        }
    }
    (text, begins)
}

/// In JSON a value stands inside of quotation marks and is written as its inside, or outside of them, and is written as it
/// is. In other texts only what is no secret can stand.
fn body(parts: &[Part]) -> Result<Vec<Encoding>, Misplaced> {
    let (text, begins) = skeleton(parts);
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
        if parts.iter().any(is_private) {
            return Err(Misplaced {
                message: "a secret or captured value stands in a text that is not JSON: it could end what it stands in"
                    .to_owned(),
                help: "send it with `json = { … }`, `form = { … }`, `query = { … }` or in `headers`, which write it as it must be",
            });
        }
        return Ok(vec![Encoding::Plain; parts.len()]);
    }
    let inside = quoted(&text);
    parts
        .iter()
        .zip(begins)
        .map(|(part, at)| match part {
            Part::Text(_) | Part::Unresolved(_) => Ok(Encoding::Plain),
            _ if inside.get(at).copied().unwrap_or_default() => Ok(Encoding::JsonText),
            Part::Value(_) => Ok(Encoding::Plain),
            Part::Captured(_) => Ok(Encoding::JsonScalar),
            Part::Secret(_) => Err(Misplaced {
                message: "a secret stands outside of quotation marks in JSON: it could be anything there".to_owned(),
                help: "write it as a text, such as {\"password\": \"${inputs.password}\"}, or use `json = { … }`",
            }),
        })
        .collect()
}

/// Of each byte of a JSON text, whether it is inside of quotation marks.
fn quoted(json: &str) -> Vec<bool> {
    let (mut inside, mut is_escaped) = (false, false);
    let state = |byte: u8| {
        let before = inside;
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if inside => is_escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
        before
    };
    json.bytes().map(state).collect()
}

/// What stands before the `@` of a URL's authority is percent-encoded; behind it a secret does not stand. A URL that is a
/// secret as a whole is taken as it is.
fn database_url(parts: &[Part]) -> Result<Vec<Encoding>, Misplaced> {
    let written: Vec<&Part> =
        parts.iter().filter(|part| !matches!(part, Part::Text(text) if text.is_empty())).collect();
    if let [_] = written.as_slice() {
        return Ok(vec![Encoding::Plain; parts.len()]);
    }
    let (text, begins) = skeleton(parts);
    let authority = text.find("://").map_or(text.len(), |scheme| scheme + 3);
    let rest = text.get(authority..).unwrap_or_default();
    let end = authority + rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at_sign = text.get(..end).and_then(|before| before.rfind('@'));
    parts
        .iter()
        .zip(begins)
        .map(|(part, at)| match part {
            Part::Text(_) | Part::Unresolved(_) => Ok(Encoding::Plain),
            _ if at >= authority && at_sign.is_some_and(|at_sign| at < at_sign) => Ok(Encoding::Url),
            Part::Value(_) => Ok(Encoding::Plain),
            Part::Secret(_) | Part::Captured(_) => Err(Misplaced {
                message: "a secret stands in a URL outside of its user info: it would be shown with the address".to_owned(),
                help: "give the parts by themselves, such as { host = \"10.20.0.3\", user = \"probe\", password = \"${inputs.password}\" }",
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use secrecy::{ExposeSecret as _, SecretString};

    use super::*;
    use crate::syntax::template::{Audience, Meaning, Origin, Scope};

    fn resolved(text: &str, secret: &str) -> Resolved {
        let scope = Scope::default();
        scope.define("inputs.s", Meaning::Secret { value: Some(secret.to_owned().into()), origin: Origin::Declared });
        scope.define("inputs.v", Meaning::Is(secret.to_owned()));
        scope.define("flow.c", Meaning::Captured);
        scope.resolve(text, Audience::Recipient)
    }

    fn composed(language: Language, text: &str, secret: &str) -> Result<String, String> {
        let captured = BTreeMap::from([("c".to_owned(), SecretString::from(secret.to_owned()))]);
        let private = language.compose(&resolved(text, secret)).map_err(|misplaced| misplaced.message)?;
        let filled = private.filled(&captured).map_err(|error| error.to_string())?;
        Ok(filled.value().expose_secret().to_owned())
    }

    #[test]
    fn a_secret_stands_only_where_its_language_is_known() {
        for (text, sent) in [
            (
                r#"{"a":"x ${inputs.s}","b":["${flow.c}"],"c\"${inputs.v}":1}"#,
                Some(r#"{"a":"x p\"w","b":["p\"w"],"c\"p\"w":1}"#),
            ),
            ("just ${inputs.v}", Some("just p\"w")),
            ("user=x&password=${inputs.s}", None),
            ("${inputs.s}", None),
            ("token=${flow.c}", None),
            (r#"{"a":${inputs.s}}"#, None),
            (r#"{"a":${flow.c}}"#, None),
        ] {
            assert_eq!(composed(Language::Body, text, "p\"w").ok().as_deref(), sent, "{text}");
        }
        assert_eq!(composed(Language::Body, r#"{"a":${flow.c}}"#, "42").as_deref(), Ok(r#"{"a":42}"#));
        for (text, sent) in [
            ("postgres://probe:${inputs.s}@h:1/app", Some("postgres://probe:a%40b%2F%3F%23%25c@h:1/app")),
            (
                "postgres://${inputs.v}:${inputs.s}@h/app",
                Some("postgres://a%40b%2F%3F%23%25c:a%40b%2F%3F%23%25c@h/app"),
            ),
            ("${inputs.s}", Some("a@b/?#%c")),
            ("postgres://probe@h/${inputs.s}", None),
            ("postgres://probe@${inputs.s}/app", None),
            ("postgres://h/app?password=${inputs.s}", None),
            ("postgres://h/app?x=@${inputs.s}@", None),
        ] {
            assert_eq!(composed(Language::DatabaseUrl, text, "a@b/?#%c").ok().as_deref(), sent, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_value_is_it_arrives_as_it_is(value in "\\PC{0,24}|[\"\\\\\\n\\t/@:?#%&= ]{0,9}") {
            let body = composed(Language::Body, r#"{"a":"<${inputs.s}>","b":"${flow.c}${inputs.v}"}"#, &value).unwrap();
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(&body["a"], &serde_json::Value::from(format!("<{value}>")));
            prop_assert_eq!(&body["b"], &serde_json::Value::from(format!("{value}{value}")));
            let url = composed(Language::DatabaseUrl, "postgres://u:${inputs.s}@h.example:7/app", &value).unwrap();
            let url = reqwest::Url::parse(&url).unwrap();
            let password = percent_encoding::percent_decode_str(url.password().unwrap_or_default()).decode_utf8().unwrap().into_owned();
            prop_assert_eq!((url.host_str(), url.port(), password), (Some("h.example"), Some(7), value));
        }
    }
}
