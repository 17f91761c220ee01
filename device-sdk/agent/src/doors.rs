//! Who opens flows to the doors of other devices.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use doorward_model::DoorName;
use doorward_wire::{Kind, Why};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::failure::Failure;

/// A future in a box.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An open flow.
pub(crate) enum Flow {
    Stream(Box<dyn Bytes>),
    Datagrams(Box<dyn Packets>),
}

/// A flow of bytes: shut down, its direction has ended properly; dropped, it is cut.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A flow of datagrams.
pub(crate) trait Packets: Send {
    /// Sends one, or drops it; it leaves at the latest when the next is asked for.
    fn send(&mut self, datagram: &[u8]);

    /// The next one that has come; `None` when the flow is over.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Datagram>>>;

    /// Ends the flow.
    fn close(self: Box<Self>, why: Why);
}

/// One datagram.
pub(crate) type Datagram = bytes::Bytes;

impl Packets for doorward_wire::Datagrams {
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

/// Why there is no flow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{detail}")]
pub(crate) struct Refusal {
    /// What the gateway says; none where it was not reached.
    pub(crate) why: Option<Why>,
    /// What to do next, for people. Printable.
    pub(crate) detail: String,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.detail)
    }
}

/// Opens flows: the client of the SDK, or what stands for it in tests.
pub(crate) trait Doors: Send + Sync + 'static {
    /// Opens a flow to `door`, as `kind` or else as the interface does.
    fn open<'a>(
        &'a self,
        door: &'a DoorName,
        kind: Option<Kind>,
    ) -> Boxed<'a, Result<Flow, Refusal>>;
}

/// A flow of bytes to `door`.
pub(crate) async fn stream(doors: &dyn Doors, door: &DoorName) -> Result<Box<dyn Bytes>, Refusal> {
    match doors.open(door, Some(Kind::Stream)).await? {
        Flow::Stream(pipe) => Ok(pipe),
        Flow::Datagrams(_) => Err(other_kind("datagrams")),
    }
}

/// A flow of datagrams to `door`.
pub(crate) async fn datagrams(
    doors: &dyn Doors,
    door: &DoorName,
) -> Result<Box<dyn Packets>, Refusal> {
    match doors.open(door, Some(Kind::Datagrams)).await? {
        Flow::Datagrams(datagrams) => Ok(datagrams),
        Flow::Stream(_) => Err(other_kind("bytes")),
    }
}

fn other_kind(kind: &str) -> Refusal {
    Refusal { why: Some(Why::Wrong), detail: format!("the interface speaks {kind} only") }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use doorward_wire::{Carrier, Pipe, Side};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Two ends of one stream, over a connection in memory.
    pub(crate) async fn pipes() -> (Carrier, Pipe, Carrier, Pipe) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let near = Carrier::yamux(near, Side::Client);
        let far = Carrier::yamux(far, Side::Gateway);
        let mut one = near.open().await.unwrap();
        // The other end sees a stream with its first byte.
        one.write_all(b"!").await.unwrap();
        one.flush().await.unwrap();
        let mut other = far.accept().await.unwrap();
        other.read_exact(&mut [0]).await.unwrap();
        (near, one, far, other)
    }

    /// What a test's doors do behind them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Behind {
        /// Gives back what comes, and the end when it comes.
        Echo,
        /// Gives back one chunk, then cuts.
        Cut,
        /// Refuses.
        Refuse(Option<Why>),
    }

    /// Doors of a test: what they were asked for, and what is behind them.
    pub(crate) struct Fake {
        pub(crate) behind: Behind,
        pub(crate) asked: Mutex<Vec<(String, Option<Kind>)>>,
        /// Carriers end when they are dropped.
        held: Mutex<Vec<Carrier>>,
    }

    impl Fake {
        pub(crate) fn new(behind: Behind) -> Self {
            Self { behind, asked: Mutex::default(), held: Mutex::default() }
        }

        pub(crate) fn asked(&self) -> Vec<(String, Option<Kind>)> {
            self.asked.lock().unwrap().clone()
        }
    }

    impl Doors for Fake {
        fn open<'a>(
            &'a self,
            door: &'a DoorName,
            kind: Option<Kind>,
        ) -> Boxed<'a, Result<Flow, Refusal>> {
            Box::pin(async move {
                self.asked.lock().unwrap().push((door.to_string(), kind));
                let behind = self.behind;
                if let Behind::Refuse(why) = behind {
                    return Err(Refusal { why, detail: "not today".to_owned() });
                }
                let (near, one, far, other) = pipes().await;
                self.held.lock().unwrap().extend([near.clone(), far.clone()]);
                if kind == Some(Kind::Datagrams) {
                    let mut echo = far.datagrams(other);
                    tokio::spawn(async move {
                        while let Ok(Some(datagram)) = echo.receive().await {
                            echo.send(&datagram);
                        }
                    });
                    return Ok(Flow::Datagrams(Box::new(near.datagrams(one))));
                }
                tokio::spawn(echo(other, behind));
                Ok(Flow::Stream(Box::new(one)))
            })
        }
    }

    async fn echo(mut pipe: Pipe, behind: Behind) {
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
            if behind == Behind::Cut {
                return;
            }
        }
    }
}
