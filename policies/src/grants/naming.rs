//! How operations are named at one place, so that patterns can be compared.

use crate::pattern::{Numbers, Pattern};

/// How operations are named at one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming {
    pub(super) numbers: Numbers,
    pub(super) others: OtherNames,
}

/// Under which other names the device may read an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherNames {
    /// None.
    None,
    /// The readings of an HTTP path.
    Readings,
    /// Names that patterns do not show.
    Any,
}

impl Naming {
    /// Returns whether the device may read some operation that `granted` names as one that `denied`
    /// names.
    pub(super) fn may_meet(self, denied: &Pattern, granted: &Pattern) -> bool {
        match self.others {
            OtherNames::None => denied.meets(granted, self.numbers),
            OtherNames::Readings => denied.meets_reading_of(granted),
            OtherNames::Any => true,
        }
    }
}
