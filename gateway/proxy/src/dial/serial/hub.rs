//! A serial line that is open, and the flows at it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use doorward_local::{Answer, InForce, LineRequest, Modem, Purge};
use doorward_model::LineSettings;

use super::hub_state::{HubCommand, HubState, SeatEnd, SeatState, wake};
use super::seat::Seat;
use super::{DialError, Wants};

/// How much a seat may fall behind before it is ended.
pub(super) const BEHIND: usize = 256 * 1024;
/// How much is taken from the one who writes before the line has taken it.
const AHEAD: usize = 16 * 1024;
/// The same, for requests.
pub(super) const REQUESTS: usize = 64;

/// What the seats of a line share with its runner.
#[derive(Debug)]
pub(super) struct Hub {
    /// As the interface has it.
    pub(super) declared: LineSettings,
    /// As it was set when it was opened, and is set again whenever the one who acts has gone.
    opened: LineSettings,
    state: Mutex<HubState>,
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
