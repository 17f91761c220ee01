//! Bodies of requests and of responses.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::Instant;

use doorward_policies::Party;

use super::problem::Problem;
use crate::limits::LARGEST_BODY;
use crate::ports::Visit;
use crate::pot::{Places, Rank};
use crate::pots::Pots;

/// The body of a response.
pub type Payload = UnsyncBoxBody<Bytes, io::Error>;

/// The body of a request, as it arrives. Nothing of it has been read yet.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    room: Reservation,
}

/// The room that a request takes while it is read: its head, and as much of its body as is there.
#[derive(Debug)]
pub(super) struct Reservation {
    pots: Pots,
    party: Party,
    head: HeadReservation,
}

/// The room of a request, until it has been answered.
pub(super) type HeadReservation = Arc<Places<Party>>;

impl Reservation {
    /// Reservation for a head of so many bytes, if there is any for that visitor.
    pub(super) fn for_head(pots: &Pots, visit: &Visit, bytes: u64) -> Option<Self> {
        let party = visit.party();
        let head = visit.take(|rank| pots.bodies().take(&party, bytes, rank))?;
        Some(Self::of(pots, party, head))
    }

    fn of(pots: &Pots, party: Party, head: Places<Party>) -> Self {
        Self { pots: pots.clone(), party, head: Arc::new(head) }
    }

    /// The room, for whoever sends the answer.
    pub(super) fn held(&self) -> HeadReservation {
        Arc::clone(&self.head)
    }
}

/// A body that has been read, and the room that it takes until it is dropped.
#[derive(Debug)]
pub struct Whole {
    bytes: Bytes,
    _head: HeadReservation,
    _room: Option<Places<Party>>,
}

impl Whole {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

#[derive(Debug)]
enum Kind {
    Http1(Incoming),
    Http2(Rest),
}

/// The longest answer that takes no room beside that of its request, in bytes.
const SMALL: u64 = 1024;
/// How long a body may take to arrive: so long, ...
const TIME: Duration = Duration::from_secs(10);
/// ... and a second more for so many bytes that did.
const PACE: usize = 128 * 1024;
/// How much is still taken of a body that nobody wanted, and for how long.
const DRAINED: usize = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The rest of an HTTP/2 body. Dropped, it goes back to whoever answers the request: there are
/// clients that lose an answer, or wait for ever, if it comes before they have sent their body.
#[derive(Debug)]
struct Rest {
    stream: Option<RecvStream>,
    back: Option<oneshot::Sender<RecvStream>>,
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            // If nobody answers any more, nobody needs it.
            drop(back.send(stream));
        }
    }
}

/// Where what was not read of a body comes back.
pub(super) struct UnreadBody(oneshot::Receiver<RecvStream>);

impl UnreadBody {
    /// Takes what is still coming, within bounds, and throws it away.
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
        // Late is as good as too much.
        drop(tokio::time::timeout(DRAIN_TIME, all).await);
    }
}

/// Why a body could not be taken. The peer's doing.
#[derive(Debug, Error)]
pub enum BodyError {
    /// Longer than is taken here.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// It broke off.
    #[error("the body broke off")]
    Broken,
    /// It did not arrive in time.
    #[error("the body arrived too slowly")]
    Late,
    /// As much is being read as there is room for. Others' doing, or the peer's own.
    #[error("too much is being read at once; try again in a moment")]
    NoRoom,
}

impl Body {
    pub(super) fn http1(body: Incoming, room: Reservation) -> Self {
        Self { kind: Kind::Http1(body), room }
    }

    pub(super) fn http2(stream: RecvStream, room: Reservation) -> (Self, UnreadBody) {
        let (back, unread) = oneshot::channel();
        let rest = Rest { stream: Some(stream), back: Some(back) };
        (Self { kind: Kind::Http2(rest), room }, UnreadBody(unread))
    }

    /// Reads it whole, up to `limit` bytes, for somebody of that rank. It may take ten seconds, and
    /// one more for each 128 KiB. Bodies of more than [`LARGEST_BODY`] have room of their own.
    ///
    /// # Errors
    /// When it is longer, breaks off, does not arrive in time, or there is no room for it.
    pub async fn read(mut self, limit: usize, rank: Rank) -> Result<Whole, BodyError> {
        let begun = Instant::now();
        let pot = match limit as u64 > LARGEST_BODY {
            true => self.room.pots.uploads().clone(),
            false => self.room.pots.bodies().clone(),
        };
        let party = self.room.party.clone();
        let (mut read, mut room) = (BytesMut::new(), None::<Places<Party>>);
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
            let has_room = match &mut room {
                Some(room) => room.grow(more, rank),
                None => {
                    room = pot.take(&party, more, rank);
                    room.is_some()
                }
            };
            if !has_room {
                return Err(BodyError::NoRoom);
            }
            read.extend_from_slice(&chunk);
        }
        Ok(Whole { bytes: read.freeze(), _head: self.room.held(), _room: room })
    }
}

/// How long a body may take of which so many bytes are there.
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
            Kind::Http2(rest) => {
                let Some(stream) = &mut rest.stream else { return Poll::Ready(None) };
                let Some(chunk) = ready!(stream.poll_data(cx)) else { return Poll::Ready(None) };
                let chunk = chunk.map_err(io::Error::other)?;
                let taken = stream.flow_control().release_capacity(chunk.len());
                taken.map_err(io::Error::other)?;
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
        }
    }
}

/// Reservation that the bytes of an answer take, until the last of them are sent.
struct Kept {
    bytes: Bytes,
    _room: Places<Party>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Takes room for an answer, as long as it is being sent. `None` if there is none: the party has
/// taken its share and reads too slowly. What is small or comes bit by bit is let through.
pub(super) async fn keep_room(
    pots: &Pots,
    visit: &Visit,
    response: Response<Payload>,
) -> Option<Response<Payload>> {
    let length = response.body().size_hint().exact().filter(|length| *length > SMALL);
    let Some(length) = length else { return Some(response) };
    let pot = if length > LARGEST_BODY { pots.uploads() } else { pots.bodies() };
    let party = visit.party();
    let room = visit.take(|rank| pot.take(&party, length, rank))?;
    let (head, body) = response.into_parts();
    // It is there as a whole, so this neither waits nor fails.
    let bytes = body.collect().await.ok()?.to_bytes();
    let kept = Bytes::from_owner(Kept { bytes, _room: room });
    Some(Response::from_parts(head, full(kept)))
}

pub(super) fn full(bytes: Bytes) -> Payload {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A response without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response<Payload> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// A response of that type of text.
#[must_use]
pub fn text(content_type: &'static str, text: impl Into<Bytes>) -> Response<Payload> {
    let mut response = Response::new(full(text.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A response of JSON.
#[must_use]
pub fn json(value: &impl Serialize) -> Response<Payload> {
    match serde_json::to_vec(value) {
        Ok(mut json) => {
            json.push(b'\n');
            text("application/json", json)
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            Problem::new(500, "Failed", "The gateway failed; see its log.").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    /// What becomes of a body of which `size` bytes come every `pause`, `times` times.
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
        let room = Reservation::of(&pots, Party::Gateway, head);
        let (body, _unread) = Body::http2(request.into_body(), room);
        body.read(1 << 30, Rank::Known).await.map(|whole| whole.bytes().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_take_as_long_as_it_goes_on() {
        let trickle = read(1, Duration::from_secs(2), 20).await;
        assert!(matches!(trickle, Err(BodyError::Late)), "{trickle:?}");
        let silence = read(1 << 20, Duration::from_secs(11), 1).await;
        assert!(matches!(silence, Err(BodyError::Late)), "{silence:?}");
        // Much longer than ten seconds in all, and steadily.
        assert_eq!(read(1 << 20, Duration::from_secs(8), 12).await.unwrap(), 12 << 20);
    }
}
