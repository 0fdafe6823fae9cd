//! A client's socket, which its worker reads and writes without asking tokio.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::Poll;

use bytes::Buf;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr, writev};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use super::PIECES;

/// A connected stream socket that does not block, and what is known of it.
///
/// The kernel tells once when there is something to read again, or room to write: until [`Self::hear`] has it, no system
/// call asks.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    /// There may be something to read.
    is_readable: bool,
    /// The peer has ended its side, or the connection is broken: a read does not wait.
    has_ended: bool,
    /// There may be room to write.
    is_writable: bool,
}

impl Socket {
    /// A socket that does not block, of which nothing is known yet.
    pub fn new(stream: impl Into<OwnedFd>) -> Self {
        Self { descriptor: stream.into(), is_readable: false, has_ended: false, is_writable: true }
    }

    /// Has the kernel tell of it by `token`.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut SourceFd(&self.descriptor.as_raw_fd()), token, interest)
    }

    /// The kernel has told of it.
    #[inline]
    pub fn hear(&mut self, event: &Event) {
        self.has_ended |= event.is_read_closed() || event.is_error();
        self.is_readable |= event.is_readable();
        self.is_writable |= event.is_writable() || event.is_error();
    }

    /// Whether there may be something to read, which there is not after a read that left room.
    #[inline]
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.is_readable || self.has_ended
    }

    /// Reads at most `most` bytes behind what `into` holds, as far as it has room; how much that was, 0 at the end. Pending
    /// when there is nothing.
    ///
    /// # Errors
    /// When the connection is broken.
    #[inline]
    pub fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<Poll<usize>> {
        if !self.is_readable() {
            return Ok(Poll::Pending);
        }
        let room = into.capacity() - into.len();
        match retry_on_intr(|| if room <= most { self.fill(into) } else { self.sip(into, most) }) {
            Ok(count) => {
                self.is_readable = count == room.min(most);
                Ok(Poll::Ready(count))
            }
            Err(Errno::AGAIN) => {
                self.is_readable = false;
                Ok(Poll::Pending)
            }
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    fn fill(&self, into: &mut Vec<u8>) -> Result<usize, Errno> {
        recv(&self.descriptor, spare_capacity(into), RecvFlags::empty()).map(|(count, _)| count)
    }

    #[cold]
    fn sip(&self, into: &mut Vec<u8>, most: usize) -> Result<usize, Errno> {
        let len = into.len();
        into.resize(len + most, 0);
        let read = recv(&self.descriptor, &mut into[len..], RecvFlags::empty()).map(|(count, _)| count);
        into.truncate(len + read.unwrap_or(0));
        read
    }

    /// Writes from `out` as much as the socket takes: how much that was, and whether it was all.
    #[inline]
    pub fn write_from(&mut self, out: &mut impl Buf) -> (usize, io::Result<Poll<()>>) {
        let mut count = 0;
        while self.is_writable && out.has_remaining() {
            match self.write(out) {
                Ok(written) => {
                    out.advance(written);
                    count += written;
                }
                Err(Errno::AGAIN) => self.is_writable = false,
                Err(error) => return (count, Err(error.into())),
            }
        }
        (count, Ok(if out.has_remaining() { Poll::Pending } else { Poll::Ready(()) }))
    }

    /// Writes once.
    #[inline]
    fn write(&mut self, out: &impl Buf) -> Result<usize, Errno> {
        let chunk = out.chunk();
        let (asked, written) = if chunk.len() == out.remaining() {
            (chunk.len(), retry_on_intr(|| send(&self.descriptor, chunk, SendFlags::NOSIGNAL))?)
        } else {
            let mut pieces = [io::IoSlice::new(&[]); PIECES];
            let count = out.chunks_vectored(&mut pieces);
            let pieces = &pieces[..count];
            (pieces.iter().map(|piece| piece.len()).sum(), retry_on_intr(|| writev(&self.descriptor, pieces))?)
        };
        self.is_writable = written == asked; // the kernel tells when it takes more
        Ok(written)
    }

    /// Tells the peer that nothing more comes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn shut(&self) -> io::Result<()> {
        Ok(shutdown(&self.descriptor, Shutdown::Write)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use mio::{Events, Poll as Set};

    use super::*;

    /// A socket, its peer, and the set that tells of it.
    struct Bench {
        socket: Socket,
        peer: UnixStream,
        set: Set,
    }

    impl Bench {
        fn new() -> Self {
            let (ours, peer) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            peer.set_nonblocking(true).unwrap();
            let (socket, set) = (Socket::new(ours), Set::new().unwrap());
            socket.register(set.registry(), Token(7)).unwrap();
            Self { socket, peer, set }
        }

        /// Hears what there is to hear now; how often the kernel told.
        fn hear(&mut self) -> usize {
            let mut events = Events::with_capacity(8);
            self.set.poll(&mut events, Some(Duration::ZERO)).unwrap();
            events.iter().for_each(|event| self.socket.hear(event));
            events.iter().count()
        }

        fn read(&mut self, room: usize, most: usize) -> Poll<Vec<u8>> {
            let mut bytes = Vec::with_capacity(room);
            self.socket.read(&mut bytes, most).unwrap().map(|count| {
                assert_eq!(count, bytes.len());
                bytes
            })
        }
    }

    #[test]
    fn a_read_that_left_room_is_the_last_until_the_kernel_tells() {
        let mut bench = Bench::new();
        assert!(bench.read(8, 8).is_pending());
        bench.peer.write_all(b"abcdef").unwrap();
        assert!(bench.read(8, 8).is_pending(), "nobody has told");
        bench.hear();
        assert_eq!(bench.read(4, 100), Poll::Ready(b"abcd".to_vec()));
        assert!(bench.socket.is_readable());
        assert_eq!(bench.read(4, 100), Poll::Ready(b"ef".to_vec()));
        assert!(!bench.socket.is_readable());
        assert_eq!(bench.hear(), 0);
    }

    #[test]
    fn no_more_is_read_than_was_asked_for() {
        let mut bench = Bench::new();
        bench.peer.write_all(b"abcdef").unwrap();
        bench.hear();
        assert_eq!(bench.read(100, 4), Poll::Ready(b"abcd".to_vec()));
        assert_eq!(bench.read(100, 4), Poll::Ready(b"ef".to_vec()));
        assert!(bench.read(100, 4).is_pending());
    }

    #[test]
    fn an_end_that_comes_with_the_last_bytes_is_seen_behind_them() {
        let mut bench = Bench::new();
        bench.peer.write_all(b"quit").unwrap();
        bench.peer.shutdown(std::net::Shutdown::Write).unwrap();
        bench.hear();
        assert_eq!(bench.read(8, 8), Poll::Ready(b"quit".to_vec()));
        assert_eq!(bench.read(8, 8), Poll::Ready(Vec::new()));
    }

    #[test]
    fn a_full_socket_is_not_asked_until_the_kernel_tells() {
        let mut bench = Bench::new();
        bench.hear();
        let whole = vec![b'v'; 4 << 20];
        let mut out = &whole[..];
        let (mut written, result) = bench.socket.write_from(&mut out);
        assert!(written > 0 && written < whole.len() && matches!(result, Ok(Poll::Pending)));
        assert!(matches!(bench.socket.write_from(&mut out), (0, Ok(Poll::Pending))));
        let (mut heard, mut buffer) = (0, vec![0; 1 << 20]);
        while heard < whole.len() {
            heard += bench.peer.read(&mut buffer).unwrap_or(0);
            bench.hear();
            written += bench.socket.write_from(&mut out).0;
        }
        assert_eq!(written, whole.len());
    }

    #[test]
    fn pieces_leave_together() {
        let mut bench = Bench::new();
        let mut out = Buf::chain(Buf::chain(&b"VALUE "[..], &[b'v'; 8192][..]), &b"END"[..]);
        assert!(matches!(bench.socket.write_from(&mut out), (8201, Ok(Poll::Ready(())))));
        let mut heard = vec![0; 10_000];
        assert_eq!(bench.peer.read(&mut heard).unwrap(), 8201);
        assert!(heard.starts_with(b"VALUE v") && heard[..8201].ends_with(b"vEND"));
    }

    #[test]
    fn a_peer_that_has_gone_is_an_error() {
        let mut bench = Bench::new();
        drop(bench.peer);
        assert!(bench.socket.write_from(&mut &b"x"[..]).1.is_err());
    }
}
