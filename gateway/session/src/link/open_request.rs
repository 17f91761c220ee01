//! A flow that was asked for by `Open`, and its answer.

use std::io;
use std::sync::Arc;

use doorward_wire::{Answer, Asked, Datagrams, Kind, Pipe, Why, write_frame};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::{LEAVING, Link};
use crate::wire::Wire;

/// A flow that is asked for by `Open`, and waits for its answer.
#[derive(Debug)]
pub struct OpenRequest {
    /// What is asked for.
    pub asked: Asked,
    pub(super) pipe: Pipe,
    pub(super) link: Arc<Link>,
}

impl OpenRequest {
    /// Refuses it. `flow` is the id under which the audit log has the reason.
    pub async fn refuse(mut self, why: Why, detail: &str, flow: &str) {
        let (detail, flow) = (detail.to_owned(), flow.to_owned());
        let answer = Answer::Refused { why, detail, flow }.encode();
        let said = async {
            write_frame(&mut self.pipe, &answer).await?;
            self.pipe.shutdown().await
        };
        if let Ok(Err(error)) = timeout(LEAVING, said).await {
            tracing::trace!(%error, "whoever was refused went before it was told");
        }
    }

    async fn admit(&mut self, flow: &str, kind: Kind, actions: &[&str]) -> io::Result<()> {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        let answer = Answer::Admitted { flow: flow.to_owned(), kind, actions }.encode();
        let said = write_frame(&mut self.pipe, &answer);
        timeout(LEAVING, said).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Grants it as a stream.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn stream(mut self, flow: &str, actions: &[&str]) -> io::Result<Box<dyn Wire>> {
        self.admit(flow, Kind::Stream, actions).await?;
        Ok(Box::new(PipeWire { pipe: self.pipe, link: self.link }))
    }

    /// Grants it as datagrams. The end of the flow is told on the control stream by
    /// [`CutNotice::cut`].
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn datagrams(
        mut self,
        flow: &str,
        actions: &[&str],
    ) -> io::Result<(Datagrams, CutNotice)> {
        self.admit(flow, Kind::Datagrams, actions).await?;
        let parting = CutNotice { stream: self.pipe.id(), link: Arc::clone(&self.link) };
        Ok((self.link.carrier.datagrams(self.pipe), parting))
    }
}

/// Tells a peer why its flow of datagrams ended.
#[derive(Debug)]
pub struct CutNotice {
    stream: u64,
    link: Arc<Link>,
}

impl CutNotice {
    /// The flow was cut.
    pub fn cut(self, why: Why) {
        self.link.tell_cut(self.stream, why);
    }
}

/// The client's end of a flow on a stream of `doorward/1`.
struct PipeWire {
    pipe: Pipe,
    link: Arc<Link>,
}

impl Wire for PipeWire {
    fn cut(self: Box<Self>, why: Why) {
        self.link.tell_cut(self.pipe.id(), why);
        self.pipe.cut(why);
    }
}

doorward_wire::through!(PipeWire, pipe);
