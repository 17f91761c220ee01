//! Finds the nodes that a question reaches, in one walk along its path.

use doorward_model::{Action, Path, Segment};

use super::control::SearchFlow;
use super::node::{Node, NodeCells, NodeKind, ROOT};
use super::range_filter::RangeFilter;
use super::steps::Steps;
use super::tree::Tree;
use crate::pattern::NumberRange;

impl Tree {
    /// Visits every node whose patterns reach *all* of the set that `path` names: what allow rules
    /// must. See [`Pattern::covers`].
    pub(crate) fn covering(
        &self,
        path: &Path,
        action: Action,
        steps: &mut Steps,
        go: &mut impl FnMut(NodeCells, RangeFilter, &mut Steps) -> SearchFlow,
    ) -> SearchFlow {
        Walk::new(self, (path, action), true, steps, go).visit(ROOT, 0)
    }

    /// Visits every node whose patterns reach *some* of the set that `path` names: enough for deny
    /// rules. See [`Pattern::overlaps`].
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

/// A walk along a question's path. At each node it visits every child that reaches the question's
/// next segment.
struct Walk<'a, G> {
    tree: &'a Tree,
    path: &'a Path,
    action: Action,
    covers: bool,
    /// From this segment on, `**` reaches every segment of the path.
    wild_from: usize,
    steps: &'a mut Steps,
    go: &'a mut G,
}

/// A node on the walk. `past` segments of the question lead to it.
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

    /// Calls `go` with the cells of a node, if one of its rules may speak of the action.
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
            Segment::Text(text) => {
                self.text(here, text)?;
                // A wildcard does not match a first level of a topic that begins with $.
                if self.path.is_topic_root(past) && text.starts_with('$') {
                    return ON;
                }
                self.child(here, NodeKind::One, "")
            }
            Segment::OneOf(_) if self.covers => self.child(here, NodeKind::One, ""),
            Segment::OneOf(texts) => {
                for text in texts.iter() {
                    self.steps.take()?;
                    self.text(here, text)?;
                }
                self.child(here, NodeKind::One, "")
            }
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

    /// Handles the end of the question's segments.
    fn end(&mut self, here: Position<'a>) -> SearchFlow {
        if !self.path.is_open() {
            return self.go(here.number, RangeFilter::All);
        }
        if self.covers {
            return ON;
        }
        // An open question ends here, or goes on with any level that a wildcard matches.
        self.go(here.number, RangeFilter::All)?;
        self.any(here)
    }

    /// Visits the patterns that end with `**` here, if `**` reaches all further segments.
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

    /// Visits the children with that text.
    fn text(&mut self, here: Position<'a>, text: &str) -> SearchFlow {
        self.child(here, NodeKind::Text, text)?;
        if self.path.is_in_any_case(here.past) && here.node.has_child(NodeKind::Text) {
            let tree = self.tree;
            for next in tree.capitals(here.number, text) {
                self.visit(next, here.past + 1)?;
            }
        }
        if (here.node.has_child(NodeKind::Range) || here.node.has_child(NodeKind::RangeSet))
            && let Some(range) = NumberRange::read(text)
        {
            self.child(here, NodeKind::Range, text)?;
            self.numbers(here, RangeFilter::Exactly(range))?;
        }
        ON
    }

    /// Visits the ranges that contain all numbers from `first` to `last`.
    fn spanning_ranges(&mut self, here: Position<'a>, first: u32, last: u32) -> SearchFlow {
        if here.node.has_child(NodeKind::Range) {
            if first == last {
                with_digits(first, |text| self.child(here, NodeKind::Range, text))?;
            }
            for (next, child) in self.tree.children(here.number) {
                let Some(range) = child.range().filter(|range| !range.single) else { break };
                self.steps.take()?;
                if range.first <= first && last <= range.last {
                    self.visit(next, here.past + 1)?;
                }
            }
        }
        self.numbers(here, RangeFilter::Spanning { first, last })
    }

    /// Visits the ranges that contain a number from `first` to `last`.
    fn overlapping_ranges(&mut self, here: Position<'a>, first: u32, last: u32) -> SearchFlow {
        if here.node.has_child(NodeKind::Range) {
            for (next, child) in self.tree.children(here.number) {
                let Some(range) = child.range() else { break };
                self.steps.take()?;
                if range.first <= last && first <= range.last {
                    self.visit(next, here.past + 1)?;
                }
            }
        }
        self.numbers(here, RangeFilter::overlapping(first, last))
    }

    /// Visits the patterns whose last segment is a range, here.
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

    /// Visits every child that a wildcard of the question matches.
    fn any(&mut self, here: Position<'a>) -> SearchFlow {
        let root = self.path.is_topic_root(here.past);
        self.every(here, |text| !(root && text.starts_with(b"$")))
    }

    /// Visits every child whose text `meets` accepts.
    fn every(&mut self, here: Position<'a>, meets: impl Fn(&[u8]) -> bool) -> SearchFlow {
        let tree = self.tree;
        for (next, child) in tree.children(here.number) {
            self.steps.take()?;
            match child.kind {
                // [`Self::visit`] has visited it already.
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

/// Returns the first segment from which on `**` reaches every segment of a path; for a deny rule,
/// some of each is enough.
pub(super) fn wild_from(path: &Path, covers: bool) -> usize {
    let is_reached = |(at, segment): &(usize, &Segment)| match segment {
        Segment::Text(text) => !(path.is_topic_root(*at) && text.starts_with('$')),
        Segment::Unit(unit) => !covers || *unit != 0,
        Segment::Any | Segment::Range(..) | Segment::OneOf(_) => true,
    };
    let mut segments = path.segments().iter().enumerate().rev();
    segments.find(|one| !is_reached(one)).map_or(0, |(at, _)| at + 1)
}

/// Calls `go` with a number's decimal digits, without allocating.
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
