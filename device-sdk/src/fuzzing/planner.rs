//! A fuzz target for the planner of connections and renewals.

use std::time::Duration;

use doorward_wire::fuzzing::Feed;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::waits::{duration, instant};
use crate::backoff::{EndReason, Pace};
use crate::identity::Validity;
use crate::planner::{LONGEST_SLEEP, Now, Planner, PlannerRules, PlannerStep, ReplaceReason};
use crate::renew::RenewalOutcome;

/// A connection that is being made, and the identity it has read.
#[derive(Clone, Copy)]
struct Making {
    /// Why it replaces the live one; `None` if no connection is live.
    another: Option<ReplaceReason>,
    identity: Validity,
}

/// A live connection.
#[derive(Clone, Copy)]
struct Stands {
    number: u64,
    tls: bool,
    identity: Validity,
}

/// A client without I/O: the planner under test, and a model of the driver.
struct World {
    rules: PlannerRules,
    planner: Planner,
    now: Now,
    /// The identity in the directory.
    directory: Validity,
    /// Whether the planner knows of it.
    knows_directory: bool,
    making: Option<Making>,
    stands: Option<Stands>,
    /// The number of the connection over which a renewal runs.
    renewing: Option<u64>,
    connections: u64,
    /// The earliest time of the next automatic renewal.
    rest_until: Option<Instant>,
}

/// Checks the planner: at most one connection is being made and one renewal runs, each has a cause,
/// retries have waits, and a connection does not stay on a replaced identity.
pub fn course(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let rules = PlannerRules {
        auto: feed.flag(),
        renews: feed.flag(),
        quic_again: duration(&mut feed),
        pace: Pace::default(),
    };
    let now = Now { instant: Instant::now(), time: instant(&mut feed), random: feed.number() };
    let directory = identity(&mut feed, now.time);
    let planner = Planner::new(rules, feed.number());
    let mut world = World {
        rules,
        planner,
        now,
        directory,
        knows_directory: true,
        making: None,
        stands: None,
        renewing: None,
        connections: 0,
        rest_until: None,
    };
    while !feed.is_empty() {
        world.now.random = feed.number();
        world.happens(&mut feed);
        world.check();
    }
}

/// Generates an identity whose validity is about now or at any time.
fn identity(feed: &mut Feed<'_>, now: Timestamp) -> Validity {
    if feed.flag() {
        return Validity { not_before: instant(feed), not_after: instant(feed) };
    }
    let life = SignedDuration::from_millis(i64::from(feed.byte()) * 1000 + 1);
    Validity { not_before: now, not_after: now.saturating_add(life).unwrap() }
}

impl World {
    fn happens(&mut self, feed: &mut Feed<'_>) {
        match feed.byte() % 8 {
            0 => self.time_passes(feed),
            1 => self.connects(feed),
            2 => self.does_not_connect(feed),
            3 => self.ends(feed),
            4 => {
                let step = self.planner.request_renewal();
                assert_eq!(step.is_some(), self.renewing.is_none() && self.stands.is_some());
                self.begins(step, true);
            }
            5 => self.renews(feed),
            6 => {
                // Another program renews, and the planner is not told.
                (self.directory, self.knows_directory) = (identity(feed, self.now.time), false);
            }
            _ => {
                let until = self.planner.next(self.now);
                if let Some(until) = until.filter(|until| *until > self.now.instant) {
                    // A sleep of exactly that long.
                    let slept = until - self.now.instant;
                    self.now.instant = until;
                    let slept = SignedDuration::try_from(slept).unwrap_or(SignedDuration::MAX);
                    self.now.time = self.now.time.saturating_add(slept).unwrap();
                }
                self.steps();
            }
        }
    }

    fn time_passes(&mut self, feed: &mut Feed<'_>) {
        let passed = Duration::from_secs(u64::from(feed.byte()) * u64::from(feed.byte()));
        self.now.instant += passed;
        self.now.time = match feed.byte() % 4 {
            // The clock was set.
            0 => instant(feed),
            // The machine slept.
            1 => self.now.time.saturating_add(SignedDuration::from_hours(24 * 7)).unwrap(),
            _ => {
                let passed = SignedDuration::try_from(passed).unwrap();
                self.now.time.saturating_add(passed).unwrap()
            }
        };
    }

    fn connects(&mut self, feed: &mut Feed<'_>) {
        let Some(Making { another, identity }) = self.making.take() else { return self.dials() };
        // It may have read the directory when it began, or only now.
        let identity = if feed.flag() { self.directory } else { identity };
        let tls = another != Some(ReplaceReason::Quic) && feed.flag();
        self.connections += 1;
        self.stands = Some(Stands { number: self.connections, tls, identity });
        self.knows_directory |= identity == self.directory;
        self.planner.note_connected(self.now, tls, identity);
        self.steps();
    }

    fn dials(&mut self) {
        if self.stands.is_none() {
            self.planner.begin();
            self.making = Some(Making { another: None, identity: self.directory });
            self.knows_directory = true;
        }
    }

    fn does_not_connect(&mut self, feed: &mut Feed<'_>) {
        match self.making.take() {
            None => self.dials(),
            Some(Making { another: None, .. }) => self.ends(feed),
            Some(_) => {
                self.planner.note_not_replaced(self.now);
                self.steps();
            }
        }
    }

    fn ends(&mut self, feed: &mut Feed<'_>) {
        (self.making, self.stands) = (None, None);
        let endings =
            [EndReason::Failed, EndReason::Replaced, EndReason::Stopping, EndReason::Refused];
        let reason = feed.pick(&endings);
        let wait = self.planner.note_ended(self.now, reason);
        assert!(wait >= self.rules.pace.floor, "{reason:?}: {wait:?}");
        self.now.instant += wait;
    }

    fn renews(&mut self, feed: &mut Feed<'_>) {
        let Some(over) = self.renewing.take() else { return };
        let life = |validity: Validity| {
            Duration::try_from(validity.not_after.duration_since(validity.not_before))
        };
        let outcome = match feed.byte() % 3 {
            0 => None,
            1 => {
                (self.directory, self.knows_directory) = (identity(feed, self.now.time), true);
                if let Some(stands) = self.stands.as_mut().filter(|stands| stands.number == over) {
                    stands.identity = self.directory;
                }
                Some(RenewalOutcome::Renewed(self.directory))
            }
            _ => {
                self.knows_directory = true;
                Some(RenewalOutcome::ByAnother(self.directory))
            }
        };
        self.planner.note_renewed(self.now, outcome);
        self.rest_until = Some(match outcome {
            None => self.now.instant + Duration::from_secs(1),
            Some(_) => self.now.instant + life(self.directory).unwrap_or_default() / 3,
        });
        if self.stands.is_some() {
            self.steps();
        }
    }

    /// Does what the driver does when a step is due.
    fn steps(&mut self) {
        for _ in 0..3 {
            let step = self.planner.step(self.now);
            if step.is_none() {
                break;
            }
            self.begins(step, false);
        }
        let next = self.planner.next(self.now);
        assert!(
            next.is_none_or(|next| next > self.now.instant),
            "the planner would loop without a wait"
        );
    }

    fn begins(&mut self, step: Option<PlannerStep>, is_asked: bool) {
        match step {
            None => {}
            Some(PlannerStep::Connect(another)) => {
                assert!(self.making.is_none(), "only one connection is made at a time");
                let stands = self.stands.unwrap();
                if another == ReplaceReason::Quic {
                    assert!(self.rules.auto && stands.tls, "the connection already uses QUIC");
                }
                // A QUIC connection also takes the directory's identity, but only if it succeeds.
                self.knows_directory |= another == ReplaceReason::Identity;
                self.making = Some(Making { another: Some(another), identity: self.directory });
            }
            Some(PlannerStep::Renew { former, anyway }) => {
                assert!(self.renewing.is_none(), "only one renewal runs at a time");
                let stands = self.stands.unwrap();
                assert_eq!((former, anyway), (stands.identity, is_asked));
                if !is_asked {
                    assert!(self.rules.renews);
                    assert!(self.rest_until.is_none_or(|rest| rest <= self.now.instant));
                    let least = former.not_after.duration_since(former.not_before) / 2;
                    let least = former.not_before.saturating_add(least).unwrap();
                    assert!(self.now.time >= least.min(former.not_after), "too early");
                }
                self.renewing = Some(stands.number);
            }
        }
    }

    fn check(&self) {
        let Some(stands) = self.stands else {
            assert_eq!(self.planner.next(self.now), None);
            return;
        };
        let next = self.planner.next(self.now);
        let soon = next.is_some_and(|next| next <= self.now.instant + LONGEST_SLEEP);
        if self.knows_directory && self.making.is_none() && stands.identity != self.directory {
            assert!(soon, "the connection stays on a former identity");
        }
        let resting = self.rest_until.is_some_and(|rest| rest > self.now.instant);
        if self.rules.renews && self.renewing.is_none() && !resting {
            assert!(soon, "the planner does not check whether a renewal is due");
        }
        let renewal = self.planner.renewal(self.now);
        assert_eq!(renewal.is_some(), self.rules.renews);
    }
}

pub(super) fn corpus() -> Vec<Vec<u8>> {
    let begin = [3, 0, 100, 0, 0, 3, 50, 0, 9, 0, 0, 120, 7, 0];
    let story = |events: &[&[u8]]| [&begin[..], &events.concat()].concat();
    vec![
        // Connected over TLS, then over QUIC; renewed when due; lost and connected again.
        story(&[&[1, 0, 1], &[1, 0, 1, 1, 1], &[1, 0, 7], &[1, 0, 1, 1, 0], &[1, 0, 7]]),
        story(&[&[1, 0, 1], &[1, 0, 1, 1, 0], &[9, 0, 7], &[9, 0, 5, 1, 0, 60], &[9, 0, 7]]),
        story(&[&[1, 0, 1], &[1, 0, 1, 1, 0], &[9, 0, 4], &[9, 0, 3, 0], &[9, 0, 5, 2]]),
        // Another program renews; the clock is set; a renewal fails.
        story(&[&[1, 0, 1], &[1, 0, 1, 1, 1], &[9, 0, 6, 0, 99], &[9, 0, 4], &[9, 0, 5, 2]]),
        story(&[&[1, 0, 1], &[1, 0, 1, 1, 0], &[9, 0, 0, 9, 9, 0, 0, 0, 1], &[9, 0, 7]]),
        story(&[&[1, 0, 1], &[1, 0, 1, 1, 0], &[9, 0, 4], &[9, 0, 5, 0], &[9, 0, 7]]),
    ]
}
