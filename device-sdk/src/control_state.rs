//! The state machine of a control stream after the greeting, without I/O. Messages, times and other
//! events go in; messages and actions come out.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward_model::Name;
use doorward_wire::{Control, Declined, Offer, Offering, Renewed, Taken, Why};
use tokio::time::Instant;

use crate::connection_end::ConnectionEnd;

/// How often to ping the gateway over TLS, and how long it may be silent. QUIC has its own
/// keep-alive and timeout.
pub(crate) const PING: Duration = Duration::from_secs(15);
pub(crate) const SILENCE: Duration = Duration::from_secs(45);
/// How long to wait for the answer to an offer before the next one is sent.
pub(crate) const OFFER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a declined interface is offered again. It may have been declared
/// meanwhile. The gateway then serves it at once, but tells the device only at the next offer.
pub(crate) const REOFFER: Duration = Duration::from_secs(60);

/// An action that is due without a message from the gateway.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DueAction {
    /// Send this message.
    Say(Control),
    /// Send the offers ([`ControlState::offer`]).
    Offer,
    /// Collect a report and send it ([`ControlState::report`]).
    Collect,
}

/// What a message from the gateway leads to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MessageEffect {
    /// Nothing.
    Nothing,
    /// Send this message.
    Say(Control),
    /// The gateway answered the offers.
    Offers(BTreeMap<Name, Result<(), String>>),
    /// The gateway answered the last report.
    Report(Result<(), String>),
    /// The gateway answered the renewal with this number, if one waits.
    Renewal(u64, Result<Renewed, Declined>),
    /// The flow on this stream was cut.
    Cut(u64, Why),
    /// The gateway ends the connection.
    Bye(Why, String),
}

/// An offer that waits for its answer.
#[derive(Debug)]
struct PendingOffer {
    id: u64,
    names: Vec<Name>,
    since: Instant,
}

/// The state of a session's control stream.
#[derive(Debug)]
pub(crate) struct ControlState {
    /// Whether the offers have changed since the last offer message.
    changed: bool,
    pending_offer: Option<PendingOffer>,
    /// When to send the offers again because some were declined.
    again_at: Option<Instant>,
    /// The interval of reports, if there are any.
    every: Option<Duration>,
    report_at: Option<Instant>,
    collecting: bool,
    reported: Option<u64>,
    last_received: Instant,
    /// When to ping; `None` over QUIC.
    ping_at: Option<Instant>,
    pings: u64,
    /// Whether another connection has replaced this one.
    retired: bool,
}

impl ControlState {
    /// Creates the state after the greeting. `pings` is whether to ping the gateway.
    pub(crate) fn new(now: Instant, pings: bool) -> Self {
        Self {
            changed: false,
            pending_offer: None,
            again_at: None,
            every: None,
            report_at: None,
            collecting: false,
            reported: None,
            last_received: now,
            ping_at: if pings { now.checked_add(PING) } else { None },
            pings: 0,
            retired: false,
        }
    }

    /// Notes that the offers have changed.
    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }

    /// Sets the interval of reports, starting now; `None` ends them.
    pub(crate) fn reporting(&mut self, now: Instant, every: Option<Duration>) {
        self.every = every;
        self.report_at = every.filter(|_| !self.retired).map(|_| now);
    }

    /// Notes that another connection has replaced this one and sends offers and reports from now
    /// on.
    pub(crate) fn retire(&mut self) {
        self.retired = true;
        self.report_at = None;
    }

    /// Notes that the gateway has sent something.
    pub(crate) fn note_received(&mut self, now: Instant) {
        self.last_received = now;
    }

    /// Returns whether the gateway has been silent for too long.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.ping_at.is_some() && now.saturating_duration_since(self.last_received) >= SILENCE
    }

    /// Returns the next action that is due. The caller repeats the call until it returns `None`.
    pub(crate) fn due(&mut self, now: Instant) -> Option<DueAction> {
        if self.ping_at.is_some_and(|at| at <= now) {
            self.ping_at = now.checked_add(PING);
            self.pings = self.pings.wrapping_add(1);
            return Some(DueAction::Say(Control::Ping(self.pings)));
        }
        if self.retired {
            return None;
        }
        if !self.collecting && self.report_at.is_some_and(|at| at <= now) {
            // A time that cannot be expressed is never.
            self.report_at = self.every.and_then(|every| now.checked_add(every));
            self.collecting = self.every.is_some();
            if self.collecting {
                return Some(DueAction::Collect);
            }
        }
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            self.changed = true;
        }
        let waits = self
            .pending_offer
            .as_ref()
            .is_some_and(|pending_offer| pending_offer.since + OFFER_TIMEOUT > now);
        (self.changed && !waits).then_some(DueAction::Offer)
    }

    /// Returns when to call [`due`](Self::due) next.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let report_at = self.report_at.filter(|_| !self.collecting);
        let offer_at = match &self.pending_offer {
            Some(pending_offer) if self.changed && !self.retired => {
                Some(pending_offer.since + OFFER_TIMEOUT)
            }
            _ => None,
        };
        let again_at = self.again_at.filter(|_| !self.retired);
        [self.ping_at, report_at, offer_at, again_at].into_iter().flatten().min()
    }

    /// Returns the offer message and waits for its answer.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        id: u64,
        names: Vec<Name>,
        interfaces: Vec<Offering>,
    ) -> Control {
        self.changed = false;
        self.pending_offer = Some(PendingOffer { id, names, since: now });
        Control::Offer(Offer { id, interfaces })
    }

    /// Notes that a report was collected. It is sent with the number in the argument, if at all.
    pub(crate) fn report(&mut self, said: Option<u64>) {
        self.collecting = false;
        if said.is_some() {
            self.reported = said;
        }
    }

    /// Handles a message from the gateway.
    ///
    /// # Errors
    /// Fails when a gateway may not send this message.
    pub(crate) fn receive(&mut self, word: Control) -> Result<MessageEffect, ConnectionEnd> {
        Ok(match word {
            Control::Taken(taken) => self.taken(&taken),
            Control::Noted(id) => self.noted(id, Ok(())),
            Control::Declined(declined) => self.declined(declined),
            Control::Renewed(renewed) => MessageEffect::Renewal(renewed.id, Ok(renewed)),
            Control::Cut(stream, why) => MessageEffect::Cut(stream, why),
            Control::Bye(why, detail) => MessageEffect::Bye(why, detail),
            Control::Ping(number) => MessageEffect::Say(Control::Pong(number)),
            Control::Unknown(kind) => MessageEffect::Say(Control::NotKnown(kind)),
            Control::Pong(_) | Control::NotKnown(_) => MessageEffect::Nothing,
            Control::Hello(_)
            | Control::Welcome(_)
            | Control::Offer(_)
            | Control::Posture(_)
            | Control::Renew(..)
            | Control::Kept(_) => {
                return Err(ConnectionEnd::failed(
                    "the gateway sent a message that only a client may send",
                ));
            }
        })
    }

    fn declined(&mut self, declined: Declined) -> MessageEffect {
        let id = declined.id;
        let why = || format!("{}: {}", declined.why, declined.detail);
        if self.pending_offer.as_ref().is_some_and(|pending_offer| pending_offer.id == id) {
            return self.answered(|_| Err(why()));
        }
        if self.reported == Some(id) {
            return self.noted(id, Err(why()));
        }
        MessageEffect::Renewal(id, Err(declined))
    }

    fn taken(&mut self, taken: &Taken) -> MessageEffect {
        if self.pending_offer.as_ref().is_none_or(|pending_offer| pending_offer.id != taken.id) {
            return MessageEffect::Nothing;
        }
        self.answered(|name| match taken.declined.get(name.as_str()) {
            Some(why) => Err(why.clone()),
            None => Ok(()),
        })
    }

    /// Handles the gateway's answer to the offers.
    fn answered(&mut self, answer: impl Fn(&Name) -> Result<(), String>) -> MessageEffect {
        match self.pending_offer.take() {
            // A retired connection ignores the answer; that on the replacing connection counts.
            Some(pending_offer) if !self.retired => {
                let answers = pending_offer.names.into_iter().map(|name| {
                    let answer = answer(&name);
                    (name, answer)
                });
                let answers: BTreeMap<_, Result<(), String>> = answers.collect();
                let declined = answers.values().any(Result::is_err);
                self.again_at =
                    if declined { self.last_received.checked_add(REOFFER) } else { None };
                MessageEffect::Offers(answers)
            }
            _ => MessageEffect::Nothing,
        }
    }

    fn noted(&mut self, id: u64, answer: Result<(), String>) -> MessageEffect {
        if self.reported != Some(id) {
            return MessageEffect::Nothing;
        }
        self.reported = None;
        MessageEffect::Report(answer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn taken(id: u64) -> Control {
        Control::Taken(Taken { id, declined: BTreeMap::from([("b".into(), "no".into())]) })
    }

    #[test]
    fn an_offer_waits_for_the_answer_to_the_one_before_but_not_for_ever() {
        let now = Instant::now();
        let mut talk = ControlState::new(now, false);
        assert_eq!((talk.due(now), talk.wake()), (None, None));
        talk.changed();
        assert_eq!(talk.due(now), Some(DueAction::Offer));
        talk.offer(now, 1, names(&["a"]), vec![]);
        talk.changed();
        assert_eq!((talk.due(now), talk.wake()), (None, Some(now + OFFER_TIMEOUT)));
        assert_eq!(talk.due(now + OFFER_TIMEOUT), Some(DueAction::Offer));
        talk.offer(now + OFFER_TIMEOUT, 2, names(&["a", "b"]), vec![]);
        assert_eq!(talk.receive(taken(1)).unwrap(), MessageEffect::Nothing);
        let answers = names(&["a", "b"]).into_iter().zip([Ok(()), Err("no".to_owned())]);
        assert_eq!(talk.receive(taken(2)).unwrap(), MessageEffect::Offers(answers.collect()));
        assert_eq!(talk.receive(taken(2)).unwrap(), MessageEffect::Nothing);
    }

    #[test]
    fn a_report_is_made_at_once_and_again_and_never_twice_at_a_time() {
        let now = Instant::now();
        let mut talk = ControlState::new(now, false);
        let every = Duration::from_secs(60);
        talk.reporting(now, Some(every));
        assert_eq!((talk.due(now), talk.due(now)), (Some(DueAction::Collect), None));
        assert_eq!((talk.due(now + every * 2), talk.wake()), (None, None));
        talk.report(Some(7));
        assert_eq!(talk.receive(Control::Noted(6)).unwrap(), MessageEffect::Nothing);
        assert_eq!(talk.receive(Control::Noted(7)).unwrap(), MessageEffect::Report(Ok(())));
        assert_eq!(talk.due(now + every * 2), Some(DueAction::Collect));
        talk.report(None);
        talk.reporting(now, None);
        assert_eq!((talk.due(now + every * 4), talk.wake()), (None, None));
    }

    #[test]
    fn a_connection_that_another_took_the_place_of_says_no_more_than_it_must() {
        let now = Instant::now();
        let mut talk = ControlState::new(now, true);
        talk.changed();
        talk.offer(now, 1, names(&["a"]), vec![]);
        talk.retire();
        talk.changed();
        talk.reporting(now, Some(Duration::from_secs(60)));
        assert_eq!((talk.due(now), talk.wake()), (None, Some(now + PING)));
        assert_eq!(talk.receive(taken(1)).unwrap(), MessageEffect::Nothing);
        assert_eq!(talk.due(now + PING), Some(DueAction::Say(Control::Ping(1))));
        assert!(talk.is_silent(now + SILENCE));
    }

    proptest! {
        #[test]
        fn whatever_happens(events in prop::collection::vec(any::<u8>(), 0..400)) {
            crate::fuzzing::talk(&events);
        }
    }
}
