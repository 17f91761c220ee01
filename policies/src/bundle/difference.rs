//! Finds where two texts differ, line by line.

use crate::compiled::Hunk;
use crate::rule::without_byte_order_mark;

/// How far ahead the search for equal lines looks.
const AHEAD: usize = 64;
/// How many equal lines in a row end a difference.
const ROW: usize = 3;

/// Returns the lines of `new` that replace lines of `old`, in order. `None` if the texts differ too
/// much. It reads each byte once.
pub(crate) fn difference<'a>(old: &str, new: &'a str) -> Option<Vec<Hunk<'a>>> {
    let (old, new) = (without_byte_order_mark(old), without_byte_order_mark(new));
    let same = old.bytes().zip(new.bytes()).take_while(|(one, other)| one == other).count();
    // The start of the line with the first difference.
    let start = old.get(..same).and_then(|same| same.rfind('\n')).map_or(0, |at| at + 1);
    let (before, old) = old.split_at_checked(start)?;
    let (_, new) = new.split_at_checked(start)?;
    let first = before.bytes().filter(|byte| *byte == b'\n').count();
    let (old, new) = without_end(old, new);
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut hunks = Vec::new();
    let (mut here, mut there) = (0, 0);
    while here < old.len() || there < new.len() {
        if here < old.len() && old.get(here) == new.get(there) {
            (here, there) = (here + 1, there + 1);
            continue;
        }
        let (removed, added) = ahead(old.get(here..)?, new.get(there..)?)?;
        let lines = new.get(there..there + added)?.to_vec();
        hunks.push(Hunk { at: first + here, removed, added: lines });
        (here, there) = (here + removed, there + added);
    }
    Some(hunks)
}

/// Returns both texts without the equal lines at their ends.
fn without_end<'o, 'n>(old: &'o str, new: &'n str) -> (&'o str, &'n str) {
    let pairs = old.bytes().rev().zip(new.bytes().rev());
    let same = pairs.take_while(|(one, other)| one == other).count();
    let Some(tail) = old.len().checked_sub(same).and_then(|start| old.as_bytes().get(start..))
    else {
        return (old, new);
    };
    // From the first whole line on.
    let Some(skip) = tail.iter().position(|byte| *byte == b'\n') else { return (old, new) };
    let end = same - (skip + 1);
    let cut = |length: usize| length.checked_sub(end);
    match (cut(old.len()).and_then(|at| old.get(..at)), cut(new.len()).and_then(|at| new.get(..at)))
    {
        (Some(old), Some(new)) => (old, new),
        _ => (old, new),
    }
}

/// Returns how many lines of each to skip until both are equal again.
fn ahead(old: &[&str], new: &[&str]) -> Option<(usize, usize)> {
    for sum in 1..=2 * AHEAD {
        for removed in 0..=sum {
            let added = sum - removed;
            let (Some(old), Some(new)) = (old.get(removed..), new.get(added..)) else { continue };
            let row = ROW.min(old.len().max(new.len()));
            if old.len().min(new.len()) >= row && old.get(..row) == new.get(..row) {
                return Some((removed, added));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&str]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Returns `old` with the hunks applied.
    fn patched(old: &str, hunks: &[Hunk<'_>]) -> Vec<String> {
        let old: Vec<&str> = old.lines().collect();
        let (mut out, mut at) = (vec![], 0);
        for hunk in hunks {
            out.extend(old[at..hunk.at].iter().map(ToString::to_string));
            out.extend(hunk.added.iter().map(ToString::to_string));
            at = hunk.at + hunk.removed;
        }
        out.extend(old[at..].iter().map(ToString::to_string));
        out
    }

    #[test]
    fn the_hunks_turn_one_text_into_the_other() {
        let lines = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let old = text(&lines);
        let changed = |change: &dyn Fn(&mut Vec<&str>)| {
            let mut lines = lines.to_vec();
            change(&mut lines);
            text(&lines)
        };
        for (new, expected) in [
            (old.clone(), Some(0)),
            (changed(&|lines| lines[3] = "x"), Some(1)),
            (changed(&|lines| lines.insert(0, "x")), Some(1)),
            (changed(&|lines| lines.push("x")), Some(1)),
            (changed(&|lines| lines.retain(|line| *line != "a")), Some(1)),
            (changed(&|lines| lines.truncate(7)), Some(1)),
            (changed(&|lines| lines.insert(3, "c")), Some(1)),
            (changed(&|lines| (lines[0], lines[7]) = ("x", "y")), Some(2)),
            (old.trim_end().to_owned(), Some(0)),
            (format!("\u{feff}{old}"), Some(0)),
            (old.replace('\n', "\r\n"), Some(0)),
            (String::new(), Some(1)),
        ] {
            let hunks = difference(&old, &new).unwrap();
            assert_eq!(Some(hunks.len()), expected, "{new:?}");
            let new: Vec<&str> = without_byte_order_mark(&new).lines().collect();
            assert_eq!(patched(&old, &hunks), new);
        }
    }

    #[test]
    fn what_is_another_text_has_no_hunks() {
        let numbered =
            |from: usize| (from..from + 500).map(|n| format!("{n}\n")).collect::<String>();
        assert_eq!(difference(&numbered(0), &numbered(1000)), None);
    }
}
