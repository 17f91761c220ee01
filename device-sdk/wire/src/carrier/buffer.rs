//! What has been read of a stream and not been taken.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, ReadBuf};

/// What has been read and not been taken. The bytes of it are borrowed from a common store
/// only while something is in it, so that a silent flow holds none.
#[derive(Debug, Default)]
pub struct Buffer(Option<Filled>);

#[derive(Debug)]
struct Filled {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

/// The size of a buffer: as much as a TCP window mostly holds.
const SIZE: usize = 64 * 1024;
/// How many unused buffers are kept.
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
    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What is in it.
    #[must_use]
    pub fn shown(&self) -> &[u8] {
        let shown = self.0.as_ref().and_then(|filled| filled.bytes.get(filled.start..filled.end));
        shown.unwrap_or_default()
    }

    /// Fills it by `read` if it is empty. It is still empty afterwards where `read` found the
    /// end.
    ///
    /// # Errors
    /// Those of `read`.
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

    /// Takes `amount` bytes out, at most all.
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

/// Reads through what `poll_fill_buf` shows: what `poll_read` comes to for whatever has a buffer of
/// its own.
///
/// # Errors
/// Those of `poll_fill_buf`.
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
