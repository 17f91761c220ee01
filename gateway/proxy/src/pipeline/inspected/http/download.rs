//! The content of a response, from the backend to the client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use doorward_inspect::http::HttpInterface;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::flow::HttpFlow;
use super::pool::HttpConnection;
use super::running::Running;
use crate::pipeline::held::HeldLeases;

/// The content of a response. It is counted, and passes as long as the request's lease lives. When
/// the content is delivered in full, its connection is free again. A drop before that resets the
/// connection.
pub(super) struct Download {
    pub(super) flow: Arc<HttpFlow>,
    pub(super) body: Incoming,
    pub(super) lease: HeldLeases,
    /// The leases that count these bytes besides those of the flow.
    pub(super) counted: Option<HeldLeases>,
    pub(super) connection: Option<HttpConnection>,
    /// Whether the connection may carry another request afterwards.
    pub(super) is_lasting: bool,
    pub(super) running: Option<Running>,
}

impl Download {
    fn delivered(&mut self) {
        self.running = None;
        if let Some(connection) = self.connection.take() {
            if self.is_lasting {
                self.flow.connections.give_back(connection);
            } else {
                connection.end();
            }
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if this.lease.cause().is_some() {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
        }
        match frame {
            None => {
                this.delivered();
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "an answer broke off");
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            Some(Ok(mut frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.counted.iter().for_each(|lease| lease.moved_down(length));
                if let Some(trailers) = frame.trailers_mut() {
                    HttpInterface::trailers(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // A reader that knows the length does not poll for the end.
        if self.body.is_end_stream() {
            self.delivered();
        }
    }
}
