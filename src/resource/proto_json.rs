//! How Google's APIs write messages as JSON: a whole number of 64 bits as text, an enum by its name or by its number, what has its
//! default value not at all.
//!
//! Source: <https://protobuf.dev/programming-guides/json/>, which also says what a reader has to accept.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a message. A field that is `null` has its default value.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(text).or_else(|first| {
        // Google's own writers leave such a field out, so this is tried only where reading fails.
        let mut value: Value = serde_json::from_slice(text)?;
        if drop_nulls(&mut value) { T::deserialize(value).map_err(|_| first) } else { Err(first) }
    })
}

/// Takes out every field that is `null`, and says whether there was one.
fn drop_nulls(value: &mut Value) -> bool {
    match value {
        Value::Object(fields) => {
            let before = fields.len();
            fields.retain(|_, value| !value.is_null());
            let mut is_changed = fields.len() < before;
            for value in fields.values_mut() {
                is_changed |= drop_nulls(value);
            }
            is_changed
        }
        Value::Array(values) => values.iter_mut().fold(false, |is_changed, value| drop_nulls(value) | is_changed),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a field has its default value, and is left out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A whole number: a number, or text.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    deserializer.deserialize_any(Integer)
}

/// A whole number that may not be there.
pub(super) fn optional_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    struct Field(i64);
    impl<'de> Deserialize<'de> for Field {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
            integer(deserializer).map(Field)
        }
    }
    Ok(Option::<Field>::deserialize(deserializer)?.map(|Field(number)| number))
}

struct Integer;

impl Visitor<'_> for Integer {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within 53 bits")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
        // `1e2` is a whole number too.
        if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
            Ok(number as i64)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// An enum's value as an answer has it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum EnumText {
    /// `$alt=json;enum-encoding=int` asks for it.
    Number(i64),
    /// As usual.
    Name(String),
}

/// Declares an enum of an API's. It has `Unspecified`, which is its default, and `Other` for what this version does not know.
macro_rules! proto_enum {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(super) enum $name {
            #[default]
            Unspecified,
            $($variant,)*
            /// The name, or the number, of a value that this version does not know.
            Other(String),
        }

        impl $name {
            /// Every value that is known, with its number.
            #[cfg(test)]
            pub(super) const KNOWN: &'static [(i32, $name)] = &[$(($number, $name::$variant),)*];

            /// As the API writes it.
            pub(super) fn name(&self) -> &str {
                match self {
                    $name::Unspecified => "UNSPECIFIED",
                    $($name::$variant => $text,)*
                    $name::Other(text) => text,
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                use $crate::resource::proto_json::EnumText;
                Ok(match <EnumText as serde::Deserialize>::deserialize(deserializer)? {
                    EnumText::Number(0) => $name::Unspecified,
                    $(EnumText::Number($number) => $name::$variant,)*
                    EnumText::Number(other) => $name::Other(other.to_string()),
                    EnumText::Name(name) => match name.as_str() {
                        $($text => $name::$variant,)*
                        text if text.ends_with("UNSPECIFIED") => $name::Unspecified,
                        _ => $name::Other(name),
                    },
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}
pub(super) use proto_enum;

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page<T> {
    /// What is on it, in the API's order.
    pub items: Vec<T>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
}

/// Reads a page whose items are in this field. Fields of no interest are not kept, so that a page of log entries takes no more memory
/// than what is read of them.
pub(super) fn read_page<T: DeserializeOwned>(text: &[u8], items: &'static str) -> Result<Page<T>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let page = PageSeed { items, of: std::marker::PhantomData }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(page)
}

struct PageSeed<T> {
    items: &'static str,
    of: std::marker::PhantomData<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for PageSeed<T> {
    type Value = Page<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page<T>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for PageSeed<T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a page of {}", self.items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Page<T>, A::Error> {
        let mut page = Page { items: Vec::new(), next: None };
        while let Some(name) = fields.next_key::<String>()? {
            if name == self.items {
                page.items = fields.next_value::<Option<Vec<T>>>()?.unwrap_or_default();
            } else if name == "nextPageToken" {
                page.next = fields.next_value::<Option<String>>()?.filter(|token| !token.is_empty());
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    proto_enum! {
        /// A colour.
        Colour { Red = 1 "COLOUR_RED", Green = 4 "COLOUR_GREEN", }
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Message {
        name: String,
        colour: Colour,
        #[serde(deserialize_with = "integer")]
        count: i64,
        #[serde(deserialize_with = "optional_integer")]
        most: Option<i64>,
    }

    fn message(value: &Value) -> Result<Message, String> {
        read(value.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_and_names_of_enums_are_read() {
        for (text, colour) in [
            (json!(1), Colour::Red),
            (json!("COLOUR_GREEN"), Colour::Green),
            (json!(4), Colour::Green),
            (json!(0), Colour::Unspecified),
            (json!("COLOUR_UNSPECIFIED"), Colour::Unspecified),
            (json!("COLOUR_BLUE"), Colour::Other("COLOUR_BLUE".to_owned())),
            (json!(9), Colour::Other("9".to_owned())),
        ] {
            assert_eq!(message(&json!({ "colour": text })).unwrap().colour, colour, "{text}");
        }
        for (number, colour) in Colour::KNOWN {
            assert_eq!(message(&json!({ "colour": number })).unwrap().colour, *colour);
            assert_eq!(message(&json!({ "colour": colour })).unwrap().colour, *colour, "as it is written");
        }
    }

    #[test]
    fn whole_numbers_are_read_in_every_form_and_others_are_none() {
        for (text, number) in
            [(json!(7), 7), (json!("7"), 7), (json!("-9223372036854775808"), i64::MIN), (json!(1e2), 100)]
        {
            let read = message(&json!({ "count": text, "most": text })).unwrap();
            assert_eq!((read.count, read.most), (number, Some(number)), "{text}");
        }
        for text in [json!(1.5), json!("many"), json!(""), json!(1e300), json!(u64::MAX), json!([1]), json!(true)] {
            assert!(message(&json!({ "count": text })).is_err(), "{text}");
        }
        assert_eq!(message(&json!({})).unwrap().most, None);
    }

    #[test]
    fn a_field_that_is_null_has_its_default() {
        let nothing =
            json!({ "name": null, "colour": null, "count": null, "most": null, "more": [null, { "a": null }] });
        assert_eq!(message(&nothing).unwrap(), Message::default());
        assert!(message(&json!({ "name": 1, "colour": null })).unwrap_err().contains("string"));
    }

    #[test]
    fn a_page_keeps_its_items_and_its_token() {
        let text = json!({ "more": { "a": [1] }, "things": [{ "count": "1" }, {}], "nextPageToken": "t" }).to_string();
        let page = read_page::<Message>(text.as_bytes(), "things").unwrap();
        assert_eq!((page.items.len(), page.next.as_deref()), (2, Some("t")));
        let last = read_page::<Message>(br#"{ "nextPageToken": "", "things": null }"#, "things").unwrap();
        assert_eq!((last.items.len(), last.next), (0, None));
        for text in ["[]", "{} {}", "\"things\"", "{\"things\": 1}"] {
            assert!(read_page::<Message>(text.as_bytes(), "things").is_err(), "{text}");
        }
    }
}
