//! Readings: what a device may take an HTTP path for.
//!
//! A deny rule meets a path under each of its readings, and an allow rule must cover the path as it
//! is written. [`spelt_path`](super::spelt_path) has refused some spellings before, so these need no
//! readings: slashes and backslashes within a segment, dot segments, empty segments before the last,
//! and escapes within escapes.

use super::spelling::{Misspelt, escaped, spelt_segment};
use super::{Path, Segment};

/// The most readings of one segment.
const OF_SEGMENT: usize = 32;
/// The most readings that the segments of a path have in all, besides themselves.
const OF_PATH: usize = 256;
/// The most segments of a path that a device may leave out. Each doubles the number of names.
const OMITTED: usize = 3;

impl Path {
    /// Returns the names under which a device may read this HTTP path, in any ASCII case. Together
    /// they have every combination of the readings of its segments. At most eight.
    ///
    /// # Errors
    /// When a segment may be read as `.` or `..`, or there are too many readings.
    pub fn http_readings(&self) -> Result<Vec<Self>, Misspelt> {
        let Some((interface, operand)) = self.segments.split_first() else { return Ok(vec![]) };
        if operand.is_empty() || self.open {
            return Ok(vec![]);
        }
        if is_plain(operand) {
            return Ok(vec![Self { any_case: true, ..self.clone() }]);
        }
        let mut read = Vec::with_capacity(operand.len());
        let (mut may_be_empty, mut others) = (Vec::new(), 0);
        for (at, segment) in operand.iter().enumerate() {
            let Segment::Text(text) = segment else { return Ok(vec![]) };
            let texts = segment_readings(text)?;
            others += texts.len() - 1;
            if others > OF_PATH {
                return Err(Misspelt::Readings);
            }
            if texts.iter().any(String::is_empty) {
                may_be_empty.push(at);
            }
            read.push(match &texts[..] {
                [one] => Segment::Text(one.as_str().into()),
                several => Segment::OneOf(several.iter().map(|one| one.as_str().into()).collect()),
            });
        }
        if may_be_empty.len() > OMITTED {
            return Err(Misspelt::Readings);
        }
        let mut names: Vec<Self> = Vec::new();
        for omitted in 0..1_u32 << may_be_empty.len() {
            let is_left = |at: &usize| {
                let bit = may_be_empty.iter().position(|one| one == at);
                bit.is_none_or(|bit| omitted >> bit & 1 == 0)
            };
            let left = read.iter().enumerate().filter(|(at, _)| is_left(at));
            let mut segments: Vec<Segment> = vec![interface.clone()];
            segments.extend(left.map(|(_, segment)| segment.clone()));
            if segments.len() == 1 {
                // Without any segment it is the root.
                segments.push(Segment::Text("".into()));
            }
            let name =
                Self { segments: segments.into(), open: false, topic: false, any_case: true };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Returns [`Path::http_readings`]. For a path that has too many it returns the name of the whole
    /// interface, which every deny rule there meets.
    pub(crate) fn http_names(&self) -> Vec<Self> {
        self.http_readings().unwrap_or_else(|_| {
            let segments = self.segments.iter().take(1).cloned().collect();
            vec![Self { segments, open: true, topic: false, any_case: false }]
        })
    }
}

/// Returns what a device may read a segment of an HTTP path as, in lower case: itself, without its
/// parameters, with spaces for plus signs, without dots and spaces at its end, unescaped once more,
/// and all combinations of these.
///
/// # Errors
/// When one of them is `.` or `..`, or there are too many.
pub fn segment_readings(text: &str) -> Result<Vec<String>, Misspelt> {
    let mut all = vec![text.to_ascii_lowercase()];
    let mut at = 0;
    while let Some(text) = all.get(at).cloned() {
        at += 1;
        if text == "." || text == ".." {
            return Err(Misspelt::Dots);
        }
        for other in rewritten(&text) {
            if !all.contains(&other) {
                all.push(other);
            }
        }
        if all.len() > OF_SEGMENT {
            return Err(Misspelt::Readings);
        }
    }
    Ok(all)
}

/// Returns a text as a device may rewrite it, by one step each.
fn rewritten(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    if let Some((name, _)) = text.split_once(';') {
        all.push(name.to_owned());
    }
    if text.contains('+') {
        all.extend([text.replace('+', " "), text.replace('+', "%20")]);
    }
    let ends = [".", " ", "%20"];
    all.extend(ends.iter().filter_map(|end| text.strip_suffix(end)).map(str::to_owned));
    match unescaped(text) {
        Some(plain) => all.push(plain.to_ascii_lowercase()),
        // A rule may have the name in the spelling of paths.
        None => all.push(spelt_segment(text).to_ascii_lowercase()),
    }
    all
}

/// Returns a text without its escapes; `None` if it has none, or they are no text.
fn unescaped(text: &str) -> Option<String> {
    let (mut plain, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let (octet, after) = escaped(rest).unwrap_or((*byte, after));
        plain.push(octet);
        rest = after;
    }
    String::from_utf8(plain).ok().filter(|plain| plain != text)
}

/// Returns whether the segments have no readings but in another case, and are in lower case.
fn is_plain(operand: &[Segment]) -> bool {
    let stands = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_~.@:,=".contains(&byte)
    };
    operand.iter().all(|segment| match segment {
        Segment::Text(text) => {
            text.bytes().all(stands)
                && !text.ends_with('.')
                // Only the root's one segment stays, though it is empty.
                && (!text.is_empty() || operand.len() == 1)
        }
        Segment::Unit(_) | Segment::Range(..) | Segment::Any | Segment::OneOf(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::path::spelt_path;

    fn names(path: &str) -> Result<Vec<String>, Misspelt> {
        let path = Path::literal(path).unwrap();
        Ok(path.http_readings()?.iter().map(Path::raw).collect())
    }

    #[test]
    fn a_plain_path_is_itself_in_any_case() {
        for text in ["web/", "web/a", "web/api/v1.2/x-y_z~", "web/@cmd=on", "web/a:b,c"] {
            let path = Path::literal(text).unwrap();
            let names = path.http_readings().unwrap();
            assert_eq!(names.len(), 1, "{text}");
            assert!(names[0].is_any_case_of(&path) && !path.is_any_case_of(&names[0]), "{text}");
            assert!(names[0].is_in_any_case(1) && !names[0].is_in_any_case(0));
        }
        for none in
            [Path::literal("web").unwrap(), Path::everything(&"web".parse().unwrap()), Path::all()]
        {
            assert_eq!(none.http_readings(), Ok(vec![]));
        }
    }

    #[test]
    fn each_reading_is_told() {
        let cases: &[(&str, &[&str])] = &[
            ("web/Admin/X", &["web/admin/x"]),
            ("web/a;v=1/b", &["web/a;v=1|a/b"]),
            ("web/a+b", &["web/a+b|a b|a%20b"]),
            ("web/secret%20plans", &["web/secret%20plans|secret plans"]),
            ("web/%C3%BC", &["web/%c3%bc|\u{fc}"]),
            ("web/a.", &["web/a.|a"]),
            ("web/a%20.", &["web/a%20.|a%20|a .|a|a "]),
            ("web/100%25", &["web/100%25|100%"]),
            ("web/%40", &["web/%40|@"]),
            // A slash at the end, and a segment that a device takes for empty.
            ("web/a/", &["web/a/", "web/a"]),
            ("web/%20/a", &["web/%20|| /a", "web/a"]),
            ("web/%20", &["web/%20|| ", "web/"]),
            ("web/a//@cmd=x", &["web/a//@cmd=x", "web/a/@cmd=x"]),
        ];
        for (path, expected) in cases {
            assert_eq!(names(path).unwrap(), *expected, "{path}");
        }
    }

    #[test]
    fn too_many_readings_and_dot_segments_are_refused() {
        for dots in ["web/..%20", "web/.+/a", "web/...", "web/a/..%3Bx", "web/.."] {
            assert_eq!(names(dots), Err(Misspelt::Dots), "{dots}");
        }
        let many = format!("web/a{}", ".".repeat(64));
        assert_eq!(names(&many), Err(Misspelt::Readings));
        assert_eq!(names("web/%20/%20/%20/%20"), Err(Misspelt::Readings));
        assert_eq!(names("web/%20/+/%20.").unwrap().len(), 8);
        let all = &Path::literal(&many).unwrap().http_names()[..];
        assert_eq!(all, [Path::everything(&"web".parse().unwrap())]);
        // What people and programs use stays far below.
        let long = "/My%20Documents;v=1.2+b/%E4%B8%AD%E6%96%87+%40%28x%29.tar.gz";
        assert!(names(&format!("web{}", long.repeat(5))).is_ok());
        assert!(names(&format!("web{}", "/%E4%B8%AD".repeat(127))).is_ok());
    }

    /// One step of a device, on one segment of a path that is split at slashes.
    fn step(segments: &mut Vec<String>, at: usize, kind: usize) {
        let at = at % segments.len();
        let one = segments[at].clone();
        let octets = |text: &str| {
            let (mut out, mut rest) = (Vec::new(), text.as_bytes());
            while let [first, after @ ..] = rest {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let octet = match rest {
                    [b'%', high, low, ..] => digit(high).zip(digit(low)),
                    _ => None,
                };
                out.push(
                    octet.map_or(*first, |(high, low)| u8::try_from(high * 16 + low).unwrap()),
                );
                rest = if octet.is_some() { &rest[3..] } else { after };
            }
            String::from_utf8(out).unwrap()
        };
        segments[at] = match kind {
            0 => one.chars().map(|c| if c == 'a' { 'A' } else { c.to_ascii_lowercase() }).collect(),
            1 => one.split(';').next().unwrap().to_owned(),
            2 => one.replace('+', " "),
            3 => one.strip_suffix(['.', ' ']).unwrap_or(&one).to_owned(),
            4 => octets(&one),
            _ => {
                if one.is_empty() && segments.len() > 1 {
                    segments.remove(at);
                }
                return;
            }
        };
    }

    fn meets(name: &Path, segments: &[String]) -> bool {
        let read = &name.segments()[1..];
        read.len() == segments.len()
            && read.iter().zip(segments).all(|(read, one)| match read {
                Segment::Text(text) => text.eq_ignore_ascii_case(one),
                Segment::OneOf(texts) => texts.iter().any(|text| text.eq_ignore_ascii_case(one)),
                Segment::Unit(_) | Segment::Range(..) | Segment::Any => false,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

        /// Whatever steps a device takes, one after the other: the result is among the names.
        #[test]
        fn no_combination_is_missing(
            path in "(/([abAB]|%20|%40|%2B|%3B|%C3%BC|%25|\\.|\\+|;|x){0,6}){1,4}",
            steps in prop::collection::vec((0..4_usize, 0..6_usize), 0..12),
        ) {
            let Ok(spelt) = spelt_path(&path) else { return Ok(()) };
            let text = format!("web{spelt}");
            let Ok(names) = Path::literal(&text).unwrap().http_readings() else { return Ok(()) };
            prop_assert!(names.len() <= 8);
            let mut segments: Vec<String> = spelt.split('/').skip(1).map(str::to_owned).collect();
            for (at, kind) in steps {
                step(&mut segments, at, kind);
                prop_assert!(
                    names.iter().any(|name| meets(name, &segments)),
                    "{} as {:?}: {:?}", text, segments, names
                );
            }
        }
    }
}
