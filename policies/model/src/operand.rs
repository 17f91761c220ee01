//! The forms of operands.

/// The form of what follows an interface's name in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperandForm {
    /// Nothing: a flow is about the interface itself.
    Nothing,
    /// Literal segments: the parts of the administration.
    Parts,
    /// Literal segments: the path of an HTTP request, in the one spelling that is decided.
    HttpPath,
    /// Literal segments: the path of a CoAP request.
    CoapPath,
    /// An MQTT topic to publish to, a filter to subscribe to, or nothing to connect.
    Topic,
    /// A Modbus unit, a table and addresses.
    Addresses,
}
