//! Parses the command line and refuses arguments that cannot be printed.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use doorward_model::{escape, is_printable};

/// Parses the command line. Wrong usage ends the program with status 2. So does an argument with
/// control characters or characters that change the text direction: an error would print it
/// unchanged, and no name, path or code needs such characters.
#[must_use]
pub fn arguments<C: Parser + CommandFactory>() -> C {
    for argument in std::env::args_os().skip(1) {
        let argument = argument.to_string_lossy();
        if !is_printable(argument.trim()) {
            let message =
                format!("'{}' contains characters that cannot be printed", escape(&argument));
            C::command().error(ErrorKind::InvalidValue, message).exit();
        }
    }
    C::parse()
}
