//! A session of `doorward/1`: its control stream, and the streams that its peer opens.

mod flow;
mod greeting;
mod open_request;
mod service;

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_wire::{
    Answer, Asked, Carrier, Control, Datagrams, Kind, OPENING_LIMIT, Opening, Pipe, Why,
    read_frame, write_frame,
};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub use open_request::{CutNotice, OpenRequest};

use crate::ports::Renewal;
use crate::serving::Serving;
use crate::session::Session;
use greeting::greet;
use service::LinkService;

/// How long a peer may take for its first words, on the connection and on each stream.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a word of ours may take to leave.
const LEAVING: Duration = Duration::from_secs(5);
/// How long an answer to a ping may take.
const ANSWER: Duration = Duration::from_secs(3);

/// One connection of a device or a person: what flows towards a device are opened on.
#[derive(Debug)]
pub struct Link {
    carrier: Carrier,
    session: Arc<Session>,
    instance: Vec<u8>,
    /// What is to be said. Boxed, because a channel keeps room for 32 words from its beginning.
    words: mpsc::Sender<Box<Control>>,
    flows: AtomicUsize,
    /// The last answer to a ping.
    pongs: watch::Sender<u64>,
    /// A certificate that was issued here and that its holder has not stored yet.
    issued: Mutex<Option<(u64, Renewal)>>,
}

impl Link {
    /// Whose it is.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// What its program has called itself, at random, when it started: whether two links are of
    /// one program.
    #[must_use]
    pub fn instance(&self) -> &[u8] {
        &self.instance
    }

    /// Whether somebody is at the other end: whether a ping is answered within a few seconds.
    pub async fn lives(&self) -> bool {
        let mut pongs = self.pongs.subscribe();
        let number = pongs.borrow().wrapping_add(1);
        if self.words.try_send(Box::new(Control::Ping(number))).is_err() {
            return false;
        }
        timeout(ANSWER, pongs.wait_for(|pong| *pong == number)).await.is_ok_and(|pong| pong.is_ok())
    }

    /// Ends it, telling its program why.
    pub fn part(&self, why: Why) {
        // A peer that does not read its words is not waited for.
        drop(self.words.try_send(Box::new(Control::Bye(why, why.to_string()))));
        if self.words.is_closed() {
            self.carrier.close(why);
        }
    }

    /// Asks the device for what it offers under a name.
    ///
    /// # Errors
    /// When it refuses, does not answer in time, or is gone; or when there is no room for what it
    /// could send.
    pub async fn open(&self, asked: Asked) -> Result<DeviceFlow, LinkError> {
        let window = self.session.window().ok_or(LinkError::NoRoom)?;
        let open = async {
            let mut pipe = self.carrier.open().await?;
            pipe.keep(window);
            write_frame(&mut pipe, &Opening::Open(asked).encode()).await?;
            let frame = read_frame(&mut pipe, OPENING_LIMIT).await?;
            let answer = Answer::decode(&frame).map_err(|error| LinkError::Said(error.to_string()));
            match answer? {
                Answer::Admitted { kind: Kind::Stream, actions, .. } => {
                    Ok(DeviceFlow::Stream { pipe, granted: actions })
                }
                Answer::Admitted { kind: Kind::Datagrams, .. } => {
                    Ok(DeviceFlow::Datagrams(self.carrier.datagrams(pipe)))
                }
                Answer::Refused { why, detail, .. } => Err(LinkError::Refused(why, detail)),
                Answer::Unknown(kind) => Err(LinkError::Said(format!("a message of type {kind}"))),
            }
        };
        timeout(PATIENCE, open).await.unwrap_or(Err(LinkError::Slow))
    }

    fn issued(&self) -> MutexGuard<'_, Option<(u64, Renewal)>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_cut(&self, stream: u64, why: Why) {
        // It is a courtesy: the stream itself does not end properly.
        drop(self.words.try_send(Box::new(Control::Cut(stream, why))));
    }
}

/// What an offered interface was opened as.
#[derive(Debug)]
pub enum DeviceFlow {
    /// A stream.
    Stream {
        /// Its bytes.
        pipe: Pipe,
        /// Which of the wanted actions the device says that it serves.
        granted: Vec<String>,
    },
    /// Datagrams.
    Datagrams(Datagrams),
}

/// Why a device's interface was not opened. The device's doing, or the network's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The connection broke off.
    #[error("the device's connection: {0}")]
    Broken(#[from] io::Error),
    /// It refused.
    #[error("the device refuses: {0} ({detail})", detail = doorward_model::escape(.1))]
    Refused(Why, String),
    /// It said something that is no answer.
    #[error("the device answered with {}", doorward_model::escape(.0))]
    Said(String),
    /// Nothing more can be let wait for those who take it.
    #[error("there is no room for one more stream (limits.buffers)")]
    NoRoom,
    /// It did not answer.
    #[error("the device did not answer in time")]
    Slow,
}

/// Serves one identified connection until it ends.
pub(crate) async fn serve(carrier: Carrier, session: Arc<Session>, serving: Arc<Serving>) {
    let why = match greet(&carrier, &session, &serving).await {
        Ok((control, link, words)) => {
            let why =
                LinkService { control, link: Arc::clone(&link), serving: Arc::clone(&serving) }
                    .run(words)
                    .await;
            serving.flows.parted(&link);
            session.part();
            why
        }
        Err(why) => why,
    };
    carrier.close(why);
}
