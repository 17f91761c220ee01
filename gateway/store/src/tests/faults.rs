//! A database that asks for changes again, and one whose answers are lost.

use doorward_model::Role;

use super::*;
use crate::port::fault::DatabaseFault;

/// Makes the next commit go wrong, then a change, and checks that the fault has happened.
async fn with<T>(store: &Store, fault: DatabaseFault, change: impl Future<Output = T>) -> T {
    store.database().faults.order([fault]);
    let value = change.await;
    assert_eq!(store.database().faults.left(), 0, "{fault:?} has happened");
    value
}

fn epoch(store: &Store) -> i64 {
    store.snapshots().borrow().epoch().0
}

#[tokio::test]
async fn every_kind_of_change_passes_when_the_database_asks_for_it_again() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let by = || Actor::Local;
    let plc = || subject("device/plc");
    let role: Role = "role/owner".parse().unwrap();
    let again = DatabaseFault::Again;

    let code = test_store.code(1);
    with(&store, again, store.new_owner_code(code.clone())).await.unwrap();
    let (key, sign) = test_store.sign("user/owner");
    let claim = store.claim(code.digest, key, subject("user/owner"), role, sign);
    assert!(with(&store, again, claim).await.unwrap().value.fresh);

    let code = test_store.code(2);
    let add = store.add_subject(by(), new("device/plc", Some(code.clone())));
    let number = with(&store, again, add).await.unwrap().value.id;
    let (key, sign) = test_store.sign("device/plc");
    let redeemed = with(&store, again, store.redeem(code.digest, key, sign)).await.unwrap();
    let first = redeemed.value;
    assert!(first.fresh);
    let (_, sign) = test_store.sign("device/plc");
    let renew = store.renew(plc(), number, first.id, start(), PLENTY, sign);
    with(&store, again, renew).await.unwrap();
    let report = store.report(plc(), number, test_store.posture(1));
    with(&store, again, report).await.unwrap();
    let code = test_store.code(3);
    with(&store, again, store.new_code(by(), plc(), seen(&store, "device/plc"), code))
        .await
        .unwrap();
    let join = vec!["group/plant".parse().unwrap()];
    let changes = SubjectChanges { join, ..switch(false) };
    let change = store.change_subject(by(), plc(), seen(&store, "device/plc"), changes);
    with(&store, again, change).await.unwrap();

    let door: DoorName = "ssh--plc".parse().unwrap();
    let target = "tcp://127.0.0.1:22".parse().unwrap();
    let declared = NewInterface { door: door.clone(), target, network: None };
    with(&store, again, store.add_interface(by(), declared)).await.unwrap();
    let off = interfaces(&store, &plc()).remove(0);
    let next = Interface { enabled: false, ..off.clone() };
    let disable = store.change_interface(by(), door.clone(), off, next);
    with(&store, again, disable).await.unwrap();
    with(&store, again, store.remove_interface(by(), door)).await.unwrap();

    let bundle = || Arc::new(Bundle::parse(BundleText::default()).unwrap());
    let confirm_by = Some(start() + SignedDuration::from_hours(1));
    let waits = || Applying { confirm_by, ..Applying::default() };
    with(&store, again, store.apply(by(), bundle(), waits())).await.unwrap();
    assert!(with(&store, again, store.confirm(by())).await.unwrap().value.is_some());
    store.apply(by(), bundle(), waits()).await.unwrap();
    let waiting = store.unconfirmed().await.unwrap().unwrap();
    let undo = store.undo(waiting, bundle(), "nobody has confirmed".to_owned());
    let revision = with(&store, again, undo).await.unwrap().value.unwrap();
    with(&store, again, store.suspend(revision, vec![3])).await.unwrap();

    let (_, one) = test_store.sign("gateway/main");
    let (_, other) = test_store.sign("gateway/main");
    let own = store.issue_own(subject("gateway/main"), vec![one, other]);
    assert_eq!(with(&store, again, own).await.unwrap().value.len(), 2);
    with(&store, again, store.advertise("home.example:443".to_owned())).await.unwrap();
    with(&store, again, store.probe()).await.unwrap();
    with(&store, again, store.forget_expired(start())).await.unwrap();
    with(&store, again, store.forget_ended(start())).await.unwrap();
    let revoke = store.revoke(by(), plc(), seen(&store, "device/plc"));
    assert_eq!(with(&store, again, revoke).await.unwrap().value, 2);
    let remove = store.remove_subject(by(), plc(), seen(&store, "device/plc"), vec![]);
    with(&store, again, remove).await.unwrap();

    assert!(store.trouble().borrow().is_none());
    let published = store.snapshots().borrow().clone();
    assert_eq!(*published, reread(&test_store).await);
}

#[tokio::test]
async fn one_signature_serves_a_change_that_is_made_again() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let code = test_store.code(7);
    store.add_subject(Actor::Local, new("user/bob", Some(code.clone()))).await.unwrap();
    let signed = Arc::new(AtomicUsize::new(0));
    let (key, sign) = test_store.sign("user/bob");
    let counter = Arc::clone(&signed);
    let counted: Sign = Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        sign()
    });
    store.database().faults.order([DatabaseFault::Again; 3]);
    let redeemed = store.redeem(code.digest, key, counted).await.unwrap();
    assert!(redeemed.value.fresh);
    assert_eq!(signed.load(Ordering::SeqCst), 1);
    assert_eq!(store.certificates(&subject("user/bob")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_that_always_asks_again_is_refused_in_the_end() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let before = epoch(&store);
    store.database().faults.order([DatabaseFault::Again; 8]);
    let refused = store.add_subject(Actor::Local, new("user/bob", None)).await;
    assert!(matches!(refused, Err(StoreError::Again(_))), "{refused:?}");
    assert!(store.trouble().borrow().is_some());
    assert_eq!(epoch(&store), before);
    let added = store.add_subject(Actor::Local, new("user/bob", None)).await.unwrap();
    assert_eq!(added.epoch.0, before + 1);
    assert!(store.trouble().borrow().is_none());
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_settled_by_its_id() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let before = epoch(&store);
    let add = |name: &'static str| store.add_subject(Actor::Local, new(name, None));

    let lost = with(&store, DatabaseFault::NotMade, add("user/ada")).await;
    assert!(matches!(lost, Err(StoreError::Gone(_))), "{lost:?}");
    assert_eq!(epoch(&store), before);
    assert!(store.snapshots().borrow().member(&subject("user/ada")).is_none());

    let made = with(&store, DatabaseFault::Made, add("user/bob")).await.unwrap();
    assert_eq!(made.epoch.0, before + 1);
    assert!(store.snapshots().borrow().member(&subject("user/bob")).is_some());
    assert_eq!(*store.snapshots().borrow().clone(), reread(&test_store).await);

    // A change without a number leaves no trace by which it could be found.
    let confirm = with(&store, DatabaseFault::Made, store.confirm(Actor::Local)).await;
    assert!(matches!(confirm, Err(StoreError::InDoubt(_))), "{confirm:?}");
}

#[tokio::test]
async fn a_code_is_spent_once_whatever_was_read_before() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let code = test_store.code(7);
    store.add_subject(Actor::Local, new("user/bob", Some(code.clone()))).await.unwrap();
    let (key, sign) = test_store.sign("user/bob");
    store.redeem(code.digest, key, sign).await.unwrap();
    let mut tx = store.database().begin().await.unwrap();
    let (other, _) = test_store.sign("user/bob");
    let spent = crate::rows::codes::spend(&mut tx, code.digest, other, 1).await;
    assert!(matches!(spent, Err(StoreError::Code(CodeRefused::Used))), "{spent:?}");
}

#[tokio::test]
async fn rules_are_suspended_at_once_and_numbered_when_that_can_be_written() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let now = || store.snapshots().borrow().clone();
    let (before, revision) = (epoch(&store), now().revision());

    store.suspend(revision, vec![5]).await.unwrap();
    assert_eq!(epoch(&store), before + 1, "a suspension is a change");
    assert!(now().held().is_empty() && now().suspended().contains(&5));

    store.database().faults.order([DatabaseFault::Full; 2]);
    store.suspend(revision, vec![7]).await.unwrap();
    let held = now();
    assert!(held.suspended().contains(&7) && held.held().contains(&7), "it only denies");
    assert_eq!(held.epoch().0, before + 1);
    assert_eq!(*held, reread(&test_store).await, "what is held belongs to no number");
    assert!(store.trouble().borrow().is_some());
    store.reload().await.unwrap();
    assert!(now().suspended().contains(&7) && now().held().contains(&7));
    // The first change that can be written clears the trouble; then it is numbered.
    assert!(matches!(store.probe().await, Err(StoreError::Full)));
    store.probe().await.unwrap();
    // The next change waits for its turn.
    store.probe().await.unwrap();
    let numbered = now();
    assert!(numbered.held().is_empty() && numbered.suspended().contains(&7));
    assert_eq!(numbered.epoch().0, before + 2);
    assert_eq!(*numbered, reread(&test_store).await);
}
