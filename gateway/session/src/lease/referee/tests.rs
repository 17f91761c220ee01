//! The referee, with a bundle that has lost a rule and with a sound bundle.

use std::time::Duration;

use doorward_model::{Clock as _, Epoch};
use doorward_policies::{Bundle, Refusal};

use super::*;
use crate::lease::Cause;
use crate::lease::fixture::{ALLOW, DENY, Noon, World, text};

/// Makes a bundle whose compiled form has lost the rule that denies.
fn broken() -> Bundle {
    let compiled = Bundle::parse(text(ALLOW)).unwrap();
    let same = text(ALLOW);
    let nothing = compiled.difference(&same).unwrap();
    let said = Arc::new(text(&[ALLOW, DENY].concat()));
    compiled.edited(&said, &nothing).unwrap().unwrap()
}

impl World {
    fn start_referee(&self) {
        let journal: Arc<dyn Journal> = self.log.clone();
        let referee = self.leases.referee(self.state.clone(), journal).unwrap();
        tokio::spawn(referee.run());
    }

    /// Waits until the referee has checked that many samples.
    async fn looked_at(&self, decided: u64) {
        let looked = async {
            while self.leases.refereed().decided < decided {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looked).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_compiled_form_has_lost_ends_the_flow_and_is_suspended() {
    let world = World::new(broken());
    world.start_referee();
    assert!(world.leases.referee(world.state.clone(), world.log.clone()).is_none());
    // The rule that denies is lost, so at the admission both judges see only the other rule.
    let let_in = world.ask("box").unwrap();
    let sound = world.ask("lid").unwrap();
    let (_, lease) = let_in.spend();
    // A commit asks again, by the compiled form alone, and the referee checks that answer.
    world.state.publish(world.state.present().at(Epoch(2)));
    assert!(lease.lives(), "the compiled form still says yes");
    let cause = tokio::time::timeout(Duration::from_secs(30), lease.over()).await.unwrap();
    assert_eq!(cause, Cause::Refused(Refusal::Disagreement));
    world.looked_at(1).await;
    assert!(world.leases.refereed().differed >= 1);
    // The suspended rule permits nothing now.
    assert_eq!(world.state.present().suspended().iter().copied().collect::<Vec<_>>(), [1]);
    assert!(matches!(sound.lease().cause(), Some(Cause::Refused(Refusal::Suspended))));
    let before = world.leases.refereed();
    assert_eq!(world.ask("lid").unwrap_err().as_str(), "suspended");
    let alarmed = || {
        let records = world.log.0.lock().unwrap();
        records.iter().any(|record| {
            record.event == Event::Alarm
                && record.reason.as_deref() == Some("judges-differ")
                && record.rules == [1]
        })
    };
    while !alarmed() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The next bundle, read anew, is sound.
    let next = Bundle::parse(text(&[ALLOW, DENY].concat())).unwrap();
    world.state.publish(world.state.present().with_bundle(Revision(2), Arc::new(next)));
    assert_eq!(world.ask("box").unwrap_err().as_str(), "denied-by-rule");
    let flow = world.ask("lid").unwrap();
    // The suspension was known, so there was no second alarm.
    world.state.publish(world.state.present().at(Epoch(5)));
    world.looked_at(before.decided + 1).await;
    assert_eq!(world.leases.refereed().differed, before.differed);
    assert!(flow.lease().lives());
}

#[tokio::test]
async fn a_sound_bundle_is_looked_at_and_left_alone() {
    let world = World::new(Bundle::parse(text(&[ALLOW, DENY].concat())).unwrap());
    world.start_referee();
    let flow = world.ask("lid").unwrap();
    world.state.publish(world.state.present().at(Epoch(2)));
    world.looked_at(1).await;
    // The same answer again is of a kind that was checked before.
    world.state.publish(world.state.present().at(Epoch(3)));
    assert!(flow.lease().lives());
    let found = world.leases.refereed();
    assert_eq!((found.differed, world.state.present().suspended().len()), (0, 0));
}

#[tokio::test]
async fn what_does_not_fit_is_counted() {
    let world = World::new(Bundle::parse(text(ALLOW)).unwrap());
    let journal: Arc<dyn Journal> = world.log.clone();
    let _idle = world.leases.referee(world.state.clone(), journal).unwrap();
    let flow = world.ask("lid").unwrap();
    let lines = vec![1];
    for _ in 0..QUEUE + 3 {
        let (request, snapshot) = (&flow.lease().entry.request, world.leases.snapshot());
        let samples = &world.leases.0.samples;
        samples.differed(flow.id(), request, &snapshot, Noon.now(), lines.clone());
    }
    assert_eq!(world.leases.refereed().skipped, 3);
}
