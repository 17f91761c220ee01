//! Tests of renewals, recovery and wrong clocks.

use super::*;

#[tokio::test]
async fn an_identity_is_renewed_in_time_and_no_flow_ends() {
    // Nine tenths of the validity are over.
    let mut setting = Setting::new((-81_000, 9_000)).await;
    let before = setting.dir.load().unwrap().validity().unwrap();
    let client = Client::start(setting.dir.clone(), settings(0)).unwrap();
    let mut stream = client.stream(&door("echo")).await.unwrap();
    setting.gateway.sees_until(|seen| matches!(seen, GatewayEvent::Kept).then_some(())).await;
    let status = until(&client, |status| status.validity != before).await;
    assert_eq!(status.validity, setting.dir.load().unwrap().validity().unwrap());
    assert!(status.renewal.unwrap() > status.validity.not_before);
    echoes(&mut stream, b"all the while").await;
    // A second renewal uses the new identity.
    let renewed = client.renew_now().await.unwrap();
    assert_eq!(renewed, setting.dir.load().unwrap().validity().unwrap());
    setting.gateway.sees_until(|seen| matches!(seen, GatewayEvent::Kept).then_some(())).await;
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
    let authority = TestAuthority::new();
    let gateway = ScriptedGateway::new(&authority).tcp().await.quic().await;
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
    setting.gateway.sees_until(|seen| matches!(seen, GatewayEvent::Over(_)).then_some(())).await;
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
        setting.gateway.sees_until(|seen| matches!(seen, GatewayEvent::Kept).then_some(())).await;
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
async fn an_identity_that_is_neither_accepted_nor_recovered_is_over() {
    for transport in [crate::Transport::Quic, crate::Transport::Tls] {
        let setting = Setting::new((-90_000, -9_000)).await;
        setting.gateway.script.recovers.store(false, Ordering::SeqCst);
        let mut settings = settings(0);
        settings.transport = transport;
        let client = Client::start(setting.dir, settings).unwrap();
        let status = until(&client, |status| matches!(status.state, State::Ended { .. })).await;
        let State::Ended { why } = status.state else { panic!() };
        assert!(why.contains("ask for a new code"), "{why}");
        let error = client.connected().await.unwrap_err();
        assert_eq!(error.next(), crate::Next::GiveUp, "{error}");
        client.stop().await;
    }
}

#[tokio::test]
async fn an_expired_identity_is_recovered_with_its_key() {
    for transport in [crate::Transport::Quic, crate::Transport::Tls] {
        let mut setting = Setting::new((-90_000, -9_000)).await;
        let mut settings = settings(0);
        settings.transport = transport;
        let client = Client::start(setting.dir.clone(), settings).unwrap();
        setting
            .gateway
            .sees_until(|seen| matches!(seen, GatewayEvent::Recovered).then_some(()))
            .await;
        setting.gateway.sees_until(instance).await;
        until(&client, |status| matches!(status.state, State::Up { .. })).await;
        assert!(
            setting.dir.load().unwrap().validity().unwrap().not_after.as_second()
                > authority::now()
        );
        client.stop().await;
    }
}
