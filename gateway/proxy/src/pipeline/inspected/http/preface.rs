//! Tells HTTP/2 from HTTP/1.1 by the first bytes.

use std::io;

use bytes::BytesMut;
use doorward_session::Wire;
use doorward_wire::Ahead;
use tokio::io::AsyncBufReadExt as _;

/// What an HTTP/2 client says first (RFC 9113 section 3.4), and no HTTP/1.1 client.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client's end of which something has been read ahead.
pub(super) type ClientStream = Ahead<Box<dyn Wire>>;

/// Whether a client speaks HTTP/2, and all that it has said.
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
