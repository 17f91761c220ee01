//! Which places of the tree a question reaches: one walk along its path, for all rules at once.

use doorward_model::{Action, Path, Segment};

use super::control::SearchFlow;
use super::node::{Node, NodeCells, NodeKind, ROOT};
use super::range_filter::RangeFilter;
use super::steps::Steps;
use super::tree::Tree;
use crate::pattern::NumberRange;

impl Tree {
    /// Goes to every place whose patterns reach *all* of the set that `path` names: what allow
    /// rules need. See [`Pattern::covers`].
    pub(crate) fn covering(
        &self,
        path: &Path,
        action: Action,
        steps: &mut Steps,
        go: &mut impl FnMut(NodeCells, RangeFilter, &mut Steps) -> SearchFlow,
    ) -> SearchFlow {
        Walk::new(self, (path, action), true, steps, go).visit(ROOT, 0)
    }

    /// Goes to every place whose patterns reach *any* of the set that `path` names: what deny
    /// rules need. See [`Pattern::overlaps`].
    pub(crate) fn overlapping(
        &self,
        path: &Path,
        action: Action,
        steps: &mut Steps,
        go: &mut impl FnMut(NodeCells, RangeFilter, &mut Steps) -> SearchFlow,
    ) -> SearchFlow {
        Walk::new(self, (path, action), false, steps, go).visit(ROOT, 0)
    }
}

/// A walk along a question's path: at each place, to every place behind it that reaches the
/// question's next segment.
struct Walk<'a, G> {
    tree: &'a Tree,
    path: &'a Path,
    action: Action,
    covers: bool,
    /// From this segment on, `**` reaches all of the question's.
    wild_from: usize,
    steps: &'a mut Steps,
    go: &'a mut G,
}

/// A place, by its number, on the way of a walk that has come past so many segments.
#[derive(Clone, Copy)]
struct Position<'a> {
    number: u32,
    node: &'a Node,
    past: usize,
}

const ON: SearchFlow = SearchFlow::Continue(());

impl<'a, G: FnMut(NodeCells, RangeFilter, &mut Steps) -> SearchFlow> Walk<'a, G> {
    fn new(
        tree: &'a Tree,
        (path, action): (&'a Path, Action),
        covers: bool,
        steps: &'a mut Steps,
        go: &'a mut G,
    ) -> Self {
        let wild_from = wild_from(path, covers);
        Self { tree, path, action, covers, wild_from, steps, go }
    }

    /// Goes to the rules of a place, if any may speak of the action.
    fn go(&mut self, node: u32, filter: RangeFilter) -> SearchFlow {
        let Some(found) = self.tree.node(node) else { return ON };
        let end = self.tree.node(node + 1).map_or(u32::MAX, |next| next.cells);
        if found.cells == end || !found.acts.include(self.action) {
            return ON;
        }
        (self.go)(NodeCells { node, first: found.cells, end }, filter, self.steps)
    }

    fn visit(&mut self, number: u32, past: usize) -> SearchFlow {
        let Some(node) = self.tree.node(number) else { return ON };
        if !node.acts.include(self.action) {
            return ON;
        }
        self.steps.take()?;
        let here = Position { number, node, past };
        self.rest(here)?;
        let Some(segment) = self.path.segments().get(past) else { return self.end(here) };
        match segment {
            Segment::Text(text) => self.text(here, text),
            Segment::Any if self.covers => self.child(here, NodeKind::One, ""),
            Segment::Any => self.any(here),
            // Unit 0 reaches every unit: an allow rule must name it, and every deny rule meets it.
            Segment::Unit(0) if self.covers => {
                self.child(here, NodeKind::Range, "0")?;
                self.numbers(here, RangeFilter::Exactly(NumberRange::ZERO))
            }
            Segment::Unit(0) => self.every(here, |_| true),
            Segment::Unit(unit) => {
                self.child(here, NodeKind::One, "")?;
                self.spanning_ranges(here, (*unit).into(), (*unit).into())
            }
            Segment::Range(first, last) => {
                self.child(here, NodeKind::One, "")?;
                if self.covers || first == last {
                    self.spanning_ranges(here, *first, *last)
                } else {
                    self.overlapping_ranges(here, *first, *last)
                }
            }
        }
    }

    /// The question's last segment lies child.
    fn end(&mut self, here: Position<'a>) -> SearchFlow {
        if !self.path.is_open() {
            return self.go(here.number, RangeFilter::All);
        }
        if self.covers {
            return ON;
        }
        // What is open ends here, or goes on with any level that a wildcard may meet.
        self.go(here.number, RangeFilter::All)?;
        self.any(here)
    }

    /// Patterns that end with `**` here, if that reaches all further segments.
    fn rest(&mut self, here: Position<'a>) -> SearchFlow {
        if !here.node.has_child(NodeKind::Rest) || here.past < self.wild_from {
            return ON;
        }
        match self.tree.child(here.number, NodeKind::Rest, "") {
            Some(rest) => self.go(rest, RangeFilter::All),
            None => ON,
        }
    }

    fn child(&mut self, here: Position<'a>, kind: NodeKind, text: &str) -> SearchFlow {
        if !here.node.has_child(kind) {
            return ON;
        }
        match self.tree.child(here.number, kind, text) {
            Some(next) => self.visit(next, here.past + 1),
            None => ON,
        }
    }

    fn text(&mut self, here: Position<'a>, text: &str) -> SearchFlow {
        self.child(here, NodeKind::Text, text)?;
        if (here.node.has_child(NodeKind::Range) || here.node.has_child(NodeKind::RangeSet))
            && let Some(range) = NumberRange::read(text)
        {
            self.child(here, NodeKind::Range, text)?;
            self.numbers(here, RangeFilter::Exactly(range))?;
        }
        // A wildcard does not meet a topic's first level that begins with $.
        if self.path.is_topic_root(here.past) && text.starts_with('$') {
            return ON;
        }
        self.child(here, NodeKind::One, "")
    }

    /// Ranges that have all numbers from `first` to `last`.
    fn spanning_ranges(&mut self, here: Position<'a>, first: u32, last: u32) -> SearchFlow {
        if here.node.has_child(NodeKind::Range) {
            if first == last {
                with_digits(first, |text| self.child(here, NodeKind::Range, text))?;
            }
            for (next, child) in self.tree.children(here.number) {
                let Some(range) = child.range.filter(|range| !range.single) else { break };
                self.steps.take()?;
                if range.first <= first && last <= range.last {
                    self.visit(next, here.past + 1)?;
                }
            }
        }
        self.numbers(here, RangeFilter::Spanning { first, last })
    }

    /// Ranges that have some number from `first` to `last`.
    fn overlapping_ranges(&mut self, here: Position<'a>, first: u32, last: u32) -> SearchFlow {
        if here.node.has_child(NodeKind::Range) {
            for (next, child) in self.tree.children(here.number) {
                let Some(range) = child.range else { break };
                self.steps.take()?;
                if range.first <= last && first <= range.last {
                    self.visit(next, here.past + 1)?;
                }
            }
        }
        self.numbers(here, RangeFilter::overlapping(first, last))
    }

    /// Patterns whose last segment is a range, here.
    fn numbers(&mut self, here: Position<'a>, filter: RangeFilter) -> SearchFlow {
        let (ends, length) = (here.past + 1, self.path.segments().len());
        let may_end = match self.path.is_open() {
            false => ends == length,
            true => !self.covers && ends >= length,
        };
        if !here.node.has_child(NodeKind::RangeSet) || !may_end {
            return ON;
        }
        match self.tree.child(here.number, NodeKind::RangeSet, "") {
            Some(numbers) => self.go(numbers, filter),
            None => ON,
        }
    }

    /// Every level that a wildcard of the question may meet.
    fn any(&mut self, here: Position<'a>) -> SearchFlow {
        let root = self.path.is_topic_root(here.past);
        self.every(here, |text| !(root && text.starts_with(b"$")))
    }

    /// Every place end, as far as its text may be met.
    fn every(&mut self, here: Position<'a>, meets: impl Fn(&[u8]) -> bool) -> SearchFlow {
        let tree = self.tree;
        for (next, child) in tree.children(here.number) {
            self.steps.take()?;
            match child.kind {
                // It has been asked for already.
                NodeKind::Rest => {}
                NodeKind::RangeSet => self.numbers(here, RangeFilter::All)?,
                NodeKind::One => self.visit(next, here.past + 1)?,
                NodeKind::Text | NodeKind::Range if meets(tree.bytes_of(child)) => {
                    self.visit(next, here.past + 1)?;
                }
                NodeKind::Text | NodeKind::Range => {}
            }
        }
        ON
    }
}

/// The segment from which on `**` reaches all of a path, or, unless it is to cover it, some.
pub(super) fn wild_from(path: &Path, covers: bool) -> usize {
    let is_reached = |(at, segment): &(usize, &Segment)| match segment {
        Segment::Text(text) => !(path.is_topic_root(*at) && text.starts_with('$')),
        Segment::Unit(unit) => !covers || *unit != 0,
        Segment::Any | Segment::Range(..) => true,
    };
    let mut segments = path.segments().iter().enumerate().rev();
    segments.find(|one| !is_reached(one)).map_or(0, |(at, _)| at + 1)
}

/// A number's decimal digits, without a String for them.
fn with_digits(number: u32, go: impl FnOnce(&str) -> SearchFlow) -> SearchFlow {
    // u32::MAX has 10 digits.
    let mut digits = [0; 10];
    let (mut rest, mut start) = (number, digits.len());
    while let Some(digit) = start.checked_sub(1).and_then(|before| digits.get_mut(before)) {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        (rest, start) = (rest / 10, start - 1);
        if rest == 0 {
            break;
        }
    }
    let text = digits.get(start..).and_then(|digits| std::str::from_utf8(digits).ok());
    go(text.unwrap_or_default())
}
