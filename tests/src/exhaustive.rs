//! Finds each `match` that would go on compiling if one of the product's enums got a new variant,
//! because an arm stands for "the rest".
//!
//! Clippy's `wildcard_enum_match_arm` finds an arm that is nothing but `_` or a name. This reader also
//! finds it within tuples, `Some(…)`, `Err(…)` and fields, and with a guard. But it knows no types: it
//! misses a match that names no variant, or names it through a type alias.

mod pattern;

use std::collections::{BTreeMap, BTreeSet};

use self::pattern::{Pattern, Reader, Shape, bare, outside, parts};
use crate::source::Imports;
use crate::tokens::{is_word, tokens, without_tests};

/// The enums of the product: each name with the variants of every enum that has this name. An enum
/// that a macro makes has one variant, [`UNREAD`].
pub struct Enums(BTreeMap<String, Vec<BTreeSet<String>>>);

/// Stands for the variants of an enum that a macro makes.
const UNREAD: &str = "$";

impl Enums {
    /// Reads the enums that the texts of files define, tests aside.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = BTreeMap::<String, Vec<BTreeSet<String>>>::new();
        for text in texts {
            let tokens = without_tests(&tokens(text));
            for at in 0..tokens.len() {
                if tokens[at] == "enum" && tokens.get(at + 1).is_some_and(|name| is_word(name)) {
                    let Some(open) = tokens[at..].iter().position(|token| token == "{") else {
                        continue;
                    };
                    let variants = variants(&tokens[at + open + 1..]);
                    found.entry(tokens[at + 1].clone()).or_default().push(variants);
                }
            }
        }
        Self(found)
    }

    /// Returns how many enums there are.
    pub fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Returns each match in a file's text that has an arm for the rest: what it matches, and the enum.
    pub fn catch_alls(&self, text: &str) -> Vec<String> {
        let tokens = without_tests(&tokens(text));
        let imports = Imports::read(&tokens);
        let mut found = Vec::new();
        // The type of each `impl` that is open, and the number of braces around it.
        let mut impls: Vec<(usize, String)> = Vec::new();
        let mut depth = 0usize;
        for at in 0..tokens.len() {
            match tokens[at].as_str() {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    impls.retain(|(outside, _)| *outside < depth);
                }
                "impl" => {
                    if let Some(name) = implementor(&tokens[at + 1..]) {
                        impls.push((depth, name));
                    }
                }
                "match" => {
                    let Some(open) = outside(&tokens[at + 1..], |rest| rest[0] == "{") else {
                        continue;
                    };
                    let scrutinee = &tokens[at + 1..at + 1 + open];
                    let own = impls.last().map(|(_, name)| name.as_str());
                    let reader = Reader { enums: self, imports: &imports, own };
                    let rows = reader.arms(&tokens[at + open + 2..]);
                    let mut owners = BTreeSet::new();
                    rows.iter().for_each(|row| row.owners(&mut owners));
                    let rows: Vec<Vec<Pattern>> = rows.into_iter().map(|row| vec![row]).collect();
                    let silent = owners.into_iter().filter(|owner| self.take_all(&rows, owner));
                    let said = |owner| format!("match {} ({owner})", scrutinee.join(" "));
                    found.extend(silent.map(said));
                }
                _ => {}
            }
        }
        found
    }

    /// Returns whether these rows take every value, also if that enum had one more variant. For an
    /// enum of a library it supposes that rows which name several variants name all.
    fn take_all(&self, rows: &[Vec<Pattern>], grown: &str) -> bool {
        let rows = apart(rows);
        let Some(first) = rows.first() else { return false };
        if first.is_empty() {
            return true;
        }
        let shapes = shapes(&rows);
        let rest = without_first(&rows, |first| matches!(first, Pattern::All));
        if shapes.is_empty() {
            return self.take_all(&rest, grown);
        }
        let each = || shapes.iter().all(|shape| self.take_all(&within(&rows, shape), grown));
        let grows = shapes.iter().any(|shape| shape.own.as_deref() == Some(grown));
        if grows || !self.may_be_all(&shapes) {
            return self.take_all(&rest, grown) && each();
        }
        each()
    }

    /// Returns whether these can be all variants of an enum.
    fn may_be_all(&self, shapes: &BTreeSet<Shape>) -> bool {
        let names: BTreeSet<String> = shapes.iter().map(|shape| shape.name.clone()).collect();
        if let Some(own) = shapes.iter().find_map(|shape| shape.own.as_ref()) {
            return self.0[own].iter().any(|all| *all == names || all.contains(UNREAD));
        }
        let known = KNOWN.iter().find(|known| known.iter().any(|one| names.contains(*one)));
        known.is_none_or(|known| known.iter().all(|one| names.contains(*one)))
    }
}

/// The variants of well known enums.
const KNOWN: [&[&str]; 6] = [
    &["Some", "None"],
    &["Ok", "Err"],
    &["true", "false"],
    &["Ready", "Pending"],
    &["Less", "Equal", "Greater"],
    &["Break", "Continue"],
];

/// Replaces each row that begins with alternatives by one row for each.
fn apart(rows: &[Vec<Pattern>]) -> Vec<Vec<Pattern>> {
    let mut all = Vec::new();
    for row in rows {
        match row.split_first() {
            Some((Pattern::Any(alternatives), rest)) => {
                let each =
                    alternatives.iter().map(|one| [std::slice::from_ref(one), rest].concat());
                all.extend(apart(&each.collect::<Vec<_>>()));
            }
            _ => all.push(row.clone()),
        }
    }
    all
}

/// Returns what the rows name first.
fn shapes(rows: &[Vec<Pattern>]) -> BTreeSet<Shape> {
    let shape = |row: &Vec<Pattern>| {
        if let Some(Pattern::Of(shape, _)) = row.first() { Some(shape.clone()) } else { None }
    };
    rows.iter().filter_map(shape).collect()
}

/// Returns the rows whose first pattern is as wanted, without that pattern.
fn without_first(rows: &[Vec<Pattern>], wanted: impl Fn(&Pattern) -> bool) -> Vec<Vec<Pattern>> {
    rows.iter().filter(|row| wanted(&row[0])).map(|row| row[1..].to_vec()).collect()
}

/// Returns the rows that take values of that shape, with the patterns of its fields in place of the first.
fn within(rows: &[Vec<Pattern>], wanted: &Shape) -> Vec<Vec<Pattern>> {
    let mut fields = BTreeSet::new();
    for row in rows {
        if let Pattern::Of(shape, given) = &row[0]
            && shape == wanted
        {
            fields.extend(given.keys().cloned());
        }
    }
    let row = |row: &Vec<Pattern>| {
        let given = match &row[0] {
            Pattern::Of(shape, given) if shape == wanted => given.clone(),
            Pattern::All => BTreeMap::new(),
            Pattern::Of(..) | Pattern::Some | Pattern::Any(_) => return None,
        };
        let of = |field: &String| given.get(field).cloned().unwrap_or(Pattern::All);
        Some(fields.iter().map(of).chain(row[1..].iter().cloned()).collect())
    };
    rows.iter().filter_map(row).collect()
}

/// Returns the names of the variants of an enum whose `{` came before.
fn variants(tokens: &[String]) -> BTreeSet<String> {
    let end = outside(tokens, |rest| rest[0] == "}").unwrap_or(tokens.len());
    if tokens[..end].iter().any(|token| token == UNREAD) {
        return BTreeSet::from([UNREAD.to_owned()]);
    }
    parts(&tokens[..end]).into_iter().filter_map(|part| bare(part).first().cloned()).collect()
}

/// Returns the type that an `impl` is for: the last word before `{`, outside of `<…>` and `where`.
fn implementor(tokens: &[String]) -> Option<String> {
    let (mut depth, mut name) = (0usize, None);
    for token in tokens {
        match token.as_str() {
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            "{" | "where" => return name,
            // `impl Trait` as a type.
            ")" | "," | "=" | ";" if depth == 0 => return None,
            word if depth == 0 && is_word(word) => name = Some(word.to_owned()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENUMS: &str = "pub enum Kind<T> { #[x(y, z)] One, Two(T, u8), Three { a: u8 } = 3 }";

    fn of(matched: &str) -> Vec<String> {
        let text = format!("{ENUMS} fn f() {{ {matched} }}");
        Enums::read([text.as_str()]).catch_alls(&text)
    }

    #[test]
    fn an_arm_for_the_rest_is_found() {
        for silent in [
            "match a { Kind::One => 1, _ => 2 }",
            "match a { Kind::One => 1, other => other.get() }",
            "match a { Kind::One => { 1 } _ if b => 3, Kind::Two(..) => 1, Kind::Three { .. } => 2 }",
            "match a { Some(Kind::One) => x::<A, B>(), None | Some(_) => 2 }",
            "match a { Err(Kind::One | Kind::Two(..)) => 1, Err(other) => 2, Ok(x) => 3 }",
            "match (a, b) { (Kind::One, true) => 1, (_, false) => 2, (_, true) => 3 }",
            "match (a, b) { (Kind::One, Kind::One) => 1, _ => 2 }",
            "match a { X::A(Kind::One) => 1, X::A(_) => 3, X::B => 2 }",
            "match (a, b) { (\"a\", Kind::One) => 1, (\"b\", Kind::One) => 2, _ => 2 }",
            "match a { X { kind: Kind::One, .. } => 1, X { kind: _, .. } => 2 }",
            "match a { x @ Kind::One => 1, x => 2 }",
            "match a { 1 => match b { Kind::One => 3, _ => 4 }, _ => 2 }",
            "use Kind as K; match a { K::One => 1, _ => 2 }",
            "use x::Kind::One; match a { One => 1, _ => 2 }",
            "use x::Kind::*; match a { One => 1, _ => 2 }",
            "} impl<T> Kind<T> { fn g(&self) { match self { Self::One => 1, _ => 2 } }",
            "} impl fmt::Display for Kind<u8> { fn g(&self) { match self { Self::One => 1, _ => 2 } }",
        ] {
            assert_eq!(of(silent).len(), 1, "{silent}: {:?}", of(silent));
        }
    }

    #[test]
    fn a_macro_can_make_the_enum() {
        let text = "macro_rules! m { ($($v:ident,)+) => { enum Made { $($v,)+ } } } \
                    fn f() { match a { Made::One => 1, _ => 2 } \
                    match a { Made::One => 1, Made::Two => 2 } }";
        assert_eq!(Enums::read([text]).catch_alls(text), ["match a (Made)"]);
    }

    #[test]
    fn a_match_that_the_compiler_completes_is_left_alone() {
        for complete in [
            "match a { Kind::One => 1, Kind::Two(_, _) => 2, Kind::Three { .. } => 3 }",
            "match a { Some(Kind::One) => 1, Some(Kind::Two(..) | Kind::Three { .. }) | None => 2 }",
            "match (a, b) { (Some(x), _) => 1, (None, Kind::One) => 2, (None, Kind::Two(..) | Kind::Three { .. }) => 3 }",
            "match a { Ok(Kind::One) => 1, Ok(Kind::Two(..) | Kind::Three { .. }) => 1, Err(e) => 2 }",
            "match a { b'a'..=b'z' => 1, 7 => 3, _ => 2 }",
            "match a { io::Kind::Other => 1, Foreign::Two => 3, _ => 2 }",
            "match a { Kind::Two(_, 1) => 1, Kind::Two(_, _) => 2, Kind::One | Kind::Three { .. } => 3 }",
            "match (a, b) { (Kind::One, _) | (_, Kind::One) => 1, (Kind::Two(..) | Kind::Three { .. }, Kind::Two(..) | Kind::Three { .. }) => 3 }",
            "match a { X::A(Kind::One) => 1, X::A(Kind::Two(..) | Kind::Three { .. }) | X::B => 2 }",
            "matches!(a, Kind::One); if let Kind::One = a { 1 } else { 2 }",
            "} #[cfg(test)] mod tests { fn f() { match a { Kind::One => 1, _ => 2 } }",
        ] {
            assert_eq!(of(complete), [""; 0], "{complete}");
        }
    }
}
