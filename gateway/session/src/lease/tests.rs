//! Sessions with several connections.

use std::sync::Arc;

use doorward_model::{Epoch, InterfaceId, Name};
use doorward_policies::{Bundle, Certificate, Interface, Refusal};
use jiff::Timestamp;

use super::Cause;
use super::fixture::{ALLOW, World, text};
use crate::path::PeerAddress;

fn world() -> World {
    World::new(Bundle::parse(text(ALLOW)).unwrap())
}

#[tokio::test]
async fn a_connection_that_ends_takes_its_own_flows_with_it_and_no_others() {
    let world = world();
    let second = world.connect("127.0.0.1:10");
    let (_, first_flow) = world.ask("box").unwrap().spend();
    let (_, second_flow) = world.ask_over(&second, "box").unwrap().spend();
    second.is_gone();
    assert_eq!(second_flow.over().await, Cause::Gone);
    assert!(first_flow.lives());
    assert_eq!(world.leases.session_count(), 1);
}

#[tokio::test]
async fn a_session_lives_without_a_connection_while_somebody_holds_it() {
    let world = world();
    let session = world.connection.shared_session();
    let World { leases, connection, state, log } = world;
    drop(connection);
    assert_eq!(leases.session_count(), 1);
    let connection = Arc::new(crate::Connection::new(
        Arc::clone(&session),
        "127.0.0.2:1".parse().unwrap(),
        doorward_policies::Door::Management,
    ));
    let world = World { leases, connection, state, log };
    let flow = world.ask("box").unwrap();
    let listed = world.leases.list();
    assert_eq!((listed[0].id, listed[0].flows.len()), (session.id(), 1));
    drop((flow, world.connection, session));
    assert_eq!(world.leases.session_count(), 0);
}

#[tokio::test]
async fn what_ends_a_session_ends_the_flows_of_all_its_connections() {
    let ends: [fn(&World); 2] = [
        |world| assert!(world.leases.cut_session(world.connection.session().id())),
        |world| {
            let removed = world.state.present().with_member("user/alice".parse().unwrap(), None);
            world.state.publish(removed.at(Epoch(2)));
        },
    ];
    for end in ends {
        let world = world();
        let second = world.connect("127.0.0.1:10");
        let (_, first_flow) = world.ask("box").unwrap().spend();
        let (_, second_flow) = world.ask_over(&second, "box").unwrap().spend();
        end(&world);
        assert!(!first_flow.lives() && !second_flow.lives());
        assert!(second.entry.cause().is_some());
        // A connection that is made afterwards finds the session ended.
        assert!(world.connect("127.0.0.1:11").entry.cause().is_some());
    }
}

#[tokio::test]
async fn a_flow_that_finds_the_certificate_ended_ends_the_session_for_that() {
    let world = world();
    let (_, flow) = world.ask("box").unwrap().spend();
    let proof = world.connection.session().proof();
    let id = proof.certificate().unwrap().clone();
    let present = world.state.present();
    let ended =
        Certificate { not_after: Timestamp::UNIX_EPOCH, ..*present.certificate(&id).unwrap() };
    world.state.show(present.with_certificate(id, Some(ended)));
    assert!(!flow.still_stands());
    let cause = Cause::Refused(Refusal::CertificateNotLive);
    assert_eq!(flow.over().await, cause);
    assert_eq!(world.connection.entry.session.cut.cause(), Some(cause));
}

#[tokio::test]
async fn a_flow_ends_where_its_interface_leads_elsewhere() {
    let network = |name: &str| Some(name.parse().unwrap());
    let elsewhere = |url: &str| url.parse().unwrap();
    type Change<'a> = &'a dyn Fn(Interface) -> Interface;
    let changes: [(Change<'_>, Option<Cause>); 6] = [
        (
            &|was| Interface { target: elsewhere("tcp://127.0.0.1:2"), ..was },
            Some(Cause::InterfaceChanged),
        ),
        (&|was| Interface { network: network("plant"), ..was }, Some(Cause::InterfaceChanged)),
        (
            &|was| Interface { id: InterfaceId(7), ..was },
            Some(Cause::Refused(Refusal::UnknownInterface)),
        ),
        (
            &|was| Interface { enabled: false, ..was },
            Some(Cause::Refused(Refusal::InterfaceDisabled)),
        ),
        // It was declared before networks had names, and has got its own.
        (&|was| Interface { network: network("loopback"), ..was }, None),
        (&|was| was, None),
    ];
    for (number, (change, cause)) in changes.into_iter().enumerate() {
        let world = world();
        let name: Name = "box".parse().unwrap();
        let mut first = world.state.present().interfaces(&name)[0].clone();
        if number == 1 {
            first.network = network("loopback");
            world
                .state
                .show(world.state.present().with_interfaces(name.clone(), vec![first.clone()]));
        }
        let (_, flow) = world.ask("box").unwrap().spend();
        let (_, other) = world.ask("lid").unwrap().spend();
        let next = world.state.present().with_interfaces(name, vec![change(first)]).at(Epoch(2));
        let ending = world.leases.would_end(&next);
        let why: Vec<_> = ending.iter().map(|one| one.why.as_str()).collect();
        assert_eq!(why, cause.iter().map(|cause| cause.as_str()).collect::<Vec<_>>());
        assert!(flow.lives(), "a review cuts nothing");
        assert_eq!(world.state.publish(next), usize::from(cause.is_some()));
        assert_eq!(flow.cause(), cause);
        assert!(other.lives());
    }
}

#[tokio::test]
async fn each_connection_asks_from_its_own_address() {
    let only_near = "p, role/users, group/devices, **, *, from=127.0.0.1, allow\n";
    let world = World::new(Bundle::parse(text(only_near)).unwrap());
    let far = world.connect("192.0.2.1:10");
    let near = world.connect("127.0.0.1:11");
    assert_eq!(world.ask_over(&far, "box").unwrap_err().as_str(), "conditions");
    let (_, kept) = world.ask("box").unwrap().spend();
    let (_, moved) = world.ask_over(&near, "box").unwrap().spend();
    assert!(near.entry.moved_to(PeerAddress::Proven("192.0.2.1:12".parse().unwrap())));
    world.leases.ask_connection_again(&near.entry);
    assert!(kept.lives());
    assert_eq!(moved.cause(), Some(Cause::Refused(Refusal::Conditions)));
    assert_eq!(world.leases.list()[0].source, "192.0.2.1:12".parse().unwrap());
}
