//! Opens flows to interfaces on a connection.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use doorward_model::{Action, DoorName};
use doorward_wire::{
    Answer, Asked, FlowKind, OPENING_LIMIT, OpenFrame, Pipe, Why, read_frame, write_frame,
};
use jiff::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::Error;
use crate::live::FlowGuard;

/// How long the gateway may take to decide and to reach the interface's backend.
const ANSWERING: Duration = Duration::from_secs(45);

/// The options for opening a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The wanted actions. An empty list asks for every action that the policy grants.
    pub actions: Vec<Action>,
    /// How the flow is to travel. Without it, the interface decides.
    pub kind: Option<FlowKind>,
}

/// A flow to an interface.
#[derive(Debug)]
pub enum Flow {
    /// A flow of bytes.
    Stream(Stream),
    /// A flow of datagrams.
    Datagrams(Datagrams),
}

impl Flow {
    /// Returns the flow's id in the gateway's audit log.
    #[must_use]
    pub fn flow(&self) -> &str {
        match self {
            Self::Stream(stream) => stream.flow(),
            Self::Datagrams(datagrams) => datagrams.flow(),
        }
    }

    /// Returns the granted actions.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        match self {
            Self::Stream(stream) => stream.actions(),
            Self::Datagrams(datagrams) => datagrams.actions(),
        }
    }
}

/// What a flow would be, as the gateway answers to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowPreview {
    /// How the flow would travel.
    pub kind: FlowKind,
    /// The actions that would be granted.
    pub actions: Vec<Action>,
}

/// What the gateway granted, and the guard of the connection.
#[derive(Debug)]
struct Grant {
    flow: String,
    actions: Vec<Action>,
    guard: FlowGuard,
}

/// A flow of bytes to an interface, with half-close.
///
/// A shutdown ends the write direction properly. A read fails when the end was not proper, so a
/// flow that was cut never looks complete.
#[derive(Debug)]
pub struct Stream {
    pipe: Pipe,
    grant: Grant,
}

impl Stream {
    /// Returns the flow's id in the gateway's audit log.
    #[must_use]
    pub fn flow(&self) -> &str {
        &self.grant.flow
    }

    /// Returns the granted actions.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.grant.actions
    }

    /// Returns why the flow was cut, if the gateway has said so.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        self.grant.guard.why()
    }

    /// Returns why the flow was cut. The reason can come after the cut, so this waits a moment for
    /// it.
    pub async fn cut_reason(&self) -> Option<Why> {
        self.grant.guard.cut_reason().await
    }

    /// Resets both directions. The other end reads an error.
    pub fn cut(self, why: Why) {
        self.pipe.cut(why);
    }
}

doorward_wire::through!(Stream, pipe);

/// A flow of datagrams to an interface. Datagrams may be lost, duplicated or reordered.
#[derive(Debug)]
pub struct Datagrams {
    inner: doorward_wire::FlowDatagrams,
    grant: Grant,
}

impl Datagrams {
    /// Returns the flow's id in the gateway's audit log.
    #[must_use]
    pub fn flow(&self) -> &str {
        &self.grant.flow
    }

    /// Returns the granted actions.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.grant.actions
    }

    /// Returns why the flow was cut, if the gateway has said so.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        self.grant.guard.why()
    }

    /// Returns why the flow was cut. The reason can come after the cut, so this waits a moment for
    /// it.
    pub async fn cut_reason(&self) -> Option<Why> {
        self.grant.guard.cut_reason().await
    }

    /// Returns how many datagrams this side dropped: too large, or no room in the queue.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    /// Sends a datagram of at most [`doorward_wire::LARGEST_DATAGRAM`] bytes without waiting, or
    /// drops it when there is no room. A queued datagram is written at the next receive.
    pub fn send(&mut self, datagram: &[u8]) {
        self.inner.send(datagram);
    }

    /// Writes queued datagrams, then returns the next received one, or `None` when the flow is
    /// over.
    ///
    /// # Errors
    /// Fails when the flow was cut.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        self.inner.poll_receive(cx)
    }

    /// Returns the next received datagram, or `None` when the flow is over.
    ///
    /// # Errors
    /// Fails when the flow was cut.
    pub async fn receive(&mut self) -> io::Result<Option<Bytes>> {
        self.inner.receive().await
    }

    /// Ends the flow with `why`. A flow of datagrams has no proper end.
    pub fn close(self, why: Why) {
        self.inner.close(why);
    }
}

/// Builds the request for the interface `door`.
pub(crate) fn request(door: &DoorName, wanted: &Wanted) -> Asked {
    Asked {
        interface: door.path(),
        actions: wanted.actions.iter().map(|action| action.as_str().to_owned()).collect(),
        kind: wanted.kind,
        ..Asked::default()
    }
}

/// Why a flow was not opened.
#[derive(Debug)]
pub(crate) enum OpenFailure {
    /// The gateway did not get the request, since the connection is over.
    NotAsked(io::Error),
    /// The gateway got the request, or a repetition would fail too.
    Failed(Error),
}

/// Asks for a flow on the guarded connection. The request must be sent before `until`.
pub(crate) async fn open(
    guard: FlowGuard,
    request: &Asked,
    until: Instant,
) -> Result<Flow, OpenFailure> {
    let opened = exchange(guard, &OpenFrame::Open(request.clone()), until).await?;
    let AdmittedStream { pipe, guard, flow, preview: FlowPreview { kind, actions } } = opened;
    let grant = Grant { flow, actions, guard };
    Ok(match kind {
        FlowKind::Stream => Flow::Stream(Stream { pipe, grant }),
        FlowKind::Datagrams => {
            let inner = grant.guard.live().carrier.datagrams(pipe);
            Flow::Datagrams(Datagrams { inner, grant })
        }
    })
}

/// Asks whether a flow would be admitted. Opens nothing. The question must be sent before `until`.
pub(crate) async fn ask(
    guard: FlowGuard,
    request: &Asked,
    until: Instant,
) -> Result<FlowPreview, OpenFailure> {
    let answered = exchange(guard, &OpenFrame::Ask(request.clone()), until).await?;
    Ok(answered.preview)
}

/// A stream whose request was admitted.
struct AdmittedStream {
    pipe: Pipe,
    guard: FlowGuard,
    flow: String,
    preview: FlowPreview,
}

/// Sends the first frame of a stream, and reads the answer.
async fn exchange(
    guard: FlowGuard,
    opening: &OpenFrame,
    until: Instant,
) -> Result<AdmittedStream, OpenFailure> {
    let opening = opening.encode();
    if opening.len() > OPENING_LIMIT {
        let error = Error::Answer("the request is longer than the protocol allows".to_owned());
        return Err(OpenFailure::Failed(error));
    }
    let ask = async {
        let mut pipe = guard.live().carrier.open().await?;
        write_frame(&mut pipe, &opening).await?;
        io::Result::Ok(pipe)
    };
    let mut pipe = match timeout_at(until, ask).await {
        Ok(Ok(pipe)) => pipe,
        Ok(Err(error)) => return Err(OpenFailure::NotAsked(error)),
        // The gateway opens no further stream, and each flow needs one.
        Err(_) => return Err(OpenFailure::Failed(busy())),
    };
    let guard = guard.on(pipe.id());
    let broken = |error: io::Error| OpenFailure::Failed(Error::Broken(error.to_string()));
    let frame = timeout(ANSWERING, read_frame(&mut pipe, OPENING_LIMIT)).await;
    let frame = frame.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(broken)?;
    let unreadable = |what: String| OpenFailure::Failed(Error::Answer(what));
    match Answer::decode(&frame).map_err(|error| unreadable(error.to_string()))? {
        Answer::Admitted { flow, kind, actions } => {
            // Skips actions of later versions, which this program cannot use.
            let actions = actions.iter().filter_map(|action| action.parse().ok()).collect();
            Ok(AdmittedStream { pipe, guard, flow, preview: FlowPreview { kind, actions } })
        }
        Answer::Refused { why, detail, flow, from } => {
            let from = from.and_then(|second| Timestamp::from_second(second).ok());
            Err(OpenFailure::Failed(Error::Flow { why, detail, flow, from }))
        }
        Answer::Unknown(kind) => Err(unreadable(format!("a message of type {kind}"))),
    }
}

fn busy() -> Error {
    let detail = "too many flows on one connection; end one, and try again".to_owned();
    Error::Flow { why: Why::Busy, detail, flow: String::new(), from: None }
}
