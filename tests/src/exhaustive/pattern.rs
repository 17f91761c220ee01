//! The patterns of the arms of a match.

use std::collections::{BTreeMap, BTreeSet};

use super::{Enums, UNREAD};
use crate::source::Imports;
use crate::tokens::is_word;

/// A pattern, as far as it tells which values it takes.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// `_`, or a name: it takes everything.
    All,
    /// A literal, a range, a slice or a macro: it takes something.
    Some,
    /// A variant, a struct or a tuple, with the patterns of its fields. A field that it does not
    /// name takes everything.
    Of(Shape, BTreeMap<String, Pattern>),
    /// Alternatives.
    Any(Vec<Pattern>),
}

/// What a pattern names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    /// The enum of the product that it is a variant of.
    pub(super) own: Option<String>,
    pub(super) name: String,
}

impl Pattern {
    /// Adds the enums of the product whose variants it names.
    pub(super) fn owners(&self, found: &mut BTreeSet<String>) {
        match self {
            Self::All | Self::Some => {}
            Self::Of(shape, fields) => {
                found.extend(shape.own.clone());
                fields.values().for_each(|field| field.owners(found));
            }
            Self::Any(alternatives) => alternatives.iter().for_each(|one| one.owners(found)),
        }
    }
}

/// Returns where a condition holds first, outside of parentheses, brackets and braces.
pub(super) fn outside(tokens: &[String], holds: impl Fn(&[String]) -> bool) -> Option<usize> {
    let mut depth = 0usize;
    for at in 0..tokens.len() {
        if depth == 0 && holds(&tokens[at..]) {
            return Some(at);
        }
        match tokens[at].as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// Splits at commas outside of parentheses, brackets and braces.
pub(super) fn parts(mut tokens: &[String]) -> Vec<&[String]> {
    let mut found = Vec::new();
    while let Some(comma) = outside(tokens, |rest| rest[0] == ",") {
        found.push(&tokens[..comma]);
        tokens = &tokens[comma + 1..];
    }
    if !tokens.is_empty() {
        found.push(tokens);
    }
    found
}

/// Returns the length of the parentheses, brackets or braces that open here, with what they contain.
pub(super) fn closed(tokens: &[String]) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Skips attributes.
pub(super) fn bare(mut tokens: &[String]) -> &[String] {
    while tokens.first().is_some_and(|first| first == "#") {
        tokens = &tokens[1 + closed(&tokens[1..])..];
    }
    tokens
}

/// Reads patterns.
pub(super) struct Reader<'a> {
    pub(super) enums: &'a Enums,
    pub(super) imports: &'a Imports,
    /// What `Self` is.
    pub(super) own: Option<&'a str>,
}

impl Reader<'_> {
    /// Returns the patterns of the arms of a match whose `{` came before.
    pub(super) fn arms(&self, mut tokens: &[String]) -> Vec<Pattern> {
        let mut found = Vec::new();
        loop {
            tokens = bare(tokens);
            let arrow =
                outside(tokens, |rest| rest[0] == "=" && rest.get(1).is_some_and(|x| x == ">"));
            let Some(arrow) = arrow else { return found };
            let guard = outside(tokens, |rest| rest[0] == "if");
            found.push(self.pattern(&tokens[..guard.unwrap_or(arrow).min(arrow)]));
            tokens = &tokens[arrow + 2..];
            if tokens.first().is_some_and(|first| first == "{") {
                tokens = &tokens[closed(tokens)..];
                if tokens.first().is_some_and(|first| first == ",") {
                    tokens = &tokens[1..];
                }
                continue;
            }
            // A comma within `::<…>` ends no arm.
            let mut angles = 0usize;
            let mut at = 0;
            loop {
                match tokens.get(at).map(String::as_str) {
                    None | Some("}") => return found,
                    Some(",") if angles == 0 => break,
                    Some("<") if at > 0 && tokens[at - 1] == "::" || angles > 0 => angles += 1,
                    Some(">") if angles > 0 => angles -= 1,
                    Some("(" | "[" | "{") => at += closed(&tokens[at..]) - 1,
                    Some(_) => {}
                }
                at += 1;
            }
            tokens = &tokens[at + 1..];
        }
    }

    fn pattern(&self, mut tokens: &[String]) -> Pattern {
        let mut alternatives = Vec::new();
        while let Some(bar) = outside(tokens, |rest| rest[0] == "|") {
            if bar > 0 {
                alternatives.push(self.one(&tokens[..bar]));
            }
            tokens = &tokens[bar + 1..];
        }
        alternatives.push(self.one(tokens));
        if alternatives.len() == 1 { alternatives.remove(0) } else { Pattern::Any(alternatives) }
    }

    fn one(&self, mut tokens: &[String]) -> Pattern {
        while tokens.first().is_some_and(|first| ["&", "mut", "ref"].contains(&first.as_str())) {
            tokens = &tokens[1..];
        }
        let Some(first) = tokens.first().map(String::as_str) else { return Pattern::Some };
        if first == "(" {
            let inside = &tokens[1..closed(tokens) - 1];
            let is_tuple = inside.is_empty() || outside(inside, |rest| rest[0] == ",").is_some();
            if !is_tuple {
                return self.pattern(inside);
            }
            return Pattern::Of(Shape { own: None, name: "()".to_owned() }, self.tuple(inside));
        }
        if !is_word(first) {
            return Pattern::Some;
        }
        let mut path = vec![first];
        let mut at = 1;
        while tokens.get(at).is_some_and(|next| next == "::") {
            match tokens.get(at + 1).map(String::as_str) {
                Some("<") => {
                    let end = tokens[at..].iter().position(|token| token == ">");
                    at += end.unwrap_or(0) + 1;
                }
                Some(word) => {
                    path.push(word);
                    at += 2;
                }
                None => return Pattern::Some,
            }
        }
        let is_name = path.len() == 1 && first.starts_with(|c: char| c == '_' || c.is_lowercase());
        match tokens.get(at).map(String::as_str) {
            Some("@") => self.pattern(&tokens[at + 1..]),
            Some("(") => {
                let inside = &tokens[at + 1..at + closed(&tokens[at..]) - 1];
                Pattern::Of(self.shape(&path), self.tuple(inside))
            }
            Some("{") => {
                let inside = &tokens[at + 1..at + closed(&tokens[at..]) - 1];
                Pattern::Of(self.shape(&path), self.fields(inside))
            }
            Some(_) => Pattern::Some,
            None if ["true", "false"].contains(&first) => {
                Pattern::Of(self.shape(&path), BTreeMap::new())
            }
            None if is_name => Pattern::All,
            None => {
                let shape = self.shape(&path);
                let named = &shape.name;
                let is_constant = shape.own.is_none()
                    && named.chars().all(|c| c.is_uppercase() || c.is_numeric() || c == '_');
                if is_constant { Pattern::Some } else { Pattern::Of(shape, BTreeMap::new()) }
            }
        }
    }

    fn tuple(&self, tokens: &[String]) -> BTreeMap<String, Pattern> {
        let mut fields = BTreeMap::new();
        let parts = parts(tokens);
        let rest = |part: &&[String]| part.len() == 2 && part.iter().all(|token| token == ".");
        let begins = parts.iter().position(rest).unwrap_or(parts.len());
        for (at, part) in parts.iter().enumerate() {
            // Fields after `..` are numbered from the last.
            let name = if at < begins { at.to_string() } else { format!("-{}", parts.len() - at) };
            if at != begins {
                fields.insert(name, self.pattern(part));
            }
        }
        fields
    }

    fn fields(&self, tokens: &[String]) -> BTreeMap<String, Pattern> {
        let mut fields = BTreeMap::new();
        for part in parts(tokens) {
            let part = bare(part);
            if let [name, colon, pattern @ ..] = part
                && colon == ":"
            {
                fields.insert(name.clone(), self.pattern(pattern));
            }
        }
        fields
    }

    /// Returns what a path names. The enum stands before the variant, under its own name or another
    /// (`as`), or in the import of the variant.
    fn shape(&self, path: &[&str]) -> Shape {
        let mut path: Vec<&str> = path.to_vec();
        if let Some(full) = self.imports.path(path[0]) {
            path.splice(..1, full.iter().map(String::as_str));
        }
        if path[0] == "Self"
            && let Some(own) = self.own
        {
            path[0] = own;
            if let Some(full) = self.imports.path(own) {
                path.splice(..1, full.iter().map(String::as_str));
            }
        }
        let name = path[path.len() - 1];
        let has = |owner: &str, name: &str| {
            self.enums.0.get(owner).is_some_and(|all| all.iter().any(|one| one.contains(name)))
        };
        let own = match path.len() {
            1 => self.imports.globs().find(|glob| has(glob, name)),
            length => Some(path[length - 2]).filter(|own| has(own, name) || has(own, UNREAD)),
        };
        Shape { own: own.map(str::to_owned), name: name.to_owned() }
    }
}
