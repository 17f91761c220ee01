//! Options of interfaces that name several things, joined by `|`.

use std::fmt;

/// One thing or more that an option of a URL names, joined by `|`: at most [`Several::MOST`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Several<T>(Box<[T]>);

impl<T> Several<T> {
    /// How many things one option names at most.
    pub const MOST: usize = 32;

    /// Reads the value of an option, of which `one` reads each part.
    pub(super) fn of_word(word: &str, one: impl Fn(&str) -> Option<T>) -> Option<Self> {
        let all: Option<Box<[T]>> = word.split('|').map(one).collect();
        all.filter(|all| all.len() <= Self::MOST).map(Self)
    }

    /// The things that are named.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

impl<T: fmt::Display> fmt::Display for Several<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.0.iter().enumerate() {
            write!(f, "{}{one}", if at == 0 { "" } else { "|" })?;
        }
        Ok(())
    }
}
