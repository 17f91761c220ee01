//! The audit log through its public interface, on a real disk.

use std::path::Path;

use doorward_model::{Action, FlowId};
use doorward_policies::{Event, Journal as _, JournalError, Outcome, Record};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Row as _};

use super::read::OF_FLOW;
use crate::tests::{START, TestStore};
use crate::{AuditLog, AuditSettings};

fn record(event: Event, subject: &str) -> Record {
    let mut record = Record::new(Timestamp::from_second(START).unwrap(), event);
    record.subject = Some(subject.parse().unwrap());
    record
}

fn numbered(number: u64) -> Record {
    let mut record = record(Event::FlowOpen, "user/alice");
    record.bytes_up = Some(number);
    record
}

fn change(urgent: bool) -> Record {
    let mut record = record(Event::Request, "user/owner");
    (record.action, record.urgent) = (Some(Action::Delete), urgent);
    record.detail(&"x".repeat(256))
}

async fn open(test_store: &TestStore, max_bytes: u64) -> (AuditLog, tokio::task::JoinHandle<()>) {
    let (settings, store) = (AuditSettings { max_bytes, open: 64 }, test_store.open().await.store);
    store.open_audit(test_store.path(), settings).await.unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_is_read_back_in_order_and_endings_keep_their_place() {
    let test_store = TestStore::found().await;
    let (log, task) = open(&test_store, 1 << 30).await;
    let opened = log.open(numbered(1)).await.unwrap();
    for number in 2..100 {
        log.write(numbered(number)).await.unwrap();
    }
    opened.close(numbered(100).ended(Outcome::Done, "done"));
    drop(log);
    task.await.unwrap();
    let (log, _task) = open(&test_store, 1 << 30).await;
    let all = log.read_after(0, None, 1000).await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|one| one.record.bytes_up.unwrap()).collect();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert_eq!(all.last().unwrap().seq, 100);
    let tail = log.before_last(3).await.unwrap();
    assert_eq!(log.read_after(tail, None, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn one_flow_is_read_in_order_and_by_its_index() {
    let test_store = TestStore::found().await;
    let (log, _task) = open(&test_store, 1 << 30).await;
    let at = Timestamp::from_second(START).unwrap();
    let (one, other) = (FlowId::new(at, [1; 10]), FlowId::new(at, [2; 10]));
    for number in 0..60 {
        let flow = [Some(one), Some(other), None][number as usize % 3];
        log.write(Record { flow, ..numbered(number) }).await.unwrap();
    }
    let of = async |after: i64, flow: Option<FlowId>, limit: u32| -> Vec<i64> {
        let read = log.read_after(after, flow, limit).await.unwrap();
        assert!(read.iter().all(|one| flow.is_none() || one.record.flow == flow));
        read.iter().map(|one| one.seq).collect()
    };
    assert_eq!(of(0, Some(one), 100).await, (1..=60).step_by(3).collect::<Vec<_>>());
    assert_eq!(of(4, Some(one), 3).await, [7, 10, 13]);
    assert_eq!(of(4, Some(other), 3).await, [5, 8, 11]);
    assert_eq!(of(58, Some(one), 3).await, [0_i64; 0]);
    assert_eq!(of(4, None, 3).await, [5, 6, 7]);

    let plan = format!("EXPLAIN QUERY PLAN {OF_FLOW}");
    let plan = sqlx::query(AssertSqlSafe(plan)).bind("x").bind(4).bind(3);
    let plan = plan.fetch_all(&log.readers).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
    assert_eq!(plan, ["SEARCH records USING INDEX records_by_flow (flow=? AND rowid>?)"]);
}

/// Writes records for one subject after the other, until the log refuses. Returns how many were
/// written, and the refusal.
async fn fill(log: &AuditLog, event: Event) -> (u64, JournalError) {
    for written in 0..50_000_u64 {
        let record = record(event, &format!("user/u{written}")).detail(&"x".repeat(256));
        if let Err(error) = log.write(record).await {
            return (written, error);
        }
    }
    panic!("the log is not bounded");
}

#[tokio::test]
async fn who_has_fewer_rights_finds_the_log_full_earlier() {
    let test_store = TestStore::found().await;
    let most = AuditSettings::SMALLEST;
    let (log, _task) = open(&test_store, most).await;
    let flow = log.open(numbered(0)).await.unwrap();

    // Records that anybody may cause are written up to three quarters, and counted from there on.
    for number in 0..5000 {
        let record = record(Event::FlowRefused, &format!("device/d{number}"));
        log.write(record.detail(&"x".repeat(256))).await.unwrap();
    }
    let anyone = log.bytes();
    assert!((most / 32 * 22..most / 32 * 25).contains(&anyone), "{anyone}");
    assert_eq!(*log.trouble().borrow(), None, "flows are still taken");

    // Records of certificates go on, and are then counted, so that renewals without end stop no
    // flow.
    for number in 0..5000 {
        let record = record(Event::Issuing, &format!("device/d{number}"));
        log.write(record.detail(&"x".repeat(256))).await.unwrap();
    }
    let identities = log.bytes();
    assert!((most / 32 * 26..most / 32 * 29).contains(&identities), "{identities}");
    assert_eq!(*log.trouble().borrow(), None, "flows are still taken");

    let (written, refused) = fill(&log, Event::FlowOpen).await;
    assert_eq!(refused, JournalError::Full);
    assert!(written > 10, "flows have room of their own: {written}");
    assert_eq!(*log.trouble().borrow(), Some(JournalError::Full));
    log.write(record(Event::Issuing, "device/pump")).await.unwrap();

    // Then changes are refused.
    let mut changes = 0;
    while log.write(change(false)).await.is_ok() {
        changes += 1;
        assert!(changes < 1000, "the cap is hard");
    }
    assert!(changes > 10, "administrators have room of their own: {changes}");
    assert!(log.bytes() <= most + most / 32, "{} of {most}", log.bytes());

    // Changes that take rights away are never refused. An open flow can end, and pruning works.
    for _ in 0..100 {
        log.write(change(true)).await.unwrap();
    }
    flow.close(numbered(2).ended(Outcome::Done, "done"));
    let later = Timestamp::from_second(START + 1).unwrap();
    assert!(log.prune(later).await.unwrap() > 1000);
    assert_eq!(*log.trouble().borrow(), None);
    log.write(record(Event::FlowOpen, "user/bob")).await.unwrap();
}

#[tokio::test]
async fn a_party_at_full_speed_leaves_what_it_may_and_a_sum() {
    let test_store = TestStore::found().await;
    let (log, task) = open(&test_store, 1 << 30).await;
    let bound = record(Event::FlowRefused, "device/one").bound();
    let before = log.bytes();
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let log = log.clone();
        tries.spawn(async move {
            for _ in 0..5000 {
                log.write(record(Event::FlowRefused, "device/one")).await.unwrap();
                let opened = log.open(record(Event::SessionOpen, "device/one")).await.unwrap();
                opened.close(record(Event::SessionEnd, "device/one"));
            }
        });
    }
    while let Some(done) = tries.join_next().await {
        done.unwrap();
    }
    log.write(record(Event::FlowRefused, "user/alice")).await.unwrap();
    assert!(log.bytes() - before < 128 * 1024, "{}", log.bytes() - before);
    drop(log);
    task.await.unwrap();
    let (log, _task) = open(&test_store, 1 << 30).await;
    let all = log.read_after(0, None, 10_000).await.unwrap();
    let of = |event: Event, subject: &str| {
        let subject = Some(subject.parse().unwrap());
        let found = all.iter().map(|one| &one.record);
        found.filter(|one| one.event == event && one.subject == subject).cloned().collect()
    };
    let refused: Vec<Record> = of(Event::FlowRefused, "device/one");
    assert_eq!(refused.len(), bound.minute as usize + 1, "the sum is one more");
    let count = |records: &[Record]| records.iter().map(|one| one.count.unwrap_or(1)).sum::<u64>();
    assert_eq!(count(&refused), 40_000, "none is lost");
    let sum = refused.last().unwrap();
    assert!(sum.first.is_some() && sum.last.is_some());
    assert_eq!(count(&of(Event::SessionOpen, "device/one")), 40_000);
    assert_eq!(count(&of(Event::SessionEnd, "device/one")), 40_000);
    assert_eq!(of(Event::FlowRefused, "user/alice").len(), 1, "another party is not concerned");
}

#[tokio::test]
async fn pruning_takes_its_time_and_keeps_nobody_waiting() {
    let test_store = TestStore::found().await;
    let (log, _task) = open(&test_store, 1 << 30).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..200 {
        let log = log.clone();
        writers.spawn(async move {
            for _ in 0..50 {
                log.write(record(Event::FlowOpen, &format!("user/u{writer}"))).await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let pruned = tokio::spawn({
        let log = log.clone();
        async move { log.prune(Timestamp::from_second(START + 1).unwrap()).await }
    });
    let mut during = 0;
    while !pruned.is_finished() {
        let mut record = record(Event::FlowOpen, &format!("user/later{during}"));
        record.at = Timestamp::from_second(START + 2).unwrap();
        log.write(record).await.unwrap();
        during += 1;
    }
    assert_eq!(pruned.await.unwrap().unwrap(), 10_000);
    assert!(during >= 3, "others are served between the pieces: {during}");
    assert!(wal(test_store.path()) < 4 * 1024 * 1024, "{}", wal(test_store.path()));
}

fn wal(dir: &Path) -> u64 {
    std::fs::metadata(dir.join("audit.db-wal")).map_or(0, |found| found.len())
}
