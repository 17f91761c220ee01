//! Requests after which both sides change the protocol.

use std::io;
use std::sync::Arc;

use doorward_session::{StreamWire, Wire};
use doorward_wire::{Ahead, Why};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::flow::HttpFlow;
use super::half::Half;
use super::leased_stream::LeasedStream;
use super::pool::HttpConnection;
use super::preface::ClientStream;
use super::running::Running;
use crate::pipeline::held::HeldLeases;
use crate::pipeline::relay::both;
use crate::pipeline::relay_end::RelayEnd;

/// A request after whose response both sides change the protocol, such as to WebSocket.
pub(super) struct Upgraded {
    pub(super) lease: HeldLeases,
    /// The leases that count these bytes besides those of the flow.
    pub(super) counted: Option<HeldLeases>,
    pub(super) backend: OnUpgrade,
    pub(super) connection: HttpConnection,
    pub(super) running: Option<Running>,
}

impl Upgraded {
    /// Moves bytes between a client that spoke HTTP/1.1 and the backend, as long as the leases of
    /// the request and of the flow live.
    pub(super) async fn relay_http1(self, flow: &Arc<HttpFlow>, client: OnUpgrade) -> RelayEnd {
        let Self { lease, counted, backend, connection, running } = self;
        let over = async {
            tokio::select! {
                cause = flow.over() => cause,
                cause = lease.over() => cause,
                () = flow.count() => std::future::pending().await,
            }
        };
        let Ok(mut client) = client_of(client).await else { return RelayEnd::Client };
        let Ok(mut backend) = backend_of(backend).await else {
            client.into_stream().cut(Why::Broken);
            return RelayEnd::Backend;
        };
        let end = both(over, counted.as_ref(), &mut client, &mut backend).await;
        if let Some(why) = end.why() {
            client.into_stream().cut(why);
        }
        // A connection that was not shut down by now is reset.
        drop((backend, connection, running));
        end
    }

    /// Does the same for a client that spoke HTTP/2. The owner of the flow drops this future when
    /// the flow ends.
    pub(super) async fn relay_http2(self, mut client: StreamWire) -> RelayEnd {
        let Self { lease, counted, backend, connection, .. } = self;
        let Ok(mut backend) = backend_of(backend).await else {
            Box::new(client).cut(Why::Broken);
            return RelayEnd::Backend;
        };
        let end = both(lease.over(), counted.as_ref(), &mut client, &mut backend).await;
        if let Some(why) = end.why() {
            Box::new(client).cut(why);
        }
        drop((backend, connection));
        end
    }
}

async fn client_of(upgrade: OnUpgrade) -> io::Result<ClientStream> {
    let upgraded = upgrade.await.map_err(io::Error::other)?;
    let parts = upgraded.downcast::<TokioIo<Half>>();
    let parts = parts.map_err(|_| io::ErrorKind::ConnectionAborted)?;
    Ok(parts.io.into_inner().into_client().again(parts.read_buf))
}

async fn backend_of(upgrade: OnUpgrade) -> io::Result<Ahead<LeasedStream>> {
    let upgraded = upgrade.await.map_err(io::Error::other)?;
    let parts = upgraded.downcast::<TokioIo<LeasedStream>>();
    let parts = parts.map_err(|_| io::ErrorKind::ConnectionAborted)?;
    Ok(Ahead::new(parts.read_buf, parts.io.into_inner()))
}
