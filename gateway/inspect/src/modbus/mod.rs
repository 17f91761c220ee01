//! Modbus: reads which addresses of which unit a request reads or writes (Modbus Application
//! Protocol 1.1b3), and the frames that carry it.

mod exception;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod pdu;
mod right;
mod rtu;
mod tcp;

pub use exception::Exception;
pub use frame::{FRAME, Frame};
pub use pdu::{LONGEST, rights};
pub use right::{ModbusRight, ModbusRights};
pub use rtu::{RTU_FRAME, RtuAnswer, read_rtu_answer, rtu};
pub use tcp::Tcp;
