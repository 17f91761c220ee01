//! What the commands print: answers on standard output, notices on standard error.

use std::io::{IsTerminal as _, Write as _};

use crate::failure::Failure;

/// Prints a line on standard output. A closed pipe is not an error.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Local { what: "standard output".to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// Prints a line on standard error if that is a terminal.
pub(crate) fn tell_terminal(line: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        drop(writeln!(err, "{line}"));
    }
}
