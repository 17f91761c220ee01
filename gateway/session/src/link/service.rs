//! Serves the control stream of a link, from its greeting to its end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_wire::{CONTROL_LIMIT, Control, Declined, Frames, Pipe, Renewed, Taken, Why};
use tokio::io::AsyncBufReadExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::flow::{FlowCount, flow, turn_away};
use super::greeting::{bye, say};
use super::handle::Link;
use crate::http::Problem;
use crate::lease::Cause;
use crate::serving::Serving;

/// How often the session's identity and address are checked: while flows are open, and while none
/// is.
const LOOK: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_secs(15);
/// How often the session is checked while the peer's address is not proven.
const PROBED: Duration = Duration::from_millis(100);
/// The number of the pings that are sent meanwhile.
const PROBE: u64 = u64::MAX;
/// How long a peer over TLS may send nothing at all. Over QUIC the transport has its own timeout.
const SILENCE: Duration = Duration::from_secs(60);
/// The most requests on the control stream that are being answered at the same time.
const BUSY: usize = 4;
/// After this many bytes of the control stream the task yields. A frame counts as this many more
/// bytes, because even an empty frame costs some work.
const TURN: usize = 16 * 1024;
const FRAME: usize = 256;
/// The most interfaces in one offer.
const OFFERED: usize = 256;

/// Serves the control stream of one link.
pub(super) struct LinkService {
    pub(super) control: Pipe,
    pub(super) link: Arc<Link>,
    pub(super) serving: Arc<Serving>,
}

impl LinkService {
    /// Serves until the connection must end, and returns why.
    pub(super) async fn run(mut self, mut words: mpsc::Receiver<Box<Control>>) -> Why {
        let mut frames = Frames::new(CONTROL_LIMIT);
        let busy = Arc::new(Semaphore::new(BUSY));
        let (mut heard, mut looked) = (Instant::now(), Instant::now());
        let (mut draining, mut window, mut read) = (false, 0, 0);
        self.bound(&mut window);
        loop {
            let (carrier, connection) = (&self.link.carrier, &self.link.connection);
            let pause = self.pause(draining);
            tokio::select! {
                biased;
                cause = connection.ended() => {
                    let why = if cause == Cause::Stopping { Why::Stopping } else { Why::Ended };
                    return bye(&mut self.control, why, &why.to_string()).await;
                }
                Some(word) = words.recv() => {
                    if let Control::Bye(why, detail) = &*word {
                        return bye(&mut self.control, *why, detail).await;
                    }
                    if say(&mut self.control, &word).await.is_err() {
                        return Why::Wrong;
                    }
                }
                frame = next_frame(&mut self.control, &mut frames) => {
                    heard = Instant::now();
                    read += frame.as_ref().map_or(0, |frame| frame.as_ref().map_or(0, Vec::len));
                    read += FRAME;
                    if read >= TURN {
                        read = 0;
                        yield_now().await;
                    }
                    let word = match frame {
                        Ok(Some(frame)) => Control::decode(&frame).map_err(|error| error.to_string()),
                        // The control stream ends with the connection.
                        Ok(None) => return Why::Stopping,
                        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                            Err(error.to_string())
                        }
                        Err(_) => return Why::Stopping,
                    };
                    let answer = match word {
                        Ok(word) => self.hear(word, &busy),
                        Err(detail) => Err(detail),
                    };
                    match answer {
                        Ok(None) => {}
                        Ok(Some(word)) => if say(&mut self.control, &word).await.is_err() {
                            return Why::Wrong;
                        }
                        Err(detail) => {
                            return bye(&mut self.control, Why::Wrong, &detail).await;
                        }
                    }
                }
                stream = carrier.accept() => match stream {
                    Ok(pipe) => self.take(pipe, draining),
                    Err(_) => return Why::Stopping,
                },
                () = connection.begins_to_move() => looked = Instant::now(),
                () = sleep_until(looked + pause) => {
                    looked = Instant::now();
                    if connection.is_moving() {
                        // Whether a PATH_CHALLENGE leaves with this ping tells whether the new path
                        // is validated.
                        drop(self.link.words.try_send(Box::new(Control::Ping(PROBE))));
                    }
                    connection.check_address();
                    connection.session().check_identity();
                    self.bound(&mut window);
                    if carrier.as_str() == "tls" && heard.elapsed() > SILENCE {
                        return Why::Idle;
                    }
                    // Flows of other sessions may go through this link, so all flows are counted.
                    if draining && self.serving.leases.flow_count() == 0 {
                        return bye(&mut self.control, Why::Stopping, "the gateway stops").await;
                    }
                }
                () = self.serving.draining(), if !draining => draining = true,
            }
        }
    }

    /// Accepts a stream that the peer has opened, if there is a buffer for it.
    fn take(&self, mut pipe: Pipe, draining: bool) {
        let (serving, connection) = (Arc::clone(&self.serving), &self.link.connection);
        // Over TLS the buffer was reserved when the stream was opened.
        if !pipe.is_keeping()
            && let Some(window) = connection.session().window()
        {
            pipe.keep(window);
        }
        if pipe.is_keeping() {
            let counted = FlowCount::new(&self.link);
            self.serving.tasks.spawn(flow(serving, counted, pipe, draining));
        } else {
            serving.refusals.count(connection.peer().ip(), "no-room-for-streams");
            self.serving.tasks.spawn(turn_away(pipe));
        }
    }

    /// Returns how long to wait until the next check. An idle session loses nothing by a long wait,
    /// as long as its certificate's end is not missed.
    fn pause(&self, draining: bool) -> Duration {
        if self.link.connection.is_moving() {
            return if self.link.connection.is_address_unknown() { LOOK } else { PROBED };
        }
        if draining || self.link.flows.load(Ordering::SeqCst) > 0 {
            return LOOK;
        }
        let left = self.link.session().not_after().duration_since(self.serving.now());
        Duration::try_from(left).unwrap_or_default().clamp(LOOK, REST)
    }

    /// Gives the connection its share of the bytes in flight, if the share has changed by more than
    /// an eighth since `former`. Every change wakes the connection's task, so small ones are not
    /// passed on.
    fn bound(&self, former: &mut u32) {
        let window = self.serving.window();
        if window.abs_diff(*former) > *former / 8 {
            *former = window;
            self.link.carrier.bound(window);
        }
    }

    /// Handles one message of the peer. Returns the answer to send at once, if any. An error ends
    /// the connection.
    fn hear(&self, word: Control, busy: &Arc<Semaphore>) -> Result<Option<Control>, String> {
        let later = |id: u64| {
            let place = Arc::clone(busy).try_acquire_owned();
            let detail = "too many requests at once; wait for the answers".to_owned();
            place.map_err(|_| Control::Declined(Declined { id, why: Why::Busy, detail }))
        };
        let (serving, link) = (Arc::clone(&self.serving), Arc::clone(&self.link));
        let answer = match word {
            Control::Offer(offer) => {
                let declined = if offer.interfaces.len() > OFFERED {
                    let detail = format!("at most {OFFERED} interfaces are offered at once");
                    let declined = Declined { id: offer.id, why: Why::Wrong, detail };
                    return Ok(Some(Control::Declined(declined)));
                } else {
                    self.serving.flows.offered(&self.link, offer.interfaces)
                };
                Control::Taken(Taken { id: offer.id, declined })
            }
            Control::Posture(posture) => match later(posture.id) {
                Ok(place) => {
                    self.serving.tasks.spawn(async move {
                        let noted = serving.front.posture(&link.connection, posture.report).await;
                        let answer = match noted {
                            Ok(()) => Control::Noted(posture.id),
                            Err(problem) => declined(posture.id, &problem),
                        };
                        drop((link.words.send(Box::new(answer)).await, place));
                    });
                    return Ok(None);
                }
                Err(busy) => busy,
            },
            Control::Renew(id, request) => match later(id) {
                Ok(place) => {
                    self.serving.tasks.spawn(async move {
                        let id_of_request = serving.leases.new_flow_id();
                        let renewed =
                            serving.front.renew(&link.connection, id_of_request, request).await;
                        let answer = match renewed {
                            Ok(renewal) => {
                                let (certificate, anchors) =
                                    (renewal.certificate.clone(), renewal.anchors.clone());
                                link.issued().replace((id, renewal));
                                Control::Renewed(Renewed { id, certificate, anchors })
                            }
                            Err(problem) => declined(id, &problem),
                        };
                        drop((link.words.send(Box::new(answer)).await, place));
                    });
                    return Ok(None);
                }
                Err(busy) => busy,
            },
            Control::Kept(id) => {
                // Until the peer says Kept, its disk has only the former certificate, so the
                // session rests on that one.
                match self.link.issued().take_if(|(issued, _)| *issued == id) {
                    Some((_, renewal)) => self.link.session().adopt(renewal.id, renewal.not_after),
                    None => return Err("there is no such certificate to keep".to_owned()),
                }
                return Ok(None);
            }
            Control::Ping(number) => Control::Pong(number),
            Control::Unknown(kind) => Control::NotKnown(kind),
            Control::Pong(number) => {
                self.link.pongs.send_replace(number);
                return Ok(None);
            }
            Control::NotKnown(_) | Control::Cut(..) => return Ok(None),
            Control::Bye(..) => return Err("goodbye".to_owned()),
            Control::Hello(_) => return Err("Hello may be sent only once".to_owned()),
            Control::Welcome(_)
            | Control::Taken(_)
            | Control::Noted(_)
            | Control::Renewed(_)
            | Control::Declined(_) => return Err("only the gateway sends this message".to_owned()),
        };
        Ok(Some(answer))
    }
}

fn declined(id: u64, problem: &Problem) -> Control {
    let why = match problem.status() {
        429 => Why::Busy,
        400..=499 => Why::Forbidden,
        _ => Why::NotRecorded,
    };
    Control::Declined(Declined { id, why, detail: problem.detail().to_owned() })
}

/// Returns the next frame of the control stream; `None` at its end. Dropping the future loses
/// nothing.
async fn next_frame(control: &mut Pipe, frames: &mut Frames) -> io::Result<Option<Vec<u8>>> {
    loop {
        let next = frames.next();
        if let Some(frame) =
            next.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
        {
            return Ok(Some(frame));
        }
        let bytes = control.fill_buf().await?;
        if bytes.is_empty() {
            return if frames.is_torn() {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is truncated"))
            } else {
                Ok(None)
            };
        }
        let taken = frames.push(bytes);
        control.consume(taken);
    }
}
