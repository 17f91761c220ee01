//! A flow on a connection of `doorward/1`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_wire::{Answer, Asked, OPENING_LIMIT, Opening, Pipe, Why, read_frame, write_frame};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::{Link, OpenRequest, PATIENCE};
use crate::serving::Serving;

/// A flow that its link counts.
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

/// One stream that the peer has opened.
pub(super) async fn flow(
    serving: Arc<Serving>,
    counted: FlowCount,
    mut pipe: Pipe,
    draining: bool,
) {
    let link = Arc::clone(&counted.0);
    let opening = timeout(PATIENCE, read_frame(&mut pipe, OPENING_LIMIT)).await;
    let opening = match opening {
        Ok(Ok(frame)) => Opening::decode(&frame).map_err(|error| error.to_string()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(error.to_string()),
        // It went before it had said anything.
        Ok(Err(_)) | Err(_) => return pipe.cut(Why::Wrong),
    };
    let (asked, wrong) = match opening {
        Ok(Opening::Open(asked)) => (asked, None),
        Ok(Opening::Unknown(kind)) => {
            (Asked::default(), Some(format!("messages of type {kind} are not known")))
        }
        Err(detail) => (Asked::default(), Some(detail)),
    };
    let session = Arc::clone(&link.session);
    let request = OpenRequest { asked, pipe, link: Arc::clone(&link) };
    if let Some(detail) = wrong {
        return request.refuse(Why::Wrong, &detail, "").await;
    }
    if draining {
        return request.refuse(Why::Stopping, "the gateway stops", "").await;
    }
    let id = serving.leases.new_flow_id();
    serving.flows.open(session, id, request).await;
}

/// A stream that there is no room for. Its peer is told so if that can be done at once; what it has
/// brought is let go.
pub(super) async fn turn_away(mut pipe: Pipe) {
    let detail = "too much waits to be taken by others; try again in a moment".to_owned();
    let answer = Answer::Refused { why: Why::Busy, detail, flow: String::new() }.encode();
    let said = async {
        write_frame(&mut pipe, &answer).await?;
        pipe.shutdown().await
    };
    if !matches!(timeout(Duration::ZERO, said).await, Ok(Ok(()))) {
        pipe.cut(Why::Busy);
    }
}
