//! Tests of a session over a connection in memory, with a paused clock.

use super::*;

/// Creates a session over a connection in memory, with the gateway's end of its control stream. The
/// clock can be paused, since no network is involved.
async fn in_memory<F>(gateway: impl FnOnce(doorward_wire::Pipe) -> F) -> InMemory<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let temp = tempfile::tempdir().unwrap();
    let dir = TestAuthority::new().enrol(temp.path(), "https://127.0.0.1:1", DAY);
    let identity = dir.load().unwrap();
    let status = Status::new(&identity, identity.validity().unwrap());
    let shared = Arc::new(crate::shared::ClientShared::new(dir, settings(0), [7; 16], status));
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let far = Carrier::yamux(theirs, LinkEnd::Gateway);
    let carrier = Carrier::yamux(ours, LinkEnd::Client);
    let leaf = identity.certificates().unwrap().remove(0);
    let dialed = DialedCarrier { carrier, leaf, refusal: TlsRefusal::Tls(Arc::default()) };
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
    session: crate::session::GatewaySession,
    shared: Arc<crate::shared::ClientShared>,
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
            #[expect(clippy::wildcard_enum_match_arm, reason = "a fake gateway answers these only")]
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
        offers.add("picture".parse().unwrap(), FlowKind::Stream, handler);
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
