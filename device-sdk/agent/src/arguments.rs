//! The command line of both programs.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use doorward_model::{escape, is_printable};

use crate::report::ErrorReport;

/// Parses the command line. Wrong usage ends the program with status 2. So does an argument with
/// control characters or characters that change the text direction: an error would print it
/// unchanged, and no name, path or code needs such characters. With `--json` the error is an
/// [`ErrorReport`] of the kind `usage`.
#[must_use]
pub fn arguments<C: Parser + CommandFactory>() -> C {
    let arguments = || std::env::args_os().skip(1);
    let as_json = arguments().any(|argument| argument == "--json");
    for argument in arguments() {
        let argument = argument.to_string_lossy();
        if !is_printable(argument.trim()) {
            let message =
                format!("'{}' contains characters that cannot be printed", escape(&argument));
            wrong_usage(&C::command().error(ErrorKind::InvalidValue, message), as_json);
        }
    }
    C::try_parse().unwrap_or_else(|error| wrong_usage(&error, as_json))
}

/// Prints the error, or the help or version that was asked for, and ends the program.
fn wrong_usage(error: &clap::Error, as_json: bool) -> ! {
    if !as_json || !error.use_stderr() {
        error.exit();
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let message = text.split("\n\nUsage:").next().unwrap_or(text).trim();
    let report = ErrorReport::usage(message).with_next("--help shows the usage");
    report.print_json();
    std::process::exit(error.exit_code())
}
