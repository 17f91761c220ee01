//! A session of `doorward/1`: its control stream, and the streams that its peer opens.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_wire::{
    Answer, Asked, CONTROL_LIMIT, Carrier, Control, Datagrams, Declined, Frames, Hello, Kind,
    OPENING_LIMIT, Opening, Pipe, Renewed, Taken, VERSIONS, Welcome, Why, encode, read_frame,
    write_frame,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::lease::Cause;
use crate::listener::Serving;
use crate::ports::Renewal;
use crate::session::Session;
use crate::wire::Wire;

/// How long a peer may take for its first words, on the connection and on each stream.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a word of ours may take to leave.
const LEAVING: Duration = Duration::from_secs(5);
/// How long an answer to a ping may take.
const ANSWER: Duration = Duration::from_secs(3);
/// How long a last word may take to arrive.
const LAST: Duration = Duration::from_millis(500);
/// How often it is looked whether the session still stands, and where it comes from: while flows
/// are open, and while none is.
const LOOK: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_secs(15);
/// How long a peer over TLS may say nothing at all. Over QUIC the transport sees to it.
const SILENCE: Duration = Duration::from_secs(60);
/// Answers that wait to be written.
const QUEUE: usize = 64;
/// Requests on the control stream that are being answered.
const BUSY: usize = 4;
/// Interfaces in one offer.
const OFFERED: usize = 256;

/// One connection of a device or a person: what flows towards a device are opened on.
#[derive(Debug)]
pub struct Link {
    carrier: Carrier,
    session: Arc<Session>,
    instance: Vec<u8>,
    /// What is to be said. Boxed, because a channel keeps room for 32 words from its beginning.
    words: mpsc::Sender<Box<Control>>,
    flows: AtomicUsize,
    /// The last answer to a ping.
    pongs: watch::Sender<u64>,
    /// A certificate that was issued here and that its holder has not stored yet.
    issued: Mutex<Option<(u64, Renewal)>>,
}

impl Link {
    /// Whose it is.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// What its program has called itself, at random, when it started: whether two links are of
    /// one program.
    #[must_use]
    pub fn instance(&self) -> &[u8] {
        &self.instance
    }

    /// Whether somebody is at the other end: whether a ping is answered within a few seconds.
    pub async fn lives(&self) -> bool {
        let mut pongs = self.pongs.subscribe();
        let number = pongs.borrow().wrapping_add(1);
        if self.words.try_send(Box::new(Control::Ping(number))).is_err() {
            return false;
        }
        timeout(ANSWER, pongs.wait_for(|pong| *pong == number)).await.is_ok_and(|pong| pong.is_ok())
    }

    /// Ends it, telling its program why.
    pub fn part(&self, why: Why) {
        // A peer that does not read its words is not waited for.
        drop(self.words.try_send(Box::new(Control::Bye(why, why.to_string()))));
        if self.words.is_closed() {
            self.carrier.close(why);
        }
    }

    /// Asks the device for what it offers under a name.
    ///
    /// # Errors
    /// When it refuses, does not answer in time, or is gone.
    pub async fn open(&self, asked: Asked) -> Result<Reached, LinkError> {
        let open = async {
            let mut pipe = self.carrier.open().await?;
            write_frame(&mut pipe, &Opening::Open(asked).encode()).await?;
            let frame = read_frame(&mut pipe, OPENING_LIMIT).await?;
            let answer = Answer::decode(&frame).map_err(|error| LinkError::Said(error.to_string()));
            match answer? {
                Answer::Admitted { kind: Kind::Stream, .. } => Ok(Reached::Stream(pipe)),
                Answer::Admitted { kind: Kind::Datagrams, .. } => {
                    Ok(Reached::Datagrams(self.carrier.datagrams(pipe)))
                }
                Answer::Refused { why, detail, .. } => Err(LinkError::Refused(why, detail)),
                Answer::Unknown(kind) => Err(LinkError::Said(format!("a message of type {kind}"))),
            }
        };
        timeout(PATIENCE, open).await.unwrap_or(Err(LinkError::Slow))
    }
}

/// What an offered interface was opened as.
#[derive(Debug)]
pub enum Reached {
    /// A stream.
    Stream(Pipe),
    /// Datagrams.
    Datagrams(Datagrams),
}

/// Why a device's interface was not opened. The device's doing, or the network's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The connection broke off.
    #[error("the device's connection: {0}")]
    Broken(#[from] io::Error),
    /// It refused.
    #[error("the device refuses: {0} ({detail})", detail = doorward_model::escape(.1))]
    Refused(Why, String),
    /// It said something that is no answer.
    #[error("the device answered with {}", doorward_model::escape(.0))]
    Said(String),
    /// It did not answer.
    #[error("the device did not answer in time")]
    Slow,
}

/// A flow that is asked for by `Open`, and waits for its answer.
#[derive(Debug)]
pub struct Asking {
    /// What is asked for.
    pub asked: Asked,
    pipe: Pipe,
    link: Arc<Link>,
}

impl Asking {
    /// Refuses it. `flow` is the id under which the audit log has the reason.
    pub async fn refuse(mut self, why: Why, detail: &str, flow: &str) {
        let (detail, flow) = (detail.to_owned(), flow.to_owned());
        let answer = Answer::Refused { why, detail, flow }.encode();
        let said = async {
            write_frame(&mut self.pipe, &answer).await?;
            self.pipe.shutdown().await
        };
        if let Ok(Err(error)) = timeout(LEAVING, said).await {
            tracing::trace!(%error, "whoever was refused went before it was told");
        }
    }

    async fn admit(&mut self, flow: &str, kind: Kind, actions: &[&str]) -> io::Result<()> {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        let answer = Answer::Admitted { flow: flow.to_owned(), kind, actions }.encode();
        let said = write_frame(&mut self.pipe, &answer);
        timeout(LEAVING, said).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Grants it as a stream.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn stream(mut self, flow: &str, actions: &[&str]) -> io::Result<Box<dyn Wire>> {
        self.admit(flow, Kind::Stream, actions).await?;
        Ok(Box::new(PipeWire { pipe: self.pipe, link: self.link }))
    }

    /// Grants it as datagrams. The end of the flow is told on the control stream by
    /// [`Parting::cut`].
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn datagrams(
        mut self,
        flow: &str,
        actions: &[&str],
    ) -> io::Result<(Datagrams, Parting)> {
        self.admit(flow, Kind::Datagrams, actions).await?;
        let parting = Parting { stream: self.pipe.id(), link: Arc::clone(&self.link) };
        Ok((self.link.carrier.datagrams(self.pipe), parting))
    }
}

/// Tells a peer why its flow of datagrams ended.
#[derive(Debug)]
pub struct Parting {
    stream: u64,
    link: Arc<Link>,
}

impl Parting {
    /// The flow was cut.
    pub fn cut(self, why: Why) {
        self.link.tell_cut(self.stream, why);
    }
}

impl Link {
    fn issued(&self) -> MutexGuard<'_, Option<(u64, Renewal)>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_cut(&self, stream: u64, why: Why) {
        // It is a courtesy: the stream itself does not end properly.
        drop(self.words.try_send(Box::new(Control::Cut(stream, why))));
    }
}

/// The client's end of a flow on a stream of `doorward/1`.
struct PipeWire {
    pipe: Pipe,
    link: Arc<Link>,
}

impl Wire for PipeWire {
    fn cut(self: Box<Self>, why: Why) {
        self.link.tell_cut(self.pipe.id(), why);
        self.pipe.cut(why);
    }
}

crate::wire::through!(PipeWire, pipe);

/// Serves one identified connection until it ends.
pub(crate) async fn serve(carrier: Carrier, session: Arc<Session>, serving: Arc<Serving>) {
    let why = match greet(&carrier, &session, &serving).await {
        Ok((control, link, words)) => {
            let why = Service { control, link: Arc::clone(&link), serving: Arc::clone(&serving) }
                .run(words)
                .await;
            serving.flows.parted(&link);
            session.part();
            why
        }
        Err(why) => why,
    };
    carrier.close(why);
}

/// The first words, both ways.
async fn greet(
    carrier: &Carrier,
    session: &Arc<Session>,
    serving: &Serving,
) -> Result<(Pipe, Arc<Link>, mpsc::Receiver<Box<Control>>), Why> {
    let greeting = async {
        let mut control = carrier.accept().await?;
        let frame = read_frame(&mut control, CONTROL_LIMIT).await?;
        io::Result::Ok((control, frame))
    };
    let (mut control, frame) = match timeout(PATIENCE, greeting).await {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(_)) | Err(_) => return Err(Why::Wrong),
    };
    let Ok(Control::Hello(Hello { versions, instance, software })) = Control::decode(&frame) else {
        return Err(bye(&mut control, Why::Wrong, "the first message is Hello").await);
    };
    if instance.len() > 64 || software.len() > 256 {
        return Err(bye(&mut control, Why::Wrong, "instance or software is too long").await);
    }
    let Some(version) = VERSIONS.iter().find(|ours| versions.contains(ours)) else {
        return Err(bye(&mut control, Why::Version, "the gateway speaks version 1").await);
    };
    let welcome = Control::Welcome(Welcome {
        version: *version,
        software: concat!("doorward/", env!("CARGO_PKG_VERSION")).to_owned(),
        time: serving.now().as_second(),
        session: session.id().to_string(),
    });
    say(&mut control, &welcome).await.map_err(|_| Why::Wrong)?;
    let (words, waiting) = mpsc::channel(QUEUE);
    let link = Link {
        carrier: carrier.clone(),
        session: Arc::clone(session),
        instance,
        words,
        flows: AtomicUsize::new(0),
        pongs: watch::Sender::new(0),
        issued: Mutex::new(None),
    };
    Ok((control, Arc::new(link), waiting))
}

async fn say(control: &mut Pipe, word: &Control) -> io::Result<()> {
    let bytes = encode(&word.encode());
    let said = async {
        control.write_all(&bytes).await?;
        control.flush().await
    };
    timeout(LEAVING, said).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn bye(control: &mut Pipe, why: Why, detail: &str) -> Why {
    // The connection ends in any case.
    drop(say(control, &Control::Bye(why, detail.to_owned())).await);
    let last = async {
        control.shutdown().await?;
        control.delivered().await;
        io::Result::Ok(())
    };
    drop(timeout(LAST, last).await);
    why
}

struct Service {
    control: Pipe,
    link: Arc<Link>,
    serving: Arc<Serving>,
}

impl Service {
    async fn run(mut self, mut words: mpsc::Receiver<Box<Control>>) -> Why {
        let mut frames = Frames::new(CONTROL_LIMIT);
        let busy = Arc::new(tokio::sync::Semaphore::new(BUSY));
        let (mut heard, mut looked) = (Instant::now(), Instant::now());
        let (mut draining, mut window) = (false, 0);
        self.bound(&mut window);
        loop {
            let (carrier, session) = (&self.link.carrier, &self.link.session);
            let pause = self.pause(draining);
            tokio::select! {
                biased;
                cause = session.ended() => {
                    let why = if cause == Cause::Stopping { Why::Stopping } else { Why::Ended };
                    return bye(&mut self.control, why, &why.to_string()).await;
                }
                Some(word) = words.recv() => {
                    if let Control::Bye(why, detail) = &*word {
                        return bye(&mut self.control, *why, detail).await;
                    }
                    if say(&mut self.control, &word).await.is_err() {
                        return Why::Wrong;
                    }
                }
                frame = next_frame(&mut self.control, &mut frames) => {
                    heard = Instant::now();
                    let word = match frame {
                        Ok(Some(frame)) => Control::decode(&frame).map_err(|error| error.to_string()),
                        // The control stream ends with the connection.
                        Ok(None) => return Why::Stopping,
                        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                            Err(error.to_string())
                        }
                        Err(_) => return Why::Stopping,
                    };
                    let answer = match word {
                        Ok(word) => self.hear(word, &busy),
                        Err(detail) => Err(detail),
                    };
                    match answer {
                        Ok(None) => {}
                        Ok(Some(word)) => if say(&mut self.control, &word).await.is_err() {
                            return Why::Wrong;
                        }
                        Err(detail) => {
                            return bye(&mut self.control, Why::Wrong, &detail).await;
                        }
                    }
                }
                stream = carrier.accept() => match stream {
                    Ok(pipe) => {
                        let (serving, counted) =
                            (Arc::clone(&self.serving), Counted::new(&self.link));
                        self.serving.tasks.spawn(flow(serving, counted, pipe, draining));
                    }
                    Err(_) => return Why::Stopping,
                },
                () = sleep_until(looked + pause) => {
                    looked = Instant::now();
                    session.look();
                    session.stands();
                    self.bound(&mut window);
                    if carrier.as_str() == "tls" && heard.elapsed() > SILENCE {
                        return Why::Idle;
                    }
                    if draining && self.link.flows.load(Ordering::SeqCst) == 0 {
                        return bye(&mut self.control, Why::Stopping, "the gateway stops").await;
                    }
                }
                () = self.serving.draining(), if !draining => draining = true,
            }
        }
    }

    /// How long to wait between two looks. A session at rest has nothing to lose by the second
    /// but its own end.
    fn pause(&self, draining: bool) -> Duration {
        if draining || self.link.flows.load(Ordering::SeqCst) > 0 {
            return LOOK;
        }
        let left = self.link.session.not_after().duration_since(self.serving.now());
        Duration::try_from(left).unwrap_or_default().clamp(LOOK, REST)
    }

    /// Gives the connection its share of what may be on its way, if that has changed by more than
    /// an eighth since `former`: to tell it wakes what drives it.
    fn bound(&self, former: &mut u32) {
        let window = self.serving.window();
        if window.abs_diff(*former) > *former / 8 {
            *former = window;
            self.link.carrier.bound(window);
        }
    }

    /// Takes a word of the peer's, and answers what is to be said at once, if anything. An
    /// error ends the connection.
    fn hear(
        &self,
        word: Control,
        busy: &Arc<tokio::sync::Semaphore>,
    ) -> Result<Option<Control>, String> {
        let later = |id: u64| {
            let place = Arc::clone(busy).try_acquire_owned();
            let detail = "too many requests at once; wait for the answers".to_owned();
            place.map_err(|_| Control::Declined(Declined { id, why: Why::Busy, detail }))
        };
        let (serving, link) = (Arc::clone(&self.serving), Arc::clone(&self.link));
        let answer = match word {
            Control::Offer(offer) => {
                let declined = if offer.interfaces.len() > OFFERED {
                    let detail = format!("at most {OFFERED} interfaces are offered at once");
                    let declined = Declined { id: offer.id, why: Why::Wrong, detail };
                    return Ok(Some(Control::Declined(declined)));
                } else {
                    self.serving.flows.offered(&self.link, offer.interfaces)
                };
                Control::Taken(Taken { id: offer.id, declined })
            }
            Control::Posture(posture) => match later(posture.id) {
                Ok(place) => {
                    self.serving.tasks.spawn(async move {
                        let noted = serving.front.posture(&link.session, posture.report).await;
                        let answer = match noted {
                            Ok(()) => Control::Noted(posture.id),
                            Err(problem) => declined(posture.id, &problem),
                        };
                        drop((link.words.send(Box::new(answer)).await, place));
                    });
                    return Ok(None);
                }
                Err(busy) => busy,
            },
            Control::Renew(id, request) => match later(id) {
                Ok(place) => {
                    self.serving.tasks.spawn(async move {
                        let id_of_request = serving.leases.new_flow_id();
                        let renewed =
                            serving.front.renew(&link.session, id_of_request, request).await;
                        let answer = match renewed {
                            Ok(renewal) => {
                                let (certificate, anchors) =
                                    (renewal.certificate.clone(), renewal.anchors.clone());
                                link.issued().replace((id, renewal));
                                Control::Renewed(Renewed { id, certificate, anchors })
                            }
                            Err(problem) => declined(id, &problem),
                        };
                        drop((link.words.send(Box::new(answer)).await, place));
                    });
                    return Ok(None);
                }
                Err(busy) => busy,
            },
            Control::Kept(id) => {
                // Before that, what is on its disk is the former one: that must stay good.
                match self.link.issued().take_if(|(issued, _)| *issued == id) {
                    Some((_, renewal)) => self.link.session.adopt(renewal.id, renewal.not_after),
                    None => return Err("there is no such certificate to keep".to_owned()),
                }
                return Ok(None);
            }
            Control::Ping(number) => Control::Pong(number),
            Control::Unknown(kind) => Control::NotKnown(kind),
            Control::Pong(number) => {
                self.link.pongs.send_replace(number);
                return Ok(None);
            }
            Control::NotKnown(_) | Control::Cut(..) => return Ok(None),
            Control::Bye(..) => return Err("until next time".to_owned()),
            Control::Hello(_) => return Err("Hello is said once".to_owned()),
            Control::Welcome(_)
            | Control::Taken(_)
            | Control::Noted(_)
            | Control::Renewed(_)
            | Control::Declined(_) => return Err("that is the gateway's to say".to_owned()),
        };
        Ok(Some(answer))
    }
}

fn declined(id: u64, problem: &crate::http::Problem) -> Control {
    let why = match problem.status() {
        429 => Why::Busy,
        400..=499 => Why::Forbidden,
        _ => Why::NotRecorded,
    };
    Control::Declined(Declined { id, why, detail: problem.detail().to_owned() })
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
            return if frames.is_torn() {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is truncated"))
            } else {
                Ok(None)
            };
        }
        let taken = frames.push(bytes);
        control.consume(taken);
    }
}

struct Counted(Arc<Link>);

impl Counted {
    fn new(link: &Arc<Link>) -> Self {
        link.flows.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(link))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.flows.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One stream that the peer has opened.
async fn flow(serving: Arc<Serving>, counted: Counted, mut pipe: Pipe, draining: bool) {
    let link = Arc::clone(&counted.0);
    let opening = timeout(PATIENCE, read_frame(&mut pipe, OPENING_LIMIT)).await;
    let opening = match opening {
        Ok(Ok(frame)) => Opening::decode(&frame).map_err(|error| error.to_string()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(error.to_string()),
        // It went before it had said anything.
        Ok(Err(_)) | Err(_) => return pipe.cut(Why::Wrong),
    };
    let (asked, wrong) = match opening {
        Ok(Opening::Open(asked)) => (asked, None),
        Ok(Opening::Unknown(kind)) => {
            (Asked::default(), Some(format!("messages of type {kind} are not known")))
        }
        Err(detail) => (Asked::default(), Some(detail)),
    };
    let session = Arc::clone(&link.session);
    let asking = Asking { asked, pipe, link: Arc::clone(&link) };
    if let Some(detail) = wrong {
        return asking.refuse(Why::Wrong, &detail, "").await;
    }
    if draining {
        return asking.refuse(Why::Stopping, "the gateway stops", "").await;
    }
    let id = serving.leases.new_flow_id();
    serving.flows.asked(session, id, asking).await;
}
