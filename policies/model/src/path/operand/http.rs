//! The operands of HTTP.

use super::super::{Path, PathError, spelt_path};
use crate::target::Operand;
use crate::text::escape;

/// Reads the path of a question as the gateway reads that of a request. What a browser escapes by
/// itself, such as a space, may stand as it is. The interface's name alone is its root.
pub(super) fn read(text: &str) -> Result<Path, PathError> {
    let Some((interface, operand)) = text.split_once('/') else {
        return Path::literal(&format!("{text}/"));
    };
    if operand.contains(['?', '#']) {
        return Err(PathError::Query);
    }
    // The path `/a/` with a decided part of its query is `a//@KEY=VALUE`.
    let (path, part) = match operand.rsplit_once('/') {
        Some((path, part)) if part.starts_with('@') && part.contains('=') => (path, Some(part)),
        Some(_) | None => (operand, None),
    };
    let spelt = |path: &str| spelt_path(&typed(path)).map(|spelt| spelt.into_owned());
    let mut read = format!("{interface}{}", spelt(path)?);
    if let Some(part) = part {
        read.push_str(&spelt(part)?);
    }
    Path::literal(&read)
}

/// Returns a path with a slash before it, and with escapes for spaces and letters beyond ASCII.
fn typed(path: &str) -> String {
    let mut typed = String::from("/");
    for c in path.chars() {
        if c == ' ' || !c.is_ascii() {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).bytes();
            typed.extend(bytes.map(|byte| format!("%{byte:02X}")));
        } else {
            typed.push(c);
        }
    }
    typed
}

/// Returns why a pattern matches no HTTP path, given the one spelling in which paths are decided
/// and the part of the query that the interface decides.
pub(super) fn never(pattern: &[Option<&str>], operand: Option<&Operand>) -> Option<String> {
    let segments = pattern.len();
    let part = operand.map(|operand| format!("@{}=", operand.key()));
    let decides = |text: Option<&str>| {
        text.zip(part.as_deref()).is_some_and(|(text, part)| text.starts_with(part))
    };
    let last = pattern.last().copied().flatten();
    for (at, text) in pattern.iter().enumerate().skip(1) {
        let Some(text) = *text else { continue };
        // The path `/a/` with a part of its query is `a//@KEY=VALUE`.
        let may_decide = decides(last) || last.is_none() && part.is_some();
        if text.is_empty() && at + 2 == segments && may_decide {
            continue;
        }
        if let Some(part) = &part
            && at + 1 == segments
            && text.starts_with('@')
            && !decides(Some(text))
        {
            return Some(format!("where {part}VALUE is decided, no other path ends with @"));
        }
        // These characters are refused in every spelling.
        let refused = |c: char| c.is_control() || c == '\\' || c == '/';
        let dots = text == "." || text == "..";
        if text.is_empty() && at + 1 < segments || dots || text.contains(refused) {
            return Some("no path of HTTP is decided that has such a segment".to_owned());
        }
        // The characters of a segment (RFC 3986 section 3.3), and the escapes of all others.
        let stands = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c);
        let escaped = |c: &char| !stands(*c);
        if let Some(c) = text.chars().find(escaped) {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).bytes();
            let rule: String = bytes.map(|byte| format!("%25{byte:02X}")).collect();
            let c = escape(&c.to_string()).to_string();
            return Some(format!("a path of HTTP has '{c}' escaped: write {rule} for it"));
        }
    }
    None
}

/// Returns why a pattern matches no reading of an HTTP path that is decided.
pub(super) fn never_read(pattern: &[Option<&str>], operand: Option<&Operand>) -> Option<String> {
    let part = operand.map(|operand| format!("@{}=", operand.key()));
    let is_part = |text: &str| {
        let part = part.as_deref().unwrap_or_default();
        let begins = text.get(..part.len()).is_some_and(|first| first.eq_ignore_ascii_case(part));
        !part.is_empty() && begins
    };
    // These are refused in every spelling of a path, and no reading brings them back.
    let refused = |c: char| c.is_control() || c == '\\' || c == '/';
    let never = |text: &str| text == "." || text == ".." || text.contains(refused);
    let found = pattern.iter().enumerate().skip(1).any(|(at, text)| {
        // The value of a decided part may have any characters.
        text.is_some_and(|text| never(text) && !(at + 1 == pattern.len() && is_part(text)))
    });
    found.then(|| "no path of HTTP is decided that has such a segment".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    #[test]
    fn an_empty_segment_stands_before_the_decided_part_of_a_query_only() {
        let target: Target = "http://h:80?operand=query:item".parse().unwrap();
        let item = target.inspected().unwrap().http().unwrap().operand.as_ref();
        let never = |pattern: &[Option<&str>], operand| never(pattern, operand).is_some();
        // `shop//@item=1` and `shop//*`
        assert!(!never(&[Some("shop"), Some(""), Some("@item=1")], item));
        assert!(!never(&[Some("shop"), Some(""), None], item));
        assert!(never(&[Some("shop"), Some(""), None], None));
        assert!(never(&[Some("shop"), Some(""), Some("a")], item));
        assert!(never(&[Some("shop"), Some(""), None, None], item));
        // `shop/a/`
        assert!(!never(&[Some("shop"), Some("a"), Some("")], None));
        // A rule that denies meets readings.
        let never = |last| never_read(&[Some("shop"), Some(last)], item).is_some();
        assert!(!never("a b") && !never("@ITEM=1") && !never("a"));
        // `/shop/@x=1/` may be read without its last slash, and a value may have slashes.
        assert!(!never("@x=1") && !never("@item=a/b") && !never("@Item=a\\b"));
        assert!(never("a/b") && never("..") && never("@x=a/b"));
    }
}
