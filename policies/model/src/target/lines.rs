//! The lines that clients may write to a serial console.

use std::fmt;
use std::sync::Arc;

use super::error::TargetError;
use super::percent::{Encoded, decode};
use crate::text::is_printable;

/// The lines that clients may write to a serial line: one `line=PATTERN` in the URL for each.
/// Without patterns, clients may write everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lines(Arc<[Box<str>]>);

impl Lines {
    /// The most patterns.
    pub const MOST: usize = 64;
    /// The longest pattern, in bytes.
    pub const LONGEST: usize = 256;

    /// Reads the patterns in the query of a URL, and returns the rest of the query.
    pub(super) fn take(query: &str) -> Result<(Option<Self>, Option<String>), TargetError> {
        let (mut patterns, mut others) = (Vec::new(), Vec::new());
        for part in query.split('&') {
            let Some(text) = part.strip_prefix("line=") else {
                others.push(part);
                continue;
            };
            let pattern = decode(text)?;
            let sound = is_printable(&pattern) && pattern.len() <= Self::LONGEST;
            if !sound || patterns.len() == Self::MOST {
                return Err(TargetError::Pattern(part.to_owned()));
            }
            patterns.push(pattern.into_boxed_str());
        }
        let lines = (!patterns.is_empty()).then(|| Self(patterns.into()));
        Ok((lines, (!others.is_empty()).then(|| others.join("&"))))
    }

    /// Returns whether a whole line, without its end, matches a pattern. In a pattern `*` is any
    /// text, also an empty one; everything else is literal. A line with a byte that is not
    /// printable ASCII never matches. Terminals read control characters as commands that change the
    /// line. A line of seven bits, or a device that drops the eighth bit, turns bytes beyond ASCII
    /// into others: U+010D, which is C4 8D, becomes `D` and a carriage return.
    #[must_use]
    pub fn permit(&self, line: &[u8]) -> bool {
        let text = str::from_utf8(line).ok().filter(|text| is_plain(text));
        text.is_some_and(|text| self.0.iter().any(|pattern| matches(pattern, text)))
    }

    /// Returns the first pattern that no line can match, because it is not printable ASCII.
    pub(super) fn dead(&self) -> Option<&str> {
        self.0.iter().map(|pattern| &**pattern).find(|pattern| !is_plain(pattern))
    }
}

/// Returns whether a text is printable ASCII, without tabs.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Matches piece by piece: the first and the last piece at the ends, the others as early as
/// possible.
fn matches(pattern: &str, line: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Writes the patterns as in the query of a URL.
impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pattern) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { "&" };
            write!(f, "{between}line={}", Encoded(pattern))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(query: &str) -> Lines {
        Lines::take(query).unwrap().0.unwrap()
    }

    #[test]
    fn a_line_is_permitted_as_a_whole_or_not() {
        let lines = lines("line=show%20*&line=status&line=a*b*c&line=**x");
        for (line, permitted) in [
            ("show version", true),
            ("show ", true),
            ("show", false),
            (" show version", false),
            ("status", true),
            ("status ", false),
            ("Status", false),
            ("statusx", true),
            ("x", true),
            ("abc", true),
            ("a1b2c", true),
            ("abcabc", true),
            ("acb", false),
            ("ab", false),
            ("reboot", false),
            ("", false),
            ("show a\tb", false),
            ("show \u{8}\u{8}reboot", false),
            ("show \u{1b}[A", false),
            ("show \u{9b}A", false),
            ("show é", false),
            ("show x\u{10d}reboot", false),
            ("show ~", true),
            ("show \u{7f}", false),
        ] {
            assert_eq!(lines.permit(line.as_bytes()), permitted, "{line:?}");
        }
        assert!(Lines::take("line=").unwrap().0.unwrap().permit(b""));
        assert!(!Lines::take("line=").unwrap().0.unwrap().permit(b"x"));
        let any = Lines::take("line=*").unwrap().0.unwrap();
        for byte in 0..=u8::MAX {
            assert_eq!(any.permit(&[b'a', byte]), (0x20..0x7f).contains(&byte), "{byte:x}");
        }
    }

    #[test]
    fn patterns_are_bounded() {
        let many = |count: usize| vec!["line=a"; count].join("&");
        assert!(Lines::take(&many(Lines::MOST)).is_ok());
        assert!(Lines::take(&many(Lines::MOST + 1)).is_err());
        assert!(Lines::take(&format!("line={}", "a".repeat(Lines::LONGEST))).is_ok());
        assert!(Lines::take(&format!("line={}", "a".repeat(Lines::LONGEST + 1))).is_err());
        assert!(Lines::take("line=a%0ab").is_err());
        assert!(Lines::take("line=%zz").is_err());
    }

    proptest! {
        /// The same result as from the simplest matcher.
        #[test]
        fn a_star_is_any_text(pattern in "[ab*]{0,8}", line in "[ab]{0,10}") {
            fn simple(pattern: &[u8], line: &[u8]) -> bool {
                match pattern.split_first() {
                    None => line.is_empty(),
                    Some((b'*', rest)) => {
                        (0..=line.len()).any(|skipped| simple(rest, &line[skipped..]))
                    }
                    Some((one, rest)) => line.first() == Some(one) && simple(rest, &line[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &line), simple(pattern.as_bytes(), line.as_bytes()));
        }
    }
}
