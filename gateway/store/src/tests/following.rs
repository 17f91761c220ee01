//! A follower, which knows only the list of changes, against the writer.

use proptest::prelude::*;

use super::snapshots::{steps, take};
use super::*;
use crate::port::values;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A follower that catches up now and then has the writer's snapshot at each number it shows.
    #[test]
    fn a_follower_has_the_snapshot_of_the_writer(
        steps in steps(),
        looks in proptest::collection::vec(any::<bool>(), 24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let test_store = TestStore::found().await;
            let store = test_store.open().await.store;
            let mut follower = Snapshot::clone(&store.snapshots().borrow());
            for (step, looks) in steps.into_iter().zip(looks) {
                let shown = format!("{step:?}");
                take(&test_store, &store, step).await;
                if looks {
                    follower = store.catch_up(&follower).await.unwrap();
                    let written = store.snapshots().borrow().clone();
                    assert_eq!(follower, *written, "after {shown}");
                }
            }
            follower = store.catch_up(&follower).await.unwrap();
            assert_eq!(follower, *store.snapshots().borrow().clone());
        });
    }
}

#[test]
fn snapshots_that_differ_in_their_suspensions_differ() {
    let bundle = Arc::new(Bundle::parse(BundleText::default()).unwrap());
    let revision = doorward_model::Revision(1);
    let plain = Snapshot::new("doorward.home.arpa".parse().unwrap(), revision, bundle);
    assert_ne!(plain.clone().suspending(&[3]), plain);
    assert_eq!(plain.clone().holding(&[3]), plain);
    assert_eq!(plain.clone().holding(&[3]).suspending(&[3]), plain.clone().suspending(&[3]));
}

#[tokio::test]
async fn a_follower_refuses_what_it_does_not_know_and_reads_all_when_rows_are_gone() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let first = Snapshot::clone(&store.snapshots().borrow());
    for name in ["user/a", "user/b", "user/c"] {
        store.add_subject(Actor::Local, new(name, None)).await.unwrap();
    }
    let last = store.snapshots().borrow().clone();
    let change = async |sql: &'static str, value: i64| {
        let mut tx = store.database().begin().await.unwrap();
        tx.run(sql, values![value]).await.unwrap();
        tx.commit().await.into_result().unwrap();
    };
    change("UPDATE epochs SET touched = '{\"holds\":true}' WHERE epoch = $1", first.epoch().0 + 2)
        .await;
    let error = store.catch_up(&first).await.unwrap_err();
    assert!(error.to_string().contains("does not know"), "{error}");
    // Without the row, nothing says what it touched.
    change("DELETE FROM epochs WHERE epoch = $1", first.epoch().0 + 2).await;
    assert_eq!(store.catch_up(&first).await.unwrap(), *last);
    // A database that was put back.
    change("UPDATE heads SET epoch = $1", first.epoch().0).await;
    let error = store.catch_up(&last).await.unwrap_err();
    assert!(error.to_string().contains("backup"), "{error}");
}

#[tokio::test]
async fn the_writer_takes_over_what_others_have_changed_before_its_own_change() {
    let test_store = TestStore::found().await;
    let (one, other) = (test_store.open().await.store, test_store.open().await.store);
    let first = one.add_subject(Actor::Local, new("user/a", None)).await.unwrap();
    let second = other.add_subject(Actor::Local, new("user/b", None)).await.unwrap();
    let third = one.add_subject(Actor::Local, new("user/c", None)).await.unwrap();
    assert_eq!((second.epoch.0, third.epoch.0), (first.epoch.0 + 1, first.epoch.0 + 2));
    let published = one.snapshots().borrow().clone();
    assert!(published.member(&subject("user/b")).is_some());
    assert_eq!(*published, reread(&test_store).await);
    assert_eq!(other.catch_up(&other.snapshots().borrow().clone()).await.unwrap(), *published);
}

#[tokio::test]
async fn the_list_of_changes_does_not_grow_for_ever() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let run = async |sql: &'static str| {
        let mut tx = store.database().begin().await.unwrap();
        tx.run(sql, values![]).await.unwrap();
        tx.commit().await.into_result().unwrap();
    };
    let rows = async || {
        let mut reading = store.database().read().await.unwrap();
        let found = reading.one("SELECT count(*) AS rows FROM epochs", values![]).await.unwrap();
        found.get::<i64>("rows").unwrap()
    };
    run("INSERT INTO epochs (epoch, id, at, actor, what, touched) \
         WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100005) \
         SELECT n, NULL, 0, 'local', 'report', '{}' FROM numbers")
    .await;
    run("UPDATE heads SET epoch = 100005").await;
    assert_eq!(rows().await, 100_005);
    for (name, left) in [
        ("a", 100_004),
        ("b", 100_003),
        ("c", 100_002),
        ("d", 100_001),
        ("e", 100_000),
        ("f", 100_000),
    ] {
        store.add_subject(Actor::Local, new(&format!("user/{name}"), None)).await.unwrap();
        assert_eq!(rows().await, left, "after {name}");
    }
}

#[test]
fn an_unknown_kind_of_touching_is_an_error() {
    let read = |text: &str| serde_json::from_str::<doorward_policies::Touched>(text);
    assert!(read(r#"{"bundle":true,"holds":["user/bob"]}"#).is_err());
    assert!(read(r#"{"holds":[]}"#).is_err());
    // What former versions have written is known.
    let touched = read(r#"{"bundle":true,"subjects":["user/bob"]}"#).unwrap();
    assert!(touched.bundle && touched.subjects.len() == 1);
    let suspensions = doorward_policies::Touched { suspensions: true, ..Default::default() };
    assert!(!suspensions.is_empty());
    let written = serde_json::to_string(&suspensions).unwrap();
    assert_eq!(read(&written).unwrap(), suspensions);
}
