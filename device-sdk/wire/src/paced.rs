//! A stream that yields to the runtime after a bounded number of bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::through::writes_through;

/// How many bytes one turn may read.
const TURN: usize = 32 * 1024;

/// A connection that limits how long a library may read frames before it yields to the runtime.
///
/// A library such as h2 or yamux reads on while there are frames, and a peer can send many tiny
/// frames that each cost work. After 32 KiB this stream reports `Pending` once and schedules its
/// reader again, so that other tasks run first.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    read: usize,
}

impl<S> Paced<S> {
    /// Wraps a stream.
    pub fn new(stream: S) -> Self {
        Self { stream, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= TURN {
            self.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, into);
        if polled.is_pending() {
            self.read = 0;
        }
        ready!(polled)?;
        self.read += into.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

writes_through!(Paced, stream);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// A stream that always has more bytes.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            into.initialize_unfilled();
            into.set_filled(into.capacity());
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn whoever_reads_what_never_ends_lets_others_have_their_turn() {
        let mut paced = Paced::new(Endless);
        let mut turns = 0;
        // Reads on while there are bytes, as a library would.
        poll_fn(|cx| {
            turns += 1;
            let (mut chunk, mut read) = ([0; 1000], 0);
            loop {
                let mut into = ReadBuf::new(&mut chunk);
                match Pin::new(&mut paced).poll_read(cx, &mut into) {
                    Poll::Ready(done) => done.unwrap(),
                    Poll::Pending => break,
                }
                read += into.filled().len();
                assert!(read < TURN + 1000);
            }
            if turns < 10 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    #[tokio::test]
    async fn everything_arrives() {
        let (mut near, far) = tokio::io::duplex(10_000);
        let sent: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut near, &sent).await.unwrap();
        });
        let mut read = Vec::new();
        Paced::new(far).read_to_end(&mut read).await.unwrap();
        writer.await.unwrap();
        assert_eq!(read, expected);
    }
}
