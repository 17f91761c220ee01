//! The program of a `process:` interface.

use std::fmt;
use std::path::PathBuf;

use super::error::TargetError;
use super::file_path::normal;

/// The most arguments of a program.
const ARGUMENTS: usize = 64;
/// The most bytes of a program's path and arguments.
const BYTES: usize = 4096;

/// Reads the path of a program and its arguments.
pub(super) fn parse(text: &str) -> Result<(PathBuf, Vec<String>), TargetError> {
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

/// Decodes percent-encoding (RFC 3986, section 2.1). A plus sign stays a plus sign.
pub(super) fn decode(text: &str) -> Result<String, TargetError> {
    let wrong = || TargetError::Encoding(text.to_owned());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let (high, low) = (rest.next().and_then(digit), rest.next().and_then(digit));
                high.zip(low).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?
            }
            plain => plain,
        };
        if byte == 0 {
            return Err(wrong());
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).map_err(|_| wrong())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// An argument, percent-encoded where it could be misread.
pub(super) struct Encoded<'a>(pub(super) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'%' | b'&' | b'\\' => write!(f, "%{byte:02X}")?,
                b'!'..=b'~' => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}
