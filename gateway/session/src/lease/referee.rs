//! What the compiled form decides alone is looked at later, in part, by a referee that finds its
//! rules without it.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use doorward_model::{Action, FlowId, Revision};
use doorward_policies::{
    Bundle, Decision, Differ, Event, Journal, Outcome, Record, Refusal, Request, Snapshot, Supposed,
};
use jiff::Timestamp;

use crate::note::note;
use serde::Serialize;
use tokio::sync::mpsc;

use super::Leases;

/// Answers that wait for the referee. What does not fit is counted, and not looked at.
const QUEUE: usize = 256;
/// Of answers of a kind that has been seen, one in so many is looked at.
const SAMPLE: u64 = 64;
/// How many kinds are told apart before all are new again.
const KINDS: usize = 4096;
/// The referee works for one part of a core in so many.
const SHARE: u32 = 100;

/// An answer that waits for the referee.
struct Sample {
    flow: FlowId,
    asked: Supposed,
    /// What the rules were said to say: whether they permit it.
    said: Option<bool>,
    revision: Revision,
    /// It keeps no bundle in memory: what decides no more is not looked at.
    bundle: Weak<Bundle>,
    /// The lines about which the judges have differed already, at an admission.
    differed: Option<Vec<usize>>,
}

/// Answers that look alike: the revision, what was to be done, and what decided.
type Kind = (Revision, Action, Option<Refusal>, Option<usize>);

/// Picks answers for the referee.
#[derive(Default)]
pub(super) struct Samples {
    queue: OnceLock<mpsc::Sender<Sample>>,
    kinds: Mutex<HashSet<Kind>>,
    count: AtomicU64,
    figures: Figures,
}

#[derive(Default)]
struct Figures {
    decided: AtomicU64,
    differed: AtomicU64,
    skipped: AtomicU64,
}

/// What a referee has done since the gateway started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RefereeView {
    /// Answers that it has looked at.
    pub decided: u64,
    /// Answers that it would not have given.
    pub differed: u64,
    /// Answers that were to be looked at and were not: it had no time, or too many rules bear on
    /// them.
    pub skipped: u64,
}

impl Samples {
    /// Offers an answer that the compiled form has given alone.
    pub(super) fn offer(
        &self,
        flow: FlowId,
        request: &Request,
        snapshot: &Snapshot,
        now: Timestamp,
        decision: &Decision,
    ) {
        let opinion = match decision {
            Decision::Permit(permit) => permit.opinion(),
            Decision::Denial(denial) => denial.opinion(),
        };
        let kind = (
            opinion.revision,
            request.question.action,
            opinion.refusal,
            opinion.rules.iter().next(),
        );
        if self.queue.get().is_none() || !(self.is_new(kind) || self.is_its_turn()) {
            return;
        }
        let said = match opinion.refusal {
            None => Some(true),
            Some(refusal) => refusal.is_by_rules().then_some(false),
        };
        self.send(
            flow,
            Supposed::of(request.question.clone(), snapshot, now),
            said,
            snapshot,
            None,
        );
    }

    /// Hands over an admission about which the judges have differed.
    pub(super) fn differed(
        &self,
        flow: FlowId,
        request: &Request,
        snapshot: &Snapshot,
        now: Timestamp,
        lines: Vec<usize>,
    ) {
        let asked = Supposed::of(request.question.clone(), snapshot, now);
        self.send(flow, asked, None, snapshot, Some(lines));
    }

    fn send(
        &self,
        flow: FlowId,
        asked: Supposed,
        said: Option<bool>,
        snapshot: &Snapshot,
        differed: Option<Vec<usize>>,
    ) {
        let Some(queue) = self.queue.get() else { return };
        let (revision, bundle) = (snapshot.revision(), Arc::downgrade(snapshot.bundle()));
        if queue.try_send(Sample { flow, asked, said, revision, bundle, differed }).is_err() {
            self.figures.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_new(&self, kind: Kind) -> bool {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() >= KINDS {
            kinds.clear();
        }
        kinds.insert(kind)
    }

    fn is_its_turn(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE)
    }
}

/// Takes rules out of force: what the referee asks of whoever keeps the state.
pub trait Suspend: Send + Sync {
    /// Lets the rules on these lines of that revision permit nothing any more, and ends the flows
    /// that live by them. Answers when that is so, with their number.
    fn suspend(
        &self,
        revision: Revision,
        lines: Vec<usize>,
    ) -> Pin<Box<dyn Future<Output = usize> + Send + '_>>;
}

/// Looks at what the compiled form has decided alone.
pub struct Referee {
    samples: mpsc::Receiver<Sample>,
    leases: Leases,
    suspend: Arc<dyn Suspend>,
    journal: Arc<dyn Journal>,
}

impl Leases {
    /// The referee of these leases. `None` if they have one.
    #[must_use]
    pub fn referee(&self, suspend: Arc<dyn Suspend>, journal: Arc<dyn Journal>) -> Option<Referee> {
        let (queue, samples) = mpsc::channel(QUEUE);
        self.0.samples.queue.set(queue).ok()?;
        Some(Referee { samples, leases: self.clone(), suspend, journal })
    }

    /// What the referee has done.
    #[must_use]
    pub fn refereed(&self) -> RefereeView {
        let figures = &self.0.samples.figures;
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        RefereeView {
            decided: read(&figures.decided),
            differed: read(&figures.differed),
            skipped: read(&figures.skipped),
        }
    }
}

impl Referee {
    /// Looks at samples, one after the other, for as long as there are leases. It rests for
    /// ninety-nine times as long as it works.
    pub async fn run(mut self) {
        while let Some(sample) = self.samples.recv().await {
            let (asked, said) = (sample.asked.clone(), sample.said);
            let bundle = sample.bundle.upgrade();
            let work = tokio::task::spawn_blocking(move || {
                let begin = Instant::now();
                (bundle.and_then(|bundle| bundle.referee(&asked, said)), begin.elapsed())
            });
            let Ok((ruling, took)) = work.await else {
                tracing::error!("the referee failed");
                continue;
            };
            self.ruled(sample, ruling).await;
            tokio::time::sleep(took * (SHARE - 1)).await;
        }
    }

    async fn ruled(&self, sample: Sample, ruling: Option<Result<(), Differ>>) {
        let figures = &self.leases.0.samples.figures;
        match (ruling, sample.differed.clone()) {
            (Some(Err(differ)), _) => {
                figures.decided.fetch_add(1, Ordering::Relaxed);
                figures.differed.fetch_add(1, Ordering::Relaxed);
                let lines = if differ.compiled { differ.rules } else { vec![] };
                self.alarm(&sample, lines, &differ.question).await;
            }
            (_, Some(lines)) => {
                figures.differed.fetch_add(1, Ordering::Relaxed);
                self.alarm(&sample, lines, "at an admission").await;
            }
            (Some(Ok(())), None) => {
                figures.decided.fetch_add(1, Ordering::Relaxed);
            }
            (None, None) => {
                figures.skipped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The judges differ: a fault of this program. What it may have let through ends, and is not
    /// let through again until there is another bundle.
    async fn alarm(&self, sample: &Sample, lines: Vec<usize>, question: &str) {
        let (revision, asked) = (sample.revision, &sample.asked);
        tracing::error!(%question, ?lines, revision = revision.0, "the judges differ");
        if !self.leases.cut_differing(sample.flow) {
            tracing::debug!("the flow has ended already");
        }
        let mut record =
            Record::new(asked.at(), Event::Alarm).ended(Outcome::Done, "judges-differ");
        record.subject = Some(asked.question().subject.clone());
        record.action = Some(asked.question().action);
        record.device = Some(asked.question().resource.device.clone());
        record.rules.clone_from(&lines);
        record.revision = Some(revision);
        record.flow = Some(sample.flow);
        let ended = match lines.is_empty() {
            true => 0,
            false => self.suspend.suspend(revision, lines).await,
        };
        let detail = format!("{question}; {ended} flows ended");
        note(&*self.journal, record.detail(&detail)).await;
    }
}

impl fmt::Debug for Referee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Referee")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward_model::{
        CertificateId, Clock, Device, Domain, Epoch, InterfaceId, Path, Resource, Serial, SpiffeId,
        Subject, SubjectId,
    };
    use doorward_policies::{
        BundleText, Certificate, Closing, Commit, Interface, Member, Observer as _, Opening,
        Question, Touched, Written,
    };
    use tokio::sync::watch;

    use super::*;
    use crate::identify::Identity;
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

    /// A log that keeps what it is told.
    #[derive(Default)]
    struct Kept(Mutex<Vec<Record>>);

    struct Place;

    impl Closing for Place {
        fn close(self: Box<Self>, _: Record) {}
    }

    impl Journal for Kept {
        fn open(&self, _: Record) -> Opening {
            Box::pin(async { Ok(Box::new(Place) as Box<dyn Closing>) })
        }

        fn write(&self, record: Record) -> Written {
            self.append(record)
        }

        fn append(&self, record: Record) -> Written {
            self.0.lock().unwrap().push(record);
            Box::pin(async { Ok(()) })
        }
    }

    /// The state, as the store keeps it.
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

    /// A bundle whose compiled form has lost the rule that denies.
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
            let leases = Leases::new(
                Pots::new(Limits::default(), vec![]),
                seen,
                calm,
                Arc::new(Noon),
                journal,
            );
            let state = Arc::new(State { snapshots, leases: OnceLock::new() });
            assert!(state.leases.set(leases.clone()).is_ok());
            let identity = Identity {
                name: SpiffeId::new("a.b".parse().unwrap(), "user/alice".parse().unwrap()),
                id: SubjectId(1),
                certificate,
                not_after: Timestamp::MAX,
            };
            let peer = "127.0.0.1:9".parse().unwrap();
            let session = leases.open(identity, peer, "test", Noon.now()).unwrap();
            Self { state, leases, log, session: Arc::new(session) }
        }

        fn ask(&self, device: &str) -> Result<crate::Authorized, Refused> {
            let alice: Subject = "user/alice".parse().unwrap();
            let resource = Resource {
                device: Device::Named(device.parse().unwrap()),
                path: Path::literal("tcp").unwrap(),
            };
            let question = Question {
                subject: alice,
                resource,
                action: Action::Connect,
                source: None,
                proven: None,
            };
            self.leases.ask(&self.session, self.leases.new_flow_id(), question)
        }

        fn start_referee(&self) {
            let journal: Arc<dyn Journal> = self.log.clone();
            let referee = self.leases.referee(self.state.clone(), journal).unwrap();
            tokio::spawn(referee.run());
        }

        /// Waits until the referee has looked at so many answers.
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
        // The rule that denies is lost, so both judges of an admission see only the other one.
        let let_in = world.ask("box").unwrap();
        let sound = world.ask("lid").unwrap();
        let (_, lease) = let_in.spend();
        // A commit asks again, by the compiled form alone; the referee looks at that.
        world.state.publish(world.state.present().at(Epoch(2)));
        assert!(lease.lives(), "the compiled form still says yes");
        let cause = tokio::time::timeout(Duration::from_secs(30), lease.over()).await.unwrap();
        assert_eq!(cause, Cause::Refused(Refusal::Disagreement));
        world.looked_at(1).await;
        assert!(world.leases.refereed().differed >= 1);
        // What that rule allows is denied now, whatever is asked for by it.
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
        // That something is suspended was known, and nobody was alarmed again.
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
        // The same again is of a kind that has been seen.
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
}
