//! Patterns of absolute paths.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

/// A pattern of absolute paths. `*` matches any characters within one segment. `**` as the last
/// segment matches everything below.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob {
    segments: Vec<String>,
    below: bool,
    text: String,
}

/// Why a text is no [`Glob`]. The operator erred.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is no pattern of paths: it begins with /, has no . or .. segments, and ** only at its \
     end"
)]
pub struct GlobError(String);

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let wrong = || GlobError(text.to_owned());
        let inner = text.strip_prefix('/').ok_or_else(wrong)?;
        let mut segments: Vec<String> = inner.split('/').map(str::to_owned).collect();
        let below = segments.last().is_some_and(|last| last == "**");
        if below {
            segments.pop();
        }
        let strange = |segment: &String| {
            segment.is_empty() || segment == "." || segment == ".." || segment.contains("**")
        };
        if segments.iter().any(strange) || (segments.is_empty() && !below) {
            return Err(wrong());
        }
        Ok(Self { segments, below, text: text.to_owned() })
    }
}

impl Glob {
    /// Returns whether `path` matches. The path must be absolute and normal.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let Some(text) = path.to_str() else { return false };
        let Some(inner) = text.strip_prefix('/') else { return false };
        let found: Vec<&str> = inner.split('/').collect();
        let enough = if self.below {
            found.len() > self.segments.len()
        } else {
            found.len() == self.segments.len()
        };
        enough
            && self
                .segments
                .iter()
                .zip(&found)
                .all(|(pattern, text)| is_like(pattern.as_bytes(), text.as_bytes()))
    }
}

/// Returns whether `text` matches `pattern`, in time proportional to the product of their lengths.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for byte in pattern {
        let mut next = vec![false; text.len() + 1];
        let mut any = false;
        for (at, slot) in next.iter_mut().enumerate() {
            let here = reached.get(at).copied().unwrap_or(false);
            *slot = if *byte == b'*' {
                any |= here;
                any
            } else {
                let before = at.checked_sub(1);
                before.is_some_and(|before| {
                    reached.get(before) == Some(&true) && text.get(before) == Some(byte)
                })
            };
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_its_segment() {
        for (pattern, path, expected) in [
            ("/run/app.sock", "/run/app.sock", true),
            ("/run/app.sock", "/run/app.sock2", false),
            ("/run/*.sock", "/run/app.sock", true),
            ("/run/*.sock", "/run/x/app.sock", false),
            ("/dev/tty*", "/dev/ttyUSB0", true),
            ("/dev/tty*", "/dev/tty", true),
            ("/dev/tty*", "/dev/pts/0", false),
            ("/run/a*b*c", "/run/aXXbYYc", true),
            ("/run/a*b*c", "/run/aXXcYYb", false),
            ("/dev/serial/**", "/dev/serial/by-id/usb-1", true),
            ("/dev/serial/**", "/dev/serial", false),
            ("/dev/serial/**", "/dev/serials/x", false),
            ("/**", "/anything/at/all", true),
        ] {
            let glob: Glob = pattern.parse().unwrap();
            assert_eq!(glob.matches(Path::new(path)), expected, "{pattern} {path}");
        }
        for no in ["", "run/x", "/run/../x", "/run//x", "/**/x", "/run/**x", "/", "/run/."] {
            assert!(no.parse::<Glob>().is_err(), "{no}");
        }
    }
}
