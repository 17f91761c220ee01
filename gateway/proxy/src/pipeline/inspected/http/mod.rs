//! HTTP flows. Requests come over HTTP/1.1 or HTTP/2, and go to the backend over HTTP/1.1.
//!
//! ```text
//! client ─http1│http2→ HttpFlow::admit ─→ exchange ─→ ConnectionPool ─→ backend
//!                      read, judge,       forward,    one connection for
//!                      record             answer      one request at a time
//! ```
//!
//! The first permitted request admits the flow, and dials. Every request holds a lease of its own
//! until the last byte of its response, or of its upgrade. When this lease is cut, the response
//! does not look complete: over HTTP/1.1 the connection is reset, and over HTTP/2 only the stream.
//! When the lease of the admission is cut, the whole flow is.
//!
//! Connections to the backend belong to one flow. So nothing that one session has done to a
//! connection (`Connection`, NTLM) reaches another session.

mod answer;
mod download;
mod exchange;
mod flow;
mod half;
mod http1;
mod http2;
mod identity;
mod judge;
mod leased_stream;
mod limits;
mod pool;
mod preface;
mod rates;
mod request_name;
mod running;
mod upgrade;
mod upload;

use std::sync::Arc;

use doorward_session::Wire;
use tokio::time::timeout;

pub use rates::Rates;

use self::flow::HttpFlow;
use self::limits::HEAD_TIME;
use self::preface::speaks_http2;
use super::super::Means;
use super::super::approach::Approached;
use super::super::record::Ended;
use super::super::relay_end::RelayEnd;

/// Serves a flow from its first request to its end. Returns `None` if nothing was ever permitted.
pub(super) async fn serve(
    means: &Means,
    approached: Arc<Approached>,
    wire: Box<dyn Wire>,
) -> Option<Ended> {
    let flow = Arc::new(HttpFlow::new(means.clone(), approached)?);
    let begun = tokio::select! {
        biased;
        cause = flow.over() => Err(RelayEnd::Cut(cause)),
        begun = timeout(HEAD_TIME, speaks_http2(wire)) => match begun {
            Ok(Ok(begun)) => Ok(begun),
            Ok(Err(_)) | Err(_) => Err(RelayEnd::Client),
        },
    };
    let end = match begun {
        Ok((true, wire)) => http2::serve(&flow, wire).await,
        Ok((false, wire)) => http1::serve(&flow, wire).await,
        Err(end) => end,
    };
    flow.ended(end).await
}
