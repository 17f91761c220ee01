//! The places of a tree by what their last segment is and how deep they are, wherever they hang.

use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;

use super::node::{NodeKind, ROOT};
use super::tree::Tree;

/// Where the places are of which a segment is known, but not what stands before it.
///
/// Entries are in the order of their names, and then of their places; so those behind one place
/// are next to each other.
#[derive(Debug)]
pub(super) struct NodeIndex {
    entries: Vec<NodeEntry>,
    /// How many segments lead to the deepest place.
    deepest: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NodeEntry {
    /// A hash of what the place is and how deep. Others may share it, so whoever finds a place
    /// still has to look at it.
    name: u32,
    node: u32,
}

/// What a place is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeName<'a> {
    /// Its last segment is of that kind, and has that text if it is a text.
    Segment(NodeKind, &'a [u8]),
    /// A pattern ends there.
    End,
}

impl NodeIndex {
    pub(super) fn of(tree: &Tree) -> Self {
        let (mut entries, mut deepest) = (Vec::new(), 0);
        let mut depths: Vec<u8> = Vec::with_capacity(tree.count() as usize);
        for number in 0..tree.count() {
            let Some(node) = tree.node(number) else { break };
            // What a place hangs on has a smaller number.
            let above = depths.get(node.parent as usize).copied().unwrap_or(0);
            let depth = if number == ROOT { 0 } else { above.saturating_add(1) };
            depths.push(depth);
            deepest = deepest.max(usize::from(depth));
            if number == ROOT {
                continue;
            }
            let mut enter = |named| {
                entries.push(NodeEntry { name: name(tree, depth.into(), named), node: number });
            };
            enter(NodeName::Segment(node.kind, tree.bytes_of(node)));
            let end = tree.node(number + 1).map_or(u32::MAX, |next| next.cells);
            if node.kind != NodeKind::Rest && node.cells != end {
                enter(NodeName::End);
            }
        }
        entries.sort_unstable();
        entries.shrink_to_fit();
        Self { entries, deepest }
    }

    /// The places behind a place that are so many segments deep, and what they are.
    pub(super) fn descendants(
        &self,
        tree: &Tree,
        subtree: &Range<u32>,
        depth: usize,
        named: NodeName<'_>,
    ) -> Range<usize> {
        if depth > self.deepest {
            return 0..0;
        }
        let name = name(tree, depth, named);
        let before =
            |node: u32| self.entries.partition_point(|entry| *entry < NodeEntry { name, node });
        before(subtree.start)..before(subtree.end)
    }

    /// The place of an entry.
    pub(super) fn node(&self, entry: usize) -> Option<u32> {
        self.entries.get(entry).map(|entry| entry.node)
    }

    /// How many segments lead to the deepest place.
    pub(super) fn deepest(&self) -> usize {
        self.deepest
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<NodeEntry>()
    }
}

fn name(tree: &Tree, depth: usize, named: NodeName<'_>) -> u32 {
    let mut state = tree.hasher.build_hasher();
    match named {
        NodeName::Segment(kind, text) => {
            state.write_usize(depth << 8 | kind as usize);
            state.write(text);
        }
        NodeName::End => state.write_usize(depth << 8),
    }
    // The upper half of a hash is as good as the lower.
    u32::try_from(state.finish() >> 32).unwrap_or_default()
}
