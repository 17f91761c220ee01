//! Numbers of roles, groups, subjects and devices.

use doorward_model::Action;

/// The numbers of the roles of a subject, or of the groups of a device, sorted; and the number of
/// its own name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids<'a> {
    pub(crate) of: &'a [u32],
    pub(crate) own: Option<u32>,
}

impl Ids<'_> {
    /// Returns the first number that is not below `number`.
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

/// What a search for rules needs: the numbers of who asks, the numbers of what is asked for, and
/// the action.
pub(crate) type RuleQuery<'a> = (Ids<'a>, Ids<'a>, Action);
