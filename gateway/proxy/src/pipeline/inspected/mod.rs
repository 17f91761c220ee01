//! Inspected flows: the policy decides each operation. A machine of `doorward_inspect` names the
//! operations, and only the bytes that it lets out are forwarded.

mod begin;
mod datagrams;
mod flow;
mod http;
mod lane;
mod operations;
mod tally;
mod turn;

use std::time::Duration;

use doorward_inspect::coap::Coap;
use doorward_inspect::modbus::Tcp;
use doorward_inspect::mqtt::Mqtt;
use doorward_model::Inspection;
use doorward_wire::Why;

pub use http::Rates;

use super::Means;
use super::approach::Approached;
use super::record::Ended;
use super::relay::ClientEnd;

/// How long a client may stay without a permitted operation.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves a flow from its first message to its end. Returns `None` if nothing was ever permitted.
pub async fn inspect(means: &Means, approached: Approached, client: ClientEnd) -> Option<Ended> {
    let interface = &approached.interface;
    match (&approached.inspected.spoken, client) {
        (Inspection::Modbus(_), ClientEnd::Stream(wire)) => {
            let machine = Box::new(Tcp::new(interface));
            flow::stream(means, approached, machine, wire).await
        }
        (Inspection::Http(_), ClientEnd::Stream(wire)) => {
            http::serve(means, approached, wire).await
        }
        (Inspection::Mqtt(options), ClientEnd::Stream(wire)) => {
            let Some(fresh) = means.leases.nonce() else {
                wire.cut(Why::Stopping);
                return None;
            };
            let subject = approached.requested.connection.session().subject().to_string();
            let fresh = format!("{:032x}", u128::from_ne_bytes(fresh));
            let machine = Box::new(Mqtt::new(interface, &subject, *options, fresh));
            flow::stream(means, approached, machine, wire).await
        }
        (Inspection::Coap, ClientEnd::Datagrams(client, notice)) => {
            let Some(seed) = means.leases.nonce() else {
                client.close(Why::Stopping);
                return None;
            };
            let machine = Coap::new(interface, u64::from_ne_bytes(seed));
            datagrams::exchange(means, approached, machine, client, notice).await
        }
        // The flow is of another kind than the protocol.
        (Inspection::Coap, ClientEnd::Stream(wire)) => {
            wire.cut(Why::Wrong);
            None
        }
        (
            Inspection::Modbus(_) | Inspection::Http(_) | Inspection::Mqtt(_),
            ClientEnd::Datagrams(client, _),
        ) => {
            client.close(Why::Wrong);
            None
        }
    }
}
