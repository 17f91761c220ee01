//! Counts the records that each party causes, and sums up those beyond its bound. Does no I/O; the
//! time is an argument.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use doorward_model::{Device, PeerText};
use doorward_policies::{Bound, Class, Event, Outcome, Party, Record, WithoutRoom};
use jiff::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The most accounts. Parties beyond that share one account for each kind of event.
const ACCOUNTS: usize = 64 * 1024;
/// The most interfaces for which one account has sums of their own.
const INTERFACES: usize = 64;
/// The detail of the last record that is listed within a minute.
const COUNTED_FROM_HERE: &str = "more of this kind within this minute are counted, not listed";

/// What the budget decides about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BudgetVerdict {
    /// The record is written.
    Written,
    /// The record was counted. A later record has the count.
    Counted,
    /// The record cannot be written, so the event must not happen.
    NoRoom,
}

/// How many records each party has caused of late.
#[derive(Debug, Default)]
pub(super) struct Budget {
    accounts: HashMap<Key, Account>,
}

/// Whose account it is, and for what. Without a party, it is the account of all parties beyond the
/// bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    party: Option<Party>,
    event: Event,
    class: Class,
}

#[derive(Debug)]
struct Account {
    bound: Bound,
    minute: Window,
    day: Window,
    /// When the first record was counted that no sum has recorded yet.
    counting: Option<Duration>,
    sums: HashMap<Option<InterfaceKey>, Sum>,
}

/// A device and one of its interfaces.
type InterfaceKey = (Device, String);

/// How many records have been written since the window began.
#[derive(Debug)]
struct Window {
    began: Duration,
    written: u32,
}

impl Window {
    fn new(now: Duration) -> Self {
        Self { began: now, written: 0 }
    }

    /// Returns the count of the present window. A window that is over is replaced by a new one.
    fn at(&mut self, now: Duration, length: Duration) -> &mut u32 {
        if now.saturating_sub(self.began) >= length {
            *self = Self::new(now);
        }
        &mut self.written
    }
}

impl Budget {
    /// Decides whether a record is written or counted. `room` says whether the log has room for a
    /// class.
    pub(super) fn take(
        &mut self,
        record: &mut Record,
        room: impl Fn(Class) -> bool,
        now: Duration,
    ) -> BudgetVerdict {
        let bound = record.bound();
        // An urgent record may use the reserved room. Only there it has a bound.
        let is_usual = bound.class == Class::Rescue && room(Class::Administrator);
        let room = room(bound.class);
        match (room, bound.class.without_room()) {
            (false, WithoutRoom::Refused) => return BudgetVerdict::NoRoom,
            (true, _) if is_usual || bound.minute == u32::MAX => return BudgetVerdict::Written,
            (true, _) | (false, WithoutRoom::Counted) => {}
        }
        let account = self.account(record, bound, now);
        let Some(left) = Some(account).filter(|_| room).and_then(|account| account.take(now))
        else {
            self.count(record, now);
            return BudgetVerdict::Counted;
        };
        if left == 0 && record.detail.is_none() {
            record.detail = Some(PeerText::new(COUNTED_FROM_HERE));
        }
        BudgetVerdict::Written
    }

    /// Counts the ending of an event whose opening was only counted.
    pub(super) fn count(&mut self, record: &Record, now: Duration) {
        self.account(record, record.bound(), now).count(record, now);
    }

    fn account(&mut self, record: &Record, bound: Bound, now: Duration) -> &mut Account {
        let (event, class) = (record.event, bound.class);
        let mut key = Key { party: Some(record.party()), event, class };
        if self.accounts.len() >= ACCOUNTS && !self.accounts.contains_key(&key) {
            key.party = None;
        }
        self.accounts.entry(key).or_insert_with(|| Account::new(bound, now))
    }

    /// Forgets accounts that would equal new ones.
    fn forget(&mut self, now: Duration) {
        self.accounts.retain(|_, account| {
            account.counting.is_some() || now.saturating_sub(account.day.began) < DAY
        });
    }

    /// Returns the sums that must be recorded now: a minute after the first count, or an hour if
    /// the account is used up for the day or the log has no room. Without room, one record per kind
    /// of event covers all parties. At the `end` every sum is due.
    pub(super) fn due(
        &mut self,
        room: impl Fn(Class) -> bool,
        end: bool,
        now: Duration,
    ) -> Vec<Record> {
        let mut records = Vec::new();
        let mut together: BTreeMap<&'static str, (Event, Sum)> = BTreeMap::new();
        for (key, account) in &mut self.accounts {
            let Some(since) = account.counting else { continue };
            let room = room(key.class);
            let wait = if room && account.is_within_its_day(now) { MINUTE } else { HOUR };
            if !end && now.saturating_sub(since) < wait {
                continue;
            }
            account.counting = None;
            for (place, sum) in account.sums.drain() {
                if room {
                    *account.day.at(now, DAY) += 1;
                    records.push(sum.record(key.event, key.party.as_ref(), place));
                } else {
                    let all = together.entry(key.event.as_str());
                    all.and_modify(|(_, all)| all.join(&sum)).or_insert((key.event, sum));
                }
            }
        }
        records.extend(together.into_values().map(|(event, sum)| sum.record(event, None, None)));
        self.forget(now);
        records
    }
}

impl Account {
    fn new(bound: Bound, now: Duration) -> Self {
        let (minute, day) = (Window::new(now), Window::new(now));
        Self { bound, minute, day, counting: None, sums: HashMap::new() }
    }

    fn is_within_its_day(&mut self, now: Duration) -> bool {
        *self.day.at(now, DAY) < self.bound.day
    }

    /// Notes one more written record, if the bound allows it, and returns how many more may be
    /// written within this minute. For flows and operations, one record a minute may be written
    /// even after the day's bound: every minute of permitted activity leaves a trace on the disk.
    fn take(&mut self, now: Duration) -> Option<u32> {
        let left = self.bound.day.saturating_sub(*self.day.at(now, DAY));
        let least = u32::from(self.bound.class == Class::Permitted);
        let minute = self.bound.minute.min(left.max(least));
        let written = self.minute.at(now, MINUTE);
        let left = minute.checked_sub(*written)?.checked_sub(1)?;
        *written += 1;
        let day = self.day.at(now, DAY);
        *day = day.saturating_add(1);
        Some(left)
    }

    fn count(&mut self, record: &Record, now: Duration) {
        self.counting.get_or_insert(now);
        // Flows and operations are at an interface where the subject has some right, so their sums
        // are kept by interface. Other requests can name anything, so theirs are not.
        let place = match record.event {
            Event::FlowOpen | Event::FlowEnd | Event::Operation | Event::OperationRefused => {
                interface_of(record)
            }
            Event::Start
            | Event::Stop
            | Event::SessionOpen
            | Event::SessionEnd
            | Event::FlowRefused
            | Event::Request
            | Event::RequestEnd
            | Event::RequestRefused
            | Event::Refusals
            | Event::Issuing
            | Event::Issued
            | Event::CodeRefused
            | Event::Claimed
            | Event::Recovery
            | Event::Alarm => None,
        };
        let is_known = self.sums.len() < INTERFACES || self.sums.contains_key(&place);
        let sum = Sum::of(record);
        let all = self.sums.entry(place.filter(|_| is_known));
        all.and_modify(|all| all.join(&sum)).or_insert(sum);
    }
}

fn interface_of(record: &Record) -> Option<InterfaceKey> {
    let interface = record.path.as_ref()?.raw().split('/').next()?.to_owned();
    Some((record.device.clone()?, interface))
}

/// The sum of records that were counted.
#[derive(Debug)]
struct Sum {
    first: Timestamp,
    last: Timestamp,
    count: u64,
    /// How they ended and why, if that was the same for all.
    outcome: Option<Outcome>,
    reason: Option<String>,
}

impl Sum {
    fn of(record: &Record) -> Self {
        Self {
            first: record.first.unwrap_or(record.at),
            last: record.last.unwrap_or(record.at),
            count: record.count.unwrap_or(1),
            outcome: record.outcome,
            reason: record.reason.clone(),
        }
    }

    fn join(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count = self.count.saturating_add(other.count);
        self.outcome = self.outcome.filter(|outcome| Some(*outcome) == other.outcome);
        self.reason = self.reason.take().filter(|why| Some(why) == other.reason.as_ref());
    }

    /// Returns the record of the sum.
    fn record(self, event: Event, party: Option<&Party>, place: Option<InterfaceKey>) -> Record {
        let mut record = Record::new(self.last, event);
        match party {
            Some(Party::Subject(subject)) => record.subject = Some(subject.clone()),
            Some(Party::Stranger(prefix)) => record.prefix = Some(prefix.to_string()),
            Some(Party::Gateway) | None => {}
        }
        if let Some((device, interface)) = place {
            (record.device, record.path) = (Some(device), Some(PeerText::new(&interface)));
        }
        (record.first, record.last) = (Some(self.first), Some(self.last));
        (record.outcome, record.reason) = (self.outcome, self.reason);
        record.count = Some(self.count);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_model::{Action, Subject};

    fn at(second: u64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second as i64).unwrap()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn record(event: Event, subject: &str, second: u64) -> Record {
        let mut record = Record::new(at(second), event).ended(Outcome::Refused, "no-rule");
        record.subject = Some(subject.parse::<Subject>().unwrap());
        record
    }

    /// Takes `count` records within that second. Returns how many were written.
    fn burst(budget: &mut Budget, event: Event, subject: &str, second: u64, count: u32) -> u32 {
        let taken = (0..count)
            .map(|_| budget.take(&mut record(event, subject, second), |_| true, seconds(second)));
        taken.filter(|verdict| *verdict == BudgetVerdict::Written).count() as u32
    }

    #[test]
    fn the_first_of_a_minute_stand_by_themselves_and_the_rest_is_one_record() {
        let mut budget = Budget::default();
        let bound = record(Event::FlowRefused, "device/one", 0).bound();
        assert_eq!(burst(&mut budget, Event::FlowRefused, "device/one", 0, 5000), bound.minute);
        // Another party and another kind of event have accounts of their own.
        assert_eq!(burst(&mut budget, Event::FlowRefused, "device/two", 1, 10), 10);
        assert_eq!(burst(&mut budget, Event::SessionOpen, "device/one", 1, 10), 10);
        burst(&mut budget, Event::FlowRefused, "device/one", 30, 7);
        assert_eq!(budget.due(|_| true, false, seconds(59)), []);
        let [sum] = budget.due(|_| true, false, seconds(60)).try_into().unwrap();
        assert_eq!(sum.count, Some(u64::from(5000 - bound.minute + 7)));
        assert_eq!((sum.first, sum.last), (Some(at(0)), Some(at(30))));
        assert_eq!(sum.subject, record(Event::FlowRefused, "device/one", 0).subject);
        assert_eq!(sum.reason.as_deref(), Some("no-rule"));
        assert_eq!(burst(&mut budget, Event::FlowRefused, "device/one", 61, 10), 10);
    }

    #[test]
    fn the_last_that_stands_by_itself_says_that_others_are_counted() {
        let mut budget = Budget::default();
        let mut last = None;
        for _ in 0..100 {
            let mut one = record(Event::CodeRefused, "device/one", 0);
            if budget.take(&mut one, |_| true, seconds(0)) == BudgetVerdict::Written {
                last = Some(one);
            }
        }
        assert_eq!(last.unwrap().detail.unwrap().raw(), COUNTED_FROM_HERE);
    }

    #[test]
    fn a_party_that_never_rests_leaves_a_bounded_day() {
        let mut budget = Budget::default();
        let bound = record(Event::FlowRefused, "device/one", 0).bound();
        let (mut alone, mut sums, mut counted) = (0, 0, 0);
        for minute in 0..24 * 60 {
            let second = minute * 60;
            alone += burst(&mut budget, Event::FlowRefused, "device/one", second, 500);
            let due = budget.due(|_| true, false, seconds(second + 59));
            sums += due.len();
            counted += due.iter().filter_map(|sum| sum.count).sum::<u64>();
        }
        counted += budget
            .due(|_| true, true, seconds(24 * 3600))
            .iter()
            .filter_map(|sum| sum.count)
            .sum::<u64>();
        assert!(alone <= bound.day && sums <= 60, "{alone} {sums}");
        assert_eq!(counted + u64::from(alone), 24 * 60 * 500, "none is lost");
    }

    #[test]
    fn what_a_right_allows_leaves_a_trace_in_each_minute() {
        let mut budget = Budget::default();
        let bound = record(Event::FlowOpen, "user/alice", 0).bound();
        for minute in 0..200 {
            let alone = burst(&mut budget, Event::FlowOpen, "user/alice", minute * 60, 1000);
            assert!((1..=bound.minute).contains(&alone), "minute {minute}: {alone}");
        }
    }

    #[test]
    fn sums_of_what_a_right_allows_tell_where() {
        let mut budget = Budget::default();
        for number in 0..5000 {
            let mut one = record(Event::Operation, "user/alice", 0);
            one.device = Some("plc".parse().unwrap());
            one.path = Some(PeerText::new(["modbus/1/holding/7", "web/a"][number % 2]));
            budget.take(&mut one, |_| true, seconds(0));
        }
        let mut sums = budget.due(|_| true, false, seconds(60));
        sums.sort_by_key(|sum| sum.path.clone().map(|path| path.raw().to_owned()));
        let paths: Vec<_> = sums.iter().map(|sum| sum.path.as_ref().unwrap().raw()).collect();
        assert_eq!(paths, ["modbus", "web"]);
        assert_eq!(sums.iter().filter_map(|sum| sum.count).sum::<u64>(), 4400);
    }

    #[test]
    fn without_room_refusals_are_counted_and_flows_are_not_opened() {
        let mut budget = Budget::default();
        let take = |budget: &mut Budget, event, room| {
            budget.take(&mut record(event, "device/one", 0), |_| room, seconds(0))
        };
        for event in [Event::FlowRefused, Event::SessionOpen, Event::Alarm, Event::Issuing] {
            assert_eq!(take(&mut budget, event, false), BudgetVerdict::Counted, "{event}");
        }
        for event in [Event::FlowOpen, Event::Operation] {
            assert_eq!(take(&mut budget, event, false), BudgetVerdict::NoRoom, "{event}");
        }
        burst(&mut budget, Event::FlowRefused, "device/two", 0, 100);
        assert_eq!(budget.due(|_| false, false, seconds(3599)), []);
        // One record for each kind of event, whoever caused it.
        let sums = budget.due(|_| false, false, seconds(3600));
        assert_eq!(sums.len(), 4);
        assert!(sums.iter().all(|sum| sum.subject.is_none()));
    }

    #[test]
    fn changes_stand_by_themselves_and_what_is_urgent_always_has_room() {
        let mut budget = Budget::default();
        let request = |action, urgent| {
            let mut record = record(Event::Request, "user/owner", 0);
            (record.action, record.urgent) = (Some(action), urgent);
            record
        };
        for _ in 0..10_000 {
            let verdict = budget.take(&mut request(Action::Create, false), |_| true, seconds(0));
            assert_eq!(verdict, BudgetVerdict::Written);
        }
        let mut urgent = |room: fn(Class) -> bool| {
            let mut all = (0..1000).map(|_| request(Action::Delete, true));
            let written = all.by_ref().map(|mut one| budget.take(&mut one, room, seconds(0)));
            written.filter(|verdict| *verdict == BudgetVerdict::Written).count()
        };
        assert_eq!(urgent(|_| true), 1000);
        let only_rescue = |class| class == Class::Rescue;
        assert_eq!(urgent(only_rescue), 120, "the rest is done and counted");
        let reads =
            (0..100).map(|_| budget.take(&mut request(Action::Read, false), |_| true, seconds(0)));
        assert_eq!(reads.filter(|verdict| *verdict == BudgetVerdict::Counted).count(), 40);
        assert_eq!(Class::Rescue.room(1), u64::MAX, "the log never lacks room for it");
    }

    #[test]
    fn accounts_are_bounded() {
        let mut budget = Budget::default();
        for number in 0..ACCOUNTS + 1000 {
            let subject = format!("device/d{number}");
            budget.take(&mut record(Event::FlowRefused, &subject, 0), |_| true, seconds(0));
        }
        // One more account is for the parties beyond the bound.
        assert!(budget.accounts.len() <= ACCOUNTS + 1);
        budget.due(|_| true, true, seconds(24 * 3600));
        assert!(budget.accounts.len() <= 1, "a day later they are forgotten");
    }
}
