//! A flow that a peer requests by `Open`, or asks about by `Ask`, and the answer.

use std::io;
use std::sync::Arc;

use doorward_wire::{Answer, Asked, FlowDatagrams, FlowKind, Pipe, Why, write_frame};
use jiff::Timestamp;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::handle::{LEAVING, Link};
use crate::wire::Wire;

/// A flow that a peer requests by `Open`, or asks about by `Ask`, before its answer.
#[derive(Debug)]
pub struct OpenRequest {
    /// What the peer asks for.
    pub asked: Asked,
    /// Whether the peer only asks whether the flow would be admitted.
    pub is_question: bool,
    pub(super) pipe: Pipe,
    pub(super) link: Arc<Link>,
}

impl OpenRequest {
    /// Refuses the request. `flow` is the id under which the audit log has the reason; from the
    /// instant `from` on, a rule could allow it.
    pub async fn refuse(self, why: Why, detail: &str, flow: &str, from: Option<Timestamp>) {
        let (detail, flow) = (detail.to_owned(), flow.to_owned());
        // Rounded up, so that a peer that waits until then does not ask too early.
        let from = from.map(|at| at.as_second() + i64::from(at.subsec_nanosecond() > 0));
        self.answer(&Answer::Refused { why, detail, flow, from }).await;
    }

    /// Answers a question: the flow would be admitted.
    pub async fn affirm(self, kind: FlowKind, actions: &[&str]) {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        self.answer(&Answer::Admitted { flow: String::new(), kind, actions }).await;
    }

    /// Sends the only answer, and ends the stream.
    async fn answer(mut self, answer: &Answer) {
        let answer = answer.encode();
        let said = async {
            write_frame(&mut self.pipe, &answer).await?;
            self.pipe.shutdown().await
        };
        if let Ok(Err(error)) = timeout(LEAVING, said).await {
            tracing::trace!(%error, "the peer left before it had read its answer");
        }
    }

    async fn admit(&mut self, flow: &str, kind: FlowKind, actions: &[&str]) -> io::Result<()> {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        let answer = Answer::Admitted { flow: flow.to_owned(), kind, actions }.encode();
        let said = write_frame(&mut self.pipe, &answer);
        timeout(LEAVING, said).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Grants the request as a stream.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn stream(mut self, flow: &str, actions: &[&str]) -> io::Result<Box<dyn Wire>> {
        self.admit(flow, FlowKind::Stream, actions).await?;
        Ok(Box::new(PipeWire { pipe: self.pipe, link: self.link }))
    }

    /// Grants the request as datagrams. [`CutNotice::cut`] later tells the peer on the control
    /// stream why the flow ended.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn datagrams(
        mut self,
        flow: &str,
        actions: &[&str],
    ) -> io::Result<(FlowDatagrams, CutNotice)> {
        self.admit(flow, FlowKind::Datagrams, actions).await?;
        let notice = CutNotice { stream: self.pipe.id(), link: Arc::clone(&self.link) };
        Ok((self.link.carrier.datagrams(self.pipe), notice))
    }
}

/// Tells a peer why its flow of datagrams was cut.
#[derive(Debug)]
pub struct CutNotice {
    stream: u64,
    link: Arc<Link>,
}

impl CutNotice {
    /// Sends the reason.
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
