//! Inspected flows: the policy decides each operation. A machine of `doorward_inspect` names the
//! operations, and only the bytes that it lets out are forwarded.

mod datagrams;
mod flow;
mod http;
mod judge;
mod lane;
mod operations;
mod tally;
mod turn;
mod unadmitted;

use std::sync::Arc;

use doorward_inspect::coap::Coap;
use doorward_inspect::modbus::Tcp;
use doorward_inspect::mqtt::Mqtt;
use doorward_inspect::{DatagramMachine, Machine};
use doorward_model::Inspection;
use doorward_wire::Why;

pub use http::Rates;

use self::judge::MessageJudge;
use self::operations::Operations;
use super::Means;
use super::approach::Approached;
use super::record::Ended;
use super::relay::ClientEnd;

/// What reads the messages of a protocol.
enum Inspector {
    Stream(Box<dyn Machine>),
    Datagrams(Box<dyn DatagramMachine>),
    /// An HTTP library, for each request.
    Requests,
}

impl Inspector {
    /// Returns the inspector of a flow; `None` if the system gives no random bytes.
    fn of(means: &Means, approached: &Approached) -> Option<Self> {
        let interface = &approached.door.interface;
        Some(match &approached.inspected.spoken {
            Inspection::Http(_) => Self::Requests,
            Inspection::Modbus(_) => Self::Stream(Box::new(Tcp::new(interface))),
            Inspection::Mqtt(options) => {
                let fresh = format!("{:032x}", u128::from_ne_bytes(means.leases.nonce()?));
                let subject = approached.requested.connection.session().subject().to_string();
                Self::Stream(Box::new(Mqtt::new(interface, &subject, *options, fresh)))
            }
            Inspection::Coap => {
                let seed = u64::from_ne_bytes(means.leases.nonce()?);
                Self::Datagrams(Box::new(Coap::new(interface, seed)))
            }
        })
    }
}

/// Serves a flow from its first message to its end. Returns `None` if nothing was ever permitted.
pub async fn inspect(means: &Means, approached: Approached, client: ClientEnd) -> Option<Ended> {
    let Some(inspector) = Inspector::of(means, &approached) else {
        client.refuse(Why::Stopping);
        return None;
    };
    let approached = Arc::new(approached);
    let judge = || MessageJudge::new(Operations::new(means.clone(), Arc::clone(&approached)));
    match (inspector, client) {
        (Inspector::Stream(machine), ClientEnd::Stream(wire)) => {
            flow::stream(means, &approached, machine, judge(), wire).await
        }
        (Inspector::Datagrams(machine), ClientEnd::Datagrams(client, notice)) => {
            datagrams::exchange(means, &approached, machine, judge(), (client, notice)).await
        }
        (Inspector::Requests, ClientEnd::Stream(wire)) => {
            http::serve(means, approached, wire).await
        }
        // The flow is of another kind than the protocol.
        (Inspector::Datagrams(_), client @ ClientEnd::Stream(_))
        | (Inspector::Stream(_) | Inspector::Requests, client @ ClientEnd::Datagrams(..)) => {
            client.refuse(Why::Wrong);
            None
        }
    }
}
