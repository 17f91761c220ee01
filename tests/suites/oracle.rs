//! What the policy *means*, written a second time: slow, by brute force, and sharing no code
//! with the engine, so that a property test can compare the two.
//!
//! A question may ask about a whole set of paths. Here a set is never reasoned about: its
//! concrete paths are listed and each is matched alone. Infinite sets are listed over a finite
//! stock of paths that is rich enough to be exact:
//!
//! * The matcher walks pattern and path side by side: segment `i` of the path meets only segment
//!   `i` of the pattern, or a `**` at or before `i` (`**` is always last, so nothing shifts).
//! * A *text* is only ever asked three things: is it the pattern's literal at this place, does it
//!   begin with `$`, and does the asked set contain it (for a wildcard: again only the `$`). Any
//!   text therefore gets the same answers as one of these: that literal, a fresh text with `$`, a
//!   fresh text without. Those are what `+` and `#` levels range over (and the empty text, which
//!   adds nothing but is the level most easily forgotten).
//! * A *number* is only ever asked whether it is in the pattern's range `a..=b`. The asked range
//!   is cut by it into at most three runs (before, inside, after), and every run ends at an end
//!   of the asked range or on one side of the cut before `a` or after `b`. So the ends of both
//!   ranges and their neighbours, as far as they were asked, reach every run.
//! * *Lengths*: a path longer than the pattern is matched only by a final `**`, which says the
//!   same of every further level except the first topic level (index 1). A path with one segment
//!   more than the longer of pattern and asked prefix has index 1, and so stands for all longer
//!   ones.
//!
//! A device may read one Modbus message as another (`unit=any`, `tables=alias`). Which, is said by
//! what every address of a table is kept in: see `other_names`. A rule that denies any of them denies
//! the message; a rule that allows has to match the message as it was asked for.
//!
//! A device may read one HTTP path as another. `http_readings` takes one step on one segment after the
//! other, until it finds no new path, and compares them without their case.
//!
//! Unit 0 is its own kind of part, with its rule in `matches_one`. Malformed input panics where it
//! is met: here that is a mistake of the test, not an answer.

use std::collections::{BTreeMap, BTreeSet};

/// One segment of the asked set of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seg {
    /// Exactly this text (already decoded).
    Text(String),
    /// A Modbus unit; 0 is the broadcast.
    Unit(u8),
    /// The numbers from the first to the second, both included.
    Range(u16, u16),
    /// Any one level: `+` of an MQTT filter.
    Any,
}

/// The set of paths that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The first is the interface's name, as `Seg::Text`.
    pub segments: Vec<Seg>,
    /// Zero or more further levels may follow: the final `#` of an MQTT filter.
    pub open: bool,
    /// An MQTT topic or filter: wildcards miss a first level that begins with `$`.
    pub topic: bool,
    /// A reading of an HTTP path, in lower case: patterns meet it in any case.
    pub any_case: bool,
}

/// Being directly in a role or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Such as `role/operators` or `group/line1`.
    pub of: String,
    /// The instant it ends (at that instant it is over already); `None`: it does not end.
    pub until: Option<i64>,
}

/// The state: who and what is directly where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// By subject (`user/alice`): its roles.
    pub members: BTreeMap<String, Vec<Membership>>,
    /// By bare device name (`plc`): its groups.
    pub groups: BTreeMap<String, Vec<Membership>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub subject: String,
    pub device: String,
    pub action: String,
    pub path: Asked,
    /// What else the device may take it for.
    pub names: Vec<Asked>,
    pub now: i64,
    pub source: Option<u32>,
    /// When the last full handshake was.
    pub proven: Option<i64>,
}

type Names = BTreeSet<String>;

#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Allow,
    Deny,
}

/// In this order, "all of these" is the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    False,
    Unknown,
    True,
}

/// Is the question permitted? Some allow rule must apply, and no deny rule.
pub fn permitted(policy: &str, roles: &str, groups: &str, world: &World, q: &Question) -> bool {
    let everyone = match q.subject.split_once('/') {
        Some(("user", _)) => Some("role/users"),
        Some(("device", _)) => Some("role/devices"),
        _ => None,
    };
    let all_devices = if q.device == "gateway" { None } else { Some("group/devices") };
    let who = names(&q.subject, &world.members, everyone, roles, "g", q.now);
    let on = names(&q.device, &world.groups, all_devices, groups, "g2", q.now);
    let some = |effect| lines(policy).iter().any(|rule| applies(rule, effect, &who, &on, q));
    some(Effect::Allow) && !some(Effect::Deny)
}

/// Is this a rule of this effect that applies to the question?
fn applies(rule: &[&str], effect: Effect, who: &Names, on: &Names, q: &Question) -> bool {
    let ["p", rule_who, rule_on, path, actions, when, rule_effect @ ("allow" | "deny")] = *rule
    else {
        panic!("not a policy line: {rule:?}")
    };
    who.contains(rule_who)
        && on.contains(rule_on)
        && (actions == "*" || actions.split('|').any(|action| action == q.action))
        && match effect {
            Effect::Allow => rule_effect == "allow" && truth_of_all(when, q) == Truth::True,
            Effect::Deny => rule_effect == "deny" && truth_of_all(when, q) != Truth::False,
        }
        && match effect {
            Effect::Allow => covers(path, &q.path),
            Effect::Deny => [&q.path].into_iter().chain(&q.names).any(|name| overlaps(path, name)),
        }
}

/// Does an allow rule's pattern match every concrete path of the set?
pub fn covers(pattern: &str, asked: &Asked) -> bool {
    let pattern = split(pattern);
    !some_path(&pattern, asked, &|path| !matches(&pattern, path, 0, Effect::Allow))
}

/// Does a deny rule's pattern match at least one concrete path of the set?
pub fn overlaps(pattern: &str, asked: &Asked) -> bool {
    let lower = in_lower_case(pattern);
    let pattern = if asked.any_case { &lower } else { pattern };
    let pattern = split(pattern);
    some_path(&pattern, asked, &|path| matches(&pattern, path, 0, Effect::Deny))
}

// ---- What a device may take a message for ----

/// The names of the addresses that share memory with those of a Modbus message, one by one, as far
/// as the patterns of the tests have numbers. With `any_unit` they are those of every unit.
pub fn other_names(asked: &Asked, any_unit: bool, one_memory: bool) -> Vec<Asked> {
    let [interface, Seg::Unit(unit), Seg::Text(table), Seg::Range(low, high)] = &asked.segments[..]
    else {
        return vec![];
    };
    let unit = if any_unit { 0 } else { *unit };
    let named = |table: &str, address: u16| Asked {
        segments: vec![
            interface.clone(),
            Seg::Unit(unit),
            Seg::Text(table.to_owned()),
            Seg::Range(address, address),
        ],
        ..asked.clone()
    };
    let mut names = vec![];
    for address in *low..=*high {
        names.extend(any_unit.then(|| named(table, address)));
        for other in ["holding", "input", "coil", "discrete", "fifo"] {
            for at in (0..700_u16).chain([u16::MAX]) {
                let shared = match one_memory {
                    true => {
                        let meet = |kept: fn(&str, u16) -> Option<(u32, u32)>| {
                            let both = kept(table, address).zip(kept(other, at));
                            both.is_some_and(|((a, b), (c, d))| a <= d && c <= b)
                        };
                        meet(by_address) || meet(by_bit)
                    }
                    // A queue is made of holding registers in any case.
                    false => {
                        let queue = by_address(table, address).filter(|_| table == "fifo");
                        other == "holding"
                            && queue.is_some_and(|(a, b)| (a..=b).contains(&u32::from(at)))
                    }
                };
                if shared {
                    names.push(named(other, at));
                }
            }
        }
    }
    names
}

/// Where an address is kept, if every table begins at the same place and has one place for each
/// address. A queue is 32 registers.
fn by_address(table: &str, address: u16) -> Option<(u32, u32)> {
    let address = u32::from(address);
    match table {
        "holding" | "input" | "coil" | "discrete" => Some((address, address)),
        "fifo" => Some((address, address + 31)),
        _ => None,
    }
}

/// In which bits it is kept, if 16 of them make a register.
fn by_bit(table: &str, address: u16) -> Option<(u32, u32)> {
    let (first, last) = by_address(table, address)?;
    match table {
        "coil" | "discrete" => Some((first, last)),
        _ => Some((first * 16, last * 16 + 15)),
    }
}

/// Every path that a device may read for an HTTP path, but for the case.
pub fn http_readings(asked: &Asked) -> Vec<Asked> {
    let texts = asked.segments.iter().map(|segment| match segment {
        Seg::Text(text) => text.to_ascii_lowercase(),
        other => panic!("no segment of HTTP: {other:?}"),
    });
    let mut all: Vec<Vec<String>> = vec![texts.collect()];
    let mut at = 0;
    while let Some(path) = all.get(at).cloned() {
        at += 1;
        for index in 1..path.len() {
            for other in steps(&path[index]) {
                let mut next = path.clone();
                next[index] = other.to_ascii_lowercase();
                if !all.contains(&next) {
                    all.push(next);
                }
            }
            let mut next = path.clone();
            if next.remove(index).is_empty() && next.len() > 1 && !all.contains(&next) {
                all.push(next);
            }
        }
    }
    let named = |path: Vec<String>| Asked {
        segments: path.into_iter().map(Seg::Text).collect(),
        any_case: true,
        ..asked.clone()
    };
    all.into_iter().map(named).collect()
}

/// What a device may make of a segment in one step.
fn steps(segment: &str) -> Vec<String> {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ if b"-._~!$&'()*+,;=:@".contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    let mut all = vec![
        segment.split(';').next().unwrap_or_default().to_owned(),
        segment.replace('+', " "),
        segment.replace('+', "%20"),
    ];
    for end in [".", " ", "%20"] {
        all.extend(segment.strip_suffix(end).map(str::to_owned));
    }
    // `%` alone is the text that an escape of a percent sign leaves.
    match segment.contains('%') && !segment.ends_with('%') {
        true => all.push(String::from_utf8(decoded(segment)).expect("UTF-8")),
        false => all.push(segment.bytes().map(escaped).collect()),
    }
    all
}

/// A pattern that reaches in lower case what the given one reaches.
fn in_lower_case(pattern: &str) -> String {
    let lower = |segment: &str| match segment {
        "*" | "**" => segment.to_owned(),
        text => {
            decoded(text).iter().map(|byte| format!("%{:02x}", byte.to_ascii_lowercase())).collect()
        }
    };
    pattern.split('/').map(lower).collect::<Vec<_>>().join("/")
}

// ---- The bundle's lines, and names ----

fn lines(csv: &str) -> Vec<Vec<&str>> {
    let lines = csv.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(',').map(str::trim).collect()).collect()
}

/// Everything a rule may say to mean this subject (in WHO) or this device (in ON).
fn names(
    own: &str,
    direct: &BTreeMap<String, Vec<Membership>>,
    built_in: Option<&str>,
    links: &str,
    kind: &str,
    now: i64,
) -> Names {
    let direct = direct.get(own).into_iter().flatten();
    let live = direct.filter(|m| m.until.is_none_or(|end| now < end)).map(|m| m.of.as_str());
    let mut names: Names = live.chain(built_in).map(str::to_owned).collect();
    follow(&mut names, links, kind);
    // Only now: links are between roles or groups, the own name leads nowhere.
    names.insert(own.to_owned());
    names
}

/// Adds what the links lead to, again and again until nothing is new (links may form rings).
fn follow(names: &mut Names, links: &str, kind: &str) {
    let before = names.len();
    for line in lines(links) {
        let [found, inner, outer] = line[..] else { panic!("not three fields: {line:?}") };
        assert_eq!(found, kind, "the wrong kind of line: {line:?}");
        if names.contains(inner) {
            names.insert(outer.to_owned());
        }
    }
    if names.len() > before {
        follow(names, links, kind);
    }
}

// ---- Conditions ----

fn truth_of_all(when: &str, q: &Question) -> Truth {
    if when.is_empty() {
        return Truth::True;
    }
    when.split(';').map(|condition| truth_of(condition, q)).min().unwrap_or(Truth::True)
}

fn truth_of(condition: &str, q: &Question) -> Truth {
    let known = |yes: bool| if yes { Truth::True } else { Truth::False };
    match condition.split_once('=') {
        Some(("until", end)) => known(q.now < instant(end)),
        Some(("after", start)) => known(q.now >= instant(start)),
        Some(("from", networks)) => match q.source {
            None => Truth::Unknown,
            Some(source) => known(networks.split('|').any(|network| contains(network, source))),
        },
        Some(("auth-age<", most)) => match q.proven {
            None => Truth::Unknown,
            // One that lies ahead has the age 0.
            Some(proven) => known((q.now - proven).max(0) <= seconds(most)),
        },
        _ => panic!("not a condition: {condition:?}"),
    }
}

/// Seconds of a duration such as `1d2h3m4s`.
fn seconds(text: &str) -> i64 {
    let (mut total, mut number) = (0, String::new());
    for c in text.chars() {
        let each = match c {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            digit => {
                number.push(digit);
                continue;
            }
        };
        total += each * number.parse::<i64>().expect("a number before its unit");
        number.clear();
    }
    assert!(number.is_empty(), "a number without a unit: {text:?}");
    total
}

/// `A.B.C.D/BITS`: do the first BITS bits of both addresses agree?
fn contains(network: &str, source: u32) -> bool {
    let (address, bits) = network.split_once('/').expect("a network is A.B.C.D/BITS");
    let parts: Vec<u8> = address.split('.').map(|n| n.parse().expect("a byte")).collect();
    let address = u32::from_be_bytes(parts.try_into().expect("four bytes"));
    let bits: u32 = bits.parse().expect("a number of bits");
    assert!(bits <= 32, "more than 32 bits: {network:?}");
    // In 64 bits, because shifting a u32 by 32 is not allowed.
    u64::from(address) >> (32 - bits) == u64::from(source) >> (32 - bits)
}

/// Seconds since 1970 of `YYYY-MM-DDTHH:MM:SSZ`, by counting years and months one by one.
fn instant(text: &str) -> i64 {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99T99:99:99Z", "not an instant: {text:?}");
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().expect("digits");
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    assert!((1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60, "{text:?}");
    assert!((1..=days_in_month(year, month)).contains(&day), "no such day: {text:?}");
    let days_in_year = |year| (1..=12).map(|month| days_in_month(year, month)).sum::<i64>();
    let years = (1970..year).map(days_in_year).sum::<i64>();
    let years = years - (year..1970).map(days_in_year).sum::<i64>();
    let months = (1..month).map(|month| days_in_month(year, month)).sum::<i64>();
    (((years + months + day - 1) * 24 + hour) * 60 + minute) * 60 + second
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// ---- One concrete path against one pattern ----

/// A segment of a concrete path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Bytes, since `%XX` in a pattern may spell any.
    Text(Vec<u8>),
    /// The first level of an MQTT topic that begins with `$`: wildcards do not see it.
    Hidden(Vec<u8>),
    Number(u16),
    /// Modbus unit 0.
    Broadcast,
}

fn matches(pattern: &[&str], path: &[&Part], at: usize, effect: Effect) -> bool {
    match (pattern.get(at), path.get(at)) {
        (None, None) => true,
        (Some(&"**"), _) => path[at..].iter().all(|part| matches_one("*", part, effect)),
        (None, Some(_)) | (Some(_), None) => false,
        (Some(one), Some(part)) => {
            matches_one(one, part, effect) && matches(pattern, path, at + 1, effect)
        }
    }
}

fn matches_one(one: &str, part: &Part, effect: Effect) -> bool {
    match part {
        Part::Text(text) => one == "*" || decoded(one) == *text,
        Part::Hidden(text) => one != "*" && decoded(one) == *text,
        // A segment that is not a range is text, and no text is a number: `%37` is not 7.
        Part::Number(n) => one == "*" || range(one).is_some_and(|(a, b)| a <= *n && *n <= b),
        // It reaches every unit: denied with any of them, allowed only when spelled out.
        Part::Broadcast => effect == Effect::Deny || one == "0",
    }
}

/// `N` or `N-M`; a segment with `%` never is one, as `%` is not a digit.
fn range(segment: &str) -> Option<(u16, u16)> {
    let (first, last) = segment.split_once('-').unwrap_or((segment, segment));
    Some((number(first)?, number(last)?))
}

fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if digits && !leading_zero { text.parse().ok() } else { None }
}

fn decoded(segment: &str) -> Vec<u8> {
    let mut pieces = segment.split('%');
    let mut bytes = pieces.next().unwrap_or("").as_bytes().to_vec();
    for piece in pieces {
        let hex = piece.get(..2).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let hex = hex.unwrap_or_else(|| panic!("not %XX: {segment:?}"));
        bytes.push(u8::from_str_radix(hex, 16).expect("two hex digits"));
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}

// ---- Listing the concrete paths of a set ----

type Test<'a> = &'a dyn Fn(&[&Part]) -> bool;

fn split(pattern: &str) -> Vec<&str> {
    let segments: Vec<&str> = pattern.split('/').collect();
    let early = segments[..segments.len() - 1].contains(&"**");
    assert!(!early, "`**` is only for the end: {pattern:?}");
    segments
}

/// Is there a concrete path in the asked set that passes the test?
fn some_path(pattern: &[&str], asked: &Asked, test: Test) -> bool {
    assert!(matches!(asked.segments.first(), Some(Seg::Text(_))), "no interface: {asked:?}");
    let mut segments = asked.segments.clone();
    let longest = if asked.open { segments.len().max(pattern.len()) + 1 } else { segments.len() };
    loop {
        let choices: Vec<Vec<Part>> = (0..segments.len())
            .map(|at| parts(&segments[at], pattern.get(at).copied(), asked.topic && at == 1))
            .collect();
        if some_choice(&choices, &mut Vec::new(), test) {
            return true;
        }
        if segments.len() == longest {
            return false;
        }
        segments.push(Seg::Any);
    }
}

/// Tries every way to choose one part for each place.
fn some_choice<'a>(choices: &'a [Vec<Part>], path: &mut Vec<&'a Part>, test: Test) -> bool {
    let Some(here) = choices.get(path.len()) else { return test(path) };
    here.iter().any(|part| {
        path.push(part);
        let found = some_choice(choices, path, test);
        path.pop();
        found
    })
}

/// The parts an asked segment stands for, as far as the pattern's segment can tell them apart.
fn parts(asked: &Seg, one: Option<&str>, first_level: bool) -> Vec<Part> {
    let text = |text: Vec<u8>| {
        if first_level && text.starts_with(b"$") { Part::Hidden(text) } else { Part::Text(text) }
    };
    match asked {
        Seg::Text(exact) => vec![text(exact.clone().into_bytes())],
        Seg::Unit(0) => vec![Part::Broadcast],
        Seg::Unit(unit) => vec![Part::Number(u16::from(*unit))],
        Seg::Range(low, high) => {
            numbers(*low, *high, one.and_then(range)).into_iter().map(Part::Number).collect()
        }
        Seg::Any => {
            let levels = levels(one).into_iter().map(text);
            levels.filter(|part| !matches!(part, Part::Hidden(_))).collect()
        }
    }
}

/// Level texts: the pattern's own, the empty one, and a fresh one with and without `$`.
fn levels(one: Option<&str>) -> BTreeSet<Vec<u8>> {
    let own = one.map(decoded).unwrap_or_default();
    // Longer than the pattern's own text, so certainly another one.
    let fresh = vec![b'x'; own.len() + 1];
    BTreeSet::from([Vec::new(), [b"$", &fresh[..]].concat(), fresh, own])
}

/// The ends of the asked and of the pattern's range with their neighbours, of those asked.
fn numbers(low: u16, high: u16, pattern: Option<(u16, u16)>) -> BTreeSet<u16> {
    assert!(low <= high, "an empty range was asked: {low}-{high}");
    let (a, b) = pattern.unwrap_or((low, high));
    let near = |n: u16| [n.saturating_sub(1), n, n.saturating_add(1)];
    [low, high, a, b].into_iter().flat_map(near).filter(|n| (low..=high).contains(n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of a literal protocol.
    fn literal(path: &str) -> Asked {
        let segments = path.split('/').map(|text| Seg::Text(text.to_owned())).collect();
        Asked { segments, open: false, topic: false, any_case: false }
    }

    /// An MQTT topic, or a filter.
    fn mqtt(path: &str) -> Asked {
        let mut asked = Asked { topic: true, ..literal(path) };
        asked.open = asked.segments.pop_if(|seg| *seg == Seg::Text("#".to_owned())).is_some();
        let plus = Seg::Text("+".to_owned());
        asked.segments.iter_mut().filter(|seg| **seg == plus).for_each(|seg| *seg = Seg::Any);
        asked
    }

    /// `m/UNIT/holding/FIRST-LAST`.
    fn modbus(path: &str) -> Asked {
        let mut asked = literal(path);
        let texts: Vec<&str> = path.split('/').collect();
        let (low, high) = range(texts[3]).expect("a range");
        asked.segments[1] = Seg::Unit(texts[1].parse().expect("a unit"));
        asked.segments[3] = Seg::Range(low, high);
        asked
    }

    /// The cases are pairs of a pattern and a path; all have the same answers.
    fn check(asked: fn(&str) -> Asked, cases: &str, covered: bool, touched: bool) {
        let words: Vec<&str> = cases.split_whitespace().collect();
        for case in words.chunks(2) {
            let set = asked(case[1]);
            let found = (covers(case[0], &set), overlaps(case[0], &set));
            assert_eq!(found, (covered, touched), "{case:?}");
        }
    }

    #[test]
    fn literal_paths_and_encoded_text() {
        // `$` is special in topics only; `**` may be zero segments, `*` may be empty text.
        let yes = "o/a/b o/a/b  o/* o/$a  o/** o/$a  o/* o/  o/** o  o/** o/a/b  ** o/a  * o";
        check(literal, yes, true, true);
        check(literal, "o/a o/a/b  o/* o  o/ o  o o/  o/a/** o  o/* o/a/b  a/* b/c", false, false);
        // Ranges are text here; encoded text is neither a range nor a wildcard.
        check(literal, "o/1-9 o/1-9  o/1%2D9 o/1-9  o/%31 o/1  o/%2a%2A o/**", true, true);
        check(literal, "o/a%2Fb o/a/b  o/1-9 o/5  o/1%2D9 o/5  o/%2A o/a", false, false);
        check(literal, "o/%E2%82%AC%25 o/€%  o/%e2%82%ac o/€", true, true);
    }

    #[test]
    fn wildcards_miss_a_first_topic_level_with_a_dollar() {
        check(mqtt, "i/* i/$a  i/** i/$a/b  ** i/$a  i/** i/$a/#  i/*/b i/$a/+", false, false);
        check(mqtt, "i/$a i/+  i/$a i/#  i/%24a/b i/+/b  i/$a/** i/+/#", false, false);
        check(mqtt, "i/$a i/$a  i/%24a i/$a  i/$a/** i/$a/#  i/$a/* i/$a/+", true, true);
        // Only there: not in the interface's name, and not further on.
        check(mqtt, "*/a/* $i/a/$b  i/*/** i/a/$b  ** $i/a", true, true);
        check(mqtt, "i/a/$b i/a/+  i/*/$b i/+/+  i/*/$b i/#", false, true);
    }

    #[test]
    fn filters_stand_for_all_their_topics() {
        check(mqtt, "i/** i/#  ** i/#  i/** i/+  i/* i/+  i/*/** i/+/#  i/a/* i/a/+", true, true);
        // `#` may be zero levels, and then the path before it is asked as well.
        check(mqtt, "i/*/** i/#  i/a/*/** i/a/#  i i/#  i/a i/a/#  i/a i/+/#", false, true);
        check(mqtt, "i/a i/+  i/ i/+  i/1-9 i/+  i/a/** i/+/b  i/a/*/c/d i/#", false, true);
        check(mqtt, "i/a/*/** i/+  i/a i/+/+/#  i/a/b i/+/c  i/a i/b/#  j/** i/#", false, false);
    }

    #[test]
    fn modbus_units_and_ranges() {
        let yes = "m/1/holding/0-99 m/1/holding/0-99  m/** m/255/holding/0-65535
            m/1-5/*/5 m/5/holding/5  m/*/*/* m/1/holding/7-9  m/1/** m/1/holding/7-9";
        check(modbus, yes, true, true);
        let some = "m/1-5/*/10-20 m/1/holding/20-21  m/1-5/*/10-20 m/5/holding/0-65535
            m/1-5/*/10-20 m/1/holding/0-10  m/1/*/300 m/1/holding/0-65535";
        check(modbus, some, false, true);
        // What is not a range is no number either: `05`, `65536`, `%35`, `5-4`.
        let no = "m/1-5/*/10-20 m/5/holding/21-65535  m/1-5/** m/6/holding/1
            m/1/*/05 m/1/holding/5  m/1/*/65536 m/1/holding/0-65535
            m/1/*/%35 m/1/holding/5  m/1/*/5-4 m/1/holding/0-9  m/1/coils/* m/1/holding/1";
        check(modbus, no, false, false);
    }

    #[test]
    fn broadcast_is_denied_with_any_unit_and_allowed_only_as_zero() {
        check(modbus, "m/0/** m/0/holding/1-2  m/0/holding/* m/0/holding/1-2", true, true);
        for unit in ["*", "0-5", "0-0", "%30", "7", "word"] {
            check(modbus, &format!("m/{unit}/** m/0/holding/1-2"), false, true);
        }
        check(modbus, "m/** m/0/holding/1  ** m/0/holding/1", false, true);
        check(modbus, "m m/0/holding/1  m/7/coils/* m/0/holding/1", false, false);
    }

    #[test]
    fn a_few_numbers_tell_as_much_as_all() {
        for n in 0..4096_u16 {
            let [low, high, a, b] = [n >> 9, n >> 6, n >> 3, n].map(|bits| bits & 7);
            let inside = |n: &u16| a <= *n && *n <= b;
            if low <= high {
                let some = numbers(low, high, Some((a, b)));
                assert_eq!(some.iter().any(inside), (low..=high).any(|n| inside(&n)));
                assert_eq!(some.iter().all(inside), (low..=high).all(|n| inside(&n)));
            }
        }
    }

    fn question(subject: &str, device: &str) -> Question {
        let [subject, device, action] = [subject, device, "read"].map(str::to_owned);
        let (path, names, source, proven) = (literal("o/a"), vec![], None, None);
        Question { subject, device, action, path, names, now: 0, source, proven }
    }

    #[test]
    fn other_names_of_a_message() {
        let names = |path: &str, any_unit, one_memory| {
            let names = other_names(&modbus(path), any_unit, one_memory);
            let shown = |name: &Asked| match &name.segments[..] {
                [_, Seg::Unit(unit), Seg::Text(table), Seg::Range(at, _)] => {
                    format!("{unit}/{table}/{at}")
                }
                _ => panic!("{name:?}"),
            };
            names.iter().map(shown).collect::<Names>()
        };
        assert!(names("m/1/holding/7", false, false).is_empty());
        assert_eq!(names("m/1/holding/7", true, false), Names::from(["0/holding/7".to_owned()]));
        let seen = names("m/1/holding/3", false, true);
        for there in ["input/3", "coil/3", "coil/48", "discrete/63", "fifo/0", "fifo/3"] {
            assert!(seen.contains(&format!("1/{there}")), "{there}");
        }
        for away in ["coil/47", "coil/64", "fifo/4", "input/4", "file/3"] {
            assert!(!seen.contains(&format!("1/{away}")), "{away}");
        }
        assert_eq!(names("m/1/fifo/0", false, false).len(), 32);
    }

    #[test]
    fn instants_and_conditions() {
        assert_eq!(instant("1969-12-31T23:59:59Z"), -1);
        assert_eq!(instant("2000-03-01T00:00:00Z"), 951_868_800);
        assert_eq!(instant("2100-03-01T00:00:00Z"), 4_107_542_400);
        assert_eq!(instant("2024-02-29T12:34:56Z"), 1_709_210_096);
        let mut q = question("user/alice", "plc");
        let (now, next) = ("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z");
        let from = "from=10.0.0.0/8|192.168.1.7/32";
        assert_eq!(truth_of_all(&format!("until={next};after={now}"), &q), Truth::True);
        assert_eq!(truth_of_all(&format!("until={now}"), &q), Truth::False);
        assert_eq!(truth_of_all(&format!("after={next}"), &q), Truth::False);
        assert_eq!(truth_of_all(&format!("{from};until={now}"), &q), Truth::False);
        assert_eq!(truth_of_all(&format!("{from};until={next}"), &q), Truth::Unknown);
        for (source, truth) in [(0x0AFF_FFFF, Truth::True), (0xC0A8_0108, Truth::False)] {
            q.source = Some(source);
            assert_eq!(truth_of_all(from, &q), truth);
            assert_eq!(truth_of_all("from=0.0.0.0/0", &q), Truth::True);
        }
        assert_eq!(truth_of_all("auth-age<=1m30s", &q), Truth::Unknown);
        assert_eq!(truth_of_all(&format!("auth-age<=1m30s;until={now}"), &q), Truth::False);
        for (proven, truth) in [(-90, Truth::True), (-91, Truth::False), (7, Truth::True)] {
            q.proven = Some(proven);
            assert_eq!(truth_of_all("auth-age<=1m30s", &q), truth);
        }
    }

    #[test]
    fn who_on_actions_and_effects() {
        let of = |name: &str, until| vec![Membership { of: name.to_owned(), until }];
        let world = World {
            members: [("user/alice".to_owned(), of("role/a", Some(1)))].into(),
            groups: [("gateway".to_owned(), of("group/g", None))].into(),
        };
        let roles = "# a ring\n\n g, role/b, role/c\ng,role/a,role/b\ng, role/c, role/a\n";
        let groups = "g2, group/devices, group/all";
        let ask = |policy: &str, q: &Question| permitted(policy, roles, groups, &world, q);
        let mut alice = question("user/alice", "plc");
        let (plc, gateway) = (question("device/plc", "plc"), question("user/bob", "gateway"));
        assert!(ask("p, role/c, plc, o/*, write|read, , allow", &alice));
        assert!(!ask("p, role/c, plc, o/*, write|reads, , allow", &alice));
        assert!(ask("p, user/alice, group/all, **, *, , allow", &alice));
        assert!(ask("p, role/devices, group/devices, o/a, *, , allow", &plc));
        assert!(!ask("p, role/users, plc, o/a, *, , allow", &plc));
        assert!(!ask("p, role/users, group/all, o/a, *, , allow", &gateway));
        assert!(ask("p, role/users, group/g, o/a, *, , allow", &gateway));
        assert!(!ask("", &alice));
        // An unknown source: no for an allow rule, yes for a deny rule.
        let from = "p, role/users, plc, **, *, from=10.0.0.0/8,";
        let open = "p, role/users, plc, **, *, , allow";
        assert!(!ask(&format!("{from} allow"), &alice));
        assert!(!ask(&format!("{from} deny\n{open}"), &alice));
        alice.source = Some(1);
        assert!(ask(&format!("{from} deny\n{open}"), &alice));
        // The membership is over at its very end.
        alice.now = 1;
        assert!(!ask("p, role/c, plc, o/*, write|read, , allow", &alice));
        // `o` and `o/*/**` are all of `o/#`, but neither rule covers it by itself.
        alice.path = mqtt("o/#");
        let (bare, below) = (open.replace("**", "o"), open.replace("**", "o/*/**"));
        assert!(ask(open, &alice) && !ask(&format!("{bare}\n{below}"), &alice));
        assert!(!ask(&format!("{open}\n{}", bare.replace("allow", "deny")), &alice));
    }
}
