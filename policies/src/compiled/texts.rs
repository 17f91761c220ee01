//! A table of texts and their numbers.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Texts by number, and numbers by text. Numbers are given in order and never change; a later table
/// above this one continues its numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    below: Option<Arc<Texts>>,
    /// The number of the first text of this table; those before it are in `below`.
    first: u32,
    text: String,
    ends: Vec<u32>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    /// Returns an empty table that continues the numbers of `below`.
    pub(crate) fn above(below: &Arc<Self>) -> Self {
        Self { first: below.len(), below: Some(Arc::clone(below)), ..Self::default() }
    }

    /// Returns how many texts there are, those of `below` included.
    pub(crate) fn len(&self) -> u32 {
        self.first + u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// Returns the text of a number.
    pub(crate) fn get(&self, number: u32) -> &str {
        match (&self.below, number.checked_sub(self.first)) {
            (Some(below), None) => below.get(number),
            (_, own) => self.own(own.unwrap_or(u32::MAX)),
        }
    }

    fn own(&self, number: u32) -> &str {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let end = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let start = index.checked_sub(1).map_or(0, end);
        self.text.get(start..end(index)).unwrap_or_default()
    }

    /// Returns the number of the text `kind` + `name`. A lookup takes the two parts, so that a
    /// question need not join them.
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<u32> {
        let found = self.below.as_ref().and_then(|below| below.find(kind, name));
        if found.is_some() || self.ends.is_empty() {
            return found;
        }
        let is = |number: &u32| {
            let text = self.own(*number).as_bytes();
            text.strip_prefix(kind.as_bytes()) == Some(name.as_bytes())
        };
        self.table.find(self.hash(kind, name), is).map(|number| self.first + number)
    }

    /// Returns the number of a text, and adds the text if it is new.
    pub(crate) fn enter(&mut self, kind: &str, name: &str) -> u32 {
        if let Some(number) = self.find(kind, name) {
            return number;
        }
        let number = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.text.push_str(kind);
        self.text.push_str(name);
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        let hash = self.hash(kind, name);
        let Self { table, text, ends, hasher, .. } = self;
        let rehash = |number: &u32| {
            let index = *number as usize;
            let end = |index: usize| ends.get(index).map_or(0, |end| *end as usize);
            let start = index.checked_sub(1).map_or(0, end);
            let (kind, name) = parts(text.get(start..end(index)).unwrap_or_default());
            hash_of(hasher, kind, name)
        };
        table.insert_unique(hash, number, rehash);
        self.first + number
    }

    fn hash(&self, kind: &str, name: &str) -> u64 {
        hash_of(&self.hasher, kind, name)
    }

    /// Yields the first part of each text of this table, those of `below` not included.
    pub(crate) fn own_kinds(&self) -> impl Iterator<Item = &str> {
        (0..).zip(&self.ends).map(|(number, _)| parts(self.own(number)).0)
    }

    /// Frees unused capacity.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Returns how many bytes of memory the table takes.
    pub(crate) fn bytes(&self) -> usize {
        let below = self.below.as_ref().map_or(0, |below| below.bytes());
        below + self.text.capacity() + self.ends.capacity() * 4 + self.table.allocation_size()
    }
}

fn hash_of(hasher: &DefaultHashBuilder, kind: &str, name: &str) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(kind.as_bytes());
    state.write_u8(0xff);
    state.write(name.as_bytes());
    state.finish()
}

/// Splits a text after its first slash.
pub(crate) fn parts(text: &str) -> (&str, &str) {
    match text.find('/') {
        Some(at) => text.split_at_checked(at + 1).unwrap_or((text, "")),
        None => ("", text),
    }
}
