//! The greeting of a `doorward/1` connection: Hello and Welcome.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_wire::{
    CONTROL_LIMIT, Carrier, Control, Hello, Pipe, VERSIONS, Welcome, Why, encode, read_frame,
};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::handle::{LEAVING, Link, PATIENCE};
use crate::connection::Connection;
use crate::serving::Serving;

/// The most messages that wait to be written.
const QUEUE: usize = 64;
/// The most versions that a peer may say that it speaks.
const SPOKEN: usize = 64;
/// How long a Bye may take to arrive.
const LAST: Duration = Duration::from_millis(500);

/// Reads the peer's Hello and sends the Welcome. Returns the control stream, the link, and the
/// messages that wait to be sent.
pub(super) async fn greet(
    carrier: &Carrier,
    connection: &Arc<Connection>,
    serving: &Serving,
) -> Result<(Pipe, Arc<Link>, mpsc::Receiver<Box<Control>>), Why> {
    let greeting = async {
        let mut control = carrier.accept().await?;
        let frame = read_frame(&mut control, CONTROL_LIMIT).await?;
        io::Result::Ok((control, frame))
    };
    let (mut control, frame) = match timeout(PATIENCE, greeting).await {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(_)) | Err(_) => return Err(Why::Wrong),
    };
    let Ok(Control::Hello(Hello { versions, instance, software })) = Control::decode(&frame) else {
        return Err(bye(&mut control, Why::Wrong, "the first message must be Hello").await);
    };
    if instance.len() > 64 || software.len() > 256 {
        return Err(bye(&mut control, Why::Wrong, "instance or software is too long").await);
    }
    if versions.len() > SPOKEN {
        return Err(bye(&mut control, Why::Wrong, "there are too many versions").await);
    }
    let Some(version) = VERSIONS.iter().find(|ours| versions.contains(ours)) else {
        return Err(bye(&mut control, Why::Version, "the gateway speaks version 1").await);
    };
    let welcome = Control::Welcome(Welcome {
        version: *version,
        software: concat!("doorward/", env!("CARGO_PKG_VERSION")).to_owned(),
        time: serving.now().as_second(),
        session: connection.session().id().to_string(),
    });
    say(&mut control, &welcome).await.map_err(|_| Why::Wrong)?;
    let (words, waiting) = mpsc::channel(QUEUE);
    let link = Link {
        carrier: carrier.clone(),
        connection: Arc::clone(connection),
        instance,
        words,
        flows: AtomicUsize::new(0),
        pongs: watch::Sender::new(0),
        issued: Mutex::new(None),
    };
    Ok((control, Arc::new(link), waiting))
}

/// Sends one message on the control stream.
pub(super) async fn say(control: &mut Pipe, word: &Control) -> io::Result<()> {
    let bytes = encode(&word.encode());
    let said = async {
        control.write_all(&bytes).await?;
        control.flush().await
    };
    timeout(LEAVING, said).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Sends a Bye, and returns its reason.
pub(super) async fn bye(control: &mut Pipe, why: Why, detail: &str) -> Why {
    // If this fails, the connection ends all the same.
    drop(say(control, &Control::Bye(why, detail.to_owned())).await);
    let last = async {
        control.shutdown().await?;
        control.delivered().await;
        io::Result::Ok(())
    };
    drop(timeout(LAST, last).await);
    why
}
