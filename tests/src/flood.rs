//! Requests as fast as they go: what somebody sends who wants to fill a log.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use crate::client::Client;

/// How many requests are on their way at the same time on one connection.
const PIPELINED: usize = 20;

/// Sends one request over and over on as many connections, for so long. How many were answered.
pub async fn flood(client: &Client, connections: usize, request: &[u8], time: Duration) -> u64 {
    let until = Instant::now() + time;
    let mut floods = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (client, request) = (client.clone(), request.repeat(PIPELINED));
        floods.spawn(async move {
            let mut answered = 0;
            while Instant::now() < until {
                // Refused, cut or closed: a flood goes on.
                answered += one(&client, &request, until).await.unwrap_or_default();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            answered
        });
    }
    let mut answered = 0;
    while let Some(count) = floods.join_next().await {
        answered += count.unwrap();
    }
    answered
}

async fn one(client: &Client, requests: &[u8], until: Instant) -> std::io::Result<u64> {
    let mut stream = client.connect("localhost").await?;
    let (mut answered, mut buffer) = (0, vec![0; 64 * 1024]);
    while Instant::now() < until {
        stream.write_all(requests).await?;
        let mut got = 0;
        while got < PIPELINED {
            let read = timeout_at(until, stream.read(&mut buffer)).await;
            let count = match read {
                Ok(count) => count?,
                // The time is over.
                Err(_) => return Ok(answered),
            };
            if count == 0 {
                return Ok(answered);
            }
            // A status line may stand across two reads: then it is counted a little late.
            let heads = buffer[..count].windows(9).filter(|nine| *nine == b"HTTP/1.1 ").count();
            got += heads;
            answered += heads as u64;
        }
    }
    Ok(answered)
}
