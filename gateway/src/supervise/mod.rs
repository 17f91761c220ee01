//! Runs a gateway: listeners, renewals, the owner code, upkeep, and a graceful stop.

mod claim;
mod referee;
mod rules;
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

/// Serves until the process receives SIGINT or SIGTERM. Then the gateway accepts nothing new, gives
/// live flows their grace, cuts and records the remaining ones, and closes the databases.
///
/// Calls `ready` once the listeners serve. `announce` says whether to make and announce an owner
/// code.
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
    // A bundle's time for confirmation may have passed while the gateway was down. Undo the bundle
    // before the listeners serve.
    let unconfirmed = unconfirmed_policy::UnconfirmedPolicy::of(&gateway);
    unconfirmed.undo_if_due().await;
    tasks.spawn(unconfirmed.keep());
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
    tasks.spawn(rules::report(gateway.leases.snapshot()));
    let refusals = gateway.refusals.clone();
    tasks.spawn(async move {
        refusals.run().await;
        Ok(())
    });

    let outcome = async {
        ready(&gateway).await?;
        notify_systemd(sd_notify::NotifyState::Ready);
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                () = ended(&mut writers) => {
                    // Without a writer, no right can be revoked and nothing can be recorded.
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

    notify_systemd(sd_notify::NotifyState::Stopping);
    tracing::info!("stopping");
    gateway.serving.drain();
    let grace = gateway.config.grace;
    tokio::select! {
        () = gateway.serving.stop(grace) => {}
        // A second signal ends the grace.
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

/// Drops every room that could still write. The writers then end after their queued writes.
fn close_rooms(gateway: Gateway) -> DataDirectory {
    let Gateway { data_directory, .. } = gateway;
    data_directory
}

/// Waits until one of the writers has ended. While the gateway serves, that is a failure.
async fn ended(writers: &mut Option<[JoinHandle<()>; 2]>) {
    let Some([state, audit]) = writers else { return std::future::pending().await };
    let ended = tokio::select! {
        ended = state => ended,
        ended = audit => ended,
    };
    // A task must not be polled after it has ended.
    *writers = None;
    if let Err(error) = ended {
        tracing::error!(%error, "a writer failed");
    }
}

fn notify_systemd(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd could not be notified");
    }
}
