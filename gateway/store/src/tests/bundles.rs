//! Revisions of the bundle, and suspended rules.

use super::*;

/// Returns how many pieces of bundles are stored.
async fn pieces(test_store: &TestStore) -> i64 {
    let mut connection = reading(&test_store.path().join("state.db")).connect().await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM pieces").fetch_one(&mut connection).await.unwrap()
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
        pieces(&test_store).await
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
async fn a_state_from_before_there_were_pieces_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut former = crate::database::open(&path, &crate::open::SCHEMA[..2], true).await.unwrap();
    for revision in 1..=3 {
        sqlx::query(
            "INSERT INTO bundles (revision, at, author, model, policy, roles, groups, tests) \
             VALUES (?, 0, 'gateway', ?, '', 'roles', 'groups', 'tests')",
        )
        .bind(revision)
        .bind(format!("model {revision}"))
        .execute(&mut former)
        .await
        .unwrap();
    }
    former.close().await.unwrap();
    let mut present = crate::database::open(&path, crate::open::SCHEMA, false).await.unwrap();
    for revision in 1..=3 {
        let number = doorward_model::Revision(revision);
        let text = crate::pieces::read(&mut present, number).await.unwrap();
        assert_eq!((text.model, text.policy), (format!("model {revision}"), String::new()));
        assert_eq!((&*text.roles, &*text.groups, &*text.tests), ("roles", "groups", "tests"));
    }
    let bundle = Bundle::parse(BundleText::default()).unwrap();
    let (actor, applying) = (Actor::Local, Applying::default());
    let at = Timestamp::UNIX_EPOCH;
    let new = crate::bundles::insert(&mut present, &actor, &bundle, &applying, at).await.unwrap();
    assert_eq!(crate::pieces::read(&mut present, new).await.unwrap(), BundleText::default());
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
