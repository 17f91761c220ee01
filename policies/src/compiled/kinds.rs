//! Finds whether one of many similar rules meets a set.
//!
//! A *kind* is all rules of the same who, what, conditions and actions; they differ in their paths
//! alone. One rule of a kind that meets the question is enough. So a question about a set costs by
//! the number of kinds that speak of the subject, and not by the number of rules.

use std::ops::ControlFlow;

use doorward_model::{Action, Path, Segment};
use smallvec::SmallVec;

use super::cells::Cells;
use super::control::{RunFlow, SearchControl, SearchFlow};
use super::entry::RuleEntry;
use super::ids::RuleQuery;
use super::node::{Node, NodeKind, ROOT};
use super::node_index::{NodeIndex, NodeName};
use super::steps::Steps;
use super::tree::Tree;
use super::walk::wild_from;
use crate::pattern::NumberRange;
use crate::rule::{Acts, Effect};

/// The rules of one effect, kind by kind.
#[derive(Debug)]
pub(super) struct RuleKinds {
    /// The kinds, sorted by who, what, conditions and actions.
    kinds: Vec<RuleKind>,
    /// The runs of each kind, in the order of their nodes.
    runs: Vec<Run>,
    /// An index of the nodes, for rules that deny: only these are searched for sets with a segment
    /// after a wildcard.
    names: Option<NodeIndex>,
}

#[derive(Debug)]
struct RuleKind {
    who: u32,
    on: u32,
    when: u32,
    acts: Acts,
    /// The number of its first run.
    start: u32,
}

/// The rules of a kind at one node, by their numbers.
#[derive(Clone, Debug)]
struct Run {
    node: u32,
    first: u32,
    end: u32,
}

/// The most runs that a search checks one by one.
const FEW: usize = 8;

/// The most conditions that a search remembers as settled.
const SETTLED: usize = 32;

const ON: RunFlow = RunFlow::Continue(());

impl RuleKinds {
    pub(super) fn of(tree: &Tree, cells: &Cells, effect: Effect) -> Self {
        let mut all: Vec<(u32, u32, u32, Acts, Run)> = Vec::new();
        for (node, who, on, rules) in cells.runs() {
            let Some(entry) = cells.entry(rules.start) else { continue };
            let run = Run { node, first: rules.start, end: rules.end };
            all.push((who, on, entry.when, entry.acts, run));
        }
        all.sort_unstable_by_key(|(who, on, when, acts, run)| {
            (*who, *on, *when, *acts, run.node, run.first)
        });
        let mut kinds: Vec<RuleKind> = Vec::new();
        let mut runs = Vec::with_capacity(all.len());
        for (start, (who, on, when, acts, run)) in (0..).zip(all) {
            let is_new = kinds.last().is_none_or(|kind| {
                (kind.who, kind.on, kind.when, kind.acts) != (who, on, when, acts)
            });
            if is_new {
                kinds.push(RuleKind { who, on, when, acts, start });
            }
            runs.push(run);
        }
        kinds.shrink_to_fit();
        let names = match effect {
            Effect::Deny => Some(NodeIndex::of(tree)),
            Effect::Allow => None,
        };
        Self { kinds, runs, names }
    }

    pub(super) fn bytes(&self) -> usize {
        self.kinds.capacity() * size_of::<RuleKind>()
            + self.runs.capacity() * size_of::<Run>()
            + self.names.as_ref().map_or(0, NodeIndex::bytes)
    }

    /// Finds the rules that meet `path`, which is wide: at least one of each kind that has one, and
    /// further ones only if `found` asks for them.
    pub(super) fn find(
        &self,
        (tree, cells): (&Tree, &Cells),
        path: &Path,
        (whos, ons, action): RuleQuery<'_>,
        steps: &mut Steps,
        found: &mut impl FnMut(u32, &RuleEntry) -> SearchControl,
    ) -> SearchFlow {
        let (wild_from, settled) = (wild_from(path, false), SmallVec::new());
        let mut search =
            Search { kinds: self, tree, cells, path, wild_from, action, steps, settled, found };
        for who in whos.iter().filter(|who| cells.speak_of(*who)) {
            let mut at = self.kinds.partition_point(|kind| kind.who < who);
            while let Some(kind) = self.kinds.get(at).filter(|kind| kind.who == who) {
                match ons.next_from(kind.on) {
                    Some(on) if on == kind.on => {
                        search.kind(kind, self.runs_of(at))?;
                        at += 1;
                    }
                    Some(on) => at = self.next_kind(at, (who, on)),
                    None => break,
                }
            }
        }
        SearchFlow::Continue(())
    }

    /// Returns the first kind from `at` on that does not come before `wanted`. It looks near `at`
    /// first.
    fn next_kind(&self, at: usize, wanted: (u32, u32)) -> usize {
        let rest = self.kinds.get(at..).unwrap_or_default();
        let before = |kind: &RuleKind| (kind.who, kind.on) < wanted;
        let mut step = 1;
        while rest.get(step - 1).is_some_and(before) {
            step *= 2;
        }
        let (begin, end) = (step / 2, step.min(rest.len()));
        at + begin + rest.get(begin..end).unwrap_or_default().partition_point(before)
    }

    fn runs_of(&self, kind: usize) -> &[Run] {
        let start = |kind: usize| self.kinds.get(kind).map(|kind| kind.start as usize);
        let end = start(kind + 1).unwrap_or(self.runs.len());
        self.runs.get(start(kind).unwrap_or(end)..end).unwrap_or_default()
    }
}

/// A search for the rules that meet one question.
struct Search<'a, F> {
    kinds: &'a RuleKinds,
    tree: &'a Tree,
    cells: &'a Cells,
    path: &'a Path,
    /// From this segment on, `**` reaches every segment of the path.
    wild_from: usize,
    action: Action,
    steps: &'a mut Steps,
    /// Conditions for which a rule was found: a further rule with them says nothing new.
    settled: SmallVec<[u32; 8]>,
    found: &'a mut F,
}

impl<F: FnMut(u32, &RuleEntry) -> SearchControl> Search<'_, F> {
    fn kind(&mut self, kind: &RuleKind, runs: &[Run]) -> SearchFlow {
        if !kind.acts.include(self.action) || self.settled.contains(&kind.when) {
            return self.steps.take();
        }
        match self.visit(ROOT, 0, runs) {
            ControlFlow::Continue(()) | ControlFlow::Break(SearchControl::Next) => {}
            ControlFlow::Break(SearchControl::SkipAlike) if self.settled.len() < SETTLED => {
                self.settled.push(kind.when);
            }
            ControlFlow::Break(SearchControl::SkipAlike) => {}
            ControlFlow::Break(SearchControl::Stop) => return SearchFlow::Break(()),
        }
        SearchFlow::Continue(())
    }

    /// Takes a step. Without steps that are left, the search is over.
    fn take_step(&mut self) -> RunFlow {
        match self.steps.take() {
            ControlFlow::Continue(()) => ON,
            ControlFlow::Break(()) => RunFlow::Break(SearchControl::Stop),
        }
    }

    /// Checks whether the rules of a run meet the question. The walk has only narrowed them down.
    fn check(&mut self, run: &Run) -> RunFlow {
        self.take_step()?;
        match self.tree.meets(run.node, self.path, self.wild_from) {
            Some(filter) => self.cells.search_run(run.first..run.end, filter, self.found),
            None => ON,
        }
    }

    fn check_all(&mut self, runs: &[Run]) -> RunFlow {
        runs.iter().try_for_each(|run| self.check(run))
    }

    /// Checks those of `runs` that are at the node itself.
    fn check_node(&mut self, node: Option<u32>, runs: &[Run]) -> RunFlow {
        match node.map(|node| within(runs, node, node + 1)) {
            Some([]) => self.take_step(),
            Some(here) => self.check_all(here),
            None => ON,
        }
    }

    /// Visits the child of `number` with that segment.
    fn child(
        &mut self,
        (number, past): (u32, usize),
        node_kind: NodeKind,
        text: &str,
        runs: &[Run],
    ) -> RunFlow {
        let tree = self.tree;
        let here = tree.node(number).filter(|node| node.has_child(node_kind));
        let Some(next) = here.and_then(|_| tree.child(number, node_kind, text)) else { return ON };
        let end = tree.node(next).map_or(next, |node| node.end);
        self.visit(next, past + 1, within(runs, next, end))
    }

    /// Searches `runs`, which are at a node or in its subtree. `past` segments of the question lead
    /// to the node.
    fn visit(&mut self, number: u32, past: usize, runs: &[Run]) -> RunFlow {
        if runs.len() <= FEW {
            return self.check_all(runs);
        }
        self.take_step()?;
        let (tree, here) = (self.tree, (number, past));
        let Some(node) = tree.node(number) else { return ON };
        let kept = |node_kind, text: &str| {
            node.has_child(node_kind).then(|| tree.child(number, node_kind, text)).flatten()
        };
        match self.path.segments().get(past) {
            None if self.path.is_open() => self.all(number, past, runs),
            None => {
                self.check_node(Some(number), runs)?;
                self.check_node(kept(NodeKind::Rest, ""), runs)
            }
            // No wide path has readings; the search would find their rules all the same.
            Some(Segment::OneOf(_)) => self.check_all(runs),
            Some(Segment::Text(_)) if self.path.is_in_any_case(past) => self.check_all(runs),
            Some(Segment::Text(text)) => {
                self.check_node(kept(NodeKind::Rest, ""), runs)?;
                self.child(here, NodeKind::Text, text, runs)?;
                if NumberRange::read(text).is_some() {
                    self.child(here, NodeKind::Range, text, runs)?;
                    self.check_node(kept(NodeKind::RangeSet, ""), runs)?;
                }
                self.child(here, NodeKind::One, "", runs)
            }
            Some(Segment::Any | Segment::Unit(0)) => self.any(here, node, runs),
            // Several ranges may contain these numbers, and only the rules know them.
            Some(Segment::Unit(_) | Segment::Range(..)) if node.has_child(NodeKind::Range) => {
                self.check_all(runs)
            }
            Some(Segment::Unit(_) | Segment::Range(..)) => {
                self.check_node(kept(NodeKind::Rest, ""), runs)?;
                self.check_node(kept(NodeKind::RangeSet, ""), runs)?;
                self.child(here, NodeKind::One, "", runs)
            }
        }
    }

    /// Handles a question that ends here with `#`. Everything in the subtree meets it, except what
    /// a wildcard does not match.
    fn all(&mut self, number: u32, past: usize, mut runs: &[Run]) -> RunFlow {
        if !self.path.is_topic_root(past) {
            return self.check_all(runs);
        }
        while let Some(run) = runs.first() {
            let next = self.tree.child_towards(number, run.node);
            let (end, hidden) = match next.and_then(|next| self.tree.node(next)) {
                Some(node) => (node.end, self.tree.bytes_of(node).starts_with(b"$")),
                None => (number + 1, false),
            };
            let (here, after) = runs.split_at(runs.partition_point(|run| run.node < end));
            match hidden {
                true => self.take_step()?,
                false => self.check_all(here)?,
            }
            runs = after;
        }
        ON
    }

    /// Handles a wildcard of the question. If a later segment of the question has a name that few
    /// nodes have, the search goes to these; otherwise it checks each run.
    fn any(&mut self, (number, past): (u32, usize), node: &Node, runs: &[Run]) -> RunFlow {
        let Some(names) = &self.kinds.names else { return self.check_all(runs) };
        let below = number + 1..node.end;
        let mut best = (runs.len(), None);
        let mut open = 0;
        for at in past.. {
            self.take_step()?;
            // Patterns that end with `**` before that segment meet whatever it is.
            let count = |depth, named| names.descendants(self.tree, &below, depth, named).len();
            open += count(at + 1, NodeName::Segment(NodeKind::Rest, b""));
            let named = match self.path.segments().get(at) {
                None if self.path.is_open() => break,
                None => count(at, NodeName::End),
                Some(Segment::Text(text)) => {
                    // No pattern is longer than the deepest.
                    let fits = at < names.deepest();
                    let node_kinds = fits.then(|| node_kinds(text)).into_iter().flatten();
                    node_kinds
                        .map(|(node_kind, text)| count(at + 1, NodeName::Segment(node_kind, text)))
                        .sum()
                }
                Some(Segment::Unit(_) | Segment::Range(..) | Segment::Any | Segment::OneOf(_)) => {
                    if at < names.deepest() {
                        continue;
                    }
                    0
                }
            };
            if open + named < best.0 {
                best = (open + named, Some(at));
            }
            if at >= names.deepest() || at >= self.path.segments().len() || open >= best.0 {
                break;
            }
        }
        match best.1 {
            Some(level) => self.by_name(names, (number, past), node, level, runs),
            None => self.check_all(runs),
        }
    }

    /// Checks the nodes of the subtree that have the name of the question's segment at `level`, and
    /// the patterns that end with `**` before it.
    fn by_name(
        &mut self,
        names: &NodeIndex,
        (number, past): (u32, usize),
        node: &Node,
        level: usize,
        runs: &[Run],
    ) -> RunFlow {
        let (tree, below) = (self.tree, number + 1..node.end);
        for depth in past + 1..=level + 1 {
            let open = NodeName::Segment(NodeKind::Rest, b"");
            for entry in names.descendants(tree, &below, depth, open) {
                self.check_node(names.node(entry), runs)?;
            }
        }
        let Some(segment) = self.path.segments().get(level) else {
            for entry in names.descendants(tree, &below, level, NodeName::End) {
                self.check_node(names.node(entry), runs)?;
            }
            return ON;
        };
        let Segment::Text(text) = segment else { return ON };
        for (node_kind, text) in node_kinds(text) {
            for entry in
                names.descendants(tree, &below, level + 1, NodeName::Segment(node_kind, text))
            {
                let Some(next) = names.node(entry) else { continue };
                let end = tree.node(next).map_or(next, |node| node.end);
                let here = within(runs, next, end);
                // Another name can have the same hash, and the segments before may differ.
                let few = (1..=FEW).contains(&here.len());
                let fits = || tree.fits(next, number, level + 1, self.path);
                match few || !here.is_empty() && fits() {
                    true => self.visit(next, level + 1, here)?,
                    false => self.take_step()?,
                }
            }
        }
        ON
    }
}

/// Returns the nodes that a text can meet.
fn node_kinds(text: &str) -> SmallVec<[(NodeKind, &[u8]); 4]> {
    let mut all = SmallVec::new();
    all.push((NodeKind::Text, text.as_bytes()));
    all.push((NodeKind::One, &b""[..]));
    if NumberRange::read(text).is_some() {
        all.push((NodeKind::Range, text.as_bytes()));
        all.push((NodeKind::RangeSet, &b""[..]));
    }
    all
}

/// Returns those of `runs` at the nodes from `start` to before `end`. Mostly they are few.
fn within(runs: &[Run], start: u32, end: u32) -> &[Run] {
    let first = runs.partition_point(|run| run.node < start);
    let rest = runs.get(first..).unwrap_or_default();
    let before = |run: &Run| run.node < end;
    let mut most = 1;
    while rest.get(most - 1).is_some_and(before) {
        most *= 2;
    }
    let near = rest.get(..most).unwrap_or(rest);
    near.get(..near.partition_point(before)).unwrap_or_default()
}
