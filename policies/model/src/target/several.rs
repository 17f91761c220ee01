//! Options with several values, joined by `|`.

use std::fmt;

/// The values of an option, joined by `|`: from one to [`Several::MOST`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Several<T>(Box<[T]>);

impl<T> Several<T> {
    /// The most values of an option.
    pub const MOST: usize = 32;

    /// Reads the values of an option. `one` reads each of them.
    pub(super) fn of_word(word: &str, one: impl Fn(&str) -> Option<T>) -> Option<Self> {
        let all: Option<Box<[T]>> = word.split('|').map(one).collect();
        all.filter(|all| all.len() <= Self::MOST).map(Self)
    }

    /// Yields the values.
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
