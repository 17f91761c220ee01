//! The exceptions with which Modbus requests are refused.

/// Why a request is answered with an exception (Modbus Application Protocol 1.1b3, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// 01: this function is not served here, or may not be used.
    Function,
    /// 02: these addresses do not exist, or may not be used.
    Address,
    /// 03: the numbers of the request do not fit together.
    Value,
    /// 06: too many requests are waiting.
    Busy,
    /// 11: the device does not answer.
    Silent,
}

impl Exception {
    /// Returns its code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Function => 1,
            Self::Address => 2,
            Self::Value => 3,
            Self::Busy => 6,
            Self::Silent => 11,
        }
    }
}
