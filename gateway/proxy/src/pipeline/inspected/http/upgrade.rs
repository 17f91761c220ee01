//! Requests after which both sides speak something else.

use std::io;
use std::sync::Arc;

use doorward_session::{StreamWire, Wire};
use doorward_wire::{Ahead, Why};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::ahead::Client;
use super::connection::Connection;
use super::flow::Flow;
use super::half::Half;
use super::http1::Running;
use super::lines::Line;
use crate::pipeline::held::Held;
use crate::pipeline::relay::{End, both};

/// A request after whose answer both sides speak something else, such as WebSocket.
pub(super) struct Upgraded {
    pub(super) lease: Held,
    /// Where it is counted besides on the flow.
    pub(super) counted: Option<Held>,
    pub(super) backend: OnUpgrade,
    pub(super) line: Line,
    pub(super) running: Option<Running>,
}

impl Upgraded {
    /// Moves bytes between a client that spoke HTTP/1.1 and the backend, as long as the request's
    /// lease and the flow live.
    pub(super) async fn relay_http1(self, flow: &Arc<Flow>, client: OnUpgrade) -> End {
        let Self { lease, counted, backend, line, running } = self;
        let over = async {
            tokio::select! {
                cause = flow.over() => cause,
                cause = lease.over() => cause,
                () = flow.count() => std::future::pending().await,
            }
        };
        let Ok(mut client) = client_of(client).await else { return End::Client };
        let Ok(mut backend) = backend_of(backend).await else {
            client.into_stream().cut(Why::Broken);
            return End::Backend;
        };
        let end = both(over, counted.as_ref(), &mut client, &mut backend).await;
        if let Some(why) = end.why() {
            client.into_stream().cut(why);
        }
        // What has not been shut down by now is reset.
        drop((backend, line, running));
        end
    }

    /// The same for a client that spoke HTTP/2; whoever ends the flow drops this.
    pub(super) async fn relay_http2(self, mut client: StreamWire) -> End {
        let Self { lease, counted, backend, line, .. } = self;
        let Ok(mut backend) = backend_of(backend).await else {
            Box::new(client).cut(Why::Broken);
            return End::Backend;
        };
        let end = both(lease.over(), counted.as_ref(), &mut client, &mut backend).await;
        if let Some(why) = end.why() {
            Box::new(client).cut(why);
        }
        drop((backend, line));
        end
    }
}

async fn client_of(upgrade: OnUpgrade) -> io::Result<Client> {
    let upgraded = upgrade.await.map_err(io::Error::other)?;
    let parts = upgraded.downcast::<TokioIo<Half>>();
    let parts = parts.map_err(|_| io::ErrorKind::ConnectionAborted)?;
    Ok(parts.io.into_inner().into_client().again(parts.read_buf))
}

async fn backend_of(upgrade: OnUpgrade) -> io::Result<Ahead<Connection>> {
    let upgraded = upgrade.await.map_err(io::Error::other)?;
    let parts = upgraded.downcast::<TokioIo<Connection>>();
    let parts = parts.map_err(|_| io::ErrorKind::ConnectionAborted)?;
    Ok(Ahead::new(parts.read_buf, parts.io.into_inner()))
}
