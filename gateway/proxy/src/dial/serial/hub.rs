//! An open serial line, and its flows.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use doorward_local::{InForce, LineAnswer, LineRequest, Modem, Purge};
use doorward_model::LineSettings;

use super::hub_state::{HubCommand, HubState, MAX_REQUESTS, SeatEnd, SeatState, wake};

/// The number of unread bytes at which a seat is ended.
pub(super) const MAX_UNREAD: usize = 256 * 1024;
/// The number of bytes that the hub takes from the writer before the line has taken them.
const WRITE_BUFFER: usize = 16 * 1024;

/// The state that the seats of a line share with its runner.
#[derive(Debug)]
pub(super) struct Hub {
    /// The settings that the interface declares.
    pub(super) declared: LineSettings,
    /// The settings when the line was opened. They are restored whenever the acting seat leaves.
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
            unwritten: 0,
            requests: 0,
            waiting: None,
            runner: None,
            in_force,
            modem: Modem::default(),
            closed: false,
        };
        Arc::new(Self { declared, opened: in_force.settings, state: Mutex::new(state) })
    }

    /// Returns whether the line carries ASCII characters unchanged.
    pub(super) fn carries_ascii(&self) -> bool {
        self.opened.bits.carry_ascii()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees a seat. If it did not leave properly, the bytes it has not sent are discarded.
    pub(super) fn leave(&self, id: u64, properly: bool) {
        let mut state = self.lock();
        state.seats.remove(&id);
        state.release_actor(id, properly);
        wake(&mut state.runner);
    }

    /// Ends the writing of a seat, which still reads. The right to act is free once the bytes of
    /// the seat have left.
    pub(super) fn finish(&self, id: u64) {
        let mut state = self.lock();
        state.release_actor(id, true);
        wake(&mut state.runner);
    }

    /// Returns how many bytes a seat may write now. Returns 0 if it has to read its responses
    /// first.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>, id: u64) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if let Some(error) = state.error(id) {
            return Poll::Ready(Err(error));
        }
        if state.seats.get(&id).is_some_and(|seat| seat.answers.len() >= MAX_REQUESTS) {
            return Poll::Ready(Ok(0));
        }
        if state.actor != Some(id) {
            return Poll::Ready(Ok(WRITE_BUFFER));
        }
        let room = WRITE_BUFFER.saturating_sub(state.unwritten);
        if room == 0 || state.requests >= MAX_REQUESTS {
            state.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(room))
    }

    pub(super) fn write(&self, id: u64, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.unwritten += bytes.len();
        state.commands.push_back((id, HubCommand::Write { bytes, done: 0, whole: false }));
        wake(&mut state.runner);
    }

    /// Writes a text line that must be sent whole or not at all. Nothing more is written before it
    /// has left, so that the hub knows whether it was sent.
    pub(super) fn write_whole(&self, id: u64, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.unwritten += bytes.len();
        state.commands.push_back((id, HubCommand::Write { bytes, done: 0, whole: true }));
        state.commands.push_back((id, HubCommand::Drain));
        wake(&mut state.runner);
    }

    /// Queues a request for the line, for a seat that may control it. The response follows in
    /// order.
    pub(super) fn request(&self, id: u64, request: LineRequest) {
        let mut state = self.lock();
        state.requests += 1;
        state.commands.push_back((id, HubCommand::Request(request)));
        wake(&mut state.runner);
    }

    /// Answers a request of a seat that may not change the line.
    pub(super) fn inform(&self, id: u64, request: LineRequest) {
        let mut state = self.lock();
        let (in_force, modem) = (state.in_force, state.modem);
        state.answer(id, LineAnswer::Done(request.told(&in_force)));
        if let LineRequest::Modem(mask) = request {
            if let Some(seat) = state.seats.get_mut(&id) {
                seat.mask = mask;
            }
            if mask != 0 {
                // The first notice gives the current state.
                state.answer(id, LineAnswer::Modem(modem.notice(modem)));
            }
        }
        wake(&mut state.runner);
    }

    /// Discards the bytes of one seat that are still in the hub. The bytes of other seats stay.
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
        state.answer(id, LineAnswer::Done(LineRequest::Purge(purge)));
        wake(&mut state.runner);
    }

    /// Passes the answers and the data of a seat to `take`. Waits while there are none, or only
    /// data while data is not `wanted`.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        id: u64,
        wanted: bool,
        take: impl FnOnce(&mut VecDeque<LineAnswer>, &mut VecDeque<u8>),
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
        if seat.data.is_empty() && seat.data.capacity() > WRITE_BUFFER {
            // Frees the memory of a burst.
            seat.data = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Gives bytes of the line to all seats that read.
    pub(super) fn deliver(&self, bytes: &[u8]) {
        let mut state = self.lock();
        let mut too_slow = Vec::new();
        for (id, seat) in &mut state.seats {
            if !seat.reads || seat.end.is_some() {
                continue;
            }
            if seat.data.len() + bytes.len() > MAX_UNREAD {
                seat.end(SeatEnd::TooSlow);
                too_slow.push(*id);
            } else {
                seat.data.extend(bytes);
                wake(&mut seat.reader);
            }
        }
        for id in too_slow {
            state.release_actor(id, false);
        }
    }

    /// Sends the changed state of the modem lines to the seats that asked for it.
    pub(super) fn notify_modem(&self, now: Modem) {
        let mut state = self.lock();
        let notice = now.notice(state.modem);
        state.modem = now;
        if notice & 0xf == 0 {
            return;
        }
        let is_notified = |seat: &SeatState| seat.mask & notice != 0;
        let ids: Vec<u64> =
            state.seats.iter().filter(|(_, seat)| is_notified(seat)).map(|(id, _)| *id).collect();
        for id in ids {
            state.answer(id, LineAnswer::Modem(notice));
        }
    }

    #[cfg(test)]
    pub(super) fn has_data(&self) -> bool {
        self.lock().seats.values().any(|seat| !seat.data.is_empty())
    }

    /// Ends all seats, because the line is gone.
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
