//! The paths of many rules as one tree of segments.

use std::hash::{BuildHasher as _, Hasher as _};

use doorward_model::{Path, Segment};
use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::SmallVec;

use super::cells::Cells;
use super::node::{Node, NodeKind, NodeText, ROOT, SHORT};
use super::order::{node_numbers, subtree_sizes};
use super::range_filter::RangeFilter;
use crate::pattern::{
    NumberRange, Pattern, PatternError, PatternPiece, PatternReader, PatternSegment,
};

/// A tree of path segments. Each pattern ends at a node.
///
/// When all patterns are inserted, [`Tree::put_in_order`] numbers the nodes depth-first. After
/// that, the nodes of a subtree are one range of numbers.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// The texts that are too long for their nodes.
    long: String,
    /// From a parent and a segment to the child.
    edges: HashTable<u32>,
    /// From a parent and a text in lower case to the children with that text and with capitals.
    capitals: HashTable<u32>,
    pub(super) hasher: DefaultHashBuilder,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let text = NodeText::Short { length: 0, bytes: [0; SHORT] };
        Self {
            nodes: vec![Node::new(ROOT, NodeKind::Text, text, None)],
            long: String::new(),
            edges: HashTable::new(),
            capitals: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Returns how many nodes there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    /// Inserts a pattern. Returns the node where it ends and, if the node is a range set, the range
    /// of its last segment.
    pub(crate) fn insert(
        &mut self,
        pattern: &str,
    ) -> Result<(u32, Option<NumberRange>), PatternError> {
        let mut pieces = PatternReader::of(pattern)?;
        let open = pieces.open;
        let mut node = ROOT;
        let mut next = pieces.next().transpose()?;
        while let Some(piece) = next {
            next = pieces.next().transpose()?;
            node = match piece {
                PatternPiece::One => self.child_or_new(node, NodeKind::One, "", None),
                PatternPiece::Text { range: Some(range), .. } if next.is_none() && !open => {
                    return Ok((
                        self.child_or_new(node, NodeKind::RangeSet, "", None),
                        Some(range),
                    ));
                }
                PatternPiece::Text { text, range: Some(range) } => {
                    self.child_or_new(node, NodeKind::Range, &text, Some(range))
                }
                PatternPiece::Text { text, range: None } => {
                    self.child_or_new(node, NodeKind::Text, &text, None)
                }
            };
        }
        if open {
            node = self.child_or_new(node, NodeKind::Rest, "", None);
        }
        Ok((node, None))
    }

    /// Returns the pattern that ends at a node. `last` is the range of its last segment, if the
    /// node is a range set.
    pub(crate) fn pattern(&self, node: u32, last: NumberRange) -> Pattern {
        let (segments, open) = self.segments(node, last);
        let piece = |segment: PatternSegment<'_>| match segment {
            PatternSegment::One => PatternPiece::One,
            PatternSegment::Text { text, range } => {
                PatternPiece::Text { text: text.to_owned().into(), range }
            }
            PatternSegment::Range(range) => {
                PatternPiece::Text { text: range.to_string().into(), range: Some(range) }
            }
        };
        Pattern::of(segments.into_iter().map(piece), open)
    }

    /// Returns which rules of a node meet the set that `path` names, or `None` if none does. See
    /// [`Pattern::overlaps`]. From the segment `wild_from` on, `**` reaches every segment of the
    /// path.
    pub(super) fn meets(&self, number: u32, path: &Path, wild_from: usize) -> Option<RangeFilter> {
        let node = self.node(number)?;
        let open = node.kind == NodeKind::Rest;
        let last = if open { node.parent } else { number };
        let (length, asked) = (self.depth(last), path.segments());
        let long_enough = length == asked.len()
            || open && length < asked.len() && length >= wild_from
            || path.is_open() && length > asked.len();
        if !long_enough || !self.fits(last, ROOT, length, path) {
            return None;
        }
        let numbers = (node.kind == NodeKind::RangeSet).then(|| length.checked_sub(1)).flatten();
        match numbers.and_then(|last| asked.get(last)) {
            None | Some(Segment::Any | Segment::Unit(0)) => Some(RangeFilter::All),
            Some(Segment::Text(text)) => NumberRange::read(text).map(RangeFilter::Exactly),
            // At most one of a segment's readings is a number.
            Some(Segment::OneOf(texts)) => {
                texts.iter().find_map(|text| NumberRange::read(text)).map(RangeFilter::Exactly)
            }
            Some(Segment::Unit(unit)) => {
                Some(RangeFilter::overlapping((*unit).into(), (*unit).into()))
            }
            Some(Segment::Range(first, last)) => Some(RangeFilter::overlapping(*first, *last)),
        }
    }

    /// Returns how many segments lead to a node.
    fn depth(&self, mut number: u32) -> usize {
        let mut depth = 0;
        while let Some(node) = self.node(number).filter(|_| number != ROOT) {
            (number, depth) = (node.parent, depth + 1);
        }
        depth
    }

    /// Returns whether a node and its ancestors, up to `before`, meet the segments of `path` at
    /// their depths. `depth` is how many segments lead to the node.
    pub(super) fn fits(&self, mut number: u32, before: u32, depth: usize, path: &Path) -> bool {
        let mut at = depth;
        while number != before {
            let (Some(node), Some(index)) = (self.node(number), at.checked_sub(1)) else {
                return false;
            };
            let shown = match node.kind {
                NodeKind::One | NodeKind::Rest | NodeKind::RangeSet => PatternSegment::One,
                NodeKind::Text | NodeKind::Range => {
                    PatternSegment::Text { text: self.text_of(node), range: node.range() }
                }
            };
            if !shown.overlaps(path, index) {
                return false;
            }
            (number, at) = (node.parent, index);
        }
        true
    }

    /// Returns the segments of the pattern that ends at a node, and whether it ends with `**`.
    fn segments(
        &self,
        mut node: u32,
        last: NumberRange,
    ) -> (SmallVec<[PatternSegment<'_>; 16]>, bool) {
        let mut segments = SmallVec::new();
        let mut open = false;
        while node != ROOT {
            let Some(found) = self.node(node) else { break };
            match found.kind {
                NodeKind::Rest => open = true,
                NodeKind::One => segments.push(PatternSegment::One),
                NodeKind::RangeSet => segments.push(PatternSegment::Range(last)),
                NodeKind::Text | NodeKind::Range => {
                    segments.push(PatternSegment::Text {
                        text: self.text_of(found),
                        range: found.range(),
                    });
                }
            }
            node = found.parent;
        }
        segments.reverse();
        (segments, open)
    }

    fn child_or_new(
        &mut self,
        parent: u32,
        kind: NodeKind,
        text: &str,
        range: Option<NumberRange>,
    ) -> u32 {
        if let Some(found) = self.child(parent, kind, text) {
            return found;
        }
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let kept = self.store_text(text);
        self.nodes.push(Node::new(parent, kind, kept, range));
        if let Some(above) = self.nodes.get_mut(parent as usize) {
            above.child_kinds |= kind as u8;
        }
        let hash = hash_of(&self.hasher, parent, kind, text.as_bytes());
        let Self { edges, nodes, long, hasher, .. } = self;
        edges.insert_unique(hash, number, |number| {
            nodes
                .get(*number as usize)
                .map_or(0, |node| hash_of(hasher, node.parent, node.kind, node.text.read(long)))
        });
        number
    }

    fn store_text(&mut self, text: &str) -> NodeText {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(kept), Ok(length)) => {
                kept.copy_from_slice(text.as_bytes());
                NodeText::Short { length, bytes }
            }
            _ => {
                let at = u32::try_from(self.long.len()).unwrap_or(u32::MAX);
                let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
                self.long.push_str(text);
                NodeText::Long { at, length }
            }
        }
    }

    /// Numbers the nodes depth-first, when all patterns are inserted. Ranges come first among
    /// siblings, those of one number last among them. Returns the new number of each node by its
    /// former one.
    pub(crate) fn put_in_order(&mut self) -> Vec<u32> {
        let former = std::mem::take(&mut self.nodes);
        let sizes = subtree_sizes(&former);
        let numbers = node_numbers(&former, &sizes);
        let mut nodes: Vec<Option<Node>> = Vec::new();
        nodes.resize_with(former.len(), || None);
        for ((mut node, size), number) in former.into_iter().zip(&sizes).zip(&numbers) {
            node.parent = numbers.get(node.parent as usize).copied().unwrap_or(ROOT);
            node.end = number + size;
            if let Some(slot) = nodes.get_mut(*number as usize) {
                *slot = Some(node);
            }
        }
        self.nodes = nodes.into_iter().flatten().collect();
        self.long.shrink_to_fit();
        self.build_edges();
        numbers
    }

    /// Builds the edges for the present numbers of the nodes.
    fn build_edges(&mut self) {
        let Self { nodes, long, edges, hasher, .. } = self;
        let hash = |node: &Node| hash_of(hasher, node.parent, node.kind, node.text.read(long));
        let mut made = HashTable::with_capacity(nodes.len());
        for (number, node) in (1..).zip(nodes.iter().skip(1)) {
            made.insert_unique(hash(node), number, |number: &u32| {
                nodes.get(*number as usize).map_or(0, hash)
            });
        }
        *edges = made;
        self.build_capitals();
    }

    /// Finds the nodes with capitals for the present numbers of the nodes.
    fn build_capitals(&mut self) {
        let Self { nodes, long, capitals, hasher, .. } = self;
        let in_lower_case = |node: &Node| {
            let text = node.text.read(long).to_ascii_lowercase();
            hash_of(hasher, node.parent, node.kind, &text)
        };
        let mut made = HashTable::new();
        for (number, node) in (0..).zip(&*nodes) {
            if node.text.read(long).iter().any(u8::is_ascii_uppercase) {
                made.insert_unique(in_lower_case(node), number, |number: &u32| {
                    nodes.get(*number as usize).map_or(0, in_lower_case)
                });
            }
        }
        *capitals = made;
    }

    /// Completes an ordered tree: stores the first cell of each node, and the actions of its
    /// subtree.
    pub(crate) fn complete(&mut self, cells: &Cells) {
        let mut nodes = cells.nodes().peekable();
        let mut end = cells.count();
        for (number, node) in (0..self.nodes.len()).zip(&mut self.nodes).rev() {
            if let Some((_, first, acts)) = nodes.next_if(|one| one.0 as usize == number) {
                (end, node.acts) = (first, acts);
            }
            node.cells = end;
        }
        // A parent has a smaller number than its children.
        for number in (1..self.nodes.len()).rev() {
            let Some((parent, acts)) = self.nodes.get(number).map(|one| (one.parent, one.acts))
            else {
                continue;
            };
            if let Some(above) = self.nodes.get_mut(parent as usize) {
                above.acts = above.acts.and(acts);
            }
        }
    }

    /// Returns how many bytes of memory the tree takes.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.long.capacity()
            + self.edges.allocation_size()
            + self.capitals.allocation_size()
    }

    pub(super) fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)
    }

    pub(super) fn bytes_of<'a>(&'a self, node: &'a Node) -> &'a [u8] {
        node.text.read(&self.long)
    }

    fn text_of<'a>(&'a self, node: &'a Node) -> &'a str {
        std::str::from_utf8(self.bytes_of(node)).unwrap_or_default()
    }

    /// Returns the child of `parent` with that segment.
    pub(super) fn child(&self, parent: u32, kind: NodeKind, text: &str) -> Option<u32> {
        let is = |number: &u32| {
            self.node(*number).is_some_and(|node| {
                node.parent == parent && node.kind == kind && self.bytes_of(node) == text.as_bytes()
            })
        };
        self.edges.find(hash_of(&self.hasher, parent, kind, text.as_bytes()), is).copied()
    }

    /// Yields the children of `parent` with that text, which is in lower case, and with capitals.
    pub(super) fn capitals<'a>(
        &'a self,
        parent: u32,
        text: &'a str,
    ) -> impl Iterator<Item = u32> + 'a {
        let hash = (!self.capitals.is_empty())
            .then(|| hash_of(&self.hasher, parent, NodeKind::Text, text.as_bytes()));
        let is = move |number: &u32| {
            self.node(*number).is_some_and(|node| {
                node.parent == parent && self.bytes_of(node).eq_ignore_ascii_case(text.as_bytes())
            })
        };
        hash.into_iter().flat_map(|hash| self.capitals.iter_hash(hash)).copied().filter(is)
    }

    /// Returns the child of `parent` whose subtree contains `number`; `None` if `number` is not in
    /// the subtree of `parent`.
    pub(super) fn child_towards(&self, parent: u32, mut number: u32) -> Option<u32> {
        while number > parent {
            let node = self.node(number)?;
            if node.parent == parent {
                return Some(number);
            }
            number = node.parent;
        }
        None
    }

    /// Yields the children of `parent`, ranges first.
    pub(super) fn children(&self, parent: u32) -> impl Iterator<Item = (u32, &Node)> {
        let end = self.node(parent).map_or(0, |node| node.end);
        let mut next = parent + 1;
        std::iter::from_fn(move || {
            let number = (next < end).then_some(next)?;
            let node = self.node(number)?;
            next = node.end;
            Some((number, node))
        })
    }
}

fn hash_of(hasher: &DefaultHashBuilder, parent: u32, kind: NodeKind, text: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(parent) << 8 | u64::from(kind as u8));
    state.write(text);
    state.finish()
}
