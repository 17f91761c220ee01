//! A stream that lets others have their turn.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::through::writes_through;

/// How many bytes are read in one turn.
const TURN: usize = 32 * 1024;

/// A connection on which a library reads frames of a protocol. A peer can fill it with very small
/// ones, each of which takes the library some work; and as long as there are more, it reads on. After
/// 32 KiB this one says that there is nothing yet, and wakes its reader behind everybody else.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    read: usize,
}

impl<S> Paced<S> {
    /// The same stream, read in turns.
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

    /// Bytes without end, which are always there.
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
        // As a library would: as long as there is something.
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
