//! Casbin's CSV: fields between commas, spaces around them dropped, no quotes; `#` begins a
//! comment line.

use super::error::{BundleErrors, Reason};

/// One line with its fields.
pub(crate) struct TableRow<'a> {
    pub(crate) number: usize,
    fields: [TableField<'a>; MOST],
    count: usize,
}

/// The most fields that a line has; of further ones only the count is kept.
const MOST: usize = 7;

/// One field, and the column (in bytes, from 1) where its text begins.
#[derive(Clone, Copy)]
pub(crate) struct TableField<'a> {
    pub(crate) text: &'a str,
    pub(crate) column: usize,
}

impl<'a> TableRow<'a> {
    /// How many fields there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The fields, as far as they are kept.
    pub(crate) fn fields(&self) -> &[TableField<'a>] {
        self.fields.get(..self.count.min(MOST)).unwrap_or_default()
    }

    /// The fields of a line that has just so many.
    pub(crate) fn exactly<const N: usize>(&self) -> Option<[TableField<'a>; N]> {
        if self.count == N { self.fields.first_chunk().copied() } else { None }
    }
}

/// Goes through the lines of `text` that say something.
pub(crate) fn each_row<'a>(
    file: &'static str,
    text: &'a str,
    errors: &mut BundleErrors,
    mut each: impl FnMut(&TableRow<'a>, &mut BundleErrors),
) {
    for (number, line) in (1..).zip(without_byte_order_mark(text).lines()) {
        if let Some(line) = read_row(file, number, line, errors) {
            each(&line, errors);
        }
    }
}

/// A text without the mark that some editors put before it.
pub(crate) fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A line of a file; `None` if it says nothing, or is refused.
pub(crate) fn read_row<'a>(
    file: &'static str,
    number: usize,
    line: &'a str,
    errors: &mut BundleErrors,
) -> Option<TableRow<'a>> {
    // A carriage return that ends no line could hide a rule in a comment.
    if let Some(at) = line.find('\r') {
        errors.refuse(file, number, (at + 1, Reason::Control));
        return None;
    }
    let said = line.trim_start();
    if said.is_empty() || said.starts_with('#') {
        return None;
    }
    match fields(line) {
        Ok((fields, count)) => Some(TableRow { number, fields, count }),
        Err(place) => {
            errors.refuse(file, number, place);
            None
        }
    }
}

fn fields(line: &str) -> Result<([TableField<'_>; MOST], usize), (usize, Reason)> {
    let plain = |byte: u8| (matches!(byte, b' '..=b'~') && byte != b'"') || byte == b'\t';
    if !line.bytes().all(plain) {
        let stranger = |c: char| (c.is_control() && c != '\t') || c == '"';
        if let Some((at, c)) = line.char_indices().find(|(_, c)| stranger(*c)) {
            return Err((at + 1, if c == '"' { Reason::Quote } else { Reason::Control }));
        }
    }
    let mut found = [TableField { text: "", column: 0 }; MOST];
    let (mut start, mut count) = (0, 0);
    for text in line.split(',') {
        if let Some(field) = found.get_mut(count) {
            let column = start + (text.len() - text.trim_start().len()) + 1;
            *field = TableField { text: text.trim(), column };
        }
        (start, count) = (start + text.len() + 1, count + 1);
    }
    Ok((found, count))
}
