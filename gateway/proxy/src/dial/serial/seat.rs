//! A flow's place at a serial line.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use doorward_inspect::serial::{Commands, ConsoleLine};
use doorward_local::LineRequest;
use doorward_local::telnet::{IAC, ServerEvent, TelnetServer, escape, is_command};
use doorward_model::{Lines, Telnet as Speaks};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::hub::Hub;
use super::{DialError, Wants};

/// How much is made ready for the client at once, and how much is taken from it.
const CHUNK: usize = 4096;
/// How much is taken at once of what may be written line by line: each byte may be a line, and each
/// line is held against each pattern.
const LINES: usize = 256;
/// With more than this ready for the client, nothing is taken from it.
const UNHEARD: usize = 16 * 1024;

/// A flow's place at a serial line.
///
/// It reads what the line says, if it may, and else nothing until the line ends; a line itself
/// has no end. What it writes and may not is discarded. To shut its writing down says that all
/// was written that was meant to be, and gives up the place of the one who acts; it still hears.
/// Dropped without that, or reset, it is cut: what the line has not sent yet is discarded.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) hub: Arc<Hub>,
    id: u64,
    wants: Wants,
    talk: Talk,
    /// Ready for the client.
    unheard: VecDeque<u8>,
    /// Whoever waits until something is.
    reader: Option<Waker>,
    /// Whoever waits until less is.
    waiting: Option<Waker>,
    /// The client does not want data for now.
    suspended: bool,
    finished: bool,
    discarded: u64,
    /// Only some lines may be written.
    commands: Option<Commands>,
    refused: Refused,
}

/// Lines that were written and not permitted.
#[derive(Debug, Default)]
struct Refused {
    count: u64,
    last: Vec<u8>,
}

/// What a client is told in the place of a line's echo.
const NOT_PERMITTED: &[u8] = b"\r\n(this line is not permitted)\r\n";

#[derive(Debug)]
enum Talk {
    /// The first bytes will say. If there was one so far, it was IAC.
    Undecided {
        one: bool,
    },
    Plain,
    Telnet(Box<TelnetServer>),
}

impl Seat {
    pub(super) fn new(hub: Arc<Hub>, id: u64, wants: Wants, speaks: Speaks) -> Self {
        let mut unheard = VecDeque::new();
        let talk = match speaks {
            Speaks::Auto => Talk::Undecided { one: false },
            Speaks::Off => Talk::Plain,
            Speaks::On => {
                let mut telnet = TelnetServer::default();
                unheard.extend(telnet.offer());
                Talk::Telnet(Box::new(telnet))
            }
        };
        Self {
            hub,
            id,
            wants,
            talk,
            unheard,
            reader: None,
            waiting: None,
            suspended: false,
            finished: false,
            discarded: 0,
            commands: None,
            refused: Refused::default(),
        }
    }

    /// The same, for somebody who may write these lines only, and so changes nothing of how the
    /// line is set: what is written would be read as something else.
    ///
    /// # Errors
    /// When the line has too few bits for that.
    pub(crate) fn limited_to(mut self, lines: Option<&Lines>) -> Result<Self, DialError> {
        if lines.is_some() && !self.hub.carries_ascii() {
            return Err(DialError::Narrow);
        }
        self.commands = lines.cloned().map(Commands::new);
        Ok(self)
    }

    /// What is to be recorded of the flow, beside its bytes.
    pub(crate) fn remark(&self) -> Option<String> {
        let Refused { count, last } = &self.refused;
        let last = String::from_utf8_lossy(last);
        (*count > 0).then(|| format!("lines refused: {count}, the last: {last}"))
    }

    /// Gives the place up at once, and not properly.
    pub(crate) fn reset(&mut self) {
        self.hub.leave(self.id, false);
    }

    /// How many bytes the client wrote and the line did not get, because it may not write.
    #[cfg(test)]
    pub(super) fn discarded(&self) -> u64 {
        self.discarded
    }

    fn take(&mut self, bytes: &[u8]) {
        match &mut self.talk {
            Talk::Plain => self.send(bytes.to_vec()),
            Talk::Telnet(telnet) => {
                let heard = telnet.receive(bytes);
                self.heard(heard);
            }
            Talk::Undecided { one } => {
                let first = one.then_some(&IAC).into_iter();
                let whole: Vec<u8> = first.chain(bytes).copied().collect();
                match whole.as_slice() {
                    [IAC] => *one = true,
                    [IAC, second, ..] if is_command(*second) => {
                        let mut telnet = Box::<TelnetServer>::default();
                        let heard = telnet.receive(&whole);
                        self.talk = Talk::Telnet(telnet);
                        self.heard(heard);
                    }
                    _ => {
                        self.talk = Talk::Plain;
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
                ServerEvent::Reply(bytes) => self.unheard.extend(bytes),
                ServerEvent::Suspend(on) => self.suspended = on,
                ServerEvent::Mark => self.unheard.extend(TelnetServer::NO_MARK),
                ServerEvent::Request(LineRequest::Purge(purge)) => {
                    self.hub.purge(self.id, purge, self.wants.write);
                }
                ServerEvent::Request(request @ LineRequest::Modem(_)) => {
                    self.hub.inform(self.id, request);
                }
                ServerEvent::Request(request) if self.wants.control && self.commands.is_none() => {
                    self.hub.request(self.id, request);
                }
                ServerEvent::Request(request) => self.hub.inform(self.id, request),
            }
        }
        // It may have an answer to read now, or may go on reading.
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        if !self.wants.write {
            self.discarded += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        } else if let Some(commands) = &mut self.commands {
            let (hub, id, unheard, refused) =
                (&self.hub, self.id, &mut self.unheard, &mut self.refused);
            commands.read(&bytes, |line| match line {
                ConsoleLine::Forward(line) => hub.write_whole(id, line.to_vec()),
                ConsoleLine::Refuse(line) => {
                    refused.count += 1;
                    refused.last = line.to_vec();
                    unheard.extend(NOT_PERMITTED);
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
            tracing::debug!(bytes = self.discarded, "a flow wrote to a line, and may not");
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
        // What there is may come to no byte for this client; to read nothing would be an end.
        while this.unheard.is_empty() {
            this.reader = Some(cx.waker().clone());
            let (talk, unheard) = (&mut this.talk, &mut this.unheard);
            let wanted = !this.suspended;
            ready!(this.hub.poll_take(cx, this.id, wanted, |answers, data| match talk {
                Talk::Telnet(_) => {
                    for answer in answers.drain(..) {
                        unheard.extend(TelnetServer::answer(answer));
                    }
                    if wanted {
                        let data = data.drain(..data.len().min(CHUNK));
                        data.for_each(|byte| escape(byte, unheard));
                    }
                }
                Talk::Plain | Talk::Undecided { .. } => {
                    answers.clear();
                    unheard.extend(data.drain(..data.len().min(CHUNK)));
                }
            }))?;
        }
        let (now, _) = this.unheard.as_slices();
        let amount = now.len().min(buffer.remaining());
        buffer.put_slice(now.get(..amount).unwrap_or_default());
        this.unheard.drain(..amount);
        if this.unheard.len() < UNHEARD
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
        if room == 0 || this.unheard.len() >= UNHEARD {
            this.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = if this.commands.is_some() { LINES } else { CHUNK };
        let taken = bytes.get(..bytes.len().min(room).min(most)).unwrap_or_default();
        this.take(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Talk::Undecided { one: true } = this.talk {
            // It was no command then.
            this.talk = Talk::Plain;
            this.send(vec![IAC]);
        }
        this.finished = true;
        this.hub.finish(this.id);
        Poll::Ready(Ok(()))
    }
}
