//! Parameters of a query: which of them is asked about, and what of it the audit log gets.
//!
//! Servers differ in how they read a query: some split it at `;` as well as at `&`, or decode it
//! before they split it; some take a parameter's name in any case, or without what follows `[`; some
//! do not split it, and look for `KEY=` wherever it stands. So a parameter is looked for in all of
//! these ways.

use doorward_model::{HttpOptions, PeerText};
use http::Method;
use smallvec::{SmallVec, smallvec};

use super::path::spell;

/// Where somebody splits a query. A few take the last `?` for its beginning.
const ENDS: [char; 3] = ['&', ';', '?'];

/// The parameter by which frameworks let a query name the method.
const METHOD: &str = "_method";

/// Why it is not clear what a query says of the parameter that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unclear {
    /// It is there more than once.
    #[error("has a decided parameter twice")]
    Repeated,
    /// It is there for some servers only, or in a spelling that some do not know.
    #[error("has a decided parameter in a spelling that not every server reads")]
    Spelling,
    /// Its name and an equals sign stand within another parameter, or within a value.
    #[error("has the name of a decided parameter, and =, within something else")]
    Within,
    /// Its value does not decode to text, has a control character, or is more than one to some.
    #[error("has a value of a decided parameter that not every server reads alike")]
    Value,
    /// The name of another parameter could be anything.
    #[error("has a parameter whose name is not of printable ASCII")]
    Name,
}

/// What the query says of the parameter `key`, as further segments of the path: `@KEY=VALUE`, the
/// value spelt as a segment of a path is. `None` stands for the path without one. All of them are
/// asked about: there are several where servers read a plus sign differently, or an empty value as
/// none.
pub(super) fn operand(query: &str, key: &str) -> Result<SmallVec<[Option<String>; 3]>, Unclear> {
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
    let segment = |value: &String| Some(format!("@{key}={}", spell(value)));
    let mut segments: SmallVec<_> = values.iter().map(segment).collect();
    if values.iter().any(String::is_empty) {
        segments.push(None);
    }
    Ok(segments)
}

/// The method that the query names, in capitals. Some backends follow it, whatever the method of
/// the request is. A value that cannot be a method's name is followed by none.
pub(super) fn method(query: &str) -> Result<Option<Method>, Unclear> {
    // Nearly every query has neither an escape nor a name that begins with such a mark.
    let is_plain = |part: &[u8]| part.first().is_none_or(u8::is_ascii_alphanumeric);
    if !query.contains('%') && parts(query.as_bytes()).all(is_plain) {
        return Ok(None);
    }
    let texts = texts(query);
    let wanted = Loose::new(METHOD.as_bytes());
    // `method` alone is a parameter like others. PHP takes `.method` for `_method`.
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

/// A query as it came, decoded once, and decoded twice: somebody takes it apart in each.
fn texts(query: &str) -> [Vec<u8>; 3] {
    let once = decoded(query.as_bytes());
    let twice = decoded(&once);
    [query.as_bytes().to_vec(), once, twice]
}

/// The part of a query that is the parameter `key` to everybody. None if it is there for nobody.
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

/// How often `KEY=` stands in a text, in any case. Some firmware looks for that, wherever it stands.
fn assignments(text: &[u8], key: &str) -> usize {
    let is_one = |window: &&[u8]| match window.split_last() {
        Some((b'=', front)) => front.eq_ignore_ascii_case(key.as_bytes()),
        Some(_) | None => false,
    };
    text.windows(key.len() + 1).filter(is_one).count()
}

/// The value of a parameter in each reading that a server may have of it.
fn values(part: &str) -> Result<SmallVec<[String; 3]>, Unclear> {
    let value = part.split_once('=').map_or("", |(_, value)| value);
    // What does not decode in the value is read in many ways.
    if !is_well_escaped(value.as_bytes()) || part.contains(ENDS) {
        return Err(Unclear::Value);
    }
    // A plus sign is a space in forms, and itself elsewhere; who decodes first finds more of them.
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

/// What the audit log gets of a query: the first bytes, without values of secrets (`mask=`); or
/// nothing of it (`query=off`).
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
        // One may stand within the value of another, as in a URL that is passed on.
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

/// The parts of a query, split as finely as anybody does.
fn parts(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|byte| ENDS.contains(&char::from(*byte)))
}

/// The name in a part, still encoded.
fn name(part: &[u8]) -> &[u8] {
    part.split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// A name by its letters and digits alone, small: whatever some server takes for it has the same.
struct Loose(Vec<u8>);

impl Loose {
    fn new(name: &[u8]) -> Self {
        let known = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        Self(known.map(u8::to_ascii_lowercase).collect())
    }

    /// Whether some server may take `name` for it, which is still encoded.
    fn may_be(&self, name: &[u8]) -> bool {
        let name = decoded(name);
        let before = name.split(|byte| *byte == b'[').next().unwrap_or_default();
        [before, &name].into_iter().any(|name| Self::new(name).0 == self.0)
    }
}

/// The octet of an escape that a text begins with (RFC 3986 section 2.1).
fn octet(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match text {
        [b'%', high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// Percent-decoding; what is no escape stays as it is.
fn decoded(mut text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        let found = octet(text);
        out.push(found.unwrap_or(first));
        text = if found.is_some() { rest.get(2..).unwrap_or_default() } else { rest };
    }
    out
}

/// Whether every percent sign begins an escape.
fn is_well_escaped(text: &[u8]) -> bool {
    let at = |at: usize| text.get(at..).unwrap_or_default();
    (0..text.len()).all(|place| !at(place).starts_with(b"%") || octet(at(place)).is_some())
}
