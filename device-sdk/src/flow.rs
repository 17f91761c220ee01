//! Opens interfaces on a connection.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use doorward_model::{Action, DoorName};
use doorward_wire::{
    Answer, Asked, Kind, OPENING_LIMIT, Opening, Pipe, Why, read_frame, write_frame,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::Error;
use crate::live::Counted;

/// How long the gateway may take to decide, and to reach what is behind the interface.
const ANSWERING: Duration = Duration::from_secs(45);

/// What is wanted of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The wanted actions; empty is every action that is granted.
    pub actions: Vec<Action>,
    /// How the flow is to travel; without it, as the interface does.
    pub kind: Option<Kind>,
}

/// A flow to an interface.
#[derive(Debug)]
pub enum Flow {
    /// As a stream.
    Stream(Stream),
    /// As datagrams.
    Datagrams(Datagrams),
}

impl Flow {
    /// Its id in the gateway's audit log.
    #[must_use]
    pub fn flow(&self) -> &str {
        match self {
            Self::Stream(stream) => stream.flow(),
            Self::Datagrams(datagrams) => datagrams.flow(),
        }
    }

    /// What was granted.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        match self {
            Self::Stream(stream) => stream.actions(),
            Self::Datagrams(datagrams) => datagrams.actions(),
        }
    }
}

/// What the gateway has said of a flow.
#[derive(Debug)]
struct Grant {
    flow: String,
    actions: Vec<Action>,
    counted: Counted,
}

/// A flow to an interface, as a stream with half-close.
///
/// Shutting it down is the proper end of one direction. An end that was not proper is an error
/// when it is read: what was cut is never taken for complete.
#[derive(Debug)]
pub struct Stream {
    pipe: Pipe,
    grant: Grant,
}

impl Stream {
    /// Its id in the gateway's audit log.
    #[must_use]
    pub fn flow(&self) -> &str {
        &self.grant.flow
    }

    /// What was granted.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.grant.actions
    }

    /// Why it was cut, if it was and the gateway has told.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        self.grant.counted.why()
    }

    /// Ends both directions at once, and not properly.
    pub fn cut(self, why: Why) {
        self.pipe.cut(why);
    }
}

doorward_wire::through!(Stream, pipe);

/// A flow to an interface, as datagrams: they may be lost, doubled, and come in another order.
#[derive(Debug)]
pub struct Datagrams {
    under: doorward_wire::Datagrams,
    grant: Grant,
}

impl Datagrams {
    /// Its id in the gateway's audit log.
    #[must_use]
    pub fn flow(&self) -> &str {
        &self.grant.flow
    }

    /// What was granted.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.grant.actions
    }

    /// Why it was cut, if it was and the gateway has told.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        self.grant.counted.why()
    }

    /// How many were dropped here for want of room, or because they were too large.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.under.dropped()
    }

    /// Sends one, of at most [`doorward_wire::LARGEST_DATAGRAM`] bytes. It does not wait: what
    /// finds no room is dropped. What has not left yet, leaves when the next one is received.
    pub fn send(&mut self, datagram: &[u8]) {
        self.under.send(datagram);
    }

    /// The next one that has come; `None` when the flow is over. Sends on the way what waits.
    ///
    /// # Errors
    /// When the flow was cut.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        self.under.poll_receive(cx)
    }

    /// The next one that has come; `None` when the flow is over.
    ///
    /// # Errors
    /// When the flow was cut.
    pub async fn receive(&mut self) -> io::Result<Option<Bytes>> {
        self.under.receive().await
    }

    /// Ends the flow. Datagrams know no proper end.
    pub fn close(self, why: Why) {
        self.under.close(why);
    }
}

/// What asks for `door`.
pub(crate) fn asked(door: &DoorName, wanted: &Wanted) -> Asked {
    Asked {
        interface: door.path(),
        actions: wanted.actions.iter().map(|action| action.as_str().to_owned()).collect(),
        kind: wanted.kind,
        ..Asked::default()
    }
}

/// Why a flow was not opened.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// The gateway has not been asked: the connection is over.
    NotAsked(io::Error),
    /// It has, or nothing else would come of asking again.
    Failed(Error),
}

/// Asks for a flow on the connection of `counted`; `until` is when that must have left.
pub(crate) async fn open(
    counted: Counted,
    asked: &Asked,
    until: Instant,
) -> Result<Flow, NotOpened> {
    let opening = Opening::Open(asked.clone()).encode();
    if opening.len() > OPENING_LIMIT {
        let error = Error::Answer("more is asked for than a request holds".to_owned());
        return Err(NotOpened::Failed(error));
    }
    let ask = async {
        let mut pipe = counted.live().carrier.open().await?;
        write_frame(&mut pipe, &opening).await?;
        io::Result::Ok(pipe)
    };
    let mut pipe = match timeout_at(until, ask).await {
        Ok(Ok(pipe)) => pipe,
        Ok(Err(error)) => return Err(NotOpened::NotAsked(error)),
        // The gateway takes no further stream: each is a flow.
        Err(_) => return Err(NotOpened::Failed(busy())),
    };
    let counted = counted.on(pipe.id());
    let broken = |error: io::Error| NotOpened::Failed(Error::Broken(error.to_string()));
    let frame = timeout(ANSWERING, read_frame(&mut pipe, OPENING_LIMIT)).await;
    let frame = frame.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(broken)?;
    let unreadable = |what: String| NotOpened::Failed(Error::Answer(what));
    match Answer::decode(&frame).map_err(|error| unreadable(error.to_string()))? {
        Answer::Admitted { flow, kind, actions } => {
            // An action of a later version is of no use to a program of this one.
            let actions = actions.iter().filter_map(|action| action.parse().ok()).collect();
            Ok(match kind {
                Kind::Stream => {
                    Flow::Stream(Stream { pipe, grant: Grant { flow, actions, counted } })
                }
                Kind::Datagrams => {
                    let under = counted.live().carrier.datagrams(pipe);
                    Flow::Datagrams(Datagrams { under, grant: Grant { flow, actions, counted } })
                }
            })
        }
        Answer::Refused { why, detail, flow } => {
            Err(NotOpened::Failed(Error::Flow { why, detail, flow }))
        }
        Answer::Unknown(kind) => Err(unreadable(format!("a message of type {kind}"))),
    }
}

fn busy() -> Error {
    let detail = "too many flows on one connection; end one, and try again".to_owned();
    Error::Flow { why: Why::Busy, detail, flow: String::new() }
}
