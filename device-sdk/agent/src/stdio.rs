//! A flow on standard input and output, as bytes or as datagrams.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use bytes::Bytes;
use doorward_wire::LARGEST_DATAGRAM;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Stdin, Stdout};

use crate::carry::{Patience, carry};
use crate::datagrams::{self, LocalDatagrams};
use crate::failure::Failure;
use crate::opener::{OpenFlow, explained};

/// How long to wait for each further answer after the end of the input.
const LINGER: Duration = Duration::from_secs(1);
/// The idle timeout here: long enough never to matter, since the gateway ends idle flows.
const EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Carries a flow on standard input and output.
pub(crate) async fn serve(flow: OpenFlow) -> Result<(), Failure> {
    let typed = std::io::stdin().is_terminal();
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    match flow {
        OpenFlow::Stream(mut stream) => {
            // On a terminal, the program ends with the far end, without waiting for a key. An input
            // pipe that stays open must not keep a finished program alive.
            let patience = if typed { Patience::None } else { Patience::WhileItMoves };
            match carry(&mut *stream, input, output, patience).await {
                Ok(()) => Ok(()),
                Err(failure) => Err(explained(failure, &*stream).await),
            }
        }
        OpenFlow::Datagrams(flow) => {
            let mut end = Standard { input, output, bytes: vec![0; LARGEST_DATAGRAM] };
            datagrams::carry(flow, &mut end, EVER, LINGER).await
        }
    }
}

/// Standard input and output as a local end: each read is a datagram, and each datagram a write.
struct Standard {
    input: Stdin,
    output: Stdout,
    bytes: Vec<u8>,
}

impl LocalDatagrams for Standard {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        // A cancelled read loses nothing: tokio keeps the bytes for the next one.
        let count = self.input.read(&mut self.bytes).await?;
        let datagram = self.bytes.get(..count).unwrap_or_default();
        Ok((count > 0).then(|| Bytes::copy_from_slice(datagram)))
    }

    async fn deliver(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.output.write_all(datagram).await?;
        self.output.flush().await
    }
}
