//! HTTP flows: requests come over HTTP/1.1 or HTTP/2, and go to the backend over HTTP/1.1.
//!
//! ```text
//! client ─http1│http2→ Flow::admit ─→ exchange ─→ Lines ─→ backend
//!                      read, judge,   forward,    one connection for
//!                      record         answer      one request at a time
//! ```
//!
//! The first request that is permitted admits the flow, and dials. Every request holds a lease of
//! its own for as long as it runs: to the last byte of its answer, or of its upgrade. When that is
//! cut, the answer does not look complete: the connection is reset (HTTP/1.1), or the stream
//! (HTTP/2), whose neighbours go on. When the lease of the admission is cut, the flow is.
//!
//! Connections to the backend belong to one flow, so nothing that one session has done to one
//! (`Connection`, NTLM) reaches another.

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
mod pool;
mod preface;
mod rates;
mod request_name;
mod upgrade;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use doorward_session::Wire;
use tokio::time::timeout;

pub use rates::Rates;

use self::flow::HttpFlow;
use self::preface::speaks_http2;
use super::super::Means;
use super::super::approach::Approached;
use super::super::record::Ended;
use super::super::relay::RelayEnd;

/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// The longest head, in bytes: a request line and the fields that one message may have.
const HEAD: usize = 64 * 1024;
/// How many fields a head may have before a library refuses it, less politely than
/// [`FIELDS`](doorward_inspect::http::FIELDS) does.
const HEAD_FIELDS: usize = 128;
/// How long an end may take to be said.
const PARTING: Duration = Duration::from_secs(1);

/// Takes a flow from its first request to its end. `None` if nothing was ever permitted.
pub(super) async fn serve(
    means: &Means,
    approached: Approached,
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
