//! Which rules stand at a place of the tree, by who and by what.

use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::ControlFlow;

use doorward_model::Action;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::tree::{Reach, Step};
use crate::bundle::Acts;
use crate::pattern::Range;

/// The rules of one effect, by place, then who, then what.
#[derive(Debug)]
pub(crate) struct Cells {
    /// Where each place's cells begin; one more than there are places.
    starts: Vec<u32>,
    cells: Vec<Cell>,
    entries: Vec<Entry>,
    /// For places with many cells, the first cell of each who.
    by_who: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// The rules of one place, who and what.
#[derive(Debug)]
struct Cell {
    place: u32,
    who: u32,
    on: u32,
    /// Where its rules begin.
    start: u32,
}

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its line in `policy.csv`.
    pub(crate) line: u32,
    /// The number of its conditions; 0 is none.
    pub(crate) when: u32,
    pub(crate) acts: Acts,
    /// The range of its last segment, where its place is one of ranges.
    first: u16,
    last: u16,
    /// Up to where the ranges of the half that it is the middle of reach.
    top: u16,
    single: bool,
}

/// A rule with all that says where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) place: u32,
    pub(crate) who: u32,
    pub(crate) on: u32,
    pub(crate) line: u32,
    pub(crate) when: u32,
    pub(crate) acts: Acts,
    pub(crate) range: Option<Range>,
}

/// The numbers of roles or groups that somebody or something is in, in order, and its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids<'a> {
    pub(crate) of: &'a [u32],
    pub(crate) own: Option<u32>,
}

impl Ids<'_> {
    fn contain(&self, number: u32) -> bool {
        self.own == Some(number)
            || if self.of.len() <= 8 {
                self.of.contains(&number)
            } else {
                self.of.binary_search(&number).is_ok()
            }
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        self.of.iter().copied().chain(self.own)
    }

    fn len(&self) -> usize {
        self.of.len() + usize::from(self.own.is_some())
    }
}

/// What becomes of a search after a rule has been found.
pub(crate) enum Found {
    /// It goes on with the next rule.
    On,
    /// Rules of the same conditions at the same place say nothing new.
    Alike,
    /// It is over.
    Enough,
}

/// Up to how many cells are simply looked through.
const FEW: usize = 16;

impl Cells {
    pub(crate) fn of(mut rules: Vec<Placed>, places: usize) -> Self {
        let key = |rule: &Placed| {
            let range = rule.range.map(|range| (range.first, range.last, range.single));
            let where_to = (rule.place, rule.who, rule.on);
            (where_to, rule.when, rule.acts, range, rule.line)
        };
        rules.sort_unstable_by_key(key);
        let mut entries = Vec::with_capacity(rules.len());
        let mut cells: Vec<Cell> = Vec::new();
        let mut starts = Vec::with_capacity(places + 1);
        for (number, rule) in (0_u32..).zip(&rules) {
            let same = cells.last().is_some_and(|cell| {
                (cell.place, cell.who, cell.on) == (rule.place, rule.who, rule.on)
            });
            if !same {
                let count = u32::try_from(cells.len()).unwrap_or(u32::MAX);
                while starts.len() <= rule.place as usize {
                    starts.push(count);
                }
                let &Placed { place, who, on, .. } = rule;
                cells.push(Cell { place, who, on, start: number });
            }
            let range = rule.range.unwrap_or(Range { first: 0, last: 0, single: false });
            let Range { first, last, single } = range;
            let &Placed { line, when, acts, .. } = rule;
            entries.push(Entry { line, when, acts, first, last, top: last, single });
        }
        drop(rules);
        let count = u32::try_from(cells.len()).unwrap_or(u32::MAX);
        starts.resize(places + 1, count);
        cells.shrink_to_fit();
        let mut done = Self {
            starts,
            cells,
            entries,
            by_who: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        };
        done.raise_tops();
        done.index_by_who();
        done
    }

    /// Fills in how far each half of a run of ranges reaches.
    fn raise_tops(&mut self) {
        let mut rest = self.entries.as_mut_slice();
        let mut ends: Vec<usize> = Vec::new();
        let mut cells = self.cells.iter().skip(1).map(|cell| cell.start as usize).peekable();
        // A run ends where the cell ends, or the conditions or actions change.
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
            raise(run);
            (rest, begin) = (after, end);
        }
    }

    fn index_by_who(&mut self) {
        let Self { starts, cells, by_who, hasher, .. } = self;
        for (start, end) in starts.iter().zip(starts.iter().skip(1)) {
            let (start, end) = (*start as usize, *end as usize);
            if end - start <= FEW {
                continue;
            }
            let mut before = None;
            for (number, cell) in (start..end).zip(cells.get(start..end).unwrap_or_default()) {
                if before == Some(cell.who) {
                    continue;
                }
                before = Some(cell.who);
                let hash = hash_of(hasher, cell.place, cell.who);
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                by_who.insert_unique(hash, number, |number| {
                    let cell = cells.get(*number as usize);
                    cell.map_or(0, |cell| hash_of(hasher, cell.place, cell.who))
                });
            }
        }
    }

    /// A rule by its number.
    pub(crate) fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize)
    }

    /// Where a rule goes.
    pub(crate) fn placed(&self, number: u32) -> Option<Placed> {
        let entry = self.entry(number)?;
        let after = self.cells.partition_point(|cell| cell.start <= number);
        let cell = self.cells.get(after.checked_sub(1)?)?;
        let &Cell { place, who, on, .. } = cell;
        let &Entry { line, when, acts, first, last, single, .. } = entry;
        let range = Some(Range { first, last, single });
        Some(Placed { place, who, on, line, when, acts, range })
    }

    /// All rules with their numbers, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0..).zip(&self.entries)
    }

    /// The bytes that the rules hold.
    pub(crate) fn bytes(&self) -> usize {
        self.starts.capacity() * 4
            + self.cells.capacity() * size_of::<Cell>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.by_who.allocation_size()
    }

    /// Finds the rules of a place that speak of one of `whos`, one of `ons` and of `action`, and
    /// whose last segment is as `reach` says.
    pub(crate) fn find(
        &self,
        (place, reach): (u32, Reach),
        whos: Ids<'_>,
        ons: Ids<'_>,
        action: Action,
        found: &mut impl FnMut(u32, &Entry) -> Found,
    ) -> Step {
        let bound = |place: u32| self.starts.get(place as usize).map_or(0, |start| *start as usize);
        let (start, end) = (bound(place), bound(place + 1));
        let here = self.cells.get(start..end).unwrap_or_default();
        if here.len() <= FEW.max(whos.len() * 2) {
            for (number, cell) in (start..).zip(here) {
                if whos.contain(cell.who) && ons.contain(cell.on) {
                    self.search(number, reach, action, found)?;
                }
            }
            return Step::Continue(());
        }
        for who in whos.iter() {
            let is = |number: &u32| {
                let cell = self.cells.get(*number as usize);
                cell.is_some_and(|cell| (cell.place, cell.who) == (place, who))
            };
            let Some(first) = self.by_who.find(hash_of(&self.hasher, place, who), is) else {
                continue;
            };
            let first = *first as usize;
            self.search_who(first..end, who, reach, ons, action, found)?;
        }
        Step::Continue(())
    }

    /// Searches the cells of one who, which begin with the first of `range`.
    fn search_who(
        &self,
        range: std::ops::Range<usize>,
        who: u32,
        reach: Reach,
        ons: Ids<'_>,
        action: Action,
        found: &mut impl FnMut(u32, &Entry) -> Found,
    ) -> Step {
        let cells = self.cells.get(range.clone()).unwrap_or_default();
        // Most have few cells; of many, those that are wanted are looked up.
        let near = cells.iter().take(FEW).take_while(|cell| cell.who == who).count();
        if near < FEW {
            for (number, cell) in (range.start..).zip(cells.iter().take(near)) {
                if ons.contain(cell.on) {
                    self.search(number, reach, action, found)?;
                }
            }
            return Step::Continue(());
        }
        for on in ons.iter() {
            let at = cells.partition_point(|cell| (cell.who, cell.on) < (who, on));
            if cells.get(at).is_some_and(|cell| (cell.who, cell.on) == (who, on)) {
                self.search(range.start + at, reach, action, found)?;
            }
        }
        Step::Continue(())
    }

    /// Searches one cell, run by run: rules of the same conditions and actions.
    fn search(
        &self,
        cell: usize,
        reach: Reach,
        action: Action,
        found: &mut impl FnMut(u32, &Entry) -> Found,
    ) -> Step {
        let start = |cell: usize| self.cells.get(cell).map(|cell| cell.start as usize);
        let begin = start(cell).unwrap_or(0);
        let end = start(cell + 1).unwrap_or(self.entries.len());
        let mut rest = self.entries.get(begin..end).unwrap_or_default();
        let mut number = begin;
        while let Some(first) = rest.first() {
            let kind = (first.when, first.acts);
            let same = |entry: &Entry| (entry.when, entry.acts) == kind;
            let length = match rest.get(1) {
                Some(next) if same(next) => rest.partition_point(same),
                _ => 1,
            };
            let (run, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            if first.acts.include(action) {
                let base = u32::try_from(number).unwrap_or(u32::MAX);
                let mut one = |at: usize, entry: &Entry| {
                    found(base.saturating_add(u32::try_from(at).unwrap_or(u32::MAX)), entry)
                };
                let over = match reach {
                    Reach::All => each(run, 0, &mut one),
                    Reach::Exactly(range) => exactly(run, range, &mut one),
                    Reach::Spanning { first, last } => spanning(run, 0, first, last, &mut one),
                };
                if matches!(over, ControlFlow::Break(Found::Enough)) {
                    return Step::Break(());
                }
            }
            (rest, number) = (after, number + length);
        }
        Step::Continue(())
    }
}

fn hash_of(hasher: &DefaultHashBuilder, place: u32, who: u32) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(place) << 32 | u64::from(who));
    state.finish()
}

/// Notes in the middle of a run, and of each half of it, how far its ranges reach.
fn raise(run: &mut [Entry]) -> u16 {
    let middle = run.len() / 2;
    let (before, rest) = run.split_at_mut(middle);
    let Some((entry, after)) = rest.split_first_mut() else { return 0 };
    entry.top = entry.last.max(raise(before)).max(raise(after));
    entry.top
}

type Over = ControlFlow<Found>;

fn tell(at: usize, entry: &Entry, found: &mut impl FnMut(usize, &Entry) -> Found) -> Over {
    match found(at, entry) {
        Found::On => Over::Continue(()),
        over => Over::Break(over),
    }
}

fn each(run: &[Entry], base: usize, found: &mut impl FnMut(usize, &Entry) -> Found) -> Over {
    (base..).zip(run).try_for_each(|(at, entry)| tell(at, entry, found))
}

fn exactly(run: &[Entry], range: Range, found: &mut impl FnMut(usize, &Entry) -> Found) -> Over {
    let key = |entry: &Entry| (entry.first, entry.last, entry.single);
    let wanted = (range.first, range.last, range.single);
    let start = run.partition_point(|entry| key(entry) < wanted);
    let same = run.get(start..).unwrap_or_default();
    let same = same.iter().take_while(|entry| key(entry) == wanted);
    (start..).zip(same).try_for_each(|(at, entry)| tell(at, entry, found))
}

/// Finds the ranges of a run that begin at `first` or before and end at `last` or after. A run is
/// in the order of its beginnings, and each half knows how far its ranges reach.
fn spanning(
    run: &[Entry],
    base: usize,
    first: u16,
    last: u16,
    found: &mut impl FnMut(usize, &Entry) -> Found,
) -> Over {
    let middle = run.len() / 2;
    let (before, rest) = run.split_at_checked(middle).unwrap_or((run, &[]));
    let Some((entry, after)) = rest.split_first() else { return Over::Continue(()) };
    if entry.top < last {
        return Over::Continue(());
    }
    spanning(before, base, first, last, found)?;
    if entry.first > first {
        return Over::Continue(());
    }
    if entry.last >= last {
        tell(base + middle, entry, found)?;
    }
    spanning(after, base + middle + 1, first, last, found)
}
