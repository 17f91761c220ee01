//! The seats of a serial line, and the commands that wait for the line.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::task::Waker;

use doorward_local::{InForce, LineAnswer, LineRequest, Modem};

/// The number of requests that the hub takes before the line has completed them.
pub(super) const MAX_REQUESTS: usize = 64;

#[derive(Debug)]
pub(super) struct HubState {
    pub(super) seats: BTreeMap<u64, SeatState>,
    pub(super) next: u64,
    /// The seat that may write or control.
    pub(super) actor: Option<u64>,
    /// The commands for the line, in order, each with its seat.
    pub(super) commands: VecDeque<(u64, HubCommand)>,
    /// The number of bytes in the write commands.
    pub(super) unwritten: usize,
    pub(super) requests: usize,
    /// The task that waits for room in the queue.
    pub(super) waiting: Option<Waker>,
    pub(super) runner: Option<Waker>,
    pub(super) in_force: InForce,
    /// The lines that the modem sets.
    pub(super) modem: Modem,
    /// No seat is given any more.
    pub(super) closed: bool,
}

/// The hub's state for a seat.
#[derive(Debug, Default)]
pub(super) struct SeatState {
    pub(super) reads: bool,
    pub(super) data: VecDeque<u8>,
    pub(super) answers: VecDeque<LineAnswer>,
    /// The changes of the modem lines that the seat asked to be notified of.
    pub(super) mask: u8,
    pub(super) reader: Option<Waker>,
    pub(super) end: Option<SeatEnd>,
}

/// Why the hub has ended a seat.
#[derive(Clone, Copy, Debug)]
pub(super) enum SeatEnd {
    TooSlow,
    Broken,
}

impl SeatEnd {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::TooSlow => io::Error::other("the client is too slow for this serial line"),
            Self::Broken => io::Error::new(io::ErrorKind::BrokenPipe, "the serial line was lost"),
        }
    }
}

#[derive(Debug)]
pub(super) enum HubCommand {
    Write {
        bytes: Vec<u8>,
        done: usize,
        /// The bytes are sent whole or not at all.
        whole: bool,
    },
    /// Waits until everything written before has left the line.
    Drain,
    Request(LineRequest),
    /// Discards what the line has not sent.
    Discard,
    /// Restores the settings that were changed since the line was opened.
    PutBack,
}

impl HubState {
    /// Closes, unless a flow has taken a seat in the meantime. Returns whether it is closed.
    pub(super) fn close_if_alone(&mut self) -> bool {
        self.closed |= self.seats.is_empty() && self.commands.is_empty();
        self.closed
    }

    /// Returns whether a seat asked to be notified of the modem lines.
    pub(super) fn wants_modem(&self) -> bool {
        self.seats.values().any(|seat| seat.mask != 0)
    }

    pub(super) fn answer(&mut self, id: u64, answer: LineAnswer) {
        if let Some(seat) = self.seats.get_mut(&id).filter(|seat| seat.end.is_none()) {
            if matches!(answer, LineAnswer::Modem(_)) && seat.answers.len() >= MAX_REQUESTS {
                // The notices that it has not read are out of date, too.
                return;
            }
            seat.answers.push_back(answer);
            wake(&mut seat.reader);
        }
    }

    /// Notes that `amount` bytes of the first command were written.
    pub(super) fn bytes_written(&mut self, amount: usize) {
        self.unwritten = self.unwritten.saturating_sub(amount);
        let whole = match self.commands.front_mut() {
            Some((_, HubCommand::Write { bytes, done, .. })) => {
                *done += amount;
                *done >= bytes.len()
            }
            Some((
                _,
                HubCommand::Drain
                | HubCommand::Request(_)
                | HubCommand::Discard
                | HubCommand::PutBack,
            ))
            | None => false,
        };
        if whole {
            self.commands.pop_front();
        }
        wake(&mut self.waiting);
    }

    /// Removes the first command, which was completed and was no write.
    pub(super) fn command_done(&mut self) {
        if let Some((_, HubCommand::Request(_))) = self.commands.pop_front() {
            self.requests = self.requests.saturating_sub(1);
            wake(&mut self.waiting);
        }
    }

    /// Discards what is left to be written.
    pub(super) fn discard_writes(&mut self) {
        self.forget(|_, command| matches!(command, HubCommand::Write { .. } | HubCommand::Drain));
        self.commands.push_front((self.next, HubCommand::Discard));
    }

    pub(super) fn release_actor(&mut self, id: u64, properly: bool) {
        if self.actor != Some(id) {
            return;
        }
        self.actor = None;
        if !properly {
            self.discard(id, |_| true);
        }
        self.commands.push_back((id, HubCommand::PutBack));
        wake(&mut self.waiting);
    }

    /// Discards the commands of a seat that `which` selects. A text line that must be sent whole is
    /// completed once it has begun. Otherwise its beginning and the next bytes would form another
    /// text line.
    pub(super) fn discard(&mut self, id: u64, which: impl Fn(&HubCommand) -> bool) {
        let first = self.commands.front().filter(|(seat, _)| *seat == id);
        let begun = first.map_or(0, |(_, command)| match command {
            HubCommand::Write { whole: true, done, .. } if *done > 0 => 2,
            HubCommand::Drain => 1,
            HubCommand::Write { .. }
            | HubCommand::Request(_)
            | HubCommand::Discard
            | HubCommand::PutBack => 0,
        });
        let mut position = 0;
        self.forget(|seat, command| {
            position += 1;
            position > begun && seat == id && which(command)
        });
        if begun == 0 {
            self.commands.push_front((id, HubCommand::Discard));
        }
    }

    pub(super) fn forget(&mut self, mut which: impl FnMut(u64, &HubCommand) -> bool) {
        let (mut unwritten, mut requests) = (0, 0);
        self.commands.retain(|(seat, command)| {
            let stays = !which(*seat, command);
            match command {
                HubCommand::Write { bytes, done, .. } if stays => unwritten += bytes.len() - done,
                HubCommand::Request(_) if stays => requests += 1,
                HubCommand::Write { .. }
                | HubCommand::Request(_)
                | HubCommand::Drain
                | HubCommand::Discard
                | HubCommand::PutBack => {}
            }
            stays
        });
        (self.unwritten, self.requests) = (unwritten, requests);
        wake(&mut self.waiting);
    }

    pub(super) fn error(&self, id: u64) -> Option<io::Error> {
        match self.seats.get(&id) {
            Some(seat) => seat.end.map(SeatEnd::error),
            None => Some(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl SeatState {
    pub(super) fn end(&mut self, end: SeatEnd) {
        self.end = Some(end);
        (self.data, self.answers) = (VecDeque::new(), VecDeque::new());
        wake(&mut self.reader);
    }
}

pub(super) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
