//! What the commands print on standard output.

use std::io::Write as _;

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
