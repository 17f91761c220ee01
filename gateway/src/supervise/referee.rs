//! The referee of what the compiled form decides alone, and what it may do.

use std::pin::Pin;
use std::sync::Arc;

use doorward_model::Revision;
use doorward_session::Suspend;
use doorward_store::Store;

use crate::assemble::Gateway;
use crate::failure::CommandFailure;

/// Takes rules out of force in the state.
struct Rules(Store);

impl Suspend for Rules {
    fn suspend(
        &self,
        revision: Revision,
        lines: Vec<usize>,
    ) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
        Box::pin(async move {
            match self.0.suspend(revision, lines).await {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::error!(%error, "rules about which the judges differ stay in force");
                    0
                }
            }
        })
    }
}

/// Keeps the referee going.
pub(super) async fn keep(referee: Option<doorward_session::Referee>) -> Result<(), CommandFailure> {
    match referee {
        Some(referee) => {
            referee.run().await;
            Ok(())
        }
        None => Err(CommandFailure::new("the leases have a referee already".to_owned())),
    }
}

/// The referee of a gateway.
pub(super) fn of(gateway: &Gateway) -> Option<doorward_session::Referee> {
    let rules = Arc::new(Rules(gateway.store.clone()));
    gateway.leases.referee(rules, Arc::clone(&gateway.journal))
}
