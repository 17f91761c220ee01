//! A fuzz target for the control stream.

use std::time::Duration;

use doorward_model::Name;
use doorward_wire::fuzzing::{Feed, control, vectors};
use doorward_wire::{Control, FlowKind, Offering};
use tokio::time::Instant;

use crate::backoff::EndReason;
use crate::connection_end::ConnectionEnd;
use crate::control_state::{
    ControlState, DueAction, MessageEffect, OFFER_TIMEOUT, PING, REOFFER, SILENCE,
};

/// A model of the other side of a [`ControlState`].
struct Model {
    state: ControlState,
    now: Instant,
    pings: bool,
    retired: bool,
    /// When declined interfaces are offered again.
    again: Option<Instant>,
    /// The number of the last request.
    last: u64,
    offered: Vec<Name>,
    /// Whether the offers have changed since the last offer message.
    changed: bool,
    /// The offer without an answer: its number, its names, and when it was sent.
    pending: Option<(u64, Vec<Name>, Instant)>,
    collecting: bool,
    reported: Option<u64>,
    last_received: Instant,
    pinged: u64,
}

/// Checks the control stream. Whatever the gateway sends and whatever else happens: due actions do
/// not wait for each other, nothing is sent twice, an offer waits for the answer to the one before
/// or its timeout, an unexpected answer changes nothing, and the session wakes only when it has
/// something to do.
pub fn talk(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let now = Instant::now();
    let pings = feed.flag();
    let mut model = Model {
        state: ControlState::new(now, pings),
        now,
        pings,
        retired: false,
        again: None,
        last: 0,
        offered: vec![],
        changed: false,
        pending: None,
        collecting: false,
        reported: None,
        last_received: now,
        pinged: 0,
    };
    while !feed.is_empty() {
        if !model.happens(&mut feed) {
            return;
        }
        model.all_due();
    }
}

impl Model {
    /// Applies an event. Returns whether the connection continues.
    fn happens(&mut self, feed: &mut Feed<'_>) -> bool {
        match feed.byte() % 16 {
            0 => self.passes(Duration::from_millis(feed.number() % 60_000)),
            // Exactly until something is due.
            1 => {
                let wake = self.state.wake().unwrap_or(self.now);
                self.passes(wake.saturating_duration_since(self.now).min(SILENCE * 4));
            }
            2 => {
                let count = feed.byte() % 4;
                self.offered = (0..count).map(|one| format!("i{one}").parse().unwrap()).collect();
                self.state.changed();
                self.changed = true;
            }
            3 => {
                let every = match feed.byte() % 4 {
                    0 => None,
                    1 => Some(Duration::MAX),
                    // The API enforces at least one second.
                    _ => Some(Duration::from_millis(1000 + feed.number() % 100_000)),
                };
                self.state.reporting(self.now, every);
            }
            4 => {
                if self.collecting {
                    self.last += 1;
                    let sent = feed.flag().then_some(self.last);
                    self.state.report(sent);
                    self.collecting = false;
                    self.reported = sent.or(self.reported);
                }
            }
            5 => {
                self.state.retire();
                self.retired = true;
            }
            6 => {
                let message = Control::decode(feed.bytes(400));
                return message.is_err() || self.receives(message.unwrap());
            }
            7..=9 => {
                let message = control(feed);
                return self.receives(message);
            }
            // Answers to requests.
            10 => {
                return self.receives(answer_to(
                    self.pending.as_ref().map_or(0, |pending| pending.0),
                    feed,
                ));
            }
            11 => return self.receives(answer_to(self.reported.unwrap_or_default(), feed)),
            12 => return self.receives(answer_to(self.last, feed)),
            _ => return self.receives(Control::Pong(self.pinged)),
        }
        true
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        let silent = self.pings && self.now.duration_since(self.last_received) >= SILENCE;
        assert_eq!(self.state.is_silent(self.now), silent);
    }

    fn receives(&mut self, message: Control) -> bool {
        self.state.note_received(self.now);
        self.last_received = self.now;
        assert!(!self.state.is_silent(self.now));
        let effect = self.state.receive(message.clone());
        let waits = |id: u64| self.pending.as_ref().is_some_and(|pending| pending.0 == id);
        match (message, effect) {
            (Control::Ping(number), Ok(MessageEffect::Say(Control::Pong(same)))) => {
                assert_eq!(number, same);
            }
            (Control::Unknown(kind), Ok(MessageEffect::Say(Control::NotKnown(same)))) => {
                assert_eq!(kind, same);
            }
            (Control::Pong(_) | Control::NotKnown(_), Ok(MessageEffect::Nothing)) => {}
            (Control::Cut(stream, why), Ok(effect)) => {
                assert_eq!(effect, MessageEffect::Cut(stream, why))
            }
            (Control::Bye(why, detail), Ok(effect)) => {
                assert!(!ConnectionEnd::from_gateway(why, &detail).why.is_empty());
                assert_eq!(effect, MessageEffect::Bye(why, detail));
                return false;
            }
            (Control::Taken(taken), Ok(effect)) => {
                if !waits(taken.id) || self.retired {
                    assert_eq!(effect, MessageEffect::Nothing);
                } else {
                    let MessageEffect::Offers(answers) = effect else { panic!("{effect:?}") };
                    let (_, names, _) = self.pending.as_ref().unwrap();
                    assert!(answers.keys().eq(names));
                    let declined = answers.values().any(Result::is_err);
                    self.again = if declined { self.now.checked_add(REOFFER) } else { None };
                    for (name, answer) in answers {
                        assert_eq!(answer.err().as_ref(), taken.declined.get(name.as_str()));
                    }
                }
                if waits(taken.id) {
                    self.pending = None;
                }
            }
            (Control::Noted(id), Ok(effect)) => {
                let mine = self.reported == Some(id);
                assert_eq!(
                    effect,
                    if mine { MessageEffect::Report(Ok(())) } else { MessageEffect::Nothing }
                );
                if mine {
                    self.reported = None;
                }
            }
            (Control::Declined(declined), Ok(effect)) => {
                let id = declined.id;
                #[expect(clippy::wildcard_enum_match_arm, reason = "no other effect may follow")]
                match effect {
                    MessageEffect::Offers(answers) => {
                        assert!(waits(id) && !self.retired);
                        assert!(answers.keys().eq(&self.pending.as_ref().unwrap().1));
                        assert!(answers.values().all(Result::is_err));
                        let declined = !answers.is_empty();
                        self.again = if declined { self.now.checked_add(REOFFER) } else { None };
                    }
                    MessageEffect::Nothing => assert!(waits(id) && self.retired),
                    MessageEffect::Report(answer) => {
                        assert!(answer.is_err() && self.reported == Some(id));
                    }
                    MessageEffect::Renewal(same, Err(_)) => {
                        assert!(same == id && !waits(id) && self.reported != Some(id));
                    }
                    other => panic!("{other:?}"),
                }
                if waits(id) {
                    self.pending = None;
                } else if self.reported == Some(id) {
                    self.reported = None;
                }
            }
            (Control::Renewed(renewed), Ok(effect)) => {
                assert_eq!(effect, MessageEffect::Renewal(renewed.id, Ok(renewed)));
            }
            (
                Control::Hello(_)
                | Control::Welcome(_)
                | Control::Offer(_)
                | Control::Posture(_)
                | Control::Renew(..)
                | Control::Kept(_),
                Err(over),
            ) => {
                assert_eq!(over.reason, EndReason::Failed);
                return false;
            }
            (message, effect) => panic!("{message:?} led to {effect:?}"),
        }
        true
    }

    /// Performs all due actions, and checks that none is due afterwards.
    fn all_due(&mut self) {
        if !self.retired && self.again.is_some_and(|at| at <= self.now) {
            (self.again, self.changed) = (None, true);
        }
        let mut done = 0;
        while let Some(due) = self.state.due(self.now) {
            done += 1;
            assert!(done <= 3, "at most three actions are due at once");
            match due {
                DueAction::Say(message) => {
                    assert!(self.pings);
                    self.pinged += 1;
                    assert_eq!(message, Control::Ping(self.pinged));
                }
                DueAction::Collect => {
                    assert!(!self.collecting && !self.retired);
                    self.collecting = true;
                }
                DueAction::Offer => self.offers(),
            }
        }
        let waits =
            self.pending.as_ref().is_some_and(|(.., since)| *since + OFFER_TIMEOUT > self.now);
        assert!(!self.changed || waits || self.retired, "a changed offer is not sent");
        if let Some(wake) = self.state.wake() {
            assert!(wake > self.now, "the session would wake without a due action");
        }
        let pings_soon = self.state.wake().is_some_and(|wake| wake <= self.now + PING);
        assert!(!self.pings || pings_soon, "a silent gateway gets a ping");
    }

    fn offers(&mut self) {
        assert!(self.changed && !self.retired);
        if let Some((.., since)) = &self.pending {
            assert!(
                *since + OFFER_TIMEOUT <= self.now,
                "an offer waits for the answer to the one before"
            );
        }
        self.last += 1;
        let offering = |name: &Name| Offering { name: name.to_string(), kind: FlowKind::Stream };
        let interfaces: Vec<Offering> = self.offered.iter().map(offering).collect();
        let message =
            self.state.offer(self.now, self.last, self.offered.clone(), interfaces.clone());
        let Control::Offer(sent) = message else { panic!("{message:?}") };
        assert_eq!((sent.id, sent.interfaces), (self.last, interfaces));
        self.pending = Some((self.last, self.offered.clone(), self.now));
        self.changed = false;
    }
}

/// Generates a message that answers the request with this id.
fn answer_to(id: u64, feed: &mut Feed<'_>) -> Control {
    match feed.byte() % 4 {
        0 => Control::Noted(id),
        1 => Control::Declined(doorward_wire::Declined {
            id,
            why: doorward_wire::Why::of(feed.number()),
            detail: feed.text(20),
        }),
        _ => {
            let declined = (0..feed.byte() % 3).map(|one| (format!("i{one}"), feed.text(20)));
            let declined: Vec<_> = declined.collect();
            Control::Taken(doorward_wire::Taken { id, declined: declined.into_iter().collect() })
        }
    }
}

pub(super) fn corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = vectors()
        .into_iter()
        .map(|message| {
            let length = u8::try_from(message.len()).unwrap();
            [&[1, 2, 2, 3, 2, 0, 6, length, 0][..], &message].concat()
        })
        .collect();
    // Offers are made, answered and made again, and reports too; then the connection is replaced.
    corpus.push(vec![
        1, 2, 2, 10, 2, 1, 3, 0, b'w', b'h', b'y', 2, 1, 2, 3, 1, 3, 2, 9, 0, 4, 1, 11, 0, 1, 1, 4,
        0, 5, 2, 3, 1, 13, 1, 3, 1, 3, 1,
    ]);
    corpus.push(vec![1, 3, 1, 4, 1, 11, 1, 5, 0, 1, 1, 1, 13, 1, 1, 1, 1, 1]);
    corpus.push(vec![0, 2, 3, 2, 1, 2, 2, 1, 10, 1, 1, 2, 0, 2, 3, 12, 2]);
    corpus
}
