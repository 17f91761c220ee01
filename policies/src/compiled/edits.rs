//! What is different from the base that a bundle was compiled into.

use std::collections::{BTreeMap, HashSet};

use super::builder::Builder;
use super::layer::RuleNumber;
use super::part::CompiledPart;
use crate::rule::{BundleErrors, read_row};

/// Lines of `policy.csv` that another text has in place of some of this one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hunk<'a> {
    /// How many lines stay before it.
    pub(crate) at: usize,
    /// How many lines go.
    pub(crate) removed: usize,
    /// The lines that come in their place.
    pub(crate) added: Vec<&'a str>,
}

/// The edits since the base was compiled.
#[derive(Debug)]
pub(super) struct Edits {
    /// The rules that have come.
    pub(super) part: CompiledPart,
    /// Their lines, as text.
    lines: BTreeMap<u32, Box<str>>,
    /// The rules of the base that are no more.
    pub(super) gone: HashSet<RuleNumber>,
    /// Where the lines of the base stand now.
    pub(super) moves: Moves,
    /// Whether they speak of roles or groups that the base does not know.
    pub(super) names_new: bool,
}

/// With more lines that have come or gone, all rules are compiled anew.
const MOST: usize = 1024;

/// How far lines have moved: from each of these lines on, so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moves(Vec<(u32, i64)>);

impl Moves {
    fn none() -> Self {
        Self(vec![(0, 0)])
    }

    /// Where a line stands now that was here before, and is not gone.
    pub(super) fn now(&self, line: u32) -> u32 {
        let after = self.0.partition_point(|(from, _)| *from <= line);
        let by = after.checked_sub(1).and_then(|at| self.0.get(at)).map_or(0, |(_, by)| *by);
        moved(line, by)
    }

    /// The lines that could stand there now; of those that are not gone, it is at most one.
    fn before(&self, line: u32) -> impl Iterator<Item = u32> {
        let ends = self.0.iter().skip(1).map(|(from, _)| *from).chain([u32::MAX]);
        self.0.iter().zip(ends).filter_map(move |((from, by), end)| {
            let before = moved(line, -by);
            (*from <= before && before < end).then_some(before)
        })
    }

    /// These moves, and then those.
    fn then(&self, later: &Self) -> Self {
        let mut all: Vec<(u32, i64)> = Vec::new();
        let ends = self.0.iter().skip(1).map(|(from, _)| *from).chain([u32::MAX]);
        for ((from, by), end) in self.0.iter().zip(ends) {
            for (begins, further) in &later.0 {
                // Where the later move begins, in lines of the base.
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
        // Comments come and go, and are nothing to keep.
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
        // What is gone may seem to stand where something else does.
        assert_eq!(then.before(2).collect::<Vec<_>>(), [2, 3]);
    }
}
