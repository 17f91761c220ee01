//! Removed subjects and interfaces that are added again, and changes that others have overtaken.

use doorward_model::{Group, InterfaceId, Name, Role};
use doorward_policies::Membership;

use super::*;

fn door(text: &str) -> DoorName {
    text.parse().unwrap()
}

fn declaration(text: &str, network: Option<&str>) -> NewInterface {
    let network = network.map(|network| network.parse().unwrap());
    NewInterface { door: door(text), target: "tcp://127.0.0.1:22".parse().unwrap(), network }
}

fn interface(store: &Store, device: &str, name: &str) -> Option<Interface> {
    let (device, name): (Name, Name) = (device.parse().unwrap(), name.parse().unwrap());
    store.snapshots().borrow().interface(&device, &name).cloned()
}

async fn turn(store: &Store, text: &str, enabled: bool) {
    let DoorName { device, interface: name } = door(text);
    let seen = interface(store, device.as_str(), name.as_str()).unwrap();
    let next = Interface { enabled, ..seen.clone() };
    store.change_interface(Actor::Local, door(text), seen, next).await.unwrap();
}

#[tokio::test]
async fn who_was_off_when_removed_is_off_when_added_again() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    for name in ["device/plc", "user/bob"] {
        let added = store.add_subject(Actor::Local, new(name, None)).await.unwrap().value;
        assert!(added.enabled, "{name} is new");
        let off = switch(false);
        store.change_subject(Actor::Local, subject(name), seen(&store, name), off).await.unwrap();
        // However often it is removed.
        for _ in 0..2 {
            remove(&store, name).await.unwrap();
            let again = store.add_subject(Actor::Local, new(name, None)).await.unwrap().value;
            assert!(!again.enabled && !seen(&store, name).enabled, "{name}");
        }
        let on = switch(true);
        store.change_subject(Actor::Local, subject(name), seen(&store, name), on).await.unwrap();
        remove(&store, name).await.unwrap();
        let again = store.add_subject(Actor::Local, new(name, None)).await.unwrap().value;
        assert!(again.enabled, "{name} was turned on");
    }
    // A user and a device with the same name are two subjects.
    let other = store.add_subject(Actor::Local, new("user/plc", None)).await.unwrap().value;
    assert!(other.enabled);
}

#[tokio::test]
async fn an_interface_that_was_off_when_removed_is_off_when_declared_again() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap();
    let declare = async || {
        let new = declaration("ssh--plc", Some("loopback"));
        store.add_interface(Actor::Local, new).await.unwrap().value.enabled
    };
    assert!(declare().await);
    turn(&store, "ssh--plc", false).await;
    store.remove_interface(Actor::Local, door("ssh--plc")).await.unwrap();
    assert!(!declare().await, "removed by itself");
    remove(&store, "device/plc").await.unwrap();
    store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap();
    assert!(!declare().await, "removed with its device");
    // Another interface was never off.
    let other = store.add_interface(Actor::Local, declaration("web--plc", None)).await.unwrap();
    assert!(other.value.enabled);
    // Once it is turned on, it is like any other.
    turn(&store, "ssh--plc", true).await;
    store.remove_interface(Actor::Local, door("ssh--plc")).await.unwrap();
    assert!(declare().await);
}

#[tokio::test]
async fn an_interface_keeps_its_network() {
    let test_store = TestStore::found().await;
    let opened = test_store.open().await;
    let store = opened.store;
    store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap();
    store.add_interface(Actor::Local, declaration("ssh--plc", Some("plant"))).await.unwrap();
    store.add_interface(Actor::Local, declaration("web--plc", None)).await.unwrap();
    let network = |store: &Store, name: &str| {
        interface(store, "plc", name).unwrap().network.map(|network| network.to_string())
    };
    assert_eq!(network(&store, "ssh").as_deref(), Some("plant"));
    turn(&store, "ssh--plc", false).await;
    drop(store);
    opened.task.await.unwrap();
    let store = test_store.open().await.store;
    assert_eq!(network(&store, "ssh").as_deref(), Some("plant"));
    assert_eq!(network(&store, "web"), None);
    // An interface from before networks had names gets its network when it is turned on.
    let seen = interface(&store, "plc", "web").unwrap();
    let next = Interface { network: Some("loopback".parse().unwrap()), ..seen.clone() };
    store.change_interface(Actor::Local, door("web--plc"), seen.clone(), next).await.unwrap();
    assert_eq!(network(&store, "web").as_deref(), Some("loopback"));
    // Another URL does not make it another interface.
    let now = interface(&store, "plc", "web").unwrap();
    let target = "http://127.0.0.1:80?query=off".parse().unwrap();
    let next = Interface { target, ..now.clone() };
    store.change_interface(Actor::Local, door("web--plc"), now, next.clone()).await.unwrap();
    assert_eq!(interface(&store, "plc", "web"), Some(next.clone()));
    assert_eq!(next.id, seen.id);
    assert_eq!(reread(&test_store).await, **store.snapshots().borrow());
}

#[tokio::test]
async fn what_has_changed_since_it_was_looked_at_is_not_changed() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap();
    let plc = || subject("device/plc");
    let group: Group = "group/critical".parse().unwrap();
    let join = SubjectChanges { join: vec![group.clone()], ..SubjectChanges::default() };
    let before = seen(&store, "device/plc");
    store.change_subject(Actor::Local, plc(), before.clone(), join).await.unwrap();
    let epoch = store.snapshots().borrow().epoch();

    let changed = |outcome: Result<(), StoreError>| {
        assert!(matches!(outcome, Err(StoreError::SubjectChanged(_))), "{outcome:?}");
    };
    let by = || Actor::Local;
    changed(store.remove_subject(by(), plc(), before.clone(), vec![]).await.map(drop));
    changed(store.revoke(by(), plc(), before.clone()).await.map(drop));
    changed(store.change_subject(by(), plc(), before.clone(), switch(false)).await.map(drop));
    changed(store.new_code(by(), plc(), before.clone(), test_store.code(7)).await.map(drop));
    // An interface was added since.
    store.add_interface(by(), declaration("ssh--plc", None)).await.unwrap();
    let now = seen(&store, "device/plc");
    changed(store.remove_subject(by(), plc(), now, vec![]).await.map(drop));
    // Another subject has the name now.
    remove(&store, "device/plc").await.unwrap();
    store.add_subject(by(), new("device/plc", None)).await.unwrap();
    changed(store.change_subject(by(), plc(), before, switch(false)).await.map(drop));
    assert_eq!(store.snapshots().borrow().epoch().0, epoch.0 + 3);

    store.add_interface(by(), declaration("ssh--plc", Some("loopback"))).await.unwrap();
    let former = interface(&store, "plc", "ssh").unwrap();
    let former = Interface { id: InterfaceId(former.id.0 - 1), ..former };
    let next = Interface { enabled: false, ..former.clone() };
    let outcome = store.change_interface(by(), door("ssh--plc"), former, next).await;
    assert!(matches!(outcome, Err(StoreError::InterfaceChanged(_))), "{outcome:?}");
}

#[tokio::test]
async fn no_code_is_made_for_a_name_that_was_used_before_without_the_right_to_its_identity() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let add = async |name: &str, code: Option<NewCode>| {
        let new = NewSubject { may_return: false, ..new(name, code) };
        store.add_subject(Actor::Local, new).await.map(drop)
    };
    assert!(!store.was_removed(&subject("device/plc")).await.unwrap());
    add("device/plc", Some(test_store.code(7))).await.unwrap();
    remove(&store, "device/plc").await.unwrap();
    assert!(store.was_removed(&subject("device/plc")).await.unwrap());
    let refused = add("device/plc", Some(test_store.code(8))).await;
    assert!(matches!(refused, Err(StoreError::SubjectChanged(_))), "{refused:?}");
    assert!(store.snapshots().borrow().member(&subject("device/plc")).is_none());
    add("user/plc", Some(test_store.code(9))).await.unwrap();
    // Without a code there is no identity.
    add("device/plc", None).await.unwrap();
}

#[test]
fn a_grant_takes_time_away_only_where_the_role_is_held_for_longer() {
    let at = |seconds: Option<i64>| seconds.map(|at| Timestamp::from_second(at).unwrap());
    let role: Role = "role/operator".parse().unwrap();
    for (held, until, shortens) in [
        (Some(None), Some(10), true),
        (Some(None), None, false),
        (Some(Some(20)), Some(10), true),
        (Some(Some(20)), Some(20), false),
        (Some(Some(20)), Some(30), false),
        (Some(Some(20)), None, false),
        (None, Some(10), false),
        (None, None, false),
    ] {
        let held = held.map(|until| Membership { of: role.clone(), until: at(until) });
        let roles = held.into_iter().collect();
        let member = Member { id: SubjectId(1), enabled: true, roles, groups: vec![] };
        assert_eq!(SubjectChanges::shortens(&member, &role, at(until)), shortens, "{member:?}");
        let grant = vec![(role.clone(), at(until))];
        let changes = SubjectChanges { grant, ..SubjectChanges::default() };
        assert_eq!(changes.gives_more(&member), !shortens, "{member:?}");
    }
}

#[tokio::test]
async fn taking_time_away_cancels_nobodys_code() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let bob = || subject("user/bob");
    store.add_subject(Actor::Local, new("user/bob", Some(test_store.code(7)))).await.unwrap();
    let ada = Actor::Subject(subject("user/ada"));
    let set = async |by: Actor, until: Option<i64>| {
        let until = until.map(|hours| start() + SignedDuration::from_hours(hours));
        let grant = vec![("role/operator".parse().unwrap(), until)];
        let changes = SubjectChanges { grant, ..SubjectChanges::default() };
        let now = seen(&store, "user/bob");
        store.change_subject(by, bob(), now, changes).await.unwrap().value
    };
    assert_eq!(set(Actor::Local, Some(5)).await, 0, "one's own code");
    assert_eq!(set(ada.clone(), Some(2)).await, 0, "shorter");
    assert_eq!(set(ada, Some(9)).await, 1, "longer");
}
