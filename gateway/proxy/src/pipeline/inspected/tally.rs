use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use doorward_model::{Action, Epoch, Path};
use doorward_policies::Record;
use tokio::time::Instant;

/// Over how long operations that are the same are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// How many different ones are told apart at once. With more, those so far are written down.
const KINDS: usize = 256;

/// What operations of one flow are to be recorded: the first of a kind by itself and at once, what
/// is the same within a second by its count, or also by itself.
#[derive(Debug)]
pub(super) struct Tally {
    counts: bool,
    kinds: HashMap<Kind, Counted>,
    since: Option<Instant>,
    ready: Vec<Record>,
}

/// Operations that are the same: done or refused alike, for the same reasons, on the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    /// `None` if it could not be named.
    named: Option<(Action, Path)>,
    refused: Option<&'static str>,
}

#[derive(Debug)]
struct Counted {
    epoch: Option<Epoch>,
    record: Record,
    more: u64,
}

impl Tally {
    /// Nothing yet. Whether what is the same is counted.
    pub(super) fn new(counts: bool) -> Self {
        Self { counts, kinds: HashMap::new(), since: None, ready: Vec::new() }
    }

    /// Notes an operation. `record` says what is to be recorded of it, and is asked only for the
    /// first of its kind.
    pub(super) fn note(
        &mut self,
        action: Action,
        path: &Path,
        refused: Option<&'static str>,
        epoch: Option<Epoch>,
        record: impl FnOnce() -> Record,
    ) {
        self.count(Kind { named: Some((action, path.clone())), refused }, epoch, record);
    }

    /// Notes what was refused because it could not be named.
    pub(super) fn note_unnamed(&mut self, refused: &'static str, record: impl FnOnce() -> Record) {
        self.count(Kind { named: None, refused: Some(refused) }, None, record);
    }

    fn count(&mut self, kind: Kind, epoch: Option<Epoch>, record: impl FnOnce() -> Record) {
        if !self.counts {
            return self.ready.push(record());
        }
        let now = Instant::now();
        if self.kinds.len() >= KINDS || self.since.is_some_and(|since| now >= since + WINDOW) {
            self.settle();
        }
        self.since.get_or_insert(now);
        match self.kinds.entry(kind) {
            Entry::Occupied(mut known) if known.get().epoch == epoch => known.get_mut().more += 1,
            Entry::Occupied(mut known) => {
                let record = record();
                let before = Counted { epoch, record: record.clone(), more: 0 };
                self.ready.extend(known.insert(before).rest());
                self.ready.push(record);
            }
            Entry::Vacant(new) => {
                let record = record();
                new.insert(Counted { epoch, record: record.clone(), more: 0 });
                self.ready.push(record);
            }
        }
    }

    /// When what has been counted is to be written down.
    pub(super) fn due(&self) -> Option<Instant> {
        let counted = self.kinds.values().any(|kind| kind.more > 0);
        self.since.filter(|_| counted).map(|since| since + WINDOW)
    }

    /// Writes down what has been counted.
    pub(super) fn settle(&mut self) {
        self.since = None;
        self.ready.extend(self.kinds.drain().filter_map(|(_, counted)| counted.rest()));
    }

    /// What is to be recorded now.
    pub(super) fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.ready)
    }
}

impl Counted {
    /// Those after the first.
    fn rest(self) -> Option<Record> {
        let mut record = self.record;
        record.count = Some(self.more).filter(|more| *more > 0);
        record.count.is_some().then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use doorward_policies::Event;
    use jiff::Timestamp;

    use super::*;

    fn note(tally: &mut Tally, path: &str, refused: Option<&'static str>, epoch: i64) {
        let path = Path::literal(path).unwrap();
        let record = || Record::new(Timestamp::UNIX_EPOCH, Event::Operation).detail(&path.raw());
        tally.note(Action::Get, &path, refused, Some(Epoch(epoch)), record);
    }

    fn taken(tally: &mut Tally) -> Vec<(String, Option<u64>)> {
        let records = tally.take().into_iter();
        records.map(|one| (one.detail.unwrap().raw().to_owned(), one.count)).collect()
    }

    fn of(path: &str, count: Option<u64>) -> (String, Option<u64>) {
        (path.to_owned(), count)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_recorded_at_once_and_the_same_within_a_second_by_its_count() {
        let mut tally = Tally::new(true);
        note(&mut tally, "a", None, 1);
        assert_eq!(taken(&mut tally), [of("a", None)]);
        assert_eq!(tally.due(), None);
        let began = Instant::now();
        note(&mut tally, "a", None, 1);
        note(&mut tally, "a", None, 1);
        note(&mut tally, "b", None, 1);
        assert_eq!(taken(&mut tally), [of("b", None)]);
        assert_eq!(tally.due(), Some(began + WINDOW));
        // What is refused, or by another state, is another kind.
        note(&mut tally, "a", Some("no-rule"), 1);
        assert_eq!(taken(&mut tally), [of("a", None)]);
        note(&mut tally, "a", None, 2);
        assert_eq!(taken(&mut tally), [of("a", Some(2)), of("a", None)]);
        note(&mut tally, "a", None, 2);
        tokio::time::advance(WINDOW).await;
        // After its second it is the first again.
        note(&mut tally, "a", None, 2);
        assert_eq!(taken(&mut tally), [of("a", Some(1)), of("a", None)]);
        tally.settle();
        assert_eq!(taken(&mut tally), []);
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_lost_and_the_room_is_bounded() {
        let mut tally = Tally::new(true);
        let mut recorded = 0;
        for number in 0..10_000 {
            note(&mut tally, &format!("{}", number * 7 % (KINDS * 3)), None, 1);
            assert!(tally.kinds.len() <= KINDS);
            recorded += tally.take().iter().map(|one| one.count.unwrap_or(1)).sum::<u64>();
        }
        tally.settle();
        recorded += tally.take().iter().map(|one| one.count.unwrap_or(1)).sum::<u64>();
        assert_eq!(recorded, 10_000);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_counted_each_is_recorded() {
        let mut tally = Tally::new(false);
        for _ in 0..3 {
            note(&mut tally, "a", None, 1);
        }
        assert_eq!(taken(&mut tally), [of("a", None), of("a", None), of("a", None)]);
        assert_eq!(tally.due(), None);
    }
}
