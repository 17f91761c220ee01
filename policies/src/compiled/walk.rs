//! Which places of the tree a question reaches: one walk along its path, for all rules at once.

use doorward_model::{Action, Path, Segment};

use super::steps::{Step, Steps};
use super::tree::{Kind, Place, ROOT, Reach, Tree};
use crate::pattern::Range;

impl Tree {
    /// Goes to every place whose patterns reach *all* of the set that `path` names: what allow
    /// rules need. See [`Pattern::covers`].
    pub(crate) fn covering(
        &self,
        path: &Path,
        action: Action,
        steps: &mut Steps,
        go: &mut impl FnMut(Spot, Reach, &mut Steps) -> Step,
    ) -> Step {
        Walk::new(self, (path, action), true, steps, go).at(ROOT, 0)
    }

    /// Goes to every place whose patterns reach *any* of the set that `path` names: what deny
    /// rules need. See [`Pattern::overlaps`].
    pub(crate) fn meeting(
        &self,
        path: &Path,
        action: Action,
        steps: &mut Steps,
        go: &mut impl FnMut(Spot, Reach, &mut Steps) -> Step,
    ) -> Step {
        Walk::new(self, (path, action), false, steps, go).at(ROOT, 0)
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
struct Here<'a> {
    number: u32,
    place: &'a Place,
    past: usize,
}

const ON: Step = Step::Continue(());

/// A place that a question reaches: its number, and its cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) place: u32,
    pub(crate) first: u32,
    pub(crate) behind: u32,
}

impl<'a, G: FnMut(Spot, Reach, &mut Steps) -> Step> Walk<'a, G> {
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
    fn go(&mut self, place: u32, reach: Reach) -> Step {
        let Some(found) = self.tree.place(place) else { return ON };
        let behind = self.tree.place(place + 1).map_or(u32::MAX, |next| next.cells);
        if found.cells == behind || !found.acts.include(self.action) {
            return ON;
        }
        (self.go)(Spot { place, first: found.cells, behind }, reach, self.steps)
    }

    fn at(&mut self, number: u32, past: usize) -> Step {
        let Some(place) = self.tree.place(number) else { return ON };
        if !place.acts.include(self.action) {
            return ON;
        }
        self.steps.take()?;
        let here = Here { number, place, past };
        self.rest(here)?;
        let Some(segment) = self.path.segments().get(past) else { return self.end(here) };
        match segment {
            Segment::Text(text) => self.text(here, text),
            Segment::Any if self.covers => self.behind(here, Kind::One, ""),
            Segment::Any => self.any(here),
            // Unit 0 reaches every unit: an allow rule must name it, and every deny rule meets it.
            Segment::Unit(0) if self.covers => {
                self.behind(here, Kind::Range, "0")?;
                self.numbers(here, Reach::Exactly(Range::ZERO))
            }
            Segment::Unit(0) => self.every(here, |_| true),
            Segment::Unit(unit) => {
                self.behind(here, Kind::One, "")?;
                self.spanning(here, u16::from(*unit), u16::from(*unit))
            }
            Segment::Range(first, last) => {
                self.behind(here, Kind::One, "")?;
                if self.covers || first == last {
                    self.spanning(here, *first, *last)
                } else {
                    self.overlapping(here, *first, *last)
                }
            }
        }
    }

    /// The question's last segment lies behind.
    fn end(&mut self, here: Here<'a>) -> Step {
        if !self.path.is_open() {
            return self.go(here.number, Reach::All);
        }
        if self.covers {
            return ON;
        }
        // What is open ends here, or goes on with any level that a wildcard may meet.
        self.go(here.number, Reach::All)?;
        self.any(here)
    }

    /// Patterns that end with `**` here, if that reaches all further segments.
    fn rest(&mut self, here: Here<'a>) -> Step {
        if !here.place.has(Kind::Rest) || here.past < self.wild_from {
            return ON;
        }
        match self.tree.behind(here.number, Kind::Rest, "") {
            Some(rest) => self.go(rest, Reach::All),
            None => ON,
        }
    }

    fn behind(&mut self, here: Here<'a>, kind: Kind, text: &str) -> Step {
        if !here.place.has(kind) {
            return ON;
        }
        match self.tree.behind(here.number, kind, text) {
            Some(next) => self.at(next, here.past + 1),
            None => ON,
        }
    }

    fn text(&mut self, here: Here<'a>, text: &str) -> Step {
        self.behind(here, Kind::Text, text)?;
        if (here.place.has(Kind::Range) || here.place.has(Kind::Numbers))
            && let Some(range) = Range::read(text)
        {
            self.behind(here, Kind::Range, text)?;
            self.numbers(here, Reach::Exactly(range))?;
        }
        // A wildcard does not meet a topic's first level that begins with $.
        if self.path.is_topic_root(here.past) && text.starts_with('$') {
            return ON;
        }
        self.behind(here, Kind::One, "")
    }

    /// Ranges that have all numbers from `first` to `last`.
    fn spanning(&mut self, here: Here<'a>, first: u16, last: u16) -> Step {
        if here.place.has(Kind::Range) {
            if first == last {
                with_digits(first, |text| self.behind(here, Kind::Range, text))?;
            }
            for (next, behind) in self.tree.all_behind(here.number) {
                let Some(range) = behind.range.filter(|range| !range.single) else { break };
                self.steps.take()?;
                if range.first <= first && last <= range.last {
                    self.at(next, here.past + 1)?;
                }
            }
        }
        self.numbers(here, Reach::Spanning { first, last })
    }

    /// Ranges that have some number from `first` to `last`.
    fn overlapping(&mut self, here: Here<'a>, first: u16, last: u16) -> Step {
        if here.place.has(Kind::Range) {
            for (next, behind) in self.tree.all_behind(here.number) {
                let Some(range) = behind.range else { break };
                self.steps.take()?;
                if range.first <= last && first <= range.last {
                    self.at(next, here.past + 1)?;
                }
            }
        }
        self.numbers(here, Reach::overlapping(first, last))
    }

    /// Patterns whose last segment is a range, here.
    fn numbers(&mut self, here: Here<'a>, reach: Reach) -> Step {
        let (ends, length) = (here.past + 1, self.path.segments().len());
        let may_end = match self.path.is_open() {
            false => ends == length,
            true => !self.covers && ends >= length,
        };
        if !here.place.has(Kind::Numbers) || !may_end {
            return ON;
        }
        match self.tree.behind(here.number, Kind::Numbers, "") {
            Some(numbers) => self.go(numbers, reach),
            None => ON,
        }
    }

    /// Every level that a wildcard of the question may meet.
    fn any(&mut self, here: Here<'a>) -> Step {
        let root = self.path.is_topic_root(here.past);
        self.every(here, |text| !(root && text.starts_with(b"$")))
    }

    /// Every place behind, as far as its text may be met.
    fn every(&mut self, here: Here<'a>, meets: impl Fn(&[u8]) -> bool) -> Step {
        let tree = self.tree;
        for (next, behind) in tree.all_behind(here.number) {
            self.steps.take()?;
            match behind.kind {
                // It has been asked for already.
                Kind::Rest => {}
                Kind::Numbers => self.numbers(here, Reach::All)?,
                Kind::One => self.at(next, here.past + 1)?,
                Kind::Text | Kind::Range if meets(tree.bytes_of(behind)) => {
                    self.at(next, here.past + 1)?;
                }
                Kind::Text | Kind::Range => {}
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
fn with_digits(number: u16, go: impl FnOnce(&str) -> Step) -> Step {
    let mut digits = [0; 5];
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
