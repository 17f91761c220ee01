//! Control requests to a serial line.

use std::mem::discriminant;

use doorward_model::{Baud, DataBits, FlowControl, LineSettings, Parity, StopBits};

/// A control request to a serial line. `None` asks for the current value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineRequest {
    /// Symbols per second.
    Baud(Option<Baud>),
    /// The data bits of a character.
    Bits(Option<DataBits>),
    /// The parity bit.
    Parity(Option<Parity>),
    /// The stop bits.
    Stop(Option<StopBits>),
    /// Flow control of data to the line.
    Flow(Option<FlowControl>),
    /// Flow control of data from the line. Both share one setting.
    FlowBack(Option<FlowControl>),
    /// Whether a break is sent.
    Break(Option<bool>),
    /// The DTR line.
    Dtr(Option<bool>),
    /// The RTS line.
    Rts(Option<bool>),
    /// Discards buffered bytes.
    Purge(Purge),
    /// The mask of modem line changes to report.
    Modem(u8),
}

/// Which buffered bytes are discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// Bytes from the line to its reader.
    FromLine,
    /// Bytes from a writer to the line.
    ToLine,
    /// Both.
    Both,
}

impl Purge {
    /// Returns whether bytes towards the line are discarded.
    #[must_use]
    pub fn is_to_line(self) -> bool {
        self != Self::FromLine
    }

    /// Returns whether bytes from the line are discarded.
    #[must_use]
    pub fn is_from_line(self) -> bool {
        self != Self::ToLine
    }
}

impl LineRequest {
    /// Returns whether both are the same kind of request, whatever their values.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other)
    }

    /// Returns whether the request may change how characters are sent.
    pub(crate) fn sets(self) -> bool {
        match self {
            Self::Baud(to) => to.is_some(),
            Self::Bits(to) => to.is_some(),
            Self::Parity(to) => to.is_some(),
            Self::Stop(to) => to.is_some(),
            Self::Flow(to) | Self::FlowBack(to) => to.is_some(),
            Self::Break(to) => to == Some(true),
            Self::Dtr(_) | Self::Rts(_) | Self::Purge(_) | Self::Modem(_) => false,
        }
    }

    /// Returns the request that restores the value in `before`, if this request changes one.
    #[must_use]
    pub fn undone(self, before: &InForce) -> Option<Self> {
        let changes = match self {
            Self::Break(to) | Self::Dtr(to) | Self::Rts(to) => to.is_some(),
            Self::Baud(_)
            | Self::Bits(_)
            | Self::Parity(_)
            | Self::Stop(_)
            | Self::Flow(_)
            | Self::FlowBack(_)
            | Self::Purge(_)
            | Self::Modem(_) => self.sets(),
        };
        changes.then(|| self.told(before))
    }

    /// Returns the request with the value in force: the form of its answer.
    #[must_use]
    pub fn told(self, in_force: &InForce) -> Self {
        let InForce { settings, dtr, rts, sends_break } = in_force;
        match self {
            Self::Baud(_) => Self::Baud(Some(settings.baud)),
            Self::Bits(_) => Self::Bits(Some(settings.bits)),
            Self::Parity(_) => Self::Parity(Some(settings.parity)),
            Self::Stop(_) => Self::Stop(Some(settings.stop)),
            Self::Flow(_) => Self::Flow(Some(settings.flow)),
            Self::FlowBack(_) => Self::FlowBack(Some(settings.flow)),
            Self::Break(_) => Self::Break(Some(*sends_break)),
            Self::Dtr(_) => Self::Dtr(Some(*dtr)),
            Self::Rts(_) => Self::Rts(Some(*rts)),
            Self::Purge(_) | Self::Modem(_) => self,
        }
    }
}

/// The settings of a line that are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// How characters are sent.
    pub settings: LineSettings,
    /// The DTR line.
    pub dtr: bool,
    /// The RTS line.
    pub rts: bool,
    /// Whether a break is being sent.
    pub sends_break: bool,
}

impl InForce {
    /// Returns the state of a line just after it was opened.
    #[must_use]
    pub fn new(settings: LineSettings) -> Self {
        Self { settings, dtr: true, rts: true, sends_break: false }
    }

    /// Returns the state after a request, as if the request had been performed.
    #[must_use]
    pub fn with(mut self, request: LineRequest) -> Self {
        fn put<T>(place: &mut T, to: Option<T>) {
            if let Some(to) = to {
                *place = to;
            }
        }
        let Self { settings, dtr, rts, sends_break } = &mut self;
        match request {
            LineRequest::Baud(to) => put(&mut settings.baud, to),
            LineRequest::Bits(to) => put(&mut settings.bits, to),
            LineRequest::Parity(to) => put(&mut settings.parity, to),
            LineRequest::Stop(to) => put(&mut settings.stop, to),
            LineRequest::Flow(to) | LineRequest::FlowBack(to) => put(&mut settings.flow, to),
            LineRequest::Break(to) => put(sends_break, to),
            LineRequest::Dtr(to) => put(dtr, to),
            LineRequest::Rts(to) => put(rts, to),
            LineRequest::Purge(_) | LineRequest::Modem(_) => {}
        }
        self
    }
}

/// The modem lines that are inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modem {
    /// Clear to send.
    pub cts: bool,
    /// Data set ready.
    pub dsr: bool,
    /// Ring indicator.
    pub ring: bool,
    /// Carrier detect.
    pub carrier: bool,
}

impl Modem {
    /// Encodes NOTIFY-MODEMSTATE (RFC 2217): the upper four bits are the lines, the lower the
    /// changes.
    #[must_use]
    pub fn notice(self, before: Self) -> u8 {
        let bits = |cts, dsr, ring, carrier| {
            u8::from(cts) | u8::from(dsr) << 1 | u8::from(ring) << 2 | u8::from(carrier) << 3
        };
        let now = bits(self.cts, self.dsr, self.ring, self.carrier);
        let changed = bits(
            self.cts != before.cts,
            self.dsr != before.dsr,
            // Of the ring indicator, only the trailing edge counts.
            before.ring && !self.ring,
            self.carrier != before.carrier,
        );
        now << 4 | changed
    }

    /// Decodes NOTIFY-MODEMSTATE.
    #[must_use]
    pub fn of_notice(notice: u8) -> Self {
        let has = |bit| notice & bit != 0;
        Self { cts: has(0x10), dsr: has(0x20), ring: has(0x40), carrier: has(0x80) }
    }
}

/// A message about the line beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineAnswer {
    /// The answer to a request, with the value in force afterwards.
    Done(LineRequest),
    /// A report of the modem lines.
    Modem(u8),
}
