//! Flows of which each operation is decided: a machine of `doorward_inspect` names them, and what
//! it lets out is what is forwarded.

mod flow;
mod lane;
mod operations;
mod tally;

use doorward_inspect::Machine;
use doorward_inspect::modbus::Tcp;
use doorward_model::Inspection;
use doorward_wire::Why;

use super::Means;
use super::approach::Approached;
use super::record::Ended;
use super::relay::Client;

/// Takes a flow from its first message to its end. `None` if nothing was ever permitted.
pub async fn inspect(means: &Means, approached: Approached, client: Client) -> Option<Ended> {
    let interface = &approached.interface;
    let machine: Box<dyn Machine> = match &approached.inspected.spoken {
        Inspection::Modbus => Box::new(Tcp::new(interface)),
        Inspection::Http(_) | Inspection::Mqtt(_) | Inspection::Coap => return None,
    };
    match client {
        Client::Stream(wire) => flow::stream(means, approached, machine, wire).await,
        Client::Datagrams(client, _) => {
            client.close(Why::Wrong);
            None
        }
    }
}
