//! A gateway in small for the tests of this folder: leases, a state in place of the store, and a log
//! that keeps its records.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};

use doorward_model::{
    Action, CertificateId, Clock, Device, Domain, Epoch, InterfaceId, Path, Resource, Revision,
    Serial, SubjectId,
};
use doorward_policies::{
    Bundle, BundleText, Certificate, Closing, Commit, Door, Interface, Journal, Member,
    Observer as _, Opening, Record, Snapshot, Touched, Written,
};
use jiff::Timestamp;
use tokio::sync::watch;

use super::{Authorized, Leases, Refused, Suspend};
use crate::connection::Connection;
use crate::identify::VerifiedIdentity;
use crate::limits::Limits;
use crate::pots::Pots;

pub(super) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2027-01-01T12:00:00Z".parse().unwrap()
    }
}

/// A log that keeps its records.
#[derive(Default)]
pub(super) struct Kept(pub(super) Mutex<Vec<Record>>);

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
pub(super) struct FakeStore {
    snapshots: watch::Sender<Arc<Snapshot>>,
    leases: OnceLock<Leases>,
}

impl FakeStore {
    /// Shows a state, and asks nobody again, as if only time had passed.
    pub(super) fn show(&self, next: Snapshot) -> Arc<Snapshot> {
        let next = Arc::new(next);
        self.snapshots.send_replace(Arc::clone(&next));
        next
    }

    pub(super) fn publish(&self, next: Snapshot) -> usize {
        let (next, touched) = (self.show(next), Touched { bundle: true, ..Touched::default() });
        let commit = Commit { epoch: next.epoch(), touched };
        self.leases.get().unwrap().committed(&commit, &next)
    }

    pub(super) fn present(&self) -> Snapshot {
        Snapshot::clone(&self.snapshots.borrow())
    }
}

impl Suspend for FakeStore {
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

pub(super) fn text(policy: &str) -> BundleText {
    BundleText { policy: policy.to_owned(), tests: String::new(), ..BundleText::default() }
}

pub(super) const ALLOW: &str = "p, role/users, group/devices, **, *, , allow\n";
pub(super) const DENY: &str = "p, user/alice, box, tcp, *, , deny\n";

pub(super) struct World {
    pub(super) state: Arc<FakeStore>,
    pub(super) leases: Leases,
    pub(super) log: Arc<Kept>,
    /// Alice's connection.
    pub(super) connection: Arc<Connection>,
}

impl World {
    pub(super) fn new(bundle: Bundle) -> Self {
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
        let state = Arc::new(FakeStore { snapshots, leases: OnceLock::new() });
        assert!(state.leases.set(leases.clone()).is_ok());
        let identity = VerifiedIdentity {
            subject: "user/alice".parse().unwrap(),
            id: SubjectId(1),
            proof: certificate.into(),
            not_after: Timestamp::MAX,
        };
        let peer = "127.0.0.1:9".parse().unwrap();
        let session = leases.open(identity, (peer, Door::Sni), Noon.now()).unwrap();
        let connection = Connection::new(Arc::new(session), peer, Door::Sni);
        Self { state, leases, log, connection: Arc::new(connection) }
    }

    /// Returns another connection of Alice's session.
    pub(super) fn connect(&self, peer: &str) -> Arc<Connection> {
        let session = self.connection.shared_session();
        Arc::new(Connection::new(session, peer.parse().unwrap(), Door::Own))
    }

    /// Asks for a device over Alice's connection.
    pub(super) fn ask(&self, device: &str) -> Result<Authorized, Refused> {
        self.ask_over(&self.connection, device)
    }

    pub(super) fn ask_over(
        &self,
        connection: &Arc<Connection>,
        device: &str,
    ) -> Result<Authorized, Refused> {
        let resource = Resource {
            device: Device::Named(device.parse().unwrap()),
            path: Path::literal("tcp").unwrap(),
        };
        let id = self.leases.new_flow_id();
        self.leases.ask(connection, id, Action::Connect, resource)
    }
}
