//! Makes and announces owner codes until an owner has claimed the gateway.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use doorward_control::{CodeMaker, owner_code};
use doorward_model::{Clock, Code};
use doorward_policies::Snapshot;
use doorward_store::Store;
use tokio::sync::watch;

use crate::assemble::Gateway;
use crate::data_directory::{remove, write_private};
use crate::failure::CommandFailure;

/// The file for the code if standard output is not a terminal.
pub(crate) const FILE: &str = "claim-code";

pub(super) struct OwnerCodes {
    store: Store,
    codes: CodeMaker,
    clock: Arc<dyn Clock>,
    file: PathBuf,
    print: bool,
}

impl OwnerCodes {
    pub(super) fn of(gateway: &Gateway) -> Self {
        Self {
            store: gateway.store.clone(),
            codes: gateway.codes.clone(),
            clock: Arc::clone(&gateway.clock),
            file: gateway.data_directory.join(FILE),
            print: gateway.config.print_code,
        }
    }
}

/// Makes a new owner code whenever the former one has expired, until there is an owner. Afterwards
/// deletes the file of a code, such as a recovery code, once the store has no owner code.
pub(super) async fn keep(owner: OwnerCodes) -> Result<(), CommandFailure> {
    let mut snapshots = owner.store.snapshots();
    while !snapshots.borrow_and_update().is_claimed() {
        let code = owner_code(&owner.codes, &owner.store, owner.clock.now()).await?;
        announce(&code, &owner.file, owner.print)?;
        let left = code.expires.duration_since(owner.clock.now()).unsigned_abs();
        tokio::select! {
            () = tokio::time::sleep(left) => tracing::info!("the owner's code has expired"),
            () = claimed(&mut snapshots) => {}
        }
    }
    loop {
        let left = match owner.store.owner_code().await {
            Ok(None) => remove(&owner.file),
            Ok(Some(_)) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = left {
            tracing::warn!(%error, "the file of the owner code could not be checked or removed");
        }
        // A claim changes the state, and so publishes a new snapshot.
        if snapshots.changed().await.is_err() {
            return Ok(());
        }
    }
}

async fn claimed(snapshots: &mut watch::Receiver<Arc<Snapshot>>) {
    if snapshots.wait_for(|snapshot| snapshot.is_claimed()).await.is_err() {
        // The gateway is stopping.
        tokio::time::sleep(Duration::MAX).await;
    }
}

/// Prints an owner code if `print` is set or standard output is a terminal. Otherwise writes it to
/// a file that only the owner of the data directory can read. Returns whether it printed the code.
pub(crate) fn announce(code: &Code, file: &Path, print: bool) -> Result<bool, CommandFailure> {
    let mut out = std::io::stdout().lock();
    if print || out.is_terminal() {
        let text = format!(
            "\nThis gateway waits for its owner. Within an hour, run\n\n    doorward claim CODE\n\n\
             with this code:\n\n{}\n\n",
            code.reveal()
        );
        // A closed pipe is not an error.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        return Ok(true);
    }
    write_private(file, format!("{}\n", code.reveal()).as_bytes())?;
    tracing::warn!(file = %file.display(), "this gateway waits for its owner: the code is in the file");
    Ok(false)
}
