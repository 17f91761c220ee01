//! Moves bytes between a local end and a flow, with half-close in both directions.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::failure::Failure;

/// How long to wait for the local end after the far end has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Until the local end has ended too.
    Whole,
    /// While the local end sends, and one more second.
    WhileItMoves,
    /// Not at all.
    None,
}

const LINGER: Duration = Duration::from_secs(1);

const CHUNK: usize = 64 * 1024;

/// Carries `input` to the flow and the flow to `output`, until both ends have ended, or the far end
/// has ended and `patience` with the local end is over.
///
/// After a failure the flow has no proper end, so the far end sees a cut. A failure of the local
/// end cuts the flow at once, since nobody can take what the far end still sends.
pub(crate) async fn carry<F, R, W>(
    flow: &mut F,
    mut input: R,
    mut output: W,
    patience: Patience,
) -> Result<(), Failure>
where
    F: AsyncRead + AsyncWrite + Unpin + ?Sized,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut from, mut to) = tokio::io::split(flow);
    let moved = AtomicU64::new(0);
    let mut up = std::pin::pin!(upload(&mut input, &mut to, &moved));
    let mut down = std::pin::pin!(download(&mut from, &mut output));
    tokio::select! {
        ended = down.as_mut() => {
            ended?;
            match patience {
                Patience::Whole => up.await,
                Patience::None => Ok(()),
                Patience::WhileItMoves => loop {
                    let before = moved.load(Ordering::Relaxed);
                    match timeout(LINGER, up.as_mut()).await {
                        Ok(ended) => return ended,
                        Err(_) if moved.load(Ordering::Relaxed) == before => return Ok(()),
                        Err(_) => {}
                    }
                },
            }
        }
        ended = up.as_mut() => match ended {
            Ok(()) => down.await,
            Err(error) if matches!(error, Failure::Local { .. }) => Err(error),
            // The far end no longer reads. Still deliver what it sent before; its end shows whether
            // the flow was cut.
            Err(error) => down.await.and(Err(error)),
        },
    }
}

async fn upload<R, W>(input: &mut R, to: &mut W, moved: &AtomicU64) -> Result<(), Failure>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = input.read(&mut chunk).await.map_err(|error| local("input", error))?;
        if count == 0 {
            return to.shutdown().await.map_err(Failure::Cut);
        }
        to.write_all(chunk.get(..count).unwrap_or_default()).await.map_err(Failure::Cut)?;
        to.flush().await.map_err(Failure::Cut)?;
        moved.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Copies what the flow brings to `output`, until the flow ends.
pub(crate) async fn download<R, W>(from: &mut R, output: &mut W) -> Result<(), Failure>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut chunk = vec![0; CHUNK];
    loop {
        // A TLS end without close_notify is an error here.
        let count = from.read(&mut chunk).await.map_err(Failure::Cut)?;
        if count == 0 {
            return output.shutdown().await.map_err(|error| local("output", error));
        }
        let wrote = output.write_all(chunk.get(..count).unwrap_or_default()).await;
        wrote.map_err(|error| local("output", error))?;
        output.flush().await.map_err(|error| local("output", error))?;
    }
}

fn local(what: &str, error: io::Error) -> Failure {
    Failure::Local { what: format!("the local {what}"), error }
}
