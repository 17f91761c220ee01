//! A run: the rules of one node, who and what that have the same conditions and actions.
//!
//! One matching rule of a run is enough. Where the last segment is a range, the run is sorted by
//! the beginnings of the ranges, and the middle of each half stores the largest end in that half:
//! an interval tree without pointers.

use super::control::{RunFlow, SearchControl};
use super::entry::RuleEntry;
use super::range_filter::RangeFilter;
use crate::pattern::NumberRange;

/// Finds the rules of a run that `filter` selects, by their index in the run.
pub(super) fn search(
    run: &[RuleEntry],
    filter: RangeFilter,
    found: &mut impl FnMut(usize, &RuleEntry) -> SearchControl,
) -> RunFlow {
    match filter {
        RangeFilter::All => each(run, 0, found),
        RangeFilter::Exactly(range) => exactly(run, range, found),
        RangeFilter::Spanning { first, last } => spanning(run, 0, first, last, found),
    }
}

/// Stores the largest end of each half in its middle, and returns the largest end of the run.
pub(super) fn fill_max_last(run: &mut [RuleEntry]) -> u32 {
    let middle = run.len() / 2;
    let (before, rest) = run.split_at_mut(middle);
    let Some((entry, after)) = rest.split_first_mut() else { return 0 };
    entry.max_last = entry.range().last.max(fill_max_last(before)).max(fill_max_last(after));
    entry.max_last
}

fn tell(
    at: usize,
    entry: &RuleEntry,
    found: &mut impl FnMut(usize, &RuleEntry) -> SearchControl,
) -> RunFlow {
    match found(at, entry) {
        SearchControl::Next => RunFlow::Continue(()),
        over @ (SearchControl::SkipAlike | SearchControl::Stop) => RunFlow::Break(over),
    }
}

fn each(
    run: &[RuleEntry],
    base: usize,
    found: &mut impl FnMut(usize, &RuleEntry) -> SearchControl,
) -> RunFlow {
    (base..).zip(run).try_for_each(|(at, entry)| tell(at, entry, found))
}

fn exactly(
    run: &[RuleEntry],
    range: NumberRange,
    found: &mut impl FnMut(usize, &RuleEntry) -> SearchControl,
) -> RunFlow {
    let start = run.partition_point(|entry| entry.range() < range);
    let same = run.get(start..).unwrap_or_default();
    let same = same.iter().take_while(|entry| entry.range() == range);
    (start..).zip(same).try_for_each(|(at, entry)| tell(at, entry, found))
}

/// Finds the ranges that begin at `first` or before, and end at `last` or after.
fn spanning(
    run: &[RuleEntry],
    base: usize,
    first: u32,
    last: u32,
    found: &mut impl FnMut(usize, &RuleEntry) -> SearchControl,
) -> RunFlow {
    let middle = run.len() / 2;
    let (before, rest) = run.split_at_checked(middle).unwrap_or((run, &[]));
    let Some((entry, after)) = rest.split_first() else { return RunFlow::Continue(()) };
    if entry.max_last < last {
        return RunFlow::Continue(());
    }
    spanning(before, base, first, last, found)?;
    let range = entry.range();
    if range.first > first {
        return RunFlow::Continue(());
    }
    if range.last >= last {
        tell(base + middle, entry, found)?;
    }
    spanning(after, base + middle + 1, first, last, found)
}
