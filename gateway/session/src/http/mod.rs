//! HTTP at the gateway's own names: requests go to the [`Front`](crate::Front) port, a CONNECT
//! becomes a flow.

mod body;
mod handler;
mod http1;
mod http2;
mod json;
mod page;
mod payload;
mod problem;

use std::sync::Arc;

pub use body::{Body, BodyError, Whole};
pub use handler::{RequestId, mark};
pub use json::json;
pub use page::{RefusalForm, present};
pub use payload::{Payload, empty, text};
pub use problem::Problem;

use crate::secured::Secured;
use crate::serving::Serving;
use crate::visit::Visit;
use handler::RequestHandler;

/// Serves one connection of a visitor until it ends.
pub(crate) async fn serve(stream: Secured, visit: Visit, serving: Arc<Serving>) {
    let is_http2 = stream.session().alpn_protocol() == Some(b"h2");
    let handler = RequestHandler::new(visit, serving);
    if is_http2 {
        http2::serve(stream, handler).await;
    } else {
        http1::serve(stream, handler).await;
    }
}
