//! Serial numbers, fingerprints, and the identity of a certificate.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text that is not the expected number in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not {0} in hexadecimal digits")]
pub struct NotHex(&'static str);

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn read_hex(text: &str, what: &'static str) -> Result<Vec<u8>, NotHex> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect::<Option<Vec<u8>>>().ok_or(NotHex(what))
}

/// A SHA-256 digest: of a certificate, which an owner compares by eye, or of a
/// SubjectPublicKeyInfo, which identifies a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the digest `bytes` as a fingerprint.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes of the digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the digest in groups of four digits, for comparing by eye.
    #[must_use]
    pub fn grouped(&self) -> String {
        let mut out = String::with_capacity(80);
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 && index % 2 == 0 {
                out.push(' ');
            }
            // Writing to a String cannot fail.
            write!(out, "{byte:02x}").ok();
        }
        out
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        const WHAT: &str = "a SHA-256 digest of 64 digits";
        let bytes = read_hex(text, WHAT)?;
        bytes.try_into().map(Self).map_err(|_| NotHex(WHAT))
    }
}

/// A certificate's serial number (RFC 5280 section 4.1.2.2): a positive integer of at most 20
/// octets. It is stored without leading zeros, so that equal numbers are equal values.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Arc<[u8]>);

impl Serial {
    /// Returns the number that `bytes` are in big-endian order; `None` for zero and for more than
    /// 20 octets.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let start = bytes.iter().position(|byte| *byte != 0)?;
        let digits = bytes.get(start..)?;
        (digits.len() <= 20).then(|| Self(digits.into()))
    }

    /// Returns the number in big-endian order, without leading zeros.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for Serial {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        const WHAT: &str = "a serial number of at most 20 octets";
        Self::new(&read_hex(text, WHAT)?).ok_or(NotHex(WHAT))
    }
}

crate::serde_as_text!(Fingerprint, Serial);

/// The identity of a certificate: the issuer's key and the serial number. It has the key and not
/// the issuer's name, so that two authorities of the same name stay apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CertificateId {
    /// SHA-256 of the issuer's SubjectPublicKeyInfo.
    pub issuer: Fingerprint,
    /// The serial number that the issuer gave.
    pub serial: Serial,
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serial.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_serial_numbers_are_equal_values() {
        assert_eq!(Serial::new(&[0, 0, 7]), Serial::new(&[7]));
        assert_eq!(Serial::new(&[0]), None);
        assert_eq!(Serial::new(&[]), None);
        assert_eq!(Serial::new(&[1; 21]), None);
        assert_eq!("00ff01".parse(), Ok(Serial::new(&[255, 1]).unwrap()));
        assert!("0g".parse::<Serial>().is_err());
        assert!("fff".parse::<Serial>().is_err());
        assert!("+f".parse::<Serial>().is_err());
    }

    #[test]
    fn a_fingerprint_reads_back() {
        let print = Fingerprint::new([0xab; 32]);
        assert_eq!(print.to_string().parse(), Ok(print));
        assert!("ab".parse::<Fingerprint>().is_err());
        assert!(print.grouped().starts_with("abab abab"));
    }
}
