//! Tells systemd when ketch serves, reloads and ends: the protocol of `sd_notify(3)`, by hand.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The way to whoever supervises the process; nobody, where the environment names none.
#[derive(Debug, Default)]
pub struct Supervisor(Option<UnixDatagram>);

impl Supervisor {
    /// The supervisor that `NOTIFY_SOCKET` names.
    ///
    /// One that cannot be reached is told of in the log: the process can do without.
    #[must_use]
    pub fn from_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        match connect(&name) {
            Ok(socket) => Self(Some(socket)),
            Err(error) => {
                tracing::warn!(%error, ?name, "cannot reach the supervisor of NOTIFY_SOCKET");
                Self::default()
            }
        }
    }

    /// Requests are served from here on.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving\n");
    }

    /// Another configuration is in force.
    pub fn reloaded(&self) {
        self.tell("RELOADING=1\n");
        self.ready();
    }

    /// What was accepted is finished, and nothing more is taken.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=draining\n");
    }

    fn tell(&self, words: &str) {
        if let Some(socket) = &self.0 {
            // A supervisor that is gone has nobody to be told by.
            let _ = socket.send(words.as_bytes());
        }
    }
}

/// A path, or with `@` in front a name in the kernel's own space.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
