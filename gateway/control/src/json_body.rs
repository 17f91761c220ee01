//! Reads the JSON body of a request into its type.

use std::collections::BTreeMap;
use std::fmt;

use doorward_model::escape;
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};

/// The longest body in which arrays within are looked for. It is that of all requests but bundles.
const CHECKED_WITHIN: usize = doorward_session::LARGEST_BODY as usize;
const ARRAY: &str = "the body is a JSON array, not an object";

/// Reads a body. An empty one counts as an empty object.
///
/// # Errors
/// Says in words what is wrong, and where.
pub(crate) fn read<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, String> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let found: T = serde_json::from_slice(bytes).map_err(|error| in_words(&error.to_string()))?;
    // serde reads an array as the fields of a struct, in the order in which Rust lists them. Nobody
    // shall rely on that order. A longer body is a bundle, in which nothing but the whole is an object.
    if bytes.len() > CHECKED_WITHIN {
        let is_array = bytes.trim_ascii_start().starts_with(b"[");
        return if is_array { Err(ARRAY.to_owned()) } else { Ok(found) };
    }
    let given: Shape = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let written = serde_json::to_vec(&found).map_err(|error| error.to_string())?;
    let meant: Shape = serde_json::from_slice(&written).map_err(|error| error.to_string())?;
    match given.misfit(&meant) {
        None => Ok(found),
        Some(path) if path.is_empty() => Err(ARRAY.to_owned()),
        Some(path) => Err(format!("{} is an array, not an object", escape(&path.join(".")))),
    }
}

/// Says what serde found without the names of types.
fn in_words(error: &str) -> String {
    let mut words = String::new();
    let mut rest = error;
    while let Some((before, after)) = rest.split_once("expected ") {
        words.push_str(before);
        words.push_str("expected ");
        let word = after.split([' ', ',']).next().unwrap_or_default();
        let (name, left) = match word {
            "struct" | "map" => {
                let name = after.strip_prefix("struct ").unwrap_or_default();
                let name = name.split(' ').next().unwrap_or_default();
                let skipped =
                    if word == "struct" { "struct ".len() + name.len() } else { word.len() };
                ("an object", after.get(skipped..).unwrap_or_default())
            }
            "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => {
                ("a whole number", after.get(word.len()..).unwrap_or_default())
            }
            _ => ("", after),
        };
        words.push_str(name);
        rest = left;
    }
    words + rest
}

/// The arrays and objects of a JSON value, without its texts and numbers.
enum Shape {
    Plain,
    Array(Vec<Shape>),
    Object(BTreeMap<String, Shape>),
}

impl Shape {
    /// Returns the path to an array in the place of an object.
    fn misfit(&self, meant: &Self) -> Option<Vec<String>> {
        let beneath = |name: String, given: &Self, meant: &Self| {
            let rest = given.misfit(meant)?;
            Some([vec![name], rest].concat())
        };
        match (self, meant) {
            (Self::Array(_), Self::Object(_)) => Some(vec![]),
            (Self::Array(given), Self::Array(meant)) => {
                let mut pairs = (1..).zip(given.iter().zip(meant));
                pairs.find_map(|(at, (one, other)): (usize, _)| beneath(at.to_string(), one, other))
            }
            (Self::Object(given), Self::Object(meant)) => {
                given.iter().find_map(|(name, one)| beneath(name.clone(), one, meant.get(name)?))
            }
            (Self::Plain, _) | (_, Self::Plain) | (Self::Object(_), Self::Array(_)) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element()? {
            found.push(item);
        }
        Ok(Shape::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let mut found = BTreeMap::new();
        while let Some((name, value)) = members.next_entry()? {
            found.insert(name, value);
        }
        Ok(Shape::Object(found))
    }
}

#[cfg(test)]
mod tests {
    use doorward_api::{BundleProposal, UserAddition, UserChange};

    use super::*;

    #[test]
    fn an_array_is_no_object_wherever_it_stands() {
        for (text, what) in [
            ("[]", "the body is a JSON array"),
            ("[null,null,null,null,null,1]", "the body is a JSON array"),
        ] {
            let error = read::<BundleProposal>(text.as_bytes()).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
        let error = read::<UserChange>(br#"{"grant":[{"role":"role/a"},["role/b",null]]}"#);
        assert!(error.unwrap_err().contains("grant.2 is an array, not an object"));
        let read = read::<UserChange>(br#"{"grant":[{"role":"role/a"}],"take":["role/b"]}"#);
        assert_eq!(read.unwrap().grant.len(), 1);
    }

    #[test]
    fn errors_name_no_types() {
        for (text, what) in [
            ("null", "invalid type: null, expected an object at line 1 column 4"),
            (r#"{"ttl_seconds":"x"}"#, "invalid type: string \"x\", expected a whole number"),
            (r#"{"other":1}"#, "unknown field `other`, expected one of `title`, `roles`, "),
            ("{", "EOF while parsing an object at line 1 column 1"),
        ] {
            let error = read::<UserAddition>(text.as_bytes()).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
