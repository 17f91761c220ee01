use std::collections::VecDeque;

use super::exception::Exception;
use super::pdu::{LONGEST, rights};
use super::right::Rights;

/// The length of what stands before a PDU: transaction, protocol, length and unit (Modbus
/// Messaging on TCP/IP 1.0b, section 3.1.3).
const HEAD: usize = 7;
/// The longest frame, in bytes: what a reader needs room for.
pub const FRAME: usize = HEAD + LONGEST;
/// How many requests may wait for their answers. Of more, the oldest is given up.
const WAITING: usize = 64;

/// What the first bytes of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<T> {
    /// No whole frame yet.
    More,
    /// A frame of so many bytes, and what it is.
    Frame(usize, T),
}

/// Why a stream cannot be read on: it is over then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The protocol's number is not 0.
    #[error("the protocol is number {0}; Modbus is 0")]
    Protocol(u16),
    /// A frame has a unit and a function at least, and 254 bytes after its head at most.
    #[error("a frame of {0} bytes cannot be")]
    Length(u16),
}

/// A request of the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    transaction: u16,
    unit: u8,
    function: u8,
    /// What it needs, or with what it is answered without asking anybody.
    pub needs: Result<Rights, Exception>,
}

/// What becomes of an answer of the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answers a request that was forwarded.
    Forward,
    /// Nobody waits for it.
    Drop,
}

/// One Modbus/TCP connection through the gateway.
///
/// What comes from the client is read by [`Tcp::request`], frame by frame; each is either
/// forwarded as it is ([`Tcp::forwarded`]) or refused ([`Request::refusal`]). What comes from the
/// device is read by [`Tcp::answer`].
#[derive(Debug, Default)]
pub struct Tcp {
    /// Requests that were forwarded and not answered, the oldest first.
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    transaction: u16,
    unit: u8,
    function: u8,
}

struct Head<'b> {
    length: usize,
    transaction: u16,
    unit: u8,
    pdu: &'b [u8],
}

/// The first frame of a stream.
fn head(bytes: &[u8]) -> Result<Option<Head<'_>>, Fault> {
    let &[a, b, c, d, e, f, ..] = bytes else { return Ok(None) };
    let protocol = u16::from_be_bytes([c, d]);
    if protocol != 0 {
        return Err(Fault::Protocol(protocol));
    }
    let said = u16::from_be_bytes([e, f]);
    if !(2..=1 + LONGEST).contains(&usize::from(said)) {
        return Err(Fault::Length(said));
    }
    let length = HEAD - 1 + usize::from(said);
    let Some(frame) = bytes.get(..length) else { return Ok(None) };
    let Some((head, pdu)) = frame.split_at_checked(HEAD) else { return Ok(None) };
    let unit = head.last().copied().unwrap_or_default();
    Ok(Some(Head { length, transaction: u16::from_be_bytes([a, b]), unit, pdu }))
}

impl Tcp {
    /// The first request in `bytes`, which begin where one does.
    ///
    /// # Errors
    /// When no frame can begin so.
    pub fn request(bytes: &[u8]) -> Result<Read<Request>, Fault> {
        let Some(Head { length, transaction, unit, pdu }) = head(bytes)? else {
            return Ok(Read::More);
        };
        let function = pdu.first().copied().unwrap_or_default();
        let needs = rights(unit, pdu);
        Ok(Read::Frame(length, Request { transaction, unit, function, needs }))
    }

    /// A request has been forwarded: its answer is waited for. (A broadcast has none on a line, but
    /// over TCP unit 0 is often the device itself.)
    pub fn forwarded(&mut self, request: &Request) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        let Request { transaction, unit, function, .. } = *request;
        self.waiting.push_back(Waiting { transaction, unit, function });
    }

    /// What becomes of the first answer in `bytes`, which begin where one does.
    ///
    /// # Errors
    /// When no frame can begin so.
    pub fn answer(&mut self, bytes: &[u8]) -> Result<Read<Answer>, Fault> {
        let Some(Head { length, transaction, unit, pdu }) = head(bytes)? else {
            return Ok(Read::More);
        };
        let function = pdu.first().copied().unwrap_or_default() & 0x7f;
        let answered = Waiting { transaction, unit, function };
        let found = self.waiting.iter().position(|waiting| *waiting == answered);
        let answer = match found.and_then(|at| self.waiting.remove(at)) {
            Some(_) => Answer::Forward,
            None => Answer::Drop,
        };
        Ok(Read::Frame(length, answer))
    }
}

impl Request {
    /// The answer that refuses it.
    #[must_use]
    pub fn refusal(&self, exception: Exception) -> [u8; HEAD + 2] {
        let [a, b] = self.transaction.to_be_bytes();
        [a, b, 0, 0, 0, 3, self.unit, self.function | 0x80, exception.code()]
    }

    /// The exception with which it is answered if it is not permitted: for a function that is
    /// granted by its number it is that function that is not served, else the addresses.
    #[must_use]
    pub fn forbidden(&self) -> Exception {
        match &self.needs {
            Ok(rights)
                if rights.iter().all(|right| right.table != doorward_model::Table::Function) =>
            {
                Exception::Address
            }
            Ok(_) => Exception::Function,
            Err(exception) => *exception,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
        let length = u16::try_from(pdu.len() + 1).unwrap();
        [&transaction.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat()
    }

    #[test]
    fn an_answer_is_forwarded_once_and_only_to_what_was_forwarded() {
        let ask = frame(7, 1, &[3, 0, 0, 0, 1]);
        let Read::Frame(length, request) = Tcp::request(&ask).unwrap() else { panic!() };
        assert_eq!(length, ask.len());
        let mut tcp = Tcp::default();
        let answer = frame(7, 1, &[3, 2, 0, 1]);
        let whole = answer.len();
        assert_eq!(tcp.answer(&answer), Ok(Read::Frame(whole, Answer::Drop)));
        tcp.forwarded(&request);
        for other in
            [frame(8, 1, &[3, 2, 0, 1]), frame(7, 2, &[3, 2, 0, 1]), frame(7, 1, &[4, 2, 0, 1])]
        {
            assert_eq!(tcp.answer(&other), Ok(Read::Frame(whole, Answer::Drop)));
        }
        assert_eq!(tcp.answer(&answer), Ok(Read::Frame(whole, Answer::Forward)));
        assert_eq!(tcp.answer(&answer), Ok(Read::Frame(whole, Answer::Drop)));
        // An exception answers, too.
        tcp.forwarded(&request);
        let exception = frame(7, 1, &[0x83, 2]);
        let whole = exception.len();
        assert_eq!(tcp.answer(&exception), Ok(Read::Frame(whole, Answer::Forward)));
        // Requests that are never answered do not pile up.
        for _ in 0..1000 {
            tcp.forwarded(&request);
        }
        assert_eq!(tcp.waiting.len(), WAITING);
    }

    #[test]
    fn what_is_refused_is_answered_by_its_own_transaction() {
        let Read::Frame(_, request) = Tcp::request(&frame(0x1234, 5, &[6, 0, 9, 0, 1])).unwrap()
        else {
            panic!()
        };
        assert_eq!(request.forbidden(), Exception::Address);
        let refusal = request.refusal(request.forbidden());
        assert_eq!(refusal, [0x12, 0x34, 0, 0, 0, 3, 5, 0x86, 2]);
        let Read::Frame(_, request) = Tcp::request(&frame(1, 5, &[17])).unwrap() else { panic!() };
        assert_eq!(request.forbidden(), Exception::Function);
    }

    #[test]
    fn a_frame_that_cannot_be_ends_the_stream() {
        for (bytes, fault) in [
            (&[0, 1, 0, 1, 0, 6][..], Fault::Protocol(1)),
            (&[0, 1, 1, 0, 0, 6, 1], Fault::Protocol(256)),
            (&[0, 1, 0, 0, 0, 0], Fault::Length(0)),
            (&[0, 1, 0, 0, 0, 1, 1], Fault::Length(1)),
            (&[0, 1, 0, 0, 0, 255], Fault::Length(255)),
            (&[0, 1, 0, 0, 255, 255], Fault::Length(65535)),
        ] {
            assert_eq!(Tcp::request(bytes), Err(fault), "{bytes:?}");
            assert_eq!(Tcp::default().answer(bytes), Err(fault), "{bytes:?}");
        }
        assert_eq!(Tcp::request(&[0, 1, 0, 0, 0, 254, 1]), Ok(Read::More));
        assert_eq!(Tcp::request(&[]), Ok(Read::More));
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_how_bytes_are_split(
            pdus in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..LONGEST), 1..8),
            cuts in prop::collection::vec(1usize..40, 1..40),
        ) {
            let frames = pdus.iter().zip(0..).map(|(pdu, n)| frame(n, 1, pdu));
            let stream = frames.collect::<Vec<_>>().concat();
            let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
                let (mut held, mut found) = (Vec::new(), Vec::new());
                for piece in pieces {
                    held.extend_from_slice(piece);
                    while let Read::Frame(length, request) = Tcp::request(&held).unwrap() {
                        found.push((held.drain(..length).collect::<Vec<u8>>(), request));
                    }
                    assert!(held.len() < FRAME);
                }
                (found, held)
            };
            let (whole, rest) = read(&mut std::iter::once(&stream[..]));
            prop_assert!(rest.is_empty());
            prop_assert_eq!(whole.len(), pdus.len());
            let (mut left, mut cuts) = (&stream[..], cuts.iter().cycle());
            let mut pieces = std::iter::from_fn(|| {
                let at = (*cuts.next()?).min(left.len());
                let (piece, rest) = left.split_at(at);
                left = rest;
                (!piece.is_empty()).then_some(piece)
            });
            prop_assert_eq!((whole, rest), read(&mut pieces));
        }
    }
}
