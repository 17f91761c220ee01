//! Decides what a client does next, without I/O. The driver reports events and the time; the
//! planner returns when to connect or renew, and how long to wait.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::backoff::{Backoff, Ending, Pace};
use crate::identity::Validity;
use crate::renew::Over as Renewing;
use crate::schedule::{about, after, again, due, rest, until};
use crate::settings::{Settings, Transport};

/// The longest sleep before the wall clock is read again, since it may be set meanwhile.
pub(crate) const LOOK: Duration = Duration::from_secs(600);

/// The present time by both clocks, and a uniformly distributed number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) time: Timestamp,
    pub(crate) random: u64,
}

/// The settings that the planner depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Whether both QUIC and TLS may be used.
    pub(crate) auto: bool,
    /// Whether the identity is renewed automatically.
    pub(crate) renews: bool,
    pub(crate) quic_again: Duration,
    pub(crate) pace: Pace,
}

impl From<&Settings> for Rules {
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
pub(crate) enum Step {
    /// Makes a connection that replaces the live one.
    Connect(Another),
    /// Renews the identity over the live connection, which uses the certificate of validity
    /// `former`. With `anyway`, renews even if another program has renewed meanwhile.
    Renew { former: Validity, anyway: bool },
}

/// Why the live connection is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Another {
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
pub(crate) struct Course {
    rules: Rules,
    backoff: Backoff,
    /// Whether QUIC failed the last time.
    tls_needed: bool,
    /// How many connections have been made.
    connections: u64,
    standing: Option<Standing>,
    making: Option<Another>,
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
struct Standing {
    number: u64,
    since: Instant,
    /// The validity of the certificate that it uses.
    validity: Validity,
    /// When to try QUIC again.
    quic_at: Option<Instant>,
    /// When to make a connection with the directory's identity.
    identity_at: Option<Instant>,
}

impl Course {
    pub(crate) fn new(rules: Rules, random: u64) -> Self {
        Self {
            rules,
            backoff: Backoff::new(rules.pace),
            tls_needed: false,
            connections: 0,
            standing: None,
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
    pub(crate) fn stands(&mut self, now: Now, tls: bool, validity: Validity) {
        if self.rules.auto {
            self.tls_needed = tls;
        }
        self.making = None;
        self.connections = self.connections.saturating_add(1);
        let quic_at = if self.rules.auto && tls { self.quic_again(now) } else { None };
        let stale = self.newest.take().is_some_and(|newest| newest != validity);
        self.standing = Some(Standing {
            number: self.connections,
            since: now.instant,
            validity,
            quic_at,
            identity_at: stale.then_some(now.instant),
        });
    }

    /// Notes that the replacing connection could not be made.
    pub(crate) fn stays(&mut self, now: Now) {
        let quic_at = self.quic_again(now);
        let (making, Some(standing)) = (self.making.take(), &mut self.standing) else { return };
        match making {
            Some(Another::Quic) => standing.quic_at = quic_at,
            Some(Another::Identity) => standing.identity_at = Some(now.instant + LOOK),
            None => {}
        }
    }

    /// Requests a renewal now.
    pub(crate) fn asked(&mut self) -> Option<Step> {
        if self.renewing.is_some() { None } else { self.renew(true) }
    }

    /// Notes the end of the renewal. `None` means that it failed.
    pub(crate) fn renewed(&mut self, now: Now, came_to: Option<Renewing>) {
        let over = self.renewing.take();
        let Some(came_to) = came_to else {
            let wait = self
                .standing
                .as_ref()
                .map_or(LOOK, |standing| again(standing.validity, self.failed, now.random));
            self.failed = self.failed.saturating_add(1);
            self.rest_until = Some(now.instant + wait);
            return;
        };
        let (Renewing::Renewed(validity) | Renewing::ByAnother(validity)) = came_to;
        (self.failed, self.spread) = (0, now.random);
        self.rest_until = now.instant.checked_add(rest(validity));
        if self.making.is_some() || self.standing.is_none() {
            // The connection being made may have read the directory before this identity was there.
            self.newest = Some(validity);
        }
        let Some(standing) = &mut self.standing else { return };
        match came_to {
            Renewing::Renewed(_) if over == Some(standing.number) => standing.validity = validity,
            // The gateway has not seen the new certificate on this connection.
            _ if standing.validity != validity => standing.identity_at = Some(now.instant),
            _ => {}
        }
    }

    /// Notes that the connection, or the attempt to make one, has ended. Returns how long to wait.
    pub(crate) fn over(&mut self, now: Now, ending: Ending) -> Duration {
        self.making = None;
        let standing = self.standing.take();
        let stood = standing.map_or(Duration::ZERO, |standing| {
            now.instant.saturating_duration_since(standing.since)
        });
        self.backoff.after(ending, stood, now.random)
    }

    /// Returns when to call [`step`](Self::step) next, unless something happens earlier.
    pub(crate) fn next(&self, now: Now) -> Option<Instant> {
        let standing = self.standing.as_ref()?;
        let free = self.making.is_none();
        let another = [standing.quic_at, standing.identity_at].into_iter().flatten();
        another.filter(|_| free).chain(self.look(now)).min()
    }

    /// Returns the action to begin now, if there is one.
    pub(crate) fn step(&mut self, now: Now) -> Option<Step> {
        let look = self.look(now);
        let standing = self.standing.as_mut()?;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        if self.making.is_none() {
            let another = if is_due(standing.identity_at) {
                Some(Another::Identity)
            } else if is_due(standing.quic_at) {
                Some(Another::Quic)
            } else {
                None
            };
            if let Some(another) = another {
                match another {
                    Another::Quic => standing.quic_at = None,
                    Another::Identity => standing.identity_at = None,
                }
                // Either kind of connection reads the directory's identity.
                self.newest = None;
                self.making = Some(another);
                return Some(Step::Connect(another));
            }
        }
        if is_due(look) { self.renew(false) } else { None }
    }

    fn renew(&mut self, anyway: bool) -> Option<Step> {
        let standing = self.standing.as_ref()?;
        self.renewing = Some(standing.number);
        Some(Step::Renew { former: standing.validity, anyway })
    }

    /// Returns when the identity is renewed next. `None` if renewal is off or no connection is
    /// live.
    pub(crate) fn renewal(&self, now: Now) -> Option<Timestamp> {
        let standing = self.standing.as_ref().filter(|_| self.rules.renews)?;
        let due = due(standing.validity, self.spread);
        let rest = self.rest_until.map(|rest| rest.saturating_duration_since(now.instant));
        Some(rest.map_or(due, |rest| after(now.time, rest).max(due)))
    }

    /// Returns when to check whether a renewal is due.
    fn look(&self, now: Now) -> Option<Instant> {
        let standing = self.standing.as_ref()?;
        if !self.rules.renews || self.renewing.is_some() {
            return None;
        }
        let wait = until(now.time, due(standing.validity, self.spread)).min(LOOK);
        let then = now.instant + wait;
        Some(self.rest_until.map_or(then, |rest| rest.max(then)))
    }

    /// Returns when to try QUIC again. `None` if that time cannot be expressed.
    fn quic_again(&self, now: Now) -> Option<Instant> {
        now.instant.checked_add(about(self.rules.quic_again, now.random))
    }
}
