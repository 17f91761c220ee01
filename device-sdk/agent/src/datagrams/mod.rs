//! Moves datagrams between a local end and a flow.

mod flow_table;

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use doorward_wire::Why;
use tokio::time::{Instant, sleep_until};

pub(crate) use flow_table::{FlowTable, Sink};

use crate::failure::Failure;
use crate::opener::DatagramFlow;

/// The local end of a flow of datagrams.
pub(crate) trait LocalDatagrams: Send {
    /// Returns the next datagram for the flow, or `None` when there are no more. A cancelled call
    /// loses no datagram.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Bytes>>> + Send;

    /// Delivers a datagram from the flow.
    fn deliver(&mut self, datagram: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}

/// Carries datagrams in both directions until the flow ends, the local end fails, or nothing was
/// transferred for `idle`. After the local end's last datagram, `linger` is used instead of `idle`.
pub(crate) async fn carry<E: LocalDatagrams>(
    mut flow: Box<dyn DatagramFlow>,
    end: &mut E,
    idle: Duration,
    linger: Duration,
) -> Result<(), Failure> {
    let local = |error| Failure::Local { what: "the local datagrams".to_owned(), error };
    let mut more = true;
    let mut patience = idle;
    let mut until = Instant::now() + patience;
    loop {
        tokio::select! {
            received = poll_fn(|cx| flow.poll_receive(cx)) => match received {
                Ok(Some(datagram)) => end.deliver(&datagram).await.map_err(local)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(flow.cut(error).await),
            },
            next = end.next(), if more => match next {
                Ok(Some(datagram)) => flow.send(&datagram),
                Ok(None) => (more, patience) = (false, linger),
                Err(error) => {
                    flow.close(Why::Broken);
                    return Err(local(error));
                }
            },
            () = sleep_until(until) => {
                flow.close(Why::Idle);
                return Ok(());
            }
        }
        until = Instant::now() + patience;
    }
}
