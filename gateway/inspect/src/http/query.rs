//! Parameters of a query: the one that is decided, and what the audit log stores.
//!
//! Servers read queries in different ways. Some split a query at `;` as well as at `&`, or decode
//! it before they split it. Some ignore the case of a parameter's name, or the part of it after
//! `[`. Some do not split it, and search for `KEY=` anywhere. So a parameter is looked for in all
//! of these ways.

use doorward_model::{HttpOptions, PeerText, spelt_segment};
use http::Method;
use smallvec::{SmallVec, smallvec};

/// The characters at which some server splits a query. A few take the last `?` for its beginning.
const ENDS: [char; 3] = ['&', ';', '?'];

/// The parameter with which a query can name the method in some frameworks.
const METHOD: &str = "_method";

/// Why the value of a decided parameter is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unclear {
    /// It occurs more than once.
    #[error("has a decided parameter twice")]
    Repeated,
    /// Only some servers find it, or read its spelling.
    #[error("has a decided parameter in a spelling that not every server reads")]
    Spelling,
    /// Its name and an equals sign occur within another parameter, or within a value.
    #[error("has the name of a decided parameter, and =, within something else")]
    Within,
    /// Its value does not decode to text, has a control character, or is several values to some
    /// servers.
    #[error("has a value of a decided parameter that not every server reads alike")]
    Value,
    /// Another parameter's name is not printable ASCII, and could be anything.
    #[error("has a parameter whose name is not of printable ASCII")]
    Name,
}

/// Returns the decided parameter `key` as further segments of the path: `@KEY=VALUE`, with the
/// value spelt as a segment. `None` stands for the path without one. There are several if servers
/// read a plus sign differently, or an empty value as none; all of them must be permitted.
pub(super) fn decided_part(
    query: &str,
    key: &str,
) -> Result<SmallVec<[Option<String>; 3]>, Unclear> {
    let plain = |name: &[u8]| decoded(name).iter().all(|byte| matches!(byte, b' '..=b'~'));
    if !parts(query.as_bytes()).map(name).all(|name| is_well_escaped(name) && plain(name)) {
        return Err(Unclear::Name);
    }
    let texts = texts(query);
    let found = parameter(query, &texts, key)?;
    let own = usize::from(found.is_some_and(|part| part.contains('=')));
    if texts.iter().any(|text| assignments(text, key) != own) {
        return Err(Unclear::Within);
    }
    let Some(found) = found else { return Ok(smallvec![None]) };
    let values = values(found)?;
    let segment = |value: &String| Some(format!("@{key}={}", spelt_segment(value)));
    let mut segments: SmallVec<_> = values.iter().map(segment).collect();
    if values.iter().any(String::is_empty) {
        segments.push(None);
    }
    Ok(segments)
}

/// Returns the method that the query names, in capitals. Some backends use it in place of the
/// request's method. No backend uses a value that can be no method's name.
pub(super) fn method(query: &str) -> Result<Option<Method>, Unclear> {
    // Nearly every query has neither an escape nor a name that begins with such a character.
    let is_plain = |part: &[u8]| part.first().is_none_or(u8::is_ascii_alphanumeric);
    if !query.contains('%') && parts(query.as_bytes()).all(is_plain) {
        return Ok(None);
    }
    let texts = texts(query);
    let wanted = Loose::new(METHOD.as_bytes());
    // `method` is a usual parameter. PHP takes `.method` for `_method`.
    let is_marked = |name: &[u8]| decoded(name).first().is_some_and(|b| !b.is_ascii_alphanumeric());
    let may_be = |part| is_marked(name(part)) && wanted.may_be(name(part));
    if !texts.iter().any(|text| parts(text).any(may_be)) {
        return Ok(None);
    }
    let Some(found) = parameter(query, &texts, METHOD)? else { return Ok(None) };
    let is_word = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
    let values = values(found)?;
    let mut words =
        values.iter().map(|value| value.trim()).filter(|value| value.bytes().all(is_word));
    Ok(words.find_map(|word| Method::from_bytes(word.to_ascii_uppercase().as_bytes()).ok()))
}

/// Returns a query as it came, decoded once, and decoded twice: some server splits it in each of
/// these forms.
fn texts(query: &str) -> [Vec<u8>; 3] {
    let once = decoded(query.as_bytes());
    let twice = decoded(&once);
    [query.as_bytes().to_vec(), once, twice]
}

/// Returns the part of a query that every server takes for the parameter `key`. `None` if no server
/// finds one.
fn parameter<'q>(query: &'q str, texts: &[Vec<u8>], key: &str) -> Result<Option<&'q str>, Unclear> {
    let wanted = Loose::new(key.as_bytes());
    let mentions = |text: &[u8]| parts(text).filter(|part| wanted.may_be(name(part))).count();
    let count = mentions(query.as_bytes());
    if texts.iter().any(|text| mentions(text) != count) {
        return Err(Unclear::Spelling);
    }
    match count {
        0 => Ok(None),
        1 => {
            let found = query.split('&').find(|part| name(part.as_bytes()) == key.as_bytes());
            found.map(Some).ok_or(Unclear::Spelling)
        }
        _ => Err(Unclear::Repeated),
    }
}

/// Returns how often `KEY=` occurs in a text, in any case. Some firmware searches for it anywhere.
fn assignments(text: &[u8], key: &str) -> usize {
    let is_one = |window: &&[u8]| match window.split_last() {
        Some((b'=', front)) => front.eq_ignore_ascii_case(key.as_bytes()),
        Some(_) | None => false,
    };
    text.windows(key.len() + 1).filter(is_one).count()
}

/// Returns each value that a server may read from a parameter.
fn values(part: &str) -> Result<SmallVec<[String; 3]>, Unclear> {
    let value = part.split_once('=').map_or("", |(_, value)| value);
    // A value that does not decode is read in many ways.
    if !is_well_escaped(value.as_bytes()) || part.contains(ENDS) {
        return Err(Unclear::Value);
    }
    // A plus sign is a space in forms, and itself elsewhere. A server that decodes first finds more
    // of them.
    let spaced = |byte: u8| if byte == b'+' { b' ' } else { byte };
    let as_form: Vec<u8> = value.bytes().map(spaced).collect();
    let plain = decoded(value.as_bytes());
    let decoded_first = plain.iter().copied().map(spaced).collect();
    let mut values = SmallVec::new();
    for value in [decoded(&as_form), plain, decoded_first] {
        let text = String::from_utf8(value).map_err(|_| Unclear::Value)?;
        let escapes = text.as_bytes().windows(3).any(|three| octet(three).is_some());
        if text.contains(ENDS) || text.contains(char::is_control) || escapes {
            return Err(Unclear::Value);
        }
        if !values.contains(&text) {
            values.push(text);
        }
    }
    Ok(values)
}

/// Returns what the audit log stores of a query: its first bytes, without the values of secrets
/// (`mask=`), or nothing (`query=off`).
#[must_use]
pub fn recorded(query: Option<&str>, options: &HttpOptions) -> Option<PeerText> {
    let query = query.filter(|query| !query.is_empty() && !options.hides_query)?;
    let secrets: Vec<Loose> = options
        .mask
        .iter()
        .flat_map(|mask| mask.iter())
        .map(|secret| Loose::new(secret.as_str().as_bytes()))
        .collect();
    if secrets.is_empty() {
        return Some(PeerText::new(query));
    }
    let is_secret = |part: &[u8]| secrets.iter().any(|secret| secret.may_be(name(part)));
    let mut shown = String::with_capacity(query.len());
    for part in query.split_inclusive(ENDS) {
        let (part, end) = part.split_at(part.trim_end_matches(ENDS).len());
        let once = decoded(part.as_bytes());
        // A secret may be in the value of another parameter, as in a URL that is passed on.
        let holds = [&once, &decoded(&once)].into_iter().any(|text| parts(text).any(is_secret));
        match part.split_once('=') {
            Some((name, _)) if is_secret(part.as_bytes()) || holds && !name.contains('%') => {
                shown.push_str(name);
                shown.push_str("=***");
            }
            Some(_) if holds => shown.push_str("***"),
            None if holds && !is_secret(part.as_bytes()) => shown.push_str("***"),
            Some(_) | None => shown.push_str(part),
        }
        shown.push_str(end);
    }
    Some(PeerText::new(&shown))
}

/// Splits a query at every character at which some server splits it.
fn parts(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|byte| ENDS.contains(&char::from(*byte)))
}

/// Returns the name in a part, still encoded.
fn name(part: &[u8]) -> &[u8] {
    part.split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// A name reduced to its lower-case letters and digits. All names that some server takes for it
/// have the same form.
struct Loose(Vec<u8>);

impl Loose {
    fn new(name: &[u8]) -> Self {
        let known = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        Self(known.map(u8::to_ascii_lowercase).collect())
    }

    /// Returns whether some server may take the encoded `name` for this one.
    fn may_be(&self, name: &[u8]) -> bool {
        let name = decoded(name);
        let before = name.split(|byte| *byte == b'[').next().unwrap_or_default();
        [before, &name].into_iter().any(|name| Self::new(name).0 == self.0)
    }
}

/// Returns the octet of the escape at the beginning of a text (RFC 3986 section 2.1).
fn octet(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match text {
        [b'%', high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// Decodes percent-encoding. Text that is no escape stays as it is.
fn decoded(mut text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        let found = octet(text);
        out.push(found.unwrap_or(first));
        text = if found.is_some() { rest.get(2..).unwrap_or_default() } else { rest };
    }
    out
}

/// Returns whether every percent sign begins an escape.
fn is_well_escaped(text: &[u8]) -> bool {
    let at = |at: usize| text.get(at..).unwrap_or_default();
    (0..text.len()).all(|index| !at(index).starts_with(b"%") || octet(at(index)).is_some())
}
