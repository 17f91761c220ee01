use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::problem::Problem;

/// The body of a response.
pub type Payload = UnsyncBoxBody<Bytes, io::Error>;

/// The body of a request, as it arrives. Nothing of it has been read yet.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Http1(Incoming),
    Http2(Rest),
}

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
pub(super) struct Unread(oneshot::Receiver<RecvStream>);

impl Unread {
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
}

impl From<Incoming> for Body {
    fn from(body: Incoming) -> Self {
        Self(Kind::Http1(body))
    }
}

impl Body {
    pub(super) fn http2(stream: RecvStream) -> (Self, Unread) {
        let (back, unread) = oneshot::channel();
        let rest = Rest { stream: Some(stream), back: Some(back) };
        (Self(Kind::Http2(rest)), Unread(unread))
    }

    /// Reads it whole, up to `limit` bytes. It may take ten seconds, and one more for each
    /// 128 KiB.
    ///
    /// # Errors
    /// When it is longer, breaks off, or does not arrive in time.
    pub async fn read(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let begun = Instant::now();
        let mut read = BytesMut::new();
        loop {
            let until = begun + time_for(read.len());
            let frame = tokio::time::timeout_at(until, self.frame()).await;
            let Some(frame) = frame.map_err(|_| BodyError::Late)? else { break };
            let frame = frame.map_err(|_| BodyError::Broken)?;
            if let Ok(chunk) = frame.into_data() {
                if read.len() + chunk.len() > limit {
                    return Err(BodyError::TooLong(limit));
                }
                read.extend_from_slice(&chunk);
            }
        }
        Ok(read.freeze())
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
        match &mut self.0 {
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
        let (body, _unread) = Body::http2(request.into_body());
        body.read(1 << 30).await.map(|bytes| bytes.len())
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
