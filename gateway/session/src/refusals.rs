//! Counts peers that were refused before they were identified.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use doorward_model::{Clock, Prefix};
use doorward_policies::{Event, Journal, Outcome, Record};
use jiff::Timestamp;

use crate::note::note;

/// Counts peers that were refused before they were identified, or before they had asked for
/// anything, and records the counts once a minute. So nobody can fill the log by refused attempts,
/// or stay out of the log.
#[derive(Clone)]
pub struct Refusals(Arc<Inner>);

struct Inner {
    counts: Mutex<Counts>,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
}

#[derive(Default)]
struct Counts {
    by_prefix: HashMap<(Prefix, &'static str), u64>,
    /// The refusals of networks beyond the bound, by reason only.
    rest: HashMap<&'static str, u64>,
    /// How many records were written since `day`.
    today: usize,
    /// In days since 1970.
    day: i64,
}

/// The most pairs of network and reason that are counted apart within a minute.
const APART: usize = 1024;
/// The most records of single networks in a day; about 1 MiB. The rest is summed by reason.
const DAILY: usize = 4096;

impl Refusals {
    /// Returns counters whose sums are recorded in `journal`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, journal: Arc<dyn Journal>) -> Self {
        Self(Arc::new(Inner { counts: Mutex::default(), clock, journal }))
    }

    /// Counts one refusal.
    pub fn count(&self, peer: IpAddr, reason: &'static str) {
        tracing::debug!(by = %Prefix::of(peer), %peer, reason, "a peer was refused");
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Prefix::of(peer), reason);
        if counts.by_prefix.len() < APART || counts.by_prefix.contains_key(&key) {
            *counts.by_prefix.entry(key).or_default() += 1;
        } else {
            *counts.rest.entry(reason).or_default() += 1;
        }
    }

    /// Records what was counted since the last flush.
    pub async fn flush(&self) {
        let now = self.0.clock.now();
        for record in self.take(now) {
            note(&*self.0.journal, record).await;
        }
    }

    fn take(&self, now: Timestamp) -> Vec<Record> {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now.as_second().div_euclid(24 * 3600);
        if counts.day != day {
            (counts.day, counts.today) = (day, 0);
        }
        let mut records = Vec::new();
        let mut rest = std::mem::take(&mut counts.rest);
        let record = |reason: &str, count, prefix| {
            let mut record = Record::new(now, Event::Refusals).ended(Outcome::Refused, reason);
            (record.count, record.prefix) = (Some(count), prefix);
            record
        };
        for ((prefix, reason), count) in std::mem::take(&mut counts.by_prefix) {
            if counts.today < DAILY {
                counts.today += 1;
                records.push(record(reason, count, Some(prefix.to_string())));
            } else {
                *rest.entry(reason).or_default() += count;
            }
        }
        records.extend(rest.into_iter().map(|(reason, count)| record(reason, count, None)));
        records
    }

    /// Flushes once a minute, until the future is dropped.
    pub async fn run(self) {
        let mut minute = tokio::time::interval(Duration::from_secs(60));
        minute.tick().await;
        loop {
            minute.tick().await;
            self.flush().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_policies::{Opening, Written};

    struct Noon;
    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(1_800_000_000).unwrap()
        }
    }
    impl Journal for Noon {
        fn open(&self, _: Record) -> Opening {
            panic!("nothing is opened here")
        }
        fn write(&self, _: Record) -> Written {
            panic!("nothing is written here")
        }
        fn append(&self, _: Record) -> Written {
            panic!("nothing is done here")
        }
    }

    #[test]
    fn counts_are_summed_and_bounded() {
        let refusals = Refusals::new(Arc::new(Noon), Arc::new(Noon));
        let mut counted = 0;
        let mut written = 0;
        for minute in 0..10 {
            for n in 0..2000u16 {
                refusals.count(IpAddr::from([10, minute, (n >> 8) as u8, n as u8]), "why");
                counted += 1;
            }
            let records = refusals.take(Noon.now());
            written += records.len();
            counted -= records.iter().map(|record| record.count.unwrap()).sum::<u64>();
        }
        assert_eq!(counted, 0, "everything is counted somewhere");
        assert!(written <= DAILY + 10, "{written}");
    }
}
