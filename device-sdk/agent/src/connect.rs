//! The command `connect`: one interface, on standard input and output or at a local port.

use std::io;
use std::sync::Arc;

use doorward_model::{Action, Clock, DoorName};
use doorward_sdk::{IdentityDir, Transport};

use crate::client_opener::{ClientOpener, start};
use crate::failure::Failure;
use crate::listen::{InterfaceListener, serve};
use crate::opener::FlowOpener as _;
use crate::signals::StopSignals;
use crate::stdio;

/// Opens an interface, on standard input and output or at a local listener.
pub(crate) async fn run(
    dir: &IdentityDir,
    interface: &DoorName,
    observe: bool,
    listen: Option<&str>,
    open: bool,
    clock: Arc<dyn Clock>,
) -> Result<(), Failure> {
    let at = listen.map(|address| InterfaceListener::bind(address, open)).transpose()?;
    let client = start(dir, Transport::Auto, clock)?;
    let actions = if observe { vec![Action::Read] } else { Vec::new() };
    let opener = Arc::new(ClientOpener::new(client.clone(), actions));
    let ended = match at {
        Some(at) => serve(at, opener, interface.clone(), StopSignals::new()?).await,
        None => {
            let mut stop = StopSignals::new()?;
            let serving = async {
                match opener.open(interface, None).await {
                    Ok(flow) => stdio::serve(flow).await,
                    Err(refusal) => Err(refusal.into()),
                }
            };
            tokio::select! {
                ended = serving => ended,
                // Stops the client below, so that the gateway frees the flow's permit at once.
                () = stop.received() => Err(Failure::Cut(io::ErrorKind::Interrupted.into())),
            }
        }
    };
    // Sends what is still in the client's buffers.
    client.stop().await;
    ended
}
