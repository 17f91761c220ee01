//! Moves the bytes of flows. No other file does.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use doorward_session::{Cause, CutNotice, Wire};
use doorward_wire::{FlowDatagrams, Why};
use tokio::io::{AsyncBufRead, AsyncWrite};

use super::datagrams::pass;
use super::dial::{Dialed, DialedBackend};
use super::held::HeldLeases;
use super::record::Ended;
use super::relay_end::RelayEnd;
use crate::dial::BackendConnection;

/// How often one direction may move bytes before the other direction and the lease are polled.
const TURNS: usize = 32;

/// The client's end of an open flow.
pub enum ClientEnd {
    /// A stream.
    Stream(Box<dyn Wire>),
    /// Datagrams.
    Datagrams(Box<FlowDatagrams>, CutNotice),
}

impl ClientEnd {
    /// Ends a flow of which no byte is served.
    pub(super) fn refuse(self, why: Why) {
        match self {
            Self::Stream(wire) => wire.cut(why),
            Self::Datagrams(client, _) => client.close(why),
        }
    }
}

impl From<Box<dyn Wire>> for ClientEnd {
    fn from(wire: Box<dyn Wire>) -> Self {
        Self::Stream(wire)
    }
}

/// Moves bytes between the client and the backend until both have ended, one of them breaks off, or
/// a lease is over.
///
/// The end of one direction of a stream is passed on, and the other direction goes on. Anything
/// else ends both directions improperly, so that the client and the backend see an error.
pub async fn relay(dialed: Dialed, client: impl Into<ClientEnd>) -> Ended {
    let Dialed { backend, address, lease, ending, .. } = dialed;
    let mut detail = None;
    let end = match (client.into(), backend) {
        (ClientEnd::Stream(wire), DialedBackend::Stream(backend)) => {
            let (end, remark) = stream(&lease, wire, backend).await;
            detail = remark;
            end
        }
        (ClientEnd::Datagrams(mut client, parting), DialedBackend::Datagrams(mut messages)) => {
            let end = pass(&lease, &mut messages, &mut client).await;
            if let Some(why) = end.why() {
                parting.cut(why);
            }
            client.close(end.why().unwrap_or(Why::Ended));
            messages.close();
            end
        }
        // The client was told another kind of flow than was dialed. Ours.
        (ClientEnd::Stream(wire), backend @ DialedBackend::Datagrams(_)) => {
            wire.cut(Why::Wrong);
            backend.reset();
            RelayEnd::Mismatch
        }
        (ClientEnd::Datagrams(client, _), backend @ DialedBackend::Stream(_)) => {
            client.close(Why::Wrong);
            backend.reset();
            RelayEnd::Mismatch
        }
    };
    let (outcome, reason) = end.outcome();
    Ended { lease, ending, outcome, reason, backend: Some(address), detail }
}

async fn stream(
    lease: &HeldLeases,
    mut wire: Box<dyn Wire>,
    mut backend: BackendConnection,
) -> (RelayEnd, Option<String>) {
    let end = both(lease.over(), Some(lease), &mut wire, &mut backend).await;
    let why = end.why();
    if let Some(why) = why {
        wire.cut(why);
    }
    // A client that has received everything often closes without ending its own side. What it was
    // still sending may be incomplete, so the backend must not take it for complete.
    let properly = why.is_none() && !matches!(end, RelayEnd::ClientLeft);
    let remark = backend.end(properly).await;
    (end, remark)
}

/// Moves bytes both ways until both directions have ended, one of them breaks off, or `over` is
/// ready. Counts the bytes on `lease`, if there is one.
pub(super) async fn both<C, B>(
    over: impl Future<Output = Cause>,
    lease: Option<&HeldLeases>,
    client: &mut C,
    backend: &mut B,
) -> RelayEnd
where
    C: AsyncBufRead + AsyncWrite + Unpin,
    B: AsyncBufRead + AsyncWrite + Unpin,
{
    let mut over = pin!(over);
    let (mut up, mut down) = (Direction::new(), Direction::new());
    poll_fn(|cx| {
        if let Poll::Ready(cause) = over.as_mut().poll(cx) {
            return Poll::Ready(RelayEnd::Cut(cause));
        }
        let moved_up = |bytes| lease.iter().for_each(|lease| lease.moved_up(bytes));
        let moved_down = |bytes| lease.iter().for_each(|lease| lease.moved_down(bytes));
        up.poll(cx, Pin::new(&mut *client), Pin::new(&mut *backend), moved_up);
        down.poll(cx, Pin::new(&mut *backend), Pin::new(&mut *client), moved_down);
        end_of(&up, &down).map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

fn end_of(up: &Direction, down: &Direction) -> Option<RelayEnd> {
    use Direction as D;
    match (up, down) {
        (D::Ended, D::Ended) => Some(RelayEnd::Complete),
        (D::SourceBroke, D::Ended) => Some(RelayEnd::ClientLeft),
        (D::SourceBroke, _) | (_, D::SinkBroke) => Some(RelayEnd::Client),
        // A backend that accepts no more bytes may still be sending an answer. The answer is
        // delivered first.
        (D::SinkBroke, D::Ended | D::SourceBroke) | (_, D::SourceBroke) => Some(RelayEnd::Backend),
        (D::Moving { .. } | D::Ending, D::Moving { .. } | D::Ending | D::Ended)
        | (D::Ended | D::SinkBroke, D::Moving { .. } | D::Ending) => None,
    }
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// Bytes may still come. Some may have been written and not flushed.
    Moving { unflushed: bool },
    /// The source has ended; the sink must be shut down.
    Ending,
    /// The source has ended, and the sink was shut down.
    Ended,
    /// The source broke off.
    SourceBroke,
    /// The sink broke off.
    SinkBroke,
}

impl Direction {
    fn new() -> Self {
        Self::Moving { unflushed: false }
    }

    /// Moves the bytes that can be moved now. When it stops, a waker is set.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut source: Pin<&mut R>,
        mut sink: Pin<&mut W>,
        moved: impl Fn(usize),
    ) where
        R: AsyncBufRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        for _ in 0..TURNS {
            let next = match self {
                Self::Moving { unflushed } => {
                    Self::step(cx, source.as_mut(), sink.as_mut(), *unflushed, &moved)
                }
                Self::Ending => sink.as_mut().poll_shutdown(cx).map(|ended| match ended {
                    Ok(()) => Self::Ended,
                    Err(error) => broke(Self::SinkBroke, &error),
                }),
                Self::Ended | Self::SourceBroke | Self::SinkBroke => return,
            };
            match next {
                Poll::Ready(next) => *self = next,
                Poll::Pending => return,
            }
        }
        // More bytes may be ready. Come back after the others have had their turn.
        cx.waker().wake_by_ref();
    }

    fn step<R, W>(
        cx: &mut Context<'_>,
        mut source: Pin<&mut R>,
        mut sink: Pin<&mut W>,
        unflushed: bool,
        moved: &impl Fn(usize),
    ) -> Poll<Self>
    where
        R: AsyncBufRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        match source.as_mut().poll_fill_buf(cx) {
            Poll::Pending if unflushed => sink.poll_flush(cx).map(|flushed| match flushed {
                Ok(()) => Self::Moving { unflushed: false },
                Err(error) => broke(Self::SinkBroke, &error),
            }),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(broke(Self::SourceBroke, &error)),
            Poll::Ready(Ok([])) => Poll::Ready(Self::Ending),
            Poll::Ready(Ok(bytes)) => match ready!(sink.as_mut().poll_write(cx, bytes)) {
                Ok(0) => Poll::Ready(Self::SinkBroke),
                Ok(written) => {
                    source.consume(written);
                    moved(written);
                    Poll::Ready(Self::Moving { unflushed: true })
                }
                Err(error) => Poll::Ready(broke(Self::SinkBroke, &error)),
            },
        }
    }
}

fn broke(how: Direction, error: &io::Error) -> Direction {
    tracing::trace!(?how, %error, "a flow broke off");
    how
}
