//! Moves the datagrams of a flow. Each datagram is permitted by itself.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use doorward_session::Cause;
use doorward_wire::{FlowDatagrams, LARGEST_DATAGRAM};
use tokio::io::ReadBuf;

use super::held::HeldLeases;
use super::relay_end::RelayEnd;
use crate::dial::Messages;

/// How many datagrams pass in each direction before the flow yields.
const TURNS: usize = 32;

/// Passes datagrams between the client and the backend, until one of them ends or the lease is
/// over. Each datagram passes only while the flow's question has the same answer.
pub(super) async fn pass(
    held: &HeldLeases,
    messages: &mut Messages,
    client: &mut FlowDatagrams,
) -> RelayEnd {
    let mut over = pin!(held.over());
    // One buffer for the whole flow, because a datagram cannot be read in parts.
    let mut bytes = vec![0; LARGEST_DATAGRAM];
    poll_fn(|cx| {
        if let Poll::Ready(cause) = over.as_mut().poll(cx) {
            return Poll::Ready(RelayEnd::Cut(cause));
        }
        let mut turns = 0;
        loop {
            let down = down(held, messages, client, &mut bytes, cx);
            // Last, because this also sends datagrams that are waiting.
            let up = up(held, messages, client, cx);
            match (down, up) {
                (Poll::Ready(Some(end)), _) | (_, Poll::Ready(Some(end))) => {
                    return Poll::Ready(end);
                }
                (Poll::Pending, Poll::Pending) => return Poll::Pending,
                _ => turns += 1,
            }
            if turns == TURNS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Returns the end of a flow whose leases no longer let a datagram pass.
fn cut(held: &HeldLeases) -> Poll<Option<RelayEnd>> {
    let cause = held.cause().unwrap_or(Cause::Stopping);
    Poll::Ready(Some(RelayEnd::Cut(cause)))
}

/// Passes one datagram from the backend. Returns `Ready(None)` when it has passed.
fn down(
    held: &HeldLeases,
    messages: &mut Messages,
    client: &mut FlowDatagrams,
    bytes: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<Option<RelayEnd>> {
    let mut into = ReadBuf::new(bytes);
    match messages.poll_receive(cx, &mut into) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Err(error)) => {
            tracing::trace!(%error, "a backend of datagrams broke off");
            Poll::Ready(Some(RelayEnd::Backend))
        }
        Poll::Ready(Ok(false)) => Poll::Ready(Some(RelayEnd::Complete)),
        Poll::Ready(Ok(true)) => {
            if !held.passes() {
                return cut(held);
            }
            client.send(into.filled());
            held.moved_down(into.filled().len());
            Poll::Ready(None)
        }
    }
}

/// Passes one datagram from the client. Returns `Ready(None)` when it has passed.
fn up(
    held: &HeldLeases,
    messages: &mut Messages,
    client: &mut FlowDatagrams,
    cx: &mut Context<'_>,
) -> Poll<Option<RelayEnd>> {
    match client.poll_receive(cx) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Err(_)) => Poll::Ready(Some(RelayEnd::Client)),
        Poll::Ready(Ok(None)) => Poll::Ready(Some(RelayEnd::Complete)),
        Poll::Ready(Ok(Some(datagram))) => {
            if !held.passes() {
                return cut(held);
            }
            messages.send(&datagram);
            held.moved_up(datagram.len());
            Poll::Ready(None)
        }
    }
}
