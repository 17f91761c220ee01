//! A node of the tree of path segments.

use super::packed_range::PackedRange;
use crate::pattern::NumberRange;
use crate::rule::Acts;

/// A node of the tree: the last segment of the patterns that lead to it, and its links.
#[derive(Debug)]
pub(super) struct Node {
    /// The number of its parent; the root is its own.
    pub(super) parent: u32,
    /// The first number after its subtree, once the tree is in order.
    pub(super) end: u32,
    /// The number of its first cell. The cells of the next node begin where its own end.
    pub(super) cells: u32,
    /// All actions of the rules in its subtree, its own rules included.
    pub(super) acts: Acts,
    pub(super) text: NodeText,
    /// The range of a node of the kind [`NodeKind::Range`].
    packed: PackedRange,
    pub(super) kind: NodeKind,
    /// The kinds of its children, a bit each.
    pub(super) child_kinds: u8,
}

const _: () = assert!(size_of::<Node>() == 40, "each byte counts once or twice for every rule");

/// The text of a node. To find a node is to compare its text, so short texts, which most are, are
/// kept in the node itself.
#[derive(Debug)]
pub(super) enum NodeText {
    /// The text itself.
    Short { length: u8, bytes: [u8; SHORT] },
    /// Where the text stands among the long texts of the tree.
    Long { at: u32, length: u16 },
}

/// The most bytes of a short text.
pub(super) const SHORT: usize = 13;

/// What the last segment of a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum NodeKind {
    /// Literal text.
    Text = 1,
    /// Literal text that is a range where a number is expected.
    Range = 2,
    /// `*`
    One = 4,
    /// `**`
    Rest = 8,
    /// A last segment that is a range where a number is expected. Each rule of the node keeps its
    /// own range, since the ranges of one node can be searched, and a node for each range could
    /// only be tried.
    RangeSet = 16,
}

/// The number of the root.
pub(super) const ROOT: u32 = 0;

impl Node {
    pub(super) fn new(
        parent: u32,
        kind: NodeKind,
        text: NodeText,
        range: Option<NumberRange>,
    ) -> Self {
        let packed = PackedRange::of(range.unwrap_or(NumberRange::ZERO));
        Self { parent, end: 0, cells: 0, acts: Acts::NONE, text, packed, kind, child_kinds: 0 }
    }

    /// Returns the range that the node's text is where a number is expected.
    pub(super) fn range(&self) -> Option<NumberRange> {
        match self.kind {
            NodeKind::Range => Some(self.packed.range()),
            NodeKind::Text | NodeKind::One | NodeKind::Rest | NodeKind::RangeSet => None,
        }
    }

    /// Returns whether a child of that kind exists.
    pub(super) fn has_child(&self, kind: NodeKind) -> bool {
        self.child_kinds & kind as u8 != 0
    }
}

impl NodeText {
    /// Returns the bytes of the text. `long` holds the long texts of the tree.
    pub(super) fn read<'a>(&'a self, long: &'a str) -> &'a [u8] {
        let found = match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)),
            Self::Long { at, length } => {
                let start = *at as usize;
                long.as_bytes().get(start..start + usize::from(*length))
            }
        };
        found.unwrap_or_default()
    }
}

/// A node that a question reaches, with the numbers of its cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeCells {
    pub(crate) node: u32,
    /// The first cell.
    pub(crate) first: u32,
    /// The first cell after those of the node.
    pub(crate) end: u32,
}
