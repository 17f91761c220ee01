//! Reads the command line, and refuses characters that could not be shown back.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use doorward_model::{escape, is_printable};

/// What was typed. Wrong usage ends the program with status 2, and so does an argument with
/// control characters or letters that turn the text around: it would be shown back raw, and no
/// name, path or code needs any.
#[must_use]
pub fn arguments<C: Parser + CommandFactory>() -> C {
    for argument in std::env::args_os().skip(1) {
        let argument = argument.to_string_lossy();
        if !is_printable(argument.trim()) {
            let message = format!("'{}' holds characters that cannot be shown", escape(&argument));
            C::command().error(ErrorKind::InvalidValue, message).exit();
        }
    }
    C::parse()
}
