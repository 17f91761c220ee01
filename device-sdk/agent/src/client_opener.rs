//! Opens flows with the SDK's client.

use std::sync::Arc;

use doorward_model::{Action, Clock, DoorName};
use doorward_sdk::{Client, Error, FlowKind, IdentityDir, Settings, Transport, Wanted};

use crate::failure::Failure;
use crate::opener::{Boxed, FlowOpener, FlowRefusal, OpenFlow};

/// The program and version that the agent sends to the gateway.
pub(crate) const SOFTWARE: &str = concat!("doorward-agent/", env!("CARGO_PKG_VERSION"));

/// Opens flows through a gateway, all for the same actions.
pub(crate) struct ClientOpener {
    client: Client,
    actions: Vec<Action>,
}

impl ClientOpener {
    /// Uses `client` to open flows for `actions`. Without any, each flow gets all granted actions.
    pub(crate) fn new(client: Client, actions: Vec<Action>) -> Self {
        Self { client, actions }
    }
}

/// Starts a client with the identity in `dir`.
pub(crate) fn start(
    dir: &IdentityDir,
    transport: Transport,
    clock: Arc<dyn Clock>,
) -> Result<Client, Failure> {
    let mut settings = Settings::new(clock);
    SOFTWARE.clone_into(&mut settings.software);
    settings.transport = transport;
    Ok(Client::start(dir.clone(), settings)?)
}

impl FlowOpener for ClientOpener {
    fn open<'a>(
        &'a self,
        interface: &'a DoorName,
        kind: Option<FlowKind>,
    ) -> Boxed<'a, Result<OpenFlow, FlowRefusal>> {
        let wanted = Wanted { actions: self.actions.clone(), kind };
        Box::pin(async move {
            match self.client.connect(interface, wanted).await {
                Ok(doorward_sdk::Flow::Stream(stream)) => Ok(OpenFlow::Stream(Box::new(stream))),
                Ok(doorward_sdk::Flow::Datagrams(datagrams)) => {
                    Ok(OpenFlow::Datagrams(Box::new(datagrams)))
                }
                Err(error) => Err(refusal(&error)),
            }
        })
    }
}

fn refusal(error: &Error) -> FlowRefusal {
    let why = if let Error::Flow { why, .. } = error { Some(*why) } else { None };
    FlowRefusal { why, detail: error.to_string() }
}
