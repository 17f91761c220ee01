//! The store through its public interface, on a real disk.

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use doorward_ca::enrolment::CodeRefused;
use doorward_ca::{Algorithm, Authority, Profiles, Slot, VerifiedCsr, found};
use doorward_keys::SealedKeys;
use doorward_model::{
    CertificateId, Clock, Device, DoorName, Fact, Fingerprint, Posture, Subject, SubjectId,
};
use doorward_policies::{Bundle, BundleText, Commit, Interface, Member, Observer, Snapshot};
use jiff::{SignedDuration, Timestamp};

use crate::port::{Database, values};
use crate::*;

mod again;
mod bundles;
mod certificates;
mod codes;
mod faults;
mod following;
mod postures;
mod snapshots;

/// More certificates than any test asks for.
const PLENTY: Allowance = Allowance { hour: i64::MAX, day: i64::MAX };

pub(crate) const START: i64 = 1_800_000_000;

fn start() -> Timestamp {
    Timestamp::from_second(START).unwrap()
}

/// A clock that moves only when a test moves it.
pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A state in a temporary directory, with its clock and its authority.
pub(crate) struct TestStore {
    dir: tempfile::TempDir,
    pub(crate) clock: Arc<TestClock>,
    ca: Arc<Authority>,
}

impl TestStore {
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) async fn found() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(START)));
        let keys = SealedKeys::open(dir.path().join("keys"), dir.path().join("key")).unwrap();
        let domain: doorward_model::Domain = "doorward.home.arpa".parse().unwrap();
        let public = found(&keys, &domain, Algorithm::P256, clock.now()).unwrap();
        let ca = Authority::open(&keys, Slot::Issuing, public.clone(), domain.clone()).unwrap();
        let founding = Founding {
            domain,
            name: "main".parse().unwrap(),
            authority: public,
            authority_key: ca.key(),
            bundle: Bundle::parse(BundleText::default()).unwrap(),
        };
        let place = StatePlace::Directory(dir.path().to_owned());
        Store::found(&place, founding, clock.now()).await.unwrap();
        Self { dir, clock, ca: Arc::new(ca) }
    }

    pub(crate) async fn open(&self) -> OpenedStore {
        Store::open(&self.place(), self.path(), self.clock.clone()).await.unwrap()
    }

    pub(crate) fn place(&self) -> StatePlace {
        StatePlace::Directory(self.path().to_owned())
    }

    fn sign(&self, subject: &str) -> (Fingerprint, Sign) {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
        self.sign_for(subject, VerifiedCsr::read(request.der()).unwrap())
    }

    fn sign_for(&self, subject: &str, csr: VerifiedCsr) -> (Fingerprint, Sign) {
        let subject: Subject = subject.parse().unwrap();
        let (ca, now) = (Arc::clone(&self.ca), self.clock.now());
        let key = csr.key();
        let sign = Box::new(move || {
            let prepared = ca.prepare(&Profiles::default(), &subject, &csr, now)?;
            ca.redeem(prepared)
        });
        (key, sign)
    }

    /// Issues a certificate to a subject, by a code of its own.
    pub(crate) async fn enrol(
        &self,
        store: &Store,
        name: &str,
    ) -> Result<CertificateId, StoreError> {
        static CODES: AtomicU8 = AtomicU8::new(100);
        let code = self.code(CODES.fetch_add(1, Ordering::SeqCst));
        let seen = seen(store, name);
        store.new_code(Actor::Local, subject(name), seen, code.clone()).await?;
        let (key, sign) = self.sign(name);
        Ok(self.id(&store.redeem(code.digest, key, sign).await?.value))
    }

    fn id(&self, redeemed: &Redeemed) -> CertificateId {
        redeemed.id.clone()
    }

    /// Returns the live certificates of a subject, the newest first.
    async fn live(&self, store: &Store, name: &str) -> Vec<CertificateId> {
        let rows = store.certificates(&subject(name)).await.unwrap_or_default().into_iter();
        let live = rows.filter(|row| row.revoked.is_none() && self.clock.now() <= row.not_after);
        live.map(|row| CertificateId { issuer: self.ca.key(), serial: row.serial }).collect()
    }

    /// A report that comes now.
    pub(crate) fn posture(&self, value: u64) -> Posture {
        Posture::new(self.clock.now(), [("uptime".to_owned(), Fact::Number(value))]).unwrap()
    }

    fn code(&self, number: u8) -> NewCode {
        let expires = self.clock.now() + SignedDuration::from_hours(1);
        NewCode { digest: Fingerprint::new([number; 32]), expires }
    }
}

/// Returns a subject as it is now; a member that does not exist if there is none.
fn seen(store: &Store, name: &str) -> Member {
    let nobody = Member { id: SubjectId(-1), enabled: true, roles: vec![], groups: vec![] };
    store.snapshots().borrow().member(&subject(name)).cloned().unwrap_or(nobody)
}

/// Returns the interfaces that a device has now.
fn interfaces(store: &Store, device: &Subject) -> Vec<Interface> {
    store.snapshots().borrow().interfaces(device.name()).to_vec()
}

fn subject(text: &str) -> Subject {
    text.parse().unwrap()
}

pub(crate) fn new(text: &str, code: Option<NewCode>) -> NewSubject {
    let (roles, groups) = (vec![], vec![]);
    let (subject, agentless, title, may_return) = (subject(text), false, None, true);
    NewSubject { subject, agentless, title, roles, groups, code, may_return }
}

/// Removes a subject as it is now.
async fn remove(store: &Store, name: &str) -> Result<Committed<SubjectId>, StoreError> {
    let (seen, subject) = (seen(store, name), subject(name));
    let interfaces = interfaces(store, &subject);
    store.remove_subject(Actor::Local, subject, seen, interfaces).await
}

fn switch(on: bool) -> SubjectChanges {
    SubjectChanges { enabled: Some(on), ..SubjectChanges::default() }
}

async fn reread(test_store: &TestStore) -> Snapshot {
    let database = Database::open(&test_store.place()).await.unwrap();
    let mut reading = database.read_at_once().await.unwrap();
    let domain = "doorward.home.arpa".parse().unwrap();
    let snapshot = load::all(&mut reading, domain, test_store.clock.now()).await.unwrap();
    reading.end().await;
    database.close().await.unwrap();
    snapshot
}

#[tokio::test]
async fn a_state_is_founded_whole_and_found_again() {
    let test_store = TestStore::found().await;
    assert!(Store::exists(&test_store.place()));
    let opened = test_store.open().await;
    assert_eq!(opened.facts.name.as_str(), "main");
    assert_eq!(&opened.authority, test_store.ca.public());
    let other = "other.home.arpa".parse().unwrap();
    let error = opened.facts.check(Some(&other), None).unwrap_err().to_string();
    assert!(error.contains("fixed at first start"), "{error}");
    assert!(opened.facts.check(Some(&opened.facts.domain), Some(&opened.facts.name)).is_ok());
}

#[tokio::test]
async fn a_removed_name_used_again_is_another_subject() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let first = store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap().value.id;
    let taken = store.add_subject(Actor::Local, new("device/plc", None)).await;
    assert!(matches!(taken, Err(StoreError::SubjectExists(_))));
    let certificate = test_store.enrol(&store, "device/plc").await.unwrap();
    let (_, sign) = test_store.sign("device/plc");
    store
        .renew(subject("device/plc"), first, certificate.clone(), start(), PLENTY, sign)
        .await
        .unwrap();
    remove(&store, "device/plc").await.unwrap();
    let second = store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap().value.id;
    assert_ne!(first, second);
    assert!(store.certificates(&subject("device/plc")).await.unwrap().is_empty());
    let (_, sign) = test_store.sign("device/plc");
    let stale =
        store.renew(subject("device/plc"), first, certificate.clone(), start(), PLENTY, sign).await;
    assert!(matches!(stale, Err(StoreError::NoSubject(_))));
    let (_, sign) = test_store.sign("device/plc");
    let stale =
        store.renew(subject("device/plc"), second, certificate, start(), PLENTY, sign).await;
    assert!(matches!(stale, Err(StoreError::Ended)));
}

#[tokio::test]
async fn a_failed_change_changes_nothing() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let code = test_store.code(7);
    store.add_subject(Actor::Local, new("user/bob", Some(code.clone()))).await.unwrap();
    let before = store.snapshots().borrow().clone();
    let (key, _) = test_store.sign("user/bob");
    let fails: Sign = Box::new(|| Err(doorward_ca::KeyError::Crypto("sign").into()));
    assert!(matches!(store.redeem(code.digest, key, fails).await, Err(StoreError::Issue(_))));
    assert_eq!(store.snapshots().borrow().epoch(), before.epoch());
    let (key, sign) = test_store.sign("user/bob");
    assert!(store.redeem(code.digest, key, sign).await.is_ok(), "the code is as it was");
}

#[tokio::test]
async fn observers_hear_of_a_commit_after_it_is_published_and_before_it_is_acknowledged() {
    struct Witness(Mutex<Vec<(i64, i64, bool)>>, tokio::sync::watch::Receiver<Arc<Snapshot>>);
    impl Observer for Witness {
        fn committed(&self, commit: &Commit, snapshot: &Arc<Snapshot>) -> usize {
            let published = Arc::ptr_eq(&self.1.borrow(), snapshot);
            self.0.lock().unwrap().push((commit.epoch.0, snapshot.epoch().0, published));
            3
        }
    }
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let witness = Arc::new(Witness(Mutex::default(), store.snapshots()));
    store.observe(witness.clone()).await.unwrap();
    let made = store.add_subject(Actor::Local, new("user/bob", None)).await.unwrap();
    assert_eq!(made.ended, 3);
    let epoch = made.epoch.0;
    assert_eq!(*witness.0.lock().unwrap(), [(epoch, epoch, true)]);
}
