//! Lists in requests: the gateway asks a question for each entry, so their number is bounded.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// How many entries a list in a request may have.
const MOST: usize = 64;

/// Reads a list of at most 64 entries. It refuses a longer one at the 65th entry.
pub(crate) fn few<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    from.deserialize_seq(Few(PhantomData))
}

struct Few<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = from.next_element()? {
            if list.len() == MOST {
                return Err(A::Error::invalid_length(MOST + 1, &self));
            }
            list.push(entry);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_refused_at_its_65th_entry() {
        let read = |count: usize| {
            let text = format!("[{}]", vec!["7"; count].join(","));
            few::<_, u8>(&mut serde_json::Deserializer::from_str(&text)).map(|list| list.len())
        };
        assert_eq!(read(MOST).unwrap(), MOST);
        let error = read(MOST + 1).unwrap_err().to_string();
        assert!(error.contains("at most 64 entries"), "{error}");
        assert!(read(100_000).is_err());
    }
}
