//! A Modbus serial line. Sends the requests of all flows one after another.

use std::io;
use std::time::Duration;

use doorward_inspect::modbus::{Exception, RTU_FRAME, RtuAnswer, read_rtu_answer, rtu};
use doorward_model::{LineSettings, Parity, StopBits};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// How long a unit may take to begin its response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long units get to act on a broadcast (Modbus over Serial Line 1.02, section 2.4.1).
const TURNAROUND: Duration = Duration::from_millis(100);
/// The least silence that ends a frame. The standard's three and a half characters can be shorter
/// than the time for which a driver holds back bytes.
const MIN_SILENCE: Duration = Duration::from_millis(40);

/// The number of characters in the longest frame.
const MAX_FRAME_CHARACTERS: u32 = 256;

/// A request for the line, and the channel to its flow for the response.
#[derive(Debug)]
pub(super) struct BusRequest {
    pub(super) unit: u8,
    pub(super) pdu: Vec<u8>,
    pub(super) reply: oneshot::Sender<BusReply>,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BusReply {
    /// The unit's response.
    Pdu(Vec<u8>),
    /// The request was a broadcast, to which no unit responds.
    All,
    /// There was no response. The flow receives this exception.
    None(Exception),
}

/// The timing of a serial line at its speed.
#[derive(Clone, Copy, Debug)]
pub(super) struct BusTiming {
    /// The silence between two frames (section 2.5.1.1).
    pub(super) between: Duration,
    /// The silence after which a frame is complete.
    silence: Duration,
    /// How long the longest frame takes.
    frame: Duration,
}

impl BusTiming {
    pub(super) fn of(settings: &LineSettings) -> Self {
        let parity = u32::from(settings.parity != Parity::None);
        let stop = if settings.stop == StopBits::Two { 2 } else { 1 };
        let bits = 1 + settings.bits.as_str().parse().unwrap_or(8) + parity + stop;
        let baud = settings.baud.get().max(1);
        let character = Duration::from_secs(1) * bits / baud;
        // Above 19200 baud the standard's silence is fixed.
        let between = (character * 7 / 2).max(Duration::from_micros(1750));
        let frame = character * MAX_FRAME_CHARACTERS;
        Self { between, silence: between.max(MIN_SILENCE), frame }
    }
}

/// The master of a Modbus line.
pub(super) struct Bus<L> {
    line: L,
    timing: BusTiming,
    address: String,
}

impl<L: AsyncRead + AsyncWrite + Unpin> Bus<L> {
    pub(super) fn new(line: L, timing: BusTiming, address: String) -> Self {
        Self { line, timing, address }
    }

    /// Sends requests to the units until no flow is left or the line is lost.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<BusRequest>) {
        while let Some(BusRequest { unit, pdu, reply }) = requests.recv().await {
            // A flow that has ended by now needs no response.
            if reply.is_closed() {
                continue;
            }
            match self.exchange(unit, &pdu).await {
                Ok(answer) => drop(reply.send(answer)),
                Err(error) => {
                    tracing::info!(%error, line = %self.address, "a Modbus line was lost");
                    return;
                }
            }
            sleep(self.timing.between).await;
        }
        // The last response has arrived, so no frame is cut short.
        if let Err(error) = self.line.shutdown().await {
            tracing::debug!(%error, line = %self.address, "a Modbus line was not closed properly");
        }
    }

    async fn exchange(&mut self, unit: u8, pdu: &[u8]) -> io::Result<BusReply> {
        self.discard().await?;
        let frame = rtu(unit, pdu);
        self.line.write_all(&frame).await?;
        self.line.flush().await?;
        if unit == 0 {
            sleep(self.timing.frame + TURNAROUND).await;
            return Ok(BusReply::All);
        }
        let wanted = pdu.first().copied().unwrap_or_default();
        let mut bytes = Vec::with_capacity(RTU_FRAME);
        let mut wait = RESPONSE_TIMEOUT + self.timing.frame;
        loop {
            let silent = timeout(wait, self.line.read_buf(&mut bytes)).await;
            let silent = match silent {
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Ok(_)) => false,
                Ok(Err(error)) => return Err(error),
                Err(_) => true,
            };
            match read_rtu_answer(&bytes, silent) {
                RtuAnswer::More | RtuAnswer::Silence => wait = self.timing.silence,
                RtuAnswer::Answer(from, pdu)
                    if from == unit
                        && pdu.first().is_some_and(|function| function & 0x7f == wanted) =>
                {
                    return Ok(BusReply::Pdu(pdu.to_vec()));
                }
                RtuAnswer::Answer(..) | RtuAnswer::Garbled => {
                    return Ok(BusReply::None(Exception::Silent));
                }
            }
        }
    }

    /// Discards the bytes that arrived outside a request, such as a late response.
    async fn discard(&mut self) -> io::Result<()> {
        let mut bytes = [0; 512];
        while let Ok(read) = timeout(Duration::ZERO, self.line.read(&mut bytes)).await {
            if read? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}
