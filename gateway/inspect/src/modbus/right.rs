//! The rights that a Modbus request needs.

use std::fmt;

use doorward_model::{Action, Table};
use smallvec::SmallVec;

/// One right that a request needs: an action on addresses of a table of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModbusRight {
    /// The action.
    pub action: Action,
    /// The unit; 0 is all units.
    pub unit: u8,
    /// The table.
    pub table: Table,
    /// The first address.
    pub first: u16,
    /// The last address, which is not before the first.
    pub last: u16,
}

/// The rights that a request needs. There is at least one, and all must be granted. There is nearly
/// always one, and never more than 35: a file record takes 7 of the 245 bytes for records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModbusRights(SmallVec<[ModbusRight; 2]>);

impl ModbusRights {
    pub(super) fn one(right: ModbusRight) -> Self {
        Self(smallvec::smallvec![right])
    }

    pub(super) fn two(first: ModbusRight, second: ModbusRight) -> Self {
        Self(smallvec::smallvec![first, second])
    }

    /// Returns several rights without duplicates.
    pub(super) fn of(rights: impl Iterator<Item = ModbusRight>) -> Self {
        let mut all: SmallVec<[ModbusRight; 2]> = SmallVec::new();
        for right in rights {
            if !all.contains(&right) {
                all.push(right);
            }
        }
        Self(all)
    }

    /// Yields each right.
    pub fn iter(&self) -> impl Iterator<Item = &ModbusRight> {
        self.0.iter()
    }
}

impl fmt::Display for ModbusRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, unit, table, first, last } = self;
        write!(f, "{action} {unit}/{table}/{first}")?;
        if first == last { Ok(()) } else { write!(f, "-{last}") }
    }
}
