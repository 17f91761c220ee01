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
/// is the same within a second by its count.
#[derive(Debug, Default)]
pub(super) struct Tally {
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
