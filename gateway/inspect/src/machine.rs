//! What a machine is: bytes in, questions, bytes out. No I/O.

use doorward_model::{Action, Path};
use smallvec::SmallVec;

/// What a message needs: any one of these rights.
pub type Need = SmallVec<[(Action, Path); 2]>;

/// Says what may be done: the policy, as a machine sees it.
pub trait Judge {
    /// Whether `action` may be done now on `path`: the interface's name, then the operand.
    fn may(&mut self, action: Action, path: &Path) -> bool;

    /// Whether all of these may be done now: one message that needs several rights.
    fn may_all(&mut self, all: &[(Action, Path)]) -> bool {
        all.iter().fold(true, |may, (action, path)| self.may(*action, path) && may)
    }

    /// Whether all needs of one message are met now. The rights of a need are asked about in their
    /// order, up to the first that is permitted.
    fn meets(&mut self, needs: &[Need]) -> bool {
        needs.iter().all(|need| need.iter().any(|(action, path)| self.may(*action, path)))
    }

    /// Hears that the interface does not take this, whatever the policy says. `why` is a word for
    /// the record.
    fn refused(&mut self, action: Action, path: &Path, why: &'static str) {
        let _ = (action, path, why);
    }

    /// Whether so much has been decided in one turn that other flows are to have theirs. A machine
    /// then stops where it is.
    fn turn_is_over(&self) -> bool {
        false
    }
}

/// Who has said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Whoever came through the door.
    Client,
    /// What is behind it.
    Device,
}

/// What is to be sent on. Its room is used again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Out {
    /// For the device: nothing that was not decided.
    pub device: Vec<u8>,
    /// For the client.
    pub client: Vec<u8>,
    /// The flow is over as soon as this has been sent, and why, in a word for the record.
    pub over: Option<&'static str>,
}

/// How much of what it was given a machine has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it.
    All,
    /// So many bytes; then its turn was over ([`Judge::turn_is_over`]). It is read again in its next
    /// turn, with the bytes that are left, also if none is: it may be in the middle of a message.
    Part(usize),
}

/// One connection of a protocol, between a client and a device: whole messages are named, asked
/// about, and then forwarded, changed or answered.
///
/// A machine takes all bytes that it is given, unless its turn is over, and keeps what is not a whole
/// message yet, within a bound of its own. How the bytes of one side are split, and where turns end,
/// makes no difference.
pub trait Machine: Send {
    /// Reads what has come from one side.
    ///
    /// # Errors
    /// When that cannot be a message of the protocol, or may not come now. The flow is over; what is
    /// in `out` by then has been decided, and may be sent. If `out` says that it is over, too, the
    /// client has been told in the protocol's own words, and is to hear them; otherwise it does not
    /// end properly.
    fn read(
        &mut self,
        from: Side,
        bytes: &[u8],
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<Progress, Fault>;

    /// The client says no more, or the flow is about to be cut: what the device must still hear, so
    /// that it does nothing on its own that is not permitted any more. From now on only the device
    /// is read.
    fn parting(&mut self, judge: &mut dyn Judge, out: &mut Out);
}

/// Why a flow cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} {what}", match self.by { Side::Client => "client", Side::Device => "device" })]
pub struct Fault {
    /// Who has said it.
    pub by: Side,
    /// What is wrong with it, as the end of a sentence.
    pub what: &'static str,
}
