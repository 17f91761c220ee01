//! Issued certificates: renewals, and how old rows are deleted.

use super::*;

#[tokio::test]
async fn however_many_renewals_come_at_once_none_passes_the_allowance() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let id = store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap().value.id;
    let asking = test_store.enrol(&store, "device/plc").await.unwrap();
    let allowance = Allowance { hour: 7, day: 9 };
    let burst = async || {
        let racers: Vec<_> = (0..50)
            .map(|_| {
                let (_, sign) = test_store.sign("device/plc");
                let (store, asking) = (store.clone(), asking.clone());
                let plc = subject("device/plc");
                tokio::spawn(async move {
                    store.renew(plc, id, asking, start(), allowance, sign).await.map(drop)
                })
            })
            .collect();
        let mut issued = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Ok(()) => issued += 1,
                Err(error) => assert!(matches!(error, StoreError::TooOften), "{error}"),
            }
        }
        issued
    };
    // The enrolment is the seventh certificate.
    assert_eq!(burst().await, 6);
    assert!(matches!(store.may_renew(id, allowance).await, Err(StoreError::TooOften)));
    test_store.clock.0.fetch_add(3601, Ordering::SeqCst);
    assert!(store.may_renew(id, allowance).await.is_ok());
    assert_eq!(burst().await, 2, "then the day is used up");
    test_store.clock.0.fetch_add(2 * 3600, Ordering::SeqCst);
    assert_eq!(burst().await, 0);
}

#[tokio::test]
async fn what_ended_long_ago_is_deleted_and_what_lives_is_not() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let id = store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap().value.id;
    let mut asking = test_store.enrol(&store, "device/plc").await.unwrap();
    let count = async || store.certificates(&subject("device/plc")).await.unwrap().len();
    let mut renewed = 1;
    for _ in 0..40 {
        let (_, sign) = test_store.sign("device/plc");
        let alive = test_store.clock.now();
        let done = store.renew(subject("device/plc"), id, asking, alive, PLENTY, sign).await;
        asking = test_store.id(&done.unwrap().value);
        renewed += 1;
        test_store.clock.0.fetch_add(16 * 3600, Ordering::SeqCst);
    }
    assert_eq!(count().await, renewed);
    let ended = test_store.clock.now().checked_sub(SignedDuration::from_hours(24 * 10)).unwrap();
    assert!(store.forget_ended(ended).await.unwrap() > 10);
    let left = store.certificates(&subject("device/plc")).await.unwrap();
    assert!(left.iter().filter(|one| one.not_after < ended).count() <= 1, "but the first");
    assert!(left.len() > 10, "what ended of late is kept: {}", left.len());
    let (_, sign) = test_store.sign("device/plc");
    let (plc, alive) = (subject("device/plc"), test_store.clock.now());
    assert!(store.renew(plc, id, asking, alive, PLENTY, sign).await.is_ok());
    let rows = store.forget_ended(ended).await.unwrap();
    assert_eq!(rows, 0, "a second time there is nothing more");
}

#[tokio::test]
async fn renewals_that_never_arrive_neither_pile_up_nor_lock_anyone_out() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let plc = || subject("device/plc");
    let id = store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap().value.id;
    let renew = async |asking: &CertificateId| {
        let (_, sign) = test_store.sign("device/plc");
        store
            .renew(plc(), id, asking.clone(), start(), PLENTY, sign)
            .await
            .map(|done| test_store.id(&done.value))
    };
    let asking = test_store.enrol(&store, "device/plc").await.unwrap();
    let other = test_store.enrol(&store, "device/plc").await.unwrap();
    for _ in 0..20 {
        let newest = renew(&asking).await.unwrap();
        let live = test_store.live(&store, "device/plc").await;
        assert_eq!(live.first(), Some(&newest));
        assert!(
            live.contains(&asking) && live.contains(&other),
            "another enrolment is not touched"
        );
        assert!(live.len() <= 5, "{live:?}");
    }
    // A chain of renewals revokes its first certificates.
    let (mut last, mut former) = (asking.clone(), asking.clone());
    for _ in 0..6 {
        let next = renew(&last).await.unwrap();
        former = std::mem::replace(&mut last, next);
    }
    let live = test_store.live(&store, "device/plc").await;
    assert!(live.contains(&last) && live.contains(&former) && !live.contains(&asking));
    assert!(matches!(renew(&asking).await, Err(StoreError::Ended)));
    // A revoked certificate renews nothing.
    store.revoke(Actor::Local, plc(), seen(&store, "device/plc")).await.unwrap();
    assert!(matches!(renew(&last).await, Err(StoreError::Ended)));
}
