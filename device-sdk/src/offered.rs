//! An interface that a client offers.

use std::sync::Arc;

use doorward_model::Name;
use doorward_wire::FlowKind;

use crate::client::Client;
use crate::error::Error;
use crate::offer::Handler;

/// An offer of an interface, until it is dropped. It keeps its [`Client`] running.
#[derive(Debug)]
#[must_use = "dropped, it withdraws the offer"]
pub struct Offered {
    client: Client,
    name: Name,
}

impl Offered {
    /// Returns the name of the offered interface.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.client.shared().offers.send_if_modified(|offers| offers.remove(&self.name));
    }
}

impl Client {
    /// Offers an interface until the returned value is dropped. `name` is the NAME of `agent:NAME`
    /// in the gateway's declaration. [`Client::status`] tells whether the gateway accepts the
    /// offer.
    ///
    /// # Errors
    /// Fails when this client already offers an interface of that name.
    pub fn offer(
        &self,
        name: Name,
        kind: FlowKind,
        handler: Arc<dyn Handler>,
    ) -> Result<Offered, Error> {
        let added =
            self.shared().offers.send_if_modified(|offers| offers.add(name.clone(), kind, handler));
        if !added {
            return Err(Error::OfferedAlready(name));
        }
        Ok(Offered { client: self.clone(), name })
    }
}
