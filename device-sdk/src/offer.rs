//! The interfaces that a device offers, and the flows that the gateway opens to them.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::{Action, Name};
use doorward_wire::{
    Answer, Asked, FlowDatagrams, FlowKind, OPENING_LIMIT, Offering, OpenFrame, Pipe, Why,
    read_frame, write_frame,
};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use crate::live::FlowGuard;

/// How long the gateway may take to send the first frame of a stream it opened.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long sending an answer may take.
const LEAVING: Duration = Duration::from_secs(5);

/// A handler of the flows to an offered interface.
pub trait Handler: Send + Sync {
    /// Serves one flow. `request` is the gateway's request, and `incoming` takes one answer. The flow
    /// counts as over when the future ends.
    fn serve(&self, request: Asked, incoming: Incoming)
    -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

#[derive(Clone)]
struct OfferEntry {
    kind: FlowKind,
    handler: Arc<dyn Handler>,
}

/// All interfaces that are offered now.
#[derive(Clone, Default)]
pub(crate) struct OfferedInterfaces(BTreeMap<Name, OfferEntry>);

impl fmt::Debug for OfferedInterfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl OfferedInterfaces {
    /// Adds an interface. Returns whether its name was free.
    pub(crate) fn add(&mut self, name: Name, kind: FlowKind, handler: Arc<dyn Handler>) -> bool {
        if self.0.contains_key(&name) {
            return false;
        }
        self.0.insert(name, OfferEntry { kind, handler });
        true
    }

    pub(crate) fn remove(&mut self, name: &Name) -> bool {
        self.0.remove(name).is_some()
    }

    pub(crate) fn names(&self) -> Vec<Name> {
        self.0.keys().cloned().collect()
    }

    pub(crate) fn offerings(&self) -> Vec<Offering> {
        let offering = |(name, entry): (&Name, &OfferEntry)| Offering {
            name: name.to_string(),
            kind: entry.kind,
        };
        self.0.iter().map(offering).collect()
    }

    pub(crate) fn handler(&self, name: &str) -> Option<Arc<dyn Handler>> {
        let name: Name = name.parse().ok()?;
        self.0.get(&name).map(|entry| Arc::clone(&entry.handler))
    }
}

/// A flow that the gateway has opened and that waits for an answer. Dropping it without an answer
/// cuts it.
#[derive(Debug)]
pub struct Incoming {
    pipe: Pipe,
    guard: Arc<FlowGuard>,
}

impl Incoming {
    async fn send(&mut self, answer: &Answer) -> io::Result<()> {
        let answer = answer.encode();
        let sent = write_frame(&mut self.pipe, &answer);
        timeout(LEAVING, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn admit(&mut self, kind: FlowKind, granted: &[Action]) -> io::Result<()> {
        let actions = granted.iter().map(ToString::to_string).collect();
        self.send(&Answer::Admitted { flow: String::new(), kind, actions }).await
    }

    /// Admits the flow as a stream.
    ///
    /// # Errors
    /// Fails when the gateway is gone.
    pub async fn stream(self) -> io::Result<Pipe> {
        self.stream_granting(&[]).await
    }

    /// Admits the flow as a stream and names the wanted actions that it serves. For a serial line,
    /// a handler that grants `control` must speak RFC 2217 on the stream, as the protocol's page
    /// describes. Without `control`, the stream is bare bytes and the line's settings do not
    /// change.
    ///
    /// # Errors
    /// Fails when the gateway is gone.
    pub async fn stream_granting(mut self, granted: &[Action]) -> io::Result<Pipe> {
        self.admit(FlowKind::Stream, granted).await?;
        Ok(self.pipe)
    }

    /// Admits the flow as datagrams.
    ///
    /// # Errors
    /// Fails when the gateway is gone.
    pub async fn datagrams(mut self) -> io::Result<FlowDatagrams> {
        self.admit(FlowKind::Datagrams, &[]).await?;
        Ok(self.guard.live().carrier.datagrams(self.pipe))
    }

    /// Refuses the flow. `detail` is for readers of the gateway's audit log.
    pub async fn refuse(mut self, why: Why, detail: &str) {
        let (detail, flow) = (detail.to_owned(), String::new());
        let refused = Answer::Refused { why, detail, flow, from: None };
        let sent = async {
            self.send(&refused).await?;
            timeout(LEAVING, self.pipe.shutdown()).await?
        };
        // The gateway may be gone already.
        drop(sent.await);
    }
}

/// Serves a stream that the gateway has opened.
pub(crate) async fn serve(
    mut pipe: Pipe,
    guard: FlowGuard,
    offers: watch::Receiver<OfferedInterfaces>,
    _permit: OwnedSemaphorePermit,
) {
    let opening = timeout(PATIENCE, read_frame(&mut pipe, OPENING_LIMIT)).await;
    let opening = match opening {
        Ok(Ok(frame)) => OpenFrame::decode(&frame).map_err(|error| error.to_string()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(error.to_string()),
        // The stream ended, or nothing arrived in time.
        Ok(Err(_)) | Err(_) => return pipe.cut(Why::Wrong),
    };
    let guard = Arc::new(guard.on(pipe.id()));
    let incoming = Incoming { pipe, guard: Arc::clone(&guard) };
    let request = match opening {
        Ok(OpenFrame::Open(request)) => request,
        Ok(OpenFrame::Ask(_)) => {
            return incoming.refuse(Why::Wrong, "only a gateway is asked").await;
        }
        Ok(OpenFrame::Unknown(kind)) => {
            let detail = format!("unknown message type {kind}");
            return incoming.refuse(Why::Wrong, &detail).await;
        }
        Err(detail) => return incoming.refuse(Why::Wrong, &detail).await,
    };
    let handler = offers.borrow().handler(&request.interface);
    match handler {
        Some(handler) => handler.serve(request, incoming).await,
        None => incoming.refuse(Why::Forbidden, "no interface of that name is offered").await,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_has_one_handler_the_first(events in prop::collection::vec(any::<u8>(), 0..200)) {
            crate::fuzzing::offers(&events);
        }
    }
}
