//! The one spelling in which an HTTP path is decided and forwarded.

use std::borrow::Cow;

/// Why a path has no spelling in which it can be decided and forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Misspelt {
    /// It does not begin with a slash.
    #[error("does not begin with a slash")]
    Relative,
    /// A percent sign is not followed by two hexadecimal digits.
    #[error("has a percent sign without two hexadecimal digits")]
    Escape,
    /// An escaped percent sign is followed by two hexadecimal digits: a program that decodes twice
    /// reads something else.
    #[error("has an escape in an escape")]
    Twice,
    /// A space, a control character or a character beyond ASCII is not escaped.
    #[error("has a character that must be escaped")]
    Character,
    /// A control character is escaped.
    #[error("has an escaped control character")]
    Control,
    /// Escaped octets are not UTF-8, or not its shortest form.
    #[error("has escaped octets that are not UTF-8")]
    Text,
    /// It has a backslash, or an escaped slash or backslash.
    #[error("has a slash or backslash within a segment")]
    Separator,
    /// A segment is `.` or `..`, also before parameters, or a device may read it so.
    #[error("has a dot segment")]
    Dots,
    /// A segment before the last is empty, or has nothing before its parameters.
    #[error("has an empty segment")]
    Empty,
    /// Devices may read it in more ways than are compared with deny rules.
    #[error("can be read in too many ways")]
    Readings,
}

/// Returns the one spelling of a path, which is decided and forwarded byte for byte.
///
/// - Unreserved characters are not escaped (RFC 3986 section 6.2.2.2).
/// - Escapes have upper-case digits (section 6.2.2.1).
/// - Characters that a segment cannot have (section 3.3), such as `"` or `[`, are escaped.
///
/// Reserved characters and their escapes stay as they are, because they are different names
/// (section 2.2). Dot segments are refused and not removed: browsers and curl remove them
/// themselves, so a client that sends them is testing the backend.
///
/// # Errors
/// When the path has no such spelling.
pub fn spelt_path(path: &str) -> Result<Cow<'_, str>, Misspelt> {
    let plain = path.bytes().all(|byte| stands(byte) || byte == b'/');
    let spelt = if plain { Cow::Borrowed(path) } else { Cow::Owned(respell(path.as_bytes())?) };
    let mut segments = spelt.strip_prefix('/').ok_or(Misspelt::Relative)?.split('/').peekable();
    while let Some(segment) = segments.next() {
        check(segment, segments.peek().is_none())?;
    }
    Ok(spelt)
}

/// Returns whether the character is unreserved (RFC 3986 section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Returns whether the character is reserved and allowed in a segment (section 3.3).
fn is_reserved(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
    )
}

/// Returns whether the character is allowed in a segment without an escape.
fn stands(byte: u8) -> bool {
    is_unreserved(byte) || is_reserved(byte)
}

fn respell(mut rest: &[u8]) -> Result<String, Misspelt> {
    let mut spelt = String::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'%' => {
                let (octet, after) = escaped(rest).ok_or(Misspelt::Escape)?;
                match octet {
                    0..=0x1f | 0x7f => return Err(Misspelt::Control),
                    b'/' | b'\\' => return Err(Misspelt::Separator),
                    0x80.. => character(octet, after, &mut spelt)?,
                    _ => {
                        if is_unreserved(octet) {
                            spelt.push(char::from(octet));
                        } else {
                            escape(octet, &mut spelt);
                        }
                        after
                    }
                }
            }
            b'\\' => return Err(Misspelt::Separator),
            0..=b' ' | 0x7f.. => return Err(Misspelt::Character),
            _ => {
                if byte == b'/' || stands(byte) {
                    spelt.push(char::from(byte));
                } else {
                    escape(byte, &mut spelt);
                }
                after
            }
        };
    }
    Ok(spelt)
}

/// Reads a character beyond ASCII, whose first escape was read before. Returns the rest.
fn character<'b>(first: u8, mut rest: &'b [u8], spelt: &mut String) -> Result<&'b [u8], Misspelt> {
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Err(Misspelt::Text),
    };
    let mut octets = [first, 0, 0, 0];
    for octet in octets.iter_mut().take(length).skip(1) {
        (*octet, rest) = escaped(rest).ok_or(Misspelt::Text)?;
    }
    let octets = octets.get(..length).unwrap_or_default();
    let text = str::from_utf8(octets).map_err(|_| Misspelt::Text)?;
    if text.contains(char::is_control) {
        return Err(Misspelt::Control);
    }
    octets.iter().for_each(|octet| escape(*octet, spelt));
    Ok(rest)
}

/// Reads an escape. Returns its octet and the rest.
pub(super) fn escaped(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, rest @ ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(*high)? << 4 | digit(*low)?, rest))
}

/// Returns any text spelt as a segment, or as a part of one.
#[must_use]
pub fn spelt_segment(text: &str) -> String {
    let mut spelt = String::with_capacity(text.len());
    for byte in text.bytes() {
        if stands(byte) {
            spelt.push(char::from(byte));
        } else {
            escape(byte, &mut spelt);
        }
    }
    spelt
}

fn escape(octet: u8, spelt: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
    spelt.extend(['%', digit(octet >> 4), digit(octet & 15)]);
}

fn check(segment: &str, last: bool) -> Result<(), Misspelt> {
    // Some backends read `..;x` as `..`, and some of these read `..%3Bx` in the same way.
    let end = [segment.find(';'), segment.find("%3B")].into_iter().flatten().min();
    let name = end.and_then(|end| segment.get(..end)).unwrap_or(segment);
    if name == "." || name == ".." {
        return Err(Misspelt::Dots);
    }
    if name.is_empty() && !(last && end.is_none()) {
        return Err(Misspelt::Empty);
    }
    let mut rest = segment;
    while let Some((_, after)) = rest.split_once("%25") {
        if after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2 {
            return Err(Misspelt::Twice);
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use Misspelt as M;

    use super::*;

    #[test]
    fn a_path_has_one_spelling_or_none() {
        let cases: &[(&str, Result<&str, Misspelt>)] = &[
            ("/", Ok("/")),
            ("/a/b", Ok("/a/b")),
            ("/a/b/", Ok("/a/b/")),
            ("/A/b", Ok("/A/b")),
            ("/%61%2D%2e%5f%7E%30", Ok("/a-._~0")),
            ("/%3a%2B%c3%bc", Ok("/%3A%2B%C3%BC")),
            ("/a:b@c!$&'()*+,;=", Ok("/a:b@c!$&'()*+,;=")),
            ("/[1]\"{}|^", Ok("/%5B1%5D%22%7B%7D%7C%5E")),
            ("/%20%22%3C%3E%3F%23", Ok("/%20%22%3C%3E%3F%23")),
            ("/100%25", Ok("/100%25")),
            ("/100%25%20off", Ok("/100%25%20off")),
            ("/%F0%9F%8C%A1", Ok("/%F0%9F%8C%A1")),
            ("/...", Ok("/...")),
            ("/.a/a./..a", Ok("/.a/a./..a")),
            ("/a;v=1/b", Ok("/a;v=1/b")),
            ("", Err(M::Relative)),
            ("*", Err(M::Relative)),
            ("a/b", Err(M::Relative)),
            ("%2Fa", Err(M::Separator)),
            ("/%", Err(M::Escape)),
            ("/%4", Err(M::Escape)),
            ("/%4g", Err(M::Escape)),
            ("/%g4", Err(M::Escape)),
            ("/%+4", Err(M::Escape)),
            ("/%u0041", Err(M::Escape)),
            ("/%%34%31", Err(M::Escape)),
            ("/%2541", Err(M::Twice)),
            ("/%252e%252E/", Err(M::Twice)),
            ("/%25%34%31", Err(M::Twice)),
            ("/%25252f", Err(M::Twice)),
            ("/100%25/%2500", Err(M::Twice)),
            ("/%25%252f", Err(M::Twice)),
            ("/a b", Err(M::Character)),
            ("/a\tb", Err(M::Character)),
            ("/a\0b", Err(M::Character)),
            ("/a\x7f", Err(M::Character)),
            ("/ü", Err(M::Character)),
            ("/%00", Err(M::Control)),
            ("/%0d%0aHost:x", Err(M::Control)),
            ("/%1f", Err(M::Control)),
            ("/%7F", Err(M::Control)),
            ("/%C2%85", Err(M::Control)),
            ("/%C3", Err(M::Text)),
            ("/%C3a", Err(M::Text)),
            ("/%C3%28", Err(M::Text)),
            ("/%80", Err(M::Text)),
            ("/%C0%AE%C0%AE/", Err(M::Text)),
            ("/%C0%AF", Err(M::Text)),
            ("/%E0%80%AF", Err(M::Text)),
            ("/%ED%A0%80", Err(M::Text)),
            ("/%F4%90%80%80", Err(M::Text)),
            ("/%F5%80%80%80", Err(M::Text)),
            ("/%FF", Err(M::Text)),
            ("/a\\b", Err(M::Separator)),
            ("/a%5cb", Err(M::Separator)),
            ("/a%2fb", Err(M::Separator)),
            ("/.", Err(M::Dots)),
            ("/..", Err(M::Dots)),
            ("/a/./b", Err(M::Dots)),
            ("/a/../b", Err(M::Dots)),
            ("/a/%2e%2E/b", Err(M::Dots)),
            ("/a/.%2e", Err(M::Dots)),
            ("/a/..;/b", Err(M::Dots)),
            ("/a/..;x=1/b", Err(M::Dots)),
            ("/a/.;/b", Err(M::Dots)),
            ("/a/..%3b/b", Err(M::Dots)),
            ("/a/%2e%2e%3Bx;/b", Err(M::Dots)),
            ("//", Err(M::Empty)),
            ("//a", Err(M::Empty)),
            ("/a//b", Err(M::Empty)),
            ("/a//", Err(M::Empty)),
            ("/a/;x/b", Err(M::Empty)),
            ("/a/;", Err(M::Empty)),
            ("/a/%3Bx", Err(M::Empty)),
        ];
        for (path, expected) in cases {
            assert_eq!(
                spelt_path(path).as_deref(),
                expected.as_ref().map(|path| *path),
                "{path:?}"
            );
        }
    }
}
