//! The edits of a bundle since its base was compiled.

use std::collections::{BTreeMap, HashSet};

use super::builder::Builder;
use super::layer::RuleNumber;
use super::part::CompiledPart;
use crate::rule::{BundleErrors, read_row};

/// A group of lines that replaces some lines of `policy.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hunk<'a> {
    /// The number of lines before it.
    pub(crate) at: usize,
    /// How many old lines it removes.
    pub(crate) removed: usize,
    /// The new lines.
    pub(crate) added: Vec<&'a str>,
}

/// The edits since the base was compiled.
#[derive(Debug)]
pub(super) struct Edits {
    /// The added rules, compiled.
    pub(super) part: CompiledPart,
    /// The added rules as text, by line.
    lines: BTreeMap<u32, Box<str>>,
    /// The rules of the base that were removed.
    pub(super) gone: HashSet<RuleNumber>,
    /// How the lines of the base have moved.
    pub(super) moves: Moves,
    /// Whether the added rules name roles or groups that the base does not know.
    pub(super) names_new: bool,
}

/// The most edited lines. With more of them, all rules are compiled anew.
const MOST: usize = 1024;

/// How far lines have moved: pairs of a first line and a distance, which holds up to the next pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moves(Vec<(u32, i64)>);

impl Moves {
    fn none() -> Self {
        Self(vec![(0, 0)])
    }

    /// Returns the present number of a line that has not been removed.
    pub(super) fn now(&self, line: u32) -> u32 {
        let after = self.0.partition_point(|(from, _)| *from <= line);
        let by = after.checked_sub(1).and_then(|at| self.0.get(at)).map_or(0, |(_, by)| *by);
        moved(line, by)
    }

    /// Returns the former numbers that a line can have had. At most one of them is of a line that
    /// has not been removed.
    fn before(&self, line: u32) -> impl Iterator<Item = u32> {
        let ends = self.0.iter().skip(1).map(|(from, _)| *from).chain([u32::MAX]);
        self.0.iter().zip(ends).filter_map(move |((from, by), end)| {
            let before = moved(line, -by);
            (*from <= before && before < end).then_some(before)
        })
    }

    /// Returns the moves that result from these and `later`, in this order.
    fn then(&self, later: &Self) -> Self {
        let mut all: Vec<(u32, i64)> = Vec::new();
        let ends = self.0.iter().skip(1).map(|(from, _)| *from).chain([u32::MAX]);
        for ((from, by), end) in self.0.iter().zip(ends) {
            for (begins, further) in &later.0 {
                // Where the later move begins, counted in lines of the base.
                let begins = moved(*begins, -by).max(*from);
                if begins < end {
                    match all.last_mut() {
                        Some(last) if last.0 == begins => last.1 = by + further,
                        _ => all.push((begins, by + further)),
                    }
                }
            }
        }
        all.dedup_by_key(|(_, by)| *by);
        Self(all)
    }
}

fn moved(line: u32, by: i64) -> u32 {
    u32::try_from((i64::from(line) + by).max(0)).unwrap_or(u32::MAX)
}

/// Adds `hunks` to the edits that a bundle has since its base was compiled. Returns `None` if more
/// than [`MOST`] lines have changed, so that compiling all rules anew is better.
pub(super) fn edited(
    base: &CompiledPart,
    former: Option<&Edits>,
    hunks: &[Hunk<'_>],
    errors: &mut BundleErrors,
) -> Option<Edits> {
    let mut gone = former.map(|edits| edits.gone.clone()).unwrap_or_default();
    let mut lines = former.map(|edits| edits.lines.clone()).unwrap_or_default();
    let moves = former.map_or_else(Moves::none, |edits| edits.moves.clone());
    let mut later = Moves::none();
    let mut by = 0;
    let mut come: Vec<(u32, &str)> = Vec::new();
    let mut changed = 0;
    for hunk in hunks {
        changed += hunk.removed + hunk.added.len();
        if changed > MOST {
            return None;
        }
        let first = u32::try_from(hunk.at + 1).ok()?;
        let end = u32::try_from(hunk.at + 1 + hunk.removed).ok()?;
        for line in first..end {
            if lines.remove(&line).is_none() {
                let here = moves.before(line).filter_map(|line| base.layer.on_line(line));
                gone.extend(here);
            }
        }
        let begins = moved(first, by);
        come.extend((begins..).zip(hunk.added.iter().copied()));
        by += i64::try_from(hunk.added.len()).ok()? - i64::try_from(hunk.removed).ok()?;
        later.0.push((end, by));
    }
    let mut now: BTreeMap<u32, Box<str>> =
        lines.into_iter().map(|(line, text)| (later.now(line), text)).collect();
    now.extend(come.into_iter().map(|(line, text)| (line, text.into())));
    if now.len() + gone.len() > MOST {
        return None;
    }

    let mut builder = Builder::above(&base.names, &base.conditions);
    let mut rules: BTreeMap<u32, Box<str>> = BTreeMap::new();
    for (line, text) in now {
        // Comments are not kept.
        let Some(read) = read_row("policy.csv", line as usize, &text, errors) else { continue };
        if let Err(error) = builder.add(&read) {
            errors.refuse("policy.csv", line as usize, error);
        }
        rules.insert(line, text);
    }
    let part = builder.finish();
    let names_new = part.names.whos.own_kinds().any(|kind| kind == "role/")
        || part.names.ons.own_kinds().any(|kind| kind == "group/");
    let moves = moves.then(&later);
    Some(Edits { part, lines: rules, gone, moves, names_new })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_move_with_what_comes_and_goes_before_them() {
        // Two lines come after line 3, then line 2 goes.
        let first = Moves(vec![(0, 0), (4, 2)]);
        let then = first.then(&Moves(vec![(0, 0), (3, -1)]));
        assert_eq!([1, 3, 4, 9].map(|line| then.now(line)), [1, 2, 5, 10]);
        assert_eq!(then.before(5).collect::<Vec<_>>(), [4]);
        // A removed line can map to the same number as another.
        assert_eq!(then.before(2).collect::<Vec<_>>(), [2, 3]);
    }
}
