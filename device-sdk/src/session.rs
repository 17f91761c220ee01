//! One connection of `doorward/1`: the greeting, the control stream, and the flows that the gateway
//! opens.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use doorward_wire::{
    CONTROL_LIMIT, Carrier, Control, Frames, Hello, Pipe, PostureMessage, Report, VERSIONS,
    Welcome, Why, encode, read_frame,
};
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::backoff::EndReason;
use crate::connection_end::ConnectionEnd;
use crate::control_state::{ControlState, DueAction, MessageEffect};
use crate::dial::{DialedCarrier, TlsRefusal};
use crate::error::Error;
use crate::identity::{Identity, Validity};
use crate::live::{FlowGuard, LiveConnection};
use crate::offer::{OfferedInterfaces, serve};
use crate::shared::{ClientShared, Reporting};

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
pub(crate) struct GatewaySession {
    control: Pipe,
    frames: Frames,
    outgoing: mpsc::Receiver<Control>,
    refusal: TlsRefusal,
    /// The handle for opening flows.
    pub(crate) live: Arc<LiveConnection>,
    /// The session's id in the gateway's audit log.
    pub(crate) id: String,
    /// The validity of the certificate that the session uses.
    pub(crate) validity: Validity,
}

/// Exchanges Hello and Welcome. `identity` is the one whose certificate was shown.
pub(crate) async fn greet(
    dialed: DialedCarrier,
    identity: &Identity,
    shared: &ClientShared,
) -> Result<GatewaySession, ConnectionEnd> {
    let DialedCarrier { carrier, leaf, refusal } = dialed;
    let mut software = shared.settings.software.clone();
    software.truncate(software.floor_char_boundary(SOFTWARE));
    let hello = Control::Hello(Hello {
        versions: VERSIONS.to_vec(),
        software,
        instance: shared.instance.to_vec(),
    });
    let greeting = async {
        let mut control = carrier.open().await?;
        send(&mut control, &hello).await?;
        let frame = read_frame(&mut control, CONTROL_LIMIT).await?;
        io::Result::Ok((control, frame))
    };
    let (control, frame) = match timeout(PATIENCE, greeting).await {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(error)) => return Err(why_ended(&carrier, &refusal, &error.to_string()).await),
        Err(_) => {
            carrier.close(Why::NoAnswer);
            return Err(ConnectionEnd::failed("the gateway did not answer in time"));
        }
    };
    let refuse = |why: Why, end: ConnectionEnd| {
        carrier.close(why);
        Err(end)
    };
    let first = Control::decode(&frame);
    if let Ok(Control::Bye(why, detail)) = first {
        return refuse(why, ConnectionEnd::from_gateway(why, &detail));
    }
    let Ok(Control::Welcome(welcome)) = first else {
        return refuse(
            Why::Wrong,
            ConnectionEnd::failed("the gateway's first message is not Welcome"),
        );
    };
    let Welcome { version, time, session, .. } = welcome;
    if !VERSIONS.contains(&version) {
        return refuse(Why::Version, ConnectionEnd::from_gateway(Why::Version, ""));
    }
    let judged = Timestamp::from_second(time)
        .map_err(|_| Error::Answer("a time that does not exist".to_owned()))
        .and_then(|gateway_time| {
            let low = crate::time::low(&shared.dir, identity)?;
            crate::time::judge(gateway_time, Validity::of(&leaf)?, low).map(|()| gateway_time)
        });
    match judged {
        Ok(gateway_time) => shared.set_gateway_time(gateway_time),
        Err(error) => return refuse(Why::Wrong, error.into()),
    }
    let validity = identity.validity()?;
    let (sender, outgoing) = mpsc::channel(QUEUE);
    let live = Arc::new(LiveConnection::new(carrier, sender));
    let frames = Frames::new(CONTROL_LIMIT);
    Ok(GatewaySession { control, frames, outgoing, refusal, live, id: session, validity })
}

/// Returns why a connection is over.
async fn why_ended(carrier: &Carrier, refusal: &TlsRefusal, otherwise: &str) -> ConnectionEnd {
    let closed = timeout(LAST_WORDS, carrier.closed()).await;
    if let Some(why) = refusal.why() {
        return ConnectionEnd::refused(why);
    }
    match closed {
        Ok((Some(why), detail)) => ConnectionEnd::from_gateway(why, &detail),
        Ok((None, detail)) if !detail.is_empty() => ConnectionEnd::failed(detail),
        _ => {
            carrier.close(Why::Broken);
            ConnectionEnd::failed(otherwise)
        }
    }
}

async fn send(control: &mut Pipe, message: &Control) -> io::Result<()> {
    let bytes = encode(&message.encode());
    let sent = async {
        control.write_all(&bytes).await?;
        control.flush().await
    };
    timeout(LEAVING, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
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
struct ControlLoop {
    shared: Arc<ClientShared>,
    live: Arc<LiveConnection>,
    offers: watch::Receiver<OfferedInterfaces>,
    reporting: watch::Receiver<Option<Reporting>>,
    collecting: Option<JoinHandle<Report>>,
    control: ControlState,
}

impl GatewaySession {
    /// Serves the connection until it ends.
    pub(crate) async fn run(mut self, shared: Arc<ClientShared>) -> ConnectionEnd {
        let end = self.serve_control(&shared).await;
        self.live.fail_requests();
        let why = match end.reason {
            EndReason::Stopped | EndReason::Stopping => Why::Stopping,
            EndReason::Replaced => Why::Replaced,
            EndReason::Refused => Why::Ended,
            EndReason::GivenUp => Why::Version,
            EndReason::Failed => Why::Broken,
        };
        self.live.carrier.close(why);
        end
    }

    async fn serve_control(&mut self, shared: &Arc<ClientShared>) -> ConnectionEnd {
        let is_tls = self.live.carrier.as_str() == "tls";
        let mut control_loop = ControlLoop::new(shared, &self.live, is_tls);
        let live = Arc::clone(&self.live);
        loop {
            while let Some(message) = control_loop.due(Instant::now()) {
                if let Err(error) = send(&mut self.control, &message).await {
                    return self.why_ended(&error.to_string()).await;
                }
            }
            let wake = control_loop.control.wake();
            let alarm = async {
                match wake {
                    Some(wake) => sleep_until(wake).await,
                    None => pending().await,
                }
            };
            let message = tokio::select! {
                biased;
                () = shared.stopped() => {
                    return self.bye(Why::Stopping, ConnectionEnd::stopped()).await;
                }
                Some(message) = self.outgoing.recv() => {
                    if let Control::Bye(why, _) = message {
                        return self.bye(why, ConnectionEnd::stopped()).await;
                    }
                    Some(message)
                }
                frame = next_frame(&mut self.control, &mut self.frames) => {
                    control_loop.control.note_received(Instant::now());
                    let message = match frame {
                        Ok(Some(frame)) => Control::decode(&frame).map_err(|error| error.to_string()),
                        Ok(None) => return self.why_ended("the gateway ended the connection").await,
                        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                            Err(error.to_string())
                        }
                        Err(error) => return self.why_ended(&error.to_string()).await,
                    };
                    let handled = message
                        .map_err(ConnectionEnd::failed)
                        .and_then(|message| control_loop.handle_message(message));
                    match handled {
                        Ok(AfterMessage::Send(message)) => message,
                        Ok(AfterMessage::End(end)) => return end,
                        Err(end) => return self.bye(Why::Wrong, end).await,
                    }
                }
                stream = live.carrier.accept() => match stream {
                    Ok(pipe) => {
                        control_loop.accept(pipe);
                        None
                    }
                    Err(error) => return self.last_words(&error.to_string()).await,
                },
                Ok(()) = control_loop.offers.changed() => {
                    control_loop.control.changed();
                    None
                }
                Ok(()) = control_loop.reporting.changed() => {
                    control_loop.reporting();
                    None
                }
                report = collected(&mut control_loop.collecting) => control_loop.report(report),
                () = alarm => {
                    if control_loop.control.is_silent(Instant::now()) {
                        return ConnectionEnd::failed("the gateway sent nothing for too long");
                    }
                    None
                }
            };
            if let Some(message) = message
                && let Err(error) = send(&mut self.control, &message).await
            {
                return self.why_ended(&error.to_string()).await;
            }
        }
    }

    async fn bye(&mut self, why: Why, end: ConnectionEnd) -> ConnectionEnd {
        // Errors do not matter, since the connection ends anyway.
        drop(send(&mut self.control, &Control::Bye(why, end.why.clone())).await);
        drop(timeout(Duration::from_millis(200), self.control.shutdown()).await);
        end
    }

    async fn why_ended(&self, otherwise: &str) -> ConnectionEnd {
        why_ended(&self.live.carrier, &self.refusal, otherwise).await
    }

    /// Returns why the connection is over: the gateway's Bye if it sent one, else the carrier's
    /// reason.
    async fn last_words(&mut self, otherwise: &str) -> ConnectionEnd {
        let listen = async {
            while let Ok(Some(frame)) = next_frame(&mut self.control, &mut self.frames).await {
                if let Ok(Control::Bye(why, detail)) = Control::decode(&frame) {
                    return Some(ConnectionEnd::from_gateway(why, &detail));
                }
            }
            None
        };
        match timeout(LAST_WORDS, listen).await {
            Ok(Some(end)) => end,
            _ => self.why_ended(otherwise).await,
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
enum AfterMessage {
    /// Send this message, if there is one.
    Send(Option<Control>),
    /// The connection is over.
    End(ConnectionEnd),
}

impl ControlLoop {
    fn new(shared: &Arc<ClientShared>, live: &Arc<LiveConnection>, pings: bool) -> Self {
        let mut control_loop = Self {
            shared: Arc::clone(shared),
            live: Arc::clone(live),
            offers: shared.offers.subscribe(),
            reporting: shared.reporting.subscribe(),
            collecting: None,
            control: ControlState::new(Instant::now(), pings),
        };
        if !control_loop.offers.borrow_and_update().names().is_empty() {
            control_loop.control.changed();
        }
        control_loop.reporting();
        control_loop
    }

    /// Returns the next message that is due on its own account.
    fn due(&mut self, now: Instant) -> Option<Control> {
        self.note_retired();
        loop {
            match self.control.due(now)? {
                DueAction::Say(message) => return Some(message),
                DueAction::Offer => return Some(self.offer(now)),
                DueAction::Collect => {
                    let reporting = self.reporting.borrow().clone();
                    self.collecting = reporting.map(|Reporting { collector, .. }| {
                        tokio::task::spawn_blocking(move || collector.collect())
                    });
                }
            }
        }
    }

    /// Tells the control state when another connection has replaced this one.
    fn note_retired(&mut self) {
        if self.live.is_retired() {
            self.control.retire();
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
        self.control.offer(now, self.live.next_id(), names, interfaces)
    }

    fn reporting(&mut self) {
        let every = self.reporting.borrow_and_update().as_ref().map(|reporting| reporting.every);
        self.control.reporting(Instant::now(), every);
        if every.is_some() {
            // Also sends an offer, even an empty one: the gateway detects a second device with a
            // copied identity by its offers.
            self.control.changed();
        }
    }

    fn report(&mut self, report: Option<Report>) -> Option<Control> {
        let id = self.live.next_id();
        let message = report.map(|report| Control::Posture(PostureMessage { id, report }));
        let too_long =
            message.as_ref().is_some_and(|message| message.encode().len() > CONTROL_LIMIT);
        if too_long {
            let why = format!("the report is longer than {CONTROL_LIMIT} bytes; it was not sent");
            self.shared.status.send_modify(|status| status.posture = Some(Err(why)));
        }
        let message = message.filter(|_| !too_long);
        self.control.report(message.as_ref().map(|_| id));
        message
    }

    fn accept(&self, pipe: Pipe) {
        match Arc::clone(&self.shared.incoming).try_acquire_owned() {
            Ok(permit) => {
                let guard = FlowGuard::new(&self.live);
                drop(tokio::spawn(serve(pipe, guard, self.offers.clone(), permit)));
            }
            Err(_) => pipe.cut(Why::Busy),
        }
    }

    /// Handles a message from the gateway.
    fn handle_message(&mut self, message: Control) -> Result<AfterMessage, ConnectionEnd> {
        self.note_retired();
        match self.control.receive(message)? {
            MessageEffect::Nothing => {}
            MessageEffect::Say(message) => return Ok(AfterMessage::Send(Some(message))),
            MessageEffect::Offers(answers) => {
                self.shared.status.send_modify(|status| status.offers = answers);
            }
            MessageEffect::Report(answer) => {
                self.shared.status.send_modify(|status| status.posture = Some(answer));
            }
            // The caller may have stopped waiting.
            MessageEffect::Renewal(id, answer) => drop(self.live.renewed(id, answer)),
            MessageEffect::Cut(stream, why) => self.live.note_cut(stream, why),
            MessageEffect::Bye(why, detail) => {
                let end = ConnectionEnd::from_gateway(why, &detail);
                if end.reason == EndReason::Failed {
                    self.live.carrier.close(why);
                }
                return Ok(AfterMessage::End(end));
            }
        }
        Ok(AfterMessage::Send(None))
    }
}
