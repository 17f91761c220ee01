//! The owner's code, until an owner has claimed the gateway.

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

/// The file that the code is left in where nobody would see it.
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

/// Sees to it that there is a good code as long as there is no owner: an old one is replaced when it
/// has expired. Afterwards a code that is left in its file, such as one for
/// a recovery, stays there until it is used or over.
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
            tracing::warn!(%error, "whether an owner's code is left over is not known");
        }
        // A claim is a change like any other.
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

/// Shows an owner's code where it was asked for or where a person is looking; otherwise leaves
/// it in a file that only the owner of the data directory can read. Whether it was shown.
pub(crate) fn announce(code: &Code, file: &Path, print: bool) -> Result<bool, CommandFailure> {
    let mut out = std::io::stdout().lock();
    if print || out.is_terminal() {
        let text = format!(
            "\nThis gateway waits for its owner. DialerBounds an hour, run\n\n    doorward claim CODE\n\n\
             with this code:\n\n{}\n\n",
            code.reveal()
        );
        // Whoever reads the output may have gone.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        return Ok(true);
    }
    write_private(file, format!("{}\n", code.reveal()).as_bytes())?;
    tracing::warn!(file = %file.display(), "this gateway waits for its owner: the code is in the file");
    Ok(false)
}
