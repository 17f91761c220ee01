//! Bodies of requests and of responses.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::Response;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::Instant;

use doorward_policies::Party;

use super::payload::{Payload, full};
use crate::limits::LARGEST_BODY;
use crate::pot::{Places, Rank};
use crate::pots::Pots;
use crate::visit::Visit;

/// The body of a request, of which nothing has been read yet.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    reservation: Reservation,
}

/// The memory that is reserved for a request while it is read: for its head, and for the part of
/// its body that has arrived.
#[derive(Debug)]
pub(super) struct Reservation {
    pots: Pots,
    party: Party,
    head: HeadReservation,
}

/// The reservation for the head of a request, until the request has been answered.
pub(super) type HeadReservation = Arc<Places<Party>>;

impl Reservation {
    /// Reserves memory for a head of `bytes` bytes; `None` if the visitor's share is used up.
    pub(super) fn for_head(pots: &Pots, visit: &Visit, bytes: u64) -> Option<Self> {
        let party = visit.party();
        let head = visit.take(|rank| pots.bodies().take(&party, bytes, rank))?;
        Some(Self::of(pots, party, head))
    }

    fn of(pots: &Pots, party: Party, head: Places<Party>) -> Self {
        Self { pots: pots.clone(), party, head: Arc::new(head) }
    }

    /// Returns the head's reservation, for the task that sends the answer.
    pub(super) fn head(&self) -> HeadReservation {
        Arc::clone(&self.head)
    }
}

/// A body that was read, with its reservation.
#[derive(Debug)]
pub struct Whole {
    bytes: Bytes,
    _head: HeadReservation,
    _reservation: Option<Places<Party>>,
}

impl Whole {
    /// Returns the body's bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

#[derive(Debug)]
enum Kind {
    Http1(Incoming),
    Http2(Http2Body),
}

/// The longest answer that needs no reservation of its own, in bytes.
const SMALL: u64 = 1024;
/// How long a body may take to arrive, ...
const TIME: Duration = Duration::from_secs(10);
/// ... plus one second for each of these many bytes that have arrived.
const PACE: usize = 128 * 1024;
/// How many bytes of an unwanted body are still read, and for how long.
const DRAINED: usize = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// An HTTP/2 body. A drop returns the unread stream to the task that answers the request: there are
/// clients that lose an answer, or wait for ever, if it comes before they have sent their body.
#[derive(Debug)]
struct Http2Body {
    stream: Option<RecvStream>,
    back: Option<oneshot::Sender<RecvStream>>,
}

impl Drop for Http2Body {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            // If that task is gone, nobody needs the stream.
            drop(back.send(stream));
        }
    }
}

/// Receives the unread part of a body.
pub(super) struct UnreadBody(oneshot::Receiver<RecvStream>);

impl UnreadBody {
    /// Reads and discards what is still coming, within bounds.
    pub(super) async fn drain(&mut self) {
        let Ok(mut stream) = self.0.try_recv() else { return };
        let all = async {
            let mut taken = 0;
            while let Some(Ok(chunk)) = stream.data().await {
                taken += chunk.len();
                let released = stream.flow_control().release_capacity(chunk.len());
                if taken > DRAINED || released.is_err() {
                    return;
                }
            }
        };
        // A timeout ends the draining like too many bytes do.
        drop(tokio::time::timeout(DRAIN_TIME, all).await);
    }
}

/// Why a body could not be read. The peer's fault, or for want of memory.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The body is longer than the limit.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// The connection broke off.
    #[error("the body broke off")]
    Broken,
    /// The body did not arrive in time.
    #[error("the body arrived too slowly")]
    Late,
    /// The memory for bodies is used up, by this peer or by others.
    #[error("too many requests are being read at once; try again in a moment")]
    NoRoom,
}

impl Body {
    pub(super) fn http1(body: Incoming, reservation: Reservation) -> Self {
        Self { kind: Kind::Http1(body), reservation }
    }

    pub(super) fn http2(stream: RecvStream, reservation: Reservation) -> (Self, UnreadBody) {
        let (back, unread) = oneshot::channel();
        let body = Http2Body { stream: Some(stream), back: Some(back) };
        (Self { kind: Kind::Http2(body), reservation }, UnreadBody(unread))
    }

    /// Reads the whole body, up to `limit` bytes, with a reservation of that rank. The body may
    /// take ten seconds, and one more for each 128 KiB. A body with a limit above [`LARGEST_BODY`]
    /// is reserved in the pot for uploads.
    ///
    /// # Errors
    /// When the body is too long, breaks off, arrives too slowly, or there is no memory for it.
    pub async fn read(mut self, limit: usize, rank: Rank) -> Result<Whole, BodyError> {
        let begun = Instant::now();
        let pot = match limit as u64 > LARGEST_BODY {
            true => self.reservation.pots.uploads().clone(),
            false => self.reservation.pots.bodies().clone(),
        };
        let party = self.reservation.party.clone();
        let (mut read, mut reservation) = (BytesMut::new(), None::<Places<Party>>);
        loop {
            let until = begun + time_for(read.len());
            let frame = tokio::time::timeout_at(until, self.frame()).await;
            let Some(frame) = frame.map_err(|_| BodyError::Late)? else { break };
            let frame = frame.map_err(|_| BodyError::Broken)?;
            let Ok(chunk) = frame.into_data() else { continue };
            if read.len() + chunk.len() > limit {
                return Err(BodyError::TooLong(limit));
            }
            let more = chunk.len() as u64;
            let has_room = match &mut reservation {
                Some(reservation) => reservation.grow(more, rank),
                None => {
                    reservation = pot.take(&party, more, rank);
                    reservation.is_some()
                }
            };
            if !has_room {
                return Err(BodyError::NoRoom);
            }
            read.extend_from_slice(&chunk);
        }
        Ok(Whole {
            bytes: read.freeze(),
            _head: self.reservation.head(),
            _reservation: reservation,
        })
    }
}

/// Returns how long a body may take of which this many bytes have arrived.
fn time_for(bytes: usize) -> Duration {
    TIME.saturating_add(Duration::from_secs((bytes / PACE) as u64))
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.kind {
            Kind::Http1(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
            }
            Kind::Http2(body) => {
                let Some(stream) = &mut body.stream else { return Poll::Ready(None) };
                let Some(chunk) = ready!(stream.poll_data(cx)) else { return Poll::Ready(None) };
                let chunk = chunk.map_err(io::Error::other)?;
                let taken = stream.flow_control().release_capacity(chunk.len());
                taken.map_err(io::Error::other)?;
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
        }
    }
}

/// The bytes of an answer, with their reservation until the last of them is sent.
struct ReservedBytes {
    bytes: Bytes,
    _reservation: Places<Party>,
}

impl AsRef<[u8]> for ReservedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reserves memory for an answer while it is sent; `None` if the party has used up its share
/// because it reads too slowly. Small answers and streamed answers need no reservation.
pub(super) async fn reserve_answer(
    pots: &Pots,
    visit: &Visit,
    response: Response<Payload>,
) -> Option<Response<Payload>> {
    let length = response.body().size_hint().exact().filter(|length| *length > SMALL);
    let Some(length) = length else { return Some(response) };
    let pot = if length > LARGEST_BODY { pots.uploads() } else { pots.bodies() };
    let party = visit.party();
    let reservation = visit.take(|rank| pot.take(&party, length, rank))?;
    let (head, body) = response.into_parts();
    // The body is complete in memory, so this neither waits nor fails.
    let bytes = body.collect().await.ok()?.to_bytes();
    let kept = Bytes::from_owner(ReservedBytes { bytes, _reservation: reservation });
    Some(Response::from_parts(head, full(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    /// Reads a body that arrives as `times` chunks of `size` bytes, each after a `pause`.
    async fn read(size: usize, pause: Duration, times: usize) -> Result<usize, BodyError> {
        let (here, there) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let (client, connection) = h2::client::handshake(here).await.unwrap();
            tokio::spawn(connection);
            let mut client = client.ready().await.unwrap();
            let request = http::Request::post("https://a/").body(()).unwrap();
            let (answer, mut body) = client.send_request(request, false).unwrap();
            for _ in 0..times {
                tokio::time::sleep(pause).await;
                body.send_data(Bytes::from(vec![7; size]), false).unwrap();
            }
            body.send_data(Bytes::new(), true).unwrap();
            drop(answer.await);
        });
        let mut server = h2::server::handshake(there).await.unwrap();
        let (request, _answer) = server.accept().await.unwrap().unwrap();
        tokio::spawn(async move { while server.accept().await.is_some() {} });
        let pots = Pots::new(Limits::default(), vec![]);
        let head = pots.bodies().take(&Party::Gateway, 1, Rank::Known).unwrap();
        let reservation = Reservation::of(&pots, Party::Gateway, head);
        let (body, _unread) = Body::http2(request.into_body(), reservation);
        body.read(1 << 30, Rank::Known).await.map(|whole| whole.bytes().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_take_as_long_as_it_goes_on() {
        let trickle = read(1, Duration::from_secs(2), 20).await;
        assert!(matches!(trickle, Err(BodyError::Late)), "{trickle:?}");
        let silence = read(1 << 20, Duration::from_secs(11), 1).await;
        assert!(matches!(silence, Err(BodyError::Late)), "{silence:?}");
        // This takes much longer than ten seconds in all, at a steady pace.
        assert_eq!(read(1 << 20, Duration::from_secs(8), 12).await.unwrap(), 12 << 20);
    }
}
