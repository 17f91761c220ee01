//! Decides what a client does next, without I/O. The driver reports events and the time; the
//! planner returns when to connect or renew, and how long to wait.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::backoff::{Backoff, EndReason, Pace};
use crate::identity::Validity;
use crate::renew::RenewalOutcome;
use crate::schedule::{about, after, again, due, rest, until};
use crate::settings::{Settings, Transport};

/// The longest sleep before the wall clock is read again, since it may be set meanwhile.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_secs(600);

/// The present time by both clocks, and a uniformly distributed number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) time: Timestamp,
    pub(crate) random: u64,
}

/// The settings that the planner depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannerRules {
    /// Whether both QUIC and TLS may be used.
    pub(crate) auto: bool,
    /// Whether the identity is renewed automatically.
    pub(crate) renews: bool,
    pub(crate) quic_again: Duration,
    pub(crate) pace: Pace,
}

impl From<&Settings> for PlannerRules {
    fn from(settings: &Settings) -> Self {
        Self {
            auto: settings.transport == Transport::Auto,
            renews: settings.renew,
            quic_again: settings.quic_again,
            pace: settings.backoff,
        }
    }
}

/// An action that the driver begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlannerStep {
    /// Makes a connection that replaces the live one.
    Connect(ReplaceReason),
    /// Renews the identity over the live connection, which uses the certificate of validity
    /// `former`. With `anyway`, renews even if another program has renewed meanwhile.
    Renew { former: Validity, anyway: bool },
}

/// Why the live connection is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplaceReason {
    /// QUIC may work again.
    Quic,
    /// The directory holds another identity.
    Identity,
}

/// The state machine that plans connections and renewals.
///
/// At most one connection is being made and at most one renewal runs at a time. A new connection
/// uses the identity that the directory holds when it begins, or a later one.
#[derive(Debug)]
pub(crate) struct Planner {
    rules: PlannerRules,
    backoff: Backoff,
    /// Whether QUIC failed the last time.
    tls_needed: bool,
    /// How many connections have been made.
    connections: u64,
    live: Option<Live>,
    making: Option<ReplaceReason>,
    /// The number of the connection over which a renewal runs.
    renewing: Option<u64>,
    /// The validity of an identity that was stored after the connection being made has begun.
    newest: Option<Validity>,
    /// Consecutive failed renewals.
    failed: u32,
    /// A random number that spreads the renewals of many clients.
    spread: u64,
    /// The earliest time of the next automatic renewal.
    rest_until: Option<Instant>,
}

/// The live connection.
#[derive(Debug)]
struct Live {
    number: u64,
    since: Instant,
    /// The validity of the certificate that it uses.
    validity: Validity,
    /// When to try QUIC again.
    quic_at: Option<Instant>,
    /// When to make a connection with the directory's identity.
    identity_at: Option<Instant>,
}

impl Planner {
    pub(crate) fn new(rules: PlannerRules, random: u64) -> Self {
        Self {
            rules,
            backoff: Backoff::new(rules.pace),
            tls_needed: false,
            connections: 0,
            live: None,
            making: None,
            renewing: None,
            newest: None,
            failed: 0,
            spread: random,
            rest_until: None,
        }
    }

    /// Notes that a connection begins while none is live. Returns whether to try TLS at once,
    /// beside QUIC.
    pub(crate) fn begin(&mut self) -> bool {
        self.newest = None;
        self.tls_needed
    }

    /// Returns whether a replacing connection is to try TLS at once.
    pub(crate) fn tls_needed(&self) -> bool {
        self.tls_needed
    }

    /// Notes that the connection is made, over TLS if `tls` and QUIC otherwise, with a certificate
    /// of this validity. It replaces the live one.
    pub(crate) fn note_connected(&mut self, now: Now, tls: bool, validity: Validity) {
        if self.rules.auto {
            self.tls_needed = tls;
        }
        self.making = None;
        self.connections = self.connections.saturating_add(1);
        let quic_at = if self.rules.auto && tls { self.quic_again(now) } else { None };
        let stale = self.newest.take().is_some_and(|newest| newest != validity);
        self.live = Some(Live {
            number: self.connections,
            since: now.instant,
            validity,
            quic_at,
            identity_at: stale.then_some(now.instant),
        });
    }

    /// Notes that the replacing connection could not be made.
    pub(crate) fn note_not_replaced(&mut self, now: Now) {
        let quic_at = self.quic_again(now);
        let (making, Some(live)) = (self.making.take(), &mut self.live) else { return };
        match making {
            Some(ReplaceReason::Quic) => live.quic_at = quic_at,
            Some(ReplaceReason::Identity) => live.identity_at = Some(now.instant + LONGEST_SLEEP),
            None => {}
        }
    }

    /// Requests a renewal now.
    pub(crate) fn request_renewal(&mut self) -> Option<PlannerStep> {
        if self.renewing.is_some() { None } else { self.renew(true) }
    }

    /// Notes the end of the renewal. `None` means that it failed.
    pub(crate) fn note_renewed(&mut self, now: Now, outcome: Option<RenewalOutcome>) {
        let over = self.renewing.take();
        let Some(outcome) = outcome else {
            let wait = self
                .live
                .as_ref()
                .map_or(LONGEST_SLEEP, |live| again(live.validity, self.failed, now.random));
            self.failed = self.failed.saturating_add(1);
            self.rest_until = Some(now.instant + wait);
            return;
        };
        let (RenewalOutcome::Renewed(validity) | RenewalOutcome::ByAnother(validity)) = outcome;
        (self.failed, self.spread) = (0, now.random);
        self.rest_until = now.instant.checked_add(rest(validity));
        if self.making.is_some() || self.live.is_none() {
            // The connection being made may have read the directory before this identity was there.
            self.newest = Some(validity);
        }
        let Some(live) = &mut self.live else { return };
        match outcome {
            RenewalOutcome::Renewed(_) if over == Some(live.number) => live.validity = validity,
            // The gateway has not seen the new certificate on this connection.
            RenewalOutcome::Renewed(_) | RenewalOutcome::ByAnother(_) => {
                if live.validity != validity {
                    live.identity_at = Some(now.instant);
                }
            }
        }
    }

    /// Notes that the connection, or the attempt to make one, has ended. Returns how long to wait.
    pub(crate) fn note_ended(&mut self, now: Now, reason: EndReason) -> Duration {
        self.making = None;
        let live = self.live.take();
        let stood =
            live.map_or(Duration::ZERO, |live| now.instant.saturating_duration_since(live.since));
        self.backoff.after(reason, stood, now.random)
    }

    /// Returns when to call [`step`](Self::step) next, unless something happens earlier.
    pub(crate) fn next(&self, now: Now) -> Option<Instant> {
        let live = self.live.as_ref()?;
        let free = self.making.is_none();
        let another = [live.quic_at, live.identity_at].into_iter().flatten();
        another.filter(|_| free).chain(self.renewal_check(now)).min()
    }

    /// Returns the action to begin now, if there is one.
    pub(crate) fn step(&mut self, now: Now) -> Option<PlannerStep> {
        let renewal_check = self.renewal_check(now);
        let live = self.live.as_mut()?;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        if self.making.is_none() {
            let another = if is_due(live.identity_at) {
                Some(ReplaceReason::Identity)
            } else if is_due(live.quic_at) {
                Some(ReplaceReason::Quic)
            } else {
                None
            };
            if let Some(another) = another {
                match another {
                    ReplaceReason::Quic => live.quic_at = None,
                    ReplaceReason::Identity => live.identity_at = None,
                }
                // Either kind of connection reads the directory's identity.
                self.newest = None;
                self.making = Some(another);
                return Some(PlannerStep::Connect(another));
            }
        }
        if is_due(renewal_check) { self.renew(false) } else { None }
    }

    fn renew(&mut self, anyway: bool) -> Option<PlannerStep> {
        let live = self.live.as_ref()?;
        self.renewing = Some(live.number);
        Some(PlannerStep::Renew { former: live.validity, anyway })
    }

    /// Returns when the identity is renewed next. `None` if renewal is off or no connection is
    /// live.
    pub(crate) fn renewal(&self, now: Now) -> Option<Timestamp> {
        let live = self.live.as_ref().filter(|_| self.rules.renews)?;
        let due = due(live.validity, self.spread);
        let rest = self.rest_until.map(|rest| rest.saturating_duration_since(now.instant));
        Some(rest.map_or(due, |rest| after(now.time, rest).max(due)))
    }

    /// Returns when to check whether a renewal is due.
    fn renewal_check(&self, now: Now) -> Option<Instant> {
        let live = self.live.as_ref()?;
        if !self.rules.renews || self.renewing.is_some() {
            return None;
        }
        let wait = until(now.time, due(live.validity, self.spread)).min(LONGEST_SLEEP);
        let then = now.instant + wait;
        Some(self.rest_until.map_or(then, |rest| rest.max(then)))
    }

    /// Returns when to try QUIC again. `None` if that time cannot be expressed.
    fn quic_again(&self, now: Now) -> Option<Instant> {
        now.instant.checked_add(about(self.rules.quic_again, now.random))
    }
}
