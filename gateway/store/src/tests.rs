//! The store through its own doors, on a real disk.

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use doorward_ca::enrolment::CodeRefused;
use doorward_ca::{Algorithm, Authority, Profiles, Slot, VerifiedCsr, found};
use doorward_keys::SealedKeys;
use doorward_model::{CertificateId, Clock, Device, DoorName, Fingerprint, Subject, SubjectId};
use doorward_policies::{Bundle, BundleText, Commit, Interface, Member, Observer, Snapshot};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::database::{reading, writing};
use crate::*;

mod again;

/// More certificates than a test asks for.
const PLENTY: Allowance = Allowance { hour: i64::MAX, day: i64::MAX };

pub(crate) const START: i64 = 1_800_000_000;

fn start() -> Timestamp {
    Timestamp::from_second(START).unwrap()
}

/// A clock that stands still until it is turned.
pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

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
        Store::found(dir.path(), founding, clock.now()).await.unwrap();
        Self { dir, clock, ca: Arc::new(ca) }
    }

    pub(crate) async fn open(&self) -> Opened {
        Store::open(self.path(), self.clock.clone()).await.unwrap()
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
    async fn enrol(&self, store: &Store, name: &str) -> Result<CertificateId, StoreError> {
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

    /// Those of a subject's certificates that are live, the newest first.
    async fn live(&self, store: &Store, name: &str) -> Vec<CertificateId> {
        let rows = store.certificates(&subject(name)).await.unwrap_or_default().into_iter();
        let live = rows.filter(|row| row.revoked.is_none() && self.clock.now() <= row.not_after);
        live.map(|row| CertificateId { issuer: self.ca.key(), serial: row.serial }).collect()
    }

    fn code(&self, number: u8) -> NewCode {
        let expires = self.clock.now() + SignedDuration::from_hours(1);
        NewCode { digest: Fingerprint::new([number; 32]), expires }
    }
}

/// A subject as it is now; one that nobody is if there is none.
fn seen(store: &Store, name: &str) -> Member {
    let nobody = Member { id: SubjectId(-1), enabled: true, roles: vec![], groups: vec![] };
    store.snapshots().borrow().member(&subject(name)).cloned().unwrap_or(nobody)
}

/// The interfaces that a device has now.
fn interfaces(store: &Store, device: &Subject) -> Vec<Interface> {
    store.snapshots().borrow().interfaces(device.name()).to_vec()
}

fn subject(text: &str) -> Subject {
    text.parse().unwrap()
}

fn new(text: &str, code: Option<NewCode>) -> NewSubject {
    let (roles, groups) = (vec![], vec![]);
    let (subject, agentless, may_return) = (subject(text), false, true);
    NewSubject { subject, agentless, roles, groups, code, may_return }
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
    let mut connection = reading(&test_store.path().join("state.db")).connect().await.unwrap();
    let domain = "doorward.home.arpa".parse().unwrap();
    load::all(&mut connection, domain, test_store.clock.now()).await.unwrap()
}

#[tokio::test]
async fn a_state_is_founded_whole_and_found_again() {
    let test_store = TestStore::found().await;
    assert!(Store::exists(test_store.path()));
    let opened = test_store.open().await;
    assert_eq!(opened.facts.name.as_str(), "main");
    assert_eq!(&opened.authority, test_store.ca.public());
    let other = "other.home.arpa".parse().unwrap();
    let error = opened.facts.check(Some(&other), None).unwrap_err().to_string();
    assert!(error.contains("fixed at first start"), "{error}");
    assert!(opened.facts.check(Some(&opened.facts.domain), Some(&opened.facts.name)).is_ok());
}

/// What opening a state says whose file has been changed like that.
async fn refusal(change: impl AsyncFnOnce(&Path)) -> String {
    let test_store = TestStore::found().await;
    let path = test_store.path().join("state.db");
    change(&path).await;
    let before = std::fs::read(&path).unwrap();
    let error =
        Store::open(test_store.path(), test_store.clock.clone()).await.err().unwrap().to_string();
    assert_eq!(std::fs::read(&path).unwrap(), before, "left alone: {error}");
    error
}

#[tokio::test]
async fn a_strange_file_is_named_and_left_alone() {
    let text = b"this is no database at all, but long enough to be looked at....";
    let error = refusal(async |path| std::fs::write(path, text).unwrap()).await;
    assert!(error.contains("is damaged") && error.contains("backup"), "{error}");

    let error = refusal(async |path| {
        let mut torn = std::fs::read(path).unwrap();
        torn[5000..9000].fill(0x5a);
        std::fs::write(path, &torn).unwrap();
    });
    let error = error.await;
    assert!(error.contains("is damaged"), "{error}");

    let error = refusal(async |path| {
        std::fs::remove_file(path).unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut foreign = options.create_if_missing(true).connect().await.unwrap();
        sqlx::query("CREATE TABLE cats (name TEXT)").execute(&mut foreign).await.unwrap();
        foreign.close().await.unwrap();
    });
    assert!(error.await.contains("another program's"));

    let error = refusal(async |path| {
        let mut newer = writing(path).connect().await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9, 'future', 1, x'00', 0)",
        )
        .execute(&mut newer)
        .await
        .unwrap();
        newer.close().await.unwrap();
    });
    assert!(error.await.contains("newer version"));
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
    // The enrolment is one of them.
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
    // A chain of renewals leaves its beginning behind.
    let (mut last, mut former) = (asking.clone(), asking.clone());
    for _ in 0..6 {
        let next = renew(&last).await.unwrap();
        former = std::mem::replace(&mut last, next);
    }
    let live = test_store.live(&store, "device/plc").await;
    assert!(live.contains(&last) && live.contains(&former) && !live.contains(&asking));
    assert!(matches!(renew(&asking).await, Err(StoreError::Ended)));
    // What is revoked renews nothing.
    store.revoke(Actor::Local, plc(), seen(&store, "device/plc")).await.unwrap();
    assert!(matches!(renew(&last).await, Err(StoreError::Ended)));
}

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

    let found =
        recover(test_store.path(), test_store.code(9), test_store.clock.now()).await.unwrap();
    assert_eq!(found.domain.as_str(), "doorward.home.arpa");
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

/// One random change.
#[derive(Clone, Debug)]
enum Step {
    Add(usize),
    Remove(usize),
    Enable(usize, bool),
    Revoke(usize),
    Issue(usize),
    Renew(usize),
    Grant(usize, bool),
    Take(usize),
    Join(usize),
    Leave(usize),
    Declare(usize),
    Switch(usize, bool),
    Undeclare(usize),
    Apply(bool),
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..4usize;
    let step = prop_oneof![
        4 => who.clone().prop_map(Step::Add),
        1 => who.clone().prop_map(Step::Remove),
        1 => (who.clone(), any::<bool>()).prop_map(|(n, on)| Step::Enable(n, on)),
        1 => who.clone().prop_map(Step::Revoke),
        3 => who.clone().prop_map(Step::Issue),
        3 => who.clone().prop_map(Step::Renew),
        2 => (who.clone(), any::<bool>()).prop_map(|(n, until)| Step::Grant(n, until)),
        1 => who.clone().prop_map(Step::Take),
        2 => who.clone().prop_map(Step::Join),
        1 => who.clone().prop_map(Step::Leave),
        3 => who.clone().prop_map(Step::Declare),
        1 => (who.clone(), any::<bool>()).prop_map(|(n, on)| Step::Switch(n, on)),
        1 => who.prop_map(Step::Undeclare),
        1 => any::<bool>().prop_map(Step::Apply),
        1 => Just(Step::Wait),
    ];
    proptest::collection::vec(step, 1..24)
}

async fn take(test_store: &TestStore, store: &Store, step: Step) {
    let named = |n: usize| subject(["device/a", "device/b", "user/a", "user/b"][n]);
    let door =
        |n: usize| -> DoorName { ["ssh--a", "ssh--b", "web--a", "web--b"][n].parse().unwrap() };
    let by = || Actor::Local;
    let declared = |n: usize| NewInterface {
        door: door(n),
        target: "tcp://127.0.0.1:22".parse().unwrap(),
        network: n.is_multiple_of(2).then(|| "loopback".parse().unwrap()),
    };
    let seen = |n: usize| seen(store, &named(n).to_string());
    let role = || "role/operator".parse().unwrap();
    let group = || "group/plant".parse().unwrap();
    // Refused steps are fine: they must change nothing.
    match step {
        Step::Add(n) => {
            drop(store.add_subject(by(), new(&named(n).to_string(), None)).await);
        }
        Step::Remove(n) => {
            drop(remove(store, &named(n).to_string()).await);
        }
        Step::Enable(n, on) => {
            drop(store.change_subject(by(), named(n), seen(n), switch(on)).await);
        }
        Step::Revoke(n) => {
            drop(store.revoke(by(), named(n), seen(n)).await);
        }
        Step::Issue(n) => {
            drop(test_store.enrol(store, &named(n).to_string()).await);
        }
        Step::Renew(n) => {
            let name = named(n).to_string();
            let id = store.snapshots().borrow().member(&named(n)).map(|member| member.id);
            let oldest = test_store.live(store, &name).await.pop();
            if let (Some(id), Some(certificate)) = (id, oldest) {
                let (_, sign) = test_store.sign(&name);
                drop(store.renew(named(n), id, certificate, start(), PLENTY, sign).await);
            }
        }
        Step::Grant(n, until) => {
            let until = until.then(|| test_store.clock.now() + SignedDuration::from_secs(60));
            let grant = vec![(role(), until)];
            let changes = SubjectChanges { grant, ..SubjectChanges::default() };
            drop(store.change_subject(by(), named(n), seen(n), changes).await);
        }
        Step::Take(n) => {
            let changes = SubjectChanges { take: vec![role()], ..SubjectChanges::default() };
            drop(store.change_subject(by(), named(n), seen(n), changes).await);
        }
        Step::Join(n) => {
            let changes = SubjectChanges { join: vec![group()], ..SubjectChanges::default() };
            drop(store.change_subject(by(), named(n), seen(n), changes).await);
        }
        Step::Leave(n) => {
            let changes = SubjectChanges { leave: vec![group()], ..SubjectChanges::default() };
            drop(store.change_subject(by(), named(n), seen(n), changes).await);
        }
        Step::Declare(n) => {
            drop(store.add_interface(by(), declared(n)).await);
        }
        Step::Switch(n, on) => {
            let DoorName { device, interface } = door(n);
            let Device::Named(device) = device else { panic!("{device} is the gateway") };
            let seen = store.snapshots().borrow().interface(&device, &interface).cloned();
            if let Some(seen) = seen {
                let network = seen.network.clone();
                store.enable_interface(by(), door(n), seen, network, on).await.unwrap();
            }
        }
        Step::Undeclare(n) => {
            drop(store.remove_interface(by(), door(n)).await);
        }
        Step::Apply(strict) => {
            let mut text = BundleText::default();
            if strict {
                text.policy.push_str("p, role/operator, group/plant, **, *, , deny\n");
            }
            let bundle = Arc::new(Bundle::parse(text).unwrap());
            store.apply(by(), bundle, Applying::default()).await.unwrap();
        }
        Step::Wait => {
            test_store.clock.0.fetch_add(5, Ordering::SeqCst);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A snapshot is a pure function of its epoch: what is published after each change is what
    /// is read when everything is read anew.
    #[test]
    fn the_published_snapshot_is_the_one_that_is_read_anew(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let test_store = TestStore::found().await;
            let opened = test_store.open().await;
            for step in steps {
                let shown = format!("{step:?}");
                take(&test_store, &opened.store, step).await;
                let published = opened.store.snapshots().borrow().clone();
                assert_eq!(*published, reread(&test_store).await, "after {shown}");
            }
        });
    }
}

/// How many pieces of bundles are kept.
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
    let Opened { store, task, .. } = opened;
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
