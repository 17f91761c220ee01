//! The rules of one effect by node, who and on what.

use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::{ControlFlow, Range};

use doorward_model::Action;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::control::{RunFlow, SearchControl, SearchFlow};
use super::entry::{PlacedRule, RuleEntry};
use super::ids::Ids;
use super::node::NodeCells;
use super::packed_range::PackedRange;
use super::range_filter::RangeFilter;
use super::run;
use super::steps::Steps;
use crate::rule::Acts;

/// The rules of one effect, sorted by node, then who, then what.
#[derive(Debug)]
pub(crate) struct Cells {
    cells: Vec<Cell>,
    entries: Vec<RuleEntry>,
    /// For nodes with many cells: the first cell of each who, and each cell.
    by_who: HashTable<u32>,
    by_cell: HashTable<u32>,
    /// Everybody that a rule speaks of, a bit each.
    whos: Vec<u64>,
    hasher: DefaultHashBuilder,
}

/// The rules of one node, who and what.
#[derive(Debug)]
struct Cell {
    node: u32,
    who: u32,
    on: u32,
    /// The number of its first rule.
    start: u32,
}

/// The most cells that a search looks through one by one.
const FEW: usize = 16;

impl Cells {
    pub(crate) fn of(mut rules: Vec<PlacedRule>) -> Self {
        let key = |rule: &PlacedRule| {
            let where_to = (rule.node, rule.who, rule.on);
            (where_to, rule.when, rule.acts, rule.range, rule.line)
        };
        rules.sort_unstable_by_key(key);
        let mut entries = Vec::with_capacity(rules.len());
        let mut cells: Vec<Cell> = Vec::new();
        let mut whos = Vec::new();
        for (number, rule) in (0_u32..).zip(&rules) {
            let same = cells.last().is_some_and(|cell| {
                (cell.node, cell.who, cell.on) == (rule.node, rule.who, rule.on)
            });
            if !same {
                let &PlacedRule { node, who, on, .. } = rule;
                cells.push(Cell { node, who, on, start: number });
                let (word, bit) = bit_of(who);
                if whos.len() <= word {
                    whos.resize(word + 1, 0);
                }
                if let Some(word) = whos.get_mut(word) {
                    *word |= bit;
                }
            }
            let &PlacedRule { line, when, acts, range, .. } = rule;
            let packed = PackedRange::of(range);
            entries.push(RuleEntry { line, when, acts, packed, max_last: range.last });
        }
        drop(rules);
        cells.shrink_to_fit();
        let mut done = Self {
            cells,
            entries,
            by_who: HashTable::new(),
            by_cell: HashTable::new(),
            whos,
            hasher: DefaultHashBuilder::default(),
        };
        done.fill_max_last();
        done.index_by_who();
        done
    }

    /// Fills in [`RuleEntry::max_last`] in all runs.
    fn fill_max_last(&mut self) {
        let mut rest = self.entries.as_mut_slice();
        let mut ends: Vec<usize> = Vec::new();
        let mut cells = self.cells.iter().skip(1).map(|cell| cell.start as usize).peekable();
        // A run ends where its cell ends, and where the conditions or actions change.
        let mut before: Option<(u32, Acts)> = None;
        for (at, entry) in rest.iter().enumerate() {
            let begins = cells.next_if_eq(&at).is_some();
            let kind = (entry.when, entry.acts);
            if at > 0 && (begins || before != Some(kind)) {
                ends.push(at);
            }
            before = Some(kind);
        }
        ends.push(rest.len());
        let mut begin = 0;
        for end in ends {
            let (run, after) = rest.split_at_mut(end - begin);
            run::fill_max_last(run);
            (rest, begin) = (after, end);
        }
    }

    fn index_by_who(&mut self) {
        let Self { cells, by_who, by_cell, hasher, .. } = self;
        let mut start = 0;
        for here in cells.chunk_by(|one, other| one.node == other.node) {
            let end = start + here.len();
            let range = std::mem::replace(&mut start, end)..end;
            if here.len() <= FEW {
                continue;
            }
            let mut before = None;
            for (number, cell) in range.zip(here) {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                by_cell.insert_unique(
                    hash_of(hasher, cell.node, cell.who, cell.on),
                    number,
                    |number| {
                        let cell = cells.get(*number as usize);
                        cell.map_or(0, |cell| hash_of(hasher, cell.node, cell.who, cell.on))
                    },
                );
                if before == Some(cell.who) {
                    continue;
                }
                before = Some(cell.who);
                let hash = hash_of(hasher, cell.node, cell.who, 0);
                by_who.insert_unique(hash, number, |number| {
                    let cell = cells.get(*number as usize);
                    cell.map_or(0, |cell| hash_of(hasher, cell.node, cell.who, 0))
                });
            }
        }
    }

    /// Returns the rule of a number.
    pub(crate) fn entry(&self, number: u32) -> Option<&RuleEntry> {
        self.entries.get(number as usize)
    }

    /// Returns the rule of a number with its node, who and what.
    pub(crate) fn placed(&self, number: u32) -> Option<PlacedRule> {
        let entry = self.entry(number)?;
        let after = self.cells.partition_point(|cell| cell.start <= number);
        let cell = self.cells.get(after.checked_sub(1)?)?;
        let &Cell { node, who, on, .. } = cell;
        let &RuleEntry { line, when, acts, .. } = entry;
        Some(PlacedRule { node, who, on, line, when, acts, range: entry.range() })
    }

    /// Yields all rules with their numbers, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, &RuleEntry)> {
        (0..).zip(&self.entries)
    }

    /// Returns how many bytes of memory the rules take.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
            + self.entries.capacity() * size_of::<RuleEntry>()
            + self.by_who.allocation_size()
            + self.by_cell.allocation_size()
            + self.whos.capacity() * 8
    }

    /// Yields the nodes that have cells, the last first: each with the number of its first cell,
    /// and all actions of its rules.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (u32, u32, Acts)> {
        let mut first = self.cells.len();
        let mut end = self.entries.len();
        self.cells.chunk_by(|one, other| one.node == other.node).rev().filter_map(move |here| {
            let cell = here.first()?;
            let begin = cell.start as usize;
            let rules = self.entries.get(begin..end).unwrap_or_default();
            let acts = rules.iter().fold(Acts::NONE, |all, entry| all.and(entry.acts));
            (first, end) = (first - here.len(), begin);
            Some((cell.node, u32::try_from(first).unwrap_or(u32::MAX), acts))
        })
    }

    /// Returns how many cells there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap_or(u32::MAX)
    }

    /// Returns whether a rule speaks of one of `whos`.
    pub(crate) fn speak_of_any(&self, whos: Ids<'_>) -> bool {
        whos.iter().any(|who| self.speak_of(who))
    }

    /// Returns whether a rule speaks of `who`.
    pub(super) fn speak_of(&self, who: u32) -> bool {
        let (word, bit) = bit_of(who);
        self.whos.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Yields every run: its node, who, what, and the numbers of its rules.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u32, u32, u32, Range<u32>)> {
        (0..self.count()).zip(&self.cells).flat_map(move |(number, cell)| {
            let mut rules = self.rules_of(number);
            std::iter::from_fn(move || {
                let first = self.entry(rules.start)?;
                let kind = (first.when, first.acts);
                let same = |rule: &u32| {
                    self.entry(*rule).is_some_and(|entry| (entry.when, entry.acts) == kind)
                };
                let length = rules.clone().take_while(same).count();
                let end = rules.start + u32::try_from(length).unwrap_or(0);
                let run = (length > 0).then_some(rules.start..end)?;
                rules.start = end;
                Some((cell.node, cell.who, cell.on, run))
            })
        })
    }

    /// Finds the rules of a run that `filter` selects.
    pub(super) fn search_run(
        &self,
        numbers: Range<u32>,
        filter: RangeFilter,
        found: &mut impl FnMut(u32, &RuleEntry) -> SearchControl,
    ) -> RunFlow {
        let rules = self.entries.get(numbers.start as usize..numbers.end as usize);
        run::search(rules.unwrap_or_default(), filter, &mut |at, entry| {
            found(numbers.start.saturating_add(u32::try_from(at).unwrap_or(u32::MAX)), entry)
        })
    }

    /// Returns the numbers of the rules of a cell.
    fn rules_of(&self, cell: u32) -> Range<u32> {
        let start = |cell: u32| self.cells.get(cell as usize).map(|cell| cell.start);
        let all = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        start(cell).unwrap_or(all)..start(cell + 1).unwrap_or(all)
    }

    /// Finds the rules of a node that speak of one of `whos`, one of `ons` and `action`, and that
    /// `filter` selects.
    pub(crate) fn find(
        &self,
        (at, filter): (NodeCells, RangeFilter),
        (whos, ons, action): (Ids<'_>, Ids<'_>, Action),
        steps: &mut Steps,
        found: &mut impl FnMut(u32, &RuleEntry) -> SearchControl,
    ) -> SearchFlow {
        let node = at.node;
        let (start, end) = (at.first as usize, (at.end as usize).min(self.cells.len()));
        let here = self.cells.get(start..end).unwrap_or_default();
        if here.len() <= FEW.max(whos.len() * 2) {
            for (number, cell) in (start..).zip(here) {
                if whos.contain(cell.who) && ons.contain(cell.on) {
                    self.search(number, filter, action, steps, found)?;
                }
            }
            return SearchFlow::Continue(());
        }
        if whos.len() * ons.len() <= FEW {
            for (who, on) in whos.iter().flat_map(|who| ons.iter().map(move |on| (who, on))) {
                let hash = hash_of(&self.hasher, node, who, on);
                let is = |number: &u32| {
                    let cell = self.cells.get(*number as usize);
                    cell.is_some_and(|cell| (cell.node, cell.who, cell.on) == (node, who, on))
                };
                if let Some(cell) = self.by_cell.find(hash, is) {
                    self.search(*cell as usize, filter, action, steps, found)?;
                }
            }
            return SearchFlow::Continue(());
        }
        for who in whos.iter() {
            let is = |number: &u32| {
                let cell = self.cells.get(*number as usize);
                cell.is_some_and(|cell| (cell.node, cell.who) == (node, who))
            };
            let Some(first) = self.by_who.find(hash_of(&self.hasher, node, who, 0), is) else {
                continue;
            };
            let first = *first as usize;
            self.search_who((first..end, who), filter, (ons, action), steps, found)?;
        }
        SearchFlow::Continue(())
    }

    /// Searches the cells of one who. They begin with the first of `range`.
    fn search_who(
        &self,
        (range, who): (Range<usize>, u32),
        filter: RangeFilter,
        (ons, action): (Ids<'_>, Action),
        steps: &mut Steps,
        found: &mut impl FnMut(u32, &RuleEntry) -> SearchControl,
    ) -> SearchFlow {
        // Both lists are sorted: the search walks along the shorter and looks up cells that are far
        // ahead.
        let mut at = range.start;
        for on in ons.of.iter().copied() {
            at = self.next_cell(at..range.end, (who, on));
            if self.is_cell(at, (who, on)) {
                self.search(at, filter, action, steps, found)?;
            }
        }
        if let Some(own) = ons.own {
            let at = self.next_cell(range, (who, own));
            if self.is_cell(at, (who, own)) {
                self.search(at, filter, action, steps, found)?;
            }
        }
        SearchFlow::Continue(())
    }

    fn is_cell(&self, at: usize, (who, on): (u32, u32)) -> bool {
        self.cells.get(at).is_some_and(|cell| (cell.who, cell.on) == (who, on))
    }

    /// Returns the first cell of a range that does not come before `wanted`.
    fn next_cell(&self, range: Range<usize>, wanted: (u32, u32)) -> usize {
        let cells = self.cells.get(range.clone()).unwrap_or_default();
        let before = |cell: &Cell| (cell.who, cell.on) < wanted;
        let mut step = 1;
        while cells.get(step - 1).is_some_and(before) {
            step *= 2;
        }
        let (begin, end) = (step / 2, step.min(cells.len()));
        let near = cells.get(begin..end).unwrap_or_default();
        range.start + begin + near.partition_point(before)
    }

    /// Searches one cell, run by run. The rules of a run have the same conditions and actions.
    fn search(
        &self,
        cell: usize,
        filter: RangeFilter,
        action: Action,
        steps: &mut Steps,
        found: &mut impl FnMut(u32, &RuleEntry) -> SearchControl,
    ) -> SearchFlow {
        let start = |cell: usize| self.cells.get(cell).map(|cell| cell.start as usize);
        let begin = start(cell).unwrap_or(0);
        let end = start(cell + 1).unwrap_or(self.entries.len());
        let mut rest = self.entries.get(begin..end).unwrap_or_default();
        let mut number = begin;
        while let Some(first) = rest.first() {
            let kind = (first.when, first.acts);
            let same = |entry: &RuleEntry| (entry.when, entry.acts) == kind;
            let length = match rest.get(1) {
                Some(next) if same(next) => rest.partition_point(same),
                _ => 1,
            };
            let (run, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            steps.take()?;
            if first.acts.include(action) {
                let base = u32::try_from(number).unwrap_or(u32::MAX);
                let mut one = |at: usize, entry: &RuleEntry| {
                    found(base.saturating_add(u32::try_from(at).unwrap_or(u32::MAX)), entry)
                };
                let over = run::search(run, filter, &mut one);
                if matches!(over, ControlFlow::Break(SearchControl::Stop)) {
                    return SearchFlow::Break(());
                }
            }
            (rest, number) = (after, number + length);
        }
        SearchFlow::Continue(())
    }
}

/// Returns the word and the bit of a number in a bit set.
fn bit_of(number: u32) -> (usize, u64) {
    ((number / 64) as usize, 1 << (number % 64))
}

fn hash_of(hasher: &DefaultHashBuilder, node: u32, who: u32, on: u32) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(node) << 32 | u64::from(who));
    state.write_u32(on);
    state.finish()
}
