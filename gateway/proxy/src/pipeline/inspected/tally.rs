//! Counts similar operations, so that they make few records.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use doorward_model::{Action, Epoch, Path, PeerText};
use doorward_policies::Record;
use tokio::time::Instant;

/// For how long equal operations are counted together.
const WINDOW: Duration = Duration::from_secs(1);
/// The most kinds that are counted apart. With more, the counts so far are recorded.
const KINDS: usize = 256;
/// The most kinds of refusals that are counted apart within a second. The others are counted
/// together, so that a client without rights cannot fill the log by trying everything.
const REFUSED: usize = 16;

/// The records to be made of one flow's operations. The first operation of a kind is recorded at
/// once. Equal ones within a second are counted, or recorded one by one.
#[derive(Debug)]
pub(super) struct Tally {
    counts: bool,
    kinds: HashMap<Kind, Counted>,
    since: Option<Instant>,
    /// How many kinds of refusals there were since then.
    refused: usize,
    ready: Vec<Record>,
}

/// What equal operations share: the same action on the same path, permitted, or refused for the
/// same reason.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    /// `None` if the operation could not be read, or is one of many refusals.
    named: Option<(Action, Path, Option<PeerText>)>,
    refused: Option<&'static str>,
}

#[derive(Debug)]
struct Counted {
    epoch: Option<Epoch>,
    record: Record,
    more: u64,
}

impl Tally {
    /// Returns an empty tally. `counts` says whether equal operations are counted.
    pub(super) fn new(counts: bool) -> Self {
        Self { counts, kinds: HashMap::new(), since: None, refused: 0, ready: Vec::new() }
    }

    /// Notes an operation. `record` makes its record, and is called only for the first of its kind.
    pub(super) fn note(
        &mut self,
        (action, path, query): (Action, &Path, Option<&PeerText>),
        refused: Option<&'static str>,
        epoch: Option<Epoch>,
        record: impl FnOnce() -> Record,
    ) {
        let named = Some((action, path.clone(), query.cloned()));
        self.count(Kind { named, refused }, epoch, record);
    }

    /// Notes a message that was refused because it could not be read as an operation.
    pub(super) fn note_unnamed(&mut self, refused: &'static str, record: impl FnOnce() -> Record) {
        self.count(Kind { named: None, refused: Some(refused) }, None, record);
    }

    fn count(&mut self, mut kind: Kind, epoch: Option<Epoch>, record: impl FnOnce() -> Record) {
        if !self.counts {
            return self.ready.push(record());
        }
        let now = Instant::now();
        if self.since.is_some_and(|since| now >= since + WINDOW) {
            self.settle();
        }
        if self.kinds.len() >= KINDS {
            self.write_down();
        }
        self.since.get_or_insert(now);
        let mut others = false;
        if kind.refused.is_some() && !self.kinds.contains_key(&kind) {
            others = self.refused >= REFUSED && kind.named.take().is_some();
            self.refused += usize::from(!others);
        }
        let record = || match others {
            true => beyond(record()),
            false => record(),
        };
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

    /// Returns when the counts must be recorded.
    pub(super) fn due(&self) -> Option<Instant> {
        let counted = self.kinds.values().any(|kind| kind.more > 0);
        self.since.filter(|_| counted).map(|since| since + WINDOW)
    }

    /// Records the counts.
    pub(super) fn settle(&mut self) {
        (self.since, self.refused) = (None, 0);
        self.write_down();
    }

    fn write_down(&mut self) {
        self.ready.extend(self.kinds.drain().filter_map(|(_, counted)| counted.rest()));
    }

    /// Returns the records to be written now.
    pub(super) fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.ready)
    }
}

/// Returns the record of refusals that are counted together. It keeps only the interface.
fn beyond(record: Record) -> Record {
    let interface = |path: &PeerText| path.raw().split('/').next().map(PeerText::new);
    let path = record.path.as_ref().and_then(interface);
    Record { path, query: None, ..record }
        .detail(&format!("refusals that differ from the {REFUSED} before within this second"))
}

impl Counted {
    /// Returns a record of the operations after the first, if there were any.
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
        tally.note((Action::Get, &path, None), refused, Some(Epoch(epoch)), record);
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
        // A refusal is another kind. A decision by another state makes a new record.
        note(&mut tally, "a", Some("no-rule"), 1);
        assert_eq!(taken(&mut tally), [of("a", None)]);
        note(&mut tally, "a", None, 2);
        assert_eq!(taken(&mut tally), [of("a", Some(2)), of("a", None)]);
        note(&mut tally, "a", None, 2);
        tokio::time::advance(WINDOW).await;
        // After a second, the next operation counts as the first again.
        note(&mut tally, "a", None, 2);
        assert_eq!(taken(&mut tally), [of("a", Some(1)), of("a", None)]);
        tally.settle();
        assert_eq!(taken(&mut tally), []);
    }

    #[tokio::test(start_paused = true)]
    async fn another_query_is_another_kind() {
        let mut tally = Tally::new(true);
        let path = Path::literal("web/a").unwrap();
        for query in [Some("x=1"), Some("x=2"), None, Some("x=1"), None] {
            let query = query.map(PeerText::new);
            let record = || Record {
                query: query.clone(),
                ..Record::new(Timestamp::UNIX_EPOCH, Event::Operation)
            };
            tally.note((Action::Get, &path, query.as_ref()), None, Some(Epoch(1)), record);
        }
        tally.settle();
        let told = |one: Record| (one.query.map(|query| query.raw().to_owned()), one.count);
        let told: Vec<_> = tally.take().into_iter().map(told).collect();
        let of = |query: &str, count| (Some(query.to_owned()), count);
        assert_eq!(told[..3], [of("x=1", None), of("x=2", None), (None, None)]);
        assert!(told[3..].contains(&of("x=1", Some(1))) && told[3..].contains(&(None, Some(1))));
        assert_eq!(told.len(), 5);
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
    async fn whoever_tries_everything_does_not_fill_the_log() {
        let mut tally = Tally::new(true);
        for number in 0..10_000 {
            note(&mut tally, &format!("{number}"), Some("no-rule"), 1);
            note(&mut tally, "permitted", None, 1);
        }
        let first = tally.take();
        assert_eq!(first.len(), REFUSED + 2, "those that are told apart, the others, a permit");
        tally.settle();
        let counted: u64 = tally.take().iter().filter_map(|one| one.count).sum();
        assert_eq!(counted + first.len() as u64, 20_000);
        // In the next second refusals are listed again.
        note(&mut tally, "x", Some("no-rule"), 1);
        assert_eq!(taken(&mut tally), [of("x", None)]);
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
