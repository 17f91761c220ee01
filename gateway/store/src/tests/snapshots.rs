//! The published snapshot equals the one that is read anew, after every change.

use proptest::prelude::*;

use super::*;

/// One random change.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Add(usize),
    Remove(usize),
    Enable(usize, bool),
    Revoke(usize),
    Issue(usize),
    Renew(usize),
    Grant(usize, bool),
    Take(usize),
    Join(usize),
    Leave(usize),
    Declare(usize),
    Switch(usize, bool),
    Undeclare(usize),
    Apply(bool),
    Suspend(usize),
    Report(usize, u64),
    Wait,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..4usize;
    let step = prop_oneof![
        4 => who.clone().prop_map(Step::Add),
        1 => who.clone().prop_map(Step::Remove),
        1 => (who.clone(), any::<bool>()).prop_map(|(n, on)| Step::Enable(n, on)),
        1 => who.clone().prop_map(Step::Revoke),
        3 => who.clone().prop_map(Step::Issue),
        3 => who.clone().prop_map(Step::Renew),
        2 => (who.clone(), any::<bool>()).prop_map(|(n, until)| Step::Grant(n, until)),
        1 => who.clone().prop_map(Step::Take),
        2 => who.clone().prop_map(Step::Join),
        1 => who.clone().prop_map(Step::Leave),
        3 => who.clone().prop_map(Step::Declare),
        1 => (who.clone(), any::<bool>()).prop_map(|(n, on)| Step::Switch(n, on)),
        1 => who.clone().prop_map(Step::Undeclare),
        2 => (who, 0..9u64).prop_map(|(n, value)| Step::Report(n % 2, value)),
        1 => any::<bool>().prop_map(Step::Apply),
        2 => (0..4usize).prop_map(Step::Suspend),
        1 => Just(Step::Wait),
    ];
    proptest::collection::vec(step, 1..24)
}

pub(super) async fn take(test_store: &TestStore, store: &Store, step: Step) {
    let named = |n: usize| subject(["device/a", "device/b", "user/a", "user/b"][n]);
    let door =
        |n: usize| -> DoorName { ["ssh--a", "ssh--b", "web--a", "web--b"][n].parse().unwrap() };
    let by = || Actor::Local;
    let declared = |n: usize| NewInterface {
        door: door(n),
        target: "tcp://127.0.0.1:22".parse().unwrap(),
        network: n.is_multiple_of(2).then(|| "loopback".parse().unwrap()),
    };
    let seen = |n: usize| seen(store, &named(n).to_string());
    let role = || "role/operator".parse().unwrap();
    let group = || "group/plant".parse().unwrap();
    // A dry run says what the store does.
    let change = async |n: usize, changes: SubjectChanges| {
        let (before, wanted) = (seen(n), changes.applied_to(&seen(n)));
        if store.change_subject(by(), named(n), before, changes).await.is_ok() {
            assert_eq!(seen(n), wanted);
        }
    };
    // The store may refuse a step; then it must change nothing.
    match step {
        Step::Add(n) => {
            drop(store.add_subject(by(), new(&named(n).to_string(), None)).await);
        }
        Step::Remove(n) => {
            drop(remove(store, &named(n).to_string()).await);
        }
        Step::Enable(n, on) => {
            change(n, switch(on)).await;
        }
        Step::Revoke(n) => {
            drop(store.revoke(by(), named(n), seen(n)).await);
        }
        Step::Issue(n) => {
            drop(test_store.enrol(store, &named(n).to_string()).await);
        }
        Step::Renew(n) => {
            let name = named(n).to_string();
            let id = store.snapshots().borrow().member(&named(n)).map(|member| member.id);
            let oldest = test_store.live(store, &name).await.pop();
            if let (Some(id), Some(certificate)) = (id, oldest) {
                let (_, sign) = test_store.sign(&name);
                drop(store.renew(named(n), id, certificate, start(), PLENTY, sign).await);
            }
        }
        Step::Grant(n, until) => {
            let until = until.then(|| test_store.clock.now() + SignedDuration::from_secs(60));
            let grant = vec![(role(), until)];
            change(n, SubjectChanges { grant, ..SubjectChanges::default() }).await;
        }
        Step::Take(n) => {
            change(n, SubjectChanges { take: vec![role()], ..SubjectChanges::default() }).await;
        }
        Step::Join(n) => {
            change(n, SubjectChanges { join: vec![group()], ..SubjectChanges::default() }).await;
        }
        Step::Leave(n) => {
            change(n, SubjectChanges { leave: vec![group()], ..SubjectChanges::default() }).await;
        }
        Step::Declare(n) => {
            drop(store.add_interface(by(), declared(n)).await);
        }
        Step::Switch(n, on) => {
            let DoorName { device, interface } = door(n);
            let Device::Named(device) = device else { panic!("{device} is the gateway") };
            let seen = store.snapshots().borrow().interface(&device, &interface).cloned();
            if let Some(seen) = seen {
                let next = Interface { enabled: on, ..seen.clone() };
                store.change_interface(by(), door(n), seen, next).await.unwrap();
            }
        }
        Step::Undeclare(n) => {
            drop(store.remove_interface(by(), door(n)).await);
        }
        Step::Apply(strict) => {
            let mut text = BundleText::default();
            if strict {
                text.policy.push_str("p, role/operator, group/plant, **, *, , deny\n");
            }
            let bundle = Arc::new(Bundle::parse(text).unwrap());
            store.apply(by(), bundle, Applying::default()).await.unwrap();
        }
        Step::Suspend(line) => {
            let revision = store.snapshots().borrow().revision();
            store.suspend(revision, vec![line]).await.unwrap();
        }
        Step::Report(n, value) => {
            let id = store.snapshots().borrow().member(&named(n)).map(|member| member.id);
            if let Some(id) = id {
                drop(store.report(named(n), id, test_store.posture(value)).await);
            }
        }
        Step::Wait => {
            test_store.clock.0.fetch_add(5, Ordering::SeqCst);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A snapshot is a pure function of its epoch: the snapshot that is published after each change
    /// equals the one that is read anew.
    #[test]
    fn the_published_snapshot_is_the_one_that_is_read_anew(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let test_store = TestStore::found().await;
            let opened = test_store.open().await;
            for step in steps {
                let shown = format!("{step:?}");
                take(&test_store, &opened.store, step).await;
                let published = opened.store.snapshots().borrow().clone();
                assert_eq!(*published, reread(&test_store).await, "after {shown}");
            }
        });
    }
}
