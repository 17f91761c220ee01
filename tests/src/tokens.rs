//! The tokens of Rust files, as words and signs.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

pub(crate) fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Returns the words and signs of a text, without comments, literals and lifetimes. `::` is one sign.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    flatten(TokenStream::from_str(text).unwrap(), &mut found);
    found
}

fn flatten(stream: TokenStream, found: &mut Vec<String>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => panic!("only a macro's output has such a group"),
                };
                found.push(open.to_owned());
                flatten(group.stream(), found);
                found.push(close.to_owned());
            }
            TokenTree::Ident(word) => found.push(word.to_string()),
            TokenTree::Literal(_) => {}
            TokenTree::Punct(sign) => match sign.as_char() {
                // A lifetime.
                '\'' => drop(trees.next()),
                ':' if trees.next_if(|next| is_sign(next, ':')).is_some() => {
                    found.push("::".to_owned());
                }
                '#' if trees.next_if(is_comment).is_some() => {}
                sign => found.push(sign.to_string()),
            },
        }
    }
}

/// Returns the string literals of a text, as they are written, without the documentation comments.
pub fn strings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect_strings(TokenStream::from_str(text).unwrap(), &mut found);
    found
}

fn collect_strings(stream: TokenStream, found: &mut Vec<String>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => collect_strings(group.stream(), found),
            TokenTree::Literal(literal) => {
                let written = literal.to_string();
                found.extend(written.contains('"').then_some(written));
            }
            TokenTree::Punct(sign) if sign.as_char() == '#' => {
                drop(trees.next_if(|next| is_sign(next, '!')));
                drop(trees.next_if(is_comment));
            }
            TokenTree::Punct(_) | TokenTree::Ident(_) => {}
        }
    }
}

fn is_sign(tree: &TokenTree, sign: char) -> bool {
    matches!(tree, TokenTree::Punct(found) if found.as_char() == sign)
}

/// Returns whether that is what the lexer makes of a documentation comment, behind its `#`.
fn is_comment(tree: &TokenTree) -> bool {
    let TokenTree::Group(group) = tree else { return false };
    let first = group.stream().into_iter().next();
    matches!(first, Some(TokenTree::Ident(word)) if word == "doc")
}

/// The words that begin items.
const ITEMS: [&str; 11] = [
    "fn",
    "struct",
    "enum",
    "impl",
    "use",
    "mod",
    "const",
    "static",
    "type",
    "trait",
    "macro_rules",
];

/// The same tokens without the items of tests and fuzz targets: those behind `#[cfg(test)]` and
/// `#[cfg(any(test, feature = "…"))]`.
pub(crate) fn without_tests(tokens: &[String]) -> Vec<String> {
    let tests: [&[&str]; 2] = [
        &["#", "[", "cfg", "(", "test", ")", "]"],
        &["#", "[", "cfg", "(", "any", "(", "test", ",", "feature", "=", ")", ")", "]"],
    ];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = |mark: &&&[&str]| tokens[at..].iter().take(mark.len()).eq(mark.iter());
        let Some(mark) = tests.iter().find(begins) else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        at += mark.len();
        let (mut depth, mut is_item) = (0usize, false);
        while let Some(token) = tokens.get(at).map(String::as_str) {
            let closes = ["}", ")", "]"].contains(&token);
            // A field, an argument or an arm ends with a comma, or with what surrounds it.
            if closes && depth == 0 && !is_item {
                break;
            }
            at += 1;
            is_item |= ITEMS.contains(&token);
            if depth == 0 && !is_item && token == "," {
                break;
            }
            match token {
                "{" | "(" | "[" => depth += 1,
                _ if closes => depth -= 1,
                _ => {}
            }
            if depth == 0 && [";", "}"].contains(&token) {
                break;
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_code_is_left_out() {
        assert_eq!(
            tokens("a // use b;\n c /* d */ \"use e;\" r#\"\"f\"# 'g' '\\'' '\"' h"),
            ["a", "c", "h"]
        );
        assert_eq!(
            tokens("x: &'static str, b'\"', br\"y\", 0x1f"),
            ["x", ":", "&", "str", ",", ",", ","]
        );
        assert_eq!(
            tokens("/// use a;\n b::c(d:&e)"),
            ["b", "::", "c", "(", "d", ":", "&", "e", ")"]
        );
    }

    #[test]
    fn strings_are_found_in_macros_and_not_in_comments() {
        let text = "//! \"a\"\n/// \"a\"\nfn f() { g!(\"b {}\", [r#\"c\"#], 'd', 1); } // \"e\"";
        assert_eq!(strings(text), ["\"b {}\"", "r#\"c\"#"]);
    }

    #[test]
    fn tests_are_left_out() {
        for (text, kept) in [
            ("a #[cfg(test)] mod t { use b; } c", "a c"),
            ("a #[cfg(test)] #[x(y)] fn t(z: u8) -> u8 { 1 } c", "a c"),
            ("{ a, #[cfg(test)] t: u8 } c", "{ a , } c"),
            ("{ #[cfg(test)] t: u8, a }", "{ a }"),
        ] {
            assert_eq!(without_tests(&tokens(text)).join(" "), kept);
        }
    }
}
