//! A stream whose other side may not stand still.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Passes everything on, and breaks when `inner` takes nothing for `limit` though something is to be written.
pub(super) struct Impatient<S> {
    inner: S,
    limit: Duration,
    /// Runs while the last write has found no room.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub(super) fn new(inner: S, limit: Duration) -> Self {
        Self { inner, limit, alarm: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut this.inner).poll_write(cx, bytes) {
            this.alarm = None;
            return Poll::Ready(written);
        }
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep(this.limit)));
        alarm.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn who_reads_now_and_then_is_waited_for_and_who_does_not_is_not() {
        let (near, mut far) = duplex(10);
        let mut near = Impatient::new(near, LIMIT);
        let reading = async {
            for _ in 0..5 {
                sleep(LIMIT - Duration::from_secs(1)).await;
                assert_eq!(far.read(&mut [0; 2]).await.unwrap(), 2);
            }
            far
        };
        let (written, _far) = tokio::join!(near.write_all(&[0; 20]), reading);
        written.unwrap();
        assert_eq!(near.write_all(&[0; 20]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
