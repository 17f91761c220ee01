//! A camera. A client that opens its interface gets a picture, and the gateway gets its reports.
//!
//! ```sh
//! doorward device add camera-1                             # the administrator
//! doorward interface add camera-1/picture agent:picture
//! cargo run -p doorward-sdk --example camera -- DIR CODE   # the camera; later without the code
//! doorward-agent connect camera-1/picture </dev/null >picture.ppm      # a permitted user
//! ```

use std::io::{Write as _, stderr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward_model::Clock;
use doorward_sdk::{
    Asked, Client, Collector, FlowKind, Handler, IdentityDir, Incoming, Report, Settings, Value,
    enrol,
};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The width and height of a picture.
const SIZE: (u8, u8) = (160, 120);

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "a clock has to ask the system")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[derive(Default)]
struct Camera {
    pictures: AtomicU64,
}

/// Returns a picture in PPM format. Each number gives a slightly different picture.
fn picture(number: u64) -> Vec<u8> {
    let ((width, height), blue) = (SIZE, number.to_le_bytes()[0]);
    let mut bytes = format!("P6 {width} {height} 255\n").into_bytes();
    for row in 0..height {
        bytes.extend((0..width).flat_map(|column| [column, row, blue]));
    }
    bytes
}

impl Handler for Camera {
    fn serve(&self, asked: Asked, incoming: Incoming) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let picture = picture(self.pictures.fetch_add(1, Ordering::Relaxed));
        Box::pin(async move {
            let sent = async {
                let mut stream = incoming.stream().await?;
                stream.write_all(&picture).await?;
                // The proper end. Without it, the other side sees a cut.
                stream.shutdown().await?;
                // The other side may go on sending. The flow is over when it has ended too.
                while stream.read(&mut [0; 512]).await? > 0 {}
                std::io::Result::Ok(())
            };
            let outcome = sent.await;
            drop(writeln!(stderr(), "a picture for {:?}: {outcome:?}", asked.subject));
        })
    }
}

impl Collector for Camera {
    fn collect(&self) -> Report {
        let pictures = self.pictures.load(Ordering::Relaxed);
        Report::from([
            ("lens".to_owned(), Value::Text("28mm".to_owned())),
            ("pictures".to_owned(), Value::Number(pictures)),
        ])
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = IdentityDir::new(arguments.next().ok_or("camera DIR [CODE]")?);
    if let Some(code) = arguments.next() {
        // A code that was redeemed here before is not an error.
        enrol(&dir, &code.parse()?, false).await?;
    }
    let camera = Arc::new(Camera::default());
    let client = Client::start(dir, Settings::new(Arc::new(SystemClock)))?;
    client.report(Arc::clone(&camera) as Arc<dyn Collector>, Duration::from_secs(3600));
    let _offered = client.offer("picture".parse()?, FlowKind::Stream, camera)?;
    let mut status = client.status();
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        writeln!(stderr(), "{:?}, offers {:?}", now.state, now.offers)?;
    }
    Ok(())
}
