//! A fuzz target for the control stream.

use std::time::Duration;

use doorward_model::Name;
use doorward_wire::fuzzing::{Feed, control, vectors};
use doorward_wire::{Control, Kind, Offering};
use tokio::time::Instant;

use crate::backoff::Ending;
use crate::over::Over;
use crate::talk::{AGAIN, Due, Heard, PING, SILENCE, TAKING, Talk};

/// A model of the other side of a [`ControlState`].
struct Seen {
    talk: Talk,
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
    asked: Option<(u64, Vec<Name>, Instant)>,
    collecting: bool,
    reported: Option<u64>,
    heard: Instant,
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
    let mut seen = Seen {
        talk: Talk::new(now, pings),
        now,
        pings,
        retired: false,
        again: None,
        last: 0,
        offered: vec![],
        changed: false,
        asked: None,
        collecting: false,
        reported: None,
        heard: now,
        pinged: 0,
    };
    while !feed.is_empty() {
        if !seen.happens(&mut feed) {
            return;
        }
        seen.all_due();
    }
}

impl Seen {
    /// Applies an event. Returns whether the connection continues.
    fn happens(&mut self, feed: &mut Feed<'_>) -> bool {
        match feed.byte() % 16 {
            0 => self.passes(Duration::from_millis(feed.number() % 60_000)),
            // Exactly until something is due.
            1 => {
                let wake = self.talk.wake().unwrap_or(self.now);
                self.passes(wake.saturating_duration_since(self.now).min(SILENCE * 4));
            }
            2 => {
                let count = feed.byte() % 4;
                self.offered = (0..count).map(|one| format!("i{one}").parse().unwrap()).collect();
                self.talk.changed();
                self.changed = true;
            }
            3 => {
                let every = match feed.byte() % 4 {
                    0 => None,
                    1 => Some(Duration::MAX),
                    // The API enforces at least one second.
                    _ => Some(Duration::from_millis(1000 + feed.number() % 100_000)),
                };
                self.talk.reporting(self.now, every);
            }
            4 => {
                if self.collecting {
                    self.last += 1;
                    let said = feed.flag().then_some(self.last);
                    self.talk.report(said);
                    self.collecting = false;
                    self.reported = said.or(self.reported);
                }
            }
            5 => {
                self.talk.retire();
                self.retired = true;
            }
            6 => {
                let word = Control::decode(feed.bytes(400));
                return word.is_err() || self.hears(word.unwrap());
            }
            7..=9 => {
                let word = control(feed);
                return self.hears(word);
            }
            // Answers to requests.
            10 => {
                return self.hears(answer_to(self.asked.as_ref().map_or(0, |asked| asked.0), feed));
            }
            11 => return self.hears(answer_to(self.reported.unwrap_or_default(), feed)),
            12 => return self.hears(answer_to(self.last, feed)),
            _ => return self.hears(Control::Pong(self.pinged)),
        }
        true
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        let silent = self.pings && self.now.duration_since(self.heard) >= SILENCE;
        assert_eq!(self.talk.is_silent(self.now), silent);
    }

    fn hears(&mut self, word: Control) -> bool {
        self.talk.heard(self.now);
        self.heard = self.now;
        assert!(!self.talk.is_silent(self.now));
        let heard = self.talk.hear(word.clone());
        let waits = |id: u64| self.asked.as_ref().is_some_and(|asked| asked.0 == id);
        match (word, heard) {
            (Control::Ping(number), Ok(Heard::Say(Control::Pong(same)))) => {
                assert_eq!(number, same);
            }
            (Control::Unknown(kind), Ok(Heard::Say(Control::NotKnown(same)))) => {
                assert_eq!(kind, same);
            }
            (Control::Pong(_) | Control::NotKnown(_), Ok(Heard::Nothing)) => {}
            (Control::Cut(stream, why), Ok(heard)) => assert_eq!(heard, Heard::Cut(stream, why)),
            (Control::Bye(why, detail), Ok(heard)) => {
                assert!(!Over::told(why, &detail).why.is_empty());
                assert_eq!(heard, Heard::Bye(why, detail));
                return false;
            }
            (Control::Taken(taken), Ok(heard)) => {
                if !waits(taken.id) || self.retired {
                    assert_eq!(heard, Heard::Nothing);
                } else {
                    let Heard::Offers(answers) = heard else { panic!("{heard:?}") };
                    let (_, names, _) = self.asked.as_ref().unwrap();
                    assert!(answers.keys().eq(names));
                    let declined = answers.values().any(Result::is_err);
                    self.again = if declined { self.now.checked_add(AGAIN) } else { None };
                    for (name, answer) in answers {
                        assert_eq!(answer.err().as_ref(), taken.declined.get(name.as_str()));
                    }
                }
                if waits(taken.id) {
                    self.asked = None;
                }
            }
            (Control::Noted(id), Ok(heard)) => {
                let mine = self.reported == Some(id);
                assert_eq!(heard, if mine { Heard::Report(Ok(())) } else { Heard::Nothing });
                if mine {
                    self.reported = None;
                }
            }
            (Control::Declined(declined), Ok(heard)) => {
                let id = declined.id;
                match heard {
                    Heard::Offers(answers) => {
                        assert!(waits(id) && !self.retired);
                        assert!(answers.keys().eq(&self.asked.as_ref().unwrap().1));
                        assert!(answers.values().all(Result::is_err));
                        let declined = !answers.is_empty();
                        self.again = if declined { self.now.checked_add(AGAIN) } else { None };
                    }
                    Heard::Nothing => assert!(waits(id) && self.retired),
                    Heard::Report(answer) => {
                        assert!(answer.is_err() && self.reported == Some(id));
                    }
                    Heard::Renewal(same, Err(_)) => {
                        assert!(same == id && !waits(id) && self.reported != Some(id));
                    }
                    other => panic!("{other:?}"),
                }
                if waits(id) {
                    self.asked = None;
                } else if self.reported == Some(id) {
                    self.reported = None;
                }
            }
            (Control::Renewed(renewed), Ok(heard)) => {
                assert_eq!(heard, Heard::Renewal(renewed.id, Ok(renewed)));
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
                assert_eq!(over.ending, Ending::Failed);
                return false;
            }
            (word, heard) => panic!("{word:?} came to {heard:?}"),
        }
        true
    }

    /// Performs all due actions, and checks that none is due afterwards.
    fn all_due(&mut self) {
        if !self.retired && self.again.is_some_and(|at| at <= self.now) {
            (self.again, self.changed) = (None, true);
        }
        let mut done = 0;
        while let Some(due) = self.talk.due(self.now) {
            done += 1;
            assert!(done <= 3, "at most three actions are due at once");
            match due {
                Due::Say(word) => {
                    assert!(self.pings);
                    self.pinged += 1;
                    assert_eq!(word, Control::Ping(self.pinged));
                }
                Due::Collect => {
                    assert!(!self.collecting && !self.retired);
                    self.collecting = true;
                }
                Due::Offer => self.offers(),
            }
        }
        let waits = self.asked.as_ref().is_some_and(|(.., since)| *since + TAKING > self.now);
        assert!(!self.changed || waits || self.retired, "a changed offer is not sent");
        if let Some(wake) = self.talk.wake() {
            assert!(wake > self.now, "the session would wake without a due action");
        }
        let pings_soon = self.talk.wake().is_some_and(|wake| wake <= self.now + PING);
        assert!(!self.pings || pings_soon, "a silent gateway gets a ping");
    }

    fn offers(&mut self) {
        assert!(self.changed && !self.retired);
        if let Some((.., since)) = &self.asked {
            assert!(*since + TAKING <= self.now, "an offer waits for the answer to the one before");
        }
        self.last += 1;
        let offering = |name: &Name| Offering { name: name.to_string(), kind: Kind::Stream };
        let interfaces: Vec<Offering> = self.offered.iter().map(offering).collect();
        let word = self.talk.offer(self.now, self.last, self.offered.clone(), interfaces.clone());
        let Control::Offer(said) = word else { panic!("{word:?}") };
        assert_eq!((said.id, said.interfaces), (self.last, interfaces));
        self.asked = Some((self.last, self.offered.clone(), self.now));
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
        .map(|word| {
            let length = u8::try_from(word.len()).unwrap();
            [&[1, 2, 2, 3, 2, 0, 6, length, 0][..], &word].concat()
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
