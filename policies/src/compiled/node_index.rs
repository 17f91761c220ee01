//! An index of the nodes of a tree by their last segment and depth.

use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;

use super::node::{NodeKind, ROOT};
use super::tree::Tree;

/// Finds nodes by their last segment, whatever segments lead to them.
///
/// Entries are sorted by name and then by node, so the entries of one subtree are next to each
/// other.
#[derive(Debug)]
pub(super) struct NodeIndex {
    entries: Vec<NodeEntry>,
    /// How many segments lead to the deepest node.
    deepest: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NodeEntry {
    /// A hash of the node's last segment and depth. Other names can have the same hash, so a caller
    /// checks the nodes that it finds.
    name: u32,
    node: u32,
}

/// What a node is looked up by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeName<'a> {
    /// Its last segment: its kind, and its text if it is text.
    Segment(NodeKind, &'a [u8]),
    /// That a pattern ends there.
    End,
}

impl NodeIndex {
    pub(super) fn of(tree: &Tree) -> Self {
        let (mut entries, mut deepest) = (Vec::new(), 0);
        let mut depths: Vec<u8> = Vec::with_capacity(tree.count() as usize);
        for number in 0..tree.count() {
            let Some(node) = tree.node(number) else { break };
            // A parent has a smaller number than its children.
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

    /// Returns the entries of the nodes in `subtree` that have that depth and name.
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

    /// Returns the node of an entry.
    pub(super) fn node(&self, entry: usize) -> Option<u32> {
        self.entries.get(entry).map(|entry| entry.node)
    }

    /// Returns how many segments lead to the deepest node.
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
    // Both halves of a hash are equally good.
    u32::try_from(state.finish() >> 32).unwrap_or_default()
}
