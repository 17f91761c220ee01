//! The messages between a keeper and its parent.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::AsyncWriteExt as _;

/// The longest order in bytes, which is more than a target's program and arguments can need.
const LONGEST: usize = 1024 * 1024;

/// The order to start a program: what to start, and the program's ends of its two pipes.
#[derive(Debug)]
pub(crate) struct KeeperOrder {
    pub(crate) program: PathBuf,
    pub(crate) name: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
}

impl KeeperOrder {
    /// Sends the order to the keeper.
    pub(crate) async fn send(self, control: &mut tokio::net::UnixStream) -> io::Result<()> {
        let Self { program, name, arguments, input, output } = self;
        let mut body = Vec::new();
        let texts = [program.into_os_string(), name.into_os_string()].into_iter().chain(arguments);
        for text in texts {
            let bytes = text.as_bytes();
            body.extend_from_slice(&length(bytes.len())?.to_be_bytes());
            body.extend_from_slice(bytes);
        }
        let head = length(body.len())?.to_be_bytes();
        let ends = [input.as_fd(), output.as_fd()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !rights.push(SendAncillaryMessage::ScmRights(&ends)) {
            return Err(io::Error::other("no room for two descriptors"));
        }
        // These are the socket's first bytes, so all four and the descriptors fit.
        let sent = sendmsg(&*control, &[IoSlice::new(&head)], &mut rights, SendFlags::NOSIGNAL)?;
        if sent != head.len() {
            return Err(io::Error::other("the keeper does not accept its order"));
        }
        control.write_all(&body).await
    }

    /// Waits for an order and returns it.
    pub(crate) fn receive(mut control: &UnixStream) -> io::Result<Self> {
        let wrong = || io::Error::other("received something other than an order");
        let (mut head, mut space) = ([0; 4], [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))]);
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let got = recvmsg(
            control,
            &mut [IoSliceMut::new(&mut head)],
            &mut rights,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut ends: Vec<OwnedFd> = Vec::new();
        for message in rights.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                ends.extend(descriptors);
            }
        }
        let mut ends = ends.into_iter();
        let (Some(input), Some(output), 4) = (ends.next(), ends.next(), got.bytes) else {
            return Err(wrong());
        };
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(wrong());
        }
        let mut body = vec![0; length];
        control.read_exact(&mut body)?;
        let mut texts = texts(&body).ok_or_else(wrong)?.into_iter();
        let (Some(program), Some(name)) = (texts.next(), texts.next()) else {
            return Err(wrong());
        };
        let (program, name, arguments) = (program.into(), name.into(), texts.collect());
        Ok(Self { program, name, arguments, input, output })
    }
}

fn length(bytes: usize) -> io::Result<u32> {
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= LONGEST);
    length.ok_or_else(|| io::ErrorKind::ArgumentListTooLong.into())
}

fn texts(mut body: &[u8]) -> Option<Vec<OsString>> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let (head, rest) = body.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*head) as usize)?;
        found.push(OsString::from_vec(text.to_vec()));
        body = rest;
    }
    Some(found)
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgramStatus {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// The length of a keeper's report, in bytes.
pub(crate) const REPORT_LEN: usize = 5;

/// A report of a keeper to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeeperReport {
    /// The program runs.
    Started,
    /// The system did not start the program, for this reason (`errno`).
    NotStarted(i32),
    /// The program has ended. Its descendants may still run.
    Ended(ProgramStatus),
    /// The program and its descendants were ended, except this many.
    Left(u32),
}

impl KeeperReport {
    /// Encodes the report.
    pub(crate) fn bytes(self) -> [u8; REPORT_LEN] {
        let (kind, number) = match self {
            Self::Started => (b'r', [0; 4]),
            Self::NotStarted(errno) => (b'n', errno.to_be_bytes()),
            Self::Ended(ProgramStatus::Code(code)) => (b'c', code.to_be_bytes()),
            Self::Ended(ProgramStatus::Signal(signal)) => (b's', signal.to_be_bytes()),
            Self::Left(count) => (b'l', count.to_be_bytes()),
        };
        let [a, b, c, d] = number;
        [kind, a, b, c, d]
    }

    /// Decodes a report.
    pub(crate) fn read([kind, number @ ..]: [u8; REPORT_LEN]) -> Option<Self> {
        Some(match kind {
            b'r' => Self::Started,
            b'n' => Self::NotStarted(i32::from_be_bytes(number)),
            b'c' => Self::Ended(ProgramStatus::Code(i32::from_be_bytes(number))),
            b's' => Self::Ended(ProgramStatus::Signal(i32::from_be_bytes(number))),
            b'l' => Self::Left(u32::from_be_bytes(number)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_told_is_read_back() {
        for report in [
            KeeperReport::Started,
            KeeperReport::NotStarted(2),
            KeeperReport::Ended(ProgramStatus::Code(0)),
            KeeperReport::Ended(ProgramStatus::Code(-1)),
            KeeperReport::Ended(ProgramStatus::Signal(9)),
            KeeperReport::Left(0),
            KeeperReport::Left(u32::MAX),
        ] {
            assert_eq!(KeeperReport::read(report.bytes()), Some(report));
        }
        assert_eq!(KeeperReport::read(*b"zzzzz"), None);
    }

    #[tokio::test]
    async fn an_order_arrives_with_its_ends_of_the_pipes() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
        let (input, mut fed) = io::pipe().unwrap();
        let (mut output_end, output) = io::pipe().unwrap();
        let order = KeeperOrder {
            program: "/bin/sh".into(),
            name: "sh".into(),
            arguments: vec!["-c".into(), OsString::from_vec(b"\xff \0".to_vec()), "".into()],
            input: input.into(),
            output: output.into(),
        };
        order.send(&mut ours).await.unwrap();
        let found = KeeperOrder::receive(&theirs).unwrap();
        assert_eq!((found.program, found.name), ("/bin/sh".into(), "sh".into()));
        assert_eq!(
            found.arguments,
            ["-c".into(), OsString::from_vec(b"\xff \0".to_vec()), "".into()]
        );
        fed.write_all(b"in").unwrap();
        drop(fed);
        let (mut input, mut output) =
            (std::fs::File::from(found.input), std::fs::File::from(found.output));
        let mut all = String::new();
        input.read_to_string(&mut all).unwrap();
        output.write_all(b"out").unwrap();
        drop(output);
        output_end.read_to_string(&mut all).unwrap();
        assert_eq!(all, "inout");
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for bytes in [&b""[..], b"\0\0\0\0", b"\0\0", b"GET / HTTP/1.1\r\n", b"\xff\xff\xff\xff"] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(bytes).unwrap();
            drop(ours);
            assert!(KeeperOrder::receive(&theirs).is_err(), "{bytes:?}");
        }
        assert_eq!(texts(b"\0\0\0\x02ab\0\0\0\0").unwrap(), ["ab", ""]);
        for torn in [&b"\0\0\0"[..], b"\0\0\0\x02a", b"\xff\xff\xff\xff"] {
            assert_eq!(texts(torn), None);
        }
    }
}
