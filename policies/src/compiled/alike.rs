//! Rules that are alike but for their paths: how it is found out whether one of them meets a set.
//!
//! They are one *kind*: they speak of the same who, on the same what, with the same conditions and
//! actions. Of a kind it is enough to find one rule that meets the question. So a question about a
//! set costs by the kinds that speak of whoever asks, and not by the rules.

use std::ops::ControlFlow;

use doorward_model::{Action, Path, Segment};
use smallvec::SmallVec;

use super::cells::{Cells, Entry, Found};
use super::layer::Asked;
use super::names::{Named, Names};
use super::run::Over;
use super::steps::{Step, Steps};
use super::tree::{Kind as Shape, Place, ROOT, Tree};
use super::walk::wild_from;
use crate::bundle::{Acts, Effect};
use crate::pattern::Range;

/// The rules of one effect, kind by kind.
#[derive(Debug)]
pub(super) struct Alike {
    /// By who, on what, conditions and actions.
    kinds: Vec<Kind>,
    /// Those of each kind, in the order of their places.
    runs: Vec<Run>,
    /// For rules that deny: only they are asked about sets with something behind a wildcard.
    names: Option<Names>,
}

#[derive(Debug)]
struct Kind {
    who: u32,
    on: u32,
    when: u32,
    acts: Acts,
    /// Where its runs begin.
    start: u32,
}

/// The rules of a kind that stand at one place, by their numbers.
#[derive(Clone, Debug)]
struct Run {
    place: u32,
    first: u32,
    end: u32,
}

/// So few runs are looked at one by one.
const FEW: usize = 8;

/// How many conditions are remembered of which another rule would say nothing new.
const KNOWN: usize = 32;

const ON: Over = Over::Continue(());

impl Alike {
    pub(super) fn of(tree: &Tree, cells: &Cells, effect: Effect) -> Self {
        let mut all: Vec<(u32, u32, u32, Acts, Run)> = Vec::new();
        for (place, who, on, rules) in cells.runs() {
            let Some(entry) = cells.entry(rules.start) else { continue };
            let run = Run { place, first: rules.start, end: rules.end };
            all.push((who, on, entry.when, entry.acts, run));
        }
        all.sort_unstable_by_key(|(who, on, when, acts, run)| {
            (*who, *on, *when, *acts, run.place, run.first)
        });
        let mut kinds: Vec<Kind> = Vec::new();
        let mut runs = Vec::with_capacity(all.len());
        for (start, (who, on, when, acts, run)) in (0..).zip(all) {
            let is_new = kinds.last().is_none_or(|kind| {
                (kind.who, kind.on, kind.when, kind.acts) != (who, on, when, acts)
            });
            if is_new {
                kinds.push(Kind { who, on, when, acts, start });
            }
            runs.push(run);
        }
        kinds.shrink_to_fit();
        let names = match effect {
            Effect::Deny => Some(Names::of(tree)),
            Effect::Allow => None,
        };
        Self { kinds, runs, names }
    }

    pub(super) fn bytes(&self) -> usize {
        self.kinds.capacity() * size_of::<Kind>()
            + self.runs.capacity() * size_of::<Run>()
            + self.names.as_ref().map_or(0, Names::bytes)
    }

    /// Finds the rules that reach some of `path`, which is wide: at least one of each kind that has
    /// one, and more only where `found` asks for more.
    pub(super) fn meeting(
        &self,
        (tree, cells): (&Tree, &Cells),
        path: &Path,
        (whos, ons, action): Asked<'_>,
        steps: &mut Steps,
        found: &mut impl FnMut(u32, &Entry) -> Found,
    ) -> Step {
        let (wild_from, known) = (wild_from(path, false), SmallVec::new());
        let mut search =
            Search { alike: self, tree, cells, path, wild_from, action, steps, known, found };
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
        Step::Continue(())
    }

    /// The first kind from `at` on that does not come before `wanted`. It is looked for near `at`
    /// first.
    fn next_kind(&self, at: usize, wanted: (u32, u32)) -> usize {
        let rest = self.kinds.get(at..).unwrap_or_default();
        let before = |kind: &Kind| (kind.who, kind.on) < wanted;
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
    alike: &'a Alike,
    tree: &'a Tree,
    cells: &'a Cells,
    path: &'a Path,
    /// From this segment on, `**` reaches all of it.
    wild_from: usize,
    action: Action,
    steps: &'a mut Steps,
    /// Conditions of which another rule would say nothing new.
    known: SmallVec<[u32; 8]>,
    found: &'a mut F,
}

impl<F: FnMut(u32, &Entry) -> Found> Search<'_, F> {
    fn kind(&mut self, kind: &Kind, runs: &[Run]) -> Step {
        if !kind.acts.include(self.action) || self.known.contains(&kind.when) {
            return self.steps.take();
        }
        match self.at(ROOT, 0, runs) {
            ControlFlow::Continue(()) | ControlFlow::Break(Found::On) => {}
            ControlFlow::Break(Found::Alike) if self.known.len() < KNOWN => {
                self.known.push(kind.when);
            }
            ControlFlow::Break(Found::Alike) => {}
            ControlFlow::Break(Found::Enough) => return Step::Break(()),
        }
        Step::Continue(())
    }

    /// Without steps that are left, the search is over.
    fn step(&mut self) -> Over {
        match self.steps.take() {
            ControlFlow::Continue(()) => ON,
            ControlFlow::Break(()) => Over::Break(Found::Enough),
        }
    }

    /// Looks at a run: the walk has only come near it.
    fn run(&mut self, run: &Run) -> Over {
        self.step()?;
        match self.tree.meets(run.place, self.path, self.wild_from) {
            Some(reach) => self.cells.search_run(run.first..run.end, reach, self.found),
            None => ON,
        }
    }

    fn each(&mut self, runs: &[Run]) -> Over {
        runs.iter().try_for_each(|run| self.run(run))
    }

    /// Looks at those of `runs` that stand at a place itself.
    fn only(&mut self, place: Option<u32>, runs: &[Run]) -> Over {
        match place.map(|place| within(runs, place, place + 1)) {
            Some([]) => self.step(),
            Some(here) => self.each(here),
            None => ON,
        }
    }

    /// Goes on at the place behind `number` by that segment.
    fn behind(
        &mut self,
        (number, past): (u32, usize),
        shape: Shape,
        text: &str,
        runs: &[Run],
    ) -> Over {
        let tree = self.tree;
        let here = tree.place(number).filter(|place| place.has(shape));
        let Some(next) = here.and_then(|_| tree.behind(number, shape, text)) else { return ON };
        let end = tree.place(next).map_or(next, |place| place.end);
        self.at(next, past + 1, within(runs, next, end))
    }

    /// Looks for what meets the question among `runs`, which stand at a place or behind it. The
    /// question has come past so many segments.
    fn at(&mut self, number: u32, past: usize, runs: &[Run]) -> Over {
        if runs.len() <= FEW {
            return self.each(runs);
        }
        self.step()?;
        let (tree, here) = (self.tree, (number, past));
        let Some(place) = tree.place(number) else { return ON };
        let kept = |shape, text: &str| {
            place.has(shape).then(|| tree.behind(number, shape, text)).flatten()
        };
        match self.path.segments().get(past) {
            None if self.path.is_open() => self.all(number, past, runs),
            None => {
                self.only(Some(number), runs)?;
                self.only(kept(Shape::Rest, ""), runs)
            }
            Some(Segment::Text(text)) => {
                self.only(kept(Shape::Rest, ""), runs)?;
                self.behind(here, Shape::Text, text, runs)?;
                if Range::read(text).is_some() {
                    self.behind(here, Shape::Range, text, runs)?;
                    self.only(kept(Shape::Numbers, ""), runs)?;
                }
                self.behind(here, Shape::One, "", runs)
            }
            Some(Segment::Any | Segment::Unit(0)) => self.any(here, place, runs),
            // Which of the ranges that lead on have these numbers, each has to say itself.
            Some(Segment::Unit(_) | Segment::Range(..)) if place.has(Shape::Range) => {
                self.each(runs)
            }
            Some(Segment::Unit(_) | Segment::Range(..)) => {
                self.only(kept(Shape::Rest, ""), runs)?;
                self.only(kept(Shape::Numbers, ""), runs)?;
                self.behind(here, Shape::One, "", runs)
            }
        }
    }

    /// The question ends here with `#`: everything meets it but what a wildcard does not.
    fn all(&mut self, number: u32, past: usize, mut runs: &[Run]) -> Over {
        if !self.path.is_topic_root(past) {
            return self.each(runs);
        }
        while let Some(run) = runs.first() {
            let next = self.tree.on_the_way(number, run.place);
            let (end, hidden) = match next.and_then(|next| self.tree.place(next)) {
                Some(place) => (place.end, self.tree.bytes_of(place).starts_with(b"$")),
                None => (number + 1, false),
            };
            let (here, after) = runs.split_at(runs.partition_point(|run| run.place < end));
            match hidden {
                true => self.step()?,
                false => self.each(here)?,
            }
            runs = after;
        }
        ON
    }

    /// The question has a wildcard here. What it says further on leads to few places, if it is a
    /// name that few have; else each run is looked at.
    fn any(&mut self, (number, past): (u32, usize), place: &Place, runs: &[Run]) -> Over {
        let Some(names) = &self.alike.names else { return self.each(runs) };
        let behind = number + 1..place.end;
        let mut best = (runs.len(), None);
        let mut open = 0;
        for at in past.. {
            self.step()?;
            // Patterns that end with `**` by then reach whatever the question says there.
            let count = |depth, named| names.behind(self.tree, &behind, depth, named).len();
            open += count(at + 1, Named::Segment(Shape::Rest, b""));
            let named = match self.path.segments().get(at) {
                None if self.path.is_open() => break,
                None => count(at, Named::End),
                // No pattern is as long as that.
                Some(_) if at >= names.deepest() => 0,
                Some(Segment::Text(text)) => {
                    let shapes = shapes(text).into_iter();
                    shapes.map(|(shape, text)| count(at + 1, Named::Segment(shape, text))).sum()
                }
                Some(_) => continue,
            };
            if open + named < best.0 {
                best = (open + named, Some(at));
            }
            if at >= names.deepest() || at >= self.path.segments().len() || open >= best.0 {
                break;
            }
        }
        match best.1 {
            Some(level) => self.by_name(names, (number, past), place, level, runs),
            None => self.each(runs),
        }
    }

    /// Looks at the places behind one that have the name that the question says at that level, and
    /// at patterns that end with `**` before it.
    fn by_name(
        &mut self,
        names: &Names,
        (number, past): (u32, usize),
        place: &Place,
        level: usize,
        runs: &[Run],
    ) -> Over {
        let (tree, behind) = (self.tree, number + 1..place.end);
        for depth in past + 1..=level + 1 {
            let open = Named::Segment(Shape::Rest, b"");
            for entry in names.behind(tree, &behind, depth, open) {
                self.only(names.place(entry), runs)?;
            }
        }
        let Some(segment) = self.path.segments().get(level) else {
            for entry in names.behind(tree, &behind, level, Named::End) {
                self.only(names.place(entry), runs)?;
            }
            return ON;
        };
        let Segment::Text(text) = segment else { return ON };
        for (shape, text) in shapes(text) {
            for entry in names.behind(tree, &behind, level + 1, Named::Segment(shape, text)) {
                let Some(next) = names.place(entry) else { continue };
                let end = tree.place(next).map_or(next, |place| place.end);
                let here = within(runs, next, end);
                // What stands there may be another's, or have other segments before it.
                let few = (1..=FEW).contains(&here.len());
                let fits = || tree.fits(next, number, level + 1, self.path);
                match few || !here.is_empty() && fits() {
                    true => self.at(next, level + 1, here)?,
                    false => self.step()?,
                }
            }
        }
        ON
    }
}

/// What a place may be that a text meets.
fn shapes(text: &str) -> SmallVec<[(Shape, &[u8]); 4]> {
    let mut all = SmallVec::new();
    all.push((Shape::Text, text.as_bytes()));
    all.push((Shape::One, &b""[..]));
    if Range::read(text).is_some() {
        all.push((Shape::Range, text.as_bytes()));
        all.push((Shape::Numbers, &b""[..]));
    }
    all
}

/// Those of `runs` that stand at places from `start` on, before `end`: mostly few.
fn within(runs: &[Run], start: u32, end: u32) -> &[Run] {
    let first = runs.partition_point(|run| run.place < start);
    let rest = runs.get(first..).unwrap_or_default();
    let before = |run: &Run| run.place < end;
    let mut most = 1;
    while rest.get(most - 1).is_some_and(before) {
        most *= 2;
    }
    let near = rest.get(..most).unwrap_or(rest);
    near.get(..near.partition_point(before)).unwrap_or_default()
}
