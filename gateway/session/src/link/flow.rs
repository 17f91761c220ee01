//! Serves one stream of a `doorward/1` connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_wire::{Answer, Asked, OPENING_LIMIT, OpenFrame, Pipe, Why, read_frame, write_frame};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::handle::{Link, PATIENCE};
use super::open_request::OpenRequest;
use crate::serving::Serving;

/// Counts one flow among the flows of its link, until it is dropped.
pub(super) struct FlowCount(Arc<Link>);

impl FlowCount {
    pub(super) fn new(link: &Arc<Link>) -> Self {
        link.flows.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(link))
    }
}

impl Drop for FlowCount {
    fn drop(&mut self) {
        self.0.flows.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Reads what the peer asks for on a stream that it has opened, and hands the request to the flows.
pub(super) async fn flow(
    serving: Arc<Serving>,
    counted: FlowCount,
    mut pipe: Pipe,
    draining: bool,
) {
    let link = Arc::clone(&counted.0);
    let opening = timeout(PATIENCE, read_frame(&mut pipe, OPENING_LIMIT)).await;
    let opening = match opening {
        Ok(Ok(frame)) => OpenFrame::decode(&frame).map_err(|error| error.to_string()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(error.to_string()),
        // The stream ended, or timed out, before it had sent a request.
        Ok(Err(_)) | Err(_) => return pipe.cut(Why::Wrong),
    };
    let is_question = matches!(opening, Ok(OpenFrame::Ask(_)));
    let (asked, wrong) = match opening {
        Ok(OpenFrame::Open(asked) | OpenFrame::Ask(asked)) => (asked, None),
        Ok(OpenFrame::Unknown(kind)) => {
            (Asked::default(), Some(format!("messages of type {kind} are not known")))
        }
        Err(detail) => (Asked::default(), Some(detail)),
    };
    let connection = Arc::clone(&link.connection);
    let request = OpenRequest { asked, is_question, pipe, link: Arc::clone(&link) };
    if let Some(detail) = wrong {
        return request.refuse(Why::Wrong, &detail, "", None).await;
    }
    if draining {
        return request.refuse(Why::Stopping, "the gateway stops", "", None).await;
    }
    let id = serving.leases.new_flow_id();
    serving.flows.open(connection, id, request).await;
}

/// Refuses a stream for which there is no buffer. The peer gets the reason if it can be sent
/// without waiting. The bytes that the stream has brought are discarded.
pub(super) async fn turn_away(mut pipe: Pipe) {
    let detail = "the buffers are in use by other streams; try again in a moment".to_owned();
    let (why, flow, from) = (Why::Busy, String::new(), None);
    let answer = Answer::Refused { why, detail, flow, from }.encode();
    let said = async {
        write_frame(&mut pipe, &answer).await?;
        pipe.shutdown().await
    };
    if !matches!(timeout(Duration::ZERO, said).await, Ok(Ok(()))) {
        pipe.cut(Why::Busy);
    }
}
