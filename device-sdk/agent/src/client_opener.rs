//! Opens flows with the SDK's client.

use std::sync::Arc;

use doorward_model::{Action, Clock, DoorName, escape};
use doorward_sdk::{
    Client, Error, FlowKind, FlowPreview, IdentityDir, Next, Settings, State, Transport, Wanted,
};

use crate::failure::Failure;
use crate::opener::{Boxed, FlowOpener, FlowRefusal, OpenFlow};
use crate::report::ErrorReport;

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

impl ClientOpener {
    /// Asks whether a flow to `interface` would be opened. `None` if the gateway is too old to say.
    pub(crate) async fn ask(
        &self,
        interface: &DoorName,
    ) -> Result<Option<FlowPreview>, FlowRefusal> {
        self.ask_for(interface, self.actions.clone()).await
    }

    /// Asks which actions would be granted at `interface`.
    pub(crate) async fn ask_for_all(
        &self,
        interface: &DoorName,
    ) -> Result<Option<FlowPreview>, FlowRefusal> {
        self.ask_for(interface, Vec::new()).await
    }

    async fn ask_for(
        &self,
        interface: &DoorName,
        actions: Vec<Action>,
    ) -> Result<Option<FlowPreview>, FlowRefusal> {
        let wanted = Wanted { actions, kind: None };
        self.client.ask(interface, wanted).await.map_err(refusal)
    }
}

/// Waits until the gateway does not accept the client's identity any more, and says so.
pub(crate) async fn not_accepted(client: &Client) -> Failure {
    let mut status = client.status();
    loop {
        if let State::Ended { why } = &status.borrow_and_update().state {
            let message = format!("the identity is not accepted any more: {}", escape(why));
            let report = ErrorReport::new("not-accepted", message);
            return Failure::Reported(
                report.with_next("`doorward-agent status` shows the identity"),
            );
        }
        if status.changed().await.is_err() {
            return doorward_sdk::Error::Stopped.into();
        }
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
                Err(error) => Err(refusal(error)),
            }
        })
    }
}

fn refusal(error: Error) -> FlowRefusal {
    let why = if let Error::Flow { why, .. } = &error { Some(*why) } else { None };
    FlowRefusal { why, is_final: error.next() == Next::GiveUp, report: error.into() }
}
