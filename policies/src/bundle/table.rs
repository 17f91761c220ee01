//! Casbin's CSV: fields between commas, spaces around them dropped, no quotes; `#` begins a
//! comment line.

use super::error::{BundleError, BundleErrors, Reason};

/// One line with its fields.
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) fields: Vec<Field<'a>>,
}

/// One field, and the column (in bytes, from 1) where its text begins.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) text: &'a str,
    pub(super) column: usize,
}

/// The lines of `text` that say something.
pub(super) fn lines<'a>(
    file: &'static str,
    text: &'a str,
    errors: &mut BundleErrors,
) -> Vec<Line<'a>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // A carriage return that ends no line could hide a rule in a comment.
        if let Some(at) = line.find('\r') {
            errors.push(BundleError::new(file, index + 1, at + 1, Reason::Control));
            continue;
        }
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match fields(line) {
            Ok(fields) => lines.push(Line { number: index + 1, fields }),
            Err((column, reason)) => {
                errors.push(BundleError::new(file, index + 1, column, reason));
            }
        }
    }
    lines
}

fn fields(line: &str) -> Result<Vec<Field<'_>>, (usize, Reason)> {
    let stranger = |c: char| (c.is_control() && c != '\t') || c == '"';
    if let Some((at, c)) = line.char_indices().find(|(_, c)| stranger(*c)) {
        return Err((at + 1, if c == '"' { Reason::Quote } else { Reason::Control }));
    }
    let mut start = 0;
    let field = |text| {
        let text: &str = text;
        let column = start + (text.len() - text.trim_start().len()) + 1;
        start += text.len() + 1;
        Field { text: text.trim(), column }
    };
    Ok(line.split(',').map(field).collect())
}
