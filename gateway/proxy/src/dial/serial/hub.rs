//! A serial line that is open, and the flows at it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use doorward_local::{Answer, InForce, LineRequest, Modem, Purge};
use doorward_model::LineSettings;

use super::seat::Seat;
use super::{DialError, Wants};

/// How much a seat may fall behind before it is ended.
pub(super) const BEHIND: usize = 256 * 1024;
/// How much is taken from the one who writes before the line has taken it.
const AHEAD: usize = 16 * 1024;
/// The same, for requests.
const REQUESTS: usize = 64;

/// What the seats of a line share with its runner.
#[derive(Debug)]
pub(super) struct Hub {
    /// As the interface has it.
    pub(super) declared: LineSettings,
    /// As it was set when it was opened, and is set again whenever the one who acts has gone.
    opened: LineSettings,
    state: Mutex<HubState>,
}

#[derive(Debug)]
pub(super) struct HubState {
    pub(super) seats: BTreeMap<u64, SeatState>,
    next: u64,
    /// The seat that writes or controls.
    actor: Option<u64>,
    /// What is to be done with the line, in this order, and for which seat.
    pub(super) commands: VecDeque<(u64, HubCommand)>,
    /// What the commands to write come to.
    ahead: usize,
    requests: usize,
    /// Whoever waits until there are fewer commands.
    waiting: Option<Waker>,
    pub(super) runner: Option<Waker>,
    pub(super) in_force: InForce,
    /// The lines that its modem sets.
    modem: Modem,
    /// Nobody sits down any more.
    closed: bool,
}

/// A seat, as the hub sees it.
#[derive(Debug, Default)]
pub(super) struct SeatState {
    reads: bool,
    data: VecDeque<u8>,
    answers: VecDeque<Answer>,
    /// Which changes of the modem's lines it is told.
    mask: u8,
    reader: Option<Waker>,
    end: Option<SeatEnd>,
}

/// Why a seat was taken away.
#[derive(Clone, Copy, Debug)]
enum SeatEnd {
    Behind,
    Broken,
}

impl SeatEnd {
    fn error(self) -> io::Error {
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

impl Hub {
    pub(super) fn new(declared: LineSettings, in_force: InForce) -> Arc<Self> {
        let state = HubState {
            seats: BTreeMap::new(),
            next: 0,
            actor: None,
            commands: VecDeque::new(),
            ahead: 0,
            requests: 0,
            waiting: None,
            runner: None,
            in_force,
            modem: Modem::default(),
            closed: false,
        };
        Arc::new(Self { declared, opened: in_force.settings, state: Mutex::new(state) })
    }

    /// Whether characters that are written to the line are read as what they are.
    pub(super) fn carries_ascii(&self) -> bool {
        self.opened.bits.carry_ascii()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat; `None` if the line is being closed.
    pub(super) fn sit(
        self: &Arc<Self>,
        settings: &LineSettings,
        wants: Wants,
    ) -> Result<Option<Seat>, DialError> {
        let mut state = self.lock();
        let same = settings.is_same_line(&self.declared);
        // With nobody there it is about to be closed, and may be opened otherwise then.
        if state.closed || (state.seats.is_empty() && !same) {
            return Ok(None);
        }
        if !same {
            return Err(DialError::OtherSettings);
        }
        let id = state.next;
        if wants.acts() {
            if state.actor.is_some() {
                return Err(DialError::Taken);
            }
            state.actor = Some(id);
        }
        state.next += 1;
        state.seats.insert(id, SeatState { reads: wants.read, ..SeatState::default() });
        Ok(Some(Seat::new(Arc::clone(self), id, wants, settings.telnet)))
    }

    /// A seat is free. Left otherwise than properly, what it has not sent is discarded.
    pub(super) fn leave(&self, id: u64, properly: bool) {
        let mut state = self.lock();
        state.seats.remove(&id);
        state.free_actor(id, properly);
        wake(&mut state.runner);
    }

    /// A seat says nothing more: the seat of the one who acts is free once what it has said has
    /// left. It still hears.
    pub(super) fn finish(&self, id: u64) {
        let mut state = self.lock();
        state.free_actor(id, true);
        wake(&mut state.runner);
    }

    /// How many bytes a seat may hand over now; none, if it has to hear of what it has asked
    /// first.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>, id: u64) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if let Some(error) = state.error(id) {
            return Poll::Ready(Err(error));
        }
        if state.seats.get(&id).is_some_and(|seat| seat.answers.len() >= REQUESTS) {
            return Poll::Ready(Ok(0));
        }
        if state.actor != Some(id) {
            return Poll::Ready(Ok(AHEAD));
        }
        let room = AHEAD.saturating_sub(state.ahead);
        if room == 0 || state.requests >= REQUESTS {
            state.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(room))
    }

    pub(super) fn write(&self, id: u64, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.ahead += bytes.len();
        state.commands.push_back((id, HubCommand::Write { bytes, done: 0, whole: false }));
        wake(&mut state.runner);
    }

    /// Writes what goes on as a whole or not at all. Nothing more is written before it has left, so
    /// that it can be told what has.
    pub(super) fn write_whole(&self, id: u64, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.ahead += bytes.len();
        state.commands.push_back((id, HubCommand::Write { bytes, done: 0, whole: true }));
        state.commands.push_back((id, HubCommand::Drain));
        wake(&mut state.runner);
    }

    /// Asks the line, for a seat that may; what it is told comes in turn.
    pub(super) fn request(&self, id: u64, request: LineRequest) {
        let mut state = self.lock();
        state.requests += 1;
        state.commands.push_back((id, HubCommand::Request(request)));
        wake(&mut state.runner);
    }

    /// Answers a request that changes nothing of the line.
    pub(super) fn inform(&self, id: u64, request: LineRequest) {
        let mut state = self.lock();
        let (in_force, modem) = (state.in_force, state.modem);
        let modem = match request {
            LineRequest::Modem(mask) => {
                if let Some(seat) = state.seats.get_mut(&id) {
                    seat.mask = mask;
                }
                // It begins with what they are.
                (mask != 0).then(|| Answer::Modem(modem.notice(modem)))
            }
            _ => None,
        };
        state.answer(id, Answer::Done(request.told(&in_force)));
        if let Some(modem) = modem {
            state.answer(id, modem);
        }
        wake(&mut state.runner);
    }

    /// Discards a seat's own bytes on their way: nobody else's are touched.
    pub(super) fn purge(&self, id: u64, purge: Purge, writes: bool) {
        let mut state = self.lock();
        if purge.is_from_line()
            && let Some(seat) = state.seats.get_mut(&id)
        {
            seat.data.clear();
        }
        if purge.is_to_line() && writes {
            state.discard(id, |command| {
                matches!(command, HubCommand::Write { .. } | HubCommand::Drain)
            });
        }
        state.answer(id, Answer::Done(LineRequest::Purge(purge)));
        wake(&mut state.runner);
    }

    /// Everything that a seat is to be told beside data; then data, into `take`. `take` is not
    /// called when there is none, or when data is not wanted now.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        id: u64,
        wanted: bool,
        take: impl FnOnce(&mut VecDeque<Answer>, &mut VecDeque<u8>),
    ) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if let Some(error) = state.error(id) {
            return Poll::Ready(Err(error));
        }
        let Some(seat) = state.seats.get_mut(&id) else { return Poll::Pending };
        if seat.answers.is_empty() && (seat.data.is_empty() || !wanted) {
            seat.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        take(&mut seat.answers, &mut seat.data);
        if seat.data.is_empty() && seat.data.capacity() > AHEAD {
            // A burst is over.
            seat.data = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Gives what the line said to all who read.
    pub(super) fn deliver(&self, bytes: &[u8]) {
        let mut state = self.lock();
        let mut behind = Vec::new();
        for (id, seat) in &mut state.seats {
            if !seat.reads || seat.end.is_some() {
                continue;
            }
            if seat.data.len() + bytes.len() > BEHIND {
                seat.end(SeatEnd::Behind);
                behind.push(*id);
            } else {
                seat.data.extend(bytes);
                wake(&mut seat.reader);
            }
        }
        for id in behind {
            state.free_actor(id, false);
        }
    }

    /// Tells what the modem's lines are now.
    pub(super) fn tell_modem(&self, now: Modem) {
        let mut state = self.lock();
        let notice = now.notice(state.modem);
        state.modem = now;
        if notice & 0xf == 0 {
            return;
        }
        let told = |seat: &SeatState| seat.mask & notice != 0;
        let ids: Vec<u64> =
            state.seats.iter().filter(|(_, seat)| told(seat)).map(|(id, _)| *id).collect();
        for id in ids {
            state.answer(id, Answer::Modem(notice));
        }
    }

    #[cfg(test)]
    pub(super) fn has_data(&self) -> bool {
        self.lock().seats.values().any(|seat| !seat.data.is_empty())
    }

    /// There is no line any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.forget(|_, _| true);
        for seat in state.seats.values_mut().filter(|seat| seat.end.is_none()) {
            seat.end(SeatEnd::Broken);
        }
        wake(&mut state.waiting);
    }
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
            _ => false,
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

    fn free_actor(&mut self, id: u64, properly: bool) {
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
    fn discard(&mut self, id: u64, which: impl Fn(&HubCommand) -> bool) {
        let begun = match self.commands.front() {
            Some((seat, HubCommand::Write { whole: true, done, .. }))
                if *seat == id && *done > 0 =>
            {
                2
            }
            Some((seat, HubCommand::Drain)) if *seat == id => 1,
            _ => 0,
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

    fn forget(&mut self, mut which: impl FnMut(u64, &HubCommand) -> bool) {
        let (mut ahead, mut requests) = (0, 0);
        self.commands.retain(|(seat, command)| {
            let stays = !which(*seat, command);
            match command {
                HubCommand::Write { bytes, done, .. } if stays => ahead += bytes.len() - done,
                HubCommand::Request(_) if stays => requests += 1,
                _ => {}
            }
            stays
        });
        (self.ahead, self.requests) = (ahead, requests);
        wake(&mut self.waiting);
    }

    fn error(&self, id: u64) -> Option<io::Error> {
        match self.seats.get(&id) {
            Some(seat) => seat.end.map(SeatEnd::error),
            None => Some(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl SeatState {
    fn end(&mut self, end: SeatEnd) {
        self.end = Some(end);
        (self.data, self.answers) = (VecDeque::new(), VecDeque::new());
        wake(&mut self.reader);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
