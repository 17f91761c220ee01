//! What the suites are made of: a gateway that runs as its users run it, people and devices
//! that enrol through its doors, backends that count what reaches them, and forgers.

pub mod backend;
pub mod browser;
pub mod client;
pub mod exhaustive;
pub mod flood;
pub mod forge;
pub mod gateway;
pub mod http;
pub mod port;
pub mod running;
pub mod scale;
pub mod source;
pub mod tokens;
pub mod tools;

pub use backend::{Backend, Kind};
pub use gateway::{Gateway, Ran};
