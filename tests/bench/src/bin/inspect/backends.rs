//! Backends that answer at once, in this process: what they cost is not the gateway's.

use std::net::SocketAddr;

use doorward_bench::Failure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::Protocol;

/// What is answered to each GET.
const CONTENT: [u8; 64] = [b'x'; 64];

/// Starts a backend on loopback.
pub(crate) async fn start(protocol: Protocol) -> Result<SocketAddr, Failure> {
    if protocol == Protocol::Coap {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let place = socket.local_addr()?;
        tokio::spawn(async move {
            let mut room = [0; 2048];
            while let Ok((count, from)) = socket.recv_from(&mut room).await {
                let Some(head) =
                    room.get(..count).and_then(|datagram| datagram.split_first_chunk())
                else {
                    continue;
                };
                let ([first, _, high, low], rest) = head;
                let token = rest.get(..usize::from(first & 0xf)).unwrap_or_default();
                let answer = [&[*first, 0x45, *high, *low][..], token, &[0xff], &CONTENT].concat();
                if socket.send_to(&answer, from).await.is_err() {
                    return;
                }
            }
        });
        return Ok(place);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let place = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that goes is no fault.
            tokio::spawn(async move { drop(serve(protocol, stream).await) });
        }
    });
    Ok(place)
}

async fn serve(protocol: Protocol, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut held: Vec<u8> = Vec::new();
    let mut answers: Vec<u8> = Vec::new();
    while stream.read_buf(&mut held).await? > 0 {
        while let Some(length) = answer(protocol, &held, &mut answers) {
            held.drain(..length);
        }
        stream.write_all(&answers).await?;
        answers.clear();
    }
    Ok(())
}

/// Answers the first message in `held`; how long it is, if it is whole.
fn answer(protocol: Protocol, held: &[u8], answers: &mut Vec<u8>) -> Option<usize> {
    match protocol {
        Protocol::Modbus => {
            let (head, _) = held.split_first_chunk::<12>()?;
            let [a, b, _, _, _, _, unit, function, ..] = head;
            answers.extend_from_slice(&[*a, *b, 0, 0, 0, 23, *unit, *function, 20]);
            answers.extend_from_slice(&[7; 20]);
            Some(12)
        }
        Protocol::Mqtt => {
            let (&[kind, rest], _) = held.split_first_chunk()?;
            // Everything here is shorter than 128 bytes.
            let length = 2 + usize::from(rest);
            let packet = held.get(..length)?;
            match kind >> 4 {
                1 => answers.extend_from_slice(&[0x20, 2, 0, 0]),
                3 => {
                    let topic = usize::from(*packet.get(3)?);
                    let id = packet.get(4 + topic..6 + topic)?;
                    answers.extend_from_slice(&[0x40, 2]);
                    answers.extend_from_slice(id);
                }
                _ => {}
            }
            Some(length)
        }
        Protocol::Http => {
            let end = held.windows(4).position(|four| four == b"\r\n\r\n")?;
            answers.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 64\r\n\r\n");
            answers.extend_from_slice(&CONTENT);
            Some(end + 4)
        }
        Protocol::Coap => None,
    }
}
