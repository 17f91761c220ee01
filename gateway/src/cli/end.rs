//! How a command ends.

use crate::failure::CommandFailure;

/// The outcome of a command.
pub(super) enum End {
    Done,
    /// `policy check` has answered no: exit status 3.
    Denied,
    /// The command has printed a negative result, such as a failing test: exit status 1.
    Failed,
}

/// Returns the error of a command that is not built yet.
pub(super) fn not_built(command: &str) -> CommandFailure {
    CommandFailure::new(format!("`doorward {command}` {}", doorward_agent::NOT_BUILT))
}
