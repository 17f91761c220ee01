//! A link as everybody else holds it: it opens flows, and tells the peer what it must know.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_model::CertificateId;
use doorward_wire::{
    Answer, Asked, Carrier, Control, FlowDatagrams, FlowKind, OPENING_LIMIT, OpenFrame, Pipe, Why,
    read_frame, write_frame,
};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::session::Session;

/// How long a peer may take for its first message, on the connection and on each stream.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a message of the gateway may take to leave.
pub(super) const LEAVING: Duration = Duration::from_secs(5);
/// How long an answer to a ping may take.
const ANSWER: Duration = Duration::from_secs(3);

/// One `doorward/1` connection of a device or a person. The gateway opens flows to the device on
/// it.
#[derive(Debug)]
pub struct Link {
    pub(super) carrier: Carrier,
    pub(super) connection: Arc<Connection>,
    pub(super) instance: Vec<u8>,
    /// The messages to send. They are boxed because the channel allocates room for 32 messages at
    /// once.
    pub(super) words: mpsc::Sender<Box<Control>>,
    pub(super) flows: AtomicUsize,
    /// The number of the last pong.
    pub(super) pongs: watch::Sender<u64>,
    /// A certificate that was issued on this link, and that its holder has not stored yet.
    pub(super) issued: Mutex<Option<(u64, RenewedCertificate)>>,
}

impl Link {
    /// Returns the session of the link.
    pub fn session(&self) -> &Session {
        self.connection.session()
    }

    /// Returns the connection that the link serves.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the random name that the peer's program gave itself when it started. Two links with
    /// one instance belong to one program.
    #[must_use]
    pub fn instance(&self) -> &[u8] {
        &self.instance
    }

    /// Returns whether the peer answers a ping within three seconds.
    pub async fn lives(&self) -> bool {
        let mut pongs = self.pongs.subscribe();
        let number = pongs.borrow().wrapping_add(1);
        if self.words.try_send(Box::new(Control::Ping(number))).is_err() {
            return false;
        }
        timeout(ANSWER, pongs.wait_for(|pong| *pong == number)).await.is_ok_and(|pong| pong.is_ok())
    }

    /// Ends the link, and tells the peer why.
    pub fn part(&self, why: Why) {
        // Does not wait for a peer that does not read its messages.
        drop(self.words.try_send(Box::new(Control::Bye(why, why.to_string()))));
        if self.words.is_closed() {
            self.carrier.close(why);
        }
    }

    /// Asks the device to open what it offers under a name.
    ///
    /// # Errors
    /// When the device refuses, does not answer in time, or is gone; or when there is no buffer for
    /// what it could send.
    pub async fn open(&self, asked: Asked) -> Result<DeviceFlow, LinkError> {
        let window = self.session().window().ok_or(LinkError::NoRoom)?;
        let open = async {
            let mut pipe = self.carrier.open().await?;
            pipe.keep(window);
            write_frame(&mut pipe, &OpenFrame::Open(asked).encode()).await?;
            let frame = read_frame(&mut pipe, OPENING_LIMIT).await?;
            let answer = Answer::decode(&frame).map_err(|error| LinkError::Said(error.to_string()));
            match answer? {
                Answer::Admitted { kind: FlowKind::Stream, actions, .. } => {
                    Ok(DeviceFlow::Stream { pipe, granted: actions })
                }
                Answer::Admitted { kind: FlowKind::Datagrams, .. } => {
                    Ok(DeviceFlow::Datagrams(self.carrier.datagrams(pipe)))
                }
                Answer::Refused { why, detail, .. } => Err(LinkError::Refused(why, detail)),
                Answer::Unknown(kind) => Err(LinkError::Said(format!("a message of type {kind}"))),
            }
        };
        timeout(PATIENCE, open).await.unwrap_or(Err(LinkError::Slow))
    }

    pub(super) fn issued(&self) -> MutexGuard<'_, Option<(u64, RenewedCertificate)>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell_cut(&self, stream: u64, why: Why) {
        // The message only gives the reason. The peer sees the cut from the stream itself, which
        // does not end properly.
        drop(self.words.try_send(Box::new(Control::Cut(stream, why))));
    }
}

/// A flow to a device, as the device has opened it.
#[derive(Debug)]
pub enum DeviceFlow {
    /// A stream.
    Stream {
        /// The stream.
        pipe: Pipe,
        /// The requested actions that the device says it serves.
        granted: Vec<String>,
    },
    /// Datagrams.
    Datagrams(FlowDatagrams),
}

/// Why a device did not open its interface. The device's fault, or the network's.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection failed.
    #[error("the connection to the device failed: {0}")]
    Broken(#[from] io::Error),
    /// The device refused.
    #[error("the device refuses: {0} ({detail})", detail = doorward_model::escape(.1))]
    Refused(Why, String),
    /// The device sent a message that is no answer.
    #[error("the device answered with {}", doorward_model::escape(.0))]
    Said(String),
    /// There is no buffer for one more stream.
    #[error("there is no room for one more stream (limits.buffers)")]
    NoRoom,
    /// The device did not answer.
    #[error("the device did not answer in time")]
    Slow,
}

/// A certificate that was issued to the holder of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewedCertificate {
    /// The certificate's id.
    pub id: CertificateId,
    /// When the certificate expires.
    pub not_after: Timestamp,
    /// The certificate, then the issuing authority, in PEM.
    pub certificate: String,
    /// The trust anchors, in PEM.
    pub anchors: String,
}
