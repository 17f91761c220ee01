//! Percent-encoding (RFC 3986, section 2.1) in the queries of targets.

use std::fmt;

use super::error::TargetError;

/// Decodes a text. A plus sign stays a plus sign.
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

/// A text, percent-encoded where it could be misread.
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
