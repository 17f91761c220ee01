//! CoAP requests that may still be answered, and observations.

use std::collections::VecDeque;

use doorward_model::Path;

use super::message::{CoapHeader, CoapToken, MessageType};
use super::request::Observe;

/// How many requests are remembered. Of more, the oldest that observes nothing is forgotten.
pub(super) const EXCHANGES: usize = 256;
/// How many of them may observe at a time.
pub(super) const OBSERVATIONS: usize = 64;
/// The longest options of a registration, in bytes, since they are kept: as many as a whole message
/// should have (RFC 7252, section 4.6).
pub(super) const REGISTRATION: usize = 1152;

/// A request that was permitted and forwarded, and what may come of it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// The token that it has towards the device.
    pub(super) ours: u64,
    /// The client's token.
    pub(super) token: CoapToken,
    /// Under which type and id it was last sent.
    pub(super) kind: MessageType,
    pub(super) id: u16,
    /// What was asked for.
    pub(super) path: Path,
    /// A response is due.
    pub(super) waits: bool,
    /// The options of the request that registered the client as an observer, while it is one.
    pub(super) observes: Option<Box<[u8]>>,
}

impl Exchange {
    /// Nothing more may come of it.
    pub(super) fn end(&mut self) {
        self.waits = false;
        self.observes = None;
    }
}

/// The exchanges of a flow, the oldest first.
///
/// Towards the device each has a token of the gateway's own, which is never used for another path:
/// so whatever was delayed, repeated or lost, a response says by its token what it is about. By the
/// client's tokens it could not, since the client may use one for this path, and then for that.
#[derive(Clone, Debug)]
pub(super) struct Exchanges {
    all: VecDeque<Exchange>,
    next: u64,
}

impl Exchanges {
    /// None yet. The tokens towards the device count from `first`.
    pub(super) fn new(first: u64) -> Self {
        Self { all: VecDeque::new(), next: first }
    }

    /// A request of the client's is forwarded: the token that it has towards the device. It is the
    /// same one for a request that is sent again, and for one that renews or ends an observation.
    pub(super) fn enter(
        &mut self,
        header: &CoapHeader,
        path: Path,
        observe: Option<Observe>,
    ) -> u64 {
        let CoapHeader { kind, id, token, .. } = *header;
        let same = |one: &&mut Exchange| {
            let renews = one.observes.is_some() && observe.is_some();
            one.token == token && (one.id == id || renews) && one.path == path
        };
        if let Some(known) = self.all.iter_mut().rev().find(same) {
            (known.kind, known.id, known.waits) = (kind, id, true);
            return known.ours;
        }
        if self.all.len() == EXCHANGES {
            let oldest = self.all.iter().position(|one| one.observes.is_none());
            self.all.remove(oldest.unwrap_or_default());
        }
        let ours = self.next;
        self.next = ours.wrapping_add(1);
        self.all.push_back(Exchange { ours, token, kind, id, path, waits: true, observes: None });
        ours
    }

    /// The exchange with this token towards the device observes from now on. Another one with the
    /// same token of the client's does so no longer: the client could not tell them apart.
    pub(super) fn register(&mut self, ours: u64, token: CoapToken, options: &[u8]) {
        for one in self.all.iter_mut().filter(|one| one.token == token) {
            one.observes = (one.ours == ours).then(|| options.into());
        }
    }

    /// Whether the client may observe this path, by this token, as far as there is room.
    pub(super) fn has_room(&self, token: CoapToken, path: &Path) -> bool {
        let observing = || self.all.iter().filter(|one| one.observes.is_some());
        observing().count() < OBSERVATIONS
            || observing().any(|one| one.token == token && one.path == *path)
    }

    /// The client has been told that what it observes by this token is over.
    pub(super) fn over(&mut self, token: CoapToken) {
        for one in self.all.iter_mut().filter(|one| one.token == token) {
            one.observes = None;
        }
    }

    /// The exchange of a response.
    pub(super) fn by_token(&mut self, token: &CoapToken) -> Option<&mut Exchange> {
        let ours = token.number()?;
        self.by_ours(ours)
    }

    /// The exchange with this token towards the device.
    pub(super) fn by_ours(&mut self, ours: u64) -> Option<&mut Exchange> {
        self.all.iter_mut().rev().find(|one| one.ours == ours)
    }

    /// The last request that was sent with this id.
    pub(super) fn by_id(&mut self, id: u16) -> Option<&mut Exchange> {
        self.all.iter_mut().rev().find(|one| one.id == id)
    }

    /// Whether any observes.
    pub(super) fn observe(&self) -> bool {
        self.all.iter().any(|one| one.observes.is_some())
    }

    /// Ends the observations of which `ends` says so by their paths, and yields each with its
    /// options.
    pub(super) fn end_observations(
        &mut self,
        mut ends: impl FnMut(&Path) -> bool,
    ) -> impl Iterator<Item = (&mut Exchange, Box<[u8]>)> {
        self.all.iter_mut().filter_map(move |one| {
            let ends = one.observes.is_some() && ends(&one.path);
            let options = one.observes.take_if(|_| ends)?;
            Some((one, options))
        })
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.all.len(), self.all.iter().filter(|one| one.observes.is_some()).count())
    }
}

/// How many messages of the device's are remembered.
pub(super) const SENT: usize = 256;

/// A response that the client was shown in a message of its own, not in an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SentResponse {
    pub(super) kind: MessageType,
    pub(super) id: u16,
    /// The token that its exchange has towards the device.
    pub(super) ours: u64,
}

/// The last ones, the oldest first: what the client may acknowledge or reject, and what the device
/// may send again.
#[derive(Clone, Debug, Default)]
pub(super) struct SentResponses(VecDeque<SentResponse>);

impl SentResponses {
    pub(super) fn enter(&mut self, shown: SentResponse) {
        if self.has(shown) {
            return;
        }
        if self.0.len() == SENT {
            self.0.pop_front();
        }
        self.0.push_back(shown);
    }

    pub(super) fn has(&self, shown: SentResponse) -> bool {
        self.0.contains(&shown)
    }

    /// The last one with this id.
    pub(super) fn by_id(&self, id: u16) -> Option<SentResponse> {
        self.0.iter().rev().find(|one| one.id == id).copied()
    }

    /// The id of the last one.
    pub(super) fn last_id(&self) -> u16 {
        self.0.back().map_or(0, |shown| shown.id)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
