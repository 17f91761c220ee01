use std::io::IsTerminal as _;
use std::sync::Arc;

use doorward_model::{Clock, DoorName};
use doorward_sdk::{IdentityDir, renew_if_due};

use crate::carry::{Patience, carry};
use crate::command::tell;
use crate::failure::Failure;
use crate::listen::{Listener, serve};

/// Opens an interface, on standard input and output or at a local listener.
pub(crate) async fn run(
    dir: &IdentityDir,
    door: &DoorName,
    listen: Option<&str>,
    open: bool,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let listener = listen.map(|address| Listener::bind(address, open)).transpose()?;
    // A renewal that fails now may work the next time; the identity still serves.
    if let Err(error) = renew_if_due(dir, clock.now()).await {
        tell(&format!("doorward: the identity is due for renewal, which failed: {error}"));
    }
    let identity = Arc::new(dir.load()?);
    match listener {
        Some(listener) => serve(listener, identity, door.clone()).await,
        None => {
            let stream = doorward_sdk::connect(&identity, door).await?;
            let typed = std::io::stdin().is_terminal();
            let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
            // Nobody wants to press a key to learn that the far end is gone, and a pipe that
            // nobody closes must not keep a finished program alive.
            let patience = if typed { Patience::None } else { Patience::WhileItMoves };
            carry(stream, input, output, patience).await
        }
    }
}
