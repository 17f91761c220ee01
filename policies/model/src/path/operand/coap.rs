//! The operands of CoAP.

use super::super::{Path, PathError, misfit};

const FORM: &str = "a segment of CoAP has no slash, backslash, ?, #, escape or control character, is \
                    neither . nor .., and is not empty unless it is the last";

/// Reads the path of a question as the gateway reads that of a request. The interface's name alone
/// is its root.
pub(super) fn read(text: &str) -> Result<Path, PathError> {
    let Some((_, operand)) = text.split_once('/') else {
        return Path::literal(&format!("{text}/"));
    };
    let mut segments = operand.split('/').peekable();
    while let Some(segment) = segments.next() {
        let inner = segment.is_empty() && segments.peek().is_some();
        if inner || is_refused(segment) || has_escape(segment) {
            return Err(misfit(segment, FORM));
        }
    }
    Path::literal(text)
}

/// Returns whether no segment of a request may be that text.
fn is_refused(text: &str) -> bool {
    let refused = |c: char| matches!(c, '/' | '\\' | '?' | '#') || c.is_control();
    text == "." || text == ".." || text.contains(refused)
}

fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(
        |three| matches!(three, [b'%', digits @ ..] if digits.iter().all(u8::is_ascii_hexdigit)),
    )
}

/// Returns why a pattern matches no CoAP path that is decided.
pub(super) fn never(pattern: &[Option<&str>]) -> Option<String> {
    let segments = pattern.len();
    let mut texts = pattern.iter().enumerate().skip(1);
    let never = texts.any(|(at, text)| {
        text.is_some_and(|text| {
            let inner = text.is_empty() && at + 1 < segments;
            inner || is_refused(text)
        })
    });
    never.then(|| "no path of CoAP is decided that has such a segment".to_owned())
}
