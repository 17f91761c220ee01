//! The conditions of a bundle by number.

use std::sync::Arc;

use super::texts::{Texts, parts};
use crate::when::{When, WhenError};

/// The `when` columns of a bundle by number. Rules share them; number 0 is the empty column.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    below: Option<Arc<Conditions>>,
    /// The number of the first condition of this table; those before it are in `below`.
    first: u32,
    texts: Texts,
    whens: Vec<Arc<When>>,
}

/// The number of the empty column: a rule with it always applies.
pub(crate) const ALWAYS: u32 = 0;

impl Conditions {
    pub(crate) fn new() -> Self {
        let mut texts = Texts::default();
        texts.enter("", "");
        Self { below: None, first: 0, texts, whens: vec![Arc::new(When::always())] }
    }

    fn len(&self) -> u32 {
        self.first + self.texts.len()
    }

    fn find(&self, text: &str) -> Option<u32> {
        let below = self.below.as_ref().and_then(|below| below.find(text));
        let (kind, name) = parts(text);
        below.or_else(|| self.texts.find(kind, name).map(|own| self.first + own))
    }

    /// Returns an empty table that continues the numbers of `below`.
    pub(crate) fn above(below: &Arc<Self>) -> Self {
        let first = below.len();
        Self { below: Some(Arc::clone(below)), first, texts: Texts::default(), whens: vec![] }
    }

    /// Returns the number of a `when` column, and adds the column if it is new.
    pub(crate) fn enter(&mut self, text: &str) -> Result<u32, WhenError> {
        if text.is_empty() {
            return Ok(ALWAYS);
        }
        if let Some(known) = self.find(text) {
            return Ok(known);
        }
        self.whens.push(Arc::new(text.parse()?));
        let (kind, name) = parts(text);
        Ok(self.first + self.texts.enter(kind, name))
    }

    /// Returns the conditions of a number. Only [`Self::enter`] gives numbers, so `None` should not
    /// occur.
    pub(crate) fn get(&self, number: u32) -> Option<&Arc<When>> {
        match (&self.below, number.checked_sub(self.first)) {
            (Some(below), None) => below.get(number),
            (_, own) => self.whens.get(own? as usize),
        }
    }

    /// Yields all conditions.
    pub(crate) fn all(&self) -> impl Iterator<Item = &When> {
        (0..self.len()).filter_map(|number| self.get(number).map(|when| &**when))
    }

    /// Returns about how many bytes of memory the conditions take.
    pub(crate) fn bytes(&self) -> usize {
        let below = self.below.as_ref().map_or(0, |below| below.bytes());
        let own: usize = self.whens.iter().map(|when| when.bytes() + 32).sum();
        below + own + self.texts.bytes() + self.whens.capacity() * size_of::<Arc<When>>()
    }
}
