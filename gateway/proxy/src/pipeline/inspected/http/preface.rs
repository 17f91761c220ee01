//! Tells HTTP/2 from HTTP/1.1 by the first bytes of a client.

use std::io;

use bytes::BytesMut;
use doorward_session::Wire;
use doorward_wire::Ahead;
use tokio::io::AsyncBufReadExt as _;

/// The first bytes of an HTTP/2 client (RFC 9113 section 3.4). No HTTP/1.1 client sends them.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client's stream, of which some bytes were read ahead.
pub(super) type ClientStream = Ahead<Box<dyn Wire>>;

/// Reads the first bytes of a client. Returns whether it speaks HTTP/2, and the stream with all its
/// bytes.
pub(super) async fn speaks_http2(mut wire: Box<dyn Wire>) -> io::Result<(bool, ClientStream)> {
    let mut head = BytesMut::with_capacity(PREFACE.len());
    loop {
        let shown = wire.fill_buf().await?;
        let wanted = shown.len().min(PREFACE.len() - head.len());
        head.extend_from_slice(shown.get(..wanted).unwrap_or_default());
        wire.consume(wanted);
        let is_http2 = head == PREFACE;
        if wanted == 0 || is_http2 || !PREFACE.starts_with(&head) {
            return Ok((is_http2, ClientStream::new(head.freeze(), wire)));
        }
    }
}
