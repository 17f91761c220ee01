//! Tests of a client against a scripted gateway in the same process, over real sockets.

mod authority;
mod gateway;
mod storm;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_model::{DoorName, Name};
use doorward_wire::{
    Answer, Asked, CONTROL_LIMIT, Carrier, Control, Kind, Report, Side, Taken, Value, Welcome, Why,
    read_frame, write_frame,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::dial::{Dialed, Refusal};
use crate::{
    Client, Collector, Error, Flow, Handler, IdentityDir, Incoming, Next, Settings, State, Status,
    Stream, Wanted,
};
use authority::{Authority, DAY, Hands};
use gateway::{Gateway, Seen};

/// How long anything may take in these tests.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings(off: i64) -> Settings {
    let mut settings = Settings::new(Arc::new(Hands(off)));
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
    gateway: Gateway,
    dir: IdentityDir,
    _temp: tempfile::TempDir,
}

impl Setting {
    fn of(authority: &Authority, gateway: Gateway, life: authority::Life) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = authority.enrol(temp.path(), &gateway.url(), life);
        Self { gateway, dir, _temp: temp }
    }

    /// Creates a gateway at both ports, and an identity for it.
    async fn new(life: authority::Life) -> Self {
        let authority = Authority::new();
        let gateway = Gateway::new(&authority).tcp().await.quic().await;
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
        let bye = |seen: &Seen| matches!(seen, Seen::Bye(Why::Stopping)).then_some(());
        setting.gateway.sees_until(bye).await;
        setting.gateway.sees_until(|seen| matches!(seen, Seen::Over(_)).then_some(())).await;
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
        let console = client.offer(name("console"), Kind::Stream, Arc::new(Greeter)).unwrap();
        let busy = client.offer(name("busy"), Kind::Stream, Arc::new(Greeter)).unwrap();
        let never = client.offer(name("no-such"), Kind::Stream, Arc::new(Greeter)).unwrap();
        let twice = client.offer(name("busy"), Kind::Stream, Arc::new(Greeter));
        assert!(matches!(twice, Err(Error::OfferedAlready(_))));
        let status = until(&client, |status| status.offers.len() == 3).await;
        assert_eq!(status.offers[&name("console")], Ok(()));
        assert_eq!(status.offers[&name("no-such")], Err("not declared".to_owned()));
        serde_json::to_value(&status).unwrap();

        let (_carrier, mut pipe, answer) = setting.gateway.open("console").await;
        assert!(matches!(answer, Answer::Admitted { kind: Kind::Stream, .. }));
        let mut text = String::new();
        timeout(PATIENCE, pipe.read_to_string(&mut text)).await.unwrap().unwrap();
        assert_eq!(text, "console user/alice");
        let coap = client.offer(name("coap"), Kind::Datagrams, Arc::new(Greeter)).unwrap();
        let (carrier, pipe, answer) = setting.gateway.open("coap").await;
        assert!(matches!(answer, Answer::Admitted { kind: Kind::Datagrams, .. }));
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
        let left = |seen: &Seen| matches!(seen, Seen::Offered(names) if names == &["busy"]);
        setting.gateway.sees_until(|seen| left(seen).then_some(())).await;
        until(&client, |status| status.offers.len() == 1).await;
        drop(busy);
        client.stop().await;
    }
}

#[tokio::test]
async fn where_udp_is_a_black_hole_tls_serves_until_quic_answers() {
    let authority = Authority::new();
    let gateway = Gateway::new(&authority).tcp().await;
    let hole = std::net::UdpSocket::bind(gateway.address).unwrap();
    let mut setting = Setting::of(&authority, gateway, DAY);
    let client = Client::start(setting.dir.clone(), settings(0)).unwrap();
    let offered = client.offer(name("console"), Kind::Stream, Arc::new(Greeter)).unwrap();
    until(&client, |status| is_up(status, "tls") && status.offers.len() == 1).await;
    let mut former = client.stream(&door("echo")).await.unwrap();
    let mut datagrams = client.datagrams(&door("echo-udp")).await.unwrap();
    datagrams.send(b"by tls");
    let back = timeout(PATIENCE, datagrams.receive()).await.unwrap().unwrap();
    assert_eq!(back.as_deref(), Some(b"by tls".as_slice()));
    drop(datagrams);

    drop(hole);
    setting.gateway.listen_quic().await;
    until(&client, |status| is_up(status, "quic") && status.offers.len() == 1).await;
    // Open flows continue; new ones use QUIC.
    echoes(&mut former, b"still here").await;
    let mut stream = client.stream(&door("echo")).await.unwrap();
    echoes(&mut stream, b"by quic").await;
    let (.., answer) = setting.gateway.open("console").await;
    assert!(matches!(answer, Answer::Admitted { .. }));
    drop(former);
    setting.gateway.sees_until(|seen| matches!(seen, Seen::Over("tls")).then_some(())).await;
    echoes(&mut stream, b"and on").await;
    drop(offered);
    client.stop().await;
}

#[tokio::test]
async fn it_connects_again_after_the_gateway_has_gone_and_come_back() {
    let authority = Authority::new();
    let gateway = Gateway::new(&authority).quic().await;
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

fn instance(seen: &Seen) -> Option<Vec<u8>> {
    match seen {
        Seen::Hello(instance) => Some(instance.clone()),
        _ => None,
    }
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

#[tokio::test]
async fn an_identity_is_renewed_in_time_and_no_flow_ends() {
    // Nine tenths of the validity are over.
    let mut setting = Setting::new((-81_000, 9_000)).await;
    let before = setting.dir.load().unwrap().validity().unwrap();
    let client = Client::start(setting.dir.clone(), settings(0)).unwrap();
    let mut stream = client.stream(&door("echo")).await.unwrap();
    setting.gateway.sees_until(|seen| matches!(seen, Seen::Kept).then_some(())).await;
    let status = until(&client, |status| status.validity != before).await;
    assert_eq!(status.validity, setting.dir.load().unwrap().validity().unwrap());
    assert!(status.renewal.unwrap() > status.validity.not_before);
    echoes(&mut stream, b"all the while").await;
    // A second renewal uses the new identity.
    let renewed = client.renew_now().await.unwrap();
    assert_eq!(renewed, setting.dir.load().unwrap().validity().unwrap());
    setting.gateway.sees_until(|seen| matches!(seen, Seen::Kept).then_some(())).await;
    client.stop().await;
}

#[tokio::test]
async fn an_identity_survives_a_renewal_that_fails() {
    let setting = Setting::new(DAY).await;
    let before = setting.dir.load().unwrap();
    let client = Client::start(setting.dir.clone(), settings(0)).unwrap();
    setting.gateway.script.knows.store(false, Ordering::SeqCst);
    let error = client.renew_now().await.unwrap_err();
    assert!(matches!(error, Error::NotAccepted(_)), "{error}");
    assert_eq!(error.next(), Next::Retry);
    setting.gateway.script.renews.store(false, Ordering::SeqCst);
    let error = client.renew_now().await.unwrap_err();
    assert!(matches!(error, Error::Declined { why: Why::Forbidden, .. }), "{error}");
    let status = until(&client, |status| status.renewal_problem.is_some()).await;
    assert!(is_up(&status, "quic"));
    assert_eq!(setting.dir.load().unwrap().chain, before.chain);
    assert!(!setting.dir.path().join(".new").exists());
    // A directory that cannot be written loses nothing.
    setting.gateway.script.knows.store(true, Ordering::SeqCst);
    setting.gateway.script.renews.store(true, Ordering::SeqCst);
    std::fs::write(setting.dir.path().join(".new"), "in the way").unwrap();
    client.renew_now().await.unwrap_err();
    assert_eq!(setting.dir.load().unwrap().chain, before.chain);
    std::fs::remove_file(setting.dir.path().join(".new")).unwrap();
    client.renew_now().await.unwrap();
    assert_ne!(setting.dir.load().unwrap().chain, before.chain);
    client.stop().await;
}

#[tokio::test]
async fn what_another_program_has_renewed_is_used_and_not_renewed_again() {
    let authority = Authority::new();
    let gateway = Gateway::new(&authority).tcp().await.quic().await;
    // Renewal is due in three seconds, plus or minus two.
    let mut setting = Setting::of(&authority, gateway, (-27, 18));
    let client = Client::start(setting.dir.clone(), settings(0)).unwrap();
    let mut stream = client.stream(&door("echo")).await.unwrap();
    setting.gateway.sees_until(instance).await;
    let renewed = authority.enrol(setting.dir.path(), &setting.gateway.url(), DAY);
    let renewed = renewed.load().unwrap();
    // The client connects with the new identity, beside the former connection.
    setting.gateway.sees_until(instance).await;
    until(&client, |status| status.validity == renewed.validity().unwrap()).await;
    echoes(&mut stream, b"all the while").await;
    drop(stream);
    setting.gateway.sees_until(|seen| matches!(seen, Seen::Over(_)).then_some(())).await;
    assert_eq!(setting.dir.load().unwrap().chain, renewed.chain);
    client.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_by_decades_is_corrected() {
    for off in [-authority::now() + 1000, 34 * 365 * 86_400] {
        let mut setting = Setting::new((-81_000, 9_000)).await;
        let client = Client::start(setting.dir.clone(), settings(off)).unwrap();
        let status = until(&client, |status| is_up(status, "quic")).await;
        assert!(status.clock_behind.unwrap().abs_diff(-off) < 10, "{:?}", status.clock_behind);
        let State::Up { since, .. } = status.state else { panic!() };
        assert!(since.as_second().abs_diff(authority::now()) < 10, "{since}");
        // Renewal is due by the gateway's time, and the new identity is tried at that time.
        setting.gateway.sees_until(|seen| matches!(seen, Seen::Kept).then_some(())).await;
        assert!(setting.dir.path().join("time").exists());
        client.stop().await;
    }
}

#[tokio::test]
async fn a_gateway_that_tells_an_impossible_time_is_left() {
    let setting = Setting::new(DAY).await;
    setting.gateway.script.off.store(10 * 365 * 86_400, Ordering::SeqCst);
    let client = Client::start(setting.dir.clone(), settings(0)).unwrap();
    let status = until(&client, |status| matches!(status.state, State::Waiting { .. })).await;
    let State::Waiting { why, .. } = status.state else { panic!() };
    assert!(why.contains("its clock is wrong"), "{why}");
    assert!(!setting.dir.path().join("time").exists());
    client.stop().await;
}

#[tokio::test]
async fn an_expired_identity_is_recovered_with_its_key() {
    for transport in [crate::Transport::Quic, crate::Transport::Tls] {
        let mut setting = Setting::new((-90_000, -9_000)).await;
        let mut settings = settings(0);
        settings.transport = transport;
        let client = Client::start(setting.dir.clone(), settings).unwrap();
        setting.gateway.sees_until(|seen| matches!(seen, Seen::Recovered).then_some(())).await;
        setting.gateway.sees_until(instance).await;
        until(&client, |status| matches!(status.state, State::Up { .. })).await;
        assert!(
            setting.dir.load().unwrap().validity().unwrap().not_after.as_second()
                > authority::now()
        );
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
        let report = |seen: &Seen| match seen {
            Seen::Reported(report) => Some(report.clone()),
            _ => None,
        };
        assert_eq!(setting.gateway.sees_until(report).await["answer"], Value::Number(42));
    }
    until(&client, |status| status.posture == Some(Ok(()))).await;
    client.stop().await;
}

/// Checks `Duration::MAX`, which stands for never.
#[tokio::test]
async fn what_is_never_to_be_done_again_is_done_once() {
    let authority = Authority::new();
    let gateway = Gateway::new(&authority).tcp().await;
    let mut setting = Setting::of(&authority, gateway, DAY);
    let mut settings = settings(0);
    settings.quic_again = Duration::MAX;
    let client = Client::start(setting.dir.clone(), settings).unwrap();
    client.report(Arc::new(Counter), Duration::MAX);
    let reported = |seen: &Seen| matches!(seen, Seen::Reported(_)).then_some(());
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
    let other = Authority::new();
    // The identity is from another authority, so this gateway is not the one it is for.
    let setting = Setting::new(DAY).await;
    let dir = other.enrol(temp.path(), &setting.gateway.url(), DAY);
    let client = Client::start(dir, settings(0)).unwrap();
    let status = until(&client, |status| matches!(status.state, State::Waiting { .. })).await;
    let State::Waiting { why, .. } = status.state else { panic!() };
    assert!(why.contains("not the gateway"), "{why}");
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

/// Creates a session over a connection in memory, with the gateway's end of its control stream. The
/// clock can be paused, since no network is involved.
async fn in_memory<F>(gateway: impl FnOnce(doorward_wire::Pipe) -> F) -> InMemory<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let temp = tempfile::tempdir().unwrap();
    let dir = Authority::new().enrol(temp.path(), "https://127.0.0.1:1", DAY);
    let identity = dir.load().unwrap();
    let status = Status::new(&identity, identity.validity().unwrap());
    let shared = Arc::new(crate::shared::Shared::new(dir, settings(0), [7; 16], status));
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let far = Carrier::yamux(theirs, Side::Gateway);
    let carrier = Carrier::yamux(ours, Side::Client);
    let leaf = identity.certificates().unwrap().remove(0);
    let dialed = Dialed { carrier, leaf, refusal: Refusal::Tls(Arc::default()) };
    let greeting = async {
        let mut control = far.accept().await.unwrap();
        let frame = read_frame(&mut control, CONTROL_LIMIT).await.unwrap();
        let Control::Hello(hello) = Control::decode(&frame).unwrap() else { panic!() };
        assert_eq!(hello.instance, [7; 16]);
        let (software, session) = (String::new(), String::new());
        let welcome = Welcome { version: 1, software, time: authority::now(), session };
        write_frame(&mut control, &Control::Welcome(welcome).encode()).await.unwrap();
        control
    };
    let (session, control) =
        tokio::join!(crate::session::greet(dialed, &identity, &shared), greeting);
    let said = tokio::spawn(gateway(control));
    InMemory { session: session.unwrap(), shared, said, _kept: (temp, far) }
}

struct InMemory<T> {
    session: crate::session::Session,
    shared: Arc<crate::shared::Shared>,
    said: tokio::task::JoinHandle<T>,
    _kept: (tempfile::TempDir, Carrier),
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_says_nothing_over_tls_is_asked_and_then_left() {
    let InMemory { session, shared, said, _kept } = in_memory(|mut control| async move {
        let mut pings = 0;
        while let Ok(frame) = read_frame(&mut control, CONTROL_LIMIT).await {
            assert!(matches!(Control::decode(&frame).unwrap(), Control::Ping(_)));
            pings += 1;
        }
        pings
    })
    .await;
    let begun = tokio::time::Instant::now();
    let over = session.run(shared).await;
    assert!(over.why.contains("nothing"), "{}", over.why);
    let stood = begun.elapsed().as_secs();
    assert!((45..=60).contains(&stood), "{stood}");
    assert!(said.await.unwrap() >= 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_declined_is_offered_again_after_a_while() {
    let InMemory { session, shared, said, _kept } = in_memory(|mut control| async move {
        let mut offered = vec![];
        while offered.len() < 3
            && let Ok(frame) = read_frame(&mut control, CONTROL_LIMIT).await
        {
            let answer = match Control::decode(&frame).unwrap() {
                Control::Ping(number) => Control::Pong(number),
                Control::Offer(offer) => {
                    offered.push(tokio::time::Instant::now());
                    // The gateway declares the interface between the second offer and the third.
                    let why = "not declared".to_owned();
                    let declined = [("picture".to_owned(), why)].into();
                    let declined = if offered.len() < 3 { declined } else { [].into() };
                    Control::Taken(Taken { id: offer.id, declined })
                }
                other => panic!("{other:?}"),
            };
            write_frame(&mut control, &answer.encode()).await.unwrap();
        }
        (control, offered)
    })
    .await;
    let handler: Arc<dyn Handler> = Arc::new(Greeter);
    shared.offers.send_modify(|offers| {
        offers.add("picture".parse().unwrap(), Kind::Stream, handler);
    });
    let mut status = shared.status.subscribe();
    let running = tokio::spawn(session.run(Arc::clone(&shared)));
    let taken = status.wait_for(|status| status.offers.values().any(Result::is_ok));
    timeout(Duration::from_secs(300), taken).await.unwrap().unwrap();
    let (_control, offered) = said.await.unwrap();
    for (one, next) in offered.iter().zip(offered.iter().skip(1)) {
        assert!((60..62).contains(&next.duration_since(*one).as_secs()));
    }
    shared.stopping.send_replace(true);
    running.await.unwrap();
}
