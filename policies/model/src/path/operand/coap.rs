//! The operands of CoAP.

/// Returns why a pattern matches no CoAP path that is decided.
pub(super) fn never(pattern: &[Option<&str>]) -> Option<String> {
    let segments = pattern.len();
    let refused = |c: char| matches!(c, '/' | '\\' | '?' | '#') || c.is_control();
    let mut texts = pattern.iter().enumerate().skip(1);
    let never = texts.any(|(at, text)| {
        text.is_some_and(|text| {
            let inner = text.is_empty() && at + 1 < segments;
            inner || text == "." || text == ".." || text.contains(refused)
        })
    });
    never.then(|| "no path of CoAP is decided that has such a segment".to_owned())
}
