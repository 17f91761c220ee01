//! How one change is made: again if the database asks for it, and looked up if its answer is lost.

use std::sync::Arc;
use std::time::Duration;

use doorward_model::Epoch;
use doorward_policies::{Bundle, Snapshot, Touched};

use crate::change::{Actor, Change, Committed};
use crate::error::StoreError;
use crate::follow;
use crate::load;
use crate::port::{CommitOutcome, Tx};
use crate::rows::epochs::{self, ChangeEntry, ChangeId};
use crate::writer::WriterTask;

/// How often a change is made before the store gives up.
const ATTEMPTS: u32 = 8;
/// The longest pause before a second attempt. It doubles with each attempt.
const PAUSE: Duration = Duration::from_millis(4);

/// A change that was made in its transaction, which is not committed yet.
struct Made<T> {
    value: T,
    /// The last change before this one.
    before: Epoch,
    /// What it touched, and the snapshot of its number; `None` if it touched nothing.
    numbered: Option<(Touched, Snapshot)>,
}

impl WriterTask {
    /// Makes a change, up to [`ATTEMPTS`] times if the database asks for it again.
    pub(crate) async fn make<T>(
        &mut self,
        actor: Actor,
        what: String,
        bundle: Option<Arc<Bundle>>,
        change: Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            let outcome = self.attempt(&actor, &what, bundle.clone(), &change).await;
            let Err(StoreError::Again(why)) = outcome else { return outcome };
            tracing::debug!(why, "a change is made again");
            tokio::time::sleep(jitter(pause)?).await;
            pause *= 2;
        }
        self.attempt(&actor, &what, bundle, &change).await
    }

    async fn attempt<T>(
        &mut self,
        actor: &Actor,
        what: &str,
        bundle: Option<Arc<Bundle>>,
        change: &Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        let (actor, what) = (actor.clone(), what.to_owned());
        let entry = ChangeEntry { id: ChangeId::random()?, at: self.clock.now(), actor, what };
        let mut tx = self.database.begin_ordered().await?;
        let made = match self.make_in(&mut tx, &entry, bundle, change).await {
            Ok(made) => made,
            Err(error) => {
                tx.roll_back().await;
                return Err(error);
            }
        };
        match tx.commit().await {
            CommitOutcome::Done => {}
            CommitOutcome::NotDone(error) => return Err(error),
            CommitOutcome::InDoubt(error) => {
                let is_numbered = made.numbered.is_some();
                self.settle(entry.id, made.before, is_numbered, error).await?;
            }
        }
        let (epoch, ended) = match made.numbered {
            Some((touched, snapshot)) => (snapshot.epoch(), self.publish(touched, snapshot)),
            None => (made.before, 0),
        };
        Ok(Committed { value: made.value, epoch, ended })
    }

    /// Makes a change in its transaction. The present snapshot is first brought up to the head, so
    /// the snapshot of the change has everything that came before it.
    async fn make_in<T>(
        &mut self,
        tx: &mut Tx,
        entry: &ChangeEntry,
        bundle: Option<Arc<Bundle>>,
        change: &Change<T>,
    ) -> Result<Made<T>, StoreError> {
        let mut before = self.snapshots.borrow().clone();
        let head = tx.head()?;
        if head != before.epoch()
            && let Some(caught_up) = follow::catch_up(tx, &before, entry.at).await?
        {
            self.publish(caught_up.touched, caught_up.snapshot);
            before = self.snapshots.borrow().clone();
        }
        let (value, touched) = change(tx).await?;
        if touched.is_empty() {
            return Ok(Made { value, before: head, numbered: None });
        }
        let epoch = epochs::number(tx, entry, &touched).await?;
        let snapshot = Snapshot::clone(&before);
        let snapshot = load::again(tx, snapshot, &touched, bundle, entry.at).await?.at(epoch);
        Ok(Made { value, before: head, numbered: Some((touched, snapshot)) })
    }

    /// Finds out whether a change was made whose commit has failed with `error`. It locks the head
    /// first, so a change that is not in the list then will not get there later. A change without a
    /// number cannot be found.
    async fn settle(
        &mut self,
        id: ChangeId,
        before: Epoch,
        is_numbered: bool,
        error: StoreError,
    ) -> Result<(), StoreError> {
        // A full disk takes no commit. If it has, the next change finds out.
        let is_full = matches!(error, StoreError::Full);
        let doubt = if is_full { StoreError::Full } else { StoreError::InDoubt(error.to_string()) };
        self.database.give_up().await;
        let mut tx = match self.database.begin_ordered().await {
            Ok(tx) => tx,
            Err(_) => return Err(doubt),
        };
        let stands = epochs::stands(&mut tx, id, before).await;
        tx.roll_back().await;
        match (stands, is_numbered) {
            (Ok(true), _) => {
                tracing::warn!(%error, "a commit has failed, but its change stands");
                Ok(())
            }
            (Ok(false), true) => Err(error),
            (Ok(false), false) | (Err(_), _) => Err(doubt),
        }
    }
}

/// Returns a random part of a pause.
fn jitter(pause: Duration) -> Result<Duration, StoreError> {
    let mut byte = [0];
    let filled = aws_lc_rs::rand::fill(&mut byte);
    filled.map_err(|_| StoreError::Refused("there is no random number".to_owned()))?;
    Ok(pause * u32::from(byte[0]) / 256)
}
