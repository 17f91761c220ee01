//! The code of a CoAP message.

/// The code of a message: a class and a detail, written `4.03` (RFC 7252, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CoapCode(pub(super) u8);

/// What a message is by the class of its code (RFC 7252, section 12.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeClass {
    /// 0.00: neither a request nor a response.
    Empty,
    /// 0.01 to 0.31: a method.
    Request,
    /// 2.00 to 5.31.
    Response,
    /// 1, 6 and 7.
    Reserved,
}

impl CoapCode {
    pub(super) const EMPTY: Self = Self(0);
    pub(super) const GET: Self = Self(1);
    pub(super) const POST: Self = Self(2);
    pub(super) const PUT: Self = Self(3);
    pub(super) const DELETE: Self = Self(4);
    pub(super) const BAD_REQUEST: Self = Self::response(4, 0);
    pub(super) const BAD_OPTION: Self = Self::response(4, 2);
    pub(super) const FORBIDDEN: Self = Self::response(4, 3);
    pub(super) const METHOD_NOT_ALLOWED: Self = Self::response(4, 5);
    pub(super) const BAD_GATEWAY: Self = Self::response(5, 2);
    pub(super) const PROXYING_NOT_SUPPORTED: Self = Self::response(5, 5);
    pub(super) const HOP_LIMIT_REACHED: Self = Self::response(5, 8);

    const fn response(class: u8, detail: u8) -> Self {
        Self(class << 5 | detail)
    }

    pub(super) fn class(self) -> CodeClass {
        match self.0 >> 5 {
            0 if self == Self::EMPTY => CodeClass::Empty,
            0 => CodeClass::Request,
            2..=5 => CodeClass::Response,
            _ => CodeClass::Reserved,
        }
    }

    /// Returns whether it reports success: 2.xx.
    pub(super) fn is_success(self) -> bool {
        self.0 >> 5 == 2
    }
}
