//! The seat of a flow at a serial line.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use doorward_inspect::serial::{Commands, ConsoleLine};
use doorward_local::LineRequest;
use doorward_local::telnet::{IAC, ServerEvent, TelnetServer, escape, is_command};
use doorward_model::{LineSettings, Lines, Telnet as Speaks};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::hub::Hub;
use super::hub_state::SeatState;
use super::{DialError, Wants};

/// How many bytes are prepared for the client at once, and taken from it at once.
const CHUNK: usize = 4096;
/// How many bytes are taken at once if only some text lines are permitted. Each byte may end a text
/// line, and each text line is compared with each pattern.
const LINE_CHUNK: usize = 256;
/// With more bytes than this ready for the client, the seat takes none from it.
const MAX_TO_CLIENT: usize = 16 * 1024;

/// The seat of a flow at a serial line.
///
/// A seat that may read gets the bytes of the line. Any other seat waits until the line is lost: a
/// serial line has no end of its own. Bytes of a seat that may not write are discarded. A shutdown
/// says that the client has written everything. It frees the right to act, and the seat still
/// reads. A seat that is reset, or dropped without a shutdown, is cut: the bytes that the line has
/// not sent are discarded.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) hub: Arc<Hub>,
    id: u64,
    wants: Wants,
    mode: Mode,
    /// Bytes that are ready for the client.
    to_client: VecDeque<u8>,
    /// The task that waits for bytes.
    reader: Option<Waker>,
    /// The task that waits until fewer bytes are ready.
    waiting: Option<Waker>,
    /// The client has suspended the data.
    suspended: bool,
    finished: bool,
    discarded: u64,
    /// Only some text lines may be written.
    commands: Option<Commands>,
    refused: RefusedLines,
}

/// The text lines that were written and not permitted.
#[derive(Debug, Default)]
struct RefusedLines {
    count: u64,
    last: Vec<u8>,
}

/// The client receives this where the line would echo.
const NOT_PERMITTED: &[u8] = b"\r\n(this line is not permitted)\r\n";

#[derive(Debug)]
enum Mode {
    /// The first bytes will decide. `one` means that there was one byte so far, IAC.
    Undecided {
        one: bool,
    },
    Plain,
    Telnet(Box<TelnetServer>),
}

impl Hub {
    /// Returns a new seat, or `None` if the line is being closed.
    pub(super) fn sit(
        self: &Arc<Self>,
        settings: &LineSettings,
        wants: Wants,
    ) -> Result<Option<Seat>, DialError> {
        let mut state = self.lock();
        let same = settings.is_same_line(&self.declared);
        // A line without seats is about to be closed, and may then be opened with other settings.
        if state.closed || (state.seats.is_empty() && !same) {
            return Ok(None);
        }
        if !same {
            return Err(DialError::OtherSettings);
        }
        let id = state.next;
        if wants.acts() {
            if state.actor.is_some() {
                return Err(DialError::Taken);
            }
            state.actor = Some(id);
        }
        state.next += 1;
        state.seats.insert(id, SeatState { reads: wants.read, ..SeatState::default() });
        Ok(Some(Seat::new(Arc::clone(self), id, wants, settings.telnet)))
    }
}

impl Seat {
    pub(super) fn new(hub: Arc<Hub>, id: u64, wants: Wants, speaks: Speaks) -> Self {
        let mut to_client = VecDeque::new();
        let mode = match speaks {
            Speaks::Auto => Mode::Undecided { one: false },
            Speaks::Off => Mode::Plain,
            Speaks::On => {
                let mut telnet = TelnetServer::default();
                to_client.extend(telnet.offer());
                Mode::Telnet(Box::new(telnet))
            }
        };
        Self {
            hub,
            id,
            wants,
            mode,
            to_client,
            reader: None,
            waiting: None,
            suspended: false,
            finished: false,
            discarded: 0,
            commands: None,
            refused: RefusedLines::default(),
        }
    }

    /// Restricts the seat to these text lines. Such a seat cannot change the settings of the line,
    /// because the device would then read other characters.
    ///
    /// # Errors
    /// The line has too few data bits to carry the characters.
    pub(crate) fn limited_to(mut self, lines: Option<&Lines>) -> Result<Self, DialError> {
        if lines.is_some() && !self.hub.carries_ascii() {
            return Err(DialError::Narrow);
        }
        self.commands = lines.cloned().map(Commands::new);
        Ok(self)
    }

    /// Returns a remark for the record besides the byte counts.
    pub(crate) fn remark(&self) -> Option<String> {
        let RefusedLines { count, last } = &self.refused;
        let last = String::from_utf8_lossy(last);
        (*count > 0).then(|| format!("lines refused: {count}, the last: {last}"))
    }

    /// Leaves the seat at once, and not properly.
    pub(crate) fn reset(&mut self) {
        self.hub.leave(self.id, false);
    }

    /// Returns how many bytes of the client were discarded because it may not write.
    #[cfg(test)]
    pub(super) fn discarded(&self) -> u64 {
        self.discarded
    }

    fn take(&mut self, bytes: &[u8]) {
        match &mut self.mode {
            Mode::Plain => self.send(bytes.to_vec()),
            Mode::Telnet(telnet) => {
                let heard = telnet.receive(bytes);
                self.heard(heard);
            }
            Mode::Undecided { one } => {
                let first = one.then_some(&IAC).into_iter();
                let whole: Vec<u8> = first.chain(bytes).copied().collect();
                match whole.as_slice() {
                    [IAC] => *one = true,
                    [IAC, second, ..] if is_command(*second) => {
                        let mut telnet = Box::<TelnetServer>::default();
                        let heard = telnet.receive(&whole);
                        self.mode = Mode::Telnet(telnet);
                        self.heard(heard);
                    }
                    _ => {
                        self.mode = Mode::Plain;
                        self.send(whole);
                    }
                }
            }
        }
    }

    fn heard(&mut self, heard: Vec<ServerEvent>) {
        for heard in heard {
            match heard {
                ServerEvent::Data(bytes) => self.send(bytes),
                ServerEvent::Reply(bytes) => self.to_client.extend(bytes),
                ServerEvent::Suspend(on) => self.suspended = on,
                ServerEvent::Mark => self.to_client.extend(TelnetServer::NO_MARK),
                ServerEvent::Request(LineRequest::Purge(purge)) => {
                    self.hub.purge(self.id, purge, self.wants.write);
                }
                ServerEvent::Request(request @ LineRequest::Modem(_)) => {
                    self.hub.inform(self.id, request);
                }
                ServerEvent::Request(
                    request @ (LineRequest::Baud(_)
                    | LineRequest::Bits(_)
                    | LineRequest::Parity(_)
                    | LineRequest::Stop(_)
                    | LineRequest::Flow(_)
                    | LineRequest::FlowBack(_)
                    | LineRequest::Break(_)
                    | LineRequest::Dtr(_)
                    | LineRequest::Rts(_)),
                ) => {
                    if self.wants.control && self.commands.is_none() {
                        self.hub.request(self.id, request);
                    } else {
                        self.hub.inform(self.id, request);
                    }
                }
            }
        }
        // There may be an answer to read, or the client may have resumed the data.
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        if !self.wants.write {
            self.discarded += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        } else if let Some(commands) = &mut self.commands {
            let (hub, id, to_client, refused) =
                (&self.hub, self.id, &mut self.to_client, &mut self.refused);
            commands.read(&bytes, |line| match line {
                ConsoleLine::Forward(line) => hub.write_whole(id, line.to_vec()),
                ConsoleLine::Refuse(line) => {
                    refused.count += 1;
                    refused.last = line.to_vec();
                    to_client.extend(NOT_PERMITTED);
                }
            });
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        } else if !bytes.is_empty() {
            self.hub.write(self.id, bytes);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.discarded > 0 {
            tracing::debug!(
                bytes = self.discarded,
                "the bytes of a flow that may not write to its serial line were discarded"
            );
        }
        self.hub.leave(self.id, self.finished);
    }
}

impl AsyncRead for Seat {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The hub's answers may yield no byte for this client. A read of no bytes would mean the
        // end.
        while this.to_client.is_empty() {
            this.reader = Some(cx.waker().clone());
            let (mode, to_client) = (&mut this.mode, &mut this.to_client);
            let wanted = !this.suspended;
            ready!(this.hub.poll_take(cx, this.id, wanted, |answers, data| match mode {
                Mode::Telnet(_) => {
                    for answer in answers.drain(..) {
                        to_client.extend(TelnetServer::answer(answer));
                    }
                    if wanted {
                        let data = data.drain(..data.len().min(CHUNK));
                        data.for_each(|byte| escape(byte, to_client));
                    }
                }
                Mode::Plain | Mode::Undecided { .. } => {
                    answers.clear();
                    to_client.extend(data.drain(..data.len().min(CHUNK)));
                }
            }))?;
        }
        let (now, _) = this.to_client.as_slices();
        let amount = now.len().min(buffer.remaining());
        buffer.put_slice(now.get(..amount).unwrap_or_default());
        this.to_client.drain(..amount);
        if this.to_client.len() < MAX_TO_CLIENT
            && let Some(waiting) = this.waiting.take()
        {
            waiting.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Seat {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let room = ready!(this.hub.poll_room(cx, this.id))?;
        if room == 0 || this.to_client.len() >= MAX_TO_CLIENT {
            this.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let limit = if this.commands.is_some() { LINE_CHUNK } else { CHUNK };
        let taken = bytes.get(..bytes.len().min(room).min(limit)).unwrap_or_default();
        this.take(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Mode::Undecided { one: true } = this.mode {
            // The byte began no telnet command.
            this.mode = Mode::Plain;
            this.send(vec![IAC]);
        }
        this.finished = true;
        this.hub.finish(this.id);
        Poll::Ready(Ok(()))
    }
}
