//! The command `connect`: one interface, on standard input and output or at a local port.

use std::io;
use std::sync::Arc;

use doorward_model::{Action, Clock, DoorName};
use doorward_sdk::{IdentityDir, Transport};

use crate::doors::Doors as _;
use crate::failure::Failure;
use crate::listen::{Doorstep, serve};
use crate::signals::Stop;
use crate::stdio;
use crate::through::{Through, start};

/// Opens an interface, on standard input and output or at a local listener.
pub(crate) async fn run(
    dir: &IdentityDir,
    door: &DoorName,
    observe: bool,
    listen: Option<&str>,
    open: bool,
    clock: Arc<dyn Clock>,
) -> Result<(), Failure> {
    let at = listen.map(|address| Doorstep::bind(address, open)).transpose()?;
    let client = start(dir, Transport::Auto, clock)?;
    let actions = if observe { vec![Action::Read] } else { Vec::new() };
    let doors = Arc::new(Through::new(client.clone(), actions));
    let ended = match at {
        Some(at) => serve(at, doors, door.clone(), Stop::new()?).await,
        None => {
            let mut stop = Stop::new()?;
            let serving = async {
                match doors.open(door, None).await {
                    Ok(flow) => stdio::serve(flow).await,
                    Err(refusal) => Err(refusal.into()),
                }
            };
            tokio::select! {
                ended = serving => ended,
                // Stops the client below, so that the gateway frees the flow's permit at once.
                () = stop.told() => Err(Failure::Cut(io::ErrorKind::Interrupted.into())),
            }
        }
    };
    // Sends what is still in the client's buffers.
    client.stop().await;
    ended
}
