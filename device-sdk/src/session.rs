//! One connection of `doorward/1`: its first words, its control stream, and the flows that the
//! gateway opens on it.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::Name;
use doorward_wire::{
    CONTROL_LIMIT, Carrier, Control, Frames, Hello, Offer, Pipe, Posture, Report, Taken, VERSIONS,
    Welcome, Why, encode, read_frame,
};
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::backoff::Ending;
use crate::dial::{Dialed, Refusal};
use crate::error::Error;
use crate::identity::{Identity, Validity};
use crate::live::{Counted, Live};
use crate::offer::{Offers, serve};
use crate::over::Over;
use crate::shared::{Reporting, Shared};

/// How long the gateway may take for its first word.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a word of ours may take to leave.
const LEAVING: Duration = Duration::from_secs(5);
/// How often the gateway is asked for a word over TLS, and how long it may say none. Over QUIC
/// the transport sees to it.
const PING: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(45);
/// How long the answer to an offer is waited for before the next one is made.
const TAKING: Duration = Duration::from_secs(10);
/// How long it is before something is offered again that was declined: it may have been declared
/// meanwhile, and nobody tells.
const AGAIN: Duration = Duration::from_secs(60);
/// How long a connection that is over is asked why.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Words that wait to be said.
const QUEUE: usize = 8;
/// The longest name of a program that is sent, in bytes.
const SOFTWARE: usize = 256;

/// A connection after its first words.
pub(crate) struct Session {
    control: Pipe,
    frames: Frames,
    words: mpsc::Receiver<Control>,
    refusal: Refusal,
    /// What flows are opened on.
    pub(crate) live: Arc<Live>,
    /// Its id in the gateway's audit log.
    pub(crate) id: String,
    /// The validity of the identity that it stands on.
    pub(crate) validity: Validity,
}

/// The first words, both ways. `identity` is the one that was shown.
pub(crate) async fn greet(
    dialed: Dialed,
    identity: &Identity,
    shared: &Shared,
) -> Result<Session, Over> {
    let Dialed { carrier, leaf, refusal } = dialed;
    let mut software = shared.settings.software.clone();
    software.truncate(software.floor_char_boundary(SOFTWARE));
    let hello = Control::Hello(Hello {
        versions: VERSIONS.to_vec(),
        software,
        instance: shared.instance.to_vec(),
    });
    let greeting = async {
        let mut control = carrier.open().await?;
        say(&mut control, &hello).await?;
        let frame = read_frame(&mut control, CONTROL_LIMIT).await?;
        io::Result::Ok((control, frame))
    };
    let (control, frame) = match timeout(PATIENCE, greeting).await {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(error)) => return Err(over(&carrier, &refusal, &error.to_string()).await),
        Err(_) => {
            carrier.close(Why::NoAnswer);
            return Err(Over::failed("the gateway did not answer in time"));
        }
    };
    let refuse = |why: Why, over: Over| {
        carrier.close(why);
        Err(over)
    };
    let welcome = match Control::decode(&frame) {
        Ok(Control::Welcome(welcome)) => welcome,
        Ok(Control::Bye(why, detail)) => return refuse(why, Over::told(why, &detail)),
        _ => return refuse(Why::Wrong, Over::failed("the gateway's first word is not Welcome")),
    };
    let Welcome { version, time, session, .. } = welcome;
    if !VERSIONS.contains(&version) {
        return refuse(Why::Version, Over::told(Why::Version, ""));
    }
    let judged = Timestamp::from_second(time)
        .map_err(|_| Error::Answer("a time that is none".to_owned()))
        .and_then(|told| {
            let low = crate::time::low(&shared.dir, identity)?;
            crate::time::judge(told, Validity::of(&leaf)?, low).map(|()| told)
        });
    match judged {
        Ok(told) => shared.tell_time(told),
        Err(error) => return refuse(Why::Wrong, error.into()),
    }
    let validity = identity.validity()?;
    let (say_it, words) = mpsc::channel(QUEUE);
    let live = Arc::new(Live::new(carrier, say_it));
    let frames = Frames::new(CONTROL_LIMIT);
    Ok(Session { control, frames, words, refusal, live, id: session, validity })
}

/// Why a connection is over.
async fn over(carrier: &Carrier, refusal: &Refusal, otherwise: &str) -> Over {
    let closed = timeout(LAST_WORDS, carrier.closed()).await;
    if let Some(why) = refusal.why() {
        return Over::refused(why);
    }
    match closed {
        Ok((Some(why), detail)) => Over::told(why, &detail),
        Ok((None, detail)) if !detail.is_empty() => Over::failed(detail),
        _ => {
            carrier.close(Why::Broken);
            Over::failed(otherwise)
        }
    }
}

async fn say(control: &mut Pipe, word: &Control) -> io::Result<()> {
    let bytes = encode(&word.encode());
    let said = async {
        control.write_all(&bytes).await?;
        control.flush().await
    };
    timeout(LEAVING, said).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The next frame of the control stream; `None` at its end. It can be given up at any time
/// without losing anything.
async fn next_frame(control: &mut Pipe, frames: &mut Frames) -> io::Result<Option<Vec<u8>>> {
    loop {
        let next = frames.next();
        if let Some(frame) =
            next.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
        {
            return Ok(Some(frame));
        }
        let bytes = control.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let taken = frames.push(bytes);
        control.consume(taken);
    }
}

/// An offer that waits for its answer.
struct Asked {
    id: u64,
    names: Vec<Name>,
    since: Instant,
}

/// What a session is doing on its control stream.
struct Talk {
    shared: Arc<Shared>,
    live: Arc<Live>,
    offers: watch::Receiver<Offers>,
    reporting: watch::Receiver<Option<Reporting>>,
    /// What is offered has changed, and the gateway has not been told.
    changed: bool,
    asked: Option<Asked>,
    /// When what is offered is said again, because some of it was declined.
    again_at: Option<Instant>,
    report_at: Option<Instant>,
    collecting: Option<JoinHandle<Report>>,
    reported: Option<u64>,
    heard: Instant,
    ping_at: Option<Instant>,
    pings: u64,
}

impl Session {
    /// Serves the connection until it ends.
    pub(crate) async fn run(mut self, shared: Arc<Shared>) -> Over {
        let over = self.talk(&shared).await;
        self.live.over();
        let why = match over.ending {
            Ending::Stopped => Why::Stopping,
            _ => Why::Broken,
        };
        self.live.carrier.close(why);
        over
    }

    async fn talk(&mut self, shared: &Arc<Shared>) -> Over {
        let is_tls = self.live.carrier.as_str() == "tls";
        let mut offers = shared.offers.subscribe();
        let mut reporting = shared.reporting.subscribe();
        let changed = !offers.borrow_and_update().names().is_empty();
        let reports = reporting.borrow_and_update().is_some();
        let now = Instant::now();
        let mut talk = Talk {
            shared: Arc::clone(shared),
            live: Arc::clone(&self.live),
            offers,
            reporting,
            changed,
            asked: None,
            again_at: None,
            report_at: reports.then_some(now),
            collecting: None,
            reported: None,
            heard: now,
            ping_at: is_tls.then_some(now + PING),
            pings: 0,
        };
        let live = Arc::clone(&self.live);
        loop {
            if let Some(word) = talk.due(Instant::now())
                && let Err(error) = say(&mut self.control, &word).await
            {
                return self.over(&error.to_string()).await;
            }
            let wake = talk.wake();
            let alarm = async {
                match wake {
                    Some(wake) => sleep_until(wake).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shared.stopped() => return self.bye(Why::Stopping, Over::stopped()).await,
                Some(word) = self.words.recv() => {
                    if let Control::Bye(why, _) = word {
                        return self.bye(why, Over::stopped()).await;
                    }
                    if let Err(error) = say(&mut self.control, &word).await {
                        return self.over(&error.to_string()).await;
                    }
                }
                frame = next_frame(&mut self.control, &mut self.frames) => {
                    talk.heard = Instant::now();
                    let word = match frame {
                        Ok(Some(frame)) => Control::decode(&frame).map_err(|error| error.to_string()),
                        Ok(None) => return self.over("the gateway ended the connection").await,
                        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                            Err(error.to_string())
                        }
                        Err(error) => return self.over(&error.to_string()).await,
                    };
                    match word.map_err(Over::failed).and_then(|word| talk.hear(word)) {
                        Ok(None) => {}
                        Ok(Some(word)) => if let Err(error) = say(&mut self.control, &word).await {
                            return self.over(&error.to_string()).await;
                        },
                        Err(over) if over.ending == Ending::Failed => {
                            return self.bye(Why::Wrong, over).await;
                        }
                        Err(over) => return over,
                    }
                }
                stream = live.carrier.accept() => match stream {
                    Ok(pipe) => talk.accept(pipe),
                    Err(error) => return self.last_words(&error.to_string()).await,
                },
                Ok(()) = talk.offers.changed() => talk.changed = true,
                Ok(()) = talk.reporting.changed() => {
                    talk.report_at = talk.reporting.borrow_and_update().is_some().then(Instant::now);
                }
                report = collected(&mut talk.collecting) => {
                    let word = talk.report(report);
                    if let Some(word) = word
                        && let Err(error) = say(&mut self.control, &word).await
                    {
                        return self.over(&error.to_string()).await;
                    }
                }
                () = alarm => if is_tls && talk.heard.elapsed() >= SILENCE {
                    return Over::failed("the gateway has said nothing for too long");
                },
            }
        }
    }

    async fn bye(&mut self, why: Why, over: Over) -> Over {
        // The connection ends in any case.
        drop(say(&mut self.control, &Control::Bye(why, over.why.clone())).await);
        drop(timeout(Duration::from_millis(200), self.control.shutdown()).await);
        over
    }

    async fn over(&self, otherwise: &str) -> Over {
        over(&self.live.carrier, &self.refusal, otherwise).await
    }

    /// Why the connection is over, as the gateway said on the control stream if it did.
    async fn last_words(&mut self, otherwise: &str) -> Over {
        let listen = async {
            while let Ok(Some(frame)) = next_frame(&mut self.control, &mut self.frames).await {
                if let Ok(Control::Bye(why, detail)) = Control::decode(&frame) {
                    return Some(Over::told(why, &detail));
                }
            }
            None
        };
        match timeout(LAST_WORDS, listen).await {
            Ok(Some(told)) => told,
            _ => self.over(otherwise).await,
        }
    }
}

async fn collected(collecting: &mut Option<JoinHandle<Report>>) -> Option<Report> {
    match collecting {
        Some(running) => {
            let report = running.await.ok();
            *collecting = None;
            report
        }
        None => pending().await,
    }
}

impl Talk {
    /// What is to be said now without anybody having said anything.
    fn due(&mut self, now: Instant) -> Option<Control> {
        if self.ping_at.is_some_and(|at| at <= now) {
            self.ping_at = Some(now + PING);
            self.pings += 1;
            return Some(Control::Ping(self.pings));
        }
        if self.live.is_retired() {
            // What else is to be said, is said on the connection in its place.
            self.report_at = None;
            return None;
        }
        if self.report_at.is_some_and(|at| at <= now) && self.collecting.is_none() {
            self.report_at = None;
            let reporting = self.reporting.borrow_and_update().clone();
            if let Some(Reporting { collector, every }) = reporting {
                self.report_at = Some(now + every);
                self.collecting = Some(tokio::task::spawn_blocking(move || collector.collect()));
            }
        }
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            self.changed = true;
        }
        let waits = self.asked.as_ref().is_some_and(|asked| asked.since + TAKING > now);
        if !self.changed || waits {
            return None;
        }
        self.changed = false;
        let id = self.live.next_id();
        let (names, interfaces) = {
            let offers = self.offers.borrow_and_update();
            (offers.names(), offers.offerings())
        };
        self.shared.status.send_if_modified(|status| {
            let before = status.offers.len();
            status.offers.retain(|name, _| names.contains(name));
            status.offers.len() != before
        });
        self.asked = Some(Asked { id, names, since: now });
        Some(Control::Offer(Offer { id, interfaces }))
    }

    /// When there may be something to say.
    fn wake(&self) -> Option<Instant> {
        let report_at = self.report_at.filter(|_| self.collecting.is_none());
        let offer_at = match &self.asked {
            Some(asked) if self.changed && !self.live.is_retired() => Some(asked.since + TAKING),
            _ => None,
        };
        let again_at = self.again_at.filter(|_| !self.live.is_retired());
        [self.ping_at, report_at, offer_at, again_at].into_iter().flatten().min()
    }

    fn report(&mut self, report: Option<Report>) -> Option<Control> {
        let id = self.live.next_id();
        let word = Control::Posture(Posture { id, report: report? });
        if word.encode().len() > CONTROL_LIMIT {
            let why = format!("the report is longer than {CONTROL_LIMIT} bytes; it was not sent");
            self.shared.status.send_modify(|status| status.posture = Some(Err(why)));
            return None;
        }
        self.reported = Some(id);
        Some(word)
    }

    fn accept(&self, pipe: Pipe) {
        match Arc::clone(&self.shared.incoming).try_acquire_owned() {
            Ok(place) => {
                let counted = Counted::new(&self.live);
                drop(tokio::spawn(serve(pipe, counted, self.offers.clone(), place)));
            }
            Err(_) => pipe.cut(Why::Busy),
        }
    }

    /// Takes a word of the gateway's, and answers what is to be said at once, if anything.
    fn hear(&mut self, word: Control) -> Result<Option<Control>, Over> {
        match word {
            Control::Taken(taken) => self.taken(taken),
            Control::Noted(id) => self.noted(id, Ok(())),
            Control::Declined(declined) => {
                let (id, why) = (declined.id, format!("{}: {}", declined.why, declined.detail));
                if self.asked.as_ref().is_some_and(|asked| asked.id == id) {
                    self.answered(|_| Err(why.clone()));
                } else if self.reported == Some(id) {
                    self.noted(id, Err(why));
                } else {
                    self.live.renewed(id, Err(declined));
                }
            }
            Control::Renewed(renewed) => {
                self.live.renewed(renewed.id, Ok(renewed));
            }
            Control::Cut(stream, why) => self.live.note_cut(stream, why),
            Control::Bye(why, detail) => return Err(self.parting(why, &detail)),
            Control::Ping(number) => return Ok(Some(Control::Pong(number))),
            Control::Unknown(kind) => return Ok(Some(Control::NotKnown(kind))),
            Control::Pong(_) | Control::NotKnown(_) => {}
            Control::Hello(_)
            | Control::Welcome(_)
            | Control::Offer(_)
            | Control::Posture(_)
            | Control::Renew(..)
            | Control::Kept(_) => {
                return Err(Over::failed("the gateway said what it has not to say here"));
            }
        }
        Ok(None)
    }

    fn parting(&self, why: Why, detail: &str) -> Over {
        let over = Over::told(why, detail);
        // A Bye of ours is due only where the gateway was wrong.
        match over.ending {
            Ending::Failed => {
                self.live.carrier.close(why);
                over
            }
            _ => over,
        }
    }

    fn taken(&mut self, taken: Taken) {
        if self.asked.as_ref().is_some_and(|asked| asked.id == taken.id) {
            self.answered(|name| match taken.declined.get(name.as_str()) {
                Some(why) => Err(why.clone()),
                None => Ok(()),
            });
        }
    }

    /// The gateway has answered to what is offered.
    fn answered(&mut self, answer: impl Fn(&Name) -> Result<(), String>) {
        let Some(asked) = self.asked.take() else { return };
        if self.live.is_retired() {
            return;
        }
        let answers: BTreeMap<Name, Result<(), String>> =
            asked.names.into_iter().map(|name| (name.clone(), answer(&name))).collect();
        let declined = answers.values().any(Result::is_err);
        self.again_at = declined.then(|| Instant::now() + AGAIN);
        self.shared.status.send_modify(|status| status.offers = answers);
    }

    fn noted(&mut self, id: u64, answer: Result<(), String>) {
        if self.reported == Some(id) {
            self.reported = None;
            self.shared.status.send_modify(|status| status.posture = Some(answer));
        }
    }
}
