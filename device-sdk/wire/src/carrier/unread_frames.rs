//! Bounds the number of unread yamux frames. Windows bound only bytes, but yamux stores each frame
//! separately: a window full of one-byte frames would take many times the window in memory.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::through::writes_through;

/// How many unread frames one stream may have. Above this number, the whole connection is not
/// read until the stream's reader has caught up.
const FRAMES: u64 = 4096;
/// The length of a frame's header: version, type, flags, stream, length.
const HEADER: usize = 12;
/// The type of a frame that carries data of a stream.
const DATA: u8 = 0;

/// The unread frames of all streams on one connection. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub(super) struct UnreadFrames(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    streams: HashMap<u32, Waiting>,
    /// How many streams have more than [`FRAMES`] frames.
    over_limit: usize,
    /// The task that reads the connection, while it waits for this number to become 0.
    reader: Option<Waker>,
}

/// The unread bytes and frames of one stream.
#[derive(Debug, Default)]
struct Waiting {
    bytes: u64,
    /// An upper bound. How many frames were read is known only when all bytes were read.
    frames: u64,
}

impl Waiting {
    fn is_over_limit(&self) -> bool {
        self.frames > FRAMES
    }
}

/// A registration that counts the frames of one stream until it is dropped.
#[derive(Debug)]
pub(super) struct StreamUnread {
    all: UnreadFrames,
    stream: u32,
}

impl UnreadFrames {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the frames of `stream` from now on.
    pub(super) fn register(&self, stream: u32) -> StreamUnread {
        self.state().streams.insert(stream, Waiting::default());
        StreamUnread { all: self.clone(), stream }
    }

    fn note_frame(&self, stream: u32, bytes: u32) {
        let mut state = self.state();
        // Yamux stores no data of streams it does not know.
        let Some(waiting) = state.streams.get_mut(&stream) else { return };
        let before = waiting.is_over_limit();
        waiting.bytes += u64::from(bytes);
        waiting.frames += 1;
        if waiting.is_over_limit() && !before {
            state.over_limit += 1;
        }
    }

    /// Waits until the connection may be read.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.over_limit == 0 {
            return Poll::Ready(());
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl State {
    /// Notes that a stream is no longer above the limit, and wakes the reader after the last one.
    fn note_relief(&mut self) {
        self.over_limit -= 1;
        if self.over_limit == 0
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

impl StreamUnread {
    /// Counts `bytes` of the stream as read.
    pub(super) fn note_read(&self, bytes: usize) {
        let mut state = self.all.state();
        let Some(waiting) = state.streams.get_mut(&self.stream) else { return };
        let before = waiting.is_over_limit();
        waiting.bytes = waiting.bytes.saturating_sub(bytes as u64);
        waiting.frames = waiting.frames.min(waiting.bytes);
        if before && !waiting.is_over_limit() {
            state.note_relief();
        }
    }
}

impl Drop for StreamUnread {
    fn drop(&mut self) {
        let mut state = self.all.state();
        if state.streams.remove(&self.stream).is_some_and(|waiting| waiting.is_over_limit()) {
            state.note_relief();
        }
    }
}

/// A connection that counts yamux frames as it reads them.
#[derive(Debug)]
pub(super) struct FrameCounting<S> {
    stream: S,
    unread: UnreadFrames,
    header: [u8; HEADER],
    /// How many bytes of the current header have arrived.
    filled: usize,
    /// How many bytes of the current frame's body have not arrived.
    rest: usize,
}

impl<S> FrameCounting<S> {
    pub(super) fn new(stream: S, unread: UnreadFrames) -> Self {
        Self { stream, unread, header: [0; HEADER], filled: 0, rest: 0 }
    }

    fn scan(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let wanted = HEADER - self.filled;
            let (part, others) = bytes.split_at(wanted.min(bytes.len()));
            if let Some(room) = self.header.get_mut(self.filled..self.filled + part.len()) {
                room.copy_from_slice(part);
            }
            self.filled += part.len();
            bytes = others;
            if self.filled == HEADER {
                self.filled = 0;
                let [_, kind, _, _, s0, s1, s2, s3, l0, l1, l2, l3] = self.header;
                let length = u32::from_be_bytes([l0, l1, l2, l3]);
                if kind == DATA && length > 0 {
                    self.rest = length as usize;
                    self.unread.note_frame(u32::from_be_bytes([s0, s1, s2, s3]), length);
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameCounting<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.unread.poll_room(cx));
        let before = into.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
        this.scan(into.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

writes_through!(FrameCounting, stream);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn frame(kind: u8, stream: u32, length: u32) -> Vec<u8> {
        let mut frame = vec![0, kind, 0, 0];
        frame.extend(stream.to_be_bytes());
        frame.extend(length.to_be_bytes());
        if kind == DATA {
            frame.extend(vec![7; length as usize]);
        }
        frame
    }

    async fn is_read<S: AsyncRead + Unpin>(watched: &mut S, bytes: usize) -> bool {
        let mut into = vec![0; bytes];
        let soon = std::time::Duration::from_millis(50);
        tokio::time::timeout(soon, watched.read_exact(&mut into)).await.is_ok()
    }

    #[tokio::test]
    async fn a_connection_rests_while_too_many_frames_of_a_stream_wait() {
        let tiny = frame(DATA, 1, 1);
        let all = tiny.repeat(2 * FRAMES as usize);
        let unread = UnreadFrames::default();
        let mut watched = FrameCounting::new(&all[..], unread.clone());
        let one = unread.register(1);
        let up_to = tiny.len() * (FRAMES as usize + 1);
        assert!(is_read(&mut watched, up_to).await);
        assert!(!is_read(&mut watched, 1).await);
        one.note_read(1);
        assert!(is_read(&mut watched, tiny.len()).await, "one frame was read, so one more fits");
        assert!(!is_read(&mut watched, 1).await);
        drop(one);
        assert!(is_read(&mut watched, 1).await, "a dropped stream no longer counts");
    }

    #[tokio::test]
    async fn what_is_read_or_large_or_on_no_stream_does_not_count() {
        let unread = UnreadFrames::default();
        let one = unread.register(1);
        let all = [frame(DATA, 1, 1000).repeat(100), frame(1, 1, 9).repeat(9000)].concat();
        let others = frame(DATA, 5, 1).repeat(9000);
        let all = [all, others].concat();
        let mut watched = FrameCounting::new(&all[..], unread.clone());
        assert!(is_read(&mut watched, all.len()).await);
        let tiny = frame(DATA, 1, 1);
        for _ in 0..3 * FRAMES {
            let mut watched = FrameCounting::new(&tiny[..], unread.clone());
            assert!(is_read(&mut watched, tiny.len()).await);
            one.note_read(2000);
        }
    }

    #[tokio::test]
    async fn where_frames_are_cut_changes_nothing() {
        let all = [frame(DATA, 1, 3), frame(2, 0, 77), frame(DATA, 1, 2)].concat();
        let unread = UnreadFrames::default();
        let _one = unread.register(1);
        let mut watched = FrameCounting::new(&all[..], unread.clone());
        for _ in 0..all.len() {
            assert!(is_read(&mut watched, 1).await);
        }
        let state = unread.state();
        assert_eq!((state.streams[&1].bytes, state.streams[&1].frames), (5, 2));
    }
}
