//! The agent's log: lines on standard error.

use std::io::Write as _;

/// Writes a line to the log.
pub(super) fn log(line: &str) {
    // A closed log is no reason to stop.
    drop(writeln!(std::io::stderr().lock(), "doorward-agent: {line}"));
}
