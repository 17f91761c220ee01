//! What strangers to a protocol, and its worst friends, say to the real gateway: a table for each
//! protocol of what becomes of it.

mod coap;
mod http;
mod modbus;
mod mqtt;
mod serial;
