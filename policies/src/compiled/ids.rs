//! Numbers of roles, groups, subjects and devices.

use doorward_model::Action;

/// The numbers of roles or groups that somebody or something is in, in order, and its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids<'a> {
    pub(crate) of: &'a [u32],
    pub(crate) own: Option<u32>,
}

impl Ids<'_> {
    /// The first number that is not below `number`.
    pub(super) fn next_from(&self, number: u32) -> Option<u32> {
        let at = self.of.partition_point(|one| *one < number);
        let own = self.own.filter(|own| *own >= number);
        self.of.get(at).copied().into_iter().chain(own).min()
    }

    pub(super) fn contain(&self, number: u32) -> bool {
        self.own == Some(number)
            || if self.of.len() <= 8 {
                self.of.contains(&number)
            } else {
                self.of.binary_search(&number).is_ok()
            }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.of.iter().copied().chain(self.own)
    }

    pub(super) fn len(&self) -> usize {
        self.of.len() + usize::from(self.own.is_some())
    }
}

/// What a search for rules asks: the numbers of who asks, of what they ask for, and the action.
pub(crate) type RuleQuery<'a> = (Ids<'a>, Ids<'a>, Action);
