//! The seats of a serial line, and the commands that wait for the line.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::task::Waker;

use doorward_local::{Answer, InForce, LineRequest, Modem};

use super::hub::REQUESTS;

#[derive(Debug)]
pub(super) struct HubState {
    pub(super) seats: BTreeMap<u64, SeatState>,
    pub(super) next: u64,
    /// The seat that writes or controls.
    pub(super) actor: Option<u64>,
    /// What is to be done with the line, in this order, and for which seat.
    pub(super) commands: VecDeque<(u64, HubCommand)>,
    /// What the commands to write come to.
    pub(super) ahead: usize,
    pub(super) requests: usize,
    /// Whoever waits until there are fewer commands.
    pub(super) waiting: Option<Waker>,
    pub(super) runner: Option<Waker>,
    pub(super) in_force: InForce,
    /// The lines that its modem sets.
    pub(super) modem: Modem,
    /// Nobody sits down any more.
    pub(super) closed: bool,
}

/// A seat, as the hub sees it.
#[derive(Debug, Default)]
pub(super) struct SeatState {
    pub(super) reads: bool,
    pub(super) data: VecDeque<u8>,
    pub(super) answers: VecDeque<Answer>,
    /// Which changes of the modem's lines it is told.
    pub(super) mask: u8,
    pub(super) reader: Option<Waker>,
    pub(super) end: Option<SeatEnd>,
}

/// Why a seat was taken away.
#[derive(Clone, Copy, Debug)]
pub(super) enum SeatEnd {
    Behind,
    Broken,
}

impl SeatEnd {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Behind => io::Error::other("the client is too slow for this serial line"),
            Self::Broken => io::Error::new(io::ErrorKind::BrokenPipe, "the serial line broke off"),
        }
    }
}

#[derive(Debug)]
pub(super) enum HubCommand {
    Write {
        bytes: Vec<u8>,
        done: usize,
        /// It goes on as a whole or not at all.
        whole: bool,
    },
    /// Wait until what was written before has left the line.
    Drain,
    Request(LineRequest),
    /// Forget what the line has not sent.
    Discard,
    /// Put back what was asked of the line since it was opened.
    PutBack,
}

impl HubState {
    /// Closes, if nobody has sat down meanwhile.
    pub(super) fn close_if_alone(&mut self) -> bool {
        self.closed |= self.seats.is_empty() && self.commands.is_empty();
        self.closed
    }

    /// Whether anybody is to be told of the modem's lines.
    pub(super) fn asks_modem(&self) -> bool {
        self.seats.values().any(|seat| seat.mask != 0)
    }

    pub(super) fn answer(&mut self, id: u64, answer: Answer) {
        if let Some(seat) = self.seats.get_mut(&id).filter(|seat| seat.end.is_none()) {
            if matches!(answer, Answer::Modem(_)) && seat.answers.len() >= REQUESTS {
                // What it has not heard of this yet is out of date, too.
                return;
            }
            seat.answers.push_back(answer);
            wake(&mut seat.reader);
        }
    }

    /// So many bytes of the first command are written.
    pub(super) fn written(&mut self, amount: usize) {
        self.ahead = self.ahead.saturating_sub(amount);
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

    /// The first command is done, which was not to write.
    pub(super) fn obeyed(&mut self) {
        if let Some((_, HubCommand::Request(_))) = self.commands.pop_front() {
            self.requests = self.requests.saturating_sub(1);
            wake(&mut self.waiting);
        }
    }

    /// Forgets what is left to be written.
    pub(super) fn give_up_writing(&mut self) {
        self.forget(|_, command| matches!(command, HubCommand::Write { .. } | HubCommand::Drain));
        self.commands.push_front((self.next, HubCommand::Discard));
    }

    pub(super) fn free_actor(&mut self, id: u64, properly: bool) {
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

    /// Discards what a seat has asked for, and what it has written and has not left. A line of which
    /// only whole ones may be written is not cut short once it has begun: its beginning would be
    /// another line, together with what is written next.
    pub(super) fn discard(&mut self, id: u64, which: impl Fn(&HubCommand) -> bool) {
        let begun = match self.commands.front() {
            Some((seat, HubCommand::Write { whole: true, done, .. }))
                if *seat == id && *done > 0 =>
            {
                2
            }
            Some((seat, HubCommand::Drain)) if *seat == id => 1,
            Some(_) | None => 0,
        };
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
        let (mut ahead, mut requests) = (0, 0);
        self.commands.retain(|(seat, command)| {
            let stays = !which(*seat, command);
            match command {
                HubCommand::Write { bytes, done, .. } if stays => ahead += bytes.len() - done,
                HubCommand::Request(_) if stays => requests += 1,
                HubCommand::Write { .. }
                | HubCommand::Request(_)
                | HubCommand::Drain
                | HubCommand::Discard
                | HubCommand::PutBack => {}
            }
            stays
        });
        (self.ahead, self.requests) = (ahead, requests);
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
