//! What a client does next, free of I/O: what has happened and what time it is go in; whether to
//! make another connection or to renew the identity, and how long to wait, come out.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::backoff::{Backoff, Ending, Pace};
use crate::identity::Validity;
use crate::renew::Over as Renewing;
use crate::schedule::{about, after, again, due, rest, until};
use crate::settings::{Settings, Transport};

/// How long is slept at most before the wall clock is looked at again.
pub(crate) const LOOK: Duration = Duration::from_secs(600);

/// What time it is, by both clocks, and a number spread evenly over all its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) time: Timestamp,
    pub(crate) random: u64,
}

/// What the settings say of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Both QUIC and TLS may be spoken.
    pub(crate) auto: bool,
    /// The identity is renewed without being asked to.
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

/// What is to be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A connection that is to take the place of the one that stands.
    Connect(Another),
    /// A renewal over the one that stands, which stands on `former`; if so, `anyway`, though
    /// another program has renewed meanwhile.
    Renew { former: Validity, anyway: bool },
}

/// Why a connection is wanted while one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Another {
    /// QUIC may get through again.
    Quic,
    /// There is another identity in the directory.
    Identity,
}

/// What is remembered from one step to the next, and from one connection to the next.
///
/// At most one connection is made and at most one renewal runs at a time. A connection that
/// begins takes the identity that is in the directory then, or a later one.
#[derive(Debug)]
pub(crate) struct Course {
    rules: Rules,
    backoff: Backoff,
    /// QUIC did not get through the last time.
    tls_needed: bool,
    /// How many connections stood so far.
    connections: u64,
    standing: Option<Standing>,
    making: Option<Another>,
    /// Over which connection a renewal runs.
    renewing: Option<u64>,
    /// Came into the directory after the connection that is being made has begun.
    newest: Option<Validity>,
    /// Renewals that failed, in a row.
    failed: u32,
    /// Spreads renewals of many clients.
    spread: u64,
    /// Before that, no renewal begins by itself.
    rest_until: Option<Instant>,
}

/// The present connection.
#[derive(Debug)]
struct Standing {
    number: u64,
    since: Instant,
    /// What it stands on.
    validity: Validity,
    /// When QUIC is tried again.
    quic_at: Option<Instant>,
    /// When a connection with the directory's identity is to take its place.
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

    /// A connection begins, while none stands. Whether it is to try TLS at once, beside QUIC.
    pub(crate) fn begin(&mut self) -> bool {
        self.newest = None;
        self.tls_needed
    }

    /// Whether a connection that replaces the one that stands is to try TLS at once.
    pub(crate) fn tls_needed(&self) -> bool {
        self.tls_needed
    }

    /// The connection that was being made stands, over TLS or else QUIC, on an identity of that
    /// validity. It takes the place of the one that stood.
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

    /// What was to take the place of the connection that stands, was not made.
    pub(crate) fn stays(&mut self, now: Now) {
        let quic_at = self.quic_again(now);
        let (making, Some(standing)) = (self.making.take(), &mut self.standing) else { return };
        match making {
            Some(Another::Quic) => standing.quic_at = quic_at,
            Some(Another::Identity) => standing.identity_at = Some(now.instant + LOOK),
            None => {}
        }
    }

    /// Somebody wants a renewal now.
    pub(crate) fn asked(&mut self) -> Option<Step> {
        if self.renewing.is_some() { None } else { self.renew(true) }
    }

    /// The renewal has ended. Without a validity, it has failed.
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
            // What is being made may have been too early to find it.
            self.newest = Some(validity);
        }
        let Some(standing) = &mut self.standing else { return };
        match came_to {
            Renewing::Renewed(_) if over == Some(standing.number) => standing.validity = validity,
            // The gateway does not know that this connection may stand on it.
            _ if standing.validity != validity => standing.identity_at = Some(now.instant),
            _ => {}
        }
    }

    /// The connection, or the attempt to make one, has ended so. How long to wait for the next.
    pub(crate) fn over(&mut self, now: Now, ending: Ending) -> Duration {
        self.making = None;
        let standing = self.standing.take();
        let stood = standing.map_or(Duration::ZERO, |standing| {
            now.instant.saturating_duration_since(standing.since)
        });
        self.backoff.after(ending, stood, now.random)
    }

    /// When to ask for the next step, unless something happens before.
    pub(crate) fn next(&self, now: Now) -> Option<Instant> {
        let standing = self.standing.as_ref()?;
        let free = self.making.is_none();
        let another = [standing.quic_at, standing.identity_at].into_iter().flatten();
        another.filter(|_| free).chain(self.look(now)).min()
    }

    /// What is to be begun now, if anything is.
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
                // Either of them takes the directory's identity.
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

    /// When the identity is renewed next; never, if that is not wanted, or nothing stands.
    pub(crate) fn renewal(&self, now: Now) -> Option<Timestamp> {
        let standing = self.standing.as_ref().filter(|_| self.rules.renews)?;
        let due = due(standing.validity, self.spread);
        let rest = self.rest_until.map(|rest| rest.saturating_duration_since(now.instant));
        Some(rest.map_or(due, |rest| after(now.time, rest).max(due)))
    }

    /// When to look whether a renewal is due.
    fn look(&self, now: Now) -> Option<Instant> {
        let standing = self.standing.as_ref()?;
        if !self.rules.renews || self.renewing.is_some() {
            return None;
        }
        let wait = until(now.time, due(standing.validity, self.spread)).min(LOOK);
        let then = now.instant + wait;
        Some(self.rest_until.map_or(then, |rest| rest.max(then)))
    }

    /// When QUIC is tried again; never, if that is too late to be said.
    fn quic_again(&self, now: Now) -> Option<Instant> {
        now.instant.checked_add(about(self.rules.quic_again, now.random))
    }
}
