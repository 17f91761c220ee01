//! The order of the nodes of a tree.

use super::node::{Node, ROOT};

/// Returns the size of each node's subtree. Parents were made before their children.
pub(super) fn subtree_sizes(nodes: &[Node]) -> Vec<u32> {
    let mut sizes = vec![1_u32; nodes.len()];
    for (number, node) in nodes.iter().enumerate().skip(1).rev() {
        let size = sizes.get(number).copied().unwrap_or(1);
        if let Some(above) = sizes.get_mut(node.parent as usize) {
            *above += size;
        }
    }
    sizes
}

/// Returns the final number of each node, given the sizes of the subtrees.
pub(super) fn node_numbers(nodes: &[Node], sizes: &[u32]) -> Vec<u32> {
    // Ranges of several numbers come first, then ranges of one number, then the rest.
    let class = |node: &Node| match node.range() {
        Some(range) => usize::from(range.single),
        None => 2,
    };
    let of_class = |next: &mut Vec<[u32; 3]>, node: &Node, size: u32| {
        let next = next.get_mut(node.parent as usize)?.get_mut(class(node))?;
        Some(std::mem::replace(next, *next + size))
    };
    // First the sizes of the children's subtrees by class, then the next free number of each class.
    let mut next = vec![[0_u32; 3]; nodes.len()];
    for (node, size) in nodes.iter().zip(sizes).skip(1) {
        of_class(&mut next, node, *size);
    }
    let mut numbers = Vec::with_capacity(nodes.len());
    for (at, (node, size)) in nodes.iter().zip(sizes).enumerate() {
        let number = match at {
            0 => ROOT,
            _ => of_class(&mut next, node, *size).unwrap_or(ROOT),
        };
        numbers.push(number);
        if let Some(next) = next.get_mut(at) {
            let [several, single, _] = *next;
            *next = [number + 1, number + 1 + several, number + 1 + several + single];
        }
    }
    numbers
}
