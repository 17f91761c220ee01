//! A run: rules of one place, who and what, with the same conditions and actions.
//!
//! Only one of them matters. Where the last segment is a range, a run is kept in the order of its
//! beginnings, and each half of it knows how far its ranges reach: an interval tree without
//! pointers.

use std::ops::ControlFlow;

use super::cells::{Entry, Found};
use super::tree::Reach;
use crate::pattern::Range;

/// What becomes of a search within a run: on, or not.
pub(super) type Over = ControlFlow<Found>;

/// Finds the rules of a run that `reach` means, by where they stand in it.
pub(super) fn search(
    run: &[Entry],
    reach: Reach,
    found: &mut impl FnMut(usize, &Entry) -> Found,
) -> Over {
    match reach {
        Reach::All => each(run, 0, found),
        Reach::Exactly(range) => exactly(run, range, found),
        Reach::Spanning { first, last } => spanning(run, 0, first, last, found),
    }
}

/// Notes in the middle of a run, and of each half of it, how far its ranges reach.
pub(super) fn raise(run: &mut [Entry]) -> u16 {
    let middle = run.len() / 2;
    let (before, rest) = run.split_at_mut(middle);
    let Some((entry, after)) = rest.split_first_mut() else { return 0 };
    entry.top = entry.last.max(raise(before)).max(raise(after));
    entry.top
}

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
