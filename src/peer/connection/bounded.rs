//! A connection of which no more is read than an answer may have.
//!
//! The libraries that speak to databases collect a message for as long as it is sent, whatever its size.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes that are read from a database in one look: a log-in and the answer to one question have a few thousand.
const MOST: usize = 1024 * 1024;

/// A connection that fails once it has been sent more than [`MOST`] bytes.
#[derive(Debug)]
pub(crate) struct Bounded<S> {
    stream: S,
    read: usize,
}

impl<S> Bounded<S> {
    pub(crate) fn over(stream: S) -> Bounded<S> {
        Bounded { stream, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read > MOST {
            return Poll::Ready(Err(io::Error::other(format!("its answer has more than {MOST} bytes"))));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.read += buf.filled().len().saturating_sub(before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
