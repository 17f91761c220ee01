//! Moves bytes between a local end and a flow, with half-close both ways.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::failure::Failure;

/// How long the local end is waited for after the far end has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Until it has ended as well.
    Whole,
    /// As long as it has something to say, and a second more.
    WhileItMoves,
    /// Not at all.
    None,
}

const LINGER: Duration = Duration::from_secs(1);

const CHUNK: usize = 64 * 1024;

/// Carries `input` to the flow and the flow to `output`, until both ends have ended, or the
/// far one has and `patience` with the local one is over.
///
/// A failure leaves the flow without its proper end, so the far end sees a cut. Where the local
/// end is what failed, that is at once: nobody is left to hear what the far end still says.
pub(crate) async fn carry<F, R, W>(
    flow: F,
    mut input: R,
    mut output: W,
    patience: Patience,
) -> Result<(), Failure>
where
    F: AsyncRead + AsyncWrite,
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
            Err(broken @ Failure::Local { .. }) => Err(broken),
            // What the far end had to say before it stopped listening is still delivered; how
            // it ended says whether this was a cut.
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

async fn download<R, W>(from: &mut R, output: &mut W) -> Result<(), Failure>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut chunk = vec![0; CHUNK];
    loop {
        // An end without close_notify is an error here, as it must be.
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
