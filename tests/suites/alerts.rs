//! How handshakes end that fail: the client is told by an alert, whatever it is still sending.

use std::time::Duration;

use doorward_tests::Gateway;
use doorward_tests::client::{Client, PATIENCE};
use doorward_tests::forge::{Authority, leaf};
use rustls::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

/// What the client is told at the end, after it has sent so many pieces of that size.
async fn told(client: &Client, pieces: usize, size: usize) -> std::io::Error {
    // In TLS 1.3 the client is the first to have finished, and may send before it is refused.
    let mut stream = match client.connect("localhost").await {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    for _ in 0..pieces {
        if stream.write_all(&vec![b'x'; size]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(3)).await;
    }
    let read = timeout(PATIENCE, stream.read(&mut [0; 16])).await.expect("the end");
    read.expect_err("whoever is not authenticated hears nothing")
}

#[tokio::test]
async fn an_alert_arrives_while_the_client_is_still_sending() {
    let gateway = Gateway::start();
    let ca = gateway.identity("owner").join("ca.pem");
    let other = Authority::new("other").sign(&leaf("spiffe://doorward.home.arpa/user/owner"));
    for at in [gateway.listen, gateway.management] {
        for protocol in ["http/1.1", "h2", "doorward/1"] {
            let shown = Some(other.credentials.clone());
            let client = Client::speaking(at, &ca, shown, &[protocol]);
            // Nothing, a request, a body that is as long as what is still taken.
            for (pieces, size) in [(0, 0), (1, 200), (10, 2000), (20, 3000)] {
                let error = told(&client, pieces, size).await;
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                let what = format!("{protocol} at {at}, {pieces} × {size}: {error:?}");
                assert!(matches!(inner, Some(Error::AlertReceived(_))), "{what}");
            }
        }
    }
}
