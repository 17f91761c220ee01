//! Ids of sessions and flows.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use thiserror::Error;

/// Crockford's alphabet: it has no letters that look like digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text that is no id of a flow or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an id has 26 letters and digits, as `doorward session list` and `audit tail` print it")]
pub struct NotAnId;

fn write_id(f: &mut fmt::Formatter<'_>, id: u128) -> fmt::Result {
    let mut text = String::with_capacity(26);
    for position in (0..26).rev() {
        let digit = usize::try_from(id >> (position * 5) & 31).unwrap_or_default();
        text.push(char::from(ALPHABET.get(digit).copied().unwrap_or(b'0')));
    }
    f.write_str(&text)
}

fn read_id(text: &str) -> Result<u128, NotAnId> {
    if text.len() != 26 || text.as_bytes().first().is_some_and(|first| *first > b'7') {
        return Err(NotAnId);
    }
    text.bytes().try_fold(0u128, |id, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte.to_ascii_lowercase());
        Ok(id << 5 | u128::try_from(digit.ok_or(NotAnId)?).map_err(|_| NotAnId)?)
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $ty:ident) => {
        $(#[$doc])*
        ///
        /// 48 bits of milliseconds and 80 random bits in 26 letters and digits, so that ids
        /// sort by time and cannot be guessed.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $ty(u128);

        impl $ty {
            /// Returns an id for something that begins at `now`. `random` makes it unique.
            #[must_use]
            pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u128::try_from(now.as_millisecond()).unwrap_or_default();
                let low = random.iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
                Self((millis & 0xffff_ffff_ffff) << 80 | low)
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, self.0)
            }
        }

        impl fmt::Debug for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, self.0)
            }
        }

        impl FromStr for $ty {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                read_id(text).map(Self)
            }
        }

        crate::serde_as_text!($ty);
    };
}

id! {
    /// The id of a flow or request, as in `Doorward-Request-Id`.
    FlowId
}
id! {
    /// The id of an identified connection.
    SessionId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let early = FlowId::new(Timestamp::from_second(1).unwrap(), [255; 10]);
        let late = FlowId::new(Timestamp::from_second(2).unwrap(), [0; 10]);
        assert!(early.to_string() < late.to_string());
        assert_eq!(late.to_string().parse(), Ok(late));
        assert_eq!("zzzzzzzzzzzzzzzzzzzzzzzzzz".parse::<FlowId>(), Err(NotAnId));
        assert_eq!("0".parse::<FlowId>(), Err(NotAnId));
        assert_eq!("0000000000000000000000000u".parse::<FlowId>(), Err(NotAnId));
    }
}
