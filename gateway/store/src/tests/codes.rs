//! Codes, and the keys that use them.

use super::*;

#[tokio::test]
async fn a_code_serves_one_key_and_the_same_key_again() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let code = test_store.code(7);
    store.add_subject(Actor::Local, new("device/plc", Some(code.clone()))).await.unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let csr = VerifiedCsr::read(request.der()).unwrap();

    let refused = |outcome: Result<Committed<Redeemed>, StoreError>| match outcome {
        Err(StoreError::Code(why)) => why,
        other => panic!("{other:?}"),
    };
    let (key, sign) = test_store.sign_for("device/plc", csr.clone());
    let unknown = store.redeem(Fingerprint::new([8; 32]), key, sign).await;
    assert_eq!(refused(unknown), CodeRefused::Unknown);

    let (key, sign) = test_store.sign_for("device/plc", csr.clone());
    let first = store.redeem(code.digest, key, sign).await.unwrap();
    let (key, sign) = test_store.sign_for("device/plc", csr);
    let again = store.redeem(code.digest, key, sign).await.unwrap();
    assert!(first.value.fresh && !again.value.fresh);
    assert_eq!(first.value.certificate, again.value.certificate);
    assert_eq!(first.epoch, again.epoch, "nothing changed the second time");

    let (key, sign) = test_store.sign("device/plc");
    assert_eq!(refused(store.redeem(code.digest, key, sign).await), CodeRefused::Used);
    assert_eq!(store.certificates(&subject("device/plc")).await.unwrap().len(), 1);

    let code = test_store.code(9);
    let now = || seen(&store, "device/plc");
    store.new_code(Actor::Local, subject("device/plc"), now(), code.clone()).await.unwrap();
    store.change_subject(Actor::Local, subject("device/plc"), now(), switch(false)).await.unwrap();
    let (key, sign) = test_store.sign("device/plc");
    assert_eq!(refused(store.redeem(code.digest, key, sign).await), CodeRefused::Cancelled);
    store.change_subject(Actor::Local, subject("device/plc"), now(), switch(true)).await.unwrap();
    test_store.clock.0.fetch_add(3600, Ordering::SeqCst);
    let (key, sign) = test_store.sign("device/plc");
    assert_eq!(refused(store.redeem(code.digest, key, sign).await), CodeRefused::Expired);
}

#[tokio::test]
async fn ten_keys_racing_one_code_make_one_signature() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let code = test_store.code(7);
    store.add_subject(Actor::Local, new("user/bob", Some(code.clone()))).await.unwrap();
    let signed = Arc::new(AtomicUsize::new(0));
    let racers = (0..10).map(|_| {
        let (key, sign) = test_store.sign("user/bob");
        let (store, signed, digest) = (store.clone(), Arc::clone(&signed), code.digest);
        tokio::spawn(async move {
            let counted: Sign = Box::new(move || {
                signed.fetch_add(1, Ordering::SeqCst);
                sign()
            });
            store.redeem(digest, key, counted).await.is_ok()
        })
    });
    let mut won = 0;
    for racer in racers.collect::<Vec<_>>() {
        won += usize::from(racer.await.unwrap());
    }
    assert_eq!((won, signed.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn an_owner_code_is_claimed_once_and_told_again_to_the_same_key() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let role = || "role/owner".parse().unwrap();
    assert!(!store.snapshots().borrow().is_claimed());
    let code = test_store.code(8);
    store.new_owner_code(code.clone()).await.unwrap();
    let (key, sign) = test_store.sign("user/owner");
    assert_eq!(store.redeemed(code.digest, key).await.unwrap(), None, "nobody has claimed it");
    let claimed = store.claim(code.digest, key, subject("user/owner"), role(), sign).await.unwrap();
    assert!(store.snapshots().borrow().is_claimed());
    let again = store.redeemed(code.digest, key).await.unwrap().unwrap();
    assert_eq!((again.subject, again.id), (claimed.value.subject, claimed.value.id));
    let (other, _) = test_store.sign("user/owner");
    assert_eq!(store.redeemed(code.digest, other).await.unwrap(), None, "another key");

    let (place, now) = (test_store.place(), test_store.clock.now());
    let found = recover(&place, test_store.path(), test_store.code(9), now).await.unwrap();
    assert_eq!(found.domain.as_str(), "doorward.home.arpa");
}
