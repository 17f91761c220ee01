//! A link: one `doorward/1` connection, with its control stream and the streams that its peer
//! opens.

mod flow;
mod greeting;
mod handle;
mod open_request;
mod service;

use std::sync::Arc;

use doorward_wire::Carrier;

pub use handle::{DeviceFlow, Link, LinkError, RenewedCertificate};
pub use open_request::{CutNotice, OpenRequest};

use crate::connection::Connection;
use crate::serving::Serving;
use greeting::greet;
use service::LinkService;

/// Serves one identified connection until it ends.
pub(crate) async fn serve(carrier: Carrier, connection: Arc<Connection>, serving: Arc<Serving>) {
    let why = match greet(&carrier, &connection, &serving).await {
        Ok((control, link, words)) => {
            let why =
                LinkService { control, link: Arc::clone(&link), serving: Arc::clone(&serving) }
                    .run(words)
                    .await;
            serving.flows.link_closed(&link);
            connection.is_gone();
            why
        }
        Err(why) => why,
    };
    carrier.close(why);
}
