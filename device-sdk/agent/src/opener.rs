//! The port through which the agent opens flows to interfaces of other devices.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use doorward_model::{Action, DoorName};
use doorward_wire::{FlowKind, Why};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::failure::Failure;
use crate::report::ErrorReport;

/// A boxed future.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An open flow.
pub(crate) enum OpenFlow {
    Stream(Box<dyn ByteFlow>),
    Datagrams(Box<dyn DatagramFlow>),
}

/// A flow of bytes. A shutdown ends its direction properly; dropping it cuts the flow.
pub(crate) trait ByteFlow: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// Returns the flow's id in the audit log; empty if it is not known.
    fn id(&self) -> &str;

    /// Returns the granted actions.
    fn actions(&self) -> &[Action];

    /// Returns why the flow was cut, as far as that is known.
    fn cut_reason(&self) -> Boxed<'_, Option<Why>>;
}

impl ByteFlow for doorward_sdk::Stream {
    fn id(&self) -> &str {
        self.flow()
    }

    fn actions(&self) -> &[Action] {
        self.actions()
    }

    fn cut_reason(&self) -> Boxed<'_, Option<Why>> {
        Box::pin(self.cut_reason())
    }
}

/// Adds to a failure of carrying `flow` why the flow was cut, and its id.
pub(crate) async fn explained(failure: Failure, flow: &dyn ByteFlow) -> Failure {
    let Failure::Cut(error) = failure else { return failure };
    Failure::Reported(ErrorReport::cut(flow.cut_reason().await, &error, flow.id()))
}

/// A flow of datagrams.
pub(crate) trait DatagramFlow: Send {
    /// Sends a datagram, or drops it. A queued datagram leaves at the next `poll_receive`.
    fn send(&mut self, datagram: &[u8]);

    /// Returns the next received datagram, or `None` when the flow is over.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Datagram>>>;

    /// Returns the failure of a flow that was cut.
    fn cut(&self, error: io::Error) -> Boxed<'_, Failure>;

    /// Ends the flow.
    fn close(self: Box<Self>, why: Why);
}

/// A datagram.
pub(crate) type Datagram = bytes::Bytes;

macro_rules! datagram_flow {
    ($flow:ty, $cut:item) => {
        impl DatagramFlow for $flow {
            $cut

            fn send(&mut self, datagram: &[u8]) {
                self.send(datagram);
            }

            fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Datagram>>> {
                self.poll_receive(cx)
            }

            fn close(self: Box<Self>, why: Why) {
                (*self).close(why);
            }
        }
    };
}

// A flow to an offered interface.
datagram_flow!(
    doorward_wire::FlowDatagrams,
    fn cut(&self, error: io::Error) -> Boxed<'_, Failure> {
        Box::pin(std::future::ready(Failure::Cut(error)))
    }
);
// A flow that this agent opens.
datagram_flow!(
    doorward_sdk::Datagrams,
    fn cut(&self, error: io::Error) -> Boxed<'_, Failure> {
        Box::pin(async move {
            Failure::Reported(ErrorReport::cut(self.cut_reason().await, &error, self.flow()))
        })
    }
);

/// Why a flow was not opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{report}")]
pub(crate) struct FlowRefusal {
    /// The gateway's reason; `None` if the gateway was not reached.
    pub(crate) why: Option<Why>,
    /// Whether waiting does not change it.
    pub(crate) is_final: bool,
    /// What happened, and what to do next.
    pub(crate) report: ErrorReport,
}

impl From<FlowRefusal> for Failure {
    fn from(refusal: FlowRefusal) -> Self {
        Self::Reported(refusal.report)
    }
}

/// A port for opening flows: the SDK's client, or a fake in tests.
pub(crate) trait FlowOpener: Send + Sync + 'static {
    /// Opens a flow to `interface`. Without `kind`, the interface decides the kind.
    fn open<'a>(
        &'a self,
        interface: &'a DoorName,
        kind: Option<FlowKind>,
    ) -> Boxed<'a, Result<OpenFlow, FlowRefusal>>;
}

/// Opens a flow of bytes to `interface`.
pub(crate) async fn stream(
    opener: &dyn FlowOpener,
    interface: &DoorName,
) -> Result<Box<dyn ByteFlow>, FlowRefusal> {
    match opener.open(interface, Some(FlowKind::Stream)).await? {
        OpenFlow::Stream(pipe) => Ok(pipe),
        OpenFlow::Datagrams(_) => Err(other_kind("datagrams")),
    }
}

/// Opens a flow of datagrams to `interface`.
pub(crate) async fn datagrams(
    opener: &dyn FlowOpener,
    interface: &DoorName,
) -> Result<Box<dyn DatagramFlow>, FlowRefusal> {
    match opener.open(interface, Some(FlowKind::Datagrams)).await? {
        OpenFlow::Datagrams(datagrams) => Ok(datagrams),
        OpenFlow::Stream(_) => Err(other_kind("bytes")),
    }
}

fn other_kind(kind: &str) -> FlowRefusal {
    let report = ErrorReport::new("refused", format!("the interface speaks {kind} only"));
    FlowRefusal { why: Some(Why::Wrong), is_final: false, report }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use doorward_wire::{Carrier, LinkEnd, Pipe};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    impl ByteFlow for Pipe {
        fn id(&self) -> &str {
            ""
        }

        fn actions(&self) -> &[Action] {
            &[]
        }

        fn cut_reason(&self) -> Boxed<'_, Option<Why>> {
            Box::pin(std::future::ready(None))
        }
    }

    /// Returns both ends of a stream, over a connection in memory.
    pub(crate) async fn pipes() -> (Carrier, Pipe, Carrier, Pipe) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let near = Carrier::yamux(near, LinkEnd::Client);
        let far = Carrier::yamux(far, LinkEnd::Gateway);
        let mut one = near.open().await.unwrap();
        // The other end learns of a stream with its first byte.
        one.write_all(b"!").await.unwrap();
        one.flush().await.unwrap();
        let mut other = far.accept().await.unwrap();
        other.read_exact(&mut [0]).await.unwrap();
        (near, one, far, other)
    }

    /// What a fake backend does.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum FakeBackend {
        /// Echoes bytes, and ends when the input ends.
        Echo,
        /// Echoes one chunk, then cuts the flow.
        Cut,
        /// Refuses the flow.
        Refuse(Option<Why>),
    }

    /// A fake that records the requests and answers with a fake backend.
    pub(crate) struct FakeOpener {
        pub(crate) backend: FakeBackend,
        pub(crate) requests: Mutex<Vec<(String, Option<FlowKind>)>>,
        /// Keeps the carriers alive, since a dropped carrier ends its connection.
        held: Mutex<Vec<Carrier>>,
    }

    impl FakeOpener {
        pub(crate) fn new(backend: FakeBackend) -> Self {
            Self { backend, requests: Mutex::default(), held: Mutex::default() }
        }

        pub(crate) fn requests(&self) -> Vec<(String, Option<FlowKind>)> {
            self.requests.lock().unwrap().clone()
        }
    }

    impl FlowOpener for FakeOpener {
        fn open<'a>(
            &'a self,
            interface: &'a DoorName,
            kind: Option<FlowKind>,
        ) -> Boxed<'a, Result<OpenFlow, FlowRefusal>> {
            Box::pin(async move {
                self.requests.lock().unwrap().push((interface.to_string(), kind));
                let backend = self.backend;
                if let FakeBackend::Refuse(why) = backend {
                    let report = ErrorReport::new("refused", "not today");
                    let is_final = why == Some(Why::Forbidden);
                    return Err(FlowRefusal { why, is_final, report });
                }
                let (near, one, far, other) = pipes().await;
                self.held.lock().unwrap().extend([near.clone(), far.clone()]);
                if kind == Some(FlowKind::Datagrams) {
                    let mut echo = far.datagrams(other);
                    tokio::spawn(async move {
                        while let Ok(Some(datagram)) = echo.receive().await {
                            echo.send(&datagram);
                        }
                    });
                    return Ok(OpenFlow::Datagrams(Box::new(near.datagrams(one))));
                }
                tokio::spawn(echo(other, backend));
                Ok(OpenFlow::Stream(Box::new(one)))
            })
        }
    }

    async fn echo(mut pipe: Pipe, backend: FakeBackend) {
        let mut bytes = [0; 1024];
        loop {
            match pipe.read(&mut bytes).await {
                Ok(0) => return pipe.shutdown().await.unwrap(),
                Ok(count) => {
                    pipe.write_all(&bytes[..count]).await.unwrap();
                    pipe.flush().await.unwrap();
                }
                Err(_) => return,
            }
            if backend == FakeBackend::Cut {
                return;
            }
        }
    }
}
