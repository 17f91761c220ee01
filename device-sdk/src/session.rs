//! One connection of `doorward/1`: the greeting, the control stream, and the flows that the gateway
//! opens.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use doorward_wire::{
    CONTROL_LIMIT, Carrier, Control, Frames, Hello, Pipe, Posture, Report, VERSIONS, Welcome, Why,
    encode, read_frame,
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
use crate::talk::{Due, Heard, Talk};

/// How long the gateway may take to answer the greeting.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long sending a message may take.
const LEAVING: Duration = Duration::from_secs(5);
/// How long to wait for the reason of an end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many messages may wait to be sent.
const QUEUE: usize = 8;
/// The longest program name that is sent, in bytes.
const SOFTWARE: usize = 256;

/// A connection after the greeting.
pub(crate) struct Session {
    control: Pipe,
    frames: Frames,
    words: mpsc::Receiver<Control>,
    refusal: Refusal,
    /// The handle for opening flows.
    pub(crate) live: Arc<Live>,
    /// The session's id in the gateway's audit log.
    pub(crate) id: String,
    /// The validity of the certificate that the session uses.
    pub(crate) validity: Validity,
}

/// Exchanges Hello and Welcome. `identity` is the one whose certificate was shown.
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
        _ => return refuse(Why::Wrong, Over::failed("the gateway's first message is not Welcome")),
    };
    let Welcome { version, time, session, .. } = welcome;
    if !VERSIONS.contains(&version) {
        return refuse(Why::Version, Over::told(Why::Version, ""));
    }
    let judged = Timestamp::from_second(time)
        .map_err(|_| Error::Answer("a time that does not exist".to_owned()))
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

/// Returns why a connection is over.
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

/// Returns the next frame of the control stream, or `None` at its end. A cancelled call loses
/// nothing.
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

/// The state of a session's loop: the control stream and the tasks that it starts.
struct Doing {
    shared: Arc<Shared>,
    live: Arc<Live>,
    offers: watch::Receiver<Offers>,
    reporting: watch::Receiver<Option<Reporting>>,
    collecting: Option<JoinHandle<Report>>,
    talk: Talk,
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
        let mut doing = Doing::new(shared, &self.live, is_tls);
        let live = Arc::clone(&self.live);
        loop {
            while let Some(word) = doing.due(Instant::now()) {
                if let Err(error) = say(&mut self.control, &word).await {
                    return self.over(&error.to_string()).await;
                }
            }
            let wake = doing.talk.wake();
            let alarm = async {
                match wake {
                    Some(wake) => sleep_until(wake).await,
                    None => pending().await,
                }
            };
            let word = tokio::select! {
                biased;
                () = shared.stopped() => return self.bye(Why::Stopping, Over::stopped()).await,
                Some(word) = self.words.recv() => {
                    if let Control::Bye(why, _) = word {
                        return self.bye(why, Over::stopped()).await;
                    }
                    Some(word)
                }
                frame = next_frame(&mut self.control, &mut self.frames) => {
                    doing.talk.heard(Instant::now());
                    let word = match frame {
                        Ok(Some(frame)) => Control::decode(&frame).map_err(|error| error.to_string()),
                        Ok(None) => return self.over("the gateway ended the connection").await,
                        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                            Err(error.to_string())
                        }
                        Err(error) => return self.over(&error.to_string()).await,
                    };
                    match word.map_err(Over::failed).and_then(|word| doing.hear(word)) {
                        Ok(Said::Word(word)) => word,
                        Ok(Said::Over(over)) => return over,
                        Err(over) => return self.bye(Why::Wrong, over).await,
                    }
                }
                stream = live.carrier.accept() => match stream {
                    Ok(pipe) => {
                        doing.accept(pipe);
                        None
                    }
                    Err(error) => return self.last_words(&error.to_string()).await,
                },
                Ok(()) = doing.offers.changed() => {
                    doing.talk.changed();
                    None
                }
                Ok(()) = doing.reporting.changed() => {
                    doing.reporting();
                    None
                }
                report = collected(&mut doing.collecting) => doing.report(report),
                () = alarm => {
                    if doing.talk.is_silent(Instant::now()) {
                        return Over::failed("the gateway sent nothing for too long");
                    }
                    None
                }
            };
            if let Some(word) = word
                && let Err(error) = say(&mut self.control, &word).await
            {
                return self.over(&error.to_string()).await;
            }
        }
    }

    async fn bye(&mut self, why: Why, over: Over) -> Over {
        // Errors do not matter, since the connection ends anyway.
        drop(say(&mut self.control, &Control::Bye(why, over.why.clone())).await);
        drop(timeout(Duration::from_millis(200), self.control.shutdown()).await);
        over
    }

    async fn over(&self, otherwise: &str) -> Over {
        over(&self.live.carrier, &self.refusal, otherwise).await
    }

    /// Returns why the connection is over: the gateway's Bye if it sent one, else the carrier's
    /// reason.
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

/// What a received message leads to.
enum Said {
    /// Send this message, if there is one.
    Word(Option<Control>),
    /// The connection is over.
    Over(Over),
}

impl Doing {
    fn new(shared: &Arc<Shared>, live: &Arc<Live>, pings: bool) -> Self {
        let mut doing = Self {
            shared: Arc::clone(shared),
            live: Arc::clone(live),
            offers: shared.offers.subscribe(),
            reporting: shared.reporting.subscribe(),
            collecting: None,
            talk: Talk::new(Instant::now(), pings),
        };
        if !doing.offers.borrow_and_update().names().is_empty() {
            doing.talk.changed();
        }
        doing.reporting();
        doing
    }

    /// Returns the next message that is due on its own account.
    fn due(&mut self, now: Instant) -> Option<Control> {
        self.look();
        loop {
            match self.talk.due(now)? {
                Due::Say(word) => return Some(word),
                Due::Offer => return Some(self.offer(now)),
                Due::Collect => {
                    let reporting = self.reporting.borrow().clone();
                    self.collecting = reporting.map(|Reporting { collector, .. }| {
                        tokio::task::spawn_blocking(move || collector.collect())
                    });
                }
            }
        }
    }

    /// Tells the control state when another connection has replaced this one.
    fn look(&mut self) {
        if self.live.is_retired() {
            self.talk.retire();
        }
    }

    fn offer(&mut self, now: Instant) -> Control {
        let (names, interfaces) = {
            let offers = self.offers.borrow_and_update();
            (offers.names(), offers.offerings())
        };
        self.shared.status.send_if_modified(|status| {
            let before = status.offers.len();
            status.offers.retain(|name, _| names.contains(name));
            status.offers.len() != before
        });
        self.talk.offer(now, self.live.next_id(), names, interfaces)
    }

    fn reporting(&mut self) {
        let every = self.reporting.borrow_and_update().as_ref().map(|reporting| reporting.every);
        self.talk.reporting(Instant::now(), every);
        if every.is_some() {
            // Also sends an offer, even an empty one: the gateway detects a second device with a
            // copied identity by its offers.
            self.talk.changed();
        }
    }

    fn report(&mut self, report: Option<Report>) -> Option<Control> {
        let id = self.live.next_id();
        let word = report.map(|report| Control::Posture(Posture { id, report }));
        let too_long = word.as_ref().is_some_and(|word| word.encode().len() > CONTROL_LIMIT);
        if too_long {
            let why = format!("the report is longer than {CONTROL_LIMIT} bytes; it was not sent");
            self.shared.status.send_modify(|status| status.posture = Some(Err(why)));
        }
        let word = word.filter(|_| !too_long);
        self.talk.report(word.as_ref().map(|_| id));
        word
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

    /// Handles a message from the gateway.
    fn hear(&mut self, word: Control) -> Result<Said, Over> {
        self.look();
        match self.talk.hear(word)? {
            Heard::Nothing => {}
            Heard::Say(word) => return Ok(Said::Word(Some(word))),
            Heard::Offers(answers) => {
                self.shared.status.send_modify(|status| status.offers = answers);
            }
            Heard::Report(answer) => {
                self.shared.status.send_modify(|status| status.posture = Some(answer));
            }
            // The caller may have stopped waiting.
            Heard::Renewal(id, answer) => drop(self.live.renewed(id, answer)),
            Heard::Cut(stream, why) => self.live.note_cut(stream, why),
            Heard::Bye(why, detail) => {
                let over = Over::told(why, &detail);
                if over.ending == Ending::Failed {
                    self.live.carrier.close(why);
                }
                return Ok(Said::Over(over));
            }
        }
        Ok(Said::Word(None))
    }
}
