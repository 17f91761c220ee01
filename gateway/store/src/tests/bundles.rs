//! Revisions of the bundle, and suspended rules.

use super::*;

/// Returns how many pieces of bundles are stored.
async fn pieces(store: &Store) -> i64 {
    let mut reading = store.read().await.unwrap();
    let row = reading.one("SELECT count(*) AS pieces FROM pieces", values![]).await.unwrap();
    row.get("pieces").unwrap()
}

#[tokio::test]
async fn a_revision_takes_the_room_of_what_is_new_in_it() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let mut text = BundleText::default();
    let apply = async |text: &BundleText| {
        let bundle = Arc::new(Bundle::parse(text.clone()).unwrap());
        let applying = Applying::default();
        let revision = store.apply(Actor::Local, bundle, applying).await.unwrap().value;
        let kept = store.revision(revision).await.unwrap().unwrap();
        assert_eq!(kept.text, *text);
        pieces(&store).await
    };
    let default = apply(&text).await;
    for number in 0..20_000 {
        text.policy.push_str(&format!("p, role/r{number}, box, web/{number}, get, , allow\n"));
    }
    let large = apply(&text).await;
    assert!(large > default + 10, "{default} pieces, then {large}");
    let former = text.clone();
    text.policy = text.policy.replace("role/r777,", "role/r778,");
    let edited = apply(&text).await;
    assert!((large + 1..=large + 2).contains(&edited), "{large} pieces, then {edited}");
    assert_eq!(apply(&former).await, edited, "nothing is new when one goes back");
    assert_eq!(store.bundle().await.unwrap().text, former);
}

#[tokio::test]
async fn what_is_suspended_stays_so_after_a_start_until_the_next_bundle() {
    let test_store = TestStore::found().await;
    let suspended = |store: &Store| store.snapshots().borrow().suspended().as_ref().clone();
    let opened = test_store.open().await;
    let revision = opened.store.snapshots().borrow().revision();
    let other = doorward_model::Revision(revision.0 + 1);
    opened.store.suspend(other, vec![3]).await.unwrap();
    assert!(suspended(&opened.store).is_empty(), "of a bundle that is not in force");
    opened.store.suspend(revision, vec![5, 7]).await.unwrap();
    opened.store.suspend(revision, vec![7, 9]).await.unwrap();
    let OpenedStore { store, task, .. } = opened;
    drop(store);
    task.await.unwrap();
    let store = test_store.open().await.store;
    assert_eq!(suspended(&store).into_iter().collect::<Vec<_>>(), [5, 7, 9]);
    let bundle = Arc::new(Bundle::parse(BundleText::default()).unwrap());
    store.apply(Actor::Local, bundle, Applying::default()).await.unwrap();
    assert!(suspended(&store).is_empty());
}

#[tokio::test]
async fn a_bundle_is_not_applied_over_another_one_than_it_was_looked_at_beside() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let first = store.snapshots().borrow().revision();
    let apply = async |upon| {
        let bundle = Arc::new(Bundle::parse(BundleText::default()).unwrap());
        let applying = Applying { upon: Some(upon), ..Applying::default() };
        store.apply(Actor::Local, bundle, applying).await
    };
    let second = apply(first).await.unwrap().value;
    assert!(matches!(apply(first).await, Err(StoreError::BundleChanged)));
    assert_eq!(store.snapshots().borrow().revision(), second);
    assert!(apply(second).await.is_ok());
}
