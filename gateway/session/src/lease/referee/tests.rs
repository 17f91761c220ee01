//! The referee, with a bundle that has lost a rule and with a sound bundle.

use std::time::Duration;

use doorward_model::{
    CertificateId, Clock, Device, Domain, Epoch, InterfaceId, Path, Resource, Serial, SpiffeId,
    SubjectId,
};
use doorward_policies::{
    BundleText, Certificate, Closing, Commit, Door, Interface, Member, Observer as _, Opening,
    Touched, Written,
};
use tokio::sync::watch;

use std::sync::{Mutex, OnceLock};

use doorward_model::Action;
use doorward_policies::{Bundle, Refusal, Snapshot};
use jiff::Timestamp;

use super::*;
use crate::identify::VerifiedIdentity;
use crate::lease::{Cause, Refused};
use crate::limits::Limits;
use crate::pots::Pots;
use crate::session::Session;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2027-01-01T12:00:00Z".parse().unwrap()
    }
}

/// A log that keeps its records.
#[derive(Default)]
struct Kept(Mutex<Vec<Record>>);

struct NoClosing;

impl Closing for NoClosing {
    fn close(self: Box<Self>, _: Record) {}
}

impl Journal for Kept {
    fn open(&self, _: Record) -> Opening {
        Box::pin(async { Ok(Box::new(NoClosing) as Box<dyn Closing>) })
    }

    fn write(&self, record: Record) -> Written {
        self.append(record)
    }

    fn append(&self, record: Record) -> Written {
        self.0.lock().unwrap().push(record);
        Box::pin(async { Ok(()) })
    }
}

/// The state, in place of the store.
struct State {
    snapshots: watch::Sender<Arc<Snapshot>>,
    leases: OnceLock<Leases>,
}

impl State {
    fn publish(&self, next: Snapshot) -> usize {
        let (next, touched) = (Arc::new(next), Touched { bundle: true, ..Touched::default() });
        self.snapshots.send_replace(Arc::clone(&next));
        let commit = Commit { epoch: next.epoch(), touched };
        self.leases.get().unwrap().committed(&commit, &next)
    }

    fn present(&self) -> Snapshot {
        Snapshot::clone(&self.snapshots.borrow())
    }
}

impl Suspend for State {
    fn suspend(
        &self,
        revision: Revision,
        lines: Vec<usize>,
    ) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
        Box::pin(async move {
            let present = self.present();
            assert_eq!(present.revision(), revision);
            self.publish(present.suspending(&lines))
        })
    }
}

fn text(policy: &str) -> BundleText {
    BundleText { policy: policy.to_owned(), tests: String::new(), ..BundleText::default() }
}

const ALLOW: &str = "p, role/users, group/devices, **, *, , allow\n";
const DENY: &str = "p, user/alice, box, tcp, *, , deny\n";

/// Makes a bundle whose compiled form has lost the rule that denies.
fn broken() -> Bundle {
    let compiled = Bundle::parse(text(ALLOW)).unwrap();
    let same = text(ALLOW);
    let nothing = compiled.difference(&same).unwrap();
    let said = Arc::new(text(&[ALLOW, DENY].concat()));
    compiled.edited(&said, &nothing).unwrap().unwrap()
}

struct World {
    state: Arc<State>,
    leases: Leases,
    log: Arc<Kept>,
    session: Arc<Session>,
}

impl World {
    fn new(bundle: Bundle) -> Self {
        let domain: Domain = "a.b".parse().unwrap();
        let member =
            |id| Member { id: SubjectId(id), enabled: true, roles: vec![], groups: vec![] };
        let tcp = |id| Interface {
            id: InterfaceId(id),
            name: "tcp".parse().unwrap(),
            target: "tcp://127.0.0.1:1".parse().unwrap(),
            network: None,
            enabled: true,
        };
        let issuer = "ab".repeat(32).parse().unwrap();
        let certificate = CertificateId { issuer, serial: Serial::new(&[1]).unwrap() };
        let row = Certificate {
            subject: SubjectId(1),
            key: issuer,
            not_before: Timestamp::MIN,
            not_after: Timestamp::MAX,
        };
        let snapshot = Snapshot::new(domain, Revision(1), Arc::new(bundle))
            .with_member("user/alice".parse().unwrap(), Some(member(1)))
            .with_member("device/box".parse().unwrap(), Some(member(2)))
            .with_member("device/lid".parse().unwrap(), Some(member(3)))
            .with_interfaces("box".parse().unwrap(), vec![tcp(1)])
            .with_interfaces("lid".parse().unwrap(), vec![tcp(2)])
            .with_certificate(certificate.clone(), Some(row))
            .at(Epoch(1));
        let (snapshots, seen) = watch::channel(Arc::new(snapshot));
        let log = Arc::new(Kept::default());
        let journal: Arc<dyn Journal> = log.clone();
        let calm = watch::channel(None).1;
        let leases =
            Leases::new(Pots::new(Limits::default(), vec![]), seen, calm, Arc::new(Noon), journal);
        let state = Arc::new(State { snapshots, leases: OnceLock::new() });
        assert!(state.leases.set(leases.clone()).is_ok());
        let identity = VerifiedIdentity {
            name: SpiffeId::new("a.b".parse().unwrap(), "user/alice".parse().unwrap()),
            id: SubjectId(1),
            certificate,
            not_after: Timestamp::MAX,
        };
        let peer = "127.0.0.1:9".parse().unwrap();
        let session = leases.open(identity, peer, Door::Sni, Noon.now()).unwrap();
        Self { state, leases, log, session: Arc::new(session) }
    }

    fn ask(&self, device: &str) -> Result<crate::Authorized, Refused> {
        let resource = Resource {
            device: Device::Named(device.parse().unwrap()),
            path: Path::literal("tcp").unwrap(),
        };
        let id = self.leases.new_flow_id();
        self.leases.ask(&self.session, id, Action::Connect, resource)
    }

    fn start_referee(&self) {
        let journal: Arc<dyn Journal> = self.log.clone();
        let referee = self.leases.referee(self.state.clone(), journal).unwrap();
        tokio::spawn(referee.run());
    }

    /// Waits until the referee has checked that many samples.
    async fn looked_at(&self, decided: u64) {
        let looked = async {
            while self.leases.refereed().decided < decided {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looked).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_compiled_form_has_lost_ends_the_flow_and_is_suspended() {
    let world = World::new(broken());
    world.start_referee();
    assert!(world.leases.referee(world.state.clone(), world.log.clone()).is_none());
    // The rule that denies is lost, so at the admission both judges see only the other rule.
    let let_in = world.ask("box").unwrap();
    let sound = world.ask("lid").unwrap();
    let (_, lease) = let_in.spend();
    // A commit asks again, by the compiled form alone, and the referee checks that answer.
    world.state.publish(world.state.present().at(Epoch(2)));
    assert!(lease.lives(), "the compiled form still says yes");
    let cause = tokio::time::timeout(Duration::from_secs(30), lease.over()).await.unwrap();
    assert_eq!(cause, Cause::Refused(Refusal::Disagreement));
    world.looked_at(1).await;
    assert!(world.leases.refereed().differed >= 1);
    // The suspended rule permits nothing now.
    assert_eq!(world.state.present().suspended().iter().copied().collect::<Vec<_>>(), [1]);
    assert!(matches!(sound.lease().cause(), Some(Cause::Refused(Refusal::Suspended))));
    let before = world.leases.refereed();
    assert_eq!(world.ask("lid").unwrap_err().as_str(), "suspended");
    let alarmed = || {
        let records = world.log.0.lock().unwrap();
        records.iter().any(|record| {
            record.event == Event::Alarm
                && record.reason.as_deref() == Some("judges-differ")
                && record.rules == [1]
        })
    };
    while !alarmed() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The next bundle, read anew, is sound.
    let next = Bundle::parse(text(&[ALLOW, DENY].concat())).unwrap();
    world.state.publish(world.state.present().with_bundle(Revision(2), Arc::new(next)));
    assert_eq!(world.ask("box").unwrap_err().as_str(), "denied-by-rule");
    let flow = world.ask("lid").unwrap();
    // The suspension was known, so there was no second alarm.
    world.state.publish(world.state.present().at(Epoch(5)));
    world.looked_at(before.decided + 1).await;
    assert_eq!(world.leases.refereed().differed, before.differed);
    assert!(flow.lease().lives());
}

#[tokio::test]
async fn a_sound_bundle_is_looked_at_and_left_alone() {
    let world = World::new(Bundle::parse(text(&[ALLOW, DENY].concat())).unwrap());
    world.start_referee();
    let flow = world.ask("lid").unwrap();
    world.state.publish(world.state.present().at(Epoch(2)));
    world.looked_at(1).await;
    // The same answer again is of a kind that was checked before.
    world.state.publish(world.state.present().at(Epoch(3)));
    assert!(flow.lease().lives());
    let found = world.leases.refereed();
    assert_eq!((found.differed, world.state.present().suspended().len()), (0, 0));
}

#[tokio::test]
async fn what_does_not_fit_is_counted() {
    let world = World::new(Bundle::parse(text(ALLOW)).unwrap());
    let journal: Arc<dyn Journal> = world.log.clone();
    let _idle = world.leases.referee(world.state.clone(), journal).unwrap();
    let flow = world.ask("lid").unwrap();
    let lines = vec![1];
    for _ in 0..QUEUE + 3 {
        let (request, snapshot) = (&flow.lease().entry.request, world.leases.snapshot());
        let samples = &world.leases.0.samples;
        samples.differed(flow.id(), request, &snapshot, Noon.now(), lines.clone());
    }
    assert_eq!(world.leases.refereed().skipped, 3);
}
