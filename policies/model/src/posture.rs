//! What a device reports about itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::text::PeerText;

/// The last report of a device about itself, with its time (NISTIR 8259A, cybersecurity state
/// awareness). It is what the device says, not what is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posture {
    /// When the gateway received it.
    pub at: Timestamp,
    /// Its facts by their names.
    pub report: BTreeMap<String, Fact>,
}

/// One fact of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// A flag.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A text.
    Text(PeerText),
    /// Several texts.
    List(Vec<PeerText>),
}

/// Why a report is refused. The device erred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PostureError {
    /// It has more than [`Posture::FACTS`] facts.
    #[error("a report has at most {} facts", Posture::FACTS)]
    TooManyFacts,
    /// A fact's name is not of 1 to 64 characters `a-z`, `0-9` and `-`.
    #[error("a fact's name has 1 to 64 characters: a-z, 0-9 and -")]
    Name,
    /// A fact has more than [`Posture::TEXTS`] texts.
    #[error("a fact has at most {} texts", Posture::TEXTS)]
    TooManyTexts,
}

impl Posture {
    /// How many facts a report may have.
    pub const FACTS: usize = 64;
    /// How many texts a fact may have.
    pub const TEXTS: usize = 256;

    /// Checks a report that came at that instant.
    ///
    /// # Errors
    /// See [`PostureError`].
    pub fn new(
        at: Timestamp,
        facts: impl IntoIterator<Item = (String, Fact)>,
    ) -> Result<Self, PostureError> {
        let mut report = BTreeMap::new();
        for (name, fact) in facts {
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
                return Err(PostureError::Name);
            }
            match &fact {
                Fact::List(texts) if texts.len() > Self::TEXTS => {
                    return Err(PostureError::TooManyTexts);
                }
                Fact::List(_) | Fact::Flag(_) | Fact::Number(_) | Fact::Text(_) => {}
            }
            report.insert(name, fact);
            if report.len() > Self::FACTS {
                return Err(PostureError::TooManyFacts);
            }
        }
        Ok(Self { at, report })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(facts: Vec<(String, Fact)>) -> Result<Posture, PostureError> {
        Posture::new(Timestamp::UNIX_EPOCH, facts)
    }

    #[test]
    fn a_report_is_bounded_in_names_facts_and_texts() {
        for name in ["", "Firmware", "a b", &"a".repeat(65)] {
            assert_eq!(of(vec![(name.to_owned(), Fact::Flag(true))]), Err(PostureError::Name));
        }
        let list = |texts| vec![("a".to_owned(), Fact::List(vec![PeerText::new("x"); texts]))];
        assert_eq!(of(list(257)), Err(PostureError::TooManyTexts));
        assert!(of(list(256)).is_ok());
        let many = |facts: u64| (0..facts).map(|n| (format!("n{n}"), Fact::Number(n))).collect();
        assert_eq!(of(many(65)), Err(PostureError::TooManyFacts));
        assert_eq!(of(many(64)).unwrap().report.len(), 64);
    }

    #[test]
    fn a_report_is_the_same_after_it_was_stored() {
        let posture = of(vec![
            ("firmware".to_owned(), Fact::Text(PeerText::new("1.2.3"))),
            ("uptime".to_owned(), Fact::Number(u64::MAX)),
            ("locked".to_owned(), Fact::Flag(false)),
            ("ports".to_owned(), Fact::List(vec![PeerText::new("22"), PeerText::new("80")])),
            ("nothing".to_owned(), Fact::List(vec![])),
        ])
        .unwrap();
        let stored = format!(
            r#"{{"at":"1970-01-01T00:00:00Z","report":{}}}"#,
            r#"{"firmware":"1.2.3","locked":false,"nothing":[],"ports":["22","80"],"uptime":18446744073709551615}"#
        );
        assert_eq!(serde_json::to_string(&posture).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Posture>(&stored).unwrap(), posture);
    }
}
