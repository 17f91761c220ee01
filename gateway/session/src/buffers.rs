use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_model::SubjectId;
use doorward_wire::STREAM_WINDOW;

/// Room for what has come on streams of `doorward/1` and that nobody has taken yet. A stream has
/// all of its window from its beginning to its end, so there are never more bytes than room. One
/// subject has at most a quarter of it.
#[derive(Clone, Debug)]
pub(crate) struct Buffers(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    each: usize,
    taken: HashMap<SubjectId, usize>,
}

/// The window of one stream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Window {
    buffers: Buffers,
    subject: SubjectId,
}

impl Buffers {
    /// Room for so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let free = usize::try_from(bytes / u64::from(STREAM_WINDOW)).unwrap_or(usize::MAX);
        let each = (free / 4).max(1);
        Self(Arc::new(Mutex::new(State { free, each, taken: HashMap::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The window of a stream on which that subject sends, if there is room for it.
    pub(crate) fn take(&self, subject: SubjectId) -> Option<Window> {
        let mut state = self.state();
        let taken = state.taken.get(&subject).copied().unwrap_or_default();
        if state.free == 0 || taken >= state.each {
            return None;
        }
        state.free -= 1;
        state.taken.insert(subject, taken + 1);
        Some(Window { buffers: self.clone(), subject })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let mut state = self.buffers.state();
        state.free += 1;
        let taken = state.taken.get(&self.subject).copied().unwrap_or_default();
        if taken > 1 {
            state.taken.insert(self.subject, taken - 1);
        } else {
            state.taken.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subject_has_a_quarter_and_all_of_them_no_more_than_there_is() {
        let buffers = Buffers::new(10 * u64::from(STREAM_WINDOW));
        let all: Vec<Window> = (0..20).filter_map(|at| buffers.take(SubjectId(at % 7))).collect();
        assert_eq!(all.len(), 10);
        drop(all);
        let mine: Vec<Window> = (0..20).filter_map(|_| buffers.take(SubjectId(1))).collect();
        assert_eq!(mine.len(), 2);
        assert!(buffers.take(SubjectId(2)).is_some());
        drop(mine);
        assert_eq!(buffers.state().free, 10);
        assert!(buffers.state().taken.is_empty());
    }
}
