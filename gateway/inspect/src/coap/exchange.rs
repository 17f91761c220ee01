//! CoAP requests that may still be answered, observations, and responses that were sent.

use std::collections::VecDeque;

use doorward_model::Path;

use super::message::{CoapHeader, CoapToken, MessageType};
use super::request::Observe;

/// The most requests that are remembered. Beyond them, the oldest one that does not observe is
/// forgotten.
pub(super) const EXCHANGES: usize = 256;
/// The most requests that observe at a time.
pub(super) const OBSERVATIONS: usize = 64;
/// The longest options of a registration, in bytes, since they are stored. A whole message should
/// not be longer (RFC 7252, section 4.6).
pub(super) const REGISTRATION: usize = 1152;

/// A request that was permitted and forwarded.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Its token towards the device.
    pub(super) ours: u64,
    /// The client's token.
    pub(super) token: CoapToken,
    /// The type and id with which it was last sent.
    pub(super) kind: MessageType,
    pub(super) id: u16,
    /// The path that it asked for.
    pub(super) path: Path,
    /// Whether a response is due.
    pub(super) waits: bool,
    /// The options of the request that registered the client as an observer, while the client is
    /// one.
    pub(super) observes: Option<Box<[u8]>>,
}

impl Exchange {
    /// Ends the exchange: no response and no notification is due.
    pub(super) fn end(&mut self) {
        self.waits = false;
        self.observes = None;
    }
}

/// The exchanges of a flow, the oldest first.
///
/// Each has a token of the gateway's own towards the device, which is never used for another path.
/// So the token of a response tells its path, even if messages are delayed, repeated or lost. The
/// client's tokens could not tell that, since the client may reuse one for another path.
#[derive(Clone, Debug)]
pub(super) struct Exchanges {
    all: VecDeque<Exchange>,
    next: u64,
}

impl Exchanges {
    /// Returns no exchanges. The tokens towards the device count from `first`.
    pub(super) fn new(first: u64) -> Self {
        Self { all: VecDeque::new(), next: first }
    }

    /// Adds a request that is forwarded, and returns its token towards the device. A repeated
    /// request keeps its token, and so does one that renews or ends an observation.
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

    /// Lets the exchange with this token towards the device observe. Another exchange with the same
    /// client token no longer observes, since the client could not tell them apart.
    pub(super) fn register(&mut self, ours: u64, token: CoapToken, options: &[u8]) {
        for one in self.all.iter_mut().filter(|one| one.token == token) {
            one.observes = (one.ours == ours).then(|| options.into());
        }
    }

    /// Returns whether the client may observe this path with this token: whether there is room, or
    /// it already does.
    pub(super) fn has_room(&self, token: CoapToken, path: &Path) -> bool {
        let observing = || self.all.iter().filter(|one| one.observes.is_some());
        observing().count() < OBSERVATIONS
            || observing().any(|one| one.token == token && one.path == *path)
    }

    /// Ends the observations with this token, after the client was told so.
    pub(super) fn over(&mut self, token: CoapToken) {
        for one in self.all.iter_mut().filter(|one| one.token == token) {
            one.observes = None;
        }
    }

    /// Returns the exchange of a response.
    pub(super) fn by_token(&mut self, token: &CoapToken) -> Option<&mut Exchange> {
        let ours = token.number()?;
        self.by_ours(ours)
    }

    /// Returns the exchange with this token towards the device.
    pub(super) fn by_ours(&mut self, ours: u64) -> Option<&mut Exchange> {
        self.all.iter_mut().rev().find(|one| one.ours == ours)
    }

    /// Returns the last request that was sent with this id.
    pub(super) fn by_id(&mut self, id: u16) -> Option<&mut Exchange> {
        self.all.iter_mut().rev().find(|one| one.id == id)
    }

    /// Returns whether an exchange observes.
    pub(super) fn observe(&self) -> bool {
        self.all.iter().any(|one| one.observes.is_some())
    }

    /// Ends the observations whose paths `ends` accepts. Yields each with its options.
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

/// The most sent responses that are remembered.
pub(super) const SENT: usize = 256;

/// A response that the client was sent in a message of its own, not in an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SentResponse {
    pub(super) kind: MessageType,
    pub(super) id: u16,
    /// The token of its exchange towards the device.
    pub(super) ours: u64,
}

/// The last sent responses, the oldest first. The client may acknowledge or reject them, and the
/// device may send them again.
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

    /// Returns the last response with this id.
    pub(super) fn by_id(&self, id: u16) -> Option<SentResponse> {
        self.0.iter().rev().find(|one| one.id == id).copied()
    }

    /// Returns the id of the last response.
    pub(super) fn last_id(&self) -> u16 {
        self.0.back().map_or(0, |shown| shown.id)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
