//! What devices report about themselves is stored, dated, and part of the snapshot.

use super::*;

#[tokio::test]
async fn a_report_is_part_of_the_state_and_ends_with_its_device() {
    let test_store = TestStore::found().await;
    let opened = test_store.open().await;
    let store = opened.store;
    let plc = || subject("device/plc");
    let add = || store.add_subject(Actor::Local, new("device/plc", None));
    let posture = |store: &Store| {
        store.snapshots().borrow().posture(&plc()).map(|posture| Posture::clone(posture))
    };
    let first = add().await.unwrap().value.id;
    assert_eq!(posture(&store), None);

    let report = test_store.posture(1);
    let made = store.report(plc(), first, report.clone()).await.unwrap();
    assert_eq!(posture(&store), Some(report.clone()));
    assert_eq!(store.snapshots().borrow().epoch(), made.epoch, "it is a change like any other");

    let too_soon = store.report(plc(), first, test_store.posture(2)).await;
    assert!(matches!(too_soon, Err(StoreError::ReportsTooOften)), "{too_soon:?}");
    assert_eq!(posture(&store), Some(report));
    test_store.clock.0.fetch_add(1, Ordering::SeqCst);
    store.report(plc(), first, test_store.posture(3)).await.unwrap();
    // A clock that was set back keeps no report out.
    test_store.clock.0.fetch_sub(3600, Ordering::SeqCst);
    let last = test_store.posture(4);
    store.report(plc(), first, last.clone()).await.unwrap();
    assert_eq!(posture(&store), Some(last.clone()));
    assert_eq!(reread(&test_store).await.posture(&plc()).unwrap().as_ref(), &last);

    remove(&store, "device/plc").await.unwrap();
    assert_eq!(posture(&store), None);
    let removed = store.report(plc(), first, test_store.posture(5)).await;
    assert!(matches!(removed, Err(StoreError::NoSubject(_))), "{removed:?}");
    let second = add().await.unwrap().value.id;
    let of_the_former = store.report(plc(), first, test_store.posture(5)).await;
    assert!(matches!(of_the_former, Err(StoreError::NoSubject(_))), "{of_the_former:?}");
    assert_eq!(posture(&store), None);
    store.report(plc(), second, test_store.posture(6)).await.unwrap();
    assert_eq!(*store.snapshots().borrow().clone(), reread(&test_store).await);
}

#[tokio::test]
async fn a_report_leaves_what_an_administrator_has_seen_as_it_was() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let id = store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap().value.id;
    let seen = seen(&store, "device/plc");
    store.report(subject("device/plc"), id, test_store.posture(1)).await.unwrap();
    let changed = store.change_subject(Actor::Local, subject("device/plc"), seen, switch(false));
    changed.await.unwrap();
    let snapshot = store.snapshots().borrow().clone();
    assert!(snapshot.posture(&subject("device/plc")).is_some());
}

#[tokio::test]
async fn one_subject_is_shown_as_in_the_list() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    for name in ["device/a", "device/b", "device/c"] {
        store.add_subject(Actor::Local, new(name, None)).await.unwrap();
    }
    for (name, group) in [("device/b", "group/x"), ("device/a", "group/y"), ("device/b", "group/w")]
    {
        let join = vec![group.parse().unwrap()];
        let changes = SubjectChanges { join, ..SubjectChanges::default() };
        let change = store.change_subject(Actor::Local, subject(name), seen(&store, name), changes);
        change.await.unwrap();
    }
    test_store.enrol(&store, "device/b").await.unwrap();
    let listed = store.subjects(doorward_model::Kind::Device).await.unwrap();
    let groups: Vec<usize> = listed.iter().map(|row| row.groups.len()).collect();
    assert_eq!(groups, [1, 2, 0]);
    assert!(listed[1].identity_until.is_some() && listed[0].identity_until.is_none());
    for row in listed {
        assert_eq!(store.subject(&row.subject).await.unwrap(), row);
    }
    let unknown = store.subject(&subject("device/d")).await;
    assert!(matches!(unknown, Err(StoreError::NoSubject(_))), "{unknown:?}");
}
