//! Reading and writing through a field that does both.

/// Reads and writes of a type, through a field of it that does both already.
#[macro_export]
macro_rules! through {
    ($wire:ty, $field:ident) => {
        impl tokio::io::AsyncBufRead for $wire {
            fn poll_fill_buf(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<&[u8]>> {
                std::pin::Pin::new(&mut self.get_mut().$field).poll_fill_buf(cx)
            }

            fn consume(self: std::pin::Pin<&mut Self>, amount: usize) {
                std::pin::Pin::new(&mut self.get_mut().$field).consume(amount);
            }
        }

        impl tokio::io::AsyncRead for $wire {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                into: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.get_mut().$field).poll_read(cx, into)
            }
        }

        impl tokio::io::AsyncWrite for $wire {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::pin::Pin::new(&mut self.get_mut().$field).poll_write(cx, bytes)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.get_mut().$field).poll_flush(cx)
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.get_mut().$field).poll_shutdown(cx)
            }
        }
    };
}
