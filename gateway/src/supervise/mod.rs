//! Keeps a gateway going: listeners, renewals, the owner's code, upkeep, and a graceful stop.

mod claim;
mod referee;
mod server_certificates;
mod unconfirmed_policy;
mod upkeep;

use std::sync::Arc;

use doorward_policies::{Event, Record};
use doorward_session::note;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) use claim::{FILE as CLAIM_FILE, announce};
pub(crate) use server_certificates::{CertificateNames, ServerCertificates};

use crate::assemble::Gateway;
use crate::data_directory::DataDirectory;
use crate::failure::CommandFailure;

/// Serves until the process is told to stop, then stops in order: nothing new is taken, live
/// flows get their grace, what is left is cut and recorded, and the databases are closed.
///
/// `ready` is called once the listeners are served; `announce` says whether the owner's code is
/// to be shown or left in its file.
pub(crate) async fn run(
    gateway: Gateway,
    announce: bool,
    ready: impl AsyncFnOnce(&Gateway) -> Result<(), CommandFailure>,
) -> Result<(), CommandFailure> {
    let stop =
        |kind| signal(kind).map_err(|error| CommandFailure::new(format!("no signals: {error}")));
    let (mut interrupt, mut terminate) =
        (stop(SignalKind::interrupt())?, stop(SignalKind::terminate())?);
    let mut gateway = gateway;
    let mut writers = gateway.writers.take();
    let mut tasks = JoinSet::new();
    // Before anybody is served: what was to be confirmed while the gateway was down.
    let waiting = unconfirmed_policy::UnconfirmedPolicy::of(&gateway);
    waiting.undo_if_due().await;
    tasks.spawn(waiting.keep());
    for listener in std::mem::take(&mut gateway.listeners) {
        let serving = Arc::clone(&gateway.serving);
        tasks.spawn(async move {
            listener.serve(serving).await.map_err(|error| CommandFailure::new(error.to_string()))
        });
    }
    if let Some(quic) = gateway.quic.take() {
        let serving = Arc::clone(&gateway.serving);
        tasks.spawn(async move {
            quic.serve(serving).await.map_err(|error| CommandFailure::new(error.to_string()))
        });
    }
    if announce {
        tasks.spawn(claim::keep(claim::OwnerCodes::of(&gateway)));
    }
    tasks.spawn(gateway.certificates.clone().keep(gateway.health.clone()));
    tasks.spawn(upkeep::keep(upkeep::Upkeep::of(&gateway)));
    tasks.spawn(referee::keep(referee::of(&gateway)));
    let refusals = gateway.refusals.clone();
    tasks.spawn(async move {
        refusals.run().await;
        Ok(())
    });

    let outcome = async {
        ready(&gateway).await?;
        tell_system(sd_notify::NotifyState::Ready);
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                () = ended(&mut writers) => {
                    // Nothing could be taken away or recorded any more.
                    return Err(CommandFailure::new("a writer has failed; see the log"));
                }
                Some(ended) = tasks.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(failure)) => return Err(failure),
                    Err(error) => {
                        return Err(CommandFailure::new(format!("a part of the gateway failed: {error}")));
                    }
                },
            }
        }
    }
    .await;

    tell_system(sd_notify::NotifyState::Stopping);
    tracing::info!("stopping");
    gateway.serving.drain();
    let grace = gateway.config.grace;
    tokio::select! {
        () = gateway.serving.stop(grace) => {}
        // Told twice: at once.
        _ = interrupt.recv() => gateway.serving.stop(std::time::Duration::ZERO).await,
        _ = terminate.recv() => gateway.serving.stop(std::time::Duration::ZERO).await,
    }
    tasks.shutdown().await;
    gateway.refusals.flush().await;
    note(&*gateway.journal, Record::new(gateway.clock.now(), Event::Stop)).await;
    let data_directory = close_rooms(gateway);
    for writer in writers.into_iter().flatten() {
        let last = std::time::Duration::from_secs(5);
        match tokio::time::timeout(last, writer).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a writer failed"),
            Err(_) => tracing::warn!("a database was not closed in time"),
        }
    }
    drop(data_directory);
    outcome
}

/// Lets go of everything that could still write: the writers end when they have written what
/// they were given.
fn close_rooms(gateway: Gateway) -> DataDirectory {
    let Gateway { data_directory, .. } = gateway;
    data_directory
}

/// Answers when one of the writers has ended, which none does while anybody could still write.
async fn ended(writers: &mut Option<[JoinHandle<()>; 2]>) {
    let Some([state, audit]) = writers else { return std::future::pending().await };
    let ended = tokio::select! {
        ended = state => ended,
        ended = audit => ended,
    };
    // It must not be asked again.
    *writers = None;
    if let Err(error) = ended {
        tracing::error!(%error, "a writer failed");
    }
}

fn tell_system(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}
