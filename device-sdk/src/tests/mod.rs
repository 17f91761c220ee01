//! Tests of a client against a scripted gateway in the same process, over real sockets.

mod authority;
mod gateway;
mod identity;
mod in_memory;
mod storm;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_model::{DoorName, Name};
use doorward_wire::{
    Answer, Asked, CONTROL_LIMIT, Carrier, Control, FlowKind, LinkEnd, Report, Taken, Value,
    Welcome, Why, read_frame, write_frame,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::dial::{DialedCarrier, TlsRefusal};
use crate::{
    Client, Collector, Error, Flow, Handler, IdentityDir, Incoming, Next, Settings, State, Status,
    Stream, Wanted,
};
use authority::{DAY, ShiftedClock, TestAuthority};
use gateway::{GatewayEvent, ScriptedGateway};

/// How long anything may take in these tests.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings(off: i64) -> Settings {
    let mut settings = Settings::new(Arc::new(ShiftedClock(off)));
    settings.quic_patience = Duration::from_millis(150);
    settings.quic_again = Duration::from_millis(200);
    settings.backoff.floor = Duration::from_millis(20);
    settings.backoff.cap = Duration::from_millis(200);
    settings.backoff.stopping = (Duration::from_millis(20), Duration::from_millis(40));
    settings
}

fn door(interface: &str) -> DoorName {
    format!("{interface}--plc-3").parse().unwrap()
}

async fn until(client: &Client, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = client.status();
    let found = timeout(PATIENCE, status.wait_for(|status| wanted(status))).await;
    let found = found.map(|found| found.unwrap().clone());
    found.unwrap_or_else(|_| panic!("it stays at {:?}", *client.status().borrow()))
}

fn is_up(status: &Status, by: &str) -> bool {
    matches!(&status.state, State::Up { carrier, .. } if *carrier == by)
}

async fn echoes(stream: &mut Stream, text: &[u8]) {
    let mut back = vec![0; text.len()];
    let echoed = async {
        stream.write_all(text).await.unwrap();
        stream.flush().await.unwrap();
        stream.read_exact(&mut back).await.unwrap();
    };
    timeout(PATIENCE, echoed).await.unwrap();
    assert_eq!(back, text);
}

/// A handler that answers with the interface and the subject of the request.
struct Greeter;

impl Handler for Greeter {
    fn serve(&self, asked: Asked, incoming: Incoming) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if asked.interface == "busy" {
                return incoming.refuse(Why::Taken, "somebody is at it").await;
            }
            if asked.interface == "coap" {
                let mut datagrams = incoming.datagrams().await.unwrap();
                while let Ok(Some(datagram)) = datagrams.receive().await {
                    datagrams.send(&datagram);
                }
                return;
            }
            let mut pipe = incoming.stream().await.unwrap();
            let text = format!("{} {}", asked.interface, asked.subject.unwrap_or_default());
            pipe.write_all(text.as_bytes()).await.unwrap();
            pipe.shutdown().await.unwrap();
        })
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

struct Setting {
    gateway: ScriptedGateway,
    dir: IdentityDir,
    _temp: tempfile::TempDir,
}

impl Setting {
    fn of(authority: &TestAuthority, gateway: ScriptedGateway, life: authority::Life) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = authority.enrol(temp.path(), &gateway.url(), life);
        Self { gateway, dir, _temp: temp }
    }

    /// Creates a gateway at both ports, and an identity for it.
    async fn new(life: authority::Life) -> Self {
        let authority = TestAuthority::new();
        let gateway = ScriptedGateway::new(&authority).tcp().await.quic().await;
        Self::of(&authority, gateway, life)
    }
}

#[tokio::test]
async fn flows_are_opened_refused_and_carried() {
    let setting = Setting::new(DAY).await;
    let client = Client::start(setting.dir, settings(0)).unwrap();
    let mut stream = client.stream(&door("echo")).await.unwrap();
    assert!(is_up(&client.status().borrow(), "quic"));
    assert_eq!(stream.flow(), "F1");
    assert_eq!(stream.actions(), [doorward_model::Action::Connect]);
    echoes(&mut stream, b"hello").await;
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);

    let mut datagrams = client.datagrams(&door("echo-udp")).await.unwrap();
    datagrams.send(b"one");
    let back = timeout(PATIENCE, datagrams.receive()).await.unwrap().unwrap();
    assert_eq!(back.as_deref(), Some(b"one".as_slice()));
    let flow = client.connect(&door("echo-udp"), Wanted::default()).await.unwrap();
    assert!(matches!(flow, Flow::Datagrams(_)));

    // A datagram that arrives with the answer is not lost.
    for _ in 0..3 {
        let mut datagrams = client.datagrams(&door("first-word")).await.unwrap();
        let first = timeout(PATIENCE, datagrams.receive()).await.unwrap().unwrap();
        assert_eq!(first.as_deref(), Some(b"first".as_slice()));
    }

    let error = client.stream(&door("secret")).await.unwrap_err();
    assert!(matches!(&error, Error::Flow { why: Why::Forbidden, flow, .. } if flow == "F2"));
    assert_eq!(error.next(), Next::GiveUp);
    let error = client.stream(&door("full")).await.unwrap_err();
    assert_eq!(error.next(), Next::Retry);

    client.stop().await;
    assert!(matches!(client.status().borrow().state, State::Ended { .. }));
    assert!(matches!(client.stream(&door("echo")).await, Err(Error::Stopped)));
}

#[tokio::test]
async fn a_question_opens_nothing_and_a_refusal_says_whether_waiting_helps() {
    let setting = Setting::new(DAY).await;
    let client = Client::start(setting.dir, settings(0)).unwrap();
    client.connected().await.unwrap();
    let ask = |interface| {
        let client = client.clone();
        async move { client.ask(&door(interface), Wanted::default()).await }
    };
    let never = ask("secret").await.unwrap_err();
    assert!(matches!(&never, Error::Flow { flow, from: None, .. } if flow == "F2"), "{never}");
    assert_eq!(never.next(), Next::GiveUp);
    let later = ask("later").await.unwrap_err();
    assert_eq!(later.next(), Next::Retry);
    assert!(later.to_string().contains("from 2100-01-01T00:00:00Z on"), "{later}");
    assert_eq!(ask("old").await.unwrap(), None, "an older gateway cannot be asked");
    let preview = ask("echo").await.unwrap().unwrap();
    assert_eq!(preview.kind, FlowKind::Stream);
    assert_eq!(preview.actions, [doorward_model::Action::Connect]);
    client.stop().await;
}

#[tokio::test]
async fn a_client_that_is_stopped_or_dropped_says_goodbye() {
    let mut setting = Setting::new(DAY).await;
    for stop in [true, false] {
        let mut settings = settings(0);
        // Over QUIC, the connection's close code may arrive before Bye.
        settings.transport = crate::Transport::Tls;
        let client = Client::start(setting.dir.clone(), settings).unwrap();
        until(&client, |status| is_up(status, "tls")).await;
        if stop {
            client.stop().await;
        }
        drop(client);
        let bye =
            |seen: &GatewayEvent| matches!(seen, GatewayEvent::Bye(Why::Stopping)).then_some(());
        setting.gateway.sees_until(bye).await;
        setting
            .gateway
            .sees_until(|seen| matches!(seen, GatewayEvent::Over(_)).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn offers_are_made_answered_served_and_withdrawn() {
    for quic in [true, false] {
        let mut setting = Setting::new(DAY).await;
        let mut settings = settings(0);
        if !quic {
            settings.transport = crate::Transport::Tls;
        }
        let client = Client::start(setting.dir.clone(), settings).unwrap();
        let console = client.offer(name("console"), FlowKind::Stream, Arc::new(Greeter)).unwrap();
        let busy = client.offer(name("busy"), FlowKind::Stream, Arc::new(Greeter)).unwrap();
        let never = client.offer(name("no-such"), FlowKind::Stream, Arc::new(Greeter)).unwrap();
        let twice = client.offer(name("busy"), FlowKind::Stream, Arc::new(Greeter));
        assert!(matches!(twice, Err(Error::OfferedAlready(_))));
        let status = until(&client, |status| status.offers.len() == 3).await;
        assert_eq!(status.offers[&name("console")], Ok(()));
        assert_eq!(status.offers[&name("no-such")], Err("not declared".to_owned()));
        serde_json::to_value(&status).unwrap();

        let (_carrier, mut pipe, answer) = setting.gateway.open("console").await;
        assert!(matches!(answer, Answer::Admitted { kind: FlowKind::Stream, .. }));
        let mut text = String::new();
        timeout(PATIENCE, pipe.read_to_string(&mut text)).await.unwrap().unwrap();
        assert_eq!(text, "console user/alice");
        let coap = client.offer(name("coap"), FlowKind::Datagrams, Arc::new(Greeter)).unwrap();
        let (carrier, pipe, answer) = setting.gateway.open("coap").await;
        assert!(matches!(answer, Answer::Admitted { kind: FlowKind::Datagrams, .. }));
        let mut datagrams = carrier.datagrams(pipe);
        datagrams.send(b"get");
        let back = timeout(PATIENCE, datagrams.receive()).await.unwrap().unwrap();
        assert_eq!(back.as_deref(), Some(b"get".as_slice()));
        drop((coap, datagrams));
        let (.., answer) = setting.gateway.open("busy").await;
        assert!(matches!(answer, Answer::Refused { why: Why::Taken, .. }));
        let (.., answer) = setting.gateway.open("other").await;
        assert!(matches!(answer, Answer::Refused { why: Why::Forbidden, .. }));

        drop((console, never));
        let left = |seen: &GatewayEvent| matches!(seen, GatewayEvent::Offered(names) if names == &["busy"]);
        setting.gateway.sees_until(|seen| left(seen).then_some(())).await;
        until(&client, |status| status.offers.len() == 1).await;
        drop(busy);
        client.stop().await;
    }
}

#[tokio::test]
async fn where_udp_is_a_black_hole_tls_serves_until_quic_answers() {
    let authority = TestAuthority::new();
    let gateway = ScriptedGateway::new(&authority).tcp().await;
    let mut setting = Setting::of(&authority, gateway, DAY);
    let client = Client::start(setting.dir.clone(), settings(0)).unwrap();
    let offered = client.offer(name("console"), FlowKind::Stream, Arc::new(Greeter)).unwrap();
    until(&client, |status| is_up(status, "tls") && status.offers.len() == 1).await;
    let mut former = client.stream(&door("echo")).await.unwrap();
    let mut datagrams = client.datagrams(&door("echo-udp")).await.unwrap();
    datagrams.send(b"by tls");
    let back = timeout(PATIENCE, datagrams.receive()).await.unwrap().unwrap();
    assert_eq!(back.as_deref(), Some(b"by tls".as_slice()));
    drop(datagrams);

    setting.gateway.listen_quic().await;
    until(&client, |status| is_up(status, "quic") && status.offers.len() == 1).await;
    // Open flows continue; new ones use QUIC.
    echoes(&mut former, b"still here").await;
    let mut stream = client.stream(&door("echo")).await.unwrap();
    echoes(&mut stream, b"by quic").await;
    let (.., answer) = setting.gateway.open("console").await;
    assert!(matches!(answer, Answer::Admitted { .. }));
    drop(former);
    setting
        .gateway
        .sees_until(|seen| matches!(seen, GatewayEvent::Over("tls")).then_some(()))
        .await;
    echoes(&mut stream, b"and on").await;
    drop(offered);
    client.stop().await;
}

#[tokio::test]
async fn it_connects_again_after_the_gateway_has_gone_and_come_back() {
    let authority = TestAuthority::new();
    let gateway = ScriptedGateway::new(&authority).quic().await;
    let mut setting = Setting::of(&authority, gateway, DAY);
    let mut settings = settings(0);
    settings.transport = crate::Transport::Quic;
    let client = Client::start(setting.dir.clone(), settings).unwrap();
    let first = setting.gateway.sees_until(instance).await;
    setting.gateway.go().await;
    until(&client, |status| matches!(status.state, State::Waiting { .. })).await;
    setting.gateway.listen_quic().await;
    let mut stream = client.stream(&door("echo")).await.unwrap();
    echoes(&mut stream, b"again").await;
    assert_eq!(setting.gateway.sees_until(instance).await, first, "the instance is the same");
    setting.gateway.say(Control::Bye(Why::Stopping, String::new()));
    setting.gateway.sees_until(instance).await;
    client.stop().await;
}

fn instance(seen: &GatewayEvent) -> Option<Vec<u8>> {
    if let GatewayEvent::Hello(instance) = seen { Some(instance.clone()) } else { None }
}

#[tokio::test]
async fn whoever_was_replaced_waits_and_says_why() {
    for transport in [crate::Transport::Quic, crate::Transport::Tls] {
        let mut setting = Setting::new(DAY).await;
        let mut settings = settings(0);
        settings.transport = transport;
        let client = Client::start(setting.dir.clone(), settings).unwrap();
        setting.gateway.sees_until(instance).await;
        setting.gateway.say(Control::Bye(Why::Replaced, String::new()));
        let status = until(&client, |status| matches!(status.state, State::Waiting { .. })).await;
        let State::Waiting { until, why } = status.state else { panic!() };
        assert!(until.as_second() >= authority::now() + 290, "{until}");
        assert!(why.contains("in use twice"), "{why}");
        // A flow is refused at once, without waiting for the next attempt.
        let asked = timeout(Duration::from_secs(5), client.stream(&door("echo"))).await.unwrap();
        let error = asked.unwrap_err();
        assert!(matches!(&error, Error::NotConnected { next: Next::Retry, .. }), "{error}");
        client.stop().await;
    }
}

struct Counter;

impl Collector for Counter {
    fn collect(&self) -> Report {
        [("answer".to_owned(), Value::Number(42))].into()
    }
}

#[tokio::test]
async fn a_report_is_made_after_each_connect_and_again() {
    let mut setting = Setting::new(DAY).await;
    let client = Client::start(setting.dir.clone(), settings(0)).unwrap();
    client.report(Arc::new(Counter), Duration::from_secs(1));
    for _ in 0..2 {
        let report = |seen: &GatewayEvent| {
            if let GatewayEvent::Reported(report) = seen { Some(report.clone()) } else { None }
        };
        assert_eq!(setting.gateway.sees_until(report).await["answer"], Value::Number(42));
    }
    until(&client, |status| status.posture == Some(Ok(()))).await;
    client.stop().await;
}

/// Checks `Duration::MAX`, which stands for never.
#[tokio::test]
async fn what_is_never_to_be_done_again_is_done_once() {
    let authority = TestAuthority::new();
    let gateway = ScriptedGateway::new(&authority).tcp().await;
    let mut setting = Setting::of(&authority, gateway, DAY);
    let mut settings = settings(0);
    settings.quic_again = Duration::MAX;
    let client = Client::start(setting.dir.clone(), settings).unwrap();
    client.report(Arc::new(Counter), Duration::MAX);
    let reported = |seen: &GatewayEvent| matches!(seen, GatewayEvent::Reported(_)).then_some(());
    setting.gateway.sees_until(reported).await;
    until(&client, |status| is_up(status, "tls") && status.posture == Some(Ok(()))).await;
    client.stop().await;
}

#[tokio::test]
async fn many_clients_share_a_socket() {
    let setting = Setting::new(DAY).await;
    let mut settings = settings(0);
    let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    settings.endpoint = Some(quinn::Endpoint::client(any).unwrap());
    settings.quic_patience = PATIENCE;
    let clients: Vec<Client> =
        (0..16).map(|_| Client::start(setting.dir.clone(), settings.clone()).unwrap()).collect();
    for client in &clients {
        let mut stream = client.stream(&door("echo")).await.unwrap();
        echoes(&mut stream, b"mine").await;
    }
    assert_eq!(settings.endpoint.as_ref().unwrap().open_connections(), 16);
    for client in &clients {
        client.stop().await;
    }
}

#[tokio::test]
async fn a_client_needs_an_identity_and_tells_why_it_is_not_connected() {
    let temp = tempfile::tempdir().unwrap();
    let none = Client::start(IdentityDir::new(temp.path()), settings(0));
    assert!(matches!(none, Err(Error::NoIdentity(_))));
    let other = TestAuthority::new();
    // The identity is from another authority, so this gateway is not the one it is for.
    let setting = Setting::new(DAY).await;
    let dir = other.enrol(temp.path(), &setting.gateway.url(), DAY);
    let client = Client::start(dir, settings(0)).unwrap();
    let status = until(&client, |status| matches!(status.state, State::Waiting { .. })).await;
    let State::Waiting { why, .. } = status.state else { panic!() };
    assert!(why.contains("not the gateway"), "{why}");
    // In plain words, over TLS and over QUIC.
    assert!(why.contains("its certificate is not signed by a trusted authority"), "{why}");
    assert!(why.contains("a signature is not right") && !why.contains("BadSignature"), "{why}");
    client.stop().await;
}

#[tokio::test]
async fn what_a_client_does_can_be_done_on_any_thread() {
    fn on_any_thread<T: Send>(_: T) {}
    let setting = Setting::new(DAY).await;
    let client = Client::start(setting.dir.clone(), settings(0)).unwrap();
    on_any_thread(client.connect(&door("echo"), Wanted::default()));
    on_any_thread(client.renew_now());
    on_any_thread(client.stop());
    on_any_thread(client.clone());
}
