//! Sockets: TCP and unix behind one face, and the addresses that are listened on.
//!
//! This room must not know what the bytes mean, nor who sends them.

mod cannot_listen;
mod doors;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use socket2::{Domain, Protocol, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::model::Endpoint;

pub use cannot_listen::CannotListen;
pub use doors::{Address, Doors, Opening, Purpose};
pub use socket::Socket;

/// How many clients may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A connected stream socket that tokio watches: a node's, or one that speaks HTTP.
///
/// Reads go through tokio's `poll_read`, which takes a short read as the sign that the socket is drained: no second system
/// call asks for `EAGAIN`.
#[derive(Debug)]
pub enum Stream {
    /// TCP, with `TCP_NODELAY`.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Connects to `endpoint`; a name is resolved each time and its addresses are tried in turn.
    ///
    /// Cancel safe: dropping the future closes the half-made connection.
    ///
    /// # Errors
    /// What the last attempt said.
    pub async fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Unix(path) => Ok(Self::Unix(UnixStream::connect(path).await?)),
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let keepalive = socket2::TcpKeepalive::new().with_time(std::time::Duration::from_secs(60));
                socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                Ok(Self::Tcp(stream))
            }
        }
    }
}

/// How many pieces one vectored write takes.
const PIECES: usize = 32;

impl Stream {
    /// Writes from `out` as much as the socket takes: how much that was, and whether it was all. Nobody is woken when it
    /// takes more: see [`Self::poll_writable`].
    #[inline]
    pub fn write_from(&self, out: &mut impl Buf) -> (usize, io::Result<Poll<()>>) {
        let mut count = 0;
        while out.has_remaining() {
            match self.write(out) {
                Ok(written) => {
                    out.advance(written);
                    count += written;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (count, Ok(Poll::Pending)),
                Err(error) => return (count, Err(error)),
            }
        }
        (count, Ok(Poll::Ready(())))
    }

    #[inline]
    fn write(&self, out: &impl Buf) -> io::Result<usize> {
        let chunk = out.chunk();
        if chunk.len() == out.remaining() {
            return match self {
                Self::Tcp(stream) => stream.try_write(chunk),
                Self::Unix(stream) => stream.try_write(chunk),
            };
        }
        let mut pieces = [io::IoSlice::new(&[]); PIECES];
        let count = out.chunks_vectored(&mut pieces);
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(&pieces[..count]),
            Self::Unix(stream) => stream.try_write_vectored(&pieces[..count]),
        }
    }

    /// Pending until the socket, which was full, takes more, or is broken.
    ///
    /// # Errors
    /// When its runtime has ended.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Has the kernel drop what was written and not sent, when the stream is closed: it must not arrive later.
    pub fn abort(&self) {
        if let Self::Tcp(stream) = self {
            // A socket that is broken already has nothing left to send.
            let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// An accepted client that belongs to no runtime yet: it is handed to the worker that will serve it.
#[derive(Debug)]
pub enum Accepted {
    /// From a TCP listener.
    Tcp(std::net::TcpStream),
    /// From a unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Accepted {
    /// Joins the runtime of the calling thread.
    ///
    /// # Errors
    /// When the socket cannot be registered.
    pub fn adopt(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Self::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }

    /// Says one last thing, as far as the socket takes it, and closes.
    pub fn dismiss(self, words: &[u8]) {
        use std::io::Write;
        // The client may be gone already: then there is nobody to tell.
        let _ = match self {
            Self::Tcp(mut stream) => stream.write(words),
            Self::Unix(mut stream) => stream.write(words),
        };
    }
}

impl From<Accepted> for OwnedFd {
    fn from(client: Accepted) -> Self {
        match client {
            Accepted::Tcp(stream) => stream.into(),
            Accepted::Unix(stream) => stream.into(),
        }
    }
}

/// A listening socket.
///
/// A unix socket's file is removed when the listener is dropped.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket and the file that it is.
    Unix(UnixListener, SocketFile),
}

/// The file of a unix socket; dropping it removes the file.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Listener {
    /// Listens on `endpoint`, on every address that its name has.
    ///
    /// A unix socket's file that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// When the name is unknown, the address is taken, or the file is no socket.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Vec<Self>> {
        match endpoint {
            Endpoint::Unix(path) => Ok(vec![bind_unix(path)?]),
            Endpoint::Tcp { host, port } => {
                tokio::net::lookup_host((host.as_str(), *port)).await?.map(bind_tcp).collect()
            }
        }
    }

    /// Where it listens, with the port that the kernel gave where 0 was asked for.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        Ok(match self {
            Self::Tcp(listener) => {
                let address = listener.local_addr()?;
                Endpoint::Tcp { host: address.ip().to_string(), port: address.port() }
            }
            Self::Unix(_, file) => Endpoint::Unix(file.0.clone()),
        })
    }

    /// Takes the next client. Cancel safe.
    ///
    /// # Errors
    /// Those of `accept(2)`, `EMFILE` among them: the caller waits before it tries again.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Accepted::Tcp(stream.into_std()?))
            }
            Self::Unix(listener, _) => Ok(Accepted::Unix(listener.accept().await?.0.into_std()?)),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Listener::Tcp(TcpListener::from_std(socket.into())?))
}

fn bind_unix(path: &Path) -> io::Result<Listener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    Ok(Listener::Unix(UnixListener::bind(path)?, SocketFile(path.to_owned())))
}
