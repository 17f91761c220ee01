//! Reads the path of a question in the form of its protocol.

use super::{Path, PathError};
use crate::action::Action;
use crate::protocol::Protocol;

impl Path {
    /// Reads the path of a question with `action` at an interface of `protocol`, in the form that
    /// [`OperandForm`](crate::OperandForm) says.
    ///
    /// # Errors
    /// When the text is too long or does not have that form.
    pub fn parse(protocol: Protocol, action: Action, text: &str) -> Result<Self, PathError> {
        protocol.operand().read(protocol.as_str(), action, text)
    }
}
