//! The program of a `process:` interface.

use std::path::PathBuf;

use crate::target::error::TargetError;
use crate::target::file_path::normal;
use crate::target::percent::{Encoded, decode};

/// The most arguments of a program.
const ARGUMENTS: usize = 64;
/// The most bytes of a program's path and arguments.
const BYTES: usize = 4096;

/// Reads the path of a program and its arguments.
pub(super) fn read(text: &str) -> Result<(PathBuf, Vec<String>), TargetError> {
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let program: PathBuf = normal(path).ok_or(TargetError::Program)?;
    let mut arguments = Vec::new();
    let mut bytes = program.as_os_str().len();
    for part in query.into_iter().flat_map(|query| query.split('&')) {
        let wrong = || TargetError::Argument(part.to_owned());
        let argument = decode(part.strip_prefix("arg=").ok_or_else(wrong)?)?;
        if arguments.len() == ARGUMENTS {
            return Err(TargetError::TooManyArguments);
        }
        // The end of each argument is counted, so that empty arguments are bounded as well.
        bytes += argument.len() + 1;
        arguments.push(argument);
    }
    if bytes > BYTES {
        return Err(TargetError::TooLong);
    }
    Ok((program, arguments))
}

/// Returns the arguments as in the query of a URL.
pub(super) fn query(arguments: &[String]) -> String {
    let all = arguments.iter().map(|argument| format!("arg={}", Encoded(argument)));
    all.collect::<Vec<_>>().join("&")
}
