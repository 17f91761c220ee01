//! A line for tests, which echoes.

use super::*;

/// A line that echoes what is written, and records what is done with it.
#[derive(Clone)]
pub(super) struct Echo(Arc<Mutex<EchoState>>);

#[derive(Default)]
pub(super) struct EchoState {
    pub(super) done: Vec<Done>,
    pub(super) says: VecDeque<u8>,
    pub(super) settings: LineSettings,
    pub(super) dtr: bool,
    pub(super) modem: Modem,
    /// Whether the line takes no bytes.
    pub(super) stuck: bool,
    /// Whether the line gets stuck after each write.
    pub(super) slow: bool,
    waiting: Vec<Waker>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Done {
    Wrote(Vec<u8>),
    Request(LineRequest),
    Restored,
}

impl Default for Echo {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(EchoState { dtr: true, ..EchoState::default() })))
    }
}

impl Echo {
    pub(super) fn with<T>(&self, with: impl FnOnce(&mut EchoState) -> T) -> T {
        let mut state = self.0.lock().unwrap();
        state.waiting.drain(..).for_each(Waker::wake);
        with(&mut state)
    }

    pub(super) fn done(&self) -> Vec<Done> {
        self.with(|state| state.done.clone())
    }
}

impl Line for Echo {
    fn leaves_within(&self) -> Duration {
        Duration::from_secs(4)
    }

    fn in_force(&self) -> InForce {
        let state = self.0.lock().unwrap();
        InForce { dtr: state.dtr, ..InForce::new(state.settings) }
    }

    fn poll_request(&mut self, _: &mut Context<'_>, request: LineRequest) -> Poll<io::Result<()>> {
        let now = self.in_force().with(request);
        let mut state = self.0.lock().unwrap();
        state.done.push(Done::Request(request));
        // This line does not support odd parity.
        let odd = now.settings.parity == Parity::Odd;
        let parity = if odd { Parity::None } else { now.settings.parity };
        state.settings = LineSettings { parity, ..now.settings };
        state.dtr = now.dtr;
        Poll::Ready(Ok(()))
    }

    fn modem(&mut self) -> io::Result<Modem> {
        Ok(self.0.lock().unwrap().modem)
    }

    fn poll_restore(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.0.lock().unwrap().done.push(Done::Restored);
        Poll::Ready(())
    }
}

impl AsyncRead for Echo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        if state.says.is_empty() {
            state.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        let amount = state.says.len().min(into.remaining());
        into.put_slice(&state.says.drain(..amount).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Echo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        if state.stuck {
            state.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        state.stuck = state.slow;
        let bytes = &bytes[..bytes.len().min(100)];
        state.says.extend(bytes);
        match state.done.last_mut() {
            Some(Done::Wrote(before)) => before.extend(bytes),
            _ => state.done.push(Done::Wrote(bytes.to_vec())),
        }
        state.waiting.drain(..).for_each(Waker::wake);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
