//! The paths of many rules as one tree of segments, and which places of it a question reaches.

use std::hash::{BuildHasher as _, Hasher as _};

use doorward_model::{Path, Segment};
use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::SmallVec;

use super::cells::Cells;
use crate::bundle::Acts;
use crate::pattern::{Pattern, PatternError, Piece, Pieces, Range, Shown};

/// A tree of path segments. Each pattern ends at a place of it.
///
/// Once all patterns are entered, it is put in order ([`Tree::in_order`]): a place is followed by
/// all that are behind it, so what is behind a place is one range of numbers.
#[derive(Debug)]
pub(crate) struct Tree {
    places: Vec<Place>,
    /// The texts of places that are too long to stand there.
    long: String,
    /// From a place and a segment to the place behind it.
    edges: HashTable<u32>,
    pub(super) hasher: DefaultHashBuilder,
}

/// A place in the tree: what its last segment is, and where it hangs.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) parent: u32,
    /// The first place that is not behind it any more.
    pub(super) end: u32,
    /// Where its cells begin.
    pub(super) cells: u32,
    /// All actions that the rules at it and behind it speak of.
    pub(super) acts: Acts,
    text: Text,
    pub(super) range: Option<Range>,
    pub(super) kind: Kind,
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

/// What the last segment of a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
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

impl Reach {
    /// Those that have some number from `first` to `last`: they begin before it ends, and end
    /// after it begins.
    pub(super) fn overlapping(first: u16, last: u16) -> Self {
        Self::Spanning { first: last, last: first }
    }
}

pub(super) const ROOT: u32 = 0;

impl Place {
    fn new(parent: u32, kind: Kind, text: Text, range: Option<Range>) -> Self {
        Self { parent, end: 0, cells: 0, acts: Acts::NONE, text, range, kind, has: 0 }
    }

    /// Whether places of that kind hang on it.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.has & kind as u8 != 0
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

    /// Which rules of a place reach any path of the set that `path` names, by the ranges of their
    /// last segments; `None` if none does. See [`Pattern::overlaps`]. From the segment
    /// `wild_from` on, `**` reaches all of the path.
    pub(super) fn meets(&self, number: u32, path: &Path, wild_from: usize) -> Option<Reach> {
        let place = self.place(number)?;
        let open = place.kind == Kind::Rest;
        let last = if open { place.parent } else { number };
        let (length, asked) = (self.depth(last), path.segments());
        let long_enough = length == asked.len()
            || open && length < asked.len() && length >= wild_from
            || path.is_open() && length > asked.len();
        if !long_enough || !self.fits(last, ROOT, length, path) {
            return None;
        }
        let numbers = (place.kind == Kind::Numbers).then(|| length.checked_sub(1)).flatten();
        match numbers.and_then(|last| asked.get(last)) {
            None | Some(Segment::Any | Segment::Unit(0)) => Some(Reach::All),
            Some(Segment::Text(text)) => Range::read(text).map(Reach::Exactly),
            Some(Segment::Unit(unit)) => Some(Reach::overlapping((*unit).into(), (*unit).into())),
            Some(Segment::Range(first, last)) => Some(Reach::overlapping(*first, *last)),
        }
    }

    /// How many segments lead to a place.
    fn depth(&self, mut number: u32) -> usize {
        let mut depth = 0;
        while let Some(place) = self.place(number).filter(|_| number != ROOT) {
            (number, depth) = (place.parent, depth + 1);
        }
        depth
    }

    /// Whether a place and all before it, down to `before`, are met by the segments of `path` that
    /// stand there. `depth` is how many segments lead to the place.
    pub(super) fn fits(&self, mut number: u32, before: u32, depth: usize, path: &Path) -> bool {
        let mut at = depth;
        while number != before {
            let (Some(place), Some(index)) = (self.place(number), at.checked_sub(1)) else {
                return false;
            };
            let shown = match place.kind {
                Kind::One | Kind::Rest | Kind::Numbers => Shown::One,
                Kind::Text | Kind::Range => {
                    Shown::Text { text: self.text_of(place), range: place.range }
                }
            };
            let asked = path.segments().get(index).unwrap_or(&Segment::Any);
            if !shown.overlaps(asked, path.is_topic_root(index)) {
                return false;
            }
            (number, at) = (place.parent, index);
        }
        true
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

    /// Puts the places in their final order, when all patterns have been entered: each is followed
    /// by those behind it, ranges first, those of one number last among them. Returns what number
    /// each place has now, by the number that it had.
    pub(crate) fn in_order(&mut self) -> Vec<u32> {
        let former = std::mem::take(&mut self.places);
        let sizes = sizes(&former);
        let numbers = numbers(&former, &sizes);
        let mut places: Vec<Option<Place>> = Vec::new();
        places.resize_with(former.len(), || None);
        for ((mut place, size), number) in former.into_iter().zip(&sizes).zip(&numbers) {
            place.parent = numbers.get(place.parent as usize).copied().unwrap_or(ROOT);
            place.end = number + size;
            if let Some(slot) = places.get_mut(*number as usize) {
                *slot = Some(place);
            }
        }
        self.places = places.into_iter().flatten().collect();
        self.long.shrink_to_fit();
        self.link();
        numbers
    }

    /// Makes the edges, by the numbers that the places have now.
    fn link(&mut self) {
        let Self { places, long, edges, hasher } = self;
        let hash = |place: &Place| hash_of(hasher, place.parent, place.kind, place.text.read(long));
        let mut made = HashTable::with_capacity(places.len());
        for (number, place) in (1..).zip(places.iter().skip(1)) {
            made.insert_unique(hash(place), number, |number: &u32| {
                places.get(*number as usize).map_or(0, hash)
            });
        }
        *edges = made;
    }

    /// Completes the tree, when it is in order: notes the cells of each place, and the actions of
    /// each and of all behind it.
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
    }

    /// The bytes that the tree holds.
    pub(crate) fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
            + self.long.capacity()
            + self.edges.allocation_size()
    }

    pub(super) fn place(&self, number: u32) -> Option<&Place> {
        self.places.get(number as usize)
    }

    pub(super) fn bytes_of<'a>(&'a self, place: &'a Place) -> &'a [u8] {
        place.text.read(&self.long)
    }

    fn text_of<'a>(&'a self, place: &'a Place) -> &'a str {
        std::str::from_utf8(self.bytes_of(place)).unwrap_or_default()
    }

    /// The place behind `parent` by that segment.
    pub(super) fn behind(&self, parent: u32, kind: Kind, text: &str) -> Option<u32> {
        let is = |number: &u32| {
            self.place(*number).is_some_and(|place| {
                place.parent == parent
                    && place.kind == kind
                    && self.bytes_of(place) == text.as_bytes()
            })
        };
        self.edges.find(hash_of(&self.hasher, parent, kind, text.as_bytes()), is).copied()
    }

    /// The place that hangs on `parent` and leads to `number`; `None` if that is not behind it.
    pub(super) fn on_the_way(&self, parent: u32, mut number: u32) -> Option<u32> {
        while number > parent {
            let place = self.place(number)?;
            if place.parent == parent {
                return Some(number);
            }
            number = place.parent;
        }
        None
    }

    /// The places that hang on `parent`, ranges first.
    pub(super) fn all_behind(&self, parent: u32) -> impl Iterator<Item = (u32, &Place)> {
        let end = self.place(parent).map_or(0, |place| place.end);
        let mut next = parent + 1;
        std::iter::from_fn(move || {
            let number = (next < end).then_some(next)?;
            let place = self.place(number)?;
            next = place.end;
            Some((number, place))
        })
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

/// How many places each one is, with those behind it. Places were made after those that they hang
/// on.
fn sizes(places: &[Place]) -> Vec<u32> {
    let mut sizes = vec![1_u32; places.len()];
    for (number, place) in places.iter().enumerate().skip(1).rev() {
        let size = sizes.get(number).copied().unwrap_or(1);
        if let Some(above) = sizes.get_mut(place.parent as usize) {
            *above += size;
        }
    }
    sizes
}

/// The final number of each place, by the sizes of all.
fn numbers(places: &[Place], sizes: &[u32]) -> Vec<u32> {
    // Ranges of more than one number, then those of one, then the rest.
    let class = |place: &Place| match place.range {
        Some(range) => usize::from(range.single),
        None => 2,
    };
    let of_class = |next: &mut Vec<[u32; 3]>, place: &Place, size: u32| {
        let next = next.get_mut(place.parent as usize)?.get_mut(class(place))?;
        Some(std::mem::replace(next, *next + size))
    };
    // How many places are behind each one, class by class; then, where the next of each class goes.
    let mut next = vec![[0_u32; 3]; places.len()];
    for (place, size) in places.iter().zip(sizes).skip(1) {
        of_class(&mut next, place, *size);
    }
    let mut numbers = Vec::with_capacity(places.len());
    for (at, (place, size)) in places.iter().zip(sizes).enumerate() {
        let number = match at {
            0 => ROOT,
            _ => of_class(&mut next, place, *size).unwrap_or(ROOT),
        };
        numbers.push(number);
        if let Some(next) = next.get_mut(at) {
            let [several, single, _] = *next;
            *next = [number + 1, number + 1 + several, number + 1 + several + single];
        }
    }
    numbers
}

fn hash_of(hasher: &DefaultHashBuilder, parent: u32, kind: Kind, text: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(parent) << 8 | u64::from(kind as u8));
    state.write(text);
    state.finish()
}
