//! A read buffer that takes memory only while it holds bytes.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, ReadBuf};

/// The bytes that have been read from a stream and not yet consumed.
///
/// Its memory comes from a pool shared by the process, and only while the buffer holds bytes.
/// So an idle flow holds no buffer memory.
#[derive(Debug, Default)]
pub struct Buffer(Option<Filled>);

#[derive(Debug)]
struct Filled {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

/// The size of a buffer: about the size of a TCP window.
const SIZE: usize = 64 * 1024;
/// How many unused buffers the pool keeps.
const KEPT: usize = 64;

static UNUSED: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

fn borrow() -> Box<[u8]> {
    let unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner).pop();
    unused.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
}

fn give_back(bytes: Box<[u8]>) {
    let mut unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner);
    if unused.len() < KEPT {
        unused.push(bytes);
    }
}

impl Buffer {
    /// Returns whether the buffer holds no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the bytes in the buffer.
    #[must_use]
    pub fn shown(&self) -> &[u8] {
        let shown = self.0.as_ref().and_then(|filled| filled.bytes.get(filled.start..filled.end));
        shown.unwrap_or_default()
    }

    /// Fills an empty buffer by `read`; does nothing to a buffer that holds bytes. When `read` is
    /// at the end of its stream, the buffer stays empty.
    ///
    /// # Errors
    /// Returns the errors of `read`.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_some() {
            return Poll::Ready(Ok(()));
        }
        let mut bytes = borrow();
        let mut into = ReadBuf::new(&mut bytes);
        let read = read(cx, &mut into);
        let end = into.filled().len();
        if matches!(read, Poll::Ready(Ok(()))) && end > 0 {
            self.0 = Some(Filled { bytes, start: 0, end });
        } else {
            give_back(bytes);
        }
        read
    }

    /// Removes `amount` bytes from the front, or all if there are fewer.
    pub fn consume(&mut self, amount: usize) {
        if let Some(filled) = &mut self.0 {
            filled.start = filled.start.saturating_add(amount).min(filled.end);
            if filled.start == filled.end
                && let Some(filled) = self.0.take()
            {
                give_back(filled.bytes);
            }
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(filled) = self.0.take() {
            give_back(filled.bytes);
        }
    }
}

/// Reads by copying from `poll_fill_buf`: the `poll_read` of every type that has its own buffer.
///
/// # Errors
/// Returns the errors of `poll_fill_buf`.
pub fn poll_read_shown<R: AsyncBufRead + ?Sized>(
    mut from: Pin<&mut R>,
    cx: &mut Context<'_>,
    into: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let shown = ready!(from.as_mut().poll_fill_buf(cx))?;
    let amount = shown.len().min(into.remaining());
    into.put_slice(shown.get(..amount).unwrap_or_default());
    from.consume(amount);
    Poll::Ready(Ok(()))
}
