//! A Modbus line: takes the requests of all flows in their turn.

use std::io;
use std::time::Duration;

use doorward_inspect::modbus::{Exception, RTU_FRAME, RtuAnswer, read_rtu_answer, rtu};
use doorward_model::{LineSettings, Parity, StopBits};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// How long a unit may take to begin its answer.
const ANSWER: Duration = Duration::from_secs(1);
/// How long units get to act on what was said to all of them (Modbus over Serial Line 1.02, section
/// 2.4.1).
const TURNAROUND: Duration = Duration::from_millis(100);
/// Silence that ends a frame where the standard's three and a half characters are shorter than what
/// a line's driver may hold back.
const LEAST_SILENCE: Duration = Duration::from_millis(40);

/// The characters of the longest frame.
const LONGEST: u32 = 256;

/// A request for the line, and whoever waits for its answer.
#[derive(Debug)]
pub(super) struct BusRequest {
    pub(super) unit: u8,
    pub(super) pdu: Vec<u8>,
    pub(super) reply: oneshot::Sender<BusReply>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BusReply {
    /// The unit's answer.
    Pdu(Vec<u8>),
    /// It was said to all units, and none answers.
    All,
    /// There was no answer.
    None(Exception),
}

/// How fast a line is.
#[derive(Clone, Copy, Debug)]
pub(super) struct BusTiming {
    /// What has to be between two frames (section 2.5.1.1).
    pub(super) between: Duration,
    /// After which nothing more belongs to a frame.
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
        // From 19200 on the standard's silence is fixed.
        let between = (character * 7 / 2).max(Duration::from_micros(1750));
        let frame = character * LONGEST;
        Self { between, silence: between.max(LEAST_SILENCE), frame }
    }
}

/// The one who speaks on a line.
pub(super) struct Bus<L> {
    line: L,
    timing: BusTiming,
    address: String,
}

impl<L: AsyncRead + AsyncWrite + Unpin> Bus<L> {
    pub(super) fn new(line: L, timing: BusTiming, address: String) -> Self {
        Self { line, timing, address }
    }

    /// Asks the units what comes, until nobody asks any more or the line is lost.
    pub(super) async fn run(mut self, mut asked: mpsc::Receiver<BusRequest>) {
        while let Some(BusRequest { unit, pdu, reply }) = asked.recv().await {
            // Whoever is gone by now asks nothing.
            if reply.is_closed() {
                continue;
            }
            match self.ask(unit, &pdu).await {
                Ok(answer) => drop(reply.send(answer)),
                Err(error) => {
                    tracing::info!(%error, line = %self.address, "a Modbus line was lost");
                    return;
                }
            }
            sleep(self.timing.between).await;
        }
        // The last frame has been answered, so nothing is cut short.
        if let Err(error) = self.line.shutdown().await {
            tracing::debug!(%error, line = %self.address, "a Modbus line was not left properly");
        }
    }

    async fn ask(&mut self, unit: u8, pdu: &[u8]) -> io::Result<BusReply> {
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
        let mut patience = ANSWER + self.timing.frame;
        loop {
            let silent = timeout(patience, self.line.read_buf(&mut bytes)).await;
            let silent = match silent {
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Ok(_)) => false,
                Ok(Err(error)) => return Err(error),
                Err(_) => true,
            };
            match read_rtu_answer(&bytes, silent) {
                RtuAnswer::More | RtuAnswer::Silence => patience = self.timing.silence,
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

    /// Discards what was said when nobody was asked: a late answer is nobody's.
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
