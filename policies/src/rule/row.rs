//! Reads the rows of Casbin's CSV. Commas separate the fields, spaces around fields are dropped,
//! there are no quotes, and `#` begins a comment line.

use super::error::{BundleErrors, Reason};

/// A row with its fields.
pub(crate) struct TableRow<'a> {
    pub(crate) number: usize,
    fields: [TableField<'a>; MOST],
    count: usize,
}

/// The most fields that a row stores. Further ones are only counted.
const MOST: usize = 7;

/// A field, and the column where its text begins, in bytes from 1.
#[derive(Clone, Copy)]
pub(crate) struct TableField<'a> {
    pub(crate) text: &'a str,
    pub(crate) column: usize,
}

impl<'a> TableRow<'a> {
    /// Returns how many fields the row has.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the fields that are stored.
    pub(crate) fn fields(&self) -> &[TableField<'a>] {
        self.fields.get(..self.count.min(MOST)).unwrap_or_default()
    }

    /// Returns the fields, if there are exactly `N`.
    pub(crate) fn exactly<const N: usize>(&self) -> Option<[TableField<'a>; N]> {
        if self.count == N { self.fields.first_chunk().copied() } else { None }
    }
}

/// Calls `each` with every row of `text`. Comments and empty lines are skipped.
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

/// Returns `text` without the byte order mark that some editors write before it.
pub(crate) fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Reads one line. Returns `None` for a comment or an empty line, and for a line that is refused;
/// the error of the latter is added to `errors`.
pub(crate) fn read_row<'a>(
    file: &'static str,
    number: usize,
    line: &'a str,
    errors: &mut BundleErrors,
) -> Option<TableRow<'a>> {
    // A carriage return inside a line could hide a rule in a comment.
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
        Err(error) => {
            errors.refuse(file, number, error);
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
