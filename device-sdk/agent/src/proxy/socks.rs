//! SOCKS 5 (RFC 1928) with username and password (RFC 1929), without I/O.

use super::token::ProxyToken;

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SocksCommand {
    /// A connection to this host.
    Connect(String),
    /// A relay for datagrams from this port of the client; 0 if the client named none.
    Associate(u16),
}

/// What the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SocksStep {
    /// Read more bytes.
    More,
    /// Send these bytes and take another step.
    Send(Vec<u8>),
    /// Perform this request. Bytes that follow belong to it.
    Do(SocksCommand),
    /// Send these bytes and end the connection.
    Refuse(Vec<u8>),
}

/// A reply code (RFC 1928 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocksReply {
    Granted = 0,
    Failure = 1,
    Forbidden = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    Refused = 5,
    NoSuchCommand = 7,
    NoSuchAddress = 8,
}

impl SocksReply {
    /// Encodes the reply. `bound` is the address of the relay, if there is one.
    pub(super) fn encode(self, bound: Option<std::net::SocketAddr>) -> Vec<u8> {
        let mut bytes = vec![VERSION, self as u8, 0];
        match bound {
            Some(std::net::SocketAddr::V6(at)) => {
                bytes.push(IPV6);
                bytes.extend(at.ip().octets());
                bytes.extend(at.port().to_be_bytes());
            }
            Some(std::net::SocketAddr::V4(at)) => {
                bytes.push(IPV4);
                bytes.extend(at.ip().octets());
                bytes.extend(at.port().to_be_bytes());
            }
            None => bytes.extend([IPV4, 0, 0, 0, 0, 0, 0]),
        }
        bytes
    }
}

/// The first byte of every SOCKS 5 connection.
pub(super) const VERSION: u8 = 5;
pub(super) const IPV4: u8 = 1;
pub(super) const NAME: u8 = 3;
pub(super) const IPV6: u8 = 4;
const PLAIN: u8 = 0;
const PASSWORD: u8 = 2;
const NONE: u8 = 0xff;
/// The longest message: a username and a password.
const LONGEST: usize = 513;

/// The negotiation on one connection. The result does not depend on how the input is split.
#[derive(Debug)]
pub(super) struct Socks<'t> {
    /// The token that programs need. Without one, every program may use the proxy.
    token: Option<&'t ProxyToken>,
    state: State,
    waiting: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Password,
    Request,
    Over,
}

impl<'t> Socks<'t> {
    pub(super) fn new(token: Option<&'t ProxyToken>) -> Self {
        Self { token, state: State::Greeting, waiting: Vec::new() }
    }

    /// Adds received bytes. Returns how many it took: it keeps at most the longest message.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let room = LONGEST.saturating_sub(self.waiting.len()).min(bytes.len());
        self.waiting.extend_from_slice(bytes.get(..room).unwrap_or_default());
        room
    }

    /// Returns the bytes after the request.
    pub(super) fn rest(self) -> Vec<u8> {
        self.waiting
    }

    /// Parses the bytes so far and returns the next step.
    pub(super) fn step(&mut self) -> SocksStep {
        let stepped = match self.state {
            State::Greeting => self.greeting(),
            State::Password => self.password(),
            State::Request => self.request(),
            State::Over => None,
        };
        let step = stepped.unwrap_or(SocksStep::More);
        if matches!(step, SocksStep::Do(_) | SocksStep::Refuse(_)) {
            self.state = State::Over;
        }
        step
    }

    fn greeting(&mut self) -> Option<SocksStep> {
        if self.waiting.first().is_some_and(|version| *version != VERSION) {
            return Some(SocksStep::Refuse(vec![VERSION, NONE]));
        }
        let count = usize::from(*self.waiting.get(1)?);
        let methods = self.waiting.get(2..2 + count)?;
        let chosen = match self.token {
            None if methods.contains(&PLAIN) => PLAIN,
            // A client that insists on a password may send any.
            _ if methods.contains(&PASSWORD) => PASSWORD,
            _ => NONE,
        };
        self.waiting.drain(..2 + count);
        self.state = if chosen == PASSWORD { State::Password } else { State::Request };
        let said = vec![VERSION, chosen];
        Some(if chosen == NONE { SocksStep::Refuse(said) } else { SocksStep::Send(said) })
    }

    fn password(&mut self) -> Option<SocksStep> {
        if self.waiting.first().is_some_and(|version| *version != 1) {
            return Some(SocksStep::Refuse(vec![1, 1]));
        }
        let user_length = usize::from(*self.waiting.get(1)?);
        let user = self.waiting.get(2..2 + user_length)?;
        let length = usize::from(*self.waiting.get(2 + user_length)?);
        let end = 3 + user_length + length;
        let password = self.waiting.get(3 + user_length..end)?;
        // Both are compared, so that the time does not tell which one matched.
        let good = self.token.is_none_or(|token| token.is(password) | token.is(user));
        self.waiting.drain(..end);
        self.state = State::Request;
        Some(if good { SocksStep::Send(vec![1, 0]) } else { SocksStep::Refuse(vec![1, 1]) })
    }

    fn request(&mut self) -> Option<SocksStep> {
        let refused = |reply: SocksReply| Some(SocksStep::Refuse(reply.encode(None)));
        if self.waiting.first().is_some_and(|version| *version != VERSION) {
            return refused(SocksReply::Failure);
        }
        let command = *self.waiting.get(1)?;
        let length = match *self.waiting.get(3)? {
            IPV4 => 4,
            IPV6 => 16,
            NAME => 1 + usize::from(*self.waiting.get(4)?),
            _ => return refused(SocksReply::NoSuchAddress),
        };
        let address = self.waiting.get(4..4 + length)?.to_vec();
        let port = *self.waiting.get(4 + length..)?.first_chunk::<2>()?;
        let named = self.waiting.get(3) == Some(&NAME);
        self.waiting.drain(..6 + length);
        match command {
            // Interfaces have names, not addresses.
            1 if !named => refused(SocksReply::Forbidden),
            1 => match String::from_utf8(address.get(1..).unwrap_or_default().to_vec()) {
                Ok(host) => Some(SocksStep::Do(SocksCommand::Connect(host))),
                Err(_) => refused(SocksReply::Forbidden),
            },
            3 => Some(SocksStep::Do(SocksCommand::Associate(u16::from_be_bytes(port)))),
            _ => refused(SocksReply::NoSuchCommand),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns all steps, and the bytes that are left.
    fn run(token: Option<&ProxyToken>, pieces: &[&[u8]]) -> (Vec<SocksStep>, Vec<u8>) {
        let (mut socks, mut steps, mut over) = (Socks::new(token), vec![], vec![]);
        for piece in pieces {
            let mut rest = *piece;
            loop {
                let taken = socks.push(rest);
                rest = &rest[taken..];
                let step = || Some(socks.step()).filter(|step| *step != SocksStep::More);
                steps.extend(std::iter::from_fn(step));
                if rest.is_empty() || taken == 0 {
                    break;
                }
            }
            over.extend_from_slice(rest);
        }
        let mut all = socks.rest();
        all.extend(over);
        (steps, all)
    }

    fn connect(host: &[u8]) -> Vec<u8> {
        let length = u8::try_from(host.len()).unwrap();
        [&[5, 1, 0, NAME, length], host, &[0, 22]].concat()
    }

    #[test]
    fn a_name_is_asked_for_with_the_token_as_user_or_password() {
        let token = ProxyToken::of("abc");
        for password in [&b"\x01\x01x\x03abc"[..], b"\x01\x03abc\x00", b"\x01\x00\x03abc"] {
            let all = [&[5, 2, 0, 2], password, &connect(b"ssh--plc"), b"SSH-2.0"].concat();
            let (steps, rest) = run(Some(&token), &[&all]);
            let wanted = SocksStep::Do(SocksCommand::Connect("ssh--plc".to_owned()));
            assert_eq!(steps, [SocksStep::Send(vec![5, 2]), SocksStep::Send(vec![1, 0]), wanted]);
            assert_eq!(rest, b"SSH-2.0");
        }
    }

    #[test]
    fn without_the_token_nobody_gets_as_far_as_a_request() {
        let token = ProxyToken::of("abc");
        for (bytes, last) in [
            (&[5, 1, 0][..], vec![5, 0xff]),
            (&[5, 0], vec![5, 0xff]),
            (&[4, 1], vec![5, 0xff]),
            (b"\x05\x01\x02\x01\x01x\x02ab", vec![1, 1]),
            (b"\x05\x01\x02\x01\x00\x00", vec![1, 1]),
            (b"\x05\x01\x02\x02", vec![1, 1]),
        ] {
            let all = [bytes, &connect(b"ssh--plc")].concat();
            let (steps, _) = run(Some(&token), &[&all]);
            assert_eq!(steps.last(), Some(&SocksStep::Refuse(last)), "{bytes:?}");
        }
        // With --open no token is required, and any is accepted.
        for bytes in [&b"\x05\x02\x00\x02"[..], b"\x05\x01\x02\x01\x01x\x01y"] {
            let all = [bytes, &connect(b"ssh--plc")].concat();
            assert!(matches!(run(None, &[&all]).0.last(), Some(SocksStep::Do(_))), "{bytes:?}");
        }
    }

    #[test]
    fn addresses_and_other_commands_are_refused() {
        for (request, reply) in [
            (&[5, 1, 0, IPV4, 127, 0, 0, 1, 0, 80][..], SocksReply::Forbidden),
            (&[5, 1, 0, 9], SocksReply::NoSuchAddress),
            (&[5, 2, 0, NAME, 1, b'a', 0, 80], SocksReply::NoSuchCommand),
            (&[5, 1, 0, NAME, 1, 0xff, 0, 80], SocksReply::Forbidden),
            (&[4], SocksReply::Failure),
        ] {
            let (steps, _) = run(None, &[&[5, 1, 0], request]);
            assert_eq!(steps.last(), Some(&SocksStep::Refuse(reply.encode(None))), "{request:?}");
        }
        let (steps, _) = run(None, &[&[5, 1, 0, 5, 3, 0, IPV4, 0, 0, 0, 0, 0x12, 0x34]]);
        assert_eq!(steps.last(), Some(&SocksStep::Do(SocksCommand::Associate(0x1234))));
    }

    proptest! {
        #[test]
        fn it_never_panics_and_cuts_change_nothing(
            begin in prop_oneof![
                Just(vec![]),
                Just(vec![5, 1, 0]),
                Just(b"\x05\x01\x02\x01\x01x\x03abc".to_vec()),
            ],
            middle in prop_oneof![
                Just(connect(b"ssh--plc")),
                Just(vec![5, 3, 0, IPV6]),
                Just(vec![]),
            ],
            bytes in prop::collection::vec(any::<u8>(), 0..700),
            cuts in prop::collection::vec(1usize..40, 0..60),
            open in any::<bool>(),
        ) {
            let token = ProxyToken::of("abc");
            let token = (!open).then_some(&token);
            let all = [begin, middle, bytes].concat();
            let (mut pieces, mut rest) = (vec![], all.as_slice());
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(run(token, &pieces), run(token, &[&all]));
        }
    }
}
