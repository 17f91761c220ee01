//! The content of a request, from the client to the backend.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use doorward_inspect::http::{Content, HttpInterface, HttpRefusal};
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;

use crate::pipeline::held::HeldLeases;

/// How many bytes of content are still read that is not forwarded, ...
const DRAINED: usize = 16 * 1024 * 1024;
/// ... and for how long.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The content of a request, as the client sends it.
#[derive(Debug)]
pub(super) enum RequestContent {
    Http1(Incoming),
    Http2(RecvStream),
    /// The request has no content.
    Nothing,
}

impl Body for RequestContent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Http1(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|one| one.map_err(io::Error::other))),
            Self::Http2(stream) => match ready!(stream.poll_data(cx)) {
                Some(chunk) => {
                    let chunk = chunk.map_err(io::Error::other)?;
                    let taken = stream.flow_control().release_capacity(chunk.len());
                    taken.map_err(io::Error::other)?;
                    Poll::Ready(Some(Ok(Frame::data(chunk))))
                }
                None => {
                    let trailers = ready!(stream.poll_trailers(cx)).map_err(io::Error::other)?;
                    Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
                }
            },
            Self::Nothing => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(stream) => stream.is_end_stream(),
            Self::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(_) => SizeHint::new(),
            Self::Nothing => SizeHint::with_exact(0),
        }
    }
}

impl RequestContent {
    /// Reads and discards the rest, within bounds, while the response is sent. There are clients
    /// that read no response before they have sent everything.
    pub(super) fn drain(mut self) {
        if self.is_end_stream() {
            return;
        }
        let all = async move {
            let mut taken = 0;
            while let Some(Ok(frame)) = self.frame().await {
                taken += frame.data_ref().map_or(0, Bytes::len);
                if taken > DRAINED {
                    return;
                }
            }
        };
        // A timeout ends the draining like too many bytes do. The task ends with the connection
        // anyway.
        tokio::spawn(async { drop(tokio::time::timeout(DRAIN_TIME, all).await) });
    }
}

/// The content of a request for the backend. It is counted, and passes up to a bound and as long as
/// the request's lease lives.
#[derive(Debug)]
pub(super) struct Upload {
    source: Option<RequestContent>,
    content: Option<Content>,
    lease: HeldLeases,
    /// The leases that count these bytes besides those of the flow.
    counted: Option<HeldLeases>,
    fault: Arc<OnceLock<HttpRefusal>>,
    back: Option<oneshot::Sender<RequestContent>>,
}

/// The rest of an upload that was not sent, and why not.
pub(super) struct UnsentContent {
    fault: Arc<OnceLock<HttpRefusal>>,
    unread: oneshot::Receiver<RequestContent>,
}

impl Upload {
    pub(super) fn new(
        source: RequestContent,
        largest: Option<u64>,
        lease: HeldLeases,
        counted: Option<HeldLeases>,
    ) -> (Self, UnsentContent) {
        let (fault, (back, unread)) = (Arc::new(OnceLock::new()), oneshot::channel());
        let rest = UnsentContent { fault: Arc::clone(&fault), unread };
        let content = largest.map(Content::new);
        let (source, back) = (Some(source), Some(back));
        (Self { source, content, lease, counted, fault, back }, rest)
    }

    /// Returns an upload without content.
    pub(super) fn nothing(lease: HeldLeases) -> Self {
        Self::new(RequestContent::Nothing, None, lease, None).0
    }

    fn refuse(&self, refusal: HttpRefusal) -> io::Error {
        self.fault.get_or_init(|| refusal);
        io::ErrorKind::InvalidData.into()
    }
}

impl UnsentContent {
    /// Returns why the content was not forwarded in full, if that was the client's fault.
    pub(super) fn fault(&self) -> Option<HttpRefusal> {
        self.fault.get().copied()
    }

    /// Reads and discards the rest, within bounds.
    pub(super) fn drain(mut self) {
        if let Ok(source) = self.unread.try_recv() {
            source.drain();
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let Some(source) = &mut this.source else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(source).poll_frame(cx)).transpose()?;
        if this.lease.cause().is_some() {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
        }
        let Some(mut frame) = frame else { return Poll::Ready(None) };
        if let Some(chunk) = frame.data_ref() {
            let length = chunk.len();
            if this.content.as_mut().is_some_and(|content| !content.take(length)) {
                return Poll::Ready(Some(Err(this.refuse(HttpRefusal::TooLarge))));
            }
            this.counted.iter().for_each(|lease| lease.moved_up(length));
        }
        if let Some(trailers) = frame.trailers_mut() {
            HttpInterface::trailers(trailers);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.source.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.source.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(source), Some(back)) = (self.source.take(), self.back.take()) {
            // If the task that answers is gone, nobody needs the rest.
            drop(back.send(source));
        }
    }
}
