//! All bounded resources: how much there is of each, how much is in use, and where the bound comes
//! from.

use std::sync::Arc;

use doorward_api::LimitView;
use doorward_model::SubjectId;
use doorward_policies::Party;
use doorward_wire::STREAM_WINDOW;

use crate::endpoint::ListenerKind;
use crate::limits::{Entrance, KnownNetworks, Limits, Setting};
use crate::pot::{Pot, Size};

/// Every pot of the gateway. Clones are cheap and share one state.
#[derive(Clone, Debug)]
pub struct Pots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    set: Vec<Setting>,
    data: Arc<Entrance>,
    management: Arc<Entrance>,
    files: Pot<Party>,
    sessions: Pot<SubjectId>,
    flows: Pot<SubjectId>,
    buffers: Pot<SubjectId>,
    bodies: Pot<Party>,
    uploads: Pot<Party>,
    bundles: Pot<Party>,
    readings: Pot<Party>,
    questions: Pot<Party>,
}

impl Pots {
    /// The most bundles that are examined at the same time. Each may be large, and takes a core.
    pub const BUNDLES: u64 = 4;
    /// The most questions about the policy that are answered at the same time. Each may look at
    /// every rule, and takes a core.
    pub const QUESTIONS: u64 = 4;
    /// The most readings of the audit log at the same time. Each holds one page of it, and waits
    /// for more records.
    pub const READINGS: u64 = 64;

    /// Returns the pots for these limits. `set` names the settings that the operator has set.
    #[must_use]
    pub fn new(limits: Limits, set: Vec<Setting>) -> Self {
        let rates = (limits.handshake_rate, limits.unauthenticated_rate);
        let known = KnownNetworks::default();
        let entrance = |connections: usize, handshakes: usize, share: usize| {
            let slots = (connections, handshakes.min(connections), share);
            Arc::new(Entrance::new(slots, rates, limits.handshake_time, known.clone()))
        };
        let windows = (limits.buffers / u64::from(STREAM_WINDOW)).max(4);
        let bundles = Size {
            total: Self::BUNDLES,
            share: Self::BUNDLES / 2,
            kept: 0,
            few: 0,
            administration: 1,
        };
        // Questions change nothing, so nobody asks them by the rank of an administrator.
        let questions = Size { total: Self::QUESTIONS, share: 1, administration: 0, ..bundles };
        let readings = Size::of(Self::READINGS, Self::READINGS / 4);
        Self(Arc::new(Inner {
            data: entrance(limits.connections, limits.handshakes, 4),
            // Most administrators come from one network, the machine itself, so one network gets
            // half.
            management: entrance(limits.management, limits.handshakes, 2),
            files: Pot::new(limits.files_size()),
            sessions: Pot::new(limits.session.sessions_size()),
            flows: Pot::new(limits.session.flows_size()),
            buffers: Pot::new(Size::of(windows, windows / 4).without_administration()),
            bodies: Pot::new(limits.bodies_size()),
            uploads: Pot::new(limits.uploads_size()),
            bundles: Pot::new(bundles),
            questions: Pot::new(questions),
            readings: Pot::new(readings.without_administration()),
            limits,
            set,
        }))
    }

    /// Returns the limits that the pots follow from.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Returns the bounds before authentication at one listener.
    pub(crate) fn entrance(&self, listener: ListenerKind) -> &Arc<Entrance> {
        match listener {
            ListenerKind::Data => &self.0.data,
            ListenerKind::Management => &self.0.management,
        }
    }

    /// Returns the pot of files: connections, and backends.
    #[must_use]
    pub fn files(&self) -> &Pot<Party> {
        &self.0.files
    }

    /// Returns the pot of identified connections.
    pub(crate) fn sessions(&self) -> &Pot<SubjectId> {
        &self.0.sessions
    }

    /// Returns the pot of flows, and of requests to the administration.
    pub(crate) fn flows(&self) -> &Pot<SubjectId> {
        &self.0.flows
    }

    /// Returns the pot of stream windows, of [`STREAM_WINDOW`] bytes each. A stream holds all of
    /// its window from its beginning to its end, so the unread bytes never exceed the bound.
    #[must_use]
    pub fn buffers(&self) -> &Pot<SubjectId> {
        &self.0.buffers
    }

    /// Returns the pot for the bytes of requests that are being read.
    #[must_use]
    pub fn bodies(&self) -> &Pot<Party> {
        &self.0.bodies
    }

    /// Returns the pot for the bytes of large bodies: bundles that are being read, answers that are
    /// being sent.
    #[must_use]
    pub fn uploads(&self) -> &Pot<Party> {
        &self.0.uploads
    }

    /// Returns the pot of bundles that are being examined.
    #[must_use]
    pub fn bundles(&self) -> &Pot<Party> {
        &self.0.bundles
    }

    /// Returns the pot of questions about the policy that are being answered.
    #[must_use]
    pub fn questions(&self) -> &Pot<Party> {
        &self.0.questions
    }

    /// Returns the pot of readings of the audit log.
    #[must_use]
    pub fn readings(&self) -> &Pot<Party> {
        &self.0.readings
    }

    /// Returns every bound, where it comes from, and how much is in use.
    #[must_use]
    pub fn table(&self) -> Vec<LimitView> {
        use Setting as S;
        let inner = &*self.0;
        let places = |what, each, size, taken| Self::row(what, "places", each, size, taken);
        let bytes = |what, each, size, taken| Self::row(what, "bytes", each, size, taken);
        let entrance =
            |what, (size, taken): (Size, usize)| places(what, "network", size, taken as u64);
        let rate = |what, total: u32, networks: u32| {
            let size = Size::of(total.into(), u64::from((total / networks).max(1)));
            let share = size.share.min(size.total - size.kept);
            let size = Size { share, ..size.without_administration() };
            Self::view(what, "in a second", "network", size)
        };
        let pot = |what, pot: &Pot<SubjectId>| places(what, "subject", pot.size(), pot.taken());
        let read = |what, pot: &Pot<Party>| bytes(what, "party", pot.size(), pot.taken());
        let fixed = |what, pot: &Pot<Party>| LimitView {
            from: "usual".to_owned(),
            ..places(what, "party", pot.size(), pot.taken())
        };
        let [connections, handshakes] = inner.data.slots();
        let [management, management_handshakes] = inner.management.slots();
        let window = u64::from(STREAM_WINDOW);
        let (buffers, waiting) = (inner.buffers.size(), inner.buffers.taken() * window);
        vec![
            places("files", "party", inner.files.size(), inner.files.taken()),
            self.set_by(S::Connections, entrance("connections", connections)),
            self.set_by(S::Handshakes, entrance("handshakes", handshakes)),
            self.set_by(S::Management, entrance("management connections", management)),
            self.set_by(S::Management, entrance("management handshakes", management_handshakes)),
            // Networks have their turns one after the other, so a network that is alone may use the
            // whole rate.
            self.set_by(S::HandshakeRate, rate("new handshakes", inner.limits.handshake_rate, 1)),
            self.set_by(
                S::UnauthenticatedRate,
                rate("requests without identity", inner.limits.unauthenticated_rate, 1),
            ),
            self.set_by(S::Sessions, pot("sessions", &inner.sessions)),
            self.set_by(S::Flows, pot("flows", &inner.flows)),
            self.set_by(S::Buffers, bytes("buffers", "subject", buffers.times(window), waiting)),
            self.set_by(S::Bodies, read("requests being read", &inner.bodies)),
            self.set_by(S::Uploads, read("large bodies", &inner.uploads)),
            fixed("bundles being examined", &inner.bundles),
            fixed("questions about the policy", &inner.questions),
            fixed("audit log being read", &inner.readings),
        ]
    }

    /// A row of a limit that follows from the machine, and of which nothing is in use.
    fn view(what: &str, unit: &str, each: &str, size: Size) -> LimitView {
        let Size { total, share, kept, few: _, administration } = size;
        LimitView {
            what: what.to_owned(),
            unit: unit.to_owned(),
            total,
            share,
            each: each.to_owned(),
            kept,
            administration,
            in_use: None,
            setting: None,
            from: "machine".to_owned(),
        }
    }

    fn row(what: &str, unit: &str, each: &str, size: Size, taken: u64) -> LimitView {
        LimitView { in_use: Some(taken), ..Self::view(what, unit, each, size) }
    }

    /// The same row, with the setting that changes the limit, and where its total comes from.
    fn set_by(&self, setting: Setting, row: LimitView) -> LimitView {
        let from = if self.0.set.contains(&setting) {
            "configuration"
        } else if setting.is_usual(&self.0.limits) {
            "usual"
        } else {
            "machine"
        };
        LimitView { setting: Some(setting.key().to_owned()), from: from.to_owned(), ..row }
    }
}
