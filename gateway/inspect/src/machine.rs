//! The interfaces of machines: they get bytes or datagrams, ask questions, and return the same.

use doorward_model::{Action, Path};
use smallvec::SmallVec;

/// A need of a message: any one of these rights is enough.
pub type Need = SmallVec<[(Action, Path); 2]>;

/// The policy, as a machine sees it.
pub trait Judge {
    /// Returns whether `action` may be done now on `path`, which is the interface's name and the
    /// operand.
    fn may(&mut self, action: Action, path: &Path) -> bool;

    /// Returns whether all of these may be done now, for a message that needs several rights.
    fn may_all(&mut self, all: &[(Action, Path)]) -> bool {
        all.iter().fold(true, |may, (action, path)| self.may(*action, path) && may)
    }

    /// Returns whether all needs of a message are met now. It asks about the rights of a need in
    /// their order, up to the first that is permitted.
    fn meets(&mut self, needs: &[Need]) -> bool {
        needs.iter().all(|need| need.iter().any(|(action, path)| self.may(*action, path)))
    }

    /// Is told that the interface does not accept this, whatever the policy says. `why` is a word
    /// for the record.
    fn refused(&mut self, action: Action, path: &Path, why: &'static str) {
        let _ = (action, path, why);
    }

    /// Returns whether the flow has decided so much in this turn that other flows must have theirs.
    /// The machine then stops where it is.
    fn turn_is_over(&self) -> bool {
        false
    }
}

/// The sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The client of the flow.
    Client,
    /// The device or backend of the interface.
    Device,
}

/// The output of a machine. Its buffers are reused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Out {
    /// Bytes for the device, all of them permitted.
    pub device: Vec<u8>,
    /// Bytes for the client.
    pub client: Vec<u8>,
    /// Why the flow ends after these bytes, in a word for the record.
    pub over: Option<&'static str>,
}

/// How much of its input a machine has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it.
    All,
    /// This many bytes; then its turn was over ([`Judge::turn_is_over`]). It must be called again
    /// in the next turn with the rest of the bytes, even if there are none: it may be in the middle
    /// of a message.
    Part(usize),
}

/// One connection between a client and a device. The machine names whole messages, asks its judge
/// about them, and then forwards, changes or answers them.
///
/// It reads all bytes that it gets unless its turn is over, and stores an incomplete message within
/// a bound of its own. The result does not depend on how the bytes are split and where turns end.
pub trait Machine: Send {
    /// Reads bytes from one side.
    ///
    /// # Errors
    /// When the bytes can be no message of the protocol, or the message is not allowed now. The
    /// flow is over. The bytes in `out` were permitted and may be sent. If `out.over` is set as
    /// well, they tell the client the reason in the protocol's own form; otherwise the flow ends
    /// without a proper close.
    fn read(
        &mut self,
        from: Sender,
        bytes: &[u8],
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<Progress, Fault>;

    /// Writes what the device must still get, after the client has ended or before the flow is cut,
    /// so that the device does nothing on its own that is no longer permitted. From now on only the
    /// device's bytes are read.
    fn parting(&mut self, judge: &mut dyn Judge, out: &mut Out);
}

/// The datagrams between one client and one device. A datagram is a message: the machine names it,
/// asks its judge about it, and then forwards, changes or answers it.
pub trait DatagramMachine: Send {
    /// Reads one datagram. It empties `out` first. Then `device` and `client` each have one
    /// datagram, or are empty; `over` is never set. A datagram that the judge refuses is no error:
    /// `client` has the protocol's refusal, or nothing.
    ///
    /// # Errors
    /// When the datagram is malformed, or none that its sender may send now. It is dropped, and
    /// `out` may have an answer for its sender. The flow goes on, since late and repeated datagrams
    /// are normal.
    fn read(
        &mut self,
        from: Sender,
        datagram: &[u8],
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<(), Fault>;

    /// Returns whether a permitted operation goes on, so that [`DatagramMachine::recheck`] has
    /// something to ask about.
    fn lasts(&self) -> bool;

    /// Asks again about the operations that go on, after the policy may have changed. Ends each
    /// that is no longer permitted. Each `Out` is like that of [`DatagramMachine::read`].
    fn recheck(&mut self, judge: &mut dyn Judge) -> Vec<Out>;

    /// Ends every operation that goes on, before the flow is cut, so that the device does nothing
    /// on its own that is no longer permitted.
    fn parting(&mut self) -> Vec<Out>;
}

/// Why a flow cannot go on, or why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} {what}", match self.by { Sender::Client => "client", Sender::Device => "device" })]
pub struct Fault {
    /// The side that is at fault.
    pub by: Sender,
    /// What is wrong, as the end of a sentence.
    pub what: &'static str,
}
