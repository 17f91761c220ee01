//! How a flow uses a serial line.

use doorward_model::Action;

/// How a flow uses a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Receive the bytes of the line.
    pub read: bool,
    /// Send bytes to the line.
    pub write: bool,
    /// Change the settings of the line.
    pub control: bool,
}

impl Wants {
    /// To exchange bytes with the device on the line.
    pub(crate) const TALK: Self = Self { read: true, write: true, control: false };
    /// To read, write and control.
    pub const ALL: Self = Self { read: true, write: true, control: true };

    /// Returns the use that these actions permit.
    pub(crate) fn of(actions: &[Action]) -> Self {
        Self {
            read: actions.contains(&Action::Read),
            write: actions.contains(&Action::Write),
            control: actions.contains(&Action::Control),
        }
    }

    /// Returns whether this use takes the only seat for writing and control.
    pub(super) fn acts(self) -> bool {
        self.write || self.control
    }
}
