//! The paths of many rules as one tree of segments, and which places of it a question reaches.

use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::ControlFlow;

use doorward_model::{Action, Path, Segment};
use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::SmallVec;

use super::cells::Cells;
use crate::bundle::Acts;
use crate::pattern::{Pattern, PatternError, Piece, Pieces, Range, Shown, overlap};

/// A tree of path segments. Each pattern ends at a place of it.
#[derive(Debug)]
pub(crate) struct Tree {
    places: Vec<Place>,
    /// The texts of places that are too long to stand there.
    long: String,
    /// From a place and a segment to the place behind it.
    edges: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The places behind each place: ranges first, those of one number last among them.
    behind: Vec<u32>,
}

/// A place in the tree: what its last segment is, and where it hangs.
#[derive(Debug)]
struct Place {
    parent: u32,
    /// Where the places behind it begin in `behind`.
    behind: u32,
    /// Where its cells begin.
    cells: u32,
    /// All actions that the rules at it and behind it speak of.
    acts: Acts,
    text: Text,
    range: Option<Range>,
    kind: Kind,
    /// Which kinds of places are behind it, a bit each.
    has: u8,
}

/// The text of a place. Most are short, and to find a place is to look at its text: those stand in
/// the place itself.
#[derive(Debug)]
enum Text {
    Short { length: u8, bytes: [u8; SHORT] },
    Long { at: u32, length: u16 },
}

const SHORT: usize = 13;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// Literal text.
    Text = 1,
    /// Literal text that is a range where a number is expected.
    Range = 2,
    /// `*`
    One = 4,
    /// `**`
    Rest = 8,
    /// Any last segment that is a range where a number is expected: which one it is stands with
    /// each rule. Many ranges in one place can be searched; a place for each could only be tried.
    Numbers = 16,
}

/// Which rules of a place are meant, by the range of their last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All; there is no such range.
    All,
    /// Those that begin at `first` or before, and end at `last` or after.
    Spanning {
        /// At most here they begin.
        first: u16,
        /// At least here they end.
        last: u16,
    },
    /// Those that are written just so.
    Exactly(Range),
}

const ROOT: u32 = 0;

impl Place {
    fn new(parent: u32, kind: Kind, text: Text, range: Option<Range>) -> Self {
        Self { parent, behind: 0, cells: 0, acts: Acts::NONE, text, range, kind, has: 0 }
    }
}

impl Tree {
    pub(crate) fn new() -> Self {
        let text = Text::Short { length: 0, bytes: [0; SHORT] };
        Self {
            places: vec![Place::new(ROOT, Kind::Text, text, None)],
            long: String::new(),
            edges: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            behind: vec![],
        }
    }

    /// How many places there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// The place where a pattern ends, which is made if it is new, and the range of its last
    /// segment where that stands with the rule.
    pub(crate) fn enter(&mut self, pattern: &str) -> Result<(u32, Option<Range>), PatternError> {
        let mut pieces = Pieces::of(pattern)?;
        let open = pieces.open;
        let mut place = ROOT;
        let mut next = pieces.next().transpose()?;
        while let Some(piece) = next {
            next = pieces.next().transpose()?;
            place = match piece {
                Piece::One => self.step(place, Kind::One, "", None),
                Piece::Text { range: Some(range), .. } if next.is_none() && !open => {
                    return Ok((self.step(place, Kind::Numbers, "", None), Some(range)));
                }
                Piece::Text { text, range: Some(range) } => {
                    self.step(place, Kind::Range, &text, Some(range))
                }
                Piece::Text { text, range: None } => self.step(place, Kind::Text, &text, None),
            };
        }
        if open {
            place = self.step(place, Kind::Rest, "", None);
        }
        Ok((place, None))
    }

    /// The pattern that ends at a place, with its last segment where that stands with the rule.
    pub(crate) fn pattern(&self, place: u32, last: Range) -> Pattern {
        let (segments, open) = self.segments(place, last);
        let piece = |segment: Shown<'_>| match segment {
            Shown::One => Piece::One,
            Shown::Text { text, range } => Piece::Text { text: text.to_owned().into(), range },
            Shown::Range(range) => {
                Piece::Text { text: range.to_string().into(), range: Some(range) }
            }
        };
        Pattern::of(segments.into_iter().map(piece), open)
    }

    /// Whether the pattern that ends at a place reaches any path of the set that `path` names. See
    /// [`Pattern::overlaps`].
    pub(crate) fn meets(&self, place: u32, last: Range, path: &Path) -> bool {
        let (segments, open) = self.segments(place, last);
        overlap(segments.len(), open, |at| segments.get(at).copied(), path)
    }

    /// The segments of the pattern that ends at a place, and whether more may follow.
    fn segments(&self, mut place: u32, last: Range) -> (SmallVec<[Shown<'_>; 16]>, bool) {
        let mut segments = SmallVec::new();
        let mut open = false;
        while place != ROOT {
            let Some(found) = self.place(place) else { break };
            match found.kind {
                Kind::Rest => open = true,
                Kind::One => segments.push(Shown::One),
                Kind::Numbers => segments.push(Shown::Range(last)),
                Kind::Text | Kind::Range => {
                    segments.push(Shown::Text { text: self.text_of(found), range: found.range });
                }
            }
            place = found.parent;
        }
        segments.reverse();
        (segments, open)
    }

    fn step(&mut self, parent: u32, kind: Kind, text: &str, range: Option<Range>) -> u32 {
        if let Some(found) = self.behind(parent, kind, text) {
            return found;
        }
        let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let kept = self.keep(text);
        self.places.push(Place::new(parent, kind, kept, range));
        if let Some(above) = self.places.get_mut(parent as usize) {
            above.has |= kind as u8;
        }
        let hash = hash_of(&self.hasher, parent, kind, text.as_bytes());
        let Self { edges, places, long, hasher, .. } = self;
        edges.insert_unique(hash, number, |number| {
            places
                .get(*number as usize)
                .map_or(0, |place| hash_of(hasher, place.parent, place.kind, place.text.read(long)))
        });
        number
    }

    fn keep(&mut self, text: &str) -> Text {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(kept), Ok(length)) => {
                kept.copy_from_slice(text.as_bytes());
                Text::Short { length, bytes }
            }
            _ => {
                let at = u32::try_from(self.long.len()).unwrap_or(u32::MAX);
                let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
                self.long.push_str(text);
                Text::Long { at, length }
            }
        }
    }

    /// Completes the tree, to which nothing is entered afterwards: notes the cells of each place,
    /// and the actions of each and of all behind it.
    pub(crate) fn complete(&mut self, cells: &Cells) {
        let mut places = cells.places().peekable();
        let mut behind = cells.count();
        for (number, place) in (0..self.places.len()).zip(&mut self.places).rev() {
            if let Some((_, first, acts)) = places.next_if(|one| one.0 as usize == number) {
                (behind, place.acts) = (first, acts);
            }
            place.cells = behind;
        }
        // Places stand after those that they hang on.
        for number in (1..self.places.len()).rev() {
            let Some((parent, acts)) = self.places.get(number).map(|one| (one.parent, one.acts))
            else {
                continue;
            };
            if let Some(above) = self.places.get_mut(parent as usize) {
                above.acts = above.acts.and(acts);
            }
        }
        let mut starts = vec![0_u32; self.places.len()];
        for place in self.places.iter().skip(1) {
            if let Some(count) = starts.get_mut(place.parent as usize) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for (start, place) in starts.iter_mut().zip(&mut self.places) {
            place.behind = sum;
            sum += *start;
            *start = place.behind;
        }
        self.behind = vec![0; sum as usize];
        // Ranges of more than one number, then those of one, then the rest.
        let class = |place: &Place| match place.range {
            Some(range) => u8::from(range.single),
            None => 2,
        };
        for wanted in 0..3 {
            for (number, place) in (1..).zip(self.places.iter().skip(1)) {
                if class(place) != wanted {
                    continue;
                }
                let Some(next) = starts.get_mut(place.parent as usize) else { continue };
                if let Some(slot) = self.behind.get_mut(*next as usize) {
                    *slot = number;
                }
                *next += 1;
            }
        }
        self.places.shrink_to_fit();
        self.long.shrink_to_fit();
    }

    /// The bytes that the tree holds.
    pub(crate) fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
            + self.long.capacity()
            + self.behind.capacity() * 4
            + self.edges.allocation_size()
    }

    fn place(&self, number: u32) -> Option<&Place> {
        self.places.get(number as usize)
    }

    fn bytes_of<'a>(&'a self, place: &'a Place) -> &'a [u8] {
        place.text.read(&self.long)
    }

    fn text_of<'a>(&'a self, place: &'a Place) -> &'a str {
        std::str::from_utf8(self.bytes_of(place)).unwrap_or_default()
    }

    /// The place behind `parent` by that segment.
    fn behind(&self, parent: u32, kind: Kind, text: &str) -> Option<u32> {
        let is = |number: &u32| {
            self.place(*number).is_some_and(|place| {
                place.parent == parent
                    && place.kind == kind
                    && self.bytes_of(place) == text.as_bytes()
            })
        };
        self.edges.find(hash_of(&self.hasher, parent, kind, text.as_bytes()), is).copied()
    }

    /// All places behind `parent`, ranges first.
    fn all_behind(&self, parent: u32) -> impl Iterator<Item = (u32, &Place)> {
        let start = self.place(parent).map_or(0, |place| place.behind as usize);
        let end = self.place(parent + 1).map_or(self.behind.len(), |next| next.behind as usize);
        let numbers = self.behind.get(start..end).unwrap_or_default();
        numbers.iter().filter_map(|number| Some((*number, self.place(*number)?)))
    }
}

impl Text {
    fn read<'a>(&'a self, long: &'a str) -> &'a [u8] {
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

fn hash_of(hasher: &DefaultHashBuilder, parent: u32, kind: Kind, text: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(parent) << 8 | u64::from(kind as u8));
    state.write(text);
    state.finish()
}

/// What becomes of a walk after a place: on, or enough.
pub(crate) type Step = ControlFlow<()>;

impl Tree {
    /// Goes to every place whose patterns reach *all* of the set that `path` names: what allow
    /// rules need. See [`Pattern::covers`].
    pub(crate) fn covering(
        &self,
        path: &Path,
        action: Action,
        go: &mut impl FnMut(Spot, Reach) -> Step,
    ) -> Step {
        Walk { tree: self, path, action, covers: true, go }.at(ROOT, 0)
    }

    /// Goes to every place whose patterns reach *any* of the set that `path` names: what deny
    /// rules need. See [`Pattern::overlaps`].
    pub(crate) fn meeting(
        &self,
        path: &Path,
        action: Action,
        go: &mut impl FnMut(Spot, Reach) -> Step,
    ) -> Step {
        Walk { tree: self, path, action, covers: false, go }.at(ROOT, 0)
    }
}

/// A walk along a question's path: at each place, to every place behind it that reaches the
/// question's next segment.
struct Walk<'a, G> {
    tree: &'a Tree,
    path: &'a Path,
    action: Action,
    covers: bool,
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

impl<'a, G: FnMut(Spot, Reach) -> Step> Walk<'a, G> {
    /// Goes to the rules of a place, if any may speak of the action.
    fn go(&mut self, place: u32, reach: Reach) -> Step {
        let Some(found) = self.tree.place(place) else { return ON };
        let behind = self.tree.place(place + 1).map_or(u32::MAX, |next| next.cells);
        if found.cells == behind || !found.acts.include(self.action) {
            return ON;
        }
        (self.go)(Spot { place, first: found.cells, behind }, reach)
    }

    fn at(&mut self, number: u32, past: usize) -> Step {
        let Some(place) = self.tree.place(number) else { return ON };
        if !place.acts.include(self.action) {
            return ON;
        }
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
        if here.place.has & Kind::Rest as u8 == 0 {
            return ON;
        }
        let further = self.path.segments().iter().enumerate().skip(here.past);
        for (at, segment) in further {
            let reached = match segment {
                Segment::Text(text) => !(self.path.is_topic_root(at) && text.starts_with('$')),
                Segment::Unit(unit) => !self.covers || *unit != 0,
                Segment::Any | Segment::Range(..) => true,
            };
            if !reached {
                return ON;
            }
        }
        match self.tree.behind(here.number, Kind::Rest, "") {
            Some(rest) => self.go(rest, Reach::All),
            None => ON,
        }
    }

    fn behind(&mut self, here: Here<'a>, kind: Kind, text: &str) -> Step {
        if here.place.has & kind as u8 == 0 {
            return ON;
        }
        match self.tree.behind(here.number, kind, text) {
            Some(next) => self.at(next, here.past + 1),
            None => ON,
        }
    }

    fn text(&mut self, here: Here<'a>, text: &str) -> Step {
        self.behind(here, Kind::Text, text)?;
        if here.place.has & (Kind::Range as u8 | Kind::Numbers as u8) != 0
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
        if here.place.has & Kind::Range as u8 != 0 {
            if first == last {
                with_digits(first, |text| self.behind(here, Kind::Range, text))?;
            }
            for (next, behind) in self.tree.all_behind(here.number) {
                let Some(range) = behind.range.filter(|range| !range.single) else { break };
                if range.first <= first && last <= range.last {
                    self.at(next, here.past + 1)?;
                }
            }
        }
        self.numbers(here, Reach::Spanning { first, last })
    }

    /// Ranges that have some number from `first` to `last`.
    fn overlapping(&mut self, here: Here<'a>, first: u16, last: u16) -> Step {
        if here.place.has & Kind::Range as u8 != 0 {
            for (next, behind) in self.tree.all_behind(here.number) {
                let Some(range) = behind.range else { break };
                if range.first <= last && first <= range.last {
                    self.at(next, here.past + 1)?;
                }
            }
        }
        // They begin before it ends, and end after it begins.
        self.numbers(here, Reach::Spanning { first: last, last: first })
    }

    /// Patterns whose last segment is a range, here.
    fn numbers(&mut self, here: Here<'a>, reach: Reach) -> Step {
        let (ends, length) = (here.past + 1, self.path.segments().len());
        let may_end = match self.path.is_open() {
            false => ends == length,
            true => !self.covers && ends >= length,
        };
        if here.place.has & Kind::Numbers as u8 == 0 || !may_end {
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
